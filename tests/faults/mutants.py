"""The twelve ways to break the product of FAULTS, section A: each a patch of the running code, undone with its test.

The product knows nothing of them. A mutant breaks exactly one promise; what stands behind that promise stays whole, so
that the suite is seen to catch the mistake and not a heap of rubble.
"""

import asyncio
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pytest
from aiohttp import web
from pymongo import WriteConcern
from slack_sdk.http_retry.builtin_async_handlers import AsyncServerErrorRetryHandler

from channels.base import Acceptance
from channels.inbound import Inbound
from channels.slack.client import CarefulWebClient
from channels.slack.verify import verify as checked_slack
from channels.slack.webhook import Webhook
from channels.telegram.client import AiohttpRequest, Failed
from channels.telegram.verify import verify as checked_telegram
from channels.whatsapp.transport import Transport
from channels.whatsapp.verify import verify_signature as checked_whatsapp
from core.errors import UnknownOutcome
from core.events import Event
from core.inbox import InboxMark, InboxRow, InboxState
from core.outbox import SendState
from core.ports import Escape
from core.replies import Reply
from core.storage import Save
from core.store.memory import MemoryStore
from hub.holds import Hold
from hub.inbox import Inbox
from hub.outbox import Outbox
from hub.suspects import Suspects
from hub.templating import BoundWords, Templates
from hub.turns import Turns

RETRIES = 2
"""What vendors' clients do by default where they retry at all (slack_sdk: 1, urllib3: 3)."""
ROUND_TRIP_S = 0.001
"""Between asking a database and writing to it."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One broken product.

    Args:
        says: what is wrong with it, in the words of FAULTS.
        shows: the complaints that must be heard of it; red for another reason is not caught.
        breaks: patches the product.
    """

    says: str
    shows: frozenset[str]
    breaks: Callable[[pytest.MonkeyPatch], None]


def without_journal(patch: pytest.MonkeyPatch) -> None:
    """M1: a write returns before it is on the disk."""
    patch.setattr("core.store.mongo.WriteConcern", lambda *_, **__: WriteConcern(1, j=False))


def answered_before_inserted(patch: pytest.MonkeyPatch) -> None:
    """M2: the platform gets its 2xx at once; the insert follows."""
    whole = Inbox.accept
    under_way = set()

    async def accept(self: Inbox, inbound: Inbound) -> Acceptance:
        task = asyncio.create_task(whole(self, inbound))
        under_way.add(task)
        return Acceptance.ACCEPTED

    patch.setattr(Inbox, "accept", accept)


def looked_up_before_inserted(patch: pytest.MonkeyPatch) -> None:
    """M3: whether a payload is known is asked first and written later; no unique key decides."""

    async def insert_inbox(self: MemoryStore, rows: Sequence[InboxRow]) -> list[bool]:
        are_new = [row.id not in self._inbox for row in rows]
        await asyncio.sleep(ROUND_TRIP_S)
        for row in itertools.compress(rows, are_new):
            own = row.id if row.id not in self._inbox else f"{row.id} again"
            self._inbox[own] = row.model_copy(update={"id": own})
        return are_new

    patch.setattr(MemoryStore, "insert_inbox", insert_inbox)


def committed_without_fence(patch: pytest.MonkeyPatch) -> None:
    """M4: the last one to write wins, whoever holds the lease."""
    whole = MemoryStore._save

    def save(self: MemoryStore, change: Save) -> bool:
        entry = self._conversations[change.conversation.id]
        return whole(self, replace(change, fence=entry.fence, rev=entry.rev))

    patch.setattr(MemoryStore, "_save", save)


def requeued_on_recovery(patch: pytest.MonkeyPatch) -> None:
    """M5: what a dead owner was sending is sent again."""
    whole = Outbox.recover

    async def recover(self: Outbox, hold: Hold) -> None:
        for row in hold.open_rows:
            if row.state is SendState.SENDING:
                hold.put(row.queued(None, "owner_died"))
        await whole(self, hold)

    patch.setattr(Outbox, "recover", recover)


def retried_by_the_sdk(patch: pytest.MonkeyPatch) -> None:
    """M6: slack_sdk's own transport with its handler of 5xx; the like around twilio's and python-telegram-bot's."""
    made = CarefulWebClient.__init__

    def retrying(self: CarefulWebClient, *args: Any) -> None:
        made(self, *args)
        self.retry_handlers = [AsyncServerErrorRetryHandler(max_retry_count=RETRIES)]
        self.open_session()

    patch.setattr(CarefulWebClient, "__init__", retrying)
    patch.delattr(CarefulWebClient, "_request")
    for transport, method in ((AiohttpRequest, "do_request"), (Transport, "request")):
        patch.setattr(transport, method, _retrying(getattr(transport, method)))


def _retrying(request: Callable[..., Any]) -> Callable[..., Any]:
    async def again(*args: Any, **kwargs: Any) -> Any:
        for _ in range(RETRIES):
            try:
                return await request(*args, **kwargs)
            except Failed as error:
                if not isinstance(error.failure, UnknownOutcome):
                    raise
            except UnknownOutcome:
                continue
        return await request(*args, **kwargs)

    return again


def counted_after_handling(patch: pytest.MonkeyPatch) -> None:
    """M7: that a message is being handled is noted once it is over."""

    @contextmanager
    def handling(self: Suspects, row: InboxRow) -> Iterator[None]:
        yield
        self._now.append(row.id)
        self._write()
        self._now.remove(row.id)
        self._write()

    patch.setattr(Suspects, "handling", handling)


def done_before_committed(patch: pytest.MonkeyPatch) -> None:
    """M8: the row is acknowledged, by its mark DONE, before its turn is durable."""
    whole = Turns._commit

    async def commit(
        self: Turns, hold: Hold, inbox_id: str, inbox_home: str | None, event: Event, *more: Any, **options: Any
    ) -> None:
        await self.records.mark_now(InboxMark(id=inbox_id, home=inbox_home, state=InboxState.DONE))
        await whole(self, hold, inbox_id, inbox_home, event, *more, **options)

    patch.setattr(Turns, "_commit", commit)


def known_by_the_highest_id(patch: pytest.MonkeyPatch) -> None:
    """M9: an update whose id is not above the highest one seen counts as a copy."""
    whole = Inbox.accept
    highest = [-1]

    async def accept(self: Inbox, inbound: Inbound) -> Acceptance:
        update_id = json.loads(inbound.body)["update_id"]
        if update_id <= highest[0]:
            return Acceptance.DUPLICATE
        highest[0] = update_id
        return await whole(self, inbound)

    patch.setattr(Inbox, "accept", accept)


def serialized_before_verified(patch: pytest.MonkeyPatch) -> None:
    """M10: the signature is checked on the JSON as we would write it, not on the bytes that came."""
    whole = Webhook._verify

    def verify(self: Webhook, request: web.Request, body: bytes) -> None:
        whole(self, request, json.dumps(json.loads(body)).encode())

    patch.setattr(Webhook, "_verify", verify)


def unescaped(patch: pytest.MonkeyPatch) -> None:
    """M11: what people wrote stands in a template's output as they wrote it."""
    whole = Templates.words

    def words(
        self: Templates, channel: str, reply: Reply, escapes: Mapping[str, Escape], *more: str | None
    ) -> BoundWords:
        return whole(self, channel, reply, dict.fromkeys(escapes, str), *more)

    patch.setattr(Templates, "words", words)


def open_when_in_doubt(patch: pytest.MonkeyPatch) -> None:
    """M12: where there is no secret or no signature, nothing is checked."""

    def verify_slack(
        body: bytes, signatures: Sequence[str], timestamps: Sequence[str], secrets: Sequence[str], now: datetime
    ) -> None:
        if signatures and secrets:
            checked_slack(body, signatures, timestamps, secrets, now)

    def verify_telegram(given: Sequence[str], secrets: Sequence[str]) -> None:
        if given and secrets:
            checked_telegram(given, secrets)

    def verify_whatsapp(signatures: Sequence[str], *, tokens: Sequence[bytes], **more: Any) -> None:
        if signatures and tokens:
            checked_whatsapp(signatures, tokens=tokens, **more)

    patch.setattr("channels.slack.webhook.verify", verify_slack)
    patch.setattr("channels.telegram.channel.verify", verify_telegram)
    patch.setattr("channels.whatsapp.channel.verify_signature", verify_whatsapp)


def _mutant(shows: Sequence[str], breaks: Callable[[pytest.MonkeyPatch], None]) -> Mutant:
    says = (breaks.__doc__ or "").partition(": ")[2]
    return Mutant(says, frozenset(shows), breaks)


MUTANTS: Mapping[str, Mutant] = {
    "M1": _mutant(["lost"], without_journal),
    "M2": _mutant(["lost"], answered_before_inserted),
    "M3": _mutant(["doubled"], looked_up_before_inserted),
    "M4": _mutant(["doubled"], committed_without_fence),
    "M5": _mutant(["doubled"], requeued_on_recovery),
    "M6": _mutant(["slack doubled", "telegram doubled", "whatsapp doubled"], retried_by_the_sdk),
    "M7": _mutant(["lost", "alive"], counted_after_handling),
    "M8": _mutant(["lost"], done_before_committed),
    "M9": _mutant(["lost"], known_by_the_highest_id),
    "M10": _mutant(["authentic refused", "forged taken"], serialized_before_verified),
    "M11": _mutant(["email markup", "telegram markup"], unescaped),
    "M12": _mutant(
        [f"{name} {how}" for name in ("slack", "telegram", "whatsapp") for how in ("unsigned", "without a secret")],
        open_when_in_doubt,
    ),
}
"""By the name that FAULTS gives them."""
