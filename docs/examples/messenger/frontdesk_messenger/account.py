"""What one Facebook Page needs to be switched on."""

from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

CONTRACT = 1
"""The version of Frontdesk's contract that this package keeps; a hub with another one says so and does not start."""
SWITCH_ON = (
    "In developers.facebook.com make an app with the product Messenger: App settings > Basic has the app secret, "
    "Messenger > API settings the page's id and its access token. There set the callback URL to "
    "{public_url}/messenger/{account}, with the verify token of your choice, and subscribe the page to messages, "
    "messaging_postbacks, message_deliveries, message_echoes, message_edits, message_reactions and messaging_referrals."
)


def is_loopback(host: str | None) -> bool:
    """Tell whether a host is this machine.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("graph.facebook.com")
    (True, True, False)
    """
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"


def _guarded_url(url: str) -> str:
    """Refuse an address over which the access token would travel in the clear."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ValueError("the access token travels over this address: use https (http only on loopback)")
    return url.rstrip("/")


Secret = Annotated[SecretStr, Field(min_length=1)]


class AccountSettings(BaseModel):
    """One Page."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    page_id: str = Field(pattern=r"^[0-9]{5,32}$")
    access_token: Secret
    """Of the Page, with `pages_messaging`; sends, and reads who we are."""
    app_secret: Secret
    """Signs webhooks."""
    verify_token: Secret
    """Our own choice, told to Meta once: it asks for it when the callback URL is set."""
    previous_app_secret: Secret | None = None
    """Accepted on webhooks while the app secret is being changed."""
    api_url: Annotated[str, AfterValidator(_guarded_url)] = "https://graph.facebook.com"
    api_version: str = Field(default="v25.0", pattern=r"^v[0-9]{1,3}\.[0-9]$")
    """Of the Graph API; each is served for about two years."""
