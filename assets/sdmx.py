"""The release in the statistical offices' exchange format."""

import dagster as dg

from warehouse.sdmx import write
from warehouse.store import Store


@dg.asset(
    group_name="release",
    deps=["release"],
    pool="warehouse",
    kinds={"csv", "xml"},
    description="The observations that now stand as SDMX-CSV 2.0, with the structure that explains them (docs/sdmx.md):"
    " a folder a release, and a link that moves.",
)
def sdmx(context: dg.AssetExecutionContext, store: dg.ResourceParam[Store]) -> dg.MaterializeResult:
    with store.room():
        written = write(store.warehouse / "current" / "warehouse.duckdb", store.sdmx)
    context.log.info(f"{written.rows} observations of release {written.release} as SDMX")
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": written.rows,
            "release": written.release,
            "folder": dg.MetadataValue.path(written.folder),
            "synthetic": written.synthetic,
        }
    )
