"""What judging a month anew touched, so that only those flags are found again that may have changed with it.

touched.parquet rests in the folder of a month that was judged anew and whose flags are still to come: each submission of which a
row is not as it was when the month was last flagged, with the indicator and area of its kept rows, and indicator and area of each
series that is not. It is there before a file of the month is replaced, and until every flag is renewed that looks at the month.
Where it is missing, anything may have changed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import duckdb
import polars as pl

from expectations.compiled import compiled
from expectations.model import Plan
from warehouse import compared
from warehouse.resolved import put
from warehouse.store import Store, connect, files_sql, writing_whole

FILE = "touched.parquet"


def known(folder: Path) -> bool:
    """Whether it is noted what judging the month anew touched. What cannot be read says nothing."""
    try:
        pl.read_parquet(folder / FILE, glob=False)  # a folder above may look like a pattern
    except FileNotFoundError:
        return False
    except pl.exceptions.PolarsError:
        (folder / FILE).unlink()
        return False
    return True


def note(con: duckdb.DuckDBPyConnection, folder: Path, row: str, observation: str) -> None:
    """Notes, besides what is noted already, how the month's files differ from `row` and `observation`: the queries by which
    they are about to be replaced."""
    names = {"row": folder / "row.parquet", "observation": folder / "observation.parquet"}
    before = {f"{name}_before": _read([file]) for name, file in names.items()}
    noted = f"union from {_read([folder / FILE])}" if known(folder) else ""
    found = con.sql(TOUCHED.format(row=row, observation=observation, noted=noted, **before)).pl()
    with writing_whole(folder / FILE) as stream:
        found.write_parquet(stream)


def submissions(store: Store, plan: Plan, months: Collection[str], flagged: Sequence[str]) -> dict[str, list[str]]:
    """By month, of those that were `flagged` before: the submissions whose flags may have changed since `months` were judged
    anew. Expects that what each of these touched is known, as far as one of `flagged` looks back on it."""
    if not flagged:
        return {}
    with connect(store.root) as con:
        put(con, "identity", compiled(plan)["identity"])
        con.execute(
            "create table noted (month varchar, number integer, submission varchar, indicator varchar, area varchar)"
        )
        for month in months:
            if known((file := store.month(month) / FILE).parent):
                con.execute(
                    f"insert into noted select ?, ?, * from {_read([file])}", [month, compared.month_number(month)]
                )
        con.execute("create table flagged (month varchar, number integer)")
        con.executemany("insert into flagged values (?, ?)", [(m, compared.month_number(m)) for m in flagged])
        rows = _read([store.month(month) / "row.parquet" for month in flagged])
        found = con.execute(AFFECTED.format(rows=rows, back=compared.LOOK_BACK)).fetchall()
    return {month: [] for month in flagged} | {month: sorted(those) for month, those in found}


def _read(files: Sequence[Path]) -> str:
    return f"read_parquet({files_sql(files)})"


TOUCHED = """
with was as (
    select submission, sum(hash(r)) as digest from {row_before} r group by submission
), now as (
    select submission, sum(hash(r)) as digest from ({row}) r group by submission
), differ as (
    select coalesce(w.submission, n.submission) as submission
    from was w full join now n on n.submission = w.submission where w.digest is distinct from n.digest
), series_was as (
    select department, indicator, area, sum(hash(o)) as digest from {observation_before} o group by all
), series_now as (
    select department, indicator, area, sum(hash(o)) as digest from ({observation}) o group by all
)
from (
    -- a row that goes back says nothing of other figures
    select distinct submission, case when kept then indicator end as indicator, case when kept then area end as area from (
        select submission, indicator, area, kept from {row_before}
        union all select submission, indicator, area, kept from ({row})
    ) semi join differ using (submission)
    union
    select null, indicator, area from series_was w full join series_now n using (department, indicator, area)
    where w.digest is distinct from n.digest
    {noted}
) order by all
"""

AFFECTED = """
with pair as (
    select distinct number, indicator, area from noted
), seen_by as (
    from pair
    union select p.number, y.indicator, p.area from pair p join identity y on p.indicator in (y.part, y.whole)
), affected as (
    select r.month, r.submission
    from {rows} r
    join flagged f on f.month = r.month
    semi join seen_by s on s.indicator = r.indicator and s.area = r.area and s.number >= f.number - {back} and s.number <= f.number
    where r.kept
    union
    select month, submission from noted semi join flagged using (month) where submission is not null
)
select month, list(submission) from affected group by month
"""
