"""How one file can be fetched: an address, the hosts that it may come from, and what proves that we may have it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True, repr=False)
class Download:
    """A request for one file. It holds credentials: it is neither stored nor logged, and prints only its host.

    Args:
        url: good for a moment; perhaps with a token in it.
        hosts: where the platform documents that files come from; `.example.com` stands for all names below.
        headers: sent to the first address only, never along with a redirect to another origin.
        own_origin: `https://host[:port]` of the platform's interface as the settings have it. Whoever runs the hub
            chose it, so it may be one on a private network: a local Bot API server, a stand-in.
    """

    url: str
    hosts: tuple[str, ...]
    headers: Mapping[str, str] = field(default_factory=dict)
    own_origin: str | None = None

    def __repr__(self) -> str:
        """Name the host and nothing else."""
        return f"Download({urlsplit(self.url).hostname})"


def origin_of(url: str) -> str:
    """Return scheme, host and port of an address.

    >>> origin_of("https://slack.com/api/")
    'https://slack.com'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
