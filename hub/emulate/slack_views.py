"""Slack's modals and home tabs: what the app shows, with the limits that Slack keeps, and what people do there."""

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode

from core.clock import Clock

TRIGGER_LIVES_S = 3.0
"""S21."""
MAX_TITLE = 24
MAX_BLOCKS = 100
MAX_ELEMENTS = 25
MAX_BUTTON_TEXT = 75
MAX_METADATA = 3000
"""CHANNELS 1.5, S23."""


@dataclass
class SlackViews:
    """The views of a workspace, by person."""

    clock: Clock
    homes: dict[str, dict[str, Any]] = field(default_factory=dict)
    modals: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Those that are open."""
    errors: dict[str, dict[str, str]] = field(default_factory=dict)
    """What each person is told is wrong in their modal, by `block_id`."""
    _triggers: dict[str, tuple[str, float]] = field(default_factory=dict)
    _counter: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def trigger(self, user: str) -> str:
        """Return a trigger of what somebody did: good once, for three seconds."""
        name = f"13345224609.{next(self._counter)}.{user}"
        self._triggers[name] = (user, self.clock.monotonic())
        return name

    def open(self, arguments: Mapping[str, Any]) -> str | None:
        """Show a modal; returns Slack's word for what is wrong, or None."""
        user, since = self._triggers.pop(str(arguments.get("trigger_id")), (None, 0.0))
        if user is None:
            return "exchanged_trigger_id"
        if self.clock.monotonic() - since > TRIGGER_LIVES_S:
            return "expired_trigger_id"
        view = _read(arguments)
        if (wrong := _fault_in(view, "modal")) is not None:
            return wrong
        self.modals[user] = view | {"id": f"V{next(self._counter)}"}
        return None

    def publish(self, arguments: Mapping[str, Any]) -> str | None:
        """Show a home tab; returns Slack's word for what is wrong, or None."""
        view = _read(arguments)
        if (wrong := _fault_in(view, "home")) is not None:
            return wrong
        self.homes[str(arguments["user_id"])] = view | {"id": f"V{next(self._counter)}"}
        return None

    def answered(self, sent: bytes, answer: bytes) -> None:
        """Do with a modal what the app answered to its submission (S23): an empty answer closes it."""
        payload = json.loads(parse_qs(sent.decode()).get("payload", ["{}"])[0])
        if payload.get("type") != "view_submission":
            return
        user, told = payload["user"]["id"], json.loads(answer) if answer else {}
        self.errors[user] = told.get("errors", {})
        if not told:
            self.modals.pop(user, None)


def _read(arguments: Mapping[str, Any]) -> dict[str, Any]:
    view = arguments.get("view")
    return dict(json.loads(view) if isinstance(view, str) else view or {})


def _fault_in(view: Mapping[str, Any], kind: str) -> str | None:
    blocks = view.get("blocks")
    if view.get("type") != kind or not isinstance(blocks, list) or not 0 < len(blocks) <= MAX_BLOCKS:
        return "invalid_arguments"
    if len(view.get("private_metadata", "")) > MAX_METADATA:
        return "invalid_arguments"
    titles = [view[name]["text"] for name in ("title", "submit", "close") if name in view]
    if kind == "modal" and (len(titles) != 3 or not all(0 < len(title) <= MAX_TITLE for title in titles)):
        return "invalid_arguments"
    rows = [block["elements"] for block in blocks if block["type"] == "actions"]
    buttons = [element["text"]["text"] for row in rows for element in row]
    is_fine = all(0 < len(row) <= MAX_ELEMENTS for row in rows) and all(
        len(text) <= MAX_BUTTON_TEXT for text in buttons
    )
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    return None if is_fine and len(ids) == len(set(ids)) else "invalid_blocks"


def buttons_on(view: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Return what can be pressed on a home tab."""
    for block in view["blocks"]:
        if block["type"] == "actions":
            yield from block["elements"]


def command(team: str, user: str, name: str, text: str, trigger: str) -> bytes:
    """Return a slash command as Slack posts it (S20, S26)."""
    fields = {
        "token": "deprecated",
        "team_id": team,
        "channel_id": f"D{user[1:]}",
        "user_id": user,
        "user_name": user.lower(),
        "command": f"/{name}",
        "text": text,
        "trigger_id": trigger,
    }
    return urlencode(fields).encode()


def submission(team: str, user: str, view: Mapping[str, Any], values: Mapping[str, str], trigger: str) -> bytes:
    """Return a filled-in modal as Slack posts it (S23); docs.slack.dev/reference/interaction-payloads."""
    state = {block["block_id"]: _filled(block, values.get(block["block_id"])) for block in view["blocks"]}
    payload = {
        "type": "view_submission",
        "team": {"id": team, "domain": "acme"},
        "user": {"id": user, "username": user.lower(), "team_id": team},
        "trigger_id": trigger,
        "view": {**view, "team_id": team, "state": {"values": state}},
        "response_urls": [],
    }
    return urlencode({"payload": json.dumps(payload)}).encode()


def _filled(block: Mapping[str, Any], value: str | None) -> dict[str, Any]:
    element = block["element"]
    kept = {"type": element["type"]}
    if element["type"] == "static_select":
        picked = next((option for option in element["options"] if option["value"] == value), None)
        return {element["action_id"]: kept | {"selected_option": picked}}
    return {element["action_id"]: kept | {"value": value}}


def home_press(team: str, user: str, view: Mapping[str, Any], button: Mapping[str, Any], trigger: str) -> bytes:
    """Return the press of a button on the home tab: there is a view, and neither channel nor message."""
    payload = {
        "type": "block_actions",
        "user": {"id": user, "username": user.lower(), "team_id": team},
        "team": {"id": team, "domain": "acme"},
        "container": {"type": "view", "view_id": view["id"]},
        "trigger_id": trigger,
        "view": view,
        "actions": [{**button, "block_id": "b1", "action_ts": f"{trigger.split('.')[1]}.000100"}],
    }
    return urlencode({"payload": json.dumps(payload)}).encode()
