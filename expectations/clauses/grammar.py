"""From a plan's text to a tree: the text made plain, the losses in it marked, the grammar of clauses.lark over both."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from lark import Lark
from lark.lexer import PatternRE, TerminalDef

from expectations.units import BASES, MULTIPLES

# Words that begin like a unit and are none: 分钟 is no 分, 部门 no 部.
NO_UNIT = {
    "分": "钟类", "天": "然津", "人": "工才民", "部": "门分级", "口": "岸", "街": "道区路", "村": "庄民", "期": "间工项",
    "年": "级度前来内后底末初货行", "门": "户类", "片": "区", "节": "点能日", "组": "团织", "单": "位元", "项": "目",
    "班": "子列", "对": "口外", "次": "党全会日", "日": "游", "块": "链", "场": "景", "头": "部", "镇": "街",
}  # fmt: skip
BARE_MULTIPLES = [m for m in MULTIPLES if m.endswith(("万", "亿"))]
ENDS = r"(?=[,;、。)]|$)"


def base_pattern() -> str:
    """Every unit that units.py knows but for its multiples, longest first: 百分点 is no 百 of 分点."""
    bases = sorted(BASES, key=len, reverse=True)
    return "|".join(re.escape(b) + (f"(?![{NO_UNIT[b]}])" if NO_UNIT.get(b) else "") for b in bases)


def unit_pattern() -> str:
    """Bases, their multiples, ratios of two, and 万 or 亿 alone at an end."""
    multiples = "|".join(sorted(MULTIPLES, key=len, reverse=True))
    words = base_pattern()
    one = rf"(?:{words}|(?:{multiples})(?:{words}))"  # bases first: 百分点 is no hundred 分
    return rf"{one}(?:/{one})?|(?:{'|'.join(sorted(BARE_MULTIPLES, key=len, reverse=True))}){ENDS}"


def with_units(terminal: TerminalDef) -> None:
    units = unit_pattern()
    patterns = {
        "UNIT": units,
        "MORE": rf"[余多](?=(?:{units}))",
        "ONTO": rf"[-~—–至到](?=\d+(?:\.\d+)?(?:{units}))",
    }
    if terminal.name in patterns:
        terminal.pattern = PatternRE(patterns[terminal.name])


def grammar() -> str:
    return (files("expectations.clauses") / "clauses.lark").read_text("utf-8")


@cache
def parser() -> Lark:
    return Lark(grammar(), start="sentence", parser="lalr", edit_terminals=with_units)


# ---- figures that the text has lost

GAP = "\u25a1"  # stands in plain text where a figure stood
NUMBERING = "零〇一二两三四五六七八九十百千万亿几数多余半每各这那某整本当上下前第"  # what says how many, or which
BOUNDS = ["达到", "超过", "低于", "少于", "至少"]


@cache
def lost() -> re.Pattern[str]:
    """Where a unit or a month has lost its figure.

    A sign put for it (××家, __条, ( )项); a unit of shares straight after a word (增长%); a unit straight after a bound
    and at a clause's end (达到家以上); and white space before 个, before 月 in a date, or before a unit at a clause's end,
    for within a Chinese clause white space stands by figures only.
    """
    any_unit, word = f"(?:{unit_pattern()})", rf"(?<=[\u4e00-\u9fff”])(?<![{NUMBERING}])"
    end = r"[ ]*(?:[,;、。)\n]|$|及?以上|以内|及?以下|左右)"
    return re.compile(
        rf"(?<![0-9A-Za-z.×])(?:[×□○△_]+|[xX]{{2,}}|\([ _]*\))[ ]*(?={any_unit}|月[底末初份前])"
        rf"|{word}[ ]*(?=[%‰])"
        rf"|{word}[ ]+(?=个(?![人体性税别])|月[底末初份]|{any_unit}{end})"
        rf"|(?<={'|'.join(BOUNDS)})(?=(?:{base_pattern()}){end})"
    )


# ---- text made plain


class Plain(NamedTuple):
    """Text without white space and with full-width forms made plain; `at[n]` is where its nth character stood."""

    text: str
    at: list[int]


def plain(text: str, start: int = 0) -> Plain:
    """The text made plain, with GAP where a figure is lost. `start` is where the text itself begins in a longer one."""
    forms = "".join(f if len(f) == 1 else "·" for f in (unicodedata.normalize("NFKC", c) for c in text))
    gaps = {m.start(): m.end() for m in lost().finditer(forms)}
    kept: list[tuple[str, int]] = []
    past = 0
    for n, c in enumerate(forms):
        if n in gaps:
            kept.append((GAP, n))
            past = gaps[n]
        if n >= past and not c.isspace():
            kept.append(("·" if c == GAP else c, n))
    return Plain("".join(c for c, _ in kept), [start + n for _, n in kept])
