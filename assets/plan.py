"""The plan, compiled: what was promised, as the tables that everything else is judged by."""

from functools import partial
from pathlib import Path

import dagster as dg
import polars as pl

from assets.shown import table
from expectations.agreement import disagreements
from expectations.compiled import compiled
from expectations.coverage import coverage
from expectations.lint import lint
from expectations.load import misplaced_clauses
from expectations.model import Plan
from expectations.workdays import unknown_years
from warehouse.remembered import remembered
from warehouse.store import Store

LINT = ["code", "state", "zh", "en"]


@dg.asset(
    group_name="plan",
    kinds={"yaml", "polars"},
    description="The plan's targets, indicators, departments and policy, read from its folder and compiled to tables.",
    check_specs=[
        dg.AssetCheckSpec(
            "clauses_in_place",
            asset="plan",
            description="Every target's clause stands at its place in the plan's text (where the text is at hand).",
        ),
        dg.AssetCheckSpec(
            "clauses_read_alike",
            asset="plan",
            description="The clause reader reads each target's clause as the registry has it, or the target says why not.",
        ),
        dg.AssetCheckSpec(
            "lint_resolved",
            asset="plan",
            description="What the plan's targets say against each other is resolved by a line of policy.",
        ),
        dg.AssetCheckSpec(
            "calendar_known",
            asset="plan",
            description="The official calendar of working days is known for every year in which something is due.",
        ),
        dg.AssetCheckSpec(
            "numerals_covered",
            asset="plan",
            description="Every numeral of the text is a target's figure, or is listed with the reason why it is none.",
        ),
    ],
)
def plan(
    store: dg.ResourceParam[Store], compiled_plan: dg.ResourceParam[Plan], plan_text: dg.ResourceParam[Path]
) -> dg.MaterializeResult:
    tables = compiled(compiled_plan)
    by_capability = (
        tables["target"]
        .join(tables["indicator"].select("indicator", "capability", "name_zh"), on="indicator")
        .group_by("capability", maintain_order=True)
        .agg(pl.len().alias("targets"), (pl.col("kind") == "lost").sum().alias("lost"))
    )
    at_hand = plan_text.is_file()
    text = plan_text.read_bytes().decode("utf-8") if at_hand else ""
    misplaced = misplaced_clauses(compiled_plan, text) if at_hand else []
    covered = (
        coverage([*compiled_plan.targets, *compiled_plan.superseded], compiled_plan.numerals, text) if at_hand else None
    )
    apart = read_otherwise(store, compiled_plan, text) if at_hand else []
    found, years = lint(compiled_plan), unknown_years(compiled_plan)
    absent = f"not at hand ({plan_text}): not checked"
    return dg.MaterializeResult(
        metadata={
            "plan": compiled_plan.head.name_zh,
            "revision": compiled_plan.head.revision,
            "digest": compiled_plan.digest,
            "dagster/row_count": tables["target"].height,
            "indicators": tables["indicator"].height,
            "obligations": tables["obligation"].height,
            "targets by capability": table(by_capability),
        },
        data_version=dg.DataVersion(compiled_plan.digest[:16]),
        check_results=[
            dg.AssetCheckResult(
                check_name="clauses_in_place",
                passed=not misplaced,
                severity=dg.AssetCheckSeverity.ERROR if at_hand else dg.AssetCheckSeverity.WARN,
                metadata={
                    "text": str(plan_text) if at_hand else absent,
                    "misplaced": "\n".join(misplaced) or "none",
                },
            ),
            dg.AssetCheckResult(
                check_name="clauses_read_alike",
                passed=not apart,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"read otherwise": "\n".join(apart) or ("none" if at_hand else absent)},
            ),
            dg.AssetCheckResult(
                check_name="lint_resolved",
                passed=all(f.state != "open" for f in found),
                severity=dg.AssetCheckSeverity.WARN,
                metadata={
                    "findings": table(pl.DataFrame([(f.code, f.state, f.zh, f.en) for f in found], LINT, orient="row"))
                },
            ),
            dg.AssetCheckResult(
                check_name="calendar_known",
                passed=not years,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"years not known, Monday to Friday assumed": ", ".join(map(str, years)) or "none"},
            ),
            dg.AssetCheckResult(
                check_name="numerals_covered",
                passed=covered is None or covered.complete,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata={"coverage": "\n".join(covered.lines()) if covered else absent},
            ),
        ],
    )


def read_otherwise(store: Store, plan: Plan, text: str) -> list[str]:
    """`disagreements`. To parse the clauses anew would take a twelfth of a night with nothing new."""
    return remembered(store, "read_otherwise", f"{plan.digest} {text}", partial(disagreements, plan, text))
