select release as 发布编号, built_at at time zone (select zone from plan) as 数据截至, plan_revision as 计划版本,
    (select name_zh from plan) as 计划,
    case when (select bool_or(synthetic) from submission) then '含合成样例数据,不是任何部门的真实数据' else '正式数据' end as 数据性质
from release
