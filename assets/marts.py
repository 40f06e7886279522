"""The marts: each table that an analyst queries, made anew from the judged months and the plan, and their release."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl

from assets.clock import now
from assets.data_docs import documented
from assets.judging import ONLY_STALE
from assets.shown import COLOURS, bars, columns, courses, table
from expectations.model import Plan
from warehouse import dictionary, marts, rulebook
from warehouse.glance import marts_at_a_glance, overdue_at_a_glance
from warehouse.preview import outcome
from warehouse.release import Release, publish
from warehouse.releases import Keep
from warehouse.store import Store

FROM = {  # what each mart reads, besides the plan
    "observation": ["judged_rows"],
    "explanation": ["judged_rows"],
    "obligation": ["judged_rows"],
    "reminder": ["mart/obligation"],
    "finding": ["judged_rows", "read_rows", "mart/obligation"],
    "submission": ["judged_rows", "read_rows", "mart/finding"],
    "progress": ["mart/observation", "mart/obligation", "mart/target", "mart/indicator", "mart/forecast_policy"],
    "forecast": ["mart/progress", "mart/target_version", "mart/indicator", "mart/period"],
    "reporting": ["judged_rows", "mart/obligation", "mart/finding"],
    "score_part": ["mart/progress", "mart/reporting", "mart/status_credit", "mart/score_rule", "mart/score_weight"],
    "capability_score": ["mart/score_part"],
    "scorecard": ["mart/reporting", "mart/score_part"],
    "index_score": ["mart/score_part"],
    "sensitivity": ["mart/score_part", "mart/score_rule"],
    "filing": ["judged_rows", "mart/observation", "mart/obligation"],
    "rule": ["mart/finding"],
    "reconciliation": ["mart/published", "mart/observation", "mart/obligation", "mart/finding"],
}


def _key(name: str) -> dg.AssetKey:
    return dg.AssetKey(name.split("/"))


def _columns(name: str) -> dg.TableSchema:
    described = dictionary.tables()[name]
    return dg.TableSchema(
        [dg.TableColumn(column, description=f"{k.zh}: {k.comment}") for column, k in described.columns.items()]
    )


def _pictured(store: Store) -> dict[str, dict[str, Any]]:
    """What a person would rather look at than read, by mart."""
    seen = marts_at_a_glance(store)
    return {
        "progress": {
            "status by capability": bars(seen.status, "capability", COLOURS),
            "the same in figures": table(seen.status),
        },
        "observation": {"figures by month": columns(seen.figures, "month", {"figures": "#6ac"})},
        "capability_score": {
            "scores at the ends of quarters": courses(seen.scores, "capability", "period", "score"),
            "the same in figures": table(
                seen.scores.with_columns(pl.col("score").round(3)).pivot("period", index="capability", values="score")
            ),
        },
        "scorecard": {
            "lowest scores": bars(seen.ranking.head(10), "department", {"score": "#6ac"}),
            "ranking, the lowest first": table(seen.ranking.with_columns(pl.selectors.float().round(3))),
        },
    }


@dg.multi_asset(
    name="make_marts",
    group_name="marts",
    pool="warehouse",
    specs=[
        dg.AssetSpec(
            dg.AssetKey(["mart", name]),
            deps=[_key(d) for d in ["plan", *FROM.get(name, [])]],
            description=f"{dictionary.tables()[name].zh}. {dictionary.tables()[name].comment}",
            kinds={"duckdb", "sql"},
            metadata={"dagster/column_schema": _columns(name)},
        )
        for name in marts.TABLES
    ],
    check_specs=[
        dg.AssetCheckSpec(
            "obligations_met",
            asset=dg.AssetKey(["mart", "obligation"]),
            description="Every figure that is due was reported or said to be unavailable (rule M01).",
        ),
        dg.AssetCheckSpec(
            "figures_agree",
            asset=dg.AssetKey(["mart", "observation"]),
            description="Districts add up to the city, departments agree with each other and with what was published"
            " (rules M02, M03, M04).",
        ),
        dg.AssetCheckSpec(
            "every_rule_still_works",
            asset=dg.AssetKey(["mart", "rule"]),
            description="Each rule finds the files that break it and is silent on those that keep it"
            " (expectations/rulebook, synthetic).",
        ),
        dg.AssetCheckSpec(
            "documented",
            asset=dg.AssetKey(["mart", "finding"]),
            description="Data Docs show what the rules across submissions (M) found.",
        ),
        dg.AssetCheckSpec(
            "every_target_has_a_status",
            asset=dg.AssetKey(["mart", "progress"]),
            blocking=True,
            description="Each target stands once at each of its reporting periods, with one status.",
        ),
    ],
)
def made_marts(
    context: dg.AssetExecutionContext,
    store: dg.ResourceParam[Store],
    compiled_plan: dg.ResourceParam[Plan],
    engine: dg.ResourceParam[str],
) -> Iterator[Any]:
    as_of = now(context, store)
    made = marts.make(store, compiled_plan, as_of, context.log.info, engine)
    by = {**made.by, **({"pages": dg.MetadataValue.url(made.by["pages"])} if "pages" in made.by else {})}
    pictured = _pictured(store)
    for name in marts.TABLES:
        yield dg.MaterializeResult(
            asset_key=["mart", name],
            metadata=pictured.get(name, {})
            | {"dagster/row_count": made.rows[name], "preview": table(made.preview[name])}
            | ({**by, **made.took[name]} if name in made.took else {}),
        )
    crashed = [v for v in made.verdicts if v.crashed]
    missing = sum(v.fired for v in made.verdicts if v.rule == "M01")
    apart = [v for v in made.verdicts if v.rule != "M01"]
    yield dg.AssetCheckResult(
        asset_key=["mart", "obligation"],
        check_name="obligations_met",
        passed=missing == 0 and not crashed,
        severity=dg.AssetCheckSeverity.ERROR if crashed else dg.AssetCheckSeverity.WARN,
        metadata={
            "missing": missing,
            "by department": table(made.missing),
            "the longest overdue, and by which line of policy": table(overdue_at_a_glance(store)),
            "could not be evaluated": ", ".join(f"{v.rule}: {v.crashed}" for v in crashed) or "none",
        },
    )
    yield dg.AssetCheckResult(
        asset_key=["mart", "observation"],
        check_name="figures_agree",
        passed=not any(v.fired or v.crashed for v in apart),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"by rule": table(pl.DataFrame(apart))},
    )
    undocumented = documented(store, context.log)
    yield dg.AssetCheckResult(
        asset_key=["mart", "finding"],
        check_name="documented",
        passed=undocumented is None,
        metadata={
            "could not be built": undocumented or "none",
            "Data Docs": dg.MetadataValue.path(store.gx / "site" / "index.html"),
        },
    )
    tried = rulebook.known(store, as_of)
    idle = tried.filter(~pl.col("works"))
    yield dg.AssetCheckResult(
        asset_key=["mart", "rule"],
        check_name="every_rule_still_works",
        passed=idle.is_empty(),
        metadata={
            "rules tried": tried.height,
            "tried at": dg.MetadataValue.timestamp(dt.datetime.fromisoformat(tried.item(0, "at"))),
            "rules that do not work": table(idle),
            "health": table(made.health),
        },
    )
    yield dg.AssetCheckResult(
        asset_key=["mart", "progress"],
        check_name="every_target_has_a_status",
        passed=made.odd_targets.is_empty(),
        metadata={"targets that do not": table(made.odd_targets), "status now": table(made.status)},
    )


@dg.asset(
    group_name="release",
    deps=[dg.AssetKey(["mart", name]) for name in marts.TABLES],
    pool="warehouse",
    kinds={"duckdb", "parquet"},
    description="What everyone may see: an immutable folder with warehouse.duckdb, the same tables as Parquet, a manifest;"
    " made current by moving one link.",
)
def release(
    context: dg.AssetExecutionContext,
    store: dg.ResourceParam[Store],
    compiled_plan: dg.ResourceParam[Plan],
    keep: dg.ResourceParam[Keep],
    views: dg.ResourceParam[bool],
) -> dg.MaterializeResult:
    again = ONLY_STALE not in context.run.tags
    published = publish(store, compiled_plan, context.log.info, keep, again=again, views=views)
    return dg.MaterializeResult(
        metadata={
            "release": published.release,
            "warehouse": dg.MetadataValue.path(published.path),
            "folder": dg.MetadataValue.path(store.warehouse / "releases" / published.release),
            "rows": table(pl.DataFrame(list(published.rows.items()), schema=["table", "rows"], orient="row")),
            "what changed, and why": table(
                pl.DataFrame(published.changed, schema={"table": pl.String, "reason": pl.String, "rows": pl.Int64})
            ),
            "against": published.base or "none: the first release",
            "inputs": published.input_digest,
            **_previewed(store, published),
        },
        data_version=dg.DataVersion(published.input_digest[:16]),
    )


def _previewed(store: Store, published: Release) -> dict[str, Any]:
    """The last preview beside what came of it, where it was against the same release."""
    found = outcome(store, published.release, published.base, published.input_digest)
    if found is None:
        return {}
    return {
        "what was previewed, and what came": table(found.held),
        "previewed at": dg.MetadataValue.timestamp(found.previewed),
        "made of what was previewed": found.same_inputs,
    }
