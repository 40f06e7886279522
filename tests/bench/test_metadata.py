"""The simulation of a country's metadata asks the project's own functions, and a store that it makes has nothing left to do."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
FOUND = ROOT / "bench" / "out" / "metadata.json"


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, Any]]:
    command = [sys.executable, "-m", "bench.metadata", "300", "1200"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr  # it ends in 1 where such a store has something left to do
    return dict(json.loads(FOUND.read_text()))


@pytest.mark.slow
def test_every_operation_is_measured_at_every_size(found):
    assert {name: sorted(by_size) for name, by_size in found.items() if len(by_size) != 2} == {}
    assert [name for name, by_size in found.items() for took in by_size.values() if "left out" in took] == []


@pytest.mark.slow
@pytest.mark.parametrize("size", [300, 1200])
def test_every_submission_is_in_the_mart_in_the_release_and_has_a_receipt(found, size):
    counted = {name.partition(":")[0]: by[str(size)]["said"] for name, by in found.items() if by[str(size)]["said"]}
    assert (counted["marts"], counted["release"], counted["receipts"]) == (size, size, size)


@pytest.mark.slow
def test_a_year_owes_half_of_the_rows_of_two(found):
    [owed] = [by_size for name, by_size in found.items() if name.startswith("plan:")]
    assert 0.4 < owed["1200"]["said"] / (1200 * 310) < 0.6
