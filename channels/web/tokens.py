"""The visitor's token: proof of one anonymous conversation, without anything stored on our side."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from itsdangerous import BadData, TimestampSigner

from core.clock import Clock
from core.errors import InvalidSignature

LIFETIME = timedelta(hours=24)
"""SECURITY section 2, web chat visitors."""
RENEW_AFTER = timedelta(hours=1)
"""A token in use is replaced when it is older than this."""
CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far ahead another node's clock may be (SEMANTICS section 10)."""
SESSION_BYTES = 16
"""128 bits (FAULTS F097)."""


@dataclass(frozen=True, slots=True)
class Session:
    """A verified visitor: the conversation's thread, and until when the proof holds."""

    id: str
    expires_at: datetime


class _Signer(TimestampSigner):
    """Takes the time from our clock instead of the machine's."""

    def __init__(self, *args: Any, clock: Clock, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._clock = clock

    def get_timestamp(self) -> int:
        return int(self._clock.now().timestamp())


class VisitorTokens:
    """Issues and verifies tokens `{session}.{time}.{HMAC-SHA256}` of one account.

    The account goes into the key, so a token of one account is a forgery at any other.

    Args:
        secrets_: newest first; the first signs, all verify.
        account: name of the account.
        clock: time of issue and of expiry.
    """

    def __init__(self, secrets_: tuple[str, ...], account: str, clock: Clock) -> None:
        self._clock = clock
        self._signer = _Signer(
            list(reversed(secrets_)),
            salt=f"frontdesk.web.{account}",
            key_derivation="hmac",
            digest_method=hashlib.sha256,
            clock=clock,
        )

    def open(self) -> Session:
        """Make up a new session."""
        return self.renewed(secrets.token_hex(SESSION_BYTES))

    def renewed(self, session_id: str) -> Session:
        """Let a session live for another day from now."""
        return Session(session_id, self._clock.now().replace(microsecond=0) + LIFETIME)

    def write(self, session: Session) -> str:
        """Return the token of a session made or renewed now."""
        return self._signer.sign(session.id).decode()

    def read(self, token: str) -> Session:
        """Return the session that a token proves.

        Raises:
            InvalidSignature: forged, of another account, expired, or from a clock far ahead of ours.
        """
        try:
            session_id, issued_at = self._signer.unsign(token, return_timestamp=True)
        except (BadData, ValueError) as error:
            raise InvalidSignature("the token is not one of ours") from error
        if not -CLOCK_TOLERANCE <= self._clock.now() - issued_at < LIFETIME:
            raise InvalidSignature("the token has expired")
        return Session(session_id.decode(), issued_at + LIFETIME)

    def wants_renewal(self, session: Session) -> bool:
        """Tell whether a session in use should get a new token."""
        return session.expires_at - self._clock.now() < LIFETIME - RENEW_AFTER
