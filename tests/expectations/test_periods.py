"""Periods: every spelling of the contract, and labels that read back as themselves."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expectations.compiled import MEASURES
from expectations.periods import MONTHS, Span, calendar_of, ending, label, period

FULL_WIDTH = str.maketrans("0123456789-/.", "０１２３４５６７８９－／．")
spans = st.sampled_from(["month", "quarter", "half", "year"])
years = st.integers(min_value=1950, max_value=2100)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2022-03", "2022-03"),
        ("202203", "2022-03"),
        ("2022/3", "2022-03"),
        ("2022/03", "2022-03"),
        ("2022.3", "2022-03"),
        ("2022.12", "2022-12"),
        ("2022年3月", "2022-03"),
        ("2022年03月", "2022-03"),
        ("2022年12月", "2022-12"),
        ("2022年三月", "2022-03"),
        ("2022年十二月", "2022-12"),
        ("2022年3月份", "2022-03"),
        (" 2022 年 3 月 ", "2022-03"),
        ("２０２２年３月", "2022-03"),
        ("２０２２－０３", "2022-03"),
        ("2022-03-01", "2022-03"),
        ("2022-03-31 00:00:00", "2022-03"),
        ("2022Q1", "2022Q1"),
        ("2022q1", "2022Q1"),
        ("2022-Q1", "2022Q1"),
        ("2022年一季度", "2022Q1"),
        ("2022年第1季度", "2022Q1"),
        ("2022年第四季度", "2022Q4"),
        ("２０２２Ｑ４", "2022Q4"),
        ("2022H1", "2022H1"),
        ("2022年上半年", "2022H1"),
        ("2022年下半年", "2022H2"),
        ("2022", "2022"),
        ("2022年", "2022"),
        ("2022年全年", "2022"),
        ("2022年度", "2022"),
    ],
)
def test_a_period_is_read(text: str, expected: str) -> None:
    found = period(text)
    assert found is not None
    assert (found.label, found.cumulative) == (expected, False)


@pytest.mark.parametrize(
    ("text", "expected", "end"),
    [
        ("2022年1-3月", "2022-03", dt.date(2022, 3, 31)),
        ("2022年1—3月", "2022-03", dt.date(2022, 3, 31)),
        ("2022年1至11月", "2022-11", dt.date(2022, 11, 30)),
        ("２０２２年１－３月", "2022-03", dt.date(2022, 3, 31)),
        ("2022年1-12月", "2022-12", dt.date(2022, 12, 31)),
        ("2022年前三季度", "2022Q3", dt.date(2022, 9, 30)),
        ("2022年前2季度", "2022Q2", dt.date(2022, 6, 30)),
    ],
)
def test_a_cumulative_form_means_the_period_it_ends_in_since_january(text: str, expected: str, end: dt.date) -> None:
    found = period(text)
    assert found is not None
    assert (found.label, found.cumulative, found.start, found.end) == (expected, True, dt.date(2022, 1, 1), end)


@pytest.mark.parametrize(
    "text",
    ["", "去年", "2022-13", "2022-00", "202213", "2022Q5", "2022Q0", "2022H3", "22-03", "3月", "2022年2-3月", "1899-01",
     "2022年五季度", "20220", "2022--03", "待定", "2022年13月", "二〇二二年"],
)  # fmt: skip
def test_what_is_not_a_period_is_never_guessed(text: str) -> None:
    assert period(text) is None


@given(year=years, span=spans, data=st.data())
def test_a_label_reads_back_as_the_same_period(year: int, span: Span, data: st.DataObject) -> None:
    one = ending(year, data.draw(st.integers(1, 12 // MONTHS[span])), span)
    assert period(one.label) == one
    assert period(one.label.translate(FULL_WIDTH)) == one
    assert label(one.end, one.span) == one.label


@given(year=years, month=st.integers(1, 12))
def test_every_spelling_of_a_month_is_the_same_month(year: int, month: int) -> None:
    spelt = [f"{year}-{month:02}", f"{year}{month:02}", f"{year}/{month}", f"{year}.{month}", f"{year}年{month}月",
             f"{year}年{month:02}月", f"{year}-{month:02}-15", f"{year}-{month:02}-15 00:00:00"]  # fmt: skip
    assert {period(s) for s in [*spelt, *(s.translate(FULL_WIDTH) for s in spelt)]} == {ending(year, month, "month")}


@given(text=st.text(max_size=16))
def test_any_text_is_a_period_or_none(text: str) -> None:
    found = period(text)
    assert found is None or found.start <= found.end


def test_the_calendar_of_a_year_holds_its_months_quarters_and_itself() -> None:
    labels = [p.label for p in calendar_of(dt.date(2022, 1, 1), dt.date(2022, 12, 31))]
    assert labels == [*(f"2022-{m:02}" for m in range(1, 13)), *(f"2022Q{q}" for q in range(1, 5)), "2022"]


def test_a_period_that_lies_partly_outside_is_not_in_the_calendar() -> None:
    labels = [p.label for p in calendar_of(dt.date(2022, 2, 1), dt.date(2022, 6, 29))]
    assert labels == ["2022-02", "2022-03", "2022-04", "2022-05"]


@pytest.mark.parametrize(
    ("zh", "en"),
    [("当期", "period"), ("累计", "ytd"), ("期末", "end"), ("同比", "yoy"), ("占比", "share"), ("位次", "rank")],
)
def test_a_measure_goes_by_either_name(zh: str, en: str) -> None:
    assert MEASURES[zh] == MEASURES[en] == en
