"""What is too much to judge at once is judged in parts, and nobody can tell from the result."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

from expectations.model import Plan
from tests.night import Night, long_csv
from warehouse import judge

MONTHS = [f"{year}-{month:02}" for year in (2021, 2022) for month in range(1, 13)]


@pytest.mark.slow
def test_months_judged_in_parts_say_what_they_say_together(
    night: Callable[..., Night], plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    revenue = [(60.0 + 5 * (n % 3 == 0)) * (n % 12 + 1) for n in range(24)]
    revenue[20] *= 10  # a slip: far from its history, and the next month falls below it
    rows = [("fiscal_revenue", "", m, "", v, "亿元") for m, v in zip(MONTHS, revenue, strict=True)]
    wrong = [("fiscal_revenue", "", m, "", "见附件", "亿元") for m in MONTHS[::5]]
    kept = night({"finance/a.csv": long_csv(*rows), "finance/b.csv": long_csv(*wrong)})
    assert kept.months == MONTHS

    def said() -> dict[str, pl.DataFrame]:
        return {
            name: pl.read_parquet(kept.store.months / f"*/{name}.parquet").sort(pl.all())
            for name in ("row", "observation", "validity", "quality", "validity_evaluated", "quality_evaluated")
        }

    together = said()
    assert set(together["quality"]["rule"]) >= {"Q02", "Q03"}
    monkeypatch.setattr(judge, "AT_ONCE", 4)
    valid, flagged = judge.validity(kept.store, plan, MONTHS), judge.quality(kept.store, plan, MONTHS)

    assert (valid, flagged) == (kept.valid, kept.flagged)
    apart = said()
    assert [name for name in together if not together[name].equals(apart[name])] == []
