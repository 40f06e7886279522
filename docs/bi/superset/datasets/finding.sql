select f.finding as 问题编码, d.name_zh as 部门, @severity(f.severity) as 严重程度, f.rule as 规则, r.message_zh as 规则含义,
    f.rule || ' ' || r.message_zh as 规则名称, i.name_zh as 指标, f.period as 报告期, f.value_text as 填报内容,
    f.expected_text as 应填内容, f.message_zh as 说明, f.basis as 依据, s.path as 文件, f.sheet as 工作表, f.row_number as 行号,
    coalesce(s.received_at, (select built_at from release)) at time zone (select zone from plan) as 时间, case when f.confirmed then '已说明' else '未说明' end as 是否已说明,
    f.weight as 权重
from finding f left join rule r using (rule) left join department d using (department)
left join indicator i using (indicator) left join submission s using (submission)
