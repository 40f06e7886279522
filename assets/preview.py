"""What a backfill, another plan or changed rules would do to the release: tried beside the store, and shown. Nothing is kept."""

import time
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from assets.clock import now
from assets.shown import table
from expectations.load import PLANS, PlanError, load_plan
from expectations.model import Plan
from warehouse import preview as tried
from warehouse.store import Store


class Previewed(dg.Config):
    """What is to be tried. Nothing said: what the next night would do with what has landed."""

    months: list[str] = Field(default=[], description="Judge these anew: 2022-03, or a range, 2022-01...2022-03")
    departments: list[str] = Field(
        default=[], description="Of the months (none: of all), only those in which these departments have rows"
    )
    read_again: bool = Field(
        default=False, description="Read the files (of the departments, or all) from landing again"
    )
    marts_only: bool = Field(
        default=False, description="Judge nothing, only make the marts anew, as the job republish does"
    )
    plan: str | None = Field(
        default=None,
        description="By this plan: its folder, or its name under expectations/plans. None: the one in force",
    )


@dg.asset(
    group_name="preview",
    kinds={"duckdb", "greatexpectations"},
    pool="warehouse",
    description="A dry run of a backfill. The months are judged and the marts made in a store beside the real one, which is"
    " thrown away; what would change against the current release is shown here. What is to be tried is said under Config:"
    " Materialize, Open launchpad. Afterwards the asset `release` shows what did change beside it.",
)
def preview(
    context: dg.AssetExecutionContext,
    config: Previewed,
    store: dg.ResourceParam[Store],
    compiled_plan: dg.ResourceParam[Plan],
) -> dg.MaterializeResult:
    began = time.monotonic()
    asked = tried.Asked(config.months, config.departments, config.read_again, config.marts_only)
    try:
        plan = _plan(config.plan) if config.plan else compiled_plan
        found = tried.preview(store, plan, now(context, store), asked, context.log.info)
    except (tried.PreviewError, PlanError) as e:
        raise dg.Failure(str(e), allow_retries=False) from e
    changed = pl.DataFrame(found.changed, schema={"table": pl.String, "reason": pl.String, "rows": pl.Int64})
    return dg.MaterializeResult(
        metadata={
            "tried": _said(config),
            "plan": f"{plan.head.plan} r{plan.head.revision}{'' if config.plan else ', in force'}",
            "a release would follow": found.follows,
            "targets whose status moves": found.moved["target"].n_unique(),
            "statuses": table(found.statuses),
            "statuses that move": table(found.moved),
            "what changes, and why": table(changed),
            "months judged anew": ", ".join(found.judged) or "none",
            "of these by themselves": ", ".join(found.stale) or "none",
            "files read again": found.read,
            "rows by month": table(found.by_month),
            "findings that appear and disappear, by rule": table(found.findings),
            "against": found.base or "none: there is no release yet",
            "synthetic": found.synthetic,
            "seconds": round(time.monotonic() - began, 1),
            "megabytes on the disk, while it ran": round(found.beside_bytes / 1e6, 1),
        }
    )


def _plan(named: str) -> Plan:
    folder = Path(named) if Path(named).is_dir() else PLANS / named
    if not folder.is_dir():
        raise PlanError(f"{named} is neither a folder nor a plan under expectations/plans")
    return load_plan(folder)


def _said(config: Previewed) -> str:
    said: dict[str, Any] = config.model_dump(exclude_defaults=True)
    return "; ".join(f"{k}: {', '.join(v) if isinstance(v, list) else v}" for k, v in said.items()) or "the next night"
