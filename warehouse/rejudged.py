"""What judging months anew changed, and why: by month and rule, findings that appeared and that are gone.

Kept in the ledger, a row a month judged anew, so that a changed rule or plan never changes a verdict silently.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import polars as pl

from expectations.model import Plan
from warehouse.judge import STATE, made_by
from warehouse.ledger import ledger
from warehouse.store import Store, files_sql


@dataclass(frozen=True)
class Before:
    """What stood before: findings (month, rule, finding) of the months that had been judged, and by which plan and code."""

    findings: pl.DataFrame
    made_by: dict[str, dict[str, str]]


def standing_before(store: Store, months: Sequence[str]) -> Before:
    """To be called before the months are judged. A month that was never judged has no `before`."""
    states = {m: json.loads(p.read_text()) for m in months if (p := store.months / m / STATE).exists()}
    return Before(_findings(store, list(states)), states)


def changes(store: Store, plan: Plan, before: Before, now: dt.datetime) -> pl.DataFrame:
    """month, why, rule, appeared, disappeared of the months judged anew since; recorded in the ledger. A rule whose
    findings are the same takes no row; a month without change takes none."""
    after = _findings(store, list(before.made_by))
    keys = ["month", "rule", "finding"]
    moved = (
        pl.concat(
            [
                after.join(before.findings, on=keys, how="anti").with_columns(appeared=1, disappeared=0),
                before.findings.join(after, on=keys, how="anti").with_columns(appeared=0, disappeared=1),
            ]
        )
        .group_by("month", "rule")
        .agg(pl.col("appeared", "disappeared").sum())
        .sort("month", "rule")
    )
    made = made_by(plan)
    why = {month: _why(old, made) for month, old in before.made_by.items()}
    totals = {m: (a, d) for m, a, d in moved.group_by("month").agg(pl.col("appeared", "disappeared").sum()).rows()}
    findings = dict(after.group_by("month").len().rows())
    at = int(now.timestamp() * 1e6)
    with ledger(store) as db:
        db.executemany(
            "insert or replace into judgement values (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (m, at, why[m], made["plan"], made["code"], findings.get(m, 0), *totals.get(m, (0, 0)))
                for m in before.made_by
            ],
        )
    return moved.select(
        "month",
        pl.col("month").replace_strict(why, return_dtype=pl.String).alias("why"),
        "rule",
        "appeared",
        "disappeared",
    )


def _why(old: dict[str, str], made: dict[str, str]) -> str:
    if "plan" not in old:
        return "judged by an earlier version"
    parts = [f"{what}: {old[what]} → {made[what]}" for what in ("plan", "code") if old[what] != made[what]]
    return "; ".join(parts) or "submissions"


def _findings(store: Store, months: Sequence[str]) -> pl.DataFrame:
    paths = [p for m in months for f in ("validity", "quality") if (p := store.months / m / f"{f}.parquet").exists()]
    if not paths:
        return pl.DataFrame(schema={"month": pl.String, "rule": pl.String, "finding": pl.String})
    with duckdb.connect() as con:
        query = f"select month, rule, finding from read_parquet({files_sql(paths)}) where month is not null"
        found: pl.DataFrame = con.sql(query).pl()
        return found
