"""Every Slack payload we know of goes through naming and normalising: only MalformedPayload may leave."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest

from channels.inbound import Inbound
from channels.slack.keys import identify
from channels.slack.normalize import normalize
from channels.slack.payloads import ENVELOPE_HEADER
from core.errors import MalformedPayload
from core.events import EVENT_ADAPTER, Event, MessageReceived
from core.ids import AccountName, ChannelName
from tests.fakes import START
from tests.shared_files import shared_folder

pytestmark = pytest.mark.corpus

EXPECTED_FILES = {"events": 71, "inner_events": 102, "interactivity": 61, "slash_commands": 12, "socket_mode": 5}
"""At least so many of each folder, so that the test cannot pass on none."""

EVENT_OF: Mapping[str, set[str]] = {
    "message": {"message"},
    "app_mention": {"message"},
    "message.file_share": {"message"},
    "message.thread_broadcast": {"message"},
    "message.me_message": {"message"},
    "message.bot_message": {"message"},
    "app_mention.bot_message": {"message"},
    "message.message_changed": {"edited", "deleted"},
    "message.message_deleted": {"deleted"},
    "reaction_added": {"reaction"},
    "reaction_removed": {"reaction"},
    "member_joined_channel": {"membership"},
    "member_left_channel": {"membership"},
    "app_home_opened": {"opened"},
    "shortcut": {"command"},
    "block_actions": {"choice"},
    "slash_command": {"command"},
}
"""The kind that the manifest states, and the events it may become; every other kind must become none."""


ALWAYS_AN_EVENT = set(EVENT_OF) - {
    "message.message_changed",  # of a bot, or only an unfurled link (S10)
    "message.message_deleted",  # of a bot
    "reaction_added",  # our own
    "app_home_opened",  # the home tab (S16)
    "block_actions",  # in a modal or on the home tab
}
"""Kinds of which every payload must become one event."""
SOCKET_MODE_EVENTS = {"events_api": ["message"], "interactive": ["choice"], "slash_commands": ["command"], "hello": []}

WITHOUT_A_CHANNEL = {
    "bolt_app_mention_builtins_event_payload.json",
    "java_message_EventTypeDetectorImplTest_57.json",
}
"""Shortened by their authors: a message without a channel, which Slack never sends."""


@dataclass(frozen=True)
class Case:
    file: Path
    folder: str
    kind: str
    inbound: Inbound

    @property
    def name(self) -> str:
        return f"{self.folder}/{self.file.name}"


def wrapped(folder: str, file: Path) -> tuple[bytes, dict[str, str]]:
    """Return the body and headers as they would reach us."""
    raw = file.read_bytes()
    if file.suffix == ".form":
        return raw.strip(), {}
    content = json.loads(raw)
    if folder == "inner_events":
        envelope = {"type": "event_callback", "team_id": "T1", "event_id": f"Ev-{file.stem}", "event": content}
        return json.dumps(envelope).encode(), {}
    if folder == "interactivity":
        return urlencode({"payload": json.dumps(content)}).encode(), {}
    if folder == "slash_commands":
        return urlencode(content).encode(), {}
    if folder == "socket_mode":
        return json.dumps(content.get("payload", content)).encode(), {ENVELOPE_HEADER: content["type"]}
    return raw, {}


def cases() -> Iterator[Case]:
    fixtures = shared_folder("fixtures")
    rows = [json.loads(line) for line in (fixtures / "manifest.jsonl").read_text().splitlines()]
    kinds = {row["file"]: row["kind"] for row in rows if row["file"].startswith("slack/")}
    for file in sorted((fixtures / "slack").glob("*/*")):
        folder = file.parent.name
        body, headers = wrapped(folder, file)
        inbound = Inbound(ChannelName("slack"), AccountName("corpus"), body, START, headers)
        yield Case(file, folder, kinds[f"slack/{folder}/{file.name}"], inbound)


def outcome(case: Case) -> tuple[Event, ...] | None:
    """Return the events, or None for a malformed payload; anything else that is raised fails the test."""
    try:
        return normalize(case.inbound)
    except MalformedPayload:
        return None


def test_every_payload_is_read_or_refused_and_never_a_crash():
    seen: Counter[str] = Counter()
    results: Counter[str] = Counter()
    malformed = set()
    for case in cases():
        seen[case.folder] += 1
        key = identify(case.inbound)
        assert key.primary == identify(case.inbound).primary, case.name
        events = outcome(case)
        results["malformed" if events is None else ",".join(event.kind for event in events) or "nothing"] += 1
        if events is None:
            malformed.add(case.file.name)
        for event in events or ():
            assert EVENT_ADAPTER.validate_json(event.model_dump_json()) == event, case.name
            assert event.conversation_id.startswith("slack:corpus:"), case.name
            assert "hooks.slack.com" not in event.model_dump_json(), case.name
    print(dict(seen), dict(results))
    assert all(seen[folder] >= count for folder, count in EXPECTED_FILES.items()), seen
    assert results["message"] >= 35, results
    assert results["choice"] >= 10, results
    assert results["command"] >= 13, results
    assert malformed == WITHOUT_A_CHANNEL


def test_what_comes_out_fits_the_kind_that_the_manifest_states():
    checked: Counter[str] = Counter()
    for case in cases():
        events = outcome(case)
        if events is None:
            assert case.file.name in WITHOUT_A_CHANNEL
            continue
        if case.folder == "socket_mode":
            assert [event.kind for event in events] == SOCKET_MODE_EVENTS[case.kind], case.name
            continue
        allowed = EVENT_OF.get(case.kind, set())
        assert {event.kind for event in events} <= allowed, (case.name, case.kind, events)
        assert len(events) == 1 or case.kind not in ALWAYS_AN_EVENT, case.name
        checked[case.kind] += bool(events)
        if case.kind.endswith("bot_message"):
            assert all(isinstance(event, MessageReceived) and event.automatic for event in events), case.name
    print(dict(checked))
    for kind in EVENT_OF:
        assert checked[kind] > 0, f"no payload of kind {kind} became an event"


def test_names_are_the_same_only_for_the_same_delivery():
    names: dict[str, set[bytes]] = {}
    for case in cases():
        names.setdefault(identify(case.inbound).primary, set()).add(case.inbound.body)
    hashed = [name for name in names if ":sha256:" in name]
    assert len(names) > 150
    assert all(len(names[name]) == 1 for name in hashed)
