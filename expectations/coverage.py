"""Whether every numeral of a plan's text is accounted for: as a target's figure, or as no target with its reason.

A numeral inside a target's place is accounted for where it can be that target's: a run of digits must be one of the
figures of a target that stands there, so that a clause with two figures does not hide a missing target. What no target
claims must be listed in the plan's numerals.yaml.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from expectations.model import NoTarget, Target

CONTEXT = 20
_DIGITS = "[0-9\uff10-\uff19]"
_ENGLISH = (
    "zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen"
    "|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|dozen"
    "|half|double|twice|treble|triple|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth"
)
_NUMERAL = re.compile(
    rf"{_DIGITS}+(?:[.\uff0e]{_DIGITS}+|[,\uff0c]{_DIGITS}{{3}}(?!{_DIGITS}))*|[〇零一二两三四五六七八九十百千万亿]+"
    rf"|(?<![a-z])(?:{_ENGLISH})(?![a-z])",
    re.IGNORECASE,
)


class Numeral(NamedTuple):
    offset: int
    length: int
    text: str

    @property
    def figure(self) -> float | None:
        """What a run of digits says; None for a numeral in words, and for runs that are no number (1.3.5)."""
        plain = unicodedata.normalize("NFKC", self.text).replace(",", "")
        try:
            return float(plain)
        except ValueError:
            return None


class Coverage(NamedTuple):
    """`uncovered` and `stale` name their places, a line each; both empty: the plan and its text agree."""

    total: int
    covered: int
    uncovered: list[str]
    stale: list[str]

    @property
    def complete(self) -> bool:
        return not self.uncovered and not self.stale

    def lines(self) -> list[str]:
        return [f"covered {self.covered} of {self.total}", *self.uncovered, *self.stale]


def numerals(text: str) -> list[Numeral]:
    """The maximal runs of digits (with decimal point and thousands separator, full-width too) and of Chinese number
    words, and each English one: in 1.2 million two, as in 1.3 万."""
    return [Numeral(m.start(), len(m[0]), m[0]) for m in _NUMERAL.finditer(text)]


def coverage(targets: Sequence[Target], no_targets: Sequence[NoTarget], text: str) -> Coverage:
    """Counts the text's numerals that are accounted for and names the others, and what the lists say of no place."""
    found = numerals(text)
    listed, stale = _listed(no_targets, found, text)
    claimed: set[int] = set()
    for t in targets:
        end = t.clause_offset + t.clause_length
        if text[t.clause_offset : end] != t.clause:
            stale.append(f"{t.target}: its clause {t.clause!r} does not stand at {t.clause_offset}")
            continue
        claimed |= {
            n.offset for n in found if t.clause_offset <= n.offset and n.offset + n.length <= end and _is_of(n, t)
        }
    missing = [n for n in found if n.offset not in claimed | listed]
    return Coverage(len(found), len(found) - len(missing), [_place(n, text) for n in missing], stale)


def _is_of(numeral: Numeral, target: Target) -> bool:
    """Whether the numeral, in the target's place, can be the target's own."""
    if numeral.figure is None or target.value is None:
        return True
    return (
        numeral.figure in (target.value, target.value_high, target.baseline) or numeral.text == target.baseline_period
    )


def _listed(no_targets: Sequence[NoTarget], found: Sequence[Numeral], text: str) -> tuple[set[int], list[str]]:
    """Offsets of the numerals that the lists account for, and a line per entry that accounts for none."""
    listed: set[int] = set()
    stale: list[str] = []
    by_offset = {n.offset: n.text for n in found}
    for entry in no_targets:
        for phrase in entry.phrases:
            spans = [(m.start(), m.end()) for m in re.finditer(re.escape(phrase), text)]
            inside = {
                n.offset for n in found for start, end in spans if start <= n.offset and n.offset + n.length <= end
            }
            if not inside:
                stale.append(f"{entry.reason}: {phrase!r} holds no numeral of the text")
            listed |= inside
        for offset, numeral in entry.at:
            if by_offset.get(offset) != numeral:
                stale.append(f"{entry.reason}: at {offset} the text has {by_offset.get(offset)!r}, not {numeral!r}")
            else:
                listed.add(offset)
    return listed, stale


def _place(numeral: Numeral, text: str) -> str:
    end = numeral.offset + numeral.length
    around = text[max(0, numeral.offset - CONTEXT) : numeral.offset], text[end : end + CONTEXT]
    return f"{numeral.text!r} at {numeral.offset} is no target's and not listed: {around[0]}[{numeral.text}]{around[1]}".replace(
        "\n", " "
    )
