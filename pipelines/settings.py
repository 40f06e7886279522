"""What the environment says: where data is kept, where submissions come from, which plan is in force."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from expectations.load import PLANS, load_plan
from expectations.model import Plan
from warehouse.store import Store

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Settings:
    """WALLCHART_DATA: data folder (default data/). WALLCHART_SOURCES: URLs, separated by white space (default
    file://<data>/dropbox). WALLCHART_PLAN: a plan's folder, or its name under expectations/plans (default
    shenyang-2022). WALLCHART_PLAN_TEXTS: folder of the plans' texts, to check the clauses against."""

    data: Path
    sources: list[str]
    plan_folder: Path
    plan_texts: Path

    @property
    def store(self) -> Store:
        return Store(self.data)

    def plan(self) -> Plan:
        return load_plan(self.plan_folder)

    def plan_text(self, plan: Plan) -> Path:
        return self.plan_texts / plan.head.text


def settings() -> Settings:
    data = Path(os.environ.get("WALLCHART_DATA") or ROOT / "data").absolute()
    named = os.environ.get("WALLCHART_PLAN") or "shenyang-2022"
    folder = Path(named) if Path(named).is_dir() else PLANS / named
    sources = (os.environ.get("WALLCHART_SOURCES") or (data / "dropbox").as_uri()).split()
    texts = Path(os.environ.get("WALLCHART_PLAN_TEXTS") or ROOT.parent / "shared" / "plan")
    return Settings(data, sources, folder, texts)
