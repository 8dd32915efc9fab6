"""A reply into `chat.postMessage` calls. Pure.

Limits: CHANNELS 1.5 and the validators of slack_sdk 3.47 (`models/blocks`), which the tests ask about every call.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from channels.inbound import Pace
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
MAX_SECTION = 3_000
"""Code points of one section's text."""
MAX_BLOCKS = 50
MAX_ALL_BLOCKS = 12_000
"""Code points over all blocks of a message, and so the longest words of one: they are shown as sections.

Undocumented: msg_blocks_too_long from 13,200 (bolt-js issue 2509).
"""
MAX_BUTTONS = 25
"""Elements of one actions block."""
MAX_LABEL = 75
CHANNEL_PACE = Pace(per_s=1.0, burst=4)
"""Messages to one channel: one a second "with short bursts" (CHANNELS 1.5). How short is not said; 4 is our choice."""

ESCAPES: Mapping[str, Escape] = {"text": escape_mrkdwn, "blocks": escape_block_json}
"""Block name of a template to the escape of its variables."""

Block = dict[str, Any]


def render(reply: Reply, words: Words, address: Address) -> tuple[ApiCall, ...]:
    """Give a reply its shape: text always (notifications, screen readers), blocks to show, buttons on the last call.

    A text too long for one message becomes several; joined, their texts are the text again.

    Raises:
        ConfigError: the template's `blocks` are not a JSON list of objects.
    """
    text = words.block("text").strip() + _links(reply.attachments)
    buttons = _button_blocks(reply.choices)
    own = _own_blocks(words) if words.has("blocks") else []
    if own and len(own) + len(buttons) <= MAX_BLOCKS and _size(own) + _size(buttons) <= MAX_ALL_BLOCKS:
        return (_call(reply, address, split_mrkdwn(text, MAX_FALLBACK)[0], own + buttons),)
    if not text and not buttons:
        return ()
    messages = _messages(text, _size(buttons))
    last = len(messages) - 1
    return tuple(
        _call(reply, address, "".join(pieces), _sections(pieces) + (buttons if number == last else []))
        for number, pieces in enumerate(messages)
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
    return address["user"] if address["channel"].startswith(DIRECT_IDS) else address["channel"]


def _messages(text: str, buttons_size: int) -> list[list[str]]:
    """Put the pieces of a text into messages; the last one has room for the buttons."""
    messages: list[list[str]] = [[]]
    for piece in split_mrkdwn(text, MAX_SECTION):
        if messages[-1] and sum(map(len, messages[-1])) + len(piece) > MAX_ALL_BLOCKS:
            messages.append([])
        messages[-1].append(piece)
    if len(messages[-1]) > 1 and sum(map(len, messages[-1])) + buttons_size > MAX_ALL_BLOCKS:
        messages.append([messages[-1].pop()])
    return messages


def _sections(pieces: Sequence[str]) -> list[Block]:
    """Make a section of each piece; Slack refuses a blank one."""
    return [{"type": "section", "text": {"type": "mrkdwn", "text": piece}} for piece in pieces if piece.strip()]


def _button_blocks(choices: Sequence[Choice]) -> list[Block]:
    buttons = [_button(choice, number) for number, choice in enumerate(choices, start=1)]
    groups = [buttons[start : start + MAX_BUTTONS] for start in range(0, len(buttons), MAX_BUTTONS)]
    return [{"type": "actions", "elements": group} for group in groups]


def _button(choice: Choice, number: int) -> Block:
    label = choice.label if len(choice.label) <= MAX_LABEL else choice.label[: MAX_LABEL - 1] + "…"
    return {
        "type": "button",
        "action_id": f"choice:{number}",
        "text": {"type": "plain_text", "text": label},
        "value": choice.token,
    }


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
