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
PRODUCTS = {
    "judged_rows": "Every row with its verdict: kept or returned (rules V), and the findings that say why.",
    "observations": "Every figure known, from when and until when (vintages).",
    "quality_findings": "Flags on kept rows (rules Q): to be confirmed or corrected by the department.",
}
CHECKS = {
    ("judged_rows", "structure"): "Every rule could be evaluated; Great Expectations and the findings count the same.",
    ("judged_rows", "validity"): "No row was returned to a department (rules V).",
    ("quality_findings", "quality"): "No kept row carries an unconfirmed flag (rules Q).",
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
            dg.AssetSpec(name, deps=["read_rows", "plan"], description=text, kinds={"duckdb", "greatexpectations"})
            for name, text in PRODUCTS.items()
        ],
        check_specs=[
            dg.AssetCheckSpec(name, asset=asset, description=text, blocking=name == "structure", partitions_def=months)
            for (asset, name), text in CHECKS.items()
        ],
    )
    def judging_step(
        context: dg.AssetExecutionContext, store: dg.ResourceParam[Store], compiled_plan: dg.ResourceParam[Plan]
    ) -> Iterator[Any]:
        partitions = list(context.partition_keys)
        months = [p[:7] for p in partitions]
        wanted = months
        if ONLY_STALE in context.run.tags:
            stale = set(judge.stale_months(store, compiled_plan))
            wanted = [m for m in months if m in stale]
        valid = judge.validity(store, compiled_plan, wanted, context.log.info)
        flagged = judge.quality(store, compiled_plan, wanted, context.log.info)
        if beyond := sorted(set(flagged.months) - set(months)):
            context.log.info(f"cumulative figures look back: flags of {', '.join(beyond)} were renewed too")
        for partition in partitions:
            month = partition[:7]
            done = month in wanted
            for asset, metadata in _metadata(month, valid, flagged).items() if done else ():
                context.add_asset_metadata(metadata, asset, partition)
            for asset in PRODUCTS if not done else ():
                context.add_asset_metadata({"unchanged": "up to date, not judged again"}, asset, partition)
            if done:
                yield from _evaluations(partition, valid, flagged)
        for asset in PRODUCTS:
            yield dg.MaterializeResult(asset_key=asset)
        for asset, check in CHECKS:
            yield dg.Output(None, output_name=f"{asset}_{check}")

    return judging_step


def _metadata(month: str, valid: judge.Judged, flagged: judge.Judged) -> dict[str, dict[str, Any]]:
    counts = valid.rows.filter(pl.col("month") == month)
    row = counts.to_dicts()[0] if counts.height else dict.fromkeys(counts.columns, 0)
    return {
        "judged_rows": {
            "dagster/partition_row_count": row["rows_read"],
            "rows kept": row["rows_kept"],
            "rows returned": row["rows_returned"],
            "submissions": row["submissions"],
            "returned by rule": _of(month, valid.fired),
            "returned, the most serious": _of(month, valid.worst),
        },
        "observations": {"dagster/partition_row_count": row["observations"]},
        "quality_findings": {
            "dagster/partition_row_count": int(flagged.fired.filter(pl.col("month") == month)["fired"].sum()),
            "flags by rule": _of(month, flagged.fired),
            "flags, the most serious": _of(month, flagged.worst),
        },
    }


def _of(month: str, rows: pl.DataFrame) -> Any:
    return table(rows.filter(pl.col("month") == month).drop("month"))


def _evaluations(partition: str, valid: judge.Judged, flagged: judge.Judged) -> Iterator[dg.AssetCheckEvaluation]:
    """One evaluation a check on the month's own partition, also in a run over many months.

    An AssetCheckResult cannot name its partition; an evaluation can, and blocks like one.
    """
    month = partition[:7]
    crashed = valid.crashed + flagged.crashed
    rules = pl.DataFrame([v.__dict__ for v in valid.verdicts + flagged.verdicts])
    returned = int(valid.fired.filter(pl.col("month") == month)["fired"].sum())
    unconfirmed = int(
        flagged.fired.filter(pl.col("month") == month).select(pl.col("fired") - pl.col("confirmed")).sum().item()
    )
    found: list[tuple[str, str, bool, dict[str, Any]]] = [
        ("judged_rows", "structure", not crashed, {
            "rules evaluated by Great Expectations (all months of the run)": table(rules),
            "could not be evaluated": ", ".join(f"{v.rule}: {v.crashed}" for v in crashed) or "none"}),
        ("judged_rows", "validity", returned == 0, {
            "findings": returned, "by rule": _of(month, valid.fired)}),
        ("quality_findings", "quality", unconfirmed == 0, {
            "unconfirmed": unconfirmed, "by rule": _of(month, flagged.fired)}),
    ]  # fmt: skip
    for asset, check, passed, metadata in found:
        yield dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(asset),
            check_name=check,
            passed=passed,
            severity=dg.AssetCheckSeverity.ERROR if check == "structure" else dg.AssetCheckSeverity.WARN,
            blocking=check == "structure",
            partition=partition,
            metadata=normalize_metadata(metadata),
        )
