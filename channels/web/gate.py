"""The gate of one account: tokens, origins and limits in one place, for HTTP and sockets alike."""

from urllib.parse import urlsplit

from aiohttp import web

from channels.base import Resources
from channels.web.account import AccountSettings
from channels.web.limits import MESSAGES_PER_S, SESSIONS_PER_MIN, UPLOADS_PER_MIN, Buckets
from channels.web.normalize import CHANNEL
from channels.web.tokens import Session, VisitorTokens
from channels.web.verify import verify_bearer, verify_origin
from core.ids import AccountName, ConversationId, conversation_id
from core.model import Json


class Gate:
    """Decides who may open a session, read and write."""

    def __init__(self, account: AccountName, settings: AccountSettings, resources: Resources) -> None:
        keys = settings.keys()
        self._account = account
        self._origins = frozenset({*settings.allowed_origins, origin_of(resources.public_url)})
        self._messages = Buckets(MESSAGES_PER_S, MESSAGES_PER_S, resources.clock)
        self._sessions = Buckets(SESSIONS_PER_MIN / 60, SESSIONS_PER_MIN, resources.clock)
        self._uploads = Buckets(UPLOADS_PER_MIN / 60, UPLOADS_PER_MIN, resources.clock)
        self.tokens = VisitorTokens(keys, account, resources.clock)

    def check_origin(self, request: web.Request) -> None:
        """Refuse a browser on a foreign page.

        Raises:
            InvalidSignature: answer 403.
        """
        verify_origin(request.headers.get("Origin"), request.host, self._origins)

    def session_of(self, request: web.Request) -> Session:
        """Return the session of the request's token.

        Raises:
            InvalidSignature: answer 401.
        """
        return verify_bearer(request.headers, self.tokens)

    def conversation_of(self, session: Session) -> ConversationId:
        """Name the session's conversation."""
        return conversation_id(CHANNEL, self._account, session.id)

    def proof(self, session: Session) -> dict[str, Json]:
        """Return the token of a session just made or renewed, as the client gets it."""
        return {"token": self.tokens.write(session), "expires_at": session.expires_at.isoformat()}

    def wait_for_session(self, request: web.Request) -> float:
        """Return 0.0 when this address may open a session, or the seconds until it may."""
        return self._sessions.take(request.remote or "")

    def wait_for_message(self, session: Session) -> float:
        """Return 0.0 when this session may say something, or the seconds until it may."""
        return self._messages.take(session.id)

    def wait_for_upload(self, session: Session) -> float:
        """Return 0.0 when this session may send a file, or the seconds until it may."""
        return self._uploads.take(session.id)


def origin_of(url: str) -> str:
    """Return the origin of a URL as a browser writes it.

    >>> origin_of("https://Chat.example/path")
    'https://chat.example'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
