"""What one WhatsApp number at Twilio needs to be switched on."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from channels.whatsapp.address import is_loopback
from channels.whatsapp.cloud import account as cloud
from channels.whatsapp.contents import ChoiceContents
from core.window import OutsidePolicy

SWITCH_ON = (
    "In console.twilio.com copy the Account SID and Auth Token from the dashboard, open Messaging > Senders > WhatsApp "
    "senders (or the WhatsApp sandbox) for the number, and set its webhook to POST {public_url}/whatsapp/{account}."
)

WHATSAPP_PREFIX = "whatsapp:"
E164 = re.compile(r"\+[1-9][0-9]{6,14}")
"""ITU-T E.164: at most 15 digits after the plus."""
PUNCTUATION = re.compile(r"[\s().\-]")


def normalize_number(written: str) -> str:
    """Return a number as Twilio names it on WhatsApp.

    >>> normalize_number("+1 (415) 523-8886")
    'whatsapp:+14155238886'
    """
    number = PUNCTUATION.sub("", written).removeprefix(WHATSAPP_PREFIX)
    if not E164.fullmatch(number):
        raise ValueError("give the number in international form, for example whatsapp:+14155238886")
    return WHATSAPP_PREFIX + number


def _guarded_url(url: str) -> str:
    """Refuse an address over which the auth token would travel in the clear."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ValueError("the auth token travels over this address: use https (http only for a stand-in on loopback)")
    return url.rstrip("/")


Token = Annotated[SecretStr, Field(min_length=1)]


class AccountSettings(BaseModel):
    """One WhatsApp sender of one Twilio account."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: Literal["twilio"] = "twilio"
    """The other one is `cloud`: `channels/whatsapp/cloud/account.py`."""
    account_sid: str = Field(pattern=r"^AC[0-9A-Za-z]+$")
    auth_token: Token
    """The primary Auth Token: signs webhooks and opens the REST API."""
    number: Annotated[str, AfterValidator(normalize_number)]
    """Our sender, `whatsapp:+E164`; the prefix and punctuation are put right when missing or superfluous."""
    messaging_service_sid: str | None = Field(default=None, pattern=r"^MG[0-9A-Za-z]+$")
    """When set, the service picks the sender."""
    previous_auth_token: Token | None = None
    """Accepted on webhooks while the token is being rotated; never used to send."""
    api_url: Annotated[str, AfterValidator(_guarded_url)] = "https://api.twilio.com"
    choice_contents: ChoiceContents = {}
    """ContentSid by number of choices: quick replies for up to 3, list pickers for up to 10 (W22)."""
    outside_window: OutsidePolicy = OutsidePolicy()
    """What is done with messages to somebody who has not written for 24 hours (W20)."""
    catch_up_every_s: float = Field(default=600.0, ge=0)
    """So often Twilio is asked for messages that it did not deliver, in seconds; 0 is never."""


PROVIDERS: Mapping[str, tuple[type[BaseModel], str]] = {
    "twilio": (AccountSettings, SWITCH_ON),
    "cloud": (cloud.CloudSettings, cloud.SWITCH_ON),
}
"""Who carries the messages: the settings that each needs, and how it is switched on."""
