"""Damage that is done to the store's own files: named where it is met, and mended from what was received."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from expectations.model import Plan
from tests.night import IN_TIME, NOW, long_csv, send
from tests.servers import Platform
from warehouse import filings, integrity, judge, landing, ledger, marts, reading, receipts, rejudged
from warehouse.release import pending, publish
from warehouse.releases import ReleaseError, current, releases, rollback
from warehouse.store import Store, month_of
from warehouse.trouble import StoreError

MONTHS = [f"2022-{n:02}" for n in range(1, 13)]
FILES = {
    f"transport/{month}.csv": long_csv(
        ("airport_passengers", "", month, "", 100 * n, "万人次"), ("airport_passengers", "", month, "火星", 1, "万人次")
    )
    for n, month in enumerate(MONTHS, 1)
} | {
    f"financial_affairs/{month}.csv": long_csv(("deposits", "", month, "", 20000 + 10 * n, "亿元"))
    for n, month in enumerate(MONTHS, 1)
}
LATE = {"transport/更正.csv": long_csv(("airport_passengers", "", "2022-12", "", 1250, "万人次"))}
AFTER = NOW + dt.timedelta(days=1)


def deleted(file: Path) -> None:
    file.unlink()


def truncated(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def zeroed(file: Path) -> None:
    """Its middle, as a power cut or a bad sector leaves it: the file is as long as it was."""
    content = bytearray(file.read_bytes())
    third = len(content) // 3
    content[third : 2 * third] = bytes(third)
    file.write_bytes(content)


def emptied(file: Path) -> None:
    os.truncate(file, 0)


HARMS = [deleted, truncated, zeroed, emptied]


class Place:
    """Drop boxes and a store."""

    def __init__(self, root: Path, plan: Plan) -> None:
        self.root, self.plan = root, plan
        self.box, self.store = root / "dropbox", Store(root / "data")
        self.box.mkdir(parents=True, exist_ok=True)
        self.said: list[str] = []
        self.judged: list[str] = []

    def land(self, now: dt.datetime = NOW) -> landing.Landed:
        return landing.land(self.store, [self.box.as_uri()], self.plan, now)

    def run(self, now: dt.datetime) -> None:
        """What a night does. Raises what it raises."""
        self.land(now)
        reading.read_landed(self.store, self.plan, self.said.append)
        months, due = pending(self.store, self.plan, now)
        if not due:
            return
        if months:
            rejudged.put_aside(self.store, judge.looking_back_on(months, judge.months_with_rows(self.store)), now)
            judge.validity(self.store, self.plan, months, self.said.append)
            judge.quality(self.store, self.plan, months, self.said.append)
            rejudged.changes(self.store, self.plan)
            self.judged += months
        marts.make(self.store, self.plan, now)
        publish(self.store, self.plan, self.said.append, again=False)

    def nights(self, now: dt.datetime, most: int = 2) -> list[str]:
        """As many nights as it takes; returns what those that failed said."""
        failed: list[str] = []
        for _ in range(most):
            try:
                self.run(now)
            except (StoreError, ReleaseError) as e:
                failed.append(str(e))
            else:
                return failed
        raise AssertionError(failed)

    def tables(self) -> Any:
        now = current(self.store)
        assert now is not None
        return now["tables"]

    def rows(self, path: str) -> Path:
        with ledger.ledger(self.store) as db:
            [(one,)] = db.execute("select submission from submission where path = ?", (path,)).fetchall()
        return self.store.rows / f"{one}.parquet"

    def object(self, path: str) -> Path:
        with ledger.ledger(self.store) as db:
            [(one,)] = db.execute("select sha256 from submission where path = ?", (path,)).fetchall()
        return self.store.object(one)


@pytest.fixture
def place(tmp_path: Path, plan: Plan) -> Place:
    return Place(tmp_path, plan)


SMALL = {name: FILES[name] for name in ("transport/2022-12.csv", "financial_affairs/2022-12.csv")}


# --- the bytes as they were received ---


@pytest.mark.parametrize("harm", HARMS)
def test_landed_bytes_that_are_damaged_are_named_and_fetched_again(place: Place, harm: Callable[[Path], None]) -> None:
    send(place.box, SMALL)
    place.land()
    reading.read_landed(place.store, place.plan)
    rows, kept = place.rows("transport/2022-12.csv"), place.object("transport/2022-12.csv")
    before = pl.read_parquet(rows)
    for file in place.store.rows.glob("*.parquet"):
        file.unlink()
    harm(kept)
    with pytest.raises(StoreError, match=rf"{kept} .*transport/2022-12\.csv.*Run again"):
        reading.read_landed(place.store, place.plan)
    assert place.rows("financial_affairs/2022-12.csv").exists()  # one that is damaged stops no other
    assert place.land(AFTER).new == []  # it is no other submission
    assert kept.read_bytes() == SMALL["transport/2022-12.csv"]
    reading.read_landed(place.store, place.plan)
    assert pl.read_parquet(rows).equals(before)


def test_landed_bytes_that_no_source_has_any_more_come_back_with_the_same_file_under_any_name(place: Place) -> None:
    send(place.box, SMALL)
    place.land()
    kept = place.object("transport/2022-12.csv")
    zeroed(kept)
    (place.box / "transport/2022-12.csv").unlink()
    for _ in range(2):  # it is neither taken for what was sent, nor returned to who sent it
        with pytest.raises(StoreError, match="let the department send the same file again"):
            reading.read_landed(place.store, place.plan)
        place.land()
    send(place.box, {"transport/again.csv": SMALL["transport/2022-12.csv"]})
    assert list(place.land(AFTER).copies) == ["transport/again.csv"]
    assert reading.read_landed(place.store, place.plan) == ["2022-12"]


def test_a_file_that_came_in_part_before_the_machine_went_down_is_pulled_from_its_beginning(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, content = "transport/2022-12.csv", SMALL["transport/2022-12.csv"]

    def cut_off(*_: object) -> None:
        raise ConnectionError

    send(place.box, {name: content})
    with monkeypatch.context() as patch:
        patch.setattr(landing.os, "fsync", cut_off)
        with pytest.raises(ConnectionError):
            place.land()
    [part] = [p for p in (place.store.ledger.parent / "parts").rglob("*") if p.is_file()]
    part.write_bytes(bytes(len(content)))  # as long as it was, and none of it ever reached the disk
    boot = place.root / "boot"
    boot.write_text("another")
    monkeypatch.setattr(landing, "BOOT", boot)
    place.land()
    assert place.object(name).read_bytes() == content


def test_a_connection_that_is_reset_again_and_again_loses_nothing_of_the_file(place: Place, platform: Platform) -> None:
    content = os.urandom(1 << 20) * 20
    platform.put("science/a.csv", content, IN_TIME)
    platform.resets, platform.breaks_off = True, [5 << 20, 12 << 20, 19 << 20]
    landed = landing.land(
        place.store, [platform.url()], place.plan, NOW, place.said.append, platform.credentials, lambda _: None
    )
    assert (landed.failed_sources, len(landed.new)) == ({}, 1)
    assert place.object("science/a.csv").read_bytes() == content
    assert sum("trying again" in line for line in place.said) == 3


# --- the ledger ---


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_ledger_is_named_before_anything_is_built_on_it_and_its_copy_brings_it_back(
    place: Place, harm: Callable[[Path], None]
) -> None:
    send(place.box, SMALL)
    place.land()
    reading.read_landed(place.store, place.plan)
    one = place.rows("transport/2022-12.csv").stem
    filings.withdraw(place.store, one, "head of statistics", "sent too early", NOW)
    (place.box / "financial_affairs/2022-12.csv").unlink()  # from here on the ledger alone knows of it
    harm(place.store.ledger)
    send(place.box, LATE)
    with pytest.raises(StoreError, match=rf"{place.store.ledger} .*--restore-ledger"):
        place.land(AFTER)
    assert not place.store.ledger.exists() or harm is not deleted
    aside = ledger.restore(place.store)
    assert aside.exists() or harm is deleted
    assert len(place.land(AFTER).new) == 1  # nothing is lost, and nothing there twice
    reading.read_landed(place.store, place.plan)
    with ledger.ledger(place.store) as db:
        known = db.execute("select path, received_at, reader is not null from submission order by path").fetchall()
        assert db.execute("select submission from withdrawal").fetchall() == [(one,)]
    sent = int(IN_TIME.timestamp() * 1e6)
    assert known == [(path, sent, 1) for path in sorted([*SMALL, *LATE])]
    assert integrity.check(place.store) == []


def test_a_ledger_and_a_copy_that_are_both_gone_are_not_begun_anew(place: Place) -> None:
    send(place.box, SMALL)
    place.land()
    for file in (place.store.ledger, ledger.copy(place.store)):
        file.unlink()
    with pytest.raises(StoreError, match="is gone"):
        place.land()
    with pytest.raises(StoreError, match="from a backup"):
        ledger.restore(place.store)
    assert not place.store.ledger.exists()


def test_a_damaged_ledger_is_never_copied_over_the_good_copy(place: Place) -> None:
    send(place.box, SMALL)
    place.land()
    good = ledger.copy(place.store).read_bytes()
    zeroed(place.store.ledger)
    with pytest.raises(StoreError):
        ledger.keep_copy(place.store)
    assert ledger.copy(place.store).read_bytes() == good


# --- what can be made again ---


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, plan: Plan) -> tuple[Path, Path, Any]:
    """Where a city is to stand, a copy of it after a night, and the tables of the next night's release, undisturbed."""
    root = tmp_path_factory.mktemp("faults")
    city = Place(root / "city", plan)
    send(city.box, FILES)
    assert city.nights(NOW) == []
    receipts.make(city.store, plan)
    shutil.copytree(city.root, root / "kept", symlinks=True)
    send(city.box, LATE)
    assert city.nights(AFTER) == []
    assert city.judged == [*MONTHS, "2022-12"]
    return city.root, root / "kept", city.tables()


def damageable(place: Place) -> dict[str, Path]:
    """A file of each kind. Judged months: each kind in a month of its own, none of them touched by the late file."""
    store = place.store
    names = [f"{n}.parquet" for n in (*judge.WRITTEN, *judge.FLAGGED)]
    months = zip(MONTHS, [*names, judge.STATE, "SHA256SUMS"], strict=False)
    [released] = releases(store)
    [result] = (store.gx / "validations" / "judged" / "2022-10").rglob("period.json")
    return {f"month {name}": store.month(month) / name for month, name in months} | {
        "rows": place.rows("transport/2022-12.csv"),
        "validation result": result,
        "suite": store.gx / "suites" / "judged.json",
        "mart": store.marts / "progress.parquet",
        "marts' sums": store.marts / "SHA256SUMS",
        "made.json": store.marts / "made.json",
        "ledger's copy": ledger.copy(store),
        "released file": released.folder / "warehouse.duckdb",
        "released mart": released.folder / "marts" / "observation" / "observation.parquet",
        "manifest": released.folder / "manifest.json",
        "release's sums": released.folder / "SHA256SUMS",
    }


LONG = os.environ.get("FAULTS") == "each"  # every kind of file by itself too: a quarter of an hour
KINDS = ["all at once"]
if LONG:
    KINDS += [
        f"month {n}" for n in [f"{m}.parquet" for m in (*judge.WRITTEN, *judge.FLAGGED)] + [judge.STATE, "SHA256SUMS"]
    ]
    KINDS += ["rows", "validation result", "suite", "mart", "marts' sums", "made.json", "ledger's copy", "released file",
              "released mart", "manifest", "release's sums"]  # fmt: skip


def as_kept(whole: tuple[Path, Path, Any], plan: Plan) -> Place:
    root, kept, _ = whole
    shutil.rmtree(root)
    shutil.copytree(kept, root, symlinks=True)
    return Place(root, plan)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("harm", HARMS)
def test_whatever_is_damaged_the_next_release_is_the_same(
    whole: tuple[Path, Path, Any], plan: Plan, harm: Callable[[Path], None], kind: str
) -> None:
    place = as_kept(whole, plan)
    files = damageable(place)
    for file in files.values() if kind == "all at once" else [files[kind]]:
        harm(file)
    send(place.box, LATE)
    place.nights(AFTER)
    assert place.tables() == whole[2]
    months = {month_of(f.parent) for k, f in files.items() if k.startswith("month") and kind in (k, "all at once")}
    assert set(place.judged) == months | {"2022-12"}  # what is damaged is judged anew, and nothing else
    if kind in ("rows", "all at once"):
        assert (
            any(str(files["rows"]) in line for line in place.said) or not files["rows"].exists() or harm is not zeroed
        )
    old = str(releases(place.store)[-1].folder)
    assert [f for f in integrity.check(place.store) if not f.wrong.startswith(old)
            and "validations" not in f.wrong] == []  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("harm", HARMS if LONG else [truncated, zeroed])
def test_a_check_names_every_damaged_file_and_the_next_night_makes_it_again(
    whole: tuple[Path, Path, Any], plan: Plan, harm: Callable[[Path], None]
) -> None:
    place = as_kept(whole, plan)
    before = place.tables()
    files = damageable(place)
    del files["suite"]  # made with every judging, read by none
    if harm is deleted:
        for name in ("validation result", "ledger's copy", "made.json"):  # what is not there may never have been
            del files[name]
    bytes_of = place.object("transport/2022-11.csv")
    for file in (*files.values(), bytes_of):
        harm(file)
    found = integrity.check(place.store)
    told = "\n".join(f.wrong for f in found)
    for kind, file in files.items():
        if kind in ("mart", "marts' sums", "made.json"):
            assert str(place.store.marts) in told, kind
        elif "releases" in str(file):
            assert str(file.parents[[p.name for p in file.parents].index("releases") - 1]) in told
        elif not (harm is deleted and kind == f"month {judge.STATE}"):
            assert str(file.parent) in told, kind
    assert str(bytes_of) in told
    assert all(f.to_do for f in found)
    # the check has done what a night would else meet on its way
    assert place.nights(NOW + dt.timedelta(hours=1), most=1) == []
    assert place.tables() == before
    assert bytes_of.read_bytes() == FILES["transport/2022-11.csv"]
    again = integrity.check(place.store)
    assert {Path(f.wrong.partition(":")[0]).name for f in again} == {releases(place.store)[-1].release}
    assert len(releases(place.store)) == 2
    assert json.loads((place.store.warehouse / "current" / "manifest.json").read_text())["tables"] == before


# --- what says what was done: the link, the acts, the registers ---


@pytest.fixture
def answered(place: Place) -> Place:
    """A place after a night of two files, with their receipts."""
    send(place.box, SMALL)
    assert place.nights(NOW) == []
    receipts.make(place.store, place.plan)
    return place


def test_a_link_that_is_gone_or_leads_nowhere_is_set_again_by_the_next_night(answered: Place) -> None:
    link, before = answered.store.warehouse / "current", answered.tables()
    link.unlink()
    assert answered.nights(NOW + dt.timedelta(hours=1), most=1) == []
    assert answered.tables() == before
    link.unlink()
    link.symlink_to(Path("releases") / "20220101T000000000000Z-00000000")
    [found] = [f for f in integrity.check(answered.store) if str(link) in f.wrong]
    assert "publishes another" in found.to_do
    assert answered.nights(NOW + dt.timedelta(hours=2), most=1) == []
    assert answered.tables() == before


@pytest.mark.parametrize("harm", [truncated, zeroed, emptied])
def test_acts_that_cannot_be_read_stop_the_night_before_anything_is_built(
    answered: Place, harm: Callable[[Path], None]
) -> None:
    before = answered.tables()
    send(answered.box, LATE)
    assert answered.nights(AFTER) == []
    rollback(answered.store, None, AFTER)
    assert answered.tables() == before
    acts = answered.store.warehouse / "rollbacks.json"
    harm(acts)
    with pytest.raises(StoreError, match=rf"{acts} cannot be read.*may then be released again"):
        answered.run(AFTER + dt.timedelta(hours=1))
    assert answered.tables() == before
    acts.unlink()
    assert answered.nights(AFTER + dt.timedelta(hours=2), most=1) == []
    assert answered.tables() != before  # what was rolled back is released again, as the message said


@pytest.mark.parametrize("harm", [truncated, zeroed, emptied])
def test_a_register_of_receipts_that_is_damaged_is_named_and_moved_away_made_again(
    answered: Place, harm: Callable[[Path], None]
) -> None:
    register = answered.store.receipts / "receipts.sqlite"
    pages = sorted(p.name for p in answered.store.receipts.rglob("*.html"))
    harm(register)
    if harm is not emptied:  # an empty file is an empty register to SQLite
        [found] = [f for f in integrity.check(answered.store) if str(register) in f.wrong]
        assert "move it away" in found.to_do
        with pytest.raises(StoreError, match=rf"{register} is damaged.*move it away"):
            receipts.make(answered.store, answered.plan)
        register.unlink()
    assert len(receipts.make(answered.store, answered.plan).new) == len(SMALL)
    assert sorted(p.name for p in answered.store.receipts.rglob("*.html")) == pages


@pytest.mark.parametrize("harm", [deleted, emptied])
def test_a_receipt_that_is_lost_before_anybody_had_it_is_made_again(
    answered: Place, harm: Callable[[Path], None]
) -> None:
    [page, *_] = sorted(answered.store.receipts.rglob("*.html"))
    was = page.read_bytes()
    harm(page)
    assert len(receipts.make(answered.store, answered.plan).new) == 1
    assert page.read_bytes() == was
