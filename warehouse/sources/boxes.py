"""Drop boxes: <root>/<department>/ in whatever file system fsspec can list."""

from __future__ import annotations

import hashlib
import os
import posixpath
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from fsspec import AbstractFileSystem

from warehouse.sources.source import Address, Entry, Page, Passing, SourceError, is_submission, spelled

BLOCK = 8 << 20  # bytes


class DropBoxes(ABC):
    """A subclass connects, says when a file was changed, and writes a receipt."""

    passing: tuple[type[Exception], ...] = (OSError,)
    within: dict[str, Any] = {}  # what bounds each call in time  # noqa: RUF012

    def __init__(self, at: Address) -> None:
        self.at = at
        self.root = at.path.rstrip("/")
        self.takes_receipts = at.takes_receipts
        self._fs: Any = None

    @abstractmethod
    def connect(self) -> AbstractFileSystem: ...

    @abstractmethod
    def modified_ns(self, info: dict[str, Any]) -> int: ...

    @abstractmethod
    def write(self, fs: Any, folder: str, name: str, content: bytes) -> None: ...

    def etag(self, info: dict[str, Any]) -> str:
        return ""

    def departments(self) -> list[str]:
        with self._asked(self.root or "/") as fs:
            found = fs.ls(self.root or "/", detail=True, **self.within)
            boxes = [i for i in found if i["type"] == "directory" or (_is_link(i) and fs.isdir(i["name"]))]
        names = [posixpath.basename(i["name"].rstrip("/")) for i in boxes]
        return sorted(spelled(n) for n in names if not n.startswith("."))

    def page(self, department: str, cursor: str | None) -> Page:
        box = f"{self.root}/{department}"
        with self._asked(box) as fs:
            files = list(self.files(fs, box))
        for outside in (i["name"] for i in files if not i["name"].startswith(f"{box}/")):
            raise SourceError(f"{self.at.shown}: lists {spelled(outside)} in the drop box of {department}")
        submissions = [i for i in files if is_submission(i["name"][len(box) + 1 :])]
        names = _told_apart([i["name"][len(box) + 1 :] for i in submissions])
        return Page([self._entry(department, n, i) for n, i in zip(names, submissions, strict=True)])

    def files(self, fs: Any, folder: str) -> Iterator[dict[str, Any]]:
        """Plain files below a folder, however deep; links are not followed: who can place one must not speak for another."""
        folders = [folder]
        while folders:
            for info in fs.ls(folders.pop(), detail=True, **self.within):
                name = posixpath.basename(info["name"].rstrip("/"))
                if info["type"] == "directory" and is_submission(f"{name}/x"):
                    folders.append(info["name"].rstrip("/"))
                elif info["type"] == "file" and not _is_link(info):
                    yield info

    def blocks(self, entry: Entry, start: int) -> Iterator[tuple[int, bytes]]:
        while start < entry.size:
            with self._asked(entry.path) as fs:
                block = fs.cat_file(entry.where, start=start, end=min(start + BLOCK, entry.size), **self.within)
            if not block:
                return
            yield start, block
            start += len(block)

    def unchanged(self, entry: Entry) -> bool:
        with self._asked(entry.path) as fs:
            try:
                info = fs.info(entry.where, **self.within)
            except FileNotFoundError:
                return False
        now = self._entry(entry.department, entry.name, info)
        same = now.etag == entry.etag if entry.etag else now.modified_ns == entry.modified_ns
        return info["type"] == "file" and not _is_link(info) and now.size == entry.size and same

    def put_receipt(self, department: str, name: str, content: bytes) -> None:
        box = f"{self.root}/{department}"
        with self._asked(f"{department}/receipts") as fs:
            self.write(fs, f"{box}/receipts", name, content)

    def close(self) -> None:
        self._fs = None

    def _entry(self, department: str, name: str, info: dict[str, Any]) -> Entry:
        return Entry(department, name, info["size"], self.modified_ns(info), self.etag(info), info["name"])

    @contextmanager
    def _asked(self, what: str) -> Iterator[Any]:
        """The file system, connected; what its library raises becomes this package's own."""
        what = spelled(what)
        try:
            if self._fs is None:
                self._fs = self.connect()
            yield self._fs
        except (FileNotFoundError, NotADirectoryError) as e:
            raise SourceError(f"{what} is not there, or is no folder") from e
        except PermissionError as e:
            raise SourceError(f"{what} may not be read or written with this credential: {e}") from e
        except self.passing as e:
            self.close()  # the next call connects anew
            raise Passing(f"{what}: {type(e).__name__}: {e}") from e


def _told_apart(names: Sequence[str]) -> list[str]:
    """The names as they are spelled; of two that would look the same, the one that is written otherwise gets a mark."""
    looks = [spelled(n) for n in names]
    times = Counter(looks)
    return [
        look if times[look] == 1 or look == name else _marked(look, hashlib.sha256(os.fsencode(name)).hexdigest()[:6])
        for name, look in zip(names, looks, strict=True)
    ]


def _marked(path: str, mark: str) -> str:
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}⟨{mark}⟩{name}"


def _is_link(info: dict[str, Any]) -> bool:
    return info["type"] == "link" or bool(info.get("islink"))
