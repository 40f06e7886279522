"""A backup made while a run is under way, restored elsewhere: the same release, and nobody is told anything twice."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from expectations.model import Plan
from pipelines.samples import write_samples
from warehouse.backup import BackupError, back_up
from warehouse.store import Store

SENDERS = {"science", "financial_affairs", "finance", "bonded_zone", "commerce", "transport"}
WALLCHART = Path(sys.executable).with_name("wallchart")


def started(store: Store, box: Path) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("WALLCHART_", "DAGSTER_HOME"))}
    environment |= {"WALLCHART_DATA": str(store.root), "WALLCHART_SOURCES": f"{box.as_uri()}?receipts=yes"}
    return subprocess.Popen(
        [WALLCHART, "run"], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def finished(run: subprocess.Popen[str]) -> str:
    said = run.communicate()[0]
    assert run.returncode == 0, said
    return said


def count(file: Path, query: str) -> int:
    if not file.exists():
        return 0
    with closing(sqlite3.connect(file, timeout=60)) as db:
        try:
            [(found,)] = db.execute(query).fetchall()
        except sqlite3.OperationalError:  # its table is not there yet
            return 0
    return int(found)


def delivered(box: Path) -> set[str]:
    return {p.relative_to(box).as_posix() for p in box.glob("*/receipts/*")}


def manifest(store: Store) -> dict[str, Any]:
    return dict(json.loads((store.warehouse / "current" / "manifest.json").read_text("utf-8")))


def lacking(store: Store) -> list[str]:
    """Landed files that the ledger names and that are missing or damaged."""
    with closing(sqlite3.connect(store.ledger)) as db:
        assert db.execute("pragma integrity_check").fetchall() == [("ok",)]
        named = [s for (s,) in db.execute("select sha256 from submission where sha256 <> ''")]
    assert named
    return [wrong for digest in named if (wrong := store.damage(digest))]


@pytest.mark.slow
def test_a_backup_of_a_city_at_work_restored_elsewhere_ends_in_the_same_release(plan: Plan, tmp_path: Path) -> None:
    box, store = tmp_path / "dropbox", Store(tmp_path / "data")
    write_samples(plan, box)
    for other in box.iterdir():
        if other.name not in SENDERS:
            shutil.rmtree(other)
    landing, answering = Store(tmp_path / "while landing"), Store(tmp_path / "while answering")
    run = started(store, box)
    while run.poll() is None and not count(store.ledger, "select count(*) from submission"):
        time.sleep(0.02)
    back_up(store, landing.root)
    assert run.poll() is None
    assert lacking(landing) == []
    register = store.receipts / "receipts.sqlite"
    while run.poll() is None and not count(register, "select count(*) from receipt where delivered_at is not null"):
        time.sleep(0.02)
    back_up(store, answering.root)
    assert run.poll() is None
    assert lacking(answering) == []
    finished(run)
    told = delivered(box)
    assert told

    restored = Store(tmp_path / "elsewhere" / "data")
    shutil.copytree(answering.root, restored.root, symlinks=True)
    finished(started(restored, box))
    assert manifest(restored)["tables"] == manifest(store)["tables"]
    assert delivered(box) == told
    assert count(restored.receipts / "receipts.sqlite", "select count(*) from receipt") == len(told) / 2

    done = back_up(store, landing.root)  # what came since, and it only
    assert done.release == manifest(store)["release"]
    assert lacking(landing) == []
    again = back_up(store, landing.root)
    assert (again.files, again.bytes, again.submissions) == (0, 0, done.submissions)
    assert manifest(landing) == manifest(store)


def test_a_folder_that_holds_another_citys_backup_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    one, other, folder = city(tmp_path / "one", "a"), city(tmp_path / "other", "b"), tmp_path / "backup"
    back_up(one, folder)
    kept = Store(folder).ledger.read_bytes()
    with pytest.raises(BackupError, match="another city's backup"):
        back_up(other, folder)
    assert Store(folder).ledger.read_bytes() == kept
    with pytest.raises(BackupError, match="one inside the other"):
        back_up(one, one.root / "backup")
    with pytest.raises(BackupError, match="nothing has landed"):
        back_up(Store(tmp_path / "nothing"), tmp_path / "no backup")


def test_damaged_bytes_are_named_and_never_copied_over_good_ones(tmp_path: Path) -> None:
    store, folder = city(tmp_path / "data", "a"), tmp_path / "backup"
    [landed] = (store.root / "landing" / "objects").glob("*/*")
    back_up(store, folder)
    landed.chmod(0o644)
    landed.write_bytes(b"other bytes")
    assert back_up(store, folder).files == 0
    assert lacking(Store(folder)) == []
    with pytest.raises(BackupError, match=r"1 landed files could not be backed up(.|\n)*holds other bytes"):
        back_up(store, tmp_path / "first backup")


def city(root: Path, figure: str) -> Store:
    """A store in which one file has landed."""
    from expectations.load import PLANS, load_plan
    from tests.night import NOW, send
    from warehouse.landing import land

    store, box = Store(root), root.parent / f"{root.name} dropbox"
    send(box, {"science/a.csv": f"指标编码,报告期,数值\n{figure},2022,1\n"})
    land(store, [box.as_uri()], load_plan(PLANS / "shenyang-2022"), NOW)
    return store
