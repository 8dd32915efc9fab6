import pytest

from channels.base import Channel
from channels.inbound import Inbound
from channels.web.channel import build
from core.errors import UnknownOutcome
from core.ids import AccountName, ChannelName, ConversationId, OutId
from core.replies import ApiCall, Reply
from tests.unit.channels.web.fakes import NOW, SHOP, FakeHub, FakeWords, make_channel, settings

CONVERSATION = ConversationId("web:site:x")
CALL = ApiCall(method="deliver", params={"text": "Hi", "choices": []}, bucket="x", kind="agent")


def built(hub: FakeHub) -> Channel:
    return build(AccountName("site"), settings(), hub.resources())


async def test_a_reply_is_left_in_the_mailbox_with_its_author_and_time(hub: FakeHub) -> None:
    receipt = await built(hub).send(CALL, OutId("o1"), 3, CONVERSATION)
    assert receipt.provider_id == "3"
    (kept,) = hub.mailbox.kept[CONVERSATION].values()
    assert kept.seq == 3
    assert kept.body == {"from": "agent", "text": "Hi", "choices": [], "at": NOW.isoformat()}


async def test_sending_again_changes_nothing(hub: FakeHub) -> None:
    channel = built(hub)
    await channel.send(CALL, OutId("o1"), 3, CONVERSATION)
    hub.clock.advance(60)
    await channel.send(CALL, OutId("o1"), 3, CONVERSATION)
    (kept,) = hub.mailbox.kept[CONVERSATION].values()
    assert kept.body["at"] == NOW.isoformat()
    assert channel.capabilities.unknown_sends == "idempotent"


async def test_a_mailbox_that_is_down_leaves_the_send_in_doubt(hub: FakeHub) -> None:
    hub.mailbox.down = True
    with pytest.raises(UnknownOutcome):
        await built(hub).send(CALL, OutId("o1"), 3, CONVERSATION)


async def test_the_check_says_who_may_embed_the_widget(hub: FakeHub) -> None:
    (finding,) = await make_channel(hub).check()
    assert (finding.ok, finding.account) == (True, "web:site")
    assert SHOP in finding.detail
    (empty,) = await make_channel(hub, allowed_origins=()).check()
    assert empty.ok
    assert "empty" in empty.detail


async def test_there_is_nothing_to_listen_to_and_nothing_to_look_up(hub: FakeHub) -> None:
    channel = built(hub)
    await channel.listen()
    assert await channel.find_sent(CALL, OutId("o1"), NOW, frozenset()) is None
    await channel.close()


def test_rendering_answers_the_session_of_the_event(hub: FakeHub) -> None:
    channel = built(hub)
    body = b'{"session": "%s", "id": "11111111-1111-4111-8111-111111111111", "text": "Hi"}' % (b"0f" * 16)
    (event,) = channel.normalize(Inbound(ChannelName("web"), AccountName("site"), body, NOW))
    (call,) = channel.render(Reply(template="x"), FakeWords(text="Hello"), event.address)
    assert call.bucket == "0f" * 16
