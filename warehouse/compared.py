"""What a kept figure is compared with: its deadline, the plan's range, its own history, the figures that it follows from.

Here: `standing`, what figures are compared with; the table `kept`, one row a kept row of the months asked for; the table
`across`, for the rules across submissions; and `beside_published`, its part on published figures with what M04 found.
Not here: the rules that read it (expectations.suites).
All comparison is with figures that now stand (the latest vintage), so that the order of arrival makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import duckdb

from expectations.compiled import compiled
from expectations.model import Plan
from warehouse.resolved import put
from warehouse.store import Store, files_sql, month_of

PAST = 36  # months of changes that a change is compared with (Q03)
LOOK_BACK = PAST + 12 + 3  # a change is against the year before, and an amount needs the figure of the period before


def month_number(month: str) -> int:
    return int(month[:4]) * 12 + int(month[5:7])


def standing(con: duckdb.DuckDBPyConnection, store: Store, plan: Plan, months: Sequence[str], *, some: bool) -> None:
    """Tables series, dated, history, follows, owed: what the figures of the months are compared with; where `some`, those of
    the submissions in table anew. Expects the plan's tables but obligation; reads row of the months, and observation of the
    months and of those before."""
    known = f"read_parquet({files_sql(store.month(m) / 'observation.parquet' for m in looked_at(store, months))})"
    owed = compiled(plan)["obligation"]
    if some:
        rows = f"read_parquet({files_sql(store.month(m) / 'row.parquet' for m in months)})"
        con.execute(CONSIDERED.replace("{rows}", rows))
        pairs = con.sql("from considered").pl()
        kinds = {column: owed.schema[column] for column in pairs.columns}
        owed = owed.join(pairs.cast(kinds, strict=False), on=list(kinds), how="semi")
    put(con, "obligation", owed)
    considered = "semi join considered using (indicator, area)" if some else ""
    for query in (STANDING, HISTORY, FOLLOWS, OWED):
        con.execute(query.replace("{known}", known).replace("{past}", str(PAST)).replace("{considered}", considered))


def looked_at(store: Store, months: Sequence[str]) -> list[str]:
    """The months in the store whose figures the months' are compared with, themselves included."""
    first, last = month_number(min(months)) - LOOK_BACK, month_number(max(months))
    there = (month_of(path.parent) for path in sorted(store.months.glob("*/observation.parquet")))
    return [month for month in there if first <= month_number(month) <= last]


def looked_back_on(month: str, months: Iterable[str]) -> list[str]:
    """Of `months` those whose figures the month's are compared with."""
    return [m for m in months if 0 <= month_number(month) - month_number(m) <= LOOK_BACK]


def kept(con: duckdb.DuckDBPyConnection, store: Store, months: Sequence[str], *, some: bool) -> None:
    """Table kept, of the months' rows; where `some`, of those of the submissions in table anew. Expects the tables of
    `standing`; reads row and observation of the months.

    An explanation counts for the figure, on whichever of the department's rows it stands.
    """
    rows = [p for m in months if (p := store.month(m) / "row.parquet").exists()]
    observed = [p for m in months if (p := store.month(m) / "observation.parquet").exists()]
    con.execute(
        KEPT.replace("{rows}", f"read_parquet({files_sql(rows)})")
        .replace("{observed}", f"read_parquet({files_sql(observed)})")
        .replace("{months}", "('" + "', '".join(months) + "')")
        .replace("{only}", "semi join anew a on a.month = r.month and a.submission = r.submission" if some else "")
    )


def across(con: duckdb.DuckDBPyConnection, apart: str) -> None:
    """View across: obligations, and current figures beside others on the same thing; table publication: each published
    figure, and whether it is the one that `counts`. Expects the inputs of the marts and the mart obligation. Of two figures
    that are not `apart` (the predicate of M02, M03 and M04, given by their classes) nothing is said but that they met."""
    con.execute(ACROSS.replace("{apart}", apart))


def beside_published(con: duckdb.DuckDBPyConnection, apart: str) -> None:
    """Table beside_published: department, publication, whether the two figures are `apart` (the predicate of rule M04, given
    by its class) and the finding, where one fired. Expects across, and finding as the rules across submissions left it."""
    con.execute(f"""
        create table beside_published as
        select a.publication, a.department, {apart} as apart, f.finding, f.confirmed
        from across a left join finding f on f.row_id = a.row_id and f.rule = 'M04'
        where a.against = 'published'
    """)


# what the rows are of that are flagged, and what their figures follow from
CONSIDERED = """
create or replace table considered as
with own as (select distinct indicator, area from {rows} semi join anew using (month, submission) where kept)
from own
union select y.part, o.area from own o join identity y on y.indicator = o.indicator
union select y.whole, o.area from own o join identity y on y.indicator = o.indicator
"""

# The figures that now stand. Texts are looked up once: a series is a department's figures of an indicator and area, dated a
# period; both are numbers from here on, and so are months.
STANDING = """
create or replace table series as
    select row_number() over ()::integer as series, s.*, i.accumulates, i.lead_department = s.department as leads
    from (select distinct department, indicator, area from {known} {considered} where known_to is null) s join indicator i using (indicator);
create or replace table dated as
    select row_number() over ()::smallint as dated, period, strftime(period_end, '%Y-%m') as month, span, year, plan_year::smallint as plan_year,
        (year(period_start) * 12 + month(period_start))::integer as first,
        (year(period_end) * 12 + month(period_end) + 1)::integer as after,
        -- the first of its year's periods holds the whole of the year so far
        elapsed * 12 < case span when 'month' then 1.5 when 'quarter' then 3.5 else 12.5 end as opens_the_year
    from period;
create or replace table standing as
    select s.series, d.dated, d.first, d.after, d.plan_year, o.measure = 'ytd' as cumulative,
        o.measure <> 'ytd' or d.opens_the_year as alone, o.value, o.rounding
    from {known} o
    join series s using (department, indicator, area)
    join dated d using (period)
    where o.known_to is null
"""

# A change is of the amount of the period alone, in proportion where amounts are above zero (a logarithm), in points for
# rates; against the year before where enough such changes are known, else against the period before. A median of each
# past is dear, and needless where a change lies among those before it, or all of them lie within what is allowed at least.
HISTORY = """
create or replace table change as
with sequent as (
    select *, lag(value) over s as value_before, lag(rounding) over s as rounding_before, lag(dated) over s as dated_before,
        lag(after) over s = first as adjacent, lag(plan_year) over s = plan_year as same_year, lag(first) over s >= first - 12 as recent,
        max(value) over y as value_year
    from standing
    window s as (partition by series order by first),
        y as (partition by series order by first range between 12 preceding and 12 preceding)
), amounts as (
    select * exclude (rounding, rounding_before, after, plan_year),
        case when alone then value when adjacent and same_year then value - value_before end as amount,
        rounding + case when alone then 0 else rounding_before end as loose
    from sequent
), neighbours as (
    select *, max(amount) over y as amount_year, max(loose) over y as loose_year,
        case when adjacent then lag(amount) over s end as amount_before, lag(loose) over s as loose_before
    from amounts
    window s as (partition by series order by first),
        y as (partition by series order by first range between 12 preceding and 12 preceding)
)
select series, dated, first, value as value_now, accumulates,
    case when cumulative and same_year then value_before end as earlier_value,
    case when cumulative and same_year then dated_before end as earlier_dated,
    value_year, coalesce(value_year, case when recent and (accumulates <> 'flow' or same_year) then value_before end) as history_value,
    case when accumulates = 'rate' then amount - amount_year
         when amount > 0 and amount_year > 0 then ln(amount / amount_year) end as season,
    case when accumulates = 'rate' then amount - amount_before
         when amount > 0 and amount_before > 0 then ln(amount / amount_before) end as step,
    case when accumulates = 'rate' then loose + loose_year else loose / amount + loose_year / amount_year end as loose_season,
    case when accumulates = 'rate' then loose + loose_before else loose / amount + loose_before / amount_before end as loose_step
from neighbours join (select series, accumulates from series) using (series);
drop table standing;
create or replace table chosen as
with usual as (
    select *, count(season) over past as seasons, min(season) over past as lowest_season, max(season) over past as highest_season,
        count(step) over past as steps, min(step) over past as lowest_step, max(step) over past as highest_step
    from change
    window past as (partition by series order by first range between {past} preceding and 1 preceding)
)
select series, dated, first, value_now, earlier_value, earlier_dated, value_year, history_value, accumulates,
    season is not null and seasons >= least_changes as by_season, step is not null and steps >= least_changes as by_step,
    case when by_season then season when by_step then step end as change,
    case when by_season then lowest_season else lowest_step end as lowest,
    case when by_season then highest_season else highest_step end as highest,
    case when by_season then loose_season else loose_step end as loose,
    case when by_season then seasons else steps end as changes,
    deviations * case when accumulates = 'rate' then least_points else least_spread end as allowed_at_least
from usual cross join threshold;
create or replace table doubtful as
with past as (
    select c.series, c.dated, median(case when c.by_season then p.season else p.step end) as usual,
        mad(case when c.by_season then p.season else p.step end) as spread
    from chosen c
    join change p on p.series = c.series and p.first between c.first - {past} and c.first - 1
    where (c.change < c.lowest or c.change > c.highest)
      and greatest(c.change, c.highest) - least(c.change, c.lowest) >= c.allowed_at_least
    group by c.series, c.dated
), allowed as (
    select series, dated, usual, lowest, highest, by_season, changes, accumulates,
        greatest(deviations * 1.4826 * spread, allowed_at_least) + loose as allowed
    from past join chosen using (series, dated) cross join threshold
)
select series, dated,
    -- usual, give or take the spread and the precision of the figures; what was there before is never far
    least(usual - allowed, lowest) as change_low, greatest(usual + allowed, highest) as change_high,
    case when accumulates = 'rate' then 'points' else 'proportion' end as change_by,
    case when by_season then '比上年同期 / against the year before, ' || changes else '比上期 / against the period before, ' || changes end as change_from
from allowed;
drop table change;
create or replace table history as
select c.series, c.dated, c.value_now, c.earlier_value, e.period as earlier_period, c.value_year, c.history_value, c.change,
    d.* exclude (series, dated)
from chosen c
left join dated e on e.dated = c.earlier_dated
left join doubtful d on d.series = c.series and d.dated = c.dated;
drop table chosen
"""

# interval arithmetic on the precision in which figures were given: 8.0 % is anything from 7.95 to 8.05
FOLLOWS = """
create or replace table led as
    -- the lead department's figure or, where it gave none, the one from before the plan
    with asked as (select part as indicator from identity union select whole from identity),
    reported as (
        select s.indicator, s.area, d.period, o.value, o.rounding
        from {known} o join series s using (department, indicator, area) join dated d using (period)
        where s.leads and o.known_to is null and o.indicator in (from asked)
    )
    from reported
    union all
    select b.indicator, b.area, b.period, b.value, b.rounding from baseline b
    where b.indicator in (from asked) and (b.indicator, b.area, b.period) not in (select (indicator, area, period) from reported);
create or replace table follows as
with year_ago as (
    select p.period, q.period as period_before
    from dated p join dated q on q.span = p.span and q.year = p.year - 1 and q.after = p.after - 12
), pairs as (
    select y.rule, y.indicator, y.basis, n.area, n.period, n.value as part, d.value as whole,
        n.value - n.rounding as part_low, n.value + n.rounding as part_high,
        d.value - d.rounding as whole_low, d.value + d.rounding as whole_high,
        case when y.rule = 'Q06' then 100 / own.unit_factor
             else (pi.unit_factor / wi.unit_factor) * case own.unit_dimension when '%' then 100 else 1 end / own.unit_factor end as scale,
        case when y.rule = 'Q06' then 1 else 0 end as less, y.part as part_name, y.whole as whole_name, a.period_before
    from identity y
    join indicator own on own.indicator = y.indicator
    join indicator pi on pi.indicator = y.part
    join indicator wi on wi.indicator = y.whole
    join led n on n.indicator = y.part
    left join year_ago a on a.period = n.period
    join led d on d.indicator = y.whole and d.area = n.area
        and d.period = case when y.rule = 'Q06' then a.period_before else n.period end
)
select indicator, area, period, rule as identity, basis as identity_basis,
    (least(part_low / whole_low, part_low / whole_high) - less) * scale as follows_low,
    (greatest(part_high / whole_low, part_high / whole_high) - less) * scale as follows_high,
    round((part / whole - less) * scale, 2)::varchar || ' = ' || part_name || ' ' || part || ' / '
        || whole_name || coalesce(' ' || case when rule = 'Q06' then period_before end, '') || ' ' || whole as follows_text
from pairs
where whole_low > 0
"""

OWED = """
create or replace table owed as
    select s.series, d.dated, o.due_at, o.due_basis
    from obligation o join series s using (department, indicator, area) join dated d using (period);
drop table obligation
"""

# what is said of a finding is put together only where there may be one
KEPT = """
create or replace table kept as
with here as (
    select dated from dated where month in {months}
), explained as (
    select distinct department, indicator, area, period, measure, value, true as explained_somewhere
    from {rows} where kept and explained
), replacing as (
    select distinct department, indicator, area, period, measure, value, known_from as received_at, replaced_value
    from {observed} where replaced_value is not null
), placed as (
    select (r.file_index::bigint << 32) + r.file_row_number as row_id, r.* exclude (kept, withdrawn, value_state, frequency, period_end), s.series, s.accumulates, d.dated
    from {rows} r {only}
    left join series s using (department, indicator, area)
    left join dated d using (period)
    where r.kept and not r.withdrawn
), ranged as (
    -- the plan's range, and the figure of the year before; one of them where the other is not known. What another figure has
    -- replaced has no change of its own
    select r.*, h.* exclude (series, dated, value_now) replace (case when r.value = h.value_now then h.change end as change),
        b.usual, b.clause, t.slip_within, b.plausible_low as plan_low, b.plausible_high as plan_high, b.plausible_basis as plan_basis,
        case when r.accumulates = 'rate' then h.value_year - s.points when h.value_year > 0 then h.value_year * t.history_low end as year_low,
        case when r.accumulates = 'rate' then h.value_year + s.points when h.value_year > 0 then h.value_year * t.history_high end as year_high
    from placed r
    cross join threshold t
    left join plausible_points s on s.measure = r.measure
    left join (from history where dated in (from here)) h on h.series = r.series and h.dated = r.dated
    left join plausible b using (indicator, area, period)
)
select r.* exclude (series, dated, accumulates, value_year, plan_low, plan_high, plan_basis, year_low, year_high, clause)
        replace (coalesce(x.explained_somewhere, false) as explained),
    least(plan_low, year_low) as plausible_low, greatest(plan_high, year_high) as plausible_high,
    case when r.value < plausible_low or r.value > plausible_high then concat_ws(', ', plan_basis,
        case when year_low < plan_low or year_high > plan_high or plan_low is null then 'policy.plausible.history' end) end as plausible_basis,
    r.clause,
    v.replaced_value, f.* exclude (indicator, area, period), o.due_at, o.due_basis,
    case when r.received_at >= o.due_at then p.zone end as zone
from ranged r
cross join plan p
left join follows f using (indicator, area, period)
left join (from owed where dated in (from here)) o on o.series = r.series and o.dated = r.dated
left join explained x using (department, indicator, area, period, measure, value)
left join replacing v using (department, indicator, area, period, measure, value, received_at)
"""

# what the rules across submissions look at: obligations (M01), and current figures beside the districts' sum (M02),
# another department's figure (M03) and the published one (M04), each as an interval by the precision in which it was given.
# Of millions of obligations, and of figures that agree, only those that do not have anything said of them.
ACROSS = """
-- of several publications of one figure the final goes before the preliminary, the exact before the approximate, and then
-- the latest: that one counts, and M04 judges by it alone
create table publication as
select row_number() over (order by indicator, area, period, measure, preliminary, approximate, published_on desc nulls last, tier,
        publisher, value)::integer as publication,
    row_number() over (partition by indicator, area, period, measure
        order by preliminary, approximate, published_on desc nulls last, tier, publisher, value) = 1 as counts,
    p.*, case when approximate then abs(value) * about_tolerance else 0 end as loose
from published p cross join threshold;
create view figure_now as
with compared as (
    select indicator from indicator where adds_up
    union select indicator from indicator_reporter group by indicator having count(*) > 1
    union select indicator from published
)
select o.department, o.indicator, o.area, o.period, o.period_end, o.measure, o.value, o.rounding, o.unit, o.submission, o.sheet,
    o.row_number, i.adds_up, i.lead_department = o.department as leads
from stored_observation o
join indicator i on i.indicator = o.indicator
where o.known_to is null and o.indicator in (from compared);
create table across_figure as
with districts as (
    -- in a fixed order, so that a sum is the same to the last digit
    select indicator, period, measure, count(*) as districts, sum(value order by area) as total,
        sum(value - rounding order by area) as low, sum(value + rounding order by area) as high
    from figure_now cross join plan
    where adds_up and leads and area <> city
    group by indicator, period, measure
), beside as (
    select 'districts' as against, c.*, d.total as other_value, d.low as other_low, d.high as other_high, d.districts
    from figure_now c
    join plan p on p.city = c.area
    join districts d using (indicator, period, measure)
    join (select indicator, count(*) - 1 as districts from indicator_area group by indicator) n using (indicator, districts)
    where c.leads
    union all by name
    select 'department' as against, c.*, l.value as other_value, l.value - l.rounding as other_low, l.value + l.rounding as other_high,
        l.department as other_department, l.submission as other_submission
    from figure_now c
    join figure_now l using (indicator, area, period, measure)
    where l.leads and not c.leads
    union all by name
    select 'published' as against, c.*, b.value as other_value, b.value - b.rounding - b.loose as other_low, b.value + b.rounding + b.loose as other_high,
        b.publication, b.counts
    from figure_now c
    join publication b using (indicator, area, period, measure)
)
select * exclude (adds_up, leads, measure, period_end), strftime(period_end, '%Y-%m') as month, coalesce({apart}, false) as apart from beside;
create table across_told as
with explained as (
    select distinct department, indicator, area, period, value, true as explained from judged_row where kept and explained and value is not null
)
select row_number() over () as row_id, * from (
    select o.*, null::varchar as submission, o.department || ' ' || o.indicator || ' ' || o.area || ' ' || o.period as path,
        null::varchar as sheet, null::integer as row_number, null::varchar as column_name, false as explained,
        strftime(o.period_end, '%Y-%m') as month, p.zone, null::varchar as value_text
    from obligation o cross join plan p where o.state = 'missing'
    union all by name
    select a.* exclude (submission, apart, districts, other_department, other_submission, unit), null::varchar as submission, l.path,
        '数值 value' as column_name, coalesce(x.explained, false) as explained, a.value::varchar || ' ' || a.unit as value_text,
        coalesce(a.other_department, b.publisher) as other_source,
        case a.against
            when 'districts' then a.districts::varchar || ' 个区县合计 / areas add up to ' || round(a.other_value, 4)::varchar
            when 'department' then a.other_value::varchar || ' (' || a.other_department || ': ' || o.path || ')'
            else b.value::varchar || ' ' || b.unit || ' (' || b.publisher || coalesce(', ' || b.published_on::varchar, '')
                || case when b.preliminary then ', 初步 preliminary' else '' end || ')' end as other_text
    from across_figure a
    join landed l on l.submission = a.submission
    left join landed o on o.submission = a.other_submission
    left join publication b on b.publication = a.publication
    left join explained x on x.department = a.department and x.indicator = a.indicator and x.area = a.area and x.period = a.period
        and x.value = a.value
    where a.apart
);
create view across as
from across_told
union all by name
select state, received_at, false as explained, strftime(period_end, '%Y-%m') as month from obligation where state <> 'missing'
union all by name
select against, department, value, rounding, other_low, other_high, publication, counts, false as explained, month
from across_figure where not apart
"""
