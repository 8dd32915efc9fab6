"""Files from visitors: taken before the message that names them (SECURITY S11, FAULTS F079, F097)."""

import orjson
import pytest

from channels.inbound import Inbound
from channels.web.limits import UPLOADS_PER_MIN
from channels.web.payloads import MAX_FILES, JournaledFile
from channels.web.uploads import FileTokens
from core.errors import MalformedPayload, MediaRefused
from core.events import MessageReceived
from tests.unit.channels.web.fakes import SHOP, UUID_1, UUID_2, FakeHub, Site, make_channel, running

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(20)
PAGE = b"<!DOCTYPE html><script>alert(1)</script>"


async def opened(site: Site) -> str:
    return str((await site.open_session())["token"])


async def test_a_file_is_kept_and_the_message_that_names_it_carries_it(site: Site) -> None:
    token = await opened(site)
    taken = await site.upload(token, PNG, **{"Content-Type": "image/png", "X-File-Name": "the%20lid.png"})
    assert taken.status == 201
    file = (await taken.json())["file"]
    assert (await site.say(token, {"id": UUID_1, "files": [file]})).status == 202
    (inbound,) = site.hub.inbox.values()
    assert file not in inbound.body.decode(), "the proof is not kept"
    (event,) = site.channel.normalize(inbound)
    assert isinstance(event, MessageReceived)
    (attachment,) = event.attachments
    assert (attachment.kind, attachment.media_type, attachment.name) == ("image", "image/png", "the lid.png")
    assert (event.text, attachment.size_bytes) == ("", len(PNG))
    assert await site.channel.find_media(attachment, inbound) == PNG


async def test_a_text_and_files_are_one_message_over_the_socket_too(site: Site) -> None:
    token = await opened(site)
    file = (await (await site.upload(token, PNG)).json())["file"]
    line = await site.socket({"token": token})
    await line.send_json({"type": "message", "id": UUID_1, "text": "broken", "files": [file]})
    while (await line.receive_json())["type"] != "accepted":
        pass
    (inbound,) = site.hub.inbox.values()
    (event,) = site.channel.normalize(inbound)
    assert isinstance(event, MessageReceived)
    assert (event.text, len(event.attachments)) == ("broken", 1)


async def test_nobody_puts_another_visitors_file_into_a_message(site: Site) -> None:
    """IDOR: knowing a token, or the hash of a content, gives nobody the file."""
    mine, theirs = await opened(site), await opened(site)
    file = (await (await site.upload(theirs, PNG)).json())["file"]
    for forged in (file, file[:-2] + "xx", "ab" * 32):
        assert (await site.say(mine, {"id": UUID_1, "files": [forged]})).status == 400
    line = await site.socket({"token": mine})
    await line.send_json({"type": "message", "id": UUID_2, "files": [file]})
    while (answer := await line.receive_json())["type"] not in ("accepted", "refused"):
        pass
    assert (answer["type"], answer["id"]) == ("refused", UUID_2)
    assert site.hub.inbox == {}


def test_a_file_token_of_another_account_is_a_forgery() -> None:
    file = JournaledFile(sha256="ab" * 32, media_type="image/png", size_bytes=1)
    token = FileTokens(("s" * 32,), "shop").write("s1", file)
    assert FileTokens(("n" * 32, "s" * 32), "shop").read("s1", [token]) == (file,)
    for other in (FileTokens(("s" * 32,), "site"), FileTokens(("n" * 32,), "shop")):
        with pytest.raises(MalformedPayload):
            other.read("s1", [token])


@pytest.mark.parametrize(
    ("data", "headers", "status"),
    [
        (b"x" * 2001, {}, 413),
        (PAGE, {"Content-Type": "image/png"}, 415),
        (PAGE, {"Content-Type": "text/html"}, 415),
        (PNG, {"Content-Type": "application/pdf"}, 415),
        (b"", {}, 400),
    ],
)
async def test_a_file_that_is_not_kept_here_is_refused_at_once(
    site: Site, data: bytes, headers: dict[str, str], status: int
) -> None:
    """F079, S11: by its content, whatever the browser calls it."""
    assert (await site.upload(await opened(site), data, **headers)).status == status


async def test_without_a_session_or_from_a_foreign_page_nothing_is_taken(site: Site) -> None:
    token = await opened(site)
    assert (await site.http.post("/web/site/files", data=PNG)).status == 401
    assert (await site.upload(token, PNG, Origin="https://evil.example")).status == 403
    allowed = await site.upload(token, PNG, Origin=SHOP)
    assert (allowed.status, allowed.headers["Access-Control-Allow-Origin"]) == (201, SHOP)


async def test_a_session_sends_only_so_many_files_a_minute(site: Site) -> None:
    token = await opened(site)
    statuses = [(await site.upload(token, PNG)).status for _ in range(int(UPLOADS_PER_MIN) + 1)]
    assert statuses == [201] * int(UPLOADS_PER_MIN) + [429]
    assert (await site.upload(await opened(site), PNG)).status == 201


async def test_a_message_names_only_so_many_files(site: Site) -> None:
    token = await opened(site)
    file = (await (await site.upload(token, PNG)).json())["file"]
    assert (await site.say(token, {"id": UUID_1, "files": [file] * (MAX_FILES + 1)})).status == 400


async def test_an_upload_whose_time_is_over_is_expired(site: Site) -> None:
    token = await opened(site)
    file = {"sha256": "cd" * 32, "media_type": "image/png", "size_bytes": 3}
    body = orjson.dumps({"session": token.split(".")[0], "id": UUID_1, "uploaded": [file]})
    inbound = Inbound(site.channel.name, site.channel.account, body, site.hub.clock.now())
    (event,) = site.channel.normalize(inbound)
    assert isinstance(event, MessageReceived)
    with pytest.raises(MediaRefused) as refused:
        await site.channel.find_media(event.attachments[0], inbound)
    assert refused.value.state == "expired"


async def test_where_nothing_is_kept_no_file_is_taken(hub: FakeHub) -> None:
    hub.shelf = None
    async with running(hub, make_channel(hub)) as site:
        assert (await site.upload(await opened(site), PNG)).status == 404
