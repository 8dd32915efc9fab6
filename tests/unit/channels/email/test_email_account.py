"""What an operator may set, and what he is told when it cannot work."""

from typing import Any

import pytest
from pydantic import ValidationError

from channels.email.account import AccountSettings

GOOD: dict[str, Any] = {
    "address": "Help@Shop.example",
    "aliases": ("INFO@shop.example",),
    "smtp_host": "smtp.shop.example",
    "smtp_in_port": 2525,
}


def test_addresses_are_compared_in_lower_case() -> None:
    settings = AccountSettings(**GOOD)
    assert settings.own_addresses == {"help@shop.example", "info@shop.example"}
    assert settings.domain == "shop.example"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"smtp_host": ""}, "smtp_host is missing"),
        ({"smtp_in_port": None}, "no way in"),
        ({"imap_host": "imap.shop.example"}, "imap_user"),
        ({"smtp_user": "help"}, "smtp_password"),
        ({"address": "help"}, "name@domain"),
        ({"aliases": ("a b@shop.example",)}, "name@domain"),
        ({"smtp_tls": "none"}, "plain text to smtp.shop.example"),
        ({"smtp_host": "10.0.0.7", "smtp_tls": "none"}, "plain text to 10.0.0.7"),
        ({"imap_host": "h", "imap_user": "u", "imap_password": "p", "imap_tls": "none"}, "plain text to h"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_what_cannot_work_is_refused_and_says_why(change: dict[str, Any], said: str) -> None:
    """SECURITY S20: no password and no mail leaves this machine in plain text."""
    with pytest.raises(ValidationError, match=said):
        AccountSettings(**{**GOOD, **change})


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_plain_text_is_for_this_machine_only(host: str) -> None:
    assert AccountSettings(**{**GOOD, "smtp_host": host, "smtp_tls": "none"}).smtp_host == host


def test_a_password_does_not_show_itself() -> None:
    settings = AccountSettings(**GOOD, smtp_user="help", smtp_password="hunter2")
    assert "hunter2" not in repr(settings) + str(settings.model_dump())
