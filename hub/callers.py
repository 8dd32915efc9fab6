"""Who calls our routes, and how much they may: noise from one address and work at one time have an end (SECURITY S19).

What a platform sends with a valid signature is answered 2xx and never counted as noise. A message that was refused here
was not accepted, so nothing is lost by it that was promised.
"""

from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from math import ceil

from aiohttp import web
from aiohttp.typedefs import Middleware

from channels.http import try_later
from channels.inbound import Pace
from core.clock import Clock
from hub.adapters import channel_names
from hub.rates import Buckets
from hub.settings import Limits, Server
from hub.telemetry import Metrics

NOISE = frozenset({400, 401, 408, 413, 415})
"""Answers to what no platform and no page of ours sends."""
ONE_CALLER_V6 = 64
"""Bits of an IPv6 address that tell callers apart: whoever has one address has the other 2^64 of its network too."""
FORWARDED_FOR = "X-Forwarded-For"

Address = IPv4Address | IPv6Address
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Callers:
    """Keeps count of the callers of this process."""

    def __init__(self, server: Server, limits: Limits, clock: Clock, metrics: Metrics) -> None:
        self._proxies = server.trusted_proxies
        self._at_once = limits.requests_at_once
        self._clock = clock
        self._metrics = metrics
        self._noise: Buckets[str] = Buckets(Pace(per_s=limits.refused_per_min / 60, burst=limits.refused_per_min))
        self._under_way = 0

    def middleware(self) -> Middleware:
        """Return what stands before every route."""

        @web.middleware
        async def limited(request: web.Request, handler: Handler) -> web.StreamResponse:
            caller = self.address_of(request)
            known_as = self._counted_as(caller, request.remote)
            if known_as is not None and (wait_s := self._noise.wait_s(known_as, self._clock.monotonic())):
                self._metrics.limited.labels(_channel_of(request), "noise").inc()
                return _closing(web.Response(status=429, headers={"Retry-After": str(ceil(wait_s))}))
            if caller is not None and str(caller) != request.remote:
                request = request.clone(remote=str(caller))
            return await self._counted(request, handler, known_as)

        return limited

    def address_of(self, request: web.Request) -> Address | None:
        """Return the address of whoever calls, seen through our own proxies; None for what is no network address.

        From right to left, the first hop that is not one of our proxies is the caller: everything left of it is only
        what the caller says.
        """
        address = _read_address(request.remote)
        hops = ",".join(request.headers.getall(FORWARDED_FOR, [])).split(",")
        while address is not None and self._is_ours(address) and hops:
            if (hop := _read_address(hops.pop())) is None:
                break
            address = hop
        return address

    def _counted_as(self, caller: Address | None, peer: str | None) -> str | None:
        """Return what noise is counted by; None where one address may stand for everybody.

        A private address that nobody saw for us is a proxy that nobody told us of, or this machine itself. Counting by
        it would let one caller shut out all the platforms behind the same proxy.
        """
        if caller is None or self._is_ours(caller):
            return None
        plain = (caller.ipv4_mapped or caller) if isinstance(caller, IPv6Address) else caller
        if not plain.is_global and str(caller) == peer:
            return None
        return str(plain) if isinstance(plain, IPv4Address) else str(IPv6Network((plain, ONE_CALLER_V6), strict=False))

    def _is_ours(self, address: Address) -> bool:
        return any(address in network for network in self._proxies)

    async def _counted(self, request: web.Request, handler: Handler, known_as: str | None) -> web.StreamResponse:
        """Serve, unless too much is under way; only what brings a body counts: pages that listen may be many."""
        if request.method != "POST":
            return await self._heard(request, handler, known_as)
        if self._under_way >= self._at_once:
            self._metrics.limited.labels(_channel_of(request), "at_once").inc()
            return _closing(try_later())
        self._under_way += 1
        try:
            return await self._heard(request, handler, known_as)
        finally:
            self._under_way -= 1

    async def _heard(self, request: web.Request, handler: Handler, known_as: str | None) -> web.StreamResponse:
        """Serve, and note an answer that says that the request was noise."""
        try:
            response = await handler(request)
        except web.HTTPException as answer:
            self._note(known_as, answer.status)
            raise
        self._note(known_as, response.status)
        return response

    def _note(self, known_as: str | None, status: int) -> None:
        if known_as is not None and status in NOISE:
            self._noise.book(known_as, self._clock.monotonic())


def _read_address(text: str | None) -> Address | None:
    try:
        return ip_address((text or "").strip())
    except ValueError:
        return None


def _channel_of(request: web.Request) -> str:
    first = request.path.strip("/").split("/", 1)[0]
    return first if first in channel_names() else "other"


def _closing(response: web.Response) -> web.Response:
    """Let the connection go with the answer: a body that nobody reads is in the way of the next request."""
    response.force_close()
    return response
