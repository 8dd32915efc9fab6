"""Telegram's HTML: which tags it takes, and the words without them. Source: core.telegram.org/bots/api#html-style."""

from html.parser import HTMLParser

TAGS = frozenset(
    {"b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "span", "tg-spoiler", "a", "tg-emoji"}
    | {"code", "pre", "blockquote"}
)


class CannotParse(ValueError):
    """Telegram refuses the whole message (T13)."""


def without_tags(text: str) -> str:
    """Return the words of a text in Telegram's HTML.

    Raises:
        CannotParse: a tag that is unknown, not closed or closed out of order.

    >>> without_tags("Hi <b>Ann &amp; Ben</b>")
    'Hi Ann & Ben'
    """
    reader = _Reader()
    reader.feed(text)
    reader.close()
    if reader.open:
        raise CannotParse(f'can\'t find end tag corresponding to start tag "{reader.open[-1]}"')
    return "".join(reader.words)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            raise CannotParse(f'unsupported start tag "{tag}"')
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            raise CannotParse(f'unexpected end tag "{tag}"')

    def handle_data(self, data: str) -> None:
        self.words.append(data)
