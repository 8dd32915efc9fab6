"""Twilio: the Messages resource of one account, status callbacks, and WhatsApp messages as its webhook gets them.

Source: twilio.com/docs/messaging/api/message-resource and twilio.com/docs/usage/security.
"""

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
from aiohttp import web

from hub.emulate.faults import Platform
from hub.emulate.files import Files
from hub.emulate.http import DID, FAULT, is_gone, retry_after_header
from hub.emulate.ledger import Button
from hub.emulate.webhook import Delivery, Outcome, bring
from hub.emulate.window import MAX_BUTTONS, WindowBook
from hub.emulate.world import World

SID = "AC" + "0" * 32
AUTH_TOKEN = "stand-in-auth-token"  # noqa: S105  of nobody
NUMBER = "whatsapp:+4930555000"
ROOT = f"/2010-04-01/Accounts/{SID}"
QUEUED_FOR = timedelta(seconds=0.15)
"""How long a message has no send date. Ours."""
CALLBACK_AFTER_S = 0.2
"""Between two states of a message. Ours."""
ANSWER_WITHIN_S = 15.0
"""W6: for the whole webhook."""
CONNECT_RETRIES = 1
"""W6: once more when nobody listens; then the message is not brought again (error 11200)."""
MAX_BODY = 1600
"""W21: error 21617 beyond."""
OUTSIDE_WINDOW = "63016"
REFUSED_LATER = frozenset({OUTSIDE_WINDOW})
"""W20: accepted with 201; the status callback says that it failed."""
STATES = ("sent", "delivered")


@dataclass
class TwilioStandin:
    """One account."""

    world: World
    name: Platform = "whatsapp"
    files: Files = field(default_factory=Files)
    window: WindowBook = field(init=False)
    """Who may be written to, and what is approved by its ContentSid."""
    typing: list[str] = field(default_factory=list)
    """Messages below which a typing sign was shown, in order."""
    blocked_by: set[str] = field(default_factory=set)
    """People who have blocked the number or opted out: sends are refused (W27)."""
    _messages: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin with nobody who wrote, and no template."""
        self.window = WindowBook(self.world.clock)

    # the REST API

    def routes(self) -> list[web.RouteDef]:
        """Return the REST API."""
        return [
            web.get(f"{ROOT}.json", self._account),
            web.post(f"{ROOT}/Messages.json", self._create),
            web.get(f"{ROOT}/Messages.json", self._list),
            web.get(f"{ROOT}/IncomingPhoneNumbers.json", self._numbers),
            web.get(f"{ROOT}/Messages/{{sid}}/Media/{{file}}", self._media),
            web.get("/cdn/{file}", self._download),
            web.post("/v2/Indicators/Typing.json", self._type),
        ]

    def is_send(self, request: web.Request) -> bool:
        """Tell whether a request creates a message."""
        return request.method == "POST" and "Indicators" not in request.path

    def rate_limited(self, retry_after: str | None) -> web.Response:
        """Return 429, error 20429."""
        return _refusal(429, 20429, "Too Many Requests", retry_after_header(retry_after))

    def unauthorized(self) -> web.Response:
        """Return 401, error 20003."""
        return _refusal(401, 20003, "Authenticate")

    def refusal(self, code: str) -> web.Response | None:
        """Return 400 with this code of twilio.com/docs/api/errors, at once where Twilio refuses at once."""
        return None if code in REFUSED_LATER else _refusal(400, int(code), "refused")

    async def _account(self, request: web.Request) -> web.Response:
        if not _is_ours(request):
            return self.unauthorized()
        return web.json_response({"sid": SID, "status": "active", "friendly_name": "stand-in"})

    async def _numbers(self, request: web.Request) -> web.Response:
        if not _is_ours(request):
            return self.unauthorized()
        return web.json_response({"incoming_phone_numbers": [], "next_page_uri": None, "page": 0, "page_size": 50})

    async def _media(self, request: web.Request) -> web.Response:
        """Send whoever may have it to where the file lies (W9)."""
        if not _is_ours(request):
            return self.unauthorized()
        if self.files.find(request.match_info["file"]) is None:
            return _refusal(404, 20404, "The requested resource was not found")
        return web.Response(status=307, headers={"Location": f"/cdn/{request.match_info['file']}"})

    async def _download(self, request: web.Request) -> web.Response:
        if (file := self.files.find(request.match_info["file"])) is None:
            return web.Response(status=404)
        return web.Response(body=file.data, content_type=file.media_type)

    async def _type(self, request: web.Request) -> web.Response:
        """Show a typing sign; the message counts as read with it (W29)."""
        if not _is_ours(request):
            return self.unauthorized()
        self.typing.append(str((await request.post())["messageId"]))
        return web.json_response({"success": True})

    async def _create(self, request: web.Request) -> web.Response:
        if not _is_ours(request):
            return self.unauthorized()
        form = {name: str(value) for name, value in (await request.post()).items()}
        words = self._words(form)
        if isinstance(words, web.Response):
            return words
        if form["To"] in self.blocked_by:
            return _refusal(400, 21610, "Attempt to send to unsubscribed recipient")
        pace = self.world.pace
        await pace.before_taking("whatsapp", is_gone(request))
        fault = request.get(FAULT)
        error = fault.code if fault is not None and fault.code in REFUSED_LATER else self._refused_later(form)
        message = self._keep(form, words, is_shown=error is None)
        request[DID] = message["sid"]
        if callback := form.get("StatusCallback"):
            self.world.spawn(self._call_back(callback, message, error))
        await pace.before_answering("whatsapp", is_gone(request))
        return web.json_response(self._shown(message), status=201)

    def _words(self, form: Mapping[str, str]) -> str | web.Response:
        """Return what a message says, or the refusal of one that Twilio would not take."""
        sid = form.get("ContentSid")
        if sid is None:
            body = form.get("Body", "")
            if len(body) > MAX_BODY:
                return _refusal(400, 21617, "The concatenated message body exceeds the 1600 character limit")
            return body or _refusal(400, 21619, "A text message body or media urls must be specified")
        if self.window.is_content(sid):
            shown = self.window.picks(sid, _variables(form))
            return shown[0] if shown else _refusal(400, 21656, "The ContentVariables parameter is invalid")
        if not self.window.knows(sid):
            return _refusal(400, 21655, "The ContentSid is invalid")
        words = self.window.words(sid, _variables(form))
        return words or _refusal(400, 21656, "The ContentVariables parameter is invalid")

    def _refused_later(self, form: Mapping[str, str]) -> str | None:
        """Return what the status callback will say of free words outside the window; an SMS has none (W20)."""
        needs_window = form["To"].startswith("whatsapp:") and not self.window.knows(form.get("ContentSid", ""))
        return OUTSIDE_WINDOW if needs_window and not self.window.is_open(form["To"]) else None

    def _keep(self, form: Mapping[str, str], words: str, *, is_shown: bool) -> dict[str, Any]:
        message: dict[str, Any] = {
            "sid": f"SM{uuid.uuid4().hex}",
            "body": words,
            "to": form["To"],
            "from": form.get("From", NUMBER),
            "direction": "outbound-api",
            "created": self.world.clock.now(),
        }
        self._messages.insert(0, message)
        callback = form.get("StatusCallback")
        out_id = urlsplit(callback).path.rpartition("/")[2] if callback else None
        if is_shown:
            self.world.ledger.record("whatsapp", form["To"], words, message["sid"], out_id, self._buttons(form))
        return message

    def _buttons(self, form: Mapping[str, str]) -> tuple[Button, ...]:
        sid = form.get("ContentSid", "")
        shown = self.window.picks(sid, _variables(form)) if self.window.is_content(sid) else None
        return tuple(Button(label, name) for label, name in shown[1]) if shown else ()

    def write(self, form: Mapping[str, str], at: datetime | None = None) -> None:
        """Keep what a person wrote in the list of messages, whether or not the webhook gets it.

        Args:
            form: as the webhook would get it.
            at: when they wrote it; None is now.
        """
        self.window.heard(form["From"], at)
        self._messages.insert(
            0,
            {
                "sid": form["MessageSid"],
                "body": form["Body"],
                "to": form["To"],
                "from": form["From"],
                "direction": "inbound",
                "created": at or self.world.clock.now(),
            },
        )

    async def _call_back(self, url: str, message: Mapping[str, Any], error: str | None) -> None:
        """Tell what became of a message: sent, then delivered; or that it failed."""
        for status in STATES if error is None else ("failed",):
            await self.world.pause(CALLBACK_AFTER_S)
            form = {
                "MessageSid": message["sid"],
                "SmsSid": message["sid"],
                "MessageStatus": status,
                "SmsStatus": status,
                "To": message["to"],
                "From": message["from"],
                "AccountSid": SID,
                "ApiVersion": "2010-04-01",
                "ChannelPrefix": "whatsapp",
            }
            if error is not None:
                form["ErrorCode"] = error
            await self.bring(url, form, Delivery())

    async def _list(self, request: web.Request) -> web.Response:
        if not _is_ours(request):
            return self.unauthorized()
        query = request.query
        after = datetime.fromisoformat(query["DateSent>"]) if "DateSent>" in query else None
        found = [
            shown
            for message in self._messages
            if message["to"] == query.get("To", message["to"])
            and message["from"] == query.get("From", message["from"])
            and _is_sent_after(shown := self._shown(message), message, after)
        ]
        size, page = int(query.get("PageSize", 50)), int(query.get("Page", 0))
        more = len(found) > size * (page + 1)
        following = str(request.rel_url.update_query(Page=str(page + 1))) if more else None
        listed = found[size * page : size * (page + 1)]
        return web.json_response({"messages": listed, "next_page_uri": following, "page": page, "page_size": size})

    def _shown(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Return a message as the API shows it: times in whole seconds."""
        is_received = message["direction"] == "inbound"
        is_sent = is_received or self.world.clock.now() - message["created"] > QUEUED_FOR
        created = format_datetime(message["created"])
        state = "received" if is_received else "sent" if is_sent else "queued"
        status = {"status": state, "date_sent": created if is_sent else None}
        kept = {name: message[name] for name in ("sid", "body", "to", "from", "direction")}
        times = {"date_created": created, "date_updated": created}
        return kept | status | times | {"account_sid": SID, "num_segments": "1", "num_media": "0"}

    # webhooks

    async def bring(self, url: str, form: Mapping[str, str], delivery: Delivery) -> None:
        """Bring a form to the hub: again only when no connection was made, under the same token (W6, W7)."""
        token = str(uuid.uuid4())
        for _ in range(1 + CONNECT_RETRIES):
            outcome = await self.try_once(url, form, token)
            delivery.note(outcome, is_taken=outcome.is_taken)
            if outcome.trouble != "connection_failed":
                break
            await self.world.pause(CALLBACK_AFTER_S)
        if delivery.progress != "taken":
            delivery.progress = "given_up"

    async def try_once(self, url: str, form: Mapping[str, str], token: str) -> Outcome:
        """Post a form once, signed as Twilio signs (W3)."""
        if form.get("SmsStatus") == "received":
            self.window.meet(form["From"])
        signed = url + "".join(name + form[name] for name in sorted(form))
        signature = base64.b64encode(hmac.digest(AUTH_TOKEN.encode(), signed.encode(), hashlib.sha1)).decode()
        headers = {
            "X-Twilio-Signature": signature,
            "I-Twilio-Idempotency-Token": token,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        body = urlencode(form).encode()
        return await bring(self.world, "whatsapp", url, body, headers, ANSWER_WITHIN_S)


def _variables(form: Mapping[str, str]) -> dict[str, str]:
    try:
        values = json.loads(form.get("ContentVariables", "{}"))
    except ValueError:
        return {"": ""}
    return values if isinstance(values, dict) else {"": ""}


def _is_sent_after(shown: Mapping[str, Any], message: Mapping[str, Any], after: datetime | None) -> bool:
    if after is None:
        return True
    return shown["date_sent"] is not None and message["created"] >= after


def _is_ours(request: web.Request) -> bool:
    return request.headers.get("Authorization") == aiohttp.encode_basic_auth(SID, AUTH_TOKEN)


def _refusal(status: int, code: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response({"code": code, "message": message, "status": status}, status=status, headers=headers)


def press_form(sid: str, person: str, button: Button, choices: int) -> dict[str, str]:
    """Return the form of one press: of a quick reply, or of an item of a list where there are more than three."""
    form = text_form(sid, person, button.label)
    if choices <= MAX_BUTTONS:
        return form | {"MessageType": "button", "ButtonText": button.label, "ButtonPayload": button.value}
    return form | {"MessageType": "interactive", "ListTitle": button.label, "ListId": button.value}


def text_form(sid: str, person: str, text: str) -> dict[str, str]:
    """Return the form of one WhatsApp text."""
    number = person.removeprefix("whatsapp:+")
    return {
        "SmsMessageSid": sid,
        "NumMedia": "0",
        "ProfileName": f"Person {number[-2:]}",
        "MessageType": "text",
        "SmsSid": sid,
        "WaId": number,
        "SmsStatus": "received",
        "Body": text,
        "To": NUMBER,
        "NumSegments": "1",
        "ReferralNumMedia": "0",
        "MessageSid": sid,
        "AccountSid": SID,
        "From": person,
        "ApiVersion": "2010-04-01",
    }
