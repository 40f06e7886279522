"""Reading: every landed file to rows, once, and again where the readers changed."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from collections.abc import Callable
from zoneinfo import ZoneInfo

import polars as pl

from expectations.model import Plan
from expectations.periods import period
from warehouse import readers
from warehouse.ledger import ledger
from warehouse.store import Store

SIZE_LIMIT = 512 << 20  # bytes (S07)

Progress = Callable[[str], None]


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
