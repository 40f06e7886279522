"""How scores are made, as tables: what each score is made of, with which weights, and how its parts become one figure.

A score's subject is a capability, a department, a department's attainment, a dimension of an index, or an index. All of
it is policy but the names of the indices and of their dimensions, which are the plan's word.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import polars as pl

from expectations.model import Plan, Target
from expectations.policy import IndexPart, Scoring, TargetScoring

Fault = tuple[str, tuple[str | int, ...], str]


class Component(NamedTuple):
    """A part of a score. made_of_kind, made_of: the subject whose own score it is."""

    component_kind: str
    component: str
    weight: float
    basis: str
    normalisation: str = "as_is"
    target: str | None = None
    worst: float | None = None
    best: float | None = None
    made_of_kind: str | None = None
    made_of: str | None = None


class Subject(NamedTuple):
    """What has a score. ranked_among: the subjects that it is ranked with; none: it is not ranked."""

    subject_kind: str
    subject: str
    ranked_among: str | None
    how: Scoring
    basis: str
    components: list[Component]


RULE = {
    "subject_kind": pl.String, "subject": pl.String, "ranked_among": pl.String, "aggregation": pl.String, "missing": pl.String,
    "least_share": pl.Float64, "lowest": pl.Float64, "highest": pl.Float64, "moved_by": pl.Float64, "basis": pl.String,
}  # fmt: skip
WEIGHT = {
    "subject_kind": pl.String, "subject": pl.String, "component_kind": pl.String, "component": pl.String, "weight": pl.Float64,
    "basis": pl.String, "normalisation": pl.String, "target": pl.String, "worst": pl.Float64, "best": pl.Float64,
    "made_of_kind": pl.String, "made_of": pl.String,
}  # fmt: skip
DIMENSION = {
    "index": pl.String, "index_zh": pl.String, "index_en": pl.String, "number": pl.Int32, "dimension": pl.String,
    "name_zh": pl.String, "name_en": pl.String, "clause": pl.String, "clause_offset": pl.Int32,
}  # fmt: skip


def tables(plan: Plan) -> dict[str, pl.DataFrame]:
    """score_rule: a row per subject, how its parts become a score. score_weight: a row per part of it. index_dimension:
    the plan's indices and their dimensions, in the plan's order."""
    subjects = list(_subjects(plan))
    moved = plan.policy.scores.moved_by
    return {
        "score_rule": pl.DataFrame(
            [
                (s.subject_kind, s.subject, s.ranked_among, s.how.aggregation, s.how.missing, s.how.least_share, s.how.lowest,
                 s.how.highest, moved, s.basis)
                for s in subjects
            ],
            schema=RULE,
            orient="row",
        ),
        "score_weight": pl.DataFrame(
            [(s.subject_kind, s.subject, *c) for s in subjects for c in s.components], schema=WEIGHT, orient="row"
        ),
        "index_dimension": pl.DataFrame(
            [
                (i.index, i.name_zh, i.name_en, n, d.dimension, d.name_zh, d.name_en, i.clause, i.clause_offset)
                for i in plan.head.indices
                for n, d in enumerate(i.dimensions, 1)
            ],
            schema=DIMENSION,
            orient="row",
        ),
    }  # fmt: skip


def _subjects(plan: Plan) -> Iterator[Subject]:
    policy, scores = plan.policy, plan.policy.scores
    tested = [t for t in plan.targets if is_tested(plan, t)]
    capability = {i.indicator: i.capability for i in plan.indicators}
    for c in plan.head.capabilities:
        own = [t for t in tested if capability[t.indicator] == c.capability]
        basis = "policy.scores.capability"
        yield Subject(
            "capability", c.capability, "capability", scores.capability, basis, _targets(own, scores.capability, basis)
        )
    for d in plan.departments:
        own = [t for t in tested if policy.lead_department[t.indicator] == d.department]
        basis = "policy.scores.attainment"
        yield Subject(
            "attainment", d.department, None, scores.attainment, basis, _targets(own, scores.attainment, basis)
        )
        parts = [
            Component("part", name, weight, f"policy.scorecard_weights.{name}")
            if name != "attainment"
            else Component("part", name, weight, f"policy.scorecard_weights.{name}", made_of_kind=name, made_of=d.department)
            for name, weight in policy.scorecard_weights.items()
        ]  # fmt: skip
        yield Subject("department", d.department, "department", scores.department, "policy.scores.department", parts)
    for code, made in policy.indices.items():
        basis = f"policy.indices.{code}"
        of_index = []
        for name, of in made.dimensions.items():
            where = f"{basis}.dimensions.{name}"
            of_index.append(
                Component("dimension", name, of.weight, f"{where}.weight", made_of_kind="dimension", made_of=name)
            )
            yield Subject("dimension", name, code, of, where, [_indicator(plan, part, where) for part in of.indicators])
        yield Subject("index", code, None, made, basis, of_index)


def _targets(targets: Iterable[Target], how: TargetScoring, basis: str) -> list[Component]:
    return [
        Component(
            "target",
            t.target,
            how.weights.get(t.target, 1.0),
            f"{basis}.weights.{t.target}" if t.target in how.weights else f"{basis}.weights: equal",
            how.normalise,
            t.target,
        )
        for t in targets
    ]


def _indicator(plan: Plan, part: IndexPart, where: str) -> Component:
    target = next((t.target for t in standing_for(plan, part)), None)  # load_plan has refused a plan without
    basis = f"{where}.indicators.{part.indicator}"
    return Component("indicator", part.indicator, part.weight, basis, part.normalise, target, part.worst, part.best)


def is_tested(plan: Plan, t: Target) -> bool:
    return not any(t.target in r.targets and t.target not in r.tested for r in plan.policy.resolutions)


def standing_for(plan: Plan, part: IndexPart) -> list[Target]:
    """The city's targets through which the index reads the indicator: the one that is named, or those that are tested."""
    own = [t for t in plan.targets if t.indicator == part.indicator and (t.area or plan.city) == plan.city]
    return [t for t in own if t.target == part.target or (part.target is None and is_tested(plan, t))]


def faults(plan: Plan) -> Iterator[Fault]:
    """What policy says of scores that no figure could bear out: names that point nowhere, parts that are given twice."""
    targets = {t.target: t for t in plan.targets}
    for kind, how in (("capability", plan.policy.scores.capability), ("attainment", plan.policy.scores.attainment)):
        for code in how.weights:
            at = ("scores", kind, "weights", code)
            if code not in targets:
                yield "policy.yaml", at, f"{code} is not a target"
            elif not is_tested(plan, targets[code]):
                yield "policy.yaml", at, f"{code} takes no part in scores: a resolution tests another target"
    if not any(plan.policy.scorecard_weights.values()):
        yield "policy.yaml", ("scorecard_weights",), "no part has a weight"
    seen: set[str] = set()
    for n, index in enumerate(plan.head.indices):
        if index.index in {i.index for i in plan.head.indices[:n]}:
            yield "plan.yaml", ("indices", n, "index"), f"index {index.index} is given twice"
        for m, d in enumerate(index.dimensions):
            if d.dimension in seen:
                yield "plan.yaml", ("indices", n, "dimensions", m), f"dimension {d.dimension} is given twice"
            seen.add(d.dimension)
        if index.index not in plan.policy.indices:
            yield "policy.yaml", ("indices",), f"nothing says what index {index.index} of plan.yaml is made of"
    named = {i.index: {d.dimension for d in i.dimensions} for i in plan.head.indices}
    indicators = {i.indicator for i in plan.indicators}
    for code, made in plan.policy.indices.items():
        if code not in named:
            yield "policy.yaml", ("indices", code), f"{code} is not an index of plan.yaml"
            continue
        for dimension in sorted(named[code] - made.dimensions.keys()):
            yield "policy.yaml", ("indices", code, "dimensions"), f"dimension {dimension} of plan.yaml is missing"
        if not any(d.weight for d in made.dimensions.values()):
            yield "policy.yaml", ("indices", code, "dimensions"), "no dimension has a weight"
        for dimension, part in made.dimensions.items():
            at = ("indices", code, "dimensions", dimension)
            if dimension not in named[code]:
                yield "policy.yaml", at, f"{dimension} is not a dimension of {code} in plan.yaml"
            if not any(i.weight for i in part.indicators):
                yield "policy.yaml", (*at, "indicators"), "no indicator has a weight"
            yield from _part_faults(plan, (*at, "indicators"), part.indicators, indicators)


def _part_faults(
    plan: Plan, at: tuple[str | int, ...], parts: list[IndexPart], indicators: set[str]
) -> Iterator[Fault]:
    for n, part in enumerate(parts):
        if part.indicator not in indicators:
            yield "policy.yaml", (*at, n, "indicator"), f"{part.indicator} is not an indicator"
            continue
        if part.indicator in {p.indicator for p in parts[:n]}:
            yield "policy.yaml", (*at, n, "indicator"), f"{part.indicator} is given twice"
        found = standing_for(plan, part)
        if len(found) == 1:
            continue
        if part.target is not None:
            yield "policy.yaml", (*at, n, "target"), f"{part.target} is not a target of {part.indicator} for the city"
        elif found:
            several = ", ".join(t.target for t in found)
            yield "policy.yaml", (*at, n, "indicator"), f"{part.indicator} has several targets, name one: {several}"
        else:
            yield "policy.yaml", (*at, n, "indicator"), f"no target of the city's tests {part.indicator}: name one that is not tested, or leave it out"  # fmt: skip
