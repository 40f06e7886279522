"""What the departments sent: the bytes, kept for ever, and the rows read from them."""

import dagster as dg
import polars as pl
from pydantic import Field

from assets.clock import now
from assets.shown import table
from expectations.model import Plan
from warehouse.landing import land
from warehouse.ledger import ledger
from warehouse.reading import forget, mended, passed_over, read_landed
from warehouse.sources import shown
from warehouse.store import Store

ASK_AGAIN = "sources that did not answer, to be asked again"  # metadata of a landing


@dg.asset(
    group_name="submissions",
    kinds={"file"},
    description="Every new file of the departments' drop boxes, content-addressed, with a row in the ledger.",
    check_specs=[
        dg.AssetCheckSpec(
            "sources_answered", asset="landed_files", description="Every source could be listed and read."
        ),
        dg.AssetCheckSpec(
            "boxes_known", asset="landed_files", description="Every drop box is named after a department of the plan."
        ),
    ],
)
def landed_files(
    context: dg.AssetExecutionContext,
    store: dg.ResourceParam[Store],
    compiled_plan: dg.ResourceParam[Plan],
    sources: dg.ResourceParam[list],
    credentials: dg.ResourceParam[dict],
) -> dg.MaterializeResult:
    with store.writing("landing", context.log.info):
        landed = land(store, sources, compiled_plan, now(context, store), context.log.info, credentials)
    with ledger(store) as db:
        latest = db.execute(
            "select path, bytes, datetime(received_at / 1000000, 'unixepoch'), sha256, synthetic from submission"
            " order by landed_at desc, received_at desc, submission limit 20"
        ).fetchall()
    return dg.MaterializeResult(
        metadata={
            "sources": ", ".join(map(shown, sources)),
            ASK_AGAIN: ", ".join(landed.may_pass) or "none",
            "files looked at": landed.looked_at,
            "files new": len(landed.new),
            "files sent again after others": len(landed.again),
            "copies of files received before": "; ".join(f"{c} = {of}" for c, of in landed.copies.items()) or "none",
            "still growing, left for the next run": ", ".join(landed.growing) or "none",
            "latest": table(
                pl.DataFrame(
                    latest, schema=["path", "bytes", "received_at (UTC)", "sha256", "synthetic 合成"], orient="row"
                )
            ),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="sources_answered",
                passed=not landed.failed_sources,
                metadata=dict(landed.failed_sources.items()),
            ),
            dg.AssetCheckResult(
                check_name="boxes_known",
                passed=not landed.unknown_boxes,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"unknown drop boxes, not read": ", ".join(landed.unknown_boxes) or "none"},
            ),
        ],
    )


class Again(dg.Config):
    """What is read from landing though it was read before."""

    read_again: list[str] = Field(
        default=[], description="Read the files of these departments again, or `all`. None: only what has not been read"
    )


def known_departments(plan: Plan, named: list[str]) -> list[str]:
    """The departments, as a person named them in a run's config. Raises Failure where the plan has not one of them."""
    known = {d.department for d in plan.departments}
    if strangers := sorted(set(named) - known):
        raise dg.Failure(
            f"the plan has no department {', '.join(strangers)}: its codes are {', '.join(sorted(known))}",
            allow_retries=False,
        )
    return named


@dg.asset(
    group_name="submissions",
    kinds={"polars", "parquet"},
    deps=[landed_files],
    description="The rows of every landed file, cell by cell as text, each with its sheet, row and column.",
)
def read_rows(
    context: dg.AssetExecutionContext,
    config: Again,
    store: dg.ResourceParam[Store],
    compiled_plan: dg.ResourceParam[Plan],
) -> dg.MaterializeResult:
    with store.writing("reading", context.log.info):
        if config.read_again:
            of = [] if config.read_again == ["all"] else known_departments(compiled_plan, config.read_again)
            context.log.info(f"{forget(store, of)} files are read again from landing")
        months = read_landed(store, compiled_plan, context.log.info)
    with ledger(store) as db:
        files, rows, returned = db.execute(
            "select count(*), coalesce(sum(rows), 0), count(fault_rule) from submission"
        ).fetchone()
        faults = db.execute(
            "select path, fault_rule, fault_found, fault_expected from submission where fault_rule is not null"
            " order by received_at desc, path"
        ).fetchall()
        latest = db.execute(
            "select submission, path from submission order by received_at desc, path limit 20"
        ).fetchall()
    mended(store, compiled_plan, {one for one, _ in latest}, context.log.warning)
    aside = [(path, p.sheet, p.row_number, p.why, p.text) for one, path in latest for p in passed_over(store, one)]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": rows,
            "files": files,
            "files returned whole": returned,
            "months touched": ", ".join(months) or "none",
            "returned": table(pl.DataFrame(faults, schema=["path", "rule", "found", "expected"], orient="row")),
            "no figures, in the latest 20 files": table(
                pl.DataFrame(
                    aside[:50],
                    schema={
                        "path": pl.String,
                        "sheet": pl.String,
                        "row": pl.Int64,
                        "why": pl.String,
                        "text": pl.String,
                    },
                    orient="row",
                )
            ),
        }
    )
