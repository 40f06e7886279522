"""What judging anew would change, before it is done: judged and made in a store beside the real one, then thrown away.

The store beside begins as hard links to the real one's files. Whatever is written there replaces a name and never a file's
bytes, so the real one stays as it is and a preview costs what it makes. What is kept of it is its release_change, to be held
against the release that follows.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from expectations.model import Plan
from warehouse import changes, judge, marts
from warehouse.reading import forget, read_landed
from warehouse.release import compared_with, laid_out, link, made_of
from warehouse.releases import rolled_back
from warehouse.standing import standing
from warehouse.store import Store, connect, files_sql, write_whole

Progress = Callable[[str], None]

MONTHS = re.compile(r"(\d{4}-\d{2})(?:\.\.\.(\d{4}-\d{2}))?")
TOLD = "release_change.parquet"  # what would change, as the release itself would tell it
SAID = "preview.json"  # against which release, and of which inputs


class PreviewError(Exception):
    """What was asked cannot be previewed: why."""


@dataclass(frozen=True)
class Asked:
    """What is to be judged anew besides what is stale: months (`2022-03`, `2022-01...2022-03`; none: all, where departments
    are named or files are read again), of these the ones in which the departments have rows. `read_again`: their files too,
    from landing. `marts_only`: nothing is judged, not even what is stale."""

    months: Sequence[str] = ()
    departments: Sequence[str] = ()
    read_again: bool = False
    marts_only: bool = False


@dataclass(frozen=True)
class Preview:
    """`judged`: months judged anew; `stale`: those among them that the next run judges anyway. `read`: files read again.
    `by_month`: month, stale, files, rows, kept and returned before and after, months that differ first. `findings`: rule,
    appeared, disappeared. `changed`: rows of release_change by table and reason. `statuses`: before, after, reason, targets,
    periods. `moved`: target, name, period, before, after, reason, the latest periods first. Findings and changes are
    against the release `base`. `follows`: whether a release would follow by itself, and why. `beside_bytes`: what the
    preview took on the disk while it ran."""

    base: str | None
    judged: list[str]
    stale: list[str]
    read: int
    by_month: pl.DataFrame
    findings: pl.DataFrame
    changed: list[dict[str, Any]]
    statuses: pl.DataFrame
    moved: pl.DataFrame
    follows: str
    beside_bytes: int
    synthetic: bool


def preview(store: Store, plan: Plan, as_of: dt.datetime, asked: Asked, progress: Progress = lambda _: None) -> Preview:
    """What a release as of `as_of` would be after judging by `plan` what is `asked` and what is stale.

    Only what has landed is known. Raises PreviewError: nothing has landed yet, a month that the plan does not have, a
    department that it does not have, a rule that cannot be evaluated.
    """
    wanted = _months(plan, asked.months)
    if strangers := sorted({*asked.departments} - {d.department for d in plan.departments}):
        raise PreviewError(f"the plan has no department {', '.join(strangers)}")
    with _store_beside(store, progress) as beside:
        read = forget(beside, asked.departments) if asked.read_again else 0
        read_landed(beside, plan, progress)
        stale = [] if asked.marts_only else judge.stale_months(beside, plan)
        judged = sorted({*_chosen(beside, asked, wanted), *stale})
        reach = judge.looking_back_on(judged, judge.months_with_rows(beside)) if judged else []
        stood = standing(beside, reach).rows
        _judge(beside, plan, judged, progress)
        stands = standing(beside, reach).rows
        marts.make(beside, plan, as_of, progress)
        progress("comparing with the current release")
        base = compared_with(store, progress)
        digest = marts.input_digest(beside, plan, as_of)
        made = changes.Side(_as_released(beside), made_of("preview", plan, as_of, digest))
        changed = changes.write(base, made, beside.root / TOLD, beside.spill)
        with connect(beside.root, *([base.folder] if base else [])) as con:
            for table in ("finding", "target", "indicator", "progress", "submission"):
                con.execute(f"create view {table} as from read_parquet({files_sql(beside.mart(table))})")
            con.execute(f"create view told as from read_parquet({files_sql([beside.root / TOLD])})")
            found = Preview(
                base.facts["release"] if base else None,
                judged,
                stale,
                read,
                _by_month(stood, stands, stale),
                _findings(con, base),
                changed,
                con.sql(STATUSES).pl(),
                con.sql(MOVED).pl(),
                _follows(store, base, digest),
                _taken(beside.root),
                con.execute("select coalesce(bool_or(synthetic), false) from submission").fetchall()[0][0],
            )
        _keep(store, beside.root / TOLD, {"base": found.base, "input_digest": digest, "as_of": as_of.isoformat()})
        return found


@dataclass(frozen=True)
class Outcome:
    """`previewed`: when. `same_inputs`: whether the release is made of the very inputs that were previewed. `held`: table,
    reason, as_previewed, otherwise, not_previewed, did_not_come."""

    previewed: dt.datetime
    same_inputs: bool
    held: pl.DataFrame


def outcome(store: Store, release: str, base: str | None, digest: str) -> Outcome | None:
    """The last preview held against what the release changed, each row of release_change against its own; None where that
    preview was against another release than this one's `base`."""
    said = _kept(store) / SAID
    if not said.exists():
        return None
    preview = json.loads(said.read_text("utf-8"))
    if preview["base"] != base:
        return None
    told = store.warehouse / "releases" / release / "marts" / "release_change" / TOLD
    with connect(store.root) as con:
        held = con.sql(HELD.format(previewed=files_sql([_kept(store) / TOLD]), released=files_sql([told]))).pl()
    return Outcome(dt.datetime.fromisoformat(preview["as_of"]), preview["input_digest"] == digest, held)


def _kept(store: Store) -> Path:
    return store.root / "previewed"


def _keep(store: Store, told: Path, said: dict[str, Any]) -> None:
    kept = _kept(store)
    kept.mkdir(exist_ok=True)
    (kept / SAID).unlink(missing_ok=True)  # until both are of the same preview
    os.replace(told, kept / TOLD)
    write_whole(kept / SAID, json.dumps(said).encode())


@contextmanager
def _store_beside(store: Store, progress: Progress) -> Iterator[Store]:
    """A store whose files are those of the real one as they are now; one at a time, gone afterwards."""
    if not store.ledger.exists():
        raise PreviewError("nothing has landed yet: run the job nightly first")
    beside = Store(store.root / ".preview")
    with open(store.root / ".preview.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(beside.root, ignore_errors=True)  # of a preview that was killed
        try:
            beside.ledger.parent.mkdir(parents=True)
            with store.writing("preview", progress):  # so that the files are of one moment
                with closing(sqlite3.connect(store.ledger)) as kept, closing(sqlite3.connect(beside.ledger)) as copy:
                    kept.backup(copy)
                for ours, theirs in ((store.rows, beside.rows), (store.months, beside.months)):
                    if ours.exists():
                        left = shutil.ignore_patterns(".*", "*.tmp")  # a name that is written to, not replaced
                        shutil.copytree(ours, theirs, copy_function=link, ignore=left)
            objects = store.ledger.parent / "objects"
            (beside.ledger.parent / "objects").symlink_to(objects.absolute(), target_is_directory=True)
            yield beside
        finally:
            shutil.rmtree(beside.root, ignore_errors=True)


def _taken(root: Path) -> int:
    """Bytes under `root` that are nowhere else."""
    files = [p.lstat() for p in root.rglob("*") if p.is_file() and not p.is_symlink()]
    return sum(f.st_size for f in files if f.st_nlink == 1)


def _months(plan: Plan, spoken: Sequence[str]) -> list[str]:
    first, last = f"{plan.head.history_from:%Y-%m}", f"{plan.head.ends:%Y-%m}"
    years = range(plan.head.history_from.year, plan.head.ends.year + 1)
    known = [m for year in years for n in range(1, 13) if first <= (m := f"{year}-{n:02}") <= last]
    wanted: set[str] = set()
    for text in spoken:
        found = MONTHS.fullmatch(text.strip())
        within = known[known.index(found[1]) :] if found and found[1] in known else []
        ends = found[2] or found[1] if found else ""
        if ends not in within:
            raise PreviewError(
                f"{text!r} is no month of the plan, nor a range of them: write 2022-03 or 2022-01...2022-03, from {first} to"
                f" {last}"
            )
        wanted |= {m for m in within if m <= ends}
    return sorted(wanted)


def _chosen(store: Store, asked: Asked, wanted: list[str]) -> list[str]:
    if asked.marts_only or not (asked.months or asked.departments or asked.read_again):
        return []
    known = judge.months_with_rows(store, asked.departments)
    if not asked.months:
        return known
    return [m for m in wanted if m in known] if asked.departments else wanted


def _judge(store: Store, plan: Plan, months: list[str], progress: Progress) -> None:
    valid = judge.validity(store, plan, months, progress)
    crashed = valid.crashed or judge.quality(store, plan, months, progress).crashed
    if crashed:
        said = "; ".join(f"{v.rule}: {v.crashed}" for v in crashed)
        raise PreviewError(f"a run would stop, and the last release stand: rules that cannot be evaluated: {said}")


def _as_released(store: Store) -> Path:
    """The marts, laid out as a release lays them out."""
    folder = store.root / "release"
    for table in changes.READ:
        laid_out(store, table, folder)
    return folder


def _by_month(stood: pl.DataFrame, stands: pl.DataFrame, stale: list[str]) -> pl.DataFrame:
    counts = ["rows_kept", "rows_returned"]
    both = stood.select("month", pl.col(counts).name.suffix("_before")).join(
        stands.select("month", *counts, files="submissions", rows="rows_read"), on="month", how="full", coalesce=True
    )
    same = pl.all_horizontal(pl.col(c) == pl.col(f"{c}_before") for c in counts)
    return (
        both.fill_null(0)
        .sort(same, "month")
        .select(
            "month",
            pl.col("month").is_in(stale).alias("stale"),
            "files",
            "rows",
            pl.col("rows_kept_before").alias("kept before"),
            pl.col("rows_kept").alias("kept after"),
            pl.col("rows_returned_before").alias("returned before"),
            pl.col("rows_returned").alias("returned after"),
        )
    )


def _findings(con: duckdb.DuckDBPyConnection, base: changes.Side | None) -> pl.DataFrame:
    there = sorted((base.folder / "marts" / "finding").glob("*.parquet")) if base else []
    con.execute(
        f"create view stood as from read_parquet({files_sql(there)})"
        if there
        else "create view stood as from finding limit 0"
    )
    found: pl.DataFrame = con.sql(FINDINGS).pl()
    return found


def _follows(store: Store, base: changes.Side | None, digest: str) -> str:
    if base is not None and base.facts["input_digest"] == digest:
        return "no: it would be made of the inputs of the current release"
    for left, inputs in rolled_back(store).items():
        if inputs == digest:
            return f"no: it would be made of the inputs of {left}, which was rolled back"
    return "yes"


FINDINGS = """
select coalesce(n.rule, o.rule) as rule, count(*) filter (where o.finding is null) as appeared,
    count(*) filter (where n.finding is null) as disappeared
from finding n full join stood o on o.finding = n.finding
where o.finding is null or n.finding is null group by all order by all
"""

STATUSES = """
select before_text as "before", after_text as "after", reason, count(distinct target) as targets, count(*) as periods
from told where table_name = 'progress' and column_name = 'status' group by all order by targets desc, before_text, after_text, reason
"""

MOVED = """
select t.target, i.name_zh as name, t.period, t.before_text as "before", t.after_text as "after", t.reason
from told t
left join indicator i on i.indicator = t.indicator
left join progress p on p.target = t.target and p.period = t.period
where t.table_name = 'progress' and t.column_name = 'status'
order by p.period_end desc nulls last, t.target, t.period
"""

HELD = """
select coalesce(r.table_name, p.table_name) as "table", coalesce(r.reason, p.reason) as reason,
    count(*) filter (where r.at and p.at and r.after_text is not distinct from p.after_text) as as_previewed,
    count(*) filter (where r.at and p.at and r.after_text is distinct from p.after_text) as otherwise,
    count(*) filter (where p.at is null) as not_previewed,
    count(*) filter (where r.at is null) as did_not_come
from (select *, true as at from read_parquet({released})) r
full join (select *, true as at from read_parquet({previewed})) p
    on p.table_name = r.table_name and p.target is not distinct from r.target
    and p.indicator is not distinct from r.indicator and p.area is not distinct from r.area
    and p.period is not distinct from r.period and p.measure is not distinct from r.measure
    and p.department is not distinct from r.department and p.column_name = r.column_name
group by all order by all
"""
