select d.name_zh as 部门, q.quarter as 季度, q.due as 应报数, q.on_time as 按时数, q.late as 迟报数, q.missing as 缺报数,
    q.rows_read as 读取行数, q.rows_returned as 退回行数, q.warnings as 提示数, q.targets as 目标数, q.achieved as 已完成数,
    q.on_pace as 符合进度数, q.behind as 滞后数, q.timeliness as 及时性, q.quality as 数据质量, q.attainment as 目标完成度,
    q.score as 综合得分, @filing(f.state) as 季度确认, q.synthetic as 合成样例
from scorecard q join department d using (department) left join filing f using (department, quarter)
