from pathlib import Path

import pytest

from core.errors import ConfigError
from hub.settings import Settings, load_settings

DESKS = "desks:\n  support: {accounts: [web:site, slack:acme, telegram:support]}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "frontdesk.yaml").write_text(DESKS)
    return tmp_path


def read(folder: Path, text: str | None = None, **environ: str) -> Settings:
    if text is not None:
        (folder / "frontdesk.yaml").write_text(text)
    return load_settings(folder / "frontdesk.yaml", {"FRONTDESK_DATA": str(folder / "data"), **environ})


def plan(settings: Settings, key: str):
    return next(account for account in settings.accounts if account.key == key)


def test_without_any_credential_the_web_chat_is_on_and_the_rest_is_off(folder: Path) -> None:
    settings = read(folder)
    assert [account.key for account in settings.accounts if account.settings] == ["web:site"]
    assert plan(settings, "telegram:support").missing == ("FRONTDESK_TELEGRAM_SUPPORT_TOKEN",)
    assert plan(settings, "telegram:support").switch_on


def test_a_credential_switches_an_account_on(folder: Path) -> None:
    settings = read(folder, FRONTDESK_TELEGRAM_SUPPORT_TOKEN="1:abc")
    assert plan(settings, "telegram:support").settings is not None


def test_a_secret_may_come_from_a_file(folder: Path) -> None:
    secret = folder / "token"
    secret.write_text("1:abc\n")
    settings = read(folder, FRONTDESK_TELEGRAM_SUPPORT_TOKEN_FILE=str(secret))
    assert plan(settings, "telegram:support").settings.token.get_secret_value() == "1:abc"


def test_a_secret_file_that_is_not_there_is_told(folder: Path) -> None:
    with pytest.raises(ConfigError, match="FRONTDESK_TELEGRAM_SUPPORT_TOKEN_FILE names /nowhere"):
        read(folder, FRONTDESK_TELEGRAM_SUPPORT_TOKEN_FILE="/nowhere")


def test_secrets_do_not_show_in_any_representation(folder: Path) -> None:
    settings = read(folder, FRONTDESK_TELEGRAM_SUPPORT_TOKEN="1:very-secret")
    assert "very-secret" not in repr(settings) + str(settings) + settings.model_dump_json(exclude={"log_key"})


def test_the_secret_of_the_web_chat_is_made_once_and_kept(folder: Path) -> None:
    first, again = (plan(read(folder), "web:site").settings.secret.get_secret_value() for _ in range(2))
    assert first == again
    assert len(first) >= 32
    assert (folder / "data" / "secrets" / "web_site").stat().st_mode & 0o077 == 0, "nobody else may read it"


def test_the_environment_wins_over_the_file(folder: Path) -> None:
    text = DESKS + "server: {port: 1234, public_url: 'https://a.example/'}\n"
    assert read(folder, text).server.port == 1234
    assert read(folder, text).origin == "https://a.example"
    assert read(folder, text, FRONTDESK_PORT="4321").server.port == 4321


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "is not YAML"),
        ("a list", "a mapping with the key `desks`"),
        ("desks: {}", "at least one desk"),
        ("desks: {a: {accounts: [fax:main]}}", "'fax:main' is not an account"),
        ("desks: {a: {accounts: [web:x]}, b: {accounts: [web:x]}}", "belongs to two desks"),
        ("desks: {a: {accounts: [web:x], colour: red}}", "colour: Extra inputs"),
        ("desks: {a: {accounts: [web:x]}}\nacounts: {}", "unknown key acounts"),
        ("desks: {a: {accounts: [web:x]}}\naccounts: {web:y: {}}", "web:y belong to no desk"),
        ("desks: {a: {accounts: [web:x]}}\nserver: {port: 99999}", "port: Input should be less than"),
        (
            "desks: {a: {accounts: [web:x]}}\nserver: {trusted_proxies: [10.0.0.1/8]}",
            "has host bits set|valid IPv4 network",
        ),
        ("desks: {a: {accounts: [web:x]}}\nlimits: {turns_per_min: 0}", "turns_per_min: Input should be greater"),
        ("desks: {a: {accounts: [web:x]}}\nlimits: {turns: 5}", "turns: Extra inputs"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_place(folder: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(folder, text)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(tmp_path / "none.yaml", {})


def test_a_wrong_value_of_an_account_is_an_error_and_not_an_account_that_is_off(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"account telegram:support: mode"):
        read(folder, FRONTDESK_TELEGRAM_SUPPORT_TOKEN="1:abc", FRONTDESK_TELEGRAM_SUPPORT_MODE="pigeon")


def test_an_error_does_not_repeat_a_secret(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(
            folder,
            FRONTDESK_TELEGRAM_SUPPORT_TOKEN="1:very-secret",
            FRONTDESK_TELEGRAM_SUPPORT_WEBHOOK_SECRET="not allowed: very-secret!",
        )
    assert "very-secret" not in str(caught.value)


def test_proxies_and_limits_are_read_and_the_environment_wins(folder: Path) -> None:
    text = """
desks: {a: {accounts: [web:x]}}
server: {trusted_proxies: [10.0.0.0/8]}
limits: {turns_burst: 5}
"""
    plain = read(folder, text)
    assert [str(network) for network in plain.server.trusted_proxies] == ["10.0.0.0/8"]
    assert (plain.limits.turns_burst, plain.limits.mails_per_hour) == (5, 20.0)
    changed = read(
        folder,
        text,
        FRONTDESK_TRUSTED_PROXIES="[172.16.0.0/12, 2001:db8::/32]",
        FRONTDESK_LIMITS="{mails_per_hour: 5, pace_factor: 2}",
    )
    assert changed.limits.model_dump(include={"turns_burst", "mails_per_hour", "pace_factor"}) == {
        "turns_burst": 5,
        "mails_per_hour": 5.0,
        "pace_factor": 2.0,
    }
    with pytest.raises(ConfigError, match="FRONTDESK_LIMITS: a mapping"):
        read(folder, FRONTDESK_LIMITS="20")
    assert [str(network) for network in changed.server.trusted_proxies] == ["172.16.0.0/12", "2001:db8::/32"]
