-- what a target was forecast to reach when due, by the period up to which figures were known
{% set asked = filter_values('截至', remove_filter=True) %}
{% set at = "(" ~ (asked | where_in) ~ " || ' 23:59:59+08')::timestamptz" %}
select t.target || ' ' || i.name_zh as 目标, p.period as 预测起点, p.period_end as 期末, p.forecast as 预测值,
    p.forecast_low as 预测下限, p.forecast_high as 预测上限, p.target_value as 目标值, i.unit as 单位,
    @method(p.forecast_method) as 预测方法, if(p.will_meet, '预计完成', '预计不能完成') as 预计,
    p.forecast_basis as 预测依据
from {% if asked %}progress_as_known_at({{ at }}){% else %}progress{% endif %} p
join target t using (target)
join indicator i on i.indicator = t.indicator
where p.forecast is not null and p.period = p.forecast_from
