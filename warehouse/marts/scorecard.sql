-- scorecard: a department in a quarter: did it report in time, were its rows good, are its targets on pace. The parts of
-- attainment and of the score are in score_part.
with reached as (
    select subject as department, period as quarter, count(*) as targets,
        count(*) filter (where status = 'achieved') as achieved,
        count(*) filter (where status in ('ahead', 'on_pace')) as on_pace,
        count(*) filter (where status in ('behind', 'far_behind', 'missed')) as behind,
        max(score) as attainment, bool_or(synthetic) as synthetic
    from score_part
    where subject_kind = 'attainment'
    group by subject, period
), scored as (
    select subject as department, period as quarter, max(score) as score
    from score_part
    where subject_kind = 'department'
    group by subject, period
)
select r.department, r.quarter, r.due, r.on_time, r.late, r.missing, r.rows_read, r.rows_returned, r.warnings,
    coalesce(t.targets, 0) as targets, coalesce(t.achieved, 0) as achieved, coalesce(t.on_pace, 0) as on_pace,
    coalesce(t.behind, 0) as behind, r.timeliness, r.quality, t.attainment, s.score,
    r.synthetic or coalesce(t.synthetic, false) as synthetic
from reporting r
left join reached t on t.department = r.department and t.quarter = r.quarter
left join scored s on s.department = r.department and s.quarter = r.quarter
order by r.department, r.quarter
