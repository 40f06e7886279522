"""What goes wrong with the store's own files and its disk, said so that somebody can act.

Here: the one error for it, and how the words of Python, SQLite, DuckDB and Polars are told apart. Not here: a department's
file that cannot be read (`readers.faults`), or a source that does not answer (`sources`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path


class StoreError(Exception):
    """A file of the store that is not as it was written, or a disk that takes nothing: which, and what to do."""


DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# each library has an error of its own for it; what they share are the system's words
FULL = ("No space left on device", "Disk quota exceeded", "database or disk is full", "failed to offload data block")
READ_ONLY = ("Read-only file system", "attempt to write a readonly database")


def of_disk(error: BaseException, root: Path, wanted: Callable[[], int]) -> str | None:
    """What to say of an error whose cause is that the disk of `root` is full or read-only; None: it is another one.

    `wanted`: bytes that would do.
    """
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        if isinstance(cause, StoreError):
            return str(cause)
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    for each in chain:
        # SQLite's words where it cannot make the files that it needs beside its own
        vague = any(words in str(each) for words in ("disk I/O error", "unable to open database file"))
        said = f"{type(each).__name__}: {str(each).strip().partition(chr(10))[0]}"
        free = shutil.disk_usage(root).free
        if any(words in str(each) for words in FULL) or (vague and free < 1 << 20):
            return (
                f"the disk of {root} is full: {free >> 20} MiB are free, and a night may need"
                f" {wanted() >> 20}. Make room and run again; what was published still stands ({said})"
            )
        if any(words in str(each) for words in READ_ONLY) or (vague and os.statvfs(root).f_flag & os.ST_RDONLY):
            return (
                f"the disk of {root} is read-only: nothing was written. A disk that fails makes itself read-only (`dmesg` says"
                f" why): mount it writable and run again; what was published can still be read ({said})"
            )
    return None


@contextlib.contextmanager
def sqlite_whole(file: Path, way_back: str) -> Iterator[None]:
    """Where SQLite finds in what happens inside that `file` is damaged: says so and what to do, as a StoreError."""
    try:
        yield
    except sqlite3.DatabaseError as e:
        if getattr(e, "sqlite_errorcode", 0) & 0xFF not in DAMAGED:
            raise
        raise StoreError(f"{file} is damaged: {e}. {way_back}") from e


def sqlite_damage(file: Path) -> str | None:
    """What SQLite finds broken among the file's pages, keys and indexes; None: nothing. Reads all of it."""
    try:
        with contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=60)) as db:
            found = [said for (said,) in db.execute("pragma integrity_check(3)")]
    except sqlite3.DatabaseError as e:
        if getattr(e, "sqlite_errorcode", 0) & 0xFF not in DAMAGED:
            raise
        return f"{file} is damaged: {e}"
    return None if found == ["ok"] else f"{file} is damaged: {' '.join(' '.join(found).split())}"
