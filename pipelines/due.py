"""What the calendar asks for: the documents of quarters and years once their figures are due, and until when the night's
products count as fresh."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Iterator, Sequence
from zoneinfo import ZoneInfo

import dagster as dg

from expectations.model import Plan
from expectations.periods import Period, Span, calendar_of
from expectations.workdays import counted_from, due
from pipelines.settings import Settings
from warehouse.releases import current

NIGHT_ENDS = "0 4 * * *"  # what the night of 02:00 has not made by then is late
NIGHT = dt.timedelta(hours=2)
DOCUMENTS: dict[str, Span] = {"self_check": "quarter", "assessment": "year"}  # asset: the span of its partitions


def with_freshness(assets: Iterable[dg.AssetsDefinition], plan: Plan) -> Sequence[dg.AssetsDefinition]:
    """The same assets, those that the night makes with a freshness policy.

    Landing, reading and plan are made every night. A release is made where something changed: a deadline that passes is
    such a change, so no release is older than the longest time between two deadlines of the plan, and a night.
    """
    night = dg.FreshnessPolicy.cron(NIGHT_ENDS, NIGHT, plan.head.timezone)
    deadlines = sorted({due(plan, frequency, day).at for frequency, day in counted_from(plan)})
    longest = max((b - a for a, b in itertools.pairwise(deadlines)), default=dt.timedelta(days=31))
    policies = dict.fromkeys(("landed_files", "read_rows", "plan"), night) | {
        "release": dg.FreshnessPolicy.time_window(longest + dt.timedelta(days=1) + NIGHT)
    }

    def fresh(spec: dg.AssetSpec) -> dg.AssetSpec:
        policy = policies.get(spec.key.to_user_string())
        return spec.replace_attributes(freshness_policy=policy) if policy else spec

    return dg.map_asset_specs(fresh, assets)


def document_schedules(
    config: Settings, plan: Plan
) -> tuple[list[dg.UnresolvedAssetJobDefinition], list[dg.ScheduleDefinition]]:
    """A job and a daily schedule for each kind of document."""
    jobs = [
        dg.define_asset_job(
            f"{name}s_due",
            selection=[name],
            description=f"Makes {name} of a {span}.",
            executor_def=dg.in_process_executor,
        )
        for name, span in DOCUMENTS.items()
    ]
    return jobs, [_schedule(config, plan, name, job) for name, job in zip(DOCUMENTS, jobs, strict=True)]


def _schedule(config: Settings, plan: Plan, name: str, job: dg.UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    span = DOCUMENTS[name]

    @dg.schedule(
        name=f"{name}_when_due",
        job=job,
        cron_schedule="0 6 * * *",
        execution_timezone=plan.head.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Each morning: makes {name} of every {span} whose figures are due (policy.deadlines.{span}) and that has"
        " none made since, of a release made since.",
    )
    def when_due(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        at = context.scheduled_execution_time
        waiting = list(_unmade(context.instance, plan, name, at))
        if not waiting:
            return dg.SkipReason(f"{name} of every {span} that is due has been made")
        released = current(config.store)
        as_of = dt.datetime.fromisoformat(released["built_at"]) if released else None
        ready = [p for p, since in waiting if as_of and as_of >= since]
        if not ready:
            zone = ZoneInfo(plan.head.timezone)
            told = ", ".join(f"{p} (due before {since.astimezone(zone):%Y-%m-%d %H:%M})" for p, since in waiting)
            return dg.SkipReason(f"{told}: waiting for a release made after that")
        return [dg.RunRequest(run_key=p, partition_key=p) for p in ready]

    return when_due


def _unmade(instance: dg.DagsterInstance, plan: Plan, name: str, at: dt.datetime) -> Iterator[tuple[str, dt.datetime]]:
    """Periods whose figures were due at `at`, since when, and of which no document was made since."""
    span = DOCUMENTS[name]
    if span not in plan.policy.deadlines:
        return
    for period in _periods(plan, span):
        since = due(plan, span, period.end).at
        made = dg.AssetRecordsFilter(
            asset_key=dg.AssetKey(name), asset_partitions=[period.label], after_timestamp=since.timestamp()
        )
        if since <= at and not instance.fetch_materializations(made, limit=1).records:
            yield period.label, since


def _periods(plan: Plan, span: Span) -> list[Period]:
    return [p for p in calendar_of(plan.head.starts, plan.head.ends) if p.span == span]
