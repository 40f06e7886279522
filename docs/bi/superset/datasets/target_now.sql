-- each target at its latest period that has ended and is due (else the one nearest), as known now or at the end of the day
-- that the filter 截至 names
{% set asked = filter_values('截至', remove_filter=True) %}
{% set at = "(" ~ (asked | where_in) ~ " || ' 23:59:59+08')::timestamptz" %}
select t.target as 目标编码, t.target || ' ' || i.name_zh as 目标, i.name_zh as 指标, c.number || ' ' || c.name_zh as 能力,
    printf('%02d ', coalesce(list_position(
        ['一', '二', '三', '四', '五', '六', '七', '八', '九', '十', '十一', '十二', '十三', '十四', '十五', '十六'],
        split_part(t.section, '、', 1)), 0)) || if(t.section like '%、%', split_part(t.section, '、', 1), '总目标') as 章, t.section as 小节,
    d.name_zh as 部门, a.name_zh as 地区, p.period as 报告期, p.period_end as 期末,
    p.actual as 实际值, p.expected as 序时应达值, p.target_value as 目标值, p.unit as 单位,
    p.attainment as 完成度, p.pace as 进度, p.gap as 差距, p.needed as 每期需新增,
    @status(p.status) as 状态,
    p.forecast as 预测值, p.forecast_low as 预测下限, p.forecast_high as 预测上限,
    case when p.status in ('achieved', 'missed') then null when p.will_meet then '预计完成' when not p.will_meet then '预计不能完成' end as 预计,
    p.first_met as 首次达标期, p.year_before as 上年同期值, p.self_assessed as 自评状态, t.due as 到期日,
    t.clause as 条款原文, p.status_basis as 状态依据, p.actual_origin as 数值来源, p.synthetic as 合成样例
from {% if asked %}progress_as_known_at({{ at }}){% else %}progress{% endif %} p
join target t using (target)
join indicator i on i.indicator = t.indicator
left join capability c using (capability)
left join department d on d.department = i.lead_department
left join area a on a.area = t.area
cross join (select {% if asked %}cast({{ at }} as date){% else %}cast(built_at as date){% endif %} as day from release) r
qualify row_number() over (
    partition by t.target order by p.period_end <= r.day and p.status <> 'not_due' desc,
        p.period_end <= r.day desc, abs(date_diff('day', p.period_end, r.day))
) = 1
