"""The run launcher of dagster.yaml: Dagster's own, which also knows whether the process of a run still lives.

Without it run monitoring cannot tell a run whose process is gone, with its code server or with the whole machine, from one
that works: such a run would be in progress until its longest time is over, and everything else would wait for it.
"""

from __future__ import annotations

import json

import psutil
from dagster import DagsterEventType, DagsterRun
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG

HERE = ("localhost", "127.0.0.1")
GRAIN = 2.0  # seconds: a process is not as exact about its beginning as the log


class WatchingRunLauncher(DefaultRunLauncher):
    """Each run tells its log by which process it is carried out."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """NOT_FOUND only where the process must have been on this machine and is not. A number that was given to a
        younger process meanwhile is not the run's."""
        started = json.loads(run.tags.get(GRPC_INFO_TAG, "{}"))  # none: in the process of `wallchart run`
        if "socket" not in started and started.get("host", HERE[0]) not in HERE:
            return CheckRunHealthResult(WorkerStatus.RUNNING, f"its code server is on {started['host']}")
        said = self._instance.get_records_for_run(run.run_id, of_type=DagsterEventType.ENGINE_EVENT).records
        for entry in reversed([r.event_log_entry for r in said]):
            event = entry.dagster_event
            pid = event.engine_event_data.metadata.get("pid") if event else None
            if pid is not None:
                number = int(str(pid.value))
                if _lives(number, entry.timestamp):
                    return CheckRunHealthResult(WorkerStatus.RUNNING)
                return CheckRunHealthResult(
                    WorkerStatus.NOT_FOUND, f"process {number} is gone, it was killed or crashed"
                )
        return CheckRunHealthResult(WorkerStatus.RUNNING, "it has not said by which process")


def _lives(pid: int, since: float) -> bool:
    try:
        process = psutil.Process(pid)
        return bool(process.create_time() <= since + GRAIN and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
