"""Asking Slack whether an account is set up right."""

from collections.abc import Mapping

from channels.base import Finding
from channels.slack.account import AccountSettings
from channels.slack.client import SlackClient
from channels.slack.workspaces import Workspaces
from core.errors import DeliveryError, StoreUnavailable
from core.installations import Installation

NEEDED_SCOPES = frozenset({"app_mentions:read", "channels:history", "chat:write", "im:history", "im:write"})
"""What receiving, answering and proving a send in doubt need; docs.slack.dev/reference/scopes.

im:write opens the direct messages with a person: to answer a slash command there, and to look for that answer.
"""
MAX_ASKED = 20
"""Workspaces that Slack is asked about, so that the doctor comes to an end; the rest is listed."""
SCOPES_HEADER = "x-oauth-scopes"


async def check(account: str, settings: AccountSettings, client: SlackClient, request_url: str) -> list[Finding]:
    """Ask Slack about token, scopes and the way events come in; never raises."""
    findings = await _check_token(account, client)
    if settings.mode == "socket" and settings.app_token is not None:
        return [*findings, await _check_socket(account, settings.app_token.get_secret_value(), client)]
    return [*findings, _check_url(account, request_url)]


async def check_workspaces(account: str, workspaces: Workspaces, origin: str) -> list[Finding]:
    """Say where an app is installed, and ask Slack about the first of them; never raises."""
    begin = f"{origin}/{account.replace(':', '/')}/install"
    try:
        found = await workspaces.all()
    except StoreUnavailable as error:
        fix = "start the database; installations are kept there"
        return [Finding(account=account, check="workspaces", ok=False, detail=str(error), fix=fix)]
    living = sum(one.ended_at is None for one in found)
    summary = f"installed in {living} of {len(found)}; install by {begin}"
    url = _check_url(account, f"{origin}/{account.replace(':', '/')}/events")
    lines = [Finding(account=account, check="workspaces", ok=True, detail=summary), url]
    for number, one in enumerate(found):
        lines += await _check_workspace(account, one, workspaces, begin, is_asked=number < MAX_ASKED)
    return lines


async def _check_workspace(
    account: str, one: Installation, workspaces: Workspaces, begin: str, *, is_asked: bool
) -> list[Finding]:
    what = "organisation" if one.is_whole_organisation else "workspace"
    name = f"{what} {one.place_name or ''} ({one.place})".replace("  ", " ")
    if one.ended_at is not None:
        detail = f"{name}: {one.ended_why} at {one.ended_at:%Y-%m-%d %H:%M} UTC"
        fix = f"if they want it back, they install it again by {begin}"
        return [Finding(account=account, check=what, ok=False, detail=detail, fix=fix)]
    if not is_asked:
        return [Finding(account=account, check=what, ok=True, detail=f"{name}: installed; Slack was not asked")]
    try:
        _, headers = await (await workspaces.client_of(one.place)).call("auth.test")
    except DeliveryError as error:
        fix = f"let them install it again by {begin}"
        return [Finding(account=account, check=what, ok=False, detail=f"{name}: {error}", fix=fix)]
    finding = Finding(account=account, check=what, ok=True, detail=f"{name}: installed by {one.installer}")
    return [finding, *_check_scopes(account, headers)]


async def _check_token(account: str, client: SlackClient) -> list[Finding]:
    try:
        answer, headers = await client.call("auth.test")
    except DeliveryError as error:
        fix = "install the app again and copy the Bot User OAuth Token (OAuth & Permissions) to bot_token"
        return [Finding(account=account, check="bot token", ok=False, detail=str(error), fix=fix)]
    who = f"{answer.get('user')} in {answer.get('team')}"
    return [Finding(account=account, check="bot token", ok=True, detail=who), *_check_scopes(account, headers)]


def _check_scopes(account: str, headers: Mapping[str, str]) -> list[Finding]:
    if SCOPES_HEADER not in headers:
        return []
    missing = sorted(NEEDED_SCOPES - {scope.strip() for scope in headers[SCOPES_HEADER].split(",")})
    if not missing:
        return [Finding(account=account, check="scopes", ok=True, detail="all there")]
    fix = "add them under OAuth & Permissions > Bot Token Scopes, then install the app again"
    return [Finding(account=account, check="scopes", ok=False, detail=f"missing: {', '.join(missing)}", fix=fix)]


async def _check_socket(account: str, app_token: str, client: SlackClient) -> Finding:
    try:
        await client.call("apps.connections.open", params={"token": app_token})
    except DeliveryError as error:
        fix = "switch Socket Mode on and give an app-level token with scope connections:write as app_token"
        return Finding(account=account, check="socket mode", ok=False, detail=str(error), fix=fix)
    return Finding(account=account, check="socket mode", ok=True, detail="Slack offers a socket")


def _check_url(account: str, request_url: str) -> Finding:
    if request_url.startswith("https://"):
        return Finding(account=account, check="request url", ok=True, detail=f"give Slack {request_url}")
    fix = "set the public URL to an https address that Slack can reach, or use mode: socket"
    return Finding(account=account, check="request url", ok=False, detail=f"Slack cannot call {request_url}", fix=fix)
