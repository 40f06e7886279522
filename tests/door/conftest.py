"""What an analyst's client is tried on: the release of a night on some departments' sample submissions."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from expectations.model import Plan
from pipelines.samples import write_samples
from tests.night import NOW, run_night

# whom the page's examples are about, and who make mistakes
SENDERS = {"science", "financial_affairs", "finance", "bonded_zone", "commerce", "transport"}


@pytest.fixture(scope="session")
def city(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds `data`, as the folder of a checkout does after `make run`."""
    root = tmp_path_factory.mktemp("city")
    write_samples(plan, root / "dropbox")
    for box in (root / "dropbox").iterdir():
        if box.name not in SENDERS:
            shutil.rmtree(box)
    run_night(root, {}, now=NOW, plan=plan)
    return root
