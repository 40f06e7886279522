"""A copy of what cannot be made again, consistent at any moment, also while a run is under way.

What is kept is a data folder itself, so that to restore it is to copy it back: what landed, the ledger, receipts and their
register, reminders that were sent, documents, releases. Rows, months, marts, Data Docs, SDMX and templates are left out: the
next run makes them again, the same (ADR 0039).

Order is what makes it consistent. Whoever writes puts the files first and then what names them, so here what names them is
copied first, by SQLite, and then the files, which are never changed once they have their name.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from warehouse import releases
from warehouse.store import Store, beside, write_whole
from warehouse.sums import sha256
from warehouse.trouble import sqlite_damage, sqlite_whole

WAY_BACK = "`wallchart check` says what to do; the backup is as it was"

Progress = Callable[[str], None]


class BackupError(Exception):
    """A backup that was not made, or not of everything: why. An earlier one in the same place still stands."""


@dataclass(frozen=True)
class BackedUp:
    """`submissions` in the backup, the `release` that is current in it, and how many files and bytes were new to it."""

    submissions: int
    release: str | None
    files: int
    bytes: int


def back_up(store: Store, folder: Path, progress: Progress = lambda _: None) -> BackedUp:
    """Copies into `folder` what is not there yet. Nothing is ever removed from it, and nothing in the store is touched.

    Raises BackupError: the folder is the store's own or another city's, the ledger is missing or damaged, or landed bytes
    are (the rest is then backed up). Raises StoreError where the folder takes nothing.
    """
    kept = Store(folder.resolve())
    if kept.root.is_relative_to(store.root.resolve()) or store.root.resolve().is_relative_to(kept.root):
        raise BackupError(
            f"{folder} and {store.root} are one inside the other: choose a folder elsewhere, on another disk"
        )
    if not store.ledger.exists():
        raise BackupError(f"nothing has landed in {store.root} yet: there is nothing to back up")
    with kept.room(), kept.writing("backup", progress):
        done = _Done()
        with _copied(store.ledger, kept.ledger) as snapshot:
            objects = _objects(snapshot, kept.ledger)
            damaged = [wrong for o in objects if (wrong := _object(store, kept, o, done))]
            progress(f"{len(objects):,} landed files, {done.files:,} of them new here")
            with _copied(store.receipts / "receipts.sqlite", kept.receipts / "receipts.sqlite"):
                _tree(store.receipts, kept.receipts, done)
                with _copied(store.root / "notices" / "messages.sqlite", kept.root / "notices" / "messages.sqlite"):
                    _tree(store.reports, kept.reports, done)
                    release = _releases(store, kept, done, progress)
                    os.sync()  # everything is on the disk before anything there names it
        if damaged:
            raise BackupError(
                f"{len(damaged)} landed files could not be backed up, all else was. `wallchart check` says what to do:\n"
                + "\n".join(damaged)
            )
        with closing(sqlite3.connect(kept.ledger)) as db:
            [(submissions,)] = db.execute("select count(*) from submission").fetchall()
        return BackedUp(submissions, release, done.files, done.bytes)


@dataclass
class _Done:
    files: int = 0
    bytes: int = 0

    def copy(self, source: Path, target: Path) -> None:
        with beside(target) as part:
            shutil.copy2(source, part)
        self.count(target)

    def count(self, file: Path) -> None:
        self.files += 1
        self.bytes += file.stat().st_size


@contextmanager
def _copied(source: Path, target: Path) -> Iterator[Path]:
    """SQLite's own copy of a database as it stands now, whole, in its place when what happens inside is done.

    Where there is none, there is nothing to do.
    """
    if not source.exists():
        yield source
        return
    with beside(target) as part:
        part.unlink(missing_ok=True)
        with closing(sqlite3.connect(source, timeout=60)) as db, sqlite_whole(source, WAY_BACK):
            db.execute("vacuum into ?", (str(part),))
        if wrong := sqlite_damage(part):
            raise BackupError(f"{source} cannot be copied: {wrong}. {WAY_BACK}")
        yield part
        for log in ("-wal", "-shm"):  # of somebody who worked in the backup: it belongs to the file that goes now
            target.with_name(target.name + log).unlink(missing_ok=True)


def _objects(snapshot: Path, earlier: Path) -> list[str]:
    """The digests of what landed. Raises BackupError where `earlier` knows submissions that the snapshot does not."""
    with closing(sqlite3.connect(snapshot)) as db:
        if earlier.exists():
            db.execute("attach ? as earlier", (str(earlier),))
            [(lost,)] = db.execute(
                "select count(*) from earlier.submission where submission not in (select submission from main.submission)"
            ).fetchall()
            if lost:
                raise BackupError(
                    f"{earlier} knows {lost} submissions that the ledger does not: it is another city's backup, or the"
                    " ledger has lost them. Nothing was changed; choose another folder, or restore this one"
                )
        return [s for (s,) in db.execute("select distinct sha256 from submission where sha256 <> '' order by sha256")]


def _object(store: Store, kept: Store, digest: str, done: _Done) -> str | None:
    """Copies landed bytes, once; what is wrong with them, or None."""
    source, target = store.object(digest), kept.object(digest)
    if target.exists():
        return None
    if not source.exists():
        return f"{source} is missing"
    try:
        with beside(target) as part:
            shutil.copy2(source, part)
            if sha256(part) != digest:
                raise BackupError(f"{source} holds other bytes than those that it is named after")
    except BackupError as e:
        return str(e)
    done.count(target)
    return None


def _tree(source: Path, target: Path, done: _Done) -> None:
    """Copies the files that are not there as they are; one that is let go meanwhile is not waited for."""
    for at, _, names in os.walk(source):
        for name in names:
            file, copy = Path(at, name), target / Path(at, name).relative_to(source)
            if name.endswith((".tmp", ".sqlite", "-wal", "-shm")):
                continue
            try:
                seen = file.stat()
                if not copy.exists() or (copy.stat().st_size, copy.stat().st_mtime_ns) != (
                    seen.st_size,
                    seen.st_mtime_ns,
                ):
                    done.copy(file, copy)
            except FileNotFoundError:
                continue


def _releases(store: Store, kept: Store, done: _Done, progress: Progress) -> str | None:
    """Copies the releases, then what says which was rolled back, then the link. The name of the one that is current there."""
    link, acts = store.warehouse / "current", store.warehouse / "rollbacks.json"
    for r in reversed(releases.releases(store)):
        _release(r.folder, kept, done, progress)
    if link.is_symlink():  # it may name one that was published since the copying began
        current = _release(link.resolve(), kept, done, progress)
        if acts.exists():
            write_whole(kept.warehouse / acts.name, acts.read_bytes())
        if current:
            releases.point(kept, current)
    return next((r.release for r in releases.releases(kept) if r.current), None)


def _release(folder: Path, kept: Store, done: _Done, progress: Progress) -> str | None:
    """Copies a release, once and only whole; its name, or None where it was not."""
    target = kept.warehouse / "releases" / folder.name
    part = target.with_name(f".{folder.name}.tmp")
    if part.exists():
        releases.remove(part)
    if not target.exists():
        _tree(folder, part, done)
        if wrong := releases.damage(part):
            progress(f"release {folder.name} is left out: {wrong}")
            return None
        for at, _, _ in os.walk(part):
            os.chmod(at, 0o555)
        os.rename(part, target)
    if (folder.parent.with_name("views") / folder.name).is_symlink():
        link = releases.seen_through(kept, folder.name)
        link.parent.mkdir(exist_ok=True)
        releases.lead(link, Path("..") / "releases" / folder.name)
    return folder.name
