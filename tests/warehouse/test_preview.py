"""A preview says what then comes, row by row, and leaves the store as it was."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from expectations.load import PLANS, load_plan
from expectations.model import Plan
from tests.night import SHANGHAI, Night, long_csv
from tests.warehouse.test_changes import edited
from warehouse import judge, marts
from warehouse.preview import Asked, PreviewError, outcome, preview
from warehouse.reading import forget, read_landed
from warehouse.release import publish
from warehouse.store import Store, month_of

pytestmark = pytest.mark.slow

NOW = dt.datetime(2023, 1, 18, 9, tzinfo=SHANGHAI)
LATER = NOW + dt.timedelta(hours=1)
FILES = {
    "science/a.csv": long_csv(("high_tech_firms", "", "2022Q4", "", 4100, "家")),
    "statistics/q1.csv": long_csv(("gdp_growth", "", "2022Q1", "", 5.4, "%")),
    "transport/b.csv": long_csv(*(("airport_passengers", "", f"2022-{m:02}", "", 80 * m, "万人次") for m in range(1, 12))),
    "ecology/d.csv": long_csv(("good_air_days", "", "2022-12", "", 87.7, "%")),
}  # fmt: skip


@pytest.fixture
def city(night: Callable[..., Night]) -> Night:
    return night(FILES, now=NOW)


@pytest.fixture(scope="module")
def still(night: Callable[..., Night]) -> Night:
    """A city that nothing here may change."""
    return night(FILES, now=NOW)


@pytest.fixture(scope="module")
def stricter(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Another plan, not in force: a target that is easier to meet, and a figure that is no longer possible."""
    to = tmp_path_factory.mktemp("plans")
    easier = edited(
        PLANS / "shenyang-2022", to / "easier", "targets.yaml", (r"(target: T101\b(?:.|\n)*?value: )8\b", r"\g<1>5.5")
    )
    air = r"(^- ?\{?\s*indicator: good_air_days\b(?:.|\n)*?possible_high: )100\b"
    return load_plan(edited(easier, to / "stricter", "indicators.yaml", (air, r"\g<1>80")))


def files(store: Store) -> dict[str, tuple[str, int]]:
    """Every file by its bytes and its time; a link by what it points to. The ledger's side files are SQLite's own."""
    passing = {".preview.lock", ".writer.lock", "previewed/release_change.parquet", "previewed/preview.json"}
    found = {p.relative_to(store.root).as_posix(): p for p in store.root.rglob("*") if p.is_file()}
    return {
        name: (hashlib.sha256(p.read_bytes()).hexdigest(), p.stat().st_mtime_ns)
        for name, p in found.items()
        if name not in passing and not name.endswith(("-wal", "-shm"))
    }


def done(store: Store, plan: Plan, months: list[str], at: dt.datetime) -> tuple[str, str | None, str, list]:
    """What is previewed, in earnest."""
    read_landed(store, plan)
    months = sorted({*months, *judge.stale_months(store, plan)})
    judge.validity(store, plan, months)
    judge.quality(store, plan, months)
    marts.make(store, plan, at)
    made = publish(store, plan)
    return made.release, made.base, made.input_digest, made.changed


def test_what_a_plan_would_change_is_what_it_then_changes(city: Night, stricter: Plan) -> None:
    before = files(city.store)
    said = preview(city.store, stricter, LATER, Asked())
    assert files(city.store) == before
    assert not (city.store.root / ".preview").exists()

    assert said.base == city.release.release
    assert set(said.stale) == set(said.judged) == {month_of(p.parent) for p in city.store.months.glob("*/row.parquet")}
    assert {r["rule"]: (r["appeared"], r["disappeared"]) for r in said.findings.to_dicts()}["V08"] == (1, 0)
    december = said.by_month.to_dicts()[0]  # the month that differs comes first
    assert (december["month"], december["returned before"], december["returned after"]) == ("2022-12", 0, 1)
    first = said.moved.filter((said.moved["target"] == "T101") & (said.moved["period"] == "2022Q1")).to_dicts()
    assert [(r["before"], r["after"], r["reason"]) for r in first] == [("far_behind", "on_pace", "plan_edit")]
    assert said.follows == "yes"

    release, base, digest, changed = done(city.store, stricter, [], LATER)
    assert changed == said.changed != []
    came = outcome(city.store, release, base, digest)
    assert came is not None
    assert came.same_inputs
    assert came.held["as_previewed"].sum() == sum(c["rows"] for c in changed)
    assert came.held.select("otherwise", "not_previewed", "did_not_come").sum().row(0) == (0, 0, 0)


def test_what_was_not_previewed_is_told_apart_from_what_did_not_come(
    night: Callable[..., Night], city: Night, stricter: Plan, plan: Plan
) -> None:
    preview(city.store, stricter, LATER, Asked())
    sent = {"science/b.csv": long_csv(("high_tech_firms", "", "2022Q4", "", 4200, "家"))}
    after = night(sent, {"science/b.csv": NOW}, LATER, root=city.root)  # another file, and the plan as it was
    came = outcome(after.store, after.release.release, after.release.base, after.release.input_digest)
    assert came is not None
    assert not came.same_inputs
    held = {(r["table"], r["reason"]): r for r in came.held.to_dicts()}
    assert held["observation", "correction"]["not_previewed"] == 1
    assert held["target", "plan_edit"]["did_not_come"] > 0
    again = night({}, {}, LATER + dt.timedelta(hours=1), root=city.root)
    assert outcome(again.store, again.release.release, again.release.base, again.release.input_digest) is None


def test_months_departments_and_files_are_chosen_as_they_are_asked_for(still: Night, plan: Plan) -> None:
    (still.store.root / ".preview" / "landing").mkdir(parents=True)  # of a preview that was killed
    before = files(still.store)
    asked = {
        "months": Asked(months=["2022-01...2022-03", "2022-12"]),
        "department": Asked(departments=["transport"]),
        "both": Asked(months=["2022-01...2022-12"], departments=["ecology", "science"]),
        "landing": Asked(read_again=True),
        "marts": Asked(marts_only=True),
    }
    said = {name: preview(still.store, plan, LATER, a) for name, a in asked.items()}
    assert files(still.store) == before
    assert said["months"].judged == ["2022-01", "2022-02", "2022-03", "2022-12"]
    assert said["department"].judged == [f"2022-{m:02}" for m in range(1, 12)]
    assert said["both"].judged == ["2022-12"]
    assert (said["landing"].judged, said["landing"].read) == ([f"2022-{m:02}" for m in range(1, 13)], 4)
    assert said["marts"].judged == []
    # nothing was sent and no rule differs: what was good stays so
    assert all(s.changed == [] and s.follows.startswith("no") for s in said.values())


def test_a_rule_that_cannot_be_evaluated_is_said_and_the_store_stands(
    still: Night, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    from expectations import suites

    before = files(still.store)
    monkeypatch.setattr(suites.ExpectFigure, "broken", "no_such_column > 1")
    with pytest.raises(PreviewError, match=r"the last release stand.*no_such_column"):
        preview(still.store, plan, LATER, Asked(months=["2022-03"]))
    assert files(still.store) == before
    assert not (still.store.root / ".preview").exists()


@pytest.mark.parametrize("month", ["2022-3", "2022-13", "2020-12", "2022-05...2022-03", "March"])
def test_what_is_no_month_of_the_plan_is_refused_with_what_to_write(tmp_path: Path, plan: Plan, month: str) -> None:
    with pytest.raises(PreviewError, match=r"no month of the plan.*2022-01\.\.\.2022-03"):
        preview(Store(tmp_path), plan, LATER, Asked(months=[month]))


def test_before_anything_has_landed_a_preview_says_what_to_do(tmp_path: Path, plan: Plan) -> None:
    with pytest.raises(PreviewError, match="nothing has landed yet"):
        preview(Store(tmp_path), plan, LATER, Asked())


def test_files_that_are_read_again_give_the_same_rows(still: Night, plan: Plan) -> None:
    rows = {p.name: p.read_bytes() for p in still.store.rows.glob("*.parquet")}
    assert forget(still.store, ["transport"]) == 1
    assert read_landed(still.store, plan) == [f"2022-{m:02}" for m in range(1, 12)]
    assert {p.name: p.read_bytes() for p in still.store.rows.glob("*.parquet")} == rows
    assert judge.stale_months(still.store, plan) == []
