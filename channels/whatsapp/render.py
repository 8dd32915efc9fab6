"""Reply -> `Messages.create` calls. Pure.

Text is split at paragraphs, else lines, sentences, words. Choices are buttons or a list where the account has contents
for so many of them (`contents.py`), else a numbered list under the last part: `Messages.create` has no buttons (W22).
"""

import json
import re
from collections.abc import Mapping, Sequence

from channels.cuts import FORMATTED, split_plain, utf16_units
from channels.files import linked
from channels.inbound import Capabilities, Pace, TypingAbility
from channels.payload import clean_text
from channels.whatsapp.account import WHATSAPP_PREFIX
from channels.whatsapp.contents import with_choices
from core.events import Address
from core.model import Json
from core.ports import Escape, Words
from core.replies import ApiCall, Choice, Reply
from core.window import ContentTemplate

MAX_TEXT = 1600
"""Characters of one Body (W21, error 21617). Twilio does not say how it counts an emoji; we count UTF-16 units, the
larger of the two ways."""
MAX_TEMPLATE = 1024
"""Characters of a template's body (W21, error 63021), of which its variables are a part."""
METHOD = "Messages.create"
SENDER_PACE = Pace(per_s=40.0, burst=40)
"""Never more than 80 messages in a second, a new WhatsApp sender's share (W24); of SMS Twilio queues the rest."""
PAIR_PACE = Pace(per_s=1 / 6, burst=6)
"""To one person on WhatsApp: one in six seconds, with bursts that borrow from what follows (Meta's error 131056, W24).
Meta lets up to 45 borrow; 6 is our choice: two answers of three parts."""

NO_CONTENTS: Mapping[int, str] = {}

LOOK_ALIKES = {"*": "\u2217", "_": "\u02cd", "~": "\u223c", "`": "\u02cb"}
"""Asterisk operator, low macron, tilde operator, grave accent: the same to the eye, nothing to WhatsApp (W23)."""
DELIMITER = re.compile(r"(?<![^\W_])[*_~`]|[*_~`](?![^\W_])")
"""A delimiter with anything but a letter or digit on one side. Between two of them WhatsApp shows it as it is, so that
`order_id`, mail addresses and links stay exact."""


def escape_text(text: str) -> str:
    """Make a variable unable to format: it can neither open nor close bold, italic, strike or code.

    WhatsApp knows no escape character, and whether a zero-width character stops its parser is not documented; another
    code point of the same look does for certain.

    >>> escape_text("*Ann* ordered order_id_7") == "\u2217Ann\u2217 ordered order_id_7"
    True
    """
    return DELIMITER.sub(lambda found: LOOK_ALIKES[found[0]], text)


TYPING = TypingAbility(renew_every_s=20.0)
"""A sign shows for 25 seconds; twilio.com/docs/whatsapp/api/typing-indicators-resource, public beta (W29, [K])."""
ESCAPES: Mapping[str, Escape] = {"text": escape_text}
CAPABILITIES = Capabilities(
    max_text=MAX_TEXT,
    text_unit="utf16_units",
    unknown_sends="provable",
    pace=SENDER_PACE,
    bucket_paces={WHATSAPP_PREFIX: PAIR_PACE},
)


def split_text(text: str, limit: int = MAX_TEXT) -> tuple[str, ...]:
    """Cut a text into parts of at most `limit` UTF-16 units; only white space at the cuts is dropped.

    >>> split_text("One two. Three four.", 12)
    ('One two.', 'Three four.')
    """
    return split_plain(text, limit, utf16_units, FORMATTED)


def numbered(choices: Sequence[Choice]) -> str:
    r"""Write choices as a list that can be answered by number.

    >>> numbered((Choice(token="t1", label="Yes", value="yes"), Choice(token="t2", label="No", value="no")))
    '1. Yes\n2. No'
    """
    labels = (escape_text(" ".join(choice.label.split())) for choice in choices)
    return "\n".join(f"{number}. {label}" for number, label in enumerate(labels, 1))


def words_and_links(reply: Reply, words: Words) -> str:
    """Return what there is to say; files are pointed to."""
    return "\n\n".join(part for part in (words.block("text"), linked(reply.attachments, escape_text)) if part)


def bodies(text: str, choices: Sequence[Choice], limits: Capabilities = CAPABILITIES) -> tuple[str, ...]:
    """Return the text of each message, in order; the list stays in one piece where it can."""
    parts = split_text(clean_text(text), limits.max_text)
    menu = clean_text(numbered(choices))
    if not menu:
        return parts
    if parts and limits.measure(f"{parts[-1]}\n\n{menu}") <= limits.max_text:
        return (*parts[:-1], f"{parts[-1]}\n\n{menu}")
    return (*parts, *split_text(menu, limits.max_text))


def render(
    reply: Reply,
    words: Words,
    address: Address,
    limits: Capabilities = CAPABILITIES,
    *,
    number: str,
    messaging_service_sid: str | None,
    choice_contents: Mapping[int, str] = NO_CONTENTS,
) -> tuple[ApiCall, ...]:
    """Give a reply its shape.

    Args:
        reply: what to say.
        words: its words; the block `text` is used.
        address: `to`: the person, verbatim; `from`: the number they wrote to.
        limits: what the account takes.
        number: our sender where the address names none.
        messaging_service_sid: picks the sender when set.
        choice_contents: contents that show choices, by how many; an SMS has a numbered list.
    """
    text = words_and_links(reply, words)
    is_whatsapp = address["to"].startswith(WHATSAPP_PREFIX)
    shown = with_choices(text, reply.choices, choice_contents) if is_whatsapp and reply.choices else None
    before = bodies(text, reply.choices, limits) if shown is None else bodies(shown[0], (), limits)
    said: list[dict[str, Json]] = [{"body": body} for body in before]
    if shown is not None:
        said.append(shown[1])
    sender = _sender(address, number, messaging_service_sid)
    return tuple(
        ApiCall(method=METHOD, params={"to": address["to"], **sender, **one}, bucket=address["to"], kind=reply.kind)
        for one in said
    )


def _sender(address: Address, number: str, messaging_service_sid: str | None) -> dict[str, Json]:
    if messaging_service_sid:
        return {"messaging_service_sid": messaging_service_sid}
    return {"from_": address.get("from") or number}


def render_template(
    template: ContentTemplate,
    values: Mapping[str, str],
    reply: Reply,
    address: Address,
    *,
    number: str,
    messaging_service_sid: str | None,
) -> ApiCall | None:
    """Name an approved template by its ContentSid; None where it has none, for an SMS, and for what is too long.

    Source: twilio.com/docs/content/send-templates-created-with-the-content-template-builder.
    """
    told = template_values(values)
    if template.twilio is None or told is None or not address["to"].startswith(WHATSAPP_PREFIX):
        return None
    sender = _sender(address, number, messaging_service_sid)
    params: dict[str, Json] = {"to": address["to"], **sender, "content_sid": template.twilio}
    if told:
        params["content_variables"] = json.dumps(told, ensure_ascii=False, sort_keys=True)
    return ApiCall(method=METHOD, params=params, bucket=address["to"], kind=reply.kind)


def template_values(values: Mapping[str, str]) -> dict[str, str] | None:
    r"""Return variables as a template takes them: in one line, unable to format; None where they cannot fit.

    Neither provider takes a line break, a tab, more than four spaces in a row, or nothing at all (Twilio 21656, Meta
    132012 and 132018). Nothing is cut: a template of which a part is missing is not sent.

    >>> template_values({"1": "a\n b"}), template_values({"1": " "}), template_values({"1": "x" * 1025})
    ({'1': 'a b'}, None, None)
    """
    told = {name: escape_text(" ".join(clean_text(value).split())) for name, value in values.items()}
    fits = sum(map(utf16_units, told.values())) <= MAX_TEMPLATE
    return told if all(told.values()) and fits else None
