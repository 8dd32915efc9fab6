"""`python -m tests.bench.email_fidelity`: mails of ../shared as tables: who wrote them, and what they wrote.

Prints Markdown for docs/fidelity-email.md. Two libraries are asked for the same replies where they can be imported:
mail-parser-reply, which is ours as well, and email-reply-parser, which is installed for the comparison only.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from importlib.metadata import version
from typing import Any, NamedTuple

from channels.email.normalize import normalize
from core.errors import MalformedPayload
from core.events import MessageReceived
from core.ids import AccountName
from tests.corpus.test_email_corpus import SETTINGS, Case, cases, read
from tests.fakes import START
from tests.shared_files import shared_folder

Lines = tuple[int, int]
"""First and last line, counted from 1."""


class Written(NamedTuple):
    """What a person wrote into one body, read by hand."""

    first: int
    last: int
    also: tuple[int, ...] = ()
    """Other last lines that are as good: with the closing and name below the answer, or without."""


GITHUB: Mapping[str, Written] = {
    "correct_sig": Written(1, 1),
    "email_1_1": Written(1, 7, (5,)),
    "email_1_3": Written(1, 5, (3,)),
    "email_1_4": Written(1, 1),
    "email_1_5": Written(1, 15),
    "email_1_6": Written(1, 3, (1,)),
    "email_1_7": Written(1, 1),
    "email_2_1": Written(1, 1),
    "email_2_2": Written(1, 1),
    "email_2_3": Written(1, 1),
    "email_BlackBerry": Written(1, 1),
    "email_bullets": Written(1, 9),
    "email_iPhone": Written(1, 1),
    "email_multi_word_sent_from_my_mobile_device": Written(1, 1),
    "email_one_is_not_on": Written(1, 5),
    "email_sent_from_my_not_signature": Written(1, 3),
    "email_sig_delimiter_in_middle_of_line": Written(1, 7),
    "greedy_on": Written(1, 6),
    "pathological": Written(1, 2),
}
OTHERS: Mapping[str, Written] = {
    **{name: GITHUB[name] for name in GITHUB if name.startswith(("correct_sig", "email_1_", "email_2_"))},
    **{name: GITHUB[name] for name in ("email_bullets", "email_one_is_not_on", "greedy_on", "pathological")},
    "email_sig_delimiter_in_middle_of_line": Written(1, 7),
    "begins_with_signature": Written(1, 8, (4,)),
    "caution2": Written(1, 5, (3,)),
    "email_danish_1": Written(1, 6, (3,)),
    "email_danish_2": Written(1, 6, (3,)),
    "email_danish_3": Written(1, 3),
    "email_danish_4": Written(1, 3),
    "email_danish_5": Written(1, 6, (3,)),
    "email_gmail": Written(1, 1),
    "email_headers_no_delimiter": Written(1, 1),
    "email_ja_1_1": Written(1, 1),
    "email_ja_1_2": Written(1, 8, (5,)),
    "email_nl_1_1": Written(1, 6, (4,)),
    "email_nl_1_2": Written(1, 1),
    "email_partial_quote_header": Written(1, 6),
    "email_pl_1_1": Written(5, 10, (7,)),
    "email_pl_1_2": Written(6, 11, (8,)),
    "email_pl_1_3": Written(5, 10, (7,)),
    "email_sent_from_BlackBerry": Written(1, 1),
    "email_sent_from_iPhone": Written(1, 1),
    "email_sent_from_multi_word_mobile_device": Written(1, 1),
    "email_sent_from_not_signature": Written(1, 3),
    "email_sv_anon_1": Written(1, 8, (4,)),
    "email_swedish_1": Written(1, 8, (5,)),
    "email_swedish_2": Written(1, 7, (5,)),
    "forward": Written(1, 6),
    "multi_header": Written(1, 1),
    "outlook": Written(1, 8),
}
INTERLEAVED: Mapping[str, tuple[Lines, ...]] = {
    "email_1_2": ((1, 1), (9, 11), (13, 24), (26, 34)),
    "email_1_8": ((13, 13), (19, 19)),
    "email_3_1": ((1, 3),),
    "caution": ((5, 23),),
}
"""Answers between quoted lines, and one whose end nobody can name: no line of them may be missing."""
UNDECIDED = frozenset({"multiline_on", "multiline_on_de"})
"""Nothing in them is anybody's answer."""
LANGUAGES = ["en", "de", "fr", "it", "ja", "nl", "pl", "sv", "da", "es"]

Cut = Callable[[str], str]


class Score(NamedTuple):
    """How one parser did."""

    exact: int
    of: int
    inexact: tuple[str, ...]
    lost: tuple[str, ...]
    """Bodies of which a line that the person wrote is missing."""


def words(text: str) -> str:
    """Return a text without the white space that parsers change."""
    return " ".join(text.split())


def bodies() -> dict[str, str]:
    """Return every body by `folder/name`."""
    folder = shared_folder("fixtures/email/reply_bodies")
    return {f"{path.parent.name}/{path.stem}": path.read_text(encoding="utf-8") for path in folder.glob("*/*.txt")}


def written(name: str) -> Written | None:
    """Return what the person wrote, None where an exact answer cannot be named."""
    folder, _, stem = name.partition("/")
    return (GITHUB if folder == "github_erp" else OTHERS).get(stem)


def ours(body: str) -> str:
    """Return what the adapter gives to the bot."""
    return _event(body).text


def stored(body: str) -> str:
    """Return the whole text, as people see it."""
    event = _event(body)
    return event.full_text or event.text


def _event(body: str) -> MessageReceived:
    raw = b"From: jo@customer.example\nContent-Type: text/plain; charset=utf-8\n\n" + body.encode()
    (event,) = normalize(raw, {}, START, AccountName("help"), SETTINGS)
    assert isinstance(event, MessageReceived)
    return event


def others() -> dict[str, Cut]:
    """Return the libraries that can be imported here, by name and version; the first with signatures and without."""
    found: dict[str, Cut] = {}
    if alfons := _imported("mailparser_reply"):
        name, reader = f"mail-parser-reply {version('mail-parser-reply')}", alfons(languages=LANGUAGES)
        found[name] = reader.parse_reply
        found[f"{name}, its body without signatures"] = lambda text: reader.read(text).replies[0].body
    if zapier := _imported("email_reply_parser"):
        found[f"email-reply-parser {version('email-reply-parser')}"] = zapier.parse_reply
    return found


def _imported(module: str) -> Any:
    try:
        return import_module(module).EmailReplyParser
    except ImportError:
        return None


def score(cut: Cut) -> Score:
    """Hold a parser against what people wrote."""
    all_of_them = sorted(bodies().items())
    kept = {name: words(cut(body) or "") for name, body in all_of_them}
    asked = {name: found for name, body in all_of_them if (found := written(name))}
    inexact = tuple(name for name, found in asked.items() if kept[name] not in good_answers(found, bodies()[name]))
    lost = tuple(name for name, body in all_of_them if any(line not in kept[name] for line in own_lines(name, body)))
    return Score(len(asked) - len(inexact), len(asked), inexact, lost)


def good_answers(found: Written, body: str) -> set[str]:
    """Return every text that counts as exact."""
    lines = body.split("\n")
    return {words("\n".join(lines[found.first - 1 : last])) for last in (found.last, *found.also)}


def own_lines(name: str, body: str) -> list[str]:
    """Return the lines that the person wrote and nothing may drop; closings and names are not among them."""
    found = written(name)
    spans: Iterable[Lines] = INTERLEAVED.get(name.partition("/")[2], ())
    if found:
        spans = ((found.first, min((found.last, *found.also))),)
    lines = [words(line) for first, last in spans for line in body.split("\n")[first - 1 : last]]
    return [line for line in lines if re.search(r"\w", line)]


def missing_from_store() -> list[str]:
    """Return the bodies of which the stored text lacks a word."""
    return [name for name, body in bodies().items() if words(stored(body)) != words(body)]


def verdicts() -> Counter[tuple[str, str, bool]]:
    """Count mails by what the manifest calls them, what we call them, and whether an answer may leave.

    The bodies of providers' webhooks are forms, not mails, and not counted.
    """
    return Counter(_row(case) for case in cases() if not case.name.startswith("provider_webhooks"))


def _row(case: Case) -> tuple[str, str, bool]:
    try:
        event = read(case)
    except MalformedPayload:
        event = None
    verdict = case.verdict.partition(" (")[0]
    if event is None:
        return verdict, "quarantined", False
    return verdict, event.automatic or "human", "to" in event.address


def print_verdicts() -> None:
    """Print the confusion table."""
    counted = verdicts()
    kinds = sorted({kind for _, kind, _ in counted})
    print("| manifest | " + " | ".join(kinds) + " | may be answered |")
    print("|---" * (len(kinds) + 2) + "|")
    for verdict in sorted({verdict for verdict, _, _ in counted}):
        row = [sum(n for (v, k, _), n in counted.items() if (v, k) == (verdict, kind)) for kind in kinds]
        answered = sum(n for (v, _, may), n in counted.items() if v == verdict and may)
        print(f"| {verdict} | " + " | ".join(str(n or "") for n in row) + f" | {answered} |")


def print_replies() -> None:
    """Print how exactly each parser finds the reply."""
    print("| parser | exact | bodies that lose a line of the person's |")
    print("|---|---|---|")
    for name, cut in {"Frontdesk": ours, **others()}.items():
        result = score(cut)
        print(f"| {name} | {result.exact} of {result.of} | {len(result.lost)} of {len(bodies())} |")
    result = score(ours)
    print(f"\nNot exact: {', '.join(result.inexact)}.")
    print(f"Words missing from the stored text: {len(missing_from_store())} of {len(bodies())} bodies.")


if __name__ == "__main__":
    print_verdicts()
    print()
    print_replies()
