-- reporting: a department's reporting in a quarter: what was due and when it came, what was read and what of it was returned.
with quarters as (
    select period as quarter, period_start, period_end, substr(cast(period_start as varchar(10)), 1, 7) as first_month,
        substr(cast(period_end as varchar(10)), 1, 7) as last_month
    from period where span = 'quarter' and in_plan
), owed as (
    select o.department, q.quarter, count(*) filter (where o.state <> 'not_due') as due,
        count(*) filter (where o.state = 'on_time') as on_time,
        count(*) filter (where o.state = 'late') as late,
        count(*) filter (where o.state = 'missing') as missing
    from obligation o
    join quarters q on o.period_end >= q.period_start and o.period_end <= q.period_end
    group by o.department, q.quarter
), read_rows as (
    -- a file's rows of a month together first: few rows meet the quarters and the files
    select department, month, submission, count(*) as rows_read, count(*) filter (where not kept) as rows_returned
    from judged_row group by department, month, submission
), judged as (
    select r.department, q.quarter, sum(r.rows_read) as rows_read, sum(r.rows_returned) as rows_returned,
        bool_or(l.synthetic) as synthetic
    from read_rows r
    join quarters q on r.month >= q.first_month and r.month <= q.last_month
    left join landed l on l.submission = r.submission
    group by r.department, q.quarter
), warned_in as (
    select department, month, count(*) as warnings
    from stored_finding where severity = 'warning' group by department, month
), warned as (
    select w.department, q.quarter, sum(w.warnings) as warnings
    from warned_in w
    join quarters q on w.month >= q.first_month and w.month <= q.last_month
    group by w.department, q.quarter
)
select d.department, q.quarter,
    coalesce(o.due, 0) as due, coalesce(o.on_time, 0) as on_time, coalesce(o.late, 0) as late,
    coalesce(o.missing, 0) as missing,
    cast(coalesce(j.rows_read, 0) as bigint) as rows_read, cast(coalesce(j.rows_returned, 0) as bigint) as rows_returned,
    cast(coalesce(w.warnings, 0) as bigint) as warnings,
    cast(o.on_time as double) / nullif(o.due, 0) as timeliness,
    1 - cast(j.rows_returned as double) / nullif(j.rows_read, 0) as quality,
    coalesce(j.synthetic, false) as synthetic
from department d
cross join quarters q
left join owed o on o.department = d.department and o.quarter = q.quarter
left join judged j on j.department = d.department and j.quarter = q.quarter
left join warned w on w.department = d.department and w.quarter = q.quarter
order by d.department, q.quarter
