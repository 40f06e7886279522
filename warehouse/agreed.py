"""How the clause reader reads the plan, kept between nights: to parse its clauses anew takes a twelfth of a night with nothing new."""

from __future__ import annotations

import hashlib
import json

from expectations.agreement import disagreements
from expectations.model import Plan
from warehouse.store import Store, write_whole
from warehouse.version import code_version


def read_otherwise(store: Store, plan: Plan, text: str) -> list[str]:
    """`agreement.disagreements`, worked out again where the plan, its text or the program has changed."""
    of = hashlib.sha256(f"{plan.digest} {code_version()} {text}".encode()).hexdigest()
    file = store.root / "plan" / "read_otherwise.json"
    try:
        kept = json.loads(file.read_bytes())
    except (FileNotFoundError, ValueError):
        kept = {}
    if kept.get("of") != of:
        kept = {"of": of, "said": disagreements(plan, text)}
        with store.room():
            write_whole(file, json.dumps(kept, ensure_ascii=False).encode())
    return list(kept["said"])
