import pytest
from pydantic import ValidationError

from channels.telegram.account import AccountSettings

TOKEN = "4242:AAsecret-part_of-it"


def test_polling_is_the_default_and_needs_only_a_token() -> None:
    settings = AccountSettings.model_validate({"token": TOKEN})
    assert (settings.mode, settings.bot_id, settings.webhook_secret) == ("polling", 4242, None)


def test_webhook_mode_without_a_secret_is_refused_f068() -> None:
    with pytest.raises(ValidationError, match="needs webhook_secret"):
        AccountSettings.model_validate({"token": TOKEN, "mode": "webhook"})


@pytest.mark.parametrize("secret", ["", "has space", "ü", "x" * 257, "slash/"])
def test_secrets_that_telegram_would_refuse_are_refused_t1(secret: str) -> None:
    with pytest.raises(ValidationError, match="webhook_secret takes"):
        AccountSettings.model_validate({"token": TOKEN, "mode": "webhook", "webhook_secret": secret})


def test_an_empty_previous_secret_is_refused_too() -> None:
    """F068, F072: an empty secret would let anybody in."""
    given = {"token": TOKEN, "mode": "webhook", "webhook_secret": "new", "previous_webhook_secret": ""}
    with pytest.raises(ValidationError, match="webhook_secret takes"):
        AccountSettings.model_validate(given)


def test_the_longest_secret_is_taken_t1() -> None:
    settings = AccountSettings.model_validate({"token": TOKEN, "mode": "webhook", "webhook_secret": "a" * 256})
    assert settings.mode == "webhook"


@pytest.mark.parametrize("token", ["", "4242", "4242:", "4242:a/../b", "x:y"])
def test_a_token_of_another_shape_is_refused_without_repeating_it(token: str) -> None:
    with pytest.raises(ValidationError) as refused:
        AccountSettings.model_validate({"token": token})
    assert "looks like" in str(refused.value)
    assert not token or token not in str(refused.value)


def test_secrets_do_not_show_in_the_settings() -> None:
    settings = AccountSettings.model_validate({"token": TOKEN, "mode": "webhook", "webhook_secret": "s3cret"})
    assert "AAsecret" not in repr(settings)
    assert "s3cret" not in f"{settings} {settings.model_dump_json()}"


@pytest.mark.parametrize("url", ["ftp://x.org", "https://x.org/", "https://x.org/{token}", "x.org"])
def test_an_api_url_that_would_break_the_path_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        AccountSettings.model_validate({"token": TOKEN, "api_url": url})


def test_a_username_is_taken_with_or_without_at() -> None:
    names = [AccountSettings.model_validate({"token": TOKEN, "username": name}).username for name in ("@desk", "desk")]
    assert names == ["desk", "desk"]
