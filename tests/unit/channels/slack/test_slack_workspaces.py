"""Slack across workspaces: installing, tokens that end, and installations that die (S2, S17)."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from yarl import URL

from channels.base import Resources
from channels.slack.channel import SlackChannel
from channels.slack.verify import sign
from core.errors import DeliveryError, PermanentFailure
from core.ids import AccountName, ConversationId, OutId
from core.installations import Installation
from core.replies import ApiCall, Receipt, Reply
from core.store.memory import MemoryStore
from hub.emulate import slack
from hub.emulate.platforms import Platforms
from hub.emulate.slack_installs import CLIENT_ID, CLIENT_SECRET, TOKEN_LASTS_S
from tests.fakes import FakeClock
from tests.unit.channels.slack.slack_samples import FakeInbox, FakeWords, NoMailbox, inbound, settings
from tests.unit.hub.emulate.kit import QuickWorld

ACCOUNT = AccountName("acme")


@dataclass
class Desk:
    """The account with many workspaces, its addresses, and Slack."""

    platforms: Platforms
    clock: FakeClock
    store: MemoryStore
    inbox: FakeInbox = field(default_factory=FakeInbox)
    url: str = ""
    channel: SlackChannel = field(init=False)

    def open(self) -> SlackChannel:
        """Return the channel as another process would have it."""
        account = settings(
            bot_token=None,
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            signing_secret=slack.SIGNING_SECRET,
            api_url=f"{self.platforms.http['slack'].url}/api/",
        )
        lent = Resources(self.clock, self.inbox.accept, self.url, NoMailbox(), installations=self.store)
        return SlackChannel(ACCOUNT, account, lent)

    async def get(self, session: aiohttp.ClientSession, url: str) -> tuple[int, str, str]:
        async with session.get(url, allow_redirects=False) as answer:
            return answer.status, answer.headers.get("Location", ""), await answer.text()

    async def agree(self, session: aiohttp.ClientSession, place: str) -> str:
        """Begin, agree on Slack's page, and return where Slack sends the browser."""
        _, slacks_page, _ = await self.get(session, f"{self.url}/slack/acme/install")
        status, back, _ = await self.get(session, f"{slacks_page}&team={place}")
        assert status == 302
        return back

    async def install(self, place: str) -> None:
        async with browser() as session:
            status, _, text = await self.get(session, await self.agree(session, place))
        assert (status, text) == (200, f"Installed in Acme {place}.\n")

    async def kept(self, place: str) -> Installation:
        found = await self.store.find_installation(f"slack:acme:{place}")
        assert found is not None
        return found

    async def hear(self, body: bytes) -> int:
        timestamp = str(int(self.clock.now().timestamp()))
        headers = {"X-Slack-Request-Timestamp": timestamp}
        headers["X-Slack-Signature"] = sign(body, timestamp, slack.SIGNING_SECRET)
        async with (
            browser() as session,
            session.post(f"{self.url}/slack/acme/events", data=body, headers=headers) as answer,
        ):
            return answer.status


def browser() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))  # addresses are numbers here


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    clock = FakeClock()
    async with Platforms(QuickWorld(clock=clock)) as platforms:
        desk = Desk(platforms, clock, MemoryStore(clock))
        port = unused_port()
        desk.url = f"http://127.0.0.1:{port}"
        desk.channel = desk.open()
        application = web.Application()
        application.add_routes(desk.channel.routes())
        server = TestServer(application, port=port)
        await server.start_server()
        yield desk
        await server.close()
        await desk.channel.close()


def event(place: str, ts: str = "1763812800.000100", **authorization: Any) -> bytes:
    """Return a message in a shared channel of T9, sent to the installation of `place` (S2)."""
    body = json.loads(slack.message_event(f"Ev{place}", "C1", "U1", ts, "hello"))
    body |= {"team_id": "T9", "authorizations": [{"team_id": place, "user_id": slack.BOT_USER, "is_bot": True}]}
    body["authorizations"][0] |= authorization
    return json.dumps(body).encode()


def call(place: str) -> ApiCall:
    return ApiCall(method="chat.postMessage", params={"channel": "C1", "text": "hi"}, bucket=f"{place}:C1")


async def send(channel: SlackChannel, place: str) -> Receipt:
    return await channel.send(call(place), OutId("o1"), 1, ConversationId(f"slack:acme:{place}:C1"))


async def failure_of(channel: SlackChannel, place: str) -> DeliveryError:
    with pytest.raises(DeliveryError) as raised:
        await send(channel, place)
    return raised.value


async def test_a_workspace_and_an_organisation_install_the_app_and_are_spoken_to_with_their_tokens(desk: Desk) -> None:
    for place in ("T1", "E1"):
        await desk.install(place)
        await send(desk.channel, place)
    workspace, organisation = await desk.kept("T1"), await desk.kept("E1")
    assert (workspace.is_whole_organisation, organisation.is_whole_organisation) == (False, True)
    assert workspace.token.get_secret_value().startswith("xoxe.xoxb-T1")
    assert workspace.token != organisation.token
    assert (workspace.bot_user, workspace.installer) == (slack.BOT_USER, "U0OWNER")
    assert "chat:write" in workspace.scopes
    assert workspace.token.get_secret_value() not in repr(workspace)
    assert isinstance(await failure_of(desk.channel, "T2"), PermanentFailure)


async def test_an_install_link_counts_once_for_ten_minutes_and_only_in_the_browser_that_began(desk: Desk) -> None:
    async with browser() as session, browser() as another:
        back = await desk.agree(session, "T1")
        assert (await desk.get(another, back))[0] == 400, "another browser"
        jar = session.cookie_jar.filter_cookies(URL(f"{desk.url}/slack/acme/install"))
        cookies = {name: morsel.value for name, morsel in jar.items()}
        first, second = await asyncio.gather(*(fetch(desk, back, cookies) for _ in range(2)))
        assert sorted([first, second]) == [200, 400], "used up"
        late = await desk.agree(session, "T2")
        desk.clock.advance(601)
        assert (await desk.get(session, late))[0] == 400, "ended"
        forged = await desk.agree(session, "T2")
        state = parse_qs(urlsplit(forged).query)["state"][0]
        assert (await desk.get(session, forged.replace(state, "9" + state)))[0] == 400, "not signed by us"
        guessed = await desk.agree(session, "T2")
        assert (await desk.get(session, guessed.replace("code-", "code-9")))[0] == 502, "not Slack's code"
    assert [one.place for one in await desk.store.installations_of("slack:acme")] == ["T1"]


async def fetch(desk: Desk, url: str, cookies: dict[str, str]) -> int:
    async with browser() as session, session.get(url, cookies=cookies) as answer:
        return answer.status


async def test_a_token_is_renewed_before_its_end_by_one_process_and_the_old_one_counts_meanwhile(desk: Desk) -> None:
    await desk.install("T1")
    before = await desk.kept("T1")
    desk.clock.advance(TOKEN_LASTS_S - 3600)
    others = [desk.open() for _ in range(3)]
    try:
        await asyncio.gather(*(send(channel, "T1") for channel in (desk.channel, *others)))
    finally:
        for channel in others:
            await channel.close()
    after = await desk.kept("T1")
    assert after.token != before.token
    assert after.refresh_token != before.refresh_token
    assert after.rev == before.rev + 2, "one claim, one renewal"
    assert after.expires_at == desk.clock.now() + timedelta(seconds=TOKEN_LASTS_S)


async def test_a_token_that_has_ended_is_renewed_first(desk: Desk) -> None:
    await desk.install("T1")
    desk.clock.advance(TOKEN_LASTS_S + 86_400)
    await send(desk.channel, "T1")


@pytest.mark.parametrize("kind", ["tokens_revoked", "app_uninstalled"])
@pytest.mark.parametrize("place", ["T1", "E1"])
async def test_an_installation_that_is_gone_is_dead_until_it_comes_back_and_the_others_live(
    kind: str, place: str, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    """S17."""
    await desk.install(place)
    await desk.install("T2")
    desk.clock.advance(5)
    late = desk.platforms.slack.installs.ending(place, kind, "Ev1")
    with caplog.at_level(logging.ERROR):
        assert await desk.hear(late) == 200
    assert "slack_installation_ended" in caplog.text
    assert "xoxe" not in caplog.text
    failure = await failure_of(desk.channel, place)
    assert isinstance(failure, PermanentFailure)
    assert failure.code == "installation_gone"
    await send(desk.channel, "T2")
    desk.clock.advance(5)
    await desk.install(place)
    assert await desk.hear(late) == 200, "it comes again, and late"
    await send(desk.channel, place)


async def test_a_revoked_token_ends_its_installation_and_does_not_pause_the_account(desk: Desk) -> None:
    await desk.install("T1")
    await send(desk.channel, "T1")
    desk.platforms.slack.installs.revoke("T1")
    failure = await failure_of(desk.channel, "T1")
    assert isinstance(failure, PermanentFailure)
    assert failure.code == "token_revoked"
    assert (await desk.kept("T1")).ended_why == "token_revoked"


async def test_the_first_authorization_decides_whose_conversation_it_is(desk: Desk) -> None:
    """S2."""
    for body, place in (
        (event("T1"), "T1"),
        (event("T2"), "T2"),
        (event("T1", enterprise_id="E1", is_enterprise_install=True), "E1"),
    ):
        (heard,) = desk.channel.normalize(inbound(body))
        assert heard.conversation_id == f"slack:acme:{place}:C1:1763812800.000100"
        assert desk.channel.identify(inbound(body)).primary == f"slack:acme:{place}:C1:1763812800.000100"
        (rendered,) = desk.channel.render(Reply(template="hello"), FakeWords(text="hi"), heard.address)
        assert rendered.bucket == f"{place}:C1"
        assert "installation" not in rendered.params


async def test_the_doctor_says_where_the_app_is_installed(desk: Desk) -> None:
    await desk.install("T1")
    await desk.install("T2")
    await desk.hear(desk.platforms.slack.installs.ending("T2", "app_uninstalled", "Ev1"))
    findings = {finding.detail: finding.ok for finding in await desk.channel.check()}
    assert any("installed in 1 of 2" in detail and ok for detail, ok in findings.items())
    assert any("(T1): installed by U0OWNER" in detail and ok for detail, ok in findings.items())
    assert any("(T2): app_uninstalled" in detail and not ok for detail, ok in findings.items())
