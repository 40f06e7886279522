"""SHA256SUMS: what the files of a folder were when they were written, so that damage is noticed when they are used.

The form is that of `sha256sum`, which can check it. It is written after the files: a folder whose files were never finished
has none, or one that does not fit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path

from warehouse.store import write_whole

NAME = "SHA256SUMS"


def sha256(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def told(folder: Path) -> dict[str, str]:
    """By file, below the folder, its digest. Raises OSError and UnicodeDecodeError."""
    lines = (folder / NAME).read_text("utf-8").splitlines()
    return {path: digest for digest, _, path in (line.partition("  ") for line in lines)}


def enter(folder: Path, names: Collection[str]) -> None:
    """Notes what the named files now are; what is noted of others stays, where it can be read."""
    try:
        before = told(folder)
    except (FileNotFoundError, UnicodeDecodeError):
        before = {}
    lines = sorted((before | {name: sha256(folder / name) for name in names}).items())
    write_whole(folder / NAME, "".join(f"{digest}  {name}\n" for name, digest in lines).encode())


def damage(folder: Path, names: Collection[str]) -> str | None:
    """The first of the named files that is not as it was noted, and how; None: all are."""
    try:
        noted = told(folder)
    except (OSError, UnicodeDecodeError) as e:
        return f"{folder / NAME} cannot be read: {e}"
    for name in sorted(names):
        if name not in noted:
            return f"{folder / name} is not in {NAME}"
        if not (folder / name).is_file():
            return f"{folder / name} is missing"
        if sha256(folder / name) != noted[name]:
            return f"{folder / name} is not as it was written"
    return None
