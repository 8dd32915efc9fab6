"""The shelf: judged by content, kept once, and a visible state for everything else (SECURITY S11, F079)."""

import json
import zipfile
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from core.errors import MediaRefused
from core.events import Attachment
from core.inbox import InboxRow
from core.media import LARGEST_KEPT_BYTES, MediaFile, MediaPolicy, media_name
from core.store.memory import MemoryStore
from hub.emulate import cloud, slack
from hub.emulate.platforms import Platforms
from hub.mailbox import StoreMailbox
from hub.media.download import Downloader
from hub.media.kinds import agrees, kind_of
from hub.media.links import GOOD_FOR, Links
from hub.media.shelf import Shelf
from hub.settings import load_settings
from hub.telemetry import LogNames, Metrics
from hub.wiring import build_channels, build_shelf
from tests.factories import FAKE, ONE, FakeChannel
from tests.fakes import START, FakeClock
from tests.unit.hub.emulate.kit import running

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(20)
OGG = b"OggS\x00\x02" + bytes(60)
PDF = b"%PDF-1.7\n" + bytes(20)
SVG = b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
PAGE = b"<!DOCTYPE html><html><title>Sign in</title></html>"
EICAR = b"MZ" + bytes(100)
ROW = "fake:m1"


def zipped(*names: str) -> bytes:
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            archive.writestr(name, "x" * 100)
    return content.getvalue()


def row(channel: str, account: str, body: bytes, name: str = ROW, **changes: Any) -> InboxRow:
    fields = {"id": name, "channel": channel, "account": account, "body": body, "received_at": START}
    return InboxRow.model_validate(fields | {"node": "a", "n": 1} | changes)


class Bench:
    """A shelf before a channel whose files are what the test says."""

    def __init__(self, policy: MediaPolicy | None = None) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(self.clock)
        self.channel = FakeChannel()
        self.metrics = Metrics()
        channels = {"fake:one": self.channel}
        names = LogNames(b"k")
        self.shelf = Shelf(self.store, channels, Downloader(), policy or MediaPolicy(), self.clock, self.metrics, names)

    async def sent(self, data: bytes | None, **attachment: Any) -> None:
        """Have a message with one file in the inbox."""
        file = Attachment.model_validate({"reference": "f1"} | attachment)
        body = json.dumps({"id": "m1", "thread": "t1", "text": "", "files": [file.model_dump(mode="json")]})
        await self.store.insert_inbox([row(FAKE, ONE, body.encode())])
        if data is not None:
            self.channel.files["f1"] = data

    async def refusal(self) -> MediaRefused:
        with pytest.raises(MediaRefused) as refused:
            await self.shelf.fetch(ROW, 0)
        return refused.value

    async def state(self) -> str | None:
        notes = await self.store.media_notes([media_name(ROW, 0)])
        return notes[0].state if notes else None


async def test_a_file_is_fetched_when_somebody_asks_and_kept_for_the_next() -> None:
    bench = Bench()
    await bench.sent(PNG, media_type="image/png")
    assert await bench.state() is None, "lazily"
    file = await bench.shelf.fetch(ROW, 0)
    assert (file.media_type, file.data, file.until) == ("image/png", PNG, START + timedelta(days=90))
    assert await bench.state() == "kept"
    bench.channel.files.clear()
    assert await bench.shelf.fetch(ROW, 0) == file, "its address may have expired since"


async def test_one_content_is_kept_once_and_as_long_as_the_latest_wants() -> None:
    bench = Bench()
    first = await bench.shelf.keep(PNG, None)
    bench.clock.advance(3600)
    again = await bench.shelf.keep(PNG, None)
    assert first.sha256 == again.sha256
    kept = await bench.shelf.kept(first.sha256)
    assert kept is not None
    assert kept.until == again.until > first.until


@pytest.mark.parametrize(
    ("data", "claimed", "state"),
    [
        (SVG, "image/svg+xml", "wrong_type"),
        (SVG, "image/png", "wrong_type"),
        (PAGE, "text/html", "wrong_type"),
        (b"  <script>x</script>", "text/plain", "wrong_type"),
        (EICAR, "application/octet-stream", "wrong_type"),
        (zipped("a.txt"), "application/zip", "wrong_type"),
        (zipped("../evil", "nested.zip"), "application/zip", "wrong_type"),
        (PDF, "image/png", "wrong_type"),
        (PNG, "application/pdf", "wrong_type"),
        (b"\x00\x01\x02" * 10, None, "wrong_type"),
        (b"x" * 2001, "text/plain", "too_big"),
    ],
)
async def test_a_file_that_the_policy_does_not_let_in_is_not_kept_and_everybody_sees_why(
    data: bytes, claimed: str | None, state: str
) -> None:
    """F079, S11: by its content, compared with the claim; nothing is unpacked."""
    bench = Bench(MediaPolicy(max_bytes=2000))
    await bench.sent(data, media_type=claimed)
    assert (await bench.refusal()).state == state
    assert await bench.state() == state
    assert bench.store._media == {}


async def test_the_login_page_that_slack_gives_instead_of_a_file_is_not_taken_for_the_file() -> None:
    """S15: an HTML page with HTTP 200 when the token is wrong."""
    bench = Bench(MediaPolicy(types=("text/html", "application/pdf")))
    await bench.sent(PAGE, media_type="application/pdf")
    assert (await bench.refusal()).state == "wrong_type"


async def test_a_file_that_says_it_is_too_big_is_not_even_fetched() -> None:
    """T21: the platform tells the size before."""
    bench = Bench()
    await bench.sent(None, size_bytes=21 * 1024 * 1024)
    assert (await bench.refusal()).state == "too_big"


async def test_a_file_that_is_gone_is_expired_and_may_be_asked_for_again() -> None:
    bench = Bench()
    await bench.sent(None)
    assert (await bench.refusal()).state == "expired"
    bench.channel.files["f1"] = PNG
    assert (await bench.shelf.fetch(ROW, 0)).data == PNG
    assert await bench.state() == "kept"


@pytest.mark.parametrize("kind", ["location", "contact", "other"])
async def test_what_is_no_file_says_so(kind: str) -> None:
    bench = Bench()
    await bench.sent(None, kind=kind)
    assert (await bench.refusal()).state == "refused"


async def test_nobody_gets_a_file_of_a_message_that_is_not_there() -> None:
    bench = Bench()
    assert (await bench.refusal()).state == "expired"
    await bench.sent(PNG)
    for number in (1, -1):
        with pytest.raises(MediaRefused, match="no such attachment"):
            await bench.shelf.fetch(ROW, number)


async def test_an_account_that_is_off_can_be_asked_later() -> None:
    bench = Bench()
    await bench.store.insert_inbox([row("fake", "two", b"{}")])
    assert (await bench.refusal()).state == "unavailable"


def test_a_policy_cannot_ask_for_more_than_a_document_holds() -> None:
    with pytest.raises(ValueError, match="less than or equal"):
        MediaPolicy(max_bytes=LARGEST_KEPT_BYTES + 1)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0" + bytes(20), "image/jpeg"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 " + bytes(20), "image/webp"),
        (OGG, "audio/ogg"),
        (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + bytes(20), "video/mp4"),
        (PDF, "application/pdf"),
        (b"a;b\n1;2\n", "text/plain"),
        (b"\xef\xbb\xbfhello", "text/plain"),
        (b"<3 love", "text/plain"),
        (b"", "text/plain"),
    ],
)
def test_a_content_tells_its_type(data: bytes, kind: str) -> None:
    assert kind_of(data) == kind


@pytest.mark.parametrize(
    ("claimed", "found", "is_so"),
    [
        ("text/csv", "text/plain", True),
        ("application/json", "text/plain", True),
        ("audio/ogg", "video/webm", True),
        ("image/png", "text/plain", False),
        ("application/pdf", "text/plain", False),
        ("audio/ogg; codecs=opus", "audio/ogg", True),
    ],
)
def test_a_claim_is_compared_by_family(claimed: str, found: str, is_so: bool) -> None:
    assert agrees(claimed, found) is is_so


# --- each platform's way to hand a file over, against its stand-in ----------------------------------------------------


def settings_for(platforms: Platforms, tmp_path: Path) -> Any:
    return load_settings(environ=platforms.environment() | {"FRONTDESK_DATA": str(tmp_path)})


async def fetched(platforms: Platforms, tmp_path: Path, *rows: InboxRow) -> MediaFile | MediaRefused:
    """Build the channels as a hub does and fetch the first attachment of the first row."""
    clock = FakeClock()
    store = MemoryStore(clock)
    settings = settings_for(platforms, tmp_path)

    async def accept(_: object) -> Any:
        raise AssertionError("nothing comes in here")

    channels = build_channels(settings, accept, StoreMailbox(store, clock), clock)
    shelf = build_shelf(settings, store, channels, clock, Metrics())
    await store.insert_inbox(list(rows))
    try:
        return await shelf.fetch(rows[0].id, 0)
    except MediaRefused as refusal:
        return refusal
    finally:
        await shelf.downloader.close()
        for channel in channels.values():
            await channel.close()


async def test_slack_hands_a_file_over_by_its_id_and_our_token(tmp_path: Path) -> None:
    """S15: the address is asked for anew, so what the event said of it does not matter."""
    async with running() as platforms:
        name = platforms.slack.files.add(PNG, "image/png")
        files = [{"id": name, "mimetype": "image/png", "url_private_download": "https://evil.example/steal"}]
        event = slack.message_event("Ev1", "D0ANN", "U0ANN", "1700000000.000100", "", files=files)
        found = await fetched(platforms, tmp_path, row("slack", "acme", event))
        assert isinstance(found, MediaFile)
        assert found.data == PNG
        platforms.slack.files.forget(name)
        gone = await fetched(platforms, tmp_path, row("slack", "acme", event))
        assert isinstance(gone, MediaRefused)
        assert gone.state == "expired"


@pytest.mark.parametrize(("size", "state"), [(20 * 1024 * 1024 + 1, "too_big"), (None, "expired")])
async def test_telegram_hands_a_file_over_by_its_id_up_to_20_mb(tmp_path: Path, size: int | None, state: str) -> None:
    """T21."""
    async with running() as platforms:
        name = platforms.telegram.files.add(OGG, "audio/ogg")
        found = await fetched(platforms, tmp_path, row("telegram", "support", voice_update(name)))
        assert isinstance(found, MediaFile)
        assert (found.data, found.media_type) == (OGG, "audio/ogg")
        other = platforms.telegram.files.add(bytes(size), "audio/ogg") if size else "gone"
        refused = await fetched(platforms, tmp_path, row("telegram", "support", voice_update(other)))
        assert isinstance(refused, MediaRefused)
        assert refused.state == state


def voice_update(file_id: str) -> bytes:
    message = {"message_id": 5, "date": 1700000000, "chat": {"id": 7, "type": "private"}}
    message |= {"from": {"id": 7, "is_bot": False, "first_name": "Ann"}, "voice": {"file_id": file_id, "duration": 3}}
    return json.dumps({"update_id": 9, "message": message}).encode()


async def test_twilio_hands_media_over_to_our_credentials_behind_a_redirect(tmp_path: Path) -> None:
    """W9."""
    from urllib.parse import urlencode

    from hub.emulate import twilio

    async with running() as platforms:
        name = platforms.twilio.files.add(PNG, "image/png")
        form = twilio.text_form("MM1", "whatsapp:+4915112345678", "") | {"NumMedia": "1", "MessageType": "image"}
        url = f"{platforms.http['whatsapp'].url}{twilio.ROOT}/Messages/MM1/Media/{name}"
        body = urlencode(form | {"MediaUrl0": url, "MediaContentType0": "image/png"}).encode()
        found = await fetched(platforms, tmp_path, row("whatsapp", "main", body))
        assert isinstance(found, MediaFile)
        assert found.data == PNG
        for elsewhere in ("http://169.254.169.254/latest", "https://api.twilio.com.evil.example/x"):
            forged = urlencode(form | {"MediaUrl0": elsewhere, "MediaContentType0": "image/png"}).encode()
            refused = await fetched(platforms, tmp_path, row("whatsapp", "main", forged))
            assert isinstance(refused, MediaRefused)
            assert refused.state == "refused"


async def test_meta_hands_media_over_by_its_id(tmp_path: Path) -> None:
    """CHANNELS 3.3: id, then an address for five minutes that wants our token; so it is asked for each time."""
    from tests.unit.hub.emulate.kit import QuickWorld

    async with Platforms(QuickWorld(), whatsapp_by="cloud") as platforms:
        name = platforms.cloud.files.add(OGG, "audio/ogg")
        audio = {"id": name, "mime_type": "audio/ogg; codecs=opus", "voice": True}
        message = {"id": "wamid.1", "from": "4915112345678", "timestamp": "1700000000", "type": "audio", "audio": audio}
        metadata = {"display_phone_number": cloud.OUR_NUMBER, "phone_number_id": cloud.NUMBER_ID}
        body = cloud.webhook_body([{"messaging_product": "whatsapp", "metadata": metadata, "messages": [message]}])
        found = await fetched(platforms, tmp_path, row("whatsapp", "main", body))
        assert isinstance(found, MediaFile)
        assert (found.data, found.media_type) == (OGG, "audio/ogg")
        platforms.cloud.files.forget(name)
        gone = await fetched(platforms, tmp_path, row("whatsapp", "main", body))
        assert isinstance(gone, MediaRefused)
        assert gone.state == "expired"


async def test_a_file_of_a_mail_comes_out_of_the_mail(tmp_path: Path) -> None:
    mail = Path("tests/fixtures/payloads/email/attachments.eml").read_bytes()
    async with running() as platforms:
        found = await fetched(platforms, tmp_path, row("email", "help", mail))
    assert isinstance(found, MediaFile)
    assert found.data


# --- handing it to an agent -------------------------------------------------------------------------------------------


async def test_an_agent_gets_a_file_to_save_and_no_browser_opens_it() -> None:
    """S11: attachment, nosniff, sandbox, a name of ours."""
    bench = Bench()
    file = await bench.shelf.keep(PDF, None)
    links = Links(b"key", bench.shelf, bench.clock)
    application = web.Application()
    application.add_routes(links.routes())
    async with TestClient(TestServer(application)) as http:
        answer = await http.get(links.link("", file.sha256))
        assert (answer.status, await answer.read()) == (200, PDF)
        headers = answer.headers
        assert headers["Content-Disposition"] == f'attachment; filename="{file.sha256[:16]}.pdf"'
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert headers["Cache-Control"] == "private, no-store"


async def test_a_link_is_good_for_one_file_and_ten_minutes() -> None:
    bench = Bench()
    file, other = await bench.shelf.keep(PDF, None), await bench.shelf.keep(PNG, None)
    links = Links(b"key", bench.shelf, bench.clock)
    link = links.link("", file.sha256)
    application = web.Application()
    application.add_routes(links.routes())
    async with TestClient(TestServer(application)) as http:
        forged = [
            f"/media/{file.sha256}",
            link.replace(file.sha256, other.sha256),
            link.replace("until=1", "until=9"),
            link[:-1] + ("0" if link[-1] != "0" else "1"),
            Links(b"another key", bench.shelf, bench.clock).link("", file.sha256),
            links.link("", "../../etc/passwd"),
        ]
        assert {(await http.get(one)).status for one in forged} == {404}
        bench.clock.advance(GOOD_FOR.total_seconds())
        assert (await http.get(link)).status == 404
