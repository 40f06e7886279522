-- filing: a department's quarter: by when its figures are to be certified and are locked, what was certified, and
-- whether figures changed since.
with figures as (
    select o.department, q.quarter, count(*) as figures,
        max(o.known_from) as changed_at, coalesce(bool_or(o.synthetic), false) as synthetic
    from observation o
    join filing_due q on o.period_end >= q.period_start and o.period_end <= q.period_end
    where o.known_to is null
    group by o.department, q.quarter
), gone as (
    -- a figure that was withdrawn leaves no current one behind: when it ceased counts too
    select o.department, q.quarter, max(o.known_to) as ended_at
    from observation o
    join filing_due q on o.period_end >= q.period_start and o.period_end <= q.period_end
    group by o.department, q.quarter
), unanswered as (
    select f.department, q.quarter, count(*) as unanswered
    from stored_finding f
    join filing_due q on f.month >= substr(cast(q.period_start as varchar(10)), 1, 7)
                     and f.month <= substr(cast(q.period_end as varchar(10)), 1, 7)
    where f.severity = 'warning' and not f.confirmed and f.submission is not null
    group by f.department, q.quarter
), owed as (
    select o.department, q.quarter, max(o.due_at) as due_at, count(*) filter (where o.state = 'missing') as missing
    from obligation o
    join filing_due q on o.period_end >= q.period_start and o.period_end <= q.period_end
    group by o.department, q.quarter
), certified as (
    select c.*, row_number() over (partition by department, quarter order by certified_at desc, number) as nth
    from certification c
    where c.certified_at <= (select as_of from params)
), opened as (
    select department, quarter, max(closes_at) as reopened_until, max(basis) as reopened_basis
    from reopening
    where opens_at <= (select as_of from params)
    group by department, quarter
)
select
    w.department, q.quarter, w.due_at, q.certify_by, q.lock_at,
    coalesce(f.figures, 0) as figures, w.missing, coalesce(u.unanswered, 0) as unanswered,
    c.certified_at, c.role as certified_by, c.number as certification, c.figures as certified_figures,
    case when c.number is not null and (f.changed_at > c.certified_at or g.ended_at > c.certified_at) then 'changed_since_certified'
         when c.number is not null then 'certified'
         when q.certify_by <= (select as_of from params) then 'overdue'
         when q.period_end < cast((select as_of from params) as date) then 'open'
         else 'not_due' end as state,
    q.lock_at is not null and q.lock_at <= (select as_of from params)
        and not coalesce(o.reopened_until > (select as_of from params), false) as locked,
    o.reopened_until, q.certify_basis, coalesce(o.reopened_basis, q.lock_basis) as lock_basis,
    coalesce(f.synthetic, false) as synthetic
from owed w
join filing_due q on q.quarter = w.quarter
left join figures f on f.department = w.department and f.quarter = w.quarter
left join gone g on g.department = w.department and g.quarter = w.quarter
left join unanswered u on u.department = w.department and u.quarter = w.quarter
left join certified c on c.department = w.department and c.quarter = w.quarter and c.nth = 1
left join opened o on o.department = w.department and o.quarter = w.quarter
order by w.department, q.quarter
