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

LATER = [("seen", "etag", "text not null default ''"), ("submission", "reason", "text")]  # not yet in 0.1.0


@contextmanager
def ledger(store: Store) -> Iterator[sqlite3.Connection]:
    """The ledger; what happens inside is one transaction."""
    store.ledger.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(store.ledger, timeout=60)) as db:
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = full")
        db.executescript(SCHEMA)
        for table, column, kind in LATER:
            if column not in [name for _, name, *_ in db.execute(f"pragma table_info({table})")]:
                db.execute(f"alter table {table} add column {column} {kind}")
        with db:
            yield db
