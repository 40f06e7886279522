-- The marts by hand: what somebody who knows DuckDB would write over judged rows, into one DuckDB file. No digests, no
-- verification, no order. Expects verdict (judged rows), vintage (figures and from when to when they were known), noted (the
-- findings of rows), evaluated (rule, on how many rows), received, withdrawal, certification and the plan's tables.
-- Marts that are plain SQL by hand already are the project's own text, put in by bench/script.py.

create macro across_id(rule, sheet, row_number, column_name, department, indicator, area, period) as
    substr(sha256(concat_ws('|', '', rule, coalesce(sheet, ''), row_number::varchar, column_name, department, indicator, area, period)), 1, 16);
attach '$out' as w (storage_version 'v1.0.0');
create table w.observation as
select indicator, area, period, period_start, period_end, measure, value, unit, department, submission, row_number, known_from,
    known_to, approximate, rounding, replaced_value, sheet, self_assessed, true as synthetic
from vintage;
create table w.obligation as
with given as (
    select department, indicator, area, period, min(case when value_state = 'figure' then received_at end) as figure_at,
        min(received_at) as answered_at
    from verdict where kept and not withdrawn and received_at <= (select as_of from params) group by all
)
select o.department, o.indicator, o.area, o.period, o.due_at, coalesce(g.figure_at, g.answered_at) as received_at,
    case when g.figure_at < o.due_at then 'on_time' when g.figure_at is not null then 'late'
         when g.answered_at is not null then 'not_available' when o.due_at <= (select as_of from params) then 'missing'
         else 'not_due' end as state,
    o.period_end, i.frequency, o.due_basis, o.extended
from obligation_due o join indicator i using (indicator) left join given g using (department, indicator, area, period);
create table w.finding as
select finding, submission, department, rule, severity, sheet, row_number, column_name, indicator, area, period, value_text, expected_text,
    difference, message_zh, message_en, basis, confirmed, weight, month
from noted
union all
select across_id('M01', null, null, '', o.department, o.indicator, o.area, o.period), null, o.department, 'M01', r.severity, null,
    null, '数值 value', o.indicator, o.area, o.period, null, '< ' || strftime(o.due_at at time zone p.zone, '%Y-%m-%d %H:%M'), null,
    o.department || ' ' || o.indicator || ' ' || o.area || ' ' || o.period || ' 数值 value:' || r.message_zh || '。填报为「」,应为「' || '< ' || strftime(o.due_at at time zone p.zone, '%Y-%m-%d %H:%M')
        || '」。' || r.mend_zh || '。',
    o.department || ' ' || o.indicator || ' ' || o.area || ' ' || o.period || ', 数值 value: ' || r.message_en || '. Found "", expected "' || '< '
        || strftime(o.due_at at time zone p.zone, '%Y-%m-%d %H:%M') || '". To do: ' || r.mend_en || '.',
    o.due_basis::varchar, false, r.weight, strftime(o.period_end, '%Y-%m')
from w.obligation o cross join plan p join rule_registered r on r.rule = 'M01' where o.state = 'missing';
-- across submissions: the city and the sum of its areas, two departments, the department and what was published
create table beside as
with figures as (
    select v.*, i.adds_up, i.lead_department = v.department as leads from vintage v join indicator i using (indicator) where known_to is null
), sums as (
    select indicator, period, count(*) as n, sum(value) as total, sum(rounding) as loose
    from figures cross join plan where adds_up and leads and area <> city group by all
), areas as (select indicator, count(*) as n from indicator_area group by all), counting as (
    from published qualify row_number() over (partition by indicator, area, period, measure
        order by preliminary, approximate, published_on desc nulls last, tier, publisher, value) = 1
)
select f.*, 'M02' as rule, s.total as other, s.loose as other_loose, s.n || ' 个区县合计 / areas add up to ' || round(s.total, 4) as said,
    'plan: indicators.' || f.indicator || '.adds_up' as basis
from figures f join plan p on p.city = f.area join sums s using (indicator, period) join areas a on a.indicator = f.indicator and a.n = s.n + 1
where f.leads
union all
select f.*, 'M03', l.value, l.rounding, l.value || ' (' || l.department || ': ' || r.path || ')', 'policy: co_reporters.' || f.indicator
from figures f join figures l using (indicator, area, period, measure) join received r on r.submission = l.submission where l.leads and not f.leads
union all
select f.*, 'M04', b.value, b.rounding + if(b.approximate, abs(b.value) * t.about_tolerance, 0),
    b.value || ' ' || b.unit || ' (' || b.publisher || coalesce(', ' || b.published_on, '') || if(b.preliminary, ', 初步 preliminary', '') || ')', 'published: ' || b.publisher
from figures f join counting b using (indicator, area, period, measure) cross join threshold t;
insert into evaluated select rule, count(*) from beside group by all
union all select 'M01', count(*) from w.obligation where state <> 'not_due';
insert into w.finding
with apart as (from beside where value + rounding < other - other_loose or value - rounding > other + other_loose),
explained as (select distinct department, indicator, area, period, value from verdict where kept and explained)
select across_id(a.rule, a.sheet, a.row_number, '数值 value', a.department, a.indicator, a.area, a.period), null, a.department, a.rule, r.severity, a.sheet, a.row_number,
    '数值 value', a.indicator, a.area, a.period, a.value || ' ' || a.unit as found, a.said, a.value - a.other,
    j.path || ' 第' || a.row_number || '行 数值 value:' || r.message_zh || '。填报为「' || found || '」,应为「' || a.said || '」。' || r.mend_zh || '。',
    j.path || ', row ' || a.row_number || ', 数值 value: ' || r.message_en || '. Found "' || found || '", expected "' || a.said || '". To do: ' || r.mend_en || '.',
    a.basis, (a.department, a.indicator, a.area, a.period, a.value) in (select (department, indicator, area, period, value) from explained), r.weight, strftime(a.period_end, '%Y-%m')
from apart a join received j using (submission) join rule_registered r on r.rule = a.rule;
create table w.submission as
with counted as (
    select submission, count(*) as rows_read, count(*) filter (kept) as rows_kept, count(*) filter (not kept) as rows_returned,
        count(distinct hash(indicator, area, period)) filter (kept and value is not null) as figures
    from verdict group by all
), brought as (
    select submission, count(*) as figures, count(*) filter (revises) as revised from
        (select submission, min_by(replaced_value is not null, known_from) as revises
         from vintage group by submission, hash(indicator, area, period, measure)) group by all
), warned as (select submission, count(*) as warnings from w.finding where severity = 'warning' group by all)
select r.submission, r.department, r.source, r.path, r.sha256, r.bytes, r.received_at, r.format,
    case when coalesce(j.rows_kept, 0) = 0 then 'returned' when j.rows_returned > 0 then 'partly_returned'
         when coalesce(n.warnings, 0) > 0 then 'accepted_with_warnings' else 'accepted' end as status,
    coalesce(j.rows_read, 0) as rows_read, coalesce(j.rows_kept, 0) as rows_kept, coalesce(j.rows_returned, 0) as rows_returned,
    coalesce(n.warnings, 0) as warnings, coalesce(b.figures, 0) - coalesce(b.revised, 0) as figures_new, coalesce(b.revised, 0) as figures_revised,
    coalesce(j.figures, 0) - coalesce(b.figures, 0) as figures_unchanged, r.reason, d.withdrawn_at, d.role as withdrawn_by, d.why as withdrawn_why, true as synthetic
from received r left join counted j using (submission) left join warned n using (submission) left join brought b using (submission)
left join withdrawal d using (submission);
create table w.filing as
with quarter_of as (select *, strftime(period_start, '%Y-%m') as first_month, strftime(period_end, '%Y-%m') as last_month from filing_due),
figures as (
    select department, quarter, count(*) filter (known_to is null) as figures,
        max(case when known_to is null then known_from else known_to end) as moved_at
    from vintage v join quarter_of q on v.period_end between q.period_start and q.period_end group by all
), open_questions as (
    select department, quarter, count(*) as unanswered from w.finding join quarter_of on month between first_month and last_month
    where severity = 'warning' and not confirmed and submission is not null group by all
), certified as (select department, quarter, max(certified_at) as certified_at, max_by(role, certified_at) as role from certification group by all)
select o.department, q.quarter, max(o.due_at) as due_at, q.certify_by, q.lock_at, coalesce(any_value(f.figures), 0) as figures,
    count(*) filter (o.state = 'missing') as missing, coalesce(any_value(u.unanswered), 0) as unanswered, any_value(c.certified_at) as certified_at,
    any_value(c.role) as certified_by,
    case when any_value(f.moved_at) > any_value(c.certified_at) then 'changed_since_certified' when any_value(c.certified_at) is not null then 'certified'
         when q.certify_by <= as_of then 'overdue' when q.period_end < as_of::date then 'open' else 'not_due' end as state,
    q.lock_at <= as_of and not coalesce(any_value(r.closes_at) > as_of, false) as locked, any_value(r.closes_at) as reopened_until, q.certify_basis,
    coalesce(any_value(r.basis), q.lock_basis) as lock_basis
from w.obligation o join quarter_of q on o.period_end between q.period_start and q.period_end cross join params
left join figures f on f.department = o.department and f.quarter = q.quarter left join open_questions u on u.department = o.department and u.quarter = q.quarter
left join certified c on c.department = o.department and c.quarter = q.quarter left join reopening r on r.department = o.department and r.quarter = q.quarter
group by o.department, q.quarter, q.certify_by, q.lock_at, q.period_end, q.certify_basis, q.lock_basis, as_of;
create table w.reminder as
select o.department, o.indicator, o.area, o.period, o.due_at, if(o.state = 'missing', 'overdue', 'due_soon') as state,
    abs(date_diff('day', (as_of at time zone p.zone)::date, d.due_day)) as days,
    i.name_zh || if(o.area = p.city, '', '（' || a.name_zh || '）') || ' ' || o.period || ' 应于 ' || d.due_text || ' 前报送，尚未收到' || if(o.state = 'missing', '，已逾期。', '。') as message_zh,
    i.name_en || if(o.area = p.city, '', ' (' || a.name_en || ')') || ' ' || o.period || ' ' || if(o.state = 'missing', 'was', 'is') || ' due before ' || d.due_text || ', not received'
        || if(o.state = 'missing', ': overdue.', ' yet.') as message_en, d.remind_at
from w.obligation o join reminder_from d using (due_at) join indicator i using (indicator) join area a using (area) cross join plan p cross join params
where o.state in ('missing', 'not_due') and d.remind_at <= as_of;
create view observation as from w.observation;
create view obligation as from w.obligation;
create view judged_row as from verdict;
create view landed as
select r.*, w.withdrawn_at, w.role as withdrawn_by, w.why as withdrawn_why, true as synthetic from received r left join withdrawal w using (submission);
create view stored_finding as from w.finding;
$own
create table w.rule as
with fired as (select rule, count(*) as fired, count(*) filter (confirmed) as confirmed from w.finding group by all)
select r.*, case when r.severity = 'fatal' then (select count(*) from w.submission) else coalesce(e.evaluated, 0) end as evaluated,
    coalesce(f.fired, 0) as fired, coalesce(f.confirmed, 0) as confirmed,
    case when f.fired > 0 then 'fired' when r.severity <> 'fatal' and coalesce(e.evaluated, 0) = 0 then 'never_evaluated' else 'never_fired' end as health
from rule_registered r left join fired f using (rule) left join evaluated e using (rule);
$plan_tables
checkpoint w;
