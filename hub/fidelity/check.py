"""Every template on every platform in every locale and tone: what would be cut, split, numbered, dropped or refused.

The sample data of `templates/samples.yaml` goes through each channel's own `render`, and what comes out is compared
with what was to be said. Whatever a person would not get is an error; what a platform shows in another way is told.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

from channels.menus import one_line
from channels.slack.mrkdwn import plain_text as slack_plain
from channels.telegram.markup import plain_text as telegram_plain
from core.errors import ConfigError
from core.model import Model
from core.ports import Words
from core.replies import ApiCall, Choice, Reply
from hub.fidelity.platforms import PLATFORMS, Platform
from hub.fidelity.rules import refusals
from hub.fidelity.shown import Message, shown
from hub.settings import Desk
from hub.template_check import Sample, check_templates, load_samples
from hub.templating import Templates

Kind = Literal["wrong", "refused", "dropped", "cut", "split", "numbered", "shortened", "plain"]
ERRORS: frozenset[Kind] = frozenset({"wrong", "refused", "dropped", "cut"})
MEANINGS: Mapping[Kind, str] = {
    "wrong": "the template is mistaken: it cannot be rendered, or says what no channel can show",
    "refused": "the platform would not take the call, so nobody would get the reply",
    "dropped": "something of the reply is in no message",
    "cut": "something is shown only in part, and nowhere whole",
    "split": "the words take several messages",
    "numbered": "choices stand in the text as a numbered list",
    "shortened": "buttons show a part of their labels; the numbered list above them has all of it",
    "plain": "the template's own blocks do not fit, and plain sections take their place",
}
TOKEN_CHARS = 16
"""Of a real choice (`core.dialogue.choices.token`)."""
WORD = re.compile(r"\w+")
SHOWN_WORDS = 5


class Finding(Model):
    """One thing that becomes of a reply somewhere."""

    template: str
    platform: str
    locale: str
    tone: str
    kind: Kind
    detail: str

    @property
    def is_error(self) -> bool:
        """Tell whether a person would miss something."""
        return self.kind in ERRORS


@dataclass(frozen=True)
class Variants:
    """The languages and tones that templates are looked at in."""

    locales: tuple[str, ...]
    tones: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What a check found."""

    findings: tuple[Finding, ...]
    replies: int
    """How many were rendered."""

    @property
    def errors(self) -> int:
        """Count what must be mended."""
        return sum(finding.is_error for finding in self.findings)


def variants_of(templates: Templates, desks: Iterable[Desk]) -> Variants:
    """Return every locale and tone that a desk uses or a file is written for.

    A suffix alone may be either: it is a tone if some desk or some longer name says so.
    """
    tones = {desk.tone for desk in desks} | {tone for _, tone in templates.variants if tone}
    locales = {locale for desk in desks for locale in desk.languages}
    locales |= {first for first, _ in templates.variants if first and first not in tones}
    return Variants(tuple(sorted(locales)), tuple(sorted(tones)))


def sample_reply(name: str, sample: Sample) -> Reply:
    """Build a reply of sample data, with tokens as long as real ones."""
    choices = tuple(
        Choice(token=f"{place:0{TOKEN_CHARS}}", label=label, value=label) for place, label in enumerate(sample.choices)
    )
    return Reply(template=name, context=sample.context, choices=choices)


def check_fidelity(root: Path, desks: Sequence[Desk], wanted: frozenset[str] = frozenset()) -> Outcome:
    """Look at every reply on every platform.

    Args:
        root: the folder of templates.
        desks: whose languages and tones are spoken.
        wanted: replies that content and code name; each needs a template.

    Raises:
        ConfigError: the folder cannot be read at all.
    """
    templates, samples = Templates(root), load_samples(root)
    variants = variants_of(templates, desks)
    mistakes = list(_mistakes(root, wanted))
    found: list[Finding] = []
    replies = 0
    for name in sorted(templates.replies & samples.keys()):
        reply = sample_reply(name, samples[name])
        for platform, locale, tone in product(PLATFORMS, variants.locales, variants.tones):
            replies += 1
            found += [
                Finding(template=name, platform=platform.name, locale=locale, tone=tone, kind=kind, detail=detail)
                for kind, detail in look_at(platform, templates, reply, locale, tone)
            ]
    return Outcome((*mistakes, *found), replies)


def _mistakes(root: Path, wanted: frozenset[str]) -> Iterator[Finding]:
    """Return what `frontdesk check` says of the templates."""
    escapes = {platform.channel: platform.escapes for platform in PLATFORMS}
    for one in check_templates(root, escapes, wanted):
        detail = f"{one.block}: {one.problem}" if one.block else one.problem
        yield Finding(template=one.template, platform=one.channel, locale="", tone="", kind="wrong", detail=detail)


def look_at(
    platform: Platform, templates: Templates, reply: Reply, locale: str | None, tone: str | None
) -> list[tuple[Kind, str]]:
    """Return what becomes of one reply on one platform; nothing means that it is shown as it is."""
    try:
        calls, words = platform.render(templates, reply, locale, tone)
        told = words.block("text")
    except ConfigError as error:
        return [("wrong", str(error))]
    if refused := list(refusals(platform, calls)):
        return [("refused", reason) for reason in refused]
    messages = shown(platform, calls)
    return [*_losses(platform, reply, words, told, messages), *_other_shapes(platform, reply, words, calls, messages)]


def _losses(
    platform: Platform, reply: Reply, words: Words, told: str, messages: Sequence[Message]
) -> Iterator[tuple[Kind, str]]:
    """Find what a reader would not get."""
    if not messages:
        yield "dropped", "nothing is sent"
        return
    everything = "\n".join(message.text for message in messages)
    missing = _missing_words(_as_read(platform, told), everything)
    if platform.name == "slack" and words.has("blocks"):  # they say it in words of their own, but must say all of it
        missing = [word for word in missing if word in _data(reply)]
    if missing:
        yield "dropped", f"words in no message: {', '.join(missing[:SHOWN_WORDS])}"
    labels = {button.label for message in messages for button in message.buttons}
    for choice in reply.choices:
        label = one_line(choice.label)
        if label not in labels and not _is_said(platform, label, everything):
            yield ("cut" if _is_begun(label, labels) else "dropped"), f"the choice {label!r}"
    longest = platform.limits.max_subject
    if longest is not None and words.has("subject") and len(words.block("subject").strip()) > longest:
        yield "cut", f"the subject, of {longest} characters at most"


def _as_read(platform: Platform, written: str) -> str:
    if platform.name == "slack":
        return slack_plain(written)
    return telegram_plain(written) if platform.name == "telegram" else written


def _missing_words(told: str, everything: str) -> list[str]:
    if "".join(told.split()) in "".join(everything.split()):
        return []
    there = set(WORD.findall(everything))
    return [word for word in dict.fromkeys(WORD.findall(told)) if word not in there]


def _data(reply: Reply) -> frozenset[str]:
    """Return every word of what the reply is about."""
    return frozenset(WORD.findall(json.dumps(reply.context, ensure_ascii=False)))


def _is_said(platform: Platform, label: str, everything: str) -> bool:
    """Tell whether a label stands in the words, written as this channel escapes it."""
    as_read = _as_read(platform, platform.escapes["text"](label))
    return "".join(as_read.split()) in "".join(everything.split())


def _is_begun(label: str, labels: Iterable[str]) -> bool:
    return any(shorter and label.startswith(shorter) for shorter in (one.rstrip("\u2026") for one in labels))


def _other_shapes(
    platform: Platform, reply: Reply, words: Words, calls: Sequence[ApiCall], messages: Sequence[Message]
) -> Iterator[tuple[Kind, str]]:
    """Find what is said in another way than elsewhere."""
    if len(messages) > 1:
        yield "split", f"{len(messages)} messages of at most {_limit(platform)}"
    buttons = [button for message in messages for button in message.buttons]
    if reply.choices and not buttons:
        yield "numbered", _why_numbered(platform, len(reply.choices))
    whole = {one_line(choice.label) for choice in reply.choices}
    if shortened := [button.label for button in buttons if button.label not in whole]:
        yield "shortened", f"{len(shortened)} of {len(buttons)} labels, as {shortened[0]!r}"
    if platform.name == "slack" and words.has("blocks") and not _has_own_blocks(words, calls):
        yield "plain", "its own blocks are over a limit of Block Kit"


def _why_numbered(platform: Platform, count: int) -> str:
    limits = platform.limits
    if limits.max_buttons == 0:
        return "there are no buttons"
    most = max(limits.max_buttons, limits.max_options)
    return f"{count} choices, {most} at most" if count > most else f"{count} choices with labels that need more room"


def _has_own_blocks(words: Words, calls: Sequence[ApiCall]) -> bool:
    """Tell whether a template's own blocks are in the message."""
    own = json.loads(words.block("blocks"))
    return any(own[0] in blocks for blocks in (call.params["blocks"] for call in calls) if isinstance(blocks, list))


def _limit(platform: Platform) -> str:
    return f"{platform.limits.max_text:,} {platform.limits.text_unit.replace('_', ' ')}"
