"""The ledger: what was received and read, in one SQLite file beside the landed bytes.

The bytes do not say who sent them, when and under which name; only the ledger does. So it is never begun anew where there
are landed bytes, every landing asks SQLite whether it is whole, and a copy of it is kept beside.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from warehouse.store import Store, sync
from warehouse.trouble import StoreError, sqlite_damage, sqlite_whole

SCHEMA = """
create table if not exists submission (
    submission text primary key, source text not null, department text not null, path text not null,
    sha256 text not null, bytes integer not null, received_at integer not null, landed_at integer not null,
    reader text, format text, synthetic integer, named_department text, rows integer, reason text,
    fault_rule text, fault_found text, fault_expected text, fault_sheet text, fault_row integer
);
create table if not exists submission_month (
    submission text not null, month text not null, rows integer not null, primary key (submission, month)
);
-- the state of each file of a source when it was last landed: what is as it was is not fetched
create table if not exists seen (
    source text not null, path text not null, bytes integer not null, modified_ns integer not null,
    submission text not null, received_at integer not null, etag text not null default '', primary key (source, path)
);
-- bytes that came back under a name that had meanwhile held others: the submission speaks again, at this time
create table if not exists sent_again (
    submission text not null, received_at integer not null, path text not null, primary key (submission, received_at)
);
-- what a named role of a department said of its figures
create table if not exists withdrawal (
    submission text primary key, withdrawn_at integer not null, role text not null, why text not null
);
create table if not exists certification (
    number text primary key, department text not null, quarter text not null, certified_at integer not null,
    role text not null, figures integer not null, digest text not null
);
-- a month judged anew, why, and what that changed
create table if not exists judgement (
    month text not null, judged_at integer not null, why text not null, plan text not null, code text not null,
    findings integer not null, appeared integer not null, disappeared integer not null, primary key (month, judged_at)
);
-- how far the listing of a source was read, in the source's own words
create table if not exists cursor (
    source text not null, department text not null, cursor text not null, primary key (source, department)
);
"""

LATER = [  # not yet in 0.1.0
    ("seen", "etag", "text not null default ''"),
    ("submission", "reason", "text"),
    ("submission", "rows_sha256", "text"),  # of what was read, as it was written
]


@contextmanager
def ledger(store: Store) -> Iterator[sqlite3.Connection]:
    """The ledger; what happens inside is one transaction. Raises StoreError where it is damaged, or gone."""
    store.ledger.parent.mkdir(parents=True, exist_ok=True)
    if _is_gone(store):
        verify(store)
    with store.room(), sqlite_whole(store.ledger, WAY_BACK), closing(sqlite3.connect(store.ledger, timeout=60)) as db:
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = full")
        db.executescript(SCHEMA)
        for table, column, kind in LATER:
            if column not in [name for _, name, *_ in db.execute(f"pragma table_info({table})")]:
                db.execute(f"alter table {table} add column {column} {kind}")
        with db:
            yield db


WAY_BACK = (
    "Nothing was built on it and what was published still stands. `wallchart check --restore-ledger` puts its copy in its"
    " place (docs/faults.md)"
)


def _is_gone(store: Store) -> bool:
    return _is_empty(store.ledger) and (copy(store).exists() or (store.ledger.parent / "objects").exists())


def _is_empty(file: Path) -> bool:
    return not file.exists() or file.stat().st_size == 0


def copy(store: Store) -> Path:
    """The ledger as the last landing left it."""
    return store.ledger.with_name("ledger.copy.sqlite")


def damage(store: Store) -> str | None:
    """What is wrong with the ledger's pages, keys or indexes, or that it is gone; None: nothing. Reads all of it."""
    if _is_gone(store):
        return f"{store.ledger} is gone, and what it knew cannot be told from the landed bytes"
    return sqlite_damage(store.ledger) if store.ledger.exists() else None


def verify(store: Store) -> None:
    """Raises StoreError where the ledger is damaged or gone."""
    if wrong := damage(store):
        raise StoreError(f"{wrong}. {WAY_BACK}")


def keep_copy(store: Store) -> None:
    """Copies the ledger beside itself where it has changed since, whole or not at all. Raises StoreError where it is
    damaged: a copy is the way back, and no damage is copied over it."""
    files = [store.ledger, store.ledger.with_name(f"{store.ledger.name}-wal")]
    changed = max((f.stat().st_mtime_ns for f in files if f.exists()), default=None)
    if changed is None:  # nothing has ever landed
        return
    if copy(store).exists() and copy(store).stat().st_mtime_ns > changed:
        return
    verify(store)
    beside = copy(store).with_suffix(".tmp")
    beside.unlink(missing_ok=True)
    with ledger(store) as db:
        db.execute("vacuum into ?", (str(beside),))
    sync(beside)
    os.replace(beside, copy(store))
    sync(beside.parent)


def restore(store: Store) -> Path:
    """Puts the copy in the ledger's place; what stood there is kept beside, and its path returned. Raises StoreError.

    What landed since the copy is listed anew by its sources and received as it was; it is read again like anything new.
    """
    if _is_empty(copy(store)):
        raise StoreError(f"there is no copy, {copy(store)}. Put the ledger back from a backup")
    if wrong := sqlite_damage(copy(store)):
        raise StoreError(f"{wrong}. Put the ledger back from a backup")
    aside = store.ledger.with_name("ledger.damaged.sqlite")
    for ending in ("-wal", "-shm", ""):  # a log belongs to its own file and would be played into the copy
        old = store.ledger.with_name(store.ledger.name + ending)
        if old.exists():
            os.replace(old, aside.with_name(aside.name + ending))
    beside = store.ledger.with_suffix(".tmp")
    beside.write_bytes(copy(store).read_bytes())
    sync(beside)
    os.replace(beside, store.ledger)
    sync(store.ledger.parent)
    return aside
