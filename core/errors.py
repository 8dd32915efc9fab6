"""The errors of the hub. A class exists when a caller acts differently on it.

HubError
|-- ConfigError             at start-up only: say what is wrong and how to mend it
|-- WebhookError            what a platform sent is answered and dropped
|   |-- InvalidSignature    answer 401, store nothing
|   `-- MalformedPayload    keep the raw bytes as quarantined, answer 2xx
|-- DeliveryError           the outbox decides
|   |-- RateLimited         not sent: pause this bucket for `retry_after_s`
|   |-- AccountRefused      not sent: the account's credentials fail; pause the account, one alarm
|   |-- TemporaryFailure    not sent for certain: try again on the schedule
|   |   `-- RecipientMoved  not sent: the same again to where they are now
|   |-- PermanentFailure    refused for good: FAILED, shown
|   |   `-- WindowClosed    free words are not taken now: planned once more
|   `-- UnknownOutcome      may have been sent: prove, hold or resend by policy
|-- MediaRefused            a file cannot be had: `state` says why, and whether asking again may help
`-- StoreError
    |-- StoreUnavailable    the database did not answer in time
    |-- StoreRefused        the database can never hold this: quarantine what can be kept of it
    `-- VersionConflict     somebody else moved this conversation: throw the work away, take the turn again
"""

from typing import Literal


class HubError(Exception):
    """Root of every error that this project raises on purpose."""


class ConfigError(HubError):
    """The configuration cannot be used; the message says what to change."""


class WebhookError(HubError):
    """What a platform sent cannot be used."""


class InvalidSignature(WebhookError):
    """The sender did not prove that it is the platform: answer 401 and store nothing."""


class MalformedPayload(WebhookError):
    """Authentic, but not what the platform documents: quarantine the raw bytes, answer 2xx."""


class DeliveryError(HubError):
    """An api call did not end in a receipt."""


class RateLimited(DeliveryError):
    """The platform refused before acting and asks for a pause.

    Args:
        retry_after_s: seconds to wait, already clamped by `retry_after_s()` of `core.outbox`.
    """

    def __init__(self, retry_after_s: float, message: str = "rate limited") -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class AccountRefused(DeliveryError):
    """The account's credentials are refused (revoked token, wrong password): nothing was sent."""


class TemporaryFailure(DeliveryError):
    """Certainly not sent (refused connection, failed TLS, SMTP 4xx): try again on the schedule."""


class RecipientMoved(TemporaryFailure):
    """Nobody is there any more; the platform says where they are now.

    Args:
        place: parameters of the api call, and parts of the address, as they are from now on.
        bucket: what the platform counts by there.
    """

    def __init__(self, message: str, *, place: dict[str, str], bucket: str) -> None:
        super().__init__(message)
        self.place = place
        self.bucket = bucket


class PermanentFailure(DeliveryError):
    """Refused for good; `code` is the platform's own word for it, `unreachable` says the recipient is gone."""

    def __init__(self, message: str, *, code: str = "", unreachable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.unreachable = unreachable


class WindowClosed(PermanentFailure):
    """Not sent: the person's service window is shut (W20). The same words are refused for good, a template is not."""


class UnknownOutcome(DeliveryError):
    """The request may have reached the platform and no answer says what became of it."""


class MediaRefused(HubError):
    """A file that somebody sent cannot be had.

    Args:
        state: `too_big`, `wrong_type`, `expired`, `refused`, or `unavailable`: ask again later.
        message: what an agent is told; no address and no credential in it.
    """

    def __init__(
        self, state: Literal["too_big", "wrong_type", "expired", "refused", "unavailable"], message: str
    ) -> None:
        super().__init__(message)
        self.state: Literal["too_big", "wrong_type", "expired", "refused", "unavailable"] = state


class StoreError(HubError):
    """The store could not do what was asked."""


class StoreUnavailable(StoreError):
    """The database did not answer in time; nothing is known to be written."""


class StoreRefused(StoreError):
    """The database cannot hold this value, now or later."""


class VersionConflict(StoreError):
    """Another worker moved this conversation on, or the lease was lost: drop the work and reload."""
