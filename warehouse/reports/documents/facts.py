"""What a document says, in figures: queries on one release's file, as known at a time. No words, no layout.

The marts are shadowed by temporary tables as they stood at that time (`progress`, `target`), so that the text of the marts
that read them (SCORED) serves every vintage.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import duckdb
import polars as pl

from expectations.periods import period as read_period
from warehouse import marts
from warehouse.store import opened

Kind = Literal["self_check", "assessment"]
STATUSES = [  # worst first: the order in which a document speaks of targets
    "missed", "far_behind", "behind", "not_reported", "on_pace", "ahead", "achieved", "not_due", "not_assessable",
]  # fmt: skip
LATE = ("far_behind", "behind")


class ReportError(Exception):
    """A document that cannot be made of the release: why, and what can be asked instead."""


@dataclass(frozen=True)
class Vintage:
    """What a document rests on: said on every page."""

    plan_zh: str
    plan_en: str
    zone: str
    release: str
    released_at: dt.datetime
    known_at: dt.datetime
    revision: int
    code_version: str
    synthetic: bool

    @property
    def own(self) -> bool:
        """Whether the document speaks as of the release's own time."""
        return self.known_at == self.released_at

    def local(self, at: dt.datetime) -> str:
        return f"{at.astimezone(ZoneInfo(self.zone)):%Y-%m-%d %H:%M}"


@dataclass(frozen=True)
class Facts:
    """kind, period: which document; since, until: the days that it is about. One row in `summary`; `targets` by target,
    worst first; `series`: their figures up to `until`; `scores`: capabilities at the ends of quarters; `indices`: composite
    indices and their dimensions; `departments`, `owed` (what was not reported), `findings` that are open."""

    kind: Kind
    period: str
    since: dt.date
    until: dt.date
    vintage: Vintage
    summary: dict[str, Any]
    capabilities: pl.DataFrame
    targets: pl.DataFrame
    series: pl.DataFrame
    scores: pl.DataFrame
    indices: pl.DataFrame
    departments: pl.DataFrame
    scorecards: pl.DataFrame
    owed: pl.DataFrame
    findings: pl.DataFrame


def facts(file: Path, asked: str, known_at: dt.datetime | None) -> Facts:
    """The facts of `asked` (2022Q2, 2022) in a release's file, as known at `known_at`, or at the release's own time.

    A time without a zone is the plan's. Raises ReportError.
    """
    with opened(file) as con:
        lacking = NEEDED - {
            name for (name,) in con.execute("select table_name from information_schema.tables").fetchall()
        }
        if lacking:
            raise ReportError(
                f"{file.parent.name} has no table {', '.join(sorted(lacking))}: it was made by another version of the code,"
                " which makes its documents too"
            )
        [head] = con.sql(HEAD).pl().to_dicts()
        known = head["released_at"] if known_at is None else _at(known_at, head["zone"])
        label = _asked(con, asked)
        [period] = con.execute(
            "select span, period_start, period_end from period where period = ? and in_plan", [label]
        ).fetchall()
        span, since, until = period
        _held(known, until, head)
        for variable, value in (("known_at", known), ("since", since), ("until", until)):
            con.execute(f"set variable {variable} = ?", [value])
        con.execute(SHADOWS)
        for table in () if known == head["released_at"] else SCORED:
            con.execute(f"create temp table {table} as {marts.sql(table)}")
        [summary] = con.sql(SUMMARY).pl().to_dicts()
        [(revision,)] = con.execute("select coalesce(max(since), 1) from held").fetchall()
        vintage = Vintage(**head, known_at=known, revision=revision, synthetic=summary["synthetic"])
        return Facts(
            "self_check" if span == "quarter" else "assessment",
            label,
            since,
            until,
            vintage,
            summary,
            con.sql(CAPABILITIES.replace("{period}", label)).pl(),
            con.sql("select * exclude rank from told order by rank, shortfall desc nulls last, target").pl(),
            con.sql(SERIES).pl(),
            con.sql(SCORES).pl(),
            con.sql(INDICES).pl(),
            con.sql(DEPARTMENTS).pl(),
            con.sql(SCORECARDS).pl() if vintage.own else pl.DataFrame(),
            con.sql(OWED).pl(),
            con.sql(FINDINGS).pl(),
        )


def _at(known_at: dt.datetime, zone: str) -> dt.datetime:
    return known_at if known_at.tzinfo else known_at.replace(tzinfo=ZoneInfo(zone))


def _asked(con: duckdb.DuckDBPyConnection, asked: str) -> str:
    found = read_period(asked)
    kept = [
        p
        for (p,) in con.execute(
            "select period from period where in_plan and span in ('quarter', 'year') order by period_end, span"
        ).fetchall()
    ]
    if found is None or found.label not in kept:
        raise ReportError(f"{asked} is neither a quarter nor a year of the plan: ask for {', '.join(kept)}")
    return found.label


def _held(known: dt.datetime, until: dt.date, head: dict[str, Any]) -> None:
    """A document speaks of days that are over, and of what its release can know."""
    ended = dt.datetime.combine(until + dt.timedelta(days=1), dt.time(), ZoneInfo(head["zone"]))
    if known < ended:
        raise ReportError(f"the period ends on {until}; at {known.isoformat()} it had not ended")
    if known > head["released_at"]:
        raise ReportError(
            f"{head['release']} was made as of {head['released_at'].isoformat()} and knows nothing of {known.isoformat()}"
        )


NEEDED = {
    "plan", "release", "period", "progress", "target_version", "indicator", "capability", "department", "observation",
    "explanation", "obligation", "submission", "finding", "scorecard", "rule", "index_dimension", "score_part",
    "capability_score",
}  # fmt: skip
SCORED = [
    "score_part",
    "capability_score",
]  # of progress alone, but for departments' scores: those stand in no earlier vintage

HEAD = """
select p.name_zh as plan_zh, p.name_en as plan_en, p.zone, r.release, r.built_at as released_at, r.code_version
from plan p cross join release r
"""

# from here on `progress` and `target` are as known at the time asked
SHADOWS = f"""
create temp table held as
    select * from main.target_version
    where (valid_from is null or valid_from <= getvariable('known_at')) and (valid_to is null or valid_to > getvariable('known_at'));
create temp table target as select * exclude (since, valid_from, valid_to) from held;
create temp table progress as from progress_as_known_at(getvariable('known_at'));
create temp table known as from observation_as_known_at(getvariable('known_at'));
create temp table said as
    select e.*, s.path from main.explanation e join main.submission s using (submission)
    where e.known_from <= getvariable('known_at') and (e.known_to is null or e.known_to > getvariable('known_at'));
create temp table obligation as
    select o.* replace (
        case when o.state in ('on_time', 'late') and o.received_at <= getvariable('known_at') then o.state
             when (o.state = 'not_available' and o.received_at <= getvariable('known_at')) or exists (
                 from said e where e.department = o.department and e.indicator = o.indicator and e.area = o.area
                               and e.period = o.period and e.value is null) then 'not_available'
             when o.due_at <= getvariable('known_at') then 'missing'
             else 'not_due' end as state)
    from main.obligation o;
create temp table status_rank as
    select unnest({STATUSES!r}) as status, unnest(range({len(STATUSES)})) as rank;
-- each target where it stood at the last of its periods that ended by then
create temp table state as
    select * from progress where period_end <= getvariable('until')
    qualify row_number() over (partition by target order by period_end desc, period) = 1;
create temp table source as
    select s.target, o.indicator as source_indicator, o.period as source_period, f.path, f.sha256, o.sheet, o.row_number,
        o.known_from
    from state s
    join indicator i on i.indicator = s.indicator
    join known o on o.submission = s.submission and o.area = s.area and o.indicator in (s.indicator, i.level)
                and o.period_end <= s.period_end
    join submission f on f.submission = o.submission
    qualify row_number() over (partition by s.target order by o.indicator = s.indicator desc, o.value = s.actual desc,
                               o.period_end desc, o.measure, o.department, o.row_number nulls last) = 1;
create temp table reason as
    select s.target, e.note, e.value is null as none_available, e.path as note_path, e.sheet as note_sheet,
        e.row_number as note_row
    from state s
    join said e on e.indicator = s.indicator and e.area = s.area and e.period = s.period
    join indicator i on i.indicator = s.indicator and i.lead_department = e.department
    qualify row_number() over (partition by s.target order by e.known_from desc, e.submission desc, e.sheet nulls last,
                               e.row_number nulls last, e.note nulls last) = 1;
create temp table told as
    select t.target, t.indicator, i.name_zh, i.name_en, i.capability, c.number, i.lead_department as department,
        d.name_zh as department_zh, a.name_zh as area_zh, t.area, t.due, t.clause, t.section, t.comparator, t.tested, t.kind,
        coalesce(s.status, 'not_due') as status, s.period, s.period_end, s.actual, s.unit, s.target_value, s.expected,
        s.attainment, s.pace, s.gap, s.needed, s.forecast, s.forecast_low, s.forecast_high, s.will_meet, s.first_met,
        s.self_assessed, s.actual_origin, s.status_basis, coalesce(s.synthetic, false) as synthetic, s.submission,
        b.status as status_before, r.note, r.none_available, r.note_path, r.note_sheet, r.note_row,
        o.source_indicator, o.source_period, o.path, o.sha256, o.sheet, o.row_number, o.known_from, p.publisher,
        t.tested and coalesce(s.status, '') = 'missed' as missed,
        t.tested and coalesce(s.status, '') <> 'missed'
            and (coalesce(s.status, '') in {LATE!r} or coalesce(not s.will_meet, false)) as at_risk,
        1 - coalesce(s.pace, s.attainment) as shortfall,
        case when t.tested and coalesce(s.status, '') not in ('missed', 'far_behind', 'behind') and not s.will_meet then 2.5
             else k.rank end + case when t.tested then 0 else 100 end as rank
    from target t
    join indicator i on i.indicator = t.indicator
    join capability c on c.capability = i.capability
    join department d on d.department = i.lead_department
    left join area a on a.area = t.area
    left join state s on s.target = t.target
    left join (
        select target, status from progress where period_end < getvariable('since')
        qualify row_number() over (partition by target order by period_end desc, period) = 1
    ) b on b.target = t.target
    left join reason r on r.target = t.target
    left join source o on o.target = t.target
    left join baseline p on s.submission is null and p.indicator = t.indicator and p.area = t.area and p.period = s.period
    left join status_rank k on k.status = coalesce(s.status, 'not_due')
"""

SUMMARY = f"""
select count(*) as targets, count(*) filter (where tested) as tested,
    {", ".join(f"count(*) filter (where tested and status = '{s}') as {s}" for s in STATUSES)},
    count(*) filter (where at_risk) as at_risk,
    count(*) filter (where at_risk and status not in {LATE!r}) as only_forecast,
    count(*) filter (where tested and will_meet is not null) as with_forecast,
    count(*) filter (where tested and k.rank > b.rank and k.rank < 7 and b.rank < 7) as better,
    count(*) filter (where tested and k.rank < b.rank and k.rank < 7 and b.rank < 7) as worse,
    count(*) filter (where (missed or at_risk) and (note is not null or self_assessed is not null)) as with_reason,
    coalesce(bool_or(synthetic), false) or (
        select coalesce(bool_or(synthetic), false) from submission where received_at <= getvariable('known_at')) as synthetic,
    (select count(*) from obligation where period_end between getvariable('since') and getvariable('until')
        and state <> 'not_due') as due,
    {
    ", ".join(
        f"(select count(*) from obligation where period_end between getvariable('since') and getvariable('until')"
        f" and state = '{s}') as reported_{s}"
        for s in ("on_time", "late", "missing", "not_available")
    )
},
    (select count(*) from submission where received_at <= getvariable('known_at')) as submissions
from told t left join status_rank k using (status) left join status_rank b on b.status = t.status_before
"""

CAPABILITIES = f"""
select c.capability, c.number, c.name_zh, c.name_en, count(*) filter (where t.tested) as targets,
    {", ".join(f"count(*) filter (where t.tested and t.status = '{s}') as {s}" for s in STATUSES)},
    count(*) filter (where t.at_risk) as at_risk, any_value(g.score) as score
from capability c
left join told t on t.capability = c.capability
left join capability_score g on g.capability = c.capability and g.period = '{{period}}'
group by c.capability, c.number, c.name_zh, c.name_en order by c.number
"""

SERIES = """
select p.target, p.period, p.period_end, p.actual, p.expected, p.target_value, p.forecast, p.forecast_low, p.forecast_high, t.due
from progress p join told t on t.target = p.target
where p.period_end <= getvariable('until') order by p.target, p.period_end, p.period
"""

SCORES = """
select c.number, c.capability, c.name_zh, c.name_en, p.period, p.period_end, s.score, s.targets, s.achieved, s.behind
from capability_score s
join capability c on c.capability = s.capability
join period p on p.period = s.period
where p.span = 'quarter' and p.period_end <= getvariable('until')
order by c.number, p.period_end
"""

# an index and its dimensions, from the parts that make them
INDICES = """
with subject as (
    select distinct index, index_zh, 0 as number, index as subject, 'index' as subject_kind, index_zh as name_zh from index_dimension
    union all
    select index, index_zh, number, dimension, 'dimension', name_zh from index_dimension
)
select i.index, i.number, i.name_zh, p.period, p.period_end, max(s.score) as score, count(s.component) as parts,
    count(*) filter (where s.component is not null and s.normalised is null) as missing
from subject i
join period p on p.span = 'quarter' and p.in_plan and p.period_end <= getvariable('until')
left join score_part s on s.subject_kind = i.subject_kind and s.subject = i.subject and s.period = p.period
group by i.index, i.number, i.name_zh, p.period, p.period_end
order by i.index, i.number, p.period_end
"""

DEPARTMENTS = """
with reporting as (
    select department, count(*) filter (where state <> 'not_due') as due, count(*) filter (where state = 'on_time') as on_time,
        count(*) filter (where state = 'late') as late, count(*) filter (where state = 'missing') as missing,
        count(*) filter (where state = 'not_available') as not_available
    from obligation where period_end between getvariable('since') and getvariable('until') group by department
), reached as (
    select department, count(*) as targets, count(*) filter (where status = 'achieved') as achieved,
        count(*) filter (where status in ('ahead', 'on_pace')) as on_pace,
        count(*) filter (where status in ('behind', 'far_behind')) as behind, count(*) filter (where status = 'missed') as missed
    from told where tested group by department
)
select d.department, d.name_zh, coalesce(r.due, 0) as due, coalesce(r.on_time, 0) as on_time, coalesce(r.late, 0) as late,
    coalesce(r.missing, 0) as missing, coalesce(r.not_available, 0) as not_available, coalesce(t.targets, 0) as targets,
    coalesce(t.achieved, 0) as achieved, coalesce(t.on_pace, 0) as on_pace, coalesce(t.behind, 0) as behind,
    coalesce(t.missed, 0) as missed
from department d
left join reporting r on r.department = d.department
left join reached t on t.department = d.department
where r.due > 0 or t.targets > 0
order by coalesce(t.missed, 0) + coalesce(t.behind, 0) desc, coalesce(r.missing, 0) desc, d.department
"""

SCORECARDS = """
select d.name_zh, s.department, s.quarter, s.due, s.on_time, s.late, s.missing, s.rows_read, s.rows_returned, s.warnings,
    s.timeliness, s.quality, s.attainment, s.score
from main.scorecard s
join department d on d.department = s.department
join period q on q.period = s.quarter
where q.period_end between getvariable('since') and getvariable('until')
order by s.department, s.quarter
"""

OWED = """
select d.name_zh as department_zh, o.department, o.indicator, i.name_zh, o.area, a.name_zh as area_zh, o.period, o.due_at,
    o.state, o.due_basis, e.note
from obligation o
join department d on d.department = o.department
join indicator i on i.indicator = o.indicator
left join area a on a.area = o.area
left join (
    select * from said where value is null
    qualify row_number() over (partition by department, indicator, area, period
                               order by known_from desc, submission desc, row_number desc nulls last, note nulls last) = 1
) e on e.department = o.department and e.indicator = o.indicator and e.area = o.area and e.period = o.period
where o.state in ('missing', 'not_available') and o.period_end between getvariable('since') and getvariable('until')
order by o.department, o.due_at, o.indicator, o.area, o.period
"""

# across submissions (M) a rule knows no time of its own: at the release's own time only; M01 is `owed`
FINDINGS = """
select f.finding, f.rule, f.severity, f.department, d.name_zh as department_zh, s.path, f.sheet, f.row_number, f.column_name,
    f.indicator, f.period, f.value_text, f.expected_text, u.message_zh, f.basis, s.received_at
from finding f
left join submission s on s.submission = f.submission
left join department d on d.department = f.department
left join period p on p.period = f.period
left join rule u on u.rule = f.rule
where not f.confirmed and f.rule <> 'M01'
  and case when f.submission is null then getvariable('known_at') >= (select built_at from release)
           else s.received_at <= getvariable('known_at') and coalesce(s.withdrawn_at > getvariable('known_at'), true) end
  and case when p.period is null
           then cast(s.received_at at time zone (select zone from plan) as date) between getvariable('since') and getvariable('until')
           else p.period_end between getvariable('since') and getvariable('until') end
order by f.weight desc nulls last, f.rule, f.department nulls last, s.path nulls last, f.sheet nulls last,
    f.row_number nulls last, f.finding
"""
