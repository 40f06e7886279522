"""file://: drop boxes in a folder of this machine.

A department may change its box while it is read. So a file is opened, and a receipt written, step by step from the box on,
through no link: a folder or a file that is swapped for a link between two looks opens nothing outside the box.
"""

from __future__ import annotations

import os
import posixpath
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from warehouse.sources.boxes import BLOCK, DropBoxes
from warehouse.sources.source import Address, Changed, Entry, SourceError, spelled

FOLDER = os.O_RDONLY | os.O_DIRECTORY


class _Exact(LocalFileSystem):
    """Tells times to the nanosecond, as the ledger keeps them."""

    def info(self, path: Any, **kwargs: Any) -> dict[str, Any]:
        seen = path.stat(follow_symlinks=False) if isinstance(path, os.DirEntry) else os.lstat(path)
        return {**super().info(path, **kwargs), "modified_ns": seen.st_mtime_ns}


class Files(DropBoxes):
    def __init__(self, at: Address) -> None:
        super().__init__(at)
        self.root = posixpath.normpath(self.root or "/").rstrip("/")

    def connect(self) -> AbstractFileSystem:
        if not os.path.isdir(self.root or "/"):
            raise SourceError(f"{self.root} is not a folder; make it, or correct the source's URL")
        return _Exact(skip_instance_cache=True)

    def modified_ns(self, info: dict[str, Any]) -> int:
        return int(info["modified_ns"])

    def blocks(self, entry: Entry, start: int) -> Iterator[tuple[int, bytes]]:
        with self._asked(entry.path), _opened(self.root, entry) as file:
            seen = os.fstat(file)
            if (stat.S_ISREG(seen.st_mode), seen.st_size, seen.st_mtime_ns) != (True, entry.size, entry.modified_ns):
                raise Changed(f"{entry.path} was replaced since it was listed")
            while start < entry.size and (block := os.pread(file, min(BLOCK, entry.size - start), start)):
                yield start, block
                start += len(block)

    def write(self, fs: Any, folder: str, name: str, content: bytes) -> None:
        box, receipts = os.path.split(folder)
        with _held(os.open(box, FOLDER)) as within:
            with suppress(FileExistsError):
                os.mkdir(receipts, dir_fd=within)
            try:
                there = os.open(receipts, FOLDER | os.O_NOFOLLOW, dir_fd=within)
            except OSError as e:
                raise SourceError(
                    f"{folder} is a link, or no folder; receipts go into a folder of the drop box itself"
                ) from e
            with _held(there):
                beside = f".{secrets.token_hex(8)}.tmp"
                descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=there)
                try:
                    with open(descriptor, "wb") as file:
                        file.write(content)
                        file.flush()
                        os.fsync(descriptor)
                        os.fchmod(descriptor, 0o644)  # whoever has the box reads what is in it, whatever our umask
                    os.replace(beside, name, src_dir_fd=there, dst_dir_fd=there)
                except OSError:
                    os.unlink(beside, dir_fd=there)
                    raise


@contextmanager
def _held(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _opened(root: str, entry: Entry) -> Iterator[int]:
    """The file of an entry, to be read. Its drop box may be a link, for whoever keeps the root made it; nothing below may."""
    box, *folders, name = entry.where[len(root) + 1 :].split("/")
    at = os.open(f"{root}/{box}", FOLDER)
    try:
        for folder in folders:
            below = os.open(folder, FOLDER | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = below
        # a pipe in a file's place would keep us waiting
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=at)
    except PermissionError:
        raise
    except OSError as e:
        raise Changed(f"{spelled(entry.path)} was replaced or taken away since it was listed") from e
    finally:
        os.close(at)
    with _held(file):
        yield file
