"""Rows judged against the plan, a month a partition: what is kept, what goes back and why, what is known.

A run over many months is one pass. Each month's checks are reported on its own partition.
"""

import datetime as dt
import warnings
from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)
from dagster._core.definitions.metadata import normalize_metadata
from pydantic import Field

from assets.data_docs import documented
from assets.shown import columns, table
from assets.submissions import known_departments
from expectations.model import Plan
from warehouse import judge, rejudged, validations
from warehouse.findings import Verdict
from warehouse.glance import months_at_a_glance
from warehouse.spark import DUCKDB
from warehouse.spark.judging import hands
from warehouse.standing import Standing, standing
from warehouse.store import Store

ONLY_STALE = "wallchart/only_stale"  # run tag: what is up to date is left as it is, months of the range and the release
CHECKS = {
    "structure": "Every rule could be evaluated; Great Expectations and the findings count the same.",
    "validity": "No row was returned to a department (rules V).",
    "quality": "No kept row carries an unconfirmed flag (rules Q).",
    "documented": "Data Docs show the month as it was judged.",
}

# partitions of a check are a preview in Dagster 1.13; what is relied on here is held by a test
warnings.filterwarnings("ignore", category=dg.PreviewWarning, message=".*partitions_def on an AssetCheckSpec.*")


class Chosen(dg.Config):
    """Which of the months of the run are judged; all, where nothing is said."""

    departments: list[str] = Field(default=[], description="Only months in which one of these departments has rows")


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
        context: dg.AssetExecutionContext,
        config: Chosen,
        store: dg.ResourceParam[Store],
        compiled_plan: dg.ResourceParam[Plan],
        engine: dg.ResourceParam[str],
    ) -> Iterator[Any]:
        months = list(context.partition_keys)  # partition keys are months: 2022-03
        wanted = months
        with store.writing("judging", context.log.info):  # all of it: what another run judges meanwhile is not stale
            if ONLY_STALE in context.run.tags:
                stale = set(judge.stale_months(store, compiled_plan))
                wanted = [m for m in months if m in stale]
            if config.departments:
                theirs = set(judge.months_with_rows(store, known_departments(compiled_plan, config.departments)))
                wanted = [m for m in wanted if m in theirs]
                context.log.info(f"{len(wanted)} of {len(months)} months have rows of {', '.join(config.departments)}")
            reach = judge.looking_back_on(wanted, judge.months_with_rows(store)) if wanted else []
            rejudged.put_aside(store, reach, dt.datetime.now(dt.UTC))
            with hands(engine if wanted else DUCKDB) as whoever:
                valid = judge.validity(store, compiled_plan, wanted, context.log.info, whoever)
                sound = [] if valid.crashed else wanted
                flagged = judge.quality(store, compiled_plan, sound, context.log.info, whoever)
            beyond = sorted(set(flagged.months) - set(months))
            if beyond:
                context.log.info(f"cumulative figures look back: flags of {', '.join(beyond)} were renewed too")
            # where a rule crashed, what stood stays aside for the run that judges to the end
            crashed = valid.crashed or flagged.crashed
            changed = pl.DataFrame(schema={"month": pl.String}) if crashed else rejudged.changes(store, compiled_plan)
            undocumented = documented(store, context.log)
        now = standing(store, months + beyond)
        rows = {"rows by month": columns(months_at_a_glance(store), "month", {"kept": "#6ac", "returned": "#b12"})}
        for month in months:
            moved = changed.filter(pl.col("month") == month).drop("month")
            shown = rows | _metadata(month, now, judged=month in wanted) | _pages(store, month)
            shown |= {"judged anew: what changed, and why": table(moved)} if moved.height else {}
            tasks = [by for by in valid.by + flagged.by if by["from"] <= month <= by["to"]]
            shown |= {"judged on the cluster by": table(pl.DataFrame(tasks))} if tasks else {}
            context.add_asset_metadata(shown, "judged_rows", month)
        yield dg.MaterializeResult(asset_key="judged_rows")
        for month, target in _materializations(context, months, beyond).items():
            pages = _pages(store, month)
            yield from _evaluations(month, now, valid.verdicts + flagged.verdicts, undocumented, pages, target)
        for check in CHECKS:  # what depends on a check waits for its output; the evaluations are given above
            yield dg.Output(None, output_name=f"judged_rows_{check}")

    return judging_step


def _metadata(month: str, now: Standing, *, judged: bool) -> dict[str, Any]:
    rows = now.rows.filter(pl.col("month") == month).drop("month")
    row = rows.to_dicts()[0] if rows.height else dict.fromkeys(rows.columns, 0)
    return {
        "dagster/partition_row_count": row["rows_read"],
        "judged": "in this run" if judged else "before: left as it was",
        "rows kept": row["rows_kept"],
        "rows returned": row["rows_returned"],
        "figures": row["figures"],
        "submissions": row["submissions"],
        "returned, the most serious": _of(month, "validity", now.worst),
        "flags, the most serious": _of(month, "quality", now.worst),
    }


def _pages(store: Store, month: str) -> dict[str, Any]:
    """Paths, to be opened in a browser on this machine: browsers follow no link from a server's page to a file."""
    found = {
        "Data Docs": store.gx / "site" / "index.html",
        "Data Docs, why rows were returned": validations.page(store, "judged", month),
        "Data Docs, why rows were flagged": validations.page(store, "kept", month),
    }
    return {name: dg.MetadataValue.path(path) for name, path in found.items() if path is not None and path.exists()}


def _of(month: str, family: str, rows: pl.DataFrame) -> Any:
    return table(rows.filter((pl.col("month") == month) & (pl.col("family") == family)).drop("month", "family"))


def _materializations(
    context: dg.AssetExecutionContext, months: list[str], beyond: list[str]
) -> dict[str, AssetCheckEvaluationTargetMaterializationData]:
    """Each month's latest materialization: a check that names none counts as outdated and shows as missing."""
    asked = [(months, len(months)), *(([month], 1) for month in beyond)]
    records = [
        record
        for partitions, limit in asked
        for record in context.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey("judged_rows"), asset_partitions=partitions), limit=limit
        ).records
    ]
    return {
        str(r.partition_key): AssetCheckEvaluationTargetMaterializationData(
            storage_id=r.storage_id, run_id=r.run_id, timestamp=r.timestamp
        )
        for r in records
    }


def _evaluations(
    month: str,
    now: Standing,
    verdicts: list[Verdict],
    undocumented: str | None,
    pages: dict[str, Any],
    target: AssetCheckEvaluationTargetMaterializationData,
) -> Iterator[dg.AssetCheckEvaluation]:
    """One evaluation a check on the month's own partition, also in a run over many months.

    An AssetCheckResult cannot name its partition; an evaluation can, and blocks like one.
    """
    crashed = [v for v in verdicts if v.crashed]
    fired = now.fired.filter(pl.col("month") == month)
    returned = int(fired.filter(pl.col("family") == "validity")["fired"].sum())
    flags = fired.filter(pl.col("family") == "quality")
    unconfirmed = int(flags["fired"].sum()) - int(flags["confirmed"].sum())
    found: list[tuple[str, bool, dict[str, Any]]] = [
        (
            "structure",
            not crashed,
            {
                "rules evaluated by Great Expectations (all months of the run)": table(pl.DataFrame(verdicts)),
                "could not be evaluated": ", ".join(f"{v.rule}: {v.crashed}" for v in crashed) or "none",
            },
        ),
        ("validity", returned == 0, {"findings": returned, "by rule": _of(month, "validity", now.fired)}),
        ("quality", unconfirmed == 0, {"unconfirmed": unconfirmed, "by rule": _of(month, "quality", now.fired)}),
        ("documented", undocumented is None, pages | ({"could not be built": undocumented} if undocumented else {})),
    ]
    for check, passed, metadata in found:
        yield dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey("judged_rows"),
            check_name=check,
            passed=passed,
            severity=dg.AssetCheckSeverity.ERROR
            if check in ("structure", "documented")
            else dg.AssetCheckSeverity.WARN,
            blocking=check == "structure",
            partition=month,
            target_materialization_data=target,
            metadata=normalize_metadata(metadata),
        )
