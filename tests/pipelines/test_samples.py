"""The sample files: the same seed gives the same files, they are what they say, and the intended mess is in them."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from expectations.load import PLANS, load_plan
from expectations.model import Department, Plan
from expectations.periods import period, year_of
from expectations.units import unit
from expectations.workdays import due
from pipelines.samples import write_samples
from pipelines.samples.files import LABEL
from pipelines.samples.mess import MESSES, PLACES
from warehouse.readers import Reading, read
from warehouse.readers.delimited import decoded
from warehouse.readers.workbook import sheets

IGNORED = ("~$", ".part")
RIVERMOUTH = Path(__file__).parents[1] / "plans" / "rivermouth-2024"


@pytest.fixture(scope="module")
def plan() -> Plan:
    return load_plan(PLANS / "shenyang-2022")


@pytest.fixture(scope="module")
def root(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    write_samples(plan, folder)
    return folder


@pytest.fixture(scope="module")
def readings(root: Path) -> dict[str, Reading]:
    files = [f for f in sorted(root.rglob("*")) if f.is_file() and not any(mark in f.name for mark in IGNORED)]
    return {str(f.relative_to(root)): read(f.read_bytes(), f.name) for f in files}


@pytest.fixture(scope="module")
def rows(readings: dict[str, Reading]) -> pl.DataFrame:
    return pl.concat([r.rows.with_columns(file=pl.lit(name)) for name, r in readings.items()])


def fingerprint(root: Path) -> dict[str, tuple[str, float]]:
    return {
        str(f.relative_to(root)): (hashlib.sha256(f.read_bytes()).hexdigest(), f.stat().st_mtime)
        for f in root.rglob("*")
        if f.is_file()
    }


@pytest.mark.slow
def test_same_seed_same_bytes_and_times(plan: Plan, root: Path, tmp_path: Path) -> None:
    paths = write_samples(plan, tmp_path)
    assert fingerprint(tmp_path) == fingerprint(root)
    assert len(paths) == len(set(paths)) == len(fingerprint(root))
    write_samples(plan, tmp_path)
    assert fingerprint(tmp_path) == fingerprint(root)


@pytest.mark.slow
def test_another_seed_other_figures(plan: Plan, root: Path, tmp_path: Path) -> None:
    write_samples(plan, tmp_path, seed=7)
    theirs, ours = fingerprint(tmp_path), fingerprint(root)
    assert theirs.keys() == ours.keys()
    assert sum(theirs[f] == ours[f] for f in ours) < len(ours) / 10


@pytest.mark.slow
def test_a_department_appended_changes_no_other(plan: Plan, root: Path, tmp_path: Path) -> None:
    newcomer = Department(department="newcomer", name_zh="市新部门", name_en="Newcomer")
    write_samples(plan.model_copy(update={"departments": [*plan.departments, newcomer]}), tmp_path)
    assert fingerprint(tmp_path) == fingerprint(root)


@pytest.mark.slow
def test_any_plan(plan: Plan, tmp_path: Path) -> None:
    """Two departments, three years, an indicator by district, a period measure: everything meets everything."""
    indicators = [
        i.model_copy(update={"areas": ["210100", "210102", "210103"], "measure": "period"})
        if i.indicator == "airport_passengers"
        else i
        for i in plan.indicators
    ]
    lead = {i.indicator: plan.departments[n % 2].department for n, i in enumerate(indicators)}
    other = plan.model_copy(
        update={
            "head": plan.head.model_copy(update={"history_from": dt.date(2020, 1, 1), "ends": dt.date(2024, 12, 31)}),
            "departments": plan.departments[:2],
            "indicators": indicators,
            "policy": plan.policy.model_copy(update={"lead_department": lead}),
        }
    )
    paths = write_samples(other, tmp_path)
    assert {p.relative_to(tmp_path).parts[1] for p in paths} == {"2020", "2021", "2022", "2023", "2024"}
    late_years = [read(p.read_bytes(), p.name) for p in paths if p.parent.name in ("2023", "2024")]
    assert all(r.fault is None for r in late_years)
    assert "沈河区" in pl.concat([r.rows for r in late_years])["area_text"].to_list()


def test_a_year_that_starts_in_april_is_reported_as_the_plan_counts_it(tmp_path: Path) -> None:
    rivermouth = load_plan(RIVERMOUTH)
    head, first_month = rivermouth.head, rivermouth.head.starts.month
    paths = [p for p in write_samples(rivermouth, tmp_path / "box") if p.suffix != ".pdf"]
    assert {p.parent.name for p in paths} == {"2023", "2024"}
    ends: set[dt.date] = set()
    trams: dict[dt.date, float] = {}
    for path in paths:
        for row in read(path.read_bytes(), path.name).rows.iter_rows(named=True):
            told = period(row["period_text"] or "", first_month)
            if told is None:
                continue  # a mess
            ends.add(told.end)
            assert head.history_from <= told.start <= told.end <= head.ends
            assert str(year_of(told.end, first_month)) == path.parent.name
            assert not told.cumulative  # there, it would mean since January
            if "Tram passengers" in (row["name_text"], row["indicator_text"]) and told.span == "month":
                trams[told.end] = float(str(row["value_text"]).replace(",", ""))
    assert {head.history_from.replace(day=30), dt.date(2024, 3, 31), head.ends} <= ends
    assert trams[dt.date(2024, 3, 31)] == 1_000_000  # the baseline of the year before, whose last month it is
    months = sorted(trams)
    falls = [b for a, b in pairwise(months) if trams[b] < trams[a]]
    assert falls == [dt.date(2024, 4, 30)]  # what accumulates starts again with the plan's year, and only then


def test_a_plan_of_one_department_has_no_mess_that_needs_another(plan: Plan, tmp_path: Path) -> None:
    sole = plan.departments[0]
    lead = dict.fromkeys(plan.policy.lead_department, sole.department)
    alone = plan.model_copy(
        update={"departments": [sole], "policy": plan.policy.model_copy(update={"lead_department": lead})}
    )
    paths = write_samples(alone, tmp_path / "box")
    assert len(paths) > 20
    assert {p.name for p in (tmp_path / "box").iterdir()} == {sole.department}
    names = {n for p in paths for n in read(p.read_bytes(), p.name).named_departments}
    assert names <= {sole.name_zh}


def test_where_a_file_cannot_be_made_none_is_there(plan: Plan, tmp_path: Path) -> None:
    deadlines = {k: v for k, v in plan.policy.deadlines.items() if k != "event"}
    undated = plan.model_copy(update={"policy": plan.policy.model_copy(update={"deadlines": deadlines})})
    with pytest.raises(KeyError, match="event"):
        write_samples(undated, tmp_path / "box")
    assert list(tmp_path.iterdir()) == []


def test_only_the_intended_files_are_returned(plan: Plan, readings: dict[str, Reading]) -> None:
    faults = {name: r.fault.rule for name, r in readings.items() if r.fault}
    assert Counter(faults.values()) == {"S01": 1, "S02": 1, "S04": 1, "S06": 1}
    names = {d.department: {d.name_zh, *d.aliases} for d in plan.departments}
    foreign = [name for name, r in readings.items() if not names[name.split("/")[0]].issuperset(r.named_departments)]
    assert len(foreign) == 1
    for name in [*faults, *foreign]:  # each is sent again
        stem = Path(name).stem
        assert any(Path(other).stem == f"{stem}-重报" and not r.fault for other, r in readings.items())


def test_every_file_is_labelled(root: Path, readings: dict[str, Reading]) -> None:
    assert all("synthetic" in f.name for f in root.rglob("*") if f.is_file())
    for name, r in readings.items():
        assert r.synthetic
        content = (root / name).read_bytes()
        if r.format == "csv":
            assert decoded(content).startswith(LABEL)
        elif r.format == "xlsx" and not (r.fault and r.fault.rule == "S01"):
            assert sheets(content, "xlsx")[0].cells[0, 0] == LABEL


def test_nothing_besides_the_drop_boxes(plan: Plan, root: Path) -> None:
    assert {f.name for f in root.iterdir()} <= {d.department for d in plan.departments}


def test_sent_in_working_hours_after_the_period(plan: Plan, root: Path, readings: dict[str, Reading]) -> None:
    late = 0
    for name in readings:
        path = root / name
        sent = dt.datetime.fromtimestamp(path.stat().st_mtime, ZoneInfo(plan.head.timezone))
        p = period(path.name.split("-synthetic")[0].removesuffix("-history").removesuffix("-tasks"))
        assert p is not None
        assert sent.date() > p.end
        assert 9 <= sent.hour < 17
        if "-tasks" in name:
            assert sent < due(plan, "event", p.end).at
        elif "更正" not in name and "history" not in name:
            late += sent >= due(plan, p.span, p.end).at  # type: ignore[arg-type]
    assert late == sum(place.mess == "late" for place in PLACES)


def test_the_mess_is_there(plan: Plan, root: Path, readings: dict[str, Reading], rows: pl.DataFrame) -> None:
    assert {place.mess for place in PLACES} == set(MESSES)
    places = [place.where(plan) for place in PLACES]
    assert None not in places
    assert len(set(places)) == len(places)

    values = rows["value_text"].drop_nulls().to_list()
    assert {"待定", "#REF!", "#DIV/0!", "暂无"} <= set(values)
    assert any(v.startswith("约") for v in values)
    assert any(v[0] in "１２３４５６７８９" for v in values if v)
    assert any("," in v for v in values)
    codes = {i.indicator: plan.policy.lead_department[i.indicator] for i in plan.indicators}
    assert rows.filter(pl.col("indicator_text") == "no_such_indicator").height == 1
    lead_of_name = {i.name_zh: codes[i.indicator] for i in plan.indicators}
    strangers = [(r["file"], r["name_text"]) for r in rows.iter_rows(named=True) if r["name_text"] in lead_of_name]
    assert sum(lead_of_name[name] != file.split("/")[0] for file, name in strangers) == 1
    assert [t for t in rows["period_text"].drop_nulls().to_list() if period(t) is None] == ["2022年13月"]

    own = {i.name_zh: i for i in plan.indicators}
    pairs = [(own[n], unit(u)) for n, u in rows.select("name_text", "unit_text").iter_rows() if n in own and u]
    assert sum(u is None for _, u in pairs) == 1  # V06
    assert sum(u is not None and not u.converts_to(unit(i.unit)) for i, u in pairs) == 1  # type: ignore[arg-type]
    assert sum(u is not None and i.whole_number and u.name != i.unit for i, u in pairs) == 1  # Q08
    assert "108" in rows.filter(pl.col("measure_text") == "占比")["value_text"].to_list()

    once = rows.filter(pl.col("value_text").is_not_null(), pl.col("name_text").is_not_null())
    key = ["file", "name_text", "period_text", "area_text"]
    twice = once.group_by(key).agg(pl.col("value_text").n_unique()).filter(pl.col("value_text") > 1)
    assert twice.height == 1

    digests = Counter(digest for digest, _ in fingerprint(root).values())
    assert sorted(digests.values())[-2:] == [1, 2]
    assert {f.name for f in root.rglob("*") if any(mark in f.name for mark in IGNORED)} == {
        "~$2022-10-synthetic.xlsx",
        "2022-10-synthetic.xlsx.part",
    }
    assert sum("更正" in name for name in readings) == 2
    forms = Counter(form for r in readings.values() for form in r.rows["form"].unique())
    assert forms["long"] > 50
    assert forms["wide"] > 20
