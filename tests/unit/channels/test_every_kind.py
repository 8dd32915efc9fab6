"""Whatever a person sends gets a defined answer on every channel, never silence and never a crash (row 5)."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from channels.email.account import AccountSettings as MailSettings
from channels.email.normalize import normalize as read_mail
from channels.inbound import Inbound
from channels.slack.normalize import normalize as read_slack
from channels.telegram.normalize import Bot
from channels.telegram.normalize import normalize as read_telegram
from channels.web.normalize import normalize as read_web
from channels.whatsapp.cloud.normalize import normalize as read_cloud
from channels.whatsapp.normalize import normalize as read_twilio
from core.events import Event, MessageReceived
from core.ids import AccountName, ChannelName
from hub.emulate import cloud, slack, twilio
from tests.conversation.telling import Talk
from tests.fakes import START
from tests.shared_files import PROJECT

VOICE, FILES = "voice_not_understood", "attachment_not_understood"
PLACE, CARD = "location_not_understood", "contact_not_understood"
STICKER, KIND, NOTHING = "sticker_not_understood", "kind_not_understood", "empty_message"
MAIL = MailSettings.model_validate({"address": "help@desk.example", "smtp_host": "127.0.0.1", "smtp_in_port": 2525})


def from_slack(*files: dict[str, Any]) -> tuple[Event, ...]:
    body = slack.message_event("Ev1", "D0ANN", "U0ANN", "1700000000.000100", "", files=files)
    return read_slack(Inbound(ChannelName("slack"), AccountName("acme"), body, START))


def from_telegram(**content: Any) -> tuple[Event, ...]:
    person = {"id": 7, "is_bot": False, "first_name": "Ann"}
    message = {"message_id": 5, "date": 1700000000, "chat": {"id": 7, "type": "private"}, "from": person, **content}
    return read_telegram(json.dumps({"update_id": 9, "message": message}).encode(), Bot(AccountName("s"), 42), START)


def from_twilio(**fields: str) -> tuple[Event, ...]:
    form = twilio.text_form("MM1", "whatsapp:+4915112345678", "") | fields
    inbound = Inbound(ChannelName("whatsapp"), AccountName("main"), urlencode(form).encode(), START)
    return read_twilio(inbound, twilio.NUMBER)


def twilio_media(media_type: str, kind: str) -> tuple[Event, ...]:
    url = f"https://api.twilio.com{twilio.ROOT}/Messages/MM1/Media/ME1"
    return from_twilio(MessageType=kind, NumMedia="1", MediaUrl0=url, MediaContentType0=media_type)


def from_meta(kind: str, content: Any = None, **more: Any) -> tuple[Event, ...]:
    message = {"id": "wamid.1", "from": "4915112345678", "timestamp": "1700000000", "type": kind, **more}
    message |= {} if content is None else {kind: content}
    metadata = {"display_phone_number": cloud.OUR_NUMBER, "phone_number_id": cloud.NUMBER_ID}
    body = cloud.webhook_body([{"messaging_product": "whatsapp", "metadata": metadata, "messages": [message]}])
    return read_cloud(Inbound(ChannelName("whatsapp"), AccountName("main"), body, START), cloud.NUMBER_ID)


def from_mail(media_type: str, disposition: str = "attachment; filename=x") -> tuple[Event, ...]:
    raw = (
        "From: ann@customer.example\r\nTo: help@desk.example\r\nMessage-ID: <1@customer.example>\r\n"
        f"MIME-Version: 1.0\r\nContent-Type: {media_type}\r\nContent-Disposition: {disposition}\r\n\r\nx\r\n"
    )
    return read_mail(raw.encode(), {}, datetime(2026, 1, 1, tzinfo=UTC), AccountName("help"), MAIL)


def from_web(media_type: str) -> tuple[Event, ...]:
    file = {"sha256": "ab" * 32, "media_type": media_type, "size_bytes": 1}
    body = {"session": "ab" * 16, "id": "11111111-1111-4111-8111-111111111111", "uploaded": [file]}
    return read_web(json.dumps(body).encode(), account=AccountName("site"), received_at=START)


FILE = {"file_id": "f"}
POINT = {"latitude": 1.0, "longitude": 2.0}
PHONE = {"phone_number": "+49301", "first_name": "Ola"}
CASES: dict[str, tuple[tuple[Event, ...], str]] = {
    "slack voice": (from_slack({"id": "F1", "mimetype": "audio/mp4", "subtype": "slack_audio"}), VOICE),
    "slack audio": (from_slack({"id": "F1", "mimetype": "audio/mpeg"}), VOICE),
    "slack video": (from_slack({"id": "F1", "mimetype": "video/mp4"}), FILES),
    "slack picture": (from_slack({"id": "F1", "mimetype": "image/png"}), FILES),
    "slack file of unknown type": (from_slack({"id": "F1"}), FILES),
    "slack stub of Slack Connect, S15": (from_slack({"id": "F1", "file_access": "check_file_info"}), FILES),
    "telegram voice": (from_telegram(voice=FILE), VOICE),
    "telegram audio": (from_telegram(audio=FILE), VOICE),
    "telegram video": (from_telegram(video=FILE), FILES),
    "telegram video note": (from_telegram(video_note=FILE), FILES),
    "telegram photo": (from_telegram(photo=[FILE]), FILES),
    "telegram document": (from_telegram(document=FILE), FILES),
    "telegram sticker": (from_telegram(sticker=FILE), STICKER),
    "telegram location": (from_telegram(location=POINT), PLACE),
    "telegram live location": (from_telegram(location=POINT | {"live_period": 60}), PLACE),
    "telegram venue": (from_telegram(location=POINT, venue={"title": "Shop", "address": "1 Way"}), PLACE),
    "telegram contact": (from_telegram(contact=PHONE), CARD),
    "telegram dice": (from_telegram(dice={"emoji": "x", "value": 1}), KIND),
    "telegram poll of an older version, T8": (from_telegram(poll={"id": "1", "question": "?"}), KIND),
    "telegram paid media": (from_telegram(paid_media={"star_count": 1}), KIND),
    "telegram story": (from_telegram(story={"id": 1}), KIND),
    "telegram kind of a newer version, T7": (from_telegram(hologram={"file_id": "f"}), KIND),
    "twilio voice": (twilio_media("audio/ogg", "audio"), VOICE),
    "twilio picture": (twilio_media("image/jpeg", "image"), FILES),
    "twilio video": (twilio_media("video/mp4", "video"), FILES),
    "twilio document": (twilio_media("application/pdf", "document"), FILES),
    "twilio sticker": (twilio_media("image/webp", "sticker"), STICKER),
    "twilio contact": (twilio_media("text/vcard", "contacts"), CARD),
    "twilio location": (from_twilio(MessageType="location", Latitude="1.0", Longitude="2.0"), PLACE),
    "twilio what it cannot carry": (from_twilio(MessageType="unsupported"), KIND),
    "twilio kind of a newer version, W2": (from_twilio(MessageType="hologram"), KIND),
    "twilio nothing, W12": (from_twilio(), NOTHING),
    "meta voice": (from_meta("audio", {"id": "1", "voice": True}), VOICE),
    "meta audio": (from_meta("audio", {"id": "1"}), VOICE),
    "meta picture": (from_meta("image", {"id": "1"}), FILES),
    "meta video": (from_meta("video", {"id": "1"}), FILES),
    "meta document": (from_meta("document", {"id": "1", "filename": "x.pdf"}), FILES),
    "meta sticker": (from_meta("sticker", {"id": "1"}), STICKER),
    "meta location": (from_meta("location", POINT), PLACE),
    "meta contact": (from_meta("contacts", [{"name": {"formatted_name": "Ola"}, "phones": [{"phone": "1"}]}]), CARD),
    "meta order": (from_meta("order", {"catalog_id": "1", "product_items": []}), KIND),
    "meta unsupported": (from_meta("unsupported", errors=[{"code": 131051}]), KIND),
    "meta kind of a newer version": (from_meta("hologram", {"id": "1"}), KIND),
    "mail with a picture": (from_mail("image/png"), FILES),
    "mail with a recording": (from_mail("audio/mpeg"), VOICE),
    "mail with a file of unknown type": (from_mail("application/x-hologram"), FILES),
    "web picture": (from_web("image/png"), FILES),
    "web recording": (from_web("audio/ogg"), VOICE),
    "web document": (from_web("application/pdf"), FILES),
}


@pytest.mark.parametrize("case", CASES)
def test_every_kind_gets_its_answer(case: str) -> None:
    events, template = CASES[case]
    (event,) = events
    assert isinstance(event, MessageReceived)
    turn = Talk().take(event)
    assert [reply.template for reply in turn.replies] == [template]
    assert turn.replies[0].choices, "and a way to go on"


def test_every_answer_has_words() -> None:
    for template in {template for _, template in CASES.values()}:
        assert Path(PROJECT / "templates" / "default" / f"{template}.j2").is_file()


@pytest.mark.parametrize(
    "notice",
    [
        {"pinned_message": {"message_id": 1}},
        {"message_auto_delete_timer_changed": {}},
        {"chat_background_set": {}},
        {"write_access_allowed": {}},
        {"gift": {}},
        {"forward_origin": {}, "via_bot": {}},
    ],
)
def test_a_notice_of_telegram_is_nothing_that_somebody_says(notice: dict[str, Any]) -> None:
    """T7: most kinds of update are no message of a person."""
    assert from_telegram(**notice) == ()


def test_a_new_field_beside_words_is_no_content() -> None:
    (event,) = from_telegram(text="where is my order", brand_new_envelope_field=1)
    assert isinstance(event, MessageReceived)
    assert (event.text, event.attachments) == ("where is my order", ())


def test_a_live_location_that_moves_is_not_answered_again() -> None:
    """T20: it moves by edits without words."""
    body = (PROJECT / "tests/fixtures/payloads/telegram/live_location_moved.json").read_bytes()
    assert read_telegram(body, Bot(AccountName("s"), 42), START) == ()
