"""The wall chart: the release as one page, renewed with every release."""

import dagster as dg
import polars as pl

from assets.shown import table
from warehouse.marts import STATUSES
from warehouse.reports.wallchart import wallchart
from warehouse.store import Store


@dg.asset(
    name="wallchart",
    group_name="reports",
    deps=["release"],
    kinds={"html"},
    description="The wall chart 挂图作战: every target of the plan on one page, with its line, figure, status and due date, at"
    " each month's end and now. One file that opens without a server or the net, fits an A0 sheet and a phone.",
)
def wall_chart(context: dg.AssetExecutionContext, store: dg.ResourceParam[Store]) -> dg.MaterializeResult:
    with store.room():
        chart = wallchart(store.warehouse / "current" / "warehouse.duckdb", store.reports / "wallchart.html")
    context.log.info(f"wall chart: {chart.path} ({chart.bytes:,} bytes)")
    by_capability = chart.shown.pivot("status", index=["number", "capability"], values="targets").sort("number")
    columns = [pl.col(s) for s in STATUSES if s in by_capability.columns]
    return dg.MaterializeResult(
        metadata={
            "page": dg.MetadataValue.path(chart.path),
            "bytes": chart.bytes,
            "targets": chart.targets,
            "vintages": chart.vintages,
            "synthetic": chart.synthetic,
            "status by capability": table(by_capability.select("capability", *columns).fill_null(0)),
        }
    )
