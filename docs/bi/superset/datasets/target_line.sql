-- A target's periods, as known now or at the end of the day that the filter 截至 names, and the forecast ahead: the mart's,
-- or, where 截至 or 预测起点 look back, drawn from the period looked back to, straight to the forecast of the due period,
-- its interval widening with the square root of the way (the ends are the warehouse's own figures).
{% set asked = filter_values('截至', remove_filter=True) %}
{% set at = "(" ~ (asked | where_in) ~ " || ' 23:59:59+08')::timestamptz" %}
{% set origin = filter_values('预测起点', remove_filter=True) %}
with known as (
    select * from {% if asked %}progress_as_known_at({{ at }}){% else %}progress{% endif %}
), ahead as (
{% if asked or origin %}
    select p.target, p.period, s.period as origin,
        s.actual + (s.forecast - s.actual) * p.way as forecast,
        s.actual + (s.forecast - s.actual) * p.way - (s.forecast - s.forecast_low) * sqrt(p.way) as forecast_low,
        s.actual + (s.forecast - s.actual) * p.way + (s.forecast_high - s.forecast) * sqrt(p.way) as forecast_high
    from (
        select * from known where forecast is not null and actual is not null
        {% if origin %}and period in {{ origin | where_in }}{% endif %}
        qualify row_number() over (partition by target order by period_end desc) = 1
    ) s
    join (
        select k.target, k.period, k.period_end, o.period as origin, date_diff('day', o.period_end, k.period_end)
            / nullif(date_diff('day', o.period_end, max(k.period_end) over (partition by k.target)), 0) as way
        from known k join known o on o.target = k.target
        qualify k.period_end >= o.period_end
    ) p on p.target = s.target and p.origin = s.period
{% else %}
    select target, period, origin, forecast, forecast_low, forecast_high from forecast
{% endif %}
)
select t.target || ' ' || i.name_zh as 目标, c.number || ' ' || c.name_zh as 能力, d.name_zh as 部门, p.period as 报告期,
    p.period_end as 期末, strftime(p.period_end, '%Y-%m') as 月份, i.unit as 单位,
    p.actual as 实际值, p.expected as 序时应达值, p.target_value as 目标值, p.year_before as 上年同期值,
    f.origin as 预测起点, f.forecast as 预测值, f.forecast_low as 预测下限, f.forecast_high as 预测上限,
    p.attainment as 完成度, p.pace as 进度, p.gap as 差距, p.needed as 每期需新增, @status(p.status) as 状态,
    p.status_basis as 状态依据, s.path as 来源文件, s.received_at at time zone (select zone from plan) as 收到时间
from known p
join target t using (target)
join indicator i on i.indicator = t.indicator
left join capability c using (capability)
left join department d on d.department = i.lead_department
left join submission s on s.submission = p.submission
left join ahead f on f.target = t.target and f.period = p.period
