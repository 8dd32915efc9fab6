"""What Slack tells of a message that a person edits, deletes or reacts to (S10; docs.slack.dev/reference/events)."""

import json
from typing import Any


def edited(said: bytes, event_id: str, text: str, at: str) -> bytes:
    """Return the `message_changed` of a message.

    Args:
        said: the event that told of it.
        event_id: of the new event.
        text: the new words.
        at: the `ts` of the change.
    """
    old = _enclosed(said)
    new = old | {"text": text, "edited": {"user": old["user"], "ts": at}}
    return _about(said, event_id, at, {"subtype": "message_changed", "message": new, "previous_message": old})


def deleted(said: bytes, event_id: str, at: str) -> bytes:
    """Return the `message_deleted` of a message."""
    old = _enclosed(said)
    return _about(said, event_id, at, {"subtype": "message_deleted", "deleted_ts": old["ts"], "previous_message": old})


def reacted(said: bytes, event_id: str, ts: str, name: str, at: str) -> bytes:
    """Return the `reaction_added` to a message of the conversation in which something was said."""
    envelope = json.loads(said)
    event = envelope["event"]
    item = {"type": "message", "channel": event["channel"], "ts": ts}
    change = {"type": "reaction_added", "user": event["user"], "reaction": name, "item": item, "event_ts": at}
    return json.dumps(envelope | {"event_id": event_id, "event": change}).encode()


def _enclosed(said: bytes) -> dict[str, Any]:
    event = json.loads(said)["event"]
    return {name: event[name] for name in ("type", "user", "text", "ts", "thread_ts") if name in event}


def _about(said: bytes, event_id: str, at: str, change: dict[str, Any]) -> bytes:
    envelope = json.loads(said)
    where = {name: envelope["event"][name] for name in ("type", "channel", "channel_type")}
    event = where | {"ts": at, "event_ts": at, "hidden": True} | change
    return json.dumps(envelope | {"event_id": event_id, "event": event}).encode()
