"""What becomes of replies on every platform, and that the shipped ones lose nothing (rows 193, 194; F055)."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.errors import ConfigError
from core.replies import Reply
from hub.cli.main import app
from hub.content import load_content
from hub.fidelity.check import Finding, Kind, Outcome, check_fidelity, sample_reply, variants_of
from hub.fidelity.platforms import BY_NAME, PLATFORMS
from hub.fidelity.preview import preview
from hub.settings import PROJECT, Settings, load_settings
from hub.template_check import Sample
from hub.templating import Templates
from hub.turns import TROUBLE

CLI = CliRunner()
NAMES = [platform.name for platform in PLATFORMS]
Write = Callable[..., Path]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return load_settings(environ={"FRONTDESK_DATA": str(tmp_path_factory.mktemp("data"))})


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a folder of templates: names to sources, and one sample for each reply."""

    def write(sample: str = "{}", **files: str) -> Path:
        for name, source in files.items():
            folder, _, stem = name.rpartition("__")
            path = tmp_path / (folder or "default") / f"{stem.replace('_dot_', '.')}.j2"
            path.parent.mkdir(exist_ok=True)
            path.write_text(source, encoding="utf-8")
        (tmp_path / "samples.yaml").write_text(f"hello: {sample}\n", encoding="utf-8")
        return tmp_path

    return write


def found(root: Path, settings: Settings, *kinds: Kind) -> list[Finding]:
    return [finding for finding in check_fidelity(root, settings.desks).findings if finding.kind in kinds]


def where(findings: list[Finding]) -> set[str]:
    return {finding.platform for finding in findings}


def block(text: str, name: str = "text") -> str:
    return f"{{% block {name} %}}{text}{{% endblock %}}"


# The shipped templates


@pytest.fixture(scope="module")
def shipped(settings: Settings) -> Outcome:
    wanted = load_content(settings.content).templates | {TROUBLE.template}
    return check_fidelity(settings.templates, settings.desks, wanted)


def test_no_shipped_reply_is_cut_dropped_or_refused_anywhere(shipped: Outcome) -> None:
    """DEMAND part 1: nothing is lost in silence."""
    assert [finding for finding in shipped.findings if finding.is_error] == []


def test_every_shipped_reply_is_rendered_for_every_platform_locale_and_tone(
    shipped: Outcome, settings: Settings
) -> None:
    templates = Templates(settings.templates)
    variants = variants_of(templates, settings.desks)
    assert {"en", "de"} <= set(variants.locales)
    assert {"friendly", "direct"} <= set(variants.tones)
    assert (
        shipped.replies == len(templates.replies) * len(PLATFORMS) * len(variants.locales) * len(variants.tones) > 600
    )


def test_choices_are_told_as_numbered_only_where_there_are_no_buttons(shipped: Outcome) -> None:
    assert {finding.platform for finding in shipped.findings if finding.kind == "numbered"} == {"whatsapp", "email"}


# What is found


def test_a_reply_that_fits_everywhere_is_not_spoken_of(write: Write, settings: Settings) -> None:
    assert check_fidelity(write(hello=block("Hello.")), settings.desks).findings == ()


def test_words_of_several_messages_are_split_and_no_error(write: Write, settings: Settings) -> None:
    root = write("{long: true}", hello=block("word " * 1_000))
    assert where(found(root, settings, "split")) == {"telegram", "whatsapp", "whatsapp-cloud"}
    assert check_fidelity(root, settings.desks).errors == 0


def test_more_choices_than_buttons_are_numbered(write: Write, settings: Settings) -> None:
    root = write(f"{{choices: {[f'Choice {n}' for n in range(30)]}}}", hello=block("Pick"))
    numbered = found(root, settings, "numbered")
    assert where(numbered) == {"whatsapp", "whatsapp-cloud", "email", "web"}
    assert {f.detail for f in numbered if f.platform == "whatsapp-cloud"} == {"30 choices, 10 at most"}


def test_labels_that_buttons_cannot_show_whole_are_shortened_and_told_whole(write: Write, settings: Settings) -> None:
    label = "'" + "Something long " * 6 + "'"
    root = write(f"{{choices: [{label}, Other]}}", hello=block("Pick"))
    assert where(found(root, settings, "shortened")) == {"slack", "telegram", "whatsapp-cloud"}
    assert check_fidelity(root, settings.desks).errors == 0


def test_a_template_that_cannot_be_rendered_is_wrong(write: Write, settings: Settings) -> None:
    root = write(hello=block("{{ nobody_gives_this }}"))
    assert where(found(root, settings, "wrong")) >= set(NAMES)


def test_a_reply_that_content_names_and_nobody_wrote_is_wrong(write: Write, settings: Settings) -> None:
    outcome = check_fidelity(write(hello=block("Hello")), settings.desks, frozenset({"hello", "goodbye"}))
    assert [(finding.kind, finding.template) for finding in outcome.findings] == [("wrong", "goodbye")]


def test_a_mistake_in_one_locale_is_told_with_it(write: Write, settings: Settings) -> None:
    root = write(hello=block("Hello"), hello_dot_de=block("{{ nobody_gives_this }}"))
    wrong = [finding for finding in found(root, settings, "wrong") if finding.locale]
    assert {finding.locale for finding in wrong} == {"de"}


def test_words_that_only_slacks_own_blocks_leave_out_are_dropped(write: Write, settings: Settings) -> None:
    own = json.dumps([{"type": "section", "text": {"type": "mrkdwn", "text": "Your order"}}])
    root = write(
        "{context: {number: A1001}}",
        hello=block("Order {{ number }}"),
        slack__hello=block("Order {{ number }}") + block(own, "blocks"),
    )
    (one, *_) = found(root, settings, "dropped")
    assert (one.platform, one.detail) == ("slack", "words in no message: A1001")


def test_own_blocks_that_slack_would_refuse_are_told_as_plain(write: Write, settings: Settings) -> None:
    own = json.dumps([{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}])
    root = write(hello=block("Hello"), slack__hello=block("Hello") + block(own, "blocks"))
    assert where(found(root, settings, "plain")) == {"slack"}


def test_own_blocks_of_a_kind_that_slack_does_not_have_are_refused(write: Write, settings: Settings) -> None:
    own = json.dumps([{"type": "sectoin", "text": {"type": "mrkdwn", "text": "Hello"}}])
    root = write(hello=block("Hello"), slack__hello=block("Hello") + block(own, "blocks"))
    assert {(f.platform, f.is_error) for f in found(root, settings, "refused")} == {("slack", True)}


def test_a_subject_that_is_too_long_is_cut(write: Write, settings: Settings) -> None:
    root = write(hello=block("Hello"), email__hello=block("Hello") + block("x" * 251, "subject"))
    assert where(found(root, settings, "cut")) == {"email"}


@pytest.mark.parametrize("name", NAMES)
def test_a_preview_shows_the_words_the_choices_and_the_call(name: str, settings: Settings) -> None:
    reply = sample_reply("greeting", Sample(context={"name": "Ann", "abilities": ["Refunds"]}, choices=("Refunds",)))
    (one,) = preview(Templates(settings.templates), [reply], "en", "friendly", [BY_NAME[name]])
    (message,) = one.messages
    assert "Hello Ann" in message.text
    assert "Refunds" in "".join((message.text, *(button.label for button in message.buttons)))
    assert 0 < message.used <= message.limit
    assert "Hello Ann" in json.dumps(dict(message.call.params))


def test_a_preview_says_what_is_wrong_instead_of_failing(settings: Settings) -> None:
    (one,) = preview(Templates(settings.templates), [Reply(template="nobody_wrote_it")], "en", None, PLATFORMS[:1])
    assert one.messages == ()
    assert [(note.kind, note.is_error) for note in one.notes] == [("wrong", True)]


# The commands


@pytest.fixture
def _own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTDESK_DATA", str(tmp_path))


@pytest.mark.usefixtures("_own_data")
class TestCommands:
    def test_the_shipped_templates_pass(self) -> None:
        result = CLI.invoke(app, ["templates", "check"])
        assert result.exit_code == 0, result.output
        assert "nothing is lost" in result.output

    def test_an_error_fails_and_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        shutil.copytree(PROJECT / "templates", tmp_path / "templates")
        (tmp_path / "templates" / "email" / "thanks.j2").write_text(block("Bye") + block("x" * 300, "subject"))
        monkeypatch.setenv("FRONTDESK_TEMPLATES", str(tmp_path / "templates"))
        printed = CLI.invoke(app, ["templates", "check"])
        assert printed.exit_code == 1
        assert "the subject, of 250 characters at most" in " ".join(printed.output.split())
        assert "errors" in printed.output
        told = CLI.invoke(app, ["templates", "check", "--json"])
        assert told.exit_code == 1
        assert {f["template"] for f in json.loads(told.output)["findings"] if f["is_error"]} == {"thanks"}

    def test_a_preview_stands_side_by_side_with_its_calls(self) -> None:
        result = CLI.invoke(app, ["templates", "preview", "greeting", "--locale", "de"])
        assert result.exit_code == 0, result.output
        for platform in PLATFORMS:
            assert platform.title in result.output
        assert re.search(r"\d of 1,600 UTF-16", result.output)
        assert "chat.postMessage" in result.output

    def test_one_channel_alone(self) -> None:
        result = CLI.invoke(app, ["templates", "preview", "greeting", "--channel", "telegram"])
        assert "sendMessage" in result.output
        assert "chat.postMessage" not in result.output

    def test_mail_is_shown_as_text_and_as_html(self) -> None:
        result = CLI.invoke(app, ["templates", "preview", "greeting", "--channel", "email"])
        assert "Subject: Re: My order" in result.output
        assert '"html"' in result.output

    @pytest.mark.parametrize(
        "arguments", [["--channel", "fax"], ["--locale", "tlh"], ["--tone", "rude"]], ids=["channel", "locale", "tone"]
    )
    def test_what_there_is_not_is_said_with_what_there_is(self, arguments: list[str]) -> None:
        result = CLI.invoke(app, ["templates", "preview", "greeting", *arguments])
        assert result.exit_code == 2

    def test_a_reply_that_there_is_not_is_said_with_those_that_are(self) -> None:
        result = CLI.invoke(app, ["templates", "preview", "nobody_wrote_it"])
        assert isinstance(result.exception, ConfigError)
        assert "greeting" in str(result.exception)
