"""Judging on a cluster says what judging in this process says, whatever is sent, and whoever dies meanwhile."""

from __future__ import annotations

import datetime as dt
import fcntl
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from expectations.load import load_plan
from expectations.model import Plan
from pipelines.samples import write_samples
from tests.night import IN_TIME, NOW, SHANGHAI, long_csv, send
from tests.spark.cluster import ROOT, Cluster
from tests.spark.same import differences
from tests.warehouse.test_rules import CASES, path
from warehouse import judge, landing, reading, rulebook
from warehouse.filings import withdraw
from warehouse.findings import JudgeError
from warehouse.ledger import ledger
from warehouse.spark import EngineError
from warehouse.spark.judging import gigabytes, hands
from warehouse.store import Store
from warehouse.trouble import StoreError

pytestmark = pytest.mark.slow


def received(root: Path, plan: Plan, now: dt.datetime = NOW) -> Store:
    """A store into which the drop boxes of `root` were landed and read, and nothing was judged."""
    store = Store(root / "data")
    landing.land(store, [(root / "dropbox").as_uri()], plan, now)
    reading.read_landed(store, plan)
    return store


@pytest.fixture(scope="module")
def by(cluster: Cluster) -> Iterator[judge.Hands]:
    with hands(cluster.url) as tasks:
        yield tasks


def twin(store: Store) -> Store:
    other = Store(store.root.with_name("on-the-cluster"))
    shutil.copytree(store.root, other.root)
    return other


def said(store: Store, plan: Plan, **by: Any) -> dict[str, Any]:
    """All that judging every stale month leaves behind, by what it is called, and the verdicts."""
    months = judge.stale_months(store, plan)
    valid, flagged = judge.validity(store, plan, months, **by), judge.quality(store, plan, months, **by)
    assert not valid.crashed + flagged.crashed
    assert judge.stale_months(store, plan) == []
    assert judge.forget_damaged(store) == []
    assert not store.spill.exists()
    found: dict[str, Any] = {"validity": valid, "quality": flagged}
    for file in sorted(p for p in [*store.months.rglob("*"), *store.gx.glob("validations/*/2*/**/*")] if p.is_file()):
        name = file.relative_to(store.root).as_posix()
        found[name] = pl.read_parquet(file) if file.suffix == ".parquet" else file.read_bytes()
    return found


def apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """What is in one of them only, or not the same."""
    same = {
        name: one[name].equals(other[name]) if isinstance(one[name], pl.DataFrame) else one[name] == other[name]
        for name in one.keys() & other.keys()
        if not name.endswith("SHA256SUMS")  # of the bytes; the rows are compared
    }
    return sorted((one.keys() ^ other.keys()) | {name for name, is_so in same.items() if not is_so})


@pytest.fixture(scope="module")
def samples(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Store, dict[str, Any]]:
    """The sample data: judged in this process, and still to be judged by the cluster; what is said of it."""
    root = tmp_path_factory.mktemp("samples")
    write_samples(plan, root / "dropbox")
    store = received(root, plan)
    other = twin(store)
    return store, other, said(store, plan)


def test_the_sample_data_is_judged_alike_month_for_month_and_file_for_file(
    by: judge.Hands, plan: Plan, samples: tuple[Store, Store, dict[str, Any]], tmp_path: Path
) -> None:
    _, untouched, here = samples
    store, lines = Store(tmp_path / "data"), list[str]()
    shutil.copytree(untouched.root, store.root)
    there = said(store, plan, hands=by, progress=lines.append)
    assert apart(here, there) == []
    assert {name.rpartition("/")[2] for name in here} >= {f"{n}.parquet" for n in (*judge.WRITTEN, *judge.FLAGGED)}
    tasks = there["validity"].by
    with ledger(store) as db:
        [(read,)] = db.execute("select sum(rows) from submission_month").fetchall()
    assert sum(task["rows read"] for task in tasks) == read
    assert {task["attempt"] for task in tasks} == {0}
    assert len({task["process"] for task in tasks}) == 2  # one a worker
    assert [(task["from"], task["to"]) for task in tasks] == sorted((task["from"], task["to"]) for task in tasks)
    assert [line for line in lines if "tasks are done" in line]
    assert [line for line in lines if "judging" in line and tasks[0]["host"] in line]


def test_what_breaks_every_rule_is_judged_alike(by: judge.Hands, plan: Plan, tmp_path: Path) -> None:
    send(
        tmp_path / "dropbox", {path(n): c.file() for n, c in CASES.items()}, {path(n): c.sent for n, c in CASES.items()}
    )
    again = {"science/twice.csv": long_csv(("high_tech_firms", "", "2022Q4", "", 4200, "家"))}
    later = {name: IN_TIME + dt.timedelta(hours=5) for name in again}
    send(tmp_path / "dropbox", again | {path("V02"): CASES["V02"].file() + b"\n"}, later | {path("V02"): IN_TIME})
    store = received(tmp_path, plan)
    other = twin(store)
    here, there = said(store, plan), said(other, plan, hands=by)
    assert apart(here, there) == []
    fired = {v.rule for kind in ("validity", "quality") for v in here[kind].verdicts if v.fired}
    assert fired >= {f"V{n:02}" for n in range(1, 12)} | {"Q01", "Q02", "Q05", "Q07", "Q08"}


def test_withdrawn_corrected_and_empty_months_are_judged_alike(by: judge.Hands, tmp_path: Path) -> None:
    book = load_plan(rulebook.FOLDER)

    def on(day: str) -> dt.datetime:
        return dt.datetime.combine(dt.date.fromisoformat(day), dt.time(9), SHANGHAI)

    def visits(*rows: tuple[str, object]) -> bytes:
        return long_csv(*[("visits", "", period, "", value, "万人次") for period, value in rows])

    files = {
        "works/a.csv": visits(("2024-03", 30), ("2024-02-29", 21), ("2024-05", 7)),
        "works/b.csv": visits(("2024-03", 33), ("2024-02", 20)),
        "works/c.csv": visits(("2024-01", 9)),  # withdrawn: of its month nothing stands
        "works/d.csv": visits(("2024-03", "")),
    }
    sent = {name: on(f"2024-06-{10 + n}") for n, name in enumerate(files)}
    send(tmp_path / "dropbox", files, sent)
    store = received(tmp_path, book, on("2025-04-10"))
    other = twin(store)
    assert apart(said(store, book), said(other, book, hands=by)) == []
    for each in (store, other):
        for name in ("works/b.csv", "works/c.csv"):
            withdraw(each, submission(each, name), "head of statistics", "counted twice", on("2024-07-02"))
    assert judge.stale_months(store, book) == ["2024-01", "2024-02", "2024-03"]
    here, there = said(store, book), said(other, book, hands=by)
    assert apart(here, there) == []
    assert here["months/month=2024-01/observation.parquet"].filter(pl.col("known_to").is_null()).is_empty()


def submission(store: Store, name: str) -> str:
    with ledger(store) as db:
        [(code,)] = db.execute("select submission from submission where path = ?", (name,)).fetchall()
    return str(code)


FIGURES = st.tuples(
    st.sampled_from(["fiscal_revenue", "no_such_thing", "general_budget"]),
    st.sampled_from(["2021-03", "2022-03", "2022-12", "2022年1-3月", "2022Q4", "2020-02-29", "何时"]),
    st.sampled_from([0, 1, -1, 60.5, 61, 605000, "约60", "", "-", "六十", "#DIV/0!"]),
    st.sampled_from(["亿元", "万元", "", "人", "斤两"]),
    st.sampled_from(["", "累计", "当期"]),
    st.sampled_from(["", "已核实"]),
)


@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.lists(st.lists(FIGURES, min_size=1, max_size=6), min_size=1, max_size=3))
def test_whatever_is_sent_is_judged_alike(
    by: judge.Hands, plan: Plan, tmp_path_factory: pytest.TempPathFactory, files: list[list[tuple[Any, ...]]]
) -> None:
    root = tmp_path_factory.mktemp("any")
    for n, rows in enumerate(files):
        lines = [
            (code, "", period, "", value, unit, measure, note) for code, period, value, unit, measure, note in rows
        ]
        name = f"finance/{n}.csv"
        send(root / "dropbox", {name: long_csv(*lines)}, {name: IN_TIME + dt.timedelta(hours=n)})
    store = received(root, plan)
    other = twin(store)
    assert apart(said(store, plan), said(other, plan, hands=by)) == []


def test_a_worker_that_dies_while_it_judges_changes_nothing(
    cluster: Cluster, by: judge.Hands, plan: Plan, samples: tuple[Store, Store, dict[str, Any]], tmp_path: Path
) -> None:
    _, untouched, here = samples
    store, lines = Store(tmp_path / "data"), list[str]()
    shutil.copytree(untouched.root, store.root)
    there: dict[str, Any] = {}
    night = threading.Thread(target=lambda: there.update(said(store, plan, hands=by, progress=lines.append)))
    with held(store, night) as lock:
        wait_for(lambda: waits_for(lock, psutil.Process(cluster.workers[0].pid)), night)
        cluster.kill_worker()
    night.join(300)
    cluster.start_worker()
    assert apart(here, there) == []
    assert [line for line in lines if "judged again" in line and "attempt 2" in line]
    assert any(task["attempt"] for task in there["validity"].by)


class held:
    """While it is held no task of `night` writes: each waits with its months judged. Begins the night."""

    def __init__(self, store: Store, night: threading.Thread) -> None:
        self.store, self.night = store, night

    def __enter__(self) -> Path:
        path = self.store.root / ".helpers.lock"
        self.night.start()
        wait_for(lambda: path.exists() and (self.store.spill / "judging").exists(), self.night)
        self.file = open(path, "a+")
        fcntl.flock(self.file, fcntl.LOCK_EX)
        return path

    def __exit__(self, *_: object) -> None:
        self.file.close()


def wait_for(happens: Callable[[], bool], night: threading.Thread) -> None:
    end = time.monotonic() + 120
    while not happens():
        assert night.is_alive(), "the night was over before"
        assert time.monotonic() < end
        time.sleep(0.02)


def waits_for(lock: Path, worker: psutil.Process) -> bool:
    """Whether a process below the worker has the lock's file open."""
    for process in worker.children(recursive=True):
        try:
            if any(f.path == str(lock) for f in process.open_files()):
                return True
        except psutil.Error:
            continue
    return False


def test_a_task_writes_nothing_once_the_lock_is_another_writers(store: Store) -> None:
    with store.writing("judging"):
        leave = store.leave()
        with store.helping(leave):
            pass
    with store.writing("judging"), pytest.raises(StoreError, match="writes no more"), store.helping(leave):
        pytest.fail("it wrote")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data")


def test_a_run_whose_client_is_gone_writes_nothing_into_the_next_ones_months(
    cluster: Cluster, by: judge.Hands, plan: Plan, samples: tuple[Store, Store, dict[str, Any]], tmp_path: Path
) -> None:
    _, untouched, _ = samples
    store = Store(tmp_path / "data")
    shutil.copytree(untouched.root, store.root)
    raised: list[BaseException] = []

    def run() -> None:
        try:
            judge.validity(store, plan, judge.stale_months(store, plan), hands=by)
        except StoreError as e:
            raised.append(e)

    night = threading.Thread(target=run)
    with held(store, night) as lock:
        wait_for(lambda: waits_for(lock, psutil.Process(cluster.workers[0].pid)), night)
        (store.root / ".writer.lock").write_text("process 1 on elsewhere, judging")  # as the next writer signs it
    night.join(120)
    assert "writes no more" in str(raised)
    assert not list(store.months.glob("*/row.parquet"))


@pytest.fixture(scope="module")
def one_month(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Store:
    root = tmp_path_factory.mktemp("one")
    send(root / "dropbox", {"science/a.csv": long_csv(("high_tech_firms", "", "2022Q4", "", 4200, "家"))})
    return received(root, plan)


def test_what_a_task_meets_is_raised_with_its_months_and_host(by: judge.Hands, plan: Plan, one_month: Store) -> None:
    [rows] = one_month.rows.glob("*.parquet")
    untouched = rows.read_bytes()

    def broken(work: judge.Work, store: Store, *rest: Any) -> list[judge.Part]:
        rows.unlink()
        return by(work, store, *rest)

    with pytest.raises(EngineError, match=r"2022-12 on \S+: IOException.*No files found"):
        judge.validity(one_month, plan, ["2022-12"], hands=broken)
    rows.write_bytes(untouched)

    def other_code(work: judge.Work, store: Store, plan: Plan, brief: judge.Brief, *rest: Any) -> list[judge.Part]:
        return by(work, store, plan, replace(brief, leave="another's"), *rest)

    with pytest.raises(StoreError, match=r"2022-12 on \S+: nothing was written"):
        judge.validity(one_month, plan, ["2022-12"], hands=other_code)
    assert judge.stale_months(one_month, plan) == ["2022-12"]


def test_counts_that_disagree_stop_the_run_wherever_they_were_counted(
    by: judge.Hands, plan: Plan, one_month: Store
) -> None:
    with pytest.raises(JudgeError, match=r"2022-12 on \S+: V01: Great Expectations counts 1 rows, the findings are 0"):
        judge.validity(one_month, plan, ["2022-12"], hands=lambda work, *rest: by(disagreeing, *rest))


def disagreeing(*_: Any) -> list[judge.Part]:
    raise JudgeError("V01: Great Expectations counts 1 rows, the findings are 0")


def test_an_executors_memory_is_read_as_spark_writes_it() -> None:
    assert [gigabytes(size) for size in ("512m", "4g", "1GB", "2048k")] == [0.512, 4, 1, pytest.approx(0.002048)]


def test_a_month_that_holds_most_rows_and_more_than_an_executor_may_is_judged_alike(
    cluster: Cluster, by: judge.Hands, plan: Plan, tmp_path: Path
) -> None:
    many, long = 1_000_000, "x" * 400
    figure = pl.DataFrame({"指标编码": "fiscal_revenue", "报告期": "2022-12", "数值": "713.7", "单位": "亿元"})
    big = figure.select(pl.all().repeat_by(many).explode()).with_columns(
        说明=pl.format("{} {}", pl.int_range(many), pl.lit(long))
    )
    file = tmp_path / "dropbox" / "finance" / "big.parquet"
    file.parent.mkdir(parents=True)
    big.write_parquet(file)
    send(tmp_path / "dropbox", {"finance/rest.csv": long_csv(*[
        ("fiscal_revenue", "", f"2022-{m:02}", "", 55 * m, "亿元") for m in range(1, 12)])})  # fmt: skip
    store = received(tmp_path, plan)
    other = twin(store)
    here, there = said(store, plan), said(other, plan, hands=by)
    assert apart(here, there) == []
    assert here["months/month=2022-12/row.parquet"].estimated_size() > 1e9 * gigabytes(cluster.memory)


def test_a_whole_night_on_the_cluster_ends_in_the_same_release(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, nights = tmp_path / "data", list[Store]()
    monkeypatch.setenv("DAGSTER_HOME", str(data / "dagster"))  # where dagster.yaml has its record kept
    for engine in ("duckdb", cluster.url):
        told = {"WALLCHART_DATA": str(data), "WALLCHART_ENGINE": engine}
        command = [sys.executable, "-m", "pipelines.cli", "run"]
        ran = subprocess.run(command, capture_output=True, text=True, env=os.environ | told, cwd=ROOT, check=False)
        assert ran.returncode == 0, ran.stderr
        with dg.DagsterInstance.from_config(str(data / "dagster")) as instance:
            made = instance.get_latest_materialization_event(dg.AssetKey("judged_rows"))
        assert made is not None
        assert made.asset_materialization is not None
        assert ("judged on the cluster by" in made.asset_materialization.metadata) == (engine == cluster.url)
        nights.append(
            Store(data.rename(tmp_path / f"by-{len(nights)}"))
        )  # a submission's source is a path: the next has the same
    assert differences(*nights) == {}
