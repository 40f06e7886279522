"""Departments' figures beside the published ones, on Shenyang's real figures of 2021 and 2022 (expectations/plans/…/published.yaml)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expectations.model import Plan, Published
from tests.night import NOW, SHANGHAI, Night, long_csv

AFTER_2023 = dt.datetime(2023, 9, 1, 9, tzinfo=SHANGHAI)
SENT = {
    "statistics/2022.csv": long_csv(
        ("gdp", "", "2022Q4", "", 7695.8, "亿元", "累计"),
        ("gdp_growth", "", "2022Q4", "", "3.5", "%", "同比"),
        ("gdp", "", "2021Q4", "", 7294.7, "亿元", "累计"),  # digits swapped: 7249.7 was published
        ("gdp_growth", "", "2021Q3", "", 7.6, "%"),  # 8.0 was published, to one decimal
        ("gdp_growth", "", "2021Q4", "", "7.0", "%"),
        ("trade", "", "2022-12", "", "1,455.2", "亿元", "累计"),  # as a co-reporter
    ),
    "commerce/2022.csv": long_csv(
        ("trade", "", "2022-12", "", 1444.6, "亿元", "累计"),  # 1445 was published
        ("fdi", "", "2022-12", "", 39.20, "亿美元"),
        ("fdi_growth", "", "2022-12", "", 376, "%", "", "按可比口径"),  # 375.3 was published; explained
    ),
    "industry_it/2022.csv": long_csv(
        ("industrial_value_added_growth", "", "2022-12", "", "4%左右"), ("local_supply_rate", "", "2022", "", "-", "%"),
        ("high_end_equipment_share", "", "2022Q4", "", 33.9, "%"),
    ),
    "science/2022.csv": long_csv(
        ("tech_firms", "", "2022Q4", "", 15363, "家"), ("tech_firms", "", "2021Q4", "", 11125, "家")
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def year(night: Callable[..., Night]) -> Night:
    return night(SENT, now=AFTER_2023)


def beside(night: Night, indicator: str, period: str, department: str | None = None) -> list[dict[str, Any]]:
    return night.ask(
        "from reconciliation where indicator = ? and period = ? and (? is null or department = ?)"
        " order by counts desc, published_on nulls last",
        indicator, period, department, department,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("indicator", "period", "department", "reported", "published", "agreement"),
    [
        ("gdp", "2022Q4", "statistics", 7695.8, 7695.8, "agrees"),
        ("gdp", "2021Q4", "statistics", 7294.7, 7249.7, "disagrees"),
        ("gdp_growth", "2021Q3", "statistics", 7.6, 8.0, "disagrees"),
        ("trade", "2022-12", "commerce", 1444.6, 1445, "agrees"),
        ("trade", "2022-12", "statistics", 1455.2, 1445, "disagrees"),
        ("fdi", "2022-12", "commerce", 39.2, 39.2, "agrees"),
        ("fdi_growth", "2022-12", "commerce", 376, 375.3, "disagrees"),
        ("high_end_equipment_share", "2022Q4", "industry_it", 33.9, 34, "agrees"),
        ("industrial_value_added_growth", "2022-12", "industry_it", 4, 4, "approximate"),
        ("tech_firms", "2021Q4", "science", 11125, 11000, "agrees"),  # 1.1万家: anything from 10 500 to 11 500
        ("local_supply_rate", "2022", "industry_it", None, 35, "not_available"),
        ("old_estates", "2022Q4", "housing", None, 475, "not_reported"),
        ("pocket_parks_new", "2021Q4", "urban_management", None, 1070, "not_owed"),
    ],
)
def test_a_department_stands_beside_the_publisher(
    year: Night, indicator: str, period: str, department: str, reported: float | None, published: float, agreement: str
) -> None:
    row = beside(year, indicator, period, department)[0]
    assert row["counts"]
    assert (row["reported"], row["published"], row["agreement"]) == (reported, published, agreement)
    assert row["difference"] == (None if reported is None else reported - published)
    assert (row["finding"] is not None) == (agreement == "disagrees")
    assert (row["submission"] is None) == (row["known_from"] is None) == (reported is None)


def test_of_preliminary_and_final_figures_all_stand_there_and_the_final_counts(year: Night) -> None:
    rows = beside(year, "gdp_growth", "2022Q4")
    assert [(r["publisher"], r["published"], r["preliminary"], r["counts"], r["agreement"]) for r in rows] == [
        ("沈阳市统计局", 3.5, False, True, "agrees"),
        ("沈阳市人民政府", 4, True, False, "approximate"),  # about 4: anything from 3.3 to 4.7
        ("沈阳市发展和改革委员会", 4, True, False, "approximate"),
        ("沈阳日报", 3.5, False, False, "agrees"),
    ]
    assert {r["reported"] for r in rows} == {3.5}


def test_the_baseline_is_said_to_be_one(year: Night) -> None:
    assert [(r["published"], r["is_baseline"], r["counts"]) for r in beside(year, "gdp_growth", "2021Q4")] == [
        (7, True, True),
        (7, False, False),
    ]
    assert {(r["indicator"], r["period"]) for r in year.ask("from reconciliation where is_baseline")} == {
        (b.indicator, r["period"])
        for b in year.plan.baselines
        for r in year.ask("from baseline where indicator = ?", b.indicator)
    }


def test_the_difference_is_in_percent_of_amounts_only(year: Night) -> None:
    [trade] = beside(year, "trade", "2022-12", "statistics")
    assert trade["difference_percent"] == pytest.approx(100 * 10.2 / 1445)
    assert {r["difference_percent"] for r in year.ask("from reconciliation where measure in ('yoy', 'share')")} == {
        None
    }


@pytest.mark.slow
def test_a_difference_within_rounding_is_none_and_a_stated_decimal_narrows_it(night: Callable[..., Night]) -> None:
    def growth(figure: str) -> dict[str, Any]:
        return beside(night({"statistics/a.csv": long_csv(("gdp_growth", "", "2022Q4", "", figure, "%"))}),
                      "gdp_growth", "2022Q4")[0]  # fmt: skip

    assert growth("3.49")["agreement"] == "agrees"  # 3.485 to 3.495 and 3.45 to 3.55
    assert growth("3.44")["agreement"] == "disagrees"
    assert growth("4")["agreement"] == "agrees"  # 3.5 to 4.5: a figure is as wide as its last digit
    assert growth("4.0")["agreement"] == "disagrees"  # the preliminary figure, long after the final one


def test_what_disagrees_and_counts_is_what_the_rule_found(year: Night) -> None:
    found = year.ask("from finding where rule = 'M04' order by finding")
    apart = year.ask("from reconciliation where agreement = 'disagrees' and counts order by finding")
    assert [f["finding"] for f in found] == [a["finding"] for a in apart]
    assert len(found) == len({f["finding"] for f in found}) == 4
    for f, a in zip(found, apart, strict=True):
        assert (f["department"], f["indicator"], f["period"]) == (a["department"], a["indicator"], a["period"])
        assert f["difference"] == a["difference"]
        assert f["confirmed"] == a["confirmed"] == (a["indicator"] == "fdi_growth")


def test_every_published_figure_stands_beside_somebody(year: Night) -> None:
    [lost] = year.ask(
        "select count(*) as n from (select indicator, area, period, measure, publisher, published_on, value from published"
        " except all select distinct indicator, area, period, measure, publisher, published_on, published from reconciliation)"
    )
    assert lost["n"] == 0
    counting = "select indicator, area, period, measure, department, count(*) filter (counts) as n from reconciliation group by all"
    assert {r["n"] for r in year.ask(counting)} == {1}


def test_a_silent_department_disagrees_with_nobody(night: Callable[..., Night]) -> None:
    silent = night({})
    states = {r["agreement"] for r in silent.ask("from reconciliation")}
    assert states == {"not_reported", "not_owed"}
    before = night({}, now=dt.datetime(2023, 1, 5, 9, tzinfo=SHANGHAI))
    assert {r["agreement"] for r in beside(before, "gdp", "2022Q4")} == {"not_due"}


def test_a_figure_in_another_measure_is_not_compared(night: Callable[..., Night], plan: Plan) -> None:
    """The year's revenue beside a publication of December alone."""
    december = Published(indicator="fiscal_revenue", period="2022-12", measure="period", value=80, unit="亿元",
                         publisher="示例(合成)", tier="B")  # fmt: skip
    one = plan.model_copy(update={"published": [december]})
    told = night({"finance/a.csv": long_csv(("fiscal_revenue", "", "2022-12", "", 713.7, "亿元", "累计"))}, plan=one)
    [row] = beside(told, "fiscal_revenue", "2022-12")
    assert (row["agreement"], row["reported"], row["finding"]) == ("other_measure", None, None)


@pytest.mark.slow
@settings(max_examples=6)
@given(data=st.data())
def test_two_figures_disagree_only_where_no_true_value_rounds_to_both(
    data: st.DataObject, night: Callable[..., Night], plan: Plan
) -> None:
    """By whole numbers, apart from the figures' own arithmetic: units of a ten-thousandth, exact."""
    cases = []
    for indicator, period in [("gdp", f"2022Q{q}") for q in (1, 2, 3, 4)] + [
        ("fiscal_revenue", f"2022-{m:02}") for m in range(1, 13)
    ]:
        decimals = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))
        true = data.draw(st.integers(10_000, 90_000)) * 1000
        near = true + data.draw(st.integers(-8000, 8000))
        steps = [10 ** (4 - d) for d in decimals]
        figures = [round(v / s) * s for v, s in zip((true, near), steps, strict=True)]
        cases.append((indicator, period, decimals, figures, 2 * abs(figures[0] - figures[1]) > sum(steps)))
    publications = [
        Published(indicator=i, period=p, measure="ytd", value=f[1] / 10_000, decimals=d[1], unit="亿元", publisher="示例(合成)", tier="B")
        for i, p, d, f, _ in cases
    ]  # fmt: skip
    files = {
        f"{department}/a.csv": long_csv(
            *((i, "", p, "", f"{f[0] / 10_000:.{d[0]}f}", "亿元") for i, p, d, f, _ in cases if i == indicator)
        )
        for department, indicator in (("statistics", "gdp"), ("finance", "fiscal_revenue"))
    }
    known = night(files, now=NOW, plan=plan.model_copy(update={"published": publications, "baselines": []}))
    apart = {(r["indicator"], r["period"]): r["agreement"] for r in known.ask("from reconciliation")}
    # where the two just touch, the doubles may fall on either side
    touching = {(i, p) for i, p, d, f, _ in cases if 2 * abs(f[0] - f[1]) == sum(10 ** (4 - n) for n in d)}
    assert {k: v for k, v in apart.items() if k not in touching} == {
        (i, p): "disagrees" if far else "agrees" for i, p, _, _, far in cases if (i, p) not in touching
    }
    assert known.one("select count(*) as n from finding where rule = 'M04'")["n"] == sum(
        v == "disagrees" for v in apart.values()
    )
