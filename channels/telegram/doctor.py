"""What `frontdesk doctor` asks Telegram about one bot, and what to do about the answers."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

from pydantic import ValidationError

from channels.base import Finding
from channels.telegram.payloads import HANDLED_UPDATES, Me, WebhookInfo
from core.errors import AccountRefused, DeliveryError
from core.model import Json

WEBHOOK_PORTS = (443, 80, 88, 8443)
"""T2."""
MANY_PENDING = 100
"""Updates waiting at Telegram; more than one batch means that we do not keep up. Our choice."""
RECENT = timedelta(hours=1)
"""Telegram keeps naming the last failed delivery; an older one says nothing about now. Our choice."""


class Caller(Protocol):
    """Makes one Bot API call."""

    async def call(self, method: str, params: dict[str, Json]) -> Any:
        """Return the call's result; see `TelegramClient.call`."""
        ...


@dataclass(frozen=True, slots=True)
class Setup:
    """What the settings say."""

    account: str
    """`telegram:support`."""
    mode: Literal["polling", "webhook"]
    username: str | None
    url: str
    """Where updates are to be delivered in webhook mode."""


async def examine(caller: Caller, setup: Setup, now: datetime) -> list[Finding]:
    """Check token, name and delivery; never raises for what Telegram answers."""
    try:
        me = Me.model_validate(await caller.call("getMe", {}))
        info = WebhookInfo.model_validate(await caller.call("getWebhookInfo", {}))
    except DeliveryError as error:
        return [_unreachable(setup, error)]
    except ValidationError:
        return [_finding(setup, "token", ok=False, detail="what answers is no Bot API", fix="check `api_url`")]
    return [
        _finding(setup, "token", ok=True, detail=f"accepted, the bot is @{me.username}"),
        _name(setup, me),
        *_delivery(setup, info),
        _backlog(setup, info),
        _last_error(setup, info, now),
    ]


def _finding(setup: Setup, check: str, *, ok: bool, detail: str, fix: str | None = None) -> Finding:
    return Finding(account=setup.account, check=check, ok=ok, detail=detail, fix=None if ok else fix)


def _unreachable(setup: Setup, error: DeliveryError) -> Finding:
    fix = "check the network, the proxy and `api_url`"
    if isinstance(error, AccountRefused):
        fix = "ask @BotFather for the token with /token and set it as `token`"
    return _finding(setup, "token", ok=False, detail=str(error), fix=fix)


def _name(setup: Setup, me: Me) -> Finding:
    ok = (setup.username or "").casefold() == me.username.casefold()
    detail = f"`username` is {setup.username or 'not set'}; groups need it to tell our commands from those of others"
    return _finding(setup, "username", ok=ok, detail=detail, fix=f"set `username` to {me.username}")


def _delivery(setup: Setup, info: WebhookInfo) -> list[Finding]:
    if setup.mode == "polling":
        detail = "a webhook is registered, so polling gets nothing" if info.url else "no webhook is registered"
        return [
            _finding(setup, "delivery", ok=not info.url, detail=detail, fix="start the hub: it removes the webhook")
        ]
    return [
        _public(setup),
        _finding(
            setup,
            "delivery",
            ok=info.url == setup.url,
            detail=f"updates go to {info.url or 'nowhere'}, they should go to {setup.url}",
            fix="start the hub: it registers its address; another program with this token may have changed it",
        ),
        _finding(
            setup,
            "allowed_updates",
            ok=set(info.allowed_updates) == set(HANDLED_UPDATES),
            detail=f"subscribed to {', '.join(info.allowed_updates) or 'the default kinds'}",
            fix="start the hub: it subscribes to what it handles",
        ),
    ]


def _public(setup: Setup) -> Finding:
    address = urlsplit(setup.url)
    port = address.port or 443
    ok = address.scheme == "https" and port in WEBHOOK_PORTS
    detail = f"{address.scheme}, port {port}; telegram delivers to https on {WEBHOOK_PORTS} only"
    return _finding(
        setup, "public_url", ok=ok, detail=detail, fix="give the hub a public https address, or use polling"
    )


def _backlog(setup: Setup, info: WebhookInfo) -> Finding:
    waiting = info.pending_update_count
    fix = "see `last_error`; telegram drops them after 24 hours"
    detail = f"{waiting} updates wait at telegram"
    return _finding(setup, "backlog", ok=waiting <= MANY_PENDING, detail=detail, fix=fix)


def _last_error(setup: Setup, info: WebhookInfo, now: datetime) -> Finding:
    date = info.last_error_date
    if date is None or now - datetime.fromtimestamp(date, UTC) > RECENT:
        return _finding(setup, "last_error", ok=True, detail="no delivery failed in the last hour")
    detail = f"a delivery failed: {info.last_error_message}"
    fix = "make the public address answer; 401 means that telegram has another secret: start the hub"
    return _finding(setup, "last_error", ok=False, detail=detail, fix=fix)
