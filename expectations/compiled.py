"""A plan compiled to tables: all that judging and the marts join against, and nothing typed by hand.

`compiled(plan)` is a function of the plan alone: same plan, same tables, byte for byte.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from expectations.model import Baseline, Indicator, Plan, Target
from expectations.periods import MONTHS, calendar_of, period
from expectations.rules import RULES
from expectations.units import Unit, unit

SPANS = {"month": "month", "quarter": "quarter", "year": "year", "event": "year"}
MEASURES = {"当期": "period", "本期": "period", "当月": "period", "当季": "period", "累计": "ytd", "本年累计": "ytd",
            "期末": "end", "时点": "end", "同比": "yoy", "同比增长": "yoy", "占比": "share", "比重": "share",
            "位次": "rank", "排名": "rank"} | {m: m for m in ("period", "ytd", "end", "yoy", "share", "rank")}  # fmt: skip


_latest: tuple[Plan, dict[str, pl.DataFrame]] | None = None


def compiled(plan: Plan) -> dict[str, pl.DataFrame]:
    """Tables by name: plan, capability, department, department_name, area, indicator, indicator_name, indicator_area, measure, period,
    target, trajectory, obligation, plausible, published, baseline, pace, rule.

    A night asks for the same plan several times and the obligations of many areas are millions: the latest is remembered.
    """
    global _latest
    if _latest is None or _latest[0] is not plan:
        _latest = plan, _compiled(plan)
    return dict(_latest[1])


def _compiled(plan: Plan) -> dict[str, pl.DataFrame]:
    units = {i.indicator: _known(i.unit) for i in plan.indicators}
    periods = _periods(plan)
    indicator = _indicator(plan, units)
    indicator_area = pl.DataFrame(
        [(i.indicator, a) for i in plan.indicators for a in (i.areas or [plan.city])],
        schema={"indicator": pl.String, "area": pl.String},
        orient="row",
    )
    target = _target(plan, units)
    trajectory = _trajectory(target, periods)
    return {
        "plan": pl.DataFrame(
            [
                {
                    "plan": plan.head.plan,
                    "plan_revision": plan.head.revision,
                    "name_zh": plan.head.name_zh,
                    "name_en": plan.head.name_en,
                    "starts": plan.head.starts,
                    "ends": plan.head.ends,
                    "history_from": plan.head.history_from,
                    "city": plan.city,
                    "zone": plan.head.timezone,
                    "digest": plan.digest,
                }
            ]
        ),
        "capability": pl.DataFrame([c.model_dump() for c in plan.head.capabilities]),
        "department": pl.DataFrame([d.model_dump(exclude={"aliases"}) for d in plan.departments]),
        "department_name": pl.DataFrame(
            [(n, d.department) for d in plan.departments for n in {d.department, d.name_zh, d.name_en, *d.aliases}],
            schema={"name": pl.String, "department": pl.String},
            orient="row",
        ).sort("name"),
        "area": pl.DataFrame([a.model_dump() for a in plan.head.areas]),
        "indicator": indicator,
        "indicator_name": _indicator_name(plan),
        "indicator_area": indicator_area,
        "measure": pl.DataFrame(list(MEASURES.items()), schema={"text": pl.String, "measure": pl.String}, orient="row"),
        "period": periods,
        "target": target,
        "trajectory": trajectory,
        "obligation": _obligation(plan, indicator, indicator_area, periods),
        "plausible": _plausible(plan, units, periods),
        "published": _figures(plan, [*plan.published, *plan.baselines], units),
        "baseline": _figures(plan, plan.baselines, units),
        "pace": pl.DataFrame([plan.policy.pace.model_dump()]),
        "status_credit": pl.DataFrame(
            list(plan.policy.status_credit.items()), schema={"status": pl.String, "credit": pl.Float64}, orient="row"
        ),
        "scorecard_weight": pl.DataFrame([dict(plan.policy.scorecard_weights)]),
        "rule": pl.DataFrame(
            [rule.row() for rule in RULES.values()], schema_overrides={"active_from": pl.Date, "active_to": pl.Date}
        ).with_columns(active_from=pl.lit(plan.head.starts)),
    }


def _known(text: str) -> Unit:
    found = unit(text)
    if found is None:  # load_plan has refused such a plan
        raise ValueError(f"unknown unit {text}")
    return found


def _periods(plan: Plan) -> pl.DataFrame:
    """period, span, period_start, period_end, year, elapsed (share of the year gone by its end), in_plan."""
    return pl.DataFrame(
        [
            {
                "period": p.label,
                "span": p.span,
                "period_start": p.start,
                "period_end": p.end,
                "year": p.end.year,
                "elapsed": p.end.month / 12,
                "remaining": (12 - p.end.month) // MONTHS[p.span],
                "in_plan": p.start >= plan.head.starts,
            }
            for p in calendar_of(plan.head.history_from, plan.head.ends)
        ]
    )


def _indicator(plan: Plan, units: dict[str, Unit]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "indicator": i.indicator,
                "name_zh": i.name_zh,
                "name_en": i.name_en,
                "unit": i.unit,
                "measure": i.measure,
                "direction": i.direction,
                "frequency": i.frequency,
                "capability": i.capability,
                "chapter": i.chapter,
                "lead_department": plan.policy.lead_department[i.indicator],
                "accumulates": i.accumulates,
                "possible_low": i.possible_low,
                "possible_high": i.possible_high,
                "whole_number": i.whole_number,
                "level": i.level,
                "growth_from_levels": i.growth_from_levels,
                "span": SPANS[i.frequency],
                "unit_dimension": units[i.indicator].dimension,
                "unit_factor": units[i.indicator].factor,
                "unit_is_counter": units[i.indicator].is_counter,
            }
            for i in plan.indicators
        ],
        schema_overrides={"possible_low": pl.Float64, "possible_high": pl.Float64, "level": pl.String},
    )


def _indicator_name(plan: Plan) -> pl.DataFrame:
    """name (normalised by the judge the same way) to indicator; a name that two indicators share resolves to neither."""
    names = pl.DataFrame(
        [(name, i.indicator) for i in plan.indicators for name in {i.name_zh, i.name_en, *i.aliases}],
        schema={"name": pl.String, "indicator": pl.String},
        orient="row",
    )
    return names.filter(pl.len().over("name") == 1).sort("name")


def about(plan: Plan, t: Target) -> float:
    return abs(t.value or 0.0) * plan.policy.about_tolerance if t.comparator == "~" else 0.0


def _target(plan: Plan, units: dict[str, Unit]) -> pl.DataFrame:
    """The contract's columns, and what the marts need: goal_low and goal_high (what meets it, in the indicator's unit,
    strict or not), goal (the figure itself), baseline in the indicator's unit, trajectory."""
    indicators = {i.indicator: i for i in plan.indicators}
    baselines = {(b.indicator, b.area or plan.city): b for b in plan.baselines}
    rows: list[dict[str, Any]] = []
    for t in plan.targets:
        i, own = indicators[t.indicator], units[t.indicator]
        area = t.area or plan.city
        written = unit(t.unit_read_as or t.unit or "")
        scale = written.factor / own.factor if written else 1.0
        base = baselines.get((t.indicator, area))
        before = base.value * _known(base.unit).factor / own.factor if base else None
        comparator = t.comparator or (None if t.kind == "lost" else ">=" if i.direction == "up" else "<=")
        goal = None if t.value is None else t.value * scale
        rows.append(
            {
                "target": t.target,
                "indicator": t.indicator,
                "area": area,
                "plan": plan.head.plan,
                "plan_revision": plan.head.revision,
                "kind": t.kind,
                "comparator": comparator,
                "comparator_basis": "plan" if t.comparator else f"policy.bare_figure: {plan.policy.bare_figure}",
                "value": t.value,
                "value_high": t.value_high,
                "unit": t.unit,
                "baseline": before,
                "baseline_period": base.period if base else None,
                "due": t.due,
                "modality": t.modality,
                "clause": t.clause,
                "clause_offset": t.clause_offset,
                "clause_length": t.clause_length,
                "section": t.section,
                "note": t.note,
                "goal": before * t.value if goal is not None and comparator == "multiple" and before is not None and t.value
                else None if comparator == "multiple" else goal,
                "goal_high": None if t.value_high is None else t.value_high * scale,
                "tolerance": about(plan, t) * scale,
                "exceeds": t.exceeds,
                "trajectory": "whole" if i.accumulates == "rate" else plan.policy.trajectory_of.get(t.target, plan.policy.trajectory),
                "goal_direction": {"<=": -1, "<": -1, "top": -1}.get(comparator or "", 1 if comparator in (">=", ">", "multiple", "exceeds") or i.direction == "up" else -1),
            }
        )  # fmt: skip
    return pl.DataFrame(
        rows,
        infer_schema_length=None,
        schema_overrides=dict.fromkeys(("value", "value_high", "baseline", "goal", "goal_high"), pl.Float64)
        | dict.fromkeys(("baseline_period", "exceeds", "note", "unit", "comparator"), pl.String)
        | {"clause_offset": pl.Int32, "clause_length": pl.Int32, "plan_revision": pl.Int32, "goal_direction": pl.Int32},
    )


def _trajectory(target: pl.DataFrame, periods: pl.DataFrame) -> pl.DataFrame:
    """target, period, share: how much of the way the trajectory asks by the period's end (1: all of it)."""
    return (
        target.select("target", "trajectory", "due")
        .join(periods.filter(pl.col("in_plan")), how="cross")
        .with_columns(
            share=pl.when((pl.col("trajectory") == "whole") | (pl.col("period_end") >= pl.col("due")))
            .then(1.0)
            .otherwise(pl.col("period_end").dt.month() / pl.col("due").dt.month())
        )
        .select("target", "period", "share")
    )


def _obligation(
    plan: Plan, indicator: pl.DataFrame, indicator_area: pl.DataFrame, periods: pl.DataFrame
) -> pl.DataFrame:
    """department, indicator, area, period, due_at: what is owed, for the plan's own year."""
    zone = ZoneInfo(plan.head.timezone)
    deadlines = pl.DataFrame(
        [(span, policy.days) for span, policy in plan.policy.deadlines.items()],
        schema={"frequency": pl.String, "days": pl.Int64},
        orient="row",
    )
    midnight = dt.time(tzinfo=zone)
    due = (
        periods.filter(pl.col("in_plan"))
        .join(deadlines, how="cross")
        .with_columns(due_on=pl.col("period_end") + pl.duration(days=pl.col("days") + 1))
    )
    instants = {d: dt.datetime.combine(d, midnight) for d in due["due_on"].unique().to_list()}
    due = due.with_columns(
        due_at=pl.col("due_on")
        .replace_strict(instants, return_dtype=pl.Datetime("us", plan.head.timezone))
        .dt.convert_time_zone("UTC")
    )
    return (  # in the order of department, indicator, area, period: the small tables are sorted, the joins keep it
        indicator.filter(pl.col("frequency") != "event")
        .sort("lead_department", "indicator")
        .join(indicator_area.sort("area"), on="indicator", maintain_order="left_right")
        .join(due.sort("period"), on=["span", "frequency"], maintain_order="left_right")
        .select(pl.col("lead_department").alias("department"), "indicator", "area", "period", "period_end", "due_at")
    )


def _plausible(plan: Plan, units: dict[str, Unit], periods: pl.DataFrame) -> pl.DataFrame:
    """indicator, period, plausible_low, plausible_high, plausible_basis: Q01, derived from target and baseline."""
    rule = plan.policy.plausible
    by_indicator: dict[str, Indicator] = {i.indicator: i for i in plan.indicators}
    base = {b.indicator: b.value * _known(b.unit).factor / units[b.indicator].factor for b in plan.baselines}
    rows = []
    for t in plan.targets:
        i = by_indicator[t.indicator]
        if t.value is None or t.kind in ("milestone", "multiple"):
            continue
        written = unit(t.unit_read_as or t.unit or "")
        goal = t.value * (written.factor / units[t.indicator].factor if written else 1.0)
        ends = (goal, base.get(t.indicator, goal))
        if i.accumulates == "flow":
            rows.append((t.indicator, "flow", goal * rule.flow_low, goal * rule.flow_high, "policy.plausible.flow"))
        elif i.accumulates == "stock":
            rows.append(
                (t.indicator, "all", min(ends) * rule.stock_low, max(ends) * rule.stock_high, "policy.plausible.stock")
            )
        else:
            name = {"yoy": "growth_points", "rank": "rank_places"}.get(i.measure, "share_points")
            points = getattr(rule, name)
            rows.append((t.indicator, "all", goal - points, goal + points, f"policy.plausible.{name}"))
    bounds = pl.DataFrame(
        rows,
        schema={
            "indicator": pl.String,
            "by": pl.String,
            "low": pl.Float64,
            "high": pl.Float64,
            "plausible_basis": pl.String,
        },
        orient="row",
    ).unique("indicator", keep="first", maintain_order=True)
    elapsed = pl.when(pl.col("by") == "flow").then(pl.col("elapsed")).otherwise(1.0)
    return bounds.join(periods, how="cross").select(
        "indicator",
        "period",
        (pl.col("low") * elapsed).alias("plausible_low"),
        (pl.col("high") * elapsed).alias("plausible_high"),
        "plausible_basis",
    )


def _figures(plan: Plan, figures: Sequence[Baseline], units: dict[str, Unit]) -> pl.DataFrame:
    """Published figures (baselines are published too) in the indicator's own unit."""
    measures = {i.indicator: i.measure for i in plan.indicators}
    own = {i.indicator: i.unit for i in plan.indicators}
    rows = []
    for f in figures:
        p = period(f.period)
        rows.append(
            {
                "indicator": f.indicator,
                "area": f.area or plan.city,
                "period": p.label if p else f.period,
                "measure": getattr(f, "measure", measures[f.indicator]),
                "value": f.value * _known(f.unit).factor / units[f.indicator].factor,
                "unit": own[f.indicator],
                "publisher": f.publisher,
                "published_on": f.published_on,
                "preliminary": getattr(f, "preliminary", False),
                "approximate": getattr(f, "approximate", False),
                "tier": f.tier,
                "note": f.note,
            }
        )
    schema = {
        "indicator": pl.String, "area": pl.String, "period": pl.String, "measure": pl.String, "value": pl.Float64,
        "unit": pl.String, "publisher": pl.String, "published_on": pl.Date, "preliminary": pl.Boolean,
        "approximate": pl.Boolean, "tier": pl.String, "note": pl.String,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema)
