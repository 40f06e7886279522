"""Which code made a table: a change of a rule or a mart is a change of input."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

VERSION = "0.1.0"
ROOT = Path(__file__).parent.parent
JUDGING = (
    "expectations",
    "warehouse/readers",
    "warehouse/judge.py",
    "warehouse/touched.py",
    "warehouse/resolved.py",
    "warehouse/findings.py",
    "warehouse/compared.py",
    "warehouse/validations.py",
    "warehouse/gx.py",
    "warehouse/ledger.py",
    "warehouse/reading.py",
)
ALL = ("expectations", "warehouse")


@lru_cache(maxsize=2)
def code_version(parts: tuple[str, ...] = ALL) -> str:
    """The version, and a digest of the code in `parts` (files, or folders of code)."""
    digest = hashlib.sha256()
    for part in parts:
        for path in [ROOT / part, *sorted((ROOT / part).rglob("*"))]:
            if path.suffix in (".py", ".sql") or path.name == "dictionary.yaml":
                digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return f"{VERSION}+{digest.hexdigest()[:12]}"
