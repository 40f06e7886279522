"""Who owes which figure by when, compiled: obligations, extensions, reminders, certification and locking of quarters.

Here: tables of deadlines. Not here: how a deadline is counted (workdays), and what is owed at a time (the mart obligation).
"""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from expectations import workdays
from expectations.model import Plan
from expectations.periods import period
from expectations.policy import Deadline

INSTANT = pl.Datetime("us", "UTC")


def obligation(
    plan: Plan, indicator: pl.DataFrame, indicator_area: pl.DataFrame, periods: pl.DataFrame, target: pl.DataFrame
) -> pl.DataFrame:
    """department, indicator, area, period, period_end, due_at, due_basis, extended: what is owed, for the plan's own year. Texts
    are enums.

    An indicator of frequency `event` is owed for the period in which its target is due (of several the last one's day
    counts), any other for each of its periods. All that is worked out here is small; areas come by one join, on `key`:
    the indicator, or for a dated task the indicator and its area.
    """
    own = periods.filter(pl.col("in_plan")).select("period", "span", "period_end")
    lead = indicator.select("indicator", "frequency", "span", department="lead_department")
    is_event = pl.col("frequency") == "event"
    dated_key = pl.concat_str("indicator", "area", separator=" ")
    regular = lead.filter(~is_event).join(own, on="span").with_columns(key="indicator", day="period_end")
    dated = (
        lead.filter(is_event)
        # what the text lost together with its figure is never owed
        .join(target.filter(pl.col("kind") != "lost").select("indicator", "area", day="due"), on="indicator")
        .join_where(
            own.rename({"span": "own_span"}),
            pl.col("span") == pl.col("own_span"),
            pl.col("day") <= pl.col("period_end"),
        )
        .sort("day", "period_end")
        .unique(["indicator", "area", "day"], keep="first", maintain_order=True)  # the period that the day lies in
        .unique(["indicator", "area", "period"], keep="last", maintain_order=True)
        .with_columns(key=dated_key)
    )
    columns = ["key", "indicator", "frequency", "period", "period_end", "day"]
    due = (
        pl.concat([regular.select(columns), dated.select(columns)])
        .join(_due(plan), on=["frequency", "day"], maintain_order="left")
        .join(_extension(plan), on=["indicator", "period"], how="left", maintain_order="left")
        .select(
            "key", "period", "period_end",
            due_at=pl.coalesce("extended_at", "due_at"),
            due_basis=pl.coalesce("extended_basis", "due_basis"),
            extended=pl.col("extended_at").is_not_null(),
        )
    )  # fmt: skip
    # texts of few kinds in millions of rows: a city's, county by county, take a quarter of the memory so
    areas = pl.concat(
        [
            indicator_area.join(lead.filter(~is_event), on="indicator", how="semi"),
            dated.select("indicator", "area").unique(),
        ]
    )
    kind = {
        "department": _kinds(lead["department"]),
        "indicator": _kinds(lead["indicator"]),
        "area": _kinds(areas["area"]),
        "key": _kinds(due["key"]),
        "period": _kinds(due["period"]),
        "due_basis": _kinds(due["due_basis"]),
    }
    lead, areas, due = (t.cast({c: k for c, k in kind.items() if c in t.columns}) for t in (lead, areas, due))
    owing = (  # in the order of department, indicator, area, period: the small tables are sorted, the joins keep it
        lead.sort("department", "indicator")
        .join(areas.sort("area"), on="indicator", maintain_order="left_right")
        .with_columns(
            key=pl.when(is_event)
            .then(pl.concat_str(pl.col("indicator", "area").cast(pl.String), separator=" "))
            .otherwise(pl.col("indicator").cast(pl.String))
            .cast(kind["key"], strict=False)
        )
        .select("department", "indicator", "area", "key")
    )
    due = due.sort("period")
    return pl.concat(  # department by department: a join of all at once holds it four times
        part.join(due, on="key", maintain_order="left_right").drop("key")
        for part in owing.partition_by("department", maintain_order=True) or [owing]
    )


def due_line(obligation: pl.DataFrame) -> pl.DataFrame:
    """indicator, due_basis: by which lines of policy its figures are due."""
    return (
        obligation.lazy()
        .select("indicator", "due_basis")
        .unique()
        .collect(engine="streaming")  # which does not hold all of them
        .cast(pl.String)
        .sort("indicator", "due_basis")
        .group_by("indicator")
        .agg(pl.col("due_basis").str.join("; "))
    )


def _kinds(texts: pl.Series) -> pl.Enum:
    """The texts as a kind of their own, in their order."""
    return pl.Enum(texts.unique().sort())


def _due(plan: Plan) -> pl.DataFrame:
    """frequency, day (a period's last, or a task's due day), due_at, due_basis."""
    rows = [(f, day, *workdays.due(plan, f, day)) for f, day in workdays.counted_from(plan)]
    return pl.DataFrame(
        [(f, day, at, basis) for f, day, at, _, basis, _ in rows],
        schema={"frequency": pl.String, "day": pl.Date, "due_at": INSTANT, "due_basis": pl.String},
        orient="row",
    )


def _extension(plan: Plan) -> pl.DataFrame:
    """indicator, period, extended_at, extended_basis: the extension that holds, where there is one."""
    rows = {}
    for e in workdays.latest(plan):
        p = period(e.period)
        for i in plan.indicators:
            if plan.policy.lead_department[i.indicator] == e.department and e.indicator in (None, i.indicator):
                extended = workdays.extended(plan, e)
                rows[i.indicator, p.label if p else e.period] = (extended.at, extended.basis)
    return pl.DataFrame(
        [(*key, *value) for key, value in rows.items()],
        schema={"indicator": pl.String, "period": pl.String, "extended_at": INSTANT, "extended_basis": pl.String},
        orient="row",
    )


def reminder_from(plan: Plan) -> pl.DataFrame:
    """due_at of every deadline, due_day and due_text (the day, and until what time) in the plan's time zone, remind_at:
    from when on a department is reminded of what is due then. Empty where policy reminds of nothing."""
    schema: dict[str, Any] = {"due_at": INSTANT, "due_day": pl.Date, "due_text": pl.String, "remind_at": INSTANT}
    policy, zone = plan.policy.reminders, ZoneInfo(plan.head.timezone)
    if policy is None:
        return pl.DataFrame(schema=schema)
    rows = []
    for at in sorted({*_due(plan)["due_at"], *_extension(plan)["extended_at"]}):
        local = at.astimezone(zone)
        at_midnight = local.time() == dt.time()
        day = local.date() - workdays.DAY if at_midnight else local.date()
        if policy.due_soon_days is None:
            first = workdays.before(day, policy.due_soon_working_days or 0, plan.policy.calendar)
        else:
            first = day - workdays.DAY * policy.due_soon_days
        text = f"{day} {'24:00' if at_midnight else f'{local:%H:%M}'}"
        rows.append((at, day, text, dt.datetime.combine(first, dt.time(), zone)))
    return pl.DataFrame(rows, schema=schema, orient="row")


def filing_due(plan: Plan, periods: pl.DataFrame) -> pl.DataFrame:
    """quarter, period_start, period_end, certify_by, certify_basis, lock_at, lock_basis (null: never locked) of the plan's quarters;
    none where the policy has no filing."""
    rows: list[tuple[Any, ...]] = []
    if filing := plan.policy.filing:
        for q in periods.filter((pl.col("span") == "quarter") & pl.col("in_plan")).to_dicts():
            certify = _counted(plan, filing.certify, "certify", q["period_end"])
            lock = _counted(plan, filing.lock, "lock", q["period_end"]) if filing.lock else None
            locked = (lock.at, lock.basis) if lock else (None, None)
            rows.append((q["period"], q["period_start"], q["period_end"], certify.at, certify.basis, *locked))
    schema: dict[str, Any] = {
        "quarter": pl.String, "period_start": pl.Date, "period_end": pl.Date, "certify_by": INSTANT, "certify_basis": pl.String,
        "lock_at": INSTANT, "lock_basis": pl.String,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


def _counted(plan: Plan, deadline: Deadline, line: str, day: dt.date) -> workdays.Due:
    return workdays.counted(deadline, plan.policy.calendar, plan.head.timezone, f"policy.filing.{line}", day)


def reopening(plan: Plan) -> pl.DataFrame:
    """department, quarter, opens_at, closes_at, basis: when a locked quarter takes corrections again."""
    zone = ZoneInfo(plan.head.timezone)
    rows = [
        (
            r.department,
            r.quarter,
            dt.datetime.combine(r.opens, dt.time(), zone),
            workdays.closing(r.until, "afternoon", plan.head.timezone),
            f"policy.filing.reopened: until {r.until}, by {r.by}: {r.why}",
        )
        for r in (plan.policy.filing.reopened if plan.policy.filing else [])
    ]
    schema: dict[str, Any] = {
        "department": pl.String, "quarter": pl.String, "opens_at": INSTANT, "closes_at": INSTANT, "basis": pl.String,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")
