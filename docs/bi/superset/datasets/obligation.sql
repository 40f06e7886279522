select d.name_zh as 部门, i.name_zh as 指标, o.period as 报告期, o.period_end as 期末, o.due_at at time zone (select zone from plan) as 截止时间, o.received_at at time zone (select zone from plan) as 收到时间,
    @obligation(o.state) as 报送状态, @frequency(o.frequency) as 频度, o.due_basis as 期限依据
from obligation o join department d using (department) join indicator i using (indicator)
