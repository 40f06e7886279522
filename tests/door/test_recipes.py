"""docs/bi.md is run as it is written: its shell, Python and JavaScript recipes, and every SQL question."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl
import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "bi.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
NODE_API = "@duckdb/node-api@1.5.6-r.1"


def blocks(language: str) -> list[str]:
    found = [text for kind, text in BLOCKS if kind == language]
    assert found
    return found


def run(city: Path, *command: str | Path) -> str:
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=city, env={**os.environ, "PATH": beside}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_holds_no_block_that_nobody_runs() -> None:
    assert {kind for kind, _ in BLOCKS} == {"sh", "python", "js", "sql", "console"}
    assert blocks("console") == ["make superset\n"]  # test_superset.py


@pytest.mark.parametrize("recipe", blocks("sh"))
def test_shell(recipe: str, city: Path) -> None:
    assert "achieved" in run(city, "bash", "-euc", recipe)


@pytest.mark.parametrize("recipe", blocks("python"))
def test_python(recipe: str, city: Path) -> None:
    (city / "recipe.py").write_text(recipe, "utf-8")
    said = run(city, sys.executable, "recipe.py")
    if "print(" in recipe:
        assert "achieved" in said
    if "进展.xlsx" in recipe:
        sheet = pl.read_excel(city / "进展.xlsx")
        assert sheet.height > 200
        assert {"目标编码", "状态", "实际值"} <= set(sheet.columns)


@pytest.mark.parametrize("question", blocks("sql"))
def test_question(question: str, city: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each in a connection of its own, to the release, or to nothing where it attaches the release itself."""
    monkeypatch.chdir(city)
    attaches = question.startswith("attach")
    with (
        duckdb.connect()
        if attaches
        else duckdb.connect("data/warehouse/current/warehouse.duckdb", read_only=True) as con
    ):
        con.execute("set timezone = 'Asia/Shanghai'")
        assert con.execute(question).fetchall()


def test_the_number_that_the_page_quotes_is_the_one_that_its_query_gives(city: Path) -> None:
    [query] = [q for q in blocks("sql") if "where p.target = 'T403'" in q]
    quoted = re.search(r"gives, of the sample data: ([\d,]+) (\S+?), (\S+?), `(\S+?)`, row (\d+)", PAGE)
    assert quoted
    with duckdb.connect(str(city / "data/warehouse/current/warehouse.duckdb"), read_only=True) as con:
        found = con.sql(query).pl().row(0, named=True)
    told = (f"{found['actual']:,.0f}", found["unit"], found["department"], found["path"], str(found["row_number"]))
    assert told == quoted.groups()


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("npm") is None, reason="Node.js is the analyst's own, no part of what the project needs"
)
def test_javascript(city: Path) -> None:
    """With the driver of the npm registry."""
    run(city, "npm", "install", "--silent", "--no-fund", "--no-audit", NODE_API)
    [recipe] = blocks("js")
    (city / "recipe.mjs").write_text(recipe, "utf-8")
    assert "achieved" in run(city, "node", "recipe.mjs")
