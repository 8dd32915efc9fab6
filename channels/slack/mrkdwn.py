"""Slack's text format: what people wrote out of it, what we say into it.

Source: docs.slack.dev/messaging/formatting-message-text (CHANNELS S14). Only `& < >` are escaped; everything in angle
brackets is an entity.
"""

import json
import re

from channels.cuts import CODE, EMPHASIS, LINK, kept_whole, out_of, whole_characters

ENTITY = re.compile(r"<([^<>]*)>")
SCHEMES_NOT_SHOWN = ("mailto:", "tel:")
BREAKS = (re.compile(r"\n\n+"), re.compile(r"\n"), re.compile(r"(?<=[.!?;:])[ \t]+"), re.compile(r"[ \t]+"))
"""Where a long text may be cut, best first: after a paragraph, a line, a sentence, a word."""
WHOLE = re.compile(f"{CODE}|<[^<>\\n]*>|&(?:amp|lt|gt);|{LINK}|{EMPHASIS}")
"""What a cut must not go through: code, a link or mention, an escape, a formatted run."""


def escape_mrkdwn(text: str) -> str:
    """Make a text literal: no mention, no link, no channel-wide ping can be typed by a customer.

    >>> escape_mrkdwn("<!channel> R&D")
    '&lt;!channel&gt; R&amp;D'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def escape_block_json(text: str) -> str:
    r"""Make a text literal inside a JSON string of a block.

    >>> escape_block_json('say "<hi>"\n')
    'say \\"&lt;hi&gt;\\"\\n'
    """
    return json.dumps(escape_mrkdwn(text), ensure_ascii=False)[1:-1]


def plain_text(text: str, bot_user: str | None = None) -> str:
    """Return what a person wrote, without markup; a mention of our bot is left out.

    >>> plain_text("<@UBOT>: is <https://example.org|this page> down &amp; out?", "UBOT")
    'is this page (https://example.org) down & out?'
    """
    if bot_user:
        text = re.sub(rf"<@{re.escape(bot_user)}(?:\|[^<>]*)?>[:,]?[ \u00a0]*", "", text)
    plain = ENTITY.sub(lambda found: _entity(found[1]), text)
    return plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip()


def mentions(text: str, user: str | None) -> bool:
    """Tell whether a text names that user.

    >>> mentions("hi <@U1|anna>", "U1"), mentions("hi @U1", "U1"), mentions("hi", None)
    (True, False, False)
    """
    return user is not None and (f"<@{user}>" in text or f"<@{user}|" in text)


def _entity(inside: str) -> str:
    target, _, label = inside.partition("|")
    if target.startswith(("@", "#")):
        return target[0] + label.removeprefix(target[0]) if label else target
    if target.startswith("!"):
        return _special(target[1:], label)
    return _link(target, label)


def _special(target: str, label: str) -> str:
    """Read `!here`, `!subteam^S1|@team`, `!date^0^{date}|yesterday`."""
    if label:
        return label
    return "@" + target.removeprefix("subteam^")


def _link(target: str, label: str) -> str:
    shown = target
    for scheme in SCHEMES_NOT_SHOWN:
        shown = shown.removeprefix(scheme)
    if not label or label == shown or target.removeprefix("https://").removeprefix("http://") == label:
        return shown
    return f"{label} ({shown})"


def split_mrkdwn(text: str, max_chars: int) -> list[str]:
    """Cut a long text into pieces of at most `max_chars` code points; joined, the pieces are the text again.

    Cuts after a paragraph, line, sentence or word where one ends in the second half of the piece, and never inside an
    escape, a link, code, a formatted run or a visible character, unless that fills a piece alone.

    >>> split_mrkdwn("one two. three four", 10)
    ['one two. ', 'three four']
    """
    pieces = []
    while len(text) > max_chars:
        cut = _cut(text, max_chars)
        pieces.append(text[:cut])
        text = text[cut:]
    return [*pieces, text]


def _cut(text: str, max_chars: int) -> int:
    spans = kept_whole(WHOLE, text, max_chars)
    for pattern in BREAKS:
        ends = [found.end() for found in pattern.finditer(text, max_chars // 2, max_chars)]
        for end in reversed(ends):
            if out_of(spans, end) == end:
                return end
    return whole_characters(text, out_of(spans, max_chars))
