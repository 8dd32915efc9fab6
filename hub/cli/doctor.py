"""`frontdesk doctor`: ask every configured platform, and the database, whether things are set up right."""

import asyncio

import typer
from rich.table import Table

from channels.base import Acceptance, Channel, Finding
from channels.inbound import Inbound
from core.errors import StoreUnavailable
from core.store.mongo import MongoStore
from hub.adapters import Adapter, installed, problem_of
from hub.cli.common import ConfigOption, DataOption, console, read_settings
from hub.clock import SystemClock
from hub.database import HOST, listens
from hub.mailbox import StoreMailbox
from hub.settings import Settings
from hub.wiring import build_channels

CHECK_WITHIN_S = 20.0
SKEW_WARNS_S = 2.0
"""Clocks that differ by more make lease and signature times hard to read (SEMANTICS section 10)."""


def doctor(config: ConfigOption = None, data: DataOption = None) -> None:
    """Ask every configured platform and the database; says what to fix. Ends with 1 when something is wrong."""
    settings = read_settings(config, data)
    findings = [*map(_look_at, installed()), *asyncio.run(_ask_all(settings))]
    table = Table("", "account", "check", "result", "what to do")
    for finding in findings:
        mark = "[green]ok[/green]" if finding.ok else "[red]no[/red]"
        table.add_row(mark, finding.account, finding.check, finding.detail, finding.fix or "")
    console.print(table)
    for plan in settings.accounts:
        if plan.settings is None:
            console.print(f"{plan.key} is off. {plan.switch_on} Then set {', '.join(plan.missing)}.", soft_wrap=True)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _look_at(adapter: Adapter) -> Finding:
    problem = problem_of(adapter)
    detail = problem or f"{adapter.source} ({adapter.package})"
    fix = "Mend the package, or remove it." if problem is not None else None
    return Finding(account=adapter.channel, check="adapter", ok=problem is None, detail=detail, fix=fix)


async def _ask_all(settings: Settings) -> list[Finding]:
    uri = settings.database.uri or f"mongodb://{HOST}:{settings.database.embedded_port}/?retryWrites=false"
    store = MongoStore(uri, settings.database.name, SystemClock(), timeout_s=3.0)
    channels = build_channels(settings, _refuse, StoreMailbox(store, SystemClock()), SystemClock())
    try:
        groups = await asyncio.gather(
            _ask_database(settings, store), *(_ask(key, channel) for key, channel in channels.items())
        )
    finally:
        for channel in channels.values():
            await channel.close()
        store.close()
    return [finding for group in groups for finding in group]


async def _refuse(_inbound: Inbound) -> Acceptance:
    raise StoreUnavailable("the doctor takes no messages")


async def _ask(key: str, channel: Channel) -> list[Finding]:
    try:
        return await asyncio.wait_for(channel.check(), CHECK_WITHIN_S)
    except TimeoutError:
        detail = f"no answer within {CHECK_WITHIN_S:.0f} s"
        return [
            Finding(account=key, check="answer", ok=False, detail=detail, fix="Is the platform reachable from here?")
        ]


async def _ask_database(settings: Settings, store: MongoStore) -> list[Finding]:
    account = "database"
    embedded = settings.database.uri is None
    if embedded and not listens(settings.database.embedded_port):
        detail = "the embedded database starts with the hub and does not run now"
        return [Finding(account=account, check="ping", ok=True, detail=detail)]
    try:
        hello = await store.describe()
        skew_s = await store.clock_skew_s()
    except StoreUnavailable as error:
        fix = "Start it, or correct FRONTDESK_MONGO_URI."
        return [Finding(account=account, check="ping", ok=False, detail=str(error)[:200], fix=fix)]
    replica_set = hello.get("setName")
    return [
        Finding(account=account, check="ping", ok=True, detail="answers"),
        Finding(
            account=account,
            check="write concern",
            ok=bool(replica_set),
            detail=f"majority, journaled; replica set {replica_set or 'none'}" + (" (embedded)" if embedded else ""),
            fix=None if replica_set else "Run MongoDB as a replica set: a single server can lose what it acknowledged.",
        ),
        Finding(
            account=account,
            check="clock",
            ok=abs(skew_s) <= SKEW_WARNS_S,
            detail=f"{skew_s:+.2f} s against ours",
            fix=None if abs(skew_s) <= SKEW_WARNS_S else "Set both clocks by NTP.",
        ),
    ]
