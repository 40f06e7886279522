-- rule: every rule, and its health: on how many rows it could be evaluated, how often it fired, how often that was explained.
with fired as (
    select rule, count(*) as fired, count(*) filter (where confirmed) as confirmed from finding group by rule
), looked_at as (
    select rule, sum(evaluated) as evaluated from stored_evaluated group by rule
    union all
    select r.rule, (select count(*) from submission) as evaluated from rule_registered r where r.severity = 'fatal'
), crashed as (
    select distinct substr(finding, 4, 3) as rule from finding where rule = 'X01'
)
select
    r.rule, r.severity, r.weight, r.needs, r.message_zh, r.message_en, r.basis, r.active_from, r.active_to,
    cast(coalesce(l.evaluated, 0) as bigint) as evaluated,
    coalesce(f.fired, 0) as fired,
    coalesce(f.confirmed, 0) as confirmed,
    case when c.rule is not null then 'crashed'
         when f.fired > 0 then 'fired'
         when coalesce(l.evaluated, 0) = 0 then 'never_evaluated'
         else 'never_fired' end as health
from rule_registered r
left join fired f on f.rule = r.rule
left join looked_at l on l.rule = r.rule
left join crashed c on c.rule = r.rule
order by r.rule
