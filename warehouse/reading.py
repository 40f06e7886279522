"""Reading: every landed file to rows, once, and again where the readers changed or its rows were lost.

Beside a submission's rows their Parquet file keeps, as metadata, what else was seen in it: the mark of the template that
it was filled from, and what was passed over (totals, notes, hidden sheets). The ledger keeps the digest of that file. Rows
are held against it when they are used (`mended`): to do so with all of them every night would cost as much as history is long.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from expectations.model import Plan, PlanHead
from expectations.template import mark_in
from warehouse import apart, readers
from warehouse.ledger import ledger
from warehouse.readers.apart import read, seen
from warehouse.readers.placed import Place, placed
from warehouse.store import Store, beside
from warehouse.sums import sha256 as digest
from warehouse.trouble import StoreError

SIZE_LIMIT = 512 << 20  # bytes (S07)
AT_ONCE = 200  # files whose reading is entered in the ledger together

Progress = Callable[[str], None]


def reader_id(plan: Plan) -> str:
    """What a reading depends on besides the bytes: where it changes, files are read again."""
    names = sorted((d.department, *sorted({d.name_zh, d.name_en, *d.aliases})) for d in plan.departments)
    revisions = [(r.revision, r.holds_from) for r in plan.head.revisions]
    window = (plan.head.history_from, plan.head.starts, plan.head.ends, plan.head.plan, revisions)
    return f"{readers.READER_VERSION}-{hashlib.sha256(repr((names, window)).encode()).hexdigest()[:12]}"


def read_landed(store: Store, plan: Plan, progress: Progress = lambda _: None) -> list[str]:
    """Reads every submission that the present readers have not read, or whose rows are gone. Returns the months touched.

    Killed at any moment it goes on where it stopped.
    Raises StoreError where landed bytes are damaged or gone, after all others were read, and where the disk is full.
    """
    reader = reader_id(plan)
    with ledger(store) as db:
        known = db.execute(f"select {LANDED}, reader from submission order by received_at, submission")
        waiting = [k[:-1] for k in known if k[-1] != reader or not _is_whole(store, k[0])]
    with store.room():
        return _read_all(store, plan, waiting, progress)


def mended(store: Store, plan: Plan, submissions: Collection[str], progress: Progress = lambda _: None) -> list[str]:
    """To be called before rows of these submissions are used: reads again those that are not as they were written, and
    says which files these are. Raises StoreError as `read_landed` does."""
    with ledger(store) as db:
        known = db.execute(f"select {LANDED}, rows_sha256 from submission order by received_at, submission")
        waiting = [k[:-1] for k in known if k[0] in submissions and not _is_as_written(store, k[0], k[-1])]
    files = [str(_rows_file(store, w[0])) for w in waiting]
    if waiting:
        progress(f"not as they were written, and read again: {', '.join(files[:5])}{' …' * (len(files) > 5)}")
        with store.room():
            _read_all(store, plan, waiting, progress)
    return files


def damaged_rows(store: Store) -> list[Path]:
    """Of all files of rows, those that are not as they were written."""
    with ledger(store) as db:
        read = db.execute("select submission, rows_sha256 from submission where reader is not null").fetchall()
    return [_rows_file(store, one) for one, written in read if not _is_as_written(store, one, written)]


LANDED = "submission, department, path, sha256, bytes, received_at"


Entry = tuple[tuple[Any, ...], list[tuple[Any, ...]]]  # what the ledger notes of a submission read, and of its months


def _read_all(store: Store, plan: Plan, waiting: Sequence[tuple[Any, ...]], progress: Progress) -> list[str]:
    """Reads submissions (the ledger's LANDED of each) and enters them. Returns the months touched."""
    store.rows.mkdir(parents=True, exist_ok=True)
    touched: set[str] = set()
    lost: dict[str, str] = {}
    reader = reader_id(plan)

    def one(landed: tuple[Any, ...]) -> Entry | str:
        return _rows_written(store, plan, reader, *landed)

    with apart.side_by_side() as threads:
        for begun in range(0, len(waiting), AT_ONCE):
            batch = waiting[begun : begun + AT_ONCE]
            done: list[Entry] = []
            for landed, result in zip(batch, threads.map(one, batch), strict=True):
                if isinstance(result, str):
                    lost[landed[3]] = result
                else:
                    done.append(result)
            touched |= _enter(store, done)
            progress(f"read {begun + len(batch) - len(lost):,} of {len(waiting):,} files")
    if lost:
        forget_seen(store, lost)
        more = f"; and {len(lost) - 5} more" if len(lost) > 5 else ""
        raise StoreError(
            f"{'; '.join(list(lost.values())[:5])}{more}. Run again: what its source still holds is fetched anew. Otherwise put"
            " the file back from a backup, or let the department send the same file again, under any name"
        )
    return sorted(touched)


def _rows_written(
    store: Store, plan: Plan, reader: str, submission: str, department: str, path: str, sha256: str, size: int, received_at: int
) -> Entry | str:  # fmt: skip
    """Reads a submission and writes its rows; what is wrong with the landed bytes, where they cannot be read."""
    if size <= SIZE_LIMIT and (wrong := store.damage(sha256)):
        return f"{wrong} ({path})"
    received = dt.datetime.fromtimestamp(received_at / 1e6, ZoneInfo(plan.head.timezone))
    first, last = f"{plan.head.history_from:%Y-%m}", f"{plan.head.ends:%Y-%m}"
    place = Place(submission, first, last, f"{received:%Y-%m}", plan.head.starts.month)
    with beside(_rows_file(store, submission)) as part:
        reading, months = _read(store, plan, department, path, sha256, size, received.date(), part, place)
        if reading.fault:  # whatever was in it, and whatever is in the file
            months = {}
            placed(readers.NO_ROWS, place).write_parquet(
                part, compression="zstd", statistics=False, metadata=seen(reading)
            )
        written = digest(part)
    fault = reading.fault
    entry = (
        reader if reading.lasting else None, written, reading.format, reading.synthetic, "; ".join(reading.named_departments) or None, reading.reason, sum(months.values()),
        fault and fault.rule, fault and fault.found, fault and fault.expected, fault and fault.sheet,
        fault and fault.row, submission,
    )  # fmt: skip
    return entry, [(submission, month, count) for month, count in months.items()]


def forget_seen(store: Store, digests: Collection[str]) -> None:
    """The next landing fetches the files of these digests again, wherever they were seen."""
    with ledger(store) as db:  # all at once: where a disk is lost they are as many as the ledger holds
        db.execute("create temp table lost (sha256 text primary key)")
        db.executemany("insert or ignore into lost values (?)", [(one,) for one in digests])
        db.execute(
            "create temp table forgotten as select seen.source, seen.path from seen join submission using (submission)"
            " where submission.sha256 in (select sha256 from lost)"
        )
        boxes = "select source, substr(path, 1, instr(path, '/') - 1) from forgotten"
        db.execute(f"delete from cursor where (source, department) in ({boxes})")
        db.execute("delete from seen where (source, path) in (select source, path from forgotten)")


def forget(store: Store, departments: Collection[str] = ()) -> int:
    """Forgets that files (of these departments, or all) were read: the next reading reads them again. Returns how many."""
    query = "update submission set reader = null"
    if departments:
        query += f" where department in ({', '.join('?' * len(departments))})"
    with ledger(store) as db:
        return db.execute(query, list(departments)).rowcount


def passed_over(store: Store, submission: str) -> list[readers.PassedOver]:
    """What stands in a submission's file and was not read as figures, in the file's order."""
    kept = pl.read_parquet_metadata(_rows_file(store, submission))
    return [readers.PassedOver(**p) for p in json.loads(kept.get("passed_over", "[]"))]


def template_of(store: Store, submission: str) -> readers.Mark | None:
    """The mark of the template that a submission was filled from."""
    return mark_in(pl.read_parquet_metadata(_rows_file(store, submission)).get("template", ""))


def _rows_file(store: Store, submission: str) -> Path:
    return store.rows / f"{submission}.parquet"


def _is_whole(store: Store, submission: str) -> bool:
    """Whether the rows are there and end as a Parquet file does: cheap enough to ask of every submission every night."""
    try:
        with open(_rows_file(store, submission), "rb") as file:
            begins = file.read(4)
            size = file.seek(-8, os.SEEK_END) + 8
            footer, ends = file.read(4), file.read(4)
    except OSError:  # missing, or shorter than its own end
        return False
    return begins == ends == b"PAR1" and int.from_bytes(footer, "little") <= size - 12


def _is_as_written(store: Store, submission: str, written: str | None) -> bool:
    return _is_whole(store, submission) and digest(_rows_file(store, submission)) == written


def _enter(store: Store, done: list[Entry]) -> set[str]:
    """Enters readings in the ledger, in one transaction. Returns the months that they touch now or touched before."""
    submissions = [(entry[-1],) for entry, _ in done]
    with ledger(store) as db:
        before = {
            month
            for one in submissions
            for (month,) in db.execute("select month from submission_month where submission = ?", one)
        }
        db.executemany("delete from submission_month where submission = ?", submissions)
        db.executemany("insert into submission_month values (?, ?, ?)", [m for _, months in done for m in months])
        db.executemany(
            "update submission set reader = ?, rows_sha256 = ?, format = ?, synthetic = ?, named_department = ?, reason = ?, rows = ?,"
            " fault_rule = ?, fault_found = ?, fault_expected = ?, fault_sheet = ?, fault_row = ? where submission = ?",
            [entry for entry, _ in done],
        )
    return before | {month for _, months in done for _, month, _ in months}


def _read(
    store: Store, plan: Plan, department: str, path: str, sha256: str, size: int, received: dt.date, rows: Path, place: Place
) -> tuple[readers.Reading, dict[str, int]]:  # fmt: skip
    if size > SIZE_LIMIT:
        fault = readers.FileFault("S07", found=f"{size:,} bytes", expected=f"≤ {SIZE_LIMIT:,} bytes")
        return readers.Reading("unknown", fault=fault), {}
    reading, months = read(store.object(sha256), path.rpartition("/")[2], rows, place)
    said_by = _of_another_form(reading, plan.head, received) or _by_another_department(reading, plan, department)
    return (reading if said_by is None else replace(reading, fault=said_by)), months


def revision_on(head: PlanHead, day: dt.date) -> int:
    """The plan's revision that held on a day."""
    return max((r.revision for r in head.revisions if r.holds_from <= day), default=1)


def _of_another_form(reading: readers.Reading, head: PlanHead, received: dt.date) -> readers.FileFault | None:
    """S05: the template is another plan's, or of a revision that no longer held when the file was received."""
    mark = reading.template
    if mark is None:
        return None
    held = revision_on(head, received)
    if mark.plan == head.plan and held <= mark.revision <= head.revision:
        return None
    return readers.FileFault("S05", found=f"{mark.plan} r{mark.revision}", expected=f"{head.plan} r{held}")


def _by_another_department(reading: readers.Reading, plan: Plan, department: str) -> readers.FileFault | None:
    """S08: a banner, a column or the template names another department than the drop box's."""
    mark = reading.template
    if mark is not None and mark.department != department:
        other: str | None = mark.department
    elif reading.fault is None and reading.named_departments:
        names = {
            "".join(n.split()).casefold(): d.department
            for d in plan.departments
            for n in (d.department, d.name_zh, d.name_en, *d.aliases)
        }
        spoken = reading.named_departments
        other = next((s for s in spoken if names.get("".join(s.split()).casefold(), department) != department), None)
    else:
        other = None
    if other is None:
        return None
    own_name = next(d.name_zh for d in plan.departments if d.department == department)
    return readers.FileFault("S08", found=other, expected=f"{own_name} {department}")
