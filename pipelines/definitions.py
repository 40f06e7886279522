"""Everything that Dagster loads: assets with their resources, jobs, the nightly schedule, the sensor."""

import datetime as dt

import dagster as dg

from assets.documents import documenting
from assets.freshness import up_to_date
from assets.judging import ONLY_STALE, judging
from assets.marts import made_marts, release
from assets.plan import plan
from assets.preview import preview
from assets.receipts import receipts
from assets.sdmx import sdmx
from assets.submissions import landed_files, read_rows
from assets.templates import templating
from assets.wallchart import wall_chart
from pipelines import alerts as alerting
from pipelines.again import land_again
from pipelines.console import console
from pipelines.due import NIGHT_ENDS, document_schedules, with_freshness
from pipelines.nightly import QUIET
from pipelines.reminders import nothing_to_do, remind, strangers
from pipelines.settings import settings
from warehouse.receipts import undelivered
from warehouse.release import pending

config = settings()
compiled_plan = config.plan()
head = compiled_plan.head
months = dg.MonthlyPartitionsDefinition(
    start_date=f"{head.history_from:%Y-%m}",
    end_date=f"{head.ends + dt.timedelta(days=1):%Y-%m}",
    timezone=head.timezone,
    fmt="%Y-%m",
)

AGAIN_WHOLE = {"dagster/retry_strategy": "ALL_STEPS"}  # of a run that crashed: what it had done is not stale any more
IN_PROGRESS = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)

nightly = dg.define_asset_job(
    "nightly",
    selection=[landed_files, read_rows, plan],
    description="Lands and reads what the departments sent. The sensor then refreshes the months touched and releases.",
    executor_def=dg.in_process_executor,
    tags=AGAIN_WHOLE,
    config=QUIET,
)
judged = judging(months)
refresh = dg.define_asset_job(
    "refresh",
    selection=dg.AssetSelection.assets(judged, made_marts, release, sdmx, wall_chart, receipts),
    description="Judges months, makes the marts, releases. Backfills are launched from an asset's page: one run for all"
    " months; launched from this job's page they are a run a month.",
    executor_def=dg.in_process_executor,
    tags=AGAIN_WHOLE,
    config=QUIET,
)
republish = dg.define_asset_job(
    "republish",
    selection=[made_marts, release, sdmx, wall_chart, receipts],
    description="Makes the marts and releases without judging anew: a deadline has passed, or the marts changed.",
    executor_def=dg.in_process_executor,
    tags=AGAIN_WHOLE,
    config=QUIET,
)
answer = dg.define_asset_job(
    "answer",
    selection=[receipts],
    description="Makes and delivers the receipts that are due: after a drop box could not be reached.",
    executor_def=dg.in_process_executor,
    tags=AGAIN_WHOLE,
    config=QUIET,
)

nightly_schedule = dg.ScheduleDefinition(
    name="nightly_at_two",
    job=nightly,
    cron_schedule="0 2 * * *",
    execution_timezone=head.timezone,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


@dg.op(description="Tells departments and the office what is owed, where that has not been said yet.")
def reminded(context: dg.OpExecutionContext) -> None:
    for fault in strangers(config, compiled_plan):
        context.log.warning(fault)
    done = remind(config, compiled_plan, dt.datetime.now(dt.UTC), context.log.warning)
    context.log.info(f"{done.sent} messages sent, {done.waiting} waiting")
    if done.failed:
        raise dg.Failure(
            "messages could not be delivered; they wait, and the next hour tries again: " + "; ".join(done.failed),
            allow_retries=False,
        )


@dg.job(
    description="Reminds departments of what they owe: see docs/reminders.md. Red: a message could not be delivered.",
    executor_def=dg.in_process_executor,
)
def reminders() -> None:
    reminded()


@dg.schedule(
    job=reminders,
    cron_schedule="5 * * * *",
    execution_timezone=head.timezone,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Each hour, where there is something to say and somebody to say it to.",
)
def reminders_hourly() -> dg.RunRequest | dg.SkipReason:
    nothing = nothing_to_do(config, compiled_plan, dt.datetime.now(dt.UTC))
    return dg.SkipReason(nothing) if nothing else dg.RunRequest()


@dg.op(
    description="Tells whoever runs the machine what is wrong, and what is well again, where that has not been said yet."
)
def told(context: dg.OpExecutionContext) -> None:
    now = dt.datetime.now(dt.UTC)
    troubles = alerting.watched(context.instance, defs, config, compiled_plan, now)
    for trouble in troubles:
        context.log.info("\n".join([trouble.title, *trouble.what, trouble.link]).strip())
    failed = []
    if not alerting.nothing_to_tell(config, compiled_plan, troubles, now):
        done = alerting.tell(config, compiled_plan, troubles, now, context.log.warning)
        context.log.info(f"{done.sent} messages sent, {done.waiting} waiting")
        failed = [*done.failed]
    if unheard := alerting.beat(config):
        failed.append(unheard)
    if failed:
        raise dg.Failure("tried again within the hour: " + "; ".join(failed), allow_retries=False)


@dg.job(
    description="Tells of failed runs, a release held back, failing checks, missed nights and a full disk: see"
    " docs/observing.md. Red: a message could not be delivered.",
    executor_def=dg.in_process_executor,
)
def alerts() -> None:
    told()


@dg.sensor(
    job=alerts,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Each minute, where there is something new to tell and somebody to tell it to; what was not delivered,"
    " once an hour.",
)
def alerts_when_due(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    now = dt.datetime.now(dt.UTC)
    alerting.note_night(context.instance, config, compiled_plan)
    troubles = alerting.watched(context.instance, defs, config, compiled_plan, now)
    nothing = alerting.nothing_to_tell(config, compiled_plan, troubles, now)
    if nothing and not alerting.unbeaten(config):
        return dg.SkipReason(nothing)
    said = (
        []
        if nothing
        else [f"{m.topic} {m.key.split()[-1]}" for m in alerting.news(config, compiled_plan, troubles, now)]
    )
    return dg.RunRequest(run_key=f"{now:%Y-%m-%dT%H} {' '.join(said)}")  # the same is not tried twice an hour


def touched_range(stale: list[str]) -> dict[str, str]:
    """Run tags that choose the months from the first stale to the last; those between that are not stale are left."""
    return {
        "dagster/asset_partition_range_start": stale[0],
        "dagster/asset_partition_range_end": stale[-1],
        ONLY_STALE: "true",
    }


@dg.sensor(
    jobs=[refresh, republish, answer],
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="After a landing, refreshes the months that it touched. After months were judged by hand, or when only a"
    " deadline has passed, makes the marts and releases.",
)
def refresh_when_touched(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    events = [context.instance.get_latest_materialization_event(dg.AssetKey(k)) for k in ("read_rows", "judged_rows")]
    if events[0] is None:
        return dg.SkipReason("nothing has been landed yet")
    if context.instance.get_runs_count(dg.RunsFilter(statuses=list(IN_PROGRESS))):
        return dg.SkipReason("a run is under way: looking again when it has ended")
    seen = " ".join(e.run_id for e in events if e)
    if seen == context.cursor:
        return dg.SkipReason("nothing has been landed or judged since the last look")
    stale, due = pending(config.store, compiled_plan, dt.datetime.now(dt.UTC))
    if not due and undelivered(config.store):
        return dg.SensorResult(run_requests=[dg.RunRequest(run_key=seen, job_name="answer")], cursor=seen)
    if not due:
        return dg.SensorResult(skip_reason="nothing new: no month touched, no deadline passed", cursor=seen)
    request = (
        dg.RunRequest(run_key=seen, job_name="refresh", tags=touched_range(stale))
        if stale
        else dg.RunRequest(run_key=seen, job_name="republish", tags={ONLY_STALE: "true"})
    )
    return dg.SensorResult(run_requests=[request], cursor=seen)


still_fresh = dg.define_asset_job(
    "still_fresh",
    selection=dg.AssetSelection.checks(up_to_date),
    description="Asks whether the release says what is known: check up_to_date of the asset release.",
    executor_def=dg.in_process_executor,
)
fresh_at_four = dg.ScheduleDefinition(
    name="fresh_at_four",
    job=still_fresh,
    cron_schedule=NIGHT_ENDS,
    execution_timezone=head.timezone,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
document_jobs, documents_when_due = document_schedules(config, compiled_plan)

defs = dg.Definitions(
    loggers={"console": console},
    assets=with_freshness(
        [
            plan,
            landed_files,
            read_rows,
            judged,
            made_marts,
            release,
            sdmx,
            wall_chart,
            receipts,
            preview,
            templating(months),
            *documenting(head),
        ],
        compiled_plan,
    ),
    asset_checks=[up_to_date],
    jobs=[nightly, refresh, republish, answer, reminders, alerts, still_fresh, *document_jobs],
    schedules=[nightly_schedule, reminders_hourly, fresh_at_four, *documents_when_due],
    sensors=[refresh_when_touched, alerts_when_due, land_again],
    executor=dg.in_process_executor,
    resources={
        "store": config.store,
        "compiled_plan": compiled_plan,
        "engine": config.engine,
        "views": config.views,
        "plan_text": config.plan_text(compiled_plan),
        "sources": config.sources,
        "credentials": config.credentials,
        "keep": config.keep,
    },
)
