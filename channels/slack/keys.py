"""Naming what Slack delivers (SEMANTICS section 2): inserting it into the inbox is then the check for duplicates.

One name for one thing, whichever way it comes (ADR 0010): a message by its channel and `ts`, an edit or a deletion of
it also by its own time, everything else by Slack's id of the event.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from channels.inbound import DeliveryKey, Inbound
from channels.slack.payloads import EVENTS_API, INTERACTIVE, SLASH_COMMANDS, installation_of, read_payload, text_at
from core.errors import MalformedPayload

USER_MESSAGE_SUBTYPES = frozenset({None, "file_share", "thread_broadcast", "me_message"})
"""What a person newly wrote; every other subtype tells about something else (S9)."""
NEW_MESSAGE_TYPES = frozenset({"message", "app_mention"})
CHANGES = frozenset({"message_changed", "message_deleted"})
"""Told about a message, and so named after it."""
TIMESTAMP = re.compile(r"\d{1,12}\.\d{1,6}")
"""Slack's `ts`: an id, and within a conversation an order that holds as text (S13)."""


def identify(inbound: Inbound, *, is_shared: bool = False) -> DeliveryKey:
    """Name a payload by Slack's own ids; what cannot be read is named by its hash. Never raises.

    The account is part of every name: two of our apps in one channel each get the same message.

    Args:
        inbound: what came.
        is_shared: the account has many workspaces, so a channel's id alone does not name it.
    """
    try:
        envelope, payload = read_payload(inbound.body, inbound.headers)
    except MalformedPayload:
        return DeliveryKey(_hashed(inbound))
    prefix = f"slack:{inbound.account}:{_team(payload)}"
    if envelope == EVENTS_API:
        event = payload.get("event")
        place = f"slack:{inbound.account}" + (f":{installation_of(payload) or '-'}" if is_shared else "")
        return _event_key(prefix, place, payload, inbound, event if isinstance(event, dict) else {})
    if envelope == INTERACTIVE:
        return _interaction_key(prefix, payload, inbound)
    order = _arrival(inbound) if envelope == SLASH_COMMANDS else None
    return DeliveryKey(_by_trigger(prefix, payload) or _hashed(inbound), order=order)


def _event_key(
    prefix: str, place: str, payload: Mapping[str, Any], inbound: Inbound, event: Mapping[str, Any]
) -> DeliveryKey:
    ts = text_at(event, "ts")
    told_at = _timestamp(ts if _is_new_message(event) else text_at(event, "event_ts") or ts)
    name = _message_name(place, event)
    if name is None:
        event_id = text_at(payload, "event_id")
        name = f"{prefix}:{event_id}" if event_id else _hashed(inbound)
    return DeliveryKey(name, order=told_at)


def _message_name(place: str, event: Mapping[str, Any]) -> str | None:
    """Name a message by channel and `ts`; None where the event is about none.

    A mention in a channel that the bot is in arrives twice, as message and as app_mention, under two event ids (S7);
    what is found in the history has no event id at all. Without the team: in a shared channel the event's is the
    writer's and the history's is ours (S2). Where an account has many workspaces, `place` names the installation.
    """
    channel, times = text_at(event, "channel"), _times(event)
    if channel is None or not times or not all(map(_timestamp, times)):
        return None
    return ":".join((place, channel, *map(str, times)))


def _times(event: Mapping[str, Any]) -> tuple[str | None, ...]:
    """Return what tells a message, or a change of it, from all others in its channel."""
    ts = text_at(event, "ts")
    if _is_new_message(event):
        return (ts,)
    if text_at(event, "type") != "message" or text_at(event, "subtype") not in CHANGES:
        return ()
    message = text_at(event, "message", "ts") or text_at(event, "deleted_ts")
    return (message or text_at(event, "previous_message", "ts"), text_at(event, "event_ts") or ts)


def _is_new_message(event: Mapping[str, Any]) -> bool:
    subtype = event.get("subtype")
    return text_at(event, "type") in NEW_MESSAGE_TYPES and (
        subtype is None or (isinstance(subtype, str) and subtype in USER_MESSAGE_SUBTYPES)
    )


def _interaction_key(prefix: str, payload: Mapping[str, Any], inbound: Inbound) -> DeliveryKey:
    actions = payload.get("actions")
    first = actions[0] if isinstance(actions, list) and actions else None
    if text_at(payload, "type") != "block_actions" or not isinstance(first, dict):
        return DeliveryKey(_by_trigger(prefix, payload) or _hashed(inbound), order=_arrival(inbound))
    pressed_at = text_at(first, "action_ts")
    place = text_at(payload, "container", "message_ts") or text_at(payload, "container", "view_id")
    parts = (place, text_at(first, "action_id"), pressed_at, text_at(payload, "user", "id"))
    if not all(parts):
        return DeliveryKey(_by_trigger(prefix, payload) or _hashed(inbound))
    return DeliveryKey(f"{prefix}:action:{':'.join(map(str, parts))}", order=_timestamp(pressed_at))  # S25


def _by_trigger(prefix: str, payload: Mapping[str, Any]) -> str | None:
    trigger = text_at(payload, "trigger_id")
    return f"{prefix}:trigger:{trigger}" if trigger else None


def _team(payload: Mapping[str, Any]) -> str:
    enterprise = text_at(payload, "enterprise", "id") or text_at(payload, "enterprise_id")
    return text_at(payload, "team_id") or text_at(payload, "team", "id") or enterprise or "-"


def _timestamp(value: str | None) -> str | None:
    return value if value is not None and TIMESTAMP.fullmatch(value) else None


def _arrival(inbound: Inbound) -> str:
    """Order a command or a form by our clock: it carries no time, and would overtake what was written before."""
    return f"{inbound.received_at.timestamp():.6f}"


def _hashed(inbound: Inbound) -> str:
    return f"slack:{inbound.account}:sha256:{hashlib.sha256(inbound.body).hexdigest()}"
