"""Receipts: the answer to each submission, as a workbook and a page, made where its judgement is new or has changed.

`make` writes them under data/receipts and enters them in their register; `deliver` puts them into the drop boxes. A
receipt is never changed: another judgement of the same submission is another receipt, which says why.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import os
import pickle
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from expectations.model import Plan
from warehouse import apart, marts
from warehouse.receipts.answers import Answer, Wanted, answers, open_marts
from warehouse.sources import Credentials, Passing, Source, SourceError, open_source, shown, told
from warehouse.sources import deliver as put
from warehouse.store import Store, connect, writing_whole
from warehouse.trouble import StoreError, sqlite_damage, sqlite_whole
from warehouse.version import JUDGING, code_version
from warehouse.visible import UNSEEN, visible_name

AT_A_TIME = 200  # submissions whose findings are held in memory, and whose receipts are entered together
NAME_BYTES = 120  # of the submission's own name in a receipt's

Progress = Callable[[str], None]

REGISTER = """
create table if not exists receipt (
    number text primary key, submission text not null, department text not null, source text not null,
    name text not null, digest text not null, status text not null, findings text not null, confirmed integer not null,
    withdrawn integer not null,
    plan text not null, plan_revision integer not null, plan_digest text not null, code text not null,
    because text not null, made_at text not null, delivered_at text, failure text
);
create index if not exists receipt_submission on receipt (submission);
create index if not exists receipt_waiting on receipt (source) where delivered_at is null;
"""


class ReceiptError(Exception):
    """Receipts that could not be made, by submission; all others were."""


@dataclass(frozen=True)
class Made:
    """`new`: number, department, path, status, findings, because of the receipts made; `anew` of them replace one."""

    new: pl.DataFrame
    anew: int
    standing: int


@dataclass(frozen=True)
class Delivered:
    """`failed`: source, number of a receipt, how many receipts wait for that reason, failure."""

    delivered: int
    failed: pl.DataFrame


@contextmanager
def register(store: Store) -> Iterator[sqlite3.Connection]:
    """The register of receipts; what happens inside is one transaction."""
    store.receipts.mkdir(parents=True, exist_ok=True)
    file = store.receipts / "receipts.sqlite"
    with sqlite_whole(file, WAY_BACK), closing(sqlite3.connect(file, timeout=60)) as db:
        db.execute("pragma journal_mode = wal")
        db.row_factory = sqlite3.Row
        db.executescript(REGISTER)
        with db:
            yield db


WAY_BACK = (
    "Put it back from a backup, or move it away and run: the next release then makes and delivers every receipt again"
    " (docs/faults.md)"
)


def files_of(store: Store, department: str, submission: str, number: str) -> tuple[Path, Path]:
    """Where a receipt is kept: its workbook and its page."""
    folder = store.receipts / department / submission
    return folder / f"{number}.xlsx", folder / f"{number}.html"


def make(store: Store, plan: Plan, progress: Progress = lambda _: None) -> Made:
    """Makes the receipts that are due. They speak as of the time as of which the marts were made.

    Raises ReceiptError, naming the submissions, after all others have their receipts.
    """
    with store.room(), store.writing("receipts", progress), connect(store.root, in_order=True) as con:
        wrong, said = marts.damage(store), marts.made(store)
        if wrong or said is None:
            raise StoreError(f"{wrong or 'the marts are not whole'}. Run again: the marts are made anew")
        if (file := store.receipts / "receipts.sqlite").exists() and (wrong := sqlite_damage(file)):
            raise StoreError(
                f"{wrong}. {WAY_BACK}"
            )  # before it is believed: pages of zeros are rows of nothing to SQLite
        as_of = dt.datetime.fromisoformat(said["as_of"])
        open_marts(con, store)
        with register(store) as db:
            for receipt in db.execute("select * from receipt where delivered_at is null").fetchall():
                kept = files_of(store, receipt["department"], receipt["submission"], receipt["number"])
                if not all(path.exists() and path.stat().st_size for path in kept):  # gone before anybody had it
                    db.execute("delete from receipt where number = ?", (receipt["number"],))
            answered = pl.read_database(ANSWERED, db, infer_schema_length=None, schema_overrides=ANSWERED_AS)
            con.register("answered", answered.to_arrow())
            due = con.sql(DUE).pl().to_dicts()  # of all that were ever received only what is due leaves DuckDB
            last = {
                r["submission"]: dict(r)
                for j in due
                for r in db.execute(
                    "select * from receipt where submission = ? order by made_at, rowid", (j["submission"],)
                )
            }
        [(received,)] = con.execute("select count(*) from judged").fetchall()
        now = {
            "plan": plan.head.plan, "plan_revision": plan.head.revision, "plan_digest": plan.digest,
            "code": code_version(JUDGING), "made_at": as_of.astimezone(dt.UTC).isoformat(),
        }  # fmt: skip
        made: list[tuple[str, str, str, str, int, str]] = []
        failed: dict[str, Exception] = {}
        keep = partial(_kept, store, plan)
        with apart.side_by_side() as threads:
            for start in range(0, len(due), AT_A_TIME):
                some = due[start : start + AT_A_TIME]
                wanted = [
                    Wanted(j["submission"], _number(j, j["receipts"]), because(last.get(j["submission"]), j | now))
                    for j in some
                ]  # fmt: skip
                entered = []
                found = answers(con, wanted, as_of)
                for answer, j, failure in zip(found, some, threads.map(keep, found), strict=True):
                    if failure is not None:
                        failed[answer.path] = failure
                        continue
                    entered.append(_entry(answer, j, now))
                    findings = sum(g.count for g in answer.groups)
                    why = "; ".join(en for _, en in answer.because)
                    made.append((answer.number, answer.department, answer.path, answer.status, findings, why))
                with register(store) as db:
                    columns = ", ".join(f":{c}" for c in ENTERED)
                    db.executemany(f"insert into receipt ({', '.join(ENTERED)}) values ({columns})", entered)
                progress(f"made {min(start + AT_A_TIME, len(due)):,} of {len(due):,} receipts")
        if failed:
            raise ReceiptError(
                f"{len(failed)} receipts could not be made, the first for {next(iter(failed))}"
            ) from next(iter(failed.values()))
        schema = ["number", "department", "path", "status", "findings", "because"]
        anew = sum(j["submission"] in last for j in due)
        return Made(pl.DataFrame(made, schema=schema, orient="row"), anew, received - len(due))


ANSWERED = """
select submission, digest, receipts from (
    select submission, digest, count(*) over (partition by submission) as receipts,
        row_number() over (partition by submission order by made_at desc, rowid desc) as nth
    from receipt
) where nth = 1
"""
ANSWERED_AS = {"submission": pl.String, "digest": pl.String, "receipts": pl.Int64}
DUE = """
select j.*, coalesce(a.receipts, 0) as receipts from judged j left join answered a using (submission)
where a.digest is distinct from j.digest order by j.received_at, j.submission
"""


def because(last: dict[str, Any] | None, now: dict[str, Any]) -> list[tuple[str, str]]:
    """Why a submission gets another receipt than its `last`: what changed in the judgement, and what may have changed it."""
    if last is None:
        return []
    before, after = set(json.loads(last["findings"])), set(now["findings"])
    gone, new = len(before - after), len(after - before)
    said = [(f"取代回执 {last['number']}；问题减少 {gone} 项，新增 {new} 项", f"replaces receipt {last['number']}; {gone} findings gone, {new} new")]  # fmt: skip
    if now["plan_revision"] != last["plan_revision"]:
        said.append(
            (f"计划由第 {last['plan_revision']} 版修订为第 {now['plan_revision']} 版",
             f"the plan was revised from {last['plan_revision']} to {now['plan_revision']}")
        )  # fmt: skip
    elif now["plan_digest"] != last["plan_digest"]:
        said.append(("计划的数据或政策有改动", "data of the plan, or its policy, changed"))
    if now["code"] != last["code"]:
        said.append(("校核规则或程序有更新", "rules or program changed"))
    if now["confirmed"] > last["confirmed"]:
        n = now["confirmed"] - last["confirmed"]
        said.append((f"{n} 项提示已有说明", f"{n} warnings were explained"))
    if now["withdrawn_at"] is not None and not last["withdrawn"]:
        said.append(("本报送已撤回", "the submission was withdrawn"))
    if len(said) == 1:
        said.append(("其他报送，或其撤回，改变了结果", "another submission, or its withdrawal, changed the result"))
    return said


ENTERED = ("number", "submission", "department", "source", "name", "digest", "status", "findings", "confirmed", "withdrawn", "plan",
           "plan_revision", "plan_digest", "code", "because", "made_at")  # fmt: skip


def _number(judged: dict[str, Any], earlier: int) -> str:
    """The submission's id, and a check that tells its receipts apart and a slip of the pen from a number."""
    check = hashlib.sha256(f"{earlier} {judged['digest']}".encode()).hexdigest()[:6]
    return f"{judged['submission']}-{check}"


def _kept(store: Store, plan: Plan, answer: Answer) -> Exception | None:
    """Lays the receipt out, in a process that can be killed, for it opens the file once more; why it could not be."""
    unknown = answer.format == "unknown"  # its bytes are not laid out
    request = {
        "answer": base64.b64encode(pickle.dumps(answer)).decode(),
        "first_month": plan.head.starts.month,
    }

    def work(process: apart.Process) -> None:
        with ExitStack() as opened:
            source = opened.enter_context(open(os.devnull if unknown else store.object(answer.sha256), "rb"))
            kept = files_of(store, answer.department, answer.submission, answer.number)
            parts = [opened.enter_context(writing_whole(path)) for path in kept]
            said = process.ask(request, source, *parts)
            if "not written" in said:
                raise OSError(f"{kept[0].parent}: {said['not written']}")
            if "broke" in said:
                raise RuntimeError(said["broke"])

    try:
        if not unknown and (wrong := store.damage(answer.sha256)):
            raise StoreError(f"no receipt for {answer.path}: {wrong}. `wallchart check` has it fetched again")
        apart.tried(work, visible_name(answer.path))
    except Exception as e:  # noqa: BLE001 - one submission must not cost the others their receipts: raised when they have theirs
        return e
    return None


def _entry(answer: Answer, judged: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    return now | {
        "number": answer.number,
        "submission": answer.submission,
        "department": answer.department,
        "source": judged["source"],
        "name": delivered_name(answer.path, answer.received, answer.number),
        "digest": judged["digest"],
        "status": answer.status,
        "findings": json.dumps(judged["findings"]),
        "confirmed": judged["confirmed"],
        "withdrawn": judged["withdrawn_at"] is not None,
        "because": json.dumps(answer.because, ensure_ascii=False),
    }


def delivered_name(path: str, received: str, number: str) -> str:
    """A receipt's name in the drop box, without its ending: sorts by the time of receipt, and names the file answered.

    Safe wherever drop boxes lie: no separator, no character that a file system refuses or that hides others.
    """
    own = path.rpartition("/")[2]
    plain = re.sub(r'[\\/:*?"<>|\s⟨⟩]+', "_", UNSEEN.sub("_", own)).strip("._")
    short = plain.encode()[:NAME_BYTES].decode("utf-8", "ignore")
    return f"receipt-{re.sub('[^0-9]', '', received)}-{short}-{number}"


def deliver(
    store: Store,
    sources: Iterable[str],
    credentials: Credentials,
    now: dt.datetime,
    progress: Progress = lambda _: None,
) -> Delivered:
    """Puts each submission's latest receipt, where it is not there yet, into the drop box that the submission came from.

    Only into sources that take receipts. What fails is noted and tried again with the next delivery; a drop box that does
    not answer is not asked again in this one, nor is a source of which SILENT drop boxes did not. Earlier receipts that never arrived stay where they are kept.
    """
    delivered, failed = 0, []
    for url in sources:
        with register(store) as db:
            waiting = db.execute(f"{WAITING} and source = ? order by made_at, rowid", (shown(url),)).fetchall()
        if not waiting:
            continue
        try:
            with closing(open_source(url, credentials)) as source:
                if not source.takes_receipts:
                    continue
                shut: dict[str, Passing] = {}  # drop boxes that took nothing just now
                for receipt in waiting:
                    if receipt["department"] in shut or len(shut) >= SILENT:
                        continue
                    try:
                        _put(store, source, receipt)
                    except Passing as e:
                        shut[receipt["department"]] = e
                        continue
                    except SourceError as e:
                        failed.append(_failed(store, [receipt], told(str(e), credentials)))
                        continue
                    delivered += 1
                    with register(store) as db:
                        db.execute(
                            "update receipt set delivered_at = ?, failure = null where number = ?",
                            (now.astimezone(dt.UTC).isoformat(), receipt["number"]),
                        )
                if shut:
                    with register(store) as db:
                        left = db.execute(f"{WAITING} and source = ? order by made_at, rowid", (shown(url),)).fetchall()
                    if len(shut) < SILENT:
                        left = [r for r in left if r["department"] in shut]
                    failed.append(_failed(store, left, told(str(next(iter(shut.values()))), credentials)))
        except SourceError as e:
            failed.append(_failed(store, waiting, told(str(e), credentials)))
        progress(f"{shown(url)}: delivered {delivered:,} of {len(waiting):,} receipts")
    schema = {"source": pl.String, "number": pl.String, "receipts": pl.Int64, "failure": pl.String}
    return Delivered(delivered, pl.DataFrame(failed, schema=schema, orient="row"))


def undelivered(store: Store) -> int:
    """Receipts whose delivery failed and is to be tried again."""
    with register(store) as db:
        [(count,)] = db.execute(f"select count(*) from ({WAITING} and failure is not null)").fetchall()
    return int(count)


SILENT = 3  # drop boxes that do not answer, until their source counts as down

WAITING = (
    "select * from receipt where delivered_at is null"
    " and not exists (select 1 from receipt later where later.submission = receipt.submission and later.rowid > receipt.rowid)"
)


def _put(store: Store, source: Source, receipt: sqlite3.Row) -> None:
    for path in files_of(store, receipt["department"], receipt["submission"], receipt["number"]):
        put(source, receipt["department"], receipt["name"] + path.suffix, path.read_bytes())


def _failed(store: Store, receipts: list[sqlite3.Row], why: str) -> tuple[str, str, int, str]:
    with register(store) as db:
        db.executemany("update receipt set failure = ? where number = ?", [(why, r["number"]) for r in receipts])
    return receipts[0]["source"], receipts[0]["number"], len(receipts), why
