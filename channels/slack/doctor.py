"""Asking Slack whether an account is set up right."""

from collections.abc import Mapping

from channels.base import Finding
from channels.slack.account import AccountSettings
from channels.slack.client import SlackClient
from core.errors import DeliveryError

NEEDED_SCOPES = frozenset({"app_mentions:read", "channels:history", "chat:write", "im:history", "im:write"})
"""What receiving, answering and proving a send in doubt need; docs.slack.dev/reference/scopes.

im:write opens the direct messages with a person: to answer a slash command there, and to look for that answer.
"""
SCOPES_HEADER = "x-oauth-scopes"


async def check(account: str, settings: AccountSettings, client: SlackClient, request_url: str) -> list[Finding]:
    """Ask Slack about token, scopes and the way events come in; never raises."""
    findings = await _check_token(account, client)
    if settings.mode == "socket" and settings.app_token is not None:
        return [*findings, await _check_socket(account, settings.app_token.get_secret_value(), client)]
    return [*findings, _check_url(account, request_url)]


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
