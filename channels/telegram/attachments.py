"""What hangs on a message: a `file_id` and what Telegram says about it. Never a URL: those hold the token (T21)."""

from channels.telegram.payloads import Contact, File, Location, Message, Venue
from core.events import Attachment
from core.model import Json

SHOWN_AS_OTHER = frozenset(
    {"checklist", "dice", "game", "giveaway", "giveaway_winners", "invoice", "live_photo", "paid_media"}
    | {"passport_data", "poll", "rich_message", "story"}
)
"""Contents that a person may send and that we do not read; they get an answer, not silence."""
NO_CONTENT = frozenset(
    # said about a message
    {"author_signature", "business_connection_id", "direct_messages_topic", "effect_id", "external_reply"}
    | {"forward_origin", "guest_bot_caller_chat", "guest_bot_caller_user", "guest_query_id", "has_media_spoiler"}
    | {"has_protected_content", "is_automatic_forward", "is_from_offline", "is_paid_post", "link_preview_options"}
    | {"paid_star_count", "quote", "reply_to_checklist_task_id", "reply_to_poll_option_id", "reply_to_story"}
    | {"sender_boost_count", "sender_business_bot", "sender_tag", "show_caption_above_media", "suggested_post_info"}
    | {"via_bot", "forward_from", "forward_from_chat", "forward_from_message_id", "forward_signature", "forward_date"}
    | {"forward_sender_name"}
    # notices of something that happened
    | {"boost_added", "channel_chat_created", "chat_background_set", "chat_owner_changed", "chat_owner_left"}
    | {"chat_shared", "checklist_tasks_added", "checklist_tasks_done", "connected_website", "delete_chat_photo"}
    | {"direct_message_price_changed", "forum_topic_closed", "forum_topic_created", "forum_topic_edited"}
    | {"forum_topic_reopened", "general_forum_topic_hidden", "general_forum_topic_unhidden", "gift"}
    | {"gift_upgrade_sent", "giveaway_completed", "giveaway_created", "group_chat_created", "managed_bot_created"}
    | {"message_auto_delete_timer_changed", "migrate_from_chat_id", "migrate_to_chat_id", "new_chat_photo"}
    | {"new_chat_title", "paid_message_price_changed", "pinned_message", "poll_option_added", "poll_option_deleted"}
    | {"proximity_alert_triggered", "refunded_payment", "successful_payment", "suggested_post_approval_failed"}
    | {"suggested_post_approved", "suggested_post_declined", "suggested_post_paid", "suggested_post_refunded"}
    | {"supergroup_chat_created", "unique_gift", "user_shared", "users_shared", "video_chat_ended"}
    | {"video_chat_participants_invited", "video_chat_scheduled", "video_chat_started", "voice_chat_ended"}
    | {"voice_chat_participants_invited", "voice_chat_scheduled", "voice_chat_started", "web_app_data"}
    | {"write_access_allowed", "new_chat_member", "new_chat_participant", "left_chat_participant"}
)
"""Fields of a message in Bot API 10.1, and of older ones, that are nothing a person says. A field that is in no list is
of a newer version: where a message has nothing else, it is a content that we do not know yet."""


def attachments_of(message: Message) -> tuple[Attachment, ...]:
    """Return the attachments of a message; an animation is sent as a document too and counts once."""
    files = (
        *((_file(message.photo[-1], "image", message),) if message.photo else ()),
        *_present(message.animation, "video", message),
        *(() if message.animation else _present(message.document, "file", message)),
        *_present(message.voice, "voice", message),
        *_present(message.audio, "audio", message),
        *_present(message.video, "video", message),
        *_present(message.video_note, "video", message),
        *_present(message.sticker, "sticker", message),
    )
    places = (_place(message.location, message.venue),) if message.location else ()
    cards = (_card(message.contact),) if message.contact else ()
    known = (*files, *places, *cards)
    others = message.other_fields & SHOWN_AS_OTHER
    if not known and not message.words:
        others = message.other_fields - NO_CONTENT
    return (*known, *(Attachment(reference=name, kind="other") for name in sorted(others)))


def _present(file: File | None, kind: str, message: Message) -> tuple[Attachment, ...]:
    return (_file(file, kind, message),) if file else ()


def _file(file: File, kind: str, message: Message) -> Attachment:
    facts = {"duration_s": file.duration, "emoji": file.emoji, "media_group_id": message.media_group_id}
    return Attachment.model_validate(
        {
            "reference": file.file_id,
            "kind": kind,
            "media_type": file.mime_type,
            "name": file.file_name,
            "size_bytes": file.file_size,
            "details": {name: value for name, value in facts.items() if value is not None},
        }
    )


def _place(location: Location, venue: Venue | None) -> Attachment:
    details: dict[str, Json] = {"latitude": location.latitude, "longitude": location.longitude}
    if location.live_period is not None:
        details["live_period_s"] = location.live_period
    if venue is not None:
        details |= {"title": venue.title, "address": venue.address}
    return Attachment(reference=f"geo:{location.latitude},{location.longitude}", kind="location", details=details)


def _card(contact: Contact) -> Attachment:
    name = " ".join(part for part in (contact.first_name, contact.last_name) if part)
    details: dict[str, Json] = {"phone_number": contact.phone_number, "name": name}
    if contact.user_id is not None:
        details["user_id"] = str(contact.user_id)
    return Attachment(reference=f"tel:{contact.phone_number}", kind="contact", name=name or None, details=details)
