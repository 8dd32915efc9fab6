"""What the person wrote now, without the history quoted below it. Pure.

Losing a person's words is worse than keeping a quote: wherever the cut is doubtful, everything stays (CHANNELS 4.6).
"""

import re
from functools import cache
from itertools import takewhile

from mailparser_reply import EmailMessage
from mailparser_reply.constants import MAIL_LANGUAGES

MARKER = re.compile(r"^[> \t]*(?:##-.*-##|-+ ?reply above this line ?-+)[ \t]*$", re.MULTILINE | re.IGNORECASE)
"""Our own line in outgoing mail, `##- any words -##` in any language: answers stand above it.

Its edges are not `\\s`, which matches line ends too: a mail of blank lines would cost their number squared (F078)."""
SIGNATURE = re.compile(r"^-- ?$", re.MULTILINE)  # RFC 3676 section 4.3
ATTRIBUTION = re.compile(r"(?=.*(?:\S@\S|\d[:.]\d\d|\b\d{4}\b)).{5,250}:")
RULE = re.compile(r"[ \t*]*(?:_{5,}|-{20,})[ \t*]*")
"""A line that clients draw between an answer and the header of what it answers."""
DEVICE = re.compile(r"Sent from my(?: [\w-]+){1,4}")
"""Written by a telephone; a sentence that begins so has a comma or a full stop, or goes on for longer."""
LIST_FOOTER = re.compile(r"^_{30,}\n[^\n]{1,80} mailing list\n[^\n]{1,120}(?:\nhttps?://\S{1,200})?\s*\Z", re.MULTILINE)
"""What mailing list software writes below every mail (GNU Mailman's default)."""
FOOTER = re.compile(r"^(?:-- ?|_{5,}|-{20,})$")

MAX_SEARCHED_CHARS = 16_000  # the header expressions are super-linear: bounded by length, line length and blank lines
MAX_LINE_CHARS = 160


def cut_reply(text: str) -> str:
    r"""Return the answer that stands above the quoted history; the whole text where that would be nothing.

    >>> cut_reply("Yes.\n\nOn Tue, 1 Mar 2022, Jo <jo@example.com> wrote:\n> Really?")
    'Yes.'
    """
    answer = _without_trailing_quote(_above_header(_above_marker(LIST_FOOTER.sub("", text))))
    kept = _without_device(_without_signature(answer))
    return kept.strip() or text.strip()


def _above_marker(text: str) -> str:
    found = MARKER.search(text)
    return text[: found.start()] if found and text[: found.start()].strip() else text


def _above_header(text: str) -> str:
    """Cut at the first "On ... wrote:" or "From: ... Sent: ..." in any language, if only history follows it."""
    lines = text.split("\n")
    at = _header_line(lines)
    if at is None or not "".join(lines[:at]).strip() or _is_interleaved(lines[at:]):
        return text
    return _without_rule("\n".join(lines[:at]))


def _without_rule(answer: str) -> str:
    above, _, last = answer.rstrip().rpartition("\n")
    return above if above.strip() and RULE.fullmatch(last) else answer


def _header_line(lines: list[str]) -> int | None:
    """Return the number of the line where a quoted mail's header begins.

    The library searches a shadow of the text: lines shortened, blank ones merged, so that its cost is bounded.
    """
    shadow: list[str] = []
    numbers: list[int] = []
    size = 0
    for number, line in enumerate(lines):
        short = line.strip()[:MAX_LINE_CHARS]
        if not short and shadow[-1:] == [""]:
            continue
        size += len(short) + 1
        if size > MAX_SEARCHED_CHARS:
            break
        shadow.append(short)
        numbers.append(number)
    joined = "\n".join(shadow)
    found = _headers().search(joined)
    if found is None:
        return None
    start = found.start() + len(found.group()) - len(found.group().lstrip("\n"))
    return numbers[joined.count("\n", 0, start)]


@cache
def _headers() -> re.Pattern[str]:
    """Return the library's expression for reply headers, in all of its languages."""
    expression: re.Pattern[str] = EmailMessage(text="", languages=list(MAIL_LANGUAGES)).HEADER_REGEX
    return expression


def _is_interleaved(history: list[str]) -> bool:
    """Tell whether the person answered between quoted lines: text after a quote that is not a footer."""
    after_quote = False
    for line in takewhile(lambda line: not FOOTER.match(line.strip()), history):
        if line.lstrip().startswith(">"):
            after_quote = True
        elif after_quote and line.strip():
            return True
    return False


def _without_trailing_quote(text: str) -> str:
    lines = text.rstrip().split("\n")
    while lines and (not lines[-1].strip() or lines[-1].lstrip().startswith(">")):
        lines.pop()
    kept = "\n".join(lines)
    return (without_attribution(kept) if len(kept) < len(text.rstrip()) else kept) or text


def without_attribution(text: str) -> str:
    r"""Drop a last line that only introduces a quote: it has a date or an address and ends with a colon.

    >>> without_attribution("Да.\n\n26.06.2014, 14:41, \"Jo\" <jo@example.com>:")
    'Да.'
    """
    lines = text.rstrip().split("\n")
    return "\n".join(lines[:-1]).rstrip() if ATTRIBUTION.fullmatch(lines[-1].strip()) else text


def _without_signature(text: str) -> str:
    found = SIGNATURE.search(text)
    return text[: found.start()] if found and text[: found.start()].strip() else text


def _without_device(text: str) -> str:
    r"""Drop a last line in which a telephone speaks for itself, if something stands above it.

    >>> _without_device("Yes.\n\nSent from my iPhone"), _without_device("Yes.\nSent from my desk, as ever.")
    ('Yes.\n', 'Yes.\nSent from my desk, as ever.')
    """
    above, _, last = text.rstrip().rpartition("\n")
    return above if above.strip() and DEVICE.fullmatch(last.strip()) else text
