"""The judged months, as the mart files know them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from warehouse.store import Store, files_sql, month_of

# what the judged months hold, by the name that mart files know it by
MONTHS = {
    "judged_row": "row",
    "stored_observation": "observation",
    "validity": "validity",
    "quality": "quality",
    "validity_evaluated": "validity_evaluated",
    "quality_evaluated": "quality_evaluated",
}


def bound(con: duckdb.DuckDBPyConnection, store: Store, table: str, months: Sequence[str] | None = None) -> None:
    """The view `table` (of MONTHS) is of these months, or of all."""
    if paths := [path for path in of_months(store, table) if months is None or month_of(path.parent) in months]:
        # months judged by another version of this code have other columns, until they are judged anew
        rows = f"* from read_parquet({files_sql(paths)}, union_by_name = true)"
    elif table in EMPTY:
        rows = f"{EMPTY[table]} where false"
    else:
        return
    con.execute(f"create or replace view {table} as select {rows}")


def of_months(store: Store, table: str) -> list[Path]:
    return sorted(store.months.glob(f"*/{MONTHS[table]}.parquet"))


EMPTY = {
    "judged_row": (
        "null::varchar as submission, null::varchar as department, null::timestamptz as received_at, null::varchar as month,"
        " null::varchar as indicator, null::varchar as area, null::varchar as period, null::varchar as value_state, null::boolean as kept,"
        " null::double as value, null::boolean as explained, null::boolean as withdrawn, null::date as period_end,"
        " null::varchar as measure, null::varchar as note, null::varchar as sheet, null::integer as row_number"
    ),
    "stored_observation": (
        "null::varchar as indicator, null::varchar as area, null::varchar as period, null::date as period_start,"
        " null::date as period_end, null::varchar as measure, null::double as value,"
        " null::double as rounding, null::double as replaced_value, null::varchar as unit,"
        " null::varchar as department, null::varchar as submission, null::integer as row_number, null::timestamptz as known_from,"
        " null::timestamptz as known_to, null::boolean as approximate, null::varchar as sheet, null::varchar as self_assessed,"
        " null::boolean as synthetic"
    ),
}
