"""The plan, compiled: what was promised, as the tables that everything else is judged by."""

from pathlib import Path

import dagster as dg
import polars as pl

from assets.shown import table
from expectations.compiled import compiled
from expectations.load import misplaced_clauses
from expectations.model import Plan


@dg.asset(
    group_name="plan",
    kinds={"yaml", "polars"},
    description="The plan's targets, indicators, departments and policy, read from its folder and compiled to tables.",
    check_specs=[
        dg.AssetCheckSpec(
            "clauses_in_place",
            asset="plan",
            description="Every target's clause stands at its place in the plan's text (where the text is at hand).",
        )
    ],
)
def plan(compiled_plan: dg.ResourceParam[Plan], plan_text: dg.ResourceParam[Path]) -> dg.MaterializeResult:
    tables = compiled(compiled_plan)
    by_capability = (
        tables["target"]
        .join(tables["indicator"].select("indicator", "capability", "name_zh"), on="indicator")
        .group_by("capability", maintain_order=True)
        .agg(pl.len().alias("targets"), (pl.col("kind") == "lost").sum().alias("lost"))
    )
    at_hand = plan_text.is_file()
    misplaced = misplaced_clauses(compiled_plan, plan_text.read_text("utf-8")) if at_hand else []
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
                    "text": str(plan_text) if at_hand else f"not at hand ({plan_text}): not checked",
                    "misplaced": "\n".join(misplaced) or "none",
                },
            )
        ],
    )
