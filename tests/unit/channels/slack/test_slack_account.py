"""The settings of a Slack account say clearly what is missing."""

import pytest
from pydantic import ValidationError

from channels.slack.account import SWITCH_ON, AccountSettings


def test_http_mode_needs_the_signing_secret():
    with pytest.raises(ValidationError, match="mode http needs signing_secret"):
        AccountSettings.model_validate({"bot_token": "xoxb-1"})


def test_socket_mode_needs_the_app_token_and_no_signing_secret():
    with pytest.raises(ValidationError, match="mode socket needs app_token"):
        AccountSettings.model_validate({"bot_token": "xoxb-1", "mode": "socket", "signing_secret": "s"})
    assert AccountSettings.model_validate({"bot_token": "x", "mode": "socket", "app_token": "xapp-1"}).mode == "socket"


@pytest.mark.parametrize("field", ["bot_token", "signing_secret", "previous_signing_secret"])
def test_an_empty_secret_is_refused(field: str):
    """F068: with an empty secret anybody could sign."""
    with pytest.raises(ValidationError, match="is empty"):
        AccountSettings.model_validate({"bot_token": "xoxb-1", "signing_secret": "s", field: " "})


def test_an_unknown_field_is_refused():
    with pytest.raises(ValidationError, match="Extra inputs"):
        AccountSettings.model_validate({"bot_token": "x", "signing_secret": "s", "sining_secret": "s"})


def test_secrets_do_not_show_when_printed():
    settings = AccountSettings.model_validate({"bot_token": "xoxb-secret", "signing_secret": "hush"})
    assert "xoxb-secret" not in repr(settings)
    assert "hush" not in str(settings)


def test_both_secrets_count_during_a_rotation_and_the_sentence_tells_where_they_come_from():
    settings = AccountSettings.model_validate(
        {"bot_token": "x", "signing_secret": "new", "previous_signing_secret": "old"}
    )
    assert settings.signing_secrets() == ("new", "old")
    assert "api.slack.com/apps" in SWITCH_ON
