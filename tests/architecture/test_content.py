"""Whatever the bot may say has words on every channel."""

import importlib

from hub.adapters import BUILT_IN
from hub.content import load_content
from hub.template_check import check_templates
from hub.templating import Templates
from hub.turns import TROUBLE
from hub.wiring import KNOWN_ACTIONS
from tests.shared_files import PROJECT

TEMPLATES = PROJECT / "templates"
CONTENT = PROJECT / "config" / "content"


def test_every_reply_that_code_or_content_names_has_a_template() -> None:
    wanted = load_content(CONTENT).templates | {TROUBLE.template}
    assert wanted - Templates(TEMPLATES).replies == frozenset()


def test_every_template_is_named_by_code_or_content() -> None:
    named = load_content(CONTENT).templates | {TROUBLE.template}
    assert Templates(TEMPLATES).replies - named == frozenset()


def test_every_template_renders_on_every_channel() -> None:
    escapes = {channel: importlib.import_module(f"channels.{channel}.render").ESCAPES for channel in BUILT_IN}
    assert check_templates(TEMPLATES, escapes, load_content(CONTENT).templates | {TROUBLE.template}) == []


def test_every_action_that_a_flow_wants_has_a_connector() -> None:
    assert load_content(CONTENT).actions - KNOWN_ACTIONS == frozenset()


def test_a_channels_templates_are_variants_of_common_ones() -> None:
    common = Templates(TEMPLATES).replies
    names = {
        path.name.split(".")[0]
        for channel in BUILT_IN
        for path in (TEMPLATES / channel).glob("*.j2")
        if not path.name.startswith("_")
    }
    assert names - common == set()
