"""Small tables that are looked at rather than read: what the marts and the judged months hold, at a glance."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from warehouse.marts import STATUSES
from warehouse.store import Store, connect, files_sql


@dataclass(frozen=True)
class Glance:
    """`status`: targets of each capability by status, at each target's last period; `figures`: current figures by month;
    `scores`: capabilities at the ends of quarters; `ranking`: departments in the last quarter that has scores, the lowest
    first."""

    status: pl.DataFrame
    figures: pl.DataFrame
    scores: pl.DataFrame
    ranking: pl.DataFrame


def marts_at_a_glance(store: Store) -> Glance:
    with connect(store.root) as con:
        for table in (
            "capability",
            "indicator",
            "progress",
            "observation",
            "capability_score",
            "scorecard",
            "department",
            "period",
        ):
            con.execute(f"create view {table} as select * from read_parquet({files_sql(store.mart(table))})")
        return Glance(con.sql(STATUS).pl(), con.sql(FIGURES).pl(), con.sql(SCORES).pl(), con.sql(RANKING).pl())


def overdue_at_a_glance(store: Store) -> pl.DataFrame:
    """Figures that are due and missing, the longest overdue first: by when, and by which line of policy."""
    with connect(store.root) as con:
        for table in ("obligation", "department", "indicator", "plan"):
            con.execute(f"create view {table} as from read_parquet({files_sql(store.mart(table))})")
        rows: pl.DataFrame = con.sql(OVERDUE).pl()
        return rows


def months_at_a_glance(store: Store) -> pl.DataFrame:
    """Rows kept and returned, a row a month that has any."""
    paths = sorted(store.months.glob("*/row.parquet"))
    if not paths:
        return pl.DataFrame(schema={"month": pl.String, "kept": pl.Int64, "returned": pl.Int64})
    with connect(store.root) as con:
        rows: pl.DataFrame = con.sql(ROWS.format(files=files_sql(paths))).pl()
        return rows


STATUS = f"""
with latest as (
    select indicator, status from progress qualify row_number() over (partition by target order by period_end desc) = 1
)
select c.name_zh as capability, {", ".join(f"count(*) filter (where l.status = '{s}') as {s}" for s in STATUSES)}
from latest l join indicator i on i.indicator = l.indicator join capability c on c.capability = i.capability
group by c.number, c.name_zh order by c.number
"""

FIGURES = """
select strftime(period_end, '%Y-%m') as month, count(*) as figures from observation where known_to is null group by all order by all
"""

SCORES = """
select c.name_zh as capability, s.period, s.score
from capability_score s join capability c on c.capability = s.capability join period p on p.period = s.period
where p.span = 'quarter' order by c.number, p.period_end
"""

RANKING = """
with last as (
    select max(s.quarter) as quarter from scorecard s where s.score is not null
)
select rank() over (order by s.score desc) as rank, d.name_zh as department, s.quarter, s.score, s.timeliness, s.quality,
    s.attainment, s.missing, s.behind
from scorecard s join last l on l.quarter = s.quarter join department d on d.department = s.department
where s.score is not null order by s.score, d.department
"""

ROWS = """
select month, count(*) filter (where kept) as kept, count(*) filter (where not kept) as returned
from read_parquet({files}) group by all order by all
"""

OVERDUE = """
select d.name_zh as department, i.name_zh as indicator, o.period, count(*) as areas,
    strftime(max(o.due_at) at time zone any_value(c.zone), '%Y-%m-%d %H:%M') as due_before, any_value(o.due_basis) as why
from obligation o join department d on d.department = o.department join indicator i on i.indicator = o.indicator cross join plan c
where o.state = 'missing'
group by all order by max(o.due_at), 1, 2, 3
"""
