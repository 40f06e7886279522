"""Rows judged against the plan, a month a partition: what is kept, what goes back and why, what is known.

A run over many months is one pass. Each month's checks are reported on its own partition.
"""

import warnings
from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl
from dagster._core.definitions.metadata import normalize_metadata

from assets.shown import table
from expectations.model import Plan
from warehouse import judge
from warehouse.store import Store

ONLY_STALE = "wallchart/only_stale"  # run tag: within the range, months that are up to date are left as they are
CHECKS = {
    "structure": "Every rule could be evaluated; Great Expectations and the findings count the same.",
    "validity": "No row was returned to a department (rules V).",
    "quality": "No kept row carries an unconfirmed flag (rules Q).",
}

# partitions of a check are a preview in Dagster 1.13; what is relied on here is held by a test
warnings.filterwarnings("ignore", category=dg.PreviewWarning, message=".*partitions_def on an AssetCheckSpec.*")


def judging(months: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The judging assets over monthly partitions."""

    @dg.multi_asset(
        name="judge",
        group_name="judging",
        partitions_def=months,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool="warehouse",
        specs=[
            dg.AssetSpec(
                "judged_rows",
                deps=["read_rows", "plan"],
                kinds={"duckdb", "greatexpectations"},
                description="Every row with its verdict: kept, or returned with the findings that say why (rules V);"
                " flags on kept rows (rules Q); and the figures known from them, from when and until when (vintages)."
                " A release follows by itself.",
            )
        ],
        check_specs=[
            dg.AssetCheckSpec(
                name, asset="judged_rows", description=text, blocking=name == "structure", partitions_def=months
            )
            for name, text in CHECKS.items()
        ],
    )
    def judging_step(
        context: dg.AssetExecutionContext, store: dg.ResourceParam[Store], compiled_plan: dg.ResourceParam[Plan]
    ) -> Iterator[Any]:
        months = list(context.partition_keys)  # partition keys are months: 2022-03
        wanted = months
        if ONLY_STALE in context.run.tags:
            stale = set(judge.stale_months(store, compiled_plan))
            wanted = [m for m in months if m in stale]
        valid = judge.validity(store, compiled_plan, wanted, context.log.info)
        flagged = judge.quality(store, compiled_plan, wanted, context.log.info)
        if beyond := sorted(set(flagged.months) - set(months)):
            context.log.info(f"cumulative figures look back: flags of {', '.join(beyond)} were renewed too")
        for month in months:
            if month in wanted:
                context.add_asset_metadata(_metadata(month, valid, flagged), "judged_rows", month)
                yield from _evaluations(month, valid, flagged)
            else:
                context.add_asset_metadata({"unchanged": "up to date, not judged again"}, "judged_rows", month)
        yield dg.MaterializeResult(asset_key="judged_rows")
        for check in CHECKS:  # what depends on a check waits for its output; the evaluations are given above
            yield dg.Output(None, output_name=f"judged_rows_{check}")

    return judging_step


def _metadata(month: str, valid: judge.Judged, flagged: judge.Judged) -> dict[str, Any]:
    counts = valid.rows.filter(pl.col("month") == month)
    row = counts.to_dicts()[0] if counts.height else dict.fromkeys(counts.columns, 0)
    return {
        "dagster/partition_row_count": row["rows_read"],
        "rows kept": row["rows_kept"],
        "rows returned": row["rows_returned"],
        "submissions": row["submissions"],
        "observations": row["observations"],
        "returned, the most serious": _of(month, valid.worst),
        "flags, the most serious": _of(month, flagged.worst),
    }


def _of(month: str, rows: pl.DataFrame) -> Any:
    return table(rows.filter(pl.col("month") == month).drop("month"))


def _evaluations(month: str, valid: judge.Judged, flagged: judge.Judged) -> Iterator[dg.AssetCheckEvaluation]:
    """One evaluation a check on the month's own partition, also in a run over many months.

    An AssetCheckResult cannot name its partition; an evaluation can, and blocks like one.
    """
    crashed = valid.crashed + flagged.crashed
    rules = pl.DataFrame([v.__dict__ for v in valid.verdicts + flagged.verdicts])
    returned = int(valid.fired.filter(pl.col("month") == month)["fired"].sum())
    unconfirmed = int(
        flagged.fired.filter(pl.col("month") == month).select(pl.col("fired") - pl.col("confirmed")).sum().item()
    )
    found: list[tuple[str, bool, dict[str, Any]]] = [
        (
            "structure",
            not crashed,
            {
                "rules evaluated by Great Expectations (all months of the run)": table(rules),
                "could not be evaluated": ", ".join(f"{v.rule}: {v.crashed}" for v in crashed) or "none",
            },
        ),
        ("validity", returned == 0, {"findings": returned, "by rule": _of(month, valid.fired)}),
        ("quality", unconfirmed == 0, {"unconfirmed": unconfirmed, "by rule": _of(month, flagged.fired)}),
    ]
    for check, passed, metadata in found:
        yield dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey("judged_rows"),
            check_name=check,
            passed=passed,
            severity=dg.AssetCheckSeverity.ERROR if check == "structure" else dg.AssetCheckSeverity.WARN,
            blocking=check == "structure",
            partition=month,
            metadata=normalize_metadata(metadata),
        )
