"""What the released file says was known at a time is what a warehouse would have said that had only what was there then."""

from __future__ import annotations

import datetime as dt
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expectations.model import Plan
from tests.night import NOW, SHANGHAI, Night, long_csv, run_night, send
from warehouse.filings import withdraw
from warehouse.landing import land
from warehouse.ledger import ledger
from warehouse.store import Store

# a stock with a baseline, a cumulative flow, levels that a growth rate is computed from, a dated task, a rate, a yearly level
OWED = {
    "science": [("high_tech_firms", "2022Q{q}", (4000, 4300, 5100)), ("innovation_platforms", "2022Q{q}", (1200, 1230))],
    "transport": [("airport_passengers", "2022-{m:02}", (60, 150, 900, 1300)), ("second_runway_approved", "2022-{m:02}", (0, 1))],
    "statistics": [("gdp_growth", "2022Q{q}", (4.4, 8.0, 8.4)), ("resident_population", "2022", (914.7, 925))],
    "finance": [("fiscal_revenue", "2022-{m:02}", (60, 300, 700)), ("fiscal_revenue", "2021-{m:02}", (70, 320, 770))],
}  # fmt: skip
INSTANTS = [dt.datetime(2022, m, d, 9, tzinfo=SHANGHAI) for m, d in ((4, 12), (7, 11), (10, 9), (12, 30))] + [
    dt.datetime(2023, 1, 9, 9, tzinfo=SHANGHAI),
    dt.datetime(2023, 2, 1, 9, tzinfo=SHANGHAI),
]


@st.composite
def submissions(draw: st.DrawFn) -> tuple[str, bytes, dt.datetime, dt.datetime | None]:
    """Department, content, when it was received, and when it was withdrawn. Several share an instant."""
    department = draw(st.sampled_from(sorted(OWED)))
    rows = []
    for _ in range(draw(st.integers(1, 5))):
        indicator, period, values = draw(st.sampled_from(OWED[department]))
        said = period.format(m=draw(st.integers(1, 12)), q=draw(st.integers(1, 4)))
        value = draw(st.sampled_from(values))
        text = draw(st.sampled_from([str(value), str(value), f"约{value}", "-", "many"]))
        rows.append((indicator, "", said, "", text, "", "", draw(st.sampled_from(["", "按时完成"]))))
    received = draw(st.sampled_from(INSTANTS))
    later = [i for i in INSTANTS if i > received]
    withdrawn = draw(st.sampled_from([None, None, None, *later]))
    return department, long_csv(*rows), received, withdrawn


def rebuilt(root: Path, sent: list[Any], order: list[int], now: dt.datetime, plan: Plan) -> Night:
    """A store with what had been received and withdrawn by `now`, landed in `order` at two times."""
    files = {f"{d}/{n}.csv": (content, at) for n, (d, content, at, _) in enumerate(sent) if at <= now}
    names = [f"{sent[n][0]}/{n}.csv" for n in order if f"{sent[n][0]}/{n}.csv" in files]
    store = Store(root / "data")
    for part in (names[: len(names) // 2], names[len(names) // 2 :]):
        send(root / "dropbox", {n: files[n][0] for n in part}, {n: files[n][1] for n in part})
        land(store, [(root / "dropbox").as_uri()], plan, now)
    with ledger(store) as db:
        landed = db.execute("select submission, path from submission").fetchall()
    for submission, path in landed:
        away = sent[int(Path(path).stem)][3]
        if away is not None and away <= now:
            withdraw(store, submission, "head of office", "sent by mistake", away)
    return run_night(root, {}, {}, now, plan=plan)


def rows(known: Night, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    return sorted((tuple(r.values()) for r in known.ask(query, *parameters)), key=repr)


@pytest.mark.slow
@settings(max_examples=6)
@given(
    sent=st.lists(submissions(), min_size=6, max_size=14, unique_by=lambda s: s[:2]),
    times=st.lists(st.sampled_from(INSTANTS[:-1]), min_size=2, max_size=2, unique=True),
    seed=st.integers(0, 999),
)
def test_what_was_known_at_a_time_is_what_the_submissions_up_to_then_make(
    plan: Plan, sent: list[Any], times: list[dt.datetime], seed: int
) -> None:
    order = list(range(len(sent)))
    random.Random(seed).shuffle(order)
    with tempfile.TemporaryDirectory() as folder:
        whole = rebuilt(Path(folder) / "whole", sent, order, NOW, plan)
        for n, at in enumerate(times):
            then = rebuilt(Path(folder) / str(n), sent, sorted(order), at, plan)
            assert rows(whole, "from progress_as_known_at(?)", at) == rows(then, "from progress")
            current = "from observation where known_to is null"
            assert rows(whole, "from observation_as_known_at(?)", at) == rows(then, current)
            then.reader.close()
        whole.reader.close()
        for path in Path(folder).rglob("*"):  # releases are sealed
            if path.is_dir():
                path.chmod(0o755)
