"""Asking Slack for what it did not deliver: the history of places where something was said lately (SEMANTICS 9).

A message that is found is written as the Events API would have brought it. It has the name of the real event (`keys`),
so whichever of the two comes first is handled and the other is a duplicate. What leaves no message cannot be found:
button presses, commands, reactions, deletions; an edited message is found as it reads now.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from channels.base import Gap, Look
from channels.inbound import CatchUp, Inbound
from channels.slack.client import SlackClient
from channels.slack.keys import TIMESTAMP, USER_MESSAGE_SUBTYPES
from channels.slack.payloads import DIRECT_IDS, text_at
from channels.slack.workspaces import Workspaces
from core.clock import Clock
from core.errors import AccountRefused, DeliveryError, PermanentFailure, TemporaryFailure
from core.ids import AccountName, ChannelName, ConversationId, conversation_id

OVERLAP_S = 60.0
"""SEMANTICS section 9: a message is in the history a while after its `ts` at the latest."""
PAUSE_S = 1.5
"""Between two questions: 40 a minute. Both methods are tier 3, 50 a minute and more (CHANNELS 1.5); the rest is for
proving sends in doubt."""
PAGE_SIZE = 50
"""A page stays below the 1 MiB that is read of an answer. Apps with the tightened limits get 15 (CHANNELS 1.5)."""
MAX_PAGES = 10
"""Of one place in one round."""
MAX_REMEMBERED = 10_000
"""People whose direct messages' id is kept; it never changes."""

Pause = Callable[[float], Awaitable[None]]

log = logging.getLogger(__name__)


def how_often(every_s: float) -> CatchUp | None:
    """Return how Slack is asked; None where the settings say never (0)."""
    return CatchUp(every_s=every_s, overlap_s=OVERLAP_S, by_conversation=True) if every_s else None


@dataclass(frozen=True, slots=True)
class Us:
    """Who the token stands for."""

    user: str
    team: str
    enterprise: str | None = None
    """The organisation, where the token counts in all of it."""


class History:
    """Reads on behalf of one account."""

    def __init__(self, account: AccountName, client: SlackClient, clock: Clock, pause: Pause = asyncio.sleep) -> None:
        self._account = account
        self._client = client
        self._clock = clock
        self._pause = pause
        self._us: Us | None = None
        self._directs: dict[str, str] = {}

    async def catch_up(self, gaps: Sequence[Gap]) -> AsyncIterator[Look]:
        """Look through the places of these conversations, one after the other.

        Raises:
            DeliveryError: Slack does not answer, or wants a pause; what was read until then has been yielded.
        """
        us = self._us = self._us or await self._who_we_are()
        for owner, theirs in _by_owner(gaps).items():
            try:
                async for look in self._place(us, owner, theirs):
                    yield look
            except PermanentFailure as refusal:  # archived, left, gone: there is nothing to be found any more
                log.info("slack does not show a conversation's history: %s", refusal)
                yield Look(closed=tuple(theirs))

    async def _who_we_are(self) -> Us:
        answer, _ = await self._client.call("auth.test")
        user, team = text_at(answer, "user_id"), text_at(answer, "team_id")
        if user is None or team is None:
            raise TemporaryFailure("auth.test did not say who we are")
        whole = answer.get("is_enterprise_install") is True
        return Us(user, team, text_at(answer, "enterprise_id") if whole else None)

    async def _place(self, us: Us, owner: str, gaps: Sequence[Gap]) -> AsyncIterator[Look]:
        """Read a channel or a person's direct messages, for new threads too, then each thread of it."""
        channel = await self._channel_of(owner)
        first = min(gaps, key=lambda gap: gap.since)
        unthreaded = tuple(gap for gap in gaps if _thread_of(gap) is None)
        async for look in self._read(us, channel, "conversations.history", {}, first, unthreaded):
            yield look
        for gap in gaps:
            if thread := _thread_of(gap):
                async for look in self._read(us, channel, "conversations.replies", {"ts": thread}, gap, (gap,)):
                    yield look

    async def _channel_of(self, owner: str) -> str:
        if owner not in self._directs:
            if len(self._directs) >= MAX_REMEMBERED:
                self._directs.clear()
            self._directs[owner] = await self._client.readable_channel(owner)
        return self._directs[owner]

    async def _read(
        self, us: Us, channel: str, method: str, more: Mapping[str, str], gap: Gap, closes: tuple[Gap, ...]
    ) -> AsyncIterator[Look]:
        """Read pages until the last; what was read before a failure counts, and closes nothing."""
        oldest = gap.since.timestamp()
        query = {"channel": channel, "oldest": f"{oldest:.6f}", "limit": str(PAGE_SIZE), **more}
        found: list[dict[str, Any]] = []
        failure: DeliveryError | None = None
        try:
            async for page in self._pages(method, query):
                found += page
        except DeliveryError as error:
            failure = error
        messages = (message for message in found if _is_from_a_person(message, us) and float(message["ts"]) > oldest)
        yield Look(self._payloads(messages, channel, us), closed=() if failure else closes)
        if failure is not None:
            raise failure

    async def _pages(self, method: str, query: Mapping[str, str]) -> AsyncIterator[list[dict[str, Any]]]:
        cursor: str | None = ""
        for _ in range(MAX_PAGES):
            await self._pause(PAUSE_S)
            page, cursor = await self._client.page(method, query, cursor)
            yield page
            if cursor is None:
                return
        log.warning("%s: more than %d pages since the last look; the rest is left out", method, MAX_PAGES)

    def _payloads(self, messages: Iterable[dict[str, Any]], channel: str, us: Us) -> tuple[Inbound, ...]:
        now = self._clock.now()
        in_order = sorted(messages, key=lambda message: str(message["ts"]))
        return tuple(
            Inbound(ChannelName("slack"), self._account, as_delivered(message, channel, us), now)
            for message in in_order
        )


class ManyHistories:
    """Reads on behalf of an account with many workspaces: a history for each, gaps named as it would name them."""

    def __init__(
        self, account: AccountName, workspaces: Workspaces, clock: Clock, pause: Pause = asyncio.sleep
    ) -> None:
        self._account = account
        self._workspaces = workspaces
        self._clock = clock
        self._pause = pause

    async def catch_up(self, gaps: Sequence[Gap]) -> AsyncIterator[Look]:
        """Look through the places of these conversations, one workspace after the other.

        Raises:
            DeliveryError: Slack does not answer, or wants a pause; what was read until then has been yielded.
        """
        theirs: dict[str, dict[ConversationId, Gap]] = {}
        for gap in gaps:
            channel, account, thread = str(gap.conversation_id).split(":", 2)
            place, _, rest = thread.partition(":")  # nothing behind it in a name from before there were many
            theirs.setdefault(place, {})[conversation_id(channel, account, rest)] = gap
        for place, named in theirs.items():
            async for look in self._of(place, named):
                yield look

    async def _of(self, place: str, named: Mapping[ConversationId, Gap]) -> AsyncIterator[Look]:
        try:
            client = await self._workspaces.client_of(place)
            history = History(self._account, client, self._clock, self._pause)
            async for look in history.catch_up([replace(gap, conversation_id=name) for name, gap in named.items()]):
                yield replace(
                    look, closed=tuple(named[gap.conversation_id] for gap in look.closed if gap.conversation_id)
                )
        except AccountRefused as refusal:
            log.warning("slack does not show a history: %s", await self._workspaces.judge(place, refusal))
        except PermanentFailure as gone:  # not installed any more: there is nothing to be found
            log.info("slack does not show a history: %s", gone)
            yield Look(closed=tuple(named.values()))


def _by_owner(gaps: Sequence[Gap]) -> dict[str, list[Gap]]:
    """Gather the conversations of one channel or person, in the order of the first of each."""
    owners: dict[str, list[Gap]] = {}
    for gap in gaps:
        owners.setdefault(_place_of(gap)[0], []).append(gap)
    return owners


def _place_of(gap: Gap) -> tuple[str, str]:
    """Return the channel or person, and the thread's `ts` if any, of `slack:{account}:{owner}[:{ts}]`."""
    owner, _, thread = str(gap.conversation_id).split(":", 2)[2].partition(":")
    return owner, thread


def _thread_of(gap: Gap) -> str | None:
    return _place_of(gap)[1] or None


def _is_from_a_person(message: Mapping[str, Any], us: Us) -> bool:
    """Tell whether this would be an event that is answered; what machines said is not fetched (S9, S11, S12)."""
    return (
        TIMESTAMP.fullmatch(text_at(message, "ts") or "") is not None
        and message.get("type") == "message"
        and text_at(message, "subtype") in USER_MESSAGE_SUBTYPES
        and text_at(message, "user") not in (None, us.user)
        and not message.get("bot_id")
    )


def _authorization(us: Us) -> dict[str, Any]:
    mine = {"team_id": us.team, "user_id": us.user, "is_bot": True}
    return mine | ({"enterprise_id": us.enterprise, "is_enterprise_install": True} if us.enterprise else {})


def as_delivered(message: Mapping[str, Any], channel: str, us: Us) -> bytes:
    """Write a message of the history as the Events API would have brought it (S1); it never had an event id here."""
    ts = str(message["ts"])
    event = {**message, "channel": channel, "event_ts": ts}
    if channel.startswith(DIRECT_IDS):
        event["channel_type"] = "im"
    return json.dumps(
        {
            "type": "event_callback",
            "team_id": us.team,
            "event": event,
            "event_time": int(ts.partition(".")[0]),
            "authorizations": [_authorization(us)],
        },
        separators=(",", ":"),
    ).encode()
