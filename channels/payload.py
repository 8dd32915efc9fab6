"""Reading JSON that somebody else wrote: every defect ends as `MalformedPayload`, never as a crash."""

import json
import re
from typing import Any

import orjson

from core.errors import MalformedPayload

MAX_DEPTH = 32
"""Nesting that we follow (SECURITY S5); the deepest documented payload, a Slack modal, needs 15."""


LONE_SURROGATES = re.compile("[\ud800-\udfff]")


def load_object(body: bytes) -> dict[str, Any]:
    r"""Parse a JSON object; lone surrogates become U+FFFD, NUL characters are dropped.

    Raises:
        MalformedPayload: not UTF-8, not JSON, not an object, NaN or infinity in it, or deeper than `MAX_DEPTH`.

    >>> load_object(rb'{"text": "a\ud800b"}')["text"] == "a\ufffdb"
    True
    """
    value = _parse(body)
    if not isinstance(value, dict):
        raise MalformedPayload(f"a JSON object is expected, not {type(value).__name__}")
    cleaned = _clean(value, 0)
    assert isinstance(cleaned, dict)  # noqa: S101  a dict is cleaned to a dict
    return cleaned


def _parse(body: bytes) -> Any:
    try:
        return orjson.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        return _parse_leniently(body)


def _parse_leniently(body: bytes) -> Any:
    """Parse what orjson refuses and platforms really send: lone surrogates in escapes."""
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedPayload(f"not readable as JSON: {type(error).__name__}") from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _clean(value: Any, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise MalformedPayload(f"nested deeper than {MAX_DEPTH}")
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [_clean(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {clean_text(key): _clean(item, depth + 1) for key, item in value.items()}
    return value


def clean_text(text: str) -> str:
    r"""Drop NUL and replace lone surrogates: what neither UTF-8 nor BSON can hold.

    >>> clean_text("a\x00b")
    'ab'
    """
    if "\x00" in text:
        text = text.replace("\x00", "")
    return text if text.isascii() else LONE_SURROGATES.sub("\ufffd", text)
