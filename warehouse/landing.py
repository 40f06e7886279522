"""Landing: new bytes from the departments' drop boxes, kept for ever, with a ledger row each.

Landing is idempotent: killed at any moment and run again it ends in the same ledger, and a file that was being pulled goes
on where it stopped. Nothing is ever deleted from a source, and nothing written to it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from expectations.model import Plan
from warehouse.ledger import keep_copy, ledger, verify
from warehouse.reading import SIZE_LIMIT
from warehouse.sources import Changed, Credentials, Entry, Passing, Source, SourceError, open_source, shown, told
from warehouse.store import Store, sync

SETTLED = 2.0  # seconds without a change until a file counts as complete
TRIES = 4  # of what may pass, with 1, 2, 4 s between them, or what the source asks for
PATIENCE = 60.0  # seconds; a source that asks for more is asked again by the next landing
GIVE_UP = 3  # troubles in a row that did not pass: the source is down
RECORDED = (100, 16 << 20)  # files or bytes pulled until the ledger is written
TOLD = 64 << 20  # bytes of one file between two lines about it
SLOWEST = 16 << 10  # bytes a second, on the whole of a file
BOOT = Path("/proc/sys/kernel/random/boot_id")  # another one each time that the machine starts; Linux has it

Progress = Callable[[str], None]
T = TypeVar("T")


@dataclass
class Landed:
    """What a landing did. `again`: known bytes that replaced others. `copies`: files that hold the bytes of another one, and
    of which. `failed_sources`: by source, what went wrong; `may_pass`: those of them that a later landing may find well."""

    looked_at: int = 0
    new: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    copies: dict[str, str] = field(default_factory=dict)
    growing: list[str] = field(default_factory=list)
    unknown_boxes: list[str] = field(default_factory=list)
    failed_sources: dict[str, str] = field(default_factory=dict)
    may_pass: list[str] = field(default_factory=list)


def land(
    store: Store,
    sources: Iterable[str],
    plan: Plan,
    now: dt.datetime,
    progress: Progress = lambda _: None,
    credentials: Credentials | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Landed:
    """Copies every new file of every source (URLs) into the store. One source that fails never stops the others.

    A submission is received when its file was last changed in the drop box, never later than `now` and never before an
    earlier submission under the same name. `now`: timezone-aware. `pause` waits that many seconds.

    Raises StoreError before anything is asked of a source where the ledger is damaged, and where the disk is full.
    """

    def said(text: str) -> str:
        return told(text, credentials or {})

    departments = {d.department for d in plan.departments}
    landed = Landed()
    with store.room():
        verify(store)
        for url in sources:
            name = shown(url)
            pull = _Pull(store, name, now, lambda text: progress(said(text)), pause, landed)
            try:
                with closing(open_source(url, credentials or {})) as source:
                    pull.everything(source, departments)
            except SourceError as e:
                pull.note(e)
            if pull.may_pass:
                landed.may_pass.append(name)
            if pull.troubles:
                more = f"; and {len(pull.troubles) - 5} more" if len(pull.troubles) > 5 else ""
                landed.failed_sources[name] = said("; ".join(pull.troubles[:5]) + more)
                progress(f"source {name}: {landed.failed_sources[name]}")
            else:
                shutil.rmtree(pull.parts, ignore_errors=True)  # of files that were replaced before they were whole
        keep_copy(store)
    return landed


@dataclass
class _Pull:
    """A landing from one source."""

    store: Store
    name: str
    now: dt.datetime
    say: Progress
    pause: Callable[[float], None]
    landed: Landed
    troubles: list[str] = field(default_factory=list)
    may_pass: bool = False
    silent: int = 0

    @property
    def parts(self) -> Path:
        """Files that have come in part."""
        return self.store.ledger.parent / "parts" / hashlib.sha256(self.name.encode()).hexdigest()[:16]

    def everything(self, source: Source, departments: set[str]) -> None:
        boxes = self.tried(source.departments)
        self.say(f"source {self.name}: {len(boxes)} drop boxes")
        for department in boxes:
            if department not in departments:
                self.landed.unknown_boxes.append(f"{self.name}: {department}")
                continue
            try:
                self.box(source, department)
            except SourceError as e:
                self.trouble(e)

    def box(self, source: Source, department: str) -> None:
        """All pages of a department's listing. The cursor stays before the first page that was not landed whole."""
        with ledger(self.store) as db:
            row = db.execute(
                "select cursor from cursor where source = ? and department = ?", (self.name, department)
            ).fetchone()
        cursor: str | None = row[0] if row else None
        walked, whole = {cursor}, True
        while True:
            page = self.tried(lambda at=cursor: source.page(department, at))  # type: ignore[misc]
            self.landed.looked_at += len(page.entries)
            whole = self.page(source, department, page.entries) and whole
            if whole and page.cursor is not None and page.cursor != cursor:
                with ledger(self.store) as db:
                    db.execute("insert or replace into cursor values (?, ?, ?)", (self.name, department, page.cursor))
            if not page.more:
                return
            if page.cursor in walked:
                raise SourceError(f"{self.name}: the listing of {department} goes round in circles")
            walked.add(page.cursor)
            cursor = page.cursor

    def page(self, source: Source, department: str, entries: list[Entry]) -> bool:
        """Lands what is new among the entries. Returns whether nothing was left for the next landing."""
        with ledger(self.store) as db:
            seen = {
                path: version
                for path, *version in db.execute(
                    "select path, bytes, modified_ns, etag from seen where source = ? and path >= ? and path < ?",
                    (self.name, f"{department}/", f"{department}0"),  # 0 follows /
                )
            }
        new = [e for e in entries if seen.get(e.path) != list(e.version)]
        new.sort(key=lambda e: (e.modified_ns, e.name))  # of two copies the first sent counts
        fresh = [e for e in new if self.now.timestamp() - e.modified_ns / 1e9 < SETTLED]
        if fresh:
            self.pause(SETTLED)
        growing = {e.path for e in fresh if not self.tried(lambda e=e: source.unchanged(e))}  # type: ignore[misc]
        whole, waiting, size = not growing, list[tuple[Entry, str]](), 0
        try:
            for entry in new:
                if entry.path in growing:
                    continue
                try:
                    waiting.append((entry, self.bytes(source, entry)))
                except Changed:
                    growing.add(entry.path)
                    whole = False
                    continue
                except SourceError as e:
                    whole = False
                    self.trouble(e)
                    continue
                size += entry.size
                if len(waiting) >= RECORDED[0] or size >= RECORDED[1]:
                    self.record(waiting)
                    waiting, size = [], 0
        finally:
            self.record(waiting)
            self.landed.growing += sorted(growing)
        return whole

    def bytes(self, source: Source, entry: Entry) -> str:
        """The file's bytes in the store under their own digest, whole or not at all; the digest, or nothing where the
        file is beyond the limit: it is then recorded without its bytes, and returned (S07)."""
        if entry.size > SIZE_LIMIT:
            return ""
        # what came before the machine last went down may be a hole: it is not gone on with
        boot = BOOT.read_text() if BOOT.exists() else ""
        version = repr((entry.path, entry.version, boot)).encode("utf-8", "surrogateescape")
        part = self.parts / hashlib.sha256(version).hexdigest()[:32]
        part.parent.mkdir(parents=True, exist_ok=True)
        self.tried(lambda: self.go_on(source, entry, part))
        with open(part, "rb") as file:
            os.fsync(file.fileno())
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if entry.sha256 and entry.sha256.lower() != sha256:
            part.unlink()
            raise SourceError(f"{entry.path}: its bytes are not those that the listing announces (SHA-256)")
        if not self.tried(lambda: source.unchanged(entry)):
            part.unlink()
            raise Changed(f"{entry.path} was replaced while it was read")
        kept = self.store.object(sha256)
        kept.parent.mkdir(parents=True, exist_ok=True)
        os.replace(part, kept)
        os.chmod(kept, kept.stat().st_mode & 0o555)  # who may read it: as the umask says
        return sha256

    def go_on(self, source: Source, entry: Entry, part: Path) -> None:
        """Pulls what is still missing of a file."""
        began = time.monotonic()
        with open(part, "ab") as copy:
            if copy.tell() == entry.size:
                return
            for offset, block in source.blocks(entry, copy.tell()):
                if offset != copy.tell():
                    copy.truncate(offset)
                    copy.seek(offset)
                before = copy.tell()
                copy.write(block)
                if copy.tell() > entry.size:
                    copy.truncate(0)
                    raise SourceError(f"{entry.path}: it is longer than the {entry.size:,} bytes that the listing says")
                if before // TOLD < copy.tell() // TOLD:
                    self.say(f"pulling {entry.path}: {copy.tell() >> 20:,} of {entry.size >> 20:,} MiB")
                if time.monotonic() - began > PATIENCE + entry.size / SLOWEST:
                    raise Passing(f"{entry.path}: it comes slower than {SLOWEST:,} bytes a second")
            came = copy.tell()
        if came < entry.size:
            if not source.unchanged(entry):
                raise Changed(f"{entry.path} was replaced while it was read")
            raise Passing(f"{entry.path}: {came:,} of {entry.size:,} bytes came")

    def tried(self, ask: Callable[[], T]) -> T:
        """What `ask` returns; tried again where the trouble may pass, unless the source asks for too long a wait."""
        import tenacity

        def wait(state: tenacity.RetryCallState) -> float:
            return _asked_for(state) or 2.0 ** (state.attempt_number - 1)

        def tell(state: tenacity.RetryCallState) -> None:
            self.say(f"source {self.name}: {_error(state)}; trying again in {wait(state):.0f} s")

        answer = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Passing),
            stop=lambda state: state.attempt_number >= TRIES or _asked_for(state) > PATIENCE,
            wait=wait,
            before_sleep=tell,
            sleep=self.pause,
            reraise=True,
        )(ask)
        self.silent = 0
        return answer

    def trouble(self, error: SourceError) -> None:
        """Notes it and goes on with the next file or box, unless the source is down."""
        self.silent = self.silent + 1 if isinstance(error, Passing) else 0
        if self.silent >= GIVE_UP:
            raise error
        self.note(error)

    def note(self, error: SourceError) -> None:
        self.troubles.append(str(error))
        self.may_pass = self.may_pass or isinstance(error, Passing)

    def record(self, files: list[tuple[Entry, str]]) -> None:
        """Files that were pulled, in the ledger, in one transaction."""
        if not files:
            return
        at = int(self.now.timestamp() * 1e6)
        lines = []
        for folder in sorted({self.store.object(sha256).parent for _, sha256 in files if sha256}):
            sync(folder)  # what the ledger names is on the disk, whatever becomes of the machine
            sync(folder.parent)
        with ledger(self.store) as db:
            for entry, sha256 in files:
                known = db.execute(
                    "select submission, received_at from seen where source = ? and path = ?", (self.name, entry.path)
                ).fetchone()
                of = sha256 or f"{entry.name}\0{entry.version}"
                submission = hashlib.sha256(f"{entry.department}\0{of}".encode()).hexdigest()[:16]
                received = min(entry.modified_ns // 1000, at)
                if known:
                    received = max(received, known[1] + 1)
                inserted = db.execute(
                    "insert into submission (submission, source, department, path, sha256, bytes, received_at, landed_at)"
                    " values (?, ?, ?, ?, ?, ?, ?, ?) on conflict do nothing",
                    (submission, self.name, entry.department, entry.path, sha256, entry.size, received, at),
                ).rowcount
                db.execute(
                    "insert or replace into seen (source, path, bytes, modified_ns, submission, received_at, etag)"
                    " values (?, ?, ?, ?, ?, ?, ?)",
                    (self.name, entry.path, entry.size, entry.modified_ns, submission, received, entry.etag),
                )
                if inserted:
                    self.landed.new.append(submission)
                    lines.append(f"landed {entry.path} ({entry.size:,} bytes)")
                elif known and (known[0] != submission or _withdrawn(db, submission, received)):
                    db.execute("insert or ignore into sent_again values (?, ?, ?)", (submission, received, entry.path))
                    self.landed.again.append(submission)
                    lines.append(f"landed {entry.path} again: bytes that were there before")
                elif known is None:
                    [(first,)] = db.execute(
                        "select path from submission where submission = ?", (submission,)
                    ).fetchall()
                    if first != entry.path:
                        self.landed.copies[entry.path] = first
                        lines.append(f"{entry.path} is a copy of {first}: one submission")
        if lines:  # together: Dagster takes milliseconds for each time that something is said
            self.say("\n".join(lines))


def _withdrawn(db: sqlite3.Connection, submission: str, before: int) -> bool:
    found = db.execute(
        "select 1 from withdrawal where submission = ? and withdrawn_at < ?", (submission, before)
    ).fetchone()
    return found is not None


def _error(state: Any) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _asked_for(state: Any) -> float:
    """Seconds that the source asks to be left alone."""
    error = _error(state)
    return error.after if isinstance(error, Passing) else 0
