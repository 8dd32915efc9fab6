import pytest
from pydantic import ValidationError

from channels.whatsapp.account import SWITCH_ON
from tests.unit.channels.whatsapp.whatsapp_kit import settings


@pytest.mark.parametrize(
    "written", ["+4930555000", "whatsapp:+4930555000", " +49 30 555-000", "whatsapp:+49 (30) 555 000"]
)
def test_a_number_is_named_as_twilio_names_it(written: str):
    assert settings(number=written).number == "whatsapp:+4930555000"


@pytest.mark.parametrize("written", ["030555000", "whatsapp:", "+0123456789", "+1", "whatsapp:US.1349", ""])
def test_a_number_that_is_not_international_is_refused(written: str):
    with pytest.raises(ValidationError, match="international form"):
        settings(number=written)


def test_secrets_do_not_show_and_may_not_be_empty():
    assert "twilio-test-token" not in repr(settings(previous_auth_token="older"))
    with pytest.raises(ValidationError):
        settings(auth_token="")
    with pytest.raises(ValidationError):
        settings(previous_auth_token="")


@pytest.mark.parametrize("url", ["http://api.twilio.com", "ftp://127.0.0.1", "http://10.0.0.7:9000"])
def test_the_token_never_travels_in_the_clear(url: str):
    with pytest.raises(ValidationError, match="use https"):
        settings(api_url=url)


def test_a_stand_in_on_loopback_may_be_plain_http():
    assert settings(api_url="http://127.0.0.1:9000/").api_url == "http://127.0.0.1:9000"


@pytest.mark.parametrize(
    "changes", [{"account_sid": "SK123"}, {"messaging_service_sid": "AC123"}, {"color": "blue"}], ids=str
)
def test_a_mixed_up_setting_is_refused(changes: dict[str, str]):
    with pytest.raises(ValidationError):
        settings(**changes)


def test_switching_on_is_told_in_one_sentence():
    assert "Auth Token" in SWITCH_ON
    assert "{public_url}/whatsapp/{account}" in SWITCH_ON
