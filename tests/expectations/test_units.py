"""Units: what converts into what, by how much, and what never does."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expectations.units import BASES, COUNTERS, MULTIPLES, Unit, unit

WRITTEN = sorted([*BASES, *(m + b for m in MULTIPLES for b in ("元", "人", "人次", "美元", "吨", "个", "家")), "件/万人",
                  "人/千人", "公里/平方公里"])  # fmt: skip


def known(text: str) -> Unit:
    found = unit(text)
    assert found is not None, text
    return found


def converted(value: float, written: str, own: str) -> float:
    a, b = known(written), known(own)
    assert a.converts_to(b)
    return value * a.factor / b.factor


@pytest.mark.parametrize(
    ("value", "written", "own", "expected"),
    [
        (1, "万元", "元", 1e4),
        (1, "亿元", "万元", 1e4),
        (2, "万亿元", "亿元", 2e4),
        (1, "亿美元", "万美元", 1e4),
        (1, "万美元", "美元", 1e4),
        (9147000, "人", "万人", 914.7),
        (1500, "万人次", "人次", 1.5e7),
        (1.3, "万个", "个", 13000),
        (5, "千家", "家", 5000),
        (3, "百户", "户", 300),
        (2, "公里", "米", 2000),
        (1, "平方公里", "公顷", 100),
        (15, "亩", "公顷", 1),
        (1, "公顷", "平方米", 1e4),
        (3, "万吨", "吨", 3e4),
        (5, "‰", "%", 0.5),
        (2, "年", "月", 24),
        (8, "公里/平方公里", "公里/平方公里", 8),
        (27.4, "件/万人", "件/万人", 27.4),
        (3.71, "人/千人", "人/千人", 3.71),
        (37.1, "人/万人", "人/千人", 3.71),
    ],
)
def test_a_unit_converts(value: float, written: str, own: str, expected: float) -> None:
    assert converted(value, written, own) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("元", "美元"), ("亿美元", "亿元"), ("人", "人次"), ("万人", "万人次"), ("%", "百分点"), ("百分点", "‰"), ("公里", "平方公里"),
        ("吨", "元"), ("个", "人"), ("家", "%"), ("位", "%"), ("天", "年"), ("公里/平方公里", "公里"), ("件/万人", "件"),
        ("人/千人", "‰"),
    ],
)  # fmt: skip
def test_units_of_different_things_never_convert(one: str, other: str) -> None:
    assert not known(one).converts_to(known(other))
    assert not known(other).converts_to(known(one))


@pytest.mark.parametrize(
    "counter", ["个", "家", "户", "只", "种", "所", "项", "件", "列", "辆", "场", "次", "条", "处", "张"]
)
def test_a_counter_converts_to_its_own_multiples_and_to_another_counter_one_to_one(counter: str) -> None:
    assert converted(1.5, f"万{counter}", counter) == 15000
    assert converted(1.5, f"千{counter}", counter) == 1500
    assert converted(2, f"百{counter}", counter) == 200
    assert known(counter).is_counter
    assert converted(7, counter, "个") == 7
    assert (known(counter).dimension == known("个").dimension) == (counter == "个")


@pytest.mark.parametrize("text", ["", "斤两", "万", "万%", "元/", "/", "元/人/年", "dollars", "万万元"])
def test_what_is_not_a_unit_is_never_guessed(text: str) -> None:
    assert unit(text) is None


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("％", "%"),
        (" 万 元 ", "万元"),
        ("（万元）", "万元"),
        ("单位：万元", "万元"),
        ("个百分点", "百分点"),
        ("公里／平方公里", "公里/平方公里"),
    ],
)
def test_white_space_full_width_forms_and_brackets_are_ignored(text: str, same: str) -> None:
    assert known(text)[1:] == known(same)[1:]


@given(value=st.floats(-1e15, 1e15), a=st.sampled_from(WRITTEN), b=st.sampled_from(WRITTEN))
def test_there_and_back_is_the_same_figure(value: float, a: str, b: str) -> None:
    one, other = known(a), known(b)
    assert one.converts_to(other) == other.converts_to(one)
    if one.converts_to(other):
        assert math.isclose(converted(converted(value, a, b), b, a), value, rel_tol=1e-12, abs_tol=1e-300)


@given(a=st.sampled_from(WRITTEN), b=st.sampled_from(WRITTEN), c=st.sampled_from(WRITTEN))
def test_converting_is_transitive(a: str, b: str, c: str) -> None:
    if known(a).converts_to(known(b)) and known(b).converts_to(known(c)):
        assert known(a).converts_to(known(c))


def test_no_counter_is_also_something_else() -> None:
    assert all(known(c).is_counter for c in COUNTERS)
