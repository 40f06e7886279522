"""What Great Expectations found, in its own store: of each month, and of each submission in it.

A run validates one table once, for all months and submissions together: a validation of each would cost ten milliseconds
a rule. Its verdicts are then counted apart by one GROUP BY over the same rows and findings, and stored as validation
results of their own, each of them complete: every rule, how many rows it was asked of, how many broke it and where.

gx/suites/<batch>.json                                     the rules, with the plan's indicators that they come from
gx/validations/<batch>/latest/<time>/….json                the latest run, as Great Expectations returned it; of a run in
                                                           parts the newest, with the counts of all
gx/validations/<batch>/<month>/<time>/period.json          a month; its submissions in `meta`
gx/validations/<batch>/<month>/<time>/submissions.parquet  of each submission in it: a row each. Great Expectations reads
                                                           them through `warehouse.gx.Results`
gx/site/                                                   the pages of them (`warehouse.data_docs`)

A batch is `judged` (rules V, every row), `kept` (rules Q, kept rows) or `across` (rules M). `<time>` is when the newest
of its figures was received: a run of the same figures is the same validation.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl

from expectations.compiled import compiled
from expectations.model import Plan
from warehouse.resolved import put
from warehouse.store import Store, copy_to, write_whole

if TYPE_CHECKING:
    from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult

    from expectations.suites import PlanRule

LATEST = "latest"  # run name of a batch's own result; the other ones are months
TIME = "%Y%m%dT%H%M%S.%fZ"  # of a run, as Great Expectations names its folder
PERIOD = "period"  # batch identifier of a month as a whole
SUBMISSIONS = "submissions.parquet"  # submission, result
CLAUSE = 40  # characters of a clause that are shown


@dataclass(frozen=True)
class Latest:
    """A run's suite and its result, or a part's of it, as Great Expectations stores them."""

    suite: str
    result: str

    @property
    def run_time(self) -> dt.datetime:
        return dt.datetime.fromisoformat(json.loads(self.result)["meta"]["run_id"]["run_time"])


def validate(
    con: duckdb.DuckDBPyConnection, plan: Plan, batch: str, rules: Sequence[type[PlanRule]]
) -> tuple[ExpectationSuiteValidationResult, Latest]:
    """Great Expectations' own run over the table `batch`, of the suite compiled from the plan. Stores nothing."""
    from warehouse import gx

    [(newest,)] = con.execute(f"select max(received_at) from {batch}").fetchall()
    as_of = newest or dt.datetime.combine(plan.head.starts, dt.time(), dt.UTC)
    run = (LATEST, as_of.astimezone(dt.UTC))
    result, suite, stored = gx.validated(con, batch, rules, suite_meta(plan, batch), run)
    return result, Latest(suite, stored)


def keep_latest(store: Store, batch: str, parts: Sequence[Latest]) -> None:
    """Stores what Great Expectations said of the parts of a run, as of one; what stood there is replaced."""
    newest = max(parts, key=lambda p: p.run_time)
    whole = _summed(newest, parts) if len(parts) > 1 else newest.result
    forget(store, batch, [LATEST])
    write_whole(store.gx / "suites" / f"{batch}.json", newest.suite.encode())
    time = newest.run_time.strftime(TIME)
    write_whole(store.gx / "validations" / batch / LATEST / time / f"duckdb-{batch}.json", whole.encode())


def _summed(newest: Latest, parts: Sequence[Latest]) -> str:
    """The result with the rows of all parts that break each rule. A rule that crashed in one of them has crashed."""
    from warehouse.gx import raised

    whole = json.loads(newest.result)
    for each, *same in zip(whole["results"], *(json.loads(p.result)["results"] for p in parts), strict=True):
        if crashed := [r for r in same if raised(r["exception_info"])]:
            each |= {k: crashed[0][k] for k in ("success", "result", "exception_info")}
        else:
            broken = sum(r["result"]["observed_value"] for r in same)
            each |= {"success": not broken, "result": each["result"] | {"observed_value": broken}}
    held = sum(r["success"] for r in whole["results"])
    whole |= {"success": held == len(whole["results"]), "statistics": _statistics(held, len(whole["results"]))}
    return json.dumps(whole, indent=2, sort_keys=True)


def suite_meta(plan: Plan, batch: str) -> dict[str, Any]:
    """Of which plan the suite is, and the lines of it that the batch's rules read, one an indicator (and area)."""
    head = plan.head
    return {
        "plan": head.plan,
        "plan_revision": head.revision,
        "plan_name": f"{head.name_zh} {head.name_en}",
        "plan_digest": plan.digest,
        "departments": {d.department: d.name_zh for d in plan.departments},
        "indicators": _indicators(plan).select(READ[batch]).unique(maintain_order=True).to_dicts(),
    }


READ = {  # of a batch's rules: what they read of an indicator
    "judged": ["indicator", "name_zh", "name_en", "department", "unit", "measure", "frequency", "possible"],
    "kept": [
        "indicator",
        "name_zh",
        "area",
        "period",
        "plausible",
        "plausible_basis",
        "clause",
        "frequency",
        "due_basis",
        "identity_basis",
    ],
    "across": ["indicator", "name_zh", "name_en", "department", "frequency", "due_basis", "adds_up"],
}


def _indicators(plan: Plan) -> pl.DataFrame:
    """One row an indicator, and an area where its plausible range is the area's own. The plausible range is the one of
    the indicator's last period in the plan's year."""
    tables = compiled(plan)
    own = tables["period"].filter(pl.col("in_plan")).select("period", "span", "period_end")
    plausible = (
        tables["plausible"]
        .join(own, on="period")
        .join(tables["indicator"].select("indicator", "span"), on=["indicator", "span"])
        .sort("period_end")
        .unique(["indicator", "area"], keep="last", maintain_order=True)
        .join(tables["area"].select("area", area_zh="name_zh"), on="area", how="left")
        .select(
            "indicator", "area_zh", "period", "plausible_basis", "plausible_low", "plausible_high",
            clause=pl.col("clause").str.slice(0, CLAUSE),
        )
    )  # fmt: skip
    joined = (
        tables["indicator"]
        .join(tables["department"].select(lead_department="department", named="name_zh"), on="lead_department")
        .join(plausible, on="indicator", how="left", maintain_order="left")
        .join(tables["due_line"], on="indicator", how="left", maintain_order="left")
    )
    part = pl.concat_str
    return joined.select(
        "indicator", "name_zh", "name_en", "unit", "measure", "frequency", "plausible_basis", "clause", "due_basis",
        "period", "adds_up",
        area="area_zh",
        department=part("named", pl.lit(" "), "lead_department"),
        possible=_range("possible_low", "possible_high"),
        plausible=_range("plausible_low", "plausible_high"),
        identity_basis=pl.coalesce(
            part(pl.lit("numerator "), "numerator", pl.lit(" / denominator "), "denominator"), part(pl.lit("level "), "level")
        ),
    )  # fmt: skip


def _range(low: str, high: str) -> pl.Expr:
    """A range in words, with its unit; none where nothing bounds it."""

    def end(column: str) -> pl.Expr:
        return pl.col(column).round(4).cast(pl.String).str.strip_suffix(".0")

    return (
        pl.when(pl.col(low).is_not_null() & pl.col(high).is_not_null())
        .then(pl.concat_str(end(low), pl.lit(" … "), end(high), pl.lit(" "), "unit"))
        .when(pl.col(low).is_not_null())
        .then(pl.concat_str(pl.lit("≥ "), end(low), pl.lit(" "), "unit"))
        .when(pl.col(high).is_not_null())
        .then(pl.concat_str(pl.lit("≤ "), end(high), pl.lit(" "), "unit"))
    )


def record(
    con: duckdb.DuckDBPyConnection,
    store: Store,
    batch: str,
    whole: ExpectationSuiteValidationResult,
    months: Sequence[str] | None,
) -> None:
    """Stores the run's verdicts apart, by month and submission; what was stored of `months` (None: of all) is replaced.

    Reads the tables evaluated and finding of the connection.
    """
    configs = [r["expectation_config"] for r in whole.to_json_dict()["results"]]  # type: ignore[no-untyped-call]
    shown = ("type", "meta", "description", "severity")
    put(con, "suite_rule", pl.DataFrame({
        "rule": [c["meta"]["rule"] for c in configs],
        "place": range(len(configs)),
        "config": [json.dumps({"kwargs": {}} | {k: c[k] for k in shown}, ensure_ascii=False) for c in configs],
    }))  # fmt: skip
    ran = whole.meta["run_id"].run_time.astimezone(dt.UTC)
    at = {m: newest.astimezone(dt.UTC) if newest else ran for m, newest in con.execute(NEWEST).fetchall()}
    runs = [(batch, month, time.isoformat()) for month, time in at.items()]
    put(con, "run", pl.DataFrame(runs, dict.fromkeys(("batch", "month", "run_time"), pl.String), orient="row"))
    con.execute(RESULT)
    forget(store, batch, months)
    for month, of_period in con.execute("select month, result from result where submission is null").fetchall():
        folder = store.gx / "validations" / batch / month / at[month].strftime(TIME)
        of_month = f"from result where month = '{month}' and submission is not null order by submission"
        copy_to(con, f"select submission, result {of_month}", folder / SUBMISSIONS, "row_group_size 2048")
        # last and whole: a month of which this stands is a month of which all stands
        write_whole(folder / f"{PERIOD}.json", of_period.encode())


NEWEST = "select month, max(newest) from evaluated where month is not null group by month"

# a validation result as Great Expectations stores and reads it, of each submission in a month, and of the month as a whole
# (submission is null); of a rule the first twenty places: all of them are the warehouse's findings
RESULT = """
create or replace table place as
select month, submission, rule, list({
    'department': department, 'sheet': sheet, 'row_number': row_number, 'column_name': column_name, 'indicator': indicator,
    'area': area, 'period': period, 'value_text': value_text, 'expected_text': expected_text, 'basis': basis,
    'confirmed': confirmed
} order by nth) as places
from (
    select *, row_number() over (partition by month, submission, rule
        order by sheet nulls first, row_number, column_name, finding) as nth
    from finding qualify nth <= 20
) group by all;

create or replace table counted as
with broken as (
    select month, submission, rule, count(*) as broken, count(*) filter (where confirmed) as confirmed
    from finding group by all
), alone as (
    select e.month, e.submission, e.department, e.path, e.rows, e.rule, e.evaluated, coalesce(b.broken, 0) as broken,
        coalesce(b.confirmed, 0) as confirmed
    from evaluated e left join broken b on b.month = e.month and b.rule = e.rule and b.submission is not distinct from e.submission
    where e.month is not null
)
from alone where submission is not null
union all by name
select month, rule, sum(rows)::bigint as rows, sum(evaluated)::bigint as evaluated, sum(broken)::bigint as broken,
    sum(confirmed)::bigint as confirmed
from alone group by month, rule;

create or replace table said as
with alone as (
    select c.month, c.submission, any_value(c.department) as department, any_value(c.path) as path, any_value(c.rows) as rows,
        map_from_entries(coalesce(list((c.rule, c.broken) order by s.place) filter (where c.broken > 0), [])) as broken,
        count(*) filter (where c.broken > 0) as failed,
        list({'place': s.place, 'evaluated': c.evaluated, 'broken': c.broken, 'confirmed': c.confirmed,
            'places': coalesce(p.places, [])} order by s.place) as verdicts
    from counted c
    join suite_rule s using (rule)
    left join place p on p.month = c.month and p.rule = c.rule and p.submission is not distinct from c.submission
    group by c.month, c.submission
), listed as (
    select month, list({'submission': submission, 'department': department, 'path': path, 'rows': rows, 'broken': broken}
        order by department, path, submission) as submissions
    from alone where submission is not null group by month
)
select a.*, case when submission is null then coalesce(l.submissions, []) end as submissions
from alone a left join listed l using (month);

-- a view: as text each is some ten thousand characters, most of them the rules'
create or replace view result as
select month, submission, to_json({
    'success': failed = 0,
    'suite_name': batch,
    'suite_parameters': '{}'::json,
    'statistics': {'evaluated_expectations': len(verdicts), 'successful_expectations': len(verdicts) - failed,
        'unsuccessful_expectations': failed, 'success_percent': 100 * (len(verdicts) - failed) / len(verdicts)},
    'meta': case when submission is null
        then to_json({'run_id': {'run_name': month, 'run_time': run_time}, 'batch': batch, 'month': month, 'rows': rows,
            'submissions': submissions})
        else to_json({'run_id': {'run_name': month, 'run_time': run_time}, 'batch': batch, 'month': month, 'rows': rows,
            'submission': submission, 'department': department, 'path': path}) end,
    'results': list_transform(verdicts, lambda v: {
        'success': v.broken = 0,
        'expectation_config': configs[v.place + 1],
        'result': {'element_count': v.evaluated, 'observed_value': v.broken, 'confirmed': v.confirmed, 'places': v.places},
        'meta': '{}'::json,
        'exception_info': {'raised_exception': false, 'exception_traceback': null, 'exception_message': null}
    })
})::varchar as result
from said join run using (month), (select list(config::json order by place) as configs from suite_rule)
"""


def _statistics(held: int, of: int) -> dict[str, float]:
    return {
        "evaluated_expectations": of,
        "successful_expectations": held,
        "unsuccessful_expectations": of - held,
        "success_percent": 100 * held / of,
    }


def forget(store: Store, batch: str, months: Sequence[str] | None) -> None:
    """Removes the months' results and their pages; of all months where `months` is None."""
    for kind in ("validations", "site/validations"):
        root = store.gx / kind / batch
        gone = (p for p in root.glob("*") if p.name != LATEST) if months is None else (root / m for m in months)
        for folder in gone:
            if folder.exists():
                shutil.rmtree(folder)


def page(store: Store, batch: str, month: str) -> Path | None:
    """The page of a month's validation, where it has been built; of the batch's own for `latest`."""
    pages = (store.gx / "site" / "validations" / batch / month).glob("*/*.html")
    return next((p for p in pages if month == LATEST or p.stem == PERIOD), None)


def pending(store: Store) -> list[Path]:
    """The results of months, and of the latest runs, whose page is missing or older."""
    site = store.gx / "site"
    found = heads(store.gx / "validations")
    return [p for p in found if _older(site / p.relative_to(store.gx).with_suffix(".html"), p)]


def heads(validations: Path) -> list[Path]:
    """The results of months, and those of the latest runs; not their submissions'."""
    return sorted([*validations.glob(f"*/*/*/{PERIOD}.json"), *validations.glob(f"*/{LATEST}/*/*.json")])


def _older(page: Path, result: Path) -> bool:
    return not page.exists() or page.stat().st_mtime_ns < result.stat().st_mtime_ns
