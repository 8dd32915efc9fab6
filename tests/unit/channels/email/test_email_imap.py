"""The reader of a mailbox against a scripted server: order of accepting and marking, failures, cancelling (E1, E2)."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta

import pytest
from imapclient.exceptions import IMAPClientError, LoginError
from pydantic import SecretStr

from channels.base import Acceptance
from channels.email.account import AccountSettings
from channels.email.identity import name_mail
from channels.email.imap import READ_BACK, Fetched, ImapListener, ImapSession
from channels.email.normalize import IMAP_UID, TRUNCATED
from channels.inbound import Inbound
from core.errors import StoreUnavailable
from tests.fakes import START, FakeClock
from tests.unit.channels.email.mails import ACCOUNT, SETTINGS

IMAP = SETTINGS.model_copy(update={"imap_host": "127.0.0.1", "imap_user": "u", "imap_password": SecretStr("p")})


class Mailbox:
    """What the server keeps, over all connections."""

    def __init__(self, *texts: bytes) -> None:
        self.mails = dict(enumerate(texts, 1))
        self.marked: list[int] = []
        self.keeps_marks = True
        self.uidvalidity = 7
        self.since = date.min
        self.opened = 0
        self.open_errors: list[Exception] = []
        self.fetch_errors: dict[int, int] = {}
        self.breaks = False
        self.log: list[str] = []
        self.news = threading.Event()

    def connect(self, settings: AccountSettings) -> ImapSession:
        return Session(settings, self)


class Session(ImapSession):
    def __init__(self, settings: AccountSettings, mailbox: Mailbox) -> None:
        super().__init__(settings)
        self.mailbox = mailbox

    def open(self) -> None:
        self.mailbox.opened += 1
        if self.mailbox.open_errors:
            raise self.mailbox.open_errors.pop(0)
        self.uidvalidity, self.has_idle = self.mailbox.uidvalidity, True

    def unmarked(self, since: date) -> list[int]:
        self.mailbox.since = since
        return sorted(uid for uid in self.mailbox.mails if uid not in self.mailbox.marked)

    def fetch(self, uid: int) -> Fetched | None:
        if self.mailbox.fetch_errors.get(uid, 0) > 0:
            self.mailbox.fetch_errors[uid] -= 1
            raise IMAPClientError("cannot read this one")
        body = self.mailbox.mails[uid]
        return Fetched(body, 99_000_000 if body == b"huge" else len(body)) if body != b"gone" else None

    def mark(self, uid: int) -> None:
        self.mailbox.log.append(f"mark {uid}")
        if self.mailbox.keeps_marks:
            self.mailbox.marked.append(uid)

    def wait(self, seconds: float) -> None:
        self.mailbox.log.append("wait")
        self.mailbox.news.wait(10)
        self.mailbox.news.clear()
        if self._is_aborted or self.mailbox.breaks:
            self.mailbox.breaks = False
            raise OSError("connection closed")

    def abort(self) -> None:
        super().abort()
        self.mailbox.news.set()


class Journal:
    def __init__(self, mailbox: Mailbox, errors: int = 0) -> None:
        self.taken: asyncio.Queue[Inbound] = asyncio.Queue()
        self.mailbox, self.errors = mailbox, errors

    async def accept(self, inbound: Inbound) -> Acceptance:
        if self.errors:
            self.errors -= 1
            raise StoreUnavailable("down")
        self.mailbox.log.append(f"accept {inbound.body.decode()}")
        self.taken.put_nowait(inbound)
        return Acceptance.ACCEPTED

    async def next(self) -> Inbound:
        return await asyncio.wait_for(self.taken.get(), 5)


@asynccontextmanager
async def reading(mailbox: Mailbox, errors: int = 0) -> AsyncIterator[Journal]:
    journal = Journal(mailbox, errors)
    listener = ImapListener(ACCOUNT, IMAP, journal.accept, FakeClock(), mailbox.connect, 0.0, (0.0,))
    task = asyncio.create_task(listener.run())
    try:
        yield journal
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 5)


async def settled(mailbox: Mailbox, entry: str = "wait") -> None:
    """Wait until the reader has done what there is to do."""
    for _ in range(500):
        if mailbox.log[-1:] == [entry]:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(mailbox.log)


async def test_each_mail_is_accepted_then_marked_in_order() -> None:
    mailbox = Mailbox(b"one", b"two")
    async with reading(mailbox) as journal:
        first = await journal.next()
        await settled(mailbox)
    assert mailbox.log == ["accept one", "mark 1", "accept two", "mark 2", "wait"]
    assert first.headers == {IMAP_UID: "INBOX:7:1"}


async def test_news_wake_the_reader() -> None:
    mailbox = Mailbox()
    async with reading(mailbox) as journal:
        await settled(mailbox)
        mailbox.mails[1] = b"new"
        mailbox.news.set()
        assert (await journal.next()).body == b"new"


async def test_a_mail_that_cannot_be_kept_is_tried_again_before_it_is_marked() -> None:
    mailbox = Mailbox(b"one")
    async with reading(mailbox, errors=3) as journal:
        await journal.next()
        await settled(mailbox)
    assert mailbox.log == ["accept one", "mark 1", "wait"]


async def test_a_lost_connection_and_a_refused_one_are_followed_by_another() -> None:
    mailbox = Mailbox(b"one")
    mailbox.open_errors = [OSError("refused"), IMAPClientError("bye"), TypeError("strange answer")]
    async with reading(mailbox) as journal:
        assert (await journal.next()).body == b"one"
    assert mailbox.opened == 4


async def test_a_refused_login_waits_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("channels.email.imap.LOGIN_BACKOFF_S", 0.0)
    mailbox = Mailbox(b"one")
    mailbox.open_errors = [LoginError("no")]
    async with reading(mailbox) as journal:
        await journal.next()
    assert mailbox.opened == 2


async def test_one_unreadable_mail_does_not_hold_up_the_others() -> None:
    mailbox = Mailbox(b"bad", b"good")
    mailbox.fetch_errors = {1: 1000}
    async with reading(mailbox) as journal:
        assert (await journal.next()).body == b"good"
        await settled(mailbox)
    assert mailbox.marked == [2]
    assert mailbox.opened == 4


async def test_a_server_that_forgets_our_mark_is_not_asked_for_ever() -> None:
    mailbox = Mailbox(b"one")
    mailbox.keeps_marks = False
    async with reading(mailbox) as journal:
        await journal.next()
        await settled(mailbox)
        mailbox.news.set()
        mailbox.log.append("woken")
        await settled(mailbox)
    assert mailbox.log.count("accept one") == 1


async def test_a_mail_deleted_before_it_was_fetched_is_passed_over() -> None:
    """F107."""
    mailbox = Mailbox(b"gone", b"here")
    async with reading(mailbox) as journal:
        assert (await journal.next()).body == b"here"


async def test_the_real_size_of_a_cut_mail_is_told() -> None:
    mailbox = Mailbox(b"huge")
    async with reading(mailbox) as journal:
        assert (await journal.next()).headers[TRUNCATED] == "99000000"


def mail(message_id: str, text: str) -> bytes:
    return f"Message-ID: <{message_id}@customer.example>\r\nFrom: jo@customer.example\r\n\r\n{text}".encode()


async def test_a_mailbox_that_was_built_anew_is_read_again_and_its_mails_keep_their_names(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """F107: other numbers, no marks; what is known is known by its content. The gap is in the log."""
    mailbox = Mailbox(mail("one", "first"), mail("two", "second"))
    async with reading(mailbox) as journal:
        before = [await journal.next(), await journal.next()]
        await settled(mailbox)
        mailbox.uidvalidity, mailbox.marked = 8, []
        mailbox.mails = {5: mailbox.mails[2], 6: mailbox.mails[1], 7: mail("three", "third")}
        mailbox.open_errors = [OSError("gone for a moment")]
        mailbox.breaks = True
        mailbox.news.set()
        after = [await journal.next() for _ in range(3)]
    assert [inbound.headers[IMAP_UID] for inbound in after] == ["INBOX:8:5", "INBOX:8:6", "INBOX:8:7"]
    names = [{name_mail(ACCOUNT, inbound.body) for inbound in some} for some in (before, after)]
    assert len(names[1] - names[0]) == 1, "one is new, the others are known"
    assert names[0] < names[1]
    (line,) = [record.getMessage() for record in caplog.records if "UIDVALIDITY" in record.getMessage()]
    assert "7 became 8" in line


async def test_a_number_that_could_not_be_read_says_nothing_about_a_mailbox_built_anew() -> None:
    """F107: the same UID is another mail now."""
    mailbox = Mailbox(b"bad")
    mailbox.fetch_errors = {1: 3}
    async with reading(mailbox) as journal:
        await settled(mailbox)
        assert journal.taken.empty()
        mailbox.uidvalidity, mailbox.mails = 8, {1: b"another"}
        mailbox.breaks = True
        mailbox.news.set()
        assert (await journal.next()).body == b"another"


def test_the_same_message_id_with_other_content_is_another_mail() -> None:
    """F107, E6: a Message-ID is chosen by its sender; both are kept."""
    assert name_mail(ACCOUNT, mail("same", "one thing")) != name_mail(ACCOUNT, mail("same", "another"))
    assert name_mail(ACCOUNT, mail("same", "one thing")) == name_mail(ACCOUNT, mail("same", "one thing"))


async def test_a_mailbox_is_read_back_no_further_than_names_are_known() -> None:
    """F107: rows go after 90 days; of a mailbox that lost its marks, older mails would be answered a second time."""
    mailbox = Mailbox()
    async with reading(mailbox):
        await settled(mailbox)
    assert mailbox.since == (START - READ_BACK).date()
    assert timedelta(days=90) > READ_BACK + timedelta(days=1)
