-- capability_score: a capability at the end of each month, quarter and year of the plan: each target at its latest
-- period that has ended by then.
with latest as (
    select p.period, t.target, i.capability, g.status, g.synthetic,
        row_number() over (partition by p.period, t.target order by g.period_end desc nulls last) as nth
    from period p
    join target t on t.tested
    join indicator i on i.indicator = t.indicator
    left join progress g on g.target = t.target and g.period_end <= p.period_end
    where p.in_plan
)
select
    l.capability, l.period, count(*) as targets,
    count(*) filter (where l.status = 'achieved') as achieved,
    count(*) filter (where l.status in ('ahead', 'on_pace')) as on_pace,
    count(*) filter (where l.status in ('behind', 'far_behind', 'missed')) as behind,
    count(*) filter (where l.status = 'not_reported') as not_reported,
    count(*) filter (where l.status is null or l.status = 'not_due') as not_due,
    count(*) filter (where l.status = 'not_assessable') as not_assessable,
    avg(c.credit) as score,
    coalesce(bool_or(l.synthetic), false) as synthetic
from latest l
left join status_credit c on c.status = l.status
where l.nth = 1
group by l.capability, l.period
order by l.capability, l.period
