"""One call to the Graph API: what it carries, and what each answer means. The way in: handshake and signatures."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from channels.base import Channel
from channels.contract import HubAround, a_time, served
from channels.inbound import Inbound
from channels.media import Download
from core.errors import (
    AccountRefused,
    DeliveryError,
    InvalidSignature,
    MediaRefused,
    PermanentFailure,
    RateLimited,
    TemporaryFailure,
    UnknownOutcome,
)
from core.events import Attachment
from core.ids import AccountName, ChannelName, ConversationId, OutId
from core.replies import ApiCall, Receipt
from messenger_samples import MIRA, PAGE, message, posted, settings
from pydantic import ValidationError

from frontdesk_messenger.account import AccountSettings
from frontdesk_messenger.channel import build
from frontdesk_messenger.failures import failure_from
from frontdesk_messenger.verify import signature_of, verify_signature

CALL = ApiCall(
    method="messages",
    params={"recipient": {"id": MIRA}, "messaging_type": "RESPONSE", "message": {"text": "Hello"}},
    bucket=MIRA,
)
SENT = {"recipient_id": MIRA, "message_id": "m_sent"}


class Graph:
    """Plays the Graph API: answers what it is told to, and keeps what it was asked."""

    def __init__(self, status: int = 200, answer: object = SENT, fields: tuple[str, ...] = ()) -> None:
        self.status, self.answer, self.fields = status, answer, fields
        self.asked: list[tuple[str, dict[str, str], str | None, Any]] = []

    async def messages(self, request: web.Request) -> web.Response:
        self._note(request, await request.json())
        if isinstance(self.answer, bytes):
            return web.Response(status=self.status, body=self.answer)
        return web.json_response(self.answer, status=self.status)

    async def page(self, request: web.Request) -> web.Response:
        self._note(request, None)
        return web.json_response({"name": "A shop", "id": PAGE})

    async def apps(self, request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "4711", "subscribed_fields": list(self.fields)}]})

    async def attachments(self, request: web.Request) -> web.Response:
        self._note(request, None)
        return web.json_response(self.answer, status=self.status)

    def _note(self, request: web.Request, body: Any) -> None:
        self.asked.append((request.path, dict(request.query), request.headers.get("Authorization"), body))

    @asynccontextmanager
    async def page_channel(self) -> AsyncIterator[Channel]:
        """Serve, and yield a channel that talks to this."""
        application = web.Application()
        at = f"/v25.0/{PAGE}"
        application.add_routes(
            [
                web.post(f"{at}/messages", self.messages),
                web.get(at, self.page),
                web.get(f"{at}/subscribed_apps", self.apps),
                web.get("/v25.0/m_asked/attachments", self.attachments),
            ]
        )
        async with TestServer(application) as server:
            channel = build(
                AccountName("shop"), settings(api_url=str(server.make_url("")).rstrip("/")), HubAround().resources()
            )
            try:
                yield channel
            finally:
                await channel.close()


async def find_file(graph: Graph, place: int = 0) -> Download | bytes:
    file = Attachment(reference=f"m_asked/attachments#{place}", kind="image")
    inbound = Inbound(ChannelName("messenger"), AccountName("shop"), b"{}", a_time())
    async with graph.page_channel() as channel:
        return await channel.find_media(file, inbound)


async def test_the_address_of_a_file_is_asked_for_when_it_is_wanted_and_is_of_metas_hosts_only() -> None:
    photo = {"image_data": {"url": "https://scontent.fbcdn.net/v/photo.jpg?oe=1"}}
    report = {"file_url": "https://cdn.fbsbx.com/report.pdf", "name": "report.pdf"}
    graph = Graph(answer={"data": [photo, report]})
    found = [await find_file(graph, place) for place in (0, 1)]
    assert found == [
        Download("https://scontent.fbcdn.net/v/photo.jpg?oe=1", (".fbcdn.net", ".fbsbx.com")),
        Download("https://cdn.fbsbx.com/report.pdf", (".fbcdn.net", ".fbsbx.com")),
    ]
    assert [path for path, *_ in graph.asked] == ["/v25.0/m_asked/attachments"] * 2


@pytest.mark.parametrize(
    "graph", [Graph(answer={"data": []}), Graph(answer={"data": ["?"]}), Graph(400, {"error": {"code": 100}})]
)
async def test_a_file_that_meta_has_no_longer_is_refused(graph: Graph) -> None:
    with pytest.raises(MediaRefused):
        await find_file(graph)


async def sent_to(graph: Graph) -> Receipt:
    async with graph.page_channel() as channel:
        return await channel.send(CALL, OutId("out1"), 1, ConversationId(f"messenger:shop:{MIRA}"))


async def test_a_send_carries_our_name_and_the_proof_that_we_know_the_secret() -> None:
    graph = Graph()
    assert (await sent_to(graph)).provider_id == "m_sent"
    (path, query, authorization, body) = graph.asked[0]
    assert path == f"/v25.0/{PAGE}/messages"
    assert authorization == "Bearer EAAB-token"
    assert query == {"appsecret_proof": hmac.new(b"the app's secret", b"EAAB-token", hashlib.sha256).hexdigest()}
    assert body == {**CALL.params, "message": {"text": "Hello", "metadata": "frontdesk:out1"}}


async def test_the_typing_dots_are_shown_to_who_wrote() -> None:
    graph = Graph(answer={"recipient_id": MIRA})
    async with graph.page_channel() as channel:
        (event,) = channel.normalize(posted(message("hello")))
        await channel.show_typing(event, is_on=True)
    assert [body for *_, body in graph.asked] == [{"recipient": {"id": MIRA}, "sender_action": "typing_on"}]


def failed(code: int, subcode: int | None = None) -> bytes:
    return json.dumps({"error": {"message": "Mira ...", "code": code, "error_subcode": subcode}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, failed(10, 2018278), PermanentFailure),
        (400, failed(551, 1545041), PermanentFailure),
        (400, failed(100, 2018001), PermanentFailure),
        (400, failed(100), PermanentFailure),
        (400, failed(190, 463), AccountRefused),
        (403, failed(200), AccountRefused),
        (403, failed(10), AccountRefused),
        (400, failed(613), RateLimited),
        (429, b"", RateLimited),
        (400, failed(1200), TemporaryFailure),
        (400, failed(1, 1357046), UnknownOutcome),
        (500, failed(2), UnknownOutcome),
        (502, b"<html>", UnknownOutcome),
        (302, b"", PermanentFailure),
    ],
)
def test_each_answer_means_one_thing(status: int, body: bytes, kind: type[DeliveryError]) -> None:
    error = failure_from(status, {}, body)
    assert type(error) is kind
    assert "Mira" not in str(error)


def test_the_closed_window_is_told_apart_from_a_person_who_is_gone() -> None:
    """The person may be written to for 24 hours after their last message."""
    closed, gone = failure_from(400, {}, failed(10, 2018278)), failure_from(400, {}, failed(551))
    assert isinstance(closed, PermanentFailure)
    assert isinstance(gone, PermanentFailure)
    assert (closed.unreachable, gone.unreachable) == (False, True)
    assert closed.code == "10/2018278"
    assert "24 hours" in str(closed)


@pytest.mark.parametrize("answer", [b"<html>", {}, {"message_id": 7}])
async def test_a_success_that_cannot_be_read_is_in_doubt(answer: object) -> None:
    with pytest.raises(UnknownOutcome):
        await sent_to(Graph(200, answer))


async def test_a_refused_connection_is_certainly_not_sent(unused_tcp_port_factory: Callable[[], int]) -> None:
    address = f"http://127.0.0.1:{unused_tcp_port_factory()}"
    channel = build(AccountName("shop"), settings(api_url=address), HubAround().resources())
    with pytest.raises(TemporaryFailure):
        await channel.send(CALL, OutId("out1"), 1, ConversationId("messenger:shop:1"))
    await channel.close()


async def test_the_doctor_asks_for_the_page_its_subscription_and_our_address() -> None:
    async with Graph(fields=("messages",)).page_channel() as channel:
        page, subscription, webhook = await channel.check()
    assert (page.ok, page.detail) == (True, "the page is A shop")
    assert (subscription.ok, subscription.fix) == (False, "subscribe the page to messaging_postbacks")
    assert (webhook.ok, webhook.account) == (True, "messenger:shop")
    assert "https://desk.example/messenger/shop" in webhook.detail


@pytest.mark.parametrize(
    ("changes", "answer"),
    [({}, (200, "1158201444")), ({"hub.verify_token": "guess"}, (403, "")), ({"hub.mode": "other"}, (403, ""))],
)
async def test_the_handshake_repeats_the_challenge_to_who_knows_our_token(
    channel: Channel, changes: dict[str, str], answer: tuple[int, str]
) -> None:
    query = {"hub.mode": "subscribe", "hub.verify_token": "our choice", "hub.challenge": "1158201444"} | changes
    async with served(channel) as client:
        got = await client.get("/messenger/shop", params=query)
        assert (got.status, await got.text()) == answer


def test_the_secret_before_is_taken_while_the_secret_is_changed() -> None:
    verify_signature([signature_of(b"old", b"{}")], b"{}", [b"new", b"old"])
    for signatures in ([], [signature_of(b"new", b"{}")] * 2, [signature_of(b"other", b"{}")], ["sha1=00"]):
        with pytest.raises(InvalidSignature):
            verify_signature(signatures, b"{}", [b"new", b"old"])


def test_a_token_never_travels_in_the_clear() -> None:
    with pytest.raises(ValidationError, match="use https"):
        settings(api_url="http://graph.example")
    assert "EAAB-token" not in repr(settings())
    assert AccountSettings.model_fields["api_url"].default == "https://graph.facebook.com"
