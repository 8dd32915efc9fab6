import pytest
from pydantic import ValidationError

from channels.web.account import AccountSettings
from tests.unit.channels.web.fakes import SECRET, settings


def test_origins_are_written_as_browsers_send_them() -> None:
    assert settings(allowed_origins=["https://Shop.Example/"]).allowed_origins == ("https://shop.example",)


@pytest.mark.parametrize(
    "origin",
    [
        "shop.example",
        "https://shop.example/path",
        "https://a.example; script-src *",
        "*",
        "https://",
        "ftp://a",
        "https://a b",
    ],
)
def test_what_is_no_origin_is_refused_at_start_up(origin: str) -> None:
    with pytest.raises(ValidationError):
        settings(allowed_origins=[origin])


def test_a_short_secret_is_refused_at_start_up() -> None:
    with pytest.raises(ValidationError, match="32 or more") as refusal:
        settings(secret="shortest")
    assert "shortest" not in str(refusal.value)


def test_without_a_secret_there_is_no_channel() -> None:
    with pytest.raises(ValidationError, match="secret"):
        AccountSettings.model_validate({})


def test_the_secret_is_never_shown() -> None:
    assert SECRET not in repr(settings(previous_secret="p" * 32))
