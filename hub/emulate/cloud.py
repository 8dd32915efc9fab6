"""WhatsApp Cloud API: the messages endpoint of one phone number, and batched, signed webhooks that come again.

Source: developers.facebook.com/docs/whatsapp/cloud-api/reference/messages and .../webhooks (CHANNELS 3.3).
"""

import hashlib
import hmac
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from hub.emulate.faults import Platform
from hub.emulate.files import Files
from hub.emulate.http import DID, FAULT, is_gone, retry_after_header
from hub.emulate.ledger import Button
from hub.emulate.webhook import Delivery, Outcome, bring
from hub.emulate.window import WindowBook
from hub.emulate.world import World

NUMBER_ID = "106540352242922"
OUR_NUMBER = "15550783881"
ACCESS_TOKEN = "stand-in-access-token"  # noqa: S105  of nobody
APP_SECRET = "stand-in-app-secret"  # noqa: S105
VERIFY_TOKEN = "stand-in-verify-token"  # noqa: S105
ANSWER_WITHIN_S = 10.0
"""For one webhook. Meta documents none; ours."""
RETRY_AFTER_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Between the tries of one webhook. Meta goes on for seven days; ours ends earlier."""
CALLBACK_AFTER_S = 0.2
"""Between two states of a message. Ours."""
MAX_BATCH = 100
"""Messages and statuses in one POST. Ours."""
MAX_TEXT = 4096
MAX_INTERACTIVE = 1024
MAX_BUTTONS = 3
MAX_BUTTON_TITLE = 20
MAX_ROWS = 10
MAX_ROW_TITLE = 24
MAX_ID = {"button": 256, "list": 200}
MAX_LIST_BUTTON = 20
MAX_CALLBACK_DATA = 512
OUTSIDE_WINDOW = "131047"
REFUSED_LATER = frozenset({"131026", OUTSIDE_WINDOW, "131049"})
"""Accepted at first; a status tells that it failed."""
STATES = ("sent", "delivered")
HTTP_STATUS = {"132001": 404, "190": 401, "130429": 429, "131056": 429, "80007": 429, "131016": 503}


@dataclass
class CloudStandin:
    """One phone number."""

    world: World
    name: Platform = "whatsapp"
    callback_url: str | None = None
    """Where the app's webhooks go; None: nowhere."""
    files: Files = field(default_factory=Files)
    window: WindowBook = field(init=False)
    """Who may be written to, and what is approved by its name and language."""
    typing: list[str] = field(default_factory=list)
    """Messages that were marked as read with a typing sign, in order."""
    _waiting: list[dict[str, Any]] = field(default_factory=list)
    _sent: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _is_bringing: bool = False

    def __post_init__(self) -> None:
        """Begin with nobody who wrote, and no template."""
        self.window = WindowBook(self.world.clock)

    # the Graph API

    def routes(self) -> list[web.RouteDef]:
        """Return the Graph API."""
        number = f"/{{version:v[0-9]+[.][0-9]}}/{NUMBER_ID}"
        return [
            web.post(f"{number}/messages", self._create),
            web.get(number, self._number),
            web.get("/{version:v[0-9]+[.][0-9]}/{file}", self._medium),
            web.get("/cdn/{file}", self._download),
        ]

    def is_send(self, request: web.Request) -> bool:
        """Tell whether a request creates a message."""
        return request.method == "POST"

    def rate_limited(self, retry_after: str | None) -> web.Response:
        """Return 429, error 130429."""
        return _refusal(130429, "Rate limit hit", retry_after_header(retry_after))

    def unauthorized(self) -> web.Response:
        """Return 401, error 190."""
        return _refusal(190, "Invalid OAuth access token")

    def refusal(self, code: str) -> web.Response | None:
        """Return this code of Meta's list, at once where Meta refuses at once."""
        return None if code in REFUSED_LATER else _refusal(int(code), "refused")

    async def _number(self, request: web.Request) -> web.Response:
        if not _is_ours(request):
            return self.unauthorized()
        told = {"display_phone_number": f"+{OUR_NUMBER}", "verified_name": "Stand-in", "quality_rating": "GREEN"}
        return web.json_response({**told, "id": NUMBER_ID})

    async def _medium(self, request: web.Request) -> web.Response:
        """Tell where a medium lies; `phone_number_id` has to be ours where it is given."""
        if not _is_ours(request):
            return self.unauthorized()
        name = request.match_info["file"]
        if (file := self.files.find(name)) is None or request.query.get("phone_number_id", NUMBER_ID) != NUMBER_ID:
            return _refusal(100, "Unsupported get request")
        told = {"url": f"{request.url.origin()}/cdn/{name}", "mime_type": file.media_type, "file_size": len(file.data)}
        return web.json_response({**told, "id": name, "messaging_product": "whatsapp"})

    async def _download(self, request: web.Request) -> web.Response:
        """Hand a file over to whoever has our token; Meta's own host wants it too."""
        file = self.files.find(request.match_info["file"])
        if file is None or not _is_ours(request):
            return web.Response(status=404)
        return web.Response(body=file.data, content_type=file.media_type)

    async def _create(self, request: web.Request) -> web.Response:
        if not _is_ours(request):
            return self.unauthorized()
        call = await request.json()
        if call.get("status") == "read":
            self.typing.append(str(call["message_id"]))
            return web.json_response({"success": True})
        if (wrong := fault_in(call)) is not None:
            return _refusal(100 if wrong.startswith("missing") else 131009, wrong)
        words = words_of(call) if call["type"] != "template" else self._template(call["template"])
        if isinstance(words, web.Response):
            return words
        pace = self.world.pace
        await pace.before_taking("whatsapp", is_gone(request))
        wamid = f"wamid.{uuid.uuid4().hex}"
        to = str(call.get("to") or call["recipient"])
        callback_data = call.get("biz_opaque_callback_data")
        out_id = callback_data.partition(":")[0] if callback_data else None
        self._sent[wamid] = call
        request[DID] = wamid
        fault = request.get(FAULT)
        is_shut = call["type"] != "template" and not self.window.is_open(to)
        error = fault.code if fault is not None and fault.code in REFUSED_LATER else OUTSIDE_WINDOW if is_shut else None
        if error is None:
            self.world.ledger.record("whatsapp", to, words, wamid, out_id, buttons_of(call))
        self.world.spawn(self._tell(wamid, call, error))
        await pace.before_answering("whatsapp", is_gone(request))
        named = {"input": to} | ({"wa_id": to} if "to" in call else {"user_id": to})
        return web.json_response({"messaging_product": "whatsapp", "contacts": [named], "messages": [{"id": wamid}]})

    def _template(self, template: Mapping[str, Any]) -> str | web.Response:
        """Return what a template says, or the refusal of one that is not approved in this language."""
        name = f"{template['name']}/{template['language']['code']}"
        if not self.window.knows(name):
            return _refusal(132001, "Template name does not exist in the translation")
        given = [one for part in template.get("components", ()) for one in part["parameters"]]
        values = {one.get("parameter_name", str(place)): one["text"] for place, one in enumerate(given, 1)}
        words = self.window.words(name, values)
        return words or _refusal(132000, "Number of parameters does not match the expected number of params")

    async def _tell(self, wamid: str, call: Mapping[str, Any], error: str | None) -> None:
        """Tell what became of a message: sent, then delivered; or that it failed."""
        for state in STATES if error is None else ("failed",):
            await self.world.pause(CALLBACK_AFTER_S)
            status: dict[str, Any] = {"id": wamid, "status": state, "timestamp": self._seconds()}
            status |= {"recipient_id": call["to"]} if "to" in call else {"recipient_user_id": call["recipient"]}
            if "biz_opaque_callback_data" in call:
                status["biz_opaque_callback_data"] = call["biz_opaque_callback_data"]
            if error is not None:
                status["errors"] = [{"code": int(error), "title": "refused"}]
            self.notify({"statuses": [status]})

    # webhooks

    def write(self, person: str, text: str, *, user_id: str | None = None, quoted: str | None = None) -> str:
        """Let a person write; return the message's id.

        Args:
            person: digits of their number; empty where they hide it.
            text: what they write.
            user_id: business-scoped; needed where the number is empty.
            quoted: id of the message that they reply to.
        """
        value = self.written(person, text, user_id=user_id, quoted=quoted)
        self.notify(value)
        return str(value["messages"][0]["id"])

    def written(
        self, person: str, text: str, *, user_id: str | None = None, quoted: str | None = None
    ) -> dict[str, Any]:
        """Return what tells of a message that somebody wrote; the arguments are those of `write`."""
        return self._done(person, {"type": "text", "text": {"body": text}}, user_id, quoted)

    def pressed(self, person: str, wamid: str, value: str) -> dict[str, Any]:
        """Return what tells that somebody pressed a button, or picked from the list, of a message of ours.

        Raises:
            LookupError: there is no such message, or nothing like that in it.
        """
        call = self._sent[wamid]
        label = next((button.label for button in buttons_of(call) if button.value == value), None)
        if label is None:
            raise LookupError(value)
        kind = f"{call['interactive']['type']}_reply"
        picked = {"type": kind, kind: {"id": value, "title": label}}
        return self._done(person, {"type": "interactive", "interactive": picked}, None, wamid)

    def _done(self, person: str, content: Mapping[str, Any], user_id: str | None, quoted: str | None) -> dict[str, Any]:
        wamid = f"wamid.{uuid.uuid4().hex}"
        message = {"id": wamid, "timestamp": self._seconds(), **content}
        message |= _known({"from": person, "from_user_id": user_id})
        if quoted:
            message["context"] = {"from": OUR_NUMBER, "id": quoted}
        contact = {"profile": {"name": "Person"}} | _known({"wa_id": person, "user_id": user_id})
        self.window.heard(person or user_id or "")
        return {"contacts": [contact], "messages": [message]}

    def notify(self, value: Mapping[str, Any]) -> None:
        """Let the hub know; whatever waits while another webhook is under way goes in one POST."""
        if self.callback_url is None:
            return
        self._waiting.append(dict(value))
        if not self._is_bringing:
            self._is_bringing = True
            self.world.spawn(self._bring_all())

    async def _bring_all(self) -> None:
        try:
            while self._waiting and self.callback_url is not None:
                batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
                await self.bring(self.callback_url, batch, Delivery())
        finally:
            self._is_bringing = False

    async def bring(self, url: str, values: Sequence[Mapping[str, Any]], delivery: Delivery) -> None:
        """Bring a batch until it is taken, with growing pauses."""
        body = webhook_body(values)
        for pause_s in (*RETRY_AFTER_S, None):
            outcome = await self.try_once(url, body)
            delivery.note(outcome, is_taken=outcome.is_taken)
            if outcome.is_taken:
                return
            if pause_s is not None:
                await self.world.pause(pause_s)
        delivery.progress = "given_up"

    async def try_once(self, url: str, body: bytes) -> Outcome:
        """Post a body once, signed as Meta signs."""
        signature = hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {"X-Hub-Signature-256": f"sha256={signature}", "Content-Type": "application/json"}
        return await bring(self.world, "whatsapp", url, body, headers, ANSWER_WITHIN_S)

    async def shake_hands(self, url: str) -> bool:
        """Ask a callback URL to prove itself, as Meta does when it is set; tell whether it did."""
        challenge = str(uuid.uuid4().int)[:10]
        query = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": challenge}
        async with self.world.session.get(url, params=query) as answer:
            return answer.status == 200 and await answer.text() == challenge

    def _seconds(self) -> str:
        return str(int(self.world.clock.now().timestamp()))


def webhook_body(values: Sequence[Mapping[str, Any]]) -> bytes:
    """Write a POST as Meta does: one change for each, non-ASCII characters and slashes as escapes."""
    metadata = {"display_phone_number": OUR_NUMBER, "phone_number_id": NUMBER_ID}
    about_us = {"messaging_product": "whatsapp", "metadata": metadata}
    changes = [{"field": "messages", "value": {**about_us, **value}} for value in values]
    envelope = {"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "changes": changes}]}
    return json.dumps(envelope).replace("/", "\\/").encode()


def fault_in(call: Mapping[str, Any]) -> str | None:
    """Return what Meta would refuse about a call; None for a good one."""
    if call.get("messaging_product") != "whatsapp":
        return "missing messaging_product"
    if not call.get("to") and not call.get("recipient"):
        return "missing to and recipient"
    if len(call.get("biz_opaque_callback_data", "")) > MAX_CALLBACK_DATA:
        return "biz_opaque_callback_data is too long"
    match call.get("type"):
        case "text":
            return _wrong_words(call["text"].get("body"), MAX_TEXT)
        case "interactive":
            return _wrong_interactive(call["interactive"])
        case "template":
            return None if call["template"].get("name") and call["template"].get("language") else "missing template"
    return "missing type"


def _wrong_words(body: Any, limit: int) -> str | None:
    return None if isinstance(body, str) and body.strip() and len(body) <= limit else "body is empty or too long"


def _wrong_interactive(interactive: Mapping[str, Any]) -> str | None:
    if wrong := _wrong_words(interactive["body"]["text"], MAX_INTERACTIVE):
        return wrong
    action, kind = interactive["action"], interactive["type"]
    if kind == "button":
        return _wrong_picks([button["reply"] for button in action["buttons"]], MAX_BUTTONS, MAX_BUTTON_TITLE, kind)
    if not 0 < len(action["button"]) <= MAX_LIST_BUTTON:
        return "the list's button is empty or too long"
    if len(action["sections"]) > 1 and not all(section.get("title") for section in action["sections"]):
        return "several sections need titles"
    rows = [row for section in action["sections"] for row in section["rows"]]
    return _wrong_picks(rows, MAX_ROWS, MAX_ROW_TITLE, kind)


def _wrong_picks(picks: Sequence[Mapping[str, str]], most: int, title: int, kind: str) -> str | None:
    if not 0 < len(picks) <= most:
        return f"{len(picks)} choices"
    if len({pick["id"] for pick in picks}) < len(picks) or len({pick["title"] for pick in picks}) < len(picks):
        return "two choices are the same"
    if all(0 < len(pick["title"].strip()) <= title and 0 < len(pick["id"]) <= MAX_ID[kind] for pick in picks):
        return None
    return "a title or id is empty or too long"


def words_of(call: Mapping[str, Any]) -> str:
    """Return what the person reads in the message."""
    body = call["text"]["body"] if call["type"] == "text" else call["interactive"]["body"]["text"]
    return str(body)


def buttons_of(call: Mapping[str, Any]) -> tuple[Button, ...]:
    """Return what a person can press or pick in the message."""
    if call["type"] != "interactive":
        return ()
    action = call["interactive"]["action"]
    rows = [row for section in action.get("sections", ()) for row in section["rows"]]
    picks = [*(button["reply"] for button in action.get("buttons", ())), *rows]
    return tuple(Button(pick["title"], pick["id"]) for pick in picks)


def _known(fields: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value}


def _is_ours(request: web.Request) -> bool:
    return request.headers.get("Authorization") == f"Bearer {ACCESS_TOKEN}"


def _refusal(code: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    error = {"message": f"(#{code}) {message}", "type": "OAuthException", "code": code, "fbtrace_id": "stand-in"}
    return web.json_response({"error": error}, status=HTTP_STATUS.get(str(code), 400), headers=headers)
