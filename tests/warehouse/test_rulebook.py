"""Every rule of the registry has a file that breaks it and one that keeps it, and tells the two apart."""

from __future__ import annotations

import polars as pl
import pytest

from expectations.rules import RULES
from warehouse import rulebook


@pytest.fixture(scope="module")
def tried() -> pl.DataFrame:
    return rulebook.tried()


@pytest.mark.parametrize("rule", [code for code in RULES if code != "X01"])
def test_the_rule_finds_what_breaks_it_and_is_silent_on_what_keeps_it(tried: pl.DataFrame, rule: str) -> None:
    [case] = tried.filter(pl.col("rule") == rule).to_dicts()
    assert (case["breaking"], case["keeping"], case["works"]) == ("found", "silent", True)


def test_a_rule_that_silently_stopped_working_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    from expectations import suites

    monkeypatch.setattr(suites.ExpectShareOfItsParts, "broken", "false")
    rulebook.tried.cache_clear()
    idle = rulebook.tried().filter(~pl.col("works"))
    rulebook.tried.cache_clear()
    assert idle.select("rule", "breaking").rows() == [("Q04", "silent")]
