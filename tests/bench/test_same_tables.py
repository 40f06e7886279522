"""What the benchmarks compare with are second opinions on every table: they must agree."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
OUT = ROOT / "bench" / "out"


def measured(module: str, name: str, *arguments: str) -> Any:
    command = [sys.executable, "-m", module, *arguments]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
    return json.loads((OUT / f"{name}.json").read_text())


@pytest.mark.slow
def test_a_plain_duckdb_script_comes_to_the_same_tables():
    found = measured("bench", "results", "10000", "--turns", "1", "--no-night")
    assert [size["apart"] for size in found] == [[]]


@pytest.mark.slow
def test_a_script_of_the_marts_alone_comes_to_the_same_tables_where_districts_are_copied():
    [found] = measured("bench.marts", "marts", "200000", "--turns", "1")
    assert found["apart"] == []
    assert 180_000 < found["rows"]["observation"] < 220_000


@pytest.mark.slow
@pytest.mark.skipif(not (OUT / "alternatives").exists(), reason="`python -m bench.against` installs dbt and pandas")
def test_dbt_and_pandas_come_to_the_same_core_marts():
    [found] = measured("bench.against", "against", "100000")
    assert found["apart"] == {"dbt": [], "pandas": []}
