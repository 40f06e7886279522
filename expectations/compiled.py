"""A plan compiled to tables: all that judging and the marts join against, and nothing typed by hand.

`compiled(plan)` is a function of the plan alone: same plan, same tables, byte for byte.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Sequence
from decimal import Decimal
from statistics import NormalDist
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from expectations import owed, scores
from expectations.model import Baseline, Indicator, Plan, Target
from expectations.owed import INSTANT
from expectations.periods import MONTHS, calendar_of, period, year_of
from expectations.policy import Forecast
from expectations.rules import RULES
from expectations.units import Unit, unit

SPANS = {"month": "month", "quarter": "quarter", "year": "year", "event": "month"}
MEASURES = {"当期": "period", "本期": "period", "当月": "period", "当季": "period", "累计": "ytd", "本年累计": "ytd",
            "期末": "end", "时点": "end", "同比": "yoy", "同比增长": "yoy", "占比": "share", "比重": "share",
            "位次": "rank", "排名": "rank"} | {m: m for m in ("period", "ytd", "end", "yoy", "share", "rank")}  # fmt: skip


_latest: tuple[Plan, dict[str, pl.DataFrame]] | None = None


def compiled(plan: Plan) -> dict[str, pl.DataFrame]:
    """Tables by name: plan, capability, department, department_name, area, indicator, indicator_name, indicator_area, measure, period,
    target, target_version, trajectory, obligation, due_line, reminder_from, plausible, published, baseline, indicator_reporter, identity, plausible_points, threshold, pace, score_rule, score_weight,
    index_dimension, rule.

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
    versions = _target_version(plan, units)
    target = versions.filter(pl.col("valid_to").is_null()).drop("since", "valid_from", "valid_to")
    trajectory = _trajectory(plan, versions, periods)
    obligation = owed.obligation(plan, indicator, indicator_area, periods, target)
    rule = plan.policy.plausible
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
        "target_version": versions,
        "trajectory": trajectory,
        "obligation": obligation,
        "due_line": owed.due_line(obligation),
        "reminder_from": owed.reminder_from(plan),
        "plausible": _plausible(plan, units, periods),
        "published": _figures(plan, [*plan.published, *plan.baselines], units),
        "baseline": _figures(plan, plan.baselines, units),
        "indicator_reporter": pl.DataFrame(
            [
                (i.indicator, d)
                for i in plan.indicators
                for d in [plan.policy.lead_department[i.indicator], *plan.policy.co_reporters.get(i.indicator, [])]
            ],
            schema={"indicator": pl.String, "department": pl.String},
            orient="row",
        ),
        "identity": _identity(plan),
        "filing_due": owed.filing_due(plan, periods),
        "reopening": owed.reopening(plan),
        "plausible_points": pl.DataFrame(
            [("yoy", rule.growth_points), ("share", rule.share_points), ("rank", rule.rank_places)],
            schema={"measure": pl.String, "points": pl.Float64},
            orient="row",
        ),
        "threshold": pl.DataFrame(
            [
                plan.policy.history.model_dump()
                | plan.policy.plausible.model_dump(include={"history_low", "history_high"})
                | {"slip_within": plan.policy.slip_within, "about_tolerance": plan.policy.about_tolerance}
            ]
        ),
        "pace": pl.DataFrame([plan.policy.pace.model_dump()]),
        "forecast_policy": _forecast_policy(plan),
        "status_credit": pl.DataFrame(
            list(plan.policy.status_credit.items()), schema={"status": pl.String, "credit": pl.Float64}, orient="row"
        ),
        "scorecard_weight": pl.DataFrame([dict(plan.policy.scorecard_weights)]),
        **scores.tables(plan),
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
    """period, span, period_start, period_end, year, plan_year (by the year in which it starts), elapsed (share of the
    plan's year gone by its end), remaining (periods still to come in it), in_plan."""
    first_month = plan.head.starts.month
    gone = {m: (m - first_month) % 12 + 1 for m in range(1, 13)}  # months of the plan's year, by the calendar's month
    return pl.DataFrame(
        [
            {
                "period": p.label,
                "span": p.span,
                "period_start": p.start,
                "period_end": p.end,
                "year": p.end.year,
                "plan_year": year_of(p.end, first_month),
                "elapsed": gone[p.end.month] / 12,
                "remaining": (12 - gone[p.end.month]) // MONTHS[p.span],
                "in_plan": p.start >= plan.head.starts,
            }
            for p in calendar_of(plan.head.history_from, plan.head.ends, first_month)
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
                "numerator": i.numerator,
                "denominator": i.denominator,
                "adds_up": i.adds_up,
                "span": SPANS[i.frequency],
                "unit_dimension": units[i.indicator].dimension,
                "unit_factor": units[i.indicator].factor,
                "unit_is_counter": units[i.indicator].is_counter,
            }
            for i in plan.indicators
        ],
        schema_overrides={"possible_low": pl.Float64, "possible_high": pl.Float64}
        | dict.fromkeys(("level", "numerator", "denominator"), pl.String),
    )


def _identity(plan: Plan) -> pl.DataFrame:
    """rule, indicator, part, whole, basis: the figures that follow from two others. A share (Q04) is part over whole; a
    growth rate (Q06) is its level over the level a year before, where policy says that the levels compare."""
    rows = [
        ("Q04", i.indicator, i.numerator, i.denominator, f"plan: indicators.{i.indicator}.numerator, denominator")
        for i in plan.indicators
        if i.numerator
    ] + [
        ("Q06", i.indicator, i.level, i.level, f"plan: indicators.{i.indicator}.level")
        for i in plan.indicators
        if i.level and i.growth_from_levels
    ]
    schema = dict.fromkeys(("rule", "indicator", "part", "whole", "basis"), pl.String)
    return pl.DataFrame(rows, schema=schema, orient="row")


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


def _target_version(plan: Plan, units: dict[str, Unit]) -> pl.DataFrame:
    """Each target as it holds now and as it held in earlier revisions: the contract's columns of `target`, and what the
    marts need: goal and goal_high (what meets it, in the indicator's unit), baseline in the indicator's unit,
    trajectory, goal_direction, tested; since (its first revision), valid_from and valid_to (null: always, still)."""
    zone = ZoneInfo(plan.head.timezone)
    starts = {r.revision: dt.datetime.combine(r.holds_from, dt.time(), zone) for r in plan.head.revisions}
    untested = {t for r in plan.policy.resolutions for t in r.targets if t not in r.tested}
    indicators = {i.indicator: i for i in plan.indicators}
    baselines = _baselines(plan)
    rows: list[dict[str, Any]] = []
    for t in [*plan.targets, *plan.superseded]:
        i, own = indicators[t.indicator], units[t.indicator]
        area = t.area or plan.city
        written = unit(t.unit_read_as or t.unit or "")
        scale = written.factor / own.factor if written else 1.0
        before, before_period = None, t.baseline_period
        if t.baseline is not None:  # the plan's own word goes before a published figure
            before = t.baseline * scale
        elif base := baselines.get((t.indicator, area)):
            before, before_period = base.value * _known(base.unit).factor / own.factor, base.period
        comparator = t.comparator or (None if t.kind == "lost" else ">=" if i.direction == "up" else "<=")
        rows.append(
            {
                "target": t.target,
                "indicator": t.indicator,
                "area": area,
                "plan": plan.head.plan,
                "plan_revision": t.until or plan.head.revision,
                "kind": t.kind,
                "comparator": comparator,
                "comparator_basis": "plan" if t.comparator else f"policy.bare_figure: {plan.policy.bare_figure}",
                "value": t.value,
                "value_high": t.value_high,
                "unit": t.unit,
                "baseline": before,
                "baseline_period": before_period,
                "due": t.due,
                "modality": t.modality,
                "clause": t.clause,
                "clause_offset": t.clause_offset,
                "clause_length": t.clause_length,
                "section": t.section,
                "note": t.note,
                "goal": _goal(t, i, scale, before),
                "goal_high": None if t.value_high is None else t.value_high * scale,
                "tolerance": about(plan, t) * scale,
                "exceeds": t.exceeds,
                "trajectory": _shape(plan, t, i),
                "goal_direction": _direction(t, i, comparator, scale, before),
                "tested": t.target not in untested,
                "since": t.since,
                "valid_from": starts.get(t.since),
                "valid_to": None if t.until is None else starts.get(t.until + 1),
            }
        )  # fmt: skip
    return pl.DataFrame(
        rows,
        infer_schema_length=None,
        schema_overrides=dict.fromkeys(("value", "value_high", "baseline", "goal", "goal_high"), pl.Float64)
        | dict.fromkeys(("baseline_period", "exceeds", "note", "unit", "comparator"), pl.String)
        | {"clause_offset": pl.Int32, "clause_length": pl.Int32, "plan_revision": pl.Int32, "goal_direction": pl.Int32}
        | {"since": pl.Int32, "valid_from": INSTANT, "valid_to": INSTANT},
    )


def _baselines(plan: Plan) -> dict[tuple[str, str], Baseline]:
    """By indicator and area, the latest figure from before the plan."""
    found: dict[tuple[str, str], Baseline] = {}
    for b in plan.baselines:
        key, p = (b.indicator, b.area or plan.city), period(b.period, plan.head.starts.month)
        held = found.get(key) and period(found[key].period, plan.head.starts.month)
        if p and p.end < plan.head.starts and (not held or p.end > held.end):
            found[key] = b
    return found


def _goal(t: Target, i: Indicator, scale: float, before: float | None) -> float | None:
    """What the target asks in the indicator's unit; none where a baseline that it needs is missing.

    Something done is 1. A multiple is of a baseline above zero: nothing is twice as much as zero or as a deficit. What
    a stock is to grow by, it is to have more than at its baseline.
    """
    if t.comparator == "done":
        return 1.0
    if t.value is None:
        return None
    if t.comparator == "multiple":
        return before * t.value if before is not None and before > 0 else None
    if t.kind == "increment" and i.accumulates == "stock":
        return None if before is None else before + t.value * scale
    return t.value * scale


def _direction(t: Target, i: Indicator, comparator: str | None, scale: float, before: float | None) -> int:
    """1: more is better, -1: less is. What must hit a figure comes to it from one side: a flow from zero, a stock from its
    baseline."""
    if comparator in ("<=", "<", "top"):
        return -1
    if comparator in (">=", ">", "exceeds", "done"):
        return 1
    origin = {"flow": 0.0, "stock": before}.get(i.accumulates)
    if comparator in ("=", "between") and origin is not None and t.value is not None:
        if origin < t.value * scale:
            return 1
        if origin > (t.value if t.value_high is None else t.value_high) * scale:
            return -1
    return 1 if i.direction == "up" else -1


def _shape(plan: Plan, t: Target, i: Indicator) -> str:
    """A rate is expected whole at every period, and so is what must exceed another figure of the same period; a dated
    task is expected when it is due and not before; all else as policy says."""
    if t.comparator == "done":
        return "at_due"
    if i.accumulates == "rate" or t.comparator == "exceeds":
        return "whole"
    return plan.policy.trajectory_of.get(t.target, plan.policy.trajectory)


def _trajectory(plan: Plan, target: pl.DataFrame, periods: pl.DataFrame) -> pl.DataFrame:
    """target, since, period, share: how much of the way the trajectory asks by the period's end (1: all of it); remaining:
    how many periods of its span are still to come until the target is due.

    Time is counted in months from the plan's start to the month in which the target is due. `seasonal` stands here as
    the straight line that it falls back to: last year's figures are not the plan's.
    """
    started = plan.head.starts.year * 12 + plan.head.starts.month - 1

    def months(column: str) -> pl.Expr:
        return pl.col(column).dt.year().cast(pl.Int32) * 12 + pl.col(column).dt.month() - started

    time = months("period_end") / months("due")
    quarters = [0.0, *(plan.policy.end_loaded_share or [0.25, 0.5, 0.75, 1.0])]
    loaded = pl.coalesce(
        pl.when(time <= n / 4).then(low + (high - low) * (time * 4 - (n - 1)))
        for n, (low, high) in enumerate(itertools.pairwise(quarters), 1)
    )
    stepped = pl.coalesce(
        *(
            pl.when((pl.col("target") == code) & (pl.col("period_end") >= step.by)).then(step.share)
            for code, steps in plan.policy.steps.items()
            for step in sorted(steps, key=lambda s: s.by, reverse=True)
        ),
        pl.lit(0.0),
    )
    shape, span = pl.col("trajectory"), pl.col("span").replace_strict(MONTHS, return_dtype=pl.Int32)
    return (
        target.select("target", "since", "trajectory", "due")
        .join(periods.filter(pl.col("in_plan")), how="cross")
        .with_columns(
            share=pl.when((shape == "whole") | (pl.col("period_end") >= pl.col("due")))
            .then(1.0)
            .when(shape == "at_due")
            .then(0.0)
            .when(shape == "end_loaded")
            .then(loaded)
            .when(shape == "steps")
            .then(stepped)
            .otherwise(time),
            remaining=((months("due") - months("period_end")).clip(0) + span - 1) // span,
        )
        .select("target", "since", "period", "share", "remaining")
    )


def _forecast_policy(plan: Plan) -> pl.DataFrame:
    """policy.forecast, one row, or none; quantile: of the normal distribution, how many deviations its level reaches."""
    named = plan.policy.forecast
    rows = [] if named is None else [(*named.model_dump().values(), NormalDist().inv_cdf((1 + named.level) / 2))]
    return pl.DataFrame(
        rows, schema=dict.fromkeys([*Forecast.model_fields, "quantile"], pl.Float64), orient="row", strict=False
    )


def _plausible(plan: Plan, units: dict[str, Unit], periods: pl.DataFrame) -> pl.DataFrame:
    """indicator, area, period, plausible_low, plausible_high, plausible_basis, clause: Q01, from targets and baseline;
    usual: what the first target asks by then, the yardstick of a figure's magnitude (Q10).

    Where two targets ask the same of an indicator, the range holds both.
    """
    rule = plan.policy.plausible
    by_indicator: dict[str, Indicator] = {i.indicator: i for i in plan.indicators}
    base = {key: b.value * _known(b.unit).factor / units[b.indicator].factor for key, b in _baselines(plan).items()}
    rows = []
    for t in plan.targets:
        i = by_indicator[t.indicator]
        if t.value is None or t.kind in ("milestone", "multiple"):
            continue
        written = unit(t.unit_read_as or t.unit or "")
        scale = written.factor / units[t.indicator].factor if written else 1.0
        goal = t.value * scale
        key = (t.indicator, t.area or plan.city, t.clause)
        ends = (goal, base.get(key[:2], goal), goal if t.value_high is None else t.value_high * scale)
        if i.accumulates == "flow":
            high = max(ends[0], ends[2]) * rule.flow_high
            rows.append((*key, "flow", goal * rule.flow_low, high, "policy.plausible.flow", goal))
        elif i.accumulates == "stock":
            low, high = (
                end * (factor if end > 0 else 1 / factor)  # away from the target and the baseline, below zero too
                for end, factor in ((min(ends), rule.stock_low), (max(ends), rule.stock_high))
            )
            rows.append((*key, "all", low, high, "policy.plausible.stock", goal))
        else:
            name = {"yoy": "growth_points", "rank": "rank_places"}.get(i.measure, "share_points")
            points = getattr(rule, name)
            rows.append((*key, "all", goal - points, goal + points, f"policy.plausible.{name}", goal))
    bounds = pl.DataFrame(
        rows,
        schema={
            "indicator": pl.String,
            "area": pl.String,
            "clause": pl.String,
            "by": pl.String,
            "low": pl.Float64,
            "high": pl.Float64,
            "plausible_basis": pl.String,
            "usual": pl.Float64,
        },
        orient="row",
    )
    bounds = bounds.group_by("indicator", "area", maintain_order=True).agg(
        pl.col("clause", "by", "plausible_basis", "usual").first(), pl.col("low").min(), pl.col("high").max()
    )
    elapsed = pl.when(pl.col("by") == "flow").then(pl.col("elapsed")).otherwise(1.0)
    lowest, highest = pl.col("low") * elapsed, pl.col("high") * elapsed
    possible = pl.DataFrame(
        [(i.indicator, i.whole_number, i.possible_low, i.possible_high) for i in plan.indicators],
        schema={"indicator": pl.String, "whole": pl.Boolean, "least": pl.Float64, "most": pl.Float64},
        orient="row",
    )
    return (
        bounds.join(possible, on="indicator", maintain_order="left")
        .join(periods, how="cross")
        .select(
            "indicator",
            "area",
            "period",
            # what is counted is none or one before it is many, and nothing is plausible that is not possible
            pl.max_horizontal(pl.when("whole").then(lowest.floor()).otherwise(lowest), "least").alias("plausible_low"),
            pl.min_horizontal(pl.when("whole").then(highest.ceil()).otherwise(highest), "most").alias("plausible_high"),
            (pl.col("usual") * elapsed).alias("usual"),
            "plausible_basis",
            "clause",
        )
    )


def _figures(plan: Plan, figures: Sequence[Baseline], units: dict[str, Unit]) -> pl.DataFrame:
    """Published figures (baselines are published too) in the indicator's own unit; rounding is half of the last digit
    (a quarter of one thing, where whole things are counted)."""
    measures = {i.indicator: i.measure for i in plan.indicators}
    own = {i.indicator: i.unit for i in plan.indicators}
    whole = {i.indicator for i in plan.indicators if i.whole_number}
    rows = []
    for f in figures:
        p = period(f.period, plan.head.starts.month)
        half = _half_a_digit(f) * _known(f.unit).factor / units[f.indicator].factor
        rows.append(
            {
                "indicator": f.indicator,
                "area": f.area or plan.city,
                "period": p.label if p else f.period,
                "measure": getattr(f, "measure", measures[f.indicator]),
                "value": f.value * _known(f.unit).factor / units[f.indicator].factor,
                "rounding": half / 2 if f.indicator in whole and half <= 0.5 else half,
                "unit": own[f.indicator],
                "publisher": f.publisher,
                "published_on": f.published_on,
                "preliminary": f.preliminary,
                "approximate": f.approximate,
                "tier": f.tier,
                "note": f.note,
            }
        )
    schema = {
        "indicator": pl.String, "area": pl.String, "period": pl.String, "measure": pl.String, "value": pl.Float64,
        "rounding": pl.Float64, "unit": pl.String, "publisher": pl.String, "published_on": pl.Date, "preliminary": pl.Boolean,
        "approximate": pl.Boolean, "tier": pl.String, "note": pl.String,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema)


def _half_a_digit(f: Baseline) -> float:
    shown = Decimal(repr(f.value)).normalize().as_tuple().exponent
    decimals = f.decimals if f.decimals is not None else max(0, -shown) if isinstance(shown, int) else 0
    return float(Decimal(5).scaleb(-decimals - 1))
