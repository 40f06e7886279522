"""What must hold between the tables of any release, asked of the sample city's."""

from __future__ import annotations

from types import SimpleNamespace

import duckdb
import pytest

from tests.pipelines.conftest import warehouse

BROKEN = {  # each finds nothing in a release that is right
    "a progress row leads to its target's clause": """
        from progress p left join target t using (target)
        where t.clause is null or length(t.clause) not between 1 and 40 or t.section is null""",
    "a reported figure leads to submission, row and file": """
        from progress p
        left join observation o on o.submission = p.submission and o.indicator = p.indicator and o.area = p.area
            and o.period = p.period and o.value = p.actual and o.known_to is null
        left join submission s on s.submission = o.submission
        where p.actual_origin = 'reported' and p.submission is not null and (s.path is null or o.row_number is null)""",
    "a figure that no department sent is a baseline's": """
        from progress p left join baseline b on b.indicator = p.indicator and b.area = p.area and b.period = p.period
        where p.actual is not null and p.submission is null and b.value is distinct from p.actual""",
    "each target stands once at each of its periods": """
        select target, period from progress group by all having count(*) > 1""",
    "each target stands at the end of the plan, with one of the contract's statuses": """
        from target t left join (from progress qualify row_number() over (partition by target order by period_end desc) = 1) p using (target)
        where p.status is null or p.status not in ('achieved', 'ahead', 'on_pace', 'behind', 'far_behind', 'missed',
            'not_reported', 'not_due', 'not_assessable')""",
    "a capability's statuses add up to its targets": """
        from capability_score where targets <> achieved + on_pace + behind + not_reported + not_due + not_assessable""",
    "the capabilities' targets are all that are tested": """
        from (select period, sum(targets) as n from capability_score group by period)
        where n <> (select count(*) from target where tested)""",
    "the departments' targets are all that are tested": """
        from (select quarter, sum(targets) as n from scorecard group by quarter)
        where n <> (select count(*) from target where tested)""",
    "a scorecard's obligations are the obligations": """
        from (select sum(due) as due, sum(on_time) as on_time, sum(late) as late, sum(missing) as missing from scorecard) s,
            (select count(*) filter (where state <> 'not_due') as due, count(*) filter (where state = 'on_time') as on_time,
                count(*) filter (where state = 'late') as late, count(*) filter (where state = 'missing') as missing
             from obligation where period_end between (select starts from plan) and (select ends from plan)) o
        where (s.due, s.on_time, s.late, s.missing) is distinct from (o.due, o.on_time, o.late, o.missing)""",
    "rows read are kept or returned": "from submission where rows_read <> rows_kept + rows_returned",
    "every return has its reason": """
        from submission s left join finding f on f.submission = s.submission and f.severity in ('fatal', 'error')
        where (s.status in ('returned', 'partly_returned')) <> (f.finding is not null)""",
    "warnings are counted once": """
        from (select submission, count(*) as n from finding where severity = 'warning' group by submission) f
        join submission s using (submission) where s.warnings <> f.n""",
    "a finding names its submission, unless it is about what is owed or what many said": """
        from finding f left join submission s using (submission) where s.submission is null and f.rule not like 'M%'""",
    "a finding has its basis and its words": """
        from finding where basis is null or message_zh is null or message_en is null""",
    "findings are counted by rule": """
        from rule r left join (select rule, count(*) as n, count(*) filter (where confirmed) as c from finding group by rule) f using (rule)
        where r.fired <> coalesce(f.n, 0) or r.confirmed <> coalesce(f.c, 0)""",
    "vintages of a figure follow each other without gap or overlap": """
        from (select *, lead(known_from) over (partition by department, indicator, area, period, measure order by known_from) as next
              from observation)
        where known_to is distinct from next or known_to <= known_from""",
    "an observation is an obligation's or a target's indicator's": """
        from observation o left join indicator i using (indicator) where i.indicator is null or o.unit <> i.unit""",
    "what is on time or late was received": """
        from obligation where (state in ('on_time', 'late', 'not_available')) <> (received_at is not null)""",
    "figures and codes lead to their tables": """
        from target t left join indicator i using (indicator) left join department d on d.department = i.lead_department
            left join capability c using (capability) left join area a using (area)
        where i.indicator is null or d.department is null or c.capability is null or a.area is null""",
}  # fmt: skip


@pytest.mark.parametrize("said", BROKEN)
def test_it_holds_that(released: SimpleNamespace, said: str) -> None:
    with duckdb.connect(warehouse(released.data), read_only=True) as con:
        assert con.sql(BROKEN[said]).fetchall() == []


def test_a_figure_stands_in_the_row_of_the_file_that_it_names(released: SimpleNamespace) -> None:
    """Every current observation, down to the text in the row that the readers kept."""
    rows = (released.store.rows / "*.parquet").as_posix()
    with duckdb.connect(warehouse(released.data), read_only=True) as con:
        [(figures, found)] = con.execute(
            f"select count(*), count(r.submission) from observation o left join (select distinct submission, sheet, row_number"
            f" from read_parquet('{rows}', union_by_name = true)) r on r.submission = o.submission and r.row_number = o.row_number"
            " and r.sheet is not distinct from o.sheet"
        ).fetchall()
    assert figures == found > 1000
