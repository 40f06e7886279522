"""What judging months anew changed, and why: by month and rule, findings that appeared and that are gone.

Kept in the ledger, a row a month judged anew, so that a changed rule or plan never changes a verdict silently. What stood
before rests in the month's own folder until that row is written: a run that is killed in between loses nothing, and the
run that goes on in its place says what both changed, once.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from expectations.model import Plan
from warehouse import sums
from warehouse.judge import STATE, forget_damaged, made_by, state_of
from warehouse.ledger import ledger
from warehouse.release import link
from warehouse.store import Store, connect, files_sql, month_of, write_whole

BEFORE = "before"  # in a month's folder: its findings, and of what, as they stood before it was judged anew
FINDINGS = ("validity.parquet", "quality.parquet")


def put_aside(store: Store, months: Iterable[str], now: dt.datetime) -> None:
    """To be called before the months are judged. Of a month that was never judged, or is damaged, nothing stands; what a
    run put aside that was killed is what stood before."""
    months = list(months)
    forget_damaged(store, months)
    for month in months:
        folder = store.month(month)
        state = state_of(folder)
        if (folder / BEFORE).exists() or state is None:
            continue
        beside = _beside(folder)
        beside.mkdir()
        for name in (*FINDINGS, sums.NAME):
            if (folder / name).exists():
                link(folder / name, beside / name)  # what is written anew is another file
        since = {"judged_at": int(now.timestamp() * 1e6)}
        write_whole(beside / STATE, json.dumps(state | since).encode())
        os.rename(beside, folder / BEFORE)


def _beside(folder: Path) -> Path:
    """A free place beside what is put aside of a month."""
    place = folder / f".{BEFORE}"
    shutil.rmtree(place, ignore_errors=True)
    return place


def changes(store: Store, plan: Plan) -> pl.DataFrame:
    """month, why, rule, appeared, disappeared of the months judged anew since they were put aside; recorded in the ledger.
    A rule whose findings are the same takes no row; a month without change takes none."""
    aside = {month_of(p.parent): p for p in sorted(store.months.glob(f"*/{BEFORE}")) if (p.parent / STATE).exists()}
    stood = {m: s for m, p in aside.items() if (s := state_of(p)) and not sums.damage(p, FINDINGS)}
    before, after = _findings([aside[m] for m in stood]), _findings([store.month(m) for m in stood])
    keys = ["month", "rule", "finding"]
    moved = (
        pl.concat(
            [
                after.join(before, on=keys, how="anti").with_columns(appeared=1, disappeared=0),
                before.join(after, on=keys, how="anti").with_columns(appeared=0, disappeared=1),
            ]
        )
        .group_by("month", "rule")
        .agg(pl.col("appeared", "disappeared").sum())
        .sort("month", "rule")
    )
    made = made_by(plan)
    why = {month: why_anew(old, made) for month, old in stood.items()}
    totals = {m: (a, d) for m, a, d in moved.group_by("month").agg(pl.col("appeared", "disappeared").sum()).rows()}
    findings = dict(after.group_by("month").len().rows())
    with ledger(store) as db:
        db.executemany(  # killed before the months are cleared below, the next run replaces these very rows
            "insert or replace into judgement values (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (m, old["judged_at"], why[m], made["plan"], made["code"], findings.get(m, 0), *totals.get(m, (0, 0)))
                for m, old in stood.items()
            ],
        )
    for folder in aside.values():
        os.rename(folder, _beside(folder.parent))
    for done in store.months.glob(f"*/.{BEFORE}"):
        shutil.rmtree(done)
    return moved.select(
        "month",
        pl.col("month").replace_strict(why, return_dtype=pl.String).alias("why"),
        "rule",
        "appeared",
        "disappeared",
    )


def why_anew(old: dict[str, Any], made: dict[str, str]) -> str:
    """Why a month that was judged by `old` is judged anew by `made` (`judge.made_by`)."""
    if "plan" not in old:
        return "judged by an earlier version"
    parts = [f"{what}: {old[what]} → {made[what]}" for what in ("plan", "code") if old[what] != made[what]]
    return "; ".join(parts) or "submissions"


def _findings(folders: Sequence[Path]) -> pl.DataFrame:
    paths = [p for folder in folders for name in FINDINGS if (p := folder / name).exists()]
    if not paths:
        return pl.DataFrame(schema={"month": pl.String, "rule": pl.String, "finding": pl.String})
    with connect(*folders) as con:
        query = f"select month, rule, finding from read_parquet({files_sql(paths)}) where month is not null"
        found: pl.DataFrame = con.sql(query).pl()
        return found
