"""Marts made by a cluster say what DuckDB's say, row for row and in the same order; figures to nine digits."""

from __future__ import annotations

import datetime as dt
import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import polars.selectors as cs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from expectations.load import load_plan
from expectations.model import Plan
from pipelines.samples import write_samples
from tests.night import NOW, long_csv, run_night
from tests.spark.cluster import Cluster
from tests.spark.same import differences
from tests.warehouse.test_rules import CASES, path
from tests.warehouse.test_second_plan import AUTUMN, FOLDER, at, table
from warehouse import judge, landing, marts, reading, sums
from warehouse.filings import withdraw
from warehouse.ledger import ledger
from warehouse.release import publish
from warehouse.spark import EngineError, session
from warehouse.spark.marts import _parts
from warehouse.store import Store, connect, files_sql

pytestmark = pytest.mark.slow


def twin(store: Store) -> Store:
    other = Store(store.root.with_name("by-the-cluster"))
    shutil.copytree(store.root, other.root, symlinks=True)
    return other


@pytest.fixture(scope="module")
def samples(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The sample data, its marts made by DuckDB."""
    root = tmp_path_factory.mktemp("samples")
    write_samples(plan, root / "dropbox")
    store = Store(root / "data")
    landing.land(store, [(root / "dropbox").as_uri()], plan, NOW)
    months = reading.read_landed(store, plan)
    judge.validity(store, plan, months)
    judge.quality(store, plan, months)
    marts.make(store, plan, NOW)
    return store


@pytest.fixture(scope="module")
def clustered(cluster: Cluster, plan: Plan, samples: Store) -> tuple[Store, marts.Made, list[str]]:
    """The same, its marts made by the cluster; and what was said meanwhile."""
    store, lines = twin(samples), list[str]()
    return store, marts.make(store, plan, NOW, lines.append, cluster.url), lines


def test_the_sample_datas_marts_are_alike(samples: Store, clustered: tuple[Store, marts.Made, list[str]]) -> None:
    store, made, lines = clustered
    assert differences(samples, store) == {}
    assert all((store.marts / f"{t}.parquet").is_dir() for t in marts.MADE)
    assert made.by["engine"].startswith("Spark 4.")
    assert made.by["application"].startswith("app-")
    assert made.by["pages"] in lines[0]
    assert made.took.keys() == set(marts.MADE)
    assert all(took["seconds"] > 0 for took in made.took.values())
    assert any(took.get("tasks") for took in made.took.values())  # of the quick ones the server tells nothing
    assert not (store.spill / "handed_over").exists()


def test_the_store_is_read_alike_by_duckdb_polars_and_spark(
    cluster: Cluster, clustered: tuple[Store, marts.Made, list[str]]
) -> None:
    root = clustered[0].root
    spark = session(cluster.url)
    try:
        for files in (
            "months/*/row",
            "months/*/observation",
            "marts/observation.parquet/*",
            "marts/obligation.parquet/*",
        ):
            pattern = str(root / f"{files}.parquet")
            by_month = files.startswith("months")
            by_polars = pl.read_parquet(pattern, hive_partitioning=by_month)
            assert not by_month or "2022-12" in set(by_polars["month"])
            reader = spark.read.option("basePath", str(root / "months")) if by_month else spark.read
            others = duckdb.read_parquet(pattern).to_arrow_table(), reader.parquet(pattern).toArrow()
            assert by_polars.height > 100
            for other in others:
                # a zone is how an instant is shown
                alike = pl.DataFrame(other).with_columns(cs.datetime().dt.convert_time_zone("UTC"))
                assert_frame_equal(alike, by_polars, check_row_order=False, check_column_order=False, check_exact=True)
    finally:
        spark.stop()


def test_a_part_that_is_gone_or_changed_is_noticed(
    clustered: tuple[Store, marts.Made, list[str]], tmp_path: Path
) -> None:
    store = Store(tmp_path / "data")
    shutil.copytree(clustered[0].root, store.root, symlinks=True)
    assert marts.damage(store) is None
    for harm in (Path.unlink, lambda part: part.write_bytes(b"x")):
        shutil.copytree(clustered[0].marts, store.marts, dirs_exist_ok=True)
        harm(store.mart("progress")[-1])
        assert "progress.parquet/" in str(marts.damage(store))
        assert marts.made(store) is None


def test_marts_of_a_cluster_are_released_as_ever(plan: Plan, clustered: tuple[Store, marts.Made, list[str]]) -> None:
    store, made, _ = clustered
    released = publish(store, plan)
    assert {t: released.rows[t] for t in marts.TABLES} == made.rows
    folder = store.warehouse / "releases" / released.release
    with connect(folder) as con:
        con.execute(f"attach '{folder / 'warehouse.duckdb'}' as w (read_only); use w")
        for table in marts.MADE:
            parts = sorted((folder / "marts" / table).glob("*.parquet"))
            assert [p.name for p in parts] == [f"{table}-{p.name}" for p in store.mart(table)]
            only = f"select count(*) from (from {table} except from read_parquet({files_sql(parts)}))"
            assert con.execute(only).fetchall() == [(0,)], table


def test_what_duckdb_makes_afterwards_takes_the_place_of_the_parts(
    plan: Plan, samples: Store, clustered: tuple[Store, marts.Made, list[str]], tmp_path: Path
) -> None:
    store = Store(tmp_path / "data")
    shutil.copytree(clustered[0].root, store.root, symlinks=True)
    marts.make(store, plan, NOW)
    assert marts.damage(store) is None
    assert all((store.marts / f"{t}.parquet").is_file() for t in marts.TABLES)
    assert set(sums.told(store.marts)) == {f"{t}.parquet" for t in marts.TABLES}
    assert differences(samples, store) == {}


def test_what_breaks_every_rule_ties_and_twice_sent_is_alike(cluster: Cluster, plan: Plan, tmp_path: Path) -> None:
    files = {path(n): c.file() for n, c in CASES.items()}
    sent = {path(n): c.sent for n, c in CASES.items()}
    same = long_csv(
        ("airport_passengers", "", "2022-02", "", 21, "万人次"), ("airport_passengers", "", "2022-02", "", 21, "万人次")
    )
    files |= {"transport/a.csv": same, "transport/b.csv": same + b"\n", "transport/c.csv": same + b"\n\n"}
    run_and_compare(cluster, plan, tmp_path, files, sent)


def test_a_leap_year_another_plan_and_what_was_withdrawn_are_alike(cluster: Cluster, tmp_path: Path) -> None:
    plan = load_plan(FOLDER)
    leap = table(
        ("tram_passengers", "2024-02", "", 252, "thousand people"),
        ("tram_passengers", "2024-02-29", "", 252, "thousand people"),
        ("tram_passengers", "2024-08", "", 0, "people"),
        ("waiting", "2024Q1", "", 26, "days"),
    )
    files = {**AUTUMN, "works/leap.csv": leap, "works/none.csv": table(("tram_passengers", "2024-10", "", "", ""))}
    sent = dict.fromkeys(files, at(2024, 10, 5)) | {
        "works/leap.csv": dt.datetime(2024, 2, 29, 23, 59, 59, 999999, dt.UTC)
    }

    def withdrawn(store: Store) -> None:
        with ledger(store) as db:
            [(code,)] = db.execute("select submission from submission where path like '%roads.csv'").fetchall()
        withdraw(store, code, "head of statistics", "counted twice", at(2024, 11, 2))

    for now in (at(2024, 11, 20), at(2025, 2, 28)):
        run_and_compare(cluster, plan, tmp_path / f"{now:%Y%m}", files, sent, now, withdrawn)


def test_where_nothing_was_sent_the_marts_are_alike(cluster: Cluster, plan: Plan, tmp_path: Path) -> None:
    run_and_compare(cluster, plan, tmp_path / "a folder [of] {strange} *names", {}, {})


def run_and_compare(
    cluster: Cluster,
    plan: Plan,
    root: Path,
    files: dict[str, bytes],
    sent: dict[str, dt.datetime],
    now: dt.datetime = NOW,
    then: Callable[[Store], None] = lambda _: None,
) -> None:
    """A night by DuckDB, and its marts once more by the cluster."""
    night = run_night(root, files, sent, now, plan=plan)
    then(night.store)
    for months in [judge.stale_months(night.store, plan)]:
        judge.validity(night.store, plan, months)
        judge.quality(night.store, plan, months)
    marts.make(night.store, plan, now)
    other = twin(night.store)
    marts.make(other, plan, now, engine=cluster.url)
    assert differences(night.store, other) == {}


PERIODS = ["2023-06", "2024-02-29", "2024-04", "2024-05", "2024-06", "2024-09", "2024Q2", "2024Q3", "2025-03"]
INDICATORS = ["tram_passengers", "cycle_lanes", "road_deaths", "Harbour bridge open", "reserve", "revenue_growth", "exports", "waiting",
              "vaccinated", "clinics_new"]  # fmt: skip
ROWS = st.tuples(
    st.sampled_from(INDICATORS),
    st.sampled_from(PERIODS),
    st.sampled_from(["", "Rivermouth", "riv-n", "riv-s"]),
    st.one_of(st.sampled_from([0, 1, -1, "", "-", 1e-12, 1e15]), st.floats(-1e6, 1e6).map(lambda f: round(f, 3))),
    st.just(""),
    st.sampled_from(["", "ytd", "end"]),
)


@settings(max_examples=2, suppress_health_check=list(HealthCheck))
@given(
    boxes=st.dictionaries(
        st.sampled_from(["works", "treasury", "care"]), st.lists(ROWS, min_size=5, max_size=60), min_size=3
    )
)
def test_whatever_is_sent_the_marts_are_alike(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory, boxes: dict[str, list[tuple[Any, ...]]]
) -> None:
    files = {f"{department}/figures.csv": table(*rows) for department, rows in boxes.items()}
    root = tmp_path_factory.mktemp("any")
    run_and_compare(cluster, load_plan(FOLDER), root, files, dict.fromkeys(files, at(2024, 10, 5)), at(2024, 11, 20))


def test_a_worker_that_dies_while_the_marts_are_made_changes_nothing(
    cluster: Cluster, plan: Plan, samples: Store, tmp_path: Path
) -> None:
    store, killed = Store(tmp_path / "data"), list[str]()
    shutil.copytree(samples.root, store.root, symlinks=True)

    def kill(said: str) -> None:
        if said == "making progress":
            threading.Timer(3, lambda: killed.append(said) or cluster.kill_worker()).start()  # type: ignore[func-returns-value]

    try:
        marts.make(store, plan, NOW, kill, cluster.url)
    finally:
        cluster.start_worker()
    assert killed == ["making progress"]
    assert differences(samples, store) == {}


def test_what_a_cluster_cannot_make_is_said_with_the_marts_name(
    cluster: Cluster, plan: Plan, samples: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "data")
    shutil.copytree(samples.root, store.root, symlinks=True)
    monkeypatch.setattr("warehouse.spark.marts.sql", lambda table: "select cast(path as int) as a from landed")
    with pytest.raises(EngineError, match=r"Spark could not make obligation: .*CAST_INVALID_INPUT"):
        marts.make(store, plan, NOW, engine=cluster.url)
    assert marts.made(store) is None  # and nothing is published
    assert not list(store.marts.glob(".*"))


@pytest.mark.parametrize("name", marts.MADE)
def test_a_marts_file_comes_apart_into_the_queries_that_it_names(name: str) -> None:
    parts, last = _parts(marts.sql(name))
    assert len(re.findall(r"^(?:with|\), )", marts.sql(name), re.MULTILINE)) == len(parts)
    for part in (*parts.values(), last):
        code = re.sub(r"--.*", "", part)
        assert code.lstrip().startswith("select")
        assert code.count("(") == code.count(")")


def test_months_that_are_larger_than_a_workers_memory_and_lie_in_one_area_go_through(
    cluster: Cluster, plan: Plan, samples: Store, tmp_path: Path
) -> None:
    """One figure of one area was corrected four million times: of all rows, that month holds nearly all."""
    store, month = Store(tmp_path / "data"), "2022-06"
    shutil.copytree(samples.root, store.root, symlinks=True)
    with connect(store.root) as con:
        file = store.month(month) / "observation.parquet"
        con.execute(f"create table stood as from read_parquet({files_sql([file])})")
        con.execute(f"""
            copy (
                from stood
                union all by name
                select o.* replace (o.known_from - to_microseconds(1000 * n) as known_from,
                    o.known_from - to_microseconds(1000 * (n - 1)) as known_to, o.value + n as value, null as replaced_value)
                from (from stood where known_to is null order by all limit 1) o cross join range(1, {CORRECTIONS + 1}) r(n)
                order by indicator, area, period, measure, department, known_from
            ) to '{file}.new' (format parquet, compression zstd)
        """)
        Path(f"{file}.new").replace(file)
        sums.enter(file.parent, [p.name for p in file.parent.glob("*.parquet")])
        sample = con.sql(f"from read_parquet({files_sql([file])}) limit 100000").to_arrow_table()
    assert sample.nbytes / sample.num_rows * CORRECTIONS > 512 << 20  # an executor has so much
    assert cluster.memory == "512m"
    other = twin(store)
    marts.make(store, plan, NOW)
    marts.make(other, plan, NOW, engine=cluster.url)
    assert len(other.mart("observation")) > 1
    assert differences(store, other) == {}


CORRECTIONS = 4_000_000
