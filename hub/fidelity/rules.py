"""What a platform would refuse: its limits asked again of finished calls, and its own library's validators."""

import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from channels.email.compose import compose
from channels.menus import is_blank
from core.errors import PermanentFailure
from core.replies import ApiCall
from hub.fidelity.platforms import Platform
from hub.fidelity.shown import Message, shown

A_DAY = datetime(2026, 1, 1, tzinfo=UTC)
"""Any date does: the mail is composed and thrown away."""


def refusals(platform: Platform, calls: Sequence[ApiCall]) -> Iterator[str]:
    """Say why the platform would not take these calls; nothing where it takes them all."""
    if platform.name == "slack":
        yield from (reason for call in calls for reason in _slack(call))
    if platform.name == "email":
        yield from (reason for call in calls for reason in _email(call))
    for message in shown(platform, calls):
        yield from _over_limits(platform, message)


def _over_limits(platform: Platform, message: Message) -> Iterator[str]:
    limits, measure = platform.limits, platform.limits.measure
    if message.used > message.limit:
        yield f"{message.used:,} {limits.text_unit.replace('_', ' ')} in one message, {message.limit:,} at most"
    if is_blank(message.text) and not message.buttons:
        yield "a message with nothing to read in it"
    for buttons, most, longest in (
        ([button for row in message.rows for button in row], limits.max_buttons, limits.max_button_label),
        (list(message.options), limits.max_options, limits.max_option_label),
    ):
        if len(buttons) > most:
            yield f"{len(buttons)} things to pick, {most} at most"
        for button in buttons:
            if not 0 < measure(button.label) <= longest:
                yield f"the label {button.label!r}, {longest} units at most"
            if limits.max_token_bytes is not None and len(button.carries.encode()) > limits.max_token_bytes:
                yield f"a button that carries {len(button.carries.encode())} bytes, {limits.max_token_bytes} at most"


def _slack(call: ApiCall) -> Iterator[str]:
    """Ask slack_sdk's models. They drop what they do not know, and say so in the log only."""
    from slack_sdk.errors import SlackObjectFormationError
    from slack_sdk.models.blocks import Block

    blocks: Any = call.params["blocks"]
    logging.getLogger("slack_sdk.models.blocks.blocks").setLevel(logging.ERROR)
    for number, block in enumerate(blocks, 1):
        try:
            parsed = Block.parse(block)
            if parsed is None:
                yield f"block {number} is of the kind {block.get('type')!r}, which Slack does not have"
            else:
                parsed.validate_json()
        except (SlackObjectFormationError, TypeError, KeyError, AttributeError) as error:
            yield f"block {number}: {error}"


def _email(call: ApiCall) -> Iterator[str]:
    try:
        compose(call.params, "preview", "example.com", A_DAY)
    except PermanentFailure as error:
        yield str(error)
