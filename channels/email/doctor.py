"""What `frontdesk doctor` asks about a mailbox: never raises, says what to do."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from imapclient.exceptions import LoginError

from channels.base import Finding
from channels.email.account import AccountSettings
from channels.email.client import SmtpClient
from channels.email.imap import KEYWORD, READ_BACK, SERVER_ERRORS, ImapSession
from core.errors import AccountRefused, DeliveryError
from core.ids import account_key


@dataclass(frozen=True)
class _Mailbox:
    """What a look into the mailbox showed."""

    has_idle: bool
    keeps_keyword: bool
    waiting: int


async def check(account: str, settings: AccountSettings, smtp: SmtpClient, now: datetime) -> list[Finding]:
    """Try the way in and the way out."""
    name = account_key("email", account)
    findings = [await _check_smtp(name, smtp)]
    if settings.imap_host is not None:
        findings += await _check_imap(name, settings, now)
    if settings.smtp_in_port is not None:
        where = f"{settings.smtp_in_protocol} on {settings.smtp_in_host}:{settings.smtp_in_port}"
        findings.append(Finding(account=name, check="smtp_in", ok=True, detail=f"listens while the hub runs: {where}"))
    return findings


async def _check_smtp(name: str, smtp: SmtpClient) -> Finding:
    try:
        server = await smtp.try_login()
    except AccountRefused as error:
        fix = "check smtp_user and smtp_password; many providers want an app password"
        return Finding(account=name, check="smtp_login", ok=False, detail=str(error), fix=fix)
    except DeliveryError as error:
        fix = "check smtp_host, smtp_port and smtp_tls (465: tls, 587: starttls), and the firewall"
        return Finding(account=name, check="smtp_login", ok=False, detail=str(error), fix=fix)
    return Finding(account=name, check="smtp_login", ok=True, detail=f"{server} takes our mail")


async def _check_imap(name: str, settings: AccountSettings, now: datetime) -> list[Finding]:
    try:
        seen = await asyncio.to_thread(_look, settings, now)
    except LoginError as error:
        fix = "check imap_user and imap_password; many providers want an app password and IMAP switched on"
        return [Finding(account=name, check="imap_login", ok=False, detail=str(error), fix=fix)]
    except SERVER_ERRORS as error:
        fix = "check imap_host, imap_port, imap_tls (993: tls, 143: starttls) and imap_mailbox"
        return [Finding(account=name, check="imap_login", ok=False, detail=f"{type(error).__name__}: {error}", fix=fix)]
    return [
        Finding(account=name, check="imap_login", ok=True, detail=f"{seen.waiting} mails wait to be taken over"),
        _idle(name, seen, settings),
        _keyword(name, seen),
    ]


def _look(settings: AccountSettings, now: datetime) -> _Mailbox:
    session = ImapSession(settings)
    try:
        session.open()
        waiting = session.unmarked((now - READ_BACK).date())
        return _Mailbox(session.has_idle, session.mark_flag == KEYWORD, len(waiting))
    finally:
        session.close()


def _idle(name: str, seen: _Mailbox, settings: AccountSettings) -> Finding:
    if seen.has_idle:
        return Finding(account=name, check="imap_idle", ok=True, detail="the server tells of new mail at once")
    detail = f"the server has no IDLE; new mail is found every {settings.poll_s:g} s"
    return Finding(
        account=name, check="imap_idle", ok=False, detail=detail, fix="lower poll_s, or use a server with IDLE"
    )


def _keyword(name: str, seen: _Mailbox) -> Finding:
    if seen.keeps_keyword:
        return Finding(account=name, check="imap_keyword", ok=True, detail="taken mails are marked with $Frontdesk")
    fix = "give the hub a mailbox that nobody else opens"
    detail = (
        "the server keeps no keywords, so taken mails are marked as seen: a mail that a person opens first is missed"
    )
    return Finding(account=name, check="imap_keyword", ok=False, detail=detail, fix=fix)
