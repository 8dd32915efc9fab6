"""Sending by SMTP: one connection for each mail, no retries (aiosmtplib)."""

import asyncio
import contextlib
import ssl
from collections.abc import Coroutine
from email.utils import parseaddr
from typing import Any

import aiosmtplib

from channels.email.account import AccountSettings
from channels.email.compose import compose, needs_utf8
from channels.email.failures import Stage, failure_from
from channels.email.tokens import envelope_id
from core.clock import Clock
from core.errors import AccountRefused, DeliveryError, PermanentFailure
from core.ids import OutId
from core.replies import ApiCall, Receipt

DEADLINE_S = 20.0
"""From the first packet to the reply to the dot; then the outcome is unknown (SEMANTICS section 6.4)."""
QUIT_S = 2.0
MAX_ANSWER_CHARS = 200
MAX_CONNECTIONS = 4
"""At once to one submission server; many allow no more than ten."""
NULL_PATH = ""
"""The envelope's sender of an automatic reply (RFC 3834 section 3.3): a bounce of it comes back to nobody."""


class SmtpClient:
    """Hands mails to the account's submission server."""

    def __init__(self, settings: AccountSettings, clock: Clock, deadline_s: float = DEADLINE_S) -> None:
        self._settings = settings
        self._clock = clock
        self._deadline_s = deadline_s
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)

    async def send(self, call: ApiCall, out_id: OutId) -> Receipt:
        """Send one mail to one recipient.

        Raises:
            DeliveryError: by `failures`; lost after DATA is `UnknownOutcome`.
        """
        settings, key = self._settings, self._settings.signing_key
        message_id, content = compose(call.params, out_id, settings.domain, self._clock.now(), key)
        envelope = envelope_id(out_id, key) if key is not None else None
        async with self._slots:
            answer = await _Delivery(settings, self._deadline_s).run(str(call.params["to"]), content, envelope)
        return Receipt(provider_id=message_id, details={"answer": answer})

    async def try_login(self) -> str:
        """Connect, say EHLO and log in, for the doctor; return the server's name for itself.

        Raises:
            DeliveryError: as for a send.
        """
        return await _Delivery(self._settings, self._deadline_s).greet()


class _Delivery:
    """One connection, and how far it came."""

    def __init__(self, settings: AccountSettings, deadline_s: float) -> None:
        self._settings = settings
        self._deadline_s = deadline_s
        self._stage: Stage = "connect"
        self._may_quit = True
        self._smtp = aiosmtplib.SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            local_hostname=settings.domain if settings.domain.isascii() else "localhost",
            use_tls=settings.smtp_tls == "tls",
            start_tls=False,
            tls_context=ssl.create_default_context() if settings.smtp_tls != "none" else None,
            timeout=deadline_s,
        )

    async def run(self, recipient: str, content: bytes, envelope: str | None) -> str:
        """Deliver one mail, named by `envelope` where the server can keep that; return what the server said to it."""
        return await self._within_deadline(self._deliver(recipient, content, envelope))

    async def greet(self) -> str:
        """Come as far as being logged in."""
        return await self._within_deadline(self._open())

    async def _within_deadline(self, steps: Coroutine[Any, Any, str]) -> str:
        try:
            async with asyncio.timeout(self._deadline_s):
                answer = await steps
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise self._failure(error) from error
        finally:
            await self._leave()
        return answer

    async def _open(self) -> str:
        settings = self._settings
        await self._smtp.connect()
        await self._smtp.ehlo()
        if settings.smtp_tls == "starttls":
            await self._smtp.starttls()
            await self._smtp.ehlo()
        self._stage = "login"
        if settings.smtp_user and settings.smtp_password is not None:
            await self._smtp.login(settings.smtp_user, settings.smtp_password.get_secret_value())
        return f"{settings.smtp_host}:{settings.smtp_port}"

    async def _deliver(self, recipient: str, content: bytes, envelope: str | None) -> str:
        await self._open()
        self._stage = "envelope"
        options, encoding = self._options(recipient)
        if envelope is not None and self._smtp.supports_extension("dsn"):
            options = [*options, "RET=HDRS", f"ENVID={envelope}"]  # RFC 3461 sections 4.3, 4.4
        await self._smtp.mail(NULL_PATH, options=options, encoding=encoding)
        await self._smtp.rcpt(parseaddr(recipient)[1], encoding=encoding)
        self._stage, self._may_quit = "content", False
        answer = await self._smtp.data(content)
        self._may_quit = True
        return answer.message[:MAX_ANSWER_CHARS]

    def _options(self, recipient: str) -> tuple[list[str], str]:
        if not needs_utf8(recipient, self._settings.address):
            return [], "ascii"
        if not self._smtp.supports_extension("smtputf8"):
            raise PermanentFailure("the server cannot write to this address", code="no_smtputf8", unreachable=True)
        return ["SMTPUTF8", "BODY=8BITMIME"], "utf-8"

    def _failure(self, error: Exception) -> DeliveryError:
        if isinstance(error, aiosmtplib.SMTPResponseException):
            return failure_from(self._stage, error.code, error.message)
        if isinstance(error, aiosmtplib.SMTPNotSupported) or type(error) is aiosmtplib.SMTPException:
            # The server offers no STARTTLS or no way to log in that we know: it will not tomorrow either.
            return (
                AccountRefused(str(error)) if self._stage != "content" else failure_from(self._stage, None, str(error))
            )
        return failure_from(self._stage, None, str(error) or type(error).__name__)

    async def _leave(self) -> None:
        """Say QUIT if that is quick, but never into a mail that hangs half way; its outcome is already known."""
        if self._smtp.is_connected and self._may_quit:
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await self._smtp.quit(timeout=QUIT_S)
        self._smtp.close()
