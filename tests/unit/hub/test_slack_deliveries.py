"""What Slack tells in several ways, or of people of another workspace, through the whole hub (S2, S7, S9, S10, S18)."""

import json
from typing import Any

from channels.inbound import DeliveryKey, Inbound
from channels.slack.keys import identify
from channels.slack.normalize import normalize
from core.events import Event
from core.ids import AccountName, ChannelName, ConversationId
from core.replies import ApiCall, Reply
from tests.conversation.telling import bot_without
from tests.factories import Bench, FakeChannel, build_bench
from tests.unit.channels.slack.slack_samples import payload


class SlackLike(FakeChannel):
    """Slack's names and events, on a platform that takes every answer."""

    def identify(self, inbound: Inbound) -> DeliveryKey:
        return identify(inbound)

    def normalize(self, inbound: Inbound) -> tuple[Event, ...]:
        return normalize(inbound)

    def render(self, reply: Reply, words: Any, address: dict[str, str]) -> tuple[ApiCall, ...]:
        return (ApiCall(method="say", params={"text": words.block("text")}, bucket=address["channel"]),)


def slack_bench() -> Bench:
    channel = SlackLike(name=ChannelName("slack"), account=AccountName("acme"))
    return build_bench(channel=channel, responder=bot_without())


async def bring(bench: Bench, *envelopes: dict[str, Any]) -> None:
    for envelope in envelopes:
        await bench.receive_raw(json.dumps(envelope).encode())
        await bench.settle()


def changed(envelope: dict[str, Any], text: str) -> dict[str, Any]:
    """Return the edit of the message in an envelope."""
    said = envelope["event"]
    event = {"type": "message", "subtype": "message_changed", "channel": said["channel"], "channel_type": "channel"}
    times = {"ts": "1763812999.000100", "event_ts": "1763812999.000100"}
    old = {name: said[name] for name in ("type", "user", "text", "ts")}
    new = old | {"text": text, "edited": {"user": said["user"], "ts": "1763812999.000000"}}
    return envelope | {"event_id": "Ev0EDIT", "event": event | times | {"message": new, "previous_message": old}}


async def test_a_mention_that_is_told_twice_is_answered_once_whichever_comes_first_s7() -> None:
    """S7: `message` and `app_mention` for one text, under two event ids."""
    pair = [payload("mention_as_message.json"), payload("mention_as_app_mention.json")]
    assert pair[0]["event_id"] != pair[1]["event_id"]
    for envelopes in (pair, pair[::-1]):
        bench = slack_bench()
        await bring(bench, *envelopes)
        assert len(bench.channel.sent) == 1


async def test_a_person_of_another_workspace_is_answered_once_and_may_correct_themselves_s2() -> None:
    """S2: the event's team is the writer's and the history's is ours; the channel names the conversation."""
    bench = slack_bench()
    guest = payload("slack_connect.json")
    guest["event"]["text"] = "<@U0DESK> thank you"
    assert guest["team_id"] != guest["authorizations"][0]["team_id"]
    in_history = guest | {"team_id": "T0ACME", "event_id": "found-in-history"}
    await bring(bench, guest, in_history, changed(guest, "<@U0DESK> what can you do?"))
    name = ConversationId("slack:acme:C0SHARED:1763812800.000100")
    assert bench.channel.sent == [(name, "thanks"), (name, "help")]
    said, _, edit, _ = await bench.store.transcript(name, 0, 10)
    assert (said.text, edit.kind) == ("what can you do?", "edited")


async def test_an_edit_that_first_mentions_us_is_answered_once_s10() -> None:
    """S10, S7: before it was people's talk; Slack may tell of the mention as well, and under the message's own name."""
    bench = slack_bench()
    talk = payload("slack_connect.json")
    talk["event"]["text"] = "thank you"
    mention = talk | {"event_id": "Ev0LATER", "event": talk["event"] | {"type": "app_mention"}}
    await bring(bench, talk, changed(talk, "<@U0DESK> thank you"), mention)
    assert [text for _, text in bench.channel.sent] == ["thanks"]


async def test_an_unfurled_link_is_no_edit_s10() -> None:
    bench = slack_bench()
    said = payload("slack_connect.json")
    said["event"]["text"] = "<@U0DESK> thank you"
    await bring(bench, said, changed(said, said["event"]["text"]))
    assert [text for _, text in bench.channel.sent] == ["thanks"]
