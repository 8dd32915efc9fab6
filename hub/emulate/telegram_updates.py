"""How Telegram brings updates: to a webhook, one of a chat at a time, or to a bot that asks for them (T3, T5, T6)."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from hub.emulate.webhook import Delivery, Outcome, bring
from hub.emulate.world import World

ANSWER_WITHIN_S = 60.0
"""CHANNELS section 5: about a minute."""
FIRST_PAUSE_S = 1.0
"""After a failed delivery of a chat's update; doubles with each (FAULTS section A)."""
LONGEST_PAUSE_S = 64.0
"""Not documented; ours."""
MOST_AT_ONCE = 100
"""T6."""
WEBHOOK_IS_ACTIVE = "Conflict: can't use getUpdates method while webhook is active"
OTHER_POLLER = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"


@dataclass(frozen=True, slots=True)
class Webhook:
    """What setWebhook said."""

    url: str
    secret: str
    kinds: list[str]


@dataclass(frozen=True, slots=True)
class _Waiting:
    update: dict[str, Any]
    chat: int
    delivery: Delivery


@dataclass
class Updates:
    """The updates of one bot that are not confirmed yet."""

    world: World
    webhook: Webhook | None = None
    _waiting: list[_Waiting] = field(default_factory=list)
    _bringing: set[int] = field(default_factory=set)
    _pollers: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, update: dict[str, Any], chat: int) -> Delivery:
        """Take an update that is to be brought."""
        delivery = Delivery()
        self._waiting.append(_Waiting(update, chat, delivery))
        self._stir()
        return delivery

    def set_webhook(self, webhook: Webhook | None) -> None:
        """Bring to this address from now on, or wait to be asked."""
        self.webhook = webhook
        self._stir()

    def info(self) -> dict[str, Any]:
        """Return what getWebhookInfo tells."""
        told: dict[str, Any] = {"url": "", "has_custom_certificate": False}
        told["pending_update_count"] = len(self._waiting)
        if self.webhook is not None:
            told |= {"url": self.webhook.url, "allowed_updates": self.webhook.kinds}
        return told

    def _stir(self) -> None:
        """Wake whoever polls, and begin with every chat that has something and is not under way."""
        self._news.set()
        self._news = asyncio.Event()
        if self.webhook is not None:
            for chat in {waiting.chat for waiting in self._waiting} - self._bringing:
                self._bringing.add(chat)
                self.world.spawn(self._bring_chat(chat))

    async def _bring_chat(self, chat: int) -> None:
        failures = 0
        while (webhook := self.webhook) is not None and (waiting := self._first_of(chat)) is not None:
            outcome = await post_update(self.world, webhook.url, webhook.secret, waiting.update)
            waiting.delivery.note(outcome, is_taken=outcome.is_taken)
            if outcome.is_taken:
                self._waiting.remove(waiting)
                failures = 0
            else:
                await self.world.pause(min(FIRST_PAUSE_S * 2**failures, LONGEST_PAUSE_S))
                failures += 1
        self._bringing.discard(chat)

    def _first_of(self, chat: int) -> _Waiting | None:
        return next((waiting for waiting in self._waiting if waiting.chat == chat), None)

    async def poll(self, offset: int, timeout_s: float) -> list[dict[str, Any]] | str:
        """Return unconfirmed updates from `offset` on, after at most `timeout_s`; or why there is a conflict (T6).

        Asking with an offset confirms everything below it. A second poller ends the first one's request.
        """
        if self.webhook is not None:
            return WEBHOOK_IS_ACTIVE
        self._confirm(offset)
        self._pollers += 1
        own = self._pollers
        self._stir()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self._waiting and own == self._pollers and self.webhook is None:
                    await self._news.wait()
        if own != self._pollers:
            return OTHER_POLLER
        if self.webhook is not None:
            return WEBHOOK_IS_ACTIVE
        return [waiting.update for waiting in self._waiting[:MOST_AT_ONCE]]

    def _confirm(self, offset: int) -> None:
        for waiting in [waiting for waiting in self._waiting if waiting.update["update_id"] < offset]:
            waiting.delivery.note("confirmed by getUpdates", is_taken=True)
            self._waiting.remove(waiting)


async def post_update(world: World, url: str, secret: str, update: dict[str, Any]) -> Outcome:
    """Post an update once, with the webhook's secret (T1)."""
    headers = {"Content-Type": "application/json", "X-Telegram-Bot-Api-Secret-Token": secret}
    return await bring(world, "telegram", url, json.dumps(update).encode(), headers, ANSWER_WITHIN_S)
