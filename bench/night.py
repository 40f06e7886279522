"""A first night as `wallchart run` makes it, in a process of its own, on a city of bench/city.py: Dagster's jobs, events and checks,
receipts, pages, SDMX. The plan of the city is made, not read from a folder: it is put where the settings would read it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from expectations.load import PLANS, load_plan
from expectations.model import Plan


def _with_districts(plan: Plan) -> Plan:
    """The city's areas, and those for which the real plan has targets: the wall chart shows them."""
    known = {a.area for a in plan.head.areas}
    named = {t.area for t in plan.targets} - known
    more = [a for a in load_plan(PLANS / plan.head.plan).head.areas if a.area in named]
    return plan.model_copy(update={"head": plan.head.model_copy(update={"areas": [*plan.head.areas, *more]})})


def main(city: str, root: Path) -> None:
    os.environ |= {"WALLCHART_DATA": str(root / "night"), "WALLCHART_SOURCES": (root / "dropbox").as_uri()}
    from bench.city import City
    from pipelines import settings

    plan = _with_districts(City.said(city).plan())
    settings.Settings.plan = lambda self: plan  # type: ignore[method-assign]
    from pipelines.cli import dagster_home

    config = settings.settings()
    dagster_home(config)
    from pipelines.nightly import run_night

    night = run_night(config, print)
    if not night.succeeded:
        raise SystemExit(night.why)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
