"""Landing: new bytes from the departments' drop boxes, kept for ever, with a ledger row each.

A source is never written to. Landing is idempotent: killed at any moment and run again it ends in the same ledger.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from expectations.model import Plan
from warehouse.ledger import ledger
from warehouse.store import Store

SETTLED = 2.0  # seconds without a change until a file counts as complete

Progress = Callable[[str], None]


class SourceError(Exception):
    """A source that cannot be listed: which, and why."""


@dataclass(frozen=True)
class Landed:
    """What a landing did: counts, and the sources that failed with their reasons."""

    looked_at: int
    new: list[str]
    growing: list[str]
    unknown_boxes: list[str]
    failed_sources: dict[str, str]


def land(
    store: Store, sources: Iterable[str], plan: Plan, now: dt.datetime, progress: Progress = lambda _: None
) -> Landed:
    """Copies every new file of every source into the store. One source that fails never stops the others.

    A submission is received when its file was last changed in the drop box, never later than `now` and never before an
    earlier submission under the same name. `now`: timezone-aware.
    """
    departments = {d.department for d in plan.departments}
    looked_at, new, growing, failed, unknown = 0, [], [], {}, []
    for source in sources:
        try:
            boxes = list(_boxes(source))
        except (OSError, SourceError) as e:
            failed[source] = str(e)
            progress(f"source {source}: {e}")
            continue
        for department, box in boxes:
            if department not in departments:
                unknown.append(f"{source}: {department}")
                continue
            files, unsettled = _complete(box, now)
            growing += [f"{department}/{p.relative_to(box).as_posix()}" for p in unsettled]
            looked_at += len(files)
            new += _land_box(store, source, department, box, files, now, progress)
    return Landed(looked_at, new, growing, unknown, failed)


def _boxes(source: str) -> Iterator[tuple[str, Path]]:
    url = urlsplit(source)
    if url.scheme != "file":
        raise SourceError(f"{url.scheme}:// is not a source that can be pulled; use file:///folder")
    root = Path(unquote(url.path))
    if not root.is_dir():
        raise SourceError(f"{root} is not a folder; make it, or correct the source's URL")
    for box in sorted(root.iterdir()):
        if box.is_dir() and not box.name.startswith("."):
            yield box.name, box


def _complete(box: Path, now: dt.datetime) -> tuple[list[Path], list[Path]]:
    """Files of a drop box that are whole, and those still growing."""
    files = [
        p
        for p in sorted(box.rglob("*"))
        if p.is_file()
        and not p.is_symlink()
        and not p.name.startswith((".", "~$"))
        and not p.name.casefold().endswith((".part", ".tmp"))
        and not any(part.startswith(".") or part == "receipts" for part in p.relative_to(box).parts[:-1])
    ]
    before = {p: p.stat() for p in files}
    if any(now.timestamp() - s.st_mtime < SETTLED for s in before.values()):
        time.sleep(SETTLED)
    growing = [p for p, s in before.items() if not p.exists() or _changed(s, p.stat())]
    return [p for p in files if p not in set(growing)], growing


def _changed(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)


def _land_box(
    store: Store, source: str, department: str, box: Path, files: list[Path], now: dt.datetime, progress: Progress
) -> list[str]:
    new = []
    with ledger(store) as db:
        for file in sorted(files, key=lambda f: (f.stat().st_mtime_ns, f)):  # of two copies the first sent counts
            path = f"{department}/{file.relative_to(box).as_posix()}"
            stat = file.stat()
            known = db.execute(
                "select bytes, modified_ns, received_at from seen where source = ? and path = ?", (source, path)
            ).fetchone()
            if known and known[:2] == (stat.st_size, stat.st_mtime_ns):
                continue
            sha256 = _keep(store, file)
            if _changed(stat, file.stat()):  # replaced while it was read: the next landing takes it whole
                continue
            submission = hashlib.sha256(f"{department}\0{sha256}".encode()).hexdigest()[:16]
            received = min(stat.st_mtime_ns // 1000, int(now.timestamp() * 1e6))
            if known:
                received = max(received, known[2] + 1)
            inserted = db.execute(
                "insert into submission (submission, source, department, path, sha256, bytes, received_at, landed_at)"
                " values (?, ?, ?, ?, ?, ?, ?, ?) on conflict do nothing",
                (submission, source, department, path, sha256, stat.st_size, received, int(now.timestamp() * 1e6)),
            ).rowcount
            db.execute(
                "insert or replace into seen values (?, ?, ?, ?, ?, ?)",
                (source, path, stat.st_size, stat.st_mtime_ns, submission, received),
            )
            if inserted:
                new.append(submission)
                progress(f"landed {path} ({stat.st_size:,} bytes)")
    return new


def _keep(store: Store, file: Path) -> str:
    """The file's bytes in the store under their own digest; streamed, whole or not at all."""
    landing = store.object("00").parent.parent
    landing.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with open(file, "rb") as stream, tempfile.NamedTemporaryFile(dir=landing, prefix=".", delete=False) as copy:
        while block := stream.read(1 << 20):
            digest.update(block)
            copy.write(block)
        copy.flush()
        os.fsync(copy.fileno())
    kept = store.object(digest.hexdigest())
    if kept.exists():
        os.unlink(copy.name)
    else:
        kept.parent.mkdir(parents=True, exist_ok=True)
        os.chmod(copy.name, 0o444)
        shutil.move(copy.name, kept)
    return digest.hexdigest()
