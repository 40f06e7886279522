-- submission: a row per file received, with what became of it.
with judged as (
    select submission, count(*) as rows_read, count(*) filter (where kept) as rows_kept,
        count(*) filter (where not kept) as rows_returned
    from judged_row group by submission
), warned as (
    select submission, count(*) as warnings from stored_finding where severity = 'warning' group by submission
)
select
    l.submission, l.department, l.source, l.path, l.sha256, l.bytes, l.received_at, l.format,
    case when l.fault_rule is not null or coalesce(j.rows_kept, 0) = 0 then 'returned'
         when j.rows_returned > 0 then 'partly_returned'
         when coalesce(w.warnings, 0) > 0 then 'accepted_with_warnings'
         else 'accepted' end as status,
    coalesce(j.rows_read, 0) as rows_read,
    coalesce(j.rows_kept, 0) as rows_kept,
    coalesce(j.rows_returned, 0) as rows_returned,
    coalesce(w.warnings, 0) as warnings,
    l.synthetic
from landed l
left join judged j on j.submission = l.submission
left join warned w on w.submission = l.submission
order by l.received_at nulls last, l.submission
