"""The marts: one .sql file a table, made from the judged months and the compiled plan, written as Parquet.

The files keep to the SQL that DuckDB and Spark share, and run on either (`warehouse.spark.marts`); what they read besides the
judged months is made by DuckDB here. Parameters come from the one-row table `params`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from typing import Any

import duckdb
import polars as pl

from expectations.compiled import compiled
from expectations.model import Plan
from warehouse import compared, sums
from warehouse.findings import FINDING_TABLE, Verdict, evaluate
from warehouse.judge import refuse_damaged
from warehouse.ledger import ledger
from warehouse.marts import by_month
from warehouse.marts.judged import MONTHS, bound
from warehouse.resolved import plan_tables, put
from warehouse.spark import DUCKDB
from warehouse.store import Store, connect, copy_to, discard, files_sql, month_of, write_whole
from warehouse.version import code_version

FROM_PLAN = ["plan", "capability", "department", "area", "indicator", "target", "target_version", "published", "baseline", "period",
             "trajectory", "pace", "forecast_policy", "status_credit", "scorecard_weight", "score_rule", "score_weight", "index_dimension"]  # fmt: skip
MADE = ["observation", "explanation", "obligation", "reminder", "finding", "submission", "progress", "forecast", "reporting",
        "score_part", "capability_score", "scorecard", "index_score", "sensitivity", "filing", "rule", "reconciliation"]  # fmt: skip
TABLES = [*FROM_PLAN, *MADE]
STATUSES = [
    "achieved",
    "ahead",
    "on_pace",
    "behind",
    "far_behind",
    "missed",
    "not_reported",
    "not_due",
    "not_assessable",
]  # of progress

Progress = Callable[[str], None]
Done = dict[str, float]  # by what is counted
Maker = Callable[[str], Done]  # writes a mart as a file or a folder of parts; what it took, but the seconds
ByMonth = Callable[[str, str], Done]  # the same as a file a month, by this query


@dataclass(frozen=True)
class Made:
    """Rows and a preview of each mart, the verdicts of the rules across submissions, and for people: what is `missing`
    by department, targets by `status` at the end of the plan, and targets that do not stand once a period. What each
    mart took, in seconds and in what else its engine counts; `by`: which engine it was, and of a cluster where to look."""

    rows: dict[str, int]
    preview: dict[str, pl.DataFrame]
    verdicts: list[Verdict]
    missing: pl.DataFrame
    status: pl.DataFrame
    odd_targets: pl.DataFrame
    health: pl.DataFrame  # of the rules
    took: dict[str, Done]
    by: dict[str, str]


def sql(table: str) -> str:
    return (files("warehouse.marts") / f"{table}.sql").read_text("utf-8")


def make(
    store: Store, plan: Plan, as_of: dt.datetime, progress: Progress = lambda _: None, engine: str = DUCKDB
) -> Made:
    """Makes every mart as it stands at `as_of` (timezone-aware) and writes each to the store, whole or not at all.

    Raises StoreError where a judged month is damaged, which is then judged anew by the next run, and where the disk is full;
    EngineError where the cluster at the address `engine` cannot be used.
    """
    from expectations.suites import ACROSS, APART

    with (
        store.room(),
        store.writing("marts", progress),
        contextlib.ExitStack() as after,
        connect(store.root, spill=store.spill, in_order=True) as con,
        _maker(con, store, engine, progress) as (maker, by),
    ):
        after.callback(discard, store.spill)
        refuse_damaged(store)
        (store.marts / "made.json").unlink(missing_ok=True)  # from here on they are not whole
        inputs(con, store, plan, as_of)
        apart = partial(by_month.make, con, store, plan, as_of) if engine == DUCKDB and by_month.much(store) else None
        if apart is None:
            _owed(con, plan)
        took = {"obligation": _made(con, store, "obligation", maker, progress, apart)}
        con.execute("drop table if exists obligation_due")
        compared.across(con, APART)
        con.execute(FINDING_TABLE)
        verdicts = evaluate(con, store, plan, "across", ACROSS, None)
        compared.beside_published(con, APART)
        con.execute(
            "drop view across; drop table across_told; drop table across_figure; alter table finding rename to found_across"
        )
        con.execute("insert into stored_evaluated by name select month, rule, evaluated from evaluated")
        _found(con, store)
        con.execute("drop table rule")
        for table in MADE:
            if table != "obligation":
                took[table] = _made(con, store, table, maker, progress, apart)
        for table in FROM_PLAN:
            _copied(con, store, f'from "{table}"', table)
        said = {"as_of": as_of.astimezone(dt.UTC).isoformat(), "input_digest": input_digest(store, plan, as_of)}
        rows, preview = {}, {}
        for table in TABLES:
            [(rows[table],)] = con.execute(f'select count(*) from "{table}"').fetchall()
            preview[table] = con.sql(f'select * from "{table}" limit 10').pl()
        sums.enter(store.marts, [f"{table}.parquet" for table in TABLES])
        write_whole(store.marts / "made.json", json.dumps(said).encode())
        return Made(
            rows,
            preview,
            verdicts,
            con.sql(MISSING).pl(),
            con.sql(STATUS).pl(),
            con.sql(ODD_TARGETS).pl(),
            con.sql(HEALTH).pl(),
            took,
            by,
        )


def made(store: Store) -> dict[str, str] | None:
    """as_of and input_digest of the marts in the store; None where they were not made to the end."""
    try:
        said = json.loads((store.marts / "made.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return said if isinstance(said, dict) and {"as_of", "input_digest"} <= said.keys() else None


def damage(store: Store) -> str | None:
    """The first mart that is not as it was written; the next run then makes all of them. None: all are."""
    wrong = sums.damage(store.marts, [f"{table}.parquet" for table in TABLES])
    if wrong:
        (store.marts / "made.json").unlink(missing_ok=True)
    return wrong


IN_ORDER = ("observation",)  # made of one table that rests in the order that the mart asks for


@contextlib.contextmanager
def _maker(
    con: duckdb.DuckDBPyConnection, store: Store, engine: str, progress: Progress
) -> Iterator[tuple[Maker, dict[str, str]]]:
    """What makes a mart on the engine, and what there is to say of the engine."""
    if engine == DUCKDB:
        yield partial(_here, con, store), {"engine": f"DuckDB {duckdb.__version__}"}
        return
    from warehouse.spark.marts import making  # it imports pyspark

    with making(engine, con, store, progress) as cluster:
        yield cluster


def _made(
    con: duckdb.DuckDBPyConnection, store: Store, table: str, maker: Maker, progress: Progress, apart: ByMonth | None
) -> Done:
    """Has the mart written, and gives the marts that read it a view: none is ever held whole. `apart` makes those that are a
    file a month, in a store where there are such."""
    progress(f"making {table}")
    began = time.perf_counter()
    if apart and table in by_month.BY_MONTH:
        done = apart(table, _in_order(table))
        for name in MONTHS:
            bound(con, store, name)
    else:
        done = maker(table)
    con.execute(f'create view "{table}" as from read_parquet({files_sql(store.mart(table))})')
    return {"seconds": round(time.perf_counter() - began, 3)} | done


def _here(con: duckdb.DuckDBPyConnection, store: Store, table: str) -> Done:
    """Writes the mart as one Parquet file, row by row as it comes."""
    _copied(con, store, _in_order(table), table)
    return {}


def _in_order(table: str) -> str:
    """The mart's query. The largest, observation, is made of what is in its order already: sorting would cost more than making
    it. DuckDB keeps the order of what it reads, but not through a join."""
    query = sql(table)
    return query.rpartition("order by")[0] if table in IN_ORDER else query


def _copied(con: duckdb.DuckDBPyConnection, store: Store, query: str, table: str) -> None:
    file = store.marts / f"{table}.parquet"
    if file.is_dir():
        discard(file)  # a cluster made it the last time
    copy_to(con, query, file)


def _found(con: duckdb.DuckDBPyConnection, store: Store) -> None:
    """View stored_finding: all findings, as one reading of files. A union of tables and files would be sorted by several
    pipelines at once, each with memory of its own."""
    paths = [p for name in ("validity", "quality") for p in sorted(store.months.glob(f"*/{name}.parquet"))]
    for table in ("found_across", "found_in_file"):
        paths.append(store.spill / "found" / f"{table}.parquet")
        copy_to(con, f"from {table}", paths[-1])
        con.execute(f"drop table {table}; create view {table} as from read_parquet({files_sql([paths[-1]])})")
    con.execute(f"create view stored_finding as from read_parquet({files_sql(paths)}, union_by_name = true)")


def has(con: duckdb.DuckDBPyConnection, table: str) -> bool:
    return bool(con.execute("from duckdb_columns() where table_name = ? limit 1", [table]).fetchall())


def input_digest(store: Store, plan: Plan, as_of: dt.datetime) -> str:
    """What the marts depend on: plan, code, submissions, the months as judged, and which deadlines have passed or
    are near enough for a reminder."""
    digest = hashlib.sha256()
    with ledger(store) as db:
        for submission in db.execute("select submission, received_at, reader from submission order by submission"):
            digest.update(repr(submission).encode())  # one at a time: a country's are millions
        said = [db.execute(f"select * from {act} order by 1").fetchall() for act in ("withdrawal", "certification")]
    states = sorted(store.months.glob("*/state.json"))
    judged = [(month_of(p.parent), p.read_text("utf-8", errors="replace")) for p in states]
    tables, now = compiled(plan), as_of.astimezone(dt.UTC)
    times = [
        tables["obligation"]["due_at"],
        tables["reminder_from"]["remind_at"],
        tables["filing_due"]["certify_by"],
        tables["filing_due"]["lock_at"],
    ]
    passed = [int((time <= now).sum()) for time in times]
    digest.update(repr((plan.digest, code_version(), said, judged, passed)).encode())
    return digest.hexdigest()


def _owed(con: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    """Table obligation_due."""
    con.execute("drop table if exists obligation_due")
    for part in compiled(plan)["obligation"].iter_slices(1_000_000):  # tens of millions for a city of many areas
        con.register("_incoming", part.to_arrow())
        con.execute(
            "create table if not exists obligation_due as from _incoming limit 0; insert into obligation_due from _incoming"
        )
        con.unregister("_incoming")


def inputs(con: duckdb.DuckDBPyConnection, store: Store, plan: Plan, as_of: dt.datetime) -> None:
    """What the mart files read besides each other: params, landed, certification, judged_row, stored_observation, found_in_file,
    validity and quality (findings), stored_evaluated, obligation_due, reminder_due, rule_registered and the plan's tables."""
    plan_tables(con, plan, without=["obligation"])
    con.execute("create table rule_registered as from rule")
    con.execute("create table params as select ?::timestamptz as as_of", [as_of])
    con.execute(REMINDER_DUE)
    with ledger(store) as db:
        landed = pl.read_database(LANDED, db, infer_schema_length=None, schema_overrides=TYPES)
        certified = pl.read_database(
            "select number, department, quarter, certified_at, role, figures from certification",
            db,
            schema_overrides=TYPES,
        )
    put(con, "landed", landed.with_columns(pl.col("synthetic") != 0))
    put(con, "certification", certified)
    for table in MONTHS:
        bound(con, store, table)
    con.execute("create table stored_evaluated (month varchar, rule varchar, evaluated bigint)")
    for table in ("validity", "quality"):
        if any(store.months.glob(f"*/{table}.parquet")):
            con.execute(f"insert into stored_evaluated by name select month, rule, evaluated from {table}_evaluated")
    con.execute(FILE_FINDINGS)


LANDED = """
select s.submission, s.department, s.source, s.path, s.sha256, s.bytes, s.received_at, s.format, coalesce(s.synthetic, 0) as synthetic, s.reason,
    s.fault_rule, s.fault_found, s.fault_expected, s.fault_sheet, s.fault_row, w.withdrawn_at, w.role as withdrawn_by, w.why as withdrawn_why
from submission s left join withdrawal w using (submission)
"""
INSTANT = pl.Datetime("us", "UTC")
TYPES: dict[str, Any] = dict.fromkeys(
    ["submission", "department", "source", "path", "sha256", "format", "fault_rule", "fault_found", "fault_expected", "fault_sheet",
     "withdrawn_by", "withdrawn_why", "reason", "number", "quarter", "role"],
    pl.String,
) | dict.fromkeys(["bytes", "synthetic", "figures"], pl.Int64) | {"fault_row": pl.Int32} | dict.fromkeys(
    ["received_at", "withdrawn_at", "certified_at"], INSTANT
)  # fmt: skip

MISSING = """
select o.department, d.name_zh, count(*) as missing, min(o.period) as since
from obligation o join department d using (department) where o.state = 'missing' group by all order by missing desc, o.department
"""
STATUS = """
select status, count(*) as targets
from (select target, status from progress qualify row_number() over (partition by target order by period_end desc) = 1)
group by all order by all
"""
ODD_TARGETS = """
select t.target, count(p.target) as rows, count(distinct p.period) as periods, count(p.status) as statuses
from target t left join progress p using (target) group by all
having count(p.target) = 0 or count(p.target) <> count(distinct p.period) or count(p.status) <> count(*)
"""
HEALTH = "select rule, evaluated, fired, confirmed, health from rule order by rule"

# days between days of the plan's own time zone; whoever makes the marts on another engine makes this table its own way
REMINDER_DUE = """
create table reminder_due as
select d.due_at, d.due_text, d.remind_at,
    cast(abs(date_diff('day', cast(p.as_of at time zone c.zone as date), d.due_day)) as integer) as days
from reminder_from d cross join params p cross join plan c where d.remind_at <= p.as_of
"""

# a file returned whole: what its reader said
FILE_FINDINGS = """
create table found_in_file as
select substr(sha256(concat_ws('|', l.submission, l.fault_rule)), 1, 16) as finding, l.submission, l.department,
    l.fault_rule as rule, r.severity, r.weight, l.fault_sheet as sheet, l.fault_row as row_number,
    l.fault_found as value_text, l.fault_expected as expected_text,
    l.path || coalesce(' 工作表「' || l.fault_sheet || '」', '') || coalesce(' 第' || l.fault_row || '行', '') || ':'
        || r.message_zh || '。发现「' || l.fault_found || '」,应为「' || l.fault_expected || '」。' || r.mend_zh || '。'
        as message_zh,
    l.path || coalesce(', sheet ' || l.fault_sheet, '') || coalesce(', row ' || l.fault_row, '') || ': ' || r.message_en
        || '. Found "' || l.fault_found || '", expected "' || l.fault_expected || '". To do: ' || r.mend_en || '.'
        as message_en,
    r.basis, false as confirmed
from landed l join rule_registered r on r.rule = l.fault_rule
"""
