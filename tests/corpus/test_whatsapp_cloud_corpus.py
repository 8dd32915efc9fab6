"""Every Cloud API webhook of the design folder, read in place; none is copied into the project."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from channels.inbound import Inbound
from channels.whatsapp.cloud.normalize import NAME, identify, normalize
from core.errors import MalformedPayload
from core.events import ChoiceMade, DeliveryStatusChanged, Event, MessageReceived
from core.ids import AccountName
from tests.fakes import START
from tests.shared_files import shared_folder

pytestmark = pytest.mark.corpus

SILENT = (
    "account_update",
    "call_connect",
    "call_permission_update",
    "call_status",
    "call_terminate",
    "template_category_update",
    "template_components_update",
    "template_quality_update",
    "template_status_update",
    "user_marketing_preferences",
)
"""What concerns no conversation: the first half of a manifest kind."""
EXPECTED = {
    "callback_button.button": ("choice", "callback_data"),
    "callback_button.quick_reply": ("choice", "callback_data"),
    "callback_button.quick_reply_without_context": ("choice", "callback_data"),
    "callback_selection.callback": ("choice", "callback_data"),
    "callback_selection.description": ("choice", "callback_data"),
    "deleted_message.revoke": ("deleted", None),
    "edited_message.image": ("edited", None),
    "flow_completion.completion": ("message", "other"),
    "flow_completion.without_flow_token": ("message", "other"),
    "message.animated_sticker": ("message", "sticker"),
    "message.audio": ("message", "audio"),
    "message.chosen_location": ("message", "location"),
    "message.contacts": ("message", "contact"),
    "message.current_location": ("message", "location"),
    "message.document": ("message", "file"),
    "message.forwarded": ("message", None),
    "message.forwarded_many_times": ("message", None),
    "message.image": ("message", "image"),
    "message.interactive_message_with_err": ("message", "other"),
    "message.media_with_url": ("message", "image"),
    "message.order": ("message", "other"),
    "message.reaction": ("reaction", None),
    "message.referral": ("message", None),
    "message.reply": ("message", None),
    "message.static_sticker": ("message", "sticker"),
    "message.text": ("message", None),
    "message.unreaction_empty": ("reaction", None),
    "message.unreaction_no_emoji": ("reaction", None),
    "message.unsupported": ("message", "other"),
    "message.unsupported_with_type": ("message", "other"),
    "message.video": ("message", "video"),
    "message.voice": ("message", "voice"),
    "message_status.delivered": ("delivery_status", "delivered"),
    "message_status.failed": ("delivery_status", "failed"),
    "message_status.group": ("delivery_status", "read"),
    "message_status.played": ("delivery_status", "read"),
    "message_status.read": ("delivery_status", "read"),
    "message_status.sent": ("delivery_status", "sent"),
    "message_status.with_tracker": ("delivery_status", "sent"),
    "outgoing_message.delete": ("deleted", None),
    "outgoing_message.edit": ("edited", None),
    "outgoing_message.text": ("message", None),
    "system.identity_change": ("message", None),
    "system.phone_number_change": ("message", None),
}
"""Manifest kind to the event that must come out, and its attachment's kind, its status or its token."""


def folder() -> Path:
    return shared_folder("fixtures/whatsapp_cloud")


def manifest() -> dict[Path, str]:
    lines = (folder().parent / "manifest.jsonl").read_text().splitlines()
    rows = (json.loads(line) for line in lines)
    return {folder().parent / row["file"]: row["kind"] for row in rows if row["file"].startswith("whatsapp_cloud/")}


def posted(body: bytes) -> Inbound:
    return Inbound(NAME, AccountName("main"), body, START)


def number_of(body: bytes) -> str:
    value: dict[str, Any] = json.loads(body)["entry"][0]["changes"][0]["value"]
    return str(value.get("metadata", {}).get("phone_number_id"))


def events_of(body: bytes) -> tuple[Event, ...]:
    return normalize(posted(body), number_of(body))


def facet(event: Event) -> str | None:
    if isinstance(event, DeliveryStatusChanged):
        return event.status
    if isinstance(event, ChoiceMade):
        return event.token
    attached = event.attachments if isinstance(event, MessageReceived) else ()
    return attached[0].kind if attached else None


def test_every_webhook_becomes_the_event_that_the_manifest_names():
    seen: Counter[str] = Counter()
    for path, kind in manifest().items():
        body = path.read_bytes()
        found = [(event.kind, facet(event)) for event in events_of(body)]
        is_silent = kind.partition(".")[0] in SILENT
        assert found == ([] if is_silent else [EXPECTED[kind]]), path.name
        assert [event.id for event in events_of(body)] == ([] if is_silent else [identify(posted(body)).primary])
        seen[kind] += not is_silent
    assert {kind for kind, count in seen.items() if count} == EXPECTED.keys()


def test_no_file_of_the_folder_is_left_out_of_the_manifest():
    assert set(folder().rglob("*.json")) == manifest().keys()


def test_what_is_about_another_number_is_another_accounts():
    for path in manifest():
        assert normalize(posted(path.read_bytes()), "999999999") == (), path.name


def test_what_our_own_people_wrote_or_whatsapp_itself_is_never_answered():
    kinds = {kind: path for path, kind in manifest().items()}
    for kind, automatic in (("outgoing_message.text", "self"), ("system.identity_change", "auto_generated")):
        (event,) = events_of(kinds[kind].read_bytes())
        assert isinstance(event, MessageReceived)
        assert event.automatic == automatic


def test_all_webhooks_of_one_number_in_one_post_become_as_many_events():
    """CHANNELS 3.3: batched; several entries in one POST."""
    bodies = [path.read_bytes() for path in manifest()]
    ours = [body for body in bodies if number_of(body) == "1122334455667"]
    batch = {"object": "whatsapp_business_account", "entry": [json.loads(body)["entry"][0] for body in ours]}
    apart = [event.kind for body in ours for event in events_of(body)]
    together = normalize(posted(json.dumps(batch).encode()), "1122334455667")
    assert [event.kind for event in together] == apart
    assert len(apart) > 30


def test_webhooks_cut_anywhere_are_malformed_and_always_named():
    for path in manifest():
        body = path.read_bytes()
        for end in range(0, len(body) - 2, 97):
            assert identify(posted(body[:end])).primary.startswith("whatsapp:main:sha256:")
            with pytest.raises(MalformedPayload):
                normalize(posted(body[:end]), number_of(body))
