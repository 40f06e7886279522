"""The wall chart 挂图作战: a released warehouse as one page that needs neither a server nor the net.

What the page shows is asked of the release by the queries below and laid into the page as columns. The scripts beside
this module draw it and judge nothing: which row of `progress` a target's cell shows at a vintage is said by SHOWN.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import yaml
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from warehouse.marts import STATUSES
from warehouse.store import opened, write_whole

LIBRARY = "vendor/d3-7.9.2.min.js"
SCRIPTS = ("data.js", "cells.js", "details.js", "page.js")


@dataclass(frozen=True)
class Chart:
    """The page as written, and what its cells show in the end: capability, status, targets."""

    path: Path
    bytes: int
    targets: int
    vintages: int
    shown: pl.DataFrame
    synthetic: bool


def wallchart(database: Path, page: Path) -> Chart:
    """Writes the page of the release whose file is `database`: the same bytes for the same release."""
    with opened(database) as con:
        _as_known(con)
        [head] = con.sql(HEAD).pl().to_dicts()
        tables = {name: con.sql(query).pl() for name, query in QUERIES.items()}
        shown = con.sql(SHOWN_BY_CAPABILITY).pl()
    words = yaml.load(_beside("words.yaml"), Loader=yaml.CSafeLoader)  # type: ignore[no-untyped-call]
    content = _page({"head": head, "words": words, "statuses": STATUSES, **_columns(tables)}).encode()
    write_whole(page, content)
    return Chart(page, len(content), tables["target"].height, tables["vintage"].height, shown, head["synthetic"])


def _as_known(con: duckdb.DuckDBPyConnection) -> None:
    """Makes the tables that the queries share: vintage, known, shown."""
    con.execute(VINTAGE)
    con.execute(KNOWN)
    for (vintage,) in con.execute("select vintage from vintage order by vintage").fetchall():
        con.execute(KNOWN_AT, [vintage, vintage])
    con.execute(SHOWN)


def _columns(tables: dict[str, pl.DataFrame]) -> dict[str, dict[str, Any]]:
    """The tables as lists by column. What names a row of another table becomes that row's place, other words of the long
    tables become places in a list of the words that occur."""
    keys = {name: tables[name].get_column(name).to_list() for name in KEYED} | {"status": STATUSES}
    keys |= dict.fromkeys(PERIODS, keys["period"])
    placed: dict[str, dict[str, Any]] = {}
    for table, rows in tables.items():
        placed[table] = {}
        for name, column in zip(rows.columns, rows.iter_columns(), strict=True):
            if name in keys and name != table:
                placed[table][name] = column.cast(pl.Enum(keys[name])).to_physical().to_list()
            elif table in LONG and column.dtype == pl.String:
                words = column.drop_nulls().unique().sort()
                places = column.cast(pl.Enum(words)).to_physical().to_list()
                placed[table][name] = {"words": words.to_list(), "places": places}
            else:
                placed[table][name] = column.to_list()
    return placed


def _page(facts: dict[str, Any]) -> str:
    library = _beside(LIBRARY)
    script = "(() => {\n'use strict';\n" + "".join(_beside(name) for name in SCRIPTS) + "})();\n"
    # "<" is escaped, so that no word of the data can end the element that holds it
    data = json.dumps(facts, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_beside("page.html.j2")).render(
        head=facts["head"],
        words=facts["words"],
        allowed=" ".join(_digest(text) for text in (library, script)),
        style=Markup(_beside("page.css")),
        data=Markup(data),
        library=Markup(library),
        script=Markup(script),
    )


def _digest(script: str) -> str:
    """How the page's content security policy names a script that may run: this one and no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _beside(name: str) -> str:
    return files("warehouse.reports.wallchart").joinpath(name).read_text("utf-8")


# Vintages: the ends of the plan's months in its own zone, as long as there was news since the end before, and the release.
VINTAGE = """
create temp table vintage as
with news as (
    select known_from as moment from observation
    union all select known_to from observation
    union all select due_at from obligation
    union all select valid_from from target_version
), month as (
    select unnest(generate_series(starts, cast(built_at as date), interval 1 month)) as starts, zone, built_at
    from plan, release
), month_end as (
    select starts::timestamp at time zone zone as since, (starts + interval 1 month)::timestamp at time zone zone as moment
    from month
), stop as (
    select moment, false as released from month_end, release
    where moment < built_at and since < (select max(moment) from news, release where moment <= built_at)
    union all
    select built_at, true from release
)
select cast(row_number() over (order by moment) - 1 as integer) as vintage, moment, released,
    cast(moment at time zone zone as date) as open_day,  -- the first day of which nothing is over yet
    cast((moment - interval 1 microsecond) at time zone zone as date) as day
from stop, plan
order by moment
"""

KNOWN = """
create temp table known as
select 0 as vintage, target, period, period_end, actual, status, p as said from progress p where false
"""
KNOWN_AT = """
insert into known
select ?, p.target, p.period, p.period_end, p.actual, p.status, p
from progress_as_known_at((select moment from vintage where vintage = ?)) p
"""

# The row that a target's cell shows: of its latest period that is over and of which a figure is known or owed. Where there
# is none yet, of its first.
SHOWN = """
create temp table shown as
select vintage, target, period, status, cast(period_end < open_day as boolean) as over
from known join vintage using (vintage)
qualify row_number() over (
    partition by vintage, target
    order by case when over and (actual is not null or status <> 'not_due') then period_end end desc nulls last,
        period_end, period
) = 1
"""

SHOWN_BY_CAPABILITY = """
select c.number, c.name_zh || ' ' || c.name_en as capability, s.status, count(*) as targets
from shown s join target using (target) join indicator using (indicator) join capability c using (capability)
where vintage = (select max(vintage) from vintage)
group by all order by all
"""

HEAD = """
select r.release, r.plan_revision, r.code_version, strftime(r.built_at at time zone p.zone, '%Y-%m-%d %H:%M') as built_at,
    p.zone, p.name_zh, p.name_en, p.starts::varchar as starts, greatest(p.ends, (select max(due) from target))::varchar as ends,
    p.ends::varchar as plan_ends, p.city, coalesce((select bool_or(synthetic) from submission), false) as synthetic
from release r, plan p
"""

# what the page holds, by table; columns named like one of KEYED hold its keys
KEYED = ("capability", "department", "area", "period", "file", "target", "indicator")  # by their own name
PERIODS = ("origin", "first_met")  # hold a period
LONG = ("row", "figure")
QUERIES = {
    "vintage": "select day::varchar as day, open_day::varchar as open_day, epoch_ms(moment) as moment, released from vintage order by vintage",
    "capability": "select capability, number, name_zh, name_en from capability order by number",
    "department": "select department, name_zh, name_en from department order by department",
    "area": "select area, name_zh, name_en from area order by area",
    "period": """
        select period, min(period_end)::varchar as period_end
        from (
            select period, period_end from known
            union all select period, period_end from observation
            union all select period, period_end from obligation
        )
        group by period order by min(period_end), period
    """,
    "file": """
        select s.submission as file, s.path, strftime(s.received_at at time zone p.zone, '%Y-%m-%d %H:%M') as received
        from submission s, plan p order by s.submission
    """,
    "indicator": "select indicator, name_zh, name_en from indicator semi join obligation using (indicator) order by indicator",
    "target": """
        select t.target, i.name_zh, i.name_en, i.capability, i.lead_department as department, t.area, i.frequency, i.unit,
            i.accumulates, t.kind, t.comparator, t.value, t.value_high, t.unit as plan_unit, t.goal, t.goal_high, t.baseline,
            t.baseline_period, t.due::varchar as due, t.trajectory, t.tested, left(t.clause, 40) as clause, t.section, t.note,
            o.name_zh as exceeds_zh, o.name_en as exceeds_en
        from target t join indicator i using (indicator) left join indicator o on o.indicator = t.exceeds
        order by t.clause_offset, t.target
    """,
    # what is said of a target's period, from the vintage at which it came to be so
    "row": """
        with changed as (
            select v.vintage, g.target, g.period, k.said
            from vintage v cross join (select distinct target, period from known) g
            left join known k on k.vintage = v.vintage and k.target = g.target and k.period = g.period
            qualify k.said is distinct from lag(k.said) over (partition by g.target, g.period order by v.vintage)
        ), place as (
            select o.submission, o.indicator, o.area, o.period, o.value, min(o.sheet) as sheet, min(o.row_number) as row_number
            from observation o
            join indicator i on i.indicator = o.indicator and i.measure = o.measure and i.lead_department = o.department
            group by all
        )
        select c.vintage, c.target, c.period, said.actual, said.expected, said.target_value, said.attainment, said.gap,
            said.status, said.needed, said.forecast, said.forecast_low, said.forecast_high, said.will_meet, said.first_met,
            said.year_before, said.self_assessed, said.actual_origin, said.status_basis, said.synthetic,
            said.submission as file, o.sheet, o.row_number
        from changed c semi join target t on t.target = c.target
        left join place o on o.submission = said.submission and o.indicator = said.indicator and o.area = said.area
            and o.period = c.period and o.value = said.actual
        order by c.target, c.period, c.vintage
    """,
    # a period for each target and vintage, targets in their order
    "shown": """
        select s.period
        from target t cross join vintage v left join shown s on s.target = t.target and s.vintage = v.vintage
        order by t.clause_offset, t.target, v.vintage
    """,
    # the way to the forecast, as it stands in the release; of earlier vintages only where it leads is known
    "forecast": "select target, period, origin, forecast, forecast_low, forecast_high from forecast order by target, period_end",
    "figure": """
        select t.target, o.period, o.value, o.submission as file, o.row_number,
            strftime(o.known_from at time zone p.zone, '%Y-%m-%d %H:%M') as known_from,
            strftime(o.known_to at time zone p.zone, '%Y-%m-%d %H:%M') as known_to, epoch_ms(o.known_from) as moment,
            epoch_ms(o.known_to) as replaced
        from target t
        join indicator i using (indicator)
        join observation o on o.indicator = t.indicator and o.area = t.area and o.measure = i.measure
            and o.department = i.lead_department
        cross join plan p
        where o.period_end >= p.starts
        order by t.target, o.period_end, o.period, o.known_from
    """,
    "owed": """
        select o.department, o.period, epoch_ms(o.due_at) as due_at, epoch_ms(o.received_at) as received_at,
            cast((o.due_at - interval 1 microsecond) at time zone p.zone as date)::varchar as due_day, o.indicator
        from obligation o, plan p
        order by o.due_at, o.department, o.period, o.indicator
    """,
}
