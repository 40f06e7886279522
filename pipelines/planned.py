"""What a person reads of a plan on the terminal: its targets, whether its text is covered, and its own contradictions."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from expectations.agreement import disagreements, held
from expectations.compiled import compiled
from expectations.coverage import coverage
from expectations.lint import PlanFinding, idle_resolutions, lint
from expectations.load import misplaced_clauses
from expectations.model import Plan
from expectations.page import by_chapter, resolution


def show_plan(plan: Plan, text: Path) -> bool:
    """Prints the plan; False where its text is at hand and disagrees with it. Open findings are counted, no more."""
    console = Console(width=None if Console().is_terminal else 160, highlight=False)
    console.print(
        f"[bold]{plan.head.name_zh}[/bold] ({plan.head.plan}, revision {plan.head.revision}), {plan.head.starts} to {plan.head.ends}"
    )
    tables = compiled(plan)
    names = ("target", "indicator", "department", "obligation", "published", "rule")
    console.print("; ".join(f"{name} {tables[name].height}" for name in names))
    console.print(_targets(plan))
    faults: list[str] = []
    if not text.is_file():
        console.print(f"The plan's text is not at hand ({text}): clauses and numerals not checked", soft_wrap=True)
    else:
        with text.open(encoding="utf-8", newline="") as file:  # a clause's place is counted as the file stands
            content = file.read()
        misplaced = misplaced_clauses(plan, content)
        covered = coverage([*plan.targets, *plan.superseded], plan.numerals, content)
        faults = misplaced or [*covered.uncovered, *covered.stale]  # a misplaced clause covers nothing: mend it first
        placed = [t for t in plan.targets if content[t.clause_offset : t.clause_offset + t.clause_length] == t.clause]
        console.print(f"Numerals of the text: covered {covered.covered} of {covered.total}")
        console.print(f"Clauses at their place in the text: {len(placed)} of {len(plan.targets)}")
        apart = disagreements(plan, content) if not misplaced else []
        if chinese := held(plan):
            console.print(
                f"Clauses read otherwise by the clause reader, no reason given: {len(apart)} of {len(chinese)}"
            )
        else:
            console.print("The clause reader knows Chinese: none of the clauses is held against it")
        for fault in [*faults, *apart]:
            console.print(f"  {fault}", style="red", markup=False, soft_wrap=True)
    _lint(console, plan)
    return not faults


def _targets(plan: Plan) -> Table:
    """Targets by chapter and kind."""
    chapters = by_chapter(plan)
    kinds = [kind for kind, _ in Counter(t.kind for t in plan.targets).most_common()]
    table = Table(title="Targets by chapter and kind", title_justify="left")
    table.add_column("chapter")
    for name in ["targets", *kinds]:
        table.add_column(name, justify="right")
    for title, targets in [*chapters, ("all", plan.targets)]:
        count = Counter(t.kind for t in targets)
        table.add_row(
            title.split("; ")[0], str(len(targets)), *(str(count[kind] or "·") for kind in kinds),
            end_section=title == chapters[-1][0],
        )  # fmt: skip
    return table


def _lint(console: Console, plan: Plan) -> None:
    found = lint(plan)
    if found:
        console.print(_findings(found))
    states = Counter(f.state for f in found)
    counted = ", ".join(f"{states[s]} {s}" for s in ("open", "resolved", "information"))
    console.print(f"{len(found)} finding{'' if len(found) == 1 else 's'}: {counted}" if found else "Lint: no finding")
    for r in idle_resolutions(plan):
        console.print(
            f"WARNING policy.yaml resolves {r.finding} of {', '.join(r.targets)}: there is no such finding",
            style="yellow",
        )


def _findings(found: list[PlanFinding]) -> Table:
    table = Table(title="Lint: what the plan's targets say against each other", title_justify="left", show_lines=True)
    for name, width in (("code", 4), ("targets", 14), ("what", None), ("resolution", None)):
        table.add_column(name, width=width, overflow="fold")
    for f in found:
        places = [f"{p.target} {p.offset}" for p in f.places]
        shown = places if len(places) <= 5 else [*places[:4], f"and {len(places) - 4} more"]
        style = "yellow" if f.state == "open" else None
        table.add_row(f.code, "\n".join(shown), f"{f.name_en}\n{f.zh}\n{f.en}", resolution(f), style=style)
    return table
