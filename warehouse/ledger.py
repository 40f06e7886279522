"""The ledger: what was received and read, in one SQLite file beside the landed bytes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from warehouse.store import Store

SCHEMA = """
create table if not exists submission (
    submission text primary key, source text not null, department text not null, path text not null,
    sha256 text not null, bytes integer not null, received_at integer not null, landed_at integer not null,
    reader text, format text, synthetic integer, named_department text, rows integer,
    fault_rule text, fault_found text, fault_expected text, fault_sheet text, fault_row integer
);
create table if not exists submission_month (
    submission text not null, month text not null, rows integer not null, primary key (submission, month)
);
create table if not exists seen (
    source text not null, path text not null, bytes integer not null, modified_ns integer not null,
    submission text not null, received_at integer not null, primary key (source, path)
);
"""


@contextmanager
def ledger(store: Store) -> Iterator[sqlite3.Connection]:
    """The ledger; what happens inside is one transaction."""
    store.ledger.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(store.ledger, timeout=60)) as db:
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = full")
        db.executescript(SCHEMA)
        with db:
            yield db
