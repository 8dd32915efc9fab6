"""What waits at Telegram. Nothing that was missed can be listed there; it can only be asked how much it is (T3)."""

from datetime import UTC, datetime

import structlog
from pydantic import ValidationError

from channels.inbound import CatchUp
from channels.payload import clean_text
from channels.telegram.doctor import RECENT, Caller
from channels.telegram.payloads import WebhookInfo
from core.clock import Clock
from core.errors import UnknownOutcome

CATCH_UP = CatchUp(every_s=60.0)
"""SEMANTICS section 9."""
log = structlog.get_logger(__name__)


class Backlog:
    """Watches what one bot's updates come to.

    Args:
        account: `telegram:support`, for the log.
    """

    def __init__(self, account: str, caller: Caller, clock: Clock) -> None:
        self._account = account
        self._caller = caller
        self._clock = clock
        self._failing: str | None = None

    async def count(self) -> int:
        """Return how many updates wait for us; the log says once why they do.

        Raises:
            DeliveryError: Telegram does not answer.
        """
        try:
            info = WebhookInfo.model_validate(await self._caller.call("getWebhookInfo", {}))
        except ValidationError:
            raise UnknownOutcome("getWebhookInfo has not the documented shape") from None
        self._tell(self._why(info))
        return info.pending_update_count

    def _why(self, info: WebhookInfo) -> str | None:
        """Return what goes wrong with delivery now; None where nothing has for a while."""
        if info.last_error_date is None:
            return None
        is_recent = self._clock.now() - datetime.fromtimestamp(info.last_error_date, UTC) <= RECENT
        return clean_text(info.last_error_message) if is_recent else None

    def _tell(self, failing: str | None) -> None:
        if failing is not None and failing != self._failing:
            log.warning("telegram_cannot_deliver", account=self._account, reason=failing)
        self._failing = failing
