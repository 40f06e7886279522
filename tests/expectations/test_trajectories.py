"""What expected, attainment, pace and status hold to, whatever the target: properties, through the marts' own SQL.

Figures are eighths, which binary numbers hold exactly, so that "exactly" means exactly.
"""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from expectations.compiled import compiled
from expectations.load import load_plan
from expectations.model import Baseline, Indicator, Plan, Target
from expectations.policy import Policy, Step
from warehouse.marts import sql

CITY = Path(__file__).parent.parent / "plans" / "rivermouth-2024"
MONTHS = [f"2024-{m:02}" for m in range(4, 13)] + [f"2025-{m:02}" for m in range(1, 4)]  # the plan's year
DUE = MONTHS[-1]
LEVEL = {"far_behind": 0, "missed": 0, "behind": 1, "on_pace": 2, "ahead": 3, "achieved": 4}
# an example is a whole plan: to shrink it takes minutes, and the assertion names the case anyway
unshrunk = settings(max_examples=25, phases=[Phase.explicit, Phase.generate])
MIRRORED = {">=": "<=", "<=": ">=", ">": "<", "<": ">"}


@dataclass(frozen=True)
class Case:
    """A target, and the figure that one month of it brings."""

    comparator: str | None
    goal: float | None
    actual: float | None
    measure: str = "ytd"
    direction: str = "up"
    baseline: float | None = None
    goal_high: float | None = None
    month: str = DUE
    shape: str = "straight_line"
    year_before: float | None = None  # of the same month; the year's total is then 8
    other: float | None = None  # the figure that must be exceeded
    sign: int = 1  # of last year's total
    times: float = 1  # the unit in which all of it is written
    frequency: str = "month"
    due: dt.date = dt.date(2025, 3, 31)
    steps: tuple[tuple[dt.date, float], ...] = ()

    @property
    def asked(self) -> float | None:
        if self.comparator == "exceeds":
            return self.other
        if self.comparator == "multiple":
            return self.goal * self.baseline if self.baseline is not None and self.baseline > 0 else None
        return self.goal

    def meets(self, plan: Plan) -> bool:
        """By plain words."""
        a, goal = self.actual, self.asked
        sense = self.comparator or (">=" if self.direction == "up" else "<=")
        if sense == "~":
            give = abs(goal) * plan.policy.about_tolerance
            return a >= goal - give if self.direction == "up" else a <= goal + give
        if sense == "multiple":
            return a >= goal if self.direction == "up" else a <= goal
        return {
            ">=": a >= goal, "<=": a <= goal, ">": a > goal, "<": a < goal, "=": a == goal, "top": a <= goal,
            "exceeds": a > goal, "between": goal <= a <= (self.goal_high if self.goal_high is not None else goal),
        }[sense]  # fmt: skip

    def distance(self, actual: float) -> float:
        """How far a figure is from what meets the target; below 0 where it is beyond."""
        if self.comparator in ("=", "between"):
            high = self.goal if self.goal_high is None else self.goal_high
            return max(self.goal - actual, actual - high, 0)
        less = self.comparator in ("<=", "<", "top") or (
            self.comparator in (None, "~", "multiple") and self.direction == "down"
        )
        return actual - self.asked if less else self.asked - actual


@cache
def city() -> Plan:
    return load_plan(CITY)


def plan_of(cases: list[Case]) -> Plan:
    """A plan of these cases: case n is target T{1000 + n} of indicator i{n}."""
    whole = city()
    indicators, targets, baselines, steps = [], [], [], {}
    kinds = {"multiple": "multiple", "exceeds": "relative", "done": "milestone"}
    for n, c in enumerate(cases):
        about = {"capability": "means", "chapter": "2", "unit": "km"}
        indicators += [
            Indicator(indicator=f"i{n}", name_zh=f"i{n}", name_en=f"i{n}", measure=c.measure, direction=c.direction,
                      frequency=c.frequency, **about),
            Indicator(indicator=f"x{n}", name_zh=f"x{n}", name_en=f"x{n}", measure="yoy", direction="up",
                      frequency="month", **about),
        ]  # fmt: skip
        targets.append(
            Target(
                target=f"T{1000 + n}", indicator=f"i{n}", kind=kinds.get(c.comparator or "", "level"),
                comparator=c.comparator, unit="km" if c.comparator not in ("multiple", "exceeds", "done") else None,
                value=None if c.goal is None else c.goal * (1 if c.comparator == "multiple" else c.times),
                value_high=None if c.goal_high is None else c.goal_high * c.times,
                exceeds=f"x{n}" if c.comparator == "exceeds" else None, due=c.due, modality="state", section="s",
                clause="c", clause_offset=0, clause_length=1,
            )
        )  # fmt: skip
        published = {"publisher": "p", "tier": "A", "unit": "km", "indicator": f"i{n}"}
        if c.year_before is not None:
            month = f"{int(c.month[:4]) - 1}{c.month[4:]}"
            baselines.append(Baseline(period=month, value=c.year_before * c.times, **published))
            if month != "2024-03":
                baselines.append(Baseline(period="2024-03", value=8 * c.sign * c.times, **published))
        elif c.baseline is not None:
            baselines.append(Baseline(period="2024-03", value=c.baseline * c.times, **published))
        if c.shape == "steps":
            steps[f"T{1000 + n}"] = [Step(by=by, share=share) for by, share in c.steps]
    policy = whole.policy.model_dump() | {
        "lead_department": {i.indicator: "works" for i in indicators},
        "trajectory_of": {f"T{1000 + n}": c.shape for n, c in enumerate(cases)},
        "steps": steps,
    }
    return whole.model_copy(
        update={
            "indicators": indicators,
            "targets": targets,
            "baselines": baselines,
            "policy": Policy.model_validate(policy),
        }
    )


def progress(cases: list[Case], *, everything: bool = False) -> list[dict]:
    """The row of each case in the mart; `everything`: all rows, by target and period."""
    plan = plan_of(cases)
    given = [("i", n, c.measure, c.actual) for n, c in enumerate(cases)] + [
        ("x", n, "yoy", c.other) for n, c in enumerate(cases)
    ]
    observed = pl.DataFrame(
        [(f"{kind}{n}", cases[n].month, measure, value * cases[n].times) for kind, n, measure, value in given if value is not None],
        schema={"indicator": pl.String, "period": pl.String, "measure": pl.String, "value": pl.Float64},
        orient="row",
    ).with_columns(
        area=pl.lit("riv"), department=pl.lit("works"), submission=pl.lit("s"), self_assessed=pl.lit(None, pl.String),
        synthetic=pl.lit(False), known_from=dt.datetime(2025, 1, 1, tzinfo=dt.UTC),
        known_to=pl.lit(None, pl.Datetime("us", "UTC")),
    )  # fmt: skip
    with duckdb.connect() as con:
        for name, table in (compiled(plan) | {"observation": observed}).items():
            con.register(name, table.to_arrow())
        con.execute("create table params as select timestamptz '2030-01-01 00:00:00+00' as as_of")
        rows = con.sql(sql("progress")).pl().to_dicts()
    if everything:
        return rows
    found = {(r["target"], r["period"]): r for r in rows}
    return [found[f"T{1000 + n}", c.month] for n, c in enumerate(cases)]


eighths = st.integers(-80, 80).map(lambda n: n / 8)
months = st.sampled_from(MONTHS)
shapes = st.sampled_from(["straight_line", "whole", "end_loaded"])


@st.composite
def cases(draw: st.DrawFn, comparators: tuple[str | None, ...]) -> Case:
    comparator = draw(st.sampled_from(comparators))
    goal = None if comparator == "exceeds" else draw(eighths)
    case = Case(
        comparator,
        goal,
        draw(eighths),
        measure=draw(st.sampled_from(["ytd", "end", "end", "yoy"])),
        direction=draw(st.sampled_from(["up", "down"])),
        baseline=draw(st.none() | eighths),
        goal_high=goal + draw(st.integers(1, 40)) / 8 if comparator == "between" else None,
        month=draw(months | st.just(DUE)),
        shape=draw(shapes),
        other=draw(eighths) if comparator == "exceeds" else None,
    )
    if case.measure == "ytd" and draw(st.booleans()):
        case = replace(case, shape="seasonal", year_before=draw(st.integers(-1, 9)), baseline=None)
    return case


BOTH_WAYS = (None, ">=", "<=", ">", "<", "=", "~", "between")
ALL = (*BOTH_WAYS, "top", "exceeds", "multiple")


@pytest.mark.slow
@unshrunk
@given(st.lists(st.tuples(cases(ALL), st.lists(eighths, min_size=4, max_size=4)), min_size=8, max_size=8))
def test_never_better_when_further(drawn: list[tuple[Case, list[float]]]) -> None:
    flat = [replace(case, actual=a) for case, actuals in drawn for a in actuals]
    rows = progress(flat)
    for n, (case, actuals) in enumerate(drawn):
        if case.asked is None:
            continue
        pairs = sorted(
            zip([case.distance(a) for a in actuals], rows[4 * n : 4 * n + 4], strict=True), key=lambda p: p[0]
        )
        for (nearer, a), (further, b) in itertools.pairwise(pairs):
            assert nearer <= further
            for figure in ("attainment", "pace"):
                if a[figure] is not None and b[figure] is not None:
                    assert a[figure] >= b[figure] - 1e-12, (case, figure)
            if a["status"] in LEVEL and b["status"] in LEVEL:
                assert LEVEL[a["status"]] >= LEVEL[b["status"]], (case, a, b)


@pytest.mark.slow
@unshrunk
@given(st.lists(cases(ALL), min_size=16, max_size=16), st.data())
def test_attainment_is_1_exactly_where_exactly_met(drawn: list[Case], data: st.DataObject) -> None:
    met = [replace(c, actual=c.asked) for c in drawn if c.asked is not None]
    rows = progress([*drawn, *met])
    for case, row in zip([*drawn, *met], rows, strict=True):
        if case.asked is None:
            assert (row["attainment"], row["status"]) == (None, "not_assessable")
            continue
        assert (row["attainment"] == 1.0) == (case.distance(case.actual) == 0), case
        if row["attainment"] is None:  # there is no way to a goal of 0 but from a baseline
            assert case.asked == 0 or case.goal_high == 0


@pytest.mark.slow
@unshrunk
@given(st.lists(cases(ALL), min_size=16, max_size=16))
def test_when_due_a_target_is_achieved_or_missed_by_its_own_words(drawn: list[Case]) -> None:
    drawn = [replace(c, month=DUE, year_before=None, shape="whole") for c in drawn]
    for case, row in zip(drawn, progress(drawn), strict=True):
        if case.asked is None:
            assert row["status"] == "not_assessable"
        else:
            assert row["status"] == ("achieved" if case.meets(city()) else "missed"), case


@pytest.mark.slow
@unshrunk
@given(st.lists(cases(BOTH_WAYS), min_size=16, max_size=16))
def test_a_mirrored_target_stands_as_its_image(drawn: list[Case]) -> None:
    images = [
        replace(
            c,
            comparator=MIRRORED.get(c.comparator, c.comparator),
            direction="down" if c.direction == "up" else "up",
            goal=-c.goal if c.goal_high is None else -c.goal_high,
            goal_high=None if c.goal_high is None else -c.goal,
            actual=-c.actual,
            baseline=None if c.baseline is None else -c.baseline,
            year_before=None if c.year_before is None else -c.year_before,
            sign=-c.sign,
        )
        for c in drawn
    ]
    rows = progress([*drawn, *images])
    for case, one, image in zip(drawn, rows, rows[len(drawn) :], strict=False):
        assert (one["attainment"], one["pace"], one["status"]) == (
            image["attainment"],
            image["pace"],
            image["status"],
        ), case
        for figure in ("expected", "gap", "needed", "target_value"):
            assert (None if one[figure] is None else -one[figure]) == image[figure], (case, figure)


@pytest.mark.slow
@unshrunk
@given(
    st.lists(cases(ALL), min_size=16, max_size=16),
    st.sampled_from([1e-8, 1e-3, 0.1, 0.7, 3, 1e4, 1e8]),
)
def test_the_unit_makes_no_difference(drawn: list[Case], times: float) -> None:
    rows = progress([*drawn, *(replace(c, times=times) for c in drawn)])
    for case, one, other in zip(drawn, rows, rows[len(drawn) :], strict=False):
        assert one["status"] == other["status"], (case, one, other)
        for figure in ("attainment", "pace"):
            assert other[figure] == (
                one[figure] if one[figure] is None else pytest.approx(one[figure], rel=1e-9, abs=1e-9)
            )
        for figure in ("expected", "gap", "needed"):
            assert other[figure] == (
                one[figure] if one[figure] is None else pytest.approx(one[figure] * times, rel=1e-9, abs=1e-12 * times)
            )


@pytest.mark.slow
@unshrunk
@given(st.lists(cases(ALL), min_size=16, max_size=16))
def test_exactly_as_expected_is_on_pace(drawn: list[Case]) -> None:
    known = [(c, r["expected"]) for c, r in zip(drawn, progress(drawn), strict=True) if r["expected"] is not None]
    assume(known)
    rows = progress([replace(c, actual=expected) for c, expected in known])
    for (case, _), row in zip(known, rows, strict=True):
        assert row["pace"] == 1.0
        assert row["status"] in ("on_pace", "achieved") or (case.month == DUE and row["status"] == "missed"), case


# --- what the rules say, in figures ---


@pytest.mark.parametrize(
    ("case", "attainment", "status"),
    [
        (Case(">=", 0, 0, measure="yoy"), 1, "achieved"),
        (Case(">=", 0, 2, measure="yoy"), None, "achieved"),  # growth of at least 0: no ratio, and met all the same
        (Case(">=", 0, -1, measure="yoy"), None, "missed"),
        (Case("<=", 0, 0), 1, "achieved"),
        (Case("<=", 0, 1), None, "missed"),
        (Case("<=", 0, 1, month="2024-06"), None, "far_behind"),  # none may happen, one has
        (Case("<=", 0, 0, month="2024-06"), 1, "on_pace"),
        (Case("<=", 0, 2, measure="end", baseline=8), 0.75, "missed"),  # from 8 to none
        (Case(">=", 5, 0, measure="end", baseline=-5), 0.5, "missed"),  # from deficit to surplus
        (Case(">=", 5, -10, measure="end", baseline=-5), -0.5, "missed"),
        (Case(">=", 5, 5, measure="end", baseline=0), 1, "achieved"),
        (Case(">=", -2, -3, measure="yoy"), 0.5, "missed"),  # a fall of at most 2
        (Case("<=", 12, 9, month="2024-06"), 1.25, "far_behind"),  # a ceiling: a quarter of the year, three quarters of 12
        (Case("<=", 12, 2, month="2024-06"), 1 + 10 / 12, "ahead"),
        (Case(">=", 10, 10, month="2024-06"), 1, "achieved"),
        (Case("<=", 10, 10, measure="end", baseline=20, month="2024-06"), 1, "achieved"),  # the mirror of it
        (Case("between", 4, 5, goal_high=6), 1, "achieved"),
        (Case("between", 4, 7, goal_high=6), 0.75, "missed"),
        (Case("between", 4, 5, goal_high=6, month="2024-06"), 1, "ahead"),  # it may still become too many
        (Case("between", 4, 8, measure="end", goal_high=6, baseline=10), 0.5, "missed"),  # from above
        (Case("=", 40, 44, measure="end"), 0.9, "missed"),
        (Case("top", 3, 4, measure="rank"), 2 / 3, "missed"),
        (Case("top", 3, 1, measure="rank"), 1 + 2 / 3, "achieved"),
        (Case("multiple", 2, 15, baseline=10), 0.75, "missed"),
        (Case("multiple", 0.5, 5, measure="end", direction="down", baseline=10), 1, "achieved"),  # halved
        (Case("multiple", 2, 15), None, "not_assessable"),
        (Case("multiple", 2, 15, baseline=0), None, "not_assessable"),
        (Case("multiple", 2, 15, baseline=-5), None, "not_assessable"),
        (Case("exceeds", None, 5, measure="yoy", other=4), 1.25, "achieved"),
        (Case("exceeds", None, 4, measure="yoy", other=4), 1, "missed"),
        (Case("exceeds", None, 4, measure="yoy"), None, "not_assessable"),
        (Case(">=", 10, 5, measure="end", month="2024-06"), 0.5, "not_assessable"),  # nobody knows whence
        (Case(">=", 10, 12, measure="end", baseline=11, month="2024-06"), 1.2, "achieved"),
        (Case("<=", 10, 9, measure="yoy", direction="down", month="2024-06"), 1.1, "ahead"),  # a rate is met when due
    ],
)  # fmt: skip
def test_a_target_stands_as_by_hand(case: Case, attainment: float | None, status: str) -> None:
    [row] = progress([case])
    assert row["status"] == status
    assert row["attainment"] == (attainment if attainment is None else pytest.approx(attainment))


def test_a_baseline_that_the_clause_states_goes_before_a_published_one() -> None:
    plan = plan_of([Case(">=", 1, None, measure="end", baseline=10)])
    [stated] = plan.targets
    stated = stated.model_copy(update={"baseline": 500.0, "baseline_period": "2023", "unit": "m"})
    table = compiled(plan.model_copy(update={"targets": [stated]}))["target"]
    assert table.select("baseline", "baseline_period").row(0) == (0.5, "2023")
    assert compiled(plan)["target"].select("baseline", "baseline_period").row(0) == (10, "2024-03")


def test_of_several_published_figures_the_last_before_the_plan_is_the_baseline() -> None:
    plan = plan_of([Case(">=", 1, None, year_before=3, month="2024-06")])
    assert compiled(plan)["target"]["baseline"].to_list() == [8]


def test_what_a_stock_is_to_grow_by_is_more_than_at_its_baseline() -> None:
    plan = plan_of(
        [Case(">=", 3, None, measure="end", baseline=10), Case(">=", 3, None, measure="end"), Case(">=", 3, None)]
    )
    growing = [t.model_copy(update={"kind": "increment"}) for t in plan.targets]
    assert compiled(plan.model_copy(update={"targets": growing}))["target"]["goal"].to_list() == [13, None, 3]


# --- shapes ---


def shares(case: Case) -> list[float]:
    plan = plan_of([case])
    table = compiled(plan)["trajectory"].join(compiled(plan)["period"], on="period").filter(pl.col("span") == "month")
    return table.sort("period_end")["share"].to_list()


def test_a_straight_line_counts_months_from_the_plans_own_start() -> None:
    assert shares(Case(">=", 1, None)) == [pytest.approx(n / 12) for n in range(1, 13)]
    assert shares(Case(">=", 1, None, due=dt.date(2024, 8, 15)))[:6] == [0.2, 0.4, 0.6, 0.8, 1, 1]


def test_end_loaded_is_even_between_the_quarters_of_the_way() -> None:
    found = shares(Case(">=", 1, None, shape="end_loaded"))  # 0.1, 0.3, 0.6, 1
    assert found == [pytest.approx(s / 30) for s in (1, 2, 3, 5, 7, 9, 12, 15, 18, 22, 26, 30)]
    half = shares(Case(">=", 1, None, shape="end_loaded", due=dt.date(2024, 9, 30)))  # a quarter of the way: 1.5 months
    assert half[:6] == [pytest.approx(s / 30) for s in (2, 5, 9, 15, 22, 30)]


def test_steps_hold_from_their_day_until_the_next() -> None:
    steps = ((dt.date(2024, 12, 15), 0.5), (dt.date(2024, 6, 30), 0.25))
    assert shares(Case(">=", 1, None, shape="steps", steps=steps)) == [0, 0, *[0.25] * 6, *[0.5] * 3, 1]


def test_a_rate_and_a_comparison_are_asked_whole_whatever_policy_says() -> None:
    assert set(shares(Case(">=", 1, None, measure="share", shape="end_loaded"))) == {1}
    assert set(shares(Case("exceeds", None, None, measure="ytd", shape="end_loaded"))) == {1}


@given(
    st.sampled_from(["straight_line", "whole", "seasonal", "end_loaded", "steps"]),
    st.dates(dt.date(2024, 4, 1), dt.date(2025, 3, 31)),
    st.lists(st.dates(dt.date(2024, 4, 1), dt.date(2025, 3, 31)), min_size=3, max_size=3, unique=True),
)
def test_what_is_expected_never_falls_and_is_all_of_it_when_due(shape: str, due: dt.date, days: list[dt.date]) -> None:
    steps = tuple(zip(sorted(days), (0.0, 0.5, 0.75), strict=True))
    found = shares(Case(">=", 1, None, shape=shape, due=due, steps=steps))
    assert found == sorted(found)
    assert found[0] >= 0
    assert set(found[MONTHS.index(f"{due:%Y-%m}") :]) == {1}


def test_last_years_shape_is_followed_where_it_is_known() -> None:
    june = Case(">=", 100, 50, month="2024-06", shape="seasonal", year_before=4)  # 4 of 8 by June
    followed, fallen_back, beyond = progress([june, replace(june, year_before=None), replace(june, year_before=9)])
    assert (followed["expected"], followed["status"]) == (50, "on_pace")
    assert followed["status_basis"] == "policy.pace, policy.trajectory: seasonal"
    for row in (fallen_back, beyond):  # more than the year's total by June is no share of it
        assert (row["expected"], row["status"]) == (25, "ahead")
        assert row["status_basis"].endswith("straight_line, seasonal without the year before")


def test_a_dated_task_is_followed_to_its_month_and_stays_done() -> None:
    task = Case("done", None, 1, measure="end", frequency="event", month="2024-06", due=dt.date(2024, 8, 20))
    rows = progress([task, replace(task, actual=None), replace(task, actual=0)], everything=True)
    found = {t: {r["period"]: r["status"] for r in rows if r["target"] == t} for t in ("T1000", "T1001", "T1002")}
    assert found["T1000"] == {
        "2024-04": "not_due", "2024-05": "not_due", "2024-06": "achieved", "2024-07": "achieved", "2024-08": "achieved",
    }  # fmt: skip
    assert list(found["T1001"].values()) == ["not_due"] * 4 + ["not_reported"]
    assert list(found["T1002"].values()) == ["not_due"] * 4 + ["missed"]
    assert {r["first_met"] for r in rows if r["target"] == "T1000"} == {"2024-06"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"trajectory": "steps"},
        {"trajectory": "end_loaded", "end_loaded_share": None},
        {"end_loaded_share": [0.5, 0.3, 0.6, 1]},
        {"end_loaded_share": [0.1, 0.3, 0.6, 0.9]},
        {"trajectory_of": {"T101": "steps"}, "steps": {}},
        {"trajectory_of": {}, "steps": {"T101": [{"by": "2024-06-30", "share": 0.5}]}},
        {
            "trajectory_of": {"T101": "steps"},
            "steps": {"T101": [{"by": "2024-06-30", "share": 0.5}, {"by": "2024-09-30", "share": 0.4}]},
        },
    ],
)
def test_a_shape_that_says_too_little_or_goes_back_is_refused(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        Policy.model_validate(city().policy.model_dump() | wrong)
