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
    """Notes what the named files now are, and the files of the named folders; what is noted of others stays, where it can
    be read."""
    try:
        before = told(folder)
    except (FileNotFoundError, UnicodeDecodeError):
        before = {}
    others = {path: digest for path, digest in before.items() if path.partition("/")[0] not in names}
    lines = sorted((others | {path: sha256(folder / path) for name in names for path in _there(folder, name)}).items())
    write_whole(folder / NAME, "".join(f"{digest}  {name}\n" for name, digest in lines).encode())


def damage(folder: Path, names: Collection[str]) -> str | None:
    """The first of the named files, and of the files of the named folders, that is not as it was noted, and how; None: all
    are."""
    try:
        noted = told(folder)
    except (OSError, UnicodeDecodeError) as e:
        return f"{folder / NAME} cannot be read: {e}"
    entered = {path for path in noted if path.partition("/")[0] in names}
    for path in sorted(entered.union(*(_there(folder, name) for name in names))):
        if path not in noted:
            return f"{folder / path} is not in {NAME}"
        if not (folder / path).is_file():
            return f"{folder / path} is missing"
        if sha256(folder / path) != noted[path]:
            return f"{folder / path} is not as it was written"
    return None


def _there(folder: Path, name: str) -> list[str]:
    """The file, be it there or not; of a folder the files in it."""
    if not (folder / name).is_dir():
        return [name]
    return [f"{name}/{path.name}" for path in (folder / name).iterdir()]
