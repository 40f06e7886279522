-- index_score: a composite index at the end of each month, quarter and year of the plan. Its dimensions, and what they are
-- made of, are in score_part.
with scored as (
    select s.subject as index, s.period, p.period_end, p.span, max(s.score) as score, count(*) as parts,
        count(*) filter (where s.normalised is null) as missing,
        cast(sum(cast(case when s.normalised is not null then s.weight else 0 end as decimal(28, 12))) as double)
            / nullif(cast(sum(cast(s.weight as decimal(28, 12))) as double), 0) as known_share,
        max(s.aggregation) as aggregation, bool_or(s.synthetic) as synthetic
    from score_part s
    join period p on p.period = s.period
    where s.subject_kind = 'index'
    group by s.subject, s.period, p.period_end, p.span
)
select index, period, period_end, score, parts, missing, known_share, aggregation,
    lag(score) over (partition by index, span order by period_end) as previous, synthetic
from scored
order by index, period_end, period
