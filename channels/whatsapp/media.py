"""Media of Twilio by its address, which is only worth a look on Twilio's own host (W9)."""

import base64

from channels.media import Download, origin_of
from channels.whatsapp.account import AccountSettings
from core.errors import MediaRefused

CDN_HOSTS = (".twiliocdn.com", "s3-external-1.amazonaws.com")
"""Where api.twilio.com sends those who ask for media; twilio.com/docs/messaging/api/media-resource, hosts [K]."""


def find_file(settings: AccountSettings, url: str) -> Download:
    """Return how to fetch a `MediaUrl`: credentials go to the interface of Twilio only, and end at the redirect (W9).

    Raises:
        MediaRefused: the form names another host.
    """
    origin = origin_of(settings.api_url)
    if not url.startswith(f"{origin}/"):
        raise MediaRefused("refused", "the message names a host that is not twilio's")
    proof = base64.b64encode(f"{settings.account_sid}:{settings.auth_token.get_secret_value()}".encode()).decode()
    return Download(url, CDN_HOSTS, {"Authorization": f"Basic {proof}"}, origin)
