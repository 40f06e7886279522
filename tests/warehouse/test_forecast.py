"""Forecasts: worked by hand through a night, and what holds of them whatever the figures."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from statistics import NormalDist

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from expectations.compiled import compiled
from expectations.load import load_plan
from expectations.model import Indicator, Plan, Target
from expectations.policy import Policy
from tests.night import SHANGHAI, Night, long_csv
from warehouse.marts import sql

Z = NormalDist().inv_cdf(0.9)


def student(freedom: int) -> float:
    """Its upper tenth, to the third term."""
    return Z + (Z**3 + Z) / (4 * freedom) + (5 * Z**5 + 16 * Z**3 + 3 * Z) / (96 * freedom**2)


# --- by hand ---

SENT = dt.datetime(2022, 7, 14, 9, tzinfo=SHANGHAI)


@pytest.fixture(scope="module")
def july(night: Callable[..., Night]) -> Night:
    files = {
        "transport/客流.csv": long_csv(
            ("airport_passengers", "", "2021-06", "", 600, "万人次"),
            ("airport_passengers", "", "2021-09", "", 900, "万人次"),
            ("airport_passengers", "", "2021-12", "", 1200, "万人次"),
            ("airport_passengers", "", "2022-06", "", 660, "万人次"),
        ),
        "financial_affairs/存款.csv": long_csv(
            ("deposits", "", "2021-12", "", 18000, "亿元"),
            ("deposits", "", "2022-01", "", 18200, "亿元"),
            ("deposits", "", "2022-02", "", 18300, "亿元"),
        ),
        "human_resources/就业.csv": long_csv(
            *(("registered_unemployment", "", q, "", v, "%") for q, v in
              [("2021Q1", 4.0), ("2021Q2", 3.9), ("2021Q3", 3.9), ("2021Q4", 3.8), ("2022Q1", 3.6)]),
        ),
        "ecology/空气.csv": long_csv(
            *(("good_air_days", "", f"2022-{m:02}", "", v, "%") for m, v in [(1, 97), (2, 99), (3, 96), (4, 99.5)])
        ),
        "foreign_affairs/活动.csv": long_csv(("intl_events", "", "2022Q1", "", 12, "次"), ("intl_events", "", "2022Q2", "", 20, "次")),
        "natural_resources/规划.csv": long_csv(("airport_zone_plan", "", "2022-06", "", 1, "个")),
    }  # fmt: skip
    return night(files, dict.fromkeys(files, SENT), SENT + dt.timedelta(days=1))


def test_the_rest_of_a_cumulative_figure_comes_as_last_year_times_the_growth_so_far(july: Night) -> None:
    row = july.progress("T201", "2022-06")
    growth = (660 + 100) / (600 + 100)  # a month like last year's, 100, counts as known
    rest = growth * 600
    assert row["forecast"] == pytest.approx(660 + rest)
    assert row["forecast_repeats"] == pytest.approx(growth)
    strayed = (660 - growth * 600) ** 2 / 600 / growth
    variance = (3 * 0.1**2 * growth * 100 + strayed) / (3 + 1)
    noise, drift = variance * rest, variance * rest * 600 / 700 + (0.05 * rest) ** 2
    assert row["forecast_noise"] == pytest.approx(student(4) * noise**0.5)
    assert row["forecast_drift"] == pytest.approx(student(4) * drift**0.5)
    assert row["forecast_high"] - row["forecast"] == pytest.approx(student(4) * (noise + drift) ** 0.5)
    assert row["forecast"] - row["forecast_low"] == pytest.approx(row["forecast_high"] - row["forecast"])
    assert (row["will_meet"], row["forecast_method"], row["forecast_from"], row["forecast_basis"]) == (
        False, "seasonal", "2022-06", "policy.forecast: 3 figures",
    )  # fmt: skip


def test_a_stock_goes_on_as_it_has_gone(july: Night) -> None:
    row = july.progress("T502", "2022-02")
    assert row["forecast"] == pytest.approx(18300 + 10 * 300 / (2 + 2))  # two months without a change count as known
    variance = 200**2 + 100**2 - 300**2 / 2
    width = student(1) * (10 * variance + 3 * variance * 10**2 / 2) ** 0.5
    assert row["forecast_high"] == pytest.approx(row["forecast"] + width)
    assert (row["will_meet"], row["forecast_method"]) == (False, "trend")


def test_a_rate_stays_and_less_meets_where_less_is_better(july: Night) -> None:
    row = july.progress("T802", "2022Q1")
    variance = (0.1**2 + 0 + 0.1**2 + 0.2**2) / 4
    width = student(2) * (3 * variance) ** 0.5
    assert (row["forecast"], row["will_meet"], row["forecast_method"]) == (pytest.approx(3.6), True, "last value")
    assert (row["forecast_low"], row["forecast_high"]) == (pytest.approx(3.6 - width), pytest.approx(3.6 + width))


def test_a_period_without_a_figure_has_the_forecast_of_the_one_before(july: Night) -> None:
    june, december = july.progress("T201", "2022-06"), july.progress("T201", "2022-12")
    for figure in ("forecast", "forecast_low", "forecast_high", "will_meet", "forecast_from"):
        assert december[figure] == june[figure]


def test_no_interval_goes_beyond_what_is_possible(july: Night) -> None:
    row = july.progress("T806", "2022-04")
    assert row["forecast"] == 99.5
    assert row["forecast_high"] == 100


def test_too_little_is_not_forecast_and_says_so(july: Night) -> None:
    first = july.progress("T703", "2022Q1")
    assert (first["forecast"], first["forecast_low"], first["will_meet"]) == (None, None, None)
    assert first["forecast_basis"] == "policy.forecast.least_figures: 1 known"
    assert july.progress("T201", "2022-01")["forecast_basis"] == "no figure of the year in which it is due"
    nobody = july.progress("T403", "2022Q2")
    assert (nobody["forecast"], nobody["will_meet"], nobody["forecast_basis"]) == (
        None, None, "no figure of the year in which it is due",
    )  # fmt: skip


def test_what_is_reached_and_cannot_be_lost_will_be_met(july: Night) -> None:
    row = july.progress("T703", "2022Q2")
    assert (row["actual"], row["forecast"], row["will_meet"]) == (20, None, True)
    assert july.progress("T703", "2022Q3")["will_meet"] is None  # no figure, and too few to forecast it


def test_tasks_lost_figures_and_comparisons_are_not_forecast(july: Night) -> None:
    unlike = july.ask(
        "from progress p join target t using (target) where t.kind = 'lost' or t.comparator in ('done', 'exceeds')"
    )
    assert unlike
    assert {row["forecast"] for row in unlike} == {None}
    assert july.progress("T0312", "2022-06")["will_meet"] is True
    assert july.progress("T0312", "2022-05")["will_meet"] is None


def test_when_due_there_is_nothing_left_to_forecast(night: Callable[..., Night]) -> None:
    one = night({"human_resources/就业.csv": long_csv(
        *(("registered_unemployment", "", f"2022Q{q}", "", v, "%") for q, v in enumerate([4.0, 3.9, 3.9, 3.7], 1))
    )})  # fmt: skip
    third, due = one.progress("T802", "2022Q3"), one.progress("T802", "2022Q4")
    assert (third["forecast"], third["will_meet"]) == (3.9, False)
    assert (due["forecast"], due["forecast_low"], due["will_meet"], due["forecast_basis"]) == (
        None,
        None,
        True,
        "plan: due",
    )
    assert one.ask("from forecast where target = 'T802'") == []


def test_the_chart_leads_to_progress_and_widens(july: Night) -> None:
    way = july.ask("from forecast where target = 'T201' order by period_end")
    assert [r["period"] for r in way] == [f"2022-{m:02}" for m in range(7, 13)]
    assert {r["origin"] for r in way} == {"2022-06"}
    end = july.progress("T201", "2022-12")
    for figure in ("forecast", "forecast_low", "forecast_high"):
        assert way[-1][figure] == pytest.approx(end[figure])
    widths = [r["forecast_high"] - r["forecast"] for r in way]
    assert widths == sorted(widths)
    assert all(r["forecast_low"] >= 660 for r in way)
    shaped = july.ask("from zh.预测 where 目标编码 = 'T201'")
    assert len(shaped) == 6


@pytest.mark.slow
def test_the_chart_follows_last_years_way(night: Callable[..., Night]) -> None:
    last = [40, 100, 240, 340, 420, 500, 600, 700, 900, 1000, 1100, 1200]
    files = {"transport/客流.csv": long_csv(
        *(("airport_passengers", "", f"2021-{m:02}", "", v, "万人次") for m, v in enumerate(last, 1)),
        *(("airport_passengers", "", f"2022-{m:02}", "", v, "万人次") for m, v in enumerate([44, 110, 264], 1)),
    )}  # fmt: skip
    now = dt.datetime(2022, 4, 10, 9, tzinfo=SHANGHAI)
    one = night(files, dict.fromkeys(files, now), now)
    growth = (264 + 100) / (240 + 100)
    way = one.ask("select period, forecast from forecast where target = 'T201' order by period_end")
    assert [r["forecast"] for r in way] == [pytest.approx(264 + growth * (v - 240)) for v in last[3:]]


def test_the_file_says_what_was_forecast_then(july: Night) -> None:
    before = july.ask(
        "select target, period, forecast, forecast_high from progress where forecast is not null order by all"
    )
    known = july.ask(
        "select target, period, forecast, forecast_high from progress_as_known_at(?) where forecast is not null order by all",
        SENT,
    )
    assert before == known
    assert july.ask("from progress_as_known_at(?) where forecast is not null", SENT - dt.timedelta(days=1)) == []


# --- whatever the figures ---

CITY = Path(__file__).parent.parent / "plans" / "rivermouth-2024"  # a year that starts in April
LAST = [f"2023-{m:02}" for m in range(4, 13)] + [f"2024-{m:02}" for m in range(1, 4)]
THIS = [f"2024-{m:02}" for m in range(4, 13)] + [f"2025-{m:02}" for m in range(1, 4)]
unshrunk = settings(
    max_examples=20, phases=[Phase.explicit, Phase.generate], suppress_health_check=[HealthCheck.too_slow]
)


@dataclass(frozen=True)
class Series:
    """A year and the beginning of the next, of one indicator with one target."""

    measure: str
    last: tuple[float | None, ...]
    this: tuple[float | None, ...]
    comparator: str = ">="
    goal: float = 50.0
    low: float | None = None
    high: float | None = None
    whole: bool = False


@cache
def city() -> Plan:
    return load_plan(CITY)


def made(series: list[Series], **changed: object) -> tuple[list[list[dict]], list[list[dict]]]:
    """The rows of progress, and those of forecast, of each series; changed: of the city's policy."""
    about = {"capability": "means", "chapter": "2", "unit": "km", "frequency": "month", "direction": "up"}
    indicators = [
        Indicator(indicator=f"i{n}", name_zh=f"i{n}", name_en=f"i{n}", measure=s.measure, possible_low=s.low,
                  possible_high=s.high, whole_number=s.whole, **about)
        for n, s in enumerate(series)
    ]  # fmt: skip
    targets = [
        Target(target=f"T{1000 + n}", indicator=f"i{n}", kind="level", comparator=s.comparator, value=s.goal, unit="km",
               due=dt.date(2025, 3, 31), modality="state", section="s", clause="c", clause_offset=0, clause_length=1)
        for n, s in enumerate(series)
    ]  # fmt: skip
    policy = city().policy.model_dump() | {
        "lead_department": {i.indicator: "works" for i in indicators}, "trajectory_of": {}, "steps": {}, **changed,
    }  # fmt: skip
    update = {"indicators": indicators, "targets": targets, "baselines": [], "policy": Policy.model_validate(policy)}
    observed = pl.DataFrame(
        [
            (f"i{n}", period, s.measure, value)
            for n, s in enumerate(series)
            for period, value in zip([*LAST, *THIS], [*s.last, *s.this], strict=False)
            if value is not None
        ],
        schema={"indicator": pl.String, "period": pl.String, "measure": pl.String, "value": pl.Float64},
        orient="row",
    ).with_columns(
        area=pl.lit("riv"), department=pl.lit("works"), submission=pl.lit("s"), self_assessed=pl.lit(None, pl.String),
        synthetic=pl.lit(False), known_from=dt.datetime(2025, 1, 1, tzinfo=dt.UTC),
        known_to=pl.lit(None, pl.Datetime("us", "UTC")),
    )  # fmt: skip
    with duckdb.connect() as con:
        for name, table in (compiled(city().model_copy(update=update)) | {"observation": observed}).items():
            con.register(name, table.to_arrow())
        con.execute("create table params as select timestamptz '2030-01-01 00:00:00+00' as as_of")
        con.execute(f"create table progress as {sql('progress')}")
        found = []
        for rows in (con.sql("from progress").pl().to_dicts(), con.sql(sql("forecast")).pl().to_dicts()):
            by = {key: list(group) for key, group in itertools.groupby(rows, lambda r: r["target"])}
            found.append([by.get(f"T{1000 + n}", []) for n in range(len(series))])
    return found[0], found[1]


eighths = st.integers(-400, 400).map(lambda n: n / 8)
amounts = st.one_of(st.just(0.0), st.integers(0, 80).map(lambda n: n / 8))


@st.composite
def histories(draw: st.DrawFn, measures: tuple[str, ...] = ("ytd", "period", "end", "share", "rank", "yoy")) -> Series:
    measure = draw(st.sampled_from(measures))
    length = draw(st.integers(1, 11))
    if measure in ("ytd", "period"):
        figures = [draw(amounts) for _ in range(12 + length)]
        if measure == "ytd":
            figures = [*itertools.accumulate(figures[:12]), *itertools.accumulate(figures[12:])]
    else:
        figures = [draw(eighths) for _ in range(12 + length)]
    gaps = draw(st.sampled_from([0, 0, 0.3, 0.8]))
    kept: list[float | None] = [v if draw(st.floats(0, 1)) >= gaps else None for v in figures]
    bounds = draw(st.sampled_from([(None, None), (min(figures), max(figures)), (min(figures), None)]))
    return Series(
        measure, tuple(kept[:12]), tuple(kept[12:]), draw(st.sampled_from([">=", ">", "<=", "<"])),
        draw(st.integers(-40, 40)) + 0.5, *bounds, whole=draw(st.booleans()),
    )  # fmt: skip


@unshrunk
@given(st.lists(histories(), min_size=16, max_size=16))
def test_a_forecast_lies_in_its_interval_and_the_interval_in_what_is_possible(drawn: list[Series]) -> None:
    progress, charts = made(drawn)
    for series, rows, chart in zip(drawn, progress, charts, strict=True):
        reached = -float("inf")
        for row in rows:
            if series.measure == "ytd" and row["actual"] is not None:
                reached = row["actual"]
            given_ = [row[f] for f in ("forecast_low", "forecast", "forecast_high")]
            assert given_.count(None) in (0, 3), (series, row)
            if None in given_:
                assert row["forecast_method"] is row["forecast_from"] is row["forecast_noise"] is None
                continue
            low, middle, high = given_
            assert max(reached, -float("inf") if series.low is None else series.low) <= low <= middle <= high, (
                series,
                row,
            )
            assert high <= (float("inf") if series.high is None else series.high)
        for row in chart:
            assert row["forecast_low"] <= row["forecast"] <= row["forecast_high"], (series, row)
            assert row["forecast_low"] >= max(reached, -float("inf") if series.low is None else series.low)
        assert bool(chart) == (rows[-1]["forecast"] is not None)
        if chart:
            for figure in ("forecast", "forecast_low", "forecast_high"):
                assert chart[-1][figure] == pytest.approx(rows[-1][figure], rel=1e-9, abs=1e-9), (series, figure)


@pytest.mark.slow
@unshrunk
@given(st.lists(histories(("ytd",)), min_size=16, max_size=16))
def test_the_chart_of_a_cumulative_figure_never_falls(drawn: list[Series]) -> None:
    for series, chart in zip(drawn, made(drawn)[1], strict=True):
        for one, following in itertools.pairwise(chart):
            for figure in ("forecast", "forecast_low", "forecast_high"):
                assert one[figure] <= following[figure] + 1e-9, (series, figure)


@pytest.mark.slow
@unshrunk
@given(st.lists(histories(), min_size=16, max_size=16))
def test_what_comes_later_makes_no_difference(drawn: list[Series]) -> None:
    shorter = [replace(s, this=s.this[: len(s.this) // 2]) for s in drawn]
    for series, whole, part in zip(drawn, made(drawn)[0], made(shorter)[0], strict=True):
        for row, other in list(zip(whole, part, strict=True))[: len(series.this) // 2]:
            assert row == other | {"first_met": row["first_met"]}, series


@unshrunk
@given(st.lists(histories(), min_size=16, max_size=16))
def test_will_meet_is_the_targets_own_rule_on_the_forecast(drawn: list[Series]) -> None:
    for series, rows in zip(drawn, made(drawn)[0], strict=True):
        for row in rows:
            if row["forecast"] is not None and abs(row["forecast"] - series.goal) > 1e-6:
                more = row["forecast"] > series.goal
                assert row["will_meet"] == (more if series.comparator in (">=", ">") else not more), (series, row)


@pytest.mark.slow
@unshrunk
@given(st.lists(histories(("end", "share", "rank")), min_size=16, max_size=16))
def test_a_mirrored_series_has_the_mirrored_forecast(drawn: list[Series]) -> None:
    drawn = [replace(s, low=None, high=None, whole=False) for s in drawn]
    other = {">=": "<=", "<=": ">=", ">": "<", "<": ">"}

    def negative(values: tuple[float | None, ...]) -> tuple[float | None, ...]:
        return tuple(None if v is None else -v for v in values)

    images = [
        replace(s, last=negative(s.last), this=negative(s.this), goal=-s.goal, comparator=other[s.comparator])
        for s in drawn
    ]
    for series, one, image in zip(drawn, made(drawn)[0], made(images)[0], strict=True):
        for row, mirrored in zip(one, image, strict=True):
            assert row["will_meet"] == mirrored["will_meet"], (series, row, mirrored)
            for figure, of in (
                ("forecast", "forecast"),
                ("forecast_low", "forecast_high"),
                ("forecast_high", "forecast_low"),
            ):
                expected = None if row[figure] is None else pytest.approx(-row[figure], rel=1e-9, abs=1e-9)
                assert mirrored[of] == expected, (series, figure)


@pytest.mark.slow
@unshrunk
@given(st.lists(histories(), min_size=16, max_size=16), st.sampled_from([1e-3, 0.1, 3.0, 1e4]))
def test_the_unit_makes_no_difference_to_a_forecast(drawn: list[Series], times: float) -> None:
    drawn = [replace(s, low=None, high=None, whole=False) for s in drawn]

    def scaled(values: tuple[float | None, ...]) -> tuple[float | None, ...]:
        return tuple(None if v is None else v * times for v in values)

    others = [replace(s, last=scaled(s.last), this=scaled(s.this), goal=s.goal * times) for s in drawn]
    for series, one, other in zip(drawn, made(drawn)[0], made(others)[0], strict=True):
        for row, again in zip(one, other, strict=True):
            for figure in ("forecast", "forecast_low", "forecast_high"):
                expected = (
                    None if row[figure] is None else pytest.approx(row[figure] * times, rel=1e-6, abs=1e-6 * times)
                )
                assert again[figure] == expected, (series, figure)


def test_without_a_policy_nothing_is_forecast_and_with_another_level_the_interval_is_another() -> None:
    series = Series("ytd", tuple(range(1, 13)), (2, 4, 6))
    [[*_, usual]], _ = made([series])
    [[*_, unsaid]], charts = made([series], forecast=None)
    assert (unsaid["forecast"], unsaid["will_meet"], unsaid["forecast_basis"], charts) == (
        None,
        None,
        "policy.forecast: none",
        [[]],
    )
    named = city().policy.forecast
    assert named
    [[*_, surer]], _ = made([series], forecast=named.model_dump() | {"level": 0.95})
    assert surer["forecast"] == usual["forecast"]
    assert surer["forecast_high"] > usual["forecast_high"]
    assert made([series], forecast=named.model_dump() | {"least_figures": 8})[0][0][2]["forecast"] is None
