"""A release: what the contract promises an analyst, whole, sealed, the same from the same inputs, and never in the way."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from expectations.model import Plan
from tests.night import IN_TIME, NOW, Night, long_csv, send
from warehouse import dictionary, judge, landing, marts, reading
from warehouse.release import ReleaseError, current, pending, publish
from warehouse.store import Store

TIME, TEXT, WHOLE, FIGURE = "TIMESTAMP WITH TIME ZONE", "VARCHAR", ("INTEGER", "BIGINT"), "DOUBLE"
CONTRACT: dict[str, dict[str, object]] = {  # section 3 of the contract, typed here on purpose
    "indicator": dict.fromkeys(
        ["indicator", "name_zh", "name_en", "unit", "measure", "direction", "frequency", "capability", "chapter", "lead_department"], TEXT),
    "target": dict.fromkeys(
        ["target", "indicator", "area", "plan", "kind", "comparator", "unit", "baseline_period", "modality", "clause", "section"], TEXT)
    | {"value": FIGURE, "value_high": FIGURE, "baseline": FIGURE, "due": "DATE", "plan_revision": WHOLE, "clause_offset": WHOLE,
       "clause_length": WHOLE},
    "department": dict.fromkeys(["department", "name_zh", "kind"], TEXT),
    "obligation": dict.fromkeys(["department", "indicator", "area", "period", "state"], TEXT) | {"due_at": TIME, "received_at": TIME},
    "submission": dict.fromkeys(["submission", "department", "source", "path", "sha256", "format", "status"], TEXT)
    | {"received_at": TIME} | dict.fromkeys(["bytes", "rows_read", "rows_kept", "rows_returned", "warnings"], WHOLE),
    "finding": dict.fromkeys(
        ["finding", "submission", "department", "rule", "severity", "sheet", "column_name", "indicator", "area", "period", "value_text",
         "expected_text", "message_zh", "message_en", "basis"], TEXT)
    | {"row_number": WHOLE, "difference": FIGURE, "confirmed": "BOOLEAN"},
    "observation": dict.fromkeys(["indicator", "area", "period", "measure", "unit", "department", "submission"], TEXT)
    | {"period_start": "DATE", "period_end": "DATE", "value": FIGURE, "row_number": WHOLE, "known_from": TIME, "known_to": TIME,
       "approximate": "BOOLEAN"},
    "progress": dict.fromkeys(
        ["target", "indicator", "area", "period", "actual_measure", "status", "first_met", "self_assessed", "submission"], TEXT)
    | {"period_end": "DATE", "will_meet": "BOOLEAN"}
    | dict.fromkeys(["actual", "target_value", "expected", "attainment", "gap", "needed", "forecast", "forecast_low", "forecast_high",
                     "previous", "year_before"], FIGURE),
    "scorecard": {"department": TEXT, "quarter": TEXT}
    | dict.fromkeys(["due", "on_time", "late", "missing", "rows_read", "rows_returned", "warnings", "targets", "achieved", "on_pace",
                     "behind"], WHOLE)
    | dict.fromkeys(["timeliness", "quality", "attainment", "score"], FIGURE),
    "capability_score": {"capability": TEXT, "period": TEXT, "score": FIGURE}
    | dict.fromkeys(["targets", "achieved", "on_pace", "behind", "not_reported"], WHOLE),
    "published": dict.fromkeys(["indicator", "area", "period", "measure", "unit", "publisher"], TEXT)
    | {"value": FIGURE, "published_on": "DATE", "preliminary": "BOOLEAN"},
    "rule": dict.fromkeys(["rule", "severity", "needs", "message_zh", "message_en", "basis"], TEXT)
    | dict.fromkeys(["weight", "evaluated", "fired", "confirmed"], WHOLE) | {"active_from": "DATE", "active_to": "DATE"},
    "release": dict.fromkeys(["release", "code_version", "input_digest"], TEXT) | {"built_at": TIME, "plan_revision": WHOLE},
}  # fmt: skip

LATER = IN_TIME + dt.timedelta(days=30)
FIRST = {
    "science/a.csv": long_csv(("high_tech_firms", "", "2022Q4", "", 4100, "家"), ("innovation_platforms", "", "2022Q4", "", 1200, "家")),
    "transport/b.csv": long_csv(*(("airport_passengers", "", f"2022-{m:02}", "", 80 * m, "万人次") for m in range(1, 13))),
    "education/c.csv": long_csv(("schooling_years", "", "2022", "", "多年", "年"), ("schooling_years", "", "2021", "", 12.0, "年")),
    "health/d.csv": b"not a table",
}  # fmt: skip
SECOND = {"science/更正.csv": long_csv(("high_tech_firms", "", "2022Q4", "", 4200, "家"))}


@pytest.fixture(scope="module")
def first(night: Callable[..., Night]) -> Night:
    return night(FIRST)


@pytest.fixture(scope="module")
def second(night: Callable[..., Night], first: Night) -> Night:
    """The night after, on the same store: one correction."""
    return night(SECOND, dict.fromkeys(SECOND, LATER), NOW + dt.timedelta(days=1), root=first.root)


# --- what an analyst queries ---


@pytest.mark.parametrize("table", CONTRACT)
def test_the_contracts_columns_have_the_contracts_types(first: Night, table: str) -> None:
    found = {c["column_name"]: c["column_type"] for c in first.ask(f'describe main."{table}"')}
    for column, kind in CONTRACT[table].items():
        assert found[column] == kind or found[column] in kind, f"{table}.{column}: {found[column]}"


def test_every_time_is_with_its_zone_and_every_figure_a_double(first: Night) -> None:
    kinds = {c["data_type"] for c in first.ask("from duckdb_columns() where schema_name = 'main' and not internal")}
    assert kinds - {FIGURE, TEXT, TIME, "DATE", "BOOLEAN", *WHOLE} == {
        'STRUCT("table" VARCHAR, "rows" BIGINT, digest VARCHAR)[]'
    }


@pytest.mark.parametrize("listed", ["duckdb_tables()", "duckdb_views()"])
def test_every_table_carries_a_comment(first: Night, listed: str) -> None:
    assert first.ask(f"from {listed} where not internal")
    assert first.ask(f"from {listed} where not internal and coalesce(comment, '') = ''") == []


def test_every_column_carries_a_comment(first: Night) -> None:
    assert (
        first.ask(
            "select table_name, column_name from duckdb_columns() where not internal and coalesce(comment, '') = ''"
        )
        == []
    )


def test_every_table_has_a_view_with_chinese_names_and_the_same_rows(first: Night) -> None:
    views = {v["view_name"] for v in first.ask("from duckdb_views() where schema_name = 'zh'")}
    assert views == {t.zh for t in dictionary.tables().values()}
    for name, table in dictionary.tables().items():
        columns = [c["column_name"] for c in first.ask(f'describe zh."{table.zh}"')]
        assert len(columns) == len(first.ask(f"describe {name}"))
        assert all(not c.isascii() for c in columns), columns
        counts = first.one(f'select (select count(*) from {name}) as n, (select count(*) from zh."{table.zh}") as m')
        assert counts["n"] == counts["m"]


def test_the_grain_of_each_table_is_the_contracts(first: Night) -> None:
    grain = {
        "indicator": "indicator", "target": "target", "department": "department", "submission": "submission", "finding": "finding",
        "obligation": "department, indicator, area, period", "progress": "target, period", "scorecard": "department, quarter",
        "capability_score": "capability, period", "rule": "rule",
        "observation": "indicator, area, period, measure, department, known_from",
    }  # fmt: skip
    for table, keys in grain.items():
        assert first.ask(f"select {keys} from {table} group by {keys} having count(*) > 1") == [], table
    assert first.one("select count(*) as n from release")["n"] == 1


def test_the_release_says_what_it_is(first: Night, plan: Plan) -> None:
    said = first.one("from release")
    assert (said["release"], said["built_at"], said["plan_revision"]) == (
        first.release.release,
        NOW,
        plan.head.revision,
    )
    assert said["input_digest"] == first.release.input_digest
    for told in said["tables"]:
        assert first.one(f'select count(*) as n from "{told["table"]}"')["n"] == told["rows"]
        assert told["digest"]
    assert {t["table"] for t in said["tables"]} == set(marts.TABLES)


def test_the_macros_tell_what_was_known_before_and_after_a_correction(second: Night) -> None:
    firms = "select value, known_to from observation_as_known_at(?) where indicator = 'high_tech_firms'"
    assert [tuple(o.values()) for o in second.ask(firms, LATER - dt.timedelta(seconds=1))] == [(4100, None)]
    assert [tuple(o.values()) for o in second.ask(firms, LATER)] == [(4200, None)]
    actual = "select actual, attainment from progress_as_known_at(?) where target = 'T403' and period = '2022Q4'"
    assert second.ask(actual, LATER - dt.timedelta(seconds=1)) == [{"actual": 4100, "attainment": pytest.approx(0.82)}]
    assert second.ask(actual, LATER) == [{"actual": 4200, "attainment": pytest.approx(0.84)}]
    [now] = second.ask("select count(*) as n from progress_as_known_at(?)", NOW)
    assert now == second.one("select count(*) as n from progress")


def test_as_known_at_the_release_is_the_table_itself(second: Night) -> None:
    at = NOW + dt.timedelta(days=1)
    for table in ("progress", "observation"):
        live = f"from {table}" + (" where known_to is null" if table == "observation" else "")
        assert second.ask(f"select count(*) as n from ({live} except from {table}_as_known_at(?))", at) == [{"n": 0}]
        assert second.ask(f"select count(*) as n from (from {table}_as_known_at(?) except {live})", at) == [{"n": 0}]


def test_views_and_macros_work_under_another_name(first: Night) -> None:
    with duckdb.connect() as con:
        con.execute(f"attach '{first.folder / 'warehouse.duckdb'}' as 仓库 (read_only)")
        [(views,)] = con.execute("select count(*) from 仓库.zh.进展").fetchall()
        assert views == first.one("select count(*) as n from progress")["n"]
        con.execute("use 仓库")
        [(known,)] = con.execute("select count(*) from progress_as_known_at(now())").fetchall()
        assert known == views


# --- what rests on the disk ---


def test_current_is_a_link_to_the_latest_release(second: Night) -> None:
    link = second.store.warehouse / "current"
    assert link.is_symlink()
    assert not os.path.isabs(os.readlink(link))
    assert link.resolve() == second.folder
    assert (link / "warehouse.duckdb").is_file()


def test_a_release_is_sealed(first: Night) -> None:
    for path in [first.folder, *first.folder.rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o555 if path.is_dir() else 0o444), path
    assert not list(first.store.warehouse.rglob("*.wal"))
    assert not list((first.store.warehouse / ".staging").iterdir())


def test_the_sums_are_right_and_cover_every_file(first: Night) -> None:
    told = dict(reversed(line.split("  ", 1)) for line in (first.folder / "SHA256SUMS").read_text("utf-8").splitlines())
    files = {p.relative_to(first.folder).as_posix() for p in first.folder.rglob("*") if p.is_file()}
    assert set(told) == files - {"SHA256SUMS"}
    for name, digest in told.items():
        assert hashlib.sha256((first.folder / name).read_bytes()).hexdigest() == digest, name


def test_the_manifest_says_what_the_release_says(first: Night) -> None:
    manifest = json.loads((first.folder / "manifest.json").read_text("utf-8"))
    said = first.one("from release")
    assert dt.datetime.fromisoformat(manifest["built_at"]) == said["built_at"]
    for key in ("release", "plan_revision", "code_version", "input_digest", "tables"):
        assert manifest[key] == said[key], key


def test_the_parquet_beside_is_the_same_tables(first: Night) -> None:
    for table in [*marts.TABLES, "release", "release_change"]:
        beside = f"'{first.folder}/marts/{table}/*.parquet'"
        assert first.ask(f'from "{table}" except all from {beside}') == [], table
        assert first.ask(f'from {beside} except all from "{table}"') == [], table


# --- publishing ---


def test_publishing_twice_with_nothing_new_keeps_the_release(night: Callable[..., Night], plan: Plan) -> None:
    one = night(SECOND)
    files = sorted((p, p.stat().st_mtime_ns) for p in one.store.warehouse.rglob("*"))
    assert publish(one.store, plan).release == one.release.release
    assert sorted((p, p.stat().st_mtime_ns) for p in one.store.warehouse.rglob("*"))[-3:] == files[-3:]
    assert [p.name for p in (one.store.warehouse / "releases").iterdir()] == [one.release.release]
    assert pending(one.store, plan, NOW + dt.timedelta(hours=1)) == ([], False)


def test_a_deadline_that_passes_makes_a_release_due(night: Callable[..., Night], plan: Plan) -> None:
    before = dt.datetime(2023, 1, 15, 9, tzinfo=NOW.tzinfo)  # December's figures are due by the end of the 16th
    one = night(SECOND, now=before)
    assert pending(one.store, plan, before + dt.timedelta(hours=20)) == ([], False)
    assert pending(one.store, plan, before + dt.timedelta(days=2)) == ([], True)


@pytest.mark.slow
def test_a_publish_that_fails_leaves_the_last_release_standing(night: Callable[..., Night], plan: Plan) -> None:
    one = night(SECOND)
    before = current(one.store)
    marts.make(one.store, plan, NOW + dt.timedelta(days=3))
    (one.store.marts / "progress.parquet").unlink()
    with pytest.raises(ReleaseError, match=r"progress\.parquet is missing"):
        publish(one.store, plan)
    assert current(one.store) == before
    assert one.progress("T403", "2022Q4")["actual"] == 4200
    assert [p.name for p in (one.store.warehouse / "releases").iterdir()] == [one.release.release]
    marts.make(one.store, plan, NOW + dt.timedelta(days=3))
    assert publish(one.store, plan).release != one.release.release  # and what it left is cleared away
    assert not list((one.store.warehouse / ".staging").iterdir())


READER = """
import sys, duckdb
con = duckdb.connect(sys.argv[1], read_only=True)
for _ in sys.stdin:
    print(*con.execute("select release, (select count(*) from observation) from release").fetchone(), flush=True)
"""


@pytest.mark.slow
def test_a_reader_keeps_the_release_it_has_open_while_a_new_one_is_published(night: Callable[..., Night]) -> None:
    one = night(FIRST)
    path = one.store.warehouse / "current" / "warehouse.duckdb"

    def opened() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", READER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def asks(reader: subprocess.Popen[str]) -> str:
        assert reader.stdin
        assert reader.stdout
        reader.stdin.write("\n")
        reader.stdin.flush()
        return reader.stdout.readline().split()[0]

    with opened() as old:
        assert asks(old) == one.release.release
        two = night(SECOND, dict.fromkeys(SECOND, LATER), NOW + dt.timedelta(days=1), root=one.root)
        assert two.release.release != one.release.release
        assert asks(old) == one.release.release
        with opened() as new:
            assert asks(new) == two.release.release
            new.stdin.close()  # type: ignore[union-attr]
        old.stdin.close()  # type: ignore[union-attr]


def digests(store: Store) -> dict[str, Any]:
    manifest = current(store)
    assert manifest is not None
    return {t["table"]: (t["rows"], t["digest"]) for t in manifest["tables"]}


@pytest.mark.slow
def test_the_same_inputs_give_the_same_tables_in_any_order_and_with_any_threads(
    tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    box, files = tmp_path / "dropbox", {**FIRST, **SECOND}
    sent = dict.fromkeys(SECOND, LATER)
    at_once, one_by_one = Store(tmp_path / "a"), Store(tmp_path / "b")

    for name in reversed(list(files)):  # each with a night of its own, the last file first
        send(box, {name: files[name]}, sent)
        landing.land(one_by_one, [box.as_uri()], plan, NOW)
        months = reading.read_landed(one_by_one, plan)
        judge.validity(one_by_one, plan, months)
        judge.quality(one_by_one, plan, months)
    marts.make(one_by_one, plan, NOW)
    publish(one_by_one, plan)

    def narrow(*of: Any, **options: Any) -> duckdb.DuckDBPyConnection:
        con = connect(*of, **options)
        con.execute("set threads = 1")
        return con

    connect = duckdb.connect
    monkeypatch.setattr(duckdb, "connect", narrow)
    landing.land(at_once, [box.as_uri()], plan, NOW)
    months = reading.read_landed(at_once, plan)
    judge.validity(at_once, plan, months)
    judge.quality(at_once, plan, months)
    marts.make(at_once, plan, NOW)
    publish(at_once, plan)
    assert digests(at_once) == digests(one_by_one)


ELSEWHERE = """
import datetime as dt, json, sys
from pathlib import Path
import duckdb

connected = duckdb.connect


def wider(*arguments, **options):
    con = connected(*arguments, **options)
    con.execute("set threads = 5")
    return con


duckdb.connect = wider
from expectations.load import PLANS, load_plan
from tests.night import NOW
from warehouse import judge, landing, marts, reading
from warehouse.release import current, publish
from warehouse.store import Store

store, plan = Store(Path(sys.argv[2])), load_plan(PLANS / "shenyang-2022")
landing.land(store, [sys.argv[1]], plan, NOW)
months = reading.read_landed(store, plan)
judge.validity(store, plan, months)
judge.quality(store, plan, months)
marts.make(store, plan, NOW)
publish(store, plan)
print(json.dumps({t["table"]: [t["rows"], t["digest"]] for t in current(store)["tables"]}))
"""


@pytest.mark.slow
def test_the_same_inputs_give_the_same_tables_on_a_second_machine(tmp_path: Path, night: Callable[..., Night]) -> None:
    """Another process, time zone, locale, hash seed, working directory, number of threads, data folder."""
    here = night(FIRST)
    there = tmp_path / "别处"
    there.mkdir()
    root = Path(__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, here.box.as_uri(), there / "data"],
        cwd=there,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG"))},
            "PYTHONPATH": str(root), "PYTHONHASHSEED": "7", "TZ": "America/St_Johns", "LC_ALL": "C", "POLARS_MAX_THREADS": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert {t: tuple(told) for t, told in json.loads(ran.stdout.splitlines()[-1]).items()} == digests(here.store)
