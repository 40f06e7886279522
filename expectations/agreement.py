"""The registry a person edited, held against what the clause reader reads in the same text, for ever after.

A target whose figure, unit, comparator or date is read otherwise is a slip of the hand or of the reader: either is seen
the day it happens. So is a figure that the text has lost and the registry has not, and the reverse. Where the difference is meant, the target says why in `read_otherwise`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from expectations.clauses import Proposal, propose
from expectations.model import Plan, Target

CHINESE = re.compile(r"[\u4e00-\u9fff]")
HELD = ["value", "value_high", "unit", "comparator", "due"]


class Matched(NamedTuple):
    target: Target
    proposal: Proposal


def overlap(target: Target, proposal: Proposal) -> int:
    """Characters of the text that both stand on."""
    ends = (target.clause_offset + target.clause_length, proposal.clause_offset + proposal.clause_length)
    return min(ends) - max(target.clause_offset, proposal.clause_offset)


def same_figure(target: Target, proposal: Proposal) -> bool:
    reading = proposal.reading
    if target.value is None:
        return reading.value is None and reading.kind == target.kind
    return reading.value == target.value and reading.value_high == target.value_high


def matches(targets: Sequence[Target], proposals: Sequence[Proposal]) -> list[Matched]:
    """Each target's best proposal: the one with the same figure and the most place in common."""
    found = []
    for target in targets:
        fit = [p for p in proposals if overlap(target, p) > 0 and same_figure(target, p)]
        if fit:
            found.append(Matched(target, max(fit, key=lambda p: (overlap(target, p), -p.clause_offset))))
    return found


def held(plan: Plan) -> list[Target]:
    """The targets that the reader can be held against: it reads Chinese, and the text is the first revision's."""
    return [t for t in [*plan.targets, *plan.superseded] if t.since == 1 and CHINESE.search(t.clause)]


def disagreements(plan: Plan, text: str) -> list[str]:
    """A line per target that the reader reads otherwise, or not at all, and that does not say why."""
    starts, targets = plan.head.starts, held(plan)
    read = propose(text, starts.year, starts.month) if targets else []
    found = {m.target.target: m.proposal.reading for m in matches(targets, read)}
    said = []
    for t in targets:
        reading = found.get(t.target)
        apart = (
            ["the reader finds no such target"]
            if reading is None
            else [
                f"{name} {getattr(t, name)}, read {getattr(reading, name)}"
                for name in HELD
                if getattr(t, name) != getattr(reading, name)
            ]
        )
        if apart and t.read_otherwise is None:
            said.append(f"{t.target} at {t.clause_offset} {t.clause!r}: {'; '.join(apart)}")
    return said
