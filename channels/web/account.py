"""What one web chat needs to know."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr

SWITCH_ON = (
    "Nothing to sign up for: give `secret` any 32 or more random characters (`openssl rand -hex 32`); "
    "list the sites that embed the widget in `allowed_origins`."
)

MIN_SECRET_CHARS = 32
"""128 bits when written in hexadecimal: as strong as the session ids that it protects."""
ORIGIN = re.compile(r"https?://[a-z0-9.\-]+(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?")
"""An origin as a browser sends it; nothing that could end a directive of a Content-Security-Policy fits."""


def _origin(value: str) -> str:
    origin = value.strip().rstrip("/").lower()
    if not ORIGIN.fullmatch(origin):
        raise ValueError(f"{value!r} is not an origin; write it like https://shop.example, without a path")
    return origin


def _strong(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < MIN_SECRET_CHARS:
        raise ValueError(f"a secret needs {MIN_SECRET_CHARS} or more characters")
    return secret


Origin = Annotated[str, AfterValidator(_origin)]
Secret = Annotated[SecretStr, AfterValidator(_strong)]


class AccountSettings(BaseModel):
    """One web chat, as the settings name it. The messages of its errors never repeat a secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    secret: Secret
    """Signs the tokens of visitors."""
    previous_secret: Secret | None = None
    """Still accepted while the tokens that it signed live out their day (SECURITY S4)."""
    allowed_origins: tuple[Origin, ...] = ()
    """Sites that may embed the widget or call the interface from a browser; our own origin is always allowed."""
    title: str = "Support"
    """Headline of the page."""
    trial_hint: str | None = None
    """One line above the conversation, for a deployment that is only being tried."""

    def keys(self) -> tuple[str, ...]:
        """Return the secrets that tokens may be signed with, the newest first."""
        known = (self.secret, self.previous_secret)
        return tuple(secret.get_secret_value() for secret in known if secret is not None)
