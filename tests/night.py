"""One night in one call: files into drop boxes, landed, judged, made into marts, released; then asked like an analyst."""

from __future__ import annotations

import csv
import datetime as dt
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from expectations.model import Plan
from warehouse.store import Store

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = dt.datetime(2023, 4, 10, 9, tzinfo=SHANGHAI)  # every deadline of 2022 has passed
IN_TIME = dt.datetime(
    2023, 1, 10, 9, tzinfo=SHANGHAI
)  # before the deadlines of December, the last quarter and the year
HEADER = ("指标编码", "指标名称", "报告期", "地区", "数值", "单位", "口径", "说明")


def long_csv(*rows: Sequence[object], header: Sequence[str] = HEADER, banner: Iterable[str] = ()) -> bytes:
    """A file in long form; a row shorter than the header ends in blank cells."""
    written = io.StringIO(newline="")
    lines = csv.writer(written)
    lines.writerows([line] for line in banner)
    lines.writerows([header, *(list(row) + [""] * (len(header) - len(row)) for row in rows)])
    return written.getvalue().encode()


def send(box: Path, files: Mapping[str, bytes | str], received: Mapping[str, dt.datetime] | None = None) -> None:
    """Puts files, keyed `<department>/<name>`, into drop boxes; a file's time is when the department sent it."""
    for name, content in files.items():
        path = box / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        sent = (received or {}).get(name, IN_TIME).timestamp()
        os.utime(path, (sent, sent))


@dataclass(frozen=True)
class Night:
    """A store after a night, and what the night's steps returned."""

    root: Path
    plan: Plan
    landed: Any
    months: list[str]
    valid: Any
    flagged: Any
    made: Any
    release: Any

    @property
    def box(self) -> Path:
        return self.root / "dropbox"

    @property
    def store(self) -> Store:
        return Store(self.root / "data")

    @property
    def folder(self) -> Path:
        return self.store.warehouse / "releases" / self.release.release

    @cached_property
    def reader(self) -> duckdb.DuckDBPyConnection:
        con = duckdb.connect(self.folder / "warehouse.duckdb", read_only=True)
        con.execute("set timezone = 'UTC'")
        return con

    def ask(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        """The answer of the released file."""
        asked = self.reader.execute(query, list(parameters))
        names = [d[0] for d in asked.description]
        return [dict(zip(names, row, strict=True)) for row in asked.fetchall()]

    def one(self, query: str, *parameters: object) -> dict[str, Any]:
        [row] = self.ask(query, *parameters)
        return row

    def progress(self, target: str, period: str) -> dict[str, Any]:
        return self.one("from progress where target = ? and period = ?", target, period)

    def findings(self, path: str) -> list[dict[str, Any]]:
        return self.ask(
            "select f.*, s.path from finding f join submission s using (submission) where s.path = ? order by all", path
        )


def run_night(
    root: Path,
    files: Mapping[str, bytes | str],
    received: Mapping[str, dt.datetime] | None = None,
    now: dt.datetime = NOW,
    *,
    plan: Plan,
) -> Night:
    """All steps of a night on `root`, where an earlier night may have been."""
    from warehouse import judge, landing, marts, reading
    from warehouse.release import publish

    box, store = root / "dropbox", Store(root / "data")
    send(box, files, received)
    box.mkdir(parents=True, exist_ok=True)
    landed = landing.land(store, [box.as_uri()], plan, now)
    months = reading.read_landed(store, plan)
    valid = judge.validity(store, plan, months)
    flagged = judge.quality(store, plan, months)
    made = marts.make(store, plan, now)
    return Night(root, plan, landed, months, valid, flagged, made, publish(store, plan))
