"""Testing the tests: the suite goes red on each of the twelve mutants of FAULTS, section A.

Each scenario runs twice: on the product as it is, where nothing may be wrong, and on the broken one, where the expected
complaint must be heard. A scenario that is always red proves nothing.
"""

import asyncio
import itertools
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from channels.base import Accept, Acceptance, Channel, Resources
from channels.inbound import DeliveryKey, Inbound
from channels.slack import account as slack_account
from channels.slack import channel as slack_channel
from channels.slack.verify import sign
from channels.slack.webhook import Webhook
from channels.telegram import account as telegram_account
from channels.telegram import channel as telegram_channel
from channels.telegram.verify import SECRET_HEADER
from channels.whatsapp import account as whatsapp_account
from channels.whatsapp import channel as whatsapp_channel
from channels.whatsapp.verify import SIGNATURE_HEADER
from core import failpoints
from core.conversation import ActionResult, Conversation
from core.errors import DeliveryError, StoreUnavailable
from core.events import MessageReceived
from core.failpoints import Point
from core.ids import AccountName, ChannelName, ConversationId, OutId
from core.inbox import MAX_CRASHES, InboxState
from core.ports import Mailbox
from core.replies import Reply
from core.storage import Store
from core.store.memory import MemoryStore
from core.store.mongo import MongoStore
from hub.clock import SystemClock
from hub.emulate import slack, telegram, twilio
from hub.emulate.faults import Fault, Platform
from hub.emulate.platforms import Platforms
from hub.emulate.telegram import text_update
from hub.emulate.world import World
from hub.holds import LEASE_S
from hub.inbox import Inbox
from hub.suspects import Suspects
from hub.telemetry import Metrics
from tests.factories import ACCOUNT, Bench, FakeChannel, build_bench
from tests.fakes import FakeClock
from tests.faults.figures import note
from tests.faults.mutants import MUTANTS
from tests.hostile_text import scripts
from tests.servers.database import secantus_command
from tests.servers.ports import free_port, wait_for_port
from tests.standins.checker import PROMISES, Answered, Asked, Promise, Verdict, check
from tests.standins.platforms import open_to_all
from tests.unit.channels.test_hostile_text import ADDRESSES, HARMLESS, said, tags

pytestmark = pytest.mark.faults

Complaints = Mapping[str, Collection[str]]
"""What is wrong, by its kind; empty is right."""
Scenario = Callable[[Path], Awaitable[Complaints]]

PLACE = "fake:one:t1"
NOTICE = "trouble"
"""What the customer is told of a message that died."""
NOBODY = "http://127.0.0.1:9"


# processes inside of this one


class Connection:
    """A process's way to its store; it ends with the process.

    Args:
        dies_in: the method whose call the process does not survive.
    """

    def __init__(self, store: Store, dies_in: str | None = None) -> None:
        self._store = store
        self.dies_in = dies_in
        self.is_cut = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any, **kwargs: Any) -> Any:
            if name == self.dies_in:
                self.is_cut.set()
            if self.is_cut.is_set():
                raise StoreUnavailable("this process is dead")
            return await getattr(self._store, name)(*args, **kwargs)

        return call


class Life:
    """A hub process from its start to its `kill -9`: what it did not write is gone, what it was about to do is not."""

    def __init__(self, store: Store, connection: Connection | None = None, **parts: Any) -> None:
        self._before = asyncio.all_tasks()
        self.connection = connection or Connection(store)
        self.bench: Bench = build_bench(store=cast("Store", self.connection), **parts)

    async def kill(self) -> None:
        self.connection.is_cut.set()
        born = asyncio.all_tasks() - self._before
        for task in born:
            task.cancel()
        await asyncio.gather(*born, return_exceptions=True)


async def recover(store: Store, **parts: Any) -> Bench:
    """Start a process on what a dead one left, and let it finish."""
    await store.release_all()
    bench = build_bench(store=store, **parts)
    await bench.sweep.once(everything=True)
    await bench.settle()
    return bench


def heard(verdict: Verdict) -> dict[str, tuple[str, ...]]:
    return {part.name: found for part in fields(verdict) if (found := getattr(verdict, part.name))}


async def judge(
    ids: Sequence[str], accepted: Collection[str], bench: Bench, promise: Promise = "exactly_once"
) -> dict[str, tuple[str, ...]]:
    """Judge one conversation, in which each message's text is its id and each answer says it back."""
    asked = [Asked(id, "fake", PLACE, seq) for seq, id in enumerate(ids)]
    sent = [Answered("fake", place, text, text) for place, text in bench.channel.sent]
    held = [line.text for line in await bench.store.held_lines(len(ids))]
    return heard(check(asked, accepted, sent, held, {"fake": promise}))


# M1


class Database:
    """The embedded database as a process that can be killed."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._log = folder / "database.log"
        self._command = [secantus_command(), "--host", "127.0.0.1", "--port", str(self.port)]
        self._command += ["--storage-path", str(folder / "database")]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "database").mkdir(exist_ok=True)

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        wait_for_port(self.port, self._process)

    def end(self, how: signal.Signals) -> None:
        self._process.send_signal(how)
        self._process.wait(10)

    @contextmanager
    def running(self) -> Iterator[MongoStore]:
        """Run it while the block lasts, however often it dies there."""
        self.start()
        store = MongoStore(f"mongodb://127.0.0.1:{self.port}/?retryWrites=false", "frontdesk", SystemClock())
        try:
            yield store
        finally:
            store.close()
            self.end(signal.SIGTERM)


KILLS = 3
SENDERS = 16
INSERTS_FOR_S = 1.0


async def database_dies_while_rows_are_inserted(folder: Path) -> Complaints:
    """F015: `kill -9` of the database under many inserts; what got its 2xx must be there afterwards."""
    accepted: list[str] = []
    database = Database(folder)
    with database.running() as store:
        await store.prepare()
        channels: dict[str, Channel] = {ACCOUNT: FakeChannel()}
        for round in range(KILLS):
            inbox = Inbox(store, "n1", SystemClock(), Metrics(), channels, lambda *_: None)
            inbox.open()
            sending = [asyncio.create_task(insert(inbox, f"{round}-{n}", accepted)) for n in range(SENDERS)]
            await asyncio.sleep(INSERTS_FOR_S)
            database.end(signal.SIGKILL)
            await asyncio.gather(*sending)
            await inbox.close()
            database.start()
        found = {row["_id"] async for row in store._database["inbox"].find({}, {"_id": 1})}
    lost = [id for id in accepted if f"fake:{id}" not in found]
    print(f"{len(lost)} of {len(accepted)} accepted rows are lost after {KILLS} kills")
    return {"lost": lost} if lost else {}


async def insert(inbox: Inbox, sender: str, accepted: list[str]) -> None:
    """Deliver as fast as answers come, until one does not."""
    with suppress(StoreUnavailable):
        for n in itertools.count():
            id = f"{sender}-{n}"
            body = json.dumps({"id": id, "thread": sender, "text": id}).encode()
            await inbox.accept(Inbound(ChannelName("fake"), AccountName("one"), body, SystemClock().now(), {}))
            accepted.append(id)


# M2 to M5, M7, M8: what crashes and races do


async def process_dies_before_its_insert(_: Path) -> Complaints:
    """F001, F002: the platform brings again whatever it got no 2xx for."""
    ids, accepted = [f"m{n}" for n in range(6)], set()
    store, channel = MemoryStore(SystemClock()), FakeChannel()
    life = Life(store, channel=channel)

    async def deliver(bench: Bench, id: str) -> None:
        with suppress(StoreUnavailable):
            await bench.receive(id, id)
            accepted.add(id)

    for id in ids[:2]:
        await deliver(life.bench, id)
    await life.bench.settle()
    life.connection.dies_in = "insert_inbox"
    for id in ids[2:]:
        await deliver(life.bench, id)
    await life.connection.is_cut.wait()
    await life.kill()
    bench = await recover(store, channel=channel)
    for id in (id for id in ids if id not in accepted):
        await deliver(bench, id)
    await bench.settle()
    return await judge(ids, accepted, bench)


@dataclass
class ToldTwice(FakeChannel):
    """A platform that tells one message by two events, as Slack does of a mention: one name for both."""

    def identify(self, inbound: Inbound) -> DeliveryKey:
        payload = json.loads(inbound.body)
        return DeliveryKey(f"fake:{payload['text']}")


async def one_message_comes_twice_at_once(_: Path) -> Complaints:
    """F057, S10: at two processes, by two deliveries."""
    store, channel = MemoryStore(SystemClock()), ToldTwice()
    worker, other = (build_bench(store=store, channel=channel, worker=name) for name in ("w1", "w2"))
    for bench in (worker, other):
        bench.inbox._offer = lambda *_: None  # both stand at the door only
    await asyncio.gather(worker.receive("message", "m1"), other.receive("mention", "m1"))
    await worker.sweep.once(everything=True)
    await worker.settle()
    return await judge(["m1"], ["m1"], worker)


async def worker_stands_still_until_another_took_over(_: Path) -> Complaints:
    """F025 as in a virtual machine that was paused: its own clock stood still too, so nothing but the fence tells."""
    at_the_database = FakeClock()
    store, channel = MemoryStore(at_the_database), FakeChannel()
    paused, goes_on = asyncio.Event(), asyncio.Event()

    async def pause_first(point: Point, _: str) -> None:
        if point == "handle.done" and not paused.is_set():
            paused.set()
            await goes_on.wait()

    failpoints.install(pause_first)
    try:
        first = build_bench(store=store, channel=channel, worker="w1")
        await first.receive("m1", "m1")
        await paused.wait()
        at_the_database.advance(LEASE_S + 1)
        second = build_bench(store=store, channel=channel, worker="w2")
        await second.sweep.once(everything=True)
        await second.settle()
        await second.holds.close()
        goes_on.set()
        await first.settle()
    finally:
        failpoints.install(None)
    return await judge(["m1"], ["m1"], first)


async def process_dies_with_a_request_out(_: Path) -> Complaints:
    """F010 on a platform that cannot be asked: held for a person, never sent again."""
    store, channel = MemoryStore(SystemClock()), FakeChannel(gate=asyncio.Event())
    life = Life(store, channel=channel)
    await life.bench.receive("m1", "m1")
    while not channel.sent:
        await asyncio.sleep(0)
    await life.kill()
    channel.gate = None
    return await judge(["m1"], ["m1"], await recover(store, channel=channel), "at_most_once")


async def message_ends_every_process_that_handles_it(folder: Path) -> Complaints:
    """F024: it is dead after its third run, and the conversation goes on."""
    store, channel = MemoryStore(SystemClock()), FakeChannel()
    waiting = build_bench(store=store, channel=channel, worker="w0")
    waiting.inbox._offer = lambda *_: None  # it stands at the door only
    for id in ("boom", "m2"):
        await waiting.receive(id, id)
    for number in range(MAX_CRASHES + 3):
        suspects = Suspects(folder, f"w{number + 1}")
        suspects.open()
        await suspects.count(store)
        life = Life(store, worker=f"w{number + 1}", channel=channel, handling=suspects.handling)
        life.bench.responder.script = ends(life.connection, suspects)
        await store.release_all()
        await life.bench.sweep.once(everything=True)
        await life.bench.settle()
        await life.kill()
        leave(suspects)
    channel.sent = [(place, "boom" if text == NOTICE else text) for place, text in channel.sent]
    complaints = await judge(["boom", "m2"], ["boom", "m2"], waiting)
    state = await waiting.state_of("boom")
    return complaints if state == InboxState.DEAD else complaints | {"alive": (f"boom is {state}",)}


def leave(suspects: Suspects) -> None:
    """End a process that notes: its file stays as it is, and the system lets go of its lock."""
    if suspects._file is not None:
        os.close(suspects._file)
        suspects._file = None
    if suspects._folder is not None:
        suspects._folder.release()
        suspects._folder = None


def ends(
    connection: Connection, suspects: Suspects
) -> Callable[[Conversation, MessageReceived, Mapping[str, ActionResult]], None]:
    """Return a handler that ends its process on one text, as `os._exit` would."""

    def handle(_: Conversation, event: MessageReceived, __: Mapping[str, ActionResult]) -> None:
        if event.text == "boom":
            connection.is_cut.set()
            leave(suspects)
            raise asyncio.CancelledError

    return handle


async def process_dies_before_its_commit(_: Path) -> Complaints:
    """F007, `handle.done`: the row is open until its turn is durable."""
    store, channel = MemoryStore(SystemClock()), FakeChannel()
    life = Life(store, Connection(store, dies_in="save"), channel=channel)
    await life.bench.receive("m1", "m1")
    await life.connection.is_cut.wait()
    await life.kill()
    return await judge(["m1"], ["m1"], await recover(store, channel=channel))


# M6, M9 to M12: what platforms and strangers do

PUBLIC = "https://desk.example"
BUILT = {"slack": slack_channel.build, "telegram": telegram_channel.build, "whatsapp": whatsapp_channel.build}


def channels_at(urls: Mapping[Platform, str], accept: Accept) -> dict[str, Channel]:
    """Build one account of each platform that calls us."""
    lent = Resources(SystemClock(), accept, PUBLIC, cast("Mailbox", None))
    settings = {
        "slack": slack_account.AccountSettings.model_validate(
            {
                "mode": "http",
                "bot_token": slack.BOT_TOKEN,
                "signing_secret": slack.SIGNING_SECRET,
                "api_url": f"{urls['slack']}/api/",
            }
        ),
        "telegram": telegram_account.AccountSettings.model_validate(
            {
                "mode": "webhook",
                "token": telegram.TOKEN,
                "webhook_secret": telegram.WEBHOOK_SECRET,
                "api_url": urls["telegram"],
            }
        ),
        "whatsapp": whatsapp_account.AccountSettings.model_validate(
            {
                "account_sid": twilio.SID,
                "auth_token": twilio.AUTH_TOKEN,
                "number": twilio.NUMBER,
                "api_url": urls["whatsapp"],
            }
        ),
    }
    return {name: cast("Any", BUILT[name])(AccountName("main"), settings[name], lent) for name in BUILT}


class Said:
    """A reply's words: the id of what it answers."""

    def block(self, _: str) -> str:
        return "m1"

    def has(self, name: str) -> bool:
        return name == "text"


async def platform_answers_500_after_acting(_: Path) -> Complaints:
    """F044: one request, whose outcome is unknown; the proof is the outbox's business and not a transport's."""
    complaints: dict[str, tuple[str, ...]] = {}
    async with Platforms(World()) as platforms:
        open_to_all(platforms)
        channels = channels_at({name: port.url for name, port in platforms.http.items()}, refuse)
        for name, channel in channels.items():
            fault = Fault(platform=cast("Platform", name), action="error", moment="after", status=500, times=1)
            await platforms.add_fault(fault)
            (call,) = channel.render(Reply(template="m1", kind="answer"), Said(), ADDRESSES[name])
            with suppress(DeliveryError):
                await channel.send(call, OutId("out1"), 1, ConversationId(f"{name}:main:t1"))
            await channel.close()
            sent = [
                Answered(name, name, line.text, line.provider_id) for line in platforms.ledger if line.channel == name
            ]
            verdict = check([Asked("m1", name, name, 0)], ["m1"], sent, (), {name: PROMISES[name]})
            complaints |= {f"{name} {kind}": found for kind, found in heard(verdict).items()}
    return complaints


async def refuse(_: Inbound) -> Acceptance:
    raise StoreUnavailable("nobody delivers here")


@dataclass
class Kept:
    """Keeps what a door lets in."""

    rows: list[Inbound]

    async def accept(self, inbound: Inbound) -> Acceptance:
        self.rows.append(inbound)
        return Acceptance.ACCEPTED


Door = TestClient[web.Request, web.Application]


@asynccontextmanager
async def door(*channels: Channel | Webhook) -> AsyncIterator[Door]:
    """Serve the routes of channels while the block lasts."""
    application = web.Application()
    for channel in channels:
        application.add_routes(channel.routes())
    async with TestClient(TestServer(application)) as client:
        yield client


NOWHERE: Mapping[Platform, str] = {"slack": NOBODY, "telegram": NOBODY, "whatsapp": NOBODY}


async def update_ids_go_down(_: Path) -> Complaints:
    """F064, T4: one that failed comes after its successors, and after a quiet week ids begin anywhere."""
    store = MemoryStore(SystemClock())
    channel_of: dict[str, Channel] = {}
    inbox = Inbox(store, "n1", SystemClock(), Metrics(), channel_of, lambda *_: None)
    channel_of["telegram:main"] = channels_at(NOWHERE, inbox.accept)["telegram"]
    inbox.open()
    answered = []
    async with door(channel_of["telegram:main"]) as client:
        for update_id in (900, 902, 901, 903, 17, 18):
            update = text_update(update_id, 7, update_id, "hello", 1_790_000_000)
            answer = await client.post("/telegram/main", json=update, headers={SECRET_HEADER: telegram.WEBHOOK_SECRET})
            assert answer.status == 200
            answered.append(f"tg:main:{update_id}")
    await inbox.close()
    lost = [id for id in answered if await store.find_inbox(id) is None]
    return {"lost": lost} if lost else {}


AS_SLACK_WRITES = b'{"type":"event_callback","event_id":"Ev1","event":{"text":"caf\\u00e9 \\/ 1.0"},"event_time":1.50}'
AS_WE_WRITE = json.dumps(json.loads(AS_SLACK_WRITES)).encode()
ANOTHER = AS_WE_WRITE.replace(b'"type"', b'"type": "forged", "type"', 1)
"""Other bytes under the same signature: of two keys of one name we would write the last."""


async def bytes_decide_what_is_signed(_: Path) -> Complaints:
    """F069: what Slack signed is taken as it came, and nothing that merely reads like it."""
    kept = Kept([])
    async with door(channels_at(NOWHERE, kept.accept)["slack"]) as client:
        authentic = await post_to_slack(client, AS_SLACK_WRITES, signed=AS_SLACK_WRITES)
        forged = await post_to_slack(client, ANOTHER, signed=AS_WE_WRITE)
    complaints = {}
    if authentic != 200 or AS_SLACK_WRITES not in (row.body for row in kept.rows):
        complaints["authentic refused"] = (f"status {authentic}",)
    if forged != 401 or ANOTHER in (row.body for row in kept.rows):
        complaints["forged taken"] = (f"status {forged}",)
    return complaints


async def post_to_slack(client: Door, body: bytes, signed: bytes) -> int:
    stamp = str(int(SystemClock().now().timestamp()))
    proof = sign(signed, stamp, slack.SIGNING_SECRET)
    headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": proof}
    return (await client.post("/slack/main/events", data=body, headers=headers)).status


SOME_SCRIPTS = tuple(scripts())[::10]


async def people_write_markup(_: Path) -> Complaints:
    """F081: no element that a harmless text does not have."""
    complaints = {}
    for channel, part in (("email", "html"), ("telegram", "text")):
        allowed = elements(channel, part, HARMLESS)
        through = [script for script in SOME_SCRIPTS if elements(channel, part, " ".join(script.split())) != allowed]
        if through:
            complaints[f"{channel} markup"] = through
    return complaints


def elements(channel: str, part: str, words: str) -> list[list[str]]:
    return [sorted(set(tags(str(call.params[part])))) for call in said(channel, words)]


PATHS = {"slack": "/slack/main/events", "telegram": "/telegram/main", "whatsapp": "/whatsapp/main"}
WRONG = {
    "slack": {"X-Slack-Request-Timestamp": "0", "X-Slack-Signature": "v0=0"},
    "telegram": {SECRET_HEADER: "guessed"},
    "whatsapp": {SIGNATURE_HEADER: "guessed"},
}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def strangers_call(_: Path) -> Complaints:
    """F068: without a signature, and where somebody forgot the secret; 401, nothing stored."""
    kept = Kept([])
    channels = channels_at(NOWHERE, kept.accept)
    async with door(*channels.values()) as client:
        complaints = await taken(client, kept, "unsigned", {name: {} for name in PATHS})
    without = (
        Webhook(AccountName("main"), (), SystemClock(), kept.accept),
        without_secret(channels["telegram"]),
        without_secret(channels["whatsapp"]),
    )
    async with door(*without) as client:
        return complaints | await taken(client, kept, "without a secret", WRONG)


def without_secret(channel: Any) -> Channel:
    """Take the secret out of a running account; its settings would not have let it start."""
    if channel.name == "telegram":
        channel._settings = channel._settings.model_copy(update={"webhook_secret": None})
    else:
        channel._tokens = ()
    return cast("Channel", channel)


async def taken(
    client: Door, kept: Kept, how: str, headers: Mapping[str, Mapping[str, str]]
) -> dict[str, tuple[str, ...]]:
    complaints: dict[str, tuple[str, ...]] = {}
    for name, path in PATHS.items():
        kept.rows.clear()
        status = (await client.post(path, data=b"Body=hello&MessageSid=SM1", headers={**FORM, **headers[name]})).status
        if status != 401 or kept.rows:
            complaints[f"{name} {how}"] = (f"status {status}, {len(kept.rows)} stored",)
    return complaints


SCENARIOS: Mapping[str, Scenario] = {
    "M1": database_dies_while_rows_are_inserted,
    "M2": process_dies_before_its_insert,
    "M3": one_message_comes_twice_at_once,
    "M4": worker_stands_still_until_another_took_over,
    "M5": process_dies_with_a_request_out,
    "M6": platform_answers_500_after_acting,
    "M7": message_ends_every_process_that_handles_it,
    "M8": process_dies_before_its_commit,
    "M9": update_ids_go_down,
    "M10": bytes_decide_what_is_signed,
    "M11": people_write_markup,
    "M12": strangers_call,
}


@pytest.mark.parametrize("name", MUTANTS)
async def test_the_suite_is_green_on_the_product_and_red_on_this_mutant(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mutant, scenario = MUTANTS[name], SCENARIOS[name]
    assert await scenario(tmp_path / "whole") == {}, "red without the mutant: this scenario proves nothing"
    mutant.breaks(monkeypatch)
    complaints = await scenario(tmp_path / "broken")
    is_killed = mutant.shows <= complaints.keys()
    note("mutant", name=name, killed=is_killed, by=f"{scenario.__name__}: {', '.join(complaints)}", says=mutant.says)
    assert is_killed, f"{name} lives: {mutant.says} Heard: {complaints}"


def test_there_are_twelve_mutants_and_a_scenario_for_each() -> None:
    """12/12, or the campaign does not count."""
    assert list(MUTANTS) == list(SCENARIOS) == [f"M{number}" for number in range(1, 13)]
