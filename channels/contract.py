"""What every channel promises, as tests: the suite that ours pass, and that the author of an adapter imports.

A subclass of `ChannelContract` gives payloads as its platform would send them, and a fixture `channel`; the rest is
asked here, once. `WebhookContract` does the same for the way in over HTTP, `SendingContract` for the way out,
`PackageContract` for the package's files. It needs pytest, pytest-asyncio and hypothesis; a serving hub never imports
it. docs/write-an-adapter.md says how it is used and what each test proves.
"""

import ast
import importlib
import importlib.resources
import io
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.base import CONTRACT, Acceptance, Channel, Gap, Resources
from channels.http import READ_LIMIT_BYTES
from channels.inbound import Inbound
from core.errors import (
    AccountRefused,
    DeliveryError,
    MalformedPayload,
    RateLimited,
    StoreUnavailable,
    TemporaryFailure,
    UnknownOutcome,
)
from core.events import EVENT_ADAPTER, ChoiceMade, DeliveryStatusChanged, Event, MessageReceived
from core.ids import ConversationId, OutId
from core.model import Json
from core.ports import SentMessage
from core.replies import ApiCall, Choice, Receipt, Reply

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
"""When everything arrives."""

MODULES = (
    *("__init__.py", "account.py", "payloads.py", "verify.py", "normalize.py", "render.py", "failures.py", "client.py"),
    "channel.py",
)
"""The files of a channel: each has one job, and the same name everywhere."""
PURE_MODULES = ("account", "payloads", "normalize", "render", "failures")
NETWORK = frozenset({"aiohttp", "asyncio", "http", "httpx", "requests", "socket", "ssl", "urllib3"})
"""What a pure module does not import."""
QUALITY_KEYS = frozenset(
    {
        *("signature", "dedup", "self_message", "threading", "edits", "media", "buttons", "long_text"),
        *("rate_limit", "unknown_send", "delivery_status", "doctor"),
    }
)
"""The scale that a channel grades itself on in its quality.yaml: `done`, `todo: reason` or `exempt: reason`."""


def is_grade(grade: object) -> bool:
    """Tell whether a line of quality.yaml is one: `done`, or `todo` or `exempt` with a reason.

    >>> [is_grade(grade) for grade in ("done", "todo: files are not fetched yet", "todo:", "perhaps")]
    [True, True, False, False]
    """
    word, _, reason = str(grade).partition(":")
    return grade == "done" or (word in {"todo", "exempt"} and len(reason.strip()) > 10)


@dataclass
class StillClock:
    """A clock that stands at `START`."""

    def now(self) -> datetime:
        """Return the same time always."""
        return START

    def monotonic(self) -> float:
        """Return the same number of seconds always."""
        return 1000.0


class _NoMailbox:
    """Keeps nothing: only the web chat has a mailbox."""

    async def deliver(self, conversation_id: str, out_id: str, seq: int, body: dict[str, Json]) -> None:
        """Forget a message."""

    async def after(self, conversation_id: str, seq: int, limit: int) -> Sequence[SentMessage]:
        """Return no messages."""
        return ()


@dataclass
class HubAround:
    """Stands for the hub around one channel: takes what it hands in, and can be told that the store is away."""

    public_url: str = "https://desk.example"
    accepted: list[Inbound] = field(default_factory=list)
    is_away: bool = False

    def resources(self) -> Resources:
        """Return what `build` is given."""
        return Resources(StillClock(), self._accept, self.public_url, _NoMailbox())

    async def _accept(self, inbound: Inbound) -> Acceptance:
        if self.is_away:
            raise StoreUnavailable("told to be away")
        self.accepted.append(inbound)
        return Acceptance.ACCEPTED


def json_body(value: Mapping[str, Any]) -> bytes:
    """Write a payload as most platforms do."""
    return json.dumps(value).encode()


def a_time() -> datetime:
    """Return a time a minute before everything arrives."""
    return datetime(2026, 11, 22, 11, 59, tzinfo=UTC)


class SomeWords:
    """Satisfies `core.ports.Words` with one block of text, escaped as the hub would."""

    def __init__(self, channel: Channel, text: str, **blocks: str) -> None:
        self._blocks = {"text": channel.escapes["text"](text)} | blocks

    def block(self, name: str) -> str:
        """Return one block."""
        return self._blocks[name]

    def has(self, name: str) -> bool:
        """Tell whether there is that block."""
        return name in self._blocks


LONG_WORDS = [f"word{number}" for number in range(6000)]
"""Longer than any channel takes in one message."""

CHOICES = tuple(Choice(token=f"token{n}", label=f"Label number {n}", value=f"v{n}") for n in range(3))


class ChannelContract:
    """Subclass this as `TestX`, with a fixture `channel` and the payloads of your platform."""

    has_buttons: ClassVar[bool] = True
    """False where choices become a numbered list."""

    def message(self, text: str, name: str = "1") -> Inbound:
        """Return a direct message of a person; the same name means the same delivery."""
        raise AssertionError("each channel gives its own")

    def from_ourselves(self) -> Inbound | None:
        """Return what our own message looks like when it comes back; None where that cannot be."""
        raise AssertionError("each channel gives its own")

    def unknown_update(self) -> Inbound | None:
        """Return an authentic payload of a kind that we do not handle; None where every payload is a message."""
        raise AssertionError("each channel gives its own")

    def button_press(self, token: str) -> Inbound | None:
        """Return the press of a button that carries this token; None where there are no buttons."""
        raise AssertionError("each channel gives its own")

    def text_of(self, calls: tuple[ApiCall, ...]) -> str:
        """Return all words of rendered calls, as a person would read them."""
        raise AssertionError("each channel gives its own")

    # what is promised

    def test_a_message_becomes_one_event_with_our_names(self, channel: Channel) -> None:
        (event,) = channel.normalize(self.message("where is my order?"))
        assert isinstance(event, MessageReceived)
        assert event.text == "where is my order?"
        assert event.automatic is None
        assert event.addressed == "direct"
        assert event.conversation_id.startswith(f"{channel.name}:{channel.account}:")
        assert (event.channel, event.account) == (channel.name, channel.account)
        assert event.address, "a reply needs to know where to go"

    def test_the_same_payload_has_the_same_name_and_the_same_event_id(self, channel: Channel) -> None:
        first, again = self.message("hello", "7"), self.message("hello", "7")
        assert channel.identify(first) == channel.identify(again)
        assert [e.id for e in channel.normalize(first)] == [e.id for e in channel.normalize(again)]

    def test_two_messages_have_two_names(self, channel: Channel) -> None:
        one, two = self.message("hello", "1"), self.message("hello", "2")
        assert channel.identify(one).primary != channel.identify(two).primary
        assert channel.normalize(one)[0].id != channel.normalize(two)[0].id

    def test_two_messages_of_one_person_are_one_conversation(self, channel: Channel) -> None:
        one, two = channel.normalize(self.message("a", "1"))[0], channel.normalize(self.message("b", "2"))[0]
        assert self.continues(one, two)

    def continues(self, one: Event, two: Event) -> bool:
        """Tell whether the second event belongs to the first one's conversation; mail answers for itself."""
        return one.conversation_id == two.conversation_id

    async def test_who_cannot_be_asked_has_nothing_to_say(self, channel: Channel) -> None:
        """SEMANTICS 9: where no plan says how to ask, the sender comes again by itself."""
        if channel.capabilities.catch_up is None:
            assert [look async for look in channel.catch_up([Gap(START)])] == []

    def test_times_are_aware(self, channel: Channel) -> None:
        (event,) = channel.normalize(self.message("hello"))
        assert event.sent_at.tzinfo is not None
        assert event.received_at == START

    def test_an_event_survives_json(self, channel: Channel) -> None:
        (event,) = channel.normalize(self.message("hällo 👋"))
        assert EVENT_ADAPTER.validate_json(EVENT_ADAPTER.dump_json(event)) == event

    def test_what_nobody_sees_in_a_message_is_not_in_its_event(self, channel: Channel) -> None:
        """F087: turned direction, tags, zero width."""
        (event,) = channel.normalize(self.message("pay\u202e now\U000e0041\u200b please"))
        assert isinstance(event, MessageReceived)
        assert event.text == "pay now please"

    def test_an_unknown_update_is_no_error(self, channel: Channel) -> None:
        payload = self.unknown_update()
        if payload is None:
            pytest.skip("every authentic payload of this channel is a message")
        assert channel.normalize(payload) == ()

    def test_our_own_message_is_never_answered(self, channel: Channel) -> None:
        payload = self.from_ourselves()
        if payload is None:
            pytest.skip("this platform does not show us our own messages")
        for event in channel.normalize(payload):
            is_recorded = isinstance(event, MessageReceived) and event.automatic is not None
            assert is_recorded or isinstance(event, DeliveryStatusChanged)

    def test_garbage_has_a_name_and_is_malformed_at_worst(self, channel: Channel) -> None:
        @settings(max_examples=60, deadline=None)
        @given(
            body=st.binary(max_size=200) | st.just(b"[" * 5000) | st.just(b'{"a":"\\ud800"}') | st.just(b"\xff\xfe{}")
        )
        def anything(body: bytes) -> None:
            inbound = Inbound(channel.name, channel.account, body, START, {})
            assert channel.identify(inbound).primary
            assert channel.identify(inbound) == channel.identify(inbound)
            with suppress(MalformedPayload):
                assert isinstance(channel.normalize(inbound), tuple)

        anything()

    def test_a_button_gives_its_token_back(self, channel: Channel) -> None:
        payload = self.button_press("token1")
        if payload is None:
            pytest.skip("this channel has no buttons; typed numbers are the core's business")
        (event,) = channel.normalize(payload)
        assert isinstance(event, ChoiceMade)
        assert event.token == "token1"

    def address(self, channel: Channel) -> dict[str, str]:
        return dict(channel.normalize(self.message("hello"))[0].address)

    def test_a_reply_holds_its_words_and_goes_back_where_the_message_came_from(self, channel: Channel) -> None:
        calls = channel.render(
            Reply(template="t"), SomeWords(channel, "Your order is on its way."), self.address(channel)
        )
        messages = [call for call in calls if call.role == "message"]
        assert len(messages) == 1
        assert "Your order is on its way." in self.text_of(calls)
        assert all(call.bucket and json.dumps(call.params) for call in calls)

    def test_a_long_reply_is_split_and_loses_nothing(self, channel: Channel) -> None:
        calls = channel.render(Reply(template="t"), SomeWords(channel, " ".join(LONG_WORDS)), self.address(channel))
        assert self.text_of(calls).split() == LONG_WORDS

    def test_every_choice_can_be_made(self, channel: Channel) -> None:
        reply = Reply(template="t", choices=CHOICES)
        calls = channel.render(reply, SomeWords(channel, "Pick one:"), self.address(channel))
        said = json.dumps([call.params for call in calls], ensure_ascii=False)
        for number, choice in enumerate(CHOICES, 1):
            assert choice.label in said
            if self.has_buttons:
                assert choice.token in said
            else:
                assert f"{number}. {choice.label}" in self.text_of(calls)

    def test_the_kind_of_a_reply_reaches_its_calls(self, channel: Channel) -> None:
        calls = channel.render(
            Reply(template="t", kind="handoff_notice"), SomeWords(channel, "hello"), self.address(channel)
        )
        assert {call.kind for call in calls if call.role == "message"} == {"handoff_notice"}

    def test_it_receives_under_its_own_name_only(self, channel: Channel) -> None:
        """So that no channel hears what belongs to another, and numbers are counted for the right one."""
        own = f"/{channel.name}/{channel.account}"
        assert [route.path for route in channel.routes() if not f"{route.path}/".startswith(f"{own}/")] == []

    def test_rendering_twice_gives_the_same_bytes(self, channel: Channel) -> None:
        address = self.address(channel)
        first, again = (
            channel.render(Reply(template="t", choices=CHOICES), SomeWords(channel, "hello"), address) for _ in range(2)
        )
        assert first == again


@asynccontextmanager
async def served(channel: Channel) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    """Serve a channel's routes on a free port of this machine."""
    application = web.Application(handler_args={"auto_decompress": False})  # as the hub serves them
    application.add_routes(channel.routes())
    async with TestClient(TestServer(application)) as client:
        yield client


class WebhookContract:
    """Subclass this as `TestWebhook` where the platform calls us, with the fixtures `hub` and `channel`.

    `hub` is a `HubAround`; `channel` is built with its `resources()`.
    """

    path: ClassVar[str]
    """Where the platform posts to."""
    body: ClassVar[bytes]
    """What it posts."""

    def signed(self, body: bytes) -> dict[str, str]:
        """Return the headers with which the platform would post this body."""
        raise AssertionError("each channel gives its own")

    async def test_an_authentic_payload_is_kept_byte_for_byte(self, hub: HubAround, channel: Channel) -> None:
        async with served(channel) as client:
            answer = await client.post(self.path, data=self.body, headers=self.signed(self.body))
        assert 200 <= answer.status < 300
        (inbound,) = hub.accepted
        assert (inbound.channel, inbound.account, inbound.body) == (channel.name, channel.account, self.body)
        assert inbound.received_at == START

    async def test_without_a_proof_nothing_is_kept(self, hub: HubAround, channel: Channel) -> None:
        async with served(channel) as client:
            answer = await client.post(self.path, data=self.body)
        assert (answer.status, hub.accepted) == (401, [])

    async def test_a_changed_proof_is_worth_nothing(self, hub: HubAround, channel: Channel) -> None:
        headers = {name: f"{value[:-1]}{'0' if value[-1] != '0' else '1'}" for name, value in self._proof().items()}
        async with served(channel) as client:
            answer = await client.post(self.path, data=self.body, headers=self.signed(self.body) | headers)
        assert (answer.status, hub.accepted) == (401, [])

    def _proof(self) -> dict[str, str]:
        """Return the headers that prove something: those that are not about the body's form."""
        return {name: value for name, value in self.signed(self.body).items() if name.lower() != "content-type"}

    async def test_while_nothing_can_be_kept_the_platform_is_told_to_come_again(
        self, hub: HubAround, channel: Channel
    ) -> None:
        hub.is_away = True
        async with served(channel) as client:
            answer = await client.post(self.path, data=self.body, headers=self.signed(self.body))
        assert answer.status == 503

    async def test_a_body_without_end_is_not_read(self, hub: HubAround, channel: Channel) -> None:
        """F074."""
        endless = b"x" * (READ_LIMIT_BYTES + 1)
        async with served(channel) as client:
            answer = await client.post(self.path, data=io.BytesIO(endless), headers=self.signed(endless))
        assert (answer.status, hub.accepted) == (413, [])

    async def test_a_compressed_body_is_not_read(self, hub: HubAround, channel: Channel) -> None:
        """F075."""
        headers = self.signed(self.body) | {"Content-Encoding": "gzip"}
        async with served(channel) as client:
            answer = await client.post(self.path, data=self.body, headers=headers)
        assert (answer.status, hub.accepted) == (415, [])


@dataclass
class Platform:
    """Plays a platform's API: answers every request in the same way, and keeps what it was asked."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    hangs_up: bool = False
    """It takes the request and ends the connection without a word."""
    asked: list[bytes] = field(default_factory=list)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Serve on a free port of this machine; yields the address, without a trailing slash."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        async with TestServer(application) as server:
            yield str(server.make_url("")).rstrip("/")

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(await request.read())
        if self.hangs_up and request.transport is not None:
            request.transport.close()
        headers = {"Content-Type": "application/json", **self.headers}
        return web.Response(status=self.status, body=self.body, headers=headers)


class SendingContract:
    """Subclass this as `TestSending` where a send is one HTTP request."""

    call: ClassVar[ApiCall]
    """What `render` gives for a short text."""
    taken: ClassVar[bytes]
    """What the platform answers, with status 200, when it took that."""
    provider_id: ClassVar[str]
    """The id of the message in `taken`."""
    too_fast: ClassVar[tuple[bytes, Mapping[str, str]]] = (b"{}", {"Retry-After": "7"})
    """Body and headers of a 429 that asks for a pause of seven seconds."""
    carries_our_name: ClassVar[bool] = True
    """Whether the platform takes our id of the send along; where it can, a send in doubt can be proven."""

    def channel_at(self, url: str) -> Channel:
        """Build a channel whose platform is at this address."""
        raise AssertionError("each channel gives its own")

    async def sent_to(self, platform: Platform) -> Receipt:
        """Send `call` to that platform."""
        async with platform.listening() as url:
            return await self._sent_to(url)

    async def _sent_to(self, url: str) -> Receipt:
        channel = self.channel_at(url)
        try:
            place = ConversationId(f"{channel.name}:{channel.account}:somebody")
            return await channel.send(self.call, OutId("out0000000000001"), 1, place)
        finally:
            await channel.close()

    async def test_a_send_that_is_taken_is_made_once_and_known_by_the_platforms_id(self) -> None:
        platform = Platform(body=self.taken)
        assert (await self.sent_to(platform)).provider_id == self.provider_id
        assert len(platform.asked) == 1
        assert (b"out0000000000001" in platform.asked[0]) is self.carries_our_name

    async def test_a_refused_connection_means_certainly_not_sent(self) -> None:
        async with Platform().listening() as url:
            pass  # nobody listens there any more
        with pytest.raises(TemporaryFailure):
            await self._sent_to(url)

    async def test_a_pause_that_is_asked_for_is_told_in_seconds(self) -> None:
        body, headers = self.too_fast
        with pytest.raises(RateLimited) as refused:
            await self.sent_to(Platform(429, body, headers))
        assert refused.value.retry_after_s == 7.0

    async def test_refused_credentials_pause_the_account(self) -> None:
        with pytest.raises(AccountRefused):
            await self.sent_to(Platform(401, b"{}"))

    @pytest.mark.parametrize(
        "platform",
        [Platform(500, b"{}"), Platform(502, b"<html>"), Platform(200, b"<html>"), Platform(hangs_up=True)],
        ids=["500", "502", "a success that cannot be read", "no answer"],
    )
    async def test_what_may_have_been_sent_is_in_doubt_and_not_made_again_in_here(self, platform: Platform) -> None:
        """Two equal messages are worse than one that a person looks at."""
        asked = Platform(platform.status, platform.body, hangs_up=platform.hangs_up)
        with pytest.raises(UnknownOutcome):
            await self.sent_to(asked)
        assert len(asked.asked) == 1

    async def test_a_redirect_is_not_followed(self) -> None:
        """F050: credentials would go to whoever it names."""
        async with Platform(body=self.taken).listening() as elsewhere:
            platform = Platform(302, b"", {"Location": elsewhere})
            with pytest.raises(DeliveryError):
                await self.sent_to(platform)
        assert len(platform.asked) == 1


class PackageContract:
    """Subclass this as `TestPackage`: the files of an adapter, and what it promises about itself."""

    package: ClassVar[str]
    """The package that the entry point names."""

    def _text(self, file: str) -> str:
        return importlib.resources.files(self.package).joinpath(file).read_text()

    def test_it_holds_the_files_that_every_channel_has(self) -> None:
        folder = importlib.resources.files(self.package)
        assert [file for file in (*MODULES, "quality.yaml") if not folder.joinpath(file).is_file()] == []

    def test_its_package_module_holds_a_docstring_and_nothing_else(self) -> None:
        tree = ast.parse(self._text("__init__.py"))
        assert ast.get_docstring(tree)
        assert len(tree.body) == 1

    def test_it_grades_itself_on_the_whole_scale(self) -> None:
        grades = yaml.safe_load(self._text("quality.yaml"))
        assert set(grades) == QUALITY_KEYS
        assert {name: grade for name, grade in grades.items() if not is_grade(grade)} == {}

    def test_its_account_says_how_to_switch_it_on_and_takes_nothing_it_does_not_know(self) -> None:
        account = importlib.import_module(f"{self.package}.account")
        assert account.CONTRACT == CONTRACT
        assert account.SWITCH_ON.strip()
        assert account.AccountSettings.model_config.get("frozen")
        assert account.AccountSettings.model_config.get("extra") == "forbid"

    @pytest.mark.parametrize("module", PURE_MODULES)
    def test_its_pure_modules_import_nothing_that_talks_to_a_network(self, module: str) -> None:
        imported = {
            name.split(".")[0]
            for node in ast.walk(ast.parse(self._text(f"{module}.py")))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
        }
        assert imported & NETWORK == set()
