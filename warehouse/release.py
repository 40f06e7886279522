"""Releases: an immutable directory built beside, verified, and made current by moving one link.

Readers hold a path through `current`; a reader that has a release open keeps it, the next one sees the new.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from expectations.model import Plan
from warehouse import changes, dictionary, marts, sums
from warehouse.judge import forget_damaged, stale_months
from warehouse.marts import by_month
from warehouse.releases import (
    KEEP,
    Keep,
    ReleaseError,
    current,
    damage,
    given_up,
    lead,
    named,
    point,
    prune,
    releases,
    remove,
    rolled_back,
    seen_through,
    standing_back,
)
from warehouse.store import Store, connect, files_sql, quoted, sync
from warehouse.sums import sha256
from warehouse.version import code_version

STORAGE_VERSION = "v1.0.0"  # readable by every DuckDB client since 1.0
FREE = 0.25  # share of a file of which nothing is left but room, above which it is written anew

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Release:
    """`base`: the release that was current before, None for the first. `changed`: rows of release_change against it, by
    table and reason."""

    release: str
    path: Path
    rows: dict[str, int]
    input_digest: str
    base: str | None
    changed: list[dict[str, Any]]


def pending(store: Store, plan: Plan, as_of: dt.datetime) -> tuple[list[str], bool]:
    """What there is to do at `as_of`: months to judge anew, and whether a release is due: where the inputs are neither
    those of the current release nor those of one that somebody went back from, or where the release, the marts or a month
    are damaged."""
    months = stale_months(store, plan)
    released = current(store)
    whole = released is not None and not given_up(store, released["release"]).exists()
    stands = released["input_digest"] if released and whole and marts.made(store) else None
    done = {*rolled_back(store).values(), stands}
    due = bool(months) or not whole or marts.input_digest(store, plan, as_of) not in done
    if due and forget_damaged(store):  # only then: to read all that was ever judged costs what the marts cost
        months = stale_months(store, plan)
    return months, due


def publish(
    store: Store,
    plan: Plan,
    progress: Progress = lambda _: None,
    keep: Keep = KEEP,
    *,
    again: bool = True,
    views: bool = False,
) -> Release:
    """Builds a release from the store's marts and makes it current. Raises ReleaseError, and then nothing has changed.

    `views`: its file holds no rows of the marts but views over the release's Parquet, for what is too much to be written
    twice; it then reads where this store is, and nowhere else.

    The release is named after the time as of which its marts were made. Unless `again`, one that was made of the same
    inputs and stands whole stays current.
    """
    with store.room(), store.writing("release", progress):
        made = marts.made(store)
        if made is None:
            raise ReleaseError("the marts are not whole; materialize them first")
        as_of, digest = dt.datetime.fromisoformat(made["as_of"]), made["input_digest"]
        for left, inputs in rolled_back(store).items():
            if inputs == digest:
                raise ReleaseError(
                    f"the marts are made of the inputs of {left}, which was rolled back: mend what was wrong with it, or"
                    f" make it current again with `wallchart rollback {left}`"
                )
        stands = current(store)
        if (
            not again
            and stands
            and stands.get("input_digest") == digest
            and not given_up(store, stands["release"]).exists()
        ):
            progress(f"{stands['release']} was made of the same inputs, and stays")
            return _standing(store, stands["release"])
        name = named(as_of, digest)
        target, staging = store.warehouse / "releases" / name, store.warehouse / ".staging"
        if target.exists():  # these very marts were released, and perhaps the link was not moved
            if wrong := damage(target):
                (store.marts / "made.json").unlink()
                raise ReleaseError(f"{target} is damaged: {wrong}. Run again: another one is made in its place")
            point(store, name)
            return _standing(store, name)
        if back := standing_back(store):
            progress(f"{back.now} was current since {back.left} was rolled back: the inputs have changed since")
        if wrong := marts.damage(store):
            raise ReleaseError(f"{wrong}. Run again: the marts are made anew")
        _clear(staging)
        folder = staging / f"{name}-{os.getpid()}"
        (folder / "marts").mkdir(parents=True)
        _check_space(store)
        base = compared_with(store, progress)
        progress(f"building release {name}")
        facts = {**made_of(name, plan, as_of, digest), "base": base.facts["release"] if base else None}
        through = seen_through(store, name) if views else None
        if through:
            through.parent.mkdir(exist_ok=True)
            lead(through, Path("..") / staging.name / folder.name)
        tables, changed = _build(store, folder, facts, base, through)
        _verify(folder / "warehouse.duckdb", tables)
        manifest = {**facts, "changed": changed, "tables": tables}
        (folder / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", "utf-8")
        _seal(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.rename(folder, target)
        os.chmod(target, 0o555)
        sync(target.parent)
        point(store, name)
        prune(store, keep, as_of)
        return _standing(store, name)


def made_of(release: str, plan: Plan, as_of: dt.datetime, digest: str) -> dict[str, Any]:
    """What a manifest says of the inputs of a release made as of `as_of`: `digest` is that of the marts."""
    return {
        "release": release,
        "built_at": as_of.astimezone(dt.UTC).isoformat(),
        "plan_revision": plan.head.revision,
        "code_version": code_version(),
        "input_digest": digest,
        "plan": plan.head.plan,
        "plan_digest": hashlib.sha256(plan.model_dump_json(exclude={"policy", "digest"}).encode()).hexdigest(),
        "policy_digest": hashlib.sha256(plan.policy.model_dump_json().encode()).hexdigest(),
    }


def compared_with(store: Store, progress: Progress) -> changes.Side | None:
    """The release to compare with: the current one, where its tables are whole."""
    now = next((r for r in releases(store) if r.current), None)
    if now is None:
        return None
    if wrong := damage(now.folder, changes.READ) or ("" if now.manifest else "manifest.json cannot be read"):
        progress(f"what changed against {now.release} cannot be told: it is damaged, {wrong}")
        return None
    return changes.Side(now.folder, now.manifest)


def _standing(store: Store, name: str) -> Release:
    manifest = json.loads((store.warehouse / "releases" / name / "manifest.json").read_text("utf-8"))
    rows = {t["table"]: t["rows"] for t in manifest["tables"]}
    return Release(
        name,
        store.warehouse / "current" / "warehouse.duckdb",
        rows,
        manifest["input_digest"],
        manifest.get("base"),
        manifest.get("changed", []),
    )


def _build(
    store: Store, folder: Path, facts: dict[str, Any], base: changes.Side | None, through: Path | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The file, carried on from the one of `base`, and the Parquet beside it. Returns each table's rows and digest, and what
    changed against `base`. `through`: the link to the folder by which views read the Parquet; None: they are tables."""
    file = folder / "warehouse.duckdb"
    # what rests in order mostly stays in order: kept to the letter it would cost half as much again
    with connect(store.root, spill=folder.parent / "spill") as con:
        held = {} if through else _carried_on(con, store, base, facts, file)
        con.execute(f"attach if not exists '{quoted(file)}' as w (storage_version '{STORAGE_VERSION}'); use w")
        tables = []
        for table in marts.TABLES:
            parts = store.mart(table)
            if not all(part.exists() for part in parts) or not parts:
                raise ReleaseError(f"{store.marts / table}.parquet is missing; materialize the marts first")
            laid_out(store, table, folder)
            if through:
                seen = [through / "marts" / table / part.name for part in sorted((folder / "marts" / table).iterdir())]
                con.execute(f'create view "{table}" as from read_parquet({files_sql(seen)})')
            tables.append(_counted(con, table, f"read_parquet({files_sql(parts)})"))
        for how, files in [] if through else _to_write(con, store, held):
            if files:
                con.execute(f"{how} from read_parquet({files_sql(files)})")
        con.execute(
            "create or replace table release as select $release as release, $built_at::timestamptz as built_at,"
            " $plan_revision::integer as plan_revision, $code_version as code_version, $input_digest as input_digest,"
            ' $tables::struct("table" varchar, "rows" bigint, digest varchar)[] as tables',
            {k: facts[k] for k in ("release", "built_at", "plan_revision", "code_version", "input_digest")}
            | {"tables": tables},
        )
        told = {t: folder / "marts" / t / f"{t}.parquet" for t in ("release", "release_change")}
        for file in told.values():
            file.parent.mkdir()
        con.execute(f"copy release to '{quoted(told['release'])}' (format parquet)")
        changed = changes.write(base, changes.Side(folder, facts), told["release_change"], store.spill)
        con.execute(
            f"create or replace table release_change as from read_parquet({files_sql([told['release_change']])})"
        )
        synthetic = con.execute("select coalesce(bool_or(synthetic), false) from submission").fetchall()[0][0]
        con.execute("begin")  # some hundred comments are one write to the disk, not one each
        con.execute(dictionary.statements(synthetic=synthetic, views=marts.TABLES if through else ()))
        con.execute("commit")
        con.execute("checkpoint w; use memory; detach w")
    leftover = list(folder.glob("*.wal"))
    if leftover:
        raise ReleaseError(f"{leftover[0].name} was left behind: the file is not whole")
    return tables, changed


def laid_out(store: Store, table: str, folder: Path) -> None:
    """The mart's Parquet as a release holds it: in a folder of its own, under the table's name."""
    rest = folder / "marts" / table
    rest.mkdir(parents=True)
    for name, part in _parts(store, table).items():
        link(part, rest / name)


def _parts(store: Store, table: str) -> dict[str, Path]:
    """The files of the mart by their names in a release."""
    return {p.name if p.parent == store.marts else f"{table}-{p.name}": p for p in store.mart(table)}


def _carried_on(
    con: duckdb.DuckDBPyConnection, store: Store, base: changes.Side | None, facts: dict[str, Any], file: Path
) -> dict[str, str]:
    """Attaches a copy of the base's file as the new one, where the store is large and that is whole and by the same code, so
    that only what differs is to be written. Returns of which Parquet it holds the rows, by path and digest; nothing where
    there is none."""
    if base is None or base.facts.get("code_version") != facts["code_version"] or not by_month.stands(store):
        return {}
    try:
        told = sums.told(base.folder)
        shutil.copyfile(base.folder / file.name, file)
    except (FileNotFoundError, UnicodeDecodeError):
        told = {}  # it is damaged: nothing to go on from
    if file.exists() and told.get(file.name) == sha256(file):
        con.execute(f"attach '{quoted(file)}' as w")
        [(tables,)] = con.execute("select count(*) from duckdb_tables() where database_name = 'w'").fetchall()
        [(blocks, free)] = con.execute(
            "select total_blocks, free_blocks from pragma_database_size() where database_name = 'w'"
        ).fetchall()
        if tables == len(marts.TABLES) + 2 and free <= FREE * blocks:
            return told
        con.execute("detach w")
    file.unlink(missing_ok=True)
    return {}


def _to_write(con: duckdb.DuckDBPyConnection, store: Store, held: dict[str, str]) -> list[tuple[str, list[Path]]]:
    """Takes out of the file that is carried on what no longer holds, and then says of each table that differs how it is
    written, and from which Parquet: of a mart by months those that differ are inserted, any other is created. All is taken
    out before anything is written, so that the room is used again."""
    noted, todo = sums.told(store.marts), []
    for table in marts.TABLES:
        parts = _parts(store, table)
        now = {name: noted[part.relative_to(store.marts).as_posix()] for name, part in parts.items()}
        was = {path.rpartition("/")[2]: digest for path, digest in held.items() if path.startswith(f"marts/{table}/")}
        if now == was:
            continue
        if table in by_month.BY_MONTH and now.items() & was.items():
            for name in was:
                if was[name] != now.get(name):
                    first = f"date '{name.removeprefix(f'{table}-').removesuffix('.parquet')}-01'"
                    con.execute(f'delete from "{table}" where period_end between {first} and last_day({first})')
            todo.append((f'insert into "{table}"', [part for n, part in parts.items() if now[n] != was.get(n)]))
        else:
            con.execute(f'drop table if exists "{table}"')
            todo.append((f'create table "{table}" as', list(parts.values())))
    if held:
        con.execute("checkpoint w")
    return todo


def _counted(con: duckdb.DuckDBPyConnection, table: str, rows: str) -> dict[str, Any]:
    """How many rows there are and a digest of them, whatever their order: what the table must hold."""
    [(count, total)] = con.execute(f"select count(*), coalesce(sum(hash(t)), 0)::varchar from {rows} t").fetchall()
    return {"table": table, "rows": count, "digest": hashlib.sha256(f"{count} {total}".encode()).hexdigest()[:16]}


CHECK = """
import json, sys, hashlib, duckdb
con = duckdb.connect(sys.argv[1], read_only=True, config={"memory_limit": "1GB"})
con.execute("set enable_progress_bar = false")  # it would be printed: a process without a file counts as interactive
found = []
for t in json.loads(sys.argv[2]):
    rows, total = con.execute(f'select count(*), coalesce(sum(hash(t)), 0)::varchar from main."{t}" t').fetchone()
    found.append({"table": t, "rows": rows, "digest": hashlib.sha256(f"{rows} {total}".encode()).hexdigest()[:16]})
print(json.dumps(found))
"""


def _verify(file: Path, tables: list[dict[str, Any]]) -> None:
    """Reads the finished file as a client would, in a process of its own, and compares every count and digest."""
    names = json.dumps([t["table"] for t in tables])
    child = subprocess.run([sys.executable, "-c", CHECK, str(file), names], capture_output=True, text=True, check=False)
    if child.returncode != 0:
        raise ReleaseError(f"the new file cannot be read: {child.stderr.strip().splitlines()[-1]}")
    if json.loads(child.stdout) != tables:
        raise ReleaseError("the new file does not hold what was written into it")


def _seal(folder: Path) -> None:
    """Sums, no write bits, and everything on the disk before anything points at it."""
    lines = []
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    for path in files:
        lines.append(f"{sha256(path)}  {path.relative_to(folder).as_posix()}\n")
    (folder / "SHA256SUMS").write_text("".join(lines), "utf-8")
    for path in [*files, folder / "SHA256SUMS"]:
        os.chmod(path, 0o444)
        sync(path)
    for path in sorted((p for p in folder.rglob("*") if p.is_dir()), reverse=True):
        sync(path)
        os.chmod(path, 0o555)
    sync(folder)


def link(source: Path | str, target: Path | str) -> None:
    """The same file under another name too; a copy where the two lie on different file systems."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _check_space(store: Store) -> None:
    needed = 4 * sum(p.stat().st_size for p in store.marts.rglob("*.parquet") if p.is_file()) + (16 << 20)
    free = shutil.disk_usage(store.warehouse).free
    if free < needed:
        raise ReleaseError(f"{free >> 20} MiB free under {store.warehouse}, a release needs {needed >> 20}: make room")


def _clear(staging: Path) -> None:
    """What a killed run left behind."""
    for left in staging.iterdir() if staging.exists() else []:
        remove(left)
    for link in staging.with_name("views").glob("*"):
        if not link.exists():
            link.unlink()
