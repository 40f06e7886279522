-- every figure ever kept of a target's indicator, and from when to when it stood
select t.target || ' ' || i.name_zh as 目标, o.period as 报告期, o.period_end as 期末, o.value as 数值, o.unit as 单位,
    '第' || row_number() over (
        partition by t.target, o.area, o.period, o.measure, o.department order by o.known_from, o.row_number
    ) || '版' as 版次,
    o.known_from at time zone (select zone from plan) as 自, o.known_to at time zone (select zone from plan) as 至, case when o.known_to is null then '现行' else '已被取代' end as 效力,
    d.name_zh as 部门, s.path as 来源文件, o.sheet as 工作表, o.row_number as 行号, s.reason as 重报原因
from observation o
join target t on t.indicator = o.indicator and t.area = o.area
join indicator i on i.indicator = o.indicator
left join department d on d.department = o.department
left join submission s on s.submission = o.submission
where year(o.period_end) = (select year(starts) from plan)
