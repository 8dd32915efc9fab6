"""Only Slack gets in: CHANNELS 1.2, F068, F069, F071, F072."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from channels.slack.verify import MAX_AGE_S, sign, verify
from core.errors import InvalidSignature

# The example of docs.slack.dev/authentication/verifying-requests-from-slack
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
TIMESTAMP = "1531420618"
BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
    b"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
SIGNATURE = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
NOW = datetime.fromtimestamp(int(TIMESTAMP), UTC)


def check(
    body: bytes = BODY,
    signatures: tuple[str, ...] = (SIGNATURE,),
    timestamps: tuple[str, ...] = (TIMESTAMP,),
    secrets: tuple[str, ...] = (SECRET,),
    now: datetime = NOW,
) -> None:
    verify(body, signatures, timestamps, secrets, now)


def test_the_example_of_slacks_documentation_passes():
    check()


@pytest.mark.parametrize(
    "forged",
    [
        {"signatures": ()},
        {"timestamps": ()},
        {"signatures": (SIGNATURE, SIGNATURE)},
        {"timestamps": (TIMESTAMP, TIMESTAMP)},
        {"signatures": ("",)},
        {"signatures": (SIGNATURE[:-1],)},
        {"signatures": (SIGNATURE.upper(),)},
        {"signatures": (SIGNATURE.removeprefix("v0="),)},
        {"signatures": ("v0=" + "0" * 64,)},
        {"signatures": ("v0=ünicode",)},
        {"signatures": ("v0=\udcff",)},
        {"timestamps": ("1531420619",)},
        {"timestamps": ("",)},
        {"timestamps": ("-1531420618",)},
        {"timestamps": ("1531420618.0",)},
        {"timestamps": ("١٥٣١٤٢٠٦١٨",)},  # int() would read these digits
        {"timestamps": ("9" * 5000,)},
        {"timestamps": (" 1531420618",)},
        {"body": BODY + b"&"},
        {"body": b""},
        {"secrets": ("another",)},
        {"secrets": ()},
    ],
    ids=lambda forged: f"{next(iter(forged))}-{str(next(iter(forged.values())))[:30]!a}",
)
def test_a_forgery_is_refused(forged: dict[str, object]):
    """F068"""
    with pytest.raises(InvalidSignature):
        check(**forged)  # type: ignore[arg-type]


def test_ten_thousand_random_signatures_are_refused():
    """F068"""
    chance = random.Random(68)
    accepted = 0
    for _ in range(10_000):
        try:
            check(signatures=(f"v0={chance.getrandbits(256):064x}",))
            accepted += 1
        except InvalidSignature:
            continue
    assert accepted == 0


@pytest.mark.parametrize(("age_s", "passes"), [(0, True), (300, True), (-300, True), (301, False), (-301, False)])
def test_a_replay_is_refused_after_five_minutes(age_s: int, passes: bool):
    """F069"""
    now = NOW + timedelta(seconds=age_s)
    assert MAX_AGE_S == 300
    if passes:
        check(now=now)
    else:
        with pytest.raises(InvalidSignature, match="300 s"):
            check(now=now)


@pytest.mark.parametrize("body", ['{"text":"Grüße 🙂"}'.encode(), rb'{"text":"Gr\u00fc\ud83d\ude42"}', b"\xff\xfe\x00"])
def test_the_signature_covers_the_raw_bytes(body: bytes):
    """F071, M10: escaped and unescaped unicode differ; even bytes that are no UTF-8 can be signed."""
    check(body=body, signatures=(sign(body, TIMESTAMP, SECRET),))


def test_old_and_new_secret_both_pass_during_a_rotation_and_then_only_the_new():
    """F072"""
    check(secrets=("new", SECRET))
    with pytest.raises(InvalidSignature):
        check(secrets=("new",))
