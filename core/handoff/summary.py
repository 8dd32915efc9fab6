"""What the agent reads first: the matter, and the customer's own words."""

MAX_SUMMARY_CHARS = 280


def summarize(matter: str | None, text: str, quoted: str | None = None) -> str:
    """Return the label of the matter, what was written last, and what that quotes; cut at a word.

    >>> summarize("Order status", "where  is my order A-1001?")
    'Order status: where is my order A-1001?'
    >>> len(summarize(None, "word " * 100))
    275
    >>> summarize(None, "when will it come?", "Order A-1001 is under way.")
    'when will it come? (on "Order A-1001 is under way.")'
    >>> summarize(None, "")
    '-'
    """
    said = " ".join(text.split())
    if quoted:
        said = f'{said} (on "{" ".join(quoted.split())}")'.lstrip()
    whole = ": ".join(part for part in (matter, said) if part) or "-"
    if len(whole) <= MAX_SUMMARY_CHARS:
        return whole
    return whole[: MAX_SUMMARY_CHARS - 1].rsplit(" ", 1)[0] + "…"
