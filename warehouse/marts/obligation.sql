-- obligation: what each department owes, and whether it came in time. Known at params.as_of.
with given as (
    select department, indicator, area, period,
        min(case when value_state = 'figure' then received_at end) as figure_at,
        min(received_at) as answered_at
    from judged_row
    where kept and not withdrawn and received_at <= (select as_of from params)
      and period in (select p.period from period p where p.in_plan)  -- nothing is owed for what was before
    group by department, indicator, area, period
)
select
    o.department, o.indicator, o.area, o.period, o.due_at,
    coalesce(g.figure_at, g.answered_at) as received_at,
    case when g.figure_at < o.due_at then 'on_time'
         when g.figure_at is not null then 'late'
         when g.answered_at is not null then 'not_available'
         when o.due_at <= (select as_of from params) then 'missing'
         else 'not_due' end as state,
    o.period_end, i.frequency, o.due_basis, o.extended
from obligation_due o
join indicator i on i.indicator = o.indicator
left join given g on g.department = o.department and g.indicator = o.indicator and g.area = o.area and g.period = o.period
order by o.department, o.indicator, o.area, o.period
