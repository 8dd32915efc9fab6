"""Twilio: the Messages resource of one account, status callbacks, and WhatsApp messages as its webhook gets them.

Source: twilio.com/docs/messaging/api/message-resource and twilio.com/docs/usage/security.
"""

import asyncio
import base64
import hashlib
import hmac
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
from aiohttp import web

from tests.standins.http import is_gone
from tests.standins.ledger import Ledger
from tests.standins.pace import Pace

SID = "AC" + "0" * 32
AUTH_TOKEN = "stand-in-auth-token"
NUMBER = "whatsapp:+4930555000"
ROOT = f"/2010-04-01/Accounts/{SID}"
QUEUED_FOR = timedelta(seconds=0.15)
"""How long a message has no send date."""
CALLBACK_AFTER_S = 0.2
CALLBACK_TRIES = 2
"""Twilio tries again once, when nobody listens."""


@dataclass
class TwilioStandin:
    """One account."""

    ledger: Ledger
    pace: Pace
    _messages: list[dict[str, Any]] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _callbacks: set[asyncio.Task[None]] = field(default_factory=set)

    def routes(self) -> list[web.RouteDef]:
        """Return the REST API."""
        return [
            web.get(f"{ROOT}.json", self._account),
            web.post(f"{ROOT}/Messages.json", self._create),
            web.get(f"{ROOT}/Messages.json", self._list),
        ]

    async def _account(self, request: web.Request) -> web.Response:
        if refused := _refused(request):
            return refused
        return web.json_response({"sid": SID, "status": "active", "friendly_name": "stand-in"})

    async def _create(self, request: web.Request) -> web.Response:
        if refused := _refused(request):
            return refused
        form = {name: str(value) for name, value in (await request.post()).items()}
        await self.pace.before_taking("whatsapp", is_gone(request))
        message: dict[str, Any] = {
            "sid": f"SM{next(self._numbers):032x}",
            "body": form["Body"],
            "to": form["To"],
            "from": form["From"],
            "direction": "outbound-api",
            "created": datetime.now(UTC),
        }
        self._messages.insert(0, message)
        callback = form.get("StatusCallback")
        out_id = urlsplit(callback).path.rpartition("/")[2] if callback else None
        self.ledger.record("whatsapp", form["To"], form["Body"], message["sid"], out_id)
        if callback:
            self._spawn(self._call_back(callback, message))
        await self.pace.before_answering("whatsapp", is_gone(request))
        return web.json_response(_shown(message), status=201)

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._callbacks.add(task)
        task.add_done_callback(self._callbacks.discard)

    async def _call_back(self, url: str, message: Mapping[str, Any]) -> None:
        """Tell what became of a message: sent, then delivered. Nobody there twice: Twilio gives up."""
        async with aiohttp.ClientSession() as session:
            for status in ("sent", "delivered"):
                await asyncio.sleep(CALLBACK_AFTER_S)
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
                for _ in range(CALLBACK_TRIES):
                    try:
                        await post_signed(session, url, form)
                        break
                    except (aiohttp.ClientError, OSError):
                        await asyncio.sleep(CALLBACK_AFTER_S)

    async def _list(self, request: web.Request) -> web.Response:
        if refused := _refused(request):
            return refused
        query = request.query
        after = datetime.fromisoformat(query["DateSent>"]) if "DateSent>" in query else None
        found = [
            shown
            for message in self._messages
            if message["to"] == query.get("To", message["to"])
            and message["from"] == query.get("From", message["from"])
            and _is_sent_after(shown := _shown(message), message, after)
        ]
        size, page = int(query.get("PageSize", 50)), int(query.get("Page", 0))
        more = len(found) > size * (page + 1)
        following = str(request.rel_url.update_query(Page=str(page + 1))) if more else None
        listed = found[size * page : size * (page + 1)]
        return web.json_response({"messages": listed, "next_page_uri": following, "page": page, "page_size": size})

    async def stop(self) -> None:
        """End callbacks that are still to come."""
        for task in self._callbacks:
            task.cancel()
        await asyncio.gather(*self._callbacks, return_exceptions=True)


def _is_sent_after(shown: Mapping[str, Any], message: Mapping[str, Any], after: datetime | None) -> bool:
    if after is None:
        return True
    return shown["date_sent"] is not None and message["created"] >= after.astimezone(UTC)


def _shown(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message as the API shows it: times in whole seconds."""
    is_sent = datetime.now(UTC) - message["created"] > QUEUED_FOR
    created = format_datetime(message["created"])
    status = {"status": "sent" if is_sent else "queued", "date_sent": created if is_sent else None}
    kept = {name: message[name] for name in ("sid", "body", "to", "from", "direction")}
    return kept | status | {"date_created": created, "date_updated": created, "account_sid": SID, "num_segments": "1"}


def _refused(request: web.Request) -> web.Response | None:
    expected = aiohttp.encode_basic_auth(SID, AUTH_TOKEN)
    if request.headers.get("Authorization") == expected:
        return None
    return web.json_response({"code": 20003, "message": "Authenticate", "status": 401}, status=401)


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


async def post_signed(session: aiohttp.ClientSession, url: str, form: Mapping[str, str]) -> bool:
    """Post a form once, signed as Twilio signs; True for a success."""
    signed = url + "".join(name + form[name] for name in sorted(form))
    signature = base64.b64encode(hmac.digest(AUTH_TOKEN.encode(), signed.encode(), hashlib.sha1)).decode()
    headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
    async with session.post(url, data=urlencode(form), headers=headers) as answer:
        return answer.status // 100 == 2


async def deliver(session: aiohttp.ClientSession, url: str, form: Mapping[str, str]) -> bool:
    """Post a message once; True when Twilio would be content."""
    return await post_signed(session, f"{url}/whatsapp/main", form)
