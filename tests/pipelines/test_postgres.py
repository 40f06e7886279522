"""Dagster's record in PostgreSQL: the move from SQLite and back, a night, a backfill and a queue, the password nowhere.

The server is Debian's, a cluster of the test's own.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from expectations.load import PLANS, load_plan
from pipelines.samples import write_samples
from pipelines.settings import SettingsError
from pipelines.storage import POSTGRES
from tests.processes import ROOT, answers, environment, graphql, running, said
from tests.servers import free_port, wait_until
from warehouse.store import month_of

PASSWORD = "canary-7d1f2c"
SENDERS = {"science", "finance", "commerce"}
REPOSITORY = {"repositoryLocationName": "wallchart", "repositoryName": "__repository__"}
MONTHS = [f"{year}-{month:02}" for year in (2021, 2022) for month in range(1, 13)]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The URL of an empty database, password and all."""
    bins = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: float(p.parent.name))
    assert bins, "PostgreSQL is not here: apt-get install postgresql"
    root, port = Path(tempfile.mkdtemp(prefix="wallchart-postgres-")), free_port()
    who: dict[str, Any] = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}  # it refuses root
    (root / "password").write_text(PASSWORD)
    if who:
        shutil.chown(root, **who)
        shutil.chown(root / "password", **who)

    def do(*words: object) -> None:
        command = [str(bins[-1] / str(words[0])), "-D", str(root / "cluster"), *map(str, words[1:])]
        subprocess.run(command, check=True, cwd=root, stdout=subprocess.DEVNULL, **who)

    do("initdb", "-U", "wallchart", "--pwfile", root / "password", "-A", "scram-sha-256", "-E", "UTF8", "--no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={root} -c fsync=off"
    do("pg_ctl", "-w", "-o", options, "-l", root / "log", "start")
    try:
        yield f"postgresql://wallchart:{PASSWORD}@127.0.0.1:{port}/postgres"
    finally:
        do("pg_ctl", "-w", "-m", "immediate", "stop")
        shutil.rmtree(root)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A data folder after a night that SQLite recorded; `env` to go on so."""
    data = tmp_path_factory.mktemp("city") / "data"
    write_samples(load_plan(PLANS / "shenyang-2022"), data / "dropbox")
    for box in (data / "dropbox").iterdir():
        if box.name not in SENDERS:
            shutil.rmtree(box)
    env = environment(data)
    said(["wallchart", "run"], env)
    return SimpleNamespace(
        data=data, env=env, before=judged(data), released=os.readlink(data / "warehouse" / "current")
    )


@pytest.fixture(scope="module")
def moved(first: SimpleNamespace, postgres: str) -> SimpleNamespace:
    """The night after the move; `output`: what it said."""
    env = first.env | {POSTGRES: postgres}
    return SimpleNamespace(**vars(first) | {"env": env, "sqlite": first.env, "output": said(["wallchart", "run"], env)})


@pytest.fixture(scope="module")
def told(moved: SimpleNamespace) -> SimpleNamespace:
    """After the one command of docs/deploy.md, which tells the new record how the months stand."""
    lines = (ROOT / "docs" / "deploy.md").read_text("utf-8").splitlines()
    [command] = [line for line in lines if line.startswith(".venv/bin/dagster job execute")]
    subprocess.run(["bash", "-c", command], env=moved.env, cwd=ROOT, check=True, capture_output=True)
    moved.after = judged(moved.data)
    return moved


@pytest.fixture(scope="module")
def served(told: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A night on PostgreSQL that a late file set off, then the daemon and the UI; `ask`: its GraphQL."""
    late = told.data / "dropbox" / "science" / "2022" / "late.csv"
    late.write_text("指标编码,报告期,数值,单位\nhigh_tech_firms,2022Q2,4400,家\n", "utf-8")
    told.late = said(["wallchart", "run"], told.env)
    port, told.log = free_port(), tmp_path_factory.mktemp("log") / "log"
    url = f"http://127.0.0.1:{port}"
    with ExitStack() as started:
        webserver = ["dagster-webserver", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)]
        daemon = ["dagster-daemon", "run", "-w", "workspace.yaml"]
        started.enter_context(running(daemon, told.env, told.log))
        started.enter_context(running(webserver, told.env, told.log, lambda: answers(url)))
        told.ask = lambda query, **variables: graphql(url, query, variables)
        yield told


def judged(data: Path) -> dict[str, int]:
    return {month_of(p.parent): p.stat().st_mtime_ns for p in (data / "months").glob("*/row.parquet")}


def months_returned(data: Path) -> set[str]:
    """Months in which a row went back, as the warehouse holds them."""
    found = duckdb.execute(f"select distinct month from read_parquet('{data}/months/*/validity.parquet')").fetchall()
    return {month for (month,) in found}


def by_status(ranges: list[dict[str, str]]) -> dict[str, set[str]]:
    statuses: dict[str, set[str]] = {}
    for r in ranges:
        statuses.setdefault(r["status"], set()).update(m for m in MONTHS if r["startKey"] <= m <= r["endKey"])
    return statuses


def command_lines() -> Iterator[bytes]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            yield (process / "cmdline").read_bytes()


def test_the_night_after_the_move_refreshes_nothing(moved):
    assert "Nothing new" in moved.output
    assert judged(moved.data) == moved.before
    assert os.readlink(moved.data / "warehouse" / "current") == moved.released


def test_one_command_tells_the_new_record_how_the_months_stand_and_judges_none(told):
    assert told.after == told.before
    assert os.readlink(told.data / "warehouse" / "current") == told.released


def test_the_ui_shows_the_night_its_months_and_the_schedules_from_postgresql(served):
    assert "1 months to refresh" in served.late
    shown = served.ask("""{
        runsOrError { ... on Runs { results { jobName status } } }
        assetNodeOrError(assetKey: {path: ["judged_rows"]}) { ... on AssetNode {
            assetPartitionStatuses { ... on TimePartitionStatuses { ranges { status startKey endKey } } }
            assetChecksOrError { ... on AssetChecks { checks { name
                partitionStatuses { ... on AssetCheckTimePartitionStatuses { ranges { status startKey endKey } } } } } }
        } }
        schedulesOrError(repositorySelector: {repositoryName: "__repository__", repositoryLocationName: "wallchart"}) {
            ... on Schedules { results { name scheduleState { status } } } }
    }""")
    runs = [(r["jobName"], r["status"]) for r in shown["runsOrError"]["results"]]
    assert runs.count(("nightly", "SUCCESS")) >= 2  # the daemon may have begun one
    assert runs.count(("refresh", "SUCCESS")) >= 2
    node = shown["assetNodeOrError"]
    assert by_status(node["assetPartitionStatuses"]["ranges"]) == {"MATERIALIZED": set(MONTHS)}
    checks = {c["name"]: by_status(c["partitionStatuses"]["ranges"]) for c in node["assetChecksOrError"]["checks"]}
    returned = months_returned(served.data)
    assert 0 < len(returned) < len(MONTHS)
    assert checks["validity"] == {"FAILED": returned, "SUCCEEDED": set(MONTHS) - returned}
    assert checks["structure"] == {"SUCCEEDED": set(MONTHS)}
    schedules = {s["name"]: s["scheduleState"]["status"] for s in shown["schedulesOrError"]["results"]}
    assert schedules["nightly_at_two"] == "RUNNING"


def test_a_backfill_of_three_months_is_one_run_and_another_run_waits_for_it(served):
    backfill = served.ask(
        """mutation ($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) {
            __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }""",
        p={"assetSelection": [{"path": ["judged_rows"]}], "partitionNames": ["2022-01", "2022-02", "2022-03"]},
    )["launchPartitionBackfill"]
    assert backfill["__typename"] == "LaunchBackfillSuccess", backfill
    asked = """query ($f: RunsFilter!) { runsOrError(filter: $f) { ... on Runs { results {
        status creationTime startTime endTime tags { key value } } } } }"""

    def of_backfill() -> list[dict[str, Any]]:
        tags = [{"key": "dagster/backfill", "value": backfill["backfillId"]}]
        return served.ask(asked, f={"tags": tags})["runsOrError"]["results"]

    wait_until(lambda: any(r["status"] == "STARTED" for r in of_backfill()), "the backfill has started", 120)
    launched = served.ask(
        """mutation ($p: ExecutionParams!) { launchRun(executionParams: $p) {
            __typename ... on LaunchRunSuccess { run { id } } ... on PythonError { message } } }""",
        p={
            "selector": REPOSITORY | {"jobName": "answer"},
            "runConfigData": {},
        },
    )["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched

    def other() -> dict[str, Any]:
        [run] = served.ask(asked, f={"runIds": [launched["run"]["id"]]})["runsOrError"]["results"]
        return run

    wait_until(lambda: other()["status"] in ("SUCCESS", "FAILURE"), "the other run has ended", 120)
    [run], waited = of_backfill(), other()
    assert (run["status"], waited["status"]) == ("SUCCESS", "SUCCESS")
    tags = {t["key"]: t["value"] for t in run["tags"]}
    assert tags["dagster/asset_partition_range_start"] == "2022-01"
    assert tags["dagster/asset_partition_range_end"] == "2022-03"
    assert waited["creationTime"] < run["endTime"] <= waited["startTime"]


def test_the_password_is_in_no_log_no_command_line_and_not_in_the_ui(served):
    about = served.ask("{ instance { info } version }")
    assert "run_storage: PostgresRunStorage" in about["instance"]["info"]
    commands = list(command_lines())
    assert any(str(served.data).encode() in c for c in commands)  # the code servers are started with the instance
    logs = [p for p in (served.data / "dagster").rglob("*") if p.is_file()]
    told = [about["instance"]["info"].encode(), served.log.read_bytes()]
    for text in [*told, *commands, *(p.read_bytes() for p in logs)]:
        assert PASSWORD.encode() not in text


@pytest.mark.parametrize("record", ["sqlite", "env"])
def test_the_record_is_migrated_by_dagsters_own_command(served, record):
    env = getattr(served, record)
    assert "Storage schema state after migration" in said(["dagster", "instance", "migrate"], env)


def test_back_on_sqlite_the_old_record_goes_on_and_nothing_is_refreshed(served):
    before = judged(served.data)
    assert "Nothing new" in said(["wallchart", "run"], served.sqlite)
    assert judged(served.data) == before
    with closing(sqlite3.connect(served.data / "dagster" / "history" / "runs.db")) as db:
        jobs = dict(db.execute("select pipeline_name, count(*) from runs group by 1").fetchall())
    assert jobs == {"nightly": 2, "refresh": 1}  # the first night, and this one


def test_a_server_that_does_not_answer_is_named_without_its_password(first, tmp_path):
    away = f"postgresql://wallchart:{PASSWORD}@127.0.0.1:{free_port()}/wallchart"
    done = subprocess.run(
        [str(ROOT / ".venv" / "bin" / "wallchart"), "run"],
        env=environment(tmp_path / "data", **{POSTGRES: away}),
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "127.0.0.1" in done.stderr
    assert "does not answer" in done.stderr
    assert "Traceback" not in done.stderr
    assert PASSWORD not in done.stdout + done.stderr


@pytest.mark.parametrize("url", ["nonsense", f"mysql://root:{PASSWORD}@h/db", f"postgresql://u:{PASSWORD}@h:port/db"])
def test_a_url_that_is_none_is_refused_without_being_repeated(url, monkeypatch):
    from dagster._serdes import ConfigurableClassData

    monkeypatch.setenv(POSTGRES, url)
    with pytest.raises(SettingsError, match=POSTGRES) as refused:
        ConfigurableClassData("pipelines.storage", "StorageByEnvironment", "{}").rehydrate()
    assert PASSWORD not in str(refused.value)


def test_the_default_is_sqlite_and_imports_nothing_of_postgresql(tmp_path):
    env = environment(tmp_path)
    home = Path(env["DAGSTER_HOME"])
    home.mkdir()
    (home / "dagster.yaml").symlink_to(ROOT / "dagster.yaml")
    program = (
        "import dagster as dg, sys\n"
        "with dg.DagsterInstance.get() as instance:\n"
        "    print(type(instance.run_storage).__name__, {'dagster_postgres', 'psycopg2', 'pipelines.settings'} & {*sys.modules})"
    )
    assert said(["python", "-c", program], env).splitlines()[-1] == "SqliteRunStorage set()"


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    from dagster._serdes import ConfigurableClassData

    monkeypatch.setenv(POSTGRES, "postgresql:///wallchart")
    monkeypatch.setitem(sys.modules, "dagster_postgres", None)  # as if it were not installed
    with pytest.raises(SettingsError, match=r"pip install 'wallchart\[postgres\]'"):
        ConfigurableClassData("pipelines.storage", "StorageByEnvironment", "{}").rehydrate()
