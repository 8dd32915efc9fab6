"""Asking the bot until it knows what to say: it answers with a turn, or with an action whose result it needs first."""

from collections.abc import Awaitable, Callable, Mapping
from itertools import count

from core.conversation import ActionResult, ActionWanted, Turn

MAX_ACTIONS = 8
"""Actions one turn may ask for; more is a flow that goes in circles."""

Ask = Callable[[Mapping[str, ActionResult]], Awaitable[Turn | ActionWanted]]
"""Asks the bot, with the results so far by the keys that it gave."""
Act = Callable[[ActionWanted], Awaitable[ActionResult]]


async def decided(ask: Ask, act: Act) -> Turn:
    """Ask the bot, run what it asks for, ask again with the results.

    Raises:
        RuntimeError: it asked for more than `MAX_ACTIONS` actions, or again and again for the same one.
    """
    results: dict[str, ActionResult] = {}
    for number in count():
        answer = await ask(results)
        if isinstance(answer, Turn):
            return answer
        if number == MAX_ACTIONS:
            break
        results[answer.key] = await act(answer)
    raise RuntimeError(f"a turn asked for more than {MAX_ACTIONS} actions")
