"""What the tokens of a clause say: its figures, by when, and the names of things."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from typing import NamedTuple

from lark import Token, Tree

from expectations.periods import Period, year_from

Leaf = Token | Tree[Token]

DIGITS = {c: n for n, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
TENS = {"十": 10, "百": 100, "千": 1000}
# Tokens that are no part of a name.
SILENT = {"DUE", "YEAR", "LAST", "THEREOF", "MODAL", "FROM", "MEAN", "THAN", "SAME", "SUCH", "BASIS", "GAP_MONTH"}
FUNCTION_WORDS = {"实现", "到", "至", "为", "要", "和", "于", "的", "均", "都", "将", "再", "在"}
ADVERBS = re.compile(r"^(?:累计|全面|计划|总体|继续)(?=.{2})|(?:的目标|的任务|继续|持续)$")


def tokens_of(leaf: Leaf) -> list[Token]:
    return [leaf] if isinstance(leaf, Token) else [t for c in leaf.children for t in tokens_of(c)]


class Phrase(NamedTuple):
    text: str
    start: int
    end: int


NOWHERE = Phrase("", -1, -1)


def phrase(tokens: list[Token]) -> Phrase:
    """The words among `tokens` that name a thing: dates, modality and the like left out."""
    named = [t for t in tokens if t.type not in SILENT]
    while named and (named[0] in FUNCTION_WORDS or named[0].type == "PAUSE"):
        named = named[1:]
    while named and named[-1] in FUNCTION_WORDS:
        named = named[:-1]
    text = ADVERBS.sub("", "".join(named))
    return Phrase(text, place(named[0])[0], place(named[-1])[1]) if named else NOWHERE


def place(token: Token) -> tuple[int, int]:
    assert token.start_pos is not None
    assert token.end_pos is not None
    return token.start_pos, token.end_pos


def number(text: str) -> float:
    """A figure in digits or in words: 1,234.5, 三百二十, 一万五千."""
    digits = text.replace(",", "")
    if re.fullmatch(r"\d+(?:\.\d+)?", digits):
        return float(digits)
    for big, factor in (("亿", 10**8), ("万", 10**4)):
        above, found, below = text.rpartition(big)
        if found:
            return (number(above) if above else 1) * factor + (number(below) if below else 0)
    total, digit = 0, 0
    for c in text:
        if c in TENS:
            total, digit = total + (digit or 1) * TENS[c], 0
        else:
            digit = DIGITS[c]
    return float(total + digit)


def written(figure: str, unit_text: str | None) -> tuple[float, str | None]:
    """Value and unit as written. A figure in words gives 万 and 亿 to its unit, as digits do: 两万亿 is 2 and 万亿."""
    found = re.fullmatch(r"([^\d]+?)(万亿|亿|万)", figure)
    if found and not re.search("亿" if found[2] == "亿" else "[万亿]", found[1]):
        return number(found[1]), found[2] + (unit_text or "")
    return number(figure), unit_text


# ---- dates


def ends(year: int, month: int) -> dt.date:
    return dt.date(year, month, calendar.monthrange(year, month)[1])


def due_of(token: Token, own: Period) -> dt.date:
    """The last day that a date of the text allows: 8月末前 is 31 August, 上半年 30 June, 年底前 the end of the plan's year.

    `own` is the plan's year. A year counts from the month in which that one starts; months, quarters and halves are the
    calendar's, and those without a year lie in the plan's own.
    """
    text, first = str(token), own.start.month
    given = re.search(r"((?:19|20)\d\d)年", text)
    year = int(given[1]) if given else own.start.year
    if "明年" in text:
        year += 1
    rest = text[given.end() :] if given else text
    month = re.match(r"([\d一二三四五六七八九十]+)月(?:(\d+)[日号])?(上旬|中旬|初)?", rest)
    if month:
        number_of_month = min(12, int(number(month[1])))
    elif quarter := re.search(r"([一二三四1-4])个?季度", rest):
        number_of_month = int(number(quarter[1])) * 3
    elif half := re.search("[上下]半年", rest):
        number_of_month = 6 if half[0] == "上半年" else 12
    else:
        return year_from(year, first).end
    last = ends(year + (not given and number_of_month < first), number_of_month)
    if not month:
        return last
    day = int(month[2]) if month[2] else {"上旬": 10, "初": 10, "中旬": 20}.get(month[3], last.day)
    return last.replace(day=min(day, last.day))


def period_of(token: Token, own: Period) -> str:
    """The label of the period that a baseline is of: 2021年, 上年."""
    found = re.search(r"(?:19|20)\d\d", token)
    return found[0] if found else str(own.start.year - 1)


class Amount(NamedTuple):
    value: float
    high: float | None
    unit: str | None
    after: str | None
    more: bool


def amount_of(quantity: Tree[Token]) -> Amount:
    parts = tokens_of(quantity)
    by_type = {t.type: str(t) for t in reversed(parts)}
    figures = [number(t) for t in parts if t.type in ("FIGURE", "NUMERAL")]
    value, high, unit_text = (figures or [0.0])[0], None, by_type.get("UNIT")
    match quantity.data:
        case "amount" | "bare":
            figure = next(str(t) for t in parts if t.type in ("FIGURE", "NUMERAL", "ROUND", "BARE"))
            value, unit_text = written(figure, unit_text)
        case "span":
            low, top = re.split(r"[-~—–至到]", by_type["SPAN"])
            value, high = float(low), float(top)
        case "between":
            high = figures[1]
        case "percent":
            whole, _, part = by_type["PERCENT"].removeprefix("百分之").partition("点")
            value, unit_text = number(whole) + float("0." + "".join(str(DIGITS[c]) for c in part + "零")), "%"
        case "place":
            found = re.sub(r"[第位名强]", "", by_type["PLACE"])
            value, unit_text = 1.0 if found == "首" else number(found), "位"
        case "front":
            unit_text = "位"
        case "doubled":
            value = next((n for c, n in {"两": 4.0, "二": 4.0, "三": 8.0}.items() if c in by_type["DOUBLE"]), 2.0)
        case "all":
            value, unit_text = 100.0, "%"
    unit_text = "百分点" if unit_text == "个百分点" else unit_text
    return Amount(value, high, unit_text, by_type.get("AFTER"), "MORE" in by_type)
