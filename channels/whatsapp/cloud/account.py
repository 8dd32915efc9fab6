"""What one WhatsApp number at Meta's Cloud API needs to be switched on."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from channels.whatsapp.address import is_loopback
from core.window import OutsidePolicy

SWITCH_ON = (
    "In developers.facebook.com open the app: App settings > Basic has the app secret, WhatsApp > API setup the phone "
    "number id; make a permanent token of a system user. Under WhatsApp > Configuration set the callback URL to "
    "{public_url}/whatsapp/{account}, with the verify token of your choice, and subscribe to the field `messages`."
)


def _guarded_url(url: str) -> str:
    """Refuse an address over which the access token would travel in the clear."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ValueError("the access token travels over this address: use https (http only on loopback)")
    return url.rstrip("/")


Secret = Annotated[SecretStr, Field(min_length=1)]


class CloudSettings(BaseModel):
    """One phone number of one WhatsApp Business Account."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: Literal["cloud"]
    phone_number_id: str = Field(pattern=r"^[0-9]{5,32}$")
    """Meta's id of our number; not the number."""
    access_token: Secret
    """Of a system user, with `whatsapp_business_messaging`; opens the Graph API."""
    app_secret: Secret
    """Signs webhooks."""
    verify_token: Secret
    """Our own choice, told to Meta once: it asks for it when the callback URL is set."""
    previous_app_secret: Secret | None = None
    """Accepted on webhooks while the app secret is being changed."""
    api_url: Annotated[str, AfterValidator(_guarded_url)] = "https://graph.facebook.com"
    outside_window: OutsidePolicy = OutsidePolicy()
    """What is done with messages to somebody who has not written for 24 hours (131047)."""
    api_version: str = Field(default="v23.0", pattern=r"^v[0-9]{1,3}\.[0-9]$")
    """Of the Graph API; each is served for about two years."""
