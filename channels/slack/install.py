"""Installing the app in a workspace: to Slack's page and back (docs.slack.dev/authentication/installing-with-oauth).

The state that goes along is signed, ends, counts once, and only in the browser that began: a cookie holds the other
half.
"""

import hashlib
import hmac
import logging
import secrets
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode, urljoin

from aiohttp import web

from channels.slack.workspaces import Workspaces, installation_from
from core.clock import Clock
from core.errors import DeliveryError, StoreUnavailable
from core.ids import AccountName

SCOPES = (
    "app_mentions:read,channels:history,groups:history,im:history,mpim:history,im:write,chat:write,reactions:read,"
    "files:read,commands"
)
"""Of the manifest in the README: what receiving, answering and proving a send in doubt need."""
STATE_LASTS = timedelta(minutes=10)
"""slack_bolt's `OAuthSettings.state_expiration_seconds` is the same."""
COOKIE = "frontdesk_slack_install"

log = logging.getLogger(__name__)


class InstallPages:
    """The two addresses of one account that a browser visits.

    Args:
        account: its name.
        app: the app's client id and client secret; the latter signs the state.
        api_url: of the Web API; Slack's own page is found from it.
        public_url: our origin.
        clock: ours.
        workspaces: keep what is installed.
    """

    def __init__(
        self,
        account: AccountName,
        app: tuple[str, str],
        api_url: str,
        public_url: str,
        clock: Clock,
        workspaces: Workspaces,
    ) -> None:
        self._path = f"/slack/{account}"
        self._client_id, self._key = app[0], app[1].encode()
        self._authorize_url = urljoin(api_url, "/oauth/v2/authorize")
        self._origin = public_url
        self._clock = clock
        self._workspaces = workspaces

    def routes(self) -> list[web.RouteDef]:
        """Return both."""
        return [
            web.get(f"{self._path}/install", self.begin, allow_head=False),
            web.get(f"{self._path}/oauth_redirect", self.finish, allow_head=False),
        ]

    @property
    def _redirect_uri(self) -> str:
        return f"{self._origin}{self._path}/oauth_redirect"

    async def begin(self, _request: web.Request) -> web.Response:
        """Send the browser to Slack's page."""
        browser = secrets.token_urlsafe(24)
        query = {
            "client_id": self._client_id,
            "scope": SCOPES,
            "redirect_uri": self._redirect_uri,
            "state": self._state(browser),
        }
        answer = web.Response(status=302, headers={"Location": f"{self._authorize_url}?{urlencode(query)}"})
        answer.headers["Cache-Control"] = "no-store"
        answer.set_cookie(
            COOKIE,
            browser,
            max_age=int(STATE_LASTS.total_seconds()),
            path=self._path,
            secure=self._origin.startswith("https://"),
            httponly=True,
            samesite="Lax",
        )
        return answer

    async def finish(self, request: web.Request) -> web.Response:
        """Take the browser back, exchange the code, and keep the installation."""
        try:
            if not await self._is_ours(request.query.get("state", ""), request.cookies.get(COOKIE, "")):
                return self._page(400, f"This link has ended or was used. Begin again: {self._path}/install")
            if "code" not in request.query:
                return self._page(400, f"Nothing was installed. Begin again: {self._path}/install")
            return await self._install(request.query["code"])
        except StoreUnavailable:
            return self._page(503, f"The database does not answer. Begin again in a minute: {self._path}/install")

    async def _install(self, code: str) -> web.Response:
        try:
            answer = await self._workspaces.ask_oauth(code=code, redirect_uri=self._redirect_uri)
            installation = installation_from(answer, self._workspaces.key, self._clock.now())
        except DeliveryError as error:
            log.warning("slack did not take an installation's code: %s", error)
            return self._page(502, f"Slack did not confirm. Begin again: {self._path}/install")
        await self._workspaces.keep(installation)
        return self._page(200, f"Installed in {installation.place_name or installation.place}.")

    def _page(self, status: int, text: str) -> web.Response:
        answer = web.Response(status=status, text=f"{text}\n", headers={"X-Content-Type-Options": "nosniff"})
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["Referrer-Policy"] = "no-referrer"  # the address holds a code
        answer.del_cookie(COOKIE, path=self._path)
        return answer

    def _state(self, browser: str) -> str:
        ends = int((self._clock.now() + STATE_LASTS).timestamp())
        words = f"{secrets.token_hex(16)}.{ends}"
        return f"{words}.{self._signature(words, browser)}"

    def _signature(self, words: str, browser: str) -> str:
        said = "\n".join(("slack-install", self._path, words, browser))
        return hmac.new(self._key, said.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()

    async def _is_ours(self, state: str, browser: str) -> bool:
        words, _, signature = state.rpartition(".")
        expected = self._signature(words, browser)
        if not browser or not hmac.compare_digest(signature.encode("utf-8", "surrogateescape"), expected.encode()):
            return False
        nonce, _, ends = words.partition(".")
        until = datetime.fromtimestamp(int(ends), UTC)
        return until > self._clock.now() and await self._workspaces.use_once(nonce, until)
