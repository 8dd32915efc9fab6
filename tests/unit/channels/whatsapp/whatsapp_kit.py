"""What the WhatsApp tests share: an account, forms, a signer, a small stand-in of Twilio's REST API."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from aiohttp.test_utils import TestServer

from channels.base import Acceptance, Resources
from channels.inbound import Inbound
from channels.whatsapp.account import AccountSettings
from channels.whatsapp.channel import WhatsAppChannel
from channels.whatsapp.verify import signature_of, signed_parameters
from core.ids import AccountName
from tests.fakes import FakeClock

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures" / "payloads" / "whatsapp"
PUBLIC_URL = "https://desk.example"
TOKEN = "twilio-test-token"
SID = "AC" + "0" * 32
NUMBER = "whatsapp:+4930555000"
PERSON = "whatsapp:+4915112345678"
FORM = "application/x-www-form-urlencoded"


def form(case: str) -> bytes:
    return (FIXTURES / f"{case}.form").read_bytes()


def encoded(**fields: str) -> bytes:
    return urlencode(fields).encode()


def settings(**changes: Any) -> AccountSettings:
    given = {"account_sid": SID, "auth_token": TOKEN, "number": NUMBER}
    return AccountSettings.model_validate(given | changes)


def signature(path: str, body: bytes, token: str = TOKEN, origin: str = PUBLIC_URL) -> str:
    return signature_of(token.encode(), origin + path, signed_parameters(body)).decode()


class FakeMailbox:
    """The web channel's; nobody calls it here."""

    async def deliver(self, conversation_id: str, out_id: str, seq: int, body: dict[str, Any]) -> None:
        raise AssertionError("WhatsApp has no mailbox")

    async def after(self, conversation_id: str, seq: int, limit: int) -> list[Any]:
        raise AssertionError("WhatsApp has no mailbox")


@dataclass
class Journal:
    """Stands for the inbox: keeps what was accepted, or fails as told."""

    failure: Exception | None = None
    answer: Acceptance = Acceptance.ACCEPTED
    kept: list[Inbound] = field(default_factory=list)

    async def accept(self, payload: Inbound) -> Acceptance:
        if self.failure is not None:
            raise self.failure
        self.kept.append(payload)
        return self.answer


@dataclass(frozen=True)
class FakeWords:
    """The words of a reply, already escaped."""

    text: str

    def block(self, name: str) -> str:
        assert name == "text"
        return self.text

    def has(self, name: str) -> bool:
        return name == "text"


def channel(journal: Journal | None = None, public_url: str = PUBLIC_URL, **changes: Any) -> WhatsAppChannel:
    accept = (journal or Journal()).accept
    return WhatsAppChannel(
        AccountName("main"), settings(**changes), Resources(FakeClock(), accept, public_url, FakeMailbox())
    )


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
ROOT = f"/2010-04-01/Accounts/{SID}"


class FakeTwilio:
    """Keeps what was created; answers as Twilio does unless `answer` says otherwise."""

    def __init__(self) -> None:
        self.answer: Answer | None = None
        self.requests: list[tuple[str, str]] = []
        self.queries: list[Mapping[str, str]] = []
        self.created: list[dict[str, str]] = []
        self.messages: list[dict[str, Any]] = []
        self.numbers: list[str] = []
        self.account_status = "active"
        self.authorization: list[str] = []
        self.hanging = asyncio.Event()
        """Set as soon as a request waits for an answer that never comes."""
        self.page_size = 100
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._server = TestServer(application)

    async def __aenter__(self) -> "FakeTwilio":
        await self._server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    @property
    def url(self) -> str:
        return str(self._server.make_url("")).rstrip("/")

    def add(
        self, sid: str, body: str, created: datetime, *, sent: bool = True, direction: str = "outbound-api"
    ) -> None:
        """Put a message into the account, newest first as Twilio lists them."""
        self.messages.insert(
            0,
            {
                "sid": sid,
                "body": body,
                "to": PERSON,
                "from": NUMBER,
                "direction": direction,
                "status": "sent" if sent else "queued",
                "date_created": format_datetime(created),
                "date_sent": format_datetime(created) if sent else None,
            },
        )

    async def hang(self, request: web.Request) -> web.StreamResponse:
        """Take the request and never answer it."""
        self.hanging.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        self.queries.append(dict(request.query))
        self.authorization.append(request.headers.get("Authorization", ""))
        if self.answer is not None:
            return await self.answer(request)
        if request.method == "POST":
            return await self._create(request)
        if request.path == f"{ROOT}.json":
            return web.json_response({"sid": SID, "status": self.account_status})
        if request.path == f"{ROOT}/IncomingPhoneNumbers.json":
            found = [{"phone_number": number} for number in self.numbers if number == request.query["PhoneNumber"]]
            return web.json_response({"incoming_phone_numbers": found, "next_page_uri": None})
        return self._list(request)

    async def _create(self, request: web.Request) -> web.Response:
        fields = {name: str(value) for name, value in (await request.post()).items()}
        self.created.append(fields)
        sid = f"SM{len(self.created):032x}"
        return web.json_response({"sid": sid, "status": "queued", "body": fields["Body"]}, status=201)

    def _list(self, request: web.Request) -> web.Response:
        query = request.query
        found = [
            message
            for message in self.messages
            if message["to"] == query["To"]
            and message["from"] == query.get("From", message["from"])
            and (message["date_sent"] is not None or "DateSent>" not in query)
        ]
        start = int(query.get("Page", "0")) * self.page_size
        more = len(found) > start + self.page_size
        following = request.rel_url.update_query(Page=str(start // self.page_size + 1))
        return web.json_response(
            {
                "messages": found[start : start + self.page_size],
                "next_page_uri": str(following) if more else None,
                "page": start // self.page_size,
            }
        )
