"""The benchmark's hand-written script is a second opinion on every table: the two must agree."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.slow
def test_a_plain_duckdb_script_comes_to_the_same_tables():
    command = [sys.executable, "-m", "bench", "10000", "--turns", "1", "--no-night"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
    measured = json.loads((ROOT / "bench" / "out" / "results.json").read_text())
    assert [size["apart"] for size in measured] == [[]]
