"""Platforms' own descriptions of their calls, in `../shared/specs`, asked about what is rendered.

Slack describes its Web API as Swagger (frozen in 2021; blocks are asked of slack_sdk), Twilio its REST API as OpenAPI,
Telegram its Bot API as prose of which others made both an OpenAPI document with limits (8.1) and a list of types
(10.1). Meta publishes none for the Cloud API, so there the limits are held by `test_every_reply.py` and the stand-in.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator
from slack_sdk.models.blocks import Block

from channels.telegram.markup import plain_text
from core.replies import ApiCall
from tests.shared_files import shared_folder

Schema = dict[str, Any]
TWILIO_MESSAGES = "/2010-04-01/Accounts/{AccountSid}/Messages.json"
PRIMITIVES = {"String": "string", "Integer": "integer", "Boolean": "boolean", "Float": "number", "True": "boolean"}


def faults(channel: str, call: ApiCall) -> list[str]:
    """Return what a platform's description says against a call; nothing for platforms that publish none."""
    return list(ASKED[channel](call)) if channel in ASKED else []


def _told(validator: Validator, params: Mapping[str, Any]) -> Iterator[str]:
    for error in validator.iter_errors(dict(params)):
        yield f"{'.'.join(map(str, error.absolute_path)) or 'call'}: {error.message[:300]}"


@cache
def _file(name: str) -> Any:
    return json.loads((_folder() / name).read_bytes())


def _folder() -> Path:
    return shared_folder("specs")


# Slack


def _slack(call: ApiCall) -> Iterator[str]:
    as_sent = {
        name: json.dumps(value) if isinstance(value, list | dict) else value for name, value in call.params.items()
    }
    yield from _told(_slack_method(call.method), as_sent)
    blocks: Any = call.params["blocks"]
    known = [block for block in Block.parse_all(blocks) if block is not None]
    if len(known) != len(blocks):
        yield "a block of a kind that slack_sdk does not know"
    for block in known:
        block.validate_json()


@cache
def _slack_method(method: str) -> Validator:
    described = _file("slack/slack_web_openapi_v2_without_examples.json")["paths"][f"/{method}"]["post"]["parameters"]
    fields = {field["name"]: {"type": field["type"]} for field in described if field["in"] == "formData"}
    required = [field["name"] for field in described if field["in"] == "formData" and field.get("required")]
    return _strict({"type": "object", "properties": fields, "required": required})


def _strict(schema: Schema, **rest: Any) -> Validator:
    return Draft202012Validator({**schema, "additionalProperties": False, **rest})


# Telegram


def _telegram(call: ApiCall) -> Iterator[str]:
    """Ask both documents; a text counts "after entities parsing", so the first sees it as it is read."""
    text = call.params.get("text")
    as_read = {**call.params, "text": plain_text(text)} if isinstance(text, str) else call.params
    yield from _told(_telegram_with_limits(call.method), as_read)
    yield from _told(_telegram_of_today(call.method), call.params)


@cache
def _telegram_with_limits(method: str) -> Validator:
    document = _file("telegram_openapi.json")
    content = document["paths"][f"/{method}"]["post"]["requestBody"]["content"]
    return _strict(next(iter(content.values()))["schema"], components=document["components"])


@cache
def _telegram_of_today(method: str) -> Validator:
    document = _file("telegram_bot_api_10.1.json")
    types = {name: _telegram_type(described) for name, described in document["types"].items()}
    return Draft202012Validator({**_telegram_type(document["methods"][method]), "types": types})


def _telegram_type(described: Mapping[str, Any]) -> Schema:
    if subtypes := described.get("subtypes"):
        return {"anyOf": [_telegram_value(name) for name in subtypes]}
    fields = described.get("fields", [])
    return {
        "type": "object",
        "properties": {
            field["name"]: {"anyOf": [_telegram_value(name) for name in field["types"]]} for field in fields
        },
        "required": [field["name"] for field in fields if field["required"]],
        "additionalProperties": False,
    }


def _telegram_value(name: str) -> Schema:
    if name.startswith("Array of "):
        return {"type": "array", "items": _telegram_value(name.removeprefix("Array of "))}
    return {"type": PRIMITIVES[name]} if name in PRIMITIVES else {"$ref": f"#/types/{name}"}


# Twilio


def _twilio(call: ApiCall) -> Iterator[str]:
    """Ask about the fields as the SDK writes them: `messaging_service_sid` as `MessagingServiceSid`."""
    yield from _told(_twilio_messages(), {_camel(name): value for name, value in call.params.items()})


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in re.findall("[a-z]+", name))


@cache
def _twilio_messages() -> Validator:
    document = _file("twilio_api_v2010.json")
    content = document["paths"][TWILIO_MESSAGES]["post"]["requestBody"]["content"]
    return _strict(content["application/x-www-form-urlencoded"]["schema"], components=document["components"])


ASKED: Mapping[str, Callable[[ApiCall], Iterator[str]]] = {"slack": _slack, "telegram": _telegram, "whatsapp": _twilio}
"""By channel class; the Cloud API, mail and our own web chat have no description there."""
