"""The rulebook: every rule tried on files that break it and files that keep it, by the same code as the night's.

The files and the small invented plan that they report on are data, `expectations/rulebook/`.
"""

from __future__ import annotations

import base64
import datetime as dt
import os
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import yaml

from expectations.load import load_plan
from expectations.model import Plan
from expectations.rules import RULES
from warehouse import judge, marts
from warehouse.landing import land
from warehouse.reading import read_landed
from warehouse.remembered import remembered
from warehouse.store import Store

FOLDER = Path(str(files("expectations") / "rulebook"))
AS_OF = dt.datetime(2025, 6, 1, tzinfo=dt.UTC)  # every deadline of its plan has passed
SENT = dt.date(2024, 4, 10)


def cases() -> dict[str, Any]:
    """By rule code: `breaks` and `keeps`, files by drop box and name; `indicator` where findings name no file."""
    text = (FOLDER / "cases.yaml").read_text("utf-8")
    return dict(yaml.load(text, Loader=yaml.CSafeLoader))  # type: ignore[no-untyped-call]


def known(store: Store, now: dt.datetime) -> pl.DataFrame:
    """`tried`, and `at`: when. `now`: UTC. The files are judged again where the program, a library or they themselves have changed, in
    another week, since machines change too, and every time while a rule does not work."""
    of = [now.isocalendar()[:2], *(file.read_bytes() for file in sorted(FOLDER.rglob("*.yaml")))]

    def work() -> list[dict[str, Any]]:
        return tried().with_columns(at=pl.lit(now.isoformat(timespec="seconds"))).to_dicts()

    found = remembered(store, "rulebook", repr(of), work, lambda rules: all(rule["works"] for rule in rules))
    return pl.DataFrame(found, schema={**SCHEMA, "at": pl.String})


SCHEMA = {"rule": pl.String, "breaking": pl.String, "keeping": pl.String, "works": pl.Boolean}


def tried() -> pl.DataFrame:
    """rule, breaking (what the rule said of the files that break it: found, or silent), keeping (silent, or found),
    works (found there and silent here). Two small nights in a temporary folder."""
    plan, told = load_plan(FOLDER), cases()
    found = {side: _found(plan, told, side) for side in ("breaks", "keeps")}
    rows = []
    for code in RULES:
        if code != "X01":  # a rule that crashes, not a rule
            case = told.get(code, {})
            breaking, keeping = (_says(code, case, side, found[side]) for side in ("breaks", "keeps"))
            rows.append((code, breaking, keeping, breaking == "found" and keeping == "silent"))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _found(plan: Plan, told: dict[str, Any], side: str) -> set[tuple[str, str]]:
    """(rule, path or indicator) of the findings of a night with the files of one side."""
    with tempfile.TemporaryDirectory(prefix="wallchart-rulebook-") as folder:
        root, store = Path(folder), Store(Path(folder) / "data")
        for case in told.values():
            for name, content in case[side].items():
                _put(root / "dropbox" / name, content, plan)
        land(store, [(root / "dropbox").as_uri()], plan, AS_OF)
        months = read_landed(store, plan)
        judge.validity(store, plan, months)
        judge.quality(store, plan, months)
        marts.make(store, plan, AS_OF)
        finding, submission = (pl.read_parquet(store.marts / f"{t}.parquet") for t in ("finding", "submission"))
        named = finding.join(submission.select("submission", "path"), on="submission", how="left")
        return set(named.select("rule", pl.coalesce("path", "indicator")).rows())


def _put(path: Path, content: str | dict[str, Any], plan: Plan) -> None:
    text, sent = (
        (content["text"], dt.date.fromisoformat(str(content["sent"]))) if isinstance(content, dict) else (content, SENT)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(base64.b64decode(text.removeprefix("base64:")) if text.startswith("base64:") else text.encode())
    at = dt.datetime.combine(sent, dt.time(9), ZoneInfo(plan.head.timezone)).timestamp()
    os.utime(path, (at, at))


def _says(code: str, case: dict[str, Any], side: str, found: set[tuple[str, str]]) -> str:
    if not case:
        return "no case"
    places = [case["indicator"]] if "indicator" in case else list(case[side])
    return "found" if any((code, place) in found for place in places) else "silent"
