"""An api call -> the bytes of a mail. Pure.

Built with `EmailMessage`, which refuses line ends in headers; they are stripped before (F082, SECURITY S13). It also
decodes `=?utf-8?q?=0D=0A?=` in a header that it is given, and then writes the line end: what a stranger chose never
goes through it. Subject and ids are written here, and an address with `=?` is refused. Lines are
at most 76 bytes: text and HTML travel as quoted-printable or base64, whichever is shorter (CHANNELS 4.8).
"""

from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8

from channels.email.account import PLAIN_ADDRESS
from channels.email.classify import LOOP_HEADER
from channels.email.mime import clean_block, clean_line
from channels.email.threads import ids_in, our_message_id
from channels.email.tokens import reply_address
from core.errors import PermanentFailure
from core.model import Json

ENCODED = "=?"
"""How an encoded word begins (RFC 2047 section 2)."""


def compose(
    params: dict[str, Json], out_id: str, domain: str, date: datetime, key: bytes | None = None
) -> tuple[str, bytes]:
    """Return the Message-ID and the bytes of one answer; with a key, Reply-To names its thread.

    Raises:
        PermanentFailure: the recipient cannot be written into a header.
    """
    values = {name: str(value) for name, value in params.items()}
    message_id = our_message_id(out_id, values["root16"], domain)
    mail = EmailMessage(policy=SMTPUTF8 if needs_utf8(values["to"], values["from"]) else SMTP)
    mail["From"] = _one_address(values["from"])
    mail["To"] = _one_address(values["to"])
    if key is not None:
        mail["Reply-To"] = _one_address(reply_address(values["from"], values["root16"], key))
    mail["Date"] = date
    mail["Auto-Submitted"] = "auto-replied"
    mail["X-Auto-Response-Suppress"] = "All"
    mail[LOOP_HEADER] = mail["From"]
    mail.set_content(_ended(values["text"]), charset="utf-8", cte=_encoding(values["text"]))
    if "html" in values:
        mail.add_alternative(_ended(values["html"]), subtype="html", charset="utf-8", cte=_encoding(values["html"]))
    return message_id, _id_headers(message_id, values) + _subject(values["subject"]) + mail.as_bytes()


def _one_address(value: str) -> str:
    if not PLAIN_ADDRESS.fullmatch(value) or clean_line(value) != value or ENCODED in value:
        raise PermanentFailure("not a mail address", code="bad_address", unreachable=True)
    return value


def _subject(value: str) -> bytes:
    """Write the Subject; what looks encoded is encoded once more, so that it is shown as it was written (RFC 2047)."""
    text = clean_line(value)
    charset = "us-ascii" if text.isascii() and ENCODED not in text else "utf-8"
    written = Header(text, charset, header_name="Subject").encode(linesep="\r\n")
    return f"Subject: {written}\r\n".encode("ascii")


def needs_utf8(*addresses: str) -> bool:
    """Tell whether an address needs SMTPUTF8 (RFC 6531)."""
    return not all(address.isascii() for address in addresses)


def _ended(text: str) -> str:
    return clean_block(text).rstrip("\n") + "\n"


def _encoding(text: str) -> str:
    """Return the shorter encoding: base64 adds a third, quoted-printable triples each byte that is not ASCII."""
    size = len(text.encode("utf-8", "replace"))
    strangers = sum(not character.isascii() for character in text)
    return "base64" if strangers * 12 > size else "quoted-printable"


def _id_headers(message_id: str, values: dict[str, str]) -> bytes:
    """Write the headers of ids by hand, one id a line: the library would encode ids longer than a line.

    Safe by construction: `ids_in` yields printable ASCII without spaces and brackets only.
    """
    found = {
        "Message-ID": (message_id,),
        "In-Reply-To": ids_in(values.get("in_reply_to", ""))[:1],
        "References": ids_in(values.get("references", "")),
    }
    lines = (f"{name}: " + "\r\n ".join(ids) + "\r\n" for name, ids in found.items() if ids)
    return "".join(lines).encode("ascii")
