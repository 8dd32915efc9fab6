"""Templates: which file speaks, what is escaped, what is refused."""

import html
import importlib
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError
from core.ports import Escape
from core.replies import Choice, Reply
from hub.template_check import check_templates, load_samples
from hub.templating import Templates
from tests.conversation.telling import starter_content
from tests.shared_files import PROJECT

CHANNELS = ("slack", "telegram", "whatsapp", "email", "web")
SHIPPED = PROJECT / "templates"
TEMPLATES = Templates(SHIPPED)
PLAIN: Mapping[str, Escape] = {"text": str, "html": html.escape, "blocks": str}


def escapes_of(channel: str) -> Mapping[str, Escape]:
    escapes: Mapping[str, Escape] = importlib.import_module(f"channels.{channel}.render").ESCAPES
    return escapes


def folder(tmp_path: Path, files: Mapping[str, str]) -> Path:
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return tmp_path


def text(words: str) -> str:
    return f"{{% block text %}}{words}{{% endblock %}}"


@pytest.mark.parametrize(
    ("locale", "tone", "said"),
    [
        ("de", "formal", "slack de formal"),
        ("de-AT", "formal", "slack de formal"),
        ("de", None, "slack de"),
        ("en", "formal", "slack formal"),
        ("fr", "direct", "slack"),
        (None, None, "slack"),
    ],
)
def test_the_nearest_file_speaks(tmp_path: Path, locale: str | None, tone: str | None, said: str) -> None:
    names = {"x.de.formal": "slack de formal", "x.de": "slack de", "x.formal": "slack formal", "x": "slack"}
    files = {f"slack/{name}.j2": text(words) for name, words in names.items()}
    templates = Templates(folder(tmp_path, {**files, "default/x.j2": text("default")}))
    assert templates.words("slack", Reply(template="x"), PLAIN, locale, tone).block("text") == said
    assert templates.words("web", Reply(template="x"), PLAIN, locale, tone).block("text") == "default"


def test_a_channel_may_replace_one_block_and_keep_the_rest(tmp_path: Path) -> None:
    files = {
        "default/x.j2": text("Order {% block number %}{{ number }}{% endblock %} is late."),
        "telegram/x.j2": '{% extends "default/x.j2" %}{% block number %}<b>{{ super() }}</b>{% endblock %}',
    }
    words = Templates(folder(tmp_path, files)).words(
        "telegram", Reply(template="x", context={"number": "<1>"}), {"text": html.escape}
    )
    assert words.block("text") == "Order <b>&lt;1&gt;</b> is late."


def test_a_layout_stands_around_every_reply_and_speaks_its_language(tmp_path: Path) -> None:
    files = {
        "default/x.j2": text("one\n\ntwo {{ name }}"),
        "default/y.j2": text("yes"),
        "default/y.de.j2": text("ja"),
        "email/_layout.j2": text("Hello,\n\n{{ super() }}")
        + "{% block html %}{{ self.text() | paragraphs }}{% endblock %}",
        "email/_layout.de.j2": text("Hallo,\n\n{{ super() }}"),
    }
    templates = Templates(folder(tmp_path, files))
    words = templates.words("email", Reply(template="x", context={"name": "<Ann>"}), PLAIN, "de")
    assert words.block("html") == "<p>Hello,</p>\n<p>one</p>\n<p>two &lt;Ann&gt;</p>"
    assert words.block("text") == "Hello,\n\none\n\ntwo <Ann>"
    assert templates.words("email", Reply(template="y"), PLAIN, "de").block("text") == "Hallo,\n\nja"


def test_variables_are_escaped_for_their_block_and_channel(tmp_path: Path) -> None:
    files = {"default/x.j2": text("<i>{{ name }}</i>") + "{% block html %}<i>{{ name }}</i>{% endblock %}"}
    words = Templates(folder(tmp_path, files)).words("email", Reply(template="x", context={"name": "<A&B>"}), PLAIN)
    assert words.block("text") == "<i><A&B></i>"
    assert words.block("html") == "<i>&lt;A&amp;B&gt;</i>"


@pytest.mark.parametrize("hostile", ["{{ 7*7 }}", "{% include 'x' %}", "${7*7}", "#{7*7}", "{# gone #}", "{{ self }}"])
def test_template_syntax_in_a_variable_stays_literal_f083(tmp_path: Path, hostile: str) -> None:
    templates = Templates(folder(tmp_path, {"default/x.j2": text("Hello {{ name }}")}))
    assert (
        templates.words("web", Reply(template="x", context={"name": hostile}), PLAIN).block("text")
        == f"Hello {hostile}"
    )


@given(st.text(max_size=60))
def test_no_text_leaves_its_variable_unescaped_in_html(name: str) -> None:
    words = TEMPLATES.words(
        "email", Reply(template="thanks", context={"name": name, "abilities": []}), escapes_of("email")
    )
    body = words.block("html").replace("<p>", "").replace("</p>", "").replace("<br>", "")
    assert "<" not in body


@pytest.mark.parametrize(
    "syntax", ["{{ name | safe }}", "{{ name | e }}", "{{ name | tojson }}", "{{ name | attr('x') }}"]
)
def test_filters_that_would_bypass_the_escape_do_not_exist(tmp_path: Path, syntax: str) -> None:
    with pytest.raises(ConfigError, match=r"x\.j2"):
        Templates(folder(tmp_path, {"default/x.j2": text(syntax)})).words("web", Reply(template="x"), PLAIN)


def test_a_macro_imported_without_context_is_refused(tmp_path: Path) -> None:
    files = {
        "default/_m.j2": "{% macro bold(x) %}{{ x }}{% endmacro %}",
        "default/x.j2": text('{% from "default/_m.j2" import bold %}{{ bold(name) }}'),
    }
    words = Templates(folder(tmp_path, files)).words("web", Reply(template="x", context={"name": "<"}), PLAIN)
    with pytest.raises(ConfigError, match="with context"):
        words.block("text")


def test_paragraphs_are_not_made_of_what_nobody_escaped(tmp_path: Path) -> None:
    templates = Templates(folder(tmp_path, {"default/x.j2": text("{{ name | paragraphs }}")}))
    with pytest.raises(ConfigError, match="what a block rendered"):
        templates.words("web", Reply(template="x", context={"name": "<p>"}), PLAIN).block("text")


def test_what_a_template_misses_is_told_with_its_file(tmp_path: Path) -> None:
    templates = Templates(folder(tmp_path, {"default/x.j2": text("{{ nobody }}")}))
    words = templates.words("web", Reply(template="x"), PLAIN)
    with pytest.raises(ConfigError, match=r"default/x\.j2, block text: 'nobody' is undefined"):
        words.block("text")
    with pytest.raises(ConfigError, match=r"default/x\.j2 has no block html"):
        words.block("html")
    with pytest.raises(ConfigError, match=r"default/y\.j2"):
        templates.words("web", Reply(template="y"), PLAIN)
    with pytest.raises(ConfigError, match="no escape for block text"):
        templates.words("web", Reply(template="x"), {}).block("text")
    assert (words.has("text"), words.has("html")) == (True, False)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{% block text %}", r"x\.j2, line 1"),
        ('{% extends "default/y.j2" %}', "extends default/y"),
        ("{% extends y %}", "extends None"),
    ],
)
def test_a_file_that_is_no_template_is_told_at_once(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Templates(folder(tmp_path, {"default/x.j2": source}))


def test_a_file_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    (folder(tmp_path, {"default/x.j2": ""}) / "default" / "x.j2").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        Templates(tmp_path)


def test_templates_cannot_reach_into_python(tmp_path: Path) -> None:
    words = Templates(folder(tmp_path, {"default/x.j2": text("{{ name.__class__.__mro__ }}")})).words(
        "web", Reply(template="x", context={"name": "a"}), PLAIN
    )
    with pytest.raises(ConfigError):
        words.block("text")


# The templates that we ship.


def test_every_template_renders_on_every_channel_rows_194_and_113() -> None:
    findings = check_templates(SHIPPED, {name: escapes_of(name) for name in CHANNELS}, starter_content().templates)
    assert findings == []


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_reply_has_words_on_every_channel(channel: str) -> None:
    for name, sample in load_samples(SHIPPED).items():
        choices = tuple(Choice(token=label, label=label, value=label) for label in sample.choices)
        reply = Reply(template=name, context=sample.context, choices=choices)
        assert TEMPLATES.words(channel, reply, escapes_of(channel)).block("text")


def test_the_first_sentence_of_a_fallback_lists_what_the_desk_can_do_row_124() -> None:
    context = {"name": None, "abilities": ["Order status", "Refunds", "Billing"]}
    words = TEMPLATES.words("web", Reply(template="fallback", context=context), escapes_of("web"))
    assert "I can help with Order status, Refunds and Billing. Which one do you need?" in words.block("text")


def test_german_is_spoken_where_there_are_words_for_it() -> None:
    reply = Reply(template="greeting", context={"name": "Ann", "abilities": []})
    assert "Worum geht es?" in TEMPLATES.words("telegram", reply, escapes_of("telegram"), "de-AT").block("text")


def test_an_order_status_tells_carrier_and_date() -> None:
    sample = load_samples(SHIPPED)["order_status"]
    said = TEMPLATES.words("web", Reply(template="order_status", context=sample.context), escapes_of("web"))
    assert said.block("text") == "Order A-1001 is on its way with DHL. It should arrive on 24 November 2026."


@pytest.mark.parametrize("status", ["processing", "shipped", "delayed", "delivered", "cancelled", "lost"])
def test_each_status_of_an_order_has_words_even_without_carrier_and_date(status: str) -> None:
    order = {"order_number": "A-1", "status": status, "carrier": None, "expected_on": None}
    for channel in CHANNELS:
        reply = Reply(template="order_status", context={"name": None, "order": order})
        words = TEMPLATES.words(channel, reply, escapes_of(channel))
        assert "None" not in words.block("text")
        assert not words.has("blocks") or words.block("blocks")


# What the check finds.


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"default/x.j2": text("{{ nobody }}")}, "is undefined"),
        ({"default/x.j2": text("a" * 301)}, "301 characters"),
        ({"default/x.j2": text("a\nb\nc\nd")}, "4 lines"),
        ({"default/x.j2": text(" ")}, "says nothing"),
        ({"default/x.j2": text("<b>hi</b>")}, "means something else"),
        ({"default/x.j2": text("a") + "{% block blocks %}[{]{% endblock %}"}, "not JSON"),
        ({"default/x.j2": text("a") + "{% block blocks %}{}{% endblock %}"}, "not a list"),
        ({"default/x.j2": text("a"), "slack/x.formal.j2": text("{{ nobody }}")}, "is undefined"),
        ({"default/x.j2": "{% block html %}a{% endblock %}"}, "has no block text"),
        ({"default/x.j2": text("a"), "default/y.j2": text("b")}, "has no sample"),
        ({}, "no template does"),
        ({"samples.yaml": "- x"}, "samples.yaml"),
        ({"default/x.j2": "{% block"}, "line 1"),
    ],
)
def test_the_check_finds(tmp_path: Path, files: dict[str, str], problem: str) -> None:
    root = folder(tmp_path, {"samples.yaml": "x: {}", **files})
    findings = check_templates(root, {"slack": PLAIN})
    assert any(problem in finding.problem for finding in findings), findings


def test_the_check_finds_a_reply_that_nobody_wrote(tmp_path: Path) -> None:
    root = folder(tmp_path, {"samples.yaml": "x: {}", "default/x.j2": text("a")})
    assert [finding.template for finding in check_templates(root, {"slack": PLAIN}, frozenset({"x", "y"}))] == ["y"]
    assert check_templates(root, {"slack": PLAIN}, frozenset({"x"})) == []
