"""Publishing while everybody reads and the writer is killed: no error, no two tables of different releases, nothing lost."""

from __future__ import annotations

import json
import os
import random
import selectors
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from expectations.model import Plan
from tests.night import Night, long_csv
from tests.publishing import number, stamp
from warehouse.release import publish
from warehouse.releases import damage, releases
from warehouse.store import Store

ROOT = Path(__file__).parents[2]
READERS = 8
FILES = {
    "science/a.csv": long_csv(("high_tech_firms", "", "2022Q4", "", 4100, "家"), ("innovation_platforms", "", "2022Q4", "", 1200, "家")),
    "transport/b.csv": long_csv(*(("airport_passengers", "", f"2022-{m:02}", "", 80 * m, "万人次") for m in range(1, 13))),
    "education/c.csv": long_csv(("schooling_years", "", "2022", "", "多年", "年")),
}  # fmt: skip


@dataclass
class Counted:
    told: int = 0  # publishes that returned before the writer was killed
    kills: int = 0
    lost: int = 0
    broken: list[str] = field(default_factory=list)  # what stood after a kill and was not whole
    seconds: list[float] = field(default_factory=list)
    read: dict[str, Any] = field(default_factory=dict)


def started(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.publishing", *map(str, arguments)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def published(root: Path, last: int, chance: random.Random | None, in_place: Path | None = None) -> Counted:
    """Has a writer publish up to release `last` while readers read; with `chance`, kills and restarts it over and over."""
    store, counted, reported = Store(root / "data"), Counted(), 0
    file, stop = in_place or store.warehouse / "current" / "warehouse.duckdb", root / "stop"
    readers = [started("read", file, seed, stop) for seed in range(READERS)]
    try:
        while number(store.warehouse) < last:
            with started("write", root, last, *([in_place] if in_place else [])) as writer:
                assert writer.stdout is not None
                assert writer.stdout.readline() == "ready\n"
                typical = statistics.median(counted.seconds or [1])  # a writer lives for four releases on average
                until = time.monotonic() + (chance.expovariate(1 / (4 * typical)) if chance else 600)
                for line in lines_until(writer, until):
                    n, seconds = line.split()
                    counted.told, reported = counted.told + 1, int(n)
                    counted.seconds.append(float(seconds))
                    counted.lost += number(store.warehouse) < reported
                counted.kills += writer.poll() is None
                writer.kill()  # SIGKILL
            counted.lost += number(store.warehouse) < reported
            if wrong := damage((store.warehouse / "current").resolve()):
                counted.broken.append(wrong)
    finally:
        stop.touch()
        told = [json.loads(r.communicate(timeout=60)[0]) for r in readers]
    counted.read = {k: sum(t[k] for t in told) for k in told[0] if k != "first_error"}
    counted.read["first_error"] = next((t["first_error"] for t in told if t["first_error"]), "")
    print(
        number(store.warehouse),
        "releases,",
        counted.told,
        "told of,",
        counted.kills,
        "killed,",
        counted.lost,
        "lost;",
        counted.read,
    )
    print(f"seconds a publish: median {statistics.median(counted.seconds):.2f}, worst {max(counted.seconds):.2f}")
    return counted


def lines_until(process: subprocess.Popen[str], until: float) -> Any:
    """The process's lines until that time or its end."""
    assert process.stdout is not None
    descriptor, rest = process.stdout.fileno(), b""
    with selectors.DefaultSelector() as ready:
        ready.register(descriptor, selectors.EVENT_READ)
        while (left := until - time.monotonic()) > 0:
            if not ready.select(left):
                return
            chunk = os.read(descriptor, 4096)
            if not chunk:
                return
            *whole, rest = (rest + chunk).split(b"\n")
            yield from (line.decode() for line in whole)


@pytest.fixture
def root(tmp_path: Path, night: Callable[..., Night], plan: Plan) -> Path:
    """A store whose current release is number 0, and its marts beside, to make others of."""
    shutil.copytree(night(FILES).store.marts, tmp_path / "plain")
    store = Store(tmp_path / "data")
    store.marts.mkdir(parents=True)
    stamp(tmp_path / "plain", store.marts, 0)
    publish(store, plan)
    assert number(store.warehouse) == 0
    return tmp_path


@pytest.mark.slow
def test_a_hundred_releases_under_eight_readers_and_a_killed_writer(root: Path) -> None:
    counted = published(root, 100, random.Random(20220101))
    store = Store(root / "data")
    assert (counted.read["errors"], counted.read["torn"], counted.read["backward"]) == (0, 0, 0), counted.read
    assert (counted.lost, counted.broken, number(store.warehouse)) == (0, [], 100)
    assert counted.kills >= 10
    assert counted.read["held"] >= READERS
    assert counted.read["connections"] >= 100 * READERS / 2
    assert len(releases(store)) == 3
    assert not list((store.warehouse / ".staging").iterdir())


@pytest.mark.slow
def test_the_readers_notice_a_file_that_is_overwritten_in_place(root: Path) -> None:
    shown = root / "shown" / "warehouse.duckdb"
    shown.parent.mkdir()
    shutil.copyfile(root / "data" / "warehouse" / "current" / "warehouse.duckdb", shown)
    counted = published(root, 15, None, shown)
    assert counted.read["errors"] + counted.read["torn"] > 0, counted.read
