"""What Slack shows beside messages: modals, which have to open within three seconds, and the home tab (S16, S21, S23).

Opening a modal is not journaled: whoever saw none asks again. Where it cannot be opened in time, what asked for it is
journaled like a command and the bot answers in words. What was filled in is journaled like a message.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from channels.inbound import Inbound
from channels.slack import forms
from channels.slack.client import SlackClient
from channels.slack.payloads import (
    DIRECT_IDS,
    EVENTS_API,
    FORM,
    INTERACTIVE,
    SLASH_COMMANDS,
    View,
    installation_of,
    read,
    read_payload,
    text_at,
)
from core.errors import ConfigError, DeliveryError, MalformedPayload
from core.events import Address
from core.forms import Form
from core.ports import Offers

OPENS_WITHIN_S = 2.0
"""A trigger lives three seconds (S21), and so does the request that waits for our answer; the rest is the network's."""

InWorkspace = Callable[[str, Callable[[SlackClient], Awaitable[Any]]], Awaitable[Any]]
"""Acts with the token of a workspace."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What Slack is told at once, in place of an acceptance; None is an empty answer."""

    body: dict[str, Any] | None = None


class Surfaces:
    """Modals and home tab of one account.

    Args:
        offers: what there is to show; None: nothing.
        in_workspace: makes calls.
    """

    def __init__(self, offers: Offers | None, in_workspace: InWorkspace) -> None:
        self._offers = offers
        self._in_workspace = in_workspace
        self._publishing: set[asyncio.Task[None]] = set()

    async def respond(self, inbound: Inbound) -> Answer | None:
        """Answer what wants a modal or fills one in wrongly; None: journal it, like everything else."""
        if self._offers is None:
            return None
        try:
            envelope, payload = read_payload(inbound.body, inbound.headers)
            if envelope == INTERACTIVE and text_at(payload, "type") == "view_submission":
                return self._judge(self._offers, payload)
            if (form := self._form_wanted(self._offers, envelope, payload)) is not None:
                return await self._open(self._offers, form, payload)
        except (MalformedPayload, ConfigError) as error:
            log.warning("slack modal: %s", error)
        return None

    def _judge(self, offers: Offers, payload: dict[str, Any]) -> Answer | None:
        view = read(View, payload.get("view") or {})
        form = next((one for one in offers.forms if view.callback_id == f"{FORM}{one.name}"), None)
        if form is None:
            return None
        words = offers.words(form.template, {}, forms.VIEW_ESCAPES)
        errors = forms.complaints(form, words, forms.values_of(view))
        return Answer({"response_action": "errors", "errors": errors}) if errors else None

    def _form_wanted(self, offers: Offers, envelope: str, payload: dict[str, Any]) -> Form | None:
        """Return the form that a command, a shortcut or a button of the home tab asks for."""
        if envelope == SLASH_COMMANDS:
            wanted = (text_at(payload, "command") or "").removeprefix("/").lower()
        elif envelope == INTERACTIVE and text_at(payload, "type") == "shortcut":
            wanted = text_at(payload, "callback_id") or ""
        elif envelope == INTERACTIVE and text_at(payload, "container", "type") == "view":
            wanted = _pressed(payload)
        else:
            return None
        return next((form for form in offers.forms if wanted in form.commands), None)

    async def _open(self, offers: Offers, form: Form, payload: dict[str, Any]) -> Answer | None:
        view = forms.modal(form, offers.words(form.template, {}, forms.VIEW_ESCAPES), text_at(payload, "text") or "")
        arguments = {"trigger_id": text_at(payload, "trigger_id") or "", "view": view}
        try:
            async with asyncio.timeout(OPENS_WITHIN_S):
                await self._call(payload, "views.open", arguments)
        except (DeliveryError, TimeoutError) as error:
            log.warning("slack modal not opened: %s", type(error).__name__)
            return None
        return Answer()

    async def _call(self, payload: dict[str, Any], method: str, arguments: dict[str, Any]) -> None:
        async def call(client: SlackClient) -> None:
            await client.call(method, json=arguments)

        await self._in_workspace(installation_of(payload) or "", call)

    async def show_status(self, address: Address, *, is_on: bool) -> None:
        """Say in an assistant's thread what is being done, or clear it (CHANNELS 1.5, Assistants).

        Raises:
            DeliveryError: Slack did not take it.
        """
        if self._offers is None or "thread_ts" not in address or not address["channel"].startswith(DIRECT_IDS):
            return
        status = self._offers.words(forms.TYPING, {}, forms.VIEW_ESCAPES).block("text") if is_on else ""
        arguments = {"channel_id": address["channel"], "thread_ts": address["thread_ts"], "status": status}

        async def call(client: SlackClient) -> None:
            await client.call("assistant.threads.setStatus", json=arguments)

        await self._in_workspace(address.get("installation", ""), call)

    def notice(self, inbound: Inbound) -> None:
        """Publish the home tab, beside everything else, to whoever opened it and has another one or none (S16)."""
        if self._offers is None or b"app_home_opened" not in inbound.body:
            return
        task = asyncio.create_task(self._publish(self._offers, inbound))
        self._publishing.add(task)
        task.add_done_callback(self._publishing.discard)

    async def _publish(self, offers: Offers, inbound: Inbound) -> None:
        """Publish, once; whoever sees nothing opens the tab again."""
        try:
            envelope, payload = read_payload(inbound.body, inbound.headers)
            if envelope != EVENTS_API or text_at(payload, "event", "tab") != forms.HOME:
                return
            view = forms.home(offers)
            user = text_at(payload, "event", "user")
            if user and text_at(payload, "event", "view", "private_metadata") != view["private_metadata"]:
                await self._call(payload, "views.publish", {"user_id": user, "view": view})
        except (MalformedPayload, ConfigError, DeliveryError, ValueError) as error:
            log.warning("slack home tab not published: %s", type(error).__name__)

    async def close(self) -> None:
        """End what is being published."""
        for task in set(self._publishing):
            task.cancel()
        await asyncio.gather(*self._publishing, return_exceptions=True)


def _pressed(payload: dict[str, Any]) -> str:
    actions = payload.get("actions")
    first = actions[0] if isinstance(actions, list) and actions and isinstance(actions[0], dict) else {}
    is_form = (text_at(first, "action_id") or "").startswith(FORM)
    return (text_at(first, "value") or "") if is_form else ""
