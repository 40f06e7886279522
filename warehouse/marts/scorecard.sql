-- scorecard: a department in a quarter: did it report in time, were its rows good, are its targets on pace.
with quarters as (
    select period as quarter, period_start, period_end from period where span = 'quarter' and in_plan
), reporting as (
    select o.department, q.quarter, count(*) filter (where o.state <> 'not_due') as due,
        count(*) filter (where o.state = 'on_time') as on_time,
        count(*) filter (where o.state = 'late') as late,
        count(*) filter (where o.state = 'missing') as missing
    from obligation o
    join quarters q on o.period_end >= q.period_start and o.period_end <= q.period_end
    group by o.department, q.quarter
), judged as (
    select r.department, q.quarter, count(*) as rows_read, count(*) filter (where not r.kept) as rows_returned
    from judged_row r
    join quarters q on r.month >= substr(cast(q.period_start as varchar), 1, 7)
                   and r.month <= substr(cast(q.period_end as varchar), 1, 7)
    group by r.department, q.quarter
), warned as (
    select f.department, q.quarter, count(*) as warnings
    from stored_finding f
    join quarters q on f.month >= substr(cast(q.period_start as varchar), 1, 7)
                   and f.month <= substr(cast(q.period_end as varchar), 1, 7)
    where f.severity = 'warning'
    group by f.department, q.quarter
), latest as (
    select q.quarter, i.lead_department as department, g.status, g.attainment, g.synthetic,
        row_number() over (partition by q.quarter, t.target order by g.period_end desc nulls last) as nth
    from quarters q
    join target t on t.tested
    join indicator i on i.indicator = t.indicator
    left join progress g on g.target = t.target and g.period_end <= q.period_end
), reached as (
    select l.department, l.quarter, count(*) as targets,
        count(*) filter (where l.status = 'achieved') as achieved,
        count(*) filter (where l.status in ('ahead', 'on_pace')) as on_pace,
        count(*) filter (where l.status in ('behind', 'far_behind', 'missed')) as behind,
        avg(c.credit) as attainment, coalesce(bool_or(l.synthetic), false) as synthetic
    from latest l
    left join status_credit c on c.status = l.status
    where l.nth = 1
    group by l.department, l.quarter
), rated as (
    select d.department, q.quarter,
        coalesce(r.due, 0) as due, coalesce(r.on_time, 0) as on_time, coalesce(r.late, 0) as late,
        coalesce(r.missing, 0) as missing, coalesce(j.rows_read, 0) as rows_read,
        coalesce(j.rows_returned, 0) as rows_returned, coalesce(w.warnings, 0) as warnings,
        coalesce(t.targets, 0) as targets, coalesce(t.achieved, 0) as achieved, coalesce(t.on_pace, 0) as on_pace,
        coalesce(t.behind, 0) as behind,
        cast(r.on_time as double) / nullif(r.due, 0) as timeliness,
        1 - cast(j.rows_returned as double) / nullif(j.rows_read, 0) as quality,
        t.attainment, coalesce(t.synthetic, false) as synthetic
    from department d
    cross join quarters q
    left join reporting r on r.department = d.department and r.quarter = q.quarter
    left join judged j on j.department = d.department and j.quarter = q.quarter
    left join warned w on w.department = d.department and w.quarter = q.quarter
    left join reached t on t.department = d.department and t.quarter = q.quarter
)
-- a part that is not known takes no part in the score: neither 0 nor full marks
select r.department, r.quarter, r.due, r.on_time, r.late, r.missing, r.rows_read, r.rows_returned, r.warnings, r.targets,
    r.achieved, r.on_pace, r.behind, r.timeliness, r.quality, r.attainment,
    (coalesce(r.timeliness * w.timeliness, 0) + coalesce(r.quality * w.quality, 0) + coalesce(r.attainment * w.attainment, 0))
    / nullif(case when r.timeliness is null then 0 else w.timeliness end
             + case when r.quality is null then 0 else w.quality end
             + case when r.attainment is null then 0 else w.attainment end, 0) as score,
    r.synthetic
from rated r
cross join scorecard_weight w
order by r.department, r.quarter
