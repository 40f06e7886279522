"""What every test may ask for: the plan in force, and a night."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import settings

from expectations.load import PLANS, load_plan
from expectations.model import Plan
from tests.night import NOW, Night, run_night

settings.register_profile("same every time", deadline=None, derandomize=True, database=None, max_examples=60)
settings.load_profile("same every time")


@pytest.fixture(scope="session")
def plan() -> Plan:
    return load_plan(PLANS / "shenyang-2022")


@pytest.fixture(scope="session")
def night(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Night]:
    """night(files, received=None, now=NOW, root=None, plan=None): a night, in a new place unless a root is given."""

    def at_night(
        files: Mapping[str, bytes | str],
        received: Mapping[str, dt.datetime] | None = None,
        now: dt.datetime = NOW,
        *,
        root: Path | None = None,
        plan: Plan = plan,
    ) -> Night:
        return run_night(root or tmp_path_factory.mktemp("night"), files, received, now, plan=plan)

    return at_night
