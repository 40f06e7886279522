"""Rules over a table: Great Expectations counts, and the findings are inserted by the same predicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from expectations.model import Plan
from warehouse import validations
from warehouse.store import Store

if TYPE_CHECKING:
    from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult

    from expectations.suites import PlanRule


class JudgeError(Exception):
    """Great Expectations and the findings disagree: nothing is published from such a run."""


@dataclass(frozen=True)
class Verdict:
    """One rule over one batch. `crashed` says why it could not be evaluated; then it is never counted as passed."""

    rule: str
    evaluated: int
    fired: int
    crashed: str | None = None


@dataclass(frozen=True)
class Evaluated:
    """The verdicts of the rules over one batch, and what Great Expectations says of it: to be counted apart, to be kept."""

    verdicts: list[Verdict]
    result: ExpectationSuiteValidationResult
    latest: validations.Latest

    @property
    def crashed(self) -> bool:
        return any(v.crashed for v in self.verdicts)


def evaluate(
    con: duckdb.DuckDBPyConnection,
    store: Store,
    plan: Plan,
    batch: str,
    rules: Sequence[type[PlanRule]],
    months: Sequence[str] | None,
) -> list[Verdict]:
    """`applied`, and stores the validation results; those of `months` (None: of all that there are) are replaced."""
    found = applied(con, plan, batch, rules)
    validations.keep_latest(store, batch, [found.latest])
    if not found.crashed:
        validations.record(con, store, batch, found.result, months)
    return found.verdicts


def applied(con: duckdb.DuckDBPyConnection, plan: Plan, batch: str, rules: Sequence[type[PlanRule]]) -> Evaluated:
    """Runs the rules over the table `batch` with Great Expectations and inserts the findings by the same predicates.

    Raises JudgeError where the two counts differ. A rule that crashes is a finding X01 and never a pass.
    """
    from warehouse.gx import verdicts as counted_by

    result, latest = validations.validate(con, plan, batch, rules)
    counted = counted_by(result)
    con.execute(_evaluated(batch, rules))
    evaluated = dict(con.execute(ASKED).fetchall())
    verdicts = []
    for rule in rules:
        fired, crashed = counted[rule.rule]
        if crashed is None:
            try:
                con.execute(_insert(batch, rule))
                [(inserted,)] = con.execute("select count(*) from finding where rule = ?", [rule.rule]).fetchall()
            except duckdb.Error as e:
                crashed = str(e)
            else:
                if inserted != fired:
                    raise JudgeError(
                        f"{rule.rule}: Great Expectations counts {fired} rows, the findings are {inserted}"
                    )
        if crashed is not None:
            con.execute(X01.format(batch=batch), {"rule": rule.rule, "why": crashed[:400]})
        verdicts.append(Verdict(rule.rule, evaluated.get(rule.rule, 0), fired if crashed is None else 0, crashed))
    return Evaluated(verdicts, result, latest)


def counted(con: duckdb.DuckDBPyConnection, verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The verdicts with the counts of all that is in finding and evaluated."""
    fired = dict(con.execute("select rule, count(*) from finding group by rule").fetchall())
    evaluated = dict(con.execute(ASKED).fetchall())
    return [Verdict(v.rule, evaluated.get(v.rule, 0), fired.get(v.rule, 0), v.crashed) for v in verdicts]


def _evaluated(batch: str, rules: Sequence[type[PlanRule]]) -> str:
    """Table evaluated: month, submission (its department, path, when the newest of its rows were received, how many there
    are), rule, on how many of them it could be evaluated. One pass for all rules."""
    counts = ", ".join(f"{{'rule': '{r.rule}', 'evaluated': count(*) filter (where {r.applies})}}" for r in rules)
    return f"""create or replace table evaluated as
        select month, submission, any_value(department) as department, any_value(path) as path, max(received_at) as newest,
            count(*) as rows, unnest([{counts}], recursive := true)
        from {batch} group by month, submission"""


ASKED = "select rule, sum(evaluated)::bigint from evaluated group by rule"

FINDING_TABLE = """
create or replace table finding (
    finding varchar, submission varchar, department varchar, rule varchar, severity varchar, weight integer,
    sheet varchar, row_number integer, column_name varchar, indicator varchar, area varchar, period varchar,
    value_text varchar, expected_text varchar, difference double, message_zh varchar, message_en varchar,
    basis varchar, confirmed boolean, month varchar, row_id bigint
)"""

X01 = """
insert into finding by name
select 'X01' || $rule || coalesce(month, '') as finding, 'X01' as rule, 'error' as severity, 100 as weight,
       '规则 ' || $rule || ' 未能执行:' || $why as message_zh, 'rule ' || $rule || ' could not be evaluated: ' || $why as message_en,
       'rule' as basis, false as confirmed, month
from (select distinct month from {batch})
"""


def _insert(batch: str, rule: type[PlanRule]) -> str:
    return f"""
        insert into finding by name
        select
            substr(sha256(concat_ws('|', coalesce(b.submission, ''), f.rule, coalesce(b.sheet, ''), b.row_number::varchar,
                coalesce(b.column_name, ''), coalesce(b.department, ''), coalesce(b.indicator, ''), coalesce(b.area, ''),
                coalesce(b.period, ''))), 1, 16) as finding,
            b.submission, b.department, f.rule, r.severity, r.weight, b.sheet, b.row_number, f.column_name, b.indicator,
            b.area, b.period, f.value_text, f.expected_text, f.difference,
            coalesce(b.path, b.department) || coalesce(' 工作表「' || b.sheet || '」', '')
                || coalesce(' 第' || b.row_number || '行', '') || ' ' || f.column_name || ':' || r.message_zh
                || '。填报为「' || coalesce(f.value_text, '') || '」,应为「' || coalesce(f.expected_text, '') || '」。'
                || r.mend_zh || '。' as message_zh,
            coalesce(b.path, b.department) || coalesce(', sheet ' || b.sheet, '') || coalesce(', row ' || b.row_number, '')
                || ', ' || f.column_name || ': ' || r.message_en || '. Found "' || coalesce(f.value_text, '')
                || '", expected "' || coalesce(f.expected_text, '') || '". To do: ' || r.mend_en || '.' as message_en,
            f.basis, r.severity = 'warning' and coalesce({rule.confirmed}, false) as confirmed, b.month, b.row_id
        from ({rule.findings_query(batch)}) f
        join {batch} b using (row_id)
        join rule r on r.rule = f.rule
    """
