"""How far the From of a mail is proven: what our own mail server found (RFC 8601), held against From (RFC 7489). Pure.

Anybody can write an Authentication-Results header. One counts if it carries the name that the account gives for our
server, which has to remove that name from what comes in (RFC 8601 section 5); every other one is a stranger's word.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

Trust = Literal["domain", "refuted", "none"]
"""`domain`: the domain of From vouches for the mail. `refuted`: our server asked
it, and the mail is not from there. `none`: nobody has looked, or what was found says nothing about From."""

MAX_RESULTS_CHARS = 8192
"""Read of one header; servers write some hundred."""
MAX_RESULTS_HEADERS = 20
TOKEN = re.compile(r'\s*([a-z0-9._-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;"]+)', re.IGNORECASE)
"""`method=result` and `ptype.property=value` (RFC 8601 section 2.2)."""
SIGNED_BY, RETURNS_TO = ("header.d", "header.i"), ("smtp.mailfrom", "envelope-from")
REFUSED = frozenset({"fail", "permfail"})


class Result(NamedTuple):
    """What a server found by one method."""

    method: str
    """`dmarc`, `dkim`, `spf`; lower case."""
    outcome: str
    """`pass`, `fail`, `none`, ...; lower case."""
    properties: dict[str, str]


def trust_in(from_domain: str | None, headers: Sequence[str], authserv_id: str | None, signers: Iterable[str]) -> Trust:
    """Tell how far the domain of From is proven.

    Args:
        from_domain: of the one address of the one From header, in lower case; None where there is no such thing.
        headers: values of Authentication-Results, the newest first.
        authserv_id: the name by which our mail server signs them; None: none counts.
        signers: domains whose DKIM signatures we have checked ourselves.
    """
    if not from_domain:
        return "none"
    results = [result for header in headers[:MAX_RESULTS_HEADERS] for result in results_of(header, authserv_id)]
    verdict = next((result for result in results if result.method == "dmarc"), None)
    if verdict is not None and verdict.outcome in REFUSED:
        return "refuted"
    claimed = _domains(verdict, ("header.from",)) if verdict is not None else ()
    if verdict is not None and verdict.outcome == "pass" and from_domain in (claimed or (from_domain,)):
        return "domain"
    found = (*signers, *_passed(results, "dkim", SIGNED_BY), *_passed(results, "spf", RETURNS_TO))
    return "domain" if any(is_aligned(domain, from_domain) for domain in found) else "none"


def results_of(header: str, authserv_id: str | None) -> tuple[Result, ...]:
    """Read one Authentication-Results header; nothing, if another server wrote it.

    >>> results_of("mx.shop.example 1; dkim=pass (2048 bit; ok) header.d=a.example", "mx.shop.example")
    (Result(method='dkim', outcome='pass', properties={'header.d': 'a.example'}),)
    >>> results_of("mx.evil.example; dmarc=pass header.from=a.example", "mx.shop.example")
    ()
    """
    first, *statements = _statements(header[:MAX_RESULTS_CHARS])
    words = first.split()
    if authserv_id is None or not words or words[0].strip('"').lower() != authserv_id.lower():
        return ()
    return tuple(result for statement in statements if (result := _result(statement)))


def is_aligned(domain: str, from_domain: str) -> bool:
    """Tell whether a domain may speak for the domain of From: it is the same, or one above it.

    DMARC's relaxed alignment also lets a domain below speak; without the list of public suffixes that would let
    `eve.pages.example` speak for `pages.example`.

    >>> [is_aligned(domain, "mail.shop.example") for domain in ("shop.example", "MAIL.shop.example.", "example", "")]
    [True, True, False, False]
    """
    domain = domain.lower().rstrip(".")
    return "." in domain and (from_domain == domain or from_domain.endswith(f".{domain}"))


def _passed(results: Iterable[Result], method: str, names: tuple[str, ...]) -> tuple[str, ...]:
    passed = (result for result in results if result.method == method and result.outcome == "pass")
    return tuple(domain for result in passed for domain in _domains(result, names))


def _domains(result: Result, names: tuple[str, ...]) -> tuple[str, ...]:
    values = (result.properties[name] for name in names if name in result.properties)
    return tuple(value.rpartition("@")[2].lower().rstrip(".") for value in values)


def _result(statement: str) -> Result | None:
    pairs = [(name.lower(), value.strip('"')) for name, value in TOKEN.findall(statement)]
    if not pairs or "." in pairs[0][0]:
        return None
    (method, outcome), *properties = pairs
    return Result(method, outcome.lower(), dict(properties))


def _statements(text: str) -> list[str]:
    """Split at semicolons, without comments; what stands in quotes is neither (RFC 5322 section 3.2.2)."""
    statements = [""]
    depth, is_quoted, is_escaped = 0, False, False
    for char in text:
        is_plain = not is_escaped
        is_escaped = is_plain and char == "\\"
        if is_plain and char == '"' and not depth:
            is_quoted = not is_quoted
        if is_plain and char in "()" and not is_quoted:
            depth = max(0, depth + (1 if char == "(" else -1))
            statements[-1] += " "
        elif not depth and char == ";" and not is_quoted:
            statements.append("")
        elif not depth:
            statements[-1] += char
    return statements
