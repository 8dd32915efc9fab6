"""What people see of api calls: texts, sections, buttons, and how much of a platform's limit they use."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup, escape

from channels.slack.mrkdwn import plain_text as slack_plain
from channels.telegram.markup import plain_text as telegram_plain
from core.replies import ApiCall
from hub.fidelity.markup import plain_html, slack_html, telegram_html, whatsapp_html
from hub.fidelity.platforms import Platform


@dataclass(frozen=True)
class Piece:
    """One part of a message: words, a heading, small print, a rule, an image."""

    kind: str
    """`text`, `header`, `context`, `divider`, or the platform's own name of what is not drawn here."""
    text: str = ""
    """As a reader reads it, without syntax."""
    html: Markup = field(default_factory=Markup)
    written: str = ""
    """As it is sent, which is what most platforms count."""


@dataclass(frozen=True)
class Button:
    """What can be pressed, and what it carries."""

    label: str
    carries: str


@dataclass(frozen=True)
class Message:
    """One message as its reader sees it."""

    call: ApiCall
    used: int
    """Units of the limit that the words take."""
    limit: int
    pieces: tuple[Piece, ...] = ()
    rows: tuple[tuple[Button, ...], ...] = ()
    """Buttons as they are laid out; none where there is a menu."""
    menu: str | None = None
    """What stands on a menu while it is closed."""
    options: tuple[Button, ...] = ()
    subject: str | None = None
    page: str | None = None
    """The HTML form of a mail."""

    @property
    def text(self) -> str:
        """Return all words, as they are read."""
        return "\n".join(piece.text for piece in self.pieces if piece.text)

    @property
    def buttons(self) -> tuple[Button, ...]:
        """Return everything that can be picked, in order."""
        return (*(button for row in self.rows for button in row), *self.options)


def shown(platform: Platform, calls: Sequence[ApiCall]) -> tuple[Message, ...]:
    """Return the messages of a reply in order; calls that show nothing are left out."""
    return tuple(READERS[platform.name](call, platform) for call in calls if call.role == "message")


def _message(call: ApiCall, platform: Platform, pieces: Iterable[Piece], **rest: Any) -> Message:
    parts = tuple(pieces)
    words = ((part.text if platform.limits.text_counted == "after_entities" else part.written) for part in parts)
    used = sum(map(platform.limits.measure, words))
    return Message(call=call, pieces=parts, used=used, **({"limit": platform.limits.max_text} | rest))


def _piece(kind: str, written: str, html: Callable[[str], Markup], plain: Callable[[str], str] = str) -> Piece:
    return Piece(kind, plain(written), html(written), written)


# Slack


def _slack(call: ApiCall, platform: Platform) -> Message:
    blocks: Any = call.params["blocks"]
    elements = [element for block in blocks if block["type"] == "actions" for element in block["elements"]]
    select = next((element for element in elements if element["type"] == "static_select"), None)
    buttons = tuple(_slack_button(element) for element in elements if element["type"] == "button")
    return _message(
        call,
        platform,
        (piece for block in blocks if block["type"] != "actions" for piece in _slack_pieces(block)),
        rows=(buttons,) if buttons else (),
        menu=select["placeholder"]["text"] if select else None,
        options=tuple(map(_slack_button, select["options"])) if select else (),
    )


def _slack_button(element: Mapping[str, Any]) -> Button:
    return Button(element["text"]["text"], element["value"])


def _slack_pieces(block: Mapping[str, Any]) -> list[Piece]:
    match block["type"]:
        case "section":
            texts = [*([block["text"]] if "text" in block else []), *block.get("fields", [])]
            return [_slack_piece("text", text) for text in texts]
        case "header":
            return [_slack_piece("header", block["text"])]
        case "context":
            return [_slack_piece("context", element) for element in block["elements"] if "text" in element]
    return [Piece(str(block["type"]))]


def _slack_piece(kind: str, text: Mapping[str, str]) -> Piece:
    if text["type"] == "mrkdwn":
        return _piece(kind, text["text"], slack_html, slack_plain)
    return _piece(kind, text["text"], escape)


# the others


def _telegram(call: ApiCall, platform: Platform) -> Message:
    markup: Any = call.params.get("reply_markup", {"inline_keyboard": []})
    rows = [
        tuple(Button(button["text"], button["callback_data"]) for button in row) for row in markup["inline_keyboard"]
    ]
    if "text" not in call.params:
        return _message(call, platform, (Piece(call.method),))
    said = str(call.params["text"])
    return _message(call, platform, (_piece("text", said, telegram_html, telegram_plain),), rows=tuple(rows))


def _twilio(call: ApiCall, platform: Platform) -> Message:
    return _message(call, platform, (_piece("text", str(call.params["body"]), whatsapp_html),))


def _cloud(call: ApiCall, platform: Platform) -> Message:
    content: Any = call.params[str(call.params["type"])]
    if call.params["type"] == "text":
        return _message(call, platform, (_piece("text", content["body"], whatsapp_html),))
    action = content["action"]
    buttons = tuple(
        (Button(pick["title"], pick["id"]),) for pick in (one["reply"] for one in action.get("buttons", ()))
    )
    listed = [row for section in action.get("sections", ()) for row in section["rows"]]
    return _message(
        call,
        platform,
        (_piece("text", content["body"]["text"], whatsapp_html),),
        limit=platform.limits.max_text_over_choices or platform.limits.max_text,
        rows=buttons,
        menu=action.get("button"),
        options=tuple(Button(row["title"], row["id"]) for row in listed),
    )


def _email(call: ApiCall, platform: Platform) -> Message:
    page = call.params.get("html")
    return _message(
        call,
        platform,
        (_piece("text", str(call.params["text"]), plain_html),),
        subject=str(call.params["subject"]),
        page=str(page) if page is not None else None,
    )


def _web(call: ApiCall, platform: Platform) -> Message:
    choices: Any = call.params["choices"]
    buttons = tuple(Button(choice["label"], choice["token"]) for choice in choices)
    said = str(call.params["text"])
    return _message(call, platform, (_piece("text", said, plain_html),), rows=(buttons,) if buttons else ())


READERS: Mapping[str, Callable[[ApiCall, Platform], Message]] = {
    "slack": _slack,
    "telegram": _telegram,
    "whatsapp": _twilio,
    "whatsapp-cloud": _cloud,
    "email": _email,
    "web": _web,
}
"""Each platform's calls to what its reader sees."""
