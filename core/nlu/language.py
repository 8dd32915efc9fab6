"""Which of the bot's languages a text is written in, when that can be told."""

from collections.abc import Callable, Sequence

SURE = 0.95
MIN_WORDS = 2
"""One word is often the same in two languages."""

Tell = Callable[[str], str | None]


def telling(languages: Sequence[str]) -> Tell:
    """Return what tells the language of a text among these; None where it cannot be told. Of one there is no doubt."""
    known = tuple(dict.fromkeys(languages))
    if len(known) < 2:
        return lambda _text: known[0] if known else None
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(list(known))

    def tell(text: str) -> str | None:
        if len(text.split()) < MIN_WORDS:
            return None
        language, probability = identifier.classify(text)
        return str(language) if probability >= SURE else None

    return tell
