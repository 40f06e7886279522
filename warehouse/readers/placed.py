"""Rows with the month to which each belongs, as they rest in the store."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from expectations.periods import period

PERIOD = {
    "period_text": pl.String, "period_start": pl.Date, "period_end": pl.Date, "span": pl.String, "cumulative": pl.Boolean,
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A submission, and by what its rows are placed: the plan's first and last month, the month in which the file was
    received, the month in which the plan's year begins."""

    submission: str
    first: str
    last: str
    received: str
    year_begins: int


def placed(rows: pl.DataFrame, at: Place) -> pl.DataFrame:
    """The rows with period_start, period_end, span, cumulative (as the period's text reads), month and submission.

    A year is the plan's own: of a plan that starts in April, 2024 means April 2024 to March 2025. A row belongs to the month
    in which its period ends; where that cannot be read or lies outside the plan, to the month in which the file was received,
    or the plan's nearest month.
    """
    spellings = rows["period_text"].drop_nulls().unique().to_list()
    found = [(s, *p) for s in spellings if (p := period(s, at.year_begins))]
    month = pl.col("period_end").dt.strftime("%Y-%m")
    nearest = min(max(at.received, at.first), at.last)
    return (
        rows.lazy()
        .join(pl.LazyFrame(found, schema=PERIOD, orient="row"), on="period_text", how="left", maintain_order="left")
        .with_columns(
            month=pl.when(month.is_between(pl.lit(at.first), pl.lit(at.last))).then(month).otherwise(pl.lit(nearest)),
            submission=pl.lit(at.submission),
        )
        .collect()
    )
