"""A night that is killed at any moment, and begun again, ends as one that nobody disturbed; what was released stands meanwhile.

Real processes, ended by SIGKILL: `wallchart run` KILLS times at random moments, and `wallchart ui` with its daemon, code server
and run worker while the daemon carries out a night (VICTIMS: which of them, separated by commas).
"""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import duckdb
import psutil
import pytest

from expectations.load import PLANS, load_plan
from pipelines.samples import write_samples
from tests.night import SHANGHAI
from tests.processes import BIN, ROOT, answers, environment, graphql, said
from tests.servers import free_port, wait_until

KILLS = int(os.environ.get("KILLS", "4"))
VICTIMS = os.environ.get("VICTIMS", "everything").split(",")
FIRST = {"statistics", "finance"}  # whose files are there from the beginning
THEN = {"commerce", "science", "transport", "ecology"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """An undisturbed night over all files, judged by a plan with a policy of its own: `data`, `box`; `files` in the order in
    which they were sent; `plan`: the folder; `seconds`: how long it took."""
    root = tmp_path_factory.mktemp("calm")
    plan = root / "plan"
    shutil.copytree(PLANS / "shenyang-2022", plan)
    policy = (plan / "policy.yaml").read_text("utf-8")
    for line, stricter in (("stock_low: 0.5", "stock_low: 0.95"), ("flow_high: 2.5", "flow_high: 1.1")):
        assert line in policy
        policy = policy.replace(line, stricter)
    (plan / "policy.yaml").write_text(policy, "utf-8")
    written = write_samples(load_plan(PLANS / "shenyang-2022"), root / "samples")
    files = [p for p in written if p.relative_to(root / "samples").parts[0] in FIRST | THEN]
    files.sort(key=lambda p: (p.stat().st_mtime_ns, p.name))
    city = SimpleNamespace(data=root / "data", plan=plan, files=files, samples=root / "samples", box=root / "dropbox")
    send(city, files)
    began = time.monotonic()
    said(["wallchart", "run"], own_environment(city, city.data, plan))
    city.seconds = time.monotonic() - began
    return city


def own_environment(city: SimpleNamespace, data: Path, plan: Path) -> dict[str, str]:
    """The drop boxes stand in one place for all: it is in the ledger, and in the release."""
    return environment(data, WALLCHART_SOURCES=city.box.as_uri(), WALLCHART_PLAN=str(plan), PYTHONUNBUFFERED="1")


def send(city: SimpleNamespace, files: list[Path]) -> None:
    """Copies of the files, with their times, as a department would put them."""
    for path in files:
        there = city.box / path.relative_to(city.samples)
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, there)


def manifest(data: Path) -> dict[str, Any]:
    return json.loads((data / "warehouse" / "current" / "manifest.json").read_text("utf-8"))


def as_a_reader_sees_it(data: Path) -> str:
    """The current release: its file opens, is the one that the link names, and holds what its manifest says."""
    name = os.readlink(data / "warehouse" / "current").rpartition("/")[2]
    with duckdb.connect(str(data / "warehouse" / "current" / "warehouse.duckdb"), read_only=True) as con:
        [(release, tables)] = con.execute("select release, tables from release").fetchall()
        held = {t["table"]: con.execute(f'select count(*) from "{t["table"]}"').fetchall() for t in tables}
    assert release == name
    assert held == {t["table"]: [(t["rows"],)] for t in tables}
    return name


def ends_alike(one: Path, other: Path) -> None:
    """Two stores of the same inputs hold the same. Only these may differ: the time of a release, with its name and what it is
    compared with; when a file was landed; and, over midnight, the days of which a reminder speaks."""
    left, right = manifest(one), manifest(other)
    days = {dt.datetime.fromisoformat(m["built_at"]).astimezone(SHANGHAI).date() for m in (left, right)}
    by_the_clock = {"reminder"} if len(days) > 1 else set()
    for made in (left, right):
        made["tables"] = {
            t["table"]: (t["rows"], t["digest"]) for t in made["tables"] if t["table"] not in by_the_clock
        }
        for key in ("release", "built_at", "base", "changed"):
            del made[key]
    assert left == right
    assert ledger_rows(one) == ledger_rows(other)
    assert judged_from(one) == judged_from(other)
    assert latest_receipts(one) == latest_receipts(other)


def ledger_rows(data: Path) -> dict[str, list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(data / "landing" / "ledger.sqlite")) as db:
        columns = [c for _, c, *_ in db.execute("pragma table_info(submission)") if c != "landed_at"]
        asked = {
            "submission": f"select {', '.join(columns)} from submission order by submission",
            "submission_month": "select * from submission_month order by submission, month",
            "seen": "select * from seen order by source, path",
            "sent_again": "select * from sent_again order by submission, received_at",
            "cursor": "select * from cursor order by source, department",
        }
        return {table: db.execute(query).fetchall() for table, query in asked.items()}


def judged_from(data: Path) -> dict[str, str]:
    """Of what each month was judged. A month that was not judged whole has none; nothing else is left of a killed run."""
    assert [p.name for p in (data / "months").glob("*/*") if p.name in ("half_way.json", "before")] == []
    assert list((data / "months").glob("*/.*")) + list((data / "marts").glob(".*")) == []
    return {p.parent.name: p.read_text() for p in (data / "months").glob("*/state.json")}


def latest_receipts(data: Path) -> list[tuple[Any, ...]]:
    query = """select submission, digest, status, findings from receipt
        where rowid in (select max(rowid) from receipt group by submission) order by submission"""
    with closing(sqlite3.connect(data / "receipts" / "receipts.sqlite")) as db:
        return db.execute(query).fetchall()


def findings_by_month(data: Path) -> dict[str, int]:
    paths = [str(p) for name in ("validity", "quality") for p in (data / "months").glob(f"*/{name}.parquet")]
    return dict(
        duckdb.execute(
            "select month, count(*) from read_parquet($1) where month is not null group by 1", [paths]
        ).fetchall()
    )


def killed(env: dict[str, str], log: Path, moment: float) -> str:
    """`wallchart run`, SIGKILLed after so many seconds; the last that it said, or that it had ended before."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [BIN / "wallchart", "run"], env=env, cwd=ROOT, stdout=output, stderr=output, start_new_session=True
        )
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        lines = log.read_text("utf-8", "replace").splitlines()
        return lines[-1] if lines else "nothing yet"
    assert process.returncode == 0, log.read_text()
    return "it had ended"


def test_a_night_killed_at_random_moments_ends_as_an_undisturbed_one(calm, tmp_path):
    moments = random.Random(KILLS)
    data = tmp_path / "data"
    env = own_environment(calm, data, PLANS / "shenyang-2022")
    shutil.rmtree(calm.box)
    first = [p for p in calm.files if p.relative_to(calm.samples).parts[0] in FIRST]
    rest = [p for p in calm.files if p not in first]
    send(calm, first)
    said(["wallchart", "run"], env)
    standing, before = as_a_reader_sees_it(data), findings_by_month(data)
    months = judged_from(data)
    assert len(months) == 24

    env = own_environment(calm, data, calm.plan)
    for n in range(KILLS):
        send(calm, rest[n * len(rest) // KILLS : (n + 1) * len(rest) // KILLS])
        moment = moments.uniform(0.5, calm.seconds)
        doing = killed(env, tmp_path / "log", moment)
        now = as_a_reader_sees_it(data)
        assert now >= standing
        standing = now
        print(f"kill {n + 1}, after {moment:.1f} s: {doing}", flush=True)
    said(["wallchart", "run"], env)

    ends_alike(data, calm.data)
    with closing(sqlite3.connect(data / "landing" / "ledger.sqlite")) as db:
        moved = dict(db.execute("select month, sum(appeared - disappeared) from judgement group by 1").fetchall())
    assert any(moved.values())
    after = findings_by_month(data)
    assert {m: before.get(m, 0) + moved.get(m, 0) for m in months} == {m: after.get(m, 0) for m in months}
    assert "Nothing new" in said(["wallchart", "run"], env)


def test_two_nights_and_a_backfill_at_once_are_one_writer_after_the_other(calm, tmp_path):
    env = own_environment(calm, tmp_path / "data", calm.plan)
    send(calm, calm.files)
    (tmp_path / "data").mkdir()
    backfill = ["dagster", "asset", "materialize", "-m", "pipelines.definitions", "--select", "judged_rows"]
    backfill += ["--partition-range", "2022-01...2022-03"]
    started = []
    for n, command in enumerate((["wallchart", "run"], ["wallchart", "run"], backfill)):
        output = (tmp_path / f"log{n}").open("wb")
        started.append(
            subprocess.Popen([BIN / command[0], *command[1:]], env=env, cwd=ROOT, stdout=output, stderr=output)
        )
        if n == 0:
            wait_until(lambda: (tmp_path / "data" / "dagster").exists(), "the first has begun", 60)
    logs = []
    for n, process in enumerate(started):
        process.wait(900)
        logs.append((tmp_path / f"log{n}").read_text("utf-8"))
        assert process.returncode == 0, logs[-1]
    waited = [log for log in logs if "waiting: " in log]
    assert len(waited) >= 1
    assert all(f"on {socket.gethostname()}, " in log and "since 20" in log for log in waited)
    assert sum("Periods refreshed" in log for log in logs) == 1
    ends_alike(tmp_path / "data", calm.data)
    assert len(list((tmp_path / "data" / "warehouse" / "releases").glob("*/"))) == 1


@contextmanager
def ui(env: dict[str, str], log: Path) -> Iterator[SimpleNamespace]:
    """`wallchart ui`: the process, its `url`; at the end nothing is left of it."""
    port = free_port()
    with log.open("ab") as output:
        process = subprocess.Popen(
            [BIN / "wallchart", "ui", "--port", str(port)], env=env, cwd=ROOT, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    here = SimpleNamespace(process=psutil.Process(process.pid), url=f"http://127.0.0.1:{port}", seen=set())
    try:
        wait_until(lambda: answers(f"{here.url}/server_info"), "the UI answers", 300)
        yield here
    finally:
        end(everything(here))
        process.wait()


def everything(here: SimpleNamespace) -> list[psutil.Process]:
    """The process and whatever it started, also what lost its parent since."""
    with suppress(psutil.NoSuchProcess):
        here.seen |= {here.process, *here.process.children(recursive=True)}
    for process in list(here.seen):
        with suppress(psutil.NoSuchProcess):
            here.seen |= set(process.children(recursive=True))
    return [p for p in here.seen if p.is_running()]


def end(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, 30)


def of(here: SimpleNamespace, victim: str, instance: dg.DagsterInstance, run: str) -> list[psutil.Process]:
    running = everything(here)
    if victim == "everything":
        return running
    if victim == "worker":
        logged = instance.get_records_for_run(run, of_type=dg.DagsterEventType.ENGINE_EVENT).records
        events = [r.event_log_entry.dagster_event for r in logged]
        pids = {int(e.engine_event_data.metadata["pid"].value) for e in events if "pid" in e.engine_event_data.metadata}
        return [p for p in running if p.pid in pids]
    word = {"daemon": "dagster._daemon", "code server": "grpc"}[victim]
    return [p for p in running if any(word in part for part in p.cmdline())]


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_night_of_the_daemon_goes_on_whatever_of_it_is_killed(calm, tmp_path, victim, monkeypatch):
    data = tmp_path / "data"
    monkeypatch.setenv(
        "DAGSTER_HOME", str(data / "dagster")
    )  # where the instance of dagster.yaml is looked for, here too
    env = own_environment(calm, data, calm.plan)
    send(calm, calm.files)
    log = tmp_path / "log"

    def refreshes() -> list[dg.DagsterRun]:
        return instance.get_runs(dg.RunsFilter(job_name="refresh"))

    with ui(env, log) as here, dg.DagsterInstance.from_config(str(data / "dagster")) as instance:
        launched = graphql(
            here.url,
            """mutation ($p: ExecutionParams!) { launchRun(executionParams: $p) {
                __typename ... on PythonError { message } } }""",
            {"p": {"selector": {"repositoryLocationName": "wallchart", "repositoryName": "__repository__", "jobName": "nightly"},
                   "runConfigData": {}}},
        )["launchRun"]  # fmt: skip
        assert launched["__typename"] == "LaunchRunSuccess", launched
        wait_until(lambda: any(r.status == dg.DagsterRunStatus.STARTED for r in refreshes()), "a refresh works", 600)
        [run] = refreshes()
        time.sleep(random.uniform(1, 10))
        victims = of(here, victim, instance, run.run_id)
        assert victims, [p.cmdline() for p in everything(here)]
        end(victims)
        killed_at = time.monotonic()
        gone = not here.process.is_running()

        def released() -> bool:
            newest = instance.get_runs(limit=1)[0]
            return newest.job_name in ("refresh", "republish") and newest.status == dg.DagsterRunStatus.SUCCESS

        try:
            if not gone:
                wait_until(lambda: released() or not here.process.is_running(), "it goes on, or ends", 900)
            if not released():
                end(everything(here))
                with ui(env, log):
                    wait_until(released, "started again, it releases", 900)
        except TimeoutError:
            raise AssertionError(log.read_text("utf-8", "replace")[-5000:]) from None
        ended = [(r.job_name, r.status.value) for r in instance.get_runs()]
        print(f"{victim}: released {time.monotonic() - killed_at:.0f} s later; runs, the newest first: {ended}")
    as_a_reader_sees_it(data)
    ends_alike(data, calm.data)
    assert len(list((data / "warehouse" / "releases").glob("*/"))) == 1
