"""What the benchmarks compare with are second opinions on every table: they must agree."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
OUT = ROOT / "bench" / "out"
INSTALLED = all((OUT / f"venv-{name}" / "requirements.txt").exists() for name in ("requirements", "dagster"))


def measured(module: str, name: str, *arguments: str) -> Any:
    command = [sys.executable, "-m", module, *arguments]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
    return json.loads((OUT / f"{name}.json").read_text())


@pytest.mark.slow
def test_a_plain_duckdb_script_comes_to_the_same_tables():
    [found] = measured("bench", "night", "10000", "--turns", "1", "--sides", "script")
    assert found["apart"] == {"ours": [], "script": []}


@pytest.mark.slow
def test_a_script_of_the_marts_alone_comes_to_the_same_tables_where_districts_are_copied():
    [found] = measured("bench.marts", "marts", "200000", "--turns", "1")
    assert found["apart"] == []
    assert 180_000 < found["rows"]["observation"] < 220_000


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED, reason="`make bench` installs dbt, pandas and Dagster's I/O managers")
def test_what_one_would_pick_instead_comes_to_the_same_tables():
    sides = ["dbt", "duckdb-io", "polars-io", "pandas"]
    [found] = measured("bench", "night", "10000", "--turns", "1", "--sides", *sides)
    assert found["apart"] == {side: [] for side in ["ours", *sides]}


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED, reason="`make bench` installs dbt, pandas and Dagster's I/O managers")
def test_dbt_and_pandas_come_to_the_same_core_marts():
    [found] = measured("bench.against", "against", "100000")
    assert found["apart"] == {"dbt": [], "pandas": []}
