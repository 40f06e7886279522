"""A clock that was moved back reorders nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest

from tests.night import NOW, Night, long_csv
from warehouse.clock import ClockError, believed
from warehouse.release import pending
from warehouse.store import Store

FILE = {"health/a.csv": long_csv(("doctors_per_1000", "", "2022", "", 4.4, ""))}


def test_without_a_release_any_clock_is_believed(tmp_path) -> None:
    said: list[str] = []
    assert believed(Store(tmp_path), NOW, said.append) == NOW
    assert said == []


def test_a_clock_that_slipped_goes_on_from_the_release_and_its_release_sorts_after_it(
    night: Callable[..., Night],
) -> None:
    first = night(FILE)
    said: list[str] = []
    now = believed(first.store, NOW - dt.timedelta(minutes=20), said.append)
    assert NOW < now < NOW + dt.timedelta(seconds=1)
    assert first.release.release in said[0]
    assert pending(first.store, first.plan, now) == ([], False)
    later = {"health/b.csv": long_csv(("doctors_per_1000", "", "2022", "", 4.6, ""))}
    second = night(later, {"health/b.csv": NOW}, now, root=first.root)
    assert second.release.release > first.release.release
    assert second.one("from observation where indicator = 'doctors_per_1000' and known_to is null")["value"] == 4.6


def test_a_clock_that_fell_far_back_is_refused_unless_somebody_is_sure(night: Callable[..., Night]) -> None:
    first = night(FILE)
    back = NOW - dt.timedelta(days=400)
    with pytest.raises(ClockError, match="clock-is-right"):
        believed(first.store, back, print)
    assert believed(first.store, back, print, sure=True) == back
