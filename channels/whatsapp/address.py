"""Addresses of machines, for the settings of both providers. Pure."""

import ipaddress


def is_loopback(host: str | None) -> bool:
    """Tell whether a host name means this machine.

    >>> [is_loopback(host) for host in ("127.0.0.1", "localhost", "api.twilio.com", None)]
    [True, True, False, False]
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
