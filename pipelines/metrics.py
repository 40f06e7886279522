"""Metrics in the Prometheus format, as of the time at which they are asked for: nothing is counted while a night runs.

A night is a process that ends, so there is nobody to ask in the morning. Everything here is therefore read from what rests:
the current release, Dagster's record of runs, the registers, the disk. Times are given as timestamps, not as ages: a file
for node_exporter would freeze an age at the moment at which it was written, and no alert would ever see it grow.

Not here: what a figure is. No label holds an indicator, a department or anything that they sent.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter
from prometheus_client import CollectorRegistry, generate_latest, make_wsgi_app, write_to_textfile
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from expectations.model import Plan
from pipelines.alerts import last_good_night, notifier
from pipelines.reminders import notifier as reminding
from pipelines.settings import Settings
from warehouse.receipts import undelivered
from warehouse.releases import current
from warehouse.store import opened

METRICS: dict[str, tuple[tuple[str, ...], str]] = {  # name -> labels, what it is
    "wallchart_info": (("plan", "plan_revision", "code_version"), "1; what the current release was made of"),
    "wallchart_runs": (("job_name", "outcome"), "Runs in Dagster's record, by outcome: success, failure, canceled"),
    "wallchart_run_last_timestamp_seconds": (
        ("job_name", "outcome"),
        "When the last run with this outcome ended; 0: never",
    ),
    "wallchart_run_last_seconds": (("job_name",), "How long the last run took that succeeded"),
    "wallchart_runs_under_way": ((), "Runs that are queued or running"),
    "wallchart_stage_last_seconds": (("stage",), "How long a stage took, the last time that it succeeded"),
    "wallchart_rows": (("state",), "Rows of all submissions: kept, returned"),
    "wallchart_submissions": (("status",), "Submissions, by what became of them"),
    "wallchart_findings": (("rule", "severity"), "Findings that stand, by rule"),
    "wallchart_obligations": (("state",), "Figures that departments owe or owed, by state"),
    "wallchart_targets": (("status",), "Targets, by their status at the last period that is over"),
    "wallchart_release_timestamp_seconds": ((), "As of when the current release was made"),
    "wallchart_last_good_night_timestamp_seconds": ((), "When a night last ended with everything done"),
    "wallchart_receipts_waiting": ((), "Receipts whose delivery failed and is to be tried again"),
    "wallchart_messages_waiting": (
        ("to",),
        "Messages that wait: reminders to departments and office, alerts to operators",
    ),
    "wallchart_disk_size_bytes": ((), "Size of the disk that holds the data folder"),
    "wallchart_disk_free_bytes": ((), "Free room on it"),
    "wallchart_store_bytes": (("part",), "What each part of the data folder takes; a file with two names counts once"),
}
STAGES = {  # Dagster's steps, by the stage that they are
    "landed_files": "land", "read_rows": "read", "judge": "judge", "make_marts": "marts", "release": "release",
    "sdmx": "sdmx", "wallchart": "wallchart", "receipts": "receipts",
}  # fmt: skip
OUTCOMES = (DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)
UNDER_WAY = [s for s in DagsterRunStatus if s not in OUTCOMES]
RELEASED = {
    "wallchart_submissions": "select status, count(*) from submission group by all order by all",
    "wallchart_findings": "select rule, severity, count(*) from finding group by all order by all",
    "wallchart_obligations": "select state, count(*) from obligation group by all order by all",
    "wallchart_targets": "select status, count(*) from (select status from progress where period_end < (select built_at from"
    " release)::date qualify row_number() over (partition by target order by period_end desc, period) = 1)"
    " group by all order by all",
    "wallchart_rows": "select unnest(['kept', 'returned']), unnest([coalesce(sum(rows_kept), 0), coalesce(sum(rows_returned), 0)])"
    " from submission",
}

Sample = tuple[str, tuple[str, ...], float]  # name, labels' values, value


class State(Collector):
    """All of METRICS, read anew at each scrape."""

    def __init__(self, config: Settings, plan: Plan) -> None:
        self.config, self.plan = config, plan

    def collect(self) -> Iterator[GaugeMetricFamily]:
        families = {name: GaugeMetricFamily(name, text, labels=labels) for name, (labels, text) in METRICS.items()}
        with DagsterInstance.get() as instance:
            for name, labels, value in (
                *_runs(instance),
                *_released(self.config),
                *_waiting(self.config, self.plan),
                *_disk(self.config.data),
            ):
                families[name].add_metric(labels, value)
        yield from families.values()


def exposition(config: Settings, plan: Plan) -> str:
    return generate_latest(_registry(config, plan)).decode()


def write(config: Settings, plan: Plan, path: Path | None = None) -> None:
    """The metrics as a file for node_exporter's textfile collector (WALLCHART_METRICS_FILE where no path is given)."""
    path = path or config.metrics_file
    assert path is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    write_to_textfile(str(path), _registry(config, plan))


def serving(config: Settings, plan: Plan, port: int) -> None:
    """Serves /metrics on 127.0.0.1 until the process ends, one scrape after the other."""
    with make_server("127.0.0.1", port, make_wsgi_app(_registry(config, plan)), handler_class=_Unheard) as server:
        server.serve_forever()


class _Unheard(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """A scrape every few seconds is nothing to log."""


def _registry(config: Settings, plan: Plan) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(State(config, plan))
    return registry


def _runs(instance: DagsterInstance) -> Iterator[Sample]:
    from pipelines.definitions import defs  # late, as it reads the environment when it is imported

    yield "wallchart_runs_under_way", (), instance.get_runs_count(RunsFilter(statuses=UNDER_WAY))
    stages: dict[str, tuple[float, float]] = {}
    for job in sorted(j.name for j in defs.resolve_all_job_defs()):
        for outcome in OUTCOMES:
            asked = RunsFilter(job_name=job, statuses=[outcome])
            count = instance.get_runs_count(asked)
            yield "wallchart_runs", (job, outcome.value.lower()), count
            last = instance.get_run_records(asked, limit=1) if count else []
            ended = last[0].end_time if last else None
            yield "wallchart_run_last_timestamp_seconds", (job, outcome.value.lower()), ended or 0
            for record in last:
                if record.end_time is None:
                    continue
                if outcome is DagsterRunStatus.SUCCESS and record.start_time is not None:
                    yield "wallchart_run_last_seconds", (job,), record.end_time - record.start_time
                    for step in instance.get_run_step_stats(record.dagster_run.run_id):
                        if step.step_key in STAGES and step.start_time and step.end_time:
                            took = (step.end_time, step.end_time - step.start_time)
                            stages[STAGES[step.step_key]] = max(took, stages.get(STAGES[step.step_key], (0.0, 0.0)))
    for stage, (_, seconds) in stages.items():
        yield "wallchart_stage_last_seconds", (stage,), seconds


def _released(config: Settings) -> Iterator[Sample]:
    made = current(config.store)
    if made is not None:
        labels = (str(made["plan"]), str(made["plan_revision"]), str(made["code_version"]))
        yield "wallchart_info", labels, 1
        built = dt.datetime.fromisoformat(made["built_at"])
        yield "wallchart_release_timestamp_seconds", (), built.timestamp()
        with opened(config.store.warehouse / "current" / "warehouse.duckdb") as con:
            for name, query in RELEASED.items():
                for *values, value in con.execute(query).fetchall():
                    yield name, tuple(map(str, values)), float(value)
    if good := last_good_night(config.store):
        yield "wallchart_last_good_night_timestamp_seconds", (), good.timestamp()


def _waiting(config: Settings, plan: Plan) -> Iterator[Sample]:
    now = dt.datetime.now(dt.UTC)
    yield "wallchart_receipts_waiting", (), undelivered(config.store)
    yield "wallchart_messages_waiting", ("departments",), reminding(config, plan).waiting(now)
    yield "wallchart_messages_waiting", ("operators",), notifier(config, plan).waiting(now)


def _disk(data: Path) -> Iterator[Sample]:
    usage = shutil.disk_usage(data)
    yield "wallchart_disk_size_bytes", (), usage.total
    yield "wallchart_disk_free_bytes", (), usage.free
    counted: set[tuple[int, int]] = set()
    for part in sorted(p for p in data.iterdir() if p.is_dir() and not p.is_symlink()):
        yield "wallchart_store_bytes", (part.name,), _bytes(part, counted)


def _bytes(folder: Path, counted: set[tuple[int, int]]) -> int:
    total = 0
    for at, _, files in os.walk(folder):
        for name in files:
            try:
                stat = os.lstat(os.path.join(at, name))
            except FileNotFoundError:  # a night that runs writes and removes
                continue
            if (stat.st_dev, stat.st_ino) not in counted:
                counted.add((stat.st_dev, stat.st_ino))
                total += stat.st_blocks * 512
    return total


def table() -> str:
    """METRICS for docs/observing.md."""
    rows = [
        f"| `{name}` | {', '.join(f'`{x}`' for x in labels)} | {text} |" for name, (labels, text) in METRICS.items()
    ]
    return "\n".join(["| metric | labels | |", "|---|---|---|", *rows])
