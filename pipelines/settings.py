"""What the environment says: where data is kept, where submissions come from, which plan is in force."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from expectations.load import PLANS, load_plan
from expectations.model import Plan
from warehouse.releases import KEEP, Keep
from warehouse.retention import PAPERS
from warehouse.spark import DUCKDB
from warehouse.store import Store

ROOT = Path(__file__).parent.parent
CREDENTIAL = "WALLCHART_CREDENTIAL_"
NOTIFY = "WALLCHART_NOTIFY"
RUNS = 90  # days, as dagster.yaml keeps the ticks
UI = "http://127.0.0.1:3000"


class SettingsError(Exception):
    """A variable of the environment that cannot be understood: which, and what it should be."""


@dataclass(frozen=True)
class Settings:
    """WALLCHART_DATA: data folder (default data/). WALLCHART_SOURCES: URLs, separated by white space (default
    file://<data>/dropbox?receipts=yes). WALLCHART_CREDENTIAL_<name>_<what>: what a source logs in with. WALLCHART_NOTIFY,
    WALLCHART_NOTIFY_<DEPARTMENT>: apprise URLs, separated by white space, by which the office and a department are told.
    WALLCHART_PLAN: a plan's folder, or its name under expectations/plans (default shenyang-2022). WALLCHART_PLAN_TEXTS:
    folder of the plans' texts, to check the clauses against. WALLCHART_KEEP_DAYS, WALLCHART_KEEP_RELEASES: how long a
    release is kept after a newer one took its place, and how many are kept at least (default 7 and 7).
    WALLCHART_KEEP_PAPERS_DAYS, WALLCHART_KEEP_RUNS_DAYS: how long receipts that were replaced, Data Docs and templates are
    kept, and the history of runs (default 400 and 90). WALLCHART_ENGINE: where months are judged and marts are made: duckdb,
    in the run's own process (the default), or the Spark Connect server of a cluster, sc://host:15002. WALLCHART_RELEASE: what
    a release's file holds: tables (the default), or views over its Parquet (docs/spark.md).
    Whoever runs the machine (docs/observing.md): WALLCHART_NOTIFY_OPERATORS: their apprise URLs. WALLCHART_UI: where they
    reach Dagster's UI, for links. WALLCHART_HEARTBEAT: a URL that is asked for after each good night. WALLCHART_NIGHT_HOURS,
    WALLCHART_DISK_FREE_PERCENT: how long no night may finish, and how much of the disk must be free. WALLCHART_METRICS_FILE:
    where a run leaves metrics."""

    data: Path
    sources: list[str] = field(repr=False)  # one that is written wrong may hold a password
    credentials: dict[str, SecretStr]
    recipients: dict[str, SecretStr]  # addresses by department, those of the office under ""
    plan_folder: Path
    plan_texts: Path
    keep: Keep = KEEP
    papers_days: int = PAPERS
    runs_days: int = RUNS
    ui: str = UI
    heartbeat: SecretStr | None = None
    night_hours: int = 26
    disk_free_percent: int = 10
    metrics_file: Path | None = None
    engine: str = field(default=DUCKDB, repr=False)  # an address may hold a token
    views: bool = False  # in a release's file, instead of tables

    @property
    def store(self) -> Store:
        return Store(self.data)

    def plan(self) -> Plan:
        return load_plan(self.plan_folder)

    def plan_text(self, plan: Plan) -> Path:
        beside = self.plan_folder / plan.head.text
        return beside if beside.is_file() else self.plan_texts / plan.head.text


def own_source(data: Path) -> str:
    """The drop boxes in the data folder, which take receipts."""
    return f"{(data / 'dropbox').as_uri()}?receipts=yes"


def settings() -> Settings:
    data = Path(os.environ.get("WALLCHART_DATA") or ROOT / "data").absolute()
    if "?" in str(data):  # DuckDB takes what follows for options of the file
        raise SettingsError(f"the data folder {data} has a ? in its path: set WALLCHART_DATA to one without")
    named = os.environ.get("WALLCHART_PLAN") or "shenyang-2022"
    folder = Path(named) if Path(named).is_dir() else PLANS / named
    sources = (os.environ.get("WALLCHART_SOURCES") or own_source(data)).split()
    credentials = {k.removeprefix(CREDENTIAL): SecretStr(v) for k, v in os.environ.items() if k.startswith(CREDENTIAL)}
    recipients = {
        k.removeprefix(NOTIFY).removeprefix("_").lower(): SecretStr(v)
        for k, v in os.environ.items()
        if k == NOTIFY or k.startswith(NOTIFY + "_")
    }
    texts = Path(os.environ.get("WALLCHART_PLAN_TEXTS") or ROOT.parent / "shared" / "plan")
    keep = Keep(_number("WALLCHART_KEEP_DAYS", KEEP.days), _number("WALLCHART_KEEP_RELEASES", KEEP.releases))
    heartbeat = os.environ.get("WALLCHART_HEARTBEAT")
    if heartbeat and not heartbeat.startswith(("http://", "https://")):
        raise SettingsError("WALLCHART_HEARTBEAT is no URL: write http://… or https://…")
    metrics = os.environ.get("WALLCHART_METRICS_FILE")
    return Settings(
        data,
        sources,
        credentials,
        recipients,
        folder,
        texts,
        keep,
        _number("WALLCHART_KEEP_PAPERS_DAYS", PAPERS),
        _number("WALLCHART_KEEP_RUNS_DAYS", RUNS),
        (os.environ.get("WALLCHART_UI") or UI).rstrip("/"),
        SecretStr(heartbeat) if heartbeat else None,
        _number("WALLCHART_NIGHT_HOURS", 26),
        _number("WALLCHART_DISK_FREE_PERCENT", 10),
        Path(metrics).absolute() if metrics else None,
        _engine(),
        _one_of("WALLCHART_RELEASE", "tables", "views") == "views",
    )


def _engine() -> str:
    said = os.environ.get("WALLCHART_ENGINE") or DUCKDB
    if said != DUCKDB and not re.fullmatch(r"sc://[^\s/:@]+(:\d{1,5})?(/.*)?", said):
        raise SettingsError(
            "WALLCHART_ENGINE cannot be used: write duckdb, or the address of Spark Connect, sc://host:15002"
        )
    return said


def _one_of(variable: str, default: str, *others: str) -> str:
    said = os.environ.get(variable) or default
    if said not in (default, *others):
        raise SettingsError(f"{variable} is {said!r}: write {' or '.join((default, *others))}")
    return said


def _number(variable: str, default: int) -> int:
    said = os.environ.get(variable) or str(default)
    if not said.isascii() or not said.isdecimal():
        raise SettingsError(f"{variable} is {said!r}: write a whole number, 0 or more")
    return int(said)
