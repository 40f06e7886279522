"""The plan's rules as Great Expectations classes: each rule's predicate stands here and nowhere else.

A class says which rows break its rule (`broken`), and with what to tell the sender (`column`, `found`, `expected`,
`difference`, `basis`), as SQL over the columns of one table. GX counts with `unexpected_rows_query`; the findings are
inserted by `findings_query` of the same class. Importing this module imports Great Expectations (seconds, 260 MB):
import it where rows are judged, not where definitions load.
"""

from __future__ import annotations

import os
import re
from typing import ClassVar

os.environ["GX_ANALYTICS_ENABLED"] = "false"  # before the import: telemetry is off

import expectations.gx_alone  # noqa: F401

# isort: split
from great_expectations.expectations.core import UnexpectedRowsExpectation
from great_expectations.expectations.metadata_types import FailureSeverity

from expectations.rules import RULES

GX_SEVERITY = {
    "fatal": FailureSeverity.CRITICAL,
    "error": FailureSeverity.CRITICAL,
    "warning": FailureSeverity.WARNING,
}


class PlanRule(UnexpectedRowsExpectation):
    """A rule over rows; `unexpected_rows_query` is given by `expect()` so that it is stored with the suite."""

    rule: ClassVar[str]
    applies: ClassVar[str] = "true"  # rows on which the rule can be evaluated at all
    broken: ClassVar[str]
    column: ClassVar[str] = "column_name"
    found: ClassVar[str] = "value_text"
    expected: ClassVar[str]
    difference: ClassVar[str] = "null::double"
    basis: ClassVar[str]
    confirmed: ClassVar[str] = "b.explained"  # an explanation stands beside the figure

    @classmethod
    def expect(cls) -> PlanRule:
        rule = RULES[cls.rule]
        return cls(
            unexpected_rows_query=f"select row_id from {{batch}} where {cls.broken.replace('{', '{{').replace('}', '}}')}",
            severity=GX_SEVERITY[rule.severity],
            description=f"{rule.code}: {rule.zh} / {rule.en}",
            meta={"rule": rule.code, "basis": cls.basis_in_words()},
        )

    @classmethod
    def basis_in_words(cls) -> str:
        """Which line of plan or policy the rule comes from, read from `basis`; ⟨…⟩ differs from row to row."""
        cases = re.sub(r"\bcase\s+when\b.*?\bthen\b", " ", cls.basis, flags=re.DOTALL)
        cases = re.sub(r"\bwhen\b.*?\bthen\b|\belse\b", ";", cases, flags=re.DOTALL)
        parts = re.findall(r"'([^']*)'|(;)|\b(?!coalesce\b|end\b|null\b)([a-z_]+)\b", cases)
        return "".join(text or (other and "; ") or (column and f"⟨{column}⟩") for text, other, column in parts)

    @classmethod
    def findings_query(cls, batch: str) -> str:
        """row_id, rule, column_name, value_text, expected_text, difference, basis of the rows that break the rule."""
        return f"""
            select row_id, '{cls.rule}' as rule, {cls.column} as column_name, {cls.found} as value_text,
                   {cls.expected} as expected_text, {cls.difference} as difference, {cls.basis} as basis
            from {batch} where {cls.broken}
        """


class ExpectKnownIndicator(PlanRule):
    rule = "V01"
    broken = "indicator is null"
    column = "'指标编码 indicator'"
    found = "coalesce(indicator_text, '') || ' ' || coalesce(name_text, '')"
    expected = "case when code_indicator is not null then code_name else '指标目录 / list of indicators' end"
    basis = "'plan: indicators'"


class ExpectOwnIndicator(PlanRule):
    rule = "V02"
    applies = "indicator is not null"
    broken = "not may_report"
    column = "'指标编码 indicator'"
    found = "coalesce(nullif(trim(indicator_text), ''), name_text)"
    expected = "(select name_zh from department d where d.department = lead_department) || ' ' || lead_department"
    basis = "'policy: lead_department.' || indicator"


class ExpectReadablePeriod(PlanRule):
    rule = "V03"
    broken = "period_end is null"
    column = "case when form = 'wide' then column_name else '报告期 period' end"
    found = "period_text"
    expected = "'2022-03, 2022Q1, 2022'"
    basis = "'contract: periods'"


class ExpectPeriodOfThePlan(PlanRule):
    rule = "V04"
    applies = "period_end is not null"
    broken = "period_end is not null and (outside_plan or period_end >= received_on or (indicator is not null and period is null))"
    column = "case when form = 'wide' then column_name else '报告期 period' end"
    found = "period_text"
    expected = """case
        when outside_plan then strftime(history_from, '%Y-%m-%d') || ' … ' || strftime(plan_ends, '%Y-%m-%d')
        when period_end >= received_on then '< ' || strftime(received_on, '%Y-%m-%d')
        else 'frequency: ' || frequency end"""
    basis = "case when outside_plan or indicator is null then 'plan: starts, ends' else 'plan: indicators.' || indicator || '.frequency' end"


class ExpectFigure(PlanRule):
    rule = "V05"
    broken = "value_state = 'error' or surplus_text is not null"
    found = "coalesce(value_text, '') || coalesce(' | ' || surplus_text, '')"
    expected = "case when surplus_text is not null then '每格一列,不多于表头 / as many cells as the header' else '数字 / a number' end"
    basis = "'contract: values'"


class ExpectKnownUnit(PlanRule):
    rule = "V06"
    broken = "unit_state = 'unknown'"
    column = "'单位 unit'"
    found = "unit_text"
    expected = "own_unit"
    basis = "'plan: indicators.' || coalesce(indicator, '') || '.unit'"


class ExpectUnitOfTheSameKind(PlanRule):
    rule = "V07"
    broken = "unit_state = 'foreign'"
    column = "'单位 unit'"
    found = "coalesce(nullif(trim(unit_text), ''), value_suffix)"
    expected = "own_unit"
    basis = "'plan: indicators.' || indicator || '.unit'"


class ExpectPossibleValue(PlanRule):
    rule = "V08"
    applies = "value is not null and (possible_low is not null or possible_high is not null or whole_number)"
    broken = """value < possible_low or value > possible_high
        or (whole_number and abs(value - round(value)) > 1e-9 * greatest(1, abs(value)))"""
    expected = """case when whole_number and value >= coalesce(possible_low, value) and value <= coalesce(possible_high, value)
        then '整数 / a whole number'
        else coalesce(possible_low::varchar, '-∞') || ' … ' || coalesce(possible_high::varchar, '∞') || ' ' || own_unit end"""
    difference = "case when value < possible_low then value - possible_low when value > possible_high then value - possible_high end"
    basis = "'plan: indicators.' || indicator || '.possible'"


class ExpectOneFigureAFile(PlanRule):
    rule = "V09"
    applies = "value is not null"
    broken = "value_lowest < value_highest"
    expected = "'一个数值 / one value'"
    difference = "value_highest - value_lowest"
    basis = "'contract: rules'"


class ExpectAllowedMeasure(PlanRule):
    rule = "V10"
    broken = "measure is null or (indicator is not null and measure <> own_measure)"
    column = "'口径 measure'"
    found = "coalesce(nullif(trim(measure_text), ''), period_text)"
    expected = """case own_measure when 'period' then '当期 ' when 'ytd' then '累计 ' when 'end' then '期末 '
        when 'yoy' then '同比 ' when 'share' then '占比 ' when 'rank' then '位次 ' else '' end
        || coalesce(own_measure, 'period, ytd, end, yoy, share, rank')"""
    basis = "'plan: indicators.' || coalesce(indicator, '') || '.measure'"


class ExpectReportedArea(PlanRule):
    rule = "V11"
    broken = "area is null or (indicator is not null and not area_reported)"
    column = "'地区 area'"
    found = "area_text"
    expected = "case when area is null then 'GB/T 2260' else coalesce(areas_reported, city) end"
    basis = "'plan: indicators.' || coalesce(indicator, '') || '.areas'"


class ExpectLockedFigureToStand(PlanRule):
    rule = "V12"
    applies = "value is not null"
    broken = "locked_value is not null"
    expected = "locked_value::varchar || ' ' || own_unit"
    difference = "value - locked_value"
    basis = "lock_basis"


class ExpectPlausibleValue(PlanRule):
    rule = "Q01"
    applies = "value is not null and plausible_low is not null"
    broken = "value < plausible_low or value > plausible_high"
    expected = "round(plausible_low, 4)::varchar || ' … ' || round(plausible_high, 4)::varchar || ' ' || own_unit"
    difference = "case when value < plausible_low then value - plausible_low else value - plausible_high end"
    basis = "case when clause is null then plausible_basis else clause || ' (' || plausible_basis || ')' end"


class ExpectCumulativeNotToFall(PlanRule):
    rule = "Q02"
    applies = "measure = 'ytd' and value is not null and earlier_value is not null"
    broken = "measure = 'ytd' and value < earlier_value - 1e-9 * abs(earlier_value)"
    expected = "'≥ ' || earlier_value::varchar || ' (' || earlier_period || ')'"
    difference = "value - earlier_value"
    basis = "'plan: indicators.' || indicator || '.measure'"


class ExpectFigureLikeItsHistory(PlanRule):
    rule = "Q03"
    applies = "value is not null and change is not null"
    broken = "change < change_low or change > change_high"
    found = "value_text || ' (' || change_text(change, change_by) || ')'"
    expected = "change_text(change_low, change_by) || ' … ' || change_text(change_high, change_by) || ' (' || change_from || ')'"
    difference = "case when change < change_low then change - change_low else change - change_high end"
    basis = "'policy: history'"


class ExpectShareOfItsParts(PlanRule):
    rule = "Q04"
    applies = "value is not null and identity = 'Q04'"
    broken = "identity = 'Q04' and (value + rounding < follows_low or value - rounding > follows_high)"
    expected = "follows_text"
    difference = "case when value < follows_low then value - follows_low else value - follows_high end"
    basis = "identity_basis"


class ExpectExactFigure(PlanRule):
    rule = "Q05"
    applies = "value is not null"
    broken = "approximate"
    expected = "'确数 / an exact figure'"
    basis = "'contract: values'"


class ExpectGrowthOfItsLevel(PlanRule):
    rule = "Q06"
    applies = "value is not null and identity = 'Q06'"
    broken = "identity = 'Q06' and (value + rounding < follows_low or value - rounding > follows_high)"
    expected = "follows_text"
    difference = "case when value < follows_low then value - follows_low else value - follows_high end"
    basis = "identity_basis"


class ExpectInTime(PlanRule):
    rule = "Q07"
    applies = "news and due_at is not null"
    broken = "news and received_at >= due_at"
    column = "'报告期 period'"
    found = "strftime(received_at at time zone zone, '%Y-%m-%d %H:%M')"
    expected = "'< ' || strftime(due_at at time zone zone, '%Y-%m-%d %H:%M')"
    difference = "date_diff('second', due_at, received_at) / 86400.0"
    basis = "due_basis"


class ExpectThePlansCounter(PlanRule):
    rule = "Q08"
    broken = "unit_state = 'other counter'"
    column = "'单位 unit'"
    found = "coalesce(nullif(trim(unit_text), ''), value_suffix)"
    expected = "own_unit"
    basis = "'plan: indicators.' || indicator || '.unit'"


class ExpectAcceptedFigureToStand(PlanRule):
    rule = "Q09"
    applies = "news and value is not null"
    broken = "news and replaced_value is not null"
    expected = "replaced_value::varchar || ' ' || own_unit"
    difference = "value - replaced_value"
    confirmed = "b.explained or b.reasoned"  # the file says why it was sent again
    basis = "'contract: rules'"


class ExpectTheRightMagnitude(PlanRule):
    rule = "Q10"
    applies = "value <> 0 and (usual <> 0 or history_value <> 0)"
    broken = """value <> 0 and (slip(value, usual, slip_within) is not null or slip(value, history_value, slip_within) is not null)
        and not coalesce(value / nullif(usual, 0) between 0.2 and 5, false)
        and not coalesce(value / nullif(history_value, 0) between 0.2 and 5, false)"""
    expected = """'≈ ' || round(case when slip(value, history_value, slip_within) is not null then history_value else usual end, 4)::varchar
        || ' ' || own_unit || ' (' || coalesce(slip(value, history_value, slip_within), slip(value, usual, slip_within)) || ')'"""
    difference = (
        "value - case when slip(value, history_value, slip_within) is not null then history_value else usual end"
    )
    basis = """case when slip(value, history_value, slip_within) is not null or clause is null then 'policy: slip_within'
        else clause || ' (policy.slip_within)' end"""


class ExpectObligationMet(PlanRule):
    rule = "M01"
    applies = "state is not null and state <> 'not_due'"
    broken = "coalesce(state = 'missing', false)"
    column = "'数值 value'"
    found = "null::varchar"
    expected = "'< ' || strftime(due_at at time zone zone, '%Y-%m-%d %H:%M')"
    basis = "due_basis"


# two figures, each as wide as its last digit, that have no point in common
APART = "(value + rounding < other_low or value - rounding > other_high)"


class ExpectDistrictsToAddUp(PlanRule):
    rule = "M02"
    applies = "against = 'districts'"
    broken = f"against = 'districts' and {APART}"
    expected = "other_text"
    difference = "value - other_value"
    basis = "'plan: indicators.' || indicator || '.adds_up'"


class ExpectDepartmentsToAgree(PlanRule):
    rule = "M03"
    applies = "against = 'department'"
    broken = f"against = 'department' and {APART}"
    expected = "other_text"
    difference = "value - other_value"
    basis = "'policy: co_reporters.' || indicator"


class ExpectPublishedFigure(PlanRule):
    rule = "M04"
    applies = "against = 'published' and counts"
    broken = f"against = 'published' and counts and {APART}"
    expected = "other_text"
    difference = "value - other_value"
    basis = "'published: ' || other_source"


VALIDITY: list[type[PlanRule]] = [
    ExpectKnownIndicator, ExpectOwnIndicator, ExpectReadablePeriod, ExpectPeriodOfThePlan, ExpectFigure,
    ExpectKnownUnit, ExpectUnitOfTheSameKind, ExpectPossibleValue, ExpectOneFigureAFile, ExpectAllowedMeasure,
    ExpectReportedArea, ExpectLockedFigureToStand,
]  # fmt: skip
QUALITY: list[type[PlanRule]] = [
    ExpectPlausibleValue, ExpectCumulativeNotToFall, ExpectFigureLikeItsHistory, ExpectShareOfItsParts, ExpectExactFigure,
    ExpectGrowthOfItsLevel, ExpectInTime, ExpectThePlansCounter, ExpectAcceptedFigureToStand, ExpectTheRightMagnitude,
]  # fmt: skip
ACROSS: list[type[PlanRule]] = [
    ExpectObligationMet, ExpectDistrictsToAddUp, ExpectDepartmentsToAgree, ExpectPublishedFigure,
]  # fmt: skip
