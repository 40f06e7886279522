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
--
-- A forecast is of the figure at the due period, from the figures up to the row's period. What came from one figure to the
-- next is a change; a change of the year before is what had come in the same time then.
--   a cumulative flow   the rest of last year, times this year's growth so far; one period like last year's counts as known,
--                       so that January alone does not decide. The year before not known: as fast as so far
--   a stock             its mean change carried on (two periods without one count as known where the year before is not), and
--                       of what last year's changes were beyond it as much as this year's have repeated
--   a rate, a share, a rank, an amount of the period alone    the same without a mean change
-- Its interval has two parts, as variances: noise, how far changes have strayed from this, grows with the way still to go;
-- drift, how far the growth or the mean change may be wrong, with its square. Of a cumulative flow the noise is in proportion
-- to the amount, of a count at least as of counts that come by chance, and at first what policy.forecast says, as if three
-- periods had shown it; of the others at first that of all changes, as if two had. How often it holds: ADR 0029.
-- Sums are of decimals, in shares of the goal, so that their order makes no difference.
with compared_with as (
    select indicator, area from target_version union select exceeds, area from target_version where exceeds is not null
), wanted as (
    -- a target's own indicator, the one that it must exceed, and the levels that growth is computed from
    select indicator, area from compared_with
    union
    select i.level, c.area from compared_with c join indicator i on i.indicator = c.indicator where i.level is not null
), known as (
    select o.*
    from observation o
    join wanted x on x.indicator = o.indicator and x.area = o.area
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
    select a.*, p.period_end, p.plan_year, round(12 * p.elapsed) as months_gone,
        cast(case p.span when 'month' then 1 when 'quarter' then 3 else 12 end as double) as months
    from actuals a
    join indicator i on i.indicator = a.indicator
    join period p on p.period = a.period and p.span = i.span
), grid as (
    -- a dated task is followed up to the month in which it is due
    select t.*, i.measure, i.frequency, i.accumulates, i.unit as own_unit, p.period, p.period_end, p.period_start, p.span,
        r.share as policy_share, r.remaining, cast(t.goal_direction as double) as d, o.due_at, q.period as due_period,
        q.period_end as due_end, q.plan_year as due_year, round(12 * q.elapsed) as due_months,
        i.possible_low, i.possible_high, i.whole_number,
        cast(case p.span when 'month' then 1 when 'quarter' then 3 else 12 end as double) as months
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
        b.value as year_before, s.value as year_before_due,
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
    select p.*, min(case when achieved then period_end end) over (partition by target) as first_met_end,
        max(case when actual is not null then period_end end)
            over (partition by target order by period_end rows between unbounded preceding and current row) as last_end
    from paced p
), told as (
    -- fills: adds up since the year began; eases: growth of what adds up, which moves less and less as the year goes on, about
    -- with the root of time. place is the time by which changes are measured, part where they begin anew
    select e.*, b.value as before,
        case when fills then e.plan_year else 0 end as part,
        case when fills then e.months_gone / e.months when eases then sqrt(e.months_gone)
             else (year(e.period_end) * 12 + month(e.period_end)) / e.months end as place
    from (
        select n.*, g.size, i.measure = 'ytd' as fills, i.measure = 'yoy' and coalesce(l.accumulates = 'flow', false) as eases
        from ended n
        join (
            select indicator, area, coalesce(nullif(max(abs(goal)), 0), 1) as size from target_version group by indicator, area
        ) g on g.indicator = n.indicator and g.area = n.area
        join indicator i on i.indicator = n.indicator
        left join indicator l on l.indicator = i.level
        where n.value is not null
    ) e
    left join year_ago y on y.period = e.period and e.months < 12
    left join actuals b on b.indicator = e.indicator and b.area = e.area and b.period = y.period_before
), since as (
    -- a cumulative figure starts from nothing; of growth that eases the year's first is no change
    select t.*,
        case when lag(place) over series < place then lag(value) over series when fills then 0.0 end as last_value,
        case when lag(place) over series < place then lag(before) over series when fills then 0.0 end as last_before,
        case when lag(place) over series < place then lag(place) over series when fills then 0.0 end as last_place
    from told t
    window series as (partition by indicator, area, part order by period_end)
), change as (
    -- in shares of the goal; a tenth of an even year in the weights, for months in which nothing came last year
    select s.*, (value - last_value) / size as x, (before - last_before) / size as l, place - last_place as gap,
        case when not fills then place - last_place
             when before > 0 and before >= last_before
             then (0.9 * (before - last_before) + 0.1 * before * (place - last_place) / place) / size end as weight
    from since s
), paired as (
    select c.*, case when l is not null then x end as pair_x, case when l is not null then gap end as pair_gap,
        x * x / gap as even, case when l is not null then x * x / weight end as xx, x * l / weight as xl, l * l / weight as ll
    from change c
), exact as (
    -- beyond 10^16 is a slip that no decimal holds
    select p.indicator, p.area, p.part, p.period_end, p.plan_year, p.fills, p.eases, p.size, p.place, p.value, p.before, p.x, p.ll,
        case when even < 1e16 then cast(even as decimal(38, 18)) end as d_even,
        cast(pair_gap as decimal(38, 18)) as d_gap,
        case when abs(pair_x) < 1e16 then cast(pair_x as decimal(38, 18)) end as d_x,
        case when abs(l) < 1e16 then cast(l as decimal(38, 18)) end as d_l,
        case when xx < 1e16 then cast(xx as decimal(38, 18)) end as d_xx,
        case when abs(xl) < 1e16 then cast(xl as decimal(38, 18)) end as d_xl,
        case when ll < 1e16 then cast(ll as decimal(38, 18)) end as d_ll
    from paired p
), summed as (
    select indicator, area, period_end, plan_year, fills, eases, size, place, value, value / size as y, before / size as y_before,
        count(x) over past as changes, count(ll) over past as pairs,
        (value - first_value(value) over past) / size as way, place - first_value(place) over past as places,
        cast(sum(d_even) over past as double) as xx_even, cast(coalesce(sum(d_gap) over past, 0) as double) as pair_places,
        cast(coalesce(sum(d_x) over past, 0) as double) as x_sum, cast(coalesce(sum(d_l) over past, 0) as double) as l_sum,
        cast(coalesce(sum(d_xx) over past, 0) as double) as xx, cast(coalesce(sum(d_xl) over past, 0) as double) as xl,
        cast(coalesce(sum(d_ll) over past, 0) as double) as ll
    from exact
    window past as (partition by indicator, area, part order by period_end rows between unbounded preceding and current row)
), aimed as (
    select j.*, f.level, f.quantile, f.least_figures, f.unrest, f.drift, f.drift_without_year_before,
        k.fills, k.eases, k.size, k.value as reached, k.y, k.place, k.changes, k.way, k.places, k.xx_even, k.pairs, k.pair_places, k.x_sum, k.l_sum, k.xx,
        k.xl, k.ll, k.y_before,
        case when k.eases then sqrt(due_months) - k.place
             else ((year(due_end) - year(last_end)) * 12 + month(due_end) - month(last_end)) / months end as ahead,
        year_before_due / k.size as y_due, due_months / months as due_place,
        coalesce(case when k.fills then k.y >= 0 and k.y_before >= 0 and year_before_due > 0 and year_before_due / k.size >= k.y_before
                      else k.y_before is not null and year_before_due is not null end, false) as seasonal
    from judged j
    left join forecast_policy f on comparator not in ('exceeds', 'done') and kind <> 'lost' and frequency <> 'event'
        and (period_end < due_end or (period_end = due_end and actual is null))
    left join summed k on f.level is not null and k.indicator = j.indicator and k.area = j.area and k.period_end = j.last_end
        and (k.plan_year = j.due_year or not (k.fills or k.eases))
), fitted as (
    -- usual is the variance of all changes, to a period; known what stands for one period like last year's
    select a.*,
        case when fills and seasonal then changes + pairs + 1 when fills then changes else changes + 1 end as figures,
        case when fills and seasonal then y_due / due_place else 1 end as even,
        case when fills and seasonal then y_due / due_place else 0 end as known,
        case when fills and seasonal then y_before when fills then place end as gone,
        case when fills and seasonal then y_due - y_before when fills then due_place - place end as rest,
        case when accumulates = 'stock' then coalesce(way / nullif(places + case when seasonal then 0 else 2 end, 0), 0) else 0 end as slope,
        case when accumulates = 'stock' then greatest(xx_even - way * way / nullif(places, 0), 0) / nullif(changes - 1, 0)
             else xx_even / nullif(changes, 0) end as usual
    from aimed a
), grown as (
    select f.*, (y + known) / nullif(gone + known, 0) as growth,
        xx - 2 * slope * x_sum + slope * slope * pair_places as x2,
        xl - slope * (x_sum + l_sum) + slope * slope * pair_places as xl2,
        ll - 2 * slope * l_sum + slope * slope * pair_places as l2
    from fitted f
), repeating as (
    select g.*,
        case when fills and seasonal then growth
             when not seasonal then 0
             when accumulates = 'rate' then least(greatest(coalesce(xl2 / nullif(l2 + 2 * usual, 0), 0), 0), 1)
             else least(greatest(coalesce((xl2 + 2 * usual) / nullif(l2 + 2 * usual, 0), 1), 0), 1) end as repeats
    from grown g
), straying as (
    select r.*,
        case when fills then 3 + case when seasonal then pairs else changes - 1 end
             when seasonal then 2 + pairs
             when accumulates = 'stock' then changes - 1 else changes end as freedom,
        case when fills and seasonal
             then (3 * (unrest * unrest * growth * even + case when whole_number then 1 / size else 0 end)
                   + greatest(xx - 2 * growth * xl + growth * growth * ll, 0) / nullif(growth, 0)) / (3 + pairs)
             when fills
             then (3 * (unrest * unrest * growth + case when whole_number then 1 / size else 0 end)
                   + greatest(xx_even / nullif(growth, 0) - y, 0)) / (2 + changes)
             when seasonal then (2 * usual + greatest(x2 - 2 * repeats * xl2 + repeats * repeats * l2, 0)) / (2 + pairs)
             else usual end as variance
    from repeating r
), spread as (
    select s.*,
        case when fills then growth * rest
             else slope * ahead + case when seasonal then repeats * (y_due - y_before - slope * ahead) else 0 end end as gain,
        case when fills then variance * growth * rest else variance * ahead end as noise,
        case when fills then variance * growth * rest * rest / (gone + known)
                 + case when seasonal then drift * drift else drift_without_year_before * drift_without_year_before end
                     * growth * rest * growth * rest
             when accumulates = 'stock' then case when seasonal then 1 else 3 end * variance * ahead * ahead / nullif(places, 0)
             else 0 end as doubt,
        -- Student's quantile, by its expansion in 1 / freedom
        quantile + (quantile * quantile * quantile + quantile) / (4 * nullif(freedom, 0))
            + (5 * quantile * quantile * quantile * quantile * quantile + 16 * quantile * quantile * quantile + 3 * quantile)
                / (96 * nullif(freedom * freedom, 0)) as reach,
        figures >= least_figures and freedom > 0 and (not fills or seasonal or y > 0) as founded
    from straying s
), foreseen as (
    select s.*,
        case when founded then least(greatest(reached + gain * size, possible_low), possible_high) end as forecast,
        case when founded then reach * sqrt(noise) * size end as noise_width,
        case when founded then reach * sqrt(doubt) * size end as doubt_width,
        case when founded then reach * sqrt(noise + doubt) * size end as width
    from spread s
), bounded as (
    select f.*,
        case when founded then greatest(forecast - width, possible_low, case when fills then reached end) end as forecast_low,
        case when founded then least(forecast + width, possible_high) end as forecast_high,
        case when asked_at_most is not null then greatest(d * (asked - forecast), d * (forecast - asked_at_most), 0)
             else d * (asked - forecast) end as forecast_short
    from foreseen f
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
    m.forecast, m.forecast_low, m.forecast_high,
    case when m.period_end >= m.due_end and m.actual is not null then m.met
         when m.forecast is null then case when m.achieved and (m.comparator = 'done' or (m.measure = 'ytd' and m.d > 0)) then true end
         when m.comparator in ('>', '<') then m.forecast_short < -1e-9 * abs(m.asked)
         else m.forecast_short <= m.tolerance + 1e-9 * abs(m.asked) end as will_meet,
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
    case when m.forecast is null then null
         when m.seasonal and (m.fills or m.repeats > 0) then 'seasonal'
         when m.fills or m.accumulates = 'stock' then 'trend'
         else 'last value' end as forecast_method,
    case when m.forecast is not null then o.period end as forecast_from,
    case when m.forecast is null then null when m.seasonal then m.repeats else 0 end as forecast_repeats,
    m.noise_width as forecast_noise, m.doubt_width as forecast_drift,
    case when m.comparator = 'done' then 'plan: a task, done or not'
         when m.comparator = 'exceeds' then 'plan: compared with another figure'
         when m.kind = 'lost' then 'plan: the figure is lost from the text'
         when m.due_end is null then 'plan: due after its last period'
         when m.period_end > m.due_end then 'plan: due'
         when m.period_end = m.due_end and m.actual is not null then 'plan: due'
         when m.level is null then 'policy.forecast: none'
         when m.size is null then 'no figure of the year in which it is due'
         when m.forecast is null and m.figures >= m.least_figures then 'no figure above zero'
         when m.forecast is null then 'policy.forecast.least_figures: ' || cast(cast(m.figures as integer) as varchar(10)) || ' known'
         else 'policy.forecast: ' || cast(cast(m.figures as integer) as varchar(10)) || ' figures' end as forecast_basis,
    m.synthetic
from bounded m
cross join pace c
left join period w on w.span = m.span and w.period_end = m.first_met_end
left join period o on o.span = m.span and o.period_end = m.last_end
order by m.target, m.period_end, m.period
