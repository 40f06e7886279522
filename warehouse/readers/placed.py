"""Rows with the month to which each belongs, as they rest in the store."""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from expectations.periods import period

MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
ADDED = {
    "period_text": pl.String, "period_start": pl.Date, "period_end": pl.Date, "span": pl.String, "cumulative": pl.Boolean,
    "month": pl.String, "submission": pl.String,
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


def may_be(months: dict[str, int], at: Place) -> bool:
    """Whether rows at this place can be of these months."""
    return all(MONTH.fullmatch(month) and at.first <= month <= at.last for month in months)


def placed(rows: pl.DataFrame, at: Place) -> pl.DataFrame:
    """The rows with period_start, period_end, span, cumulative (as the period's text reads), month and submission.

    A year is the plan's own: of a plan that starts in April, 2024 means April 2024 to March 2025. A row belongs to the month
    in which its period ends; where that cannot be read or lies outside the plan, to the month in which the file was received,
    or the plan's nearest month.
    """
    nearest = min(max(at.received, at.first), at.last)
    read: list[tuple[object, ...]] = []
    for spelling in rows["period_text"].unique():
        starts, ends, span, cumulative = (spelling and period(spelling, at.year_begins)) or (None,) * 4
        month = f"{ends:%Y-%m}" if ends else ""
        within = at.first <= month <= at.last
        read.append((spelling, starts, ends, span, cumulative, month if within else nearest, at.submission))
    periods = pl.DataFrame(read, schema=ADDED, orient="row")
    found = rows.select("period_text").join(
        periods, on="period_text", how="left", nulls_equal=True, maintain_order="left"
    )
    return rows.hstack(found.drop("period_text"))  # to join all columns would copy them
