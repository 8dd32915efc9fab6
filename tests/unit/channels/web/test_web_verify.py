"""Who may come in (FAULTS F093, F097)."""

import pytest

from channels.web.tokens import VisitorTokens
from channels.web.verify import verify_bearer, verify_origin
from core.errors import InvalidSignature
from tests.unit.channels.web.fakes import SECRET, SHOP, FakeClock

ALLOWED = frozenset({SHOP})


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_bearer_token_is_read_whatever_the_case_of_its_scheme(scheme: str) -> None:
    tokens = VisitorTokens((SECRET,), "site", FakeClock())
    session = tokens.open()
    assert verify_bearer({"Authorization": f"{scheme} {tokens.write(session)}"}, tokens) == session


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": ""}, {"Authorization": "Bearer"}, {"Authorization": "Basic eA"}]
)
def test_without_a_bearer_token_nobody_comes_in(headers: dict[str, str]) -> None:
    with pytest.raises(InvalidSignature):
        verify_bearer(headers, VisitorTokens((SECRET,), "site", FakeClock()))


@pytest.mark.parametrize("origin", [None, SHOP, "https://SHOP.example", "https://chat.example", "http://chat.example"])
def test_apps_allowed_sites_and_our_own_page_come_in(origin: str | None) -> None:
    verify_origin(origin, "chat.example", ALLOWED)


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://evil.example",
        "https://shop.example.evil.example",
        "http://shop.example",
        "https://chat.example:8443",
        "",
    ],
)
def test_foreign_sites_are_refused(origin: str) -> None:
    with pytest.raises(InvalidSignature):
        verify_origin(origin, "chat.example", ALLOWED)
