"""A reply into `chat.postMessage` calls. Pure.

Limits: CHANNELS 1.5 and the validators of slack_sdk 3.47 (`models/blocks`), which the tests ask about every call.
"""

import json
from collections.abc import Mapping, Sequence

from channels.inbound import Capabilities, Pace
from channels.menus import fits, is_blank, numbered, one_line, short_labels
from channels.slack.blocks import MAX_SECTION, Block, fits_slack
from channels.slack.mrkdwn import escape_block_json, escape_mrkdwn, split_mrkdwn
from channels.slack.payloads import DIRECT_IDS
from core.errors import ConfigError
from core.events import Address, Attachment
from core.model import Json
from core.ports import Escape, Words
from core.replies import ApiCall, Choice, Reply

MAX_FALLBACK = 40_000
"""Code points of `text`, which speaks where blocks cannot be shown; Slack cuts the rest.

Source: docs.slack.dev/reference/methods/chat.postMessage.
"""
MAX_BLOCKS = 50
MAX_ALL_BLOCKS = 12_000
"""Code points over all blocks of a message, and so the longest words of one: they are shown as sections.

Undocumented: msg_blocks_too_long from 13,200 (bolt-js issue 2509).
"""
MAX_BUTTONS = 25
"""Elements of one actions block; more choices become a select."""
MAX_OPTIONS = 100
"""Options of one select; more choices become a numbered list. docs.slack.dev/reference/block-kit/block-elements."""
MAX_LABEL = 75
"""Code points of a button's text and of an option's."""
CHANNEL_PACE = Pace(per_s=1.0, burst=4)
"""Messages to one channel: one a second "with short bursts" (CHANNELS 1.5). How short is not said; 4 is our choice."""

MAX_VALUE = 150
"""Characters of an option's value; of a button's 2,000. docs.slack.dev/reference/block-kit."""

CAPABILITIES = Capabilities(
    max_text=MAX_ALL_BLOCKS,  # `text` may be longer, but people are shown the blocks
    max_section=MAX_SECTION,
    max_sections=MAX_BLOCKS,
    max_fallback=MAX_FALLBACK,
    max_buttons=MAX_BUTTONS,
    max_button_label=MAX_LABEL,
    max_options=MAX_OPTIONS,
    max_option_label=MAX_LABEL,
    max_token_bytes=MAX_VALUE,
    threads=True,
    edits=True,
    unknown_sends="provable",
    bucket_paces={"": CHANNEL_PACE},
)
ESCAPES: Mapping[str, Escape] = {"text": escape_mrkdwn, "blocks": escape_block_json, "view": escape_block_json}
"""Block name of a template to the escape of its variables."""


def render(reply: Reply, words: Words, address: Address, limits: Capabilities = CAPABILITIES) -> tuple[ApiCall, ...]:
    """Give a reply its shape: text always (notifications, screen readers), blocks to show, buttons on the last call.

    A text too long for one message becomes several; joined, their texts are the text again. A template's own blocks
    give way to that plain form where Slack would refuse them or they could not show everything.

    Raises:
        ConfigError: the template's `blocks` are not a JSON list of objects.
    """
    text = words.block("text").strip() + _links(reply.attachments)
    buttons, list_of_all = _menu(reply.choices, limits, is_alone=is_blank(text))
    own = _own_blocks(words) if words.has("blocks") and not list_of_all and not reply.attachments else []
    text = f"{text}\n\n{list_of_all}".strip() if list_of_all else text
    if own and _is_allowed(own, buttons, text, limits):
        return (_call(reply, address, text, own + buttons),)
    if not text and not buttons:
        return ()
    messages = _messages(text, _size(buttons), limits)
    last = len(messages) - 1
    return tuple(
        _call(reply, address, "".join(pieces), _sections(pieces) + (buttons if number == last else []))
        for number, pieces in enumerate(messages)
    )


def _is_allowed(own: Sequence[Block], buttons: Sequence[Block], text: str, limits: Capabilities) -> bool:
    """Tell whether Slack takes blocks of a template; what it refuses would be a reply that never arrives."""
    return (
        len(own) + len(buttons) <= (limits.max_sections or 0)
        and _size(own) + _size(buttons) <= limits.max_text
        and len(text) <= (limits.max_fallback or 0)
        and all(map(fits_slack, own))
    )


def _call(reply: Reply, address: Address, text: str, blocks: Sequence[Block]) -> ApiCall:
    params: dict[str, Json] = {
        "channel": address["channel"],
        "text": text,
        "blocks": list(blocks),
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }
    if "thread_ts" in address:
        params["thread_ts"] = address["thread_ts"]
    return ApiCall(method="chat.postMessage", params=params, bucket=_bucket(address), kind=reply.kind)


def _bucket(address: Address) -> str:
    """Count direct messages by their person, whichever of the two ids the address has: they are one channel."""
    place = address["user"] if address["channel"].startswith(DIRECT_IDS) else address["channel"]
    return f"{address['installation']}:{place}" if "installation" in address else place


def _messages(text: str, buttons_size: int, limits: Capabilities) -> list[list[str]]:
    """Put the pieces of a text into messages; the last one has room for the buttons."""
    messages: list[list[str]] = [[]]
    for piece in split_mrkdwn(text, limits.max_section or limits.max_text):
        if messages[-1] and sum(map(len, messages[-1])) + len(piece) > limits.max_text:
            messages.append([])
        messages[-1].append(piece)
    if len(messages[-1]) > 1 and sum(map(len, messages[-1])) + buttons_size > limits.max_text:
        messages.append([messages[-1].pop()])
    return messages


def _sections(pieces: Sequence[str]) -> list[Block]:
    """Make a section of each piece; Slack refuses a blank one."""
    return [{"type": "section", "text": {"type": "mrkdwn", "text": piece}} for piece in pieces if piece.strip()]


def _menu(choices: Sequence[Choice], limits: Capabilities, *, is_alone: bool) -> tuple[list[Block], str]:
    """Return the blocks to pick from, and the numbered list for the text where they cannot say everything.

    They leave room for at least one section above them.
    """
    if not choices:
        return [], ""
    is_select = len(choices) > limits.max_buttons
    longest = limits.max_option_label if is_select else limits.max_button_label
    is_whole = not is_alone and fits(choices, longest)
    labels = [one_line(choice.label) for choice in choices] if is_whole else short_labels(choices, longest)
    blocks = _select(choices, labels) if is_select else _buttons(choices, labels)
    if len(choices) > limits.max_options or _size(blocks) > limits.max_text - (limits.max_section or 0):
        blocks, is_whole = [], False
    return blocks, "" if is_whole else numbered(choices, escape_mrkdwn)


def _buttons(choices: Sequence[Choice], labels: Sequence[str]) -> list[Block]:
    buttons = [
        {
            "type": "button",
            "action_id": f"choice:{number}",
            "text": {"type": "plain_text", "text": label},
            "value": choice.token,
        }
        for number, (choice, label) in enumerate(zip(choices, labels, strict=True), start=1)
    ]
    return [{"type": "actions", "elements": buttons}]


def _select(choices: Sequence[Choice], labels: Sequence[str]) -> list[Block]:
    """Make a menu that opens; what stands on it while it is closed needs no language."""
    options = [
        {"text": {"type": "plain_text", "text": label}, "value": choice.token}
        for choice, label in zip(choices, labels, strict=True)
    ]
    select = {
        "type": "static_select",
        "action_id": "choice",
        "placeholder": {"type": "plain_text", "text": f"1\u2013{len(choices)}"},
        "options": options,
    }
    return [{"type": "actions", "elements": [select]}]


def _own_blocks(words: Words) -> list[Block]:
    try:
        blocks = json.loads(words.block("blocks"))
    except ValueError as error:
        raise ConfigError(f"the blocks of a Slack template are not JSON: {error}") from error
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise ConfigError("the blocks of a Slack template are not a list of objects")
    return blocks


def _links(attachments: Sequence[Attachment]) -> str:
    """Point to files that have an address; Slack shows them by their link."""
    return "".join(
        f"\n<{_in_link(file.reference)}|{_in_link(file.name or file.reference)}>"
        for file in attachments
        if file.reference.startswith(("https://", "http://"))
    )


def _in_link(text: str) -> str:
    """Keep a text from ending the link that it stands in."""
    return escape_mrkdwn(text).replace("|", "%7C").replace("\n", " ")


def _size(blocks: Sequence[Block]) -> int:
    """Count the code points of blocks as JSON: more than Slack counts, and never less."""
    return sum(len(json.dumps(block, ensure_ascii=False)) for block in blocks)
