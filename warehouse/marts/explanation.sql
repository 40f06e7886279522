-- explanation: what a department said beside a figure (the note on its row), or in its place: that there is none.
select
    r.department, r.indicator, r.area, r.period, r.period_end, r.measure, r.value, r.note, r.submission, r.sheet,
    r.row_number, r.received_at as known_from, case when r.withdrawn then l.withdrawn_at end as known_to, l.synthetic
from judged_row r
join landed l on l.submission = r.submission
where r.kept and (r.note is not null or r.value_state <> 'figure')
order by r.department, r.indicator, r.area, r.period, r.received_at, r.submission, r.sheet nulls last, r.row_number,
    r.measure, r.value nulls last, r.note nulls last
