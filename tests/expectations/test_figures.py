"""Values: every form of the contract, read from a cell's text, and numbers that come back as what they were."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from importlib.resources import files
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

FULL_WIDTH = str.maketrans("0123456789.,%+-", "０１２３４５６７８９．，％＋－")
Read = Callable[..., Any]


@pytest.fixture(scope="module")
def read() -> Read:
    con = duckdb.connect()
    con.execute((files("expectations") / "figures.sql").read_text("utf-8"))

    def figures(*texts: str | None) -> Any:
        found = con.execute("select figure(t) from (select unnest(?::varchar[]) as t)", [texts]).fetchall()
        read = [{k: v for k, v in figure.items() if k != "rounding"} for (figure,) in found]
        return read[0] if len(texts) == 1 else read

    return figures


@pytest.mark.parametrize(
    ("text", "value", "suffix"),
    [
        ("0", 0, ""),
        ("42", 42, ""),
        ("-3", -3, ""),
        ("+3", 3, ""),
        ("1,234.5", 1234.5, ""),
        ("12,345,678", 12345678, ""),
        ("１２．５", 12.5, ""),
        ("１，２３４．５", 1234.5, ""),
        ("－３", -3, ""),
        (" 85 ", 85, ""),
        ("85\u00a0", 85, ""),
        ("1 234", 1234, ""),
        ("0.30000000000000004", 0.30000000000000004, ""),
        ("1.5E3", 1500, ""),
        ("1e-3", 0.001, ""),
        ("12%", 12, "%"),
        ("１２％", 12, "%"),
        ("1.3万", 13000, ""),
        ("2.01万", 20100, ""),
        ("1.3万个", 13000, "个"),
        ("3百万", 3e6, ""),
        ("2亿", 2e8, ""),
        ("2万亿", 2e12, ""),
        ("2万亿元", 2e12, "元"),
        ("两万亿", 2e12, ""),
        ("两万亿元", 2e12, "元"),
        ("三百二十", 320, ""),
        ("十二", 12, ""),
        ("一万五千", 15000, ""),
        ("下降3%", -3, "%"),
        ("同比下降3%", -3, "%"),
        ("减少3", -3, ""),
        ("增长5%", 5, "%"),
        ("增长了5%", 5, "%"),
        ("增长5个百分点", 5, "个百分点"),
        ("持平", 0, ""),
        ("与上年持平", 0, ""),
    ],
)
def test_a_figure_is_read(read: Read, text: str, value: float, suffix: str) -> None:
    assert read(text) == {"state": "figure", "value": value, "approximate": False, "suffix": suffix}


@pytest.mark.parametrize(
    ("text", "value", "suffix"),
    [
        ("约85", 85, ""),
        ("大约85", 85, ""),
        ("85左右", 85, ""),
        ("85%左右", 85, "%"),
        ("约8.5%", 8.5, "%"),
        ("约1.3万", 13000, ""),
        ("增长4%左右", 4, "%"),
        ("增长约5%", 5, "%"),
        ("同比下降约3%", -3, "%"),
        ("下降3%左右", -3, "%"),
    ],
)
def test_an_approximate_figure_is_read_and_marked(read: Read, text: str, value: float, suffix: str) -> None:
    assert read(text) == {"state": "figure", "value": value, "approximate": True, "suffix": suffix}


@pytest.mark.parametrize(
    "text", [None, "", " ", "　", "-", "—", "——", "/", "／", "无", "暂无", "N/A", "n/a", " 暂 无 "]
)
def test_no_figure_is_not_an_error_and_not_a_zero(read: Read, text: str | None) -> None:
    assert read(text) == {"state": "none", "value": None, "approximate": False, "suffix": ""}


@pytest.mark.parametrize(
    "text",
    [
        "#DIV/0!", "#N/A", "#REF!", "#VALUE!", "较好", "待核", "3-5", "1.2.3", "12,34", "1,23,456", "--5", "3,000,00", "NaN",
        "inf", "1e999", "下降-3", "约", "万", "百", "%", "2022-03-01", "１２：３０", "TRUE",
    ],
)  # fmt: skip
def test_what_is_not_a_figure_is_never_guessed(read: Read, text: str) -> None:
    assert read(text)["state"] == "error"
    assert read(text)["value"] is None


numbers = st.decimals(min_value=-(10**12), max_value=10**12, places=4, allow_nan=False, allow_infinity=False)


def written(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@given(number=numbers)
def test_a_number_reads_back_as_itself_however_it_is_written(read: Read, number: Decimal) -> None:
    value = float(number)
    amount = abs(number)
    ways = {
        "plain": written(number),
        "thousands": f"{number:,f}",
        "full width": written(number).translate(FULL_WIDTH),
        "spaced": f" {written(number)}　",
        "percent": f"{written(number)}%",
        "about": f"约{written(number)}",
        "more or less": f"{number:,f}左右",
        "in 万": f"{written(number.scaleb(-4))}万",
        "in 亿": f"{written(number.scaleb(-8))}亿",
        "in 万亿元": f"{written(number.scaleb(-12))}万亿元",
        "in words": f"{'下降' if number < 0 else '增长'}{written(amount)}",
        "scientific": f"{number:e}",
    }
    found = [figure["value"] for figure in read(*ways.values())]
    assert dict(zip(ways, found, strict=True)) == dict.fromkeys(ways, value)


@given(text=st.text(max_size=12))
def test_any_text_is_read_without_an_error_of_the_reader(read: Read, text: str) -> None:
    found = read(text.replace("\0", ""))
    assert (found["value"] is not None) == (found["state"] == "figure")


@pytest.mark.parametrize(
    ("text", "half"),
    [("8.0", 0.05), ("8", 0.5), ("-1.25", 0.005), ("1.3万", 500), ("2万亿", 5e11), ("两万亿", 5e11), ("12%", 0.5),
     ("1,234.50", 0.005), ("5.5e3", 50), ("增长5.00%", 0.005), ("约85", 0.5), ("持平", 0.05)],
)  # fmt: skip
def test_a_figure_is_as_precise_as_it_was_given(text: str, half: float) -> None:
    con = duckdb.connect()
    con.execute((files("expectations") / "figures.sql").read_text("utf-8"))
    [(rounding,)] = con.execute("select figure(?).rounding", [text]).fetchall()
    assert rounding == pytest.approx(half)
