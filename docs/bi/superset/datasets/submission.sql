select s.submission as 报送文件编码, d.name_zh as 部门, s.path as 文件, s.format as 格式, s.received_at at time zone (select zone from plan) as 收到时间,
    @submission(s.status) as 处理结果, s.rows_read as 读取行数, s.rows_kept as 采纳行数, s.rows_returned as 退回行数,
    s.warnings as 提示数, s.figures_new as 新增数值, s.figures_revised as 修改数值, s.reason as 重报原因,
    s.withdrawn_at at time zone (select zone from plan) as 撤回时间, s.synthetic as 合成样例
from submission s join department d using (department)
