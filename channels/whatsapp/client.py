"""Twilio's REST API: create a message, find one again, look at the account."""

import logging
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from twilio.base.exceptions import TwilioException

from channels.whatsapp.account import AccountSettings
from channels.whatsapp.missed import as_delivered, is_missed
from channels.whatsapp.payloads import MAX_MEDIA
from core.errors import UnknownOutcome
from core.model import Json
from core.replies import Receipt

DEADLINE_S = 20.0
"""From opening the connection to the last byte (SEMANTICS section 6.4, F047)."""
CLOCK_SKEW = timedelta(seconds=5)
"""How far Twilio's clock may be behind ours."""
API_ORIGIN, MESSAGING_ORIGIN = "https://api.twilio.com", "https://messaging.twilio.com"
TYPING_PATH = "/v2/Indicators/Typing.json"
"""Public beta: twilio.com/docs/whatsapp/api/typing-indicators-resource (W29, [K])."""
PAGE_SIZE = 100
NEWEST = 50
"""Messages looked through for one that has no send date yet."""
MAX_LISTED = 500
TRIAL_PREFIX = "Sent from your Twilio trial account - "
"""What Twilio puts before every text of a trial account."""
MAX_REMEMBERED = 10_000
UNREADABLE = (TwilioException, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What the SDK lets out of an answer that is JSON but not Twilio's."""

log = logging.getLogger(__name__)


class KnownSids:
    """Which of our sends a message sid belongs to, as far as this process saw it; bounded."""

    def __init__(self, most: int = MAX_REMEMBERED) -> None:
        self._most = most
        self._out_ids: OrderedDict[str, str] = OrderedDict()

    def remember(self, sid: str, out_id: str) -> None:
        """Keep a pair; the oldest is forgotten when there are too many."""
        self._out_ids[sid] = out_id
        if len(self._out_ids) > self._most:
            self._out_ids.popitem(last=False)

    def sid_of(self, out_id: str) -> str | None:
        """Return the sid of a send, if it was seen."""
        return next((sid for sid, owner in self._out_ids.items() if owner == out_id), None)

    def is_free(self, sid: str) -> bool:
        """Tell whether a sid is not known to belong to any send."""
        return sid not in self._out_ids


class TwilioClient:
    """The REST calls of one account; each is made once, within a deadline."""

    def __init__(self, settings: AccountSettings, *, deadline_s: float = DEADLINE_S) -> None:
        # The SDK takes 0.25 s and 30 MB to import: paid by who has a WhatsApp account, when it is built.
        from twilio.rest import Client

        from channels.whatsapp.transport import Transport

        self._settings = settings
        self._messaging = MESSAGING_ORIGIN if settings.api_url == API_ORIGIN else settings.api_url
        self._transport = Transport((settings.api_url, self._messaging), deadline_s)
        self._client = Client(
            settings.account_sid,
            settings.auth_token.get_secret_value(),
            http_client=self._transport,
            environment={"TWILIO_EDGE": ""},  # an empty mapping would make the SDK read the process environment
        )
        self._client.api.base_url = settings.api_url
        self._messages = self._client.api.v2010.account.messages
        self.known = KnownSids()

    async def create(self, params: Mapping[str, Json], *, out_id: str, status_callback: str) -> Receipt:
        """Send one message; `status_callback` carries the out id back to us.

        Raises:
            DeliveryError: see `failures.py`.
        """
        with reading():
            message = await self._messages.create_async(**params, status_callback=status_callback)
            receipt = Receipt(provider_id=message.sid, details={"status": message.status})
        self.known.remember(receipt.provider_id, out_id)
        return receipt

    async def find(
        self, params: Mapping[str, Json], *, out_id: str, since: datetime, others: frozenset[str]
    ) -> Receipt | None:
        """Look for a message that may have been sent; None when it certainly was not.

        Listed twice: by send date, and the newest without that filter, for a queued message may have no send date yet.

        Raises:
            DeliveryError: Twilio does not answer, or what it lists cannot tell.
        """
        if sid := self.known.sid_of(out_id):
            return Receipt(provider_id=sid)
        earliest = since.astimezone(UTC) - CLOCK_SKEW
        parties = {name: params[name] for name in ("to", "from_") if name in params}
        for window in ({"date_sent_after": earliest, "limit": MAX_LISTED}, {"limit": NEWEST}):
            listed = await self._list(**parties, **window)
            if sid := self._pick(listed, params.get("body"), earliest, others):
                self.known.remember(sid, out_id)
                return Receipt(provider_id=sid)
        return None

    async def show_typing(self, message_sid: str) -> None:
        """Show a typing sign to whoever sent this message, and mark it as read (W29).

        Raises:
            DeliveryError: Twilio did not.
        """
        proof = (self._settings.account_sid, self._settings.auth_token.get_secret_value())
        form = {"messageId": message_sid, "channel": "whatsapp"}
        await self._transport.request("POST", f"{self._messaging}{TYPING_PATH}", data=form, auth=proof)

    async def _list(self, **filters: Any) -> list[Any]:
        with reading():
            listed: list[Any] = await self._messages.list_async(page_size=PAGE_SIZE, **filters)
        if len(listed) >= MAX_LISTED:
            raise UnknownOutcome(f"twilio lists {MAX_LISTED} messages or more: the one sought may lie behind them")
        return listed

    async def missed(self, since: datetime, now: datetime) -> list[bytes]:
        """Return what was sent to our number since then, as the webhook would have posted it, oldest first.

        What was sent just now is left to the webhook, and to the next look.

        Twilio lists the newest first; of more than `MAX_LISTED` the older ones are left out, and the log says so.

        Raises:
            DeliveryError: Twilio does not answer, or wants a pause.
        """
        window = {"to": self._settings.number, "date_sent_after": since.astimezone(UTC), "limit": MAX_LISTED}
        with reading():
            listed: list[Any] = await self._messages.list_async(page_size=PAGE_SIZE, **window)
            if len(listed) >= MAX_LISTED:
                log.warning("twilio lists %d messages or more since the last look; older ones are left out", MAX_LISTED)
            theirs = [message for message in reversed(listed) if is_missed(message, since, now)]
            return [as_delivered(message, await self._media(message), self._settings.api_url) for message in theirs]

    async def _media(self, message: Any) -> list[Any]:
        """List what is attached to a message; nothing is fetched (W9)."""
        if message.num_media in (None, "", "0", 0):
            return []
        found: list[Any] = await self._messages(message.sid).media.list_async(limit=MAX_MEDIA)
        return found

    def _pick(self, listed: list[Any], body: Json, earliest: datetime, others: frozenset[str]) -> str | None:
        """Return the sid of the message with this text that is not known to be another send of ours.

        What a template says is not known here: any message that may be it leaves the send in doubt.
        """
        ours = [
            message
            for message in listed
            if message.direction != "inbound"
            and message.sid not in others
            and self.known.is_free(message.sid)
            and (message.date_created is None or message.date_created >= earliest)
        ]
        for message in reversed(ours):  # listed newest first: of two equal texts the older was sent first
            if isinstance(body, str) and _same_text(message.body, body):
                return str(message.sid)
        if ours and not isinstance(body, str):
            raise UnknownOutcome("twilio lists a message that may be the template sought")
        if any(not message.body for message in ours):
            raise UnknownOutcome("twilio lists a message without its text (redacted): it may be the one sought")
        return None

    async def account_status(self) -> str:
        """Return `active`, `suspended` or `closed`.

        Raises:
            DeliveryError: the credentials are refused, or Twilio does not answer.
        """
        with reading():
            account = await self._client.api.v2010.accounts(self._settings.account_sid).fetch_async()
            return str(account.status)

    async def has_phone_number(self, number: str) -> bool:
        """Tell whether a number (E.164) is rented in this account; a WhatsApp sender need not be.

        Raises:
            DeliveryError: Twilio does not answer.
        """
        numbers = self._client.api.v2010.account.incoming_phone_numbers
        with reading():
            return bool(await numbers.list_async(phone_number=number, limit=1))

    async def close(self) -> None:
        """Let go of the connections."""
        await self._transport.close()


@contextmanager
def reading() -> Iterator[None]:
    """Translate what the SDK raises about an answer of an unexpected shape: nothing is known then."""
    try:
        yield
    except UNREADABLE as error:
        raise UnknownOutcome(f"twilio's answer has not the documented shape: {type(error).__name__}") from error


def _same_text(listed: str | None, sent: str) -> bool:
    return (listed or "").removeprefix(TRIAL_PREFIX).strip() == sent.strip()
