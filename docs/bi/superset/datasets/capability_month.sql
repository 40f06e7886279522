select c.number || ' ' || c.name_zh as 能力, s.period as 报告期, p.period_end as 期末, s.targets as 目标数,
    s.achieved as 已完成数, s.on_pace as 符合进度数, s.behind as 滞后数, s.not_reported as 未报数, s.not_due as 未到期数,
    s.not_assessable as 无法评判数, s.score as 得分, s.synthetic as 合成样例
from capability_score s join capability c using (capability) join period p using (period)
where p.span = 'month' and p.period_end <= (select built_at from release)
