"""The WebSocket (SEMANTICS section 2, web chat: exactly-once display; FAULTS F093, F097)."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType

from channels.web import sockets
from channels.web.limits import MESSAGES_PER_S
from channels.web.readers import MAX_READERS
from channels.web.sockets import CLOSE_TOKEN, MAX_FRAME_BYTES
from core.ids import ConversationId, OutId
from core.replies import ApiCall
from tests.unit.channels.web.fakes import SHOP, UUID_1, UUID_2, Site

ANSWER = ApiCall(method="deliver", params={"text": "Hi", "choices": []}, bucket="x")


async def frame(line: ClientWebSocketResponse, type_: str) -> dict[str, Any]:
    """Return the next frame, which has to be of this type."""
    received = await line.receive_json(timeout=5)
    assert received["type"] == type_, received
    return received


async def closed(line: ClientWebSocketResponse) -> tuple[int | None, str]:
    """Return code and reason once the server has closed."""
    received = await line.receive(timeout=5)
    assert received.type in (WSMsgType.CLOSE, WSMsgType.CLOSED), received
    return line.close_code, str(received.extra or "")


async def connected(site: Site, after: int = 0) -> tuple[ClientWebSocketResponse, dict[str, Any]]:
    session = await site.open_session()
    line = await site.socket({"token": session["token"], "after": after})
    await frame(line, "ready")
    await frame(line, "replayed")
    return line, session


async def test_hello_is_answered_with_a_renewed_token(site: Site) -> None:
    session = await site.open_session()
    site.hub.clock.advance(60)
    line = await site.socket({"token": session["token"]})
    ready = await frame(line, "ready")
    assert ready["conversation_id"] == session["conversation_id"]
    assert ready["token"] != session["token"]
    assert ready["expires_at"] > session["expires_at"]


async def test_a_message_is_journaled_before_it_is_accepted(site: Site) -> None:
    line, _ = await connected(site)
    await line.send_json({"type": "message", "id": UUID_1, "text": "Hello"})
    assert await frame(line, "accepted") == {"type": "accepted", "id": UUID_1}
    assert len(site.hub.inbox) == 1


async def test_a_message_sent_again_is_accepted_again_and_kept_once(site: Site) -> None:
    line, _ = await connected(site)
    for _ in range(2):
        await line.send_json({"type": "message", "id": UUID_1, "text": "Hello"})
        await frame(line, "accepted")
    assert len(site.hub.inbox) == 1


async def test_socket_and_http_share_the_id(site: Site) -> None:
    line, session = await connected(site)
    await line.send_json({"type": "message", "id": UUID_1, "text": "Hello"})
    await frame(line, "accepted")
    again = await site.say(session["token"], {"id": UUID_1, "text": "Hello"})
    assert (await again.json())["status"] == "duplicate"


async def test_when_the_store_is_down_the_client_keeps_its_message(site: Site) -> None:
    line, _ = await connected(site)
    site.hub.down = True
    await line.send_json({"type": "message", "id": UUID_1, "text": "Hello"})
    assert await frame(line, "try_later") == {"type": "try_later", "id": UUID_1}
    site.hub.down = False
    await line.send_json({"type": "message", "id": UUID_1, "text": "Hello"})
    await frame(line, "accepted")


async def test_a_reply_is_pushed_at_once(site: Site) -> None:
    line, session = await connected(site)
    receipt = await site.channel.send(ANSWER, OutId("o1"), 7, ConversationId(session["conversation_id"]))
    pushed = await frame(line, "message")
    assert (pushed["seq"], pushed["from"], pushed["text"], pushed["choices"]) == (7, "bot", "Hi", [])
    assert receipt.provider_id == "7"


async def test_a_reply_sent_twice_is_pushed_once(site: Site) -> None:
    line, session = await connected(site)
    conversation = ConversationId(session["conversation_id"])
    await site.channel.send(ANSWER, OutId("o1"), 1, conversation)
    await site.channel.send(ANSWER, OutId("o1"), 1, conversation)
    await site.channel.send(ANSWER, OutId("o2"), 2, conversation)
    assert [(await frame(line, "message"))["seq"] for _ in range(2)] == [1, 2]


async def test_all_tabs_of_a_visitor_get_a_reply_and_nobody_else(site: Site) -> None:
    one, session = await connected(site)
    two = await site.socket({"token": session["token"]})
    await frame(two, "ready")
    await frame(two, "replayed")
    stranger, _ = await connected(site)
    await site.channel.send(ANSWER, OutId("o1"), 1, ConversationId(session["conversation_id"]))
    await frame(one, "message")
    await frame(two, "message")
    await stranger.send_json({"type": "ping"})
    await frame(stranger, "pong")  # and no message before it


async def test_after_a_reconnect_only_what_was_missed_is_sent_in_order(site: Site) -> None:
    line, session = await connected(site)
    conversation = ConversationId(session["conversation_id"])
    await site.channel.send(ANSWER, OutId("o1"), 1, conversation)
    seen = (await frame(line, "message"))["seq"]
    await line.close()
    for seq in (2, 3):
        await site.channel.send(ANSWER, OutId(f"o{seq}"), seq, conversation)
    again = await site.socket({"token": session["token"], "after": seen})
    await frame(again, "ready")
    assert [(await frame(again, "message"))["seq"] for _ in range(2)] == [2, 3]
    assert await frame(again, "replayed") == {"type": "replayed", "seq": 3}


async def test_a_long_history_is_replayed_whole(site: Site) -> None:
    session = await site.open_session()
    for seq in range(1, 251):
        await site.hub.mailbox.deliver(session["conversation_id"], f"o{seq}", seq, {"from": "bot", "text": "x"})
    line = await site.socket({"token": session["token"], "after": 0})
    await frame(line, "ready")
    assert [(await frame(line, "message"))["seq"] for _ in range(250)] == list(range(1, 251))
    await frame(line, "replayed")


async def test_a_mailbox_that_is_down_delays_the_replay_and_loses_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site.channel._readers, "_look_every_s", 0.001)
    session = await site.open_session()
    await site.hub.mailbox.deliver(session["conversation_id"], "o1", 1, {"text": "x"})
    site.hub.mailbox.down = True
    line = await site.socket({"token": session["token"], "after": 0})
    await frame(line, "ready")
    await asyncio.wait_for(site.hub.mailbox.refused_thrice.wait(), 5)
    site.hub.mailbox.down = False
    assert (await frame(line, "message"))["seq"] == 1


@pytest.mark.parametrize("token", ["", "forged", "a.b.c"])
async def test_a_forged_token_closes_with_our_own_code(site: Site, token: str) -> None:
    assert await closed(await site.socket({"token": token})) == (CLOSE_TOKEN, "token")


async def test_an_expired_token_closes_with_our_own_code(site: Site) -> None:
    session = await site.open_session()
    site.hub.clock.advance(24 * 3600)
    assert await closed(await site.socket({"token": session["token"]})) == (CLOSE_TOKEN, "token")


@pytest.mark.parametrize(
    "first", ["", "x", "[]", '{"type":"message"}', '{"type":"hello"}', '{"type":"hello","token":"a","after":-1}']
)
async def test_whoever_does_not_say_hello_is_sent_away(site: Site, first: str) -> None:
    line = await site.socket()
    await line.send_str(first)
    assert await closed(line) == (1008, "hello_expected")


async def test_whoever_says_nothing_is_sent_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "HELLO_WITHIN_S", 0.01)
    assert await closed(await site.socket()) == (1008, "hello_expected")


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "x",
        "[]",
        "{}",
        '{"type":"other"}',
        '{"type":"message"}',
        '{"type":"message","id":"<b>","text":"x"}',
        "[" * 9000,
    ],
)
async def test_a_frame_that_cannot_be_used_is_refused_and_the_line_stays_open(site: Site, sent: str) -> None:
    line, _ = await connected(site)
    await line.send_str(sent)
    assert await frame(line, "refused") == {"type": "refused", "id": None, "reason": "malformed"}
    await line.send_json({"type": "message", "id": UUID_1, "text": "Hello"})
    await frame(line, "accepted")


async def test_a_refusal_names_the_message(site: Site) -> None:
    line, _ = await connected(site)
    await line.send_json({"type": "message", "id": UUID_1, "text": ""})
    assert (await frame(line, "refused"))["id"] == UUID_1
    assert site.hub.inbox == {}


async def test_a_frame_over_16_kib_closes_the_line(site: Site) -> None:
    line, _ = await connected(site)
    await line.send_str("x" * (MAX_FRAME_BYTES + 1))
    assert (await closed(line))[0] == 1009


async def test_the_longest_text_fits_into_a_frame(site: Site) -> None:
    line, _ = await connected(site)
    await line.send_str(json.dumps({"type": "message", "id": UUID_1, "text": "👩" * 4000}, ensure_ascii=False))
    await frame(line, "accepted")


async def test_binary_frames_close_the_line(site: Site) -> None:
    line, _ = await connected(site)
    await line.send_bytes(b"x")
    assert await closed(line) == (1003, "text_only")


async def test_more_than_five_frames_a_second_close_the_line(site: Site) -> None:
    line, _ = await connected(site)
    for n in range(int(MESSAGES_PER_S)):
        await line.send_json({"type": "message", "id": f"{UUID_1[:-1]}{n}", "text": "x"})
        await frame(line, "accepted")
    await line.send_json({"type": "message", "id": UUID_2, "text": "x"})
    assert await closed(line) == (1008, "too_fast")
    assert len(site.hub.inbox) == MESSAGES_PER_S


async def test_a_visitor_with_too_many_tabs_is_asked_to_come_later(site: Site) -> None:
    _, session = await connected(site)
    for _ in range(MAX_READERS - 1):
        await frame(await site.socket({"token": session["token"]}), "ready")
    assert await closed(await site.socket({"token": session["token"]})) == (1013, "too_many_tabs")


async def test_a_line_that_stays_open_for_long_gets_new_tokens(site: Site) -> None:
    line, _ = await connected(site)
    site.hub.clock.advance(2 * 3600)
    await line.send_json({"type": "ping"})
    await frame(line, "pong")
    token = (await frame(line, "token"))["token"]
    site.hub.clock.advance(23 * 3600)
    await frame(await site.socket({"token": token}), "ready")


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
async def test_a_foreign_site_gets_no_socket(site: Site, origin: str) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await site.socket(Origin=origin)
    assert refusal.value.status == 403


async def test_an_allowed_site_gets_a_socket(site: Site) -> None:
    session = await site.open_session()
    await frame(await site.socket({"token": session["token"]}, Origin=SHOP), "ready")


async def test_a_plain_request_is_told_that_this_is_a_socket(site: Site) -> None:
    answered = await site.http.get("/web/site/ws")
    assert answered.status == 400
    assert answered.content_type == "application/problem+json"


async def test_a_client_that_leaves_is_forgotten(site: Site) -> None:
    line, _ = await connected(site)
    assert site.channel._readers._waiting
    await line.close()
    for _ in range(1000):
        if not site.channel._sockets._open:
            break
        await asyncio.sleep(0.001)
    assert (site.channel._sockets._open, site.channel._readers._waiting) == (set(), {})


async def test_when_the_process_ends_clients_are_sent_away_to_come_back(site: Site) -> None:
    line, _ = await connected(site)
    closing = asyncio.create_task(site.channel.close())
    assert await closed(line) == (1001, "restarting")
    await closing


async def test_an_open_page_is_told_that_an_answer_is_being_made_and_others_are_not(site: Site) -> None:
    mine, theirs = await site.open_session(), await site.open_session()
    lines = [await site.socket({"token": one["token"]}) for one in (mine, theirs)]
    for line in lines:
        while (await line.receive_json())["type"] != "replayed":
            pass
    await site.say(mine["token"], {"id": UUID_1, "text": "hello"})
    (inbound,) = site.hub.inbox.values()
    (event,) = site.channel.normalize(inbound)
    for is_on in (True, False):
        await site.channel.show_typing(event, is_on=is_on)
        assert await lines[0].receive_json() == {"type": "typing", "on": is_on}
    await lines[1].send_json({"type": "ping"})
    assert await lines[1].receive_json() == {"type": "pong"}
    await lines[0].close()
    await site.channel.show_typing(event, is_on=True)
