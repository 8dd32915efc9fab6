"""People at the stand-ins who edit, delete, react and block: what the hub is brought, and what is refused then.

What is brought is read by the real adapters (S10, T9, T10, T20, W27).
"""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from channels.inbound import Inbound
from channels.slack.normalize import normalize as slack_normalize
from channels.telegram.normalize import Bot
from channels.telegram.normalize import normalize as telegram_normalize
from core.events import (
    ConversationMoved,
    Event,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    ReachabilityChanged,
    ReactionChanged,
)
from core.ids import AccountName, ChannelName
from hub.emulate import telegram, telegram_changes, twilio
from hub.emulate.people import People
from hub.emulate.platforms import Platforms
from tests.fakes import START
from tests.unit.hub.emulate.kit import NotingHub, noting_hub, running, until_quiet


@pytest.fixture
async def hub() -> AsyncIterator[NotingHub]:
    async with noting_hub() as hub:
        yield hub


@pytest.fixture
async def platforms() -> AsyncIterator[Platforms]:
    async with running() as platforms:
        yield platforms


@pytest.fixture
def people(platforms: Platforms, hub: NotingHub) -> People:
    return People(platforms, hub.url)


def first_id(people: People, platform: str) -> str:
    return str(people.shown(platform)["messages"][0]["id"])  # type: ignore[arg-type]


def slack_events(hub: NotingHub) -> list[Event]:
    name, account = ChannelName("slack"), AccountName("acme")
    bodies = [Inbound(name, account, one.body, START, {"content-type": "application/json"}) for one in hub.brought]
    return [event for body in bodies for event in slack_normalize(body)]


async def telegram_events(platforms: Platforms) -> list[Event]:
    found = await platforms.telegram.updates.poll(0, 0.01)
    assert isinstance(found, list)
    bot = Bot(AccountName("support"), telegram.BOT_ID, telegram.USERNAME)
    return [event for update in found for event in telegram_normalize(telegram.orjson.dumps(update), bot, START)]


async def test_a_person_in_slack_edits_reacts_and_deletes(people: People, platforms: Platforms, hub: NotingHub) -> None:
    """S9, S10."""
    people.say("slack", "order A-1001")
    await until_quiet(platforms)
    ts = first_id(people, "slack")
    for deed, text in (("edit", "order A-1002"), ("react", "+1"), ("delete", "")):
        people.do("slack", deed, ts, text)  # type: ignore[arg-type]
        await until_quiet(platforms)
    said, edit, reaction, deletion = slack_events(hub)
    assert isinstance(said, MessageReceived)
    assert isinstance(edit, MessageEdited)
    assert isinstance(reaction, ReactionChanged)
    assert isinstance(deletion, MessageDeleted)
    assert {said.message_id, edit.message_id, reaction.message_id, deletion.message_id} == {ts}
    assert (edit.text, reaction.added) == ("order A-1002", ("+1",))
    assert {event.conversation_id for event in (said, edit, reaction, deletion)} == {said.conversation_id}
    assert platforms.slack._posted == []


async def test_a_person_in_telegram_edits_and_reacts(people: People, platforms: Platforms) -> None:
    """T20: deletions are not told."""
    people.say("telegram", "order A-1001")
    number = first_id(people, "telegram")
    people.do("telegram", "edit", number, "order A-1002")
    people.do("telegram", "react", number, "👍")
    _, edit, reaction = await telegram_events(platforms)
    assert isinstance(edit, MessageEdited)
    assert isinstance(reaction, ReactionChanged)
    assert (edit.message_id, edit.text, reaction.added) == (number, "order A-1002", ("👍",))
    with pytest.raises(LookupError):
        people.do("telegram", "delete", number)


async def test_a_person_in_telegram_blocks_the_bot_and_lets_it_back(people: People, platforms: Platforms) -> None:
    """T9: it is told, and sends are refused until then."""
    people.say("telegram", "hello")
    chat = (await telegram_events(platforms))[0].address["chat_id"]
    people.do("telegram", "block")
    assert (await send_by_telegram(platforms, chat))[0] == 403
    people.do("telegram", "unblock")
    assert (await send_by_telegram(platforms, chat))[0] == 200
    changes = [event.change for event in await telegram_events(platforms) if isinstance(event, ReachabilityChanged)]
    assert changes == ["blocked", "unblocked"]
    assert len(platforms.ledger) == 1


async def send_by_telegram(platforms: Platforms, chat: str) -> tuple[int, dict[str, object]]:
    url = f"{platforms.http['telegram'].url}/bot{telegram.TOKEN}/sendMessage"
    async with aiohttp.ClientSession() as session, session.post(url, data={"chat_id": chat, "text": "hi"}) as answer:
        return answer.status, await answer.json()


async def test_a_group_that_became_a_supergroup_is_reached_by_its_new_id_only(platforms: Platforms) -> None:
    """T10."""
    standin = platforms.telegram
    standin.moved["-5"] = -1005
    status, answer = await send_by_telegram(platforms, "-5")
    assert (status, answer["parameters"]) == (400, {"migrate_to_chat_id": -1005})
    assert (await send_by_telegram(platforms, "-1005"))[0] == 200
    for update in telegram_changes.migrated(-5, -1005, (1, 2), 1763812800):
        standin.updates.add(update, -5)
    gone, come = await telegram_events(platforms)
    assert isinstance(gone, ConversationMoved)
    assert isinstance(come, ConversationMoved)
    assert (gone.goes_to, come.came_from) == (come.conversation_id, gone.conversation_id)


async def test_whoever_blocked_the_number_gets_nothing_of_twilio(people: People, platforms: Platforms) -> None:
    """W27: 21610."""
    people.say("whatsapp", "hello")
    await until_quiet(platforms)
    person = f"whatsapp:{people.shown('whatsapp')['person']}"
    form = {"To": person, "From": twilio.NUMBER, "Body": "hi"}
    url = f"{platforms.http['whatsapp'].url}{twilio.ROOT}/Messages.json"
    secret = aiohttp.encode_basic_auth(twilio.SID, twilio.AUTH_TOKEN)
    answers = []
    for deed in ("block", "unblock"):
        people.do("whatsapp", deed)  # type: ignore[arg-type]
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=form, headers={"Authorization": secret}) as answer,
        ):
            answers.append(answer.status)
    assert answers == [400, 201]
    assert len(platforms.ledger) == 1


async def test_nobody_does_anything_to_what_is_not_there(people: People, platforms: Platforms) -> None:
    with pytest.raises(LookupError):
        people.do("slack", "edit", "1.2", "x")
    people.say("slack", "hello")
    await until_quiet(platforms)
    for deed in ("edit", "delete", "react"):
        with pytest.raises(LookupError):
            people.do("slack", deed, "1.2", "x")  # type: ignore[arg-type]
    people.say("email", "hello")
    with pytest.raises(LookupError):
        people.do("email", "edit", first_id(people, "email"), "x")
