"""Target clauses of a plan's Chinese text, read into structure by a grammar (clauses.lark), and a draft of the registry.

The registry (a plan's targets.yaml) stays the plan's word and a person's work: this reader proposes its draft, and can
be held against it afterwards. It knows language, not the city: no indicator's name and no figure is written here. Pure:
the same text gives the same readings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from expectations.clauses.grammar import parser, plain
from expectations.clauses.reader import Reader, Reading
from expectations.periods import year_from

LONGEST = 40  # characters of a clause in the registry


class Proposal(NamedTuple):
    """A reading at its place in a plan's text, as a draft of the registry's row."""

    reading: Reading
    clause: str
    clause_offset: int
    clause_length: int


SENTENCES = re.compile(r"[^。!?\uff01\uff1f\n]+")
CLOSED = ("…", ":", "：", ";", "；", "”", "）", ")", "》")  # a paragraph may well end so


def read_clause(clause: str, year: int, first_month: int = 1) -> list[Reading]:
    """What `clause` (or a longer piece of text) promises, in its order; what of it has lost its figure is of kind lost.

    `year` is the plan's, and the one in which it starts where its years start in another month than January.
    """
    found: list[Reading] = []
    for sentence in SENTENCES.finditer(clause):
        source = plain(sentence[0].rstrip(" \u3000\r,，;；、"), sentence.start())
        if source.text:
            tree = parser().parse(source.text)
            found += Reader(source, year_from(year, first_month)).sentence(tree, breaks_off(sentence))
    return found


def breaks_off(sentence: re.Match[str]) -> bool:
    """Whether the text breaks off within the sentence: at a paragraph's end without a mark, or at a mark before its stop.

    A heading has no mark at its end either. It is a paragraph of one clause.
    """
    text, said = sentence.string, sentence[0].rstrip()
    before, after = text[max(sentence.start() - 1, 0) : sentence.start()], text[sentence.end() : sentence.end() + 1]
    if after != "\n":
        return after == "。" and said[-1:] in ("、", ",", "，")
    heading = before in ("", "\n") and not re.search("[,，;；]", said)
    return not heading and not said.endswith(CLOSED)


def propose(text: str, year: int, first_month: int = 1) -> list[Proposal]:
    """A draft of the registry's targets from a plan's text: what falls due in the plan's year, in the text's order."""
    return list(proposals(text, year, first_month))


def proposals(text: str, year: int, first_month: int) -> Iterator[Proposal]:
    own = year_from(year, first_month)
    for reading in read_clause(text, year, first_month):
        if not own.start <= reading.due <= own.end:
            continue
        start, end = reading.start, reading.start + reading.length
        if end - start > LONGEST:  # the registry's clauses are short: keep the figure, drop the far end
            start = max(start, min(reading.figure_start + 12, end) - LONGEST)
            end = min(end, start + LONGEST)
        yield Proposal(reading, text[start:end], start, end - start)


def draft(text: str, year: int, first_month: int = 1) -> str:
    """The proposals as a targets.yaml to be edited: a person gives codes and sections, strikes out and puts right."""
    lines = [f"# A draft by the clause reader: {year}. target, indicator and section are for a person to give."]
    for p in propose(text, year, first_month):
        r = p.reading
        row: dict[str, object] = {"target": None, "indicator": None, "kind": r.kind, "comparator": r.comparator}
        row |= {"value": r.value, "value_high": r.value_high, "unit": r.unit}
        if r.baseline is not None and r.baseline_period is not None:
            row |= {"baseline": r.baseline, "baseline_period": r.baseline_period}
        row |= {"due": r.due.isoformat(), "modality": r.modality, "section": None}
        row |= {"clause": p.clause, "clause_offset": p.clause_offset, "clause_length": p.clause_length}
        said = [r.indicator, *([f"exceeds {r.exceeds}"] if r.exceeds else []), *([f"per {r.per}"] if r.per else [])]
        said += [f"compared with {r.baseline_period}"] if r.baseline is None and r.baseline_period else []
        row["note"] = "; ".join([*said, *([r.change] if r.change else [])])
        fields = {k: v for k, v in row.items() if v is not None or k in ("target", "indicator", "section")}
        lines.append("- {" + ", ".join(f"{k}: {json.dumps(v, ensure_ascii=False)}" for k, v in fields.items()) + "}")
    return "\n".join(lines) + "\n"
