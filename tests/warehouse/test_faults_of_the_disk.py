"""A disk that is full at each stage of a night, or read-only: a small file system of its own, mounted for the test.

Needs root, as CI has it: whoever may not mount fails here, and does not skip.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from expectations.model import Plan
from tests.night import NOW, long_csv, send
from tests.processes import BIN, ROOT, environment
from warehouse import judge, landing, marts, reading, receipts
from warehouse.release import pending, publish
from warehouse.releases import ReleaseError, current
from warehouse.reports.wallchart import wallchart
from warehouse.sdmx import write
from warehouse.store import Store
from warehouse.trouble import StoreError

pytestmark = pytest.mark.slow
FILES = {
    f"financial_affairs/2022-{n:02}.csv": long_csv(
        ("deposits", "", f"2022-{n:02}", "", 20000 + n, "亿元"), ("loans", "", f"2022-{n:02}", "", -n, "亿元")
    )
    for n in range(9, 13)
}
MIB = 1 << 20


class Disk:
    """A file system in memory."""

    def __init__(self, at: Path) -> None:
        self.at = at

    def mounted(self, *options: str) -> None:
        done = subprocess.run(["mount", *options, str(self.at)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def size(self, size: int) -> None:
        self.mounted("-o", f"remount,size={size}")

    def used(self) -> int:
        return shutil.disk_usage(self.at).used

    def fill(self, but: int = 0) -> None:
        """Leaves so many bytes free."""
        self.size(self.used() + but)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    at = tmp_path / "disk"
    at.mkdir()
    found = Disk(at)
    found.mounted("-t", "tmpfs", "-o", f"size={200 * MIB}", "tmpfs")
    (at / "something").write_bytes(bytes(8192))  # a size of nothing would be one without bounds
    yield found
    subprocess.run(["umount", "--lazy", str(at)], check=True)


def stages(store: Store, plan: Plan, box: Path) -> dict[str, Callable[[], Any]]:
    """A night, stage by stage, as the assets call them."""

    def months() -> list[str]:
        return judge.stale_months(store, plan)

    def drawn() -> None:
        from warehouse import data_docs

        with store.room(), store.writing("Data Docs"):
            data_docs.build(store)

    def charted() -> None:
        with store.room():
            wallchart(store.warehouse / "current" / "warehouse.duckdb", store.reports / "wallchart.html")

    def exchanged() -> None:
        with store.room():
            write(store.warehouse / "current" / "warehouse.duckdb", store.sdmx)

    return {
        "landing": lambda: landing.land(store, [box.as_uri()], plan, NOW),
        "reading": lambda: reading.read_landed(store, plan),
        "judging": lambda: judge.validity(store, plan, months()),
        "flagging": lambda: judge.quality(store, plan, months()),
        "marts": lambda: marts.make(store, plan, NOW),
        "release": lambda: publish(store, plan),
        "receipts": lambda: receipts.make(store, plan),
        "Data Docs": drawn,
        "wall chart": charted,
        "SDMX": exchanged,
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, plan: Plan) -> tuple[Path, Any]:
    """The drop boxes, and the tables of the release that is made of them."""
    root = tmp_path_factory.mktemp("undisturbed")
    store = Store(root / "data")
    send(root / "dropbox", FILES)
    for stage in stages(store, plan, root / "dropbox").values():
        stage()
    now = current(store)
    assert now is not None
    return root / "dropbox", now["tables"]


def test_a_disk_that_is_full_at_each_stage_is_named_and_the_night_goes_on_when_there_is_room(
    undisturbed: tuple[Path, Any], plan: Plan, disk: Disk
) -> None:
    box, tables = undisturbed
    store = Store(disk.at / "data")
    store.root.mkdir()
    for name, stage in stages(store, plan, box).items():
        for free in (0, 64 << 10):
            disk.fill(but=free)
            try:
                stage()
            except (StoreError, ReleaseError) as e:
                said = str(e)
                assert str(store.root) in said, name
                assert "MiB" in said, name
                assert "ake room" in said, name
            else:
                assert free, f"{name} needed no room"
            left = list(store.root.rglob(".*.tmp"))
            assert not left, name
        disk.size(disk.used() + store.wanted())  # as much as the message asks for
        stage()
    now = current(store)
    assert now is not None
    assert now["tables"] == tables
    assert pending(store, plan, NOW) == ([], False)


def test_on_a_read_only_disk_nothing_is_changed_and_the_last_release_can_be_read(
    undisturbed: tuple[Path, Any], plan: Plan, disk: Disk
) -> None:
    box, tables = undisturbed
    store = Store(disk.at / "data")
    night = stages(store, plan, box)
    for stage in night.values():
        stage()
    before = {p: p.stat().st_mtime_ns for p in store.root.rglob("*") if p.is_file()}
    disk.mounted("-o", "remount,ro")
    for name in ("landing", "judging", "marts", "release", "receipts", "Data Docs", "wall chart"):
        with pytest.raises(StoreError, match="read-only") as said:
            night[name]() if name != "judging" else judge.validity(store, plan, ["2022-12"])
        assert str(store.root) in str(said.value), name
    with duckdb.connect(store.warehouse / "current" / "warehouse.duckdb", read_only=True) as con:
        assert con.execute("select count(*) from observation").fetchone() == (4,)
    disk.mounted("-o", "remount,rw")
    assert {p: p.stat().st_mtime_ns for p in store.root.rglob("*") if p.is_file()} == before
    night["marts"]()
    night["release"]()
    now = current(store)
    assert now is not None
    assert now["tables"] == tables


def wallchart_says(command: str, env: dict[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        [BIN / "wallchart", *command.split()], env=env, cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_the_command_line_says_what_is_full_or_damaged_and_a_run_mends_it(tmp_path: Path, disk: Disk) -> None:
    box, data = tmp_path / "dropbox", disk.at / "data"
    send(box, FILES)
    env = environment(data, WALLCHART_SOURCES=box.as_uri())
    data.mkdir()
    disk.size(2 * MIB)
    code, said = wallchart_says("run", env)
    assert (code, "Traceback" in said) == (1, False), said
    assert f"the disk of {data} is full" in said
    disk.size(disk.used() + Store(data).wanted())
    code, said = wallchart_says("run", env)
    assert code == 0, said
    assert wallchart_says("check", env)[0] == 0
    store = Store(data)
    for file in [*store.rows.glob("*.parquet"), store.month("2022-10") / "row.parquet", store.ledger]:
        os.truncate(file, 100)
    code, said = wallchart_says("run", env)
    assert code == 1
    assert f"{store.ledger} is damaged" in said
    assert "--restore-ledger" in said
    code, said = wallchart_says("check --restore-ledger", env)
    assert code == 1
    assert "2022-10/row.parquet" in said
    code, said = wallchart_says("run", env)
    assert code == 0, said
    code, said = wallchart_says("check", env)
    assert (code, "as it was written" in said) == (0, True), said
    with contextlib.suppress(FileNotFoundError):
        assert not list((data / "landing").glob("*.tmp"))
