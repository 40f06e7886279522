"""The largest marts of a large store, by the month in which a period ends: a file each, made anew only where something that it
rests on has changed.

Here: what each file rests on, and whether it stands. Not here: what is in it, which is the mart's own .sql. What each was made
from is noted beside them in parts.json, with the file's digest, so that none is taken for another.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from typing import Any

import duckdb
import polars as pl

from expectations.compiled import compiled
from expectations.model import Plan
from warehouse import sums
from warehouse.ledger import ledger
from warehouse.marts.judged import bound
from warehouse.resolved import put
from warehouse.store import Store, copy_to, discard, month_of, write_whole
from warehouse.version import code_version

FROM = 16 << 20  # bytes of judged figures, some four million: below, a file a month costs more than it saves
NOTED = "parts.json"
MONTH = re.compile(r"\d{4}-\d{2}")


def much(store: Store) -> bool:
    """Whether the store is so large that its largest marts are made by month."""
    return sum(path.stat().st_size for path in store.months.glob("*/observation.parquet")) > FROM


def stands(store: Store) -> bool:
    """Whether the marts in the store were made by month: not so a small store's, nor what a cluster made."""
    return all(MONTH.fullmatch(part.stem) for table in BY_MONTH for part in store.mart(table))


def make(
    con: duckdb.DuckDBPyConnection, store: Store, plan: Plan, as_of: dt.datetime, table: str, query: str
) -> dict[str, float]:
    """Makes those files of the mart anew that do not stand, and removes what is no month's. `query` reads what `inputs` made
    of it; while a month's file is made that is the month's."""
    rests_on, bind = BY_MONTH[table]
    folder = store.marts / f"{table}.parquet"
    if folder.is_file():
        discard(folder)
    noted, months, made = _noted(store), rests_on(store, plan, as_of), 0
    for month, rest in months.items():
        file = folder / f"{month}.parquet"
        was = noted.get(f"{table}/{month}", {})
        if was.get("rests_on") == rest and file.exists() and sums.sha256(file) == was.get("sha256"):
            continue
        bind(con, store, plan, month)
        copy_to(con, query, file)
        noted[f"{table}/{month}"] = {"rests_on": rest, "sha256": sums.sha256(file)}
        made += 1
    for left in folder.iterdir():
        if left.stem not in months:
            discard(left)
    write_whole(store.marts / NOTED, json.dumps(noted, indent=1).encode())
    return {"parts": len(months), "parts made": made}


def _noted(store: Store) -> dict[str, dict[str, Any]]:
    try:
        noted = json.loads((store.marts / NOTED).read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _of_figures(store: Store, plan: Plan, as_of: dt.datetime) -> dict[str, list[Any]]:
    folders = sorted(path.parent for path in store.months.glob("*/observation.parquet"))
    return {month_of(month): [code_version(), sums.told(month)["observation.parquet"]] for month in folders}


def _one_months_figures(con: duckdb.DuckDBPyConnection, store: Store, plan: Plan, month: str) -> None:
    bound(con, store, "stored_observation", [month])


def _of_what_is_owed(store: Store, plan: Plan, as_of: dt.datetime) -> dict[str, list[Any]]:
    now = int(as_of.timestamp() * 1e6)
    with ledger(store) as db:  # what came later is not known then
        asked = "select distinct month from submission_month join submission using (submission) where received_at > ?"
        later = {month for (month,) in db.execute(asked, [now])}
    owed = (
        compiled(plan)["obligation"]
        .group_by("period_end")
        .agg((pl.col("due_at") <= as_of.astimezone(dt.UTC)).sum().alias("due"))
        .group_by(pl.col("period_end").dt.strftime("%Y-%m").alias("month"))
        .agg(pl.col("due").sum())
        .sort("month")
    )
    rests: dict[str, list[Any]] = {}
    for month, due in owed.rows():
        folder = store.month(month)
        rows = sums.told(folder)["row.parquet"] if (folder / "row.parquet").exists() else None
        rests[month] = [code_version(), plan.digest, due, rows, now if month in later else None]
    return rests


def _what_is_owed_of_one_month(con: duckdb.DuckDBPyConnection, store: Store, plan: Plan, month: str) -> None:
    of_month = pl.col("period_end").dt.strftime("%Y-%m") == month
    put(con, "obligation_due", compiled(plan)["obligation"].filter(of_month))
    bound(con, store, "judged_row", [month])


RestsOn = Callable[[Store, Plan, dt.datetime], dict[str, list[Any]]]  # by month, in words that differ where it does
Bind = Callable[[duckdb.DuckDBPyConnection, Store, Plan, str], None]
BY_MONTH: dict[str, tuple[RestsOn, Bind]] = {
    "observation": (_of_figures, _one_months_figures),
    "obligation": (_of_what_is_owed, _what_is_owed_of_one_month),
}
