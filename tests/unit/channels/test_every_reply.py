"""Random replies on every channel: nothing lost, nothing over a limit, each choice readable back (F055, rows 193, 194).

A plain run tries a few; `FRONTDESK_RANDOM_REPLIES=20000` tries so many on each channel.
"""

import html
import os
import random
import re
import unicodedata
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block

from channels.base import Channel
from channels.inbound import Inbound
from channels.invisible import visible
from channels.slack.mrkdwn import escape_mrkdwn
from channels.whatsapp.render import LOOK_ALIKES
from core.conversation import Conversation, Session
from core.dialogue.choices import offered, token
from core.dialogue.desk import Desk
from core.dialogue.hearing import hear
from core.dialogue.intents import Intent
from core.ids import DeskName, EventId
from core.replies import ApiCall, Choice, Reply
from core.understanding import Moment, Understanding
from hub.adapters import BUILT_IN
from hub.cli.replay import account_for_replay
from hub.clock import SystemClock
from hub.content import load_content
from hub.settings import load_settings
from tests.conversation.test_five_shapes import PLATFORMS, Platform
from tests.fakes import START
from tests.shared_files import PROJECT
from tests.unit.channels.whatsapp import cloud_kit

CLOUD = "whatsapp cloud"
"""WhatsApp's second provider: the same channel with messages of its own."""
EXAMPLES = int(os.environ.get("FRONTDESK_RANDOM_REPLIES", "25"))
CAMPAIGN = 100
"""From so many on they are others in every run; fewer are always the same."""
MOST_CHOICES = 30
LONG_PIECES = 2_500
SCRIPTS = (
    "abcdefghijklmnopqrstuvwxyz ABCDEFG 0123456789 .,;:!?",
    "äöüßéèñçøåłžşğ ÀÉÎÕÜ",
    "абвгдежзиклмнопрстуфхцчшщ ЁЯЮ",
    "αβγδεζηθικλμνξοπρστυφχψω ΑΒΓ",
    "אבגדהוזחטיכלמנסעפצקרשת",
    "ابتثجحخدذرزسشصضطظعغفقكلمنهوي ٠١٢٣",
    "अआइईउऊएऐकखगघचछजझटठडढणतथदधन",
    "กขคงจฉชซญดตถทธนบปผฝพฟมยรลวสห",
    "的一是不了人我在有他这为之大来以个中上们",
    "あいうえおカキクケコサシスセソ",
    "가나다라마바사아자차카타파하",
    "𝒜𝒷𝒸𝒹𐍈𐌰𐌱𝔘𝔫𝔦",
)
CLUSTERS = (
    *("😀", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "❤️", "1️⃣", "e\u0301", "a\u0308\u0323", "नि", "ก็", "க்ஷ", "각", "🧑🏿‍💻"),
    *("می\u200cخ", "Ω\u0302"),
)
MARKUP = (
    *(
        "<b>",
        "</b>",
        "&amp;",
        "&",
        "<",
        ">",
        '"',
        "'",
        "*",
        "_",
        "~",
        "`",
        "```",
        "**bold**",
        "_it_",
        "<@U1>",
        "<!here>",
    ),
    *("[a](b)", "https://example.org/a_b?c=d&e=f", "{{ x }}", "{% x %}", "\\", "|", "#", "@all", ":smile:", "$1", "%s"),
)
SPACES = (" ", " ", " ", "\n", "\n\n", "\t", ". ", "! ", "\u3000", "\u00a0")
DESK = Desk(
    name=DeskName("support"),
    languages=("en", "de"),
    intents=tuple(
        Intent(name=f"v{place}", description="x", label="x", automation="human") for place in range(MOST_CHOICES)
    ),
    choice_words=load_content(PROJECT / "config" / "content").choice_words,
)


@dataclass(frozen=True)
class Writer:
    """Makes up texts that every way in would let through whole."""

    dice: random.Random

    def text(self, pieces: int) -> str:
        return visible("".join(self._piece() for _ in range(pieces)))

    def _piece(self) -> str:
        kind = self.dice.random()
        if kind < 0.5:
            script = self.dice.choice(SCRIPTS)
            return "".join(self.dice.choices(script, k=self.dice.randint(1, 12)))
        if kind < 0.75:
            return self.dice.choice(SPACES)
        return self.dice.choice(CLUSTERS if kind < 0.87 else MARKUP)

    def labels(self, count: int) -> list[str]:
        """Return labels that a reader can tell apart from each other and from numbers."""
        found: dict[str, str] = {}
        while len(found) < count:
            pieces = 80 if self.dice.random() < 0.03 else self.dice.randint(1, 8)
            nearly = self.dice.choice(list(found.values())) if found and self.dice.random() < 0.1 else ""
            label = " ".join(f"{nearly} {self.text(pieces)}".split())
            name = folded(label)
            if sum(char.isalpha() for char in label) >= 2 and not NUMERAL.search(name):
                found.setdefault(name, label)
        return list(found.values())


NUMERAL = re.compile(r"^\W*(\d+|one|two|ten)\W*$")
"""Would be a place in the list as well; with random letters no other ordinal comes up."""


@dataclass(frozen=True)
class Spoken:
    """The words of a reply: one variable in each block, escaped as the hub would."""

    blocks: Mapping[str, str]

    def block(self, name: str) -> str:
        return self.blocks[name]

    def has(self, name: str) -> bool:
        return name in self.blocks


class Deaf:
    """Understands nothing, so that only the choices are read."""

    def understand(self, text: str, moment: Moment | None = None) -> Understanding:
        return Understanding(text=text)


@dataclass
class Shown:
    """What a person gets of a reply: texts in order, and labels of buttons with what they carry."""

    texts: list[str] = field(default_factory=list)
    buttons: list[tuple[str, str]] = field(default_factory=list)
    page: str | None = None
    """A second form of the same; its list numbers itself."""

    @property
    def all_text(self) -> str:
        return without_space("".join(self.texts))


def folded(text: str) -> str:
    """Return what a reader takes for the same text."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def spoken(text: str) -> str:
    """Return the letters and digits: two texts that differ in signs only sound the same."""
    heard = (char if char.isalnum() or unicodedata.category(char)[0] == "M" else " " for char in folded(text))
    return " ".join("".join(heard).split())


def without_space(text: str) -> str:
    return "".join(text.split())


# --- what each platform shows, and what it takes ----------------------------------------------------------------------


def show_slack(calls: Sequence[ApiCall]) -> Shown:
    shown = Shown()
    for call in calls:
        blocks: Any = call.params["blocks"]
        parsed = [block for block in Block.parse_all(blocks) if block is not None]
        assert len(parsed) == len(blocks) <= 50
        for block in parsed:
            block.validate_json()
        sections = [block["text"]["text"] for block in blocks if block["type"] == "section"]
        assert all(0 < len(section) <= 3_000 for section in sections)
        assert sum(map(len, sections)) <= 12_000
        assert len(str(call.params["text"])) <= 40_000
        shown.texts += [section.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") for section in sections]
        for element in (element for block in blocks for element in block.get("elements", ())):
            options = [element] if element["type"] == "button" else element["options"]
            assert len(options) <= 100
            shown.buttons += [(option["text"]["text"], option["value"]) for option in options]
        assert sum(len(block.get("elements", ())) for block in blocks) <= 25
    assert all(0 < len(label) <= 75 and len(value) <= 150 for label, value in shown.buttons)
    return shown


def show_telegram(calls: Sequence[ApiCall]) -> Shown:
    shown = Shown()
    for call in calls:
        text = html.unescape(re.sub(r"<[^<>]*>", "", str(call.params["text"])))
        assert 0 < utf16(text) <= 4096
        assert text.strip()
        shown.texts.append(text)
        markup: Any = call.params.get("reply_markup", {"inline_keyboard": []})
        assert all(1 <= len(row) <= 8 for row in markup["inline_keyboard"])
        shown.buttons += [
            (button["text"], button["callback_data"]) for row in markup["inline_keyboard"] for button in row
        ]
    assert len(shown.buttons) <= 100
    assert all(label.strip() and 1 <= len(data.encode()) <= 64 for label, data in shown.buttons)
    assert all(utf16(label) <= 64 for label, _ in shown.buttons)
    return shown


def show_whatsapp(calls: Sequence[ApiCall]) -> Shown:
    shown = Shown([str(call.params["body"]) for call in calls])
    assert all(0 < utf16(text) <= 1600 for text in shown.texts)
    return shown


def show_cloud(calls: Sequence[ApiCall]) -> Shown:
    """Limits: developers.facebook.com/docs/whatsapp/cloud-api/reference/messages."""
    shown = Shown()
    for call in calls:
        content: Any = call.params[str(call.params["type"])]
        text = content["body"] if call.params["type"] == "text" else content["body"]["text"]
        assert 0 < utf16(text) <= (4096 if call.params["type"] == "text" else 1024)
        shown.texts.append(text)
        picks, longest = cloud_picks(call)
        assert len(picks) <= (3 if longest == 20 else 10)
        assert all(0 < utf16(pick["title"]) <= longest and len(pick["id"]) <= 200 for pick in picks)
        shown.buttons += [(pick["title"], pick["id"]) for pick in picks]
    assert len({label for label, _ in shown.buttons}) == len(shown.buttons)
    return shown


def cloud_picks(call: ApiCall) -> tuple[list[dict[str, str]], int]:
    """Return what can be picked under a message, and how long its titles may be."""
    if call.params["type"] != "interactive":
        return [], 20
    content: Any = call.params["interactive"]
    if content["type"] == "button":
        return [button["reply"] for button in content["action"]["buttons"]], 20
    assert len(content["action"]["button"]) <= 20
    return [row for section in content["action"]["sections"] for row in section["rows"]], 24


class Cloud:
    """Writes what Meta would post."""

    def text(self, number: int, text: str) -> bytes:
        return self._posted(number, type="text", text={"body": text})

    def pick(self, number: int, place: int, calls: Sequence[ApiCall]) -> bytes:
        picks, longest = cloud_picks(calls[-1])
        kind = "button_reply" if longest == 20 else "list_reply"
        return self._posted(number, type="interactive", interactive={"type": kind, kind: picks[place - 1]}, text=None)

    def _posted(self, number: int, **fields: Any) -> bytes:
        message = cloud_kit.message(f"wamid.{number}", **fields)
        return cloud_kit.body(cloud_kit.change(message))


def show_email(calls: Sequence[ApiCall]) -> Shown:
    (call,) = calls
    page = re.sub(r"</?(?:ol|li)>", "", str(call.params["html"]))
    assert len(str(call.params["subject"]).encode()) <= 998
    return Shown([str(call.params["text"])], page=without_space(html.unescape(page)))


def show_web(calls: Sequence[ApiCall]) -> Shown:
    shown = Shown()
    for call in calls:
        choices: Any = call.params["choices"]
        shown.texts.append(str(call.params["text"]))
        shown.buttons += [(choice["label"], choice["token"]) for choice in choices]
    assert all(len(text) <= 8_000 for text in shown.texts)
    assert len(shown.buttons) <= 20
    assert all(0 < len(label) <= 200 for label, _ in shown.buttons)
    return shown


SHOW = {
    "slack": show_slack,
    "telegram": show_telegram,
    "whatsapp": show_whatsapp,
    CLOUD: show_cloud,
    "email": show_email,
    "web": show_web,
}
LOOKS = str.maketrans({shown: meant for meant, shown in LOOK_ALIKES.items()})


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


# --- the test ---------------------------------------------------------------------------------------------------------


@dataclass
class Bench:
    """One channel, and the conversation in which a reply is answered."""

    name: str
    channel: Channel
    heard: int = 0

    @property
    def platform(self) -> Platform:
        return Cloud() if self.name == CLOUD else PLATFORMS[self.name]

    def render(self, reply: Reply, text: str) -> tuple[ApiCall, ...]:
        escapes = self.channel.escapes
        words = Spoken({name: escapes[name](text) for name in ("text", "html") if name in escapes})
        address = self.channel.normalize(self.inbound(self.platform.text(1, "hello")))[0].address
        return self.channel.render(reply, words, address)

    def inbound(self, body: bytes) -> Inbound:
        return Inbound(self.channel.name, self.channel.account, body, START)

    def typed(self, offer: Sequence[Choice], text: str) -> str | None:
        said = escape_mrkdwn(text) if self.channel.name == "slack" else text
        return self.pick(offer, self.platform.text(2, said))

    def pressed(self, offer: Sequence[Choice], place: int, calls: Sequence[ApiCall]) -> str | None:
        return self.pick(offer, self.platform.pick(2, place + 1, calls))

    def pick(self, offer: Sequence[Choice], body: bytes) -> str | None:
        self.heard += 1
        (event,) = self.channel.normalize(self.inbound(body))
        session = Session(offered=offered((), offer, START))
        conversation = Conversation(
            id=event.conversation_id,
            desk=DESK.name,
            channel=event.channel,
            account=event.account,
            version=1,
            session=session,
        )
        return hear(conversation, event, START, DESK, Deaf()).picked


@pytest.fixture
async def channels(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Channel]]:
    """Build an account of every channel; none talks to anybody."""
    given_settings = load_settings(environ={"FRONTDESK_DATA": str(tmp_path_factory.mktemp("data"))})
    built: dict[str, Channel] = {name: account_for_replay(given_settings, name, SystemClock()) for name in BUILT_IN}
    built[CLOUD] = cloud_kit.channel()
    yield built
    for channel in built.values():
        await channel.close()


@pytest.mark.parametrize("name", [*BUILT_IN, CLOUD])
@pytest.mark.timeout(0 if EXAMPLES >= CAMPAIGN else 120)
def test_nothing_of_a_random_reply_is_lost_or_too_long_and_its_choices_are_read_back(
    name: str, channels: dict[str, Channel]
) -> None:
    """F055, T12, T14, T15, T16, W21, S14"""
    bench = Bench(name, channels[name])

    @settings(
        max_examples=EXAMPLES,
        derandomize=EXAMPLES < CAMPAIGN,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        seed=st.integers(0, 2**64),
        pieces=st.one_of(st.integers(0, 40), st.integers(0, 300), st.just(LONG_PIECES)),
        count=st.integers(0, MOST_CHOICES),
    )
    def check(seed: int, pieces: int, count: int) -> None:
        check_one(bench, Writer(random.Random(seed)), pieces, count)

    check()
    print(f"{name}: {EXAMPLES} replies, {bench.heard} answers read")


def check_one(bench: Bench, writer: Writer, pieces: int, count: int) -> None:
    text = writer.text(pieces)
    labels = writer.labels(count)
    choices = [
        Choice(token=token(b"key", EventId("e1"), 0, place), label=label, value=f"v{place}")
        for place, label in enumerate(labels)
    ]
    reply = Reply(template="t", choices=tuple(choices))
    calls = bench.render(reply, text)
    if not without_space(text) and not choices:
        return  # an empty reply: no template is one
    shown = SHOW[bench.name](calls)
    assert_nothing_is_lost(shown, text, choices)
    assert_every_choice_is_read_back(bench, writer, shown, calls, choices)


def assert_nothing_is_lost(shown: Shown, text: str, choices: Sequence[Choice]) -> None:
    everything = shown.all_text.translate(LOOKS)
    wanted = without_space(text).translate(LOOKS)
    assert everything.startswith(wanted)
    if shown.page is not None:
        assert shown.page == without_space("".join((text, *(choice.label for choice in choices))))
    whole = {label for label, _ in shown.buttons}
    for number, choice in enumerate(choices, 1):
        listed = without_space(f"{number}. {choice.label}").translate(LOOKS)
        assert choice.label in whole or listed in everything[len(wanted) :]
    assert len(shown.buttons) in (0, len(choices))
    for before, after in pairwise(part for part in shown.texts if part):
        assert not unicodedata.category(after[0]).startswith("M")
        assert before[-1] != "\u200d" != after[0]


def assert_every_choice_is_read_back(
    bench: Bench, writer: Writer, shown: Shown, calls: Sequence[ApiCall], choices: Sequence[Choice]
) -> None:
    for place, choice in enumerate(choices):
        assert bench.typed(choices, str(place + 1)) == choice.value
        assert bench.typed(choices, choice.label) == choice.value
        if shown.buttons:
            assert shown.buttons[place][1] == choice.token
            assert bench.pressed(choices, place, calls) == choice.value
    if choices:
        way = writer.dice.choice(("{}.", "#{}", "({})", "option {}", "Nummer {}", "{} please"))
        assert bench.typed(choices, way.format(len(choices))) == choices[-1].value
        assert bench.typed(choices, "the last one") == choices[-1].value
        assert bench.typed(choices, str(len(choices) + 1)) is None
        misspelt_is_never_another(bench, writer, choices)


def misspelt_is_never_another(bench: Bench, writer: Writer, choices: Sequence[Choice]) -> None:
    choice = writer.dice.choice(choices)
    at = writer.dice.randrange(len(choice.label))
    misspelt = choice.label[:at] + choice.label[at + 1 :]
    is_anothers = spoken(misspelt) in (spoken(other.label) for other in choices)
    if misspelt.strip() and not is_anothers:
        assert bench.typed(choices, misspelt) in (choice.value, None)
