"""A second plan, end to end: an invented city with English names, other units and a year from April to March.

Nothing of Shenyang is needed for it: its folder is data, and every verdict below is worked out by hand.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from expectations.load import load_plan, misplaced_clauses
from expectations.model import Plan
from tests.night import Night, long_csv

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "tests" / "plans" / "rivermouth-2024"
LISBON = ZoneInfo("Europe/Lisbon")
ENGLISH = ("indicator", "period", "area", "value", "unit", "measure")


def at(year: int, month: int, day: int) -> dt.datetime:
    return dt.datetime(year, month, day, 9, tzinfo=LISBON)


def table(*rows: tuple[object, ...]) -> bytes:
    return long_csv(*rows, header=ENGLISH)


AUTUMN = {
    "works/trams.csv": table(
        ("tram_passengers", "2024-06", "", 252, "thousand people"),
        ("tram_passengers", "2024-07", "", 388000),
        ("tram_passengers", "2024-09", "Rivermouth", 0.54, "million people", "ytd"),
    ),
    "works/roads.csv": table(
        ("cycle_lanes", "2024Q2", "", 40, "km"),
        ("cycle_lanes", "2024Q3", "", 55000, "m", "end"),
        ("road_deaths", "2024-08", "", 5, "people"),
        ("road_deaths", "2024-09", "", 5, "persons"),
    ),
    "works/bridge.csv": long_csv(("Harbour bridge open", "2024-08", 1), header=("indicator_name", "period", "value")),
    "treasury/figures.csv": table(
        ("reserve", "2024Q2", "", -20, "million USD"),
        ("reserve", "2024Q3", "", 0, "USD"),
        ("revenue_growth", "2024Q3", "", 3, "%", "yoy"),
        ("spending_growth", "2024-09", "", 2.5, "%"),
        ("exports", "2024Q2", "", 30, "million USD"),
        ("exports", "2024Q3", "", 0.08, "billion USD"),
        ("visitor_spending", "2024Q3", "", 12),
    ),
    "care/figures.csv": table(
        ("waiting", "2024Q3", "", 26, "days"),
        ("vaccinated", "2024Q3", "", "88%"),
        ("clinics_new", "2024Q3", "North Ward", 1, "items"),
        ("clinics_new", "2024Q3", "riv-s", 2, "items"),
        ("festivals", "2024Q3", "", 2, "items"),
    ),
}
SPRING = {
    "works/year.csv": table(
        ("tram_passengers", "2024", "", 1.2, "million people", "ytd"),  # the year that starts in 2024
        ("cycle_lanes", "2025Q1", "", 94, "km"),
        ("road_deaths", "2025-03", "", 12, "people"),
    ),
    "treasury/year.csv": table(
        ("reserve", "2025Q1", "", 25, "million USD"),
        ("revenue_growth", "2025Q1", "", 2, "%"),
        ("spending_growth", "2025-03", "", 2, "%"),
        ("exports", "2025Q1", "", 297, "million USD"),
        ("visitor_spending", "2025Q1", "", 40),
    ),
    "care/year.csv": table(
        ("waiting", "2025Q1", "", 19, "days"),
        ("waiting", "2024Q4", "", 20, "days"),
        ("vaccinated", "2025Q1", "", 88.2, "%"),
        ("care_rank", "2024", "", 4, "rank"),
        ("clinics_new", "2025Q1", "riv-n", 3, "items"),
        ("festivals", "2025Q1", "", 7, "items"),
    ),
}


@pytest.fixture(scope="module")
def rivermouth() -> Plan:
    return load_plan(FOLDER)


@pytest.fixture(scope="module")
def autumn(night: Callable[..., Night], rivermouth: Plan) -> Night:
    return night(AUTUMN, dict.fromkeys(AUTUMN, at(2024, 10, 12)), at(2024, 11, 1), plan=rivermouth)


@pytest.fixture(scope="module")
def spring(night: Callable[..., Night], rivermouth: Plan, autumn: Night) -> Night:
    files = AUTUMN | SPRING
    received = dict.fromkeys(AUTUMN, at(2024, 10, 12)) | dict.fromkeys(SPRING, at(2025, 4, 12))
    return night(files, received, at(2025, 7, 1), plan=rivermouth)


def test_the_plan_is_read_from_its_own_text(rivermouth: Plan) -> None:
    assert misplaced_clauses(rivermouth, (FOLDER / rivermouth.head.text).read_text("utf-8")) == []


def test_no_row_is_returned(spring: Night) -> None:
    assert spring.ask("select path, status from submission where rows_returned > 0 or rows_kept = 0") == []
    assert spring.ask("select rule, message_en from finding where rule like 'V%' or rule = 'Q02'") == []


# target, period: (actual, what the trajectory asks, attainment, status)
BY_AUTUMN = {
    ("T101", "2024-06"): (252_000, 240_000, 0.21, "ahead"),  # a year before, 200 of 1000 thousand by June
    ("T101", "2024-07"): (388_000, 400_000, 388 / 1200, "on_pace"),  # July a year before is not known: 4 of 12 months
    ("T101", "2024-09"): (540_000, 600_000, 0.45, "behind"),
    ("T102", "2024Q2"): (40, 40, 0, "on_pace"),  # nothing is asked before the first step; the plan says 40, not 41
    ("T102", "2024Q3"): (55, 55, 0.25, "on_pace"),
    ("T103", "2024-08"): (5, 5, 1 + 7 / 12, "on_pace"),  # a ceiling: 5 of 12 months
    ("T103", "2024-09"): (5, 6, 1 + 7 / 12, "ahead"),
    ("T104", "2024-07"): (None, 0, None, "not_due"),
    ("T104", "2024-08"): (1, 0, 1, "achieved"),
    ("T104", "2024-09"): (1, 1, 1, "achieved"),  # what is done stays done
    ("T201", "2024Q2"): (-20, -10, 0, "far_behind"),
    ("T201", "2024Q3"): (0, 0, 0.5, "on_pace"),
    ("T202", "2024Q3"): (3, 2.5, 1.2, "ahead"),
    ("T203", "2024Q2"): (30, 30, 0.1, "on_pace"),  # twice 150; a tenth in the first quarter
    ("T203", "2024Q3"): (80, 90, 80 / 300, "behind"),
    ("T204", "2024Q3"): (12, None, None, "not_assessable"),  # half as much again as nobody knows what
    ("T301", "2024Q3"): (26, 25, 0.4, "far_behind"),
    ("T302", "2024Q3"): (88, 90, 88 / 90, "on_pace"),
    ("T304a", "2024Q3"): (1, 2, 0.25, "far_behind"),
    ("T304b", "2024Q3"): (2, 1, 1, "achieved"),
    ("T305", "2024Q3"): (2, 2, 0.5, "on_pace"),
    ("T306", "2024Q3"): (None, None, None, "not_assessable"),
}
BY_SPRING = {
    ("T101", "2025-03"): (1_200_000, 1_200_000, 1, "achieved"),
    ("T102", "2025Q1"): (94, 100, 0.9, "missed"),
    ("T102", "2024Q4"): (None, 70, None, "not_reported"),
    ("T103", "2025-03"): (12, 12, 1, "achieved"),
    ("T201", "2025Q1"): (25, 20, 1.125, "achieved"),
    ("T202", "2025Q1"): (2, 2, 1, "missed"),  # as fast is not faster
    ("T203", "2025Q1"): (297, 300, 0.99, "missed"),
    ("T204", "2025Q1"): (40, None, None, "not_assessable"),
    ("T301", "2024Q4"): (20, 22.5, 1, "achieved"),
    ("T301", "2025Q1"): (19, 20, 1.1, "achieved"),
    ("T302", "2025Q1"): (88.2, 90, 0.98, "missed"),
    ("T303", "2024"): (4, 3, 2 / 3, "missed"),
    ("T304a", "2025Q1"): (3, 4, 0.75, "missed"),
    ("T304b", "2025Q1"): (None, 2, None, "not_reported"),
    ("T305", "2025Q1"): (7, 4, 0.75, "missed"),  # one too many, of four
}


@pytest.mark.parametrize("key", BY_AUTUMN)
def test_within_the_year_it_stands_as_by_hand(autumn: Night, key: tuple[str, str]) -> None:
    check(autumn.progress(*key), *BY_AUTUMN[key])


@pytest.mark.parametrize("key", BY_SPRING)
def test_at_the_years_end_it_stands_as_by_hand(spring: Night, key: tuple[str, str]) -> None:
    check(spring.progress(*key), *BY_SPRING[key])


def check(row: dict[str, object], actual: object, expected: object, attainment: object, status: str) -> None:
    assert row["status"] == status
    found = (row["actual"], row["expected"], row["attainment"])
    assert found == tuple(v if v is None else pytest.approx(v) for v in (actual, expected, attainment))


def test_a_status_says_which_shape_it_rests_on(autumn: Night) -> None:
    assert [autumn.progress("T101", p)["status_basis"].partition("trajectory: ")[2] for p in ("2024-06", "2024-07")] == [
        "seasonal", "straight_line, seasonal without the year before",
    ]  # fmt: skip
    assert autumn.progress("T203", "2024Q3")["status_basis"].endswith("end_loaded")


def test_a_dated_task_is_followed_until_it_is_due_and_owed_then(spring: Night) -> None:
    rows = spring.ask("select period, actual_origin from progress where target = 'T104' order by period_end")
    assert [r["period"] for r in rows] == [f"2024-{m:02}" for m in range(4, 10)]
    assert [r["actual_origin"] for r in rows][-2:] == ["reported", "carried forward"]
    owed = spring.ask("select period, area from obligation where indicator = 'harbour_bridge'")
    assert owed == [{"period": "2024-09", "area": "riv"}]


def test_what_remains_is_counted_to_the_due_date(autumn: Night) -> None:
    assert autumn.progress("T101", "2024-09")["needed"] == pytest.approx(660_000 / 6)
    assert autumn.progress("T301", "2024Q3")["needed"] == pytest.approx(-6 / 2)
    assert autumn.progress("T103", "2024-09")["needed"] is None


def test_a_cumulative_figure_starts_anew_in_april_and_not_in_january(
    night: Callable[..., Night], rivermouth: Plan
) -> None:
    sent = {"works/a.csv": table(
        ("tram_passengers", "2024-03", "", 990, "thousand people"), ("tram_passengers", "2024-04", "", 70, "thousand people"),
        ("tram_passengers", "2024-12", "", 900, "thousand people"), ("tram_passengers", "2025-01", "", 890, "thousand people"),
    )}  # fmt: skip
    one = night(sent, {"works/a.csv": at(2025, 2, 3)}, at(2025, 2, 4), plan=rivermouth)
    fell = one.ask("select period, expected_text from finding where rule = 'Q02'")
    assert fell == [{"period": "2025-01", "expected_text": "≥ 900000.0 (2024-12)"}]


def test_every_obligation_lies_in_the_plans_own_year(autumn: Night) -> None:
    years = autumn.ask("select distinct d.plan_year from obligation o join period d using (period) order by all")
    assert years == [{"plan_year": 2024}]
    assert autumn.one("from period where period = '2024'")["period_start"] == dt.date(2024, 4, 1)


def test_the_code_names_no_city() -> None:
    named = re.compile("shenyang|沈阳|2101", re.IGNORECASE)
    code = [p for floor in ("expectations", "warehouse", "assets") for p in (ROOT / floor).rglob("*")
            if p.suffix in (".py", ".sql", ".lark") and "plans" not in p.parts]  # fmt: skip
    assert code
    assert [p.name for p in code if named.search(p.read_text("utf-8"))] == []
