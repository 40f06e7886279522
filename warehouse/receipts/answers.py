"""What a submission's receipt has to say, gathered from the marts set-wise: many submissions in one query each.

Not here: which receipts are due (`warehouse.receipts`), and what they look like (`workbook`, `page`).
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import polars as pl

from expectations.rules import RULES
from warehouse.receipts.words import OWED, SEVERITY, basis
from warehouse.store import Store, files_sql
from warehouse.visible import visible

A_RULE = 200  # findings of one rule that a receipt lists; the rest are counted
IN_ALL = 1000  # findings that a receipt lists
CHANGED = 200  # figures revised or superseded that a receipt lists
OWED_SHOWN = 200
DUE_SOON = dt.timedelta(days=31)

READ = ("submission", "finding", "observation", "obligation", "indicator", "department", "area", "target", "plan")


@dataclass(frozen=True)
class Finding:
    """One finding in words. `sheet`, `row`, `column` as in the table `finding`; the others are safe to show."""

    rule: str
    severity: str
    sheet: str | None
    row: int | None
    column: str | None
    period: str | None
    indicator: str
    found: str
    expected: str
    basis_zh: str
    basis_en: str

    @property
    def sign(self) -> str:
        return SEVERITY[self.severity][0]


@dataclass(frozen=True)
class Group:
    """The findings of one rule: how many, and the first of them."""

    rule: str
    severity: str
    count: int
    problem_zh: str
    problem_en: str
    mend_zh: str
    mend_en: str
    findings: list[Finding]


@dataclass(frozen=True)
class Change:
    """A figure of this submission and the one that it replaced, or that replaced it."""

    figure: str
    before: str
    after: str
    other: str  # the other submission's file


@dataclass(frozen=True)
class Due:
    indicator: str
    code: str
    area: str  # blank: the city
    period: str
    due: str
    state: str
    state_zh: str
    state_en: str


@dataclass(frozen=True)
class Owed:
    overdue: int = 0
    soon: int = 0
    not_available: int = 0
    listed: list[Due] = field(default_factory=list)

    @property
    def count(self) -> int:
        return self.overdue + self.soon + self.not_available


@dataclass(frozen=True)
class Answer:
    """All that a receipt says, but for the department's own sheet."""

    number: str
    submission: str
    department: str
    department_zh: str
    department_en: str
    path: str
    format: str
    sha256: str
    size: int
    received: str
    judged: str
    judged_at: dt.datetime
    zone: str
    plan: str
    plan_zh: str
    plan_en: str
    revision: int
    status: str
    rows_read: int
    rows_kept: int
    rows_returned: int
    confirmed: int
    synthetic: bool
    groups: list[Group]
    fresh: int
    revised: int
    unchanged: int
    withdrawn: str  # when, by which role and why; blank: it stands
    replaced: list[Change]
    superseded: list[Change]
    owed: Owed
    because: list[tuple[str, str]]

    @property
    def warnings(self) -> int:
        """Those that are still to be explained."""
        return sum(g.count for g in self.groups if g.severity == "warning")

    @property
    def listed(self) -> list[Finding]:
        return [f for g in self.groups for f in g.findings]


@dataclass(frozen=True)
class Wanted:
    """A receipt that is due: for which submission, under which number, and why anew."""

    submission: str
    number: str
    because: list[tuple[str, str]]


def open_marts(con: duckdb.DuckDBPyConnection, store: Store) -> None:
    """The marts as views, and table judged: a digest of each submission's judgement."""
    for table in READ:
        con.execute(f"create view {table} as from read_parquet({files_sql(store.mart(table))})")
    con.execute(VINTAGE)
    con.execute(JUDGED)


def answers(con: duckdb.DuckDBPyConnection, wanted: Iterable[Wanted], as_of: dt.datetime) -> list[Answer]:
    """The answers to some submissions, in the order asked for. Needs `open_marts`."""
    wanted = list(wanted)
    con.register("_incoming", pl.DataFrame({"submission": [w.submission for w in wanted]}).to_arrow())
    con.execute("create or replace table wanted as from _incoming")
    con.unregister("_incoming")
    [plan] = _dicts(con, "select * from plan")
    zone = ZoneInfo(plan["zone"])
    names = {code: visible(name) for code, name in con.execute("select indicator, name_zh from indicator").fetchall()}
    clauses: dict[str, list[str]] = defaultdict(list)
    for indicator, clause in con.execute(CLAUSES).fetchall():
        clauses[indicator].append(visible(clause))
    counted, listed = defaultdict(list), defaultdict(list)
    for row in _dicts(con, COUNTED):
        counted[row["submission"]].append(row)
    for row in _dicts(con, LISTED.format(a_rule=A_RULE, in_all=IN_ALL)):
        listed[row["submission"], row["rule"]].append(_finding(row, names, clauses))
    confirmed = dict(con.execute(CONFIRMED).fetchall())
    replaced, superseded = _changes(con, REPLACED), _changes(con, SUPERSEDED)
    owed = _owed(con, as_of, zone)
    facts = {row["submission"]: row for row in _dicts(con, FACTS)}
    found = []
    for w in wanted:
        s = facts[w.submission]
        found.append(
            Answer(
                number=w.number, submission=w.submission, department=s["department"],
                department_zh=s["name_zh"], department_en=s["name_en"], path=visible(s["path"]),
                format=s["format"] or "unknown", sha256=s["sha256"], size=s["bytes"],
                received=_time(s["received_at"], zone), judged=_time(as_of, zone), judged_at=as_of, zone=plan["zone"],
                plan=plan["plan"], plan_zh=plan["name_zh"], plan_en=plan["name_en"], revision=plan["plan_revision"],
                status=s["status"], rows_read=s["rows_read"], rows_kept=s["rows_kept"], rows_returned=s["rows_returned"],
                confirmed=confirmed.get(w.submission, 0), synthetic=bool(s["synthetic"]),
                groups=[_group(g, listed[w.submission, g["rule"]]) for g in counted[w.submission]],
                fresh=s["figures_new"], revised=s["figures_revised"], unchanged=s["figures_unchanged"],
                withdrawn=_withdrawn(s, zone),
                replaced=replaced[w.submission], superseded=superseded[w.submission],
                owed=owed[s["department"]], because=w.because,
            )
        )  # fmt: skip
    return found


def _dicts(con: duckdb.DuckDBPyConnection, query: str, *parameters: object) -> list[dict[str, Any]]:
    asked = con.execute(query, list(parameters))
    names = [d[0] for d in asked.description or []]
    return [dict(zip(names, row, strict=True)) for row in asked.fetchall()]


def _time(at: dt.datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}"


def _withdrawn(submission: dict[str, Any], zone: ZoneInfo) -> str:
    if submission["withdrawn_at"] is None:
        return ""
    by, why = visible(submission["withdrawn_by"]), visible(submission["withdrawn_why"])
    return f"{_time(submission['withdrawn_at'], zone)} {by}：{why}"


def _finding(row: dict[str, Any], names: dict[str, str], clauses: dict[str, list[str]]) -> Finding:
    why = visible(basis(row["basis"], names))
    if "计划原文" not in why and (cited := clauses.get(row["indicator"])):
        why += f"；计划原文：{'、'.join(cited[:3])}"
    return Finding(
        rule=row["rule"], severity=row["severity"], sheet=row["sheet"], row=row["row_number"], column=row["column_name"],
        period=row["period"], indicator=names.get(row["indicator"], ""), found=visible(row["value_text"] or ""),
        expected=visible(row["expected_text"] or ""), basis_zh=why, basis_en=visible(row["basis"] or ""),
    )  # fmt: skip


def _group(row: dict[str, Any], findings: list[Finding]) -> Group:
    rule = RULES[row["rule"]]
    return Group(row["rule"], row["severity"], row["count"], rule.zh, rule.en, rule.mend_zh, rule.mend_en, findings)


def _changes(con: duckdb.DuckDBPyConnection, query: str) -> dict[str, list[Change]]:
    found = defaultdict(list)
    for submission, *change in con.execute(query).fetchall():
        found[submission].append(Change(*(visible(text) for text in change)))
    return found


def _owed(con: duckdb.DuckDBPyConnection, as_of: dt.datetime, zone: ZoneInfo) -> dict[str, Owed]:
    con.execute(f"create or replace table owed as {OWING}", [as_of + DUE_SOON])
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for department, state, count in con.execute("select department, state, count(*) from owed group by all").fetchall():
        counts[department][state] = count
    listed = defaultdict(list)
    for department, name, code, area, period, due_at, state in con.execute(OWED_LISTED, [OWED_SHOWN]).fetchall():
        due = _time(due_at, zone)
        listed[department].append(Due(visible(name), code, visible(area), period, due, state, *OWED[state]))
    owed: dict[str, Owed] = defaultdict(Owed)
    for department, of in counts.items():
        owed[department] = Owed(
            of.get("missing", 0), of.get("not_due", 0), of.get("not_available", 0), listed[department]
        )
    return owed


VINTAGE = """
create table vintage as
select *, lag(value) over w as value_before, lag(submission) over w as submission_before,
    lead(value) over w as value_after, lead(submission) over w as submission_after,
    known_from = max(known_from) over (partition by submission, department, indicator, area, period, measure) as latest
from observation window w as (partition by department, indicator, area, period, measure order by known_from)
"""

# what a receipt answers: where this differs from the last receipt's, the submission gets another. What is owed and what
# came after it are told as they stand, and are no reason for a new receipt
JUDGED = """
create table judged as
with found as (
    select submission, count(*) filter (where confirmed) as confirmed,
        string_agg(line, '' order by line) filter (where not confirmed) as lines,
        list(distinct finding order by finding) filter (where not confirmed) as findings
    from (
        select submission, finding, confirmed, md5({'rule': rule, 'severity': severity, 'sheet': sheet, 'row': row_number,
            'column': column_name, 'value': value_text, 'expected': expected_text, 'basis': basis}::varchar) as line
        from finding where submission is not null
    ) group by submission
)
select s.submission, s.department, s.source, s.received_at, s.withdrawn_at, coalesce(f.confirmed, 0) as confirmed,
    coalesce(f.findings, []) as findings,
    sha256({'submission': s.submission, 'status': s.status, 'read': s.rows_read, 'kept': s.rows_kept,
        'returned': s.rows_returned, 'confirmed': coalesce(f.confirmed, 0), 'findings': f.lines,
        'new': s.figures_new, 'revised': s.figures_revised, 'unchanged': s.figures_unchanged,
        'withdrawn': s.withdrawn_at}::varchar) as digest
from submission s left join found f using (submission)
"""

FACTS = """
select s.*, coalesce(d.name_zh, s.department) as name_zh, coalesce(d.name_en, s.department) as name_en
from wanted join submission s using (submission) left join department d using (department)
"""
CLAUSES = """
select indicator, '“' || clause || '”（' || section || '）' from target
where kind <> 'lost' group by all order by indicator, min(target)
"""
COUNTED = """
select submission, rule, any_value(severity) as severity, count(*) as count
from finding join wanted using (submission) where not confirmed
group by submission, rule order by submission, max(weight) desc nulls last, rule
"""
LISTED = """
select submission, finding, rule, severity, sheet, row_number, column_name, indicator, period, value_text, expected_text, basis
from finding join wanted using (submission) where not confirmed
qualify row_number() over (partition by submission, rule order by sheet, row_number, column_name, finding) <= {a_rule}
    and row_number() over (partition by submission order by weight desc nulls last, rule, sheet, row_number, column_name, finding) <= {in_all}
order by submission, sheet nulls first, row_number nulls first, column_name, finding
"""
CONFIRMED = (
    "select submission, count(*) from finding join wanted using (submission) where confirmed group by submission"
)
CHANGES = f"""
select v.submission, coalesce(i.name_zh, v.indicator) || ' ' || coalesce(a.name_zh || ' ', '') || v.period as figure,
    format('{{:.12g}}', $before) || coalesce(' ' || i.unit, ''), format('{{:.12g}}', $after) || coalesce(' ' || i.unit, ''), o.path
from vintage v join wanted using (submission) join submission own using (submission)
left join indicator i using (indicator)
left join area a on a.area = v.area and v.area <> (select city from plan)
join submission o on o.submission = $other and o.submission <> v.submission
qualify row_number() over (partition by v.submission order by v.indicator, v.area, v.period, v.measure, v.known_from) <= {CHANGED}
order by v.submission, v.indicator, v.area, v.period, v.measure, v.known_from
"""
# a figure that stands again because another was withdrawn has revised nothing, nor was that one revised by it
REPLACED = (
    CHANGES.replace("$before", "v.value_before")
    .replace("$after", "v.value")
    .replace("$other", "v.submission_before and o.withdrawn_at is distinct from v.known_from")
)
SUPERSEDED = (
    CHANGES.replace("$before", "v.value")
    .replace("$after", "v.value_after")
    .replace("$other", "v.submission_after and v.latest and own.withdrawn_at is distinct from v.known_to")
)
OWING = """
select department, indicator, area, period, due_at, state from obligation
where department in (select department from wanted join submission using (submission))
    and (state in ('missing', 'not_available') or (state = 'not_due' and due_at <= ?))
"""
OWED_LISTED = """
select o.department, coalesce(i.name_zh, o.indicator), o.indicator,
    case when o.area <> (select city from plan) then coalesce(a.name_zh, o.area) else '' end, o.period, o.due_at, o.state
from owed o left join indicator i using (indicator) left join area a using (area)
qualify row_number() over (partition by o.department order by o.state = 'not_available', o.due_at, o.indicator, o.area, o.period) <= ?
order by o.department, o.state = 'not_available', o.due_at, o.indicator, o.area, o.period
"""
