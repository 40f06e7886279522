"""What becomes of a night that crashed, was missed, could not reach a source, met another writer, or a clock set back."""

from __future__ import annotations

import datetime as dt
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster._core.storage.tags import SCHEDULED_EXECUTION_TIME_TAG
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget, ModuleTarget
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration
from dagster._scheduler.scheduler import launch_scheduled_runs

from assets.clock import CLOCK_IS_RIGHT
from assets.submissions import landed_files
from pipelines import again
from pipelines.launcher import _lives
from tests.night import long_csv, send
from tests.processes import ROOT
from tests.servers import wait_until
from warehouse.ledger import ledger
from warehouse.store import Store, holder

JOB = """
import time, dagster as dg
@dg.op
def waits(): time.sleep(300)
@dg.op
def fails(): raise ValueError("for good")
jobs = {op.name: dg.GraphDefinition("night_that_" + op.name, node_defs=[op]).to_job(executor_def=dg.in_process_executor)
        for op in (waits, fails)}
with dg.DagsterInstance.get() as instance:
    jobs[%r].execute_in_process(instance=instance, raise_on_error=False)
"""


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """An instance as the project's dagster.yaml makes it, in DAGSTER_HOME."""
    home = tmp_path / "dagster"
    home.mkdir()
    shutil.copy(ROOT / "dagster.yaml", home)
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setenv("WALLCHART_DATA", str(tmp_path / "data"))
    with dg.DagsterInstance.from_config(str(home)) as made:
        yield made


def started(instance: dg.DagsterInstance, op: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", JOB % op], cwd=ROOT, stderr=subprocess.DEVNULL)


def status(instance: dg.DagsterInstance) -> str:
    runs = instance.get_runs()
    return runs[0].status.value if runs else "none"


def watch(instance: dg.DagsterInstance) -> None:
    """Once what the daemon does every half minute."""
    with WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as workspace:
        assert list(execute_run_monitoring_iteration(workspace, logging.getLogger("watching"))) == [None]


def test_a_run_whose_process_is_gone_is_ended_and_is_to_begin_anew(instance: dg.DagsterInstance) -> None:
    process = started(instance, "waits")
    try:
        wait_until(lambda: "STEP_START" in [e.event_type_value for e in events(instance)], "it works", 60)
        watch(instance)
        assert status(instance) == "STARTED"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    watch(instance)
    [run] = instance.get_runs()
    assert (run.status.value, run.tags["dagster/will_retry"]) == ("FAILURE", "true")
    assert f"process {process.pid} is gone" in events(instance)[-1].message


def events(instance: dg.DagsterInstance) -> list[dg.DagsterEvent]:
    logged = [e.dagster_event for run in instance.get_runs() for e in instance.all_logs(run.run_id)]
    return [e for e in logged if e is not None]


def test_a_run_in_which_a_step_failed_is_not_begun_anew(instance: dg.DagsterInstance) -> None:
    started(instance, "fails").wait(60)
    [run] = instance.get_runs()
    assert (run.status.value, run.tags["dagster/will_retry"]) == ("FAILURE", "false")


def test_a_younger_process_of_the_same_number_is_another() -> None:
    own = psutil.Process(os.getpid())
    assert _lives(own.pid, own.create_time())
    assert not _lives(own.pid, own.create_time() - 60)


@pytest.mark.slow
def test_of_ten_nights_that_were_missed_the_last_is_caught_up_once(instance: dg.DagsterInstance) -> None:
    target = ModuleTarget(
        "pipelines.definitions", attribute=None, working_directory=str(ROOT), location_name="wallchart"
    )

    def nights(*now: int) -> list[str]:
        at = dt.datetime(2026, 3, *now, tzinfo=dt.UTC)
        scheduler = instance.scheduler
        list(
            launch_scheduled_runs(
                workspace, logging.getLogger("clock"), at,
                {}, max_catchup_runs=scheduler.max_catchup_runs, max_tick_retries=scheduler.max_tick_retries,
            )
        )  # fmt: skip
        runs = instance.get_runs(dg.RunsFilter(job_name="nightly"))
        return sorted(r.tags[SCHEDULED_EXECUTION_TIME_TAG] for r in runs)

    with create_test_daemon_workspace_context(target, instance) as workspace:
        assert nights(1, 17) == []  # 01:00 in Shanghai
        assert nights(1, 19) == ["2026-03-01T18:00:00+00:00"]
        assert nights(12, 3) == ["2026-03-01T18:00:00+00:00", "2026-03-11T18:00:00+00:00"]
        assert nights(12, 4) == ["2026-03-01T18:00:00+00:00", "2026-03-11T18:00:00+00:00"]


def landing(root: Path, plan, source: str, credentials: dict | None = None) -> dg.Definitions:  # type: ignore[no-untyped-def]
    """The landing and the sensor that repeats it, as they are; only where they look is the test's."""
    return dg.Definitions(
        assets=[landed_files],
        jobs=[dg.define_asset_job("nightly", [landed_files], executor_def=dg.in_process_executor)],
        sensors=[again.land_again],
        resources={
            "store": Store(root / "data"), "compiled_plan": plan, "sources": [source], "credentials": credentials or {},
        },
    )  # fmt: skip


def run(defs: dg.Definitions, instance: dg.DagsterInstance, **tags: str) -> dg.ExecuteInProcessResult:
    job = defs.resolve_job_def("nightly")
    return job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)


def look(defs: dg.Definitions, instance: dg.DagsterInstance) -> dg.RunRequest | str:
    said = again.land_again(dg.build_sensor_context(instance=instance, definitions=defs))
    return said.skip_message if isinstance(said, dg.SkipReason) else said


def submissions(root: Path) -> int:
    with ledger(Store(root / "data")) as db:
        return db.execute("select count(*) from submission").fetchone()[0]


@pytest.mark.slow
def test_a_source_that_comes_back_is_landed_in_the_same_night(instance, platform, plan, tmp_path, monkeypatch):
    platform.put("health/a.csv", long_csv(("doctors_per_1000", "", "2022", "", 4.4, "")))
    platform.stop()
    defs = landing(tmp_path, plan, platform.url(), platform.credentials)
    first = run(defs, instance)
    assert first.success
    assert [c.passed for c in first.get_asset_check_evaluations() if c.check_name == "sources_answered"] == [False]
    assert look(defs, instance).startswith("asking again in ")
    monkeypatch.setattr(again, "BACK_OFF", (0, 0, 0))
    request = look(defs, instance)
    assert request.tags[again.AGAIN] == "1"
    platform.start()
    assert run(defs, instance, **request.tags).success
    assert submissions(tmp_path) == 1
    assert look(defs, instance) == "every source answered"


@pytest.mark.slow
def test_a_source_that_stays_away_is_left_to_the_next_night(instance, platform, plan, tmp_path):
    platform.stop()
    defs = landing(tmp_path, plan, platform.url(), platform.credentials)
    assert run(defs, instance, **{again.AGAIN: "3"}).success
    assert look(defs, instance).startswith("asked 3 times again")


def test_a_bad_file_and_a_wrong_url_are_not_asked_for_again(instance, plan, tmp_path):
    send(tmp_path / "dropbox", {"health/a.xlsx": b"PK\x03\x04 and no more"})
    good = landing(tmp_path, plan, (tmp_path / "dropbox").as_uri())
    assert run(good, instance).success
    assert submissions(tmp_path) == 1
    assert look(good, instance) == "every source answered"
    wrong = landing(tmp_path, plan, (tmp_path / "no such folder").as_uri())
    assert run(wrong, instance).success
    assert look(wrong, instance) == "every source answered"


def test_a_clock_set_back_lands_nothing_until_somebody_is_sure(instance, night, plan, tmp_path):
    decade = dt.timedelta(days=3650)
    future = dt.datetime.now(dt.UTC) + decade
    kept = night({"health/a.csv": long_csv(("doctors_per_1000", "", "2022", "", 4.4, ""))}, now=future, root=tmp_path)
    send(tmp_path / "dropbox", {"health/b.csv": long_csv(("doctors_per_1000", "", "2022", "", 4.5, ""))})
    defs = landing(tmp_path, plan, (tmp_path / "dropbox").as_uri())
    refused = run(defs, instance)
    assert not refused.success
    [failure] = [e for e in refused.all_events if e.is_step_failure]
    said = failure.step_failure_data.error.cause.message
    assert kept.release.release in said
    assert "Set the clock right" in said
    assert submissions(tmp_path) == 1
    assert run(defs, instance, **{CLOCK_IS_RIGHT: "true"}).success
    assert submissions(tmp_path) == 2


def test_whoever_waits_for_the_lock_is_told_who_holds_it_and_it_ends_with_that_process(tmp_path):
    store = Store(tmp_path)
    holds = "import sys; from pathlib import Path; from warehouse.store import Store\n"
    holds += "with Store(Path(sys.argv[1])).writing('backfill'): print('held', flush=True); input()"
    other = subprocess.Popen(
        [sys.executable, "-c", holds, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    assert other.stdout.readline() == b"held\n"
    said: list[str] = []

    def killing(text: str) -> None:
        said.append(text)
        other.kill()

    with store.writing("landing", killing):
        assert f"process {os.getpid()} on {socket.gethostname()}, landing, since 20" in holder(
            tmp_path / ".writer.lock"
        )
        with store.writing("reading", said.append):  # what the same thread does within it does not wait for itself
            pass
        assert "landing" in holder(tmp_path / ".writer.lock")
    other.wait()
    [waiting] = said
    assert (
        f"{tmp_path}/.writer.lock is held by process {other.pid} on {socket.gethostname()}, backfill, since 20"
        in waiting
    )
    assert (tmp_path / ".writer.lock").read_text() == ""
