-- capability_score: a capability at the end of each month, quarter and year of the plan: each target at its latest
-- period that has ended by then. The parts are in score_part.
select
    subject as capability, period, count(*) as targets,
    count(*) filter (where status = 'achieved') as achieved,
    count(*) filter (where status in ('ahead', 'on_pace')) as on_pace,
    count(*) filter (where status in ('behind', 'far_behind', 'missed')) as behind,
    count(*) filter (where status = 'not_reported') as not_reported,
    count(*) filter (where status = 'not_due') as not_due,
    count(*) filter (where status = 'not_assessable') as not_assessable,
    max(score) as score,
    bool_or(synthetic) as synthetic
from score_part
where subject_kind = 'capability'
group by subject, period
order by capability, period
