"""Slack's text format: what people wrote out of it, what we say into it.

Source: docs.slack.dev/messaging/formatting-message-text (CHANNELS S14). Only `& < >` are escaped; everything in angle
brackets is an entity.
"""

import json
import re
import unicodedata

ENTITY = re.compile(r"<([^<>]*)>")
SCHEMES_NOT_SHOWN = ("mailto:", "tel:")
BREAKS = (re.compile(r"\n\n+"), re.compile(r"\n"), re.compile(r"(?<=[.!?;:])[ \t]+"), re.compile(r"[ \t]+"))
"""Where a long text may be cut, best first: after a paragraph, a line, a sentence, a word."""
ATOM = re.compile(r"&(?:amp|lt|gt);|<[^<>\n]*>")
"""What a cut must not go through: an escape, a link."""
JOINERS = frozenset("\u200d\ufe0e\ufe0f\u20e3")
SKIN_TONES = range(0x1F3FB, 0x1F400)
MAX_CLUSTER = 64
"""Code points that one visible character may reasonably take; beyond it a cut is made anyway."""


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
    escape, a link or a visible character.

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
    for pattern in BREAKS:
        ends = [found.end() for found in pattern.finditer(text, max_chars // 2, max_chars)]
        for end in reversed(ends):
            if _outside_atoms(text, end, max_chars) == end:
                return end
    return _outside_clusters(text, _outside_atoms(text, max_chars, max_chars))


def _outside_atoms(text: str, cut: int, max_chars: int) -> int:
    """Move a cut before the escape or link that it would go through, unless that one fills the piece alone."""
    for atom in ATOM.finditer(text, max(0, cut - max_chars), min(len(text), cut + max_chars)):
        if atom.start() < cut < atom.end():
            return atom.start() or cut
    return cut


def _outside_clusters(text: str, cut: int) -> int:
    for place in range(cut, max(0, cut - MAX_CLUSTER), -1):
        if not _joined(text[place - 1], text[place]):
            return place
    return cut


def _joined(before: str, after: str) -> bool:
    """Tell whether two neighbours belong to one visible character."""
    return (
        before == "\u200d"
        or after in JOINERS
        or ord(after) in SKIN_TONES
        or unicodedata.combining(after) != 0
        or (before == "\r" and after == "\n")
    )
