"""`frontdesk doctor` for Slack: token, scopes, and the way events come in."""

from typing import Any

from aiohttp import web

from channels.slack.channel import SlackChannel
from channels.slack.doctor import NEEDED_SCOPES
from tests.unit.channels.slack.slack_samples import ACCOUNT, FakeInbox, FakeSlack, resources, settings

WHO = {"ok": True, "team": "Acme", "user": "frontdesk"}


def with_scopes(scopes: str) -> Any:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response(WHO, headers={"x-oauth-scopes": scopes})

    return answer


async def findings(slack: FakeSlack, public_url: str = "https://desk.example.org", **fields: Any) -> dict[str, Any]:
    server = await slack.start()
    account = settings(api_url=str(server.make_url("/api/")), **fields)
    channel = SlackChannel(ACCOUNT, account, resources(FakeInbox(), public_url=public_url))
    found = await channel.check()
    await channel.close()
    await server.close()
    assert {finding.account for finding in found} == {"slack:acme"}
    assert all(finding.ok or finding.fix for finding in found)
    return {finding.check: finding for finding in found}


async def test_a_healthy_account_is_told_with_its_workspace_and_address():
    found = await findings(FakeSlack(auth__test=with_scopes(",".join(NEEDED_SCOPES) + ",commands")))
    assert all(finding.ok for finding in found.values())
    assert found["bot token"].detail == "frontdesk in Acme"
    assert "https://desk.example.org/slack/acme/events" in found["request url"].detail


async def test_missing_scopes_are_named():
    found = await findings(FakeSlack(auth__test=with_scopes("chat:write, im:history")))
    assert found["scopes"].detail == "missing: app_mentions:read, channels:history, im:write"


async def test_a_refused_token_and_an_address_without_https_are_found():
    found = await findings(FakeSlack(auth__test={"ok": False, "error": "invalid_auth"}), "http://localhost:8000")
    assert not found["bot token"].ok
    assert not found["request url"].ok
    assert "invalid_auth" in found["bot token"].detail


async def test_in_socket_mode_the_app_token_is_tried():
    slack = FakeSlack(auth__test=WHO, apps__connections__open=[{"ok": True, "url": "wss://x"}, {"ok": False}])
    socket: dict[str, Any] = {"mode": "socket", "app_token": "xapp-1", "signing_secret": None}
    assert (await findings(slack, **socket))["socket mode"].ok
    assert slack.requests[-1] == ("apps.connections.open", {}, "Bearer xapp-1")
    assert not (await findings(slack, **socket))["socket mode"].ok
