"""What the agent reads first: the matter, and the customer's own words."""

MAX_SUMMARY_CHARS = 280


def summarize(matter: str | None, text: str) -> str:
    """Return the label of the matter and what was written last, cut at a word.

    >>> summarize("Order status", "where  is my order A-1001?")
    'Order status: where is my order A-1001?'
    >>> len(summarize(None, "word " * 100))
    275
    >>> summarize(None, "")
    '-'
    """
    said = " ".join(text.split())
    whole = ": ".join(part for part in (matter, said) if part) or "-"
    if len(whole) <= MAX_SUMMARY_CHARS:
        return whole
    return whole[: MAX_SUMMARY_CHARS - 1].rsplit(" ", 1)[0] + "…"
