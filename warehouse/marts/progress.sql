-- progress: each target at each reporting period of the plan, as known at params.as_of.
--
-- goal is what the plan asks, in the indicator's unit; d is +1 where more is better, -1 where less is. One expression
-- serves both directions and every kind of target. short is how much is missing to what is asked (negative: more than
-- asked; "exactly" and "between" are missed on either side), and the scale is the way to what is asked: from the baseline
-- where a stock has one that it is to leave in the target's direction, else from zero.
--   attainment = 1 - short / scale      1 where nothing is missing, also where the way is nothing (a goal of 0)
--   pace       = the same against expected, what the trajectory asks at the period's end
-- Where nothing is expected yet, or zero is, there is no ratio: beyond it is ahead, at it on pace, short of it far behind.
-- Two figures that differ by less than a billionth are one figure: converting units leaves so much noise.
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
), ended as (
    select a.*, p.period_end
    from actuals a
    join indicator i on i.indicator = a.indicator
    join period p on p.period = a.period and p.span = i.span
), grid as (
    -- a dated task is followed up to the month in which it is due
    select t.*, i.measure, i.frequency, i.accumulates, i.unit as own_unit, p.period, p.period_end, p.period_start, p.span,
        r.share as policy_share, r.remaining, cast(t.goal_direction as double) as d, o.due_at, q.period as due_period
    from target_version t
    join indicator i on i.indicator = t.indicator
    join period p on p.span = i.span and p.in_plan and (i.frequency <> 'event' or p.period_start <= t.due)
    join trajectory r on r.target = t.target and r.since = t.since and r.period = p.period
    left join period q on q.span = i.span and q.period_start <= t.due and q.period_end >= t.due
    left join owed o on o.indicator = t.indicator and o.area = t.area and o.period = p.period
    -- the plan as it stood then
    where (t.valid_from is null or t.valid_from <= (select as_of from params))
      and (t.valid_to is null or t.valid_to > (select as_of from params))
), carried as (
    -- what was done stays done: the greatest figure known by then, and the first that said so
    select g.target, g.period, e.value, e.submission, e.self_assessed, e.synthetic,
        case when e.period = g.period then e.origin else 'carried forward' end as origin
    from grid g
    join ended e on e.indicator = g.indicator and e.area = g.area and e.period_end <= g.period_end
    where g.frequency = 'event'
    qualify row_number() over (partition by g.target, g.period order by e.value desc, e.period_end) = 1
), faced as (
    select g.*, coalesce(c.value, a.value) as actual, coalesce(c.origin, a.origin) as origin,
        coalesce(c.submission, a.submission) as submission, coalesce(c.self_assessed, a.self_assessed) as self_assessed,
        coalesce(c.synthetic, a.synthetic, false) as synthetic,
        b.value as year_before,
        lag(coalesce(c.value, a.value)) over (partition by g.target order by g.period_end) as previous,
        case when g.comparator = 'exceeds' then x.value
             when g.comparator = 'between' and g.d < 0 then g.goal_high
             else g.goal end as asked,
        case when g.comparator = 'between' and g.d > 0 then g.goal_high
             when g.comparator in ('=', 'between') then g.goal end as asked_at_most,
        case when g.trajectory = 'seasonal' and g.accumulates = 'flow' and g.policy_share < 1
              and b.value / nullif(s.value, 0) between 0 and 1 then b.value / nullif(s.value, 0) end as season
    from grid g
    left join carried c on c.target = g.target and c.period = g.period
    left join actuals a on a.indicator = g.indicator and a.area = g.area and a.period = g.period and g.frequency <> 'event'
    left join year_ago y on y.period = g.period
    left join actuals b on b.indicator = g.indicator and b.area = g.area and b.period = y.period_before
    left join year_ago z on z.period = g.due_period
    left join actuals s on s.indicator = g.indicator and s.area = g.area and s.period = z.period_before
    left join ended x on x.indicator = g.exceeds and x.area = g.area and x.period_end = g.period_end
), compared as (
    select f.*, coalesce(season, policy_share) as share,
        case when accumulates = 'stock' and comparator not in ('exceeds', 'done') and d * (asked - baseline) > 0
             then baseline end as start_value,
        case when actual is null or asked is null then null
             when asked_at_most is not null then greatest(d * (asked - actual), d * (actual - asked_at_most), 0)
             else d * (asked - actual) end as raw_short,
        -- what is met before it is due is achieved, unless it may yet be lost: a rate, a ceiling on a flow, a figure to hit
        accumulates <> 'rate' and asked_at_most is null and comparator <> 'exceeds'
            and (accumulates = 'stock' or d * asked > 0) as lasting
    from faced f
), expecting as (
    select c.*,
        case when abs(raw_short) <= 1e-9 * abs(asked) then 0 else raw_short end as short,
        case when accumulates = 'rate' or share = 1 then asked
             when accumulates = 'flow' or comparator = 'done' then asked * share
             when start_value is not null then start_value + (asked - start_value) * share
             when d * (asked - baseline) <= 0 then asked end as expected
    from compared c
), measured as (
    select e.*,
        case when comparator in ('>', '<', 'exceeds') then short < 0 else short <= tolerance + 1e-9 * abs(asked) end as met,
        case when short = 0 then 1.0
             else 1 - short / nullif(abs(asked - coalesce(start_value, 0)), 0) end as attainment,
        case when asked_at_most is null then d * (expected - actual)
             when short = 0 then least(d * (expected - asked), 0)
             else d * (expected - asked) + short end as raw_late
    from expecting e
), paced as (
    select m.*,
        case when abs(raw_late) <= 1e-9 * abs(expected) then 0 else raw_late end as late,
        case when abs(raw_late) <= 1e-9 * abs(expected) then 1.0
             else 1 - raw_late / nullif(abs(expected - coalesce(start_value, 0)), 0) end as pace,
        met and (period_end >= due or lasting) as achieved
    from measured m
), judged as (
    select p.*, min(case when achieved then period_end end) over (partition by target) as first_met_end
    from paced p
)
select
    m.target, m.indicator, m.area, m.period, m.period_end,
    m.actual, case when m.actual is not null then m.measure end as actual_measure,
    m.asked as target_value, m.expected, m.attainment,
    m.actual - m.asked as gap,
    case
        when m.kind = 'lost' or (m.goal is null and m.exceeds is null) then 'not_assessable'
        when m.actual is null and m.due_at <= (select as_of from params) then 'not_reported'
        when m.actual is null then 'not_due'
        when m.asked is null then 'not_assessable'
        when m.achieved then 'achieved'
        when m.period_end >= m.due then 'missed'
        when m.comparator = 'done' then 'not_due'
        when m.late is null then 'not_assessable'
        when m.pace is null then case when m.late < 0 then 'ahead' else 'far_behind' end
        when round(m.pace, 9) >= c.ahead then 'ahead'
        when round(m.pace, 9) >= c.on_pace or (m.met and m.accumulates <> 'flow') then 'on_pace'
        when round(m.pace, 9) >= c.behind then 'behind'
        else 'far_behind' end as status,
    case when m.actual is null or m.remaining = 0 or m.accumulates = 'rate' or m.comparator in ('exceeds', 'done') then null
         when m.accumulates = 'flow' and m.d * m.asked <= 0 then null
         when m.d > 0 then greatest(m.asked - m.actual, 0) / m.remaining
         else least(m.asked - m.actual, 0) / m.remaining end as needed,
    cast(null as double) as forecast, cast(null as double) as forecast_low, cast(null as double) as forecast_high,
    cast(null as boolean) as will_meet,
    w.period as first_met,
    m.previous, m.year_before, m.self_assessed, m.submission,
    m.origin as actual_origin, m.own_unit as unit, m.pace,
    case
        when m.kind = 'lost' then 'plan: the figure is lost from the text'
        when m.goal is null and m.exceeds is null then 'plan: no baseline'
        when m.actual is null then 'policy.deadlines'
        when m.asked is null then 'plan: no figure to compare with'
        when m.comparator = '~' and (m.achieved or m.period_end >= m.due) then 'policy.about_tolerance'
        when m.achieved then 'target met (' || m.comparator_basis || ')'
        when m.period_end >= m.due then 'target not met (' || m.comparator_basis || ')'
        when m.comparator = 'done' then 'plan: due'
        when m.late is null then 'plan: no baseline'
        when m.trajectory = 'seasonal' and m.season is null and m.policy_share < 1
            then 'policy.pace, policy.trajectory: straight_line, seasonal without the year before'
        else 'policy.pace, policy.trajectory: ' || m.trajectory end as status_basis,
    m.synthetic
from judged m
cross join pace c
left join period w on w.span = m.span and w.period_end = m.first_met_end
order by m.target, m.period_end, m.period
