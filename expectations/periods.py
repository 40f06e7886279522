"""Reporting periods: as departments write them, and the plan's own calendar of them.

A period is stored by one label: `2022-03`, `2022Q1`, `2022H1`, `2022`. Where a plan's year does not start in January
(`first_month`), its years carry the number of the year in which they start; months, quarters and halves are the
calendar's.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
import unicodedata
from functools import lru_cache
from typing import Literal, NamedTuple

Span = Literal["month", "quarter", "half", "year"]
MONTHS: dict[Span, int] = {"month": 1, "quarter": 3, "half": 6, "year": 12}
CHINESE = {c: str(n) for n, c in enumerate("〇一二三四五六七八九")} | {"十": "10", "十一": "11", "十二": "12"}
NUMBER = r"(1[0-2]|0?[1-9]|十[一二]?|[一二三四五六七八九])"
YEAR = r"(\d{4})"
SINCE_JANUARY = rf"{YEAR}年?[-/.]?(?:0?1|一)月?份?(?:[-~—–－]+|至|到)"

PATTERNS: list[tuple[str, Span, bool]] = [  # pattern, what it spans, whether it means "since 1 January"
    (rf"{YEAR}[-/.]?(0[1-9]|1[0-2])", "month", False),
    (rf"{YEAR}[-/.]([1-9])", "month", False),
    (rf"{YEAR}年{NUMBER}月份?", "month", False),
    (rf"{YEAR}[-/](0?[1-9]|1[0-2])[-/](?:0?[1-9]|[12]\d|3[01])(?:t?00:00:00(?:\.0+)?)?", "month", False),
    (rf"{YEAR}年?[-/.]?q([1-4])", "quarter", False),
    (rf"{YEAR}年第?([1-4一二三四])季度?", "quarter", False),
    (rf"{YEAR}年?[-/.]?h([12])", "half", False),
    (rf"{YEAR}年([上下])半年", "half", False),
    (rf"{YEAR}年?(?:全年|度)?", "year", False),
    (rf"{SINCE_JANUARY}{NUMBER}月份?(?:累计)?", "month", True),
    (rf"{YEAR}年前([1-4一二三四])个?季度", "quarter", True),
    (rf"{YEAR}年前{NUMBER}个?月", "month", True),
]
COMPILED = [(re.compile(p), span, cumulative) for p, span, cumulative in PATTERNS]


class Period(NamedTuple):
    start: dt.date
    end: dt.date
    span: Span
    cumulative: bool

    @property
    def label(self) -> str:
        """The label of the period in which this one ends, taken alone."""
        return label(self.start if self.span == "year" else self.end, self.span)


def label(end: dt.date, span: Span) -> str:
    """The label of the period of the calendar that ends on `end`."""
    if span == "month":
        return f"{end:%Y-%m}"
    if span == "year":
        return f"{end:%Y}"
    return f"{end:%Y}{'Q' if span == 'quarter' else 'H'}{(end.month - 1) // MONTHS[span] + 1}"


def ending(year: int, number: int, span: Span, cumulative: bool = False) -> Period:
    """The `number`th period of its span in `year`, or all since 1 January where cumulative."""
    months = MONTHS[span]
    last = number * months
    first = 1 if cumulative else last - months + 1
    return Period(dt.date(year, first, 1), dt.date(year, last, calendar.monthrange(year, last)[1]), span, cumulative)


def year_of(day: dt.date, first_month: int) -> int:
    """The number of the year, counted from `first_month`, in which `day` lies."""
    return day.year if day.month >= first_month else day.year - 1


def year_from(year: int, first_month: int) -> Period:
    """The twelve months from `first_month` of `year`."""
    following = dt.date(year + (first_month > 1), (first_month - 2) % 12 + 1, 1)
    last = calendar.monthrange(following.year, following.month)[1]
    return Period(dt.date(year, first_month, 1), following.replace(day=last), "year", False)


@lru_cache(maxsize=65536)
def period(text: str, first_month: int = 1) -> Period | None:
    """The period that `text` names, or None. White space and full-width forms are ignored.

    A year runs from `first_month`; every other form means the calendar, as it is written.
    """
    written = "".join(unicodedata.normalize("NFKC", text).split()).casefold()
    for pattern, span, cumulative in COMPILED:
        if found := pattern.fullmatch(written):
            year, number = int(found[1]), found[2] if pattern.groups > 1 else "1"
            if not 1900 <= year < dt.MAXYEAR:
                return None
            number = {"上": "1", "下": "2"}.get(number) or CHINESE.get(number, number)
            return year_from(year, first_month) if span == "year" else ending(year, int(number), span, cumulative)
    return None


def calendar_of(starts: dt.date, ends: dt.date, first_month: int | None = None) -> list[Period]:
    """Every month, quarter and year that lies within the two dates; years run from `first_month`, or that of `starts`."""
    first_month = first_month or starts.month
    return [
        p
        for year in range(starts.year, ends.year + 1)
        for span in ("month", "quarter", "year")
        for number in range(1, 12 // MONTHS[span] + 1)
        if (p := year_from(year, first_month) if span == "year" else ending(year, number, span)).start >= starts
        and p.end <= ends
    ]
