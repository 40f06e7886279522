"""file://: drop boxes in a folder of this machine."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from warehouse.sources.boxes import DropBoxes
from warehouse.sources.source import SourceError


class _Exact(LocalFileSystem):
    """Tells times to the nanosecond, as the ledger keeps them."""

    def info(self, path: Any, **kwargs: Any) -> dict[str, Any]:
        seen = path.stat(follow_symlinks=False) if isinstance(path, os.DirEntry) else os.lstat(path)
        return {**super().info(path, **kwargs), "modified_ns": seen.st_mtime_ns}


class Files(DropBoxes):
    def connect(self) -> AbstractFileSystem:
        if not os.path.isdir(self.root or "/"):
            raise SourceError(f"{self.root} is not a folder; make it, or correct the source's URL")
        return _Exact(skip_instance_cache=True)

    def modified_ns(self, info: dict[str, Any]) -> int:
        return int(info["modified_ns"])

    def write(self, fs: Any, folder: str, name: str, content: bytes) -> None:
        if not os.path.isdir(os.path.dirname(folder)):
            raise FileNotFoundError(folder)
        os.makedirs(folder, exist_ok=True)
        if os.path.islink(folder):
            raise SourceError(f"{folder} is a link; receipts go into a folder of the drop box itself")
        descriptor, beside = tempfile.mkstemp(dir=folder, prefix=".", suffix=".tmp")
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(beside, 0o644)
            os.replace(beside, f"{folder}/{name}")
        except OSError:
            os.unlink(beside)
            raise
