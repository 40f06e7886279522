"""By when a figure is owed: working days, half days, extensions, dated tasks, and years that no calendar knows."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from expectations.compiled import compiled
from expectations.load import PLANS, PlanError, load_plan
from expectations.model import Plan
from expectations.policy import Calendar, Deadline, Extension
from expectations.workdays import after, due, is_workday, known, unknown_years
from tests.night import long_csv, run_night

SHENYANG = PLANS / "shenyang-2022"
SHANGHAI = ZoneInfo("Asia/Shanghai")
KEY = ["department", "indicator", "area", "period"]


@pytest.fixture(scope="module")
def plan() -> Plan:
    return load_plan(SHENYANG)


def changed(plan: Plan, **policy: Any) -> Plan:
    return plan.model_copy(update={"policy": plan.policy.model_copy(update=policy)})


def put_off(plan: Plan, *extensions: dict[str, Any]) -> Plan:
    usual = {"granted_on": "2022-07-01", "by": "head of the assessment office", "why": "accounts under revision"}
    return changed(plan, extensions=[Extension.model_validate(usual | e) for e in extensions])


def obligation(plan: Plan, indicator: str, period: str) -> dict[str, Any]:
    [row] = compiled(plan)["obligation"].rows_by_key(["indicator", "period"], named=True)[indicator, period]
    return row


def local(instant: dt.datetime) -> str:
    return f"{instant.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("day", "worked"),
    [
        ("2022-01-29", True),  # Saturday, worked for the Spring Festival's week
        ("2022-01-30", True),  # and the Sunday
        ("2022-02-01", False),  # Tuesday, Spring Festival
        ("2022-04-05", False),  # Qingming
        ("2022-10-07", False),  # National Day's week
        ("2022-10-08", True),  # Saturday
        ("2022-10-09", True),  # Sunday
        ("2022-10-15", False),  # an ordinary Saturday
        ("2023-01-02", False),
    ],
)
def test_the_official_calendar_shifts_weekends(day: str, worked: bool) -> None:
    date = dt.date.fromisoformat(day)
    assert is_workday(date, "china") is worked
    assert is_workday(date, "weekdays") is (date.weekday() < 5)


@pytest.mark.parametrize(
    ("day", "days", "calendar", "then"),
    [
        ("2022-01-31", 1, "china", "2022-02-07"),
        ("2022-01-31", 1, "weekdays", "2022-02-01"),
        ("2022-09-30", 1, "china", "2022-10-08"),
        ("2022-09-30", 3, "china", "2022-10-10"),
        ("2022-10-07", 1, "weekdays", "2022-10-10"),
    ],
)
def test_working_days_after(day: str, days: int, calendar: Calendar, then: str) -> None:
    assert after(dt.date.fromisoformat(day), days, calendar) == dt.date.fromisoformat(then)


DAYS = st.dates(dt.date(2003, 6, 1), dt.date(2028, 12, 31))
COUNTS = st.integers(1, 80)
CALENDARS: st.SearchStrategy[Calendar] = st.sampled_from(["china", "weekdays"])


@given(DAYS, COUNTS, CALENDARS)
def test_counting_lands_on_a_working_day_and_counts_each(day: dt.date, days: int, calendar: Calendar) -> None:
    end = after(day, days, calendar)
    assert is_workday(end, calendar)
    between = [day + dt.timedelta(days=n) for n in range(1, (end - day).days + 1)]
    assert sum(is_workday(d, calendar) for d in between) == days


@given(DAYS, st.integers(0, 40), COUNTS, st.integers(1, 40), CALENDARS)
def test_later_or_more_is_never_earlier(day: dt.date, later: int, days: int, more: int, calendar: Calendar) -> None:
    assert after(day, days, calendar) <= after(day + dt.timedelta(days=later), days, calendar)
    assert after(day, days, calendar) < after(day, days + more, calendar)
    assert after(after(day, days, calendar), more, calendar) == after(day, days + more, calendar)


def test_no_working_day_is_no_deadline() -> None:
    with pytest.raises(ValueError, match="0 working days"):
        after(dt.date(2022, 1, 1), 0, "china")


def test_due_times_of_the_plan(plan: Plan) -> None:
    gdp, trade = obligation(plan, "gdp", "2022Q3"), obligation(plan, "trade", "2022-09")
    assert local(gdp["due_at"]) == "2022-11-01 00:00"  # 18 working days, the 8th and 9th of October among them
    assert local(trade["due_at"]) == "2022-10-20 00:00"
    assert trade["due_basis"] == "policy.deadlines.month: 10 working days (china)"
    assert local(obligation(plan, "trade", "2022-01")["due_at"]) == "2022-02-19 00:00"  # after the Spring Festival
    assert gdp["extended"] is False


def test_a_half_day_is_due_at_noon_exclusively(plan: Plan) -> None:
    noon = changed(plan, deadlines=plan.policy.deadlines | {"month": Deadline(working_days=10, half="morning")})
    row = obligation(noon, "trade", "2022-09")
    assert local(row["due_at"]) == "2022-10-19 12:00"
    assert row["due_basis"] == "policy.deadlines.month: 10 working days (china), by noon"
    assert due(noon, "month", dt.date(2022, 9, 30)).last_day == dt.date(2022, 10, 19)


def test_calendar_days_and_weekdays(plan: Plan) -> None:
    by_days = changed(plan, deadlines=plan.policy.deadlines | {"month": Deadline(days=15)})
    assert local(obligation(by_days, "trade", "2022-09")["due_at"]) == "2022-10-16 00:00"
    assert obligation(by_days, "trade", "2022-09")["due_basis"] == "policy.deadlines.month: 15 days"
    elsewhere = changed(plan, calendar="weekdays")
    assert local(obligation(elsewhere, "trade", "2022-09")["due_at"]) == "2022-10-15 00:00"
    assert obligation(elsewhere, "trade", "2022-09")["due_basis"].endswith("10 working days (weekdays)")


@pytest.mark.parametrize("counted", [{}, {"days": 3, "working_days": 3}, {"working_days": 0}, {"days": -1}])
def test_a_deadline_is_counted_one_way(counted: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Deadline.model_validate(counted)


def test_a_year_that_the_calendar_does_not_know_is_a_warning(plan: Plan) -> None:
    year = next(y for y in range(2026, 2100) if not known(y, "china"))
    counted = due(plan, "month", dt.date(year - 1, 12, 31))
    assert counted.unknown == (year,)
    assert counted.basis == (
        "policy.deadlines.month: 10 working days (china). "
        f"WARNING: the official calendar of {year} is not known, Monday to Friday assumed"
    )
    assert counted.last_day == after(dt.date(year - 1, 12, 31), 10, "weekdays")
    assert not due(plan, "month", dt.date(year - 1, 11, 10)).unknown
    assert due(changed(plan, calendar="weekdays"), "month", dt.date(year - 1, 12, 31)).unknown == ()

    head = plan.head.model_copy(update={"starts": dt.date(year - 1, 1, 1), "ends": dt.date(year - 1, 12, 31)})
    targets = [t.model_copy(update={"due": t.due.replace(year=year - 1)}) for t in plan.targets]
    later = plan.model_copy(update={"head": head, "targets": targets})
    assert unknown_years(later) == [year]
    assert unknown_years(changed(later, calendar="weekdays")) == []
    assert unknown_years(plan) == []
    obligations = compiled(later)["obligation"].filter(period=f"{year - 1}-12")
    assert (
        obligations.filter(obligations["due_basis"].cast(pl.String).str.contains("WARNING")).height
        == obligations.height
        > 0
    )


def test_the_extension_granted_last_holds(plan: Plan) -> None:
    longer = {"department": "commerce", "period": "2022年9月", "due": "2022-11-10", "granted_on": "2022-10-10"}
    one = {"indicator": "trade", "due": "2022-11-01", "half": "morning", "granted_on": "2022-10-12"}
    extended = put_off(plan, longer | one, longer)
    row = obligation(extended, "trade", "2022-09")
    assert (local(row["due_at"]), row["extended"]) == ("2022-11-01 12:00", True)
    assert row["due_basis"] == (
        "policy.extensions: until 2022-11-01, by noon, granted on 2022-10-12 by head of the assessment office: "
        "accounts under revision"
    )
    assert local(obligation(extended, "fdi", "2022-09")["due_at"]) == "2022-11-11 00:00"
    for untouched in [("trade", "2022-08"), ("airport_passengers", "2022-09")]:
        assert obligation(extended, *untouched) == obligation(plan, *untouched)
    assert compiled(extended)["obligation"].select(KEY).equals(compiled(plan)["obligation"].select(KEY))


def test_an_event_is_owed_for_the_month_of_its_due_date(plan: Plan) -> None:
    due_on = {t.indicator: t.due for t in plan.targets}
    lost = {t.indicator for t in plan.targets if t.kind == "lost"}  # with its subject: never owed
    dated = [i.indicator for i in plan.indicators if i.frequency == "event" and i.indicator not in lost]
    assert dated
    assert "beijing_projects" not in set(compiled(plan)["obligation"]["indicator"])
    for indicator in dated:
        row = obligation(plan, indicator, f"{due_on[indicator]:%Y-%m}")
        assert row["due_at"] == due(plan, "event", due_on[indicator]).at
        assert row["due_basis"].startswith("policy.deadlines.event: ")
    obligations = compiled(plan)["obligation"]
    assert obligations.filter(obligations["indicator"].is_in(dated)).height == len(dated)


def test_obligations_are_unique_and_in_order(plan: Plan) -> None:
    key = compiled(plan)["obligation"].select(KEY)
    assert key.equals(key.sort(KEY))
    assert key.is_unique().all()


@pytest.mark.slow
def test_an_extension_moves_lateness(plan: Plan, tmp_path: Path) -> None:
    """Q07 and M01 follow: what came after the deadline and before the extension's end is in time, what did not come
    is not missing yet."""
    extended = put_off(plan, {"department": "commerce", "period": "2022-09", "due": "2022-10-31", "half": "morning"})
    sent = {"commerce/trade.csv": long_csv(["trade", "", "2022-09", "", "900", "亿元", "累计", ""])}
    times = {"commerce/trade.csv": dt.datetime(2022, 10, 31, 11, 59, 59, tzinfo=SHANGHAI)}
    for one, at, state, missing in [
        (plan, times, "late", True),
        (extended, times, "on_time", False),
        (extended, {"commerce/trade.csv": dt.datetime(2022, 10, 31, 12, tzinfo=SHANGHAI)}, "late", True),
    ]:
        night = run_night(tmp_path / f"{one is plan}-{state}", sent, at, at["commerce/trade.csv"], plan=one)
        row = night.one("from obligation where indicator = 'trade' and period = '2022-09'")
        assert (row["state"], row["extended"]) == (state, one is extended)
        late = night.ask("from finding where rule = 'Q07' and period = '2022-09'")
        owed = night.ask("from finding where rule = 'M01' and indicator = 'fdi' and period = '2022-09'")
        assert (bool(late), bool(owed)) == (state == "late", missing)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"department": "nobody"}, "department: nobody is not a department"),
        ({"indicator": "nothing"}, "indicator: nothing is not an indicator"),
        ({"indicator": "gdp"}, "indicator: gdp is owed by statistics"),
        ({"period": "2021-09"}, "period: 2021-09 is not a period of the plan's own time"),
        ({"period": "soon"}, "period: soon is not a period of the plan's own time"),
        ({"indicator": "trade", "period": "2022Q3"}, "period: commerce owes nothing of the kind for 2022Q3"),
        ({"due": "2022-10-11"}, "due: 2022-10-11 is before the deadline that it extends, 2022-10-19"),
        ({"due": "2022-10-31T11:00:00"}, "due: Datetimes provided to dates should have zero time"),
    ],
)
def test_an_extension_for_nothing_is_named_by_file_and_line(tmp_path: Path, wrong: dict[str, str], said: str) -> None:
    folder = tmp_path / "plan"
    shutil.copytree(SHENYANG, folder)
    policy = folder / "policy.yaml"
    extension = {"department": "commerce", "period": "2022-09", "due": "2022-10-31", "granted_on": "2022-10-10"}
    extension |= {"by": "head of the assessment office", "why": "accounts under revision"} | wrong
    lines = [f"  {'- ' if n == 0 else '  '}{k}: {v}" for n, (k, v) in enumerate(extension.items())]
    before, rest = policy.read_text("utf-8").split("extensions: []\n")
    policy.write_text(before + "\n".join(["extensions:", *lines]) + "\n" + rest, "utf-8")
    with pytest.raises(PlanError) as raised:
        load_plan(folder)
    field = next(iter(wrong)) if "owes nothing" not in said else "period"
    line = before.count("\n") + 2 + list(extension).index(field)
    assert str(raised.value).startswith(f"{policy}:{line}: ")
    assert said.split(": ", 1)[1] in str(raised.value)


def test_a_frequency_without_deadline_is_a_fault(tmp_path: Path) -> None:
    folder = tmp_path / "plan"
    shutil.copytree(SHENYANG, folder)
    policy = folder / "policy.yaml"
    lines = [line for line in policy.read_text("utf-8").splitlines() if not line.startswith("  quarter: {")]
    policy.write_text("\n".join(lines) + "\n", "utf-8")
    with pytest.raises(PlanError, match=r"policy\.yaml:\d+: there is no deadline for frequency quarter"):
        load_plan(folder)
