"""What has outlived its use goes, and nothing else: not what landed, not the last good release, nothing that a night reads."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from expectations.model import Plan
from tests.night import NOW, Night, long_csv
from warehouse import receipts, sums
from warehouse.releases import Keep, current, damage, named, releases, remove, rollback
from warehouse.retention import outlived, prune
from warehouse.store import Store, opened

pytestmark = pytest.mark.slow  # a whole night, and many copies of it
DAY = dt.timedelta(days=1)
FILES = {"science/a.csv": long_csv(("high_tech_firms", "", "2022Q4", "", 4100, "家"))}
READ_BY_A_NIGHT = ("landing", "rows", "months", "marts")


@pytest.fixture(scope="module")
def city(night: Callable[..., Night], plan: Plan) -> Store:
    """A store after a night, with one receipt."""
    store = night(FILES).store
    receipts.make(store, plan)
    return store


def another(city: Store, root: Path) -> Store:
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(city.root, root, symlinks=True)
    return Store(root)


def released(store: Store, days: int) -> None:
    """A release so many days older than the one that there is, of other inputs."""
    name = named(NOW - days * DAY, f"{days:08x}")
    folder = store.warehouse / "releases" / name
    shutil.copytree(store.warehouse / "current", folder)
    for path in (folder, folder / "manifest.json", folder / sums.NAME):
        path.chmod(0o755)
    facts = json.loads((folder / "manifest.json").read_text("utf-8"))
    (folder / "manifest.json").write_text(
        json.dumps(facts | {"release": name, "input_digest": f"{days:064x}"}), "utf-8"
    )
    sums.enter(folder, ["manifest.json"])


def answered(store: Store, days: int) -> Path:
    """A receipt made so many days before the one that there is, which replaced it."""
    with receipts.register(store) as db:
        [last] = db.execute("select * from receipt order by rowid desc limit 1").fetchall()
        old = dict(last) | {"number": f"{last['submission']}-{days:06x}", "made_at": (NOW - days * DAY).isoformat()}
        db.execute("delete from receipt where number = ?", (last["number"],))
        for receipt in (old, dict(last)):
            marks = ", ".join(f":{c}" for c in receipt)
            db.execute(f"insert into receipt ({', '.join(receipt)}) values ({marks})", receipt)
    page = receipts.files_of(store, old["department"], old["submission"], old["number"])[1]
    page.write_text("an earlier receipt", "utf-8")
    return page


def aged(path: Path, days: int) -> Path:
    """The file, last changed so many days ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_bytes(b"made")
    at = (NOW - days * DAY).timestamp()
    os.utime(path, (at, at))
    for folder in path.parents[:1]:
        os.utime(folder, (at, at))
    return path


def seen(folder: Path) -> dict[str, tuple[int, int, int]]:
    return {
        p.relative_to(folder).as_posix(): (s.st_ino, s.st_size, s.st_mtime_ns)
        for p in folder.rglob("*")
        for s in [p.lstat()]
        if p.is_file()
    }


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    old=st.sets(st.integers(1, 900), max_size=5),
    back_to=st.integers(0, 5),
    replaced=st.none() | st.integers(1, 900),
    judged=st.integers(0, 900),
    templates=st.integers(0, 900),
    left=st.integers(0, 9),
    keep=st.builds(Keep, st.integers(0, 400), st.integers(0, 4)),
    papers=st.integers(0, 900),
    later=st.integers(0, 900),
)
def test_whatever_there_is_the_last_good_release_and_all_that_a_night_reads_are_untouched(
    old: set[int], back_to: int, replaced: int | None, judged: int, templates: int, left: int, keep: Keep, papers: int,
    later: int, city: Store, tmp_path: Path,
) -> None:  # fmt: skip
    store = another(city, tmp_path / "data")
    for days in old:
        released(store, days)
    if 0 < back_to <= len(old):
        rollback(store, releases(store)[back_to].release, NOW)
    if replaced is not None:
        answered(store, replaced)
    for result in store.gx.glob("validations/*/*/*/period.json"):
        aged(result, judged)
    aged(store.root / "templates" / "2022-06" / "science.xlsx", templates)
    aged(store.rows / ".x.parquet.1.tmp", left)
    good = current(store)
    before = {folder: seen(store.root / folder) for folder in READ_BY_A_NIGHT}
    receipt = store.receipts.rglob("*.xlsx")
    answers = {p.relative_to(store.receipts) for p in receipt}
    now = NOW + later * DAY

    shown = outlived(store, keep, papers, now)
    assert {path for thing in shown for path in thing.paths if not path.exists()} == set()
    went = prune(store, keep, papers, now)

    assert went == shown
    assert not any(path.exists() for thing in went for path in thing.paths)
    assert outlived(store, keep, papers, now) == []
    assert good is not None
    assert current(store) == good
    [standing] = [r for r in releases(store) if r.current]
    assert damage(standing.folder) is None
    with opened(standing.folder / "warehouse.duckdb") as con:
        assert con.sql("select release from release").fetchall() == [(city_release(city),)]
    if back_to == 0 and old:  # somebody may still go back
        assert rollback(store, None, now).left == standing.release
    before["rows"].pop(".x.parquet.1.tmp", None)
    after = {folder: seen(store.root / folder) for folder in READ_BY_A_NIGHT}
    after["rows"].pop(".x.parquet.1.tmp", None)
    assert after == before
    assert {p.relative_to(store.receipts) for p in store.receipts.rglob("*.xlsx")} == answers


def city_release(city: Store) -> str:
    """What the file itself says: the releases made for the test are copies of it."""
    facts = current(city)
    assert facts is not None
    return str(facts["release"])


def test_a_night_after_it_releases_the_same(city: Store, night: Callable[..., Night], tmp_path: Path) -> None:
    store = another(city, tmp_path / "data")
    released(store, 30)
    answered(store, 800)
    for result in store.gx.glob("validations/*/*/*/period.json"):
        aged(result, 0)
    prune(store, Keep(0, 1), 0, NOW + 900 * DAY)
    assert len(list(store.gx.glob("validations/*/2*"))) == 0
    after = night({}, now=NOW + dt.timedelta(minutes=1), root=tmp_path)
    told = {t["table"]: t["digest"] for t in (current(after.store) or {})["tables"]}
    assert told == {t["table"]: t["digest"] for t in (current(city) or {})["tables"]}


def test_while_the_current_release_is_damaged_no_release_goes(city: Store, tmp_path: Path) -> None:
    store = another(city, tmp_path / "data")
    for days in (10, 20, 30):
        released(store, days)
    assert [r.what for r in outlived(store, Keep(0, 1), 900, NOW)] == ["releases", "releases"]
    file = (store.warehouse / "current").resolve() / "marts" / "target" / "target.parquet"
    file.parent.chmod(0o755)
    file.unlink()
    assert outlived(store, Keep(0, 1), 900, NOW) == []
    remove(store.warehouse / "releases")
    assert outlived(store, Keep(0, 1), 900, NOW) == []


def test_each_thing_that_goes_says_what_it_is_how_old_how_large_and_by_which_rule(city: Store, tmp_path: Path) -> None:
    store = another(city, tmp_path / "data")
    released(store, 10)
    released(store, 20)
    page = answered(store, 10)
    aged(store.root / "templates" / "2022-06" / "science.xlsx", 5)
    aged(store.spill / "block", 2)
    size = sum(p.stat().st_size for p in releases(store)[2].folder.rglob("*") if p.is_file())
    found = outlived(store, Keep(1, 1), 3, NOW + DAY)
    assert [(f.what, f.since, f.bytes, f.paths) for f in found] == [
        ("releases", NOW - 10 * DAY, size, (releases(store)[2].folder,)),
        ("templates of a period", NOW - 5 * DAY, 4, (store.root / "templates" / "2022-06",)),
        ("left over by killed runs", NOW - 2 * DAY, 4, (store.spill,)),
    ]  # fmt: skip
    assert "WALLCHART_KEEP_DAYS" in found[0].rule
    [receipt] = [f for f in outlived(store, Keep(1000, 9), 3, NOW + 4 * DAY) if f.what.startswith("receipts")]
    assert receipt.paths == (page,)
