"""The visitor's token (REQUIREMENTS row 188; SECURITY section 2, web chat visitors; FAULTS F097)."""

import pytest

from channels.web.tokens import CLOCK_TOLERANCE, LIFETIME, RENEW_AFTER, Session, VisitorTokens
from core.errors import InvalidSignature
from tests.unit.channels.web.fakes import SECRET, FakeClock

OLD_SECRET = "o" * 32


def tokens(clock: FakeClock, *secrets: str, account: str = "site") -> VisitorTokens:
    return VisitorTokens(secrets or (SECRET,), account, clock)


def written(tokens_: VisitorTokens) -> tuple[Session, str]:
    session = tokens_.open()
    return session, tokens_.write(session)


def test_a_token_proves_its_session() -> None:
    session, token = written(tokens(clock := FakeClock()))
    assert tokens(clock).read(token) == session


def test_session_ids_have_128_bits_and_differ() -> None:
    ids = {tokens(FakeClock()).open().id for _ in range(100)}
    assert len(ids) == 100
    assert {len(bytes.fromhex(id_)) for id_ in ids} == {16}


def test_a_token_of_another_account_is_refused() -> None:
    _, token = written(tokens(clock := FakeClock(), account="shop"))
    with pytest.raises(InvalidSignature):
        tokens(clock, account="site").read(token)


def test_a_token_signed_with_another_secret_is_refused() -> None:
    _, token = written(tokens(clock := FakeClock(), OLD_SECRET))
    with pytest.raises(InvalidSignature):
        tokens(clock).read(token)


def test_every_changed_character_makes_a_forgery() -> None:
    _, token = written(tokens(clock := FakeClock()))
    for at, character in enumerate(token):
        # the last base64 character of 32 bytes carries two unused bits, so it is changed by more than those
        other = "A" if character != "A" else "Q"
        with pytest.raises(InvalidSignature):
            tokens(clock).read(token[:at] + other + token[at + 1 :])


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "é.é.é", "x" * 600, "\x00", "0" * 32])
def test_rubbish_is_refused_and_never_a_crash(token: str) -> None:
    with pytest.raises(InvalidSignature):
        tokens(FakeClock()).read(token)


def test_a_token_lives_for_a_day() -> None:
    _, token = written(tokens(clock := FakeClock()))
    clock.advance(LIFETIME.total_seconds() - 1)
    tokens(clock).read(token)
    clock.advance(1)
    with pytest.raises(InvalidSignature, match="expired"):
        tokens(clock).read(token)


def test_a_renewed_session_lives_for_another_day_with_the_same_id() -> None:
    session, _ = written(tokens(clock := FakeClock()))
    clock.advance(LIFETIME.total_seconds() - 1)
    renewed = tokens(clock).renewed(session.id)
    assert renewed.id == session.id
    assert renewed.expires_at == clock.now() + LIFETIME


def test_a_session_in_use_wants_renewal_after_an_hour() -> None:
    session, _ = written(tokens(clock := FakeClock()))
    clock.advance(RENEW_AFTER.total_seconds())
    assert not tokens(clock).wants_renewal(session)
    clock.advance(1)
    assert tokens(clock).wants_renewal(session)


def test_the_clock_of_another_node_may_be_ahead_a_little_and_no_more() -> None:
    ahead = FakeClock()
    ahead.advance(CLOCK_TOLERANCE.total_seconds())
    _, token = written(tokens(ahead))
    tokens(FakeClock()).read(token)
    ahead.advance(1)
    _, token = written(tokens(ahead))
    with pytest.raises(InvalidSignature):
        tokens(FakeClock()).read(token)


def test_after_a_rotation_old_tokens_hold_and_new_ones_are_signed_with_the_new_secret() -> None:
    clock = FakeClock()
    session, old_token = written(tokens(clock, OLD_SECRET))
    both = tokens(clock, SECRET, OLD_SECRET)
    assert both.read(old_token) == session
    _, new_token = written(both)
    tokens(clock, SECRET).read(new_token)
