"""What changed between two revisions of a plan, in words."""

from __future__ import annotations

from expectations.model import Plan, Target

SHOWN = ["kind", "comparator", "value", "value_high", "unit", "due", "area", "indicator", "baseline", "exceeds"]


def held_in(plan: Plan, revision: int) -> dict[str, Target]:
    """The targets as they held in a revision, by code."""
    versions = [*plan.superseded, *plan.targets]
    return {t.target: t for t in versions if t.since <= revision and (t.until is None or revision <= t.until)}


def diff(plan: Plan, old: int, new: int) -> list[str]:
    """A line per target that is new, gone or changed from revision `old` to `new`, headed by what each revision says."""
    before, after = held_in(plan, old), held_in(plan, new)
    lines = [
        f"revision {r.revision}, from {r.holds_from}, by {r.by}: {r.why}"
        for r in plan.head.revisions
        if old < r.revision <= new
    ]
    for code in sorted(before.keys() | after.keys()):
        was, now = before.get(code), after.get(code)
        if was is None and now is not None:
            lines.append(f"{code} new: {now.clause}")
        elif now is None and was is not None:
            lines.append(f"{code} withdrawn: {was.clause}")
        elif was is not None and now is not None:
            changed = [
                f"{name} {getattr(was, name)} → {getattr(now, name)}"
                for name in SHOWN
                if getattr(was, name) != getattr(now, name)
            ]
            if changed:
                lines.append(f"{code} {now.indicator}: {', '.join(changed)}")
    return lines
