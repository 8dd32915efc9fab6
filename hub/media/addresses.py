"""Which network addresses a file may come from: the open internet, and nothing that only we can reach (F086).

The name is looked up once; the connection goes to the very addresses that were checked, so an answer that changes
between the check and the connection (rebinding) changes nothing.
"""

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

CARRIES_IPV4 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("2002::/16"))
"""RFC 6052, RFC 8215, RFC 3056: an IPv4 address, perhaps a private one, reached through a translator."""


class PrivateAddress(OSError):
    """A name leads to where no public file lies."""


def is_public(address: str) -> bool:
    """Tell whether an address is one of the open internet.

    >>> [is_public(one) for one in ("93.184.216.34", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "64:ff9b::1")]
    [True, False, False, False, False]
    """
    found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        elif any(found in network for network in CARRIES_IPV4) or found.teredo is not None:
            return False
    return found.is_global and not found.is_multicast


class PublicResolver(AbstractResolver):
    """Looks names up, and refuses one of which any address is not public."""

    def __init__(self, names: AbstractResolver | None = None) -> None:
        self._names = names or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a name.

        Raises:
            PrivateAddress: one of them is not public.
            OSError: the name is not known.
        """
        found = await self._names.resolve(host, port, family)
        if not all(is_public(entry["host"]) for entry in found):
            raise PrivateAddress("the name leads to an address that is not public")
        return found

    async def close(self) -> None:
        """Let go of the resolver below."""
        await self._names.close()
