"""Landed files to rows: from which form they were filled, what is read again, and what is kept beside the rows."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from expectations.model import Plan, Revision
from expectations.template import Mark
from tests.night import IN_TIME, NOW, long_csv, send
from warehouse import readers, reading
from warehouse.landing import land
from warehouse.ledger import ledger
from warehouse.store import Store

FIGURE = ("high_tech_firms", "", "2022Q4", "", 4200, "家")
DAY = dt.timedelta(days=1)


def revised(plan: Plan, holds_from: dt.date) -> Plan:
    """The plan with a second revision."""
    second = Revision(revision=2, holds_from=holds_from, why="中期调整", by="市政府")
    return plan.model_copy(update={"head": plan.head.model_copy(update={"revisions": [second]})})


def form(*marks: Mark) -> bytes:
    return long_csv(FIGURE, banner=[str(mark) for mark in marks])


class Box:
    def __init__(self, root: Path) -> None:
        self.root, self.store = root / "dropbox", Store(root / "data")

    def read(self, plan: Plan, files: dict[str, bytes] | None = None, received: dt.datetime = IN_TIME) -> list[str]:
        send(self.root, files or {}, dict.fromkeys(files or {}, received))
        land(self.store, [self.root.as_uri()], plan, NOW)
        return reading.read_landed(self.store, plan)

    def faults(self) -> dict[str, str | None]:
        with ledger(self.store) as db:
            return dict(db.execute("select path, fault_rule from submission").fetchall())

    def submission(self, path: str) -> str:
        with ledger(self.store) as db:
            [(submission,)] = db.execute("select submission from submission where path = ?", (path,)).fetchall()
        return str(submission)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    (tmp_path / "dropbox").mkdir()
    return Box(tmp_path)


def mark(of: Plan, **other: object) -> Mark:
    given = {"plan": of.head.plan, "revision": 1, "department": "science", "period": "2022Q4", **other}
    return Mark(**given)  # type: ignore[arg-type]


# --- S05, S08 ---


@pytest.mark.parametrize(
    ("other", "rule"),
    [
        ({}, None),
        ({"plan": "elsewhere-2022"}, "S05"),
        ({"revision": 2}, "S05"),  # there is none yet
        ({"department": "health"}, "S08"),
    ],
)
def test_a_template_of_another_plan_or_department_is_returned(
    plan: Plan, box: Box, other: dict[str, object], rule: str | None
) -> None:
    box.read(plan, {"science/a.csv": form(mark(plan, **other))})
    assert box.faults() == {"science/a.csv": rule}


def test_a_template_is_outdated_from_the_day_on_which_the_next_revision_holds(plan: Plan, box: Box) -> None:
    second = revised(plan, IN_TIME.date())
    old, new = form(mark(plan)), form(mark(plan, revision=2))
    box.read(second, {"science/before.csv": old}, IN_TIME - DAY)
    box.read(second, {"science/after.csv": old + b"\n"}, IN_TIME)
    box.read(second, {"science/new.csv": new}, IN_TIME)
    box.read(second, {"science/early.csv": new + b"\n"}, IN_TIME - DAY)  # handed out before it held
    assert box.faults() == {
        "science/before.csv": None, "science/after.csv": "S05", "science/new.csv": None, "science/early.csv": None
    }  # fmt: skip


def test_a_file_filled_while_its_revision_held_stays_good_when_it_is_read_again(
    plan: Plan, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.read(plan, {"science/a.csv": form(mark(plan))}, IN_TIME - 2 * DAY)
    box.read(revised(plan, IN_TIME.date()))
    assert box.faults() == {"science/a.csv": None}
    monkeypatch.setattr(readers, "READER_VERSION", readers.READER_VERSION + 1)
    assert box.read(revised(plan, IN_TIME.date())) == ["2022-12"]
    assert box.faults() == {"science/a.csv": None}


def test_an_outdated_empty_form_is_told_so_rather_than_that_it_is_empty(plan: Plan, box: Box) -> None:
    box.read(plan, {"science/a.csv": long_csv(banner=[str(mark(plan, plan="elsewhere"))])})
    assert box.faults() == {"science/a.csv": "S05"}


# --- beside the rows ---


def test_what_was_passed_over_and_the_template_are_kept_beside_the_rows(plan: Plan, box: Box) -> None:
    content = form(mark(plan)) + "合计,,2022Q4,,4200,家,,\n注:合成\n".encode()
    box.read(plan, {"science/a.csv": content})
    one = box.submission("science/a.csv")
    assert reading.template_of(box.store, one) == mark(plan)
    assert [(p.row_number, p.why) for p in reading.passed_over(box.store, one)] == [(4, "total"), (5, "note")]


# --- read again ---


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.unlink(),
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(file.read_bytes()[:-20]),
        lambda file: file.write_bytes(b"x" * 4000),
        lambda file: os.truncate(file, 11),
    ],
)
def test_rows_that_are_gone_or_cut_short_are_read_again(plan: Plan, box: Box, damage: Callable[[Path], None]) -> None:
    box.read(plan, {"science/a.csv": long_csv(FIGURE), "health/b.csv": long_csv(FIGURE)})
    file = box.store.rows / f"{box.submission('science/a.csv')}.parquet"
    whole = pl.read_parquet(file)
    damage(file)
    assert box.read(plan) == ["2022-12"]
    assert pl.read_parquet(file).equals(whole)
    assert box.read(plan) == []


def test_many_files_are_entered_together_and_each_is_read_once(
    plan: Plan, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "AT_ONCE", 3)
    box.read(plan, {f"science/{n}.csv": long_csv((*FIGURE[:4], 4200 + n, "家")) for n in range(7)})
    assert box.faults() == dict.fromkeys([f"science/{n}.csv" for n in range(7)])
    with ledger(box.store) as db:
        assert db.execute("select count(*), sum(rows) from submission_month").fetchall() == [(7, 7)]
        assert db.execute("select count(*) from submission where reader is null").fetchall() == [(0,)]


def test_a_reading_that_is_killed_goes_on_where_it_stopped(plan: Plan, box: Box) -> None:
    send(box.root, {f"science/{n}.csv": long_csv((*FIGURE[:4], 4200 + n, "家")) for n in range(3)})
    land(box.store, [box.root.as_uri()], plan, NOW)

    class Killed(Exception):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "_enter", killed)
        with pytest.raises(Killed):
            reading.read_landed(box.store, plan)
    assert reading.read_landed(box.store, plan) == ["2022-12"]
    assert len(list(box.store.rows.glob("*.parquet"))) == 3
