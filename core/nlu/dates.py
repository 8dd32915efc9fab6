"""Dates in a text, absolute or relative to the customer's day: "last Thursday", "in two weeks", "12 March", "3/4/2026".

A small grammar in English and German rather than a library that knows 200 languages: it takes a hundredth of the time,
says which words it read, and raises fewer false alarms (docs/nlu.md has both measured).
A value is an ISO date, or `from/to` for a week or a month. Without a year, or without a month, it is the date
nearest to today, the coming one being taken for nearer: people book further ahead than they look back.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

WEEKDAYS = {
    **dict.fromkeys(("monday", "mon", "montag"), 0),
    **dict.fromkeys(("tuesday", "tue", "tues", "dienstag"), 1),
    **dict.fromkeys(("wednesday", "wed", "mittwoch"), 2),
    **dict.fromkeys(("thursday", "thu", "thur", "thurs", "donnerstag"), 3),
    **dict.fromkeys(("friday", "fri", "freitag"), 4),
    **dict.fromkeys(("saturday", "sat", "samstag", "sonnabend"), 5),
    **dict.fromkeys(("sunday", "sun", "sonntag"), 6),
}
UNSURE_WEEKDAYS = frozenset({"mon", "wed", "sat", "sun"})
"""Words of their own: they count as days only behind `last`, `next` and the like."""
MONTHS = {
    **dict.fromkeys(("january", "jan", "januar"), 1),
    **dict.fromkeys(("february", "feb", "februar"), 2),
    **dict.fromkeys(("march", "mar", "m\u00e4rz", "maerz"), 3),
    **dict.fromkeys(("april", "apr"), 4),
    **dict.fromkeys(("may", "mai"), 5),
    **dict.fromkeys(("june", "jun", "juni"), 6),
    **dict.fromkeys(("july", "jul", "juli"), 7),
    **dict.fromkeys(("august", "aug"), 8),
    **dict.fromkeys(("september", "sept", "sep"), 9),
    **dict.fromkeys(("october", "oct", "oktober", "okt"), 10),
    **dict.fromkeys(("november", "nov"), 11),
    **dict.fromkeys(("december", "dec", "dezember", "dez"), 12),
}
DAYS = {
    **dict.fromkeys(("the day before yesterday", "day before yesterday", "vorgestern"), -2),
    **dict.fromkeys(("yesterday", "last night", "gestern"), -1),
    **dict.fromkeys(("today", "tonight", "this morning", "this afternoon", "this evening", "heute"), 0),
    **dict.fromkeys(("tomorrow", "tmrw", "tomorow", "tommorow", "tommorrow", "morgen"), 1),
    **dict.fromkeys(("the day after tomorrow", "day after tomorrow", "\u00fcbermorgen", "uebermorgen"), 2),
}
NUMBERS = {
    **dict.fromkeys(("a", "an", "one", "ein", "eine", "einem", "einer", "einen"), 1),
    **dict.fromkeys(("two", "zwei", "a couple of", "couple of"), 2),
    **dict.fromkeys(("three", "drei"), 3),
    **dict.fromkeys(("four", "vier"), 4),
    **dict.fromkeys(("five", "f\u00fcnf", "fuenf"), 5),
    **dict.fromkeys(("six", "sechs"), 6),
    **dict.fromkeys(("seven", "sieben"), 7),
    **dict.fromkeys(("eight", "acht"), 8),
    **dict.fromkeys(("nine", "neun"), 9),
    **dict.fromkeys(("ten", "zehn"), 10),
}
UNITS = {
    **dict.fromkeys(("day", "days", "tag", "tage", "tagen"), "day"),
    **dict.fromkeys(("week", "weeks", "woche", "wochen"), "week"),
    **dict.fromkeys(("month", "months", "monat", "monate", "monaten"), "month"),
    **dict.fromkeys(("year", "years", "jahr", "jahre", "jahren"), "year"),
}
SIDES = {
    **dict.fromkeys(("last", "past", "previous", "letzte", "letzter", "letzten", "letztem", "letztes"), -1),
    **dict.fromkeys(("vorige", "voriger", "vorigen", "vergangene", "vergangenen", "vergangener"), -1),
    **dict.fromkeys(("this", "diese", "dieser", "diesen", "diesem", "dieses", "coming", "kommenden", "kommende"), 0),
    **dict.fromkeys(("next", "following", "n\u00e4chste", "n\u00e4chster", "n\u00e4chsten", "n\u00e4chstem"), 1),
    **dict.fromkeys(("n\u00e4chstes", "naechste", "naechsten", "naechster"), 1),
}
ORDINALS = {
    name: number
    for number, name in enumerate(
        (
            *("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"),
            *("eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth"),
            *("eighteenth", "nineteenth", "twentieth", "twenty first", "twenty second", "twenty third"),
            *("twenty fourth", "twenty fifth", "twenty sixth", "twenty seventh", "twenty eighth", "twenty ninth"),
            *("thirtieth", "thirty first"),
        ),
        start=1,
    )
}


def _any(words: Mapping[str, object]) -> str:
    """Return a pattern of any of the words, the longest first; spaces may be hyphens."""
    return "|".join(re.escape(word).replace(r"\ ", r"[ -]") for word in sorted(words, key=len, reverse=True))


DAY = rf"(?:(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)?|(?P<day_word>{_any(ORDINALS)}))"
PAST_COUNTS = 1.5
"""A day behind us counts as so many ahead when we ask which of two dates is nearer."""
NTH = rf"(?:(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)|(?P<day_word>{_any(ORDINALS)}))"
YEAR = r"(?:,? ?(?P<year>(?:19|20)\d\d)(?!\d))?"


@dataclass(frozen=True, slots=True)
class FoundDate:
    """A date in a text: its span in code points, the first and the last day of it."""

    start: int
    end: int
    first: date
    last: date

    @property
    def value(self) -> str:
        """Return `2026-11-19`, or `2026-11-16/2026-11-22` for more than a day."""
        if self.first == self.last:
            return self.first.isoformat()
        return f"{self.first.isoformat()}/{self.last.isoformat()}"


Days = tuple[date, date]
Reader = Callable[[re.Match[str], date], Days | None]


def _one(day: date | None) -> Days | None:
    return (day, day) if day is not None else None


def _iso(match: re.Match[str], today: date) -> Days | None:
    return _one(_day(int(match["y"]), int(match["m"]), int(match["d"])))


def _numbers(match: re.Match[str], today: date) -> Days | None:
    """Read 3/4, 3.4. and 3/4/2026: day first, except where only month first is a date."""
    one, two, year = int(match["one"]), int(match["two"]), match["y"]
    years = [int(year) + (2000 if len(year) == 2 else 0)] if year else []
    return _one(_in_year(two, one, years, today) or _in_year(one, two, years, today))


def _named_month(match: re.Match[str], today: date) -> Days | None:
    month = MONTHS[match["month"]]
    return _one(_in_year(month, _day_of(match), [int(match["year"])] if match["year"] else [], today))


def _day_of(match: re.Match[str]) -> int:
    return int(match["day"]) if match["day"] else ORDINALS[match["day_word"].replace("-", " ")]


def _relative_day(match: re.Match[str], today: date) -> Days | None:
    return _one(today + timedelta(days=DAYS[match["days"].replace("-", " ")]))


def _side_of(match: re.Match[str], today: date) -> Days | None:
    """Read "last Thursday" (the latest one before today) and "next week" (Monday to Sunday)."""
    side, what = SIDES[match["side"]], match["what"]
    if what in WEEKDAYS:
        return _one(_weekday(WEEKDAYS[what], side, today))
    if what in MONTHS:
        is_this_year = side * (MONTHS[what] - today.month) > 0
        return _month(today.year if is_this_year else today.year + side, MONTHS[what])
    return _period(UNITS.get(what, what), side, today)


def _period(unit: str, side: int, today: date) -> Days | None:
    monday = today - timedelta(days=today.weekday())
    match unit:
        case "day":
            return _one(today + timedelta(days=side))
        case "week":
            start = monday + timedelta(weeks=side)
            return start, start + timedelta(days=6)
        case "weekend" | "wochenende":
            start = monday + timedelta(weeks=side, days=5)
            return start, start + timedelta(days=1)
        case "month":
            months = today.year * 12 + today.month - 1 + side
            return _month(months // 12, months % 12 + 1)
        case _:
            return date(today.year + side, 1, 1), date(today.year + side, 12, 31)


def _weekday(weekday: int, side: int, today: date) -> date:
    if side < 0:
        return today - timedelta(days=(today.weekday() - weekday - 1) % 7 + 1)
    if side > 0:  # the one in the week that begins next Monday
        return today + timedelta(days=7 - today.weekday() + weekday)
    return today + timedelta(days=(weekday - today.weekday()) % 7)


def _month(year: int, month: int) -> Days:
    following = date(year + month // 12, month % 12 + 1, 1)
    return date(year, month, 1), following - timedelta(days=1)


def _ago(match: re.Match[str], today: date) -> Days | None:
    back = match["ago"] is not None or match["vor"] is not None
    count = _count(match["count"])
    return _one(_moved(today, UNITS[match["unit"]], -count if back else count))


def _count(text: str) -> int:
    return int(text) if text.isdigit() else NUMBERS[text.replace("-", " ")]


def _moved(today: date, unit: str, count: int) -> date | None:
    """Return the day so many units away; None beyond the calendar."""
    try:
        if unit in ("day", "week"):
            return today + timedelta(days=count * (7 if unit == "week" else 1))
        months = today.year * 12 + today.month - 1 + count * (12 if unit == "year" else 1)
        last = _month(months // 12, months % 12 + 1)[1]
        return last.replace(day=min(today.day, last.day))
    except (OverflowError, ValueError):
        return None


def _bare_weekday(match: re.Match[str], today: date) -> Days | None:
    """Read "since Monday" and "on Friday": behind a word of the past the latest one, else the coming one."""
    past = match["tense"] in {"since", "seit"}
    return _one(_weekday(WEEKDAYS[match["weekday"]], -1 if past else 0, today if past else today + timedelta(days=1)))


def _day_of_month(match: re.Match[str], today: date) -> Days | None:
    months = [today.year * 12 + today.month - 1 + side for side in (-1, 0, 1)]
    return _one(_nearest([_day(month // 12, month % 12 + 1, _day_of(match)) for month in months], today))


def _bare_month(match: re.Match[str], today: date) -> Days | None:
    if match["of_year"]:
        return _month(int(match["of_year"]), MONTHS[match["month"]])
    nearest = _in_year(MONTHS[match["month"]], 1, [], today)
    return _month(nearest.year, nearest.month) if nearest is not None else None


def _bare_year(match: re.Match[str], today: date) -> Days | None:
    return date(int(match["y"]), 1, 1), date(int(match["y"]), 12, 31)


def _weekday_of_week(match: re.Match[str], today: date) -> Days | None:
    """Read "Monday last week"."""
    monday = today - timedelta(days=today.weekday())
    return _one(monday + timedelta(weeks=SIDES[match["side"]], days=WEEKDAYS[match["weekday"]]))


def _span(match: re.Match[str], today: date) -> Days | None:
    """Read "the last 10 days" and "next two months"."""
    side, unit = SIDES[match["side"]], UNITS[match["unit"]]
    other = _moved(today, unit, _count(match["count"]) * (side or 1))
    return (min(today, other), max(today, other)) if other is not None else None


def _in_year(month: int, day: int, years: list[int], today: date) -> date | None:
    """Return the day in the year that is said, else in the year in which it is nearest to today."""
    found = [_day(year, month, day) for year in years or (today.year - 1, today.year, today.year + 1)]
    return _nearest(found, today)


def _nearest(days: Iterable[date | None], today: date) -> date | None:
    return min((day for day in days if day), key=lambda day: _distance(day, today), default=None)


def _distance(day: date, today: date) -> float:
    return (day - today).days if day >= today else PAST_COUNTS * (today - day).days


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


SURE_WEEKDAYS = {word: day for word, day in WEEKDAYS.items() if word not in UNSURE_WEEKDAYS}
PERIODS = (*UNITS, "weekend", "wochenende")
WEEKDAY = rf"(?:(?:{_any(WEEKDAYS)}),? (?:the )?)?"
MONTH_NAMES = rf"(?P<month>{_any(MONTHS)})\.?"
FORMS: tuple[tuple[str, Reader], ...] = (
    (r"(?<!\d)(?P<y>(?:19|20)\d\d)-(?P<m>\d{1,2})-(?P<d>\d{1,2})(?!\d)", _iso),
    (
        r"(?<![\d./])(?P<one>\d{1,2})(?P<sep>[./])(?P<two>\d{1,2})(?P=sep)(?P<y>(?:(?:19|20)\d\d|\d\d))(?![\d/])",
        _numbers,
    ),
    (r"(?<![\d./])(?P<one>\d{1,2})/(?P<two>\d{1,2})(?P<y>(?!))?(?![\d/])", _numbers),
    (rf"{WEEKDAY}{DAY}(?: of| day of)? ?{MONTH_NAMES}\b{YEAR}", _named_month),
    (rf"{WEEKDAY}{MONTH_NAMES} (?:the )?{DAY}(?![\d:])\b{YEAR}", _named_month),
    (rf"(?P<days>{_any(DAYS)})", _relative_day),
    (rf"(?P<weekday>{_any(SURE_WEEKDAYS)}) (?P<side>{_any(SIDES)}) (?:week|woche)", _weekday_of_week),
    (rf"(?P<side>{_any(SIDES)}) (?P<count>\d{{1,3}}|{_any(NUMBERS)}) (?P<unit>{_any(UNITS)})", _span),
    (rf"(?P<side>{_any(SIDES)}) (?P<what>{_any({**WEEKDAYS, **MONTHS, **dict.fromkeys(PERIODS)})})", _side_of),
    (
        rf"(?P<vor>vor )?(?:in )?(?P<count>\d{{1,3}}|{_any(NUMBERS)}) (?P<unit>{_any(UNITS)})(?P<ago> ago| back)",
        _ago,
    ),
    (rf"(?P<vor>vor )(?P<count>\d{{1,3}}|{_any(NUMBERS)}) (?P<unit>{_any(UNITS)})(?P<ago>(?!))?", _ago),
    (
        rf"(?P<vor>(?!))?(?P<count>\d{{1,3}}|{_any(NUMBERS)}) (?P<unit>{_any(UNITS)}) (?:from now|later)(?P<ago>(?!))?",
        _ago,
    ),
    (rf"(?P<vor>(?!))?in (?P<count>\d{{1,3}}|{_any(NUMBERS)}) (?P<unit>{_any(UNITS)})(?P<ago>(?!))?", _ago),
    (
        rf"(?:(?P<tense>since|seit|on|by|until|till|am|bis|ab|from|for|for the) )?(?P<weekday>{_any(SURE_WEEKDAYS)})",
        _bare_weekday,
    ),
    (
        rf"(?:in|since|until|till|by|seit|im|bis|for|during) {MONTH_NAMES}(?:,? (?P<of_year>(?:19|20)\d\d))?",
        _bare_month,
    ),
    (r"(?:in|since|seit|from) (?P<y>(?:19|20)\d\d)", _bare_year),
    (
        rf"(?:the|on|by|am|bis zum|zum) {NTH}(?! \w+day)(?! (?:of )?(?:each|every|one|time|item))",
        _day_of_month,
    ),
)
READERS = tuple((re.compile(rf"(?<!\w)(?:{pattern})(?!\w)"), reader) for pattern, reader in FORMS)
MAY_HOLD_ONE = re.compile(
    rf"\d[./-]\d|(?:\d|st|nd|rd|th|\.)(?: of)? ?(?:{_any(MONTHS)})|(?<!\w)(?:{_any({**DAYS, **SURE_WEEKDAYS})}|ago"
    rf"|(?:{_any(MONTHS)})\.? (?:the )?[\dtfs]|(?:{_any(SIDES)}) \w|(?:in|vor) \w+ (?:{_any(UNITS)})"
    rf"|from now|later|(?:in|since|until|till|by|seit|im|bis|for|during) (?:{_any(MONTHS)})"
    r"|(?:in|since|seit|from) (?:19|20)\d\d"
    rf"|(?:the|on|by|am|zum) (?:\d|[a-z-]+th\b|first|second|third))"
)
"""Most messages hold no date: one pass tells them apart from those that deserve a closer look."""


def find_dates(text: str, today: date) -> tuple[FoundDate, ...]:
    """Return the dates of a text, in order; where two readings overlap, the one that is listed first in `FORMS` wins.

    >>> [found.value for found in find_dates("My package from last Thursday still hasn't moved", date(2026, 11, 22))]
    ['2026-11-19']
    """
    folded = text.lower()
    if len(folded) != len(text) or MAY_HOLD_ONE.search(folded) is None:
        return ()
    found: list[FoundDate] = []
    for pattern, reader in READERS:
        for match in pattern.finditer(folded):
            is_free = all(match.end() <= other.start or other.end <= match.start() for other in found)
            if is_free and (days := reader(match, today)) is not None:
                found.append(FoundDate(match.start(), match.end(), *days))
    return tuple(sorted(found, key=lambda each: each.start))
