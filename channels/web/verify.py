"""Who may come in: the visitor's token, and the site that the browser says it is on."""

from collections.abc import Mapping

from channels.web.tokens import Session, VisitorTokens
from core.errors import InvalidSignature


def verify_bearer(headers: Mapping[str, str], tokens: VisitorTokens) -> Session:
    """Return the session of an `Authorization: Bearer` header.

    Raises:
        InvalidSignature: no token, or not a valid one.
    """
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise InvalidSignature("an Authorization: Bearer header is needed")
    return tokens.read(token.strip())


def verify_origin(origin: str | None, host: str, allowed: frozenset[str]) -> None:
    """Refuse a browser that runs a page of a site we do not know.

    A client without an `Origin` is no browser on a foreign page: an app, or a GET of our own page. A page that came
    from the very host it now calls is our own page, whatever name the visitor uses for us.

    Raises:
        InvalidSignature: a foreign site; answer 403.

    >>> verify_origin("https://chat.example", "chat.example", frozenset())
    """
    if origin is None or origin.lower() in allowed:
        return
    if origin.lower().removeprefix("https://").removeprefix("http://") != host.lower():
        raise InvalidSignature(f"{origin} is not among the allowed origins")
