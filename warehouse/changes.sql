-- Why each told change came about. Read: told_<table> (changes.py), old_ and new_<table>, facts. Written: release_change.
--
-- The nearest cause is named: what was sent or withdrawn, then a deadline that passed, then whatever of plan, policy and
-- code differs between the releases. A change that follows from another figure takes that figure's reason, `via` names it.

create table sent as
select n.*, o.submission is null as is_new, n.withdrawn_at is not null and o.withdrawn_at is null as is_withdrawn
from new_submission n
left join old_submission o on o.submission = n.submission;

create table why_observation as
select t.*,
    case when n.is_new and t.alone and b.state = 'late' then 'late_figure'
         when n.is_new and t.alone then 'new_submission'
         when n.is_new then 'correction'
         when o.is_withdrawn then 'withdrawal'
         when t.n_known_from > f.was_at then case when t.alone then 'new_submission' else 'correction' end
         else f.by_all end as reason,
    case when o.is_withdrawn and n.is_new is not true then t.o_submission else coalesce(t.n_submission, t.o_submission)
         end as submission
from told_observation t
left join sent n on n.submission = t.n_submission
left join sent o on o.submission = t.o_submission
left join new_obligation b
    on b.department = t.department and b.indicator = t.indicator and b.area = t.area and b.period = t.period
cross join facts f;

create table why_obligation as
select t.*,
    case when t.alone or t.column_name <> 'state' then f.by_all
         when w.reason is not null then w.reason
         when n.is_new then case when t.after_text = 'late' then 'late_figure' else 'new_submission' end
         when o.is_withdrawn then 'withdrawal'
         when t.after_text = 'missing' and t.n_due_at > f.was_at and t.n_due_at <= f.now_at then 'deadline_passed'
         else f.by_all end as reason,
    case when t.alone or t.column_name <> 'state' then null
         else coalesce(w.submission, case when n.is_new then n.submission when o.is_withdrawn then o.submission end)
         end as submission
from told_obligation t
left join (
    select department, indicator, area, period, reason, submission from why_observation where column_name = 'value'
    qualify row_number() over (partition by department, indicator, area, period order by n_known_from desc nulls last, measure) = 1
) w on w.department = t.department and w.indicator = t.indicator and w.area = t.area and w.period = t.period
-- an answer that there is no figure leaves no observation behind, only the time at which it came
left join (select department, received_at, is_new, min(submission) as submission from sent where is_new group by all) n
    on n.department = t.department and n.received_at = t.n_received_at
left join (select department, received_at, is_withdrawn, min(submission) as submission from sent where is_withdrawn group by all) o
    on o.department = t.department and o.received_at = t.o_received_at
cross join facts f;

create table why_target as
select t.*,
    case when t.alone or t.column_name in ('clause', 'kind', 'comparator', 'value', 'value_high', 'unit', 'due', 'exceeds')
         then f.by_plan
         when t.column_name in ('comparator_basis', 'tolerance', 'trajectory', 'tested') then f.by_policy
         else f.by_all end as reason
from told_target t
cross join facts f;

-- what a target's figures come from: its own indicator, the level behind a growth rate, the indicator to exceed
create table near as
with source as (
    select t.target, t.area, t.indicator, 1 as nearness from new_target t
    union all
    select t.target, t.area, i.level, 2 from new_target t join new_indicator i on i.indicator = t.indicator
    union all
    select t.target, t.area, t.exceeds, 3 from new_target t
), latest as (
    select indicator, area, period, reason, submission from why_observation where column_name = 'value'
    qualify row_number() over (partition by indicator, area order by n_known_from desc nulls last, period desc, measure, department) = 1
)
select s.target, l.reason, l.submission, l.indicator || ' ' || l.period as via
from source s
join latest l on l.indicator = s.indicator and l.area = s.area
qualify row_number() over (partition by s.target order by s.nearness) = 1;

-- what a progress row follows from. asked: the target or its version; own: the figure of the period; owed: its obligation;
-- near: another figure
create table why_progress as
with asked as (
    select target, min(reason) as reason
    from (
        select target, reason from why_target
        union all
        -- a revision that was known before and holds from now on
        select target, 'plan_revision' from new_target_version cross join facts
        where (valid_from > was_at and valid_from <= now_at) or (valid_to > was_at and valid_to <= now_at)
    ) r
    group by target
), own as (
    select w.indicator, w.area, w.period, w.reason, w.submission
    from why_observation w
    join new_indicator i on i.indicator = w.indicator and i.lead_department = w.department and i.measure = w.measure
    where w.column_name = 'value'
), owed as (
    select w.indicator, w.area, w.period, w.reason, w.submission
    from why_obligation w
    join new_indicator i on i.indicator = w.indicator and i.lead_department = w.department
    where w.column_name = 'state'
), causes as (
    select t.target, t.period, t.column_name, c.cause, c.nth
    from told_progress t
    join (
        values ('target_value', 'asked', 1), ('target_value', 'near', 2), ('expected', 'asked', 1), ('expected', 'near', 2),
            ('actual', 'own', 1), ('actual', 'near', 2), ('', 'own', 1), ('', 'asked', 2), ('', 'owed', 3), ('', 'near', 4)
    ) c (of_column, cause, nth)
      on c.of_column = case when t.column_name in ('target_value', 'expected', 'actual') then t.column_name else '' end
)
select t.*, coalesce(c.reason, f.by_all) as reason, c.submission, c.via
from told_progress t
cross join facts f
left join (
    select k.target, k.period, k.column_name, r.reason, r.submission, r.via
    from causes k
    join (
        select target, null as period, 'asked' as cause, reason, null as submission, null as via from asked
        union all
        select p.target, p.period, 'own', w.reason, w.submission, null
        from changed_progress p join own w on w.indicator = coalesce(p.n_indicator, p.o_indicator)
            and w.area = coalesce(p.n_area, p.o_area) and w.period = p.period
        union all
        select p.target, p.period, 'owed', w.reason, w.submission, null
        from changed_progress p join owed w on w.indicator = coalesce(p.n_indicator, p.o_indicator)
            and w.area = coalesce(p.n_area, p.o_area) and w.period = p.period
        union all
        select target, null, 'near', reason, submission, via from near
    ) r on r.target = k.target and r.cause = k.cause and (r.period is null or r.period = k.period)
    qualify row_number() over (partition by k.target, k.period, k.column_name order by k.nth) = 1
) c on c.target = t.target and c.period = t.period and c.column_name = t.column_name;

create view release_change as
with told as (
    select 'observation' as table_name, null as target, indicator, area, period, measure, department, column_name, before_text,
        after_text, before_value, after_value, reason, submission, null as via
    from why_observation
    union all
    select 'target', target, coalesce(n_indicator, o_indicator), coalesce(n_area, o_area), null, null, null, column_name,
        before_text, after_text, before_value, after_value, reason, null, null
    from why_target
    union all
    select 'obligation', null, indicator, area, period, null, department, column_name, before_text, after_text, before_value,
        after_value, reason, submission, null
    from why_obligation
    union all
    select 'progress', target, coalesce(n_indicator, o_indicator), coalesce(n_area, o_area), period, null, null, column_name,
        before_text, after_text, before_value, after_value, reason, submission, via
    from why_progress
)
select f.base, t.table_name, t.target, t.indicator, t.area, t.period, t.measure, t.department, t.column_name,
    coalesce(t.before_text, format('{:.15g}', t.before_value)) as before_text,
    coalesce(t.after_text, format('{:.15g}', t.after_value)) as after_text,
    t.before_value, t.after_value, t.reason, t.submission, t.via, coalesce(s.synthetic, false) as synthetic
from told t
cross join facts f
left join sent s on s.submission = t.submission;
