"""Making the marts: rows rest in the order that each mart's file asks for, and what is half made is never published."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pytest

from tests.night import IN_TIME, NOW, Night, long_csv
from warehouse import marts
from warehouse.release import ReleaseError, publish

MONTHS = [f"2022-{m:02}" for m in (11, 2, 7, 12, 1, 3, 10, 4, 9, 5, 8, 6)]
FILES = {
    f"{department}/{month}.csv": long_csv(*((indicator, "", month, "", n * 10 + k, unit) for k, (indicator, unit) in enumerate(given)))
    for department, given in {
        "transport": [("airport_passengers", "万人次")],
        "financial_affairs": [("loans", "亿元"), ("deposits", "亿元")],
        "commerce": [("trade", "亿元"), ("fdi", "亿美元")],
    }.items()
    for n, month in enumerate(MONTHS, 1)
}  # fmt: skip


@pytest.fixture(scope="module")
def made(night: Callable[..., Night]) -> Night:
    corrected = long_csv(("airport_passengers", "", "2022-02", "", 21, "万人次"))
    return night(FILES | {"transport/更正.csv": corrected}, {"transport/更正.csv": IN_TIME.replace(day=12)})


@pytest.mark.parametrize("table", marts.MADE)
def test_a_marts_rows_rest_in_the_order_that_its_file_asks_for(made: Night, table: str) -> None:
    file = made.store.marts / f"{table}.parquet"
    columns = {c for c, *_ in duckdb.sql(f"describe from '{file}'").fetchall()}
    asked = [part.strip() for part in marts.sql(table).rpartition("order by")[2].split(",")]
    order = [column.partition(".")[2] if "." in column else column for column in asked]
    if not all(column.split()[0] in columns for column in order):
        pytest.skip("ordered by what is no column of its own")
    misplaced = duckdb.sql(f"""
        select count(*) from (
            select file_row_number as here, row_number() over (order by {", ".join(order)}) - 1 as there
            from read_parquet('{file}', file_row_number = true)
        ) where here <> there
    """)
    assert misplaced.fetchall() == [(0,)]


def test_marts_whose_making_broke_off_are_never_published(made: Night) -> None:
    def stop(said: str) -> None:
        if said == "making progress":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        marts.make(made.store, made.plan, NOW, stop)
    with pytest.raises(ReleaseError, match="not whole"):
        publish(made.store, made.plan)
    marts.make(made.store, made.plan, NOW)
    assert publish(made.store, made.plan).release == made.release.release
