"""docs/operations.md is done as it is written, from the first run to the restored backup, in a city of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from expectations.load import PLANS
from expectations.model import Plan
from pipelines.samples import write_samples
from tests.door.conftest import SENDERS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
EMPTY_HERE = ("WARNING",)  # queries for what this city has nothing of


def test_the_page_holds_no_block_that_nobody_runs() -> None:
    assert {kind for kind, _ in BLOCKS} == {"sh", "sql", "console"}
    assert [text.split()[:2] for kind, text in BLOCKS if kind == "console"] == [
        ["sudo", "apt-get"], ["make", "backup"],  # the first installs Debian's packages, the second pulls from a forge
    ]  # fmt: skip


def test_every_link_of_the_page_leads_somewhere() -> None:
    for page in ("operations.md", "sources.md"):
        text = (ROOT / "docs" / page).read_text("utf-8")
        for file, anchor in re.findall(r"\]\(([^)#:\s]*)#?([^)\s:]*)\)", text):
            there = ROOT / "docs" / (file or page)
            assert there.exists(), (page, file)
            if anchor:
                titles = re.findall(r"^#+ (.+)$", there.read_text("utf-8"), re.MULTILINE)
                assert anchor in {re.sub(r"[^\w\- ]", "", t.lower()).replace(" ", "-") for t in titles}, (page, anchor)


@pytest.fixture(scope="module")
def checkout(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a clone is after its first `make`, with some departments' samples in the drop boxes."""
    root = tmp_path_factory.mktemp("operations") / "wallchart"
    shutil.copytree(PLANS, root / "expectations" / "plans")
    shutil.copy(ROOT / "Makefile", root)
    for made_of in ("requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / made_of, root)
    (root / ".venv").mkdir()
    (root / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    (root / ".venv" / ".ready").touch()
    write_samples(plan, root / "data" / "dropbox")
    for box in (root / "data" / "dropbox").iterdir():
        if box.name not in SENDERS:
            shutil.rmtree(box)
    return root


def run(checkout: Path, recipe: str) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("WALLCHART_", "DAGSTER_HOME", "MAKE"))}
    environment |= {
        "WALLCHART_DATA": str(checkout / "data"),  # the code is the project's own, elsewhere
        "WALLCHART_PLAN": str(checkout / "expectations" / "plans" / "shenyang-2022"),
        "WALLCHART_PLAN_TEXTS": str(checkout),
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", recipe], cwd=checkout, env=environment, text=True, capture_output=True,
        timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{recipe}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def manifest(checkout: Path) -> dict[str, Any]:
    return dict(json.loads((checkout / "data" / "warehouse" / "current" / "manifest.json").read_text("utf-8")))


@pytest.mark.slow
def test_every_task_is_done_as_written(checkout: Path) -> None:
    """In the page's order: each finds what the ones before it left."""
    said: dict[str, str] = {}
    receipts: set[str] = set()
    for kind, block in BLOCKS:
        if kind != "sh":
            continue
        if block.startswith("mv data data.lost"):
            receipts = delivered(checkout)
        said[block] = run(checkout, block)

    def of(beginning: str) -> str:
        [found] = [text for block, text in said.items() if block.startswith(beginning)]
        return found

    assert "SYNTHETIC" in of("make run\n")
    assert "T403 high_tech_firms: value 5000.0 → 5500.0" in of("cd expectations/plans")
    assert "1 new files" in of("mkdir -p exchange")
    assert "V07, returned" in of(".venv/bin/wallchart why")
    assert "science/2022/2022Q4-synthetic.csv, row 5, 4,991 家" in of(".venv/bin/wallchart where")
    assert "certified by head of statistics" in of(".venv/bin/wallchart certify")
    assert "current was" in of("make releases")
    assert "submissions, current release" in of("make backup")
    assert "no submissions yet" not in of("mv data data.lost")
    assert not delivered(checkout) & receipts  # the drop boxes were lost: what departments had is not sent again
    assert receipts
    assert "Nothing was deleted" in of("make prune") or "nothing has outlived its use" in of("make prune")
    assert len(list((checkout / "data" / "warehouse" / "releases").iterdir())) <= 3
    with duckdb.connect(checkout / "data" / "warehouse" / "current" / "warehouse.duckdb", read_only=True) as con:
        con.execute("set timezone = 'Asia/Shanghai'")
        for question in (text for kind, text in BLOCKS if kind == "sql" and "read_parquet" not in text):
            found = con.execute(question).fetchall()
            assert found or any(words in question for words in EMPTY_HERE), question


def delivered(checkout: Path) -> set[str]:
    return {p.name for p in (checkout / "data" / "dropbox").glob("*/receipts/*")}
