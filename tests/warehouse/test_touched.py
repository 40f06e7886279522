"""Whichever way rows came in, night after night, their flags are those of a store that judged all of them at once."""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expectations.model import Plan
from tests.night import IN_TIME, NOW, long_csv, send
from warehouse import filings, judge, landing, reading, touched
from warehouse.ledger import ledger
from warehouse.store import Store

MONTHS = [f"{year}-{m:02}" for year in (2021, 2022) for m in range(1, 13)]
QUARTERS = [f"{year}Q{q}" for year in (2021, 2022) for q in range(1, 5)]
# a cumulative flow and its growth, stocks, a share of two others' figures; what is twice as far from its past, or a slip
SERIES = {
    "finance": [("fiscal_revenue", MONTHS, (60, 62, 640)), ("fiscal_revenue_growth", MONTHS, (3, 4, 60))],
    "financial_affairs": [("finance_value_added", QUARTERS, (150, 160, 900)), ("finance_share", QUARTERS, (8, 9, 40)),
                         ("loans", MONTHS, (20000, 20100, 9000)), ("loans_growth", MONTHS, (0, 1, 70))],
    "statistics": [("gdp", QUARTERS, (1800, 1900, 19000))],
}  # fmt: skip


@st.composite
def sendings(draw: st.DrawFn) -> tuple[str, bytes]:
    """A department, and a file of it: some of its series over some of their periods, a few of them told more than once."""
    department = draw(st.sampled_from(sorted(SERIES)))
    rows = []
    for _ in range(draw(st.integers(1, 3))):
        indicator, periods, values = draw(st.sampled_from(SERIES[department]))
        first = draw(st.integers(0, len(periods) - 1))
        for nth, period in enumerate(periods[first : first + draw(st.integers(1, 14))]):
            value = draw(st.sampled_from(values)) * (1 + nth % 12 if indicator in ("fiscal_revenue", "gdp") else 1)
            text = draw(st.sampled_from([str(value)] * 5 + [f"约{value}", "-", "see annex"]))
            rows.append((indicator, "", period, "", text, "", "", draw(st.sampled_from([""] * 4 + ["按方案核实"]))))
    return department, long_csv(*rows)


Act = tuple[str, bytes] | int  # a file comes, or the nth that came is withdrawn


def given_to(store: Store, plan: Plan, box: Path, nth: int, act: Act) -> None:
    if isinstance(act, int):
        with ledger(store) as db:
            there = db.execute(
                "select submission from submission where submission not in (select submission from withdrawal) order by path"
            ).fetchall()
        if there:
            filings.withdraw(
                store, there[act % len(there)][0], "head of office", "sent by mistake", IN_TIME + dt.timedelta(days=nth)
            )
        return
    name = f"{act[0]}/{nth:02}.csv"
    send(box, {name: act[1]}, {name: IN_TIME + dt.timedelta(days=nth)})
    landing.land(store, [box.as_uri()], plan, NOW)
    reading.read_landed(store, plan)


def judged(store: Store, plan: Plan, *, to_the_end: bool = True) -> Any:
    months = judge.stale_months(store, plan)
    valid = judge.validity(store, plan, months)
    return (valid, judge.quality(store, plan, months)) if to_the_end else (valid, None)


def said(store: Store) -> dict[str, Any]:
    """All that stands of the judged months, and what Great Expectations' store says of them, by file."""
    tables = {
        f"{path.parent.name}/{path.name}": pl.read_parquet(path).rows()
        for path in sorted(store.months.glob("*/*.parquet"))
    }
    results = {
        path.relative_to(store.gx).as_posix(): json.loads(path.read_bytes())
        for path in sorted((store.gx / "validations").glob("*/20*/*/*.json"))
    }
    return tables | results


@pytest.mark.slow
@settings(max_examples=12)
@given(
    acts=st.lists(st.one_of(sendings(), sendings(), sendings(), st.integers(0, 9)), min_size=3, max_size=7),
    broken_off=st.sets(st.integers(0, 6)),
)
def test_flags_found_night_after_night_are_those_found_at_once(
    plan: Plan, acts: list[Act], broken_off: set[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        by_night, at_once = Store(Path(folder) / "night"), Store(Path(folder) / "once")
        for nth, act in enumerate(acts):
            given_to(by_night, plan, Path(folder) / "a", nth, act)
            judged(by_night, plan, to_the_end=nth not in broken_off)  # a night may end between rows and flags
            given_to(at_once, plan, Path(folder) / "b", nth, act)
        judged(by_night, plan)
        judged(at_once, plan)

        ours, theirs = said(by_night), said(at_once)
        assert [name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)] == []
        assert judge.stale_months(by_night, plan) == []


def test_a_correction_has_the_flags_of_what_it_touches_found_again_and_no_others(plan: Plan, tmp_path: Path) -> None:
    revenue = [("fiscal_revenue", "", m, "", 60 * (1 + n % 12), "亿元") for n, m in enumerate(MONTHS)]
    loans = [("loans", "", m, "", 20000 + n, "亿元") for n, m in enumerate(MONTHS)]
    store, box = Store(tmp_path / "data"), tmp_path / "box"
    for nth, act in enumerate([("finance", long_csv(*revenue)), ("financial_affairs", long_csv(*loans))]):
        given_to(store, plan, box, nth, act)
    judged(store, plan)
    with ledger(store) as db:
        of = dict(db.execute("select department, submission from submission").fetchall())

    def results() -> dict[str, dict[str, int]]:
        """By department, when which month's validation result of its flags was written."""
        root = store.gx / "validations" / "kept"
        return {d: {p.parts[-3]: p.stat().st_mtime_ns for p in root.glob(f"*/*/{s}.json")} for d, s in of.items()}

    before = results()
    given_to(store, plan, box, 2, ("finance", long_csv(("fiscal_revenue", "", "2022-03", "", 600, "亿元"))))
    [valid, flagged] = judged(store, plan)
    after = results()
    touched_months = MONTHS[MONTHS.index("2022-03") :]
    assert (valid.months, flagged.months) == (["2022-03"], touched_months)
    assert [m for m in MONTHS if before["finance"][m] != after["finance"][m]] == touched_months
    # of the corrected month all is written again: its newest figures are others
    assert [m for m in MONTHS if before["financial_affairs"][m] != after["financial_affairs"][m]] == ["2022-03"]
    counts = {v.rule: v.evaluated for v in flagged.verdicts}
    assert counts["Q05"] == 2 * len(touched_months) + 1  # and is said of all rows of these months
    assert list(store.months.glob(f"*/{touched.FILE}")) == []
