-- forecast: each target at each period still to come, from the one after its last known figure to the one in which it is due.
-- For charts: the way to progress.forecast as it stands at the due period, and the interval around it, widening.
--
-- Of the way ahead, what repeats last year comes as it came last year, the rest evenly. The interval is that of progress in
-- its two parts: noise grows with the way gone, drift with its square (ADR 0029).
with due as (
    select p.*
    from progress p
    join target_version t on t.target = p.target and p.period_end >= t.due
        and (t.valid_from is null or t.valid_from <= (select as_of from params))
        and (t.valid_to is null or t.valid_to > (select as_of from params))
    where p.forecast is not null
), step as (
    select d.target, d.indicator, d.area, p.period, p.period_end, p.expected, d.forecast_from, o.actual, d.forecast, d.forecast_method,
        d.forecast_repeats, d.forecast_noise, d.forecast_drift, d.forecast_basis, o.synthetic,
        i.possible_low, i.possible_high, i.measure = 'ytd' as fills,
        case when i.measure = 'yoy' and l.accumulates = 'flow'
             then (sqrt(e.elapsed) - sqrt(a.elapsed)) / nullif(sqrt(z.elapsed) - sqrt(a.elapsed), 0) end as eased,
        d.year_before - o.year_before as before_way,
        case when d.forecast_repeats > 0 then p.year_before - o.year_before end as before_gone,
        cast((year(p.period_end) - year(o.period_end)) * 12 + month(p.period_end) - month(o.period_end) as double)
            / nullif((year(d.period_end) - year(o.period_end)) * 12 + month(d.period_end) - month(o.period_end), 0) as time
    from due d
    join progress o on o.target = d.target and o.period = d.forecast_from
    join progress p on p.target = d.target and p.period_end > o.period_end and p.period_end <= d.period_end
    join indicator i on i.indicator = d.indicator
    left join indicator l on l.indicator = i.level
    join period a on a.period = o.period
    join period e on e.period = p.period
    join period z on z.period = d.period
), risen as (
    select s.*, before_gone >= coalesce(lag(before_gone) over (partition by target order by period_end), 0) as rises from step s
), shaped as (
    -- last year's way is followed where all of it is known, and where a cumulative figure never fell on it
    select r.*, min(case when before_gone is null or (fills and not coalesce(rises, false)) then 0 else 1 end)
        over (partition by target) = 1 as follows
    from risen r
), placed as (
    select s.*,
        case when follows and fills then actual + forecast_repeats * before_gone
             when follows then actual + forecast_repeats * before_gone + (forecast - actual - forecast_repeats * before_way) * time
             else actual + (forecast - actual) * time end as middle,
        -- of a cumulative figure the noise comes with the amount, of its growth with the root of time, of any other with time
        case when follows and fills then coalesce(before_gone / nullif(before_way, 0), time) else coalesce(eased, time) end as way
    from shaped s
), around as (
    select p.*, least(greatest(middle, possible_low), possible_high) as center,
        sqrt(forecast_noise * forecast_noise * way + forecast_drift * forecast_drift * way * way) as width
    from placed p
), bounded as (
    select a.*, greatest(center - width, possible_low, case when fills then actual end) as low, least(center + width, possible_high) as high
    from around a
)
select
    target, indicator, area, period, period_end, forecast_from as origin, expected, center as forecast,
    -- what never falls is nowhere surer than later
    case when fills then min(low) over (partition by target order by period_end rows between current row and unbounded following)
         else low end as forecast_low,
    high as forecast_high, forecast_method as method, forecast_basis as basis, synthetic
from bounded
order by target, period_end, period
