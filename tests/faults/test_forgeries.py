"""A hundred thousand random forgeries against each verifier (F068): none is taken, and nothing worse comes of it."""

import base64
import hashlib
import hmac
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from channels.slack.verify import sign, verify
from channels.telegram.verify import verify as verify_telegram
from channels.web.tokens import VisitorTokens
from channels.whatsapp.verify import origins_of, signature_of, signed_parameters, verify_signature
from core.errors import InvalidSignature

pytestmark = pytest.mark.faults

FORGERIES = 100_000
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
STAMP = str(int(NOW.timestamp()))
BODY = b"Body=hello&From=whatsapp%3A%2B491511&MessageSid=SM1"
PATH = "/whatsapp/main"


def mangled(right: str, dice: random.Random) -> str:
    """Return something that is not `right`: near it, like it, or nothing like it."""
    at = dice.randrange(len(right))
    made = (
        right[:at],
        right[:at] + dice.choice("0123456789abcdefABCDEF+/=é\x00 ") + right[at + 1 :],
        right[:at] + right[at + 1 :],
        right + dice.choice("\n =0\x00"),
        right.swapcase(),
        dice.randbytes(len(right) // 2).hex(),
        "v0=" + dice.randbytes(32).hex(),
        base64.b64encode(dice.randbytes(20)).decode(),
        dice.randbytes(dice.randrange(64)).decode("utf-8", "surrogateescape"),
        "",
    )
    chosen = dice.choice(made)
    return chosen if chosen != right else right + "x"


def slack(dice: random.Random) -> None:
    stamp = str(int((NOW + timedelta(seconds=dice.randrange(-400, 400))).timestamp())) if dice.random() < 0.3 else STAMP
    forged = mangled(sign(BODY, STAMP, SECRET), dice)
    headers = [forged] * dice.choice((1, 1, 1, 0, 2))
    verify(BODY, headers, [stamp], [SECRET], NOW)


def telegram(dice: random.Random) -> None:
    verify_telegram([mangled(SECRET, dice)] * dice.choice((1, 1, 1, 0, 2)), [SECRET, "the-one-before"])


def twilio(dice: random.Random) -> None:
    url = f"https://desk.example{PATH}"
    forged = mangled(signature_of(SECRET.encode(), url, signed_parameters(BODY)).decode(), dice)
    verify_signature(
        [forged] * dice.choice((1, 1, 1, 0, 2)),
        origins=origins_of("https://desk.example"),
        target=PATH,
        body=BODY,
        media_type="application/x-www-form-urlencoded",
        tokens=[SECRET.encode()],
    )


class Now:
    """A clock that stands."""

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


TOKENS = VisitorTokens((SECRET, "the-one-before" * 3), "site", Now())
VISITOR = TOKENS.open()
TOKEN = TOKENS.write(VISITOR)


def web(dice: random.Random) -> None:
    if TOKENS.read(mangled(TOKEN, dice)) == VISITOR:  # base64 writes one signature in four ways: it is no other proof
        raise InvalidSignature


@pytest.mark.parametrize("attack", [slack, telegram, twilio, web], ids=lambda attack: attack.__name__)
def test_no_forged_signature_is_taken(attack: Callable[[random.Random], None]) -> None:
    dice = random.Random(68)
    taken = 0
    for _ in range(FORGERIES):
        try:
            attack(dice)
        except InvalidSignature:
            continue
        taken += 1
    assert taken == 0


def test_no_other_body_or_secret_fits_a_true_signature_of_slack() -> None:
    """The other half: the signature is right, what it stands on is not."""
    dice = random.Random(69)
    right = sign(BODY, STAMP, SECRET)
    for _ in range(FORGERIES // 10):
        body = bytearray(BODY)
        body[dice.randrange(len(body))] ^= 1 << dice.randrange(8)
        with pytest.raises(InvalidSignature):
            verify(bytes(body), [right], [STAMP], [SECRET], NOW)
        secret = hmac.new(b"x", dice.randbytes(8), hashlib.sha256).hexdigest()
        with pytest.raises(InvalidSignature):
            verify(BODY, [right], [STAMP], [secret], NOW)
