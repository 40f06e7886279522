"""Judging: rows x plan -> kept and returned rows, findings, observations. Set-based, a month's partition at a time or many.

`validity` decides which rows are kept (V rules) and what is known from them; `quality` flags kept rows (Q rules). A figure
is compared with its own history, so `quality` covers the later months too: of a month that was flagged before, the submissions
whose flags may have changed (`warehouse.touched`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from expectations.model import Plan
from warehouse import compared, sums, touched, validations
from warehouse.findings import FINDING_TABLE, Verdict, applied, counted
from warehouse.ledger import ledger
from warehouse.reading import mended
from warehouse.resolved import LOCKED, OBSERVE, SPLIT, plan_tables, put, raw, resolved
from warehouse.store import Store, connect, copy_to, files_sql, month_of, on_cursors, write_whole
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
    (`Store.helping`). By month: how many `rows` were read, the `state` that its judgement rests on, and, where not all of it
    is to be flagged, `only` which submissions.
    """

    folder: Path
    leave: str
    rows: dict[str, int]
    state: dict[str, dict[str, str | None]]
    only: dict[str, list[str]]


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
    judged = {
        month_of(p.parent): state["inputs"] for p in store.months.glob(f"*/{STATE}") if (state := state_of(p.parent))
    }
    left = {month for month, rest in judged.items() if rest is not None and month not in inputs}
    return sorted(left | {month for month, digest in inputs.items() if judged.get(month) != digest})


def state_of(month: Path, name: str = STATE) -> dict[str, str] | None:
    """What a judged month's state.json says; None where there is none, or none that can be read."""
    try:
        state = json.loads((month / name).read_bytes())
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
        if (chosen is None or month_of(folder) in chosen) and (wrong := sums.damage(folder, files)):
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
        state = {month: {"inputs": inputs.get(month), **made} for month in months}
        with _brief(store, months, state, {}) as brief:
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
        raw(con, store, brief.folder, part)
        resolved(con, plan)
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
            validations.record(con, store, "judged", found.result, part)
        on_cursors(con, partial(_written, store, brief), part)
    return done


def _written(store: Store, brief: Brief, con: duckdb.DuckDBPyConnection, month: str) -> None:
    folder = store.month(month)
    made = {name: query.format(month=month) for name, query in WRITTEN.items()}
    with store.helping(brief.leave):
        if _as_it_was_flagged(folder, brief.state[month]):
            touched.note(con, folder, made["row"], made["observation"])
        else:
            (folder / touched.FILE).unlink(missing_ok=True)
        (folder / STATE).unlink(missing_ok=True)
        for name, query in made.items():
            copy_to(con, query, folder / f"{name}.parquet")
        sums.enter(folder, [f"{name}.parquet" for name in WRITTEN])
        write_whole(folder / HALF_WAY, json.dumps(brief.state[month]).encode())


def _as_it_was_flagged(folder: Path, now: dict[str, str | None]) -> bool:
    """Whether it can be told what judging the month anew changes for its flags: they are of the same plan and code, and
    either of the files that are there or of others, and then what was touched since is noted. A month that is judged anew
    though nothing was sent is to be flagged whole: somebody asked for it."""
    flagged, half = state_of(folder), state_of(folder, HALF_WAY)
    noted = half if touched.known(folder) else None
    was = flagged if flagged and flagged["inputs"] != now["inputs"] else None if flagged else noted
    return was is not None and _alike(was, now) and not sums.damage(folder, ["row.parquet", "observation.parquet"])


def _alike(was: Mapping[str, str], now: Mapping[str, str | None]) -> bool:
    return (was.get("plan"), was.get("code")) == (now["plan"], now["code"])


def quality(
    store: Store, plan: Plan, months: Sequence[str], progress: Progress = lambda _: None, hands: Hands = here
) -> Judged:
    """Flags the kept rows of the months, and of the later months that look back on them, and writes quality of each."""
    chosen = looking_back_on(months, months_with_rows(store)) if months else []
    wanted = [m for m in chosen if (store.month(m) / "row.parquet").exists()]
    if not wanted:
        return Judged()
    with store.room(), store.writing("judging", progress):
        refuse_damaged(store, compared.looked_at(store, wanted))
        only = touched.submissions(store, plan, months, _flagged_before(store, plan, months, wanted))
        wanted = [m for m in wanted if only.get(m) != []]
        with _brief(store, wanted, {}, only) as brief:
            done = _together(store, "kept", hands(flagged, store, plan, brief, wanted, progress) if wanted else [])
        if done.crashed:
            return done
        for month in months:  # last of all: a month that says so has been judged whole
            if (store.month(month) / HALF_WAY).exists():
                os.replace(store.month(month) / HALF_WAY, store.month(month) / STATE)
            (store.month(month) / touched.FILE).unlink(missing_ok=True)
        return done


def _flagged_before(store: Store, plan: Plan, months: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Of the months `wanted`, those whose flags stand but for what is noted as touched in `months`."""
    made = made_by(plan)
    noted = {m: touched.known(store.month(m)) for m in months}

    def stands(month: str) -> bool:
        folder = store.month(month)
        if month in noted:
            return not sums.damage(folder, [f"{name}.parquet" for name in FLAGGED])
        state = state_of(folder)
        return state is not None and _alike(state, made)

    return [m for m in wanted if all(noted[b] for b in compared.looked_back_on(m, months)) and stands(m)]


def flagged(
    con: duckdb.DuckDBPyConnection, store: Store, plan: Plan, brief: Brief, months: Sequence[str], progress: Progress
) -> list[Part]:
    """The work of `quality`: expects that the months, and those before them, have been `judged`."""
    from expectations.suites import QUALITY

    done: list[Part] = []
    plan_tables(con, plan, without=["obligation"])
    asked = [(m, submission) for m in months for submission in brief.only.get(m, ())]
    put(con, "anew", pl.DataFrame(asked, {"month": pl.String, "submission": pl.String}, orient="row"))
    for some in (False, True):  # months of which all is to be flagged, and those of which some submissions are
        alike = [m for m in months if (m in brief.only) == some]
        if alike:
            compared.standing(con, store, plan, alike, some=some)
        for part in in_parts(brief.rows, alike, AT_ONCE):
            progress(f"flagging kept rows of {len(part)} months; {_so_far(done)} of {len(months)} months are done")
            compared.kept(con, store, part, some=some)
            con.execute(FINDING_TABLE)
            found = applied(con, plan, "kept", QUALITY)
            if found.crashed:
                return [*done, Part(part, found.verdicts, found.latest)]
            if some:
                _others(con, store, part)
            done.append(Part(part, counted(con, found.verdicts), found.latest))
            with store.helping(brief.leave):
                validations.record(con, store, "kept", found.result, part)
            on_cursors(con, partial(_written_flags, store, brief), part)
    return done


def _written_flags(store: Store, brief: Brief, con: duckdb.DuckDBPyConnection, month: str) -> None:
    folder = store.month(month)
    with store.helping(brief.leave):
        for name, query in FLAGGED.items():
            copy_to(con, query.format(month=month), folder / f"{name}.parquet")
        sums.enter(folder, [f"{name}.parquet" for name in FLAGGED])


def _others(con: duckdb.DuckDBPyConnection, store: Store, months: Sequence[str]) -> None:
    """Adds to finding and evaluated what stands of the months' submissions that were not flagged anew."""
    for table, name in zip(("finding", "evaluated"), FLAGGED, strict=True):
        files = [store.month(month) / f"{name}.parquet" for month in months]
        con.execute(
            f"insert into {table} by name from read_parquet({files_sql(files)}) anti join anew using (month, submission)"
        )


def _so_far(done: Sequence[Part]) -> int:
    return sum(len(part.months) for part in done)


def _touching(store: Store, months: Sequence[str]) -> set[str]:
    """The submissions whose rows the months are judged from."""
    wanted = f"select distinct submission from submission_month where month in ({', '.join('?' * len(months))})"
    with ledger(store) as db:
        return {submission for (submission,) in db.execute(wanted, list(months))}


@contextlib.contextmanager
def _brief(
    store: Store, months: Sequence[str], state: dict[str, dict[str, str | None]], only: dict[str, list[str]]
) -> Iterator[Brief]:
    shutil.rmtree(store.spill, ignore_errors=True)  # of a process that was killed
    folder = store.spill / "judging"
    folder.mkdir(parents=True)
    with ledger(store) as db:
        rows = dict(db.execute("select month, sum(rows) from submission_month group by month").fetchall())
        for month, those in only.items():
            [(rows[month],)] = db.execute(
                "select coalesce(sum(rows), 0) from submission_month where month = ? and submission in (select value from json_each(?))",
                [month, json.dumps(those)],
            )
    try:
        yield Brief(folder, store.leave(), {month: rows.get(month, 0) for month in months}, state, only)
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
    if parts:
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


WRITTEN = {
    "row": "select submission, department, path, received_at, month, sheet, row_number, column_name, indicator, area, period,"
    " period_end, measure, value, rounding, value_state, value_text, unit_text, value_suffix, own_unit, frequency, approximate,"
    " unit_state, explained, note, reasoned, kept, kept and news and value is not null as news,"
    " exists (from withdrawal w where w.submission = verdict.submission and not exists ("
    "from sent_again a where a.submission = w.submission and a.received_at > w.withdrawn_at)) as withdrawn"
    " from verdict where month = '{month}' order by submission, sheet, row_number, column_name",
    "validity": "select * exclude (row_id) from finding where month = '{month}' order by all",
    "validity_evaluated": "from evaluated where month = '{month}' order by submission, rule",
    "observation": "select * exclude (row_id) from observation where month = '{month}'"
    " order by indicator, area, period, measure, department, known_from",
}

FLAGGED = {
    "quality": "select * exclude (row_id) from finding where month = '{month}' order by all",
    "quality_evaluated": "from evaluated where month = '{month}' order by submission, rule",
}
