"""What has outlived its use, for a person at the command line: shown first, deleted only when asked.

Here: the store's things (`warehouse.retention`), and what only this floor knows: Dagster's runs and the messages sent.
"""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from itertools import groupby
from pathlib import Path

import click
import dagster as dg
from dagster._core.storage.event_log import SqliteEventLogStorage
from rich.console import Console
from rich.table import Table

from pipelines.settings import Settings
from warehouse import retention
from warehouse.retention import Outlived

FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def show_pruned(config: Settings, now: dt.datetime, *, delete: bool) -> None:
    """Prints, kind by kind, what may go; with `delete`, deletes it and prints what went."""
    arguments = (config.store, config.keep, config.papers_days, now)
    found = retention.prune(*arguments) if delete else retention.outlived(*arguments)
    if delete and any(f.what.startswith("Data Docs") for f in found):
        from warehouse import data_docs

        with config.store.writing("Data Docs"):
            data_docs.build(config.store)  # the index
    with dg.DagsterInstance.get() as instance:
        runs = _runs(config, instance, now)
        if delete:
            for run in runs:
                _forget(instance, run.paths[0].name, run.paths)
    messages = _messages(config, now, delete=delete)
    _show(config.data, [*found, *runs, *messages])
    if not delete and (found or runs or messages):
        click.echo("Nothing was deleted. `make prune DELETE=yes` deletes it.")


def _runs(config: Settings, instance: dg.DagsterInstance, now: dt.datetime) -> list[Outlived]:
    """Runs that ended long ago, but for those that made what an asset or a month of it still rests on: without them the UI
    would show it as never made. The first of the paths ends in the run's id."""
    before = now - dt.timedelta(days=config.runs_days)
    old = instance.get_run_records(dg.RunsFilter(statuses=FINISHED, updated_before=before))
    if not old:
        return []
    standing = _standing(instance)
    rule = f"ended more than {config.runs_days} days ago (WALLCHART_KEEP_RUNS_DAYS)"
    return [
        Outlived("runs of Dagster", rule, r.update_timestamp, paths, sum(_bytes(p) for p in paths))
        for r in old
        if r.dagster_run.run_id not in standing
        for paths in [_files(instance, r.dagster_run.run_id)]
    ]


def _standing(instance: dg.DagsterInstance) -> set[str]:
    """The runs that made what now stands, by asset and partition."""
    kept = set()
    made = dg.DagsterEventType.ASSET_MATERIALIZATION
    for key in instance.all_asset_keys():
        if latest := instance.get_latest_materialization_event(key):
            kept.add(latest.run_id)
        ids = list(instance.event_log_storage.get_latest_storage_id_by_partition(key, made).values())
        if ids:
            which = dg.AssetRecordsFilter(asset_key=key, storage_ids=ids)
            kept.update(r.run_id for r in instance.fetch_materializations(which, limit=len(ids)).records)
    return kept


def _files(instance: dg.DagsterInstance, run: str) -> tuple[Path, ...]:
    """What was captured of a run, and, where the storage is SQLite, its own event log."""
    log = instance.event_log_storage
    shard = (Path(log.path_for_shard(run)),) if isinstance(log, SqliteEventLogStorage) else ()
    return (Path(instance.storage_directory()) / run, *shard)


def _forget(instance: dg.DagsterInstance, run: str, files: Iterable[Path]) -> None:
    instance.delete_run(run)
    instance.compute_log_manager.delete_logs(prefix=[run])
    for file in files:
        if file.is_file():  # Dagster empties it, and leaves it as large as it was
            file.unlink()


def _messages(config: Settings, now: dt.datetime, *, delete: bool) -> list[Outlived]:
    """Messages after which a newer one went to the same address. The last of each is kept: by it nothing is said twice."""
    before = now - dt.timedelta(days=config.papers_days)
    rule = f"older than {config.papers_days} days (WALLCHART_KEEP_PAPERS_DAYS)"
    found = []
    for file in sorted((config.store.root / "notices").rglob("messages.sqlite")):  # reminders, and alerts
        with closing(sqlite3.connect(file, timeout=60)) as db, db:
            old = db.execute(REPLACED, (before.astimezone(dt.UTC).isoformat(),)).fetchall()
            if delete:
                db.executemany("delete from message where rowid = ?", [(rowid,) for rowid, *_ in old])
        found += [
            Outlived("messages that a later one followed", rule, dt.datetime.fromisoformat(queued), (file,), size)
            for _, queued, size in old
        ]
    return found


REPLACED = """
select m.rowid, m.queued_at, length(cast(m.title as blob)) + length(cast(m.body as blob)) from message m
where m.queued_at < ? and exists (
    select 1 from message n where n.topic = m.topic and n.recipient = m.recipient and n.place = m.place
        and n.key > m.key and n.sent_at is not null)
order by m.queued_at
"""


def _show(data: Path, found: list[Outlived]) -> None:
    if not found:
        click.echo("nothing has outlived its use")
        return
    table = Table(title="What has outlived its use", title_justify="left")
    for header in ("what", "how many", "bytes", "the oldest is of", "and is", "by which rule"):
        table.add_column(header, justify="right" if header in ("how many", "bytes") else "left", overflow="fold")
    for (what, rule), things in groupby(found, key=lambda f: (f.what, f.rule)):
        some = list(things)
        oldest = min(some, key=lambda f: f.since)
        table.add_row(
            what, f"{len(some):,}", f"{sum(f.bytes for f in some):,}", f"{oldest.since:%Y-%m-%d}",
            os.path.relpath(oldest.paths[0], data), rule,
        )  # fmt: skip
    console = Console(width=None if Console().is_terminal else 160)
    console.print(table)
    console.print(f"{len(found):,} in all, {sum(f.bytes for f in found):,} bytes")


def _bytes(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
