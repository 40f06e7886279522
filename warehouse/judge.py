"""Judging: rows x plan -> kept and returned rows, findings, observations. Set-based, a month's partition at a time or many.

`validity` decides which rows are kept (V rules) and what is known from them; `quality` flags kept rows (Q rules). A figure
is compared with its own history, so `quality` covers the later months too.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from expectations.compiled import compiled
from expectations.model import Plan
from expectations.units import unit
from warehouse import compared, sums, validations
from warehouse.findings import FINDING_TABLE, Verdict, applied
from warehouse.ledger import ledger
from warehouse.reading import mended
from warehouse.store import Store, connect, copy_to, files_sql, write_whole
from warehouse.trouble import StoreError
from warehouse.version import JUDGING, code_version

Progress = Callable[[str], None]


STATE = "state.json"  # of a month: which inputs its judgement rests on
HALF_WAY = "half_way.json"  # the same, while the flags are still to come
AT_ONCE = 1_500_000  # rows judged together


@dataclass(frozen=True)
class Judged:
    """What a pass did: the months it covered and the verdict of each rule over all of them; `by`: who did which of them,
    where that was not this process."""

    months: list[str] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    by: list[dict[str, Any]] = field(default_factory=list, compare=False)

    @property
    def crashed(self) -> list[Verdict]:
        return [v for v in self.verdicts if v.crashed]


@dataclass(frozen=True)
class Brief:
    """What whoever judges some of a pass's months is given besides the store and the plan: with it nobody opens the ledger.

    `folder`: a place of its own while the pass lasts, with tables of the ledger as Parquet (HANDED_OVER). `leave`: to write
    (`Store.helping`). By month: how many `rows` were read, and the `state` that its judgement rests on.
    """

    folder: Path
    leave: str
    rows: dict[str, int]
    state: dict[str, dict[str, str | None]]


@dataclass(frozen=True)
class Part:
    """Months judged together: the verdicts, and Great Expectations' own account of them; `by`: who did it."""

    months: list[str]
    verdicts: list[Verdict]
    latest: validations.Latest
    by: dict[str, Any] | None = None


Work = Callable[[duckdb.DuckDBPyConnection, Store, Plan, Brief, Sequence[str], Progress], list[Part]]
Hands = Callable[[Work, Store, Plan, Brief, Sequence[str], Progress], list[Part]]  # who does a work, and where


def here(work: Work, store: Store, plan: Plan, brief: Brief, months: Sequence[str], progress: Progress) -> list[Part]:
    """All months one after the other in this process."""
    with connect(store.root, spill=brief.folder / "spill") as con:
        return work(con, store, plan, brief, months, progress)


def months_with_rows(store: Store, departments: Sequence[str] = ()) -> list[str]:
    """The months that submissions touch: of these departments, or of all."""
    query = "select distinct month from submission_month join submission using (submission)"
    if departments:
        query += f" where department in ({', '.join('?' * len(departments))})"
    with ledger(store) as db:
        return [m for (m,) in db.execute(f"{query} order by month", list(departments))]


def month_inputs(store: Store, plan: Plan) -> dict[str, str]:
    """By month, a digest of all that its judgement depends on: plan, code, and the submissions that touch it."""
    digests: dict[str, Any] = {}
    with ledger(store) as db:
        for month, *submission in db.execute(  # one at a time: a country's are millions
            "select m.month, s.submission, s.received_at, s.reader, s.fault_rule is null, (select group_concat(received_at)"
            " from (select received_at from sent_again a where a.submission = s.submission order by received_at))"
            ", (select withdrawn_at from withdrawal w where w.submission = s.submission)"
            " from submission_month m join submission s using (submission) order by m.month, s.submission"
        ):
            if month not in digests:
                digests[month] = hashlib.sha256(f"{plan.digest} {code_version(JUDGING)}".encode())
            digests[month].update(repr(submission).encode())
    return {month: digest.hexdigest() for month, digest in digests.items()}


def made_by(plan: Plan) -> dict[str, str]:
    """What a judgement rests on besides the submissions."""
    return {"plan": f"{plan.head.plan} r{plan.head.revision} {plan.digest[:12]}", "code": code_version(JUDGING)}


def stale_months(store: Store, plan: Plan) -> list[str]:
    """The months whose judgement is missing, or older than the plan, the code or the submissions."""
    inputs = month_inputs(store, plan)
    judged = {p.parent.name: state["inputs"] for p in store.months.glob(f"*/{STATE}") if (state := state_of(p.parent))}
    left = {month for month, rest in judged.items() if rest is not None and month not in inputs}
    return sorted(left | {month for month, digest in inputs.items() if judged.get(month) != digest})


def state_of(month: Path) -> dict[str, str] | None:
    """What a judged month's state.json says; None where there is none, or none that can be read."""
    try:
        state = json.loads((month / STATE).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return state if isinstance(state, dict) and "inputs" in state else None


def forget_damaged(store: Store, months: Iterable[str] | None = None) -> list[str]:
    """Of the judged months (all, or those given), makes those stale whose files are not as they were written; says which
    files these are. To be called before the files are used."""
    files = [f"{name}.parquet" for name in (*WRITTEN, *FLAGGED)]
    chosen = None if months is None else set(months)
    found = []
    for folder in sorted(p.parent for p in store.months.glob(f"*/{STATE}")):
        if (chosen is None or folder.name in chosen) and (wrong := sums.damage(folder, files)):
            (folder / STATE).unlink()
            found.append(wrong)
    return found


def refuse_damaged(store: Store, months: Iterable[str] | None = None) -> None:
    """Raises StoreError where `forget_damaged` finds something."""
    if found := forget_damaged(store, months):
        more = f"; and {len(found) - 5} more" if len(found) > 5 else ""
        raise StoreError(
            f"{'; '.join(found[:5])}{more}. Run again: these months are judged anew from what was received"
        )


def looking_back_on(months: Iterable[str], known: Sequence[str]) -> list[str]:
    """`months`, and those among `known` whose figures are compared with theirs: the later ones, as far as rules look back."""
    chosen = set(months)
    first = compared.month_number(min(chosen))
    return sorted(chosen | {m for m in known if first < compared.month_number(m) <= first + compared.LOOK_BACK})


def validity(
    store: Store, plan: Plan, months: Sequence[str], progress: Progress = lambda _: None, hands: Hands = here
) -> Judged:
    """Judges every row of the months' partitions anew and writes row, validity and observation of each."""
    if not months:
        return Judged()
    with store.room(), store.writing("judging", progress):
        mended(store, plan, _touching(store, months), progress)
        inputs, made = month_inputs(store, plan), made_by(plan)
        with _brief(store, months, {month: {"inputs": inputs.get(month), **made} for month in months}) as brief:
            _hand_over(store, brief)
            return _together(store, "judged", hands(judged, store, plan, brief, sorted(months), progress))


def judged(
    con: duckdb.DuckDBPyConnection, store: Store, plan: Plan, brief: Brief, months: Sequence[str], progress: Progress
) -> list[Part]:
    """The work of `validity`. What was judged before a rule crashed stands, and the months stay stale."""
    from expectations.suites import VALIDITY, ExpectLockedFigureToStand

    sound = " and ".join(f"not coalesce({r.broken}, false)" for r in VALIDITY if r is not ExpectLockedFigureToStand)
    done: list[Part] = []
    plan_tables(con, plan, without=["obligation"])
    for part in in_parts(brief.rows, months, AT_ONCE):
        _raw(con, store, brief, part)
        _resolved(con, plan)
        [(rows,)] = con.execute("select count(*) from judged").fetchall()
        progress(f"judging {rows:,} rows of {len(part)} months; {_so_far(done)} of {len(months)} months are done")
        if plan.policy.filing and plan.policy.filing.lock:
            con.execute(LOCKED.replace("{sound}", sound))
        con.execute(FINDING_TABLE)
        found = applied(con, plan, "judged", VALIDITY)
        done.append(Part(part, found.verdicts, found.latest))
        if found.crashed:
            return done
        con.execute(SPLIT)
        con.execute(OBSERVE)
        with store.helping(brief.leave):
            validations.record(con, store, "judged", VALIDITY, found.result, part)
        for month in part:
            folder = store.months / month
            with store.helping(brief.leave):
                (folder / STATE).unlink(missing_ok=True)
                for name, query in WRITTEN.items():
                    copy_to(con, query.format(month=month), folder / f"{name}.parquet")
                sums.enter(folder, [f"{name}.parquet" for name in WRITTEN])
                write_whole(folder / HALF_WAY, json.dumps(brief.state[month]).encode())
    return done


def quality(
    store: Store, plan: Plan, months: Sequence[str], progress: Progress = lambda _: None, hands: Hands = here
) -> Judged:
    """Flags the kept rows of the months, and of the later months that look back on them, and writes quality of each."""
    chosen = looking_back_on(months, months_with_rows(store)) if months else []
    wanted = [m for m in chosen if (store.months / m / "row.parquet").exists()]
    if not wanted:
        return Judged()
    with store.room(), store.writing("judging", progress):
        refuse_damaged(store, compared.looked_at(store, wanted))
        with _brief(store, wanted, {}) as brief:
            done = _together(store, "kept", hands(flagged, store, plan, brief, wanted, progress))
        if done.crashed:
            return done
        for month in months:  # last of all: a month that says so has been judged whole
            if (store.months / month / HALF_WAY).exists():
                os.replace(store.months / month / HALF_WAY, store.months / month / STATE)
        return done


def flagged(
    con: duckdb.DuckDBPyConnection, store: Store, plan: Plan, brief: Brief, months: Sequence[str], progress: Progress
) -> list[Part]:
    """The work of `quality`: expects that the months, and those before them, have been `judged`."""
    from expectations.suites import QUALITY

    done: list[Part] = []
    plan_tables(con, plan)
    compared.standing(con, store, months)
    for part in in_parts(brief.rows, months, AT_ONCE):
        progress(f"flagging kept rows of {len(part)} months; {_so_far(done)} of {len(months)} months are done")
        compared.kept(con, store, part)
        con.execute(FINDING_TABLE)
        found = applied(con, plan, "kept", QUALITY)
        done.append(Part(part, found.verdicts, found.latest))
        if found.crashed:
            return done
        with store.helping(brief.leave):
            validations.record(con, store, "kept", QUALITY, found.result, part)
        for month in part:
            with store.helping(brief.leave):
                for name, query in FLAGGED.items():
                    copy_to(con, query.format(month=month), store.months / month / f"{name}.parquet")
                sums.enter(store.months / month, [f"{name}.parquet" for name in FLAGGED])
    return done


def _so_far(done: Sequence[Part]) -> int:
    return sum(len(part.months) for part in done)


def _touching(store: Store, months: Sequence[str]) -> set[str]:
    """The submissions whose rows the months are judged from."""
    wanted = f"select distinct submission from submission_month where month in ({', '.join('?' * len(months))})"
    with ledger(store) as db:
        return {submission for (submission,) in db.execute(wanted, list(months))}


@contextlib.contextmanager
def _brief(store: Store, months: Sequence[str], state: dict[str, dict[str, str | None]]) -> Iterator[Brief]:
    shutil.rmtree(store.spill, ignore_errors=True)  # of a process that was killed
    folder = store.spill / "judging"
    folder.mkdir(parents=True)
    with ledger(store) as db:
        rows = dict(db.execute("select month, sum(rows) from submission_month group by month").fetchall())
    try:
        yield Brief(folder, store.leave(), {month: rows.get(month, 0) for month in months}, state)
    finally:
        shutil.rmtree(store.spill, ignore_errors=True)


def _hand_over(store: Store, brief: Brief) -> None:
    """Puts into the brief's folder what the ledger says of its months."""
    with ledger(store) as db:
        for name, (query, schema) in HANDED_OVER.items():
            found = db.execute(query, {"months": json.dumps(list(brief.rows))}).fetchall()
            pl.DataFrame(found, schema, orient="row").write_parquet(brief.folder / f"{name}.parquet")


INSTANT = pl.Datetime("us", "UTC")
HANDED_OVER: dict[str, tuple[str, dict[str, Any]]] = {
    "submission": (  # of each month, the submissions that were not returned whole
        "select m.month, s.submission, s.department, s.path, s.received_at, s.reason is not null as reasoned,"
        " coalesce(s.synthetic, 0) <> 0 as synthetic from submission s join submission_month m using (submission)"
        " where s.fault_rule is null and m.month in (select value from json_each(:months)) order by m.month",
        {"month": pl.String, "submission": pl.String, "department": pl.String, "path": pl.String,
         "received_at": INSTANT, "reasoned": pl.Boolean, "synthetic": pl.Boolean},
    ),
    # when which of the submissions spoke again, and was withdrawn
    "sent_again": ("select submission, received_at from sent_again", {"submission": pl.String, "received_at": INSTANT}),
    "withdrawal": ("select submission, withdrawn_at from withdrawal", {"submission": pl.String, "withdrawn_at": INSTANT}),
}  # fmt: skip


def in_parts(rows: dict[str, int], months: Sequence[str], limit: float) -> list[list[str]]:
    """The months, one after the other, as many together as have `limit` rows; one that has more is a part of its own."""
    parts: list[list[str]] = []
    held = 0
    for month in sorted(months):
        held += rows[month]
        if not parts or held > limit:
            parts.append([])
            held = rows[month]
        parts[-1].append(month)
    return parts


def _together(store: Store, batch: str, parts: Sequence[Part]) -> Judged:
    """Stores the parts' validation as the latest run's."""
    validations.keep_latest(store, batch, [part.latest for part in parts])
    total: dict[str, Verdict] = {}
    for verdict in (v for part in parts for v in part.verdicts):
        before = total.get(verdict.rule, Verdict(verdict.rule, 0, 0))
        total[verdict.rule] = Verdict(
            verdict.rule,
            before.evaluated + verdict.evaluated,
            before.fired + verdict.fired,
            before.crashed or verdict.crashed,
        )
    months = [month for part in parts for month in part.months]
    return Judged(months, list(total.values()), [part.by for part in parts if part.by])


def plan_tables(con: duckdb.DuckDBPyConnection, plan: Plan, without: Sequence[str] = ()) -> None:
    """The compiled plan as tables of the connection, and the macros by which figures are read."""
    for name, table in compiled(plan).items():
        if name not in without:
            con.register("_incoming", table.to_arrow())
            con.execute(f'create or replace table "{name}" as select * from _incoming')
    con.unregister("_incoming")
    con.execute((files("expectations") / "figures.sql").read_text("utf-8"))


def _raw(con: duckdb.DuckDBPyConnection, store: Store, brief: Brief, months: Sequence[str]) -> None:
    """Table raw: the rows of the months' partitions from every submission that was not returned whole; table sent_again:
    when which of the submissions spoke again; table withdrawal: when which was withdrawn."""
    handed = {name: f"read_parquet({files_sql([brief.folder / f'{name}.parquet'])})" for name in HANDED_OVER}
    for name in ("sent_again", "withdrawal"):
        con.execute(f"create or replace table {name} as from {handed[name]}")
    con.execute(
        f"create or replace table asked as select * exclude (month), min(month) as begins from {handed['submission']}"
        " where month in (select unnest($months)) group by all",
        {"months": list(months)},
    )
    # a month's rows beside one another: what is written is written a month at a time
    submissions = con.execute("select submission from asked order by begins, submission").fetchall()
    paths = [store.rows / f"{submission}.parquet" for (submission,) in submissions]
    source = f"read_parquet({files_sql(paths)})" if paths else f"({EMPTY_ROWS})"
    con.execute(
        f"""
        create or replace table raw as
        select r.*, s.department, s.path, s.received_at, s.reasoned, s.synthetic,
               (s.received_at at time zone (select zone from plan))::date as received_on
        from {source} r join asked s using (submission)
        where r.month in (select unnest($months))
          and not (r.form = 'wide' and coalesce(trim(r.value_text), '') = ''
                   and r.period_end >= (s.received_at at time zone (select zone from plan))::date)
        """,
        {"months": list(months)},
    )


EMPTY_ROWS = "select " + ", ".join(
    [f"null::varchar as {c}" for c in
     ["sheet", "column_name", "form", "indicator_text", "name_text", "period_text", "area_text", "value_text", "unit_text", "measure_text", "note_text", "self_text", "surplus_text", "span", "month", "submission"]]
    + ["null::integer as row_number", "null::date as period_start", "null::date as period_end", "null::boolean as cumulative"]
) + " where false"  # fmt: skip


def _plain(text: pl.Expr) -> pl.Expr:
    """A name as it is compared: without white space, full-width forms and case."""
    return text.str.normalize("NFKC").str.replace_all(r"\s", "").str.to_lowercase()


def _lookup(con: duckdb.DuckDBPyConnection, name: str, table: pl.DataFrame) -> None:
    con.register("_incoming", table.to_arrow())
    con.execute(f"create or replace table {name} as select * from _incoming")
    con.unregister("_incoming")


def _resolved(con: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    """Table judged: raw joined once to the plan. Each spelling (of a name, unit, figure) is read once, not once a row."""
    texts = con.sql(
        "select distinct t from (select unnest([indicator_text, name_text, area_text, measure_text]) as t from"
        " (select distinct indicator_text, name_text, area_text, measure_text from raw)) where t is not null"
    ).pl()
    text = pl.col("t")
    _lookup(
        con,
        "spelling",
        texts.select("t", _plain(text).alias("plain"), _plain(text).str.replace_all(r"\([^()]*\)", "").alias("bare")),
    )
    for table, column in (("indicator_name", "name"), ("area", "name_zh"), ("area", "name_en"), ("measure", "text")):
        _lookup(con, f"{table}_{column}_plain", con.table(table).pl().with_columns(plain=_plain(pl.col(column))))
    con.execute(FIGURES)
    pairs = con.sql("select distinct unit_text, value_suffix from figured").pl()
    units = [(u, s, _stated(u), _stated(s)) for u, s in pairs.rows()]
    _lookup(
        con,
        "stated_unit",
        pl.DataFrame(
            [
                (u, s, stated.dimension if stated else None, stated.factor if stated else None,
                 bool(stated and stated.is_counter), bool(s and suffix is None),
                 bool(unit_of and suffix and unit_of != suffix))
                for u, s, unit_of, suffix in units
                for stated in [unit_of if u and u.strip() else suffix]
            ],
            schema={"unit_text": pl.String, "value_suffix": pl.String, "dimension": pl.String, "factor": pl.Float64,
                    "is_counter": pl.Boolean, "suffix_unknown": pl.Boolean, "disagree": pl.Boolean},
            orient="row",
        ),
    )  # fmt: skip
    con.execute(RESOLVE)


def _stated(text: str | None):  # type: ignore[no-untyped-def]
    return unit(text) if text and text.strip() else None


FIGURES = r"""
create or replace macro is_plain(t) as regexp_full_match(t, '-?\d{1,15}(\.\d{1,15})?');
create or replace table written_figure as
    select value_text, figure(value_text) as f
    from (select distinct value_text from raw where value_text is not null and not is_plain(value_text));
create or replace view figured as
    select r.rowid as row_id, r.*,
        case when is_plain(r.value_text) then 'figure' else coalesce(w.f.state, 'none') end as figure_state,
        case when is_plain(r.value_text) then try_cast(r.value_text as double) else w.f.value end as stated_value,
        case when is_plain(r.value_text) then plain_rounding(r.value_text) else w.f.rounding end as stated_rounding,
        coalesce(w.f.approximate, false) as approximate,
        coalesce(w.f.suffix, '') as value_suffix
    from raw r left join written_figure w using (value_text);
create or replace table indicator_stated as
    with pairs as (select distinct indicator_text, name_text from raw),
    named as (
        select p.*, c.indicator as code_indicator, c.name_zh as code_name,
            coalesce(n.indicator, b.indicator) as name_indicator,
            coalesce(trim(p.indicator_text), '') <> '' as has_code, coalesce(trim(p.name_text), '') <> '' as has_name
        from pairs p
        left join spelling sc on sc.t = p.indicator_text
        left join indicator c on c.indicator = sc.plain
        left join spelling sn on sn.t = p.name_text
        left join indicator_name_name_plain n on n.plain = sn.plain
        left join indicator_name_name_plain b on b.plain = sn.bare
    )
    select indicator_text, name_text, code_indicator, code_name,
        case when has_code and has_name then case when code_indicator = name_indicator then code_indicator end
             when has_code then code_indicator else name_indicator end as indicator
    from named;
create or replace table area_stated as
    select t as area_text, coalesce(a.area, z.area, e.area) as area
    from spelling s
    left join area a on a.area = s.plain
    left join area_name_zh_plain z on z.plain = s.plain
    left join area_name_en_plain e on e.plain = s.plain
"""

RESOLVE = """
create or replace view resolved as
select
    f.row_id, f.submission, f.department, f.path, f.received_at, f.received_on, f.month, f.sheet, f.row_number,
    f.column_name, f.form, f.indicator_text, f.name_text, f.period_text, f.area_text, f.value_text, f.unit_text,
    f.measure_text, f.self_text, f.surplus_text, f.value_suffix, f.period_end, f.reasoned, f.synthetic,
    coalesce(trim(f.note_text), '') <> '' as explained, nullif(trim(f.note_text), '') as note,
    x.code_indicator, x.code_name, x.indicator,
    i.lead_department, i.frequency, i.unit as own_unit, i.measure as own_measure, i.possible_low, i.possible_high,
    coalesce(i.whole_number, false) as whole_number,
    p.history_from, p.starts as plan_starts, p.ends as plan_ends, p.city,
    f.period_start < p.history_from or f.period_end > p.ends as outside_plan,
    case when coalesce(trim(f.area_text), '') = '' then p.city else a.area end as area,
    case when coalesce(trim(f.measure_text), '') <> '' then m.measure
         when f.cumulative and i.measure in ('period', 'ytd', 'end') then 'ytd'
         else coalesce(i.measure, 'none') end as measure,
    case when u.suffix_unknown then 'error' else f.figure_state end as value_state,
    f.approximate,
    case when coalesce(trim(f.unit_text), '') = '' and f.value_suffix = '' then 'own'
         when u.suffix_unknown and coalesce(trim(f.unit_text), '') = '' then 'own'
         when u.dimension is null then 'unknown'
         when i.indicator is null then 'own'
         when u.disagree then 'foreign'
         when u.dimension = i.unit_dimension then 'own'
         when u.is_counter and i.unit_is_counter then 'other counter'
         else 'foreign' end as unit_state,
    case when u.factor is null or u.factor = i.unit_factor then f.stated_value
         when u.factor > i.unit_factor then f.stated_value * (u.factor / i.unit_factor)
         else f.stated_value / (i.unit_factor / u.factor) end as converted,
    coalesce(u.factor / i.unit_factor, 1) as conversion, f.stated_rounding,
    i.indicator is null or ir.department is not null as may_report,
    f.span as stated_span, f.cumulative, f.period_start, i.span as own_span
from figured f
cross join plan p
left join indicator_stated x on x.indicator_text is not distinct from f.indicator_text
                            and x.name_text is not distinct from f.name_text
left join indicator i on i.indicator = x.indicator
left join indicator_reporter ir on ir.indicator = x.indicator and ir.department = f.department
left join area_stated a on a.area_text = f.area_text
left join spelling sm on sm.t = f.measure_text
left join measure_text_plain m on m.plain = sm.plain
left join stated_unit u on u.unit_text is not distinct from f.unit_text and u.value_suffix = f.value_suffix;

create or replace view placed as
select r.* exclude (converted, conversion, stated_rounding, period_start, stated_span, cumulative, own_span),
    case when r.unit_state in ('own', 'other counter') and r.value_state = 'figure' then r.converted end as value,
    -- "about 85" is as wide as policy says; of what is counted whole, ten and eleven are two figures
    case when r.value_state = 'figure' then greatest(r.stated_rounding * r.conversion * if(r.whole_number and r.stated_rounding * r.conversion <= 0.5, 0.5, 1),
        case when r.approximate then abs(r.converted) * (select about_tolerance from threshold) else 0 end) end as rounding,
    d.period, d.period_start as known_start, ia.area is not null as area_reported
from resolved r
-- a full year, a half and 1-3月 say how things stand since the year began: for a cumulative figure, a stock or a rate that is
-- the figure of the indicator's own period that ends there; for a figure "in the period alone" it is another period
left join period d on d.span = r.own_span and d.period_end = r.period_end
    and (r.stated_span = r.own_span
         or ((r.cumulative or r.stated_span in ('half', 'year')) and month(r.period_start) = month(r.plan_starts) and r.measure <> 'period'))
left join indicator_area ia on ia.indicator = r.indicator and ia.area = r.area;

create or replace table judged as
with reported as (
    select indicator, string_agg(area, ', ' order by area) as areas_reported from indicator_area group by all
    having count(*) <= 20
)
select p.*, a.areas_reported, null::double as value_lowest, null::double as value_highest, null::double as locked_value,
    null::varchar as lock_basis
from placed p
left join reported a on a.indicator = p.indicator
-- a blank cell of a wide table, under a period in which the indicator is not due, is no row
where not (p.form = 'wide' and coalesce(trim(p.value_text), '') = '' and p.indicator is not null and p.period is null);
drop table raw;

-- few figures are given twice in a file: found by a hash of their key, then by the key itself
create or replace table twice as
with figure as (
    select row_id, value, hash(submission, indicator, area, period, measure) as key from judged
    where value is not null and indicator is not null
), suspect as (
    select row_id from figure where key in (select key from figure group by key having min(value) < max(value))
)
select submission, indicator, area, period, measure, min(value) as value_lowest, max(value) as value_highest
from judged where row_id in (from suspect)
group by all having max(value) - min(value) > 1e-9 * greatest(abs(min(value)), abs(max(value)));
update judged j set value_lowest = t.value_lowest, value_highest = t.value_highest
from twice t where t.submission = j.submission and t.indicator = j.indicator and t.area = j.area
    and t.period = j.period and t.measure = j.measure and j.value is not null
"""

# in place: most rows are kept, and a copy of all columns costs more than all rules together
SPLIT = """
alter table judged add column kept boolean default true;
alter table judged add column news boolean default true;
update judged set kept = false where row_id in (select row_id from finding where severity = 'error' and row_id is not null);
create or replace view verdict as from judged
"""

# a correction of a figure that was accepted before its quarter was locked, and not while it was open again
LOCKED = """
create or replace view sound as select * from judged where value is not null and {sound};
create or replace table late as
    select s.row_id, s.department, s.indicator, s.area, s.period, s.measure, f.lock_at, f.lock_basis
    from sound s join filing_due f on s.period_end between f.period_start and f.period_end and s.received_at >= f.lock_at
    where not exists (from reopening r where r.department = s.department and r.quarter = f.quarter
                      and s.received_at >= r.opens_at and s.received_at < r.closes_at);
update judged j set locked_value = l.value, lock_basis = l.lock_basis
from (
    select c.row_id, b.value, c.lock_basis
    from late c
    join sound b on b.department = c.department and b.indicator = c.indicator and b.area = c.area and b.period = c.period
        and b.measure = c.measure and b.received_at < c.lock_at
    qualify row_number() over (partition by c.row_id order by b.received_at desc, b.submission desc) = 1
) l
where l.row_id = j.row_id and l.value <> j.value
"""

# a vintage lasts from the time a figure became known to the time another one replaced it; the same figure sent again
# changes nothing. Windows over text are dear and most figures are given once: only figures whose key's hash occurs twice
# go through them (two keys with one hash do no harm: the windows part them)
OBSERVE = """
create or replace view kept_figure as
    select row_id, indicator, area, period, known_start as period_start, period_end, measure, value, rounding, own_unit as unit, department, submission,
        sheet, row_number, received_at as known_from, approximate, nullif(trim(self_text), '') as self_assessed, synthetic, month,
        column_name,
        hash(department, indicator, area, period, measure) as key
    from (
        from verdict
        union all
        select v.* replace (a.received_at as received_at) from verdict v join sent_again a using (submission)
    ) where kept and value is not null;
create or replace table repeated as
    select key from kept_figure group by key having count(*) > 1
    union
    select key from kept_figure where submission in (select submission from withdrawal);
create or replace table observation as
with given as (
    select * exclude (key, column_name) from kept_figure where key in (from repeated)
    qualify row_number() over (partition by department, indicator, area, period, measure, known_from
                               order by submission desc, sheet, row_number, column_name) = 1
), events as (
    select g.*, w.withdrawn_at from given g left join withdrawal w on w.submission = g.submission and w.withdrawn_at > g.known_from
), stood as (
    select * exclude (withdrawn_at) from events
    union all by name
    -- from its withdrawal on, what stands without it: the latest before it that was not withdrawn itself, or nothing
    select b.row_id, e.indicator, e.area, e.period, e.period_start, e.period_end, e.measure, b.value, b.rounding, e.unit, e.department,
        b.submission, b.sheet, b.row_number, e.withdrawn_at as known_from, b.approximate, b.self_assessed, b.synthetic, e.month
    from events e
    left join events b on b.department = e.department and b.indicator = e.indicator and b.area = e.area and b.period = e.period
        and b.measure = e.measure and b.known_from <= e.withdrawn_at and coalesce(b.withdrawn_at > e.withdrawn_at, true)
    where e.withdrawn_at is not null
    qualify row_number() over (partition by e.department, e.indicator, e.area, e.period, e.measure, e.withdrawn_at
                               order by b.known_from desc nulls last, b.submission desc) = 1
), changed as (
    select *, lag(value) over w as value_before, lag(approximate) over w as approximate_before, lag(self_assessed) over w as self_before
    from stood window w as (partition by department, indicator, area, period, measure order by known_from)
), vintage as (
    select * exclude (value_before, approximate_before, self_before),
        case when value <> value_before then value_before end as replaced_value,
        lead(known_from) over (partition by department, indicator, area, period, measure order by known_from) as known_to
    from changed
    where value is distinct from value_before or approximate is distinct from approximate_before
       or self_assessed is distinct from self_before
)
from vintage where value is not null
union all
select * exclude (key, column_name), null::double, null::timestamptz from kept_figure where key not in (from repeated);
-- a row that only repeats what is known is no news: it is not late again
update judged set news = false where row_id in (
    select row_id from kept_figure where key in (from repeated) and row_id not in (select row_id from observation))
"""

WRITTEN = {
    "row": "select submission, department, path, received_at, month, sheet, row_number, column_name, indicator, area, period,"
    " period_end, measure, value, rounding, value_state, value_text, unit_text, value_suffix, own_unit, frequency, approximate,"
    " unit_state, explained, note, reasoned, kept, kept and news and value is not null as news,"
    " exists (from withdrawal w where w.submission = verdict.submission and not exists ("
    "from sent_again a where a.submission = w.submission and a.received_at > w.withdrawn_at)) as withdrawn"
    " from verdict where month = '{month}' order by submission, sheet, row_number, column_name",
    "validity": "select * exclude (row_id) from finding where month = '{month}' order by all",
    "validity_evaluated": "from evaluated where month = '{month}' order by rule",
    "observation": "select * exclude (row_id) from observation where month = '{month}'"
    " order by indicator, area, period, measure, department, known_from",
}

FLAGGED = {
    "quality": "select * exclude (row_id) from finding where month = '{month}' order by all",
    "quality_evaluated": "from evaluated where month = '{month}' order by rule",
}
