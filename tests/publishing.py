"""A writer that publishes release upon release, and a reader as a BI tool is one: each a process of its own.

Release number n has n in every table of STAMPED, so that a reader can tell whether two tables are of one release.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import random
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import duckdb

from warehouse import sums

STAMPED = {
    "observation": "value", "progress": "actual", "target": "note", "indicator": "name_en", "department": "name_en",
    "obligation": "due_basis", "submission": "reason", "finding": "basis", "rule": "basis",
}  # fmt: skip
BEGAN = dt.datetime(2023, 4, 10, tzinfo=dt.UTC)


def stamp(plain: Path, made: Path, n: int) -> None:
    """Marts of release number n in `made`, from those in `plain`: as `marts.make` leaves them, whole or without made.json."""
    (made / "made.json").unlink(missing_ok=True)
    with duckdb.connect() as con:
        for source in sorted(plain.glob("*.parquet")):
            column = STAMPED.get(source.stem)
            stamped = f"* replace (cast({n} as {'double' if column in ('value', 'actual') else 'varchar'}) as {column})"
            beside = made / f".{source.name}.tmp"
            con.execute(f"copy (select {stamped if column else '*'} from '{source}') to '{beside}' (format parquet)")
            os.replace(beside, made / source.name)
    sums.enter(made, [source.name for source in plain.glob("*.parquet")])
    as_of = BEGAN + dt.timedelta(minutes=n)
    said = {"as_of": as_of.isoformat(), "input_digest": hashlib.sha256(str(n).encode()).hexdigest()}
    beside = made / ".made.json.tmp"
    beside.write_text(json.dumps(said))
    os.replace(beside, made / "made.json")


def number(warehouse: Path) -> int:
    """Which release is current."""
    manifest = json.loads((warehouse / "current" / "manifest.json").read_text())
    return int((dt.datetime.fromisoformat(manifest["built_at"]) - BEGAN).total_seconds() // 60)


def write(root: Path, last: int, in_place: Path | None = None) -> None:
    """Publishes up to release `last`, a line each: its number and the seconds that it took. Begins, as a night does
    after a crash, with what the one before may have left. `in_place`: overwrites this file too, as one should not."""
    from expectations.load import PLANS, load_plan
    from warehouse.release import publish
    from warehouse.releases import Keep
    from warehouse.store import Store

    store, plan, keep = Store(root / "data"), load_plan(PLANS / "shenyang-2022"), Keep(days=0, releases=3)
    print("ready", flush=True)
    if (store.marts / "made.json").exists():
        publish(store, plan, keep=keep)
    while (n := number(store.warehouse) + 1) <= last:
        stamp(root / "plain", store.marts, n)
        began = time.perf_counter()
        path = publish(store, plan, keep=keep).path
        print(n, time.perf_counter() - began, flush=True)
        if in_place:
            shutil.copyfile(path, in_place)


def read(file: Path, seed: int, stop: Path) -> None:
    """Until `stop` exists: opens `file` anew, asks several tables, looks whether they are of one release; now and then
    holds the connection until another release is current, asks again, and looks whether a new one sees the newer."""
    chance = random.Random(seed)
    seen = {"connections": 0, "queries": 0, "held": 0, "torn": 0, "backward": 0, "errors": 0, "first_error": ""}
    newest = 0
    while not stop.exists():
        try:
            with duckdb.connect(str(file), read_only=True) as con:
                link = (
                    file.parent.resolve()
                )  # of this release or a newer one: once it moves, a newer one than this is current
                seen["connections"] += 1
                n, whole = _asked(con, seen, chance)
                seen["torn"] += not whole
                seen["backward"] += n < newest
                newest = max(n, newest)
                if chance.random() < 0.1:
                    until = time.monotonic() + 20
                    while file.parent.resolve() == link and time.monotonic() < until and not stop.exists():
                        time.sleep(0.02)
                    if file.parent.resolve() != link or not file.parent.is_symlink():
                        again, whole = _asked(con, seen, chance)
                        seen["torn"] += not (whole and again == n)
                        with duckdb.connect(str(file), read_only=True) as other:
                            later, whole = _asked(other, seen, chance)
                            seen["torn"] += not whole
                            seen["backward"] += later <= n
                        seen["held"] += 1
        except (duckdb.Error, OSError) as e:
            seen["errors"] += 1
            seen["first_error"] = seen["first_error"] or f"{type(e).__name__}: {e}"
        time.sleep(chance.uniform(0.1, 0.5))
    print(json.dumps(seen), flush=True)


def _asked(con: duckdb.DuckDBPyConnection, seen: dict[str, Any], chance: random.Random) -> tuple[int, bool]:
    """The release's number, and whether every table asked is of it: its stamp, and its rows and digest as told."""
    built_at, tables = con.execute("select epoch(built_at), tables from release").fetchall()[0]
    n = round((built_at - BEGAN.timestamp()) / 60)
    told = {t["table"]: (t["rows"], t["digest"]) for t in tables}
    whole = True
    for table in chance.sample(list(STAMPED), 5):
        found = con.execute(f'select distinct cast({STAMPED[table]} as double) from "{table}"').fetchall()
        whole &= found == [(n,)]
        [(rows, total)] = con.execute(
            f'select count(*), coalesce(sum(hash(t)), 0)::varchar from "{table}" t'
        ).fetchall()
        whole &= told[table] == (rows, hashlib.sha256(f"{rows} {total}".encode()).hexdigest()[:16])
        seen["queries"] += 2
    changed = (
        "select distinct after_value from release_change where table_name = 'observation' and column_name = 'value'"
    )
    whole &= con.execute(changed).fetchall() in ([(n,)], [])
    seen["queries"] += 2
    return n, whole


if __name__ == "__main__":
    what, where, *more = sys.argv[1:]
    if what == "write":
        write(Path(where), int(more[0]), Path(more[1]) if more[1:] else None)
    else:
        read(Path(where), int(more[0]), Path(more[1]))
