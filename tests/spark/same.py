"""Whether two stores' marts say the same: texts, dates, counts and truths exactly, figures within 1e-9 of their column's size."""

from __future__ import annotations

import duckdb

from warehouse import marts
from warehouse.store import Store, connect, files_sql

RELATIVE, FLOOR = 1e-9, 1e-9
ORDER = {"obligation": "department, indicator, area, period"}  # of a large store by month, where DuckDB made it


def differences(one: Store, two: Store) -> dict[str, list[str]]:
    return {t: found for t in marts.TABLES if (found := apart(one, two, t))}


def apart(one: Store, two: Store, table: str) -> list[str]:
    """What differs, row by row in the order in which the rows rest; empty where nothing does."""
    with connect(one.root, two.root, in_order=True) as con:
        columns = []
        order = f"order by {ORDER[table]}" if table in ORDER else ""
        for side, store in (("one", one), ("two", two)):
            source = f"read_parquet({files_sql(store.mart(table))})"
            con.execute(f"create table {side} as select row_number() over ({order}) as nth, * from {source}")
            columns.append(con.execute(f"describe {side}").fetchall())
        if columns[0] != columns[1]:
            return [f"columns {[c for c in zip(*columns, strict=False) if c[0] != c[1]]}"]
        [[(rows, others)]] = [con.execute("select (select count(*) from one), (select count(*) from two)").fetchall()]
        if rows != others:
            return [f"{rows} rows against {others}"]
        return [said for column, kind, *_ in columns[0][1:] for said in _column(con, column, kind)]


def _column(con: duckdb.DuckDBPyConnection, column: str, kind: str) -> list[str]:
    differs = f'a."{column}" is distinct from b."{column}"'
    if kind == "DOUBLE":
        [(size,)] = con.execute(
            f'select coalesce(max(abs("{column}")) filter (where isfinite("{column}")), 0) from one'
        ).fetchall()
        near = f'coalesce(abs(a."{column}" - b."{column}") <= {max(FLOOR, RELATIVE * size)!r}, false)'
        differs = f"{differs} and not {near}"
    found = con.execute(
        f'select nth, a."{column}", b."{column}" from one a join two b using (nth) where {differs} order by nth limit 3'
    ).fetchall()
    return [f"row {nth}, {column}: {was!r} against {now!r}" for nth, was, now in found]
