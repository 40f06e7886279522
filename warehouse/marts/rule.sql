-- rule: every rule, and its health: on how many rows it was evaluated, how often it fired, how often that was explained.
with fired as (
    select rule, count(*) as fired, count(*) filter (where confirmed) as confirmed from finding group by rule
)
select
    r.rule, r.severity, r.weight, r.needs, r.message_zh, r.message_en, r.basis, r.active_from, r.active_to,
    case when not r.evaluated_now then 0
         when r.rule like 'S%' then (select count(*) from submission)
         when r.rule like 'V%' then (select count(*) from judged_row)
         when r.rule like 'Q%' then (select count(*) from judged_row where kept)
         when r.rule like 'M%' then (select count(*) from obligation)
         else 0 end as evaluated,
    coalesce(f.fired, 0) as fired,
    coalesce(f.confirmed, 0) as confirmed
from rule_registered r
left join fired f on f.rule = r.rule
order by r.rule
