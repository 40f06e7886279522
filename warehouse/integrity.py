"""Whether everything in the store is still what was written: all of it is read, and what can be made again is marked for it.

A night looks only at what it uses, so that its cost grows with what changed; a file that nothing uses may rest damaged for
years. This is the look at all of it, as seldom or often as the keeper likes (`wallchart check`, docs/faults.md).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import polars as pl

from warehouse import judge, ledger, marts, reading, releases, validations
from warehouse.store import Store, discard
from warehouse.trouble import sqlite_damage

Progress = Callable[[str], None]
RUN = "`wallchart run` makes it again"


@dataclass(frozen=True)
class Found:
    """What is wrong, with which file, and what was done or is to be done about it."""

    wrong: str
    to_do: str
    ledger: bool = False  # without which it is not known what there should be


def check(store: Store, progress: Progress = lambda _: None) -> list[Found]:
    """Reads and verifies all that was landed, read, judged, made and released. What can be made again is forgotten, so that
    the next run makes it; nothing else is changed. Waits for whoever writes."""
    with store.room(), store.writing("check", progress):
        found = list(_ledger(store))
        whole = not any(f.ledger for f in found)
        for what, look in (
            ("landed files", _landed(store, ledger_is_whole=whole)),
            ("rows", _rows(store) if whole else iter(())),
            ("judged months", _months(store)),
            ("marts", _marts(store)),
            ("releases", _releases(store)),
            ("registers", _registers(store)),
            ("validation results", _results(store)),
        ):
            progress(f"checking {what}")
            found += look
        for left in [p for top in (store.rows, store.months, store.marts) for p in top.rglob(".*.tmp")]:
            discard(left)  # of a process that was killed; nobody else writes now
    return found


def _ledger(store: Store) -> Iterator[Found]:
    if wrong := ledger.damage(store):
        yield Found(
            wrong, "`wallchart check --restore-ledger` puts its copy in its place (docs/faults.md)", ledger=True
        )
    copy = ledger.copy(store)
    if copy.exists() and (wrong := sqlite_damage(copy)):
        copy.unlink()
        yield Found(wrong, "the next landing makes it again, of a ledger that is whole")


def _landed(store: Store, *, ledger_is_whole: bool) -> Iterator[Found]:
    there = {p.name for p in (store.ledger.parent / "objects").glob("*/*")}
    known: dict[str, str] = {}
    if ledger_is_whole and store.ledger.exists():
        with ledger.ledger(store) as db:
            known = dict(db.execute("select sha256, path from submission where sha256 <> ''"))
    damaged = {one: wrong for one in sorted(there | known.keys()) if (wrong := store.damage(one))}
    if known:
        reading.forget_seen(store, damaged)
    for one, wrong in damaged.items():
        yield Found(
            f"{wrong} ({known.get(one, 'of no submission in the ledger')})",
            "`wallchart run` fetches it again where its source still holds it; otherwise put it back from a backup, or let the"
            " department send the same file again, under any name",
        )
    if known:
        for one in sorted(there - known.keys() - damaged.keys()):
            yield Found(
                f"{store.object(one)} is in no submission of the ledger",
                "landed after the ledger's copy that was restored, perhaps: a run lands it again where a source still holds it",
            )


def _rows(store: Store) -> Iterator[Found]:
    for file in reading.damaged_rows(store):
        file.unlink(missing_ok=True)
        yield Found(f"{file} is not as it was written", RUN)


def _months(store: Store) -> Iterator[Found]:
    for folder in sorted(store.months.glob("*/")):
        if (folder / judge.STATE).exists() and judge.state_of(folder) is None:
            (folder / judge.STATE).unlink()
            yield Found(f"{folder / judge.STATE} cannot be read", RUN)
    for wrong in judge.forget_damaged(store):
        yield Found(wrong, RUN)


def _marts(store: Store) -> Iterator[Found]:
    if store.marts.exists() and (wrong := marts.damage(store)):
        yield Found(wrong, RUN)
    elif store.marts.exists() and marts.made(store) is None:
        yield Found(f"{store.marts / 'made.json'} cannot be read", RUN)


def _releases(store: Store) -> Iterator[Found]:
    for r in releases.releases(store):
        if wrong := releases.damage(r.folder):
            to_do = "it cannot be made again as it was: remove it, or put it back from a backup"
            if r.current:
                releases.given_up(store, r.release).touch()
                to_do = "`wallchart run` publishes another in its place; until then it stands as it is"
            yield Found(f"{r.folder}: {wrong}", to_do)
        else:
            releases.given_up(store, r.release).unlink(missing_ok=True)
    link = store.warehouse / "current"
    if link.is_symlink() and not link.exists():
        yield Found(f"{link} points to a release that is gone", "`wallchart run` publishes another")


def _registers(store: Store) -> Iterator[Found]:
    for file in (store.receipts / "receipts.sqlite", *sorted((store.root / "notices").rglob("messages.sqlite"))):
        if file.exists() and (wrong := sqlite_damage(file)):
            yield Found(
                wrong, "put it back from a backup, or move it away: what it says was sent is then sent once more"
            )


def _results(store: Store) -> Iterator[Found]:
    """Data Docs are drawn from them; a month that is judged anew has new ones."""
    for file in sorted(p for p in (store.gx / "validations").rglob("*") if p.suffix in (".json", ".parquet")):
        try:
            pl.read_parquet(file, glob=False) if file.suffix == ".parquet" else json.loads(file.read_bytes())
        except (ValueError, pl.exceptions.PolarsError):
            month = file.relative_to(store.gx / "validations").parts[1]
            file.unlink()
            with contextlib.suppress(FileNotFoundError):
                (store.month(month) / judge.STATE).unlink()
            yield Found(
                f"{file} cannot be read", RUN if month != validations.LATEST else "the next judging makes it again"
            )
