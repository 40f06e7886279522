-- submission: a row per file received, with what became of it.
with judged as (
    select submission, count(*) as rows_read, count(*) filter (where kept) as rows_kept,
        count(*) filter (where not kept) as rows_returned
    from judged_row group by submission
), resumed as (
    -- submissions of which a figure stands again after a withdrawal, or was sent again: only there can one be known twice
    select distinct o.submission
    from stored_observation o
    join landed l on l.submission = o.submission
    where o.known_from <> l.received_at
), known as (
    select submission, count(*) as figures, count(*) filter (where replaced_value is not null) as figures_revised
    from stored_observation where submission not in (select r.submission from resumed r) group by submission
    union all
    -- what a figure did when it first came; that it stands again after a withdrawal is no second time
    select submission, count(*) as figures, count(*) filter (where replaced_value is not null) as figures_revised
    from (
        select submission, replaced_value,
            row_number() over (partition by submission, indicator, area, period, measure order by known_from) as nth
        from stored_observation where submission in (select r.submission from resumed r)
    ) f where nth = 1 group by submission
), given as (
    select submission, count(*) as figures
    from (select distinct submission, indicator, area, period from judged_row where kept and value is not null) f group by submission
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
    coalesce(k.figures, 0) - coalesce(k.figures_revised, 0) as figures_new,
    coalesce(k.figures_revised, 0) as figures_revised,
    coalesce(g.figures, 0) - coalesce(k.figures, 0) as figures_unchanged,
    l.reason, l.withdrawn_at, l.withdrawn_by, l.withdrawn_why,
    l.synthetic
from landed l
left join judged j on j.submission = l.submission
left join known k on k.submission = l.submission
left join given g on g.submission = l.submission
left join warned w on w.submission = l.submission
order by l.received_at nulls last, l.submission
