-- reminder: what each department still owes at params.as_of: past its deadline with no answer, or due soon by policy.
select
    o.department, o.indicator, o.area, o.period, o.due_at,
    case when o.state = 'missing' then 'overdue' else 'due_soon' end as state,
    r.days,
    i.name_zh || case when o.area = c.city then '' else '（' || a.name_zh || '）' end || ' ' || o.period || ' 应于 '
        || r.due_text || ' 前报送，尚未收到' || case when o.state = 'missing' then '，已逾期。' else '。' end as message_zh,
    i.name_en || case when o.area = c.city then '' else ' (' || a.name_en || ')' end || ' ' || o.period
        || case when o.state = 'missing' then ' was due before ' else ' is due before ' end || r.due_text || ', not received'
        || case when o.state = 'missing' then ': overdue.' else ' yet.' end as message_en,
    r.remind_at
from obligation o
join reminder_due r on r.due_at = o.due_at
join indicator i on i.indicator = o.indicator
join area a on a.area = o.area
cross join plan c
where o.state in ('missing', 'not_due')
order by o.department, o.due_at, o.indicator, o.area, o.period
