"""Modals and the home tab: a form and its words into a view, a view's state into values. Pure (S21, S23).

Limits: CHANNELS 1.5 and the validators of slack_sdk 3.47 (`models/views`), which the tests ask about every view.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from channels.inbound import TypingAbility
from channels.menus import one_line
from channels.payload import clean_text
from channels.slack.mrkdwn import escape_block_json
from channels.slack.payloads import ASK, FORM, View
from core.errors import ConfigError
from core.forms import Form, FormField
from core.ports import Ability, Escape, Offers, Words

MAX_TITLE = 24
"""Code points of a modal's title, submit and close."""
MAX_LABEL = 75
"""Of an option and of a button."""
MAX_INPUT_LABEL = 2_000
MAX_PLACEHOLDER = 150
MAX_BUTTONS = 25
"""Elements of one actions block."""
MAX_BLOCKS = 100
"""Of a modal and of the home tab."""
VIEW_ESCAPES: Mapping[str, Escape] = {"blocks": escape_block_json, "view": escape_block_json, "text": str}
"""The words of a modal stand in the block `view`, those of the home tab in `blocks`."""
TYPING = "typing"
"""The template of the status of an assistant's thread, shown behind the app's name."""
STATUS = TypingAbility(renew_every_s=60.0, must_end=True)
"""A status stays for two minutes (CHANNELS 1.5, Assistants), or until there is a message."""
HOME = "home"
"""The template of the home tab."""


def modal(form: Form, words: Words, first: str = "") -> dict[str, Any]:
    """Return the view of a form.

    Args:
        form: what is asked for.
        words: of the form's template; its block `blocks` is a list of one object.
        first: what stands in the first field already.

    Raises:
        ConfigError: the template's words are not those of this form.
    """
    said = _said(words)
    try:
        inputs = [_input(field, said) for field in form.fields]
        if first and form.fields[0].kind != "choice":
            inputs[0]["element"]["initial_value"] = first[: form.fields[0].max_chars]
        return {
            "type": "modal",
            "callback_id": f"{FORM}{form.name}",
            "title": _plain(said["title"], MAX_TITLE),
            "submit": _plain(said["submit"], MAX_TITLE),
            "close": _plain(said["close"], MAX_TITLE),
            "blocks": inputs,
        }
    except (LookupError, TypeError, AttributeError) as error:
        raise ConfigError(f"the words of form {form.name} lack {error}") from error


def _input(field: FormField, said: Mapping[str, Any]) -> dict[str, Any]:
    words = said["fields"][field.name]
    block: dict[str, Any] = {
        "type": "input",
        "block_id": field.name,
        "label": _plain(words["label"], MAX_INPUT_LABEL),
        "element": _element(field, said),
        "optional": not field.required,
    }
    if "hint" in words:
        block["hint"] = _plain(words["hint"], MAX_INPUT_LABEL)
    if "placeholder" in words:
        block["element"]["placeholder"] = _plain(words["placeholder"], MAX_PLACEHOLDER)
    return block


def _element(field: FormField, said: Mapping[str, Any]) -> dict[str, Any]:
    if field.kind == "choice":
        options = [{"text": _plain(said["options"][name], MAX_LABEL), "value": name} for name in field.options]
        return {"type": "static_select", "action_id": field.name, "options": options}
    return {
        "type": "plain_text_input",
        "action_id": field.name,
        "multiline": field.kind == "text",
        "max_length": field.max_chars,
    }


def _plain(text: str, most: int) -> dict[str, str]:
    """Return a plain text object; words that are too long are a mistake of the template, and Slack would refuse all.

    Raises:
        ConfigError: too long.
    """
    if not 0 < len(text) <= most:
        raise ConfigError(f"{text!r} has {len(text)} characters; Slack takes 1 to {most} there")
    return {"type": "plain_text", "text": text}


def values_of(view: View) -> dict[str, str]:
    """Return what was filled in, by field; what was left empty is not there."""
    values: dict[str, str] = {}
    for name, elements in view.state.values.items():
        for element in elements.values():
            value = element.value or (element.selected_option.value if element.selected_option else None)
            if value and (text := clean_text(value).strip()):
                values[name] = text
    return values


def complaints(form: Form, words: Words, values: Mapping[str, str]) -> dict[str, str]:
    """Return what to write below which field (S23: keyed by `block_id`); nothing when the form can be taken."""
    said = _said(words)["problems"]
    return {name: str(said[problem]) for name, problem in form.problems(values).items()}


def _said(words: Words) -> dict[str, Any]:
    try:
        (said,) = json.loads(words.block("view"))
    except ValueError as error:
        raise ConfigError(f"the words of a form are not a list of one object: {error}") from error
    if not isinstance(said, dict):
        raise ConfigError("the words of a form are not an object")
    return said


def home(offers: Offers) -> dict[str, Any]:
    """Return the home tab: what the bot can do, and a button for each of it.

    Its version stands in `private_metadata`, so that `app_home_opened` tells whether it is this one (S16).

    Raises:
        ConfigError: the template's `blocks` are not a JSON list.
    """
    abilities = list(offers.abilities)
    words = offers.words(HOME, {"abilities": [one_line(ability.label) for ability in abilities]}, VIEW_ESCAPES)
    blocks = json.loads(words.block("blocks"))
    if not isinstance(blocks, list):
        raise ConfigError("the blocks of the home tab are not a list")
    buttons = _form_buttons(offers) + [_button(f"{ASK}{one.command}", one) for one in abilities]
    rows = [buttons[start : start + MAX_BUTTONS] for start in range(0, len(buttons), MAX_BUTTONS)]
    blocks += [{"type": "actions", "elements": row} for row in rows]
    view = {"type": "home", "blocks": blocks[:MAX_BLOCKS]}
    return view | {"private_metadata": hashlib.sha256(json.dumps(view).encode()).hexdigest()[:16]}


def _form_buttons(offers: Offers) -> list[dict[str, Any]]:
    titles = [(form, _said(offers.words(form.template, {}, VIEW_ESCAPES))["title"]) for form in offers.forms]
    return [_button(f"{FORM}{form.name}", Ability(form.commands[0], title)) for form, title in titles]


def _button(action_id: str, ability: Ability) -> dict[str, Any]:
    return {
        "type": "button",
        "action_id": action_id,
        "text": {"type": "plain_text", "text": one_line(ability.label)[:MAX_LABEL]},
        "value": ability.command,
    }
