"""Replies -> Bot API calls. Limits: core.telegram.org/bots/api#sendmessage."""

from collections.abc import Mapping

from channels.inbound import Capabilities, Pace, TypingAbility
from channels.menus import fits, is_blank, numbered, one_line, short_labels
from channels.telegram.markup import escape_html, split_html
from core.events import Address, Attachment
from core.model import Json
from core.ports import Escape, Words
from core.replies import ApiCall, Choice, Reply

ESCAPES: Mapping[str, Escape] = {"text": escape_html}
"""The block `text` is Telegram's HTML."""

MAX_TEXT_UTF16_UNITS = 4096
"""After entities parsing (T12)."""
MAX_BUTTONS = 100
"""In one inline keyboard (T16)."""
MAX_CALLBACK_BYTES = 64
"""T15."""
MAX_LABEL_UNITS = 64
"""Telegram documents none; longer labels are cut by the apps. Our choice."""
PAIRED_LABEL_UNITS = 16
"""Two buttons share a row where both labels are at most this long: what a narrow phone shows whole. Our choice."""
BOT_PACE = Pace(per_s=25.0, burst=5)
"""Never more than 30 messages in a second (T22)."""
CHAT_PACE = Pace(per_s=1.0, burst=3)
"""One message a second to a chat; "we may allow short bursts" (T22, core.telegram.org/bots/faq). 3 is our choice."""
GROUP_PREFIX = "-"
"""Chat ids of groups and channels are negative."""
GROUP_PACE = Pace(per_s=15 / 60, burst=5)
"""Never more than 20 messages in a minute (T22)."""
TYPING = TypingAbility(renew_every_s=4.5)
"""A chat action shows for five seconds or less (T25)."""
CALLBACKS_BUCKET = "callbacks"
"""Answering a press is no message, so the chat's limit of one message a second (T22) does not count it."""

CAPABILITIES = Capabilities(
    max_text=MAX_TEXT_UTF16_UNITS,
    text_unit="utf16_units",
    text_counted="after_entities",
    max_buttons=MAX_BUTTONS,
    max_button_label=MAX_LABEL_UNITS,
    max_token_bytes=MAX_CALLBACK_BYTES,
    threads=True,
    unknown_sends="unprovable",
    pace=BOT_PACE,
    bucket_paces={"": CHAT_PACE, GROUP_PREFIX: GROUP_PACE},
)

FILE_METHODS: Mapping[str, tuple[str, str]] = {
    "image": ("sendPhoto", "photo"),
    "audio": ("sendAudio", "audio"),
    "voice": ("sendVoice", "voice"),
    "video": ("sendVideo", "video"),
    "sticker": ("sendSticker", "sticker"),
}
"""Kind of an attachment to the method and its parameter; all others are documents."""


def render(reply: Reply, words: Words, address: Address, limits: Capabilities = CAPABILITIES) -> tuple[ApiCall, ...]:
    """Shape a reply: the press is answered first, then come files, then the words; buttons under the last part."""
    return (*_press_answered(reply, address), *_files(reply, address), *_messages(reply, words, address, limits))


def typing(address: Address) -> dict[str, Json]:
    """Return the parameters of sendChatAction for a chat, or for one topic of a forum."""
    return {"chat_id": address["chat_id"], "action": "typing"} | _topic(address)


def _topic(address: Address) -> dict[str, Json]:
    topic = address.get("message_thread_id")
    return {} if topic is None else {"message_thread_id": int(topic)}


def _press_answered(reply: Reply, address: Address) -> tuple[ApiCall, ...]:
    """Stop the spinning of the button that was pressed: every press must be answered (T15)."""
    if (callback := address.get("callback_id")) is None:
        return ()
    return (
        ApiCall(
            method="answerCallbackQuery",
            params={"callback_query_id": callback},
            bucket=CALLBACKS_BUCKET,
            kind=reply.kind,
            role="aside",
        ),
    )


def _files(reply: Reply, address: Address) -> tuple[ApiCall, ...]:
    return tuple(_file(attachment, reply, address) for attachment in reply.attachments)


def _file(attachment: Attachment, reply: Reply, address: Address) -> ApiCall:
    method, parameter = FILE_METHODS.get(attachment.kind, ("sendDocument", "document"))
    return _call(method, {parameter: attachment.reference}, reply, address)


def _messages(reply: Reply, words: Words, address: Address, limits: Capabilities) -> tuple[ApiCall, ...]:
    text = words.block("text")
    has_buttons = 0 < len(reply.choices) <= limits.max_buttons
    is_listed = not has_buttons or is_blank(text) or not fits(reply.choices, limits.max_button_label, limits.measure)
    if reply.choices and is_listed:
        text = f"{text}\n\n{numbered(reply.choices, escape_html)}"
    parts = split_html(text, limits.max_text)
    return tuple(
        _message(
            part,
            reply,
            address,
            first=position == 0,
            keyboard=_keyboard(reply.choices, limits, is_listed=is_listed)
            if has_buttons and position == len(parts) - 1
            else None,
        )
        for position, part in enumerate(parts)
    )


def _message(part: str, reply: Reply, address: Address, *, first: bool, keyboard: list[Json] | None) -> ApiCall:
    params: dict[str, Json] = {"text": part, "parse_mode": "HTML", "link_preview_options": {"is_disabled": True}}
    if first and (answered := address.get("reply_to")):
        params["reply_parameters"] = {"message_id": int(answered), "allow_sending_without_reply": True}
    if keyboard:
        params["reply_markup"] = {"inline_keyboard": keyboard}
    return _call("sendMessage", params, reply, address)


def _call(method: str, params: dict[str, Json], reply: Reply, address: Address) -> ApiCall:
    place: dict[str, Json] = {"chat_id": int(address["chat_id"])}
    if topic := address.get("message_thread_id"):
        place["message_thread_id"] = int(topic)
    return ApiCall(method=method, params=place | params, bucket=address["chat_id"], kind=reply.kind)


def _keyboard(choices: tuple[Choice, ...], limits: Capabilities, *, is_listed: bool) -> list[Json]:
    """Lay buttons out in rows of two where both labels are short, else of one; a list in the text has the numbers."""
    whole = [one_line(choice.label) for choice in choices]
    labels = short_labels(choices, limits.max_button_label, limits.measure) if is_listed else whole
    rows: list[Json] = []
    waiting: list[Json] = []
    for choice, label in zip(choices, labels, strict=True):
        button: Json = {"text": label, "callback_data": choice.token}
        if limits.measure(label) > PAIRED_LABEL_UNITS:
            rows += [waiting, [button]] if waiting else [[button]]
            waiting = []
        elif waiting:
            rows.append([*waiting, button])
            waiting = []
        else:
            waiting = [button]
    return [*rows, waiting] if waiting else rows
