"""What Great Expectations found, in its own store: of each month, and of each submission in it.

A run validates one table once, for all months and submissions together: a validation of each would cost ten milliseconds
a rule. Its verdicts are then counted apart by one GROUP BY over the same rows and findings, and stored as validation
results of their own, each of them complete: every rule, how many rows it was asked of, how many broke it and where.

gx/suites/<batch>.json                                     the rules, with the plan's indicators that they come from
gx/validations/<batch>/latest/<time>/….json                the latest run, as Great Expectations returned it; of a run in
                                                           parts the newest, with the counts of all
gx/validations/<batch>/<month>/<time>/period.json          a month; its submissions in `meta`
gx/validations/<batch>/<month>/<time>/<submission>.json    a submission's rows of the month
gx/site/                                                   the pages of them (`warehouse.data_docs`)

A batch is `judged` (rules V, every row), `kept` (rules Q, kept rows) or `across` (rules M). `<time>` is when the newest
of its figures was received: a run of the same figures is the same validation.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl

from expectations.compiled import compiled
from expectations.model import Plan
from warehouse.store import Store, write_whole

if TYPE_CHECKING:
    from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult

    from expectations.suites import PlanRule

LATEST = "latest"  # run name of a batch's own result; the other ones are months
TIME = "%Y%m%dT%H%M%S.%fZ"  # of a run, as Great Expectations names its folder
PERIOD = "period"  # batch identifier of a month as a whole
PLACES = 20  # places kept of a rule in a submission; all of them are the warehouse's findings
CLAUSE = 40  # characters of a clause that are shown

Counts = dict[str, tuple[int, int, int]]  # by rule: asked, broken, confirmed
Places = dict[str, list[dict[str, Any]]]  # by rule


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
    rules: Sequence[type[PlanRule]],
    whole: ExpectationSuiteValidationResult,
    months: Sequence[str] | None,
    only: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> None:
    """Stores the run's verdicts apart, by month and submission; what was stored of `months` (None: of all) is replaced, of a
    month in `only` that of those submissions.

    Reads the tables evaluated and finding of the connection.
    """
    stored = whole.to_json_dict()  # type: ignore[no-untyped-call]
    configs = {
        rule: {"type": e["type"], "kwargs": {}, "meta": e["meta"], "description": e["description"], "severity": e["severity"]}
        for e in (r["expectation_config"] for r in stored["results"])
        for rule in [e["meta"]["rule"]]
    }  # fmt: skip
    forget(store, batch, None if months is None else [m for m in months if m not in only])
    asked = con.execute(ASKED).fetchall()
    broken = {(month, submission, rule): counts for month, submission, rule, *counts in con.execute(BROKEN).fetchall()}
    places = _places(con)
    by_month = defaultdict(list)
    for month, submission, department, path, newest, rows, evaluated in asked:
        found: Counts = {r.rule: (evaluated[r.rule], *broken.get((month, submission, r.rule), (0, 0))) for r in rules}
        by_month[month].append(
            {"submission": submission, "department": department, "path": path, "newest": newest, "rows": rows, "found": found}
        )  # fmt: skip
    forget(store, batch, [month for month in months or () if month not in by_month])
    for month, parts in by_month.items():
        newest = max((p["newest"] for p in parts if p["newest"]), default=None)
        at = (newest or whole.meta["run_id"].run_time).astimezone(dt.UTC)
        folder = store.gx / "validations" / batch / month / at.strftime(TIME)
        standing = month in only and (folder / f"{PERIOD}.json").exists()
        if standing:
            (folder / f"{PERIOD}.json").unlink()
            for gone in only[month]:
                (folder / f"{gone}.json").unlink(missing_ok=True)
        elif month in only:  # of other figures, or not whole
            forget(store, batch, [month])
        folder.mkdir(parents=True, exist_ok=True)
        run = {"run_name": month, "run_time": at.isoformat()}
        total: Counts = {}
        listed = []
        for part in sorted(parts, key=lambda p: (p["department"] or "", p["path"] or "", p["submission"] or "")):
            for rule, counted in part["found"].items():
                total[rule] = tuple(map(sum, zip(total.get(rule, (0, 0, 0)), counted, strict=True)))  # type: ignore[assignment]
            if part["submission"] is None:
                continue
            said = {k: part[k] for k in ("submission", "department", "path", "rows")}
            listed.append(said | {"broken": {rule: n for rule, (_, n, _) in part["found"].items() if n}})
            if standing and part["submission"] not in only[month]:
                continue
            meta = said | {"run_id": run, "batch": batch, "month": month}
            result = _result(batch, configs, part["found"], places[month, part["submission"]], meta)
            (folder / f"{part['submission']}.json").write_text(result, "utf-8")
        meta = {
            "run_id": run,
            "batch": batch,
            "month": month,
            "rows": sum(p["rows"] for p in parts),
            "submissions": listed,
        }
        # last and whole: a month of which this stands is a month of which all stands
        write_whole(folder / f"{PERIOD}.json", _result(batch, configs, total, places[month, None], meta).encode())


ASKED = """
select month, submission, any_value(department), any_value(path), any_value(newest), any_value(rows),
    map_from_entries(list((rule, evaluated)))
from evaluated where month is not null group by month, submission
"""

BROKEN = """
select month, submission, rule, count(*), count(*) filter (where confirmed) from finding group by month, submission, rule
"""

_PLACE = ["department", "sheet", "row_number", "column_name", "indicator", "area", "period", "value_text",
          "expected_text", "basis", "confirmed"]  # fmt: skip
_PLACED = f"""
select month, submission, rule, {", ".join(_PLACE)} from finding
qualify row_number() over (partition by month, submission, rule order by sheet nulls first, row_number, column_name, finding)
    <= {PLACES}
order by month, submission, rule, sheet nulls first, row_number, column_name, finding
"""


def _places(con: duckdb.DuckDBPyConnection) -> dict[tuple[str, str | None], Places]:
    found: dict[tuple[str, str | None], Places] = defaultdict(lambda: defaultdict(list))
    for month, submission, rule, *place in con.execute(_PLACED).fetchall():
        found[month, submission][rule].append(dict(zip(_PLACE, place, strict=True)))
    return found


def _result(batch: str, configs: dict[str, Any], found: Counts, places: Places, meta: dict[str, Any]) -> str:
    """A validation result as Great Expectations stores it and reads it."""
    held = sum(not broken for _, broken, _ in found.values())
    return json.dumps(
        {
            "success": held == len(found),
            "suite_name": batch,
            "suite_parameters": {},
            "statistics": _statistics(held, len(found)),
            "meta": meta,
            "results": [
                {
                    "success": not broken,
                    "expectation_config": configs[rule],
                    "result": {
                        "element_count": asked,
                        "observed_value": broken,
                        "confirmed": confirmed,
                        "places": places.get(rule, []),
                    },
                    "meta": {},
                    "exception_info": {
                        "raised_exception": False,
                        "exception_traceback": None,
                        "exception_message": None,
                    },
                }
                for rule, (asked, broken, confirmed) in found.items()
            ],
        },
        ensure_ascii=False,
    )


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
