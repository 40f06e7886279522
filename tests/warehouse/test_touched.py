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
from warehouse import filings, judge, landing, reading, sums, touched
from warehouse.ledger import ledger
from warehouse.store import Store

MONTHS = [f"{year}-{m:02}" for year in (2021, 2022) for m in range(1, 13)]
BEGUN, QUARTERS = MONTHS[:15], ["2021Q1", "2022Q1"]  # few, so that figures meet that follow from each other
# a cumulative flow and its growth, stocks, a share of two others' figures; what is twice as far from its past, or a slip
SERIES = {
    "finance": [("fiscal_revenue", BEGUN, (60, 62, 640)), ("fiscal_revenue_growth", BEGUN[11:], (3, 4, 60))],
    "financial_affairs": [("finance_value_added", QUARTERS, (150, 160, 900)), ("finance_share", QUARTERS, (8, 9, 40)),
                         ("loans", BEGUN, (20000, 20100, 9000)), ("loans_growth", BEGUN[11:], (0, 1, 70))],
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
        for nth, period in enumerate(periods[first : first + draw(st.integers(1, 15))]):
            value = draw(st.sampled_from(values)) * (1 + nth % 12 if indicator in ("fiscal_revenue", "gdp") else 1)
            text = draw(st.sampled_from([str(value)] * 5 + [f"约{value}", "-", "see annex"]))
            rows.append((indicator, "", period, "", text, "", "", draw(st.sampled_from([""] * 4 + ["按方案核实"]))))
    return department, long_csv(*rows)


Act = tuple[str, bytes] | tuple[str, int]  # a file comes; or one that came is withdrawn, or comes again as it was


def given_to(store: Store, plan: Plan, box: Path, nth: int, act: Act) -> None:
    what, content = act
    now = IN_TIME + dt.timedelta(days=nth)
    if isinstance(content, int):
        with ledger(store) as db:
            there = db.execute("select submission, path, department from submission order by path").fetchall()
            gone = {submission for (submission,) in db.execute("select submission from withdrawal")}
        if not there:
            return
        submission, path, department = there[content % len(there)]
        if what == "withdrawn":
            if submission not in gone:
                filings.withdraw(store, submission, "head of office", "sent by mistake", now)
            return
        content = (box / department / Path(path).name).read_bytes()
        name = f"{department}/{max(file.name for file in (box / department).iterdir())}"  # in the place of its last one
    else:
        name = f"{what}/{nth:02}.csv"
    send(box, {name: content}, {name: now})
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
        f"{path.relative_to(store.gx).as_posix()}/{key}": json.loads(result)
        for path in sorted((store.gx / "validations").glob("*/20*/*/*"))
        for key, result in (pl.read_parquet(path).rows() if path.suffix == ".parquet" else [("", path.read_bytes())])
    }
    return tables | results


def agrees_with_all_at_once(plan: Plan, folder: Path, acts: list[Act], broken_off: set[int]) -> None:
    by_night, at_once = Store(folder / "night"), Store(folder / "once")
    for nth, act in enumerate(acts):
        given_to(by_night, plan, folder / "a", nth, act)
        judged(by_night, plan, to_the_end=nth not in broken_off)  # a night may end between rows and flags
        given_to(at_once, plan, folder / "b", nth, act)
    judged(by_night, plan)
    judged(at_once, plan)

    ours, theirs = said(by_night), said(at_once)
    assert [name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)] == []
    assert judge.stale_months(by_night, plan) == []


@pytest.mark.slow
@settings(max_examples=10)
@given(
    acts=st.lists(
        st.one_of(
            sendings(), sendings(), sendings(), st.tuples(st.sampled_from(["withdrawn", "again"]), st.integers(0, 9))
        ),
        min_size=3,
        max_size=7,
    ),
    broken_off=st.sets(st.integers(0, 6)),
)
def test_flags_found_night_after_night_are_those_found_at_once(
    plan: Plan, acts: list[Act], broken_off: set[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        agrees_with_all_at_once(plan, Path(folder), acts, broken_off)


def file(indicator: str, **figures: object) -> bytes:
    return long_csv(*((indicator, "", period, "", value) for period, value in figures.items()))


def of(**figures: object) -> dict[str, object]:
    return {period.lstrip("y").replace("_", "-"): value for period, value in figures.items()}


# by what flags change though nothing came of their own series: acts, and the rule that a figure of the first file breaks then
ELSEWHERE = {
    "the whole of a share, by another department": (
        "Q04", [("financial_affairs", file("finance_share", **of(y2022Q1=9))), ("financial_affairs", file("finance_value_added", **of(y2022Q1=170))),
                ("statistics", file("gdp", **of(y2022Q1=1000)))]),
    "the level of a year before": (
        "Q06", [("finance", file("fiscal_revenue_growth", **of(y2022_03=3))), ("finance", file("fiscal_revenue", **of(y2022_03=180))),
                ("finance", file("fiscal_revenue", **of(y2021_03=90)))]),
    "a file that is sent again after another": (
        "Q02", [("finance", file("fiscal_revenue", **of(y2022_04=200))), ("finance", file("fiscal_revenue", **of(y2022_03=900))),
                ("finance", file("fiscal_revenue", **of(y2022_03=90))), ("again", 1)]),
    "a file that is withdrawn": (
        "Q02", [("finance", file("fiscal_revenue", **of(y2022_04=200))), ("finance", file("fiscal_revenue", **of(y2022_03=900))),
                ("finance", file("fiscal_revenue", **of(y2022_03=90))), ("withdrawn", 2)]),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("broken_off", [False, True])
@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_flag_that_hangs_on_another_figure_comes_with_it(
    plan: Plan, tmp_path: Path, name: str, broken_off: bool
) -> None:
    rule, acts = ELSEWHERE[name]
    agrees_with_all_at_once(plan, tmp_path, acts, {len(acts) - 1} if broken_off else set())
    flags = pl.concat([pl.read_parquet(p) for p in sorted((tmp_path / "night" / "months").glob("*/quality.parquet"))])
    [first] = flags.filter(pl.col("rule") == rule)["submission"].unique()
    with ledger(Store(tmp_path / "night")) as db:
        assert (
            db.execute("select path from submission where submission = ?", [first]).fetchall()[0][0].endswith("00.csv")
        )


def test_a_correction_has_the_flags_of_what_it_touches_found_again_and_no_others(plan: Plan, tmp_path: Path) -> None:
    revenue = [("fiscal_revenue", "", m, "", 60 * (1 + n % 12), "亿元") for n, m in enumerate(MONTHS)]
    loans = [("loans", "", m, "", 20000 + n, "亿元") for n, m in enumerate(MONTHS)]
    store, box = Store(tmp_path / "data"), tmp_path / "box"
    for nth, act in enumerate([("finance", long_csv(*revenue)), ("financial_affairs", long_csv(*loans))]):
        given_to(store, plan, box, nth, act)
    judged(store, plan)
    for file in store.months.glob("*/quality_evaluated.parquet"):
        pl.read_parquet(file).with_columns(path=pl.lit("as it stood")).write_parquet(file)
        sums.enter(file.parent, [file.name])
    given_to(store, plan, box, 2, ("finance", long_csv(("fiscal_revenue", "", "2022-03", "", 600, "亿元"))))
    [valid, flagged] = judged(store, plan)
    touched_months = MONTHS[MONTHS.index("2022-03") :]
    assert (valid.months, flagged.months) == (["2022-03"], touched_months)
    evaluated = pl.read_parquet(store.months / "*" / "quality_evaluated.parquet", hive_partitioning=False)
    again = (
        evaluated.filter(pl.col("path") != "as it stood").group_by("department").agg(pl.col("month").unique().sort())
    )
    assert again.rows() == [("finance", touched_months)]
    counts = {v.rule: v.evaluated for v in flagged.verdicts}
    assert counts["Q05"] == 2 * len(touched_months) + 1  # and is said of all rows of these months
    assert list(store.months.glob(f"*/{touched.FILE}")) == []


@pytest.mark.slow
@pytest.mark.parametrize("left", [b"", b"PAR1 cut off", b"PAR1" + bytes(2000) + b"PAR1"])
def test_what_was_touched_and_cannot_be_read_has_all_flags_found_again(plan: Plan, tmp_path: Path, left: bytes) -> None:
    _, acts = ELSEWHERE["the whole of a share, by another department"]
    store = Store(tmp_path / "data")
    for nth, act in enumerate(acts):
        given_to(store, plan, tmp_path / "box", nth, act)
        judged(store, plan, to_the_end=nth < len(acts) - 1)
    [noted] = store.months.glob(f"*/{touched.FILE}")
    noted.write_bytes(left)
    judged(store, plan)
    assert "Q04" in set(pl.read_parquet(store.month("2022-03") / "quality.parquet")["rule"])
