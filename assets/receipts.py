"""The answer to each submission, made and put into the drop box that it came from."""

import datetime as dt

import dagster as dg

from assets.shown import table
from expectations.model import Plan
from warehouse import receipts as answered
from warehouse.store import Store


@dg.asset(
    group_name="submissions",
    deps=[
        "judged_rows",
        *(dg.AssetKey(["mart", name]) for name in ("finding", "observation", "obligation", "submission", "target")),
    ],
    kinds={"excel", "html"},
    pool="warehouse",
    description="A receipt for every submission whose judgement is new or has changed: the department's own sheets with"
    " returned and flagged cells marked, the findings in words, what is still owed; as a workbook and as a page. Kept, and"
    " delivered where the source takes receipts.",
    check_specs=[
        dg.AssetCheckSpec(
            "delivered",
            asset="receipts",
            description="Every receipt reached its drop box, where the source takes receipts. What did not is tried again"
            " the next night.",
        )
    ],
)
def receipts(
    context: dg.AssetExecutionContext,
    store: dg.ResourceParam[Store],
    compiled_plan: dg.ResourceParam[Plan],
    sources: dg.ResourceParam[list],
    credentials: dg.ResourceParam[dict],
) -> dg.MaterializeResult:
    made = answered.make(store, compiled_plan, context.log.info)
    delivered = answered.deliver(store, sources, credentials, dt.datetime.now(dt.UTC), context.log.info)
    failed = int(delivered.failed["receipts"].sum())
    return dg.MaterializeResult(
        metadata={
            "made": made.new.height,
            "of these, replacing an earlier receipt": made.anew,
            "unchanged": made.standing,
            "delivered": delivered.delivered,
            "delivery failed": failed,
            "folder": dg.MetadataValue.path(store.receipts),
            "new": table(made.new.sort("findings", "number", descending=[True, False])),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="delivered",
                passed=failed == 0,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"waiting for another try": failed, "why": table(delivered.failed)},
            )
        ],
    )
