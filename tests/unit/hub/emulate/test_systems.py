"""The systems behind the bot: orders, a help desk, a language model."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from hub.emulate import helpdesk, model
from hub.emulate.faults import Fault
from hub.emulate.platforms import Platforms
from tests.unit.hub.emulate.kit import running

TICKET = {
    "external_id": "frontdesk-out-1",
    "subject": "Refund",
    "body": "Please",
    "requester": "ann@customer.example",
    "tags": ["frontdesk-out-1", "billing"],
}


@pytest.fixture
async def platforms() -> AsyncIterator[Platforms]:
    async with running() as platforms:
        yield platforms


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
        yield session


@pytest.fixture
def desk(platforms: Platforms, session: aiohttp.ClientSession) -> Any:
    async def ask(method: str, path: str, body: Any = None, token: str = helpdesk.TOKEN) -> tuple[int, Any]:
        url, headers = f"{platforms.http['helpdesk'].url}{path}", {"Authorization": f"Bearer {token}"}
        async with session.request(method, url, json=body, headers=headers) as answer:
            return answer.status, await answer.json() if answer.content_type == "application/json" else None

    return ask


async def test_a_ticket_is_created_found_commented_and_solved(desk: Any) -> None:
    status, ticket = await desk("POST", "/tickets", TICKET)
    assert (status, ticket["status"]) == (201, "open")
    assert (await desk("GET", "/tickets?tag=frontdesk-out-1"))[1]["tickets"] == [ticket]
    assert (await desk("GET", "/tickets?external_id=frontdesk-out-1"))[1]["tickets"] == [ticket]
    assert (await desk("GET", "/tickets?tag=other"))[1]["tickets"] == []
    commented = {"body": "On it", "author": "eve", "public": False}
    assert (await desk("POST", f"/tickets/{ticket['id']}/comments", commented))[0] == 201
    assert (await desk("PATCH", f"/tickets/{ticket['id']}", {"status": "solved"}))[1]["status"] == "solved"
    _, shown = await desk("GET", f"/tickets/{ticket['id']}")
    assert [comment["body"] for comment in shown["comments"]] == ["Please", "On it"]


async def test_a_ticket_that_was_created_before_the_error_is_found_and_a_repeat_makes_a_second(
    platforms: Platforms, desk: Any
) -> None:
    """F058: who does not search makes two."""
    await platforms.add_fault(Fault(platform="helpdesk", action="error", moment="after", times=1))
    assert (await desk("POST", "/tickets", TICKET))[0] == 500
    assert len((await desk("GET", "/tickets?tag=frontdesk-out-1"))[1]["tickets"]) == 1
    await desk("POST", "/tickets", TICKET)
    assert [sent.out_id for sent in platforms.ledger] == ["frontdesk-out-1"] * 2


async def test_the_help_desk_refuses_what_it_does_not_know(platforms: Platforms, desk: Any) -> None:
    await desk("POST", "/tickets", TICKET)
    assert (await desk("GET", "/tickets/7"))[0] == 404
    assert (await desk("PATCH", "/tickets/7", {"status": "solved"}))[0] == 404
    assert (await desk("POST", "/tickets/7/comments", {"body": "x"}))[0] == 404
    assert (await desk("PATCH", "/tickets/1", {"status": "eaten"}))[0] == 422
    for method, path in (("POST", "/tickets"), ("GET", "/tickets"), ("GET", "/tickets/1")):
        assert (await desk(method, path, TICKET, token="wrong"))[0] == 401
    await platforms.add_fault(Fault(platform="helpdesk", action="unauthorized", times=1))
    assert (await desk("POST", "/tickets", TICKET))[0] == 401
    await platforms.add_fault(Fault(platform="helpdesk", action="rate_limit", retry_after="3", times=1))
    assert (await desk("POST", "/tickets", TICKET))[0] == 429
    assert len(platforms.ledger) == 1


@pytest.fixture
def ask_model(platforms: Platforms, session: aiohttp.ClientSession) -> Any:
    async def ask(key: str = model.KEY) -> tuple[int, bytes, Any]:
        url, headers = f"{platforms.http['model'].url}/v1/chat/completions", {"Authorization": f"Bearer {key}"}
        body = {"model": "small", "messages": [{"role": "user", "content": "hello"}]}
        async with session.post(url, json=body, headers=headers) as answer:
            raw = await answer.read()
            return answer.status, raw, await answer.json() if raw[-1:] == b"}" else None

    return ask


async def test_the_model_gives_the_scripted_answers_in_order(platforms: Platforms, ask_model: Any) -> None:
    called = {"tool_calls": [{"id": "c1", "type": "function", "function": {"name": "refund", "arguments": "{}"}}]}
    platforms.model.script("Hello!", called)
    choices = [(await ask_model())[2]["choices"][0] for _ in range(3)]
    assert choices[0]["message"] == {"role": "assistant", "content": "Hello!"}
    assert choices[0]["finish_reason"] == "stop"
    assert choices[1]["message"]["tool_calls"] == called["tool_calls"]
    assert choices[1]["finish_reason"] == "tool_calls"
    assert choices[2]["message"]["content"] == model.NOTHING_SCRIPTED


async def test_the_model_can_be_busy_empty_and_out_of_its_mind(platforms: Platforms, ask_model: Any) -> None:
    """F057."""
    assert (await ask_model("wrong"))[0] == 401
    await platforms.add_fault(Fault(platform="model", action="rate_limit", retry_after="2", times=1))
    assert (await ask_model())[0] == 429
    await platforms.add_fault(Fault(platform="model", action="body", kind="empty", times=1))
    assert (await ask_model())[:2] == (200, b"")
    await platforms.add_fault(Fault(platform="model", action="body", kind="truncated", times=1))
    status, raw, read = await ask_model()
    assert (status, read) == (200, None)
    assert raw.startswith(b'{"id"')
    await platforms.add_fault(Fault(platform="model", action="refuse", code="context_length_exceeded", times=1))
    status, _, refused = await ask_model()
    assert (status, refused["error"]["code"]) == (400, "context_length_exceeded")


async def test_the_orders_system_knows_every_order_and_can_fail(
    platforms: Platforms, session: aiohttp.ClientSession
) -> None:
    url = f"{platforms.http['orders'].url}/orders/find"

    async def ask() -> tuple[int, Any]:
        async with session.post(url, json={"order_number": "A-1", "email": "ann@example.com"}) as answer:
            return answer.status, await answer.json()

    assert await ask() == (200, {"order_number": "A-1", "status": "processing", "expected_on": None})
    for details, status in (({"action": "unauthorized"}, 401), ({"action": "rate_limit", "retry_after": "1"}, 429)):
        await platforms.add_fault(Fault.model_validate({"platform": "orders", "times": 1, **details}))
        assert (await ask())[0] == status
