"""What Slack takes as blocks: the limits on those that a template may write. Pure.

Source: docs.slack.dev/reference/block-kit/blocks (section, header, context, image) and slack_sdk 3.47.
One block over a limit and Slack refuses the whole message with `invalid_blocks`.
"""

from typing import Any

MAX_SECTION = 3_000
"""Code points of one section's text."""
MAX_FIELDS, MAX_FIELD = 10, 2_000
MAX_HEADER = 150
MAX_ELEMENTS = 10
"""Of one context block."""
MAX_ALT, MAX_URL = 2_000, 3_000

Block = dict[str, Any]


def fits_slack(block: Block) -> bool:
    """Tell whether a block keeps the limits of its kind; kinds that no template of ours writes are not looked at.

    >>> fits_slack({"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}})
    False
    >>> fits_slack({"type": "divider"})
    True
    """
    match block.get("type"):
        case "section":
            return _is_text(block.get("text"), MAX_SECTION, is_optional="fields" in block) and _are_fields(block)
        case "header":
            return _is_text(block.get("text"), MAX_HEADER)
        case "context":
            elements = block.get("elements")
            return isinstance(elements, list) and 0 < len(elements) <= MAX_ELEMENTS and all(map(_is_element, elements))
        case "image":
            return _is_image(block)
    return True


def _is_text(text: Any, most: int, *, is_optional: bool = False) -> bool:
    """Tell whether that is a text object with something in it, and not too much."""
    if text is None:
        return is_optional
    said = text.get("text") if isinstance(text, dict) else None
    return isinstance(said, str) and bool(said.strip()) and len(said) <= most


def _are_fields(block: Block) -> bool:
    fields = block.get("fields", [])
    return (
        isinstance(fields, list) and len(fields) <= MAX_FIELDS and all(_is_text(field, MAX_FIELD) for field in fields)
    )


def _is_element(element: Any) -> bool:
    if not isinstance(element, dict):
        return False
    return _is_image(element) if element.get("type") == "image" else _is_text(element, MAX_SECTION)


def _is_image(image: Block) -> bool:
    alt, url = image.get("alt_text"), image.get("image_url", "")
    return isinstance(alt, str) and 0 < len(alt) <= MAX_ALT and isinstance(url, str) and len(url) <= MAX_URL
