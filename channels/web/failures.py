"""What a failure of the mailbox means to the outbox."""

from core.errors import DeliveryError, StoreError, UnknownOutcome


def failure_from(error: StoreError) -> DeliveryError:
    """Read a store's failure: the write may have happened. The mailbox is idempotent, so sending again is harmless.

    >>> type(failure_from(StoreError("no answer"))).__name__
    'UnknownOutcome'
    """
    return UnknownOutcome(f"the mailbox did not confirm: {type(error).__name__}")
