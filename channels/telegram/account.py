"""What one Telegram bot needs to be told."""

import re
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

SWITCH_ON = (
    "Write /newbot to @BotFather in Telegram, choose a name, and give the token that it answers with as `token`; "
    "polling needs nothing else."
)
SECRET_SHAPE = re.compile(r"[A-Za-z0-9_-]{1,256}")
"""What setWebhook takes as secret_token (T1)."""
TOKEN_SHAPE = re.compile(r"\d+:[A-Za-z0-9_-]+")
"""`{bot id}:{secret}`; anything else would break the path that it is put into."""


class AccountSettings(BaseModel):
    """One bot. The messages of its errors never repeat a secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    token: SecretStr
    """What @BotFather gave."""
    webhook_secret: SecretStr | None = None
    """Only in webhook mode, and required there: 1-256 of `A-Z a-z 0-9 _ -`; `openssl rand -hex 32` makes a good one."""
    previous_webhook_secret: SecretStr | None = None
    """Still accepted after a new secret was given, for updates that were under way; remove it a day later."""
    mode: Literal["polling", "webhook"] = "polling"
    """`polling` needs no public URL; `webhook` needs one with HTTPS."""
    username: str | None = None
    """The bot's name without the @; groups need it to know which commands and mentions are ours."""
    api_url: str = Field(default="https://api.telegram.org", pattern=r"^https?://[^\s{}?#]+[^\s{}?#/]$")
    """Origin of the Bot API, without a trailing slash; another one for a local Bot API server."""

    @property
    def bot_id(self) -> int:
        """Return the bot's own user id: the part of the token before the colon."""
        return int(self.token.get_secret_value().split(":", 1)[0])

    @field_validator("token")
    @classmethod
    def _shaped_like_a_token(cls, token: SecretStr) -> SecretStr:
        if TOKEN_SHAPE.fullmatch(token.get_secret_value()) is None:
            raise ValueError("a bot token looks like 123456:ABC-def; copy it again from @BotFather")
        return token

    @field_validator("username")
    @classmethod
    def _without_at(cls, username: str | None) -> str | None:
        return username.removeprefix("@") or None if username else None

    @field_validator("webhook_secret", "previous_webhook_secret")
    @classmethod
    def _shaped_like_a_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and SECRET_SHAPE.fullmatch(secret.get_secret_value()) is None:
            raise ValueError("webhook_secret takes 1 to 256 of A-Z a-z 0-9 _ -")
        return secret

    @model_validator(mode="after")
    def _webhook_needs_a_secret(self) -> Self:
        if self.mode == "webhook" and self.webhook_secret is None:
            raise ValueError("webhook mode needs webhook_secret: without it anybody could post updates")
        return self

    def webhook_secrets(self) -> tuple[str, ...]:
        """Return every secret that an update may carry, the one that we give to setWebhook first."""
        secrets = (self.webhook_secret, self.previous_webhook_secret)
        return tuple(secret.get_secret_value() for secret in secrets if secret is not None)
