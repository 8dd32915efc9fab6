"""Which token speaks where: an app that many workspaces have installed has one for each (CHANNELS S2, S17).

An installation is looked up by `installation_of` the event: a workspace, or an organisation that installed the app for
all of its own. Tokens that end are renewed before they do. One process at a time does that: it writes down, guarded by
the record's revision, that the renewal is its own. The others go on with the token they have, which Slack lets count
until its end (docs.slack.dev/authentication/using-token-rotation).
"""

import base64
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr

from channels.payload import load_object
from channels.slack.client import SlackClient
from channels.slack.payloads import installation_of, text_at
from core.clock import Clock
from core.errors import (
    AccountRefused,
    DeliveryError,
    MalformedPayload,
    PermanentFailure,
    StoreUnavailable,
    TemporaryFailure,
)
from core.ids import AccountName, account_key
from core.installations import Installation, Installations

RENEW_BEFORE = timedelta(hours=2)
"""As slack_sdk's `AsyncTokenRotator`; tokens live 12 h (docs.slack.dev/authentication/using-token-rotation). That
one is not used: it reads the machine's clock, and tells no outage from a refusal."""
RENEWAL_LASTS = timedelta(seconds=60)
"""Longer than one request may take (20 s) and the write after it. Then whoever began it is gone."""
REMEMBERED_S = 30.0
"""How long a record read from the store is believed. Meanwhile Slack itself refuses a token that is dead."""
MAX_REMEMBERED = 10_000
TRIES = 5
"""Of a guarded write; each failure means that somebody else's went through."""
DEAD_TOKENS = frozenset({"account_inactive", "invalid_auth", "token_revoked"})
"""What Slack says of a token whose installation is gone; docs.slack.dev/reference/methods/auth.test#errors."""
ENDINGS = (b"tokens_revoked", b"app_uninstalled")
"""S17."""
LAST_SECOND = 253_402_300_800
"""Year 10000."""
GONE = "installation_gone"

log = logging.getLogger(__name__)


class Workspaces:
    """The installations of one account.

    Args:
        account: its name.
        kept: where they are kept.
        clock: ours.
        client: without a token; its connections are shared.
        app: the app's client id and client secret.
    """

    def __init__(
        self, account: AccountName, kept: Installations, clock: Clock, client: SlackClient, app: tuple[str, str]
    ) -> None:
        self.key = account_key("slack", account)
        self._kept = kept
        self._clock = clock
        self._client = client
        self._app = app
        self._remembered: dict[str, tuple[Installation, float]] = {}

    async def client_of(self, place: str) -> SlackClient:
        """Return a client that speaks for a workspace or organisation.

        Raises:
            PermanentFailure: it is not installed there, or not any more.
            TemporaryFailure: the token has ended and the new one is not there yet, or the store does not answer.
        """
        try:
            installation = await self._living(place)
        except StoreUnavailable as error:
            raise TemporaryFailure("the installations cannot be read") from error
        return self._client.speaking_for(installation.token.get_secret_value())

    async def _living(self, place: str) -> Installation:
        found = await self._find(place)
        if found is None or found.ended_at is not None:
            why = found.ended_why if found is not None else "never installed"
            raise PermanentFailure(f"slack: no installation in {place}: {why}", code=GONE)
        now = self._clock.now()
        if found.expires_at is None or found.expires_at - now > RENEW_BEFORE:
            return found
        renewed = await self._renew(found, now)
        if renewed.expires_at is not None and renewed.expires_at <= now:
            raise TemporaryFailure(f"slack: the token of {place} has ended and is being renewed")
        return renewed

    async def _find(self, place: str) -> Installation | None:
        known = self._remembered.get(place)
        now_s = self._clock.monotonic()
        if known is not None and now_s - known[1] < REMEMBERED_S:
            return known[0]
        found = await self._kept.find_installation(self._name(place))
        if found is not None:
            self._remember(found)
        return found

    def _name(self, place: str) -> str:
        return f"{self.key}:{place}"

    def _remember(self, installation: Installation) -> None:
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[installation.place] = (installation, self._clock.monotonic())

    async def _renew(self, known: Installation, now: datetime) -> Installation:
        """Renew a token unless somebody else is at it; what is returned may still have the old one."""
        found = await self._kept.find_installation(known.id) or known
        self._remember(found)
        ours_until = now + RENEWAL_LASTS
        is_others = found.renewing_until is not None and found.renewing_until > now
        is_new = found.expires_at is None or found.expires_at - now > RENEW_BEFORE
        if is_others or is_new or found.ended_at is not None or found.refresh_token is None:
            return found
        claimed = found.model_copy(update={"renewing_until": ours_until})
        if not await self._kept.save_installation(claimed):
            return found
        return await self._exchange(claimed.model_copy(update={"rev": claimed.rev + 1}), now)

    async def _exchange(self, claimed: Installation, now: datetime) -> Installation:
        refresh = claimed.refresh_token.get_secret_value() if claimed.refresh_token is not None else ""
        try:
            answer = await self.ask_oauth(grant_type="refresh_token", refresh_token=refresh)
            changed = claimed.model_copy(update={**tokens_of(answer, now), "renewing_until": None})
        except DeliveryError as error:
            log.error("slack_token_not_renewed: %s in %s: %s", self.key, claimed.place, error)
            return claimed
        if not await self._kept.save_installation(changed):
            return await self._kept.find_installation(claimed.id) or claimed  # ended, or installed anew meanwhile
        changed = changed.model_copy(update={"rev": changed.rev + 1})
        self._remember(changed)
        log.info("slack_token_renewed: %s in %s", self.key, claimed.place)
        return changed

    async def ask_oauth(self, **arguments: str) -> dict[str, Any]:
        """Call oauth.v2.access as the app.

        Raises:
            DeliveryError: by `failures`.
        """
        who = base64.b64encode(":".join(self._app).encode()).decode()  # slack_sdk's own `auth` is deprecated in aiohttp
        headers = {"Authorization": f"Basic {who}"}
        answer, _ = await self._client.call("oauth.v2.access", headers=headers, data=arguments)
        return answer

    async def keep(self, installation: Installation) -> None:
        """Write down a new installation; one that is there already, dead or alive, is replaced.

        Raises:
            StoreUnavailable: nothing is written.
        """
        for _ in range(TRIES):
            known = await self._kept.find_installation(installation.id)
            fresh = installation.model_copy(update={"rev": known.rev if known is not None else 0})
            if await self._kept.save_installation(fresh):
                self._remembered.pop(installation.place, None)
                log.info("slack_installed: %s in %s", self.key, installation.place)
                return
        raise StoreUnavailable("the installation is being written by others")

    async def end(self, place: str, why: str, at: datetime) -> None:
        """Mark an installation dead, unless it was installed anew since `at`: such events come in any order (S17).

        Raises:
            StoreUnavailable: nothing is written; the event must come again.
        """
        for _ in range(TRIES):
            known = await self._kept.find_installation(self._name(place))
            self._remembered.pop(place, None)
            if known is None or known.ended_at is not None or at < known.installed_at.replace(microsecond=0):
                return
            if await self._kept.save_installation(known.model_copy(update={"ended_at": at, "ended_why": why})):
                log.error("slack_installation_ended: %s in %s: %s; nothing can be sent there", self.key, place, why)
                return
        raise StoreUnavailable("the installation is being written by others")

    async def hear(self, body: bytes) -> None:
        """End the installation that an event says is gone; everything else is none of our business here.

        Raises:
            StoreUnavailable: nothing is written; the event must come again.
        """
        if not any(word in body for word in ENDINGS):
            return
        try:
            payload = load_object(body)
        except MalformedPayload:
            return
        kind, place, seconds = text_at(payload, "event", "type"), installation_of(payload), payload.get("event_time")
        if kind is None or kind.encode() not in ENDINGS or place is None:
            return
        revoked = payload["event"].get("tokens")
        if kind == "tokens_revoked" and not (isinstance(revoked, dict) and revoked.get("bot")):
            return  # those of people; we have none
        at = self._clock.now()
        if isinstance(seconds, int) and 0 < seconds < LAST_SECOND:
            at = datetime.fromtimestamp(seconds, UTC)
        await self.end(place, kind, at)

    async def judge(self, place: str, refusal: AccountRefused) -> DeliveryError:
        """Say what a refused token means where an account has many: it concerns one workspace, the others go on."""
        code = str(refusal).rpartition(" ")[2]
        self._remembered.pop(place, None)
        if code == "token_expired":
            return TemporaryFailure(f"slack: {code} in {place}")
        if code in DEAD_TOKENS:
            try:
                await self.end(place, code, self._clock.now())
            except StoreUnavailable as error:
                return TemporaryFailure(f"slack: {code} in {place}, and {error}")
        return PermanentFailure(f"slack: {code} in {place}", code=code)

    async def all(self) -> list[Installation]:
        """Return every installation, dead ones too.

        Raises:
            StoreUnavailable: they cannot be read.
        """
        return await self._kept.installations_of(self.key)

    async def use_once(self, nonce: str, until: datetime) -> bool:
        """Use up an install link; False where somebody has come back by it already."""
        return await self._kept.use_once(self._name(nonce), until)


def tokens_of(answer: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Return the fields of an installation that both ways of oauth.v2.access answer.

    Raises:
        TemporaryFailure: there is no bot token in it.
    """
    token, refresh = text_at(answer, "access_token"), text_at(answer, "refresh_token")
    if token is None or answer.get("token_type") != "bot":
        raise TemporaryFailure("oauth.v2.access gave no bot token")
    lasts_s = answer.get("expires_in")
    return {
        "token": SecretStr(token),
        "refresh_token": SecretStr(refresh) if refresh is not None else None,
        "expires_at": now + timedelta(seconds=lasts_s) if isinstance(lasts_s, int) else None,
    }


def installation_from(answer: dict[str, Any], account: str, now: datetime) -> Installation:
    """Read the answer to the code that Slack gave whoever installed; docs.slack.dev/reference/methods/oauth.v2.access.

    Raises:
        TemporaryFailure: it names no bot token, or no place.
    """
    whole = answer.get("is_enterprise_install") is True
    enterprise = text_at(answer, "enterprise", "id")
    place = enterprise if whole else text_at(answer, "team", "id")
    if place is None:
        raise TemporaryFailure("oauth.v2.access named neither workspace nor organisation")
    return Installation(
        id=f"{account}:{place}",
        account=account,
        place=place,
        place_name=text_at(answer, "enterprise" if whole else "team", "name"),
        organisation=enterprise,
        is_whole_organisation=whole,
        bot_user=text_at(answer, "bot_user_id"),
        scopes=tuple((text_at(answer, "scope") or "").split(",")),
        installer=text_at(answer, "authed_user", "id"),
        installed_at=now,
        **tokens_of(answer, now),
    )
