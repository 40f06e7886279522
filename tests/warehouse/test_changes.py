"""What changed between two releases, and why: told completely, each change once, by its nearest cause."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from expectations.load import PLANS, load_plan
from expectations.model import Plan
from tests.night import IN_TIME, SHANGHAI, Night, long_csv
from warehouse import changes, judge, marts, release
from warehouse.filings import withdraw
from warehouse.store import Store, connect

BEFORE = dt.datetime(2023, 1, 15, 9, tzinfo=SHANGHAI)  # December's figures are due by the end of the 16th
AFTER = dt.datetime(2023, 1, 18, 9, tzinfo=SHANGHAI)
FIRST = {
    "science/a.csv": long_csv(("high_tech_firms", "", "2022Q4", "", 4100, "家"), ("innovation_platforms", "", "2022Q4", "", 1200, "家")),
    "transport/b.csv": long_csv(*(("airport_passengers", "", f"2022-{m:02}", "", 80 * m, "万人次") for m in range(1, 12))),
    "transport/c.csv": long_csv(("airport_passengers", "", "2022-10", "", 790, "万人次")),
}  # fmt: skip
SECOND = {
    "science/更正.csv": long_csv(("high_tech_firms", "", "2022Q4", "", 4200, "家")),
    "transport/12.csv": long_csv(("airport_passengers", "", "2022-12", "", 950, "万人次")),
    "education/c.csv": long_csv(("schooling_years", "", "2022", "", 12.0, "年")),
}
SENT = {
    "science/更正.csv": BEFORE + dt.timedelta(hours=2),
    "transport/12.csv": AFTER - dt.timedelta(hours=1),
    "education/c.csv": BEFORE + dt.timedelta(hours=3),
}


@pytest.fixture(scope="module")
def first(night: Callable[..., Night]) -> Night:
    return night(FIRST, {"transport/c.csv": IN_TIME + dt.timedelta(hours=1)}, now=BEFORE)


@pytest.fixture(scope="module")
def second(night: Callable[..., Night], first: Night, plan: Plan) -> Night:
    """Three days later: a correction, a first figure in time, one too late, a withdrawal; and deadlines have passed."""
    code = first.one("select submission from submission where path = 'transport/c.csv'")["submission"]
    withdraw(first.store, code, "head of statistics", "counted twice", BEFORE + dt.timedelta(hours=4))
    stale = judge.stale_months(first.store, plan)
    judge.validity(first.store, plan, stale)
    judge.quality(first.store, plan, stale)
    return night(SECOND, SENT, AFTER, root=first.root)


def told(night: Night, table: str, column: str, **where: str) -> list[tuple[Any, ...]]:
    """before, after, reason, the file's path, via: of the rows of release_change."""
    named = " and ".join(f"c.{k} = '{v}'" for k, v in where.items())
    rows = night.ask(
        "select c.before_text, c.after_text, c.reason, s.path, c.via from release_change c left join submission s using (submission)"
        f" where c.table_name = '{table}' and c.column_name = '{column}' and {named} order by all"
    )
    return [tuple(r.values()) for r in rows]


def test_a_first_release_has_nothing_to_compare_with(first: Night) -> None:
    assert first.ask("from release_change") == []
    assert (first.release.base, first.release.changed) == (None, [])


def test_a_corrected_figure_says_so_and_so_does_the_progress_that_follows(second: Night) -> None:
    correction = ("4100", "4200", "correction", "science/更正.csv", None)
    assert told(second, "observation", "value", indicator="high_tech_firms") == [correction]
    assert told(second, "progress", "actual", target="T403", period="2022Q4") == [correction]
    assert told(second, "progress", "attainment", target="T403", period="2022Q4") == [
        ("0.82", "0.84", "correction", "science/更正.csv", None)
    ]
    one = second.one("from release_change where table_name = 'observation' and indicator = 'high_tech_firms'")
    assert (one["before_value"], one["after_value"], one["base"]) == (4100, 4200, second.release.base)


def test_a_first_figure_in_time_is_a_new_submission_and_one_after_its_deadline_is_late(second: Night) -> None:
    assert told(second, "observation", "value", indicator="schooling_years") == [
        (None, "12", "new_submission", "education/c.csv", None)
    ]
    assert told(second, "observation", "value", indicator="airport_passengers", period="2022-12") == [
        (None, "950", "late_figure", "transport/12.csv", None)
    ]
    assert told(second, "obligation", "state", indicator="airport_passengers", period="2022-12") == [
        ("not_due", "late", "late_figure", "transport/12.csv", None)
    ]
    [(before, _, reason, path, _)] = told(
        second, "progress", "status", indicator="airport_passengers", period="2022-12"
    )
    assert (before, reason, path) == ("not_due", "late_figure", "transport/12.csv")


def test_what_stands_again_after_a_withdrawal_names_the_withdrawn_file(second: Night) -> None:
    assert told(second, "observation", "value", indicator="airport_passengers", period="2022-10") == [
        ("790", "800", "withdrawal", "transport/c.csv", None)
    ]


def test_a_deadline_that_passed_explains_what_is_missing(second: Night) -> None:
    missing = second.ask(
        "select distinct before_text, after_text, reason, submission from release_change"
        " where table_name = 'obligation' and column_name = 'state' and indicator <> 'airport_passengers'"
        " and after_text = 'missing'"
    )
    assert [tuple(m.values()) for m in missing] == [("not_due", "missing", "deadline_passed", None)]
    silent = second.ask(
        "select distinct before_text, reason, via from release_change where table_name = 'progress'"
        " and column_name = 'status' and after_text = 'not_reported'"
    )
    assert [tuple(s.values()) for s in silent] == [("not_due", "deadline_passed", None)]


@pytest.mark.slow
def test_a_change_by_way_of_another_figure_names_it(night: Callable[..., Night]) -> None:
    levels = {
        "commerce/a.csv": long_csv(
            ("trade", "", "2021-11", "", 1000, "亿元"), ("trade", "", "2022-11", "", 1100, "亿元")
        )
    }
    mended = {"commerce/b.csv": long_csv(("trade", "", "2021-11", "", 1050, "亿元"))}
    one = night(levels, now=BEFORE)
    two = night(mended, dict.fromkeys(mended, BEFORE + dt.timedelta(hours=1)), AFTER, root=one.root)
    [(before, after, reason, path, via)] = told(two, "progress", "actual", target="T701", period="2022-11")
    assert (float(before), float(after)) == (pytest.approx(10), pytest.approx(100 / 21))
    assert (reason, path, via) == ("correction", "commerce/b.csv", "trade 2021-11")


def test_nothing_is_left_unexplained_and_nothing_is_told_twice(second: Night) -> None:
    assert second.ask("from release_change where reason = 'not_explained'") == []
    keys = "table_name, target, indicator, area, period, measure, department, column_name"
    assert second.ask(f"select {keys} from release_change group by all having count(*) > 1") == []
    assert second.ask("from release_change where before_text is not distinct from after_text") == []
    assert {r["base"] for r in second.ask("select distinct base from release_change")} == {second.release.base}


def test_the_manifest_counts_what_the_table_tells(second: Night) -> None:
    counted = second.ask(
        'select table_name as "table", reason, count(*) as rows from release_change group by all order by all'
    )
    assert sorted(second.release.changed, key=lambda c: (c["table"], c["reason"])) == counted
    beside = f"'{second.folder}/marts/release_change/*.parquet'"
    assert second.ask(f"from release_change except all from {beside}") == []


# --- plan, policy, code ---


def released(store: Store, plan: Plan, at: dt.datetime) -> duckdb.DuckDBPyConnection:
    months = judge.stale_months(store, plan)
    judge.validity(store, plan, months)
    judge.quality(store, plan, months)
    marts.make(store, plan, at)
    done = release.publish(store, plan)
    return duckdb.connect(store.warehouse / "releases" / done.release / "warehouse.duckdb", read_only=True)


def edited(folder: Path, to: Path, name: str, *edits: tuple[str, str]) -> Path:
    """A copy of a plan's folder, one file of it edited by regular expressions."""
    shutil.copytree(folder, to)
    text = (to / name).read_text("utf-8")
    for pattern, replacement in edits:
        text, found = re.subn(pattern, replacement, text, flags=re.M)
        assert found, pattern
    (to / name).write_text(text, "utf-8")
    return to


def reasons(con: duckdb.DuckDBPyConnection, table: str, column: str, target: str) -> set[tuple[str, str, str]]:
    return set(
        con.execute(
            "select before_text, after_text, reason from release_change where table_name = ? and column_name = ? and target = ?",
            [table, column, target],
        ).fetchall()
    )


@pytest.mark.slow
def test_plan_policy_and_code_are_told_apart(
    tmp_path: Path, night: Callable[..., Night], plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = {"statistics/q1.csv": long_csv(("gdp_growth", "", "2022Q1", "", 5.4, "%"))}
    sent = dict.fromkeys(figures, dt.datetime(2022, 4, 20, 9, tzinfo=SHANGHAI))
    store = night(figures, sent, AFTER).store

    wider = edited(
        PLANS / "shenyang-2022", tmp_path / "wider", "policy.yaml", (r"^about_tolerance: 0.05", "about_tolerance: 0.5")
    )
    with released(store, load_plan(wider), AFTER + dt.timedelta(hours=1)) as con:
        assert reasons(con, "target", "tolerance", "T101") == {("0.4", "4", "policy_change")}
        assert {r for *_, r in reasons(con, "progress", "status", "T101")} <= {"policy_change"}
        assert con.execute("select distinct reason from release_change").fetchall() == [("policy_change",)]

    lower = edited(wider, tmp_path / "lower", "targets.yaml", (r"(target: T101\b(?:.|\n)*?value: )8\b", r"\g<1>5.5"))
    with released(store, load_plan(lower), AFTER + dt.timedelta(hours=2)) as con:
        assert reasons(con, "target", "value", "T101") == {("8", "5.5", "plan_edit")}
        assert {r for *_, r in reasons(con, "progress", "target_value", "T101")} == {"plan_edit"}

    before = marts.sql

    def other(table: str) -> str:
        return (
            before(table)
            .replace("when short = 0 then 1.0\n", "when short = 0 then 1.5\n")
            .replace("else 1 - short", "else 2 - short")
        )

    for module in (marts, release):
        monkeypatch.setattr(module, "code_version", lambda: "0.1.0+another")
    monkeypatch.setattr(marts, "sql", other)
    with released(store, load_plan(lower), AFTER + dt.timedelta(hours=3)) as con:
        told = con.execute("select distinct table_name, column_name, reason from release_change").fetchall()
        assert told == [("progress", "attainment", "code_change")]


def test_a_revision_that_comes_into_force_is_a_plan_revision(tmp_path: Path, night: Callable[..., Night]) -> None:
    folder = tmp_path / "revised"
    shutil.copytree(PLANS / "shenyang-2022", folder)
    text = (folder / "targets.yaml").read_text("utf-8")
    [old] = re.findall(r"(?ms)^- \{?\s*target: T101\b.*?(?=^- |\Z)", text)
    body = old.rstrip().removesuffix("}")
    end = "}\n" if old.rstrip().endswith("}") else "\n"
    join = ", " if end == "}\n" else "\n  "
    versions = body + join + "until: 1" + end + re.sub(r"value: 8\b", "value: 5.5", body) + join + "since: 2" + end
    (folder / "targets.yaml").write_text(text.replace(old, versions), "utf-8")
    with (folder / "plan.yaml").open("a", encoding="utf-8") as head:
        head.write("revisions: [{revision: 2, holds_from: 2022-07-01, why: a hard first half, by: city government}]\n")
    figures = {"statistics/q1.csv": long_csv(("gdp_growth", "", "2022Q1", "", 5.4, "%"))}
    sent = dict.fromkeys(figures, dt.datetime(2022, 4, 20, 9, tzinfo=SHANGHAI))
    revised = load_plan(folder)
    one = night(figures, sent, dt.datetime(2022, 6, 30, 9, tzinfo=SHANGHAI), plan=revised)
    two = night({}, {}, dt.datetime(2022, 7, 1, 9, tzinfo=SHANGHAI), root=one.root, plan=revised)
    assert told(two, "progress", "target_value", target="T101", period="2022Q1") == [
        ("8", "5.5", "plan_revision", None, None)
    ]
    assert told(two, "progress", "status", target="T101", period="2022Q1") == [
        ("far_behind", "on_pace", "plan_revision", None, None)
    ]


# --- completeness, for any two releases ---

KEYS = st.tuples(
    st.sampled_from("ab"), st.sampled_from(["2022-01", "2022-02", "2022Q1"]), st.sampled_from(["d1", "d2"])
)
VALUES = st.one_of(st.none(), st.sampled_from([0.0, 1.0, 1.0 + 1e-12, 2.5, -3.0]))
FIGURES = st.dictionaries(KEYS, VALUES, max_size=8)


def folder_with(rest: Path, figures: dict[Any, Any], *, with_approximate: bool) -> changes.Side:
    """A release's folder that holds nothing but observations."""
    rows = pl.DataFrame(
        [
            {"indicator": i, "area": "210100", "period": p, "measure": "end", "department": d, "value": v, "submission": "s",
             "known_from": dt.datetime(2022, 5, 1, tzinfo=dt.UTC), "known_to": None} | ({"approximate": False} if with_approximate else {})
            for (i, p, d), v in figures.items()
        ],
        schema={"indicator": pl.String, "area": pl.String, "period": pl.String, "measure": pl.String, "department": pl.String,
                "value": pl.Float64, "submission": pl.String, "known_from": pl.Datetime("us", "UTC"), "known_to": pl.Datetime("us", "UTC")}
        | ({"approximate": pl.Boolean} if with_approximate else {}),
    )  # fmt: skip
    (rest / "marts" / "observation").mkdir(parents=True)
    rows.write_parquet(rest / "marts" / "observation" / "observation.parquet")
    facts = {
        "release": rest.name,
        "built_at": "2022-06-01T00:00:00+00:00",
        "plan_revision": 1,
        "code_version": rest.name,
    }
    return changes.Side(rest, facts)


@pytest.mark.slow
@given(FIGURES, FIGURES, st.booleans(), st.booleans())
@example({("a", "2022-01", "d1"): 1.0}, {("a", "2022-01", "d1"): 1.0 + 1e-12}, True, True)
def test_the_older_release_with_its_changes_is_the_newer(
    tmp_path_factory: pytest.TempPathFactory, old: dict[Any, Any], new: dict[Any, Any], one: bool, other: bool
) -> None:
    root = tmp_path_factory.mktemp("pair")
    base, made = (
        folder_with(root / "a", old, with_approximate=one),
        folder_with(root / "b", new, with_approximate=other),
    )
    with connect(base.folder, made.folder) as con:
        changes.between(con, base, made)
        rows = con.execute(
            "select indicator, period, department, column_name, before_value, after_value, reason from release_change"
        ).fetchall()
    told = {tuple(r[:3]): r[4:6] for r in rows}
    assert len(told) == len(rows)
    assert {r[3] for r in rows} <= {"value"}
    assert {r[6] for r in rows} <= {"code_change"}
    for key in KEYS_ALL:
        was, now = old.get(key), new.get(key)
        if key in told:
            assert told[key] == (was, now)
            assert (key in old) != (key in new) or (was is None) != (now is None) or abs(was - now) > 1e-9
        else:
            assert (key in old) == (key in new)
            assert was == now or (was is not None and now is not None and abs(was - now) <= 1e-9)


KEYS_ALL = [(i, p, d) for i in "ab" for p in ("2022-01", "2022-02", "2022Q1") for d in ("d1", "d2")]


def test_a_release_without_a_table_is_compared_in_the_others(tmp_path: Path) -> None:
    base = folder_with(tmp_path / "a", {("a", "2022-01", "d1"): 1.0}, with_approximate=True)
    made = folder_with(tmp_path / "b", {("a", "2022-01", "d1"): 2.0}, with_approximate=True)
    (made.folder / "marts" / "target").mkdir()
    pl.DataFrame({"target": ["T1"], "clause": ["达到2家"], "value": [2.0]}).write_parquet(
        made.folder / "marts" / "target" / "target.parquet"
    )
    with connect(base.folder, made.folder) as con:
        changes.between(con, base, made)
        assert changes.counted(con) == [{"table": "observation", "reason": "code_change", "rows": 1}]
