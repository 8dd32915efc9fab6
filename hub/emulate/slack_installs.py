"""Slack's part in installing an app: the page where somebody agrees, codes, and tokens that end and are renewed.

Source: docs.slack.dev/authentication/installing-with-oauth and using-token-rotation, reference/methods/oauth.v2.access.
"""

import base64
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from core.clock import Clock

CLIENT_ID = "1234567890.stand-in"
CLIENT_SECRET = "client-secret-stand-in"  # noqa: S105  of nobody
TOKEN_LASTS_S = 43_200
"""12 hours; docs.slack.dev/authentication/using-token-rotation."""
CODE_LASTS_S = 600
"""docs.slack.dev/authentication/installing-with-oauth: "expire after ten minutes"."""
TOKENS_AT_ONCE = 2
"""Active tokens of one installation: a third ends the first."""
FIRST_WORKSPACE = "T0ACME"
INSTALLER = "U0OWNER"


@dataclass(frozen=True, slots=True)
class Code:
    """What the browser brings back to the app."""

    place: str
    scope: str
    redirect_uri: str
    ends_at: float


@dataclass
class SlackInstalls:
    """Who has installed the app. Every workspace agrees at once; an id that begins with E is an organisation."""

    clock: Clock
    bot_user: str
    app: str
    _codes: dict[str, Code] = field(default_factory=dict)
    _tokens: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Token: whose, and its end; the oldest first."""
    _refreshes: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Refresh token: whose, and the scopes. Counts once."""
    _revoked: set[str] = field(default_factory=set)
    _counter: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def authorize(self, request: web.Request) -> web.Response:
        """Stand for Slack's page: somebody of the workspace `team` agrees, and the browser is sent back."""
        asked = request.query
        if asked.get("client_id") != CLIENT_ID or not all(asked.get(name) for name in ("scope", "redirect_uri")):
            return web.Response(status=400, text="invalid client_id, scope or redirect_uri\n")
        code = f"code-{next(self._counter)}"
        place = asked.get("team") or FIRST_WORKSPACE
        self._codes[code] = Code(place, asked["scope"], asked["redirect_uri"], self._now() + CODE_LASTS_S)
        query = urlencode({"code": code, "state": asked.get("state", "")})
        return web.Response(status=302, headers={"Location": f"{asked['redirect_uri']}?{query}"})

    def access(self, authorization: str | None, arguments: Mapping[str, str]) -> dict[str, Any]:
        """Answer oauth.v2.access."""
        expected = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if authorization != f"Basic {expected}":
            return {"ok": False, "error": "bad_client_secret"}
        if arguments.get("grant_type") == "refresh_token":
            known = self._refreshes.pop(arguments.get("refresh_token", ""), None)
            return self._grant(*known) if known is not None else {"ok": False, "error": "invalid_refresh_token"}
        code = self._codes.pop(arguments.get("code", ""), None)
        if code is None or code.ends_at <= self._now():
            return {"ok": False, "error": "invalid_code"}
        if code.redirect_uri != arguments.get("redirect_uri"):
            return {"ok": False, "error": "bad_redirect_uri"}
        return self._grant(code.place, code.scope)

    def _grant(self, place: str, scope: str) -> dict[str, Any]:
        number = next(self._counter)
        token, refresh = f"xoxe.xoxb-{place}-{number}", f"xoxe-1-{place}-{number}"
        theirs = [other for other, (owner, _) in self._tokens.items() if owner == place]
        for old in theirs[: max(0, len(theirs) + 1 - TOKENS_AT_ONCE)]:
            del self._tokens[old]
            self._revoked.add(old)
        self._tokens[token] = (place, self._now() + TOKEN_LASTS_S)
        self._refreshes[refresh] = (place, scope)
        whole = place.startswith("E")
        named = {"id": place, "name": f"Acme {place}"}
        return {
            "ok": True,
            "app_id": self.app,
            "authed_user": {"id": INSTALLER},
            "scope": scope,
            "token_type": "bot",
            "access_token": token,
            "refresh_token": refresh,
            "expires_in": TOKEN_LASTS_S,
            "bot_user_id": self.bot_user,
            "team": None if whole else named,
            "enterprise": named if whole else None,
            "is_enterprise_install": whole,
        }

    def judge(self, token: str) -> str | None:
        """Return what Slack says against a token; None where it counts."""
        if token in self._revoked:
            return "token_revoked"
        if token not in self._tokens:
            return "invalid_auth"
        return "token_expired" if self._tokens[token][1] <= self._now() else None

    def place_of(self, token: str) -> str:
        """Return whose a token is."""
        return self._tokens[token][0]

    def revoke(self, place: str) -> None:
        """Take everything back that a workspace was given (auth.revoke, or its owner removed the app)."""
        for token in [token for token, (owner, _) in self._tokens.items() if owner == place]:
            del self._tokens[token]
            self._revoked.add(token)
        self._refreshes = {name: known for name, known in self._refreshes.items() if known[0] != place}

    def ending(self, place: str, kind: str, event_id: str) -> bytes:
        """Return `tokens_revoked` or `app_uninstalled` as the Events API brings it: no authorizations (S17)."""
        event: dict[str, Any] = {"type": kind}
        if kind == "tokens_revoked":
            event["tokens"] = {"oauth": [], "bot": [self.bot_user]}
        where = {"enterprise_id" if place.startswith("E") else "team_id": place}
        envelope = {"type": "event_callback", "api_app_id": self.app, "event_id": event_id, "event": event, **where}
        return json.dumps(envelope | {"event_time": int(self._now())}).encode()

    def _now(self) -> float:
        return self.clock.now().timestamp()
