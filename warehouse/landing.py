"""Landing: new bytes from the departments' drop boxes, kept for ever, with a ledger row each, and read to rows.

A source is never written to. Landing is idempotent: killed at any moment and run again it ends in the same ledger.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

import polars as pl

from expectations.model import Plan
from expectations.periods import period
from warehouse import readers
from warehouse.store import Store

SETTLED = 2.0  # seconds without a change until a file counts as complete
SIZE_LIMIT = 512 << 20  # bytes (S07)

SCHEMA = """
create table if not exists submission (
    submission text primary key, source text not null, department text not null, path text not null,
    sha256 text not null, bytes integer not null, received_at integer not null, landed_at integer not null,
    reader text, format text, synthetic integer, named_department text, rows integer,
    fault_rule text, fault_found text, fault_expected text, fault_sheet text, fault_row integer
);
create table if not exists submission_month (
    submission text not null, month text not null, rows integer not null, primary key (submission, month)
);
create table if not exists seen (
    source text not null, path text not null, bytes integer not null, modified_ns integer not null,
    submission text not null, received_at integer not null, primary key (source, path)
);
"""

Progress = Callable[[str], None]


class SourceError(Exception):
    """A source that cannot be listed: which, and why."""


@dataclass(frozen=True)
class Landed:
    """What a landing did: counts, and the sources that failed with their reasons."""

    looked_at: int
    new: list[str]
    growing: list[str]
    unknown_boxes: list[str]
    failed_sources: dict[str, str]


@contextmanager
def ledger(store: Store) -> Iterator[sqlite3.Connection]:
    """The ledger; what happens inside is one transaction."""
    store.ledger.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(store.ledger, timeout=60)) as db:
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = full")
        db.executescript(SCHEMA)
        with db:
            yield db


def land(
    store: Store, sources: Iterable[str], plan: Plan, now: dt.datetime, progress: Progress = lambda _: None
) -> Landed:
    """Copies every new file of every source into the store. One source that fails never stops the others.

    A submission is received when its file was last changed in the drop box, never later than `now` and never before an
    earlier submission under the same name. `now`: timezone-aware.
    """
    departments = {d.department for d in plan.departments}
    looked_at, new, growing, failed, unknown = 0, [], [], {}, []
    for source in sources:
        try:
            boxes = list(_boxes(source))
        except (OSError, SourceError) as e:
            failed[source] = str(e)
            progress(f"source {source}: {e}")
            continue
        for department, box in boxes:
            if department not in departments:
                unknown.append(f"{source}: {department}")
                continue
            files, unsettled = _complete(box, now)
            growing += [f"{department}/{p.relative_to(box).as_posix()}" for p in unsettled]
            looked_at += len(files)
            new += _land_box(store, source, department, box, files, now, progress)
    return Landed(looked_at, new, growing, unknown, failed)


def _boxes(source: str) -> Iterator[tuple[str, Path]]:
    url = urlsplit(source)
    if url.scheme != "file":
        raise SourceError(f"{url.scheme}:// is not a source that can be pulled; use file:///folder")
    root = Path(unquote(url.path))
    if not root.is_dir():
        raise SourceError(f"{root} is not a folder; make it, or correct the source's URL")
    for box in sorted(root.iterdir()):
        if box.is_dir() and not box.name.startswith("."):
            yield box.name, box


def _complete(box: Path, now: dt.datetime) -> tuple[list[Path], list[Path]]:
    """Files of a drop box that are whole, and those still growing."""
    files = [
        p
        for p in sorted(box.rglob("*"))
        if p.is_file()
        and not p.is_symlink()
        and not p.name.startswith((".", "~$"))
        and not p.name.casefold().endswith((".part", ".tmp"))
        and not any(part.startswith(".") or part == "receipts" for part in p.relative_to(box).parts[:-1])
    ]
    before = {p: p.stat() for p in files}
    if any(now.timestamp() - s.st_mtime < SETTLED for s in before.values()):
        time.sleep(SETTLED)
    growing = [p for p, s in before.items() if not p.exists() or _changed(s, p.stat())]
    return [p for p in files if p not in set(growing)], growing


def _changed(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)


def _land_box(
    store: Store, source: str, department: str, box: Path, files: list[Path], now: dt.datetime, progress: Progress
) -> list[str]:
    new = []
    with ledger(store) as db:
        for file in sorted(files, key=lambda f: (f.stat().st_mtime_ns, f)):  # of two copies the first sent counts
            path = f"{department}/{file.relative_to(box).as_posix()}"
            stat = file.stat()
            known = db.execute(
                "select bytes, modified_ns, received_at from seen where source = ? and path = ?", (source, path)
            ).fetchone()
            if known and known[:2] == (stat.st_size, stat.st_mtime_ns):
                continue
            sha256 = _keep(store, file)
            if _changed(stat, file.stat()):  # replaced while it was read: the next landing takes it whole
                continue
            submission = hashlib.sha256(f"{department}\0{sha256}".encode()).hexdigest()[:16]
            received = min(stat.st_mtime_ns // 1000, int(now.timestamp() * 1e6))
            if known:
                received = max(received, known[2] + 1)
            inserted = db.execute(
                "insert into submission (submission, source, department, path, sha256, bytes, received_at, landed_at)"
                " values (?, ?, ?, ?, ?, ?, ?, ?) on conflict do nothing",
                (submission, source, department, path, sha256, stat.st_size, received, int(now.timestamp() * 1e6)),
            ).rowcount
            db.execute(
                "insert or replace into seen values (?, ?, ?, ?, ?, ?)",
                (source, path, stat.st_size, stat.st_mtime_ns, submission, received),
            )
            if inserted:
                new.append(submission)
                progress(f"landed {path} ({stat.st_size:,} bytes)")
    return new


def _keep(store: Store, file: Path) -> str:
    """The file's bytes in the store under their own digest; streamed, whole or not at all."""
    landing = store.object("00").parent.parent
    landing.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with open(file, "rb") as stream, tempfile.NamedTemporaryFile(dir=landing, prefix=".", delete=False) as copy:
        while block := stream.read(1 << 20):
            digest.update(block)
            copy.write(block)
        copy.flush()
        os.fsync(copy.fileno())
    kept = store.object(digest.hexdigest())
    if kept.exists():
        os.unlink(copy.name)
    else:
        kept.parent.mkdir(parents=True, exist_ok=True)
        os.chmod(copy.name, 0o444)
        shutil.move(copy.name, kept)
    return digest.hexdigest()


def reader_id(plan: Plan) -> str:
    """What a reading depends on besides the bytes: where it changes, files are read again."""
    names = sorted((d.department, *sorted({d.name_zh, d.name_en, *d.aliases})) for d in plan.departments)
    window = (plan.head.history_from, plan.head.starts, plan.head.ends)
    return f"{readers.READER_VERSION}-{hashlib.sha256(repr((names, window)).encode()).hexdigest()[:12]}"


def read_landed(store: Store, plan: Plan, progress: Progress = lambda _: None) -> list[str]:
    """Reads every submission that has not been read by the present readers. Returns the months touched, sorted.

    A row belongs to the month in which its period ends; where that cannot be read or lies outside the plan, to the
    month in which the file was received, or the plan's nearest month.
    """
    reader = reader_id(plan)
    with ledger(store) as db:
        waiting = db.execute(
            "select submission, department, path, sha256, bytes, received_at from submission"
            " where reader is distinct from ? order by received_at, submission",
            (reader,),
        ).fetchall()
    touched: set[str] = set()
    for n, (submission, department, path, sha256, size, received_at) in enumerate(waiting, 1):
        reading = _read(store, plan, department, path, sha256, size)
        rows = _with_months(reading.rows, plan, received_at).with_columns(submission=pl.lit(submission))
        target = store.rows / f"{submission}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_suffix(".tmp")
        rows.write_parquet(beside, compression="zstd")
        os.replace(beside, target)
        months = rows.group_by("month").len().rows()
        fault = reading.fault
        with ledger(store) as db:
            old = db.execute("select month from submission_month where submission = ?", (submission,)).fetchall()
            db.execute("delete from submission_month where submission = ?", (submission,))
            db.executemany("insert into submission_month values (?, ?, ?)", [(submission, m, k) for m, k in months])
            db.execute(
                "update submission set reader = ?, format = ?, synthetic = ?, named_department = ?, rows = ?,"
                " fault_rule = ?, fault_found = ?, fault_expected = ?, fault_sheet = ?, fault_row = ?"
                " where submission = ?",
                (reader, reading.format, reading.synthetic, "; ".join(reading.named_departments) or None, rows.height,
                 fault and fault.rule, fault and fault.found, fault and fault.expected, fault and fault.sheet,
                 fault and fault.row, submission),
            )  # fmt: skip
        touched |= {m for m, _ in months} | {m for (m,) in old}
        if n % 50 == 0 or n == len(waiting):
            progress(f"read {n:,} of {len(waiting):,} files")
    return sorted(touched)


def _read(store: Store, plan: Plan, department: str, path: str, sha256: str, size: int) -> readers.Reading:
    if size > SIZE_LIMIT:
        fault = readers.FileFault("S07", found=f"{size:,} bytes", expected=f"≤ {SIZE_LIMIT:,} bytes")
        return readers.Reading("unknown", fault=fault)
    reading = readers.read(store.object(sha256).read_bytes(), path.rpartition("/")[2])
    if reading.fault is None and reading.named_departments:
        own_name = next(d.name_zh for d in plan.departments if d.department == department)
        names = {
            "".join(n.split()).casefold(): d.department
            for d in plan.departments
            for n in (d.department, d.name_zh, d.name_en, *d.aliases)
        }
        for spoken in reading.named_departments:
            if names.get("".join(spoken.split()).casefold(), department) != department:
                fault = readers.FileFault("S08", found=spoken, expected=f"{own_name} {department}")
                return readers.Reading(
                    reading.format,
                    fault=fault,
                    synthetic=reading.synthetic,
                    named_departments=reading.named_departments,
                )
    return reading


def _with_months(rows: pl.DataFrame, plan: Plan, received_at: int) -> pl.DataFrame:
    """The rows with period_start, period_end, span, cumulative (as the period's text reads) and month.

    A year is the plan's own: of a plan that starts in April, 2024 means April 2024 to March 2025.
    """
    first, last = f"{plan.head.history_from:%Y-%m}", f"{plan.head.ends:%Y-%m}"
    received = f"{dt.datetime.fromtimestamp(received_at / 1e6, ZoneInfo(plan.head.timezone)):%Y-%m}"
    spellings = rows["period_text"].drop_nulls().unique().to_list()
    found = [(s, *p) for s in spellings if (p := period(s, plan.head.starts.month))]
    schema = {
        "period_text": pl.String, "period_start": pl.Date, "period_end": pl.Date, "span": pl.String, "cumulative": pl.Boolean,
    }  # fmt: skip
    periods = pl.DataFrame(found, schema=schema, orient="row")
    month = pl.col("period_end").dt.strftime("%Y-%m")
    nearest = min(max(received, first), last)
    return rows.join(periods, on="period_text", how="left", maintain_order="left").with_columns(
        month=pl.when(month.is_between(pl.lit(first), pl.lit(last))).then(month).otherwise(pl.lit(nearest))
    )
