"""Every file that the manifests of ../shared/fixtures name, of all channels in one walk: handled, and what came of it.

Whether it is the right kind is held against each manifest row by the channels' own corpus tests, run beside this one.
"""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from channels.telegram.failures import failure_from as telegram_failure
from channels.telegram.normalize import name_update
from channels.telegram.normalize import normalize as telegram_events
from channels.whatsapp.cloud.normalize import identify as name_cloud
from channels.whatsapp.failures import failure_from as twilio_failure
from core.errors import DeliveryError, MalformedPayload
from tests.corpus import test_email_corpus as email
from tests.corpus import test_slack_corpus as slack
from tests.corpus import test_telegram_corpus as telegram
from tests.corpus import test_whatsapp_cloud_corpus as cloud
from tests.corpus import test_whatsapp_corpus as twilio
from tests.fakes import START
from tests.shared_files import shared_folder

pytestmark = pytest.mark.corpus

EXPECTED = {"email": 820, "slack": 251, "telegram": 112, "whatsapp_cloud": 74, "whatsapp_twilio": 28}
"""Files that there are at least."""


def walk_email() -> Counter[str]:
    return Counter(email.said(email.read(case)) for case in email.cases())


def walk_slack() -> Counter[str]:
    events = {case.name: slack.outcome(case) for case in slack.cases()}
    assert {name.split("/")[1] for name, found in events.items() if found is None} == slack.WITHOUT_A_CHANNEL
    return Counter(event.kind for found in events.values() for event in found or ()) + Counter(
        {
            "nothing for us": sum(found == () for found in events.values()),
            "malformed": list(events.values()).count(None),
        }
    )


def walk_telegram() -> Counter[str]:
    return Counter(outcome for path in files("telegram") for outcome in of_telegram(path))


def of_telegram(path: Path) -> list[str]:
    raw = path.read_bytes()
    if path.parent.name == "responses":
        answer = json.loads(raw)
        return ["accepted"] if answer["ok"] else [type(telegram_failure(answer["error_code"], raw)).__name__]
    assert name_update(raw, "support").primary
    try:
        return [event.kind for event in telegram_events(raw, telegram.US, START)] or ["nothing for us"]
    except MalformedPayload:
        assert path.parent.name == "messages", path
        return ["malformed"]


def walk_cloud() -> Counter[str]:
    bodies = [path.read_bytes() for path in cloud.manifest()]
    assert all(name_cloud(cloud.posted(body)).primary for body in bodies)
    return Counter(
        kind for body in bodies for kind in [event.kind for event in cloud.events_of(body)] or ["nothing for us"]
    )


def walk_twilio() -> Counter[str]:
    return Counter(of_twilio(path) for path in files("whatsapp_twilio"))


def of_twilio(path: Path) -> str:
    if path.parent.name == "rest_responses":
        failure = twilio_failure(400, {}, path.read_bytes())
        assert isinstance(failure, DeliveryError)
        return type(failure).__name__
    if path.name == "signature_vectors.json":
        return f"{len(json.loads(path.read_bytes())['vectors'])} signatures"
    (event,) = twilio.events_of(path.read_bytes())
    return event.kind


def files(folder: str) -> list[Path]:
    return [path for path in everything() if path.relative_to(shared_folder("fixtures")).parts[0] == folder]


def everything() -> list[Path]:
    root = shared_folder("fixtures")
    return [
        manifest.parent / json.loads(line)["file"]
        for manifest in sorted(root.rglob("manifest.jsonl"))
        for line in manifest.read_text(encoding="utf-8").splitlines()
    ]


WALKS: dict[str, Callable[[], Counter[str]]] = {
    "email": walk_email,
    "slack": walk_slack,
    "telegram": walk_telegram,
    "whatsapp_cloud": walk_cloud,
    "whatsapp_twilio": walk_twilio,
}


def test_the_manifest_names_no_folder_that_nobody_walks() -> None:
    assert {path.relative_to(shared_folder("fixtures")).parts[0] for path in everything()} == set(WALKS)
    assert {path.name for path in shared_folder("fixtures").iterdir() if path.is_dir()} == set(WALKS)


@pytest.mark.parametrize("channel", WALKS)
def test_every_file_is_handled_without_an_exception(channel: str) -> None:
    found = files(channel)
    assert all(path.is_file() for path in found)
    assert len(found) >= EXPECTED[channel]
    outcomes = WALKS[channel]()
    print(channel, len(found), dict(outcomes))
    assert sum(outcomes.values()) >= len(found), "a file came to nothing at all"
