"""Releases: an immutable directory built beside, verified, and made current by moving one link.

Readers hold a path through `current`; a reader that has a release open keeps it, the next one sees the new.
"""

from __future__ import annotations

import contextlib
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
from warehouse import dictionary, marts
from warehouse.judge import stale_months
from warehouse.store import Store, quoted
from warehouse.version import code_version

STORAGE_VERSION = "v1.0.0"  # readable by every DuckDB client since 1.0
KEEP = 7  # releases, besides any younger than KEEP_DAYS
KEEP_DAYS = 7

Progress = Callable[[str], None]


class ReleaseError(Exception):
    """A release that is not published: why. The last release still stands."""


@dataclass(frozen=True)
class Release:
    release: str
    path: Path
    rows: dict[str, int]
    input_digest: str


def current(store: Store) -> dict[str, Any] | None:
    """The manifest of the current release, or None where there is none yet."""
    manifest = store.warehouse / "current" / "manifest.json"
    return json.loads(manifest.read_text("utf-8")) if manifest.exists() else None


def pending(store: Store, plan: Plan, as_of: dt.datetime) -> tuple[list[str], bool]:
    """What there is to do at `as_of`: months to judge anew, and whether a release is due."""
    months = stale_months(store, plan)
    released = current(store)
    return months, bool(months) or released is None or released["input_digest"] != marts.input_digest(
        store, plan, as_of
    )


def publish(store: Store, plan: Plan, progress: Progress = lambda _: None) -> Release:
    """Builds a release from the store's marts and makes it current. Raises ReleaseError, and then nothing has changed.

    The release is named after the time as of which its marts were made.
    """
    with store.writing():
        made = json.loads((store.marts / "made.json").read_text())
        as_of, digest = dt.datetime.fromisoformat(made["as_of"]), made["input_digest"]
        name = f"{as_of.astimezone(dt.UTC):%Y%m%dT%H%M%S%fZ}-{digest[:8]}"
        releases, staging = store.warehouse / "releases", store.warehouse / ".staging"
        if (releases / name).exists():  # these very marts were released, and perhaps the link was not moved
            _point(store, name)
            return _standing(store, name)
        _clear(staging)
        folder = staging / f"{name}-{os.getpid()}"
        (folder / "marts").mkdir(parents=True)
        _check_space(store)
        progress(f"building release {name}")
        facts = {
            "release": name,
            "built_at": as_of.astimezone(dt.UTC).isoformat(),
            "plan_revision": plan.head.revision,
            "code_version": code_version(),
            "input_digest": digest,
        }
        tables = _build(store, folder, facts)
        _verify(folder / "warehouse.duckdb", tables)
        manifest = {**facts, "plan": plan.head.plan, "tables": tables}
        (folder / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", "utf-8")
        _seal(folder)
        releases.mkdir(parents=True, exist_ok=True)
        os.rename(folder, releases / name)
        os.chmod(releases / name, 0o555)
        _point(store, name)
        _prune(store, as_of)
        return _standing(store, name)


def _standing(store: Store, name: str) -> Release:
    manifest = json.loads((store.warehouse / "releases" / name / "manifest.json").read_text("utf-8"))
    rows = {t["table"]: t["rows"] for t in manifest["tables"]}
    return Release(name, store.warehouse / "current" / "warehouse.duckdb", rows, manifest["input_digest"])


def _build(store: Store, folder: Path, facts: dict[str, Any]) -> list[dict[str, Any]]:
    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        con.execute(f"attach '{quoted(folder / 'warehouse.duckdb')}' as w (storage_version '{STORAGE_VERSION}'); use w")
        tables = []
        for table in marts.TABLES:
            source = store.marts / f"{table}.parquet"
            if not source.exists():
                raise ReleaseError(f"{source} is missing; materialize the marts first")
            beside = folder / "marts" / table
            beside.mkdir()
            _link(source, beside / f"{table}.parquet")
            con.execute(f"create table \"{table}\" as select * from read_parquet('{quoted(source)}')")
            tables.append(_counted(con, table))
        con.execute(
            "create table release as select $release as release, $built_at::timestamptz as built_at,"
            " $plan_revision::integer as plan_revision, $code_version as code_version, $input_digest as input_digest,"
            ' $tables::struct("table" varchar, "rows" bigint, digest varchar)[] as tables',
            {**facts, "tables": tables},
        )
        beside = folder / "marts" / "release"
        beside.mkdir()
        con.execute(f"copy release to '{quoted(beside / 'release.parquet')}' (format parquet)")
        synthetic = con.execute("select coalesce(bool_or(synthetic), false) from submission").fetchall()[0][0]
        con.execute("begin")  # some hundred comments are one write to the disk, not one each
        con.execute(dictionary.statements(synthetic=synthetic))
        con.execute("commit")
        con.execute("checkpoint w; use memory; detach w")
    leftover = list(folder.glob("*.wal"))
    if leftover:
        raise ReleaseError(f"{leftover[0].name} was left behind: the file is not whole")
    return tables


def _counted(con: duckdb.DuckDBPyConnection, table: str) -> dict[str, Any]:
    """Row count and a digest of the rows, whatever their order."""
    [(rows, total)] = con.execute(f'select count(*), coalesce(sum(hash(t)), 0)::varchar from "{table}" t').fetchall()
    return {"table": table, "rows": rows, "digest": hashlib.sha256(f"{rows} {total}".encode()).hexdigest()[:16]}


CHECK = """
import json, sys, hashlib, duckdb
con = duckdb.connect(sys.argv[1], read_only=True)
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
    sums = []
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    for path in files:
        with open(path, "rb") as stream:
            sums.append(f"{hashlib.file_digest(stream, 'sha256').hexdigest()}  {path.relative_to(folder).as_posix()}\n")
    (folder / "SHA256SUMS").write_text("".join(sums), "utf-8")
    for path in [*files, folder / "SHA256SUMS"]:
        os.chmod(path, 0o444)
        _sync(path)
    for path in sorted((p for p in folder.rglob("*") if p.is_dir()), reverse=True):
        _sync(path)
        os.chmod(path, 0o555)
    _sync(folder)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _point(store: Store, name: str) -> None:
    beside = store.warehouse / f".current-{os.getpid()}"
    with contextlib.suppress(FileNotFoundError):
        beside.unlink()
    beside.symlink_to(Path("releases") / name, target_is_directory=True)
    os.replace(beside, store.warehouse / "current")
    _sync(store.warehouse)


def _check_space(store: Store) -> None:
    needed = 4 * sum(p.stat().st_size for p in store.marts.glob("*.parquet")) + (16 << 20)
    free = shutil.disk_usage(store.warehouse).free
    if free < needed:
        raise ReleaseError(f"{free >> 20} MiB free under {store.warehouse}, a release needs {needed >> 20}: make room")


def _prune(store: Store, now: dt.datetime) -> None:
    """Removes releases beyond KEEP that are older than KEEP_DAYS; never the current one."""
    kept = os.readlink(store.warehouse / "current").rpartition("/")[2]
    releases = sorted((p for p in (store.warehouse / "releases").iterdir() if p.is_dir()), reverse=True)
    for old in releases[KEEP:]:
        if old.name != kept and now.timestamp() - old.stat().st_mtime > KEEP_DAYS * 86400:
            _remove(old)


def _clear(staging: Path) -> None:
    """What a killed run left behind."""
    for left in staging.iterdir() if staging.exists() else []:
        _remove(left)


def _remove(folder: Path) -> None:
    for path in [folder, *(p for p in folder.rglob("*") if p.is_dir())]:
        os.chmod(path, 0o755)
    shutil.rmtree(folder)
