"""Every rule of the registry has a file that breaks it and one that keeps it, and tells the two apart."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from expectations.rules import RULES
from warehouse import rulebook
from warehouse.store import Store

MONDAY = dt.datetime(2023, 4, 10, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def tried() -> pl.DataFrame:
    return rulebook.tried()


@pytest.mark.parametrize("rule", [code for code in RULES if code != "X01"])
def test_the_rule_finds_what_breaks_it_and_is_silent_on_what_keeps_it(tried: pl.DataFrame, rule: str) -> None:
    [case] = tried.filter(pl.col("rule") == rule).to_dicts()
    assert (case["breaking"], case["keeping"], case["works"]) == ("found", "silent", True)


def test_a_rule_that_silently_stopped_working_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from expectations import suites

    store, idle = Store(tmp_path), pl.col("works").not_()
    with monkeypatch.context() as slipped:
        slipped.setattr(suites.ExpectShareOfItsParts, "broken", "false")
        assert rulebook.known(store, MONDAY).filter(idle).select("rule", "breaking").rows() == [("Q04", "silent")]
    assert rulebook.known(store, MONDAY).filter(idle).is_empty()  # mended: what did not work is tried again


def test_rules_that_work_are_tried_again_where_program_or_files_changed(
    tried: pl.DataFrame, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trials: list[int] = []
    monkeypatch.setattr(rulebook, "tried", lambda: trials.append(1) or tried)
    first = rulebook.known(Store(tmp_path), MONDAY)
    assert_frame_equal(first.drop("at"), tried)
    assert_frame_equal(rulebook.known(Store(tmp_path), MONDAY), first)
    rulebook.known(Store(tmp_path), MONDAY + dt.timedelta(days=6))
    assert len(trials) == 1
    with monkeypatch.context() as upgraded:
        upgraded.setattr("warehouse.remembered.version", lambda library: f"{library} another")
        rulebook.known(Store(tmp_path), MONDAY)
    assert len(trials) == 2
    folder = shutil.copytree(rulebook.FOLDER, tmp_path / "rulebook")
    monkeypatch.setattr(rulebook, "FOLDER", folder)
    rulebook.known(Store(tmp_path), MONDAY)
    assert len(trials) == 3
    (folder / "cases.yaml").write_text((folder / "cases.yaml").read_text("utf-8") + "\n# another\n", "utf-8")
    rulebook.known(Store(tmp_path), MONDAY)
    assert len(trials) == 4
    rulebook.known(Store(tmp_path), MONDAY + dt.timedelta(days=7))
    assert len(trials) == 5
