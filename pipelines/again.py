"""A source that did not answer in the night is asked again in the same night, at longer and longer intervals.

The landing itself tries for seconds. Trying for an hour inside the run would keep the figures of all others from being
judged meanwhile, so the run ends, what came is released, and another landing follows.
"""

from __future__ import annotations

import time

import dagster as dg

from assets.submissions import ASK_AGAIN

BACK_OFF = (
    300,
    900,
    2700,
)  # seconds after a landing in which a source did not answer: 5, 20 and 65 minutes after the first
AGAIN = "wallchart/asked_again"  # run tag: how many landings in a row have been made because of it


@dg.sensor(
    job_name="nightly",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Lands again where a source did not answer (network, server down), three times in 65 minutes; then the next"
    " night. Never because of a file: what is wrong with a file does not pass.",
)
def land_again(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    event = context.instance.get_latest_materialization_event(dg.AssetKey("landed_files"))
    landing = event and event.asset_materialization
    silent = landing and landing.metadata.get(ASK_AGAIN)
    if event is None or silent is None or silent.value == "none":
        return dg.SkipReason("every source answered")
    run = context.instance.get_run_by_id(event.run_id)
    asked = int(run.tags.get(AGAIN, 0)) if run else 0
    if asked >= len(BACK_OFF):
        return dg.SkipReason(f"asked {asked} times again, the next night goes on: {silent.value}")
    left = event.timestamp + BACK_OFF[asked] - time.time()
    if left > 0:
        return dg.SkipReason(f"asking again in {left:.0f} s: {silent.value}")
    return dg.RunRequest(run_key=event.run_id, tags={AGAIN: str(asked + 1)})
