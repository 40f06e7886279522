"""A plan's folder read into the model; what is wrong with it is named by file and line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from expectations import scores, workdays
from expectations.model import Baseline, Department, Indicator, NoTarget, Plan, PlanHead, Published, Target
from expectations.periods import calendar_of, period
from expectations.policy import Policy
from expectations.units import unit

PLANS = Path(__file__).parent / "plans"

FILES: dict[str, Any] = {
    "plan.yaml": PlanHead,
    "departments.yaml": list[Department],
    "indicators.yaml": list[Indicator],
    "targets.yaml": list[Target],
    "baselines.yaml": list[Baseline],
    "published.yaml": list[Published],
    "policy.yaml": Policy,
    "numerals.yaml": list[NoTarget],
}
FIELDS = {"plan.yaml": "head"}


class PlanError(Exception):
    """A plan that cannot be compiled. The message has a line per fault: file, line, field, what is wrong."""


def load_plan(folder: Path) -> Plan:
    """The plan in `folder` (see docs/plans.md for its files). Raises PlanError."""
    try:
        return _loaded(folder, _quickly)
    except PlanError:  # read once more by the parser that knows lines; twenty times slower, its word decides
        return _loaded(folder, YAML(typ="rt").load)


def _quickly(text: str) -> Any:
    try:
        return yaml.load(text, Loader=yaml.CSafeLoader)  # type: ignore[no-untyped-call]
    except yaml.YAMLError as e:
        raise PlanError(str(e)) from e


def _loaded(folder: Path, parsed: Callable[[str], Any]) -> Plan:
    parts: dict[str, Any] = {}
    faults: list[str] = []
    digest = hashlib.sha256()
    for name, shape in FILES.items():
        path = folder / name
        if not path.is_file():
            raise PlanError(f"{path}: missing; a plan's folder holds {', '.join(FILES)}")
        content = path.read_bytes()
        digest.update(name.encode() + b"\0" + content)
        try:
            tree = parsed(content.decode("utf-8"))
        except (MarkedYAMLError, UnicodeDecodeError) as e:
            raise PlanError(f"{path}: {e}") from e
        try:
            parts[FIELDS.get(name, name.removesuffix(".yaml"))] = TypeAdapter(shape).validate_python(tree)
        except ValidationError as e:
            faults += [
                f"{path}:{line_of(tree, fault['loc'])}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}"
                for fault in e.errors()
            ]
            continue
        parts[f"{name}:tree"] = tree
    if faults:
        raise PlanError("\n".join(faults))
    trees = {name: parts.pop(f"{name}:tree") for name in FILES}
    versions: list[Target] = parts.pop("targets")
    parts["targets"] = [t for t in versions if t.until is None]
    parts["superseded"] = [t for t in versions if t.until is not None]
    plan = Plan(**parts, digest=digest.hexdigest())
    found = [*disagreements(plan, versions), *misnumbered(plan, versions)]
    faults = [f"{folder / name}:{line_of(trees[name], loc)}: {message}" for name, loc, message in found]
    if faults:
        raise PlanError("\n".join(faults))
    return plan


def line_of(tree: Any, loc: Iterable[str | int]) -> int:
    """The line (from 1) of the deepest node on the way `loc` that the YAML tree knows."""
    line = 0
    for step in loc:
        marks = getattr(tree, "lc", None)
        if marks is None or marks.data is None or step not in marks.data:
            break
        line = marks.data[step][0]
        tree = tree[step]
    return line + 1


def misnumbered(plan: Plan, versions: Sequence[Target]) -> Iterable[tuple[str, tuple[str | int, ...], str]]:
    """Versions of a target that overlap, or that name a revision that the plan does not have."""
    held: dict[tuple[str, int], int] = {}
    for n, t in enumerate(versions):
        last = plan.head.revision if t.until is None else t.until
        if not t.since <= last <= plan.head.revision:
            yield (
                "targets.yaml",
                (n,),
                f"{t.target} holds from revision {t.since} to {last}; the plan is at {plan.head.revision}",
            )
        for revision in range(t.since, last + 1):
            if held.setdefault((t.target, revision), n) != n:
                yield "targets.yaml", (n,), f"target {t.target} is given twice in revision {revision}"


def disagreements(plan: Plan, versions: Sequence[Target]) -> Iterable[tuple[str, tuple[str | int, ...], str]]:
    """Faults that no file shows alone: codes that point nowhere, units that measure something else, doubles."""
    indicators = {i.indicator: i for i in plan.indicators}
    departments = {d.department for d in plan.departments}
    capabilities = {c.capability for c in plan.head.capabilities}
    areas = {a.area for a in plan.head.areas}
    for name, rows, key in (
        ("indicators.yaml", plan.indicators, "indicator"),
        ("departments.yaml", plan.departments, "department"),
    ):
        seen: set[str] = set()
        for n, row in enumerate(rows):
            code = getattr(row, key)
            if code in seen:
                yield name, (n,), f"{key} {code} is given twice"
            seen.add(code)
    if plan.city not in areas:
        yield "plan.yaml", ("city",), f"city {plan.city} is not among areas"
    for n, i in enumerate(plan.indicators):
        at: tuple[str | int, ...] = (n,)
        if unit(i.unit) is None:
            yield "indicators.yaml", (*at, "unit"), f"unit {i.unit} of {i.indicator} is unknown"
        if i.capability not in capabilities:
            yield "indicators.yaml", (*at, "capability"), f"capability {i.capability} is not in plan.yaml"
        if i.level is not None and i.level not in indicators:
            yield "indicators.yaml", (*at, "level"), f"level {i.level} is not an indicator"
        if i.denominator is not None and not {i.numerator, i.denominator} <= indicators.keys():
            yield "indicators.yaml", (*at, "numerator"), f"{i.numerator} or {i.denominator} is not an indicator"
        for a in i.areas:
            if a not in areas:
                yield "indicators.yaml", (*at, "areas"), f"area {a} is not in plan.yaml"
        if i.adds_up and plan.city not in i.areas:
            yield (
                "indicators.yaml",
                (*at, "adds_up"),
                f"{i.indicator} adds up to {plan.city}, which is not among its areas",
            )
        if plan.policy.lead_department.get(i.indicator) not in departments:
            yield "policy.yaml", ("lead_department",), f"lead_department of {i.indicator} is missing or unknown"
    for code in plan.policy.lead_department:
        if code not in indicators:
            yield "policy.yaml", ("lead_department", code), f"{code} is not an indicator"
    for code, others in plan.policy.co_reporters.items():
        if code not in indicators:
            yield "policy.yaml", ("co_reporters", code), f"{code} is not an indicator"
        if unknown := sorted(set(others) - departments | set(others) & {plan.policy.lead_department.get(code, "")}):
            yield "policy.yaml", ("co_reporters", code), f"not another department: {', '.join(unknown)}"
    targets = {t.target for t in plan.targets}
    for n, r in enumerate(plan.policy.resolutions):
        if unknown := sorted(set(r.targets) - targets):
            yield "policy.yaml", ("resolutions", n, "targets"), f"no target is called {', '.join(unknown)}"
    for frequency in sorted({i.frequency for i in plan.indicators} - set(plan.policy.deadlines)):
        yield "policy.yaml", ("deadlines",), f"there is no deadline for frequency {frequency}"
    for code in sorted(set(plan.policy.trajectory_of) - {t.target for t in versions}):
        yield "policy.yaml", ("trajectory_of", code), f"{code} is not a target"
    for n, t in enumerate(versions):
        if t.indicator not in indicators:
            yield "targets.yaml", (n, "indicator"), f"{t.indicator} is not an indicator"
            continue
        if t.exceeds is not None and t.exceeds not in indicators:
            yield "targets.yaml", (n, "exceeds"), f"{t.exceeds} is not an indicator"
        if t.unit is not None:
            written, own = unit(t.unit_read_as or t.unit), unit(indicators[t.indicator].unit)
            if written is None:
                yield "targets.yaml", (n, "unit"), f"unit {t.unit} is unknown"
            elif own is not None and not written.converts_to(own):
                yield "targets.yaml", (n, "unit"), f"unit {t.unit} measures something else than {own.name}"
        if t.area is not None and t.area not in areas:
            yield "targets.yaml", (n, "area"), f"area {t.area} is not in plan.yaml"
        if t.due < plan.head.starts:  # later years' targets may be attached
            yield "targets.yaml", (n, "due"), f"due {t.due} is before the plan starts"
    for name, figures in (("baselines.yaml", plan.baselines), ("published.yaml", plan.published)):
        for n, f in enumerate(figures):
            if f.indicator not in indicators:
                yield name, (n, "indicator"), f"{f.indicator} is not an indicator"
                continue
            given, own = unit(f.unit), unit(indicators[f.indicator].unit)
            if given is None or (own is not None and not given.converts_to(own)):
                yield name, (n, "unit"), f"unit {f.unit} is unknown, or measures something else than {f.indicator}"
            if period(f.period) is None:
                yield name, (n, "period"), f"period {f.period} cannot be read"
    yield from extension_faults(plan)
    yield from scores.faults(plan)
    quarters = {p.label for p in calendar_of(plan.head.starts, plan.head.ends) if p.span == "quarter"}
    for n, opened in enumerate(plan.policy.filing.reopened if plan.policy.filing else []):
        at = ("filing", "reopened", n)
        if opened.department not in departments:
            yield "policy.yaml", (*at, "department"), f"{opened.department} is not a department"
        if opened.quarter not in quarters:
            yield "policy.yaml", (*at, "quarter"), f"{opened.quarter} is not a quarter of the plan's own time"


def extension_faults(plan: Plan) -> Iterable[tuple[str, tuple[str | int, ...], str]]:
    """Extensions that would hold for nothing, or shorten a deadline."""
    departments, lead = {d.department for d in plan.departments}, plan.policy.lead_department
    frequency = {i.indicator: i.frequency for i in plan.indicators}
    own = {p.label: p for p in calendar_of(plan.head.starts, plan.head.ends)}
    for n, e in enumerate(plan.policy.extensions):
        at: tuple[str | int, ...] = ("extensions", n)
        if e.department not in departments:
            yield "policy.yaml", (*at, "department"), f"{e.department} is not a department"
            continue
        if e.indicator is not None and e.indicator not in frequency:
            yield "policy.yaml", (*at, "indicator"), f"{e.indicator} is not an indicator"
            continue
        if e.indicator is not None and lead.get(e.indicator) != e.department:
            yield "policy.yaml", (*at, "indicator"), f"{e.indicator} is owed by {lead.get(e.indicator)}"
            continue
        read = period(e.period)
        if read is None or read.label not in own:
            yield "policy.yaml", (*at, "period"), f"{e.period} is not a period of the plan's own time"
            continue
        p = own[read.label]
        theirs = {i for i, d in lead.items() if d == e.department and e.indicator in (None, i)}
        owed = {(p.span, p.end) for i in theirs if frequency.get(i) == p.span} | {
            ("event", t.due)
            for t in plan.targets
            if t.indicator in theirs and frequency.get(t.indicator) == "event" and p.start <= t.due <= p.end
            if p.span == "month"
        }
        if not owed:
            yield "policy.yaml", (*at, "period"), f"{e.department} owes nothing of the kind for {p.label}"
        for kind, day in sorted(owed):
            if kind in plan.policy.deadlines and workdays.extended(plan, e).at < workdays.due(plan, kind, day).at:
                last = workdays.due(plan, kind, day).last_day
                yield "policy.yaml", (*at, "due"), f"{e.due} is before the deadline that it extends, {last}"


def misplaced_clauses(plan: Plan, text: str) -> list[str]:
    """Targets and indices whose clause does not stand at its place in the plan's text, a line each; none where all is
    well."""
    faults = []
    if hashlib.sha256(text.encode("utf-8")).hexdigest() != plan.head.text_sha256:
        faults.append(f"{plan.head.text}: the text is not the one that the plan was read from (sha256 differs)")
    placed = [(t.target, t.clause_offset, t.clause) for t in plan.targets]
    placed += [(i.index, i.clause_offset, i.clause) for i in plan.head.indices]
    faults += [
        f"{name}: at {offset} the text reads {found!r}, the clause is {clause!r}"
        for name, offset, clause in placed
        if (found := text[offset : offset + len(clause)]) != clause
    ]
    return faults


def schemas() -> dict[str, str]:
    """JSON Schema of each file of a plan's folder, for editors."""
    return {
        name.replace(".yaml", ".schema.json"): json.dumps(
            TypeAdapter(shape).json_schema(), ensure_ascii=False, indent=2, sort_keys=True
        )
        + "\n"
        for name, shape in FILES.items()
    }
