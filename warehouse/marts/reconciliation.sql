-- reconciliation: each published figure beside the department's own, as rule M04 compares them (beside_published); a row for
-- the department that leads where it gave none. Of several publications of one figure all stand here and one counts.
with silent as (
    select
        p.publication, i.lead_department as department,
        case when o.state is null then 'not_owed'
             when o.state = 'missing' then 'not_reported'
             when o.state in ('not_due', 'not_available') then o.state
             else 'other_measure' end as agreement
    from publication p
    join indicator i on i.indicator = p.indicator
    left join obligation o
        on o.department = i.lead_department and o.indicator = p.indicator and o.area = p.area and o.period = p.period
    left join beside_published b on b.publication = p.publication and b.department = i.lead_department
    where b.publication is null
), beside as (
    select publication, department, apart, finding, confirmed, cast(null as varchar(20)) as silence from beside_published
    union all
    select publication, department, null as apart, null as finding, null as confirmed, agreement as silence from silent
)
select
    p.indicator, p.area, p.period, p.measure, b.department, o.value as reported, o.rounding as reported_rounding, p.unit,
    p.publisher, p.published_on, p.value as published, p.rounding + p.loose as published_rounding,
    o.value - p.value as difference,
    case when p.measure in ('period', 'ytd', 'end') then 100 * (o.value - p.value) / nullif(abs(p.value), 0) end as difference_percent,
    case when b.silence is not null then b.silence
         when b.apart then 'disagrees'
         when p.approximate or o.approximate then 'approximate'
         else 'agrees' end as agreement,
    p.counts, p.preliminary, p.approximate or coalesce(o.approximate, false) as approximate,
    l.indicator is not null as is_baseline,
    p.tier, b.finding, b.confirmed, o.submission, o.known_from, o.synthetic, p.note
from beside b
join publication p on p.publication = b.publication
left join observation o
    on b.silence is null and o.department = b.department and o.indicator = p.indicator and o.area = p.area
    and o.period = p.period and o.measure = p.measure and o.known_to is null
left join (select distinct indicator, area, period, measure, publisher, value from baseline) l
    on l.indicator = p.indicator and l.area = p.area and l.period = p.period and l.measure = p.measure
    and l.publisher = p.publisher and l.value = p.value
order by p.indicator, p.area, p.period, p.measure, b.department, p.publication
