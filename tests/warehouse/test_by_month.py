"""A large store's marts are a file a month and its release goes on from the last one's file: nobody can tell from what is in it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import duckdb
import pytest

from expectations.model import Plan
from tests.night import IN_TIME, NOW, Night, long_csv
from warehouse import filings, judge, marts, release
from warehouse.marts import by_month
from warehouse.release import publish

LATER = IN_TIME + dt.timedelta(days=30)
FIRST = {
    "science/a.csv": long_csv(*(("high_tech_firms", "", f"{y}Q{q}", "", 3900 + 50 * q, "家") for y in (2021, 2022) for q in (1, 2, 3, 4))),
    "transport/b.csv": long_csv(*(("airport_passengers", "", f"2022-{m:02}", "", 80 * m, "万人次") for m in range(1, 13))),
    "education/c.csv": long_csv(("schooling_years", "", "2022", "", "多年", "年"), ("schooling_years", "", "2021", "", 12.0, "年")),
}  # fmt: skip
CORRECTED = {"transport/更正.csv": long_csv(("airport_passengers", "", "2022-05", "", 410, "万人次"))}
ONCE_MORE = {"science/d.csv": long_csv(("high_tech_firms", "", "2022Q4", "", 4300, "家"))}


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_month, "FROM", 0)


def held(night: Night) -> dict[str, tuple[Any, ...]]:
    """Rows and digest of each table as a client reads them, and as the Parquet beside it has them; release tells itself."""
    found = {}
    for table in [t["table_name"] for t in night.ask("select table_name from duckdb_tables()")]:
        if table == "release":
            continue
        but = "exclude (source)" if table == "submission" else ""  # which folder it came from
        parquet = f"read_parquet('{night.folder}/marts/{table}/*.parquet')"
        counts = [
            tuple(
                night.one(
                    f"select count(*) as n, sum(hash(t))::varchar as digest from (select * {but} from {source}) t"
                ).values()
            )
            for source in (f'main."{table}"', parquet)
        ]
        assert counts[0] == counts[1], table
        found[table] = counts[0]
    return found


def parts(night: Night, table: str) -> dict[str, int]:
    return {p.name: p.stat().st_ino for p in sorted((night.folder / "marts" / table).iterdir())}


def test_nights_one_after_the_other_release_what_one_night_would(
    night: Callable[..., Night], large: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights = [night(FIRST, now=NOW)]
    at = NOW
    for files in (CORRECTED, ONCE_MORE):
        at += dt.timedelta(days=1)
        nights.append(night(files, dict.fromkeys(files, LATER), now=at, root=nights[0].root))
    first, second, third = nights
    assert list(parts(first, "observation"))[-1] == "observation-2022-12.parquet"

    # what nothing touched is the same file still
    before, after = parts(first, "observation"), parts(second, "observation")
    assert [name for name in before if before[name] != after[name]] == ["observation-2022-05.parquet"]
    assert second.made.took["observation"]["parts made"] == 1
    before, after = parts(second, "obligation"), parts(third, "obligation")
    assert [name for name in before if before[name] != after[name]] == ["obligation-2022-12.parquet"]

    monkeypatch.setattr(by_month, "FROM", 1 << 40)
    whole = [night(FIRST, now=NOW)]
    whole.append(night(CORRECTED, dict.fromkeys(CORRECTED, LATER), now=NOW + dt.timedelta(days=1), root=whole[0].root))
    whole.append(night(ONCE_MORE, dict.fromkeys(ONCE_MORE, LATER), now=at, root=whole[0].root))
    assert list(parts(whole[2], "observation")) == ["observation.parquet"]
    for ours, theirs in zip(nights, whole, strict=True):
        assert held(ours) == held(theirs)
        assert ours.ask("select * exclude (base) from release_change order by all") == theirs.ask(
            "select * exclude (base) from release_change order by all"
        )


def test_time_that_passes_and_figures_that_are_withdrawn_change_the_months_that_they_are_of(
    night: Callable[..., Night], plan: Plan, large: None
) -> None:
    soon = dt.datetime(2022, 6, 20, 9, tzinfo=NOW.tzinfo)
    sent = {name: soon - dt.timedelta(days=9) for name in FIRST}
    first = night(FIRST, sent, now=soon)
    later = night({}, now=soon + dt.timedelta(days=60), root=first.root)  # deadlines of June and July passed, no more
    changed = {n for n, inode in parts(first, "obligation").items() if parts(later, "obligation")[n] != inode}
    assert {"obligation-2022-06.parquet"} <= changed <= {f"obligation-2022-{m:02}.parquet" for m in (5, 6, 7)}
    assert later.one("select count(*) as n from obligation where state = 'missing' and period = '2022-06'")["n"] > 0
    assert later.made.took["observation"]["parts made"] == 0

    code = first.one("select submission from submission where path = 'transport/b.csv'")["submission"]
    filings.withdraw(first.store, code, "head of office", "counted twice", soon + dt.timedelta(days=61))
    gone = night({}, now=soon + dt.timedelta(days=62), root=first.root)
    stale = judge.stale_months(gone.store, plan)
    judge.validity(gone.store, plan, stale)
    judge.quality(gone.store, plan, stale)
    marts.make(gone.store, plan, soon + dt.timedelta(days=62))
    publish(gone.store, plan)
    with duckdb.connect(gone.store.warehouse / "current" / "warehouse.duckdb", read_only=True) as con:
        assert con.execute(
            "select count(*) from observation where submission = ? and known_to is null", [code]
        ).fetchall() == [(0,)]
        assert con.execute(
            "select count(*) from obligation where indicator = 'airport_passengers' and state in ('late', 'on_time')"
        ).fetchall() == [(0,)]


@pytest.mark.parametrize("harm", ["a part", "parts.json", "what was noted"])
def test_what_is_not_as_it_was_noted_is_made_again(
    night: Callable[..., Night], plan: Plan, large: None, harm: str
) -> None:
    first = night(FIRST)
    before = held(first)
    store = first.store
    part = store.marts / "observation.parquet" / "2022-05.parquet"
    noted = store.marts / by_month.NOTED
    if harm == "a part":
        part.unlink()
        part.write_bytes(b"PAR1 cut off")
    elif harm == "parts.json":
        noted.write_bytes(b"{")
    else:  # as if killed between a file and the note of it
        told = json.loads(noted.read_bytes())
        told["observation/2022-05"]["sha256"] = "0" * 64
        noted.write_text(json.dumps(told))
    again = marts.make(store, plan, NOW)
    took = again.took["observation"]
    assert took["parts made"] == (took["parts"] if harm == "parts.json" else 1)
    publish(store, plan)
    assert marts.damage(store) is None
    assert held(first) == before


def test_a_release_is_not_carried_on_from_a_file_that_is_damaged(
    night: Callable[..., Night], plan: Plan, large: None
) -> None:
    first = night(FIRST)
    file = first.folder / "warehouse.duckdb"
    good = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(good[: len(good) // 2] + bytes(len(good) - len(good) // 2))
    second = night(CORRECTED, dict.fromkeys(CORRECTED, LATER), now=NOW + dt.timedelta(days=1), root=first.root)
    assert second.one("select value from observation where period = '2022-05' and known_to is null")["value"] == 410
    held(second)


def test_the_room_of_what_was_taken_out_is_used_again(
    night: Callable[..., Night], large: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = night(FIRST)
    sizes = [(first.folder / "warehouse.duckdb").stat().st_size]
    for n in range(1, 6):
        monkeypatch.setattr(release, "FREE", 0.25 if n < 5 else -1)
        files = {f"transport/{n}.csv": long_csv(("airport_passengers", "", "2022-05", "", 400 + n, "万人次"))}
        sent = dict.fromkeys(files, LATER + dt.timedelta(days=n))
        last = night(files, sent, now=NOW + dt.timedelta(days=n), root=first.root)
        sizes.append((last.folder / "warehouse.duckdb").stat().st_size)
    assert sizes[0] * 1.1 < min(sizes[1:5])
    assert max(sizes) < 1.4 * sizes[0]
    assert sizes[5] < 1.1 * sizes[0]  # more room than is allowed: written anew
    assert len(last.ask("from observation where period = '2022-05'")) == 6
