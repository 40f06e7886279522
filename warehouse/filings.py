"""What a department says of what it sent: it certifies a quarter's figures, it withdraws a submission.

Both are acts of a named role, kept in the ledger for ever; a name of a person is never asked for.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass

from expectations.model import Plan
from expectations.periods import calendar_of
from warehouse.ledger import keep_copy, ledger
from warehouse.store import Store, connect, files_sql


class FilingError(Exception):
    """An act that cannot be taken: why, and what to do."""


@dataclass(frozen=True)
class Certification:
    """number: the receipt number. figures: how many current figures it covers."""

    number: str
    department: str
    quarter: str
    figures: int
    certified_at: dt.datetime


def certify(store: Store, plan: Plan, department: str, quarter: str, role: str, now: dt.datetime) -> Certification:
    """A named role certifies the figures of `department` for periods that end in `quarter` (2022Q1), as they stand.

    Raises FilingError: unknown department or quarter, a quarter that has not ended, no figure to certify.
    """
    _role(role)
    if department not in {d.department for d in plan.departments}:
        raise FilingError(
            f"{department} is not a department of {plan.head.plan}: use its code, as its drop box is called"
        )
    quarters = {p.label: p for p in calendar_of(plan.head.starts, plan.head.ends) if p.span == "quarter"}
    if quarter not in quarters:
        raise FilingError(f"{quarter} is not a quarter of {plan.head.plan}: write {', '.join(quarters)}")
    ends = quarters[quarter].end
    if now.date() <= ends:
        raise FilingError(f"{quarter} ends on {ends}: certify it after that day")
    with store.writing("certification"):
        figures = standing_figures(store, department, quarters[quarter].start, ends)
        if not figures:
            raise FilingError(f"{department} has no accepted figure for {quarter}: send the figures first")
        digest = hashlib.sha256(repr(figures).encode()).hexdigest()
        at = int(now.timestamp() * 1e6)
        act = f"{plan.head.plan} {department} {quarter} {role} {digest} {at}"
        number = f"{quarter}-{hashlib.sha256(act.encode()).hexdigest()[:10]}"
        with ledger(store) as db:
            db.execute(
                "insert into certification values (?, ?, ?, ?, ?, ?, ?)",
                (number, department, quarter, at, role, len(figures), digest),
            )
        keep_copy(store)
    return Certification(number, department, quarter, len(figures), now)


def withdraw(store: Store, submission: str, role: str, why: str, now: dt.datetime) -> str:
    """Withdraws a submission: what it replaced stands again from now on. Returns its path.

    Raises FilingError: no such submission, withdrawn before, no reason.
    """
    _role(role)
    if not why.strip():
        raise FilingError("a withdrawal needs its reason")
    with store.writing("withdrawal"), ledger(store) as db:
        found = db.execute("select path from submission where submission = ?", (submission,)).fetchone()
        if found is None:
            raise FilingError(
                f"no submission is called {submission}: take the code from its receipt or from the warehouse"
            )
        taken = db.execute(
            "insert into withdrawal values (?, ?, ?, ?) on conflict do nothing",
            (submission, int(now.timestamp() * 1e6), role, why.strip()),
        ).rowcount
        if not taken:
            raise FilingError(f"{submission} ({found[0]}) was withdrawn before")
    keep_copy(store)
    return str(found[0])


def _role(role: str) -> None:
    if not role.strip():
        raise FilingError("say in which role: head of statistics, say; never a person's name")


def standing_figures(store: Store, department: str, first: dt.date, last: dt.date) -> list[tuple[str, str, str, float]]:
    """(indicator, area, period, value) of the current figures of a department for periods that end from first to last."""
    paths = sorted(store.months.glob("*/observation.parquet"))
    if not paths:
        return []
    with connect(store.root) as con:
        return con.execute(
            f"select indicator, area, period, value from read_parquet({files_sql(paths)})"
            " where department = ? and known_to is null and period_end between ? and ? order by all",
            [department, first, last],
        ).fetchall()
