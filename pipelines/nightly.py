"""The night in one process: the nightly job, then what the sensor would ask for."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from assets.clock import CLOCK_IS_RIGHT
from assets.judging import ONLY_STALE
from pipelines.settings import Settings
from warehouse.clock import believed
from warehouse.receipts import undelivered
from warehouse.release import pending
from warehouse.releases import standing_back

QUIET: dict[str, Any] = {"loggers": {"console": {}}}
NO_RETRY = {
    "dagster/max_retries": "0"
}  # the daemon cannot start this process again; its sensor goes on with what is left


@dataclass
class Night:
    succeeded: bool
    landed: int = 0
    months: list[str] = field(default_factory=list)
    released: bool = False
    seconds: float = 0.0
    why: str = ""
    warnings: list[str] = field(default_factory=list)


def run_night(config: Settings, say: Callable[[str], None], *, clock_is_right: bool = False) -> Night:
    """Lands, and where something is new refreshes and releases. Runs are recorded in the instance like any other.

    Another process that writes is waited for first. `clock_is_right`: see warehouse.clock.
    """
    from pipelines.definitions import compiled_plan, defs, touched_range

    began = time.monotonic()
    always = NO_RETRY | ({CLOCK_IS_RIGHT: "true"} if clock_is_right else {})
    with dg.DagsterInstance.get() as instance, config.store.writing("wallchart run", say):
        landing = defs.resolve_job_def("nightly").execute_in_process(
            instance=instance, run_config=QUIET, tags=always, raise_on_error=False
        )
        if not landing.success:
            return Night(False, why=_why(landing))
        warnings = []
        for check in landing.get_asset_check_evaluations():
            if not check.passed:
                said = "; ".join(f"{k}: {v.value}" for k, v in check.metadata.items())
                warnings.append(f"{check.asset_key.to_user_string()}, {check.check_name}: {said}")
        new: Any = landing.asset_materializations_for_node("landed_files")[0].metadata["files new"].value
        now = believed(config.store, dt.datetime.now(dt.UTC), say, sure=clock_is_right)
        stale, due = pending(config.store, compiled_plan, now)
        if not due:
            if back := standing_back(config.store):
                say(f"{back.left} was rolled back: {back.now} stands until something is sent, mended or falls due")
            if undelivered(config.store):
                say("nothing to release; delivering the receipts that could not be delivered before")
                warnings += _undelivered(
                    defs.resolve_job_def("answer").execute_in_process(instance=instance, run_config=QUIET, tags=always)
                )
            return Night(True, seconds=time.monotonic() - began, warnings=warnings)
        name, tags = ("refresh", touched_range(stale)) if stale else ("republish", {ONLY_STALE: "true"})
        say(f"{new} new files, {len(stale)} months to refresh" if stale else "no month to refresh; releasing")
        run = defs.resolve_job_def(name).execute_in_process(
            instance=instance, run_config=QUIET, tags=tags | always, raise_on_error=False
        )
        warnings += _undelivered(run)
        why = "" if run.success else _why(run)
        return Night(run.success, int(new), stale, True, time.monotonic() - began, why, warnings)


def _undelivered(result: dg.ExecuteInProcessResult) -> list[str]:
    return [
        f"{check.metadata['waiting for another try'].value} receipts could not be delivered: the next night tries again"
        for check in result.get_asset_check_evaluations()
        if check.check_name == "delivered" and not check.passed
    ]


def _why(result: dg.ExecuteInProcessResult) -> str:
    """The first step that failed, and its innermost cause."""
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            while error is not None and error.cause is not None:
                error = error.cause
            return f"{event.step_key}: {error.message.strip() if error else event.message}"
    return "see the run's log"
