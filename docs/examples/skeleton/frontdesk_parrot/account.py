"""What one account of Parrot needs to be switched on."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr

CONTRACT = 1
"""The version of Frontdesk's contract that this package keeps; a hub with another one says so and does not start."""
SWITCH_ON = (
    "Say here where the credentials are found, in one or two sentences: `frontdesk check` shows it for an account that "
    "is off. The webhook is {public_url}/parrot/{account}."
)

Secret = Annotated[SecretStr, Field(min_length=1)]


class AccountSettings(BaseModel):
    """One account; each field may be given as `FRONTDESK_PARROT_<ACCOUNT>_<FIELD>`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bot_id: str = Field(min_length=1, max_length=128)
    """Who we are on Parrot: what this sender writes is our own."""
    token: Secret
    """Sends."""
    secret: Secret
    """Signs webhooks."""
    api_url: str = Field(
        default="https://api.parrot.example", pattern=r"^(https://|http://(127\.0\.0\.1|localhost)[:/])"
    )
    """The token travels over this address: https, or http on this machine."""
