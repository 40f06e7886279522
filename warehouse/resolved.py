"""Rows against the plan: `raw`, what was read; `judged`, the same with each name, unit and figure understood; `observation`, what
is known from it, and from when.

Here: the SQL, over tables of one connection. Not here: which rules a row breaks (expectations.suites), and which months are judged
when, and where what is written of them rests (`warehouse.judge`).
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import duckdb
import polars as pl

from expectations.compiled import compiled
from expectations.model import Plan
from expectations.units import unit
from warehouse.store import Store, files_sql


def plan_tables(con: duckdb.DuckDBPyConnection, plan: Plan, without: Sequence[str] = ()) -> None:
    """The compiled plan as tables of the connection, and the macros by which figures are read."""
    for name, table in compiled(plan).items():
        if name not in without:
            con.register("_incoming", table.to_arrow())
            con.execute(f'create or replace table "{name}" as select * from _incoming')
    con.unregister("_incoming")
    con.execute((files("expectations") / "figures.sql").read_text("utf-8"))


def raw(con: duckdb.DuckDBPyConnection, store: Store, handed_over: Path, months: Sequence[str]) -> None:
    """Table raw: the rows of the months' partitions from every submission that was not returned whole; table sent_again:
    when which of the submissions spoke again; table withdrawal: when which was withdrawn. `handed_over`: what the ledger says of
    them, as Parquet (judge.HANDED_OVER)."""
    handed = {
        name: f"read_parquet({files_sql([handed_over / f'{name}.parquet'])})"
        for name in ("submission", "sent_again", "withdrawal")
    }
    for name in ("sent_again", "withdrawal"):
        con.execute(f"create or replace table {name} as from {handed[name]}")
    con.execute(
        f"create or replace table asked as select * exclude (month), min(month) as begins from {handed['submission']}"
        " where month in (select unnest($months)) group by all",
        {"months": list(months)},
    )
    # a month's rows beside one another: what is written is written a month at a time
    submissions = con.execute("select submission from asked order by begins, submission").fetchall()
    paths = [store.rows / f"{submission}.parquet" for (submission,) in submissions]
    # whose rows they are, says the name that the night's process gave the file, not what the process wrote that read them
    own = "select * exclude (filename) replace (parse_filename(filename, true) as submission)"
    source = f"({own} from read_parquet({files_sql(paths)}, filename = true))" if paths else f"({EMPTY_ROWS})"
    con.execute(
        f"""
        create or replace table raw as
        select r.*, s.department, s.path, s.received_at, s.reasoned, s.synthetic,
               (s.received_at at time zone (select zone from plan))::date as received_on
        from {source} r join asked s using (submission)
        where r.month in (select unnest($months))
          and not (r.form = 'wide' and coalesce(trim(r.value_text), '') = ''
                   and r.period_end >= (s.received_at at time zone (select zone from plan))::date)
        """,
        {"months": list(months)},
    )


EMPTY_ROWS = "select " + ", ".join(
    [f"null::varchar as {c}" for c in
     ["sheet", "column_name", "form", "indicator_text", "name_text", "period_text", "area_text", "value_text", "unit_text", "measure_text", "note_text", "self_text", "surplus_text", "span", "month", "submission"]]
    + ["null::integer as row_number", "null::date as period_start", "null::date as period_end", "null::boolean as cumulative"]
) + " where false"  # fmt: skip


def _plain(text: pl.Expr) -> pl.Expr:
    """A name as it is compared: without white space, full-width forms and case."""
    return text.str.normalize("NFKC").str.replace_all(r"\s", "").str.to_lowercase()


def put(con: duckdb.DuckDBPyConnection, name: str, rows: pl.DataFrame) -> None:
    con.register("_incoming", rows.to_arrow())
    con.execute(f"create or replace table {name} as select * from _incoming")
    con.unregister("_incoming")


def resolved(con: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    """Table judged: raw joined once to the plan. Each spelling (of a name, unit, figure) is read once, not once a row."""
    texts = con.sql(
        "select distinct t from (select unnest([indicator_text, name_text, area_text, measure_text]) as t from"
        " (select distinct indicator_text, name_text, area_text, measure_text from raw)) where t is not null"
    ).pl()
    text = pl.col("t")
    put(
        con,
        "spelling",
        texts.select("t", _plain(text).alias("plain"), _plain(text).str.replace_all(r"\([^()]*\)", "").alias("bare")),
    )
    for table, column in (("indicator_name", "name"), ("area", "name_zh"), ("area", "name_en"), ("measure", "text")):
        put(con, f"{table}_{column}_plain", con.table(table).pl().with_columns(plain=_plain(pl.col(column))))
    con.execute(FIGURES)
    pairs = con.sql("select distinct unit_text, value_suffix from figured").pl()
    units = [(u, s, _stated(u), _stated(s)) for u, s in pairs.rows()]
    put(
        con,
        "stated_unit",
        pl.DataFrame(
            [
                (u, s, stated.dimension if stated else None, stated.factor if stated else None,
                 bool(stated and stated.is_counter), bool(s and suffix is None),
                 bool(unit_of and suffix and unit_of != suffix))
                for u, s, unit_of, suffix in units
                for stated in [unit_of if u and u.strip() else suffix]
            ],
            schema={"unit_text": pl.String, "value_suffix": pl.String, "dimension": pl.String, "factor": pl.Float64,
                    "is_counter": pl.Boolean, "suffix_unknown": pl.Boolean, "disagree": pl.Boolean},
            orient="row",
        ),
    )  # fmt: skip
    con.execute(RESOLVE)


def _stated(text: str | None):  # type: ignore[no-untyped-def]
    return unit(text) if text and text.strip() else None


FIGURES = r"""
create or replace macro is_plain(t) as regexp_full_match(t, '-?\d{1,15}(\.\d{1,15})?');
create or replace table written_figure as
    select value_text, figure(value_text) as f
    from (select distinct value_text from raw where value_text is not null and not is_plain(value_text));
create or replace view figured as
    select r.rowid as row_id, r.*,
        case when is_plain(r.value_text) then 'figure' else coalesce(w.f.state, 'none') end as figure_state,
        case when is_plain(r.value_text) then try_cast(r.value_text as double) else w.f.value end as stated_value,
        case when is_plain(r.value_text) then plain_rounding(r.value_text) else w.f.rounding end as stated_rounding,
        coalesce(w.f.approximate, false) as approximate,
        coalesce(w.f.suffix, '') as value_suffix
    from raw r left join written_figure w using (value_text);
create or replace table indicator_stated as
    with pairs as (select distinct indicator_text, name_text from raw),
    named as (
        select p.*, c.indicator as code_indicator, c.name_zh as code_name,
            coalesce(n.indicator, b.indicator) as name_indicator,
            coalesce(trim(p.indicator_text), '') <> '' as has_code, coalesce(trim(p.name_text), '') <> '' as has_name
        from pairs p
        left join spelling sc on sc.t = p.indicator_text
        left join indicator c on c.indicator = sc.plain
        left join spelling sn on sn.t = p.name_text
        left join indicator_name_name_plain n on n.plain = sn.plain
        left join indicator_name_name_plain b on b.plain = sn.bare
    )
    select indicator_text, name_text, code_indicator, code_name,
        case when has_code and has_name then case when code_indicator = name_indicator then code_indicator end
             when has_code then code_indicator else name_indicator end as indicator
    from named;
create or replace table area_stated as
    select t as area_text, coalesce(a.area, z.area, e.area) as area
    from spelling s
    left join area a on a.area = s.plain
    left join area_name_zh_plain z on z.plain = s.plain
    left join area_name_en_plain e on e.plain = s.plain
"""

RESOLVE = """
create or replace view resolved as
select
    f.row_id, f.submission, f.department, f.path, f.received_at, f.received_on, f.month, f.sheet, f.row_number,
    f.column_name, f.form, f.indicator_text, f.name_text, f.period_text, f.area_text, f.value_text, f.unit_text,
    f.measure_text, f.self_text, f.surplus_text, f.value_suffix, f.period_end, f.reasoned, f.synthetic,
    coalesce(trim(f.note_text), '') <> '' as explained, nullif(trim(f.note_text), '') as note,
    x.code_indicator, x.code_name, x.indicator,
    i.lead_department, i.frequency, i.unit as own_unit, i.measure as own_measure, i.possible_low, i.possible_high,
    coalesce(i.whole_number, false) as whole_number,
    p.history_from, p.starts as plan_starts, p.ends as plan_ends, p.city,
    f.period_start < p.history_from or f.period_end > p.ends as outside_plan,
    case when coalesce(trim(f.area_text), '') = '' then p.city else a.area end as area,
    case when coalesce(trim(f.measure_text), '') <> '' then m.measure
         when f.cumulative and i.measure in ('period', 'ytd', 'end') then 'ytd'
         else coalesce(i.measure, 'none') end as measure,
    case when u.suffix_unknown then 'error' else f.figure_state end as value_state,
    f.approximate,
    case when coalesce(trim(f.unit_text), '') = '' and f.value_suffix = '' then 'own'
         when u.suffix_unknown and coalesce(trim(f.unit_text), '') = '' then 'own'
         when u.dimension is null then 'unknown'
         when i.indicator is null then 'own'
         when u.disagree then 'foreign'
         when u.dimension = i.unit_dimension then 'own'
         when u.is_counter and i.unit_is_counter then 'other counter'
         else 'foreign' end as unit_state,
    case when u.factor is null or u.factor = i.unit_factor then f.stated_value
         when u.factor > i.unit_factor then f.stated_value * (u.factor / i.unit_factor)
         else f.stated_value / (i.unit_factor / u.factor) end as converted,
    coalesce(u.factor / i.unit_factor, 1) as conversion, f.stated_rounding,
    i.indicator is null or ir.department is not null as may_report,
    f.span as stated_span, f.cumulative, f.period_start, i.span as own_span
from figured f
cross join plan p
left join indicator_stated x on x.indicator_text is not distinct from f.indicator_text
                            and x.name_text is not distinct from f.name_text
left join indicator i on i.indicator = x.indicator
left join indicator_reporter ir on ir.indicator = x.indicator and ir.department = f.department
left join area_stated a on a.area_text = f.area_text
left join spelling sm on sm.t = f.measure_text
left join measure_text_plain m on m.plain = sm.plain
left join stated_unit u on u.unit_text is not distinct from f.unit_text and u.value_suffix = f.value_suffix;

create or replace view placed as
select r.* exclude (converted, conversion, stated_rounding, period_start, stated_span, cumulative, own_span),
    case when r.unit_state in ('own', 'other counter') and r.value_state = 'figure' then r.converted end as value,
    -- "about 85" is as wide as policy says; of what is counted whole, ten and eleven are two figures
    case when r.value_state = 'figure' then greatest(r.stated_rounding * r.conversion * if(r.whole_number and r.stated_rounding * r.conversion <= 0.5, 0.5, 1),
        case when r.approximate then abs(r.converted) * (select about_tolerance from threshold) else 0 end) end as rounding,
    d.period, d.period_start as known_start, ia.area is not null as area_reported
from resolved r
-- a full year, a half and 1-3月 say how things stand since the year began: for a cumulative figure, a stock or a rate that is
-- the figure of the indicator's own period that ends there; for a figure "in the period alone" it is another period
left join period d on d.span = r.own_span and d.period_end = r.period_end
    and (r.stated_span = r.own_span
         or ((r.cumulative or r.stated_span in ('half', 'year')) and month(r.period_start) = month(r.plan_starts) and r.measure <> 'period'))
left join indicator_area ia on ia.indicator = r.indicator and ia.area = r.area;

create or replace table judged as
with reported as (
    select indicator, string_agg(area, ', ' order by area) as areas_reported from indicator_area group by all
    having count(*) <= 20
)
select p.*, a.areas_reported, null::double as value_lowest, null::double as value_highest, null::double as locked_value,
    null::varchar as lock_basis
from placed p
left join reported a on a.indicator = p.indicator
-- a blank cell of a wide table, under a period in which the indicator is not due, is no row
where not (p.form = 'wide' and coalesce(trim(p.value_text), '') = '' and p.indicator is not null and p.period is null);
drop table raw;

-- few figures are given twice in a file: found by a hash of their key, then by the key itself
create or replace table twice as
with figure as (
    select row_id, value, hash(submission, indicator, area, period, measure) as key from judged
    where value is not null and indicator is not null
), suspect as (
    select row_id from figure where key in (select key from figure group by key having min(value) < max(value))
)
select submission, indicator, area, period, measure, min(value) as value_lowest, max(value) as value_highest
from judged where row_id in (from suspect)
group by all having max(value) - min(value) > 1e-9 * greatest(abs(min(value)), abs(max(value)));
update judged j set value_lowest = t.value_lowest, value_highest = t.value_highest
from twice t where t.submission = j.submission and t.indicator = j.indicator and t.area = j.area
    and t.period = j.period and t.measure = j.measure and j.value is not null
"""

# in place: most rows are kept, and a copy of all columns costs more than all rules together
SPLIT = """
alter table judged add column kept boolean default true;
alter table judged add column news boolean default true;
update judged set kept = false where row_id in (select row_id from finding where severity = 'error' and row_id is not null);
create or replace view verdict as from judged
"""

# a correction of a figure that was accepted before its quarter was locked, and not while it was open again
LOCKED = """
create or replace view sound as select * from judged where value is not null and {sound};
create or replace table late as
    select s.row_id, s.department, s.indicator, s.area, s.period, s.measure, f.lock_at, f.lock_basis
    from sound s join filing_due f on s.period_end between f.period_start and f.period_end and s.received_at >= f.lock_at
    where not exists (from reopening r where r.department = s.department and r.quarter = f.quarter
                      and s.received_at >= r.opens_at and s.received_at < r.closes_at);
update judged j set locked_value = l.value, lock_basis = l.lock_basis
from (
    select c.row_id, b.value, c.lock_basis
    from late c
    join sound b on b.department = c.department and b.indicator = c.indicator and b.area = c.area and b.period = c.period
        and b.measure = c.measure and b.received_at < c.lock_at
    qualify row_number() over (partition by c.row_id order by b.received_at desc, b.submission desc) = 1
) l
where l.row_id = j.row_id and l.value <> j.value
"""

# a vintage lasts from the time a figure became known to the time another one replaced it; the same figure sent again
# changes nothing. Windows over text are dear and most figures are given once: only figures whose key's hash occurs twice
# go through them (two keys with one hash do no harm: the windows part them)
OBSERVE = """
create or replace view kept_figure as
    select row_id, indicator, area, period, known_start as period_start, period_end, measure, value, rounding, own_unit as unit, department, submission,
        sheet, row_number, received_at as known_from, approximate, nullif(trim(self_text), '') as self_assessed, synthetic, month,
        column_name,
        hash(department, indicator, area, period, measure) as key
    from (
        from verdict
        union all
        select v.* replace (a.received_at as received_at) from verdict v join sent_again a using (submission)
    ) where kept and value is not null;
create or replace table repeated as
    select key from kept_figure group by key having count(*) > 1
    union
    select key from kept_figure where submission in (select submission from withdrawal);
create or replace table observation as
with given as (
    select * exclude (key, column_name) from kept_figure where key in (from repeated)
    qualify row_number() over (partition by department, indicator, area, period, measure, known_from
                               order by submission desc, sheet, row_number, column_name) = 1
), events as (
    select g.*, w.withdrawn_at from given g left join withdrawal w on w.submission = g.submission and w.withdrawn_at > g.known_from
), stood as (
    select * exclude (withdrawn_at) from events
    union all by name
    -- from its withdrawal on, what stands without it: the latest before it that was not withdrawn itself, or nothing
    select b.row_id, e.indicator, e.area, e.period, e.period_start, e.period_end, e.measure, b.value, b.rounding, e.unit, e.department,
        b.submission, b.sheet, b.row_number, e.withdrawn_at as known_from, b.approximate, b.self_assessed, b.synthetic, e.month
    from events e
    left join events b on b.department = e.department and b.indicator = e.indicator and b.area = e.area and b.period = e.period
        and b.measure = e.measure and b.known_from <= e.withdrawn_at and coalesce(b.withdrawn_at > e.withdrawn_at, true)
    where e.withdrawn_at is not null
    qualify row_number() over (partition by e.department, e.indicator, e.area, e.period, e.measure, e.withdrawn_at
                               order by b.known_from desc nulls last, b.submission desc) = 1
), changed as (
    select *, lag(value) over w as value_before, lag(approximate) over w as approximate_before, lag(self_assessed) over w as self_before
    from stood window w as (partition by department, indicator, area, period, measure order by known_from)
), vintage as (
    select * exclude (value_before, approximate_before, self_before),
        case when value <> value_before then value_before end as replaced_value,
        lead(known_from) over (partition by department, indicator, area, period, measure order by known_from) as known_to
    from changed
    where value is distinct from value_before or approximate is distinct from approximate_before
       or self_assessed is distinct from self_before
)
from vintage where value is not null
union all
select * exclude (key, column_name), null::double, null::timestamptz from kept_figure where key not in (from repeated);
-- a row that only repeats what is known is no news: it is not late again
update judged set news = false where row_id in (
    select row_id from kept_figure where key in (from repeated) and row_id not in (select row_id from observation))
"""
