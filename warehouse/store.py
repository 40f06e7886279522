"""Where things rest under the data folder, and the one lock by which a single writer works at a time.

landing/objects/ab/abcdef…   bytes as received, content-addressed, never changed
landing/ledger.sqlite        a row per submission
rows/<submission>.parquet    what the readers read
months/<YYYY-MM>/            judged rows, findings and observations of a month
marts/<table>.parquet        the marts of the next release
receipts/<department>/…      the answers to submissions, and receipts.sqlite, their register
templates/<period>/…         fill-in workbooks, one a department
notices/messages.sqlite      which reminders were sent, and which wait
warehouse/                   releases, and the link `current`
sdmx/                        the same figures as SDMX, a folder a release, and the link `current`
reports/                     pages and documents for people, made from a release
gx/                          Great Expectations: suites, validation results, and their pages (site/)
.spill/                      what judging and the marts cannot hold in memory, while they run
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb


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

    @property
    def marts(self) -> Path:
        return self.root / "marts"

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
    def gx(self) -> Path:
        return self.root / "gx"

    def object(self, sha256: str) -> Path:
        return self.root / "landing" / "objects" / sha256[:2] / sha256

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Held by whoever writes; another process waits its turn. Ends with the process, even a killed one."""
        self.root.mkdir(parents=True, exist_ok=True)
        with open(self.root / ".writer.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def write_whole(path: Path, content: bytes) -> None:
    """The file with all its content or not at all, whatever kills the process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with open(beside, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(beside, path)


MEMORY = (2.5, 0.6)  # GB that a connection with a folder to spill into holds at least, and GB a thread


def connect(spill: Path | None = None) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory for one piece of work: no network, no extensions, timestamps in UTC.

    What is beyond MEMORY rests in the folder `spill`, where one is given: it is the caller's alone.
    """
    con = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    # a table that is missing is an error, never a Python variable of the same name
    con.execute("set timezone = 'UTC'; set preserve_insertion_order = false; set python_enable_replacements = false")
    if spill is not None:
        shutil.rmtree(spill, ignore_errors=True)  # of a process that was killed
        [(threads,)] = con.execute("select current_setting('threads')").fetchall()
        limit = max(MEMORY[0], MEMORY[1] * threads)
        con.execute(f"set memory_limit = '{limit:.1f}GB'; set temp_directory = '{quoted(spill)}'")
    return con


def copy_to(con: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    """The query's rows as one Parquet file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    con.execute(f"copy ({query}) to '{quoted(beside)}' (format parquet, compression zstd)")
    os.replace(beside, path)


def quoted(path: Path | str) -> str:
    return str(path).replace("'", "''")


def files_sql(paths: list[Path]) -> str:
    """A list of files as read_parquet takes it."""
    return "[" + ", ".join(f"'{quoted(p)}'" for p in paths) + "]"
