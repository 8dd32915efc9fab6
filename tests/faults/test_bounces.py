"""F103 in full size: ten thousand bounces of every kind into one mailbox; not one of them is answered."""

import random

import pytest

from tests.unit.channels.email.mails import SETTINGS, event_of
from tests.unit.channels.email.test_email_loops import Mailbox, bounce

pytestmark = pytest.mark.faults

BOUNCES = 10_000


def test_ten_thousand_bounces_are_not_answered() -> None:
    dice, ours = random.Random(103), Mailbox(SETTINGS)
    for _ in range(BOUNCES):
        raw = bounce(dice)
        assert event_of(raw).automatic is not None, raw
        assert ours.take(raw) is None
    assert ours.sent == 0
