"""The documents by which the plan is held to account: a self-check a quarter, an assessment a year. Made when asked for."""

import datetime as dt
import warnings

import dagster as dg
import polars as pl
from pydantic import Field

from assets.shown import table
from expectations.model import PlanHead
from expectations.periods import calendar_of
from warehouse.reports import documents
from warehouse.store import Store

# the policy is in beta on @asset in Dagster 1.13; that a range is one run is held by a test
warnings.filterwarnings("ignore", category=dg.BetaWarning, message=".*backfill_policy.*")


class Vintage(dg.Config):
    """What the document is to rest on."""

    as_known_at: str | None = Field(
        default=None,
        description="As known at this time, 2022-07-20T09:00 (without a zone: the plan's); none: at the release's own time",
    )
    release: str | None = Field(default=None, description="Of this release, by its name; none: the current one")


def documenting(head: PlanHead) -> list[dg.AssetsDefinition]:
    """The assets self_check and assessment, over the plan's quarters and its years."""
    calendar = calendar_of(head.starts, head.ends)
    return [
        _documents(name, [p.label for p in calendar if p.span == span], text)
        for name, span, text in (
            ("self_check", "quarter", "季度自查报告, the self-check that the plan asks for each quarter"),
            ("assessment", "year", "年度评估报告, the assessment that the plan asks for before the year ends"),
        )
    ]


def _documents(name: str, periods: list[str], text: str) -> dg.AssetsDefinition:
    @dg.asset(
        name=name,
        group_name="reports",
        partitions_def=dg.StaticPartitionsDefinition(periods),
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=["release"],
        kinds={"word", "html"},
        description=f"{text}: one page of summary, targets missed and at risk first, chapter by chapter, the evidence annexed."
        " For Word and as a page, of the current release or an earlier one, as known at any time (see the config).",
    )
    def made(
        context: dg.AssetExecutionContext, config: Vintage, store: dg.ResourceParam[Store]
    ) -> dg.MaterializeResult:
        try:
            known_at = None if config.as_known_at is None else dt.datetime.fromisoformat(config.as_known_at)
        except ValueError as e:
            raise dg.Failure(f"as_known_at is no time: {e}", allow_retries=False) from e
        for period in context.partition_keys:  # partition keys are periods: 2022Q2, 2022
            try:
                written = documents.write(store, period, known_at, config.release)
            except documents.ReportError as e:
                raise dg.Failure(f"{period}: {e}", allow_retries=False) from e
            found = written.facts
            context.log.info(f"{period}: {written.docx.name}")
            troubled = found.targets.filter(pl.col("missed") | pl.col("at_risk"))
            metadata = {
                "document": dg.MetadataValue.path(written.docx),
                "page": dg.MetadataValue.path(written.html),
                "release": found.vintage.release,
                "as known at": found.vintage.local(found.vintage.known_at),
                "plan revision": found.vintage.revision,
                "missed": found.summary["missed"],
                "at risk": found.summary["at_risk"],
                "missed and at risk, the first": table(
                    troubled.select("target", "name_zh", "department_zh", "actual", "unit", "target_value", "status")
                ),
            }
            context.add_asset_metadata(metadata, name, period)
        return dg.MaterializeResult()

    return made
