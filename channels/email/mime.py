"""MIME bytes -> a tree of parts, header values, text. Pure; survives real mail (CHANNELS 4.2, F078, F082).

The strict header classes of `email.policy.default` raise on one real mail in thirty-five, so the tree is parsed with
`compat32` and every value is decoded here, with a fallback. The costs of the parser are bounded before it runs.
"""

import codecs
import re
from collections.abc import Iterator
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.policy import compat32

from channels.payload import clean_text
from core.errors import MalformedPayload

MAX_MAIL_BYTES = 10 * 1024 * 1024  # SECURITY S5
MAX_HEADER_BYTES = 32 * 1024  # F078: header of the mail itself
MAX_PART_HEADER_BYTES = 8 * 1024  # one Content-Type or Content-Disposition; the parser is quadratic in its parameters
MAX_DEPTH = 20  # F078
MAX_PARTS = 100  # F078
MAX_ADDRESSES = 100  # F078: 50,000 recipients took 26 s
MAX_PARSER_WORK = 2_000_000  # lines x open boundaries that the parser compares; about 1 s, and 100 bytes a line

ADDRESS_HEADERS = re.compile(
    rb"^(?:resent-)?(?:from|to|cc|bcc|reply-to|sender)[ \t]*:(?:[^\n]|\n[ \t])*", re.IGNORECASE | re.MULTILINE
)
CONTENT_HEADERS = re.compile(rb"^content-[a-z-]+[ \t]*:(?:[^\n]|\n[ \t])*", re.IGNORECASE | re.MULTILINE)
MULTIPARTS = re.compile(rb"^content-type:\s*multipart/", re.IGNORECASE | re.MULTILINE)
BOUNDARIES = re.compile(rb"boundary\s*=\s*\"?([^\s\";]+)", re.IGNORECASE)
OBSOLETE_COLON = re.compile(rb"^([!-9;-~]+)[ \t]+:", re.MULTILINE)  # RFC 5322 section 4.5
LINE_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\\s]+")
BLOCK_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f]+")
LINE_ENDS = re.compile("\r\n|[\r\x85\u2028\u2029]")

EVIDENCE = frozenset(
    {"from", "sender", "to", "cc", "subject", "date", "message-id", "received", "return-path"}
    | {"delivered-to", "mime-version", "content-type"}
)
"""A mail has at least one of these headers (RFC 5322 asks for From and Date)."""

PARSER_ERRORS = (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError, MessageError)
"""What the standard library has been seen to raise on mail: UnicodeError and binascii.Error are ValueErrors."""

CHARSETS = {
    "iso-8859-1": "cp1252",  # senders mean Windows' set, which is a superset in print
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "us-ascii": "utf-8",
    "ascii": "utf-8",
    "ks_c_5601-1987": "cp949",
    "ks_c_5601": "cp949",
    "euc-kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "iso-8859-8-i": "iso-8859-8",
    "unicode-1-1-utf-7": "utf-7",
    "utf8mb4": "utf-8",
    "x-unknown": "utf-8",
}
SLOW_CODECS = frozenset({"punycode", "idna"})  # quadratic, and never a body's charset


MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")  # RFC 6838 section 4.2
CLOSED_STATUS = "message/x-delivery-status"


class ClosedMessage(Message):
    """A part of a mail. Mails and reports inside it stay closed: they are attachments, and they are how bombs nest."""

    def get_content_maintype(self) -> str:
        """Return the main type, with `message` shown as a leaf to the parser."""
        maintype = super().get_content_maintype()
        return "application" if maintype == "message" else maintype

    def get_content_type(self) -> str:
        """Return the type; rubbish counts as text/plain.

        A delivery status is renamed: the parser would make a part of each of its paragraphs.
        """
        try:
            found = super().get_content_type()
        except PARSER_ERRORS:
            return "text/plain"
        if not MEDIA_TYPE.fullmatch(found):
            return "text/plain"
        return CLOSED_STATUS if found == "message/delivery-status" else found


Part = Message


def normalize_lines(raw: bytes) -> bytes:
    r"""End lines with `\n`, and drop blank lines before the header.

    >>> normalize_lines(b"\r\nA: b\r\rtext\r\n")
    b'A: b\n\ntext\n'
    """
    return raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").lstrip(b"\n")


def split_head(lines: bytes) -> tuple[bytes, bytes]:
    """Return header and body of a mail whose lines are normalised."""
    head, _, body = lines.partition(b"\n\n")
    return head, body


def parse(raw: bytes) -> Part:
    """Parse a mail into its tree of parts.

    Raises:
        MalformedPayload: too big, too deep, too many parts or addresses, or not a mail at all.
    """
    if len(raw) > MAX_MAIL_BYTES:
        raise MalformedPayload(f"larger than {MAX_MAIL_BYTES} bytes")
    lines = normalize_lines(raw)
    _check_caps(lines)
    head, body = split_head(lines)
    try:
        mail = message_from_bytes(
            OBSOLETE_COLON.sub(rb"\1:", head) + b"\n\n" + body, _class=ClosedMessage, policy=compat32
        )
    except PARSER_ERRORS as error:
        raise MalformedPayload(f"the MIME parser gave up: {type(error).__name__}") from error
    if EVIDENCE.isdisjoint(name.strip().lower() for name in mail):
        raise MalformedPayload("no header of a mail")
    _check_tree(mail)
    return mail


def _check_caps(lines: bytes) -> None:
    """Refuse what would cost the parser too much, by counting in the raw bytes."""
    head, _ = split_head(lines)
    if len(head) > MAX_HEADER_BYTES:
        raise MalformedPayload(f"header larger than {MAX_HEADER_BYTES} bytes")
    for header in ADDRESS_HEADERS.findall(head):
        if header.count(b"@") > MAX_ADDRESSES or header.count(b",") > 2 * MAX_ADDRESSES:
            raise MalformedPayload(f"more than {MAX_ADDRESSES} addresses")
    if any(len(header) > MAX_PART_HEADER_BYTES for header in CONTENT_HEADERS.findall(lines)):
        raise MalformedPayload(f"header of a part larger than {MAX_PART_HEADER_BYTES} bytes")
    containers = len(MULTIPARTS.findall(lines))
    if containers > MAX_PARTS:
        raise MalformedPayload(f"more than {MAX_PARTS} parts")
    if (1 + containers) * lines.count(b"\n") > MAX_PARSER_WORK:
        raise MalformedPayload("too many lines for its nesting")
    # An empty attachment costs two lines, its end one more: more boundary lines than that are a bomb.
    boundaries = set(BOUNDARIES.findall(lines)) if containers else set()
    if len(boundaries) > 2 * MAX_PARTS or _boundary_lines(lines, boundaries) > 2 * MAX_PARTS:
        raise MalformedPayload(f"more than {MAX_PARTS} parts")


def _boundary_lines(lines: bytes, boundaries: set[bytes]) -> int:
    if not boundaries:
        return 0
    longest = max(len(boundary) for boundary in boundaries)
    return sum(
        line[: longest + 4].removesuffix(b"--").strip() in boundaries or line.strip() in boundaries
        for line in re.findall(rb"^--([^\n]{1,200})", lines, re.MULTILINE)
    )


def _check_tree(mail: Part) -> None:
    for count, (_, depth) in enumerate(walk(mail), start=1):
        if depth > MAX_DEPTH:
            raise MalformedPayload(f"nested deeper than {MAX_DEPTH}")
        if count > MAX_PARTS:
            raise MalformedPayload(f"more than {MAX_PARTS} parts")


def walk(mail: Part) -> Iterator[tuple[Part, int]]:
    """Yield every part with its depth, in the order of the mail; the mail itself is first, at depth 0."""
    waiting = [(mail, 0)]
    while waiting:
        part, depth = waiting.pop()
        yield part, depth
        waiting.extend((child, depth + 1) for child in reversed(children(part)))


def children(part: Part) -> list[Part]:
    """Return the parts of a multipart, none for a leaf."""
    # `get_payload()` of a leaf decodes it, and raises on some charset parameters: ask first.
    payload = [] if is_leaf(part) else part.get_payload()
    return [child for child in payload if isinstance(child, Message)]


def is_leaf(part: Part) -> bool:
    """Tell whether a part holds content rather than parts."""
    return not part.is_multipart()


def headers_of(mail: Part) -> dict[str, str]:
    """Return the first value of each header, decoded, on one line and without control characters."""
    found: dict[str, str] = {}
    for name, value in mail.raw_items():
        found.setdefault(name.strip().lower(), value)
    return {clean_line(name): clean_line(decode_words(value)) for name, value in found.items()}


def raw_header(mail: Part, name: str) -> str:
    """Return the first value of a header with its encoded words, 8-bit bytes read as text; "" where it is missing."""
    wanted = name.lower()
    return next((_from_8bit(value) for key, value in mail.raw_items() if key.strip().lower() == wanted), "")


def all_of(mail: Part, name: str) -> tuple[str, ...]:
    """Return every value of a header, the topmost first, each on one line, encoded words as they were written."""
    wanted = name.lower()
    found = (value for key, value in mail.raw_items() if key.strip().lower() == wanted)
    return tuple(clean_line(_from_8bit(value)) for value in found)


def decode_words(value: str) -> str:
    """Decode RFC 2047 words; what cannot be decoded stays as it was written.

    >>> decode_words("=?utf-8?q?Gr=C3=BC=C3=9Fe?= from =?iso-8859-1?b?S/Zsbg==?=")
    'Grüße from Köln'
    """
    text = _from_8bit(value)
    if "=?" not in text:
        return text
    try:
        return "".join(_decode_chunk(chunk, charset) for chunk, charset in decode_header(text))
    except PARSER_ERRORS:
        return text


def _decode_chunk(chunk: str | bytes, charset: str | None) -> str:
    if isinstance(chunk, str):
        return chunk
    return chunk.decode("raw-unicode-escape") if charset is None else decode_bytes(chunk, charset)


def _from_8bit(value: str) -> str:
    """Read the bytes that the parser kept as surrogates: undeclared UTF-8 or Windows text."""
    return value if value.isascii() else decode_bytes(value.encode("utf-8", "surrogateescape"), None)


def decode_bytes(data: bytes, charset: str | None) -> str:
    """Decode text in its declared charset; failing that as UTF-8, failing that as Windows text. Never raises.

    >>> decode_bytes("für".encode("cp1252"), "us-ascii"), decode_bytes("für".encode(), "no-such-charset")
    ('für', 'für')
    """
    for name in (_codec(charset), "utf-8"):
        try:
            return data.decode(name)
        except (UnicodeError, LookupError):
            continue
    return data.decode("cp1252", "replace")


def _codec(charset: str | None) -> str:
    wanted = (charset or "utf-8").strip(" \"'").lower()
    wanted = CHARSETS.get(wanted, wanted)
    try:
        name = codecs.lookup(wanted).name
    except (LookupError, ValueError):
        return "utf-8"
    return "utf-8" if name in SLOW_CODECS else wanted


def content_of(part: Part) -> bytes:
    """Return the bytes of a leaf without their transfer encoding; what cannot be decoded comes as it is."""
    for decode in (True, False):
        try:
            payload = part.get_payload(decode=decode)
        except PARSER_ERRORS:
            continue
        if isinstance(payload, str):
            return payload.encode("utf-8", "surrogateescape")
        if isinstance(payload, bytes):
            return payload
    return b""


def text_of(part: Part) -> str:
    """Return the text of a leaf."""
    try:
        charset = part.get_content_charset()
    except PARSER_ERRORS:
        charset = None
    return clean_block(decode_bytes(content_of(part), charset))


def clean_line(text: str) -> str:
    r"""Make a header value safe to re-use: one line, no control characters, no lone surrogates (F082).

    >>> clean_line("Hello\r\nBcc: all@example.com\u2028x\x00 ")
    'Hello Bcc: all@example.com x'
    """
    return clean_text(LINE_CONTROLS.sub(" ", text)).strip()


def clean_block(text: str) -> str:
    r"""End lines with `\n` and drop the other control characters.

    >>> clean_block("a\r\nb\x07\x00\tc")
    'a\nb\tc'
    """
    return clean_text(BLOCK_CONTROLS.sub("", LINE_ENDS.sub("\n", text)))
