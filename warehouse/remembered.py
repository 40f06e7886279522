"""What is worked out once for a program and its inputs, kept as a file of the store from one night to the next."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import TypeVar

from warehouse.store import Store, write_whole
from warehouse.version import code_version

LIBRARIES = (
    "duckdb",
    "polars",
    "pyarrow",
    "great-expectations",
    "lark",
)  # an upgrade of theirs is a change of the program

T = TypeVar("T")  # as JSON holds it


def remembered(
    store: Store, name: str, of: str, work: Callable[[], T], worth_it: Callable[[T], bool] = lambda _: True
) -> T:
    """What `work` found, by this program, `of` these inputs: worked out again where either is another. Only what is `worth_it`
    is kept."""
    program = f"{sys.version} {code_version()} {[version(library) for library in LIBRARIES]}"
    key = hashlib.sha256(f"{program} {of}".encode()).hexdigest()
    file = store.remembered / f"{name}.json"
    try:
        kept = json.loads(file.read_bytes())
    except (FileNotFoundError, ValueError):
        kept = None
    if isinstance(kept, dict) and kept.get("of") == key and "found" in kept:
        return kept["found"]  # type: ignore[no-any-return]
    found = work()
    if worth_it(found):
        with store.room():
            write_whole(file, json.dumps({"of": key, "found": found}, ensure_ascii=False).encode())
    return found
