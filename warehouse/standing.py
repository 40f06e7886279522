"""How the judged months stand in the store: what people are shown of them, however they came to be judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from warehouse.store import Store, connect, files_sql


@dataclass(frozen=True)
class Standing:
    """`rows`: month, rows_read, rows_kept, rows_returned, submissions, figures. `fired`: month, family (validity,
    quality), rule, fired, confirmed. `worst`: the twenty most serious findings of each month and family."""

    rows: pl.DataFrame
    fired: pl.DataFrame
    worst: pl.DataFrame


def standing(store: Store, months: Sequence[str]) -> Standing:
    """The months' rows and findings as they are in the store; a month not judged yet has none."""
    with connect(store.root) as con:
        paths = [p for m in months if (p := store.month(m) / "row.parquet").exists()]
        rows = f"read_parquet({files_sql(paths)})" if paths else EMPTY_ROWS
        found = [
            f"select '{family}' as family, * from read_parquet({files_sql(kept)})"
            for family in ("validity", "quality")
            if (kept := [p for m in months if (p := store.month(m) / f"{family}.parquet").exists()])
        ]
        con.execute(f"create view finding as {' union all '.join(found) or EMPTY_FINDINGS}")
        return Standing(
            con.sql(ROWS.format(rows=rows)).pl(),
            con.sql(FIRED).pl(),
            con.sql(WORST).pl(),
        )


EMPTY_ROWS = "(select '' as month, '' as submission, false as kept, '' as value_state where false)"
EMPTY_FINDINGS = (
    "select '' as family, '' as month, '' as rule, false as confirmed, 0 as weight, '' as finding, '' as message_zh,"
    " '' as message_en where false"
)

ROWS = """
select month, count(*) as rows_read, count(*) filter (where kept) as rows_kept,
    count(*) filter (where not kept) as rows_returned, count(distinct submission) as submissions,
    count(*) filter (where kept and value_state = 'figure') as figures
from {rows} group by month order by month
"""

FIRED = """
select month, family, rule, count(*) as fired, count(*) filter (where confirmed) as confirmed
from finding where month is not null group by all order by all
"""

WORST = """
select month, family, rule, message_zh, message_en from finding where month is not null
qualify row_number() over (partition by month, family order by weight desc, rule, finding) <= 20
order by month, family, weight desc, rule, finding
"""
