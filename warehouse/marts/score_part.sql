-- score_part: every part of every score, and the score that they make. A row is a part of a subject (score_weight) in a
-- period: what it is (raw_value, status), what it counts as (normalised, between score_rule.lowest and highest), its weight,
-- the share of the weights that it has once the missing are left out, and what it contributes.
--   arithmetic   score = the sum of contributions,      a contribution = effective_weight * normalised
--   geometric    score = the product of contributions,  a contribution = normalised to the power of effective_weight
-- Targets and indicators make the scores of capabilities, of a department's attainment and of dimensions (first); these
-- and what a department's reporting is like make the scores of departments and of indices (second). Both by the same
-- formula. Sums are exact (decimal): no order of rows changes a digit.
with latest as (
    -- a target at the end of a period: at its own latest period that has ended by then
    select p.period, g.target, g.actual, g.attainment, g.pace, g.status, g.period as figure_period, g.synthetic,
        row_number() over (partition by p.period, g.target order by g.period_end desc) as nth
    from period p
    join progress g on g.period_end <= p.period_end
    where p.in_plan
), slot as (
    select w.*, r.aggregation, r.missing, r.least_share, r.lowest, r.highest, p.period
    from score_weight w
    join score_rule r on r.subject_kind = w.subject_kind and r.subject = w.subject
    join period p on p.in_plan and (p.span = 'quarter' or w.subject_kind not in ('attainment', 'department'))
), faced as (
    select s.*, l.figure_period, coalesce(l.status, 'not_due') as status, coalesce(l.synthetic, false) as synthetic,
        case s.normalisation when 'min_max' then l.actual when 'attainment' then l.attainment when 'pace' then l.pace end as raw_value,
        coalesce(l.status, 'not_due') in ('not_due', 'not_reported', 'not_assessable') as unjudged, c.credit
    from slot s
    left join latest l on l.target = s.target and l.period = s.period and l.nth = 1
    left join status_credit c on c.status = l.status
    where s.component_kind in ('target', 'indicator')
), measured as (
    -- where nothing is expected yet, or zero is, there is no ratio to what is asked: the credit of the status stands for it
    select f.*,
        case when f.normalisation = 'min_max' then (f.raw_value - f.worst) / (f.best - f.worst)
             when not f.unjudged then coalesce(f.raw_value, f.credit) end as reached
    from faced f
), first_part as (
    select m.*,
        case when m.reached is not null then greatest(m.lowest, least(m.highest, m.reached))
             when m.missing = 'as_zero' and m.status = 'not_reported' then m.lowest end as normalised,
        case when m.unjudged then m.status else 'no_credit' end as reason
    from measured m
), first_sum as (
    select subject_kind, subject, period, max(aggregation) as aggregation, max(least_share) as least_share,
        cast(sum(cast(weight as decimal(28, 12))) as double) as weights,
        cast(sum(cast(case when normalised is not null then weight else 0 end as decimal(28, 12))) as double) as known,
        cast(sum(cast(weight * normalised as decimal(28, 12))) as double) as added,
        cast(sum(cast(weight * ln(nullif(normalised, 0)) as decimal(28, 12))) as double) as multiplied,
        coalesce(bool_or(weight > 0 and normalised = 0), false) as has_zero,
        bool_or(reason = 'not_reported' and normalised is null) as unreported, bool_or(synthetic) as synthetic
    from first_part
    group by subject_kind, subject, period
), first_score as (
    select f.*,
        case when known = 0 or known < (least_share - 1e-9) * weights then null
             when aggregation = 'arithmetic' then added / known
             when has_zero then 0.0
             else round(exp(multiplied / known), 12) end as score
    from first_sum f
), second_part as (
    select s.*,
        case when s.component = 'timeliness' and s.component_kind = 'part' then r.timeliness
             when s.component = 'quality' and s.component_kind = 'part' then r.quality
             else f.score end as raw_value,
        case when s.component = 'timeliness' and s.component_kind = 'part' then 'nothing_due'
             when s.component = 'quality' and s.component_kind = 'part' then 'no_rows'
             when f.unreported then 'not_reported'
             else 'nothing_known' end as reason,
        case when s.made_of is null then coalesce(r.synthetic, false) else coalesce(f.synthetic, false) end as synthetic
    from slot s
    left join first_score f on f.subject_kind = s.made_of_kind and f.subject = s.made_of and f.period = s.period
    left join reporting r on r.department = s.subject and r.quarter = s.period and s.component_kind = 'part'
    where s.component_kind in ('part', 'dimension')
), part as (
    select subject_kind, subject, period, component_kind, component, target, figure_period, status, raw_value, normalisation,
        normalised, weight, aggregation, least_share, reason, basis, synthetic
    from first_part
    union all
    select subject_kind, subject, period, component_kind, component, null, null, null, raw_value, normalisation,
        case when raw_value is not null then greatest(lowest, least(highest, raw_value))
             when missing = 'as_zero' and reason = 'not_reported' then lowest end,
        weight, aggregation, least_share, reason, basis, synthetic
    from second_part
), second_sum as (
    select subject_kind, subject, period, max(aggregation) as aggregation, max(least_share) as least_share,
        cast(sum(cast(weight as decimal(28, 12))) as double) as weights,
        cast(sum(cast(case when normalised is not null then weight else 0 end as decimal(28, 12))) as double) as known,
        cast(sum(cast(weight * normalised as decimal(28, 12))) as double) as added,
        cast(sum(cast(weight * ln(nullif(normalised, 0)) as decimal(28, 12))) as double) as multiplied,
        coalesce(bool_or(weight > 0 and normalised = 0), false) as has_zero
    from part
    where component_kind in ('part', 'dimension')
    group by subject_kind, subject, period
), scored as (
    select subject_kind, subject, period, known, score from first_score
    union all
    select subject_kind, subject, period, known,
        case when known = 0 or known < (least_share - 1e-9) * weights then null
             when aggregation = 'arithmetic' then added / known
             when has_zero then 0.0
             else round(exp(multiplied / known), 12) end
    from second_sum
)
select p.subject_kind, p.subject, p.period, p.component_kind, p.component, p.target, p.figure_period, p.status, p.raw_value,
    p.normalisation, p.normalised, p.weight,
    case when s.score is not null and p.normalised is not null then p.weight / s.known end as effective_weight,
    case when s.score is null or p.normalised is null then null
         when p.aggregation = 'arithmetic' then p.weight / s.known * p.normalised
         else round(power(p.normalised, p.weight / s.known), 12) end as contribution,
    p.aggregation, s.score,
    case when p.normalised is null then p.reason when s.score is null then 'too_little_known' end as left_out_because,
    p.basis, p.synthetic
from part p
join scored s on s.subject_kind = p.subject_kind and s.subject = p.subject and s.period = p.period
order by p.subject_kind, p.subject, p.period, p.component
