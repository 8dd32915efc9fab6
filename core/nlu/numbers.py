"""Card numbers, which nobody should keep, and phone numbers."""

import re

CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])")
"""13 to 19 digits (ISO/IEC 7812), alone or in groups."""
MAY_BE_A_PHONE = re.compile(r"(?<![\w.])\+?\(?\d[\d ()./-]{5,18}\d(?!\w)")
KEPT_DIGITS = 4
"""The last ones, which a customer recognises and nobody can pay with (PCI DSS 3.4)."""


def is_card(digits: str) -> bool:
    """Tell whether the last digit checks the others, by Luhn's rule.

    >>> is_card("4111111111111111"), is_card("4111111111111112")
    (True, False)
    """
    doubled = (2 * int(digit) if place % 2 else int(digit) for place, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def find_cards(text: str) -> list[tuple[int, int, str]]:
    """Return the span of each card number, and its last four digits.

    >>> find_cards("my card 4111 1111 1111 1111 was charged")
    [(8, 27, '****1111')]
    """
    found = ((match.span(), re.sub(r"\D", "", match.group())) for match in CARD.finditer(text))
    return [
        (start, end, "*" * KEPT_DIGITS + digits[-KEPT_DIGITS:]) for (start, end), digits in found if is_card(digits)
    ]


def find_phones(text: str, country: str) -> list[tuple[int, int, str]]:
    """Return the span of each phone number, and the number as E.164; `country` is where one without a prefix rings.

    >>> find_phones("call +49 30 901820 please", "US")
    [(5, 18, '+4930901820')]
    """
    if MAY_BE_A_PHONE.search(text) is None:
        return []
    from phonenumbers import PhoneNumberFormat, PhoneNumberMatcher, format_number  # 0.1 s, and most messages have none

    return [
        (match.start, match.end, format_number(match.number, PhoneNumberFormat.E164))
        for match in PhoneNumberMatcher(text, country)
    ]
