"""Credentials that are refused, and new ones without a restart (F051)."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydantic import BaseModel
from structlog.testing import capture_logs

from core.errors import AccountRefused, ConfigError
from hub.emulate import cloud, twilio
from hub.emulate.platforms import Platforms
from hub.renewal import Renewal
from hub.settings import account_anew, load_settings
from tests.factories import ACCOUNT, Bench, FakeChannel, build_bench
from tests.fakes import FakeClock
from tests.unit.channels.whatsapp import cloud_kit, whatsapp_kit
from tests.unit.hub.emulate.kit import QuickWorld


class Token(BaseModel):
    """An account's settings."""

    token: str


@dataclass
class RenewableChannel(FakeChannel):
    """A platform that believes one token."""

    tokens: list[str] = field(default_factory=list)

    def renew(self, settings: BaseModel) -> None:
        assert isinstance(settings, Token)
        self.tokens.append(settings.token)


def bench_with(found: BaseModel | ConfigError | None) -> tuple[Bench, RenewableChannel]:
    channel = RenewableChannel()
    bench = build_bench(channel=channel, clock=FakeClock())

    def read(_account: str) -> BaseModel | None:
        if isinstance(found, ConfigError):
            raise found
        return found

    bench.outbox.renew = Renewal({ACCOUNT: channel}, {ACCOUNT: Token(token="old")}, read).look
    return bench, channel


async def test_what_was_refused_goes_at_once_with_the_token_that_is_there_now() -> None:
    """FakeClock stands still: nothing waited for the minute of the pause."""
    bench, channel = bench_with(Token(token="new"))
    channel.outcomes = [AccountRefused("revoked")]
    await bench.receive("m1")
    await bench.settle()
    assert channel.tokens == ["new"]
    assert [text for _, text in channel.sent] == ["hello"]
    assert bench.metrics.paused.labels(ACCOUNT)._value.get() == 0


@pytest.mark.parametrize("found", [None, Token(token="old"), ConfigError("the file is gone")], ids=str)
async def test_without_another_token_the_account_stays_paused_with_one_alarm(found: BaseModel | None) -> None:
    """F051: one alarm, whoever else is refused meanwhile; the alert is AccountPaused."""
    bench, channel = bench_with(found)
    channel.outcomes = [AccountRefused("revoked")] * 3
    with capture_logs() as logs:
        for thread in ("t1", "t2"):
            await bench.receive(f"m-{thread}", thread=thread)
            await bench.settle()
        bench.outbox._pauses.note(ACCOUNT, "t3", AccountRefused("revoked"))  # was under way when the first was refused
    assert channel.tokens == []
    assert [entry["event"] for entry in logs].count("account_refused") == 1
    assert bench.metrics.paused.labels(ACCOUNT)._value.get() == 1


def test_a_secret_that_comes_from_a_file_is_read_anew(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("old")
    prefix = "FRONTDESK_WHATSAPP_MAIN"
    environ = {
        f"{prefix}_PROVIDER": "cloud",
        f"{prefix}_PHONE_NUMBER_ID": cloud.NUMBER_ID,
        f"{prefix}_ACCESS_TOKEN_FILE": str(secret),
        f"{prefix}_APP_SECRET": "s",
        f"{prefix}_VERIFY_TOKEN": "v",
    }
    settings = load_settings(environ=environ, data=tmp_path / "data")

    def token() -> str:
        found = account_anew(settings, "whatsapp:main", environ)
        assert found is not None
        return str(found.access_token.get_secret_value())  # type: ignore[attr-defined]

    assert token() == "old"
    secret.write_text("new")
    assert token() == "new"
    assert account_anew(settings, "whatsapp:other", environ) is None


@pytest.mark.parametrize("provider", ["twilio", "cloud"])
async def test_whatsapp_goes_on_with_a_new_token_at_both_providers(provider: str) -> None:
    async with Platforms(QuickWorld(), whatsapp_by="cloud" if provider == "cloud" else "twilio") as platforms:
        url = platforms.http["whatsapp"].url
        if provider == "cloud":
            given = {"api_url": url, "phone_number_id": cloud.NUMBER_ID, "access_token": "revoked"}
            one = cloud_kit.channel(**given)
            one.renew(cloud_kit.settings(**given | {"access_token": cloud.ACCESS_TOKEN, "app_secret": "another"}))
            assert one._secrets == (b"another",)
            told = (await one.check())[0]
            await one.close()
        else:
            account = {"api_url": url, "account_sid": twilio.SID, "auth_token": "revoked"}
            other = whatsapp_kit.channel(**account)
            known = other.client.known
            other.renew(whatsapp_kit.settings(**account | {"auth_token": twilio.AUTH_TOKEN}))
            assert (other._tokens, other.client.known) == ((twilio.AUTH_TOKEN.encode(),), known)
            told = (await other.check())[0]
            await other.close()
    assert told.ok, told.detail
