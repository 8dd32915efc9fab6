"""Amounts of money: "$1,299.50", "12,50 \u20ac", "20 bucks". A value is a currency's ISO code and a plain decimal."""

import re
from decimal import Decimal, InvalidOperation

CURRENCIES = {
    **dict.fromkeys(("\u20ac", "eur", "euro", "euros"), "EUR"),
    **dict.fromkeys(("$", "usd", "us$", "dollar", "dollars", "bucks"), "USD"),
    **dict.fromkeys(("\u00a3", "gbp", "pound", "pounds", "quid"), "GBP"),
    **dict.fromkeys(("chf", "franken", "francs"), "CHF"),
    **dict.fromkeys(("\u00a5", "jpy", "yen"), "JPY"),
    **dict.fromkeys(("inr", "\u20b9", "rupees"), "INR"),
    **dict.fromkeys(("cad", "ca$"), "CAD"),
    **dict.fromkeys(("aud", "a$"), "AUD"),
}
"""A bare `$` is taken for the US dollar, `pound` for the British one."""
SIGN = "|".join(re.escape(name) for name in sorted(CURRENCIES, key=len, reverse=True))
NUMBER = r"\d{1,3}(?:[.,' ]\d{3})+(?:[.,]\d{1,2})?|\d{1,9}(?:[.,]\d{1,2})?"
AMOUNT = re.compile(
    rf"(?<![\w.,])(?:(?P<before>{SIGN}) ?(?P<one>{NUMBER})|(?P<two>{NUMBER}) ?(?P<behind>{SIGN}))(?![\w]|[.,]\d)", re.I
)
THOUSANDS = re.compile(r"[.,' ](?=\d{3}(?!\d))")


def find_money(text: str) -> list[tuple[int, int, str]]:
    """Return the span and the value of each amount.

    >>> find_money("I paid 1.299,50 \u20ac twice")
    [(7, 17, 'EUR 1299.50')]
    """
    if not any(letter.isdigit() for letter in text):
        return []
    found = [(match.span(), _value(match)) for match in AMOUNT.finditer(text)]
    return [(start, end, value) for (start, end), value in found if value is not None]


def _value(match: re.Match[str]) -> str | None:
    currency = CURRENCIES[(match["before"] or match["behind"]).lower()]
    plain = THOUSANDS.sub("", match["one"] or match["two"]).replace(",", ".")
    try:
        return f"{currency} {Decimal(plain)}"
    except InvalidOperation:
        return None
