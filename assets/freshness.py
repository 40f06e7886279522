"""Whether the release says what is known, and if not why: asked after each release, and each morning after the night."""

import datetime as dt
from zoneinfo import ZoneInfo

import dagster as dg
import polars as pl

from assets.shown import table
from expectations.compiled import compiled
from expectations.model import Plan
from warehouse.judge import STATE, made_by, state_of
from warehouse.rejudged import why_anew
from warehouse.release import pending
from warehouse.releases import current, standing_back
from warehouse.store import Store


@dg.asset_check(
    asset="release",
    description="Everything that has landed and every deadline that has passed is in the release; if not, which months are"
    " stale, and why.",
)
def up_to_date(store: dg.ResourceParam[Store], compiled_plan: dg.ResourceParam[Plan]) -> dg.AssetCheckResult:
    now = dt.datetime.now(dt.UTC)
    stale, due = pending(store, compiled_plan, now)
    released, back = current(store), standing_back(store)
    as_of = dt.datetime.fromisoformat(released["built_at"]) if released else None
    deadlines = compiled(compiled_plan)["obligation"]["due_at"]
    passed = deadlines.filter((deadlines > as_of) & (deadlines <= now)).len() if as_of else 0
    reasons = [(month, _why(store, compiled_plan, month)) for month in stale]
    zone = ZoneInfo(compiled_plan.head.timezone)
    return dg.AssetCheckResult(
        passed=not due and not stale and back is None,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "release": released["release"] if released else "none yet",
            "as of": f"{as_of.astimezone(zone):%Y-%m-%d %H:%M}" if as_of else "never",
            "stale months": len(stale),
            "stale months, and why": table(pl.DataFrame(reasons, schema=["month", "why"], orient="row")),
            "figures that became due since": passed,
            "rolled back": f"from {back.left}: it stands until something is sent, mended or falls due"
            if back
            else "no",
            "what to do": "nothing"
            if not due
            else "start the job nightly, or wait for the night: the sensor does the rest",
        },
    )


def _why(store: Store, plan: Plan, month: str) -> str:
    """Why a month is stale: the plan, the code, what was sent, or it was never judged."""
    judged = state_of(store.month(month))
    if judged is None:
        return f"not judged yet, or its {STATE} is gone"
    return why_anew(judged, made_by(plan))
