-- sensitivity: what each score, and its rank among its peers, would be if policy had weighed otherwise. Scenarios:
--   equal_weights      every part that is known weighs the same
--   other_aggregation  the geometric mean instead of the arithmetic, or the reverse
--   weight_up, _down   one part's weight moved by the share score_rule.moved_by of itself
--   left_out           one part left out
-- One part's weight moves for every subject that has the part (a department's timeliness); the others keep their score. A
-- part counts as normalised in score_part: a dimension's score is taken as it is there. Nothing here is drawn at random.
-- A score is s / w (arithmetic) or e to the l / w (geometric): sums over the parts of weight times normalised, of weight, of
-- weight times its logarithm, and z of the weights of parts that are zero. A scenario changes the sums by one part's worth.
with known as (
    select p.subject_kind, p.subject, p.period, p.component, p.aggregation, p.score, r.ranked_among, r.moved_by, p.synthetic,
        cast(p.weight as decimal(28, 12)) as w, cast(p.weight * p.normalised as decimal(28, 12)) as s,
        cast(p.weight * coalesce(ln(nullif(p.normalised, 0)), 0) as decimal(28, 12)) as l,
        cast(case when p.normalised = 0 then p.weight else 0 end as decimal(28, 12)) as z,
        cast(p.normalised as decimal(28, 12)) as one_s, cast(coalesce(ln(nullif(p.normalised, 0)), 0) as decimal(28, 12)) as one_l,
        case when p.normalised = 0 then 1 else 0 end as one_z
    from score_part p
    join score_rule r on r.subject_kind = p.subject_kind and r.subject = p.subject
    where p.contribution is not null and p.subject_kind <> 'attainment'
), base as (
    select subject_kind, subject, period, ranked_among, max(aggregation) as aggregation, max(score) as score,
        sum(w) as w, sum(s) as s, sum(l) as l, sum(z) as z,
        count(*) as one_w, sum(one_s) as one_s, sum(one_l) as one_l, sum(one_z) as one_z, bool_or(synthetic) as synthetic
    from known
    group by subject_kind, subject, period, ranked_among
), moved as (
    select k.subject_kind, k.subject, k.period, k.component, m.scenario, k.w, k.s, k.l, k.z,
        case m.scenario when 'left_out' then -1.0 when 'weight_up' then k.moved_by else -k.moved_by end as moved_share
    from known k
    cross join (select 'weight_up' as scenario union all select 'weight_down' union all select 'left_out') m
), sums as (
    select b.subject_kind, b.subject, b.period, m.scenario, m.component, b.aggregation,
        cast(b.w as double) + m.moved_share * cast(m.w as double) as w, cast(b.s as double) + m.moved_share * cast(m.s as double) as s,
        cast(b.l as double) + m.moved_share * cast(m.l as double) as l, cast(b.z as double) + m.moved_share * cast(m.z as double) as z
    from moved m
    join base b on b.subject_kind = m.subject_kind and b.subject = m.subject and b.period = m.period
    union all
    select subject_kind, subject, period, 'equal_weights', null, aggregation,
        cast(one_w as double), cast(one_s as double), cast(one_l as double), cast(one_z as double)
    from base
    union all
    select subject_kind, subject, period, 'other_aggregation', null,
        case when aggregation = 'arithmetic' then 'geometric' else 'arithmetic' end,
        cast(w as double), cast(s as double), cast(l as double), cast(z as double)
    from base
), varied as (
    -- what is left of a sum by rounding is nothing. Where policy does not take the geometric mean, that of a zero would say
    -- of all such scores that they are one: there is none
    select u.*,
        round(case when u.w <= 1e-9 * cast(b.w as double) then null
                   when u.aggregation = 'arithmetic' then u.s / u.w
                   when u.z > 1e-9 * cast(b.w as double) then case when b.aggregation = 'geometric' then 0.0 end
                   else exp(u.l / u.w) end, 12) as score,
        b.score as score_base, b.ranked_among, b.synthetic
    from sums u
    join base b on b.subject_kind = u.subject_kind and b.subject = u.subject and b.period = u.period
), placed as (
    select *, rank() over (partition by subject_kind, ranked_among, period order by round(score, 9) desc) as place
    from base
), met as (
    -- how many peers stand above, each as it would stand in the same scenario
    select v.subject_kind, v.subject, v.period, v.scenario, v.component,
        count(case when round(case when o.subject is null then b.score else o.score end, 9) > round(v.score, 9) then 1 end) as above
    from varied v
    join base b on b.subject_kind = v.subject_kind and b.ranked_among = v.ranked_among and b.period = v.period
        and b.subject <> v.subject
    left join varied o on o.subject_kind = b.subject_kind and o.subject = b.subject and o.period = b.period
        and o.scenario = v.scenario and coalesce(o.component, '') = coalesce(v.component, '')
    group by v.subject_kind, v.subject, v.period, v.scenario, v.component
), ranked as (
    select v.subject_kind, v.subject, v.period, v.scenario, v.component, v.score, v.score_base,
        case when v.ranked_among is not null and v.score is not null then coalesce(m.above, 0) + 1 end as rank,
        case when v.ranked_among is not null then p.place end as rank_base, v.synthetic
    from varied v
    join placed p on p.subject_kind = v.subject_kind and p.subject = v.subject and p.period = v.period
    left join met m on m.subject_kind = v.subject_kind and m.subject = v.subject and m.period = v.period
        and m.scenario = v.scenario and coalesce(m.component, '') = coalesce(v.component, '')
)
select subject_kind, subject, period, scenario, component, score, score_base, round(score - score_base, 12) + 0 as change,
    rank, rank_base, rank - rank_base as shift, synthetic
from ranked
order by subject_kind, subject, period, scenario, component nulls first
