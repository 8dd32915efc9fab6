"""What a server's refusal means, line by line (SEMANTICS section 6)."""

import pytest

from channels.email.failures import Stage, failure_from
from channels.email.verify import is_for_us
from core.errors import AccountRefused, DeliveryError, PermanentFailure, TemporaryFailure, UnknownOutcome


@pytest.mark.parametrize(
    ("stage", "code", "kind"),
    [
        ("connect", None, TemporaryFailure),
        ("connect", 421, TemporaryFailure),
        ("connect", 554, AccountRefused),
        ("login", 454, TemporaryFailure),
        ("login", 535, AccountRefused),
        ("login", None, TemporaryFailure),
        ("envelope", 530, AccountRefused),
        ("envelope", 452, TemporaryFailure),
        ("envelope", 550, PermanentFailure),
        ("envelope", None, TemporaryFailure),
        ("envelope", -1, TemporaryFailure),
        ("content", 451, TemporaryFailure),
        ("content", 554, PermanentFailure),
        ("content", None, UnknownOutcome),
        ("content", -1, UnknownOutcome),
        ("content", 250, UnknownOutcome),
    ],
)
def test_every_refusal_has_its_meaning(stage: Stage, code: int | None, kind: type[DeliveryError]) -> None:
    assert type(failure_from(stage, code, "said")) is kind


def test_a_refused_recipient_is_told_with_the_servers_own_code() -> None:
    refused = failure_from("envelope", 550, "5.1.1 no such user")
    assert isinstance(refused, PermanentFailure)
    assert (refused.code, refused.unreachable) == ("5.1.1", True)
    too_big = failure_from("content", 552, "too big")
    assert isinstance(too_big, PermanentFailure)
    assert (too_big.code, too_big.unreachable) == ("552", False)


@pytest.mark.parametrize(
    ("recipient", "ours"),
    [
        ("help@shop.example", True),
        ("<HELP@SHOP.EXAMPLE>", True),
        ("help+ticket@shop.example", True),
        ("root@shop.example", False),
        ("help@shop.example.evil.example", False),
        ("@", False),
        ("", False),
    ],
)
def test_only_mail_for_this_mailbox_is_for_us(recipient: str, ours: bool) -> None:
    assert is_for_us(recipient, {"help@shop.example"}) is ours
