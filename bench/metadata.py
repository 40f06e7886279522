"""`python -m bench.metadata [SUBMISSIONS...]`: what a night costs that grows with what is known, and not with what came.

The figures of a country are a matter of cores and disks. What is known of them (ledger, files, obligations, findings,
receipts, Dagster's events) is asked by every night from one process, and is tried here as a country would have it: 340
cities and 2,800 counties of 40 departments each, a file a department and month and a correction in fifteen, two years.
3,200,000 submissions of 310 rows are 10^9 rows; 10,000 are a city with its counties, 100,000 a province.

Entries are made set-based and are SYNTHETIC; what asks them is the project's own, each time in a process of its own. Rows
are not the thing measured: each submission's file of rows holds one. Where a size would take more than half of the memory that
is free, or more files than are worth making, it is left out and the table says so.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from bench.city import AS_OF, HEADER, plan_of
from bench.report import OUT, SAID, add_record, child, machine, remove, shown
from bench.stages import cpu, peak_mb
from expectations.compiled import compiled
from expectations.load import PLANS, load_plan
from expectations.model import Plan
from warehouse import integrity, judge, landing, marts, reading, receipts, release, releases, retention, sums
from warehouse.ledger import copy, keep_copy, ledger, verify
from warehouse.receipts.answers import open_marts
from warehouse.releases import Keep
from warehouse.sources import Entry
from warehouse.sources.source import Page
from warehouse.standing import standing
from warehouse.store import Store, connect, quoted, write_whole

SIZES = [10_000, 100_000, 1_000_000, 3_200_000]
MONTHS = [f"{year}-{month:02}" for year in (2021, 2022) for month in range(1, 13)]
A_BOX = 25.6  # submissions of a department in two years
ROWS = 310  # of a submission
SOURCE = "file:///synthetic"
PAPERS = 400  # days
FILES_AT_MOST = 1_000_000  # submissions whose files are made
EVENTS = 6  # of Dagster for each submission: a city's two years are 730 nights of 75 events, and 10,000 submissions
EVENTS_AT_MOST = 1_000_000
NAMES = 60_000  # of one file: a file system ends at 65,000
ENTERED = 1_000  # new files


@dataclass(frozen=True)
class Given:
    """A store of so many submissions, about to be asked."""

    root: Path
    submissions: int

    @property
    def store(self) -> Store:
        return Store(self.root / "data")

    @cached_property
    def plan(self) -> Plan:
        return load_plan(PLANS / "shenyang-2022")

    @property
    def has_files(self) -> bool:
        return self.submissions <= FILES_AT_MOST


ENTRIES = """
with entry as (
    select n, 'x' || lpad((n % $boxes)::varchar, 6, '0') as department, n // $boxes as nth,
        $months[if(nth < 24, nth, (hash(n) % 24)::bigint) + 1] as month
    from range($submissions) r(n)
)
select substr(sha256('submission ' || n), 1, 16) as submission, department, month,
    department || '/synthetic-' || month || if(nth < 24, '', '-correction-' || n) || '.csv' as path,
    'synthetic ' || n as content, sha256(content) as sha256, length(content) as bytes,
    epoch_us((month || '-01')::timestamptz + interval 36 day) + n % 86400 * 1000000 as received_at,
    n % 100 = 99 as returned
from entry order by submission
"""
LEDGER = {  # by table, its columns of an entry, and which entries
    "submission (submission, source, department, path, sha256, bytes, received_at, landed_at, reader, format, synthetic, rows,"
    " rows_sha256, fault_rule, fault_found, fault_expected)": (
        "submission, $source, department, path, sha256, bytes, received_at, received_at, $reader, 'csv', 1, $rows, $written,"
        " if(returned, 'S02', null), if(returned, 'synthetic', null), if(returned, 'synthetic', null)",
        "true",
    ),
    "submission_month": ("submission, month, $rows", "not returned"),
    "seen": ("$source, path, bytes, received_at * 1000, submission, received_at, ''", "true"),
    "cursor": ("distinct $source, department, '2022'", "true"),
    "sent_again": ("submission, received_at + 1000000, path", "hash(submission) % 500 = 0"),
    "withdrawal": ("submission, received_at + 86400000000, 'synthetic', 'synthetic'", "hash(submission) % 300 = 0"),
    "certification": (
        "'2022Q' || q || '-' || department, department, '2022Q' || q, 1, 'synthetic', 75, 'synthetic'",
        "month = '2022-12' and contains(path, '-12.csv')",
    ),
}


def write_store(given: Given) -> None:
    """Ledger, landed files, rows, judged months: as a night with nothing left to do leaves them."""
    store, plan, n = given.store, given.plan, given.submissions
    model = _judged_month(given.root / "model", plan)
    [rows_file] = Store(given.root / "model" / "data").rows.glob("*.parquet")
    with ledger(store) as db, duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        boxes = max(1, int(n / A_BOX))
        con.execute(f"create table entry as {ENTRIES}", {"submissions": n, "boxes": boxes, "months": MONTHS})
        given_to = {
            "source": SOURCE, "reader": reading.reader_id(plan), "rows": ROWS, "written": sums.sha256(rows_file),
        }  # fmt: skip
        for table, (columns, which) in LEDGER.items():
            also = " cross join range(1, 5) r(q)" if table == "certification" else ""
            asked = f"select {columns} from entry{also} where {which} order by 1, 2"
            answer = con.execute(asked, {k: v for k, v in given_to.items() if f"${k}" in asked})
            while some := answer.fetchmany(100_000):
                db.executemany(f"insert into {table} values ({', '.join('?' * len(some[0]))})", some)
        db.executemany(
            "insert into judgement values (?, ?, 'submissions', 'synthetic', 'synthetic', 1000, 10, 10)",
            [(month, night) for month in MONTHS for night in range(30)],
        )
    if given.has_files:
        _write_files(store, rows_file)
    store.months.mkdir()
    with connect(store.root, given.root / "model") as con:
        _register(con, "entry", store)
        for month in MONTHS:
            folder = store.month(month)
            folder.mkdir()
            for file in model.glob("*.parquet"):
                source = f"'{quoted(file)}'"
                query = f"select * from {source} limit 0"
                if file.stem == "validity":  # a finding a submission
                    query = (
                        "select v.* replace (e.submission as submission, e.department as department, e.month as month,"
                        " substr(sha256(e.submission || e.month), 1, 16) as finding)"
                        f" from entry e cross join (from {source} limit 1) v where e.month = '{month}'"
                    )
                con.execute(f"copy ({query}) to '{quoted(folder / file.name)}' (format parquet, compression zstd)")
            sums.enter(folder, [file.name for file in model.glob("*.parquet")])
    for month, digest in judge.month_inputs(store, plan).items():
        state = {"inputs": digest, **judge.made_by(plan)}
        write_whole(store.month(month) / judge.STATE, json.dumps(state).encode())


def _judged_month(root: Path, plan: Plan) -> Path:
    """A month judged in earnest, of one department and two rows, one of them returned: how its files are made up."""
    indicator = next(i for i in plan.indicators if i.frequency == "month")
    department = plan.policy.lead_department[indicator.indicator]
    file = root / "dropbox" / department / "synthetic.csv"
    file.parent.mkdir(parents=True)
    lines = [[indicator.indicator, "2022-03", "", value, indicator.unit, "", ""] for value in ("12.5", "见附件")]
    pl.DataFrame(lines, schema=HEADER, orient="row").write_csv(file)
    os.utime(file, (AS_OF.timestamp() - 3600,) * 2)
    store = Store(root / "data")
    landing.land(store, [(root / "dropbox").as_uri()], plan, AS_OF)
    reading.read_landed(store, plan)
    judge.validity(store, plan, ["2022-03"])
    judge.quality(store, plan, ["2022-03"])
    return store.month("2022-03")


def _write_files(store: Store, rows_file: Path) -> None:
    """Landed bytes, and one file of rows under the names of all: what is measured is that they are many."""
    with ledger(store) as db:
        known = db.execute("select submission, sha256 from submission order by rowid").fetchall()
    store.rows.mkdir()
    for n in range(256):
        (store.ledger.parent / "objects" / f"{n:02x}").mkdir(parents=True)
    number = _numbers(len(known))
    for n, (submission, sha256) in enumerate(known):
        if n % NAMES == 0:
            model = store.rows / f"{submission}.parquet"
            shutil.copyfile(rows_file, model)
        else:
            os.link(model, store.rows / f"{submission}.parquet")
        with open(store.object(sha256), "wb") as file:
            file.write(number[sha256])


def _numbers(submissions: int) -> dict[str, bytes]:
    contents = (b"synthetic %d" % n for n in range(submissions))
    return {hashlib.sha256(content).hexdigest(): content for content in contents}


def _register(con: duckdb.DuckDBPyConnection, name: str, store: Store) -> None:
    with ledger(store) as db:
        touched = pl.read_database(
            "select submission, department, month from submission join submission_month using (submission)", db
        )
    con.register(name, touched.to_arrow())


def write_register(given: Given) -> None:
    """Every submission has its receipt, one in twenty an earlier one too; and a thousandth as many releases as submissions."""
    store, register = (
        given.store,
        "insert into receipt values (?, ?, ?, ?, ?, ?, 'accepted', ?, ?, ?, 'synthetic', 1, 'synthetic', 'synthetic', '[]', ?, ?, null)",
    )
    with connect(store.root, in_order=True) as con, receipts.register(store) as db:
        open_marts(con, store)
        for check, which, made in (
            ("000000", "hash(submission) % 20 = 0", "2022-02-01"),
            ("000001", "true", "2023-02-01"),
        ):
            answer = con.execute(
                "select submission || '-' || $check, submission, department, source, 'receipt-' || submission,"
                " if($check = '000001', digest, ''), to_json(findings)::varchar, confirmed, withdrawn_at is not null, $made, $made"
                f" from judged where {which} order by received_at, submission",
                {"check": check, "made": f"{made}T00:00:00+00:00"},
            )
            while some := answer.fetchmany(100_000):
                db.executemany(register, some)
    there = next(r for r in releases.releases(store) if r.current)
    for n in range(given.submissions // 1000):
        at = there.built_at - dt.timedelta(hours=n + 1)
        folder = there.folder.with_name(releases.named(at, f"{n:08x}"))
        folder.mkdir()
        shutil.copyfile(there.folder / "manifest.json", folder / "manifest.json")
    pieces = given.root / "pieces"  # as an engine leaves a mart that is written by many
    pieces.mkdir()
    for n in range(_pieces(given)):
        (pieces / f"part-{n:06}").write_bytes(b"synthetic")


def _pieces(given: Given) -> int:
    return given.submissions // 100 + 1


def write_events(given: Given) -> None:
    """A night's materializations and check evaluations in Dagster's own form, copied under other runs."""
    import dagster as dg

    with _instance(given) as instance:
        for month in MONTHS:
            instance.report_runless_asset_event(dg.AssetMaterialization("judged_rows", partition=month))
            for check in CHECKS:
                instance.report_runless_asset_event(
                    dg.AssetCheckEvaluation(
                        asset_key=dg.AssetKey("judged_rows"), check_name=check, passed=True, partition=month, metadata={"findings": 0}
                    )
                )  # fmt: skip
        copies = given.submissions * EVENTS // (len(MONTHS) * (1 + len(CHECKS)))
        with instance.event_log_storage.index_connection() as db:
            for table, columns in COPIED.items():
                kept = ", ".join(columns)
                db.exec_driver_sql(
                    f"insert into {table} (run_id, {kept}) with recursive n(k) as (select 1 union all select k + 1 from n where k < {max(1, copies)})"
                    f" select printf('%08x', k) || substr(run_id, 9), {kept} from n cross join (select * from {table}) order by k"
                )


CHECKS = ("structure", "validity", "quality", "documented")
COPIED = {  # by table of Dagster's index, the columns that copies share
    "event_logs": ["event", "dagster_event_type", "timestamp", "step_key", "asset_key", "partition"],
    "asset_check_executions": [
        "asset_key", "check_name", "partition", "execution_status", "evaluation_event", "evaluation_event_timestamp",
        "evaluation_event_storage_id", "materialization_event_storage_id", "create_timestamp",
    ],
}  # fmt: skip


def _instance(given: Given) -> Any:
    import dagster as dg

    (given.root / "dagster").mkdir(exist_ok=True)
    return dg.DagsterInstance.local_temp(str(given.root / "dagster"))


class Listing:
    """A source that lists what is in the ledger already, without a disk or a line in between."""

    takes_receipts = False

    def __init__(self, store: Store) -> None:
        with ledger(store) as db:
            seen = db.execute("select path, bytes, modified_ns from seen order by path").fetchall()
        self.boxes: dict[str, list[Entry]] = {}
        for path, size, modified in seen:
            department, _, name = path.partition("/")
            self.boxes.setdefault(department, []).append(Entry(department, name, size, modified))

    def departments(self) -> list[str]:
        return list(self.boxes)

    def page(self, department: str, cursor: str | None) -> Page:
        return Page(self.boxes[department], cursor)

    def blocks(self, entry: Entry, start: int) -> Iterator[tuple[int, bytes]]:
        raise AssertionError("nothing is new, so nothing is fetched or answered")

    def unchanged(self, entry: Entry) -> bool:
        return True

    def put_receipt(self, department: str, name: str, content: bytes) -> None:
        raise AssertionError("nothing is new, so nothing is fetched or answered")

    def close(self) -> None: ...


Asked = Callable[[], Any]


def _nothing_landed(given: Given) -> Asked:
    source, landed = Listing(given.store), landing.Landed()
    pull = landing._Pull(given.store, SOURCE, AS_OF, lambda _: None, lambda _: None, landed)

    def asked() -> int:
        pull.everything(source, set(source.boxes))
        assert landed.looked_at == given.submissions
        return len(landed.new)

    return asked


def _entered(given: Given) -> Asked:
    landed = landing.Landed()
    pull = landing._Pull(given.store, SOURCE, AS_OF, lambda _: None, lambda _: None, landed)
    files = [(Entry(f"x{n % 1000:06}", f"new-{n}.csv", n, 10**18), "") for n in range(ENTERED)]

    def asked() -> int:
        for start in range(0, ENTERED, landing.RECORDED[0]):
            pull.record(files[start : start + landing.RECORDED[0]])
        return len(landed.new)

    return asked


def _copied(given: Given) -> Asked:
    copy(given.store).unlink(missing_ok=True)
    return lambda: keep_copy(given.store)


def _opened(given: Given) -> Asked:
    def asked() -> None:
        for _ in range(100):
            with ledger(given.store):
                pass

    return asked


def _chosen(given: Given) -> Asked:
    def asked() -> int:
        return len(judge.months_with_rows(given.store)) and len(judge._touching(given.store, MONTHS[-1:]))

    return asked


def _month_as_written(given: Given) -> Asked:
    touching = judge._touching(given.store, MONTHS[-1:])
    return lambda: len(reading.mended(given.store, given.plan, touching))


def _month_judged(given: Given) -> Asked:
    import warehouse.gx  # noqa: F401

    return lambda: len(judge.validity(given.store, given.plan, MONTHS[-1:]).months)


def _marts(given: Given) -> Asked:
    import warehouse.gx  # noqa: F401

    return lambda: marts.make(given.store, given.plan, AS_OF).rows["submission"]


def _owed(given: Given) -> Asked:
    plan = plan_of(given.submissions * ROWS)
    return lambda: compiled(plan)["obligation"].height


def _damaged(given: Given) -> Asked:
    with ledger(given.store) as db:
        digests = [d for (d,) in db.execute("select sha256 from submission order by sha256 limit 10")]
    return lambda: reading.forget_seen(given.store, digests)


def _pieces_noted(given: Given) -> Asked:
    names = [f"part-{n:06}" for n in range(_pieces(given))]

    def asked() -> str | None:
        sums.enter(given.root / "pieces", names)
        return sums.damage(given.root / "pieces", names)

    return asked


def _store_bytes(given: Given) -> Asked:
    from pipelines.metrics import _disk

    return lambda: sum(1 for _ in _disk(given.store.root))


def _materialized(given: Given) -> Asked:
    import dagster as dg

    instance = _instance(given)
    of = dg.AssetRecordsFilter(asset_key=dg.AssetKey("judged_rows"), asset_partitions=MONTHS)
    return lambda: len(instance.fetch_materializations(of, limit=len(MONTHS)).records)


def _standing_runs(given: Given) -> Asked:
    from pipelines.pruned import _standing

    instance = _instance(given)
    return lambda: _standing(instance)


def _verdicts(given: Given) -> Asked:
    import dagster as dg

    log = _instance(given).event_log_storage
    keys = [dg.AssetCheckKey(dg.AssetKey("judged_rows"), check) for check in CHECKS]
    return lambda: [log.get_asset_check_execution_history(key, limit=100) for key in keys]


WRITTEN = "written"  # what an operation stands on, not measured: the table says how long it took
SPILLS = "spills"  # what DuckDB does in the memory that the project gives it, however much there is
FILES, EVENT = "files", "events"
PIECES: dict[str, tuple[Callable[[Given], Asked], str]] = {  # name -> how it is asked, what it needs
    "write the store": (lambda g: lambda: write_store(g), WRITTEN),
    "the ledger opened a hundred times (`ledger`)": (_opened, ""),
    "land: is the ledger whole (`ledger.verify`)": (lambda g: lambda: verify(g.store), ""),
    "land: nothing new in any drop box (`landing.box`, `page`)": (_nothing_landed, ""),
    "land: the ledger's copy (`ledger.keep_copy`)": (_copied, ""),
    "read: nothing new (`read_landed`)": (lambda g: lambda: reading.read_landed(g.store, g.plan), FILES),
    "read: is one month as written (`mended`)": (_month_as_written, FILES),
    "night: which months are stale (`stale_months`)": (lambda g: lambda: judge.stale_months(g.store, g.plan), ""),
    "night: what the marts rest on (`input_digest`)": (
        lambda g: lambda: len(marts.input_digest(g.store, g.plan, AS_OF)), "",
    ),
    "judge: which months and submissions (`months_with_rows`, `_touching`)": (_chosen, ""),
    "judge: findings counted by month and rule (`standing`)": (lambda g: lambda: standing(g.store, MONTHS).fired.height, ""),
    "marts: all, of submissions and findings alone (`marts.make`)": (_marts, SPILLS),
    "release: the same (`publish`)": (lambda g: lambda: release.publish(g.store, g.plan).rows["submission"], SPILLS),
    "write the register": (lambda g: lambda: write_register(g), WRITTEN),
    "receipts: none due (`receipts.make`)": (lambda g: lambda: receipts.make(g.store, g.plan).standing, ""),
    "receipts: which wait (`undelivered`)": (lambda g: lambda: receipts.undelivered(g.store), ""),
    "releases: those to let go (`outlived`), a thousandth as many": (
        lambda g: lambda: len(releases.outlived(g.store, Keep(), AS_OF)), "",
    ),
    "SHA256SUMS of a hundredth as many files (`sums`)": (_pieces_noted, ""),
    "prune: what has outlived its use (`retention.outlived`)": (
        lambda g: lambda: len(retention.outlived(g.store, Keep(), PAPERS, AS_OF)), "",
    ),
    "check: the landed files (`integrity._landed`)": (
        lambda g: lambda: len(list(integrity._landed(g.store, ledger_is_whole=True))), FILES,
    ),
    "check: ten landed files are damaged (`forget_seen`)": (_damaged, ""),
    "metrics: bytes of the store (`metrics._disk`)": (_store_bytes, FILES),
    "judge: one month, of files without figures (`judge.validity`)": (_month_judged, FILES),
    "land: a thousand new files entered (`record`)": (_entered, ""),
    "plan: the obligations of a year (`compiled`), 155 a submission": (_owed, ""),
    "write Dagster's events": (lambda g: lambda: write_events(g), WRITTEN + EVENT),
    "Dagster: the months' materializations (`fetch_materializations`)": (_materialized, EVENT),
    "Dagster: runs that made what stands (`pruned._standing`)": (_standing_runs, EVENT),
    "Dagster: the last verdicts of the checks (`alerts._checks`)": (_verdicts, EVENT),
}  # fmt: skip
NOTHING = {  # a store with nothing left to do says so
    "land: nothing new in any drop box (`landing.box`, `page`)": 0,
    "read: nothing new (`read_landed`)": [],
    "read: is one month as written (`mended`)": 0,
    "night: which months are stale (`stale_months`)": [],
    "receipts: which wait (`undelivered`)": 0,
    "SHA256SUMS of a hundredth as many files (`sums`)": None,
    "check: the landed files (`integrity._landed`)": 0,
    "judge: one month, of files without figures (`judge.validity`)": 1,
    "land: a thousand new files entered (`record`)": ENTERED,
    "Dagster: the months' materializations (`fetch_materializations`)": len(MONTHS),
}


def one(name: str, given: Given) -> dict[str, Any]:
    """An operation in this process: seconds, CPU seconds, MB held beyond those before it, and what it said."""
    reading.reader_id(given.plan), judge.made_by(given.plan)  # what a night knows by then
    asked = PIECES[name][0](given)
    held, began, spent = peak_mb(), time.perf_counter(), cpu()
    said = asked()
    took = {"s": time.perf_counter() - began, "cpu": cpu() - spent, "mb": peak_mb() - held}
    if name in NOTHING and said != NOTHING[name]:
        raise SystemExit(f"{name}: {str(said)[:400]}, and not {NOTHING[name]}")
    return took | {"said": said if isinstance(said, int) else None}


Measured = dict[str, dict[int, dict[str, Any]]]  # by operation and size


def measured(size: int, found: Measured) -> None:
    root = OUT / f"metadata-{size}"
    remove(root)
    root.mkdir(parents=True)
    for name, (_, needs) in PIECES.items():
        before = max(found.setdefault(name, {}).items(), default=None)
        if (
            not needs.startswith((WRITTEN, SPILLS))
            and before
            and "s" in before[1]
            and (wants := before[1]["mb"] * size / before[0]) > _free_mb() / 2
        ):
            found[name][size] = {"left out": f"about {wants / 1024:,.0f} GB"}
        elif FILES in needs and size > FILES_AT_MOST:
            found[name][size] = {"left out": "files"}
        elif EVENT in needs and size * EVENTS > EVENTS_AT_MOST:
            found[name][size] = {"left out": "events"}
        else:
            found[name][size] = child("metadata", "--one", name, size, "--root", root)
            SAID.print(f"  {name}: {_cell(found[name][size])}")
    remove(root)


def _free_mb() -> float:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]) / 1024


def _cell(took: dict[str, Any]) -> str:
    if "left out" in took:
        return f"— ({took['left out']})"
    return f"{took['s']:,.2f} ({took['cpu']:,.2f}) s, {took['mb']:,.0f} MB"


def _growth(by_size: dict[int, dict[str, Any]], what: str, least: float) -> str:
    """n to which power the CPU seconds, or MB, grew between the two largest sizes that were measured."""
    known = [(n, took[what]) for n, took in sorted(by_size.items()) if "s" in took and took[what] >= least]
    if len(known) < 2:
        return "·"
    (n, before), (m, after) = known[-2:]
    return f"{math.log(after / before) / math.log(m / n):.2f}"


def table(sizes: Sequence[int], found: Measured) -> list[dict[str, str]]:
    columns = [{"submissions": f"{n:,}"} | {name: _cell(by[n]) for name, by in found.items()} for n in sizes]
    grows = {name: f"{_growth(by, 'cpu', 0.05)} / {_growth(by, 'mb', 5)}" for name, by in found.items()}
    return [*columns, {"submissions": "n to the power of (CPU / MB)"} | grows]


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench.metadata", description=__doc__)
    arguments.add_argument("sizes", nargs="*", type=int, default=SIZES)
    arguments.add_argument("--note", default="", help="a remark to stand with the results")
    arguments.add_argument("--record", action="store_true", help="add the table to bench/RESULTS.md")
    arguments.add_argument("--one", help=argparse.SUPPRESS)
    arguments.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.one:
        print(json.dumps(one(chosen.one, Given(chosen.root, chosen.sizes[0]))))
        return
    head, found = machine(chosen.note), Measured()
    for size in chosen.sizes:
        SAID.print(f"{size:,} submissions")
        measured(size, found)
    lines = shown(
        "A night's metadata, SYNTHETIC entries: seconds (of CPU), MB beyond those before", table(chosen.sizes, found)
    )
    add_record("metadata", "Metadata of a country", head, lines, found, record=chosen.record)


if __name__ == "__main__":
    main()
