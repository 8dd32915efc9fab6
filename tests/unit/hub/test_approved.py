"""Templates that WhatsApp has approved: how they are read, chosen and filled (W20-W22)."""

from pathlib import Path

import pytest

from core.errors import ConfigError
from core.replies import Reply
from core.window import ContentTemplate
from hub.approved import FILE, ApprovedTemplates, read_approved, values_of
from tests.unit.channels.whatsapp import cloud_kit, whatsapp_kit

SID, GERMAN = f"HX{'a' * 32}", f"HX{'b' * 32}"
REPLY = Reply(template="news", context={"order": {"number": "A-1"}, "text": "*hi*\nthere"})
ADDRESS = {"to": whatsapp_kit.PERSON, "from": whatsapp_kit.NUMBER}


def read(folder: Path, text: str) -> ApprovedTemplates:
    (folder / FILE).write_text(text)
    return read_approved(folder)


def sid_for(approved: ApprovedTemplates, locale: str | None) -> object:
    call = approved.call(whatsapp_kit.channel(), REPLY, locale, ADDRESS)
    return None if call is None else call.params["content_sid"]


def test_without_a_file_nothing_is_approved(tmp_path: Path) -> None:
    assert read_approved(tmp_path).replies == frozenset()
    assert read(tmp_path, "# nothing yet\n").replies == frozenset()


def test_the_best_language_speaks_and_never_another(tmp_path: Path) -> None:
    approved = read(tmp_path, f"news:\n  - {{twilio: {SID}, locale: en}}\n  - {{twilio: {GERMAN}, locale: de}}\n")
    assert [sid_for(approved, locale) for locale in ("en", "de-AT", "fr", None)] == [SID, GERMAN, None, None]


def test_an_entry_without_a_language_speaks_where_no_other_does(tmp_path: Path) -> None:
    approved = read(tmp_path, f"news:\n  - {{twilio: {SID}}}\n  - {{twilio: {GERMAN}, locale: de}}\n")
    assert [sid_for(approved, locale) for locale in ("fr", "de")] == [SID, GERMAN]


def test_an_entry_for_an_account_is_for_that_account_alone(tmp_path: Path) -> None:
    approved = read(tmp_path, f"news: [{{twilio: {SID}, account: 'whatsapp:other'}}]")
    assert sid_for(approved, "en") is None
    approved = read(tmp_path, f"news: [{{twilio: {SID}}}, {{twilio: {GERMAN}, account: 'whatsapp:main'}}]")
    assert sid_for(approved, "en") == GERMAN


def test_at_twilio_it_is_a_content_sid_and_its_variables_as_json() -> None:
    template = ContentTemplate(twilio=SID, variables={"1": "order.number | lower", "2": "text"})
    call = ApprovedTemplates({"news": (template,)}).call(whatsapp_kit.channel(), REPLY, "en", ADDRESS)
    assert call is not None
    assert call.params == {
        "to": whatsapp_kit.PERSON,
        "from_": whatsapp_kit.NUMBER,
        "content_sid": SID,
        "content_variables": '{"1": "a-1", "2": "\u2217hi\u2217 there"}',
    }


@pytest.mark.parametrize(
    ("variables", "parameters"),
    [
        ({"1": "order.number", "2": "'x'"}, [{"type": "text", "text": "A-1"}, {"type": "text", "text": "x"}]),
        ({"number": "order.number"}, [{"type": "text", "parameter_name": "number", "text": "A-1"}]),
    ],
)
def test_at_the_cloud_api_it_is_a_name_and_a_language(variables: dict[str, str], parameters: list[object]) -> None:
    given = {"cloud": {"name": "order_update", "language": "en_US"}, "variables": variables}
    approved = ApprovedTemplates({"news": (ContentTemplate.model_validate(given),)})
    call = approved.call(cloud_kit.channel(), REPLY, "en", {"to": cloud_kit.PERSON})
    assert call is not None
    assert (call.params["type"], call.params["to"], call.bucket) == (
        "template",
        cloud_kit.PERSON,
        f"whatsapp:{cloud_kit.PERSON}",
    )
    assert call.params["template"] == {
        "name": "order_update",
        "language": {"code": "en_US"},
        "components": [{"type": "body", "parameters": parameters}],
    }


def test_an_account_does_not_use_the_other_providers_template_and_an_sms_uses_none() -> None:
    approved = ApprovedTemplates({"news": (ContentTemplate(twilio=SID),)})
    assert approved.call(cloud_kit.channel(), REPLY, "en", {"to": cloud_kit.PERSON}) is None
    assert approved.call(whatsapp_kit.channel(), REPLY, "en", {"to": "+4930", "from": "+4931"}) is None


@pytest.mark.parametrize("source", ["missing", "order.missing", "none", "order.number / 2", "''", "text * 200"])
def test_a_template_of_which_a_part_is_missing_or_too_long_is_not_used(source: str) -> None:
    """Nothing over a limit is cut: 1024 characters (W21)."""
    template = ContentTemplate(twilio=SID, variables={"1": source})
    approved = ApprovedTemplates({"news": (template,)})
    assert approved.call(whatsapp_kit.channel(), REPLY, "en", ADDRESS) is None


@pytest.mark.parametrize("source", ["text.__class__", "().__class__.__mro__", "range(10)", "order.number.format"])
def test_an_expression_reaches_nothing_but_the_reply(source: str) -> None:
    """SECURITY S6: a template is content, and content is no program."""
    assert values_of(ContentTemplate(twilio=SID, variables={"1": source}), REPLY) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("news: [{locale: en}]", "give the ContentSid"),
        (f"news: [{{twilio: {SID}}}, {{twilio: {GERMAN}}}]", "two entries for one language"),
        (f"news: [{{twilio: {SID}, variables: {{'1': 'a', '3': 'b'}}}}]", "without a gap"),
        (f"news: [{{twilio: {SID}, variables: {{'1': 'a', name: 'b'}}}}]", "or all have names"),
        (f"news: [{{twilio: {SID}, variables: {{'1': 'a +'}}}}]", "variable 1"),
        (f"news: [{{twilio: {SID}, variables: {{'1': 'a | tojson'}}}}]", "variable 1"),
        ("news: [{twilio: HX1}]", "twilio"),
        ("news: [{cloud: {name: Order Update, language: en}}]", "name"),
        (f"news: [{{twilio: {SID}, colour: red}}]", "colour"),
        ("news: {", "yaml"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        read(tmp_path, text)
    assert FILE in str(error.value)
    assert told in str(error.value)


def test_the_check_tries_every_variable_with_the_sample_of_its_reply() -> None:
    approved = ApprovedTemplates(
        {
            "news": (ContentTemplate(twilio=SID, variables={"1": "order.number", "2": "order.colour"}),),
            "gone": (ContentTemplate(twilio=SID),),
        }
    )
    gone, colour = approved.problems({"news": REPLY.context})
    assert gone == f"{FILE}: gone: no reply has this name"
    assert colour.startswith(f"{FILE}: news: variable 2: ")
