from channels.web.failures import failure_from
from core.errors import StoreUnavailable, UnknownOutcome


def test_a_mailbox_that_does_not_answer_leaves_the_send_in_doubt() -> None:
    assert isinstance(failure_from(StoreUnavailable("no answer")), UnknownOutcome)
