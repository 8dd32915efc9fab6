r"""Reading a mailbox by IMAP: IMAPClient in a thread, IDLE and polling (E1, E2; RFC 3501, RFC 2177).

The cursor lives at the server: a message that we took over carries the keyword `$Frontdesk` (or `\Seen`, where the
server keeps no keywords), and every look asks for the messages without it. So a restart, a lost connection and a new
UIDVALIDITY need nothing of ours: what was taken over twice has the same content key and is dropped (F107). That key is
known for 90 days, so a mailbox that lost its marks is read back no further than `READ_BACK`.
"""

import asyncio
import contextlib
import logging
import random
import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TypeVar

from imapclient import IMAPClient, SocketTimeout
from imapclient.exceptions import IMAPClientError, LoginError

from channels.base import Accept
from channels.email.account import AccountSettings
from channels.email.mime import MAX_MAIL_BYTES
from channels.email.normalize import IMAP_UID, TRUNCATED
from channels.inbound import Inbound
from core.clock import Clock
from core.errors import StoreUnavailable
from core.ids import AccountName, ChannelName

KEYWORD = b"$Frontdesk"
SEEN = b"\\Seen"
IDLE_MAX_S = 540.0
"""IDLE is renewed at least so often: servers may hang up after 29 minutes (RFC 2177), many do after 10 (E2)."""
CONNECT_S = 20.0
READ_S = 120.0
"""For one read from the socket; a mail of 30 MB takes a while (E2)."""
BACKOFF_S = (1.0, 2.0, 5.0, 15.0, 60.0)
LOGIN_BACKOFF_S = 300.0
"""After a refused login: providers lock accounts that insist."""
FIRST_ROUND_S = 0.5
STORE_RETRY_S = 5.0
MAX_FETCH_FAILURES = 3
READ_BACK = timedelta(days=80)
"""By the server's date of arrival, which knows no hours; well inside the 90 days that the inbox keeps (SEMANTICS 2)."""
ABORT_S = 5.0

SERVER_ERRORS = (IMAPClientError, OSError, EOFError, ValueError, LookupError, TypeError, AttributeError)
"""What talking to a server raises: protocol errors, lost sockets, and answers that the parser does not expect."""

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class Fetched:
    """One message. `size` is what the server says; `body` ends at `MAX_MAIL_BYTES`."""

    body: bytes
    size: int


class ImapSession:
    """One connection. Every method blocks and belongs into a thread, except `abort`."""

    def __init__(self, settings: AccountSettings) -> None:
        self._settings = settings
        self._imap: Any = None
        self._is_aborted = False
        self.uidvalidity = 0
        self.has_idle = False
        self.mark_flag = KEYWORD

    def open(self) -> None:
        """Connect, log in, open the mailbox.

        Raises:
            LoginError: user or password refused.
        """
        settings, password = self._settings, self._settings.imap_password
        context = ssl.create_default_context()
        self._imap = IMAPClient(
            settings.imap_host,
            port=settings.imap_port,
            ssl=settings.imap_tls == "tls",
            ssl_context=context,
            timeout=SocketTimeout(connect=CONNECT_S, read=READ_S),
        )
        if self._is_aborted:
            self.close()
            raise OSError("closed while connecting")
        if settings.imap_tls == "starttls":
            self._imap.starttls(context)
        self._imap.login(settings.imap_user, password.get_secret_value() if password else "")
        self.has_idle = self._imap.has_capability("IDLE")
        selected = self._imap.select_folder(settings.imap_mailbox)
        self.uidvalidity = selected[b"UIDVALIDITY"]
        kept = {flag.lower() for flag in selected.get(b"PERMANENTFLAGS", ())}
        self.mark_flag = KEYWORD if kept & {b"\\*", KEYWORD.lower()} else SEEN

    def unmarked(self, since: date) -> list[int]:
        """Return the UIDs of the messages since a day that we did not take over yet, oldest first."""
        marked: list[str | date] = ["UNSEEN"] if self.mark_flag == SEEN else ["UNKEYWORD", KEYWORD.decode()]
        return sorted(self._imap.search([*marked, "UNDELETED", "SINCE", since]))

    def fetch(self, uid: int) -> Fetched | None:
        r"""Return one message without setting \Seen, None when it is gone."""
        found = self._imap.fetch([uid], ["RFC822.SIZE", f"BODY.PEEK[]<0.{MAX_MAIL_BYTES}>"]).get(uid)
        if found is None:
            return None
        body = next((value for name, value in found.items() if name.startswith(b"BODY[]")), None)
        return None if body is None else Fetched(body, int(found.get(b"RFC822.SIZE", len(body))))

    def mark(self, uid: int) -> None:
        """Write down at the server that this message is taken over."""
        self._imap.add_flags([uid], [self.mark_flag], silent=True)

    def wait(self, seconds: float) -> None:
        """Return when the server says something, or after so many seconds.

        What a server announces together with its readiness stays in a buffer that the check of the socket does not
        see, and comes to light only when the round ends. So the first rounds are short: a mail that arrives about when
        one begins is found about as soon after.
        """
        for round_s in _rounds(seconds):
            self._imap.idle()
            heard = self._imap.idle_check(timeout=round_s)
            _, late = self._imap.idle_done()
            if heard or late:
                return

    def abort(self) -> None:
        """Wake whatever thread waits for this connection; it gets an error."""
        self._is_aborted = True
        if self._imap is not None:
            with contextlib.suppress(OSError, AttributeError):
                self._imap.socket().shutdown(2)

    def close(self) -> None:
        """Let go of the connection."""
        if self._imap is not None:
            with contextlib.suppress(*SERVER_ERRORS):
                self._imap.shutdown()


class ImapListener:
    """Reads one mailbox until cancelled."""

    def __init__(
        self,
        account: AccountName,
        settings: AccountSettings,
        accept: Accept,
        clock: Clock,
        open_session: Callable[[AccountSettings], ImapSession] = ImapSession,
        store_retry_s: float = STORE_RETRY_S,
        backoff_s: tuple[float, ...] = BACKOFF_S,
    ) -> None:
        self._account = account
        self._settings = settings
        self._accept = accept
        self._clock = clock
        self._open_session = open_session
        self._store_retry_s = store_retry_s
        self._backoff_s = backoff_s
        self._failures = 0
        self._unreadable: Counter[int] = Counter()
        self._uidvalidity: int | None = None
        self._taken: set[tuple[int, int]] = set()
        """(UIDVALIDITY, UID) taken over by this process: a server that drops our mark is not asked for ever."""

    async def run(self) -> None:
        """Read, and come back after every loss of the connection."""
        while True:
            try:
                await self._serve()
            except LoginError as error:
                log.error("mailbox %s: login refused: %s", self._account, error)
                await asyncio.sleep(_jittered(LOGIN_BACKOFF_S))
            except SERVER_ERRORS as error:
                pause = self._backoff_s[min(self._failures, len(self._backoff_s) - 1)]
                self._failures += 1
                log.warning("mailbox %s: %s: %s; again in %g s", self._account, type(error).__name__, error, pause)
                await asyncio.sleep(_jittered(pause))

    async def _serve(self) -> None:
        """Use one connection until it fails."""
        session = self._open_session(self._settings)
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"imap-{self._account}")
        worker = _Worker(session, thread)
        try:
            await worker.do(session.open)
            self._compare(session.uidvalidity)
            while True:
                took_over = await self._look(worker)
                self._failures = 0
                if not took_over:  # what arrived meanwhile was announced meanwhile, and IDLE does not repeat it
                    await self._rest(worker)
        finally:
            session.abort()
            session.close()
            thread.shutdown(wait=False)

    def _compare(self, uidvalidity: int) -> None:
        """Say when the server counts anew: its numbers name other messages now, and marks may be gone (F107)."""
        if self._uidvalidity not in (None, uidvalidity):
            log.warning(
                "mailbox %s: UIDVALIDITY %s became %s: the server counts anew, and all is read again",
                self._account,
                self._uidvalidity,
                uidvalidity,
            )
            self._unreadable.clear()
        self._uidvalidity = uidvalidity

    async def _look(self, worker: "_Worker") -> bool:
        """Take over every message without our mark; tells whether there was one.

        A message is marked only after it is durable here.
        """
        took_over = False
        session = worker.session
        unmarked = await worker.do(session.unmarked, (self._clock.now() - READ_BACK).date())
        self._taken &= {(session.uidvalidity, uid) for uid in unmarked}
        for uid in unmarked:
            if (session.uidvalidity, uid) in self._taken or self._unreadable[uid] >= MAX_FETCH_FAILURES:
                continue
            fetched = await self._fetch(worker, uid)
            if fetched is None:
                log.warning("mailbox %s: message %d was deleted before it could be fetched", self._account, uid)
                continue
            await self._take_over(fetched, session.uidvalidity, uid)
            took_over = True
            await worker.do(session.mark, uid)
        return took_over

    async def _fetch(self, worker: "_Worker", uid: int) -> Fetched | None:
        try:
            return await worker.do(worker.session.fetch, uid)
        except SERVER_ERRORS:
            self._unreadable[uid] += 1
            if self._unreadable[uid] >= MAX_FETCH_FAILURES:
                log.error("mailbox %s: message %d cannot be fetched; left where it is", self._account, uid)
            raise

    async def _take_over(self, fetched: Fetched, uidvalidity: int, uid: int) -> None:
        headers = {IMAP_UID: f"{self._settings.imap_mailbox}:{uidvalidity}:{uid}"}
        if fetched.size > MAX_MAIL_BYTES:
            headers[TRUNCATED] = str(fetched.size)
        inbound = Inbound(ChannelName("email"), self._account, fetched.body, self._clock.now(), headers)
        while True:
            try:
                await self._accept(inbound)
            except StoreUnavailable:
                log.warning("mailbox %s: nothing can be kept now; the mail stays at the server", self._account)
                await asyncio.sleep(self._store_retry_s)
            else:
                self._taken.add((uidvalidity, uid))
                return

    async def _rest(self, worker: "_Worker") -> None:
        """Wait for news; look at least every `poll_s`, for IDLE misses what came just before it."""
        if worker.session.has_idle:
            await worker.do(worker.session.wait, min(self._settings.poll_s, IDLE_MAX_S))
        else:
            await asyncio.sleep(self._settings.poll_s)


class _Worker:
    """Runs a session's blocking methods in its thread; cancelling wakes the thread instead of leaving it behind."""

    def __init__(self, session: ImapSession, thread: ThreadPoolExecutor) -> None:
        self.session = session
        self._thread = thread

    async def do(self, method: Callable[..., T], *arguments: object) -> T:
        future = asyncio.get_running_loop().run_in_executor(self._thread, method, *arguments)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            self.session.abort()
            await asyncio.wait([future], timeout=ABORT_S)
            if future.done() and not future.cancelled():
                future.exception()  # read, so that asyncio does not report it
            raise


def _rounds(seconds: float) -> Iterator[float]:
    """Cut a time into rounds that double.

    >>> list(_rounds(9.0))
    [0.5, 1.0, 2.0, 4.0, 1.5]
    """
    round_s = FIRST_ROUND_S
    while seconds > 0:
        yield min(round_s, seconds)
        seconds -= round_s
        round_s *= 2


def _jittered(seconds: float) -> float:
    """Spread reconnections, so that many mailboxes do not come back in step."""
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311  no secret depends on it
