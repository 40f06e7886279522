"""`python -m bench.clauses [--misses N]`: the clause reader against the finished registry of a plan, field by field.

The registry (targets.yaml) is a person's work and the judge. What is measured:

- **recall**: targets of the registry that a proposal finds (places overlap, the figure is the same; a milestone, a
  comparison or a lost figure has none and must be of the same kind), over all targets, and over those whose figure the
  text has not lost. A clause for two subjects is one proposal and counts for both targets.
- **precision**: proposals that some target bears out. A proposal at whose place a person saw only a restatement of another
  target is wrong all the same, and counted apart.
- **lost figures**: the registry's, and figures lost on purpose, one at a time: every one that the reader has read, in the
  plan's text and in the clauses of our own, is put out of the text in three ways. A sign stands for it (达到××家), it is
  gone and what stood around it is left (达到 家), or the paragraph breaks off before it (达到). Found is a target of kind
  lost within that clause.
- **exactness** per field, over the targets found by place, and so of the figure too.
- clauses of our own in the manner of other cities' plans (tests/expectations/test_clauses.py): a clause is right where
  every field of every reading is. Three sets: the first was written before the reader had seen any, the second when the
  first had been mended for, and for the third nothing is ever mended.

The reader was made with this plan's text at hand and mended against its registry: the first part says how well it can do,
the held-out clauses how well it travels. What each scored at first sight stands in AT_FIRST_SIGHT, and is printed too.
"""

from __future__ import annotations

import argparse
import os
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from expectations.agreement import Matched, matches, overlap
from expectations.clauses import Proposal, propose, read_clause
from expectations.load import PLANS, load_plan
from expectations.model import Target
from tests.expectations.test_clauses import CASES, FIELDS, FRESH, HELD_OUT, YEAR

ROOT = Path(__file__).parent.parent
EXACT = ["value", "value_high", "unit", "comparator", "due", "modality", "kind", "baseline", "baseline_period"]
AT_FIRST_SIGHT = (
    "At first sight, before anything was mended: recall 214/254 (89.5% of what the text has not lost), precision 200/214,"
    " unit 208/215, comparator 214/215, due 215/215, modality 213/215, kind 197/215; whole clauses 16/28, 18/30, 17/22."
)
DIGITS = re.compile(r"\d[\d,.]*(?:[-~—–至到]\d[\d.]*)?")
SAID = Console(highlight=False, width=160)


def misread(targets: Sequence[Target], proposals: Sequence[Proposal], found: Sequence[Matched]) -> list[Matched]:
    """Targets not found, with a proposal at their place that found no target either: the figure was misread."""
    used, known = {m.proposal for m in found}, {m.target.target for m in found}
    free = [p for p in proposals if p not in used]
    return [
        Matched(t, p)
        for t in targets
        if t.target not in known
        for p in sorted((p for p in free if overlap(t, p) > 0), key=lambda p: -overlap(t, p))[:1]
    ]


def borne_out(proposals: Sequence[Proposal], used: set[Proposal]) -> tuple[int, int]:
    return sum(p in used for p in proposals), len(proposals)


def without_figures(passage: str, year: int, first_month: int) -> Iterator[tuple[str, str, int, int]]:
    """(how it was lost, the passage without it, from where on the clause stands, where the figure stood)."""
    read = {r.figure_start: r for r in read_clause(passage, year, first_month) if r.value is not None}
    for r in read.values():
        if found := DIGITS.search(passage, r.figure_start, r.figure_end):
            before, after = passage[: found.start()], passage[found.end() :]
            yield "a sign for it", f"{before}××{after}", r.start, found.start()
            yield "gone", before + after, r.start, found.start()
            yield "broken off", f"{before}\n", r.start, found.start()


def lost_on_purpose(title: str, passages: Sequence[str], year: int, first_month: int = 1) -> None:
    each: dict[str, list[bool]] = {}
    for passage in passages:
        for how, torn, start, place in without_figures(passage, year, first_month):
            lost = [r for r in read_clause(torn, year, first_month) if r.kind == "lost"]
            each.setdefault(how, []).append(any(r.start <= place and r.start + r.length > start for r in lost))
    shown = Table(title=title)
    shown.add_column("lost how")
    shown.add_column("found", justify="right")
    for how, found in each.items():
        shown.add_row(how, share(sum(found), len(found)))
    SAID.print(shown)


def field(target: Target, name: str) -> Any:
    return getattr(target, name)


def against_registry(misses: int) -> None:
    plan = load_plan(PLANS / "shenyang-2022")
    folder = Path(os.environ.get("WALLCHART_PLAN_TEXTS") or ROOT.parent / "shared" / "plan")
    text = (folder / plan.head.text).read_bytes().decode("utf-8")
    year, first_month = plan.head.starts.year, plan.head.starts.month
    propose(text[:100], year, first_month)  # the grammar is compiled before the clock runs
    began = time.perf_counter()
    proposals = propose(text, year, first_month)
    took = time.perf_counter() - began

    targets = plan.targets
    legible, lost = [t for t in targets if t.kind != "lost"], [t for t in targets if t.kind == "lost"]
    found = matches(targets, proposals)
    of_legible = [m for m in found if m.target.kind != "lost"]
    wrong_figure = misread(legible, proposals, found)
    used = {m.proposal for m in found}
    extra = [p for p in proposals if p not in used]
    known = {(t.value, t.unit) for t in targets if t.value is not None}
    restated = [p for p in extra if (p.reading.value, p.reading.unit) in known]

    summary = Table(title=f"{plan.head.plan}: {len(targets)} targets, {len(proposals)} proposals, {took:.2f} s")
    summary.add_column("")
    summary.add_column("", justify="right")
    dated = {"milestone", "relative"}
    figures = [t for t in legible if t.kind not in dated]
    for name, part, whole in (
        ("recall, all targets", len(found), len(targets)),
        ("recall, targets whose figure the text has not lost", len(of_legible), len(legible)),
        ("  with a figure", sum(m.target.kind not in dated for m in of_legible), len(figures)),
        ("  milestones and comparisons", sum(m.target.kind in dated for m in of_legible), len(legible) - len(figures)),
        ("recall, lost figures", len(found) - len(of_legible), len(lost)),
        ("precision", len(used), len(proposals)),
        ("  of lost figures", *borne_out([p for p in proposals if p.reading.kind == "lost"], used)),
        ("  of the wrong ones, figures that the registry holds elsewhere (restated)", len(restated), len(extra)),
    ):
        summary.add_row(name, f"{part}/{whole} = {part / whole:.1%}" if whole else "-")
    SAID.print(summary)

    placed = [*of_legible, *wrong_figure]
    exact = Table(title=f"Exactness per field, over {len(placed)} targets found by place")
    exact.add_column("field")
    exact.add_column("all", justify="right")
    exact.add_column("where the registry gives one", justify="right")
    for name in EXACT:
        right = [field(m.target, name) == getattr(m.proposal.reading, name) for m in placed]
        given = [r for r, m in zip(right, placed, strict=True) if field(m.target, name) is not None]
        exact.add_row(name, share(sum(right), len(right)), share(sum(given), len(given)))
    early = [m for m in placed if m.target.due != plan.head.ends]
    exact.add_row(
        "due, before the plan's end", "", share(sum(m.target.due == m.proposal.reading.due for m in early), len(early))
    )
    told = [m for m in placed if m.target.modality != "state"]
    exact.add_row(
        "modality, other than state",
        "",
        share(sum(m.target.modality == m.proposal.reading.modality for m in told), len(told)),
    )
    SAID.print(exact)

    missed = [t for t in targets if t.target not in {m.target.target for m in placed}]
    for title, lines in (
        ("Not found", [f"{t.target} {t.clause}  ({t.kind} {t.value} {t.unit})" for t in missed]),
        (
            "Figure misread",
            [
                f"{m.target.target} {m.target.clause}: {m.target.value}, read {m.proposal.reading.value}"
                for m in wrong_figure
            ],
        ),
        (
            "Proposed, no target",
            [f"{p.clause_offset} {p.clause}  ({p.reading.kind} {p.reading.value} {p.reading.unit})" for p in extra],
        ),
        ("A field other than the registry's", differing(found)),
    ):
        SAID.print(f"\n[bold]{title}: {len(lines)}[/]", *lines[:misses], sep="\n  ")
    paragraphs = [p for p in text.split("\n") if p]
    lost_on_purpose(f"{plan.head.plan}, figures lost on purpose", paragraphs, year, first_month)


def differing(found: Sequence[Matched]) -> list[str]:
    return [
        f"{m.target.target} {m.target.clause}: {name} {field(m.target, name)}, read {getattr(m.proposal.reading, name)}"
        for name in EXACT
        for m in found
        if field(m.target, name) != getattr(m.proposal.reading, name)
    ]


def share(part: int, whole: int) -> str:
    return f"{part}/{whole} = {part / whole:.1%}" if whole else "-"


def generality(title: str, cases: list[tuple[str, list[dict[str, Any]]]], misses: int) -> None:
    """Clauses in the manner of other cities' plans; a clause is right where every field of every reading is."""
    whole, each, lines = 0, dict.fromkeys(FIELDS, 0), []
    count = sum(len(wanted) for _, wanted in cases)
    for clause, wanted in cases:
        read = [{name: getattr(r, name) for name in FIELDS} for r in read_clause(clause, YEAR)]
        whole += read == wanted
        for n, want in enumerate(wanted):
            got = read[n] if n < len(read) else {}
            for name in FIELDS:
                right = name in got and got[name] == want[name]
                each[name] += right
                if not right:
                    lines.append(f"{clause}: {name} {want[name]}, read {got.get(name, 'nothing')}")
        lines += [f"{clause}: more than was there: {r['indicator']} {r['value']}" for r in read[len(wanted) :]]
    shown = Table(title=f"{title}: {len(cases)} clauses, {count} targets")
    shown.add_column("field")
    shown.add_column("exact", justify="right")
    shown.add_row("[bold]the whole clause[/]", share(whole, len(cases)))
    for name, right in each.items():
        shown.add_row(name, share(right, count))
    SAID.print(shown)
    SAID.print(*lines[:misses], sep="\n  ")


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench.clauses", description=__doc__)
    arguments.add_argument("--misses", type=int, default=200, help="how many misses of each sort are listed")
    chosen = arguments.parse_args()
    against_registry(chosen.misses)
    generality("In the manner of other cities", CASES, chosen.misses)
    generality("And a second set", FRESH, chosen.misses)
    generality("Held out", HELD_OUT, chosen.misses)
    ours = [f"各项工作有序推进。{clause}。" for clause, _ in [*CASES, *FRESH, *HELD_OUT]]
    lost_on_purpose("Clauses of our own, figures lost on purpose", ours, YEAR)
    SAID.print(AT_FIRST_SIGHT)


if __name__ == "__main__":
    main()
