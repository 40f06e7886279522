"""The releases that there are: going back to one, what that holds up, and which are let go."""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from expectations.model import Plan
from tests.night import NOW, Night, long_csv
from tests.publishing import BEGAN, number, stamp
from warehouse import marts
from warehouse.release import pending, publish
from warehouse.releases import Keep, ReleaseError, current, prune, releases, rollback, rolled_back, standing_back
from warehouse.store import Store

FIRST = {"science/a.csv": long_csv(("high_tech_firms", "", "2022Q4", "", 4100, "家"))}
SECOND = {"science/更正.csv": long_csv(("high_tech_firms", "", "2022Q4", "", 42000, "家"))}
THIRD = {"science/再更正.csv": long_csv(("high_tech_firms", "", "2022Q4", "", 4200, "家"))}
DAY, LATER = dt.timedelta(days=1), Keep(days=1000)


@pytest.fixture(scope="module")
def plain(night: Callable[..., Night]) -> Path:
    return night(FIRST).store.marts


@pytest.fixture
def numbered(tmp_path: Path, plain: Path, plan: Plan) -> Callable[..., Store]:
    """numbered(0, 1, 2): a store with these releases, published in this order."""

    def published(*numbers: int, keep: Keep = LATER) -> Store:
        store = Store(tmp_path / "data")
        store.marts.mkdir(parents=True, exist_ok=True)
        for n in numbers:
            stamp(plain, store.marts, n)
            publish(store, plan, keep=keep)
        return store

    return published


def seen(store: Store) -> int:
    """The number of the release that who opens the warehouse now sees."""
    with duckdb.connect(store.warehouse / "current" / "warehouse.duckdb", read_only=True) as con:
        [(stamped,)] = con.execute("select distinct value from observation").fetchall()
    assert stamped == number(store.warehouse)
    return int(stamped)


def named(store: Store) -> dict[int, str]:
    return {round((r.built_at - BEGAN).total_seconds() / 60): r.release for r in releases(store)}


def test_going_back_goes_to_the_release_before_and_then_further(numbered: Callable[..., Store]) -> None:
    store = numbered(0, 1, 2)
    names = named(store)
    done = rollback(store, None, NOW)
    assert (done.left, done.now, seen(store)) == (names[2], names[1], 1)
    rollback(store, None, NOW)
    assert seen(store) == 0
    assert [(r.current, r.rolled_back) for r in releases(store)] == [(False, True), (False, True), (True, False)]
    with pytest.raises(ReleaseError, match="no earlier release"):
        rollback(store, None, NOW)
    assert seen(store) == 0


@pytest.mark.slow
def test_a_release_is_named_by_its_beginning_and_may_be_gone_forward_to(numbered: Callable[..., Store]) -> None:
    store = numbered(0, 1, 2)
    names = named(store)
    rollback(store, names[0], NOW)
    assert (seen(store), set(rolled_back(store))) == (0, {names[2]})
    rollback(store, names[2][:18], NOW)
    assert (seen(store), rolled_back(store), standing_back(store)) == (2, {}, None)


@pytest.mark.slow
def test_going_back_skips_what_was_rolled_back_before(numbered: Callable[..., Store]) -> None:
    store = numbered(0, 1, 2)
    rollback(store, None, NOW)  # from 2 to 1
    numbered(3)
    assert seen(store) == 3
    rollback(store, None, NOW)
    assert seen(store) == 1


def test_an_unknown_release_is_refused_with_the_names_that_there_are(numbered: Callable[..., Store]) -> None:
    store = numbered(0, 1)
    with pytest.raises(ReleaseError, match=named(store)[0]):
        rollback(store, "20990101", NOW)
    with pytest.raises(ReleaseError, match="several"):
        rollback(store, "2023", NOW)
    with pytest.raises(ReleaseError, match="is the current release"):
        rollback(store, named(store)[1], NOW)
    assert (seen(store), rolled_back(store)) == (1, {})


@pytest.mark.parametrize("harm", ["changed", "missing", "added", "no sums"])
def test_a_damaged_release_is_refused_and_the_fault_named(numbered: Callable[..., Store], harm: str) -> None:
    store = numbered(0, 1)
    folder = store.warehouse / "releases" / named(store)[0]
    for rest in [folder, *folder.rglob("*")]:
        os.chmod(rest, 0o755)
    file = folder / "marts" / "progress" / "progress.parquet"
    if harm == "changed":
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.unlink()  # it is one file with the marts it was made of
        file.write_bytes(content)
    elif harm == "missing":
        file.unlink()
    elif harm == "added":
        (folder / "marts" / "progress" / "more.parquet").write_bytes(b"")
    else:
        (folder / "SHA256SUMS").unlink()
    with pytest.raises(ReleaseError, match="SHA256SUMS" if harm == "no sums" else r"marts/progress/\w+\.parquet is"):
        rollback(store, named(store)[0], NOW)
    assert (seen(store), rolled_back(store)) == (1, {})


def test_a_release_is_published_though_the_one_before_is_damaged(
    numbered: Callable[..., Store], plain: Path, plan: Plan
) -> None:
    store = numbered(0)
    folder = store.warehouse / "releases" / named(store)[0]
    for rest in [folder, *folder.rglob("*")]:
        os.chmod(rest, 0o755)
    (folder / "marts" / "progress" / "progress.parquet").unlink()
    stamp(plain, store.marts, 1)
    said: list[str] = []
    assert publish(store, plan, said.append).base is None
    assert any("damaged" in line and "progress.parquet is missing" in line for line in said)
    assert seen(store) == 1


@pytest.mark.slow
def test_what_was_rolled_back_is_not_released_again_until_something_is_new(
    night: Callable[..., Night], plan: Plan
) -> None:
    one = night(FIRST)
    two = night(SECOND, dict.fromkeys(SECOND, NOW), NOW + DAY, root=one.root)
    store = one.store
    assert rollback(store, None, NOW + DAY).now == one.release.release
    assert pending(store, plan, NOW + DAY + dt.timedelta(hours=1)) == ([], False)  # nothing to do for the night
    marts.make(store, plan, NOW + DAY + dt.timedelta(hours=1))  # and by hand it is refused
    with pytest.raises(ReleaseError, match=f"{two.release.release}, which was rolled back"):
        publish(store, plan)
    assert current(store)["release"] == one.release.release  # type: ignore[index]

    three = night(THIRD, dict.fromkeys(THIRD, NOW + DAY), NOW + 2 * DAY, root=one.root)
    assert current(store)["release"] == three.release.release  # type: ignore[index]
    assert three.release.base == one.release.release  # what everybody saw before
    assert three.ask(
        "select before_value, after_value from release_change where table_name = 'observation'"
    ) == [{"before_value": 4100, "after_value": 4200}]  # fmt: skip
    assert rollback(store, None, NOW + 2 * DAY).now == one.release.release


@pytest.mark.slow
def test_going_forward_by_name_lets_its_inputs_be_released_again(night: Callable[..., Night], plan: Plan) -> None:
    one = night(FIRST)
    two = night(SECOND, dict.fromkeys(SECOND, NOW), NOW + DAY, root=one.root)
    rollback(one.store, None, NOW + DAY)
    rollback(one.store, two.release.release, NOW + DAY)
    assert pending(one.store, plan, NOW + DAY) == ([], False)
    assert publish(one.store, plan).release == two.release.release


@pytest.mark.slow
def test_old_releases_go_after_so_many_days_and_so_many_newer_ones(numbered: Callable[..., Store]) -> None:
    store = numbered(0, 1, 2, 3, keep=Keep(days=0, releases=3))
    assert sorted(named(store)) == [1, 2, 3]
    numbered(4, 5, keep=Keep(days=1, releases=1))  # none was replaced a day ago
    assert sorted(named(store)) == [1, 2, 3, 4, 5]
    numbered(2 * 1440, keep=Keep(days=1, releases=2))  # two days later; 5 has just been replaced
    assert sorted(named(store)) == [5, 2 * 1440]


@pytest.mark.slow
def test_the_current_release_is_never_let_go(numbered: Callable[..., Store], plan: Plan) -> None:
    store = numbered(0, 1, 2, 3)
    rollback(store, named(store)[0], NOW)
    prune(store, Keep(days=0, releases=1), NOW)
    assert sorted(named(store)) == [0, 3]
    assert seen(store) == 0


def test_a_release_that_was_built_but_not_pointed_at_is_made_current(
    numbered: Callable[..., Store], plan: Plan
) -> None:
    store = numbered(0, 1)
    link = store.warehouse / "current"
    link.unlink()
    link.symlink_to(Path("releases") / named(store)[0])  # as a writer leaves it that is killed between the two
    publish(store, plan)
    assert seen(store) == 1


def test_marts_that_were_not_made_to_the_end_are_not_released(
    numbered: Callable[..., Store], plain: Path, plan: Plan
) -> None:
    store = numbered(0)
    shutil.copy(plain / "progress.parquet", store.marts / "progress.parquet")
    (store.marts / "made.json").unlink()
    with pytest.raises(ReleaseError, match="not whole"):
        publish(store, plan)
    assert seen(store) == 0
