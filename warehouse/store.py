"""Where things rest under the data folder, and the one lock by which a single writer works at a time.

landing/objects/ab/abcdef…   bytes as received, content-addressed, never changed
landing/ledger.sqlite        a row per submission; ledger.copy.sqlite beside it, its copy
rows/<submission>.parquet    what the readers read
months/<YYYY-MM>/            judged rows, findings and observations of a month
marts/<table>.parquet        the marts of the next release: a file, or a folder of its parts where a cluster made it
receipts/<department>/…      the answers to submissions, and receipts.sqlite, their register
templates/<period>/…         fill-in workbooks, one a department
notices/                     which reminders and alerts were sent, and which wait; night.json: the last good night
warehouse/                   releases, and the link `current`
sdmx/                        the same figures as SDMX, a folder a release, and the link `current`
reports/                     pages and documents for people, made from a release
gx/                          Great Expectations: suites, validation results, and their pages (site/)
.spill/                      what judging and the marts cannot hold in memory, while they run
.preview/                    a store beside this one, while a preview runs; previewed/: what the last one said
.writer.lock                 who writes just now; the lock is the kernel's, not the file
.helpers.lock                held by those who write for the writer on other machines, while they do
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import hashlib
import logging
import os
import re
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import duckdb

from warehouse.trouble import StoreError, of_disk

log = logging.getLogger(__name__)
PARTITION = "month="
_writing: ContextVar[frozenset[Path]] = ContextVar("_writing", default=frozenset())  # locks held where this is asked


@dataclass(frozen=True)
class Store:
    root: Path

    @property
    def ledger(self) -> Path:
        return self.root / "landing" / "ledger.sqlite"

    @property
    def rows(self) -> Path:
        return self.root / "rows"

    @property
    def months(self) -> Path:
        return self.root / "months"

    def month(self, month: str) -> Path:
        """The folder of a judged month, named as other engines read a partition from a path."""
        return self.months / f"{PARTITION}{month}"

    @property
    def marts(self) -> Path:
        return self.root / "marts"

    def mart(self, table: str) -> list[Path]:
        """The mart's Parquet: its file, or its parts in the order of its rows."""
        made = self.marts / f"{table}.parquet"
        return sorted(made.glob("*.parquet")) if made.is_dir() else [made]

    @property
    def spill(self) -> Path:
        return self.root / ".spill"

    @property
    def receipts(self) -> Path:
        return self.root / "receipts"

    @property
    def warehouse(self) -> Path:
        return self.root / "warehouse"

    @property
    def sdmx(self) -> Path:
        return self.root / "sdmx"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def remembered(self) -> Path:
        return self.root / "remembered"

    @property
    def gx(self) -> Path:
        return self.root / "gx"

    def object(self, sha256: str) -> Path:
        return self.root / "landing" / "objects" / sha256[:2] / sha256

    def damage(self, sha256: str) -> str | None:
        """What is wrong with the bytes that landed under this digest; None: nothing."""
        try:
            with open(self.object(sha256), "rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
        except FileNotFoundError:
            return f"{self.object(sha256)} is missing"
        return None if found == sha256 else f"{self.object(sha256)} holds other bytes than those that it is named after"

    @contextlib.contextmanager
    def room(self) -> Iterator[None]:
        """Where what happens inside meets a full or read-only disk: which, how much is wanted, what to do, as a StoreError."""
        try:
            yield
        except Exception as e:
            if said := of_disk(e, self.root, self.wanted):
                raise StoreError(said) from None  # its own message is part of what is said
            raise

    def wanted(self) -> int:
        """Bytes that a night may write: as much as was ever made, for it may make everything again."""
        landed = sum(p.stat().st_size for p in (self.root / "landing" / "objects").glob("*/*"))
        made = [self.rows, self.months, self.marts, self.receipts, self.warehouse, self.sdmx, self.reports, self.gx]
        files = (Path(folder, name) for top in made for folder, _, names in os.walk(top) for name in names)
        return (64 << 20) + max(4 * landed, sum(f.lstat().st_size for f in files))

    @contextlib.contextmanager
    def writing(self, what: str, say: Callable[[str], None] = log.warning) -> Iterator[None]:
        """Held by whoever writes; another process waits its turn, and `say`s for whom. Ends with the process, even a
        killed one. What is written within it by the same thread is part of it. `what`: is done, in a word or two."""
        lock = self.root / ".writer.lock"
        if lock in _writing.get():
            yield
            return
        self.root.mkdir(parents=True, exist_ok=True)
        with open(lock, "a+") as file:  # not "w": whoever waits must not wipe out who holds it
            if not locked(file, what):
                say(f"waiting: {holder(lock)}. It ends with that process")
                fcntl.flock(file, fcntl.LOCK_EX)
                _sign(file, what)
            with open(self.root / ".helpers.lock", "a+") as helpers:
                if not _held(helpers, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    say("waiting: others write the last files for a run that was killed. It ends with those processes")
                    _held(helpers, fcntl.LOCK_EX)
            outer = _writing.set(_writing.get() | {lock})
            try:
                for left in (*self.months.glob("*/.*.tmp"), *self.marts.glob(".*.tmp"), *self.marts.glob("*/.*.tmp")):
                    discard(left)  # of a process that was killed
                for before in self.months.glob("[0-9]*-[0-9]*"):
                    if self.month(before.name).exists():
                        discard(before)  # an earlier version was at work in between
                    else:
                        os.rename(before, self.month(before.name))  # what it was called by an earlier version
                yield
            finally:
                _writing.reset(outer)
                file.truncate(0)
                fcntl.flock(file, fcntl.LOCK_UN)  # a child process that was forked meanwhile has the file open too

    def leave(self) -> str:
        """What whoever holds the writer's lock gives to the processes that write for it (`helping`)."""
        lock = self.root / ".writer.lock"
        return f"{lock.read_text()}, since {lock.stat().st_mtime_ns}"

    @contextlib.contextmanager
    def helping(self, leave: str) -> Iterator[None]:
        """Held by a process that writes for the holder of the writer's lock, on whatever machine, while it puts files in
        place. Raises StoreError where the lock is not that holder's any more: then nothing is to be written."""
        with open(self.root / ".helpers.lock", "a+") as file:
            _held(file, fcntl.LOCK_SH)
            if self.leave() != leave:
                raise StoreError(f"nothing was written: who asked for it writes no more ({leave})")
            yield


def locked(file: IO[str], what: str) -> bool:
    """Takes the lock on an open file, and signs it; False where somebody holds it (`holder`)."""
    if not _held(file, fcntl.LOCK_EX | fcntl.LOCK_NB):
        return False
    _sign(file, what)
    return True


def _held(file: IO[str], how: int) -> bool:
    try:
        fcntl.flock(file, how)
    except BlockingIOError:
        return False
    except OSError as e:
        said = f"{file.name} cannot be locked ({e.strerror}): the data folder belongs on a disk that the kernel locks files of"
        raise OSError(e.errno, said) from e
    return True


def _sign(file: IO[str], what: str) -> None:
    with contextlib.suppress(OSError):  # a full disk: the lock is held all the same, and the work itself will say so
        file.truncate(0)
        os.write(file.fileno(), f"process {os.getpid()} on {socket.gethostname()}, {what}".encode())


def holder(lock: Path) -> str:
    """Who holds a lock, and since when, as they signed it."""
    since = dt.datetime.fromtimestamp(lock.stat().st_mtime).astimezone()
    return f"{lock} is held by {lock.read_text() or 'another process'}, since {since:%Y-%m-%d %H:%M:%S%z}"


def month_of(folder: Path) -> str:
    """Of which month a folder of `Store.month` is."""
    return folder.name.removeprefix(PARTITION)


def write_whole(path: Path, content: bytes) -> None:
    """The file with all its content or not at all, whatever kills the process."""
    with writing_whole(path) as stream:
        stream.write(content)


@contextlib.contextmanager
def writing_whole(path: Path) -> Iterator[IO[bytes]]:
    """An open file whose content is at `path` when it is closed, whole, whatever kills the process."""
    with beside(path) as part, open(part, "wb") as stream:
        yield stream
        stream.flush()
        os.fsync(stream.fileno())


@contextlib.contextmanager
def beside(path: Path) -> Iterator[Path]:
    """A place beside `path`, moved there at the end; where that is not reached, nothing is left of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield part
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()  # half a file on a full disk keeps it full
        raise


def discard(path: Path) -> None:
    """The file, or the folder with all that is in it, is gone; so it is where there was none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Returns when the file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


MEMORY = (4.0, 0.6)  # GB that a connection with a folder to spill into holds at least, and GB a thread


@dataclass(frozen=True)
class Share:
    """What a connection may take of a machine that others work on too."""

    threads: int
    gigabytes: float


ALONE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
# a table that is missing is an error, never a Python variable of the same name
OURS = "set global timezone = 'UTC'; set global python_enable_replacements = false"  # for its cursors as well


def connect(
    *folders: Path, spill: Path | None = None, in_order: bool = False, share: Share | None = None
) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory for one piece of work, which reads and writes files below `folders` and nowhere else, whatever SQL
    it is given: no network, no extensions, and no way to loosen that. Timestamps in UTC.

    What is beyond MEMORY, or its `share`, rests in the folder `spill`, where one is given: it is the caller's alone.
    `in_order`: rows keep the order in which they were read, at a cost.
    """
    con = duckdb.connect(config=ALONE)
    con.execute(f"{OURS}; set preserve_insertion_order = {str(in_order).lower()}")
    if spill is not None:
        shutil.rmtree(spill, ignore_errors=True)  # of a process that was killed
        if share is None:
            [(threads,)] = con.execute("select current_setting('threads')").fetchall()
            share = Share(threads, max(MEMORY[0], MEMORY[1] * threads))
        con.execute(f"set threads = {share.threads}; set memory_limit = '{share.gigabytes * 1000:.0f}MB'")
        con.execute(f"set temp_directory = '{quoted(spill)}'")
    # a folder of the data folder may be a link to another disk; links further down lead nowhere
    real = [f.resolve() for folder in folders for f in [folder, *folder.glob("*")] if f == folder or f.is_symlink()]
    con.execute(f"{_allowed([*folders, *real])}; set lock_configuration = true")
    return con


def opened(release: Path) -> duckdb.DuckDBPyConnection:
    """A released file, to be asked: it reads itself, the Parquet that its views name, and no other. Timestamps in UTC."""
    file = release.resolve()
    con = duckdb.connect(file, read_only=True)
    above = (file.parents[2], *release.absolute().parents[1:3])  # by whichever way here
    rests = [warehouse / "views" / file.parent.name for warehouse in above]  # releases.seen_through
    con.execute(OURS)
    [(open_to_all,)] = con.execute("select current_setting('enable_external_access')").fetchall()
    if open_to_all:  # else it is open elsewhere in this process, where the same was allowed. Not locked: others set too
        con.execute(_allowed(rests))
    return con


def _allowed(folders: Iterable[Path]) -> str:
    # a pattern is held against what is allowed before it is resolved
    names = dict.fromkeys(name for f in folders for name in (str(f), _literal(str(f))))
    listed = ", ".join(f"'{quoted(name)}'" for name in names)
    return f"set allowed_directories = [{listed}]; set enable_external_access = false"


def on_cursors(
    con: duckdb.DuckDBPyConnection, work: Callable[[duckdb.DuckDBPyConnection, str], None], each: Iterable[str]
) -> None:
    """Does `work` for each, several at once, each on a cursor of its own: a file is packed by one thread. The first that
    fails is raised when those that are at work have ended; no further ones are begun."""

    def alone(one: str) -> None:
        with con.cursor() as own:
            work(own, one)

    [(threads,)] = con.execute("select current_setting('threads')").fetchall()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(alone, each))


def copy_to(con: duckdb.DuckDBPyConnection, query: str, path: Path, *more: str) -> None:
    """The query's rows as one Parquet file, whole or not at all. `more`: options of DuckDB's COPY."""
    options = ", ".join(("format parquet", "compression zstd", *more))
    with beside(path) as part:
        con.execute(f"copy ({query}) to '{quoted(part)}' ({options})")


def quoted(path: Path | str) -> str:
    return str(path).replace("'", "''")


def files_sql(paths: Iterable[Path]) -> str:
    """Files as read_parquet takes them: these and no others, whatever is in the names of the folders above."""
    return "[" + ", ".join(f"'{quoted(_literal(str(p)))}'" for p in paths) + "], hive_partitioning = false"


def _literal(path: str) -> str:
    """The path as a pattern that only it matches: * ? [ in a folder's name would match others' names."""
    return re.sub(r"[*?\[]", r"[\g<0>]", path)
