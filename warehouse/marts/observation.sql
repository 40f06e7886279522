-- observation: every figure ever known, from when and until when.
select
    o.indicator, o.area, o.period, o.period_start, o.period_end, o.measure, o.value, o.unit, o.department, o.submission,
    o.row_number, o.known_from, o.known_to, o.approximate, o.rounding, o.replaced_value, o.sheet, o.self_assessed, o.synthetic
from stored_observation o
order by o.period_end, o.indicator, o.area, o.period, o.measure, o.department, o.known_from
