-- finding: a row per rule broken: files returned (S), rows returned (V), flags on kept rows (Q), across files (M).
select
    f.finding, f.submission, f.department, f.rule, f.severity, f.sheet, f.row_number, f.column_name, f.indicator, f.area,
    f.period, f.value_text, f.expected_text, f.difference, f.message_zh, f.message_en, f.basis, f.confirmed, f.weight
from stored_finding f
order by f.weight desc nulls last, f.rule, f.department nulls last, f.indicator nulls last, f.period nulls last, f.area nulls last, f.finding
