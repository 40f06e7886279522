"""Drop boxes to the store: what counts as a submission, when it was received, and what is left for the next landing."""

from __future__ import annotations

import datetime as dt
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expectations.model import Plan
from tests.night import IN_TIME, NOW, Night, long_csv, send
from warehouse.landing import Landed, land
from warehouse.ledger import ledger
from warehouse.reading import read_landed
from warehouse.store import Store

ROW = long_csv(("high_tech_firms", "", "2022Q4", "", 4200, "家"))
OTHER = long_csv(("high_tech_firms", "", "2022Q4", "", 4201, "家"))
LATER = IN_TIME + dt.timedelta(hours=1)


class Box:
    """Drop boxes beside a store."""

    def __init__(self, root: Path, plan: Plan) -> None:
        self.root, self.store, self.plan = root / "dropbox", Store(root / "data"), plan
        self.root.mkdir()

    def land(self, *sources: str, now: dt.datetime = NOW) -> Landed:
        return land(self.store, sources or [self.root.as_uri()], self.plan, now)

    def submissions(self) -> list[dict[str, Any]]:
        with ledger(self.store) as db:
            asked = db.execute(
                "select path, department, sha256, received_at, submission from submission order by received_at"
            )
            return [dict(zip([d[0] for d in asked.description], row, strict=True)) for row in asked]

    def paths(self) -> list[str]:
        return sorted(s["path"] for s in self.submissions())


@pytest.fixture
def box(tmp_path: Path, plan: Plan) -> Box:
    return Box(tmp_path, plan)


def test_landing_twice_lands_nothing_new(box: Box) -> None:
    send(box.root, {"science/a.csv": ROW})
    first, second = box.land(), box.land()
    assert (len(first.new), len(second.new)) == (1, 0)
    assert (first.looked_at, second.looked_at) == (1, 1)
    assert read_landed(box.store, box.plan) == ["2022-12"]
    assert read_landed(box.store, box.plan) == []


def test_the_same_bytes_twice_in_one_drop_box_are_one_submission(box: Box) -> None:
    send(box.root, {"science/a.csv": ROW, "science/copy.csv": ROW, "science/more/again.csv": ROW})
    first = box.land()
    assert len(first.new) == 1
    assert first.copies == dict.fromkeys(("science/copy.csv", "science/more/again.csv"), "science/a.csv")
    send(box.root, {"science/resent.csv": ROW})
    again = box.land()
    assert (again.new, again.copies) == ([], {"science/resent.csv": "science/a.csv"})


def test_the_same_bytes_in_two_drop_boxes_are_two_submissions(box: Box) -> None:
    send(box.root, {"science/a.csv": ROW, "health/a.csv": ROW})
    assert len(box.land().new) == 2
    assert {s["department"] for s in box.submissions()} == {"science", "health"}


def test_a_changed_file_under_the_same_name_is_a_new_submission(box: Box) -> None:
    send(box.root, {"science/a.csv": ROW})
    box.land()
    send(box.root, {"science/a.csv": OTHER}, {"science/a.csv": LATER})
    assert len(box.land().new) == 1
    assert box.paths() == ["science/a.csv", "science/a.csv"]


def test_what_is_not_yet_a_submission_is_left_alone(box: Box) -> None:
    ignored = ["science/~$a.xlsx", "science/.a.csv", "science/a.csv.part", "science/b.tmp", "science/C.TMP",
               "science/receipts/a.csv", "science/.hidden/a.csv", "readme.txt", ".trash/a.csv"]  # fmt: skip
    send(box.root, {**dict.fromkeys(ignored, ROW), "science/2022/年报/a.csv": ROW})
    landed = box.land()
    assert box.paths() == ["science/2022/年报/a.csv"]
    assert landed.unknown_boxes == []


def test_a_part_that_is_renamed_is_landed_then(box: Box) -> None:
    send(box.root, {"science/a.csv.part": ROW})
    assert box.land().new == []
    (box.root / "science/a.csv.part").rename(box.root / "science/a.csv")
    assert len(box.land().new) == 1


def test_a_file_that_is_still_growing_is_left_for_the_next_landing(box: Box) -> None:
    growing, stop = box.root / "science/a.csv", threading.Event()
    send(box.root, {"science/a.csv": "", "science/whole.csv": ROW})

    def write() -> None:
        with growing.open("ab", buffering=0) as file:
            file.write(ROW)
            while not stop.wait(0.1):
                file.write("high_tech_firms,,2022Q3,,4000,家,,\n".encode())

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.1)
    try:
        landed = box.land(now=dt.datetime.now(dt.UTC))
    finally:
        stop.set()
        writer.join()
    assert landed.growing == ["science/a.csv"]
    assert box.paths() == ["science/whole.csv"]
    assert len(box.land(now=dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)).new) == 1
    [kept] = [s for s in box.submissions() if s["path"] == "science/a.csv"]
    assert box.store.object(kept["sha256"]).read_bytes() == growing.read_bytes()


def test_an_unknown_drop_box_is_reported_and_not_read(box: Box) -> None:
    send(box.root, {"no_such_bureau/a.csv": ROW, "science/a.csv": ROW})
    landed = box.land()
    assert [u.rpartition(" ")[2] for u in landed.unknown_boxes] == ["no_such_bureau"]
    assert box.paths() == ["science/a.csv"]


@pytest.mark.parametrize("missing", ["file:///no/such/folder", "gopher://example.org/"])
def test_one_source_that_fails_never_stops_the_other(box: Box, missing: str) -> None:
    send(box.root, {"science/a.csv": ROW})
    landed = box.land(missing, box.root.as_uri())
    assert list(landed.failed_sources) == [missing]
    assert landed.failed_sources[missing]
    assert box.paths() == ["science/a.csv"]


def test_a_submission_is_received_when_its_file_was_put_there(box: Box) -> None:
    send(box.root, {"science/a.csv": ROW})
    box.land()
    [one] = box.submissions()
    assert one["received_at"] == IN_TIME.timestamp() * 1e6


def test_a_submission_is_never_received_later_than_now(box: Box) -> None:
    send(box.root, {"science/a.csv": ROW}, {"science/a.csv": NOW + dt.timedelta(days=400)})
    box.land()
    [one] = box.submissions()
    assert one["received_at"] == NOW.timestamp() * 1e6


def test_a_file_put_back_with_an_older_time_is_still_the_later_one(box: Box) -> None:
    send(box.root, {"science/a.csv": ROW})
    box.land()
    send(box.root, {"science/a.csv": OTHER}, {"science/a.csv": IN_TIME - dt.timedelta(days=30)})
    box.land()
    first, second = box.submissions()
    assert first["received_at"] < second["received_at"] < first["received_at"] + 1000


def test_a_source_is_never_written_to(box: Box) -> None:
    send(box.root, {"science/a.csv": ROW, "science/b.csv": OTHER})
    before = sorted((p, p.stat().st_mtime_ns) for p in box.root.rglob("*"))
    box.land()
    read_landed(box.store, box.plan)
    assert sorted((p, p.stat().st_mtime_ns) for p in box.root.rglob("*")) == before


def test_the_bytes_are_kept_for_ever(box: Box) -> None:
    send(box.root, {"science/a.csv": ROW})
    box.land()
    os.remove(box.root / "science/a.csv")
    box.land()
    [one] = box.submissions()
    kept = box.store.object(one["sha256"])
    assert kept.read_bytes() == ROW
    assert kept.stat().st_mode & 0o777 == 0o444


def test_a_name_in_chinese_with_spaces_and_quotes_lands(box: Box) -> None:
    name = "science/高新 技术'企业\"(12月)%20.csv"
    send(box.root, {name: ROW})
    box.land()
    assert box.paths() == [name]


# --- a later submission supersedes an earlier one figure by figure ---


def test_a_correction_supersedes_figure_by_figure_and_the_earlier_stays_in_the_record(
    night: Callable[..., Night],
) -> None:
    name = "science/a.csv"
    first = night(
        {
            name: long_csv(
                ("high_tech_firms", "", "2022Q4", "", 4200, "家"),
                ("innovation_platforms", "", "2022Q4", "", 1200, "个"),
            )
        }
    )
    one = night({name: OTHER}, {name: LATER}, NOW + dt.timedelta(hours=1), root=first.root)
    seen = one.ask("select indicator, value, known_from, known_to from observation order by indicator, known_from")
    assert [(o["indicator"], o["value"], o["known_from"], o["known_to"]) for o in seen] == [
        ("high_tech_firms", 4200, IN_TIME, LATER),
        ("high_tech_firms", 4201, LATER, None),
        ("innovation_platforms", 1200, IN_TIME, None),
    ]
    then = one.ask("select indicator, value, known_to from observation_as_known_at(?) order by indicator", IN_TIME)
    assert [tuple(o.values()) for o in then] == [("high_tech_firms", 4200, None), ("innovation_platforms", 1200, None)]
    assert one.ask("from observation_as_known_at(?)", IN_TIME - dt.timedelta(seconds=1)) == []
    assert one.progress("T403", "2022Q4")["actual"] == 4201


@pytest.fixture(scope="module")
def sent_again(night: Callable[..., Night]) -> Night:
    """A good figure, then a correction that is returned; another, then the same again by another spelling."""
    files = {
        "science/a.csv": ROW,
        "science/b.csv": long_csv(("high_tech_firms", "", "2022Q4", "", -1, "家")),
        "statistics/a.csv": long_csv(("resident_population", "", "2022", "", 914.7, "万人")),
        "statistics/b.csv": long_csv(("", "常住人口", "2022年全年", "沈阳市", "9,147,000", "人")),
    }
    return night(files, {"science/b.csv": LATER, "statistics/b.csv": LATER})


def test_a_correction_that_is_returned_supersedes_nothing(sent_again: Night) -> None:
    seen = sent_again.ask("from observation where department = 'science'")
    assert [(o["value"], o["known_to"]) for o in seen] == [(4200, None)]


def test_the_same_figure_sent_again_changes_nothing_that_is_known(sent_again: Night) -> None:
    seen = sent_again.ask("from observation where department = 'statistics'")
    assert [(o["value"], o["known_from"], o["known_to"]) for o in seen] == [(914.7, IN_TIME, None)]


def test_a_file_put_back_as_it_was_counts_again_from_then_on_and_is_not_late(plan: Plan, box: Box) -> None:
    from warehouse import judge, marts

    name, times = "science/a.csv", [IN_TIME, LATER, NOW - dt.timedelta(hours=1)]
    for content, sent in zip([ROW, OTHER, ROW], times, strict=True):
        send(box.root, {name: content}, {name: sent})
        landed = box.land()
        read_landed(box.store, plan)
        stale = judge.stale_months(box.store, plan)
        assert stale == ["2022-12"]
        judge.validity(box.store, plan, stale)
        judge.quality(box.store, plan, stale)
    assert (landed.new, len(landed.again), len(box.submissions())) == ([], 1, 2)
    marts.make(box.store, plan, NOW)
    with marts.connect(box.store.root) as con:
        seen = con.execute(
            "select value, known_from at time zone 'UTC', known_to at time zone 'UTC' from"
            f" '{box.store.marts / 'observation.parquet'}' order by known_from"
        ).fetchall()
        [(owed,)] = con.execute(
            f"select state from '{box.store.marts / 'obligation.parquet'}' where indicator = 'high_tech_firms' and period = '2022Q4'"
        ).fetchall()
    at = [t.astimezone(dt.UTC).replace(tzinfo=None) for t in times]
    assert seen == [(4200, at[0], at[1]), (4201, at[1], at[2]), (4200, at[2], None)]
    assert owed == "on_time"


@pytest.mark.slow
@settings(max_examples=3)
@given(order=st.permutations(range(4)), judged_each_time=st.booleans())
def test_corrections_give_the_same_vintages_in_whatever_order_they_arrive(
    plan: Plan, tmp_path_factory: pytest.TempPathFactory, order: list[int], judged_each_time: bool
) -> None:
    from warehouse import judge, marts

    files = [
        (f"science/{n}.csv", long_csv(
            ("high_tech_firms", "", "2022Q4", "", value, "家"), ("innovation_platforms", "", quarter, "", 1200 + n, "个")
        ), IN_TIME + dt.timedelta(minutes=n))
        for n, (value, quarter) in enumerate([(4200, "2022Q4"), (4300, "2022Q3"), (4300, "2022Q4"), (4200, "2022Q3")])
    ]  # fmt: skip
    box = Box(tmp_path_factory.mktemp("vintages"), plan)
    months: set[str] = set()
    for n in order:
        name, content, sent = files[n]
        send(box.root, {name: content}, {name: sent})
        box.land()
        touched = read_landed(box.store, plan)
        months |= set(touched)
        if judged_each_time:
            judge.validity(box.store, plan, touched)
    judge.validity(box.store, plan, sorted(months))
    judge.quality(box.store, plan, sorted(months))
    marts.make(box.store, plan, NOW)
    with marts.connect(box.store.root) as con:
        seen = con.execute(
            "select indicator, period, value, epoch(known_from)::bigint, epoch(known_to)::bigint"
            f" from '{box.store.marts / 'observation.parquet'}' order by all"
        ).fetchall()
    at = [int((IN_TIME + dt.timedelta(minutes=n)).timestamp()) for n in range(4)]
    assert seen == [
        ("high_tech_firms", "2022Q4", 4200, at[0], at[1]),
        ("high_tech_firms", "2022Q4", 4200, at[3], None),
        ("high_tech_firms", "2022Q4", 4300, at[1], at[3]),
        ("innovation_platforms", "2022Q3", 1201, at[1], at[3]),
        ("innovation_platforms", "2022Q3", 1203, at[3], None),
        ("innovation_platforms", "2022Q4", 1200, at[0], at[2]),
        ("innovation_platforms", "2022Q4", 1202, at[2], None),
    ]
