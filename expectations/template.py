"""The mark that a fill-in workbook carries: which plan, revision, department and reporting period it was made for."""

from __future__ import annotations

import re
from dataclasses import dataclass

MARK = re.compile(
    r"template:\s*(?P<plan>[a-z0-9-]+)\s+r(?P<revision>\d+)\s+(?P<department>[a-z][a-z0-9_]*)\s+(?P<period>[0-9A-Za-z-]+)"
)


@dataclass(frozen=True)
class Mark:
    plan: str
    revision: int
    department: str
    period: str  # as periods are labelled: 2022-06

    def __str__(self) -> str:
        return f"template: {self.plan} r{self.revision} {self.department} {self.period}"


def mark_in(text: str) -> Mark | None:
    """The mark in a cell's text, where there is one."""
    found = MARK.search(text)
    return found and Mark(found["plan"], int(found["revision"]), found["department"], found["period"])
