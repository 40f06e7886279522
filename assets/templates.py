"""The fill-in workbooks that departments are handed, a month a partition."""

import datetime as dt
import warnings
from zoneinfo import ZoneInfo

import dagster as dg
import polars as pl

from assets.shown import table
from expectations.model import Plan
from warehouse.store import Store
from warehouse.templates import shown_due, write_templates

# the policy is in beta on @asset in Dagster 1.13; that a range is one run is held by a test
warnings.filterwarnings("ignore", category=dg.BetaWarning, message=".*backfill_policy.*")


def templating(months: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The templates asset over monthly partitions."""

    @dg.asset(
        name="templates",
        group_name="templates",
        partitions_def=months,
        backfill_policy=dg.BackfillPolicy.single_run(),
        kinds={"excel"},
        deps=["plan", dg.AssetDep("judged_rows", partition_mapping=dg.AllPartitionMapping())],
        description="A workbook a department, to fill in what it owes for the periods that end in the month, with the"
        " plan's labels, units and input checks and the last accepted figures. None for a month before the plan.",
    )
    def templates(
        context: dg.AssetExecutionContext, store: dg.ResourceParam[Store], compiled_plan: dg.ResourceParam[Plan]
    ) -> dg.MaterializeResult:
        today = dt.datetime.now(ZoneInfo(compiled_plan.head.timezone)).date()
        for month in context.partition_keys:  # partition keys are months: 2022-06
            written = write_templates(store, compiled_plan, month, today)
            context.log.info(f"{month}: {len(written)} workbooks")
            rows = [
                (
                    w.department,
                    w.figures,
                    *(shown_due(at, compiled_plan) for at in (w.due_first, w.due_last)),
                    w.path.name,
                )
                for w in written
            ]
            columns = ["department", "figures", "first due, before", "last due, before", "workbook"]
            metadata = {
                "workbooks": len(written),
                "figures": sum(w.figures for w in written),
                "folder": dg.MetadataValue.path(store.root / "templates" / month),
                "written": table(pl.DataFrame(rows, schema=columns, orient="row")),
            }
            context.add_asset_metadata(metadata, "templates", month)
        return dg.MaterializeResult()

    return templates
