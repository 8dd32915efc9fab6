"""The bot is asked until it knows what to say, in the hub as in `frontdesk chat`, and never for ever."""

from collections.abc import Mapping

import pytest

from core.conversation import ActionResult, ActionWanted, Conversation, Trace, Turn
from core.ids import AccountName, ChannelName, ConversationId, DeskName, EventId
from hub.deciding import MAX_ACTIONS, decided

TURN = Turn(
    conversation=Conversation(
        id=ConversationId("fake:one:t1"),
        desk=DeskName("support"),
        channel=ChannelName("fake"),
        account=AccountName("one"),
    ),
    trace=Trace(event_id=EventId("e1"), rung="flow"),
)


class Bot:
    """Wants these actions, one after the other, then knows."""

    def __init__(self, *keys: str) -> None:
        self.keys = list(keys)
        self.heard: list[dict[str, str]] = []
        self.acted: list[str] = []

    async def ask(self, results: Mapping[str, ActionResult]) -> Turn | ActionWanted:
        self.heard.append({key: str(result.data["said"]) for key, result in results.items()})
        return ActionWanted(key=self.keys.pop(0), action="look", arguments={}) if self.keys else TURN

    async def act(self, wanted: ActionWanted) -> ActionResult:
        self.acted.append(wanted.key)
        return ActionResult(outcome="ok", data={"said": wanted.key})


async def test_each_result_is_there_when_the_bot_is_asked_again() -> None:
    bot = Bot("a", "b")
    assert await decided(bot.ask, bot.act) is TURN
    assert bot.heard == [{}, {"a": "a"}, {"a": "a", "b": "b"}]


async def test_as_many_actions_as_are_allowed_end_in_a_turn() -> None:
    bot = Bot(*map(str, range(MAX_ACTIONS)))
    assert await decided(bot.ask, bot.act) is TURN


@pytest.mark.parametrize(
    "keys", [[str(number) for number in range(100)], ["the same"] * 100], ids=["others", "the same"]
)
async def test_a_bot_that_never_knows_is_not_asked_for_ever(keys: list[str]) -> None:
    bot = Bot(*keys)
    with pytest.raises(RuntimeError, match="more than 8 actions"):
        await decided(bot.ask, bot.act)
    assert len(bot.acted) == MAX_ACTIONS
