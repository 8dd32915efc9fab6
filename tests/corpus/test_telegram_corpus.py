"""Every Telegram payload of the design folder goes through naming and normalising; the manifest says what it is."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from channels.telegram.failures import failure_from
from channels.telegram.normalize import Bot, name_update, normalize
from core.errors import DeliveryError, MalformedPayload, PermanentFailure, RateLimited
from core.ids import AccountName
from tests.fakes import START
from tests.shared_files import shared_folder

pytestmark = pytest.mark.corpus
US = Bot(AccountName("support"), id=111111111, username="foo_bot")

HEARD = {
    "message.text": ("message",),
    "message.text.reply": ("message",),
    "message.text.forward": ("message",),
    "message.photo.caption": ("message",),
    "message.document": ("message",),
    "message.audio": ("message",),
    "message.voice": ("message",),
    "message.video": ("message",),
    "message.video_note": ("message",),
    "message.sticker": ("message",),
    "message.location": ("message",),
    "message.contact": ("message",),
    "message.dice": ("message",),
    "message.story": ("message",),
    "edited_message.text.reply": ("edited",),
    "callback_query": ("choice",),
    "message_reaction.other": ("reaction",),
    "message.new_chat_members": ("membership",),
    "message.left_chat_member": ("membership",),
    "my_chat_member": (),  # its standing stays the same
    "message.migrate_to_chat_id": ("moved",),
    "message.migrate_from_chat_id": ("moved",),
    "message.poll": ("message",),
    "poll": (),
    "poll_answer": (),
    "channel_post": (),
    "edited_channel_post": (),
    "business_message.text": (),
    "edited_business_message.text": (),
    "chat_boost": (),
    "removed_chat_boost": (),
    "inline_query": (),
    "message.pinned_message": (),
    "message.successful_payment": (),
}
"""What the manifest calls a payload, and the kinds of events that it must give."""

SPECIAL = {
    "updates/nutgram_command.json": ("command",),
    "updates/nutgram_command_tag_valid.json": ("command",),
    "updates/nutgram_command_tag_wrong.json": (),  # meant for another bot
    "updates/nutgram_not_command.json": ("message",),
}
"""The manifest calls all of these commands."""


def payloads(folder: str) -> dict[str, bytes]:
    root = shared_folder("fixtures") / "telegram"
    return {f"{folder}/{path.name}": path.read_bytes() for path in sorted((root / folder).glob("*.json"))}


def manifest() -> dict[str, str]:
    lines = (shared_folder("fixtures") / "manifest.jsonl").read_text("utf-8").splitlines()
    rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return {
        str(Path(row["file"]).relative_to("telegram")): row["kind"]
        for row in rows
        if row["file"].startswith("telegram/")
    }


def kinds(raw: bytes) -> tuple[str, ...]:
    return tuple(event.kind for event in normalize(raw, US, START))


def test_every_update_is_named_and_gives_what_the_manifest_calls_it() -> None:
    found = payloads("updates")
    stated = manifest()
    checked: Counter[str] = Counter()
    for name, raw in found.items():
        assert name_update(raw, "support").primary.startswith("tg:support:"), name
        heard = kinds(raw)
        expected = SPECIAL.get(name, HEARD.get(stated[name]))
        if expected is not None:
            assert heard == expected, name
            checked[stated[name]] += 1
    assert len(found) > 90
    assert checked["message.text"] > 5
    assert checked["callback_query"] == 4
    assert set(checked) == set(HEARD) | {"message.text.command"}


def test_every_update_gives_the_same_events_again_and_no_token_or_url_as_a_reference() -> None:
    files = 0
    for name, raw in payloads("updates").items():
        events = normalize(raw, US, START)
        assert events == normalize(raw, US, START), name
        references = [file.reference for event in events if event.kind == "message" for file in event.attachments]
        assert not any("://" in reference for reference in references), name
        files += len(references)
    assert files > 8


def test_a_bare_message_is_no_update_and_malformed() -> None:
    found = payloads("messages")
    assert found
    for raw in found.values():
        assert name_update(raw, "support").primary.startswith("telegram:support:sha256:")
        with pytest.raises(MalformedPayload):
            normalize(raw, US, START)


def test_updates_cut_anywhere_are_malformed_and_nothing_else() -> None:
    refused = 0
    for raw in payloads("updates").values():
        for cut in range(1, len(raw) - 1, 97):
            assert name_update(raw[:cut], "support").primary
            with pytest.raises(MalformedPayload):
                normalize(raw[:cut], US, START)
            refused += 1
    assert refused > 500


def test_recorded_refusals_are_read() -> None:
    read: dict[str, DeliveryError] = {}
    for name, raw in payloads("responses").items():
        answer = json.loads(raw)
        if not answer["ok"]:
            read[name] = failure_from(answer["error_code"], raw)
    limited = read["responses/nutgram_too_many_requests.json"]
    gone = read["responses/nutgram_user_deactivated.json"]
    assert isinstance(limited, RateLimited)
    assert limited.retry_after_s == 14
    assert isinstance(gone, PermanentFailure)
    assert gone.unreachable
    assert len(read) == 4
