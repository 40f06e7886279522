select d.name_zh as 部门, i.name_zh as 指标, r.period as 报告期, r.reported as 填报数值, r.published as 公布数值, r.unit as 单位,
    r.difference as 差异, r.difference_percent as 差异百分比, @agreement(r.agreement) as 比对结论, r.publisher as 公布单位,
    r.published_on as 公布日期, if(r.preliminary, '初步数', '正式数') as 性质, if(r.confirmed, '已说明', null) as 是否已说明,
    r.note as 说明
from reconciliation r join indicator i using (indicator) left join department d on d.department = r.department
