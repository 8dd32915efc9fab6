"""Choices as buttons or a list at Twilio: contents that the operator has registered for so many of them (W22). Pure.

`Messages.create` has no buttons; a content of the Content API has, with variables for all that it says. By convention
`{{1}}` is the text above them, `{{2}}` and `{{3}}` are label and id of the first choice, `{{4}}` and `{{5}}` those of
the second, and so on. Contents need no approval inside the 24 hours.
Source: twilio.com/docs/content/twilio-quick-reply and .../twiliolist-picker.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Annotated

from pydantic import AfterValidator, Field

from channels.cuts import utf16_units
from channels.menus import fits, is_blank, one_line
from channels.payload import clean_text
from core.model import Json
from core.replies import Choice

MAX_BUTTONS = 3
"""Quick replies of a content that is not approved."""
MAX_BUTTON_TITLE = 20
MAX_ITEMS = 10
MAX_ITEM_TITLE = 24
MAX_BODY = 1024
MAX_ID = 200


def _counts(contents: Mapping[int, str]) -> Mapping[int, str]:
    if not all(1 <= count <= MAX_ITEMS for count in contents):
        raise ValueError(f"a content has 1 to {MAX_BUTTONS} quick replies, or a list of up to {MAX_ITEMS} choices")
    return contents


ContentSid = Annotated[str, Field(pattern=r"^HX[0-9a-fA-F]{32}$")]
ChoiceContents = Annotated[Mapping[int, ContentSid], AfterValidator(_counts)]
"""Number of choices to the content that shows so many."""


def title_limit(count: int) -> int:
    """Return how long a label may be where there are so many choices, in UTF-16 units.

    >>> title_limit(3), title_limit(4)
    (20, 24)
    """
    return MAX_BUTTON_TITLE if count <= MAX_BUTTONS else MAX_ITEM_TITLE


def with_choices(
    text: str, choices: Sequence[Choice], contents: Mapping[int, str]
) -> tuple[str, dict[str, Json]] | None:
    r"""Return what is said before, and the parameters of the content; None where choices must be a numbered list.

    A variable is one line, so the last line of the text stands above the choices.

    >>> with_choices("Hi.\nYes?", (Choice(token="t", label="Yes", value="y"),), {1: "HX1"})
    ('Hi.', {'content_sid': 'HX1', 'content_variables': '{"1": "Yes?", "2": "Yes", "3": "t"}'})
    """
    before, _, last = clean_text(text).strip().rpartition("\n")
    body = one_line(last)
    sid = contents.get(len(choices))
    if sid is None or is_blank(body) or utf16_units(body) > MAX_BODY or not _fit(choices):
        return None
    told = [body, *chain.from_iterable((one_line(choice.label), choice.token) for choice in choices)]
    variables = {str(place): value for place, value in enumerate(told, 1)}
    return before, {"content_sid": sid, "content_variables": json.dumps(variables, ensure_ascii=False)}


def _fit(choices: Sequence[Choice]) -> bool:
    """Tell whether every choice is told whole, and apart from the others."""
    labels = {one_line(choice.label) for choice in choices}
    limit = title_limit(len(choices))
    are_named = all(len(choice.token) <= MAX_ID for choice in choices)
    return len(labels) == len(choices) and are_named and fits(choices, limit, utf16_units)
