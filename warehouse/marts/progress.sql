-- progress: each target at each reporting period of the plan, as known at params.as_of.
--
-- goal is what the plan asks, in the indicator's unit; d is +1 where more is better, -1 where less is. The same
-- expression serves both directions: d * (actual - goal) >= 0 meets the target, and attainment is 1 exactly there.
with known as (
    select o.*
    from observation o
    join indicator i on i.indicator = o.indicator and i.lead_department = o.department and i.measure = o.measure
    where o.known_from <= (select as_of from params)
      and (o.known_to is null or o.known_to > (select as_of from params))
), figures as (
    select k.indicator, k.area, k.period, k.value, k.submission, k.self_assessed, k.synthetic from known k
    union all
    select b.indicator, b.area, b.period, b.value, null, null, false
    from baseline b
    where not exists (
        select 1 from known k where k.indicator = b.indicator and k.area = b.area and k.period = b.period
    )
), year_ago as (
    select p.period, q.period as period_before
    from period p
    join period q on q.span = p.span and q.year = p.year - 1 and month(q.period_end) = month(p.period_end)
), growth as (
    -- a growth rate that no department reported, from the levels reported; never where prices must be constant
    select i.indicator, n.area, n.period, (n.value / nullif(b.value, 0) - 1) * 100 as value, n.submission, n.synthetic
    from indicator i
    join figures n on n.indicator = i.level
    join year_ago y on y.period = n.period
    join figures b on b.indicator = i.level and b.area = n.area and b.period = y.period_before
    where i.growth_from_levels and b.value > 0
), actuals as (
    select indicator, area, period, value, 'reported' as origin, submission, self_assessed, synthetic from figures
    union all
    select g.indicator, g.area, g.period, g.value, 'computed from levels', g.submission, null, g.synthetic
    from growth g
    where not exists (
        select 1 from figures f where f.indicator = g.indicator and f.area = g.area and f.period = g.period
    )
), owed as (
    select indicator, area, period, max(due_at) as due_at from obligation group by indicator, area, period
), grid as (
    select t.*, i.measure, i.accumulates, i.unit as own_unit, p.period, p.period_end, p.period_start, p.span, p.remaining,
        r.share, cast(t.goal_direction as double) as d, o.due_at
    from target t
    join indicator i on i.indicator = t.indicator
    join period p on p.span = i.span and p.in_plan
    join trajectory r on r.target = t.target and r.period = p.period
    left join owed o on o.indicator = t.indicator and o.area = t.area and o.period = p.period
), faced as (
    select g.*, a.value as actual, a.origin, a.submission, a.self_assessed, coalesce(a.synthetic, false) as synthetic,
        b.value as year_before,
        lag(a.value) over (partition by g.target order by g.period_end) as previous,
        case when g.comparator = 'exceeds' then x.value else g.goal end as asked
    from grid g
    left join actuals a on a.indicator = g.indicator and a.area = g.area and a.period = g.period
    left join year_ago y on y.period = g.period
    left join actuals b on b.indicator = g.indicator and b.area = g.area and b.period = y.period_before
    left join actuals x on x.indicator = g.exceeds and x.area = g.area and x.period = g.period
), expecting as (
    select f.*,
        -- a stock starts from its baseline where the way to the goal leads in the target's direction
        case when accumulates = 'stock' and d * (asked - baseline) > 0 then baseline end as start_value,
        case when accumulates = 'rate' or share = 1 then asked
             when accumulates = 'flow' then asked * share
             when d * (asked - baseline) > 0 then baseline + (asked - baseline) * share
             when d * (asked - baseline) <= 0 then asked end as expected,
        case when actual is null or asked is null then null
             when comparator in ('>', '<', 'exceeds') then d * (actual - asked) > 1e-9 * abs(asked)
             when comparator = 'between' then actual >= asked - 1e-9 * abs(asked) and actual <= goal_high + 1e-9 * abs(goal_high)
             when comparator = '=' then abs(actual - asked) <= 1e-9 * abs(asked)
             else d * (actual - asked) >= - tolerance - 1e-9 * abs(asked) end as met
    from faced f
), measured as (
    select e.*,
        case when met and comparator = 'between' then 1.0
             when comparator = 'between' and actual > goal_high then 1 - (actual - goal_high) / nullif(abs(goal_high), 0)
             when comparator = '=' then 1 - abs(actual - asked) / nullif(abs(asked), 0)
             when start_value is not null then (actual - start_value) / (asked - start_value)
             else 1 + d * (actual - asked) / nullif(abs(asked), 0) end as attainment,
        case when start_value is not null then (actual - start_value) / nullif(expected - start_value, 0)
             else 1 + d * (actual - expected) / nullif(abs(expected), 0) end as pace,
        min(case when met and (accumulates <> 'rate' or period_end >= due) then period_end end)
            over (partition by target) as first_met_end
    from expecting e
)
select
    m.target, m.indicator, m.area, m.period, m.period_end,
    m.actual, case when m.actual is not null then m.measure end as actual_measure,
    m.asked as target_value, m.expected, m.attainment,
    m.actual - m.asked as gap,
    case
        when m.kind = 'lost' then 'not_assessable'
        when m.actual is null and m.due_at <= (select as_of from params) then 'not_reported'
        when m.actual is null then 'not_due'
        when m.asked is null then 'not_assessable'
        when m.met and (m.period_end >= m.due or (m.accumulates <> 'rate' and m.d > 0)) then 'achieved'
        when m.period_end >= m.due then 'missed'
        when m.pace is null then 'not_assessable'
        when m.pace >= c.ahead then 'ahead'
        when m.pace >= c.on_pace or m.met then 'on_pace'
        when m.pace >= c.behind then 'behind'
        else 'far_behind' end as status,
    case when m.accumulates in ('flow', 'stock') and m.d > 0 and m.actual is not null and m.remaining > 0
         then greatest(m.asked - m.actual, 0) / m.remaining end as needed,
    cast(null as double) as forecast, cast(null as double) as forecast_low, cast(null as double) as forecast_high,
    cast(null as boolean) as will_meet,
    w.period as first_met,
    m.previous, m.year_before, m.self_assessed, m.submission,
    m.origin as actual_origin, m.own_unit as unit, m.pace,
    case
        when m.kind = 'lost' then 'plan: the figure is lost from the text'
        when m.actual is null then 'policy.deadlines'
        when m.asked is null then 'plan: no figure to compare with'
        when m.met and (m.period_end >= m.due or (m.accumulates <> 'rate' and m.d > 0))
            then case when m.comparator = '~' then 'policy.about_tolerance' else 'target met (' || m.comparator_basis || ')' end
        when m.period_end >= m.due
            then case when m.comparator = '~' then 'policy.about_tolerance' else 'target not met (' || m.comparator_basis || ')' end
        when m.pace is null then 'plan: no baseline'
        else 'policy.pace, policy.trajectory: ' || m.trajectory end as status_basis,
    m.synthetic
from measured m
cross join pace c
left join period w on w.span = m.span and w.period_end = m.first_met_end
order by m.target, m.period_end, m.period
