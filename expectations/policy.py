"""The city's own assumptions: who reports, by when, what "about" tolerates, when a target is behind, how scores are made.

Not one of them is the plan's word, which is model.py's. They are kept apart so that an assumption is never shown as it.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from expectations.part import Code, Frequency, Part

Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="time of day, in quotes: '20:30'")]
Shape = Literal["straight_line", "whole", "seasonal", "end_loaded", "steps"]
Half = Literal["morning", "afternoon"]
Calendar = Literal["china", "weekdays"]
Aggregation = Literal["arithmetic", "geometric"]
AgainstPlan = Annotated[
    Literal["status_credit", "attainment", "pace"],
    Field(
        description="a target's part: status_credit; attainment, the way to the target; or pace, the way to what is"
        " expected by then. Where there is no such ratio, status_credit"
    ),
]
Weight = Annotated[float, Field(ge=0, le=1_000_000)]


class Deadline(Part):
    """Counted from the period's last day, or from the day on which a task is due. Exclusive: what comes at noon, or at
    the midnight that ends the due day, is late."""

    working_days: Annotated[int, Field(ge=1)] | None = Field(default=None, description="by policy.calendar")
    days: Annotated[int, Field(ge=0)] | None = Field(default=None, description="calendar days")
    half: Half = Field(default="afternoon", description="morning: by noon; afternoon: by the end of the due day")

    @model_validator(mode="after")
    def counted_one_way(self) -> Self:
        if (self.working_days is None) == (self.days is None):
            raise ValueError("a deadline is counted in working_days or in days, and not in both")
        return self


class Extension(Part):
    """A department's later deadline for a period, for one indicator or for all that it owes for that period."""

    department: Code
    indicator: Code | None = Field(default=None, description="none: all that the department owes for the period")
    period: str
    due: dt.date
    half: Half = Field(default="afternoon", description="morning: by noon; afternoon: by the end of the due day")
    granted_on: dt.date = Field(description="of two for the same figure, the one granted last holds")
    by: Annotated[str, Field(min_length=1)] = Field(description="a role, never a name")
    why: Annotated[str, Field(min_length=1)]


class Reminders(Part):
    """When departments are reminded of what they owe."""

    due_soon_working_days: Annotated[int, Field(ge=0)] | None = Field(
        default=None,
        description="from so many working days (policy.calendar) before the due day on; 0: on the day itself",
    )
    due_soon_days: Annotated[int, Field(ge=0)] | None = Field(default=None, description="the same in calendar days")
    overdue_again_after_days: Annotated[int, Field(ge=1)] = Field(
        description="what is overdue is spoken of when its deadline passes, and again each time after so many days"
    )
    quiet_hours: tuple[Clock, Clock] | None = Field(
        default=None, description="from and to, in the plan's time zone: nothing is sent then, but after it"
    )

    @model_validator(mode="after")
    def counted_one_way(self) -> Self:
        if (self.due_soon_working_days is None) == (self.due_soon_days is None):
            raise ValueError("due_soon_working_days or due_soon_days, and not both")
        if self.quiet_hours and self.quiet_hours[0] == self.quiet_hours[1]:
            raise ValueError("quiet hours end at another time than they begin")
        return self


class Reopening(Part):
    """A locked quarter of a department that takes corrections again for a time, as recorded."""

    department: Code
    quarter: str = Field(description="2022Q1")
    opens: dt.date
    until: dt.date = Field(description="the last day on which corrections are taken")
    by: Annotated[str, Field(min_length=1)] = Field(description="a role, never a name")
    why: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def ends_after_it_opens(self) -> Self:
        if self.until < self.opens:
            raise ValueError("until is before opens")
        return self


class Filing(Part):
    """The life of a quarter's figures after they are due. Each is counted from the quarter's last day."""

    certify: Deadline = Field(description="by when a named role of the department certifies the quarter's figures")
    lock: Deadline | None = Field(
        default=None, description="from when accepted figures take corrections only where reopened (V12); none: never"
    )
    reopened: list[Reopening] = Field(default=[])


class Plausible(Part):
    """Rules of thumb behind Q01, by what the indicator is."""

    flow_low: float = Field(description="share of what a straight line asks by the period's end")
    flow_high: float
    stock_low: float = Field(description="share of the lower of baseline and target")
    stock_high: float = Field(description="share of the higher of baseline and target")
    growth_points: float = Field(description="points either side of the target")
    share_points: float
    rank_places: float
    history_low: float = Field(description="share of the figure a year before, from which the range reaches too")
    history_high: float = Field(description="share of the figure a year before, up to which the range reaches too")


class History(Part):
    """When a figure is far from its own history (Q03): its change against the changes before it.

    A change is against the same period of the year before where enough of those are known, else against the period
    before; of amounts (a cumulative figure's own period) in proportion, of rates, shares and ranks in points.
    """

    least_changes: Annotated[int, Field(ge=3)] = Field(description="with fewer earlier changes nothing is said")
    deviations: Annotated[float, Field(gt=0)] = Field(description="robust standard deviations (1.4826 × MAD) allowed")
    least_spread: Annotated[float, Field(gt=0)] = Field(description="a spread below this share counts as this")
    least_points: Annotated[float, Field(gt=0)] = Field(description="the same, where changes are in points")


class Forecast(Part):
    """How figures still to come are forecast, and how wide the interval around a forecast is."""

    level: Annotated[float, Field(ge=0.5, lt=1)] = Field(
        description="share of the cases in which the figure is to lie between forecast_low and forecast_high"
    )
    least_figures: Annotated[int, Field(ge=3)] = Field(description="with fewer figures known nothing is forecast")
    unrest: Annotated[float, Field(gt=0)] = Field(
        description="how far one period of a flow strays from its usual share, as a share of it, before the year has shown it"
    )
    drift: Annotated[float, Field(ge=0)] = Field(
        description="how far what is still to come of a flow may leave the growth so far, as a share of it"
    )
    drift_without_year_before: Annotated[float, Field(ge=0)] = Field(
        description="the same where the year before, and so the season, is not known"
    )


class Pace(Part):
    """Thresholds on pace, the figure against what the trajectory expects (1.0: exactly as expected)."""

    ahead: float
    on_pace: float
    behind: float


class Resolution(Part):
    """What the city does about a finding of the plan's lint: which figure is tested, and why."""

    finding: Annotated[str, Field(pattern=r"^P[0-9]{2}$", description="the finding's code")]
    targets: Annotated[list[str], Field(min_length=1, description="the targets that the finding names, all of them")]
    tested: list[str] = Field(default=[], description="those whose figure is tested; none: not assessable")
    why: str

    @model_validator(mode="after")
    def tests_what_it_names(self) -> Self:
        if not set(self.tested) <= set(self.targets):
            raise ValueError("tested names targets that the finding does not")
        return self


class Step(Part):
    by: dt.date
    share: Annotated[float, Field(ge=0, le=1, description="of the way to the target")]


class Scoring(Part):
    """How parts become a score. A part is first kept between `lowest` and `highest`."""

    aggregation: Aggregation = Field(
        default="arithmetic",
        description="arithmetic: parts make up for each other; geometric: less so, and a part of 0 makes the score 0",
    )
    missing: Literal["leave_out", "as_zero"] = Field(
        default="leave_out",
        description="leave_out: the weights of the others grow in proportion; as_zero: what is owed and absent counts as"
        " `lowest`. What is not due, or cannot be assessed, is left out either way",
    )
    least_share: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0, description="of all weights: there is no score where less is known than this"
    )
    lowest: Annotated[float, Field(ge=0)] = Field(default=0, description="a part never counts as less; above 0 a zero does not decide a geometric mean")  # fmt: skip
    highest: Annotated[float, Field(gt=0, le=10)] = Field(default=1, description="a part never counts as more")

    @model_validator(mode="after")
    def lowest_is_lower(self) -> Self:
        if self.lowest >= self.highest:
            raise ValueError("lowest is not below highest")
        return self


class TargetScoring(Scoring):
    """How targets become a score."""

    normalise: AgainstPlan = "status_credit"
    weights: dict[str, Weight] = Field(default={}, description="by target; those not named weigh 1")


class Scores(Part):
    """How the scores of capabilities, of a department's attainment (of its targets) and of departments are made."""

    capability: TargetScoring = TargetScoring()
    attainment: TargetScoring = TargetScoring()
    department: Scoring = Field(
        default=Scoring(), description="of timeliness, quality, attainment; see scorecard_weights"
    )
    moved_by: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.2, description="share of itself by which each weight is moved up and down in the table sensitivity"
    )


class IndexPart(Part):
    """An indicator's place in a dimension of an index."""

    indicator: Code
    target: str | None = Field(default=None, description="where the city has several tested targets of the indicator")
    weight: Weight = 1
    normalise: AgainstPlan | Literal["min_max"] = "pace"
    worst: float | None = Field(
        default=None, description="of min_max: the figure that counts as 0, in the indicator's unit"
    )
    best: float | None = Field(
        default=None, description="of min_max: the figure that counts as 1; below worst where less is better"
    )

    @model_validator(mode="after")
    def goalposts_fit(self) -> Self:
        given = (self.worst is not None, self.best is not None)
        if given != ((self.normalise == "min_max"),) * 2:
            raise ValueError("worst and best go with min_max, both of them, and with nothing else")
        if self.worst is not None and self.worst == self.best:
            raise ValueError("worst and best are the same figure")
        return self


class DimensionPolicy(Scoring):
    """What a dimension of an index is made of."""

    weight: Weight = 1
    indicators: Annotated[list[IndexPart], Field(min_length=1)]


class IndexPolicy(Scoring):
    """What an index of the plan is made of."""

    dimensions: dict[Code, DimensionPolicy]


class Policy(Part):
    about_tolerance: Annotated[float, Field(ge=0, lt=1)] = Field(description="relative tolerance of 左右 (~)")
    bare_figure: Literal["at_least_in_direction"] = Field(description="how a figure without a comparator is read")
    lead_department: dict[str, Code]
    calendar: Calendar = Field(description="whose working days; china: the official ones; weekdays: Monday to Friday")
    deadlines: dict[Frequency, Deadline]
    extensions: list[Extension] = Field(default=[])
    filing: Filing | None = Field(default=None, description="certification and locking of quarters; none: neither")
    reminders: Reminders | None = Field(
        default=None, description="when departments are reminded of what they owe; none: never"
    )
    co_reporters: dict[str, list[Code]] = Field(
        default={},
        description="by indicator: departments that may report it besides the lead department; compared with it (M03)",
    )
    plausible: Plausible
    history: History
    slip_within: Annotated[float, Field(gt=1, lt=5)] = Field(
        description="off by a factor of 100, 10^4 or 10^8, give or take this factor, is a slip of magnitude (Q10)"
    )
    pace: Pace
    forecast: Forecast | None = Field(
        default=None, description="how figures still to come are forecast; none: nothing is"
    )
    trajectory: Shape = Field(
        description="how much of the way to the target is expected by a time. straight_line: in proportion to time; whole:"
        " all of it at every period; seasonal: the share of the year that a flow had reached at the same time a year"
        " before (straight_line where that is not known); end_loaded: end_loaded_share; steps: steps"
    )
    trajectory_of: dict[str, Shape] = Field(default={}, description="exceptions to trajectory, by target")
    end_loaded_share: Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=4, max_length=4)] | None = (
        Field(
            default=None,
            description="share of the way that is expected after each quarter of the time to the due date; even in between",
        )
    )
    steps: dict[str, list[Step]] = Field(
        default={}, description="by target: which share is expected from which day on; 0 before, 1 from the due date"
    )
    status_credit: dict[Literal["achieved", "ahead", "on_pace", "behind", "far_behind", "missed"], float] = Field(
        description="what a target of this status adds to a capability's score, 0 to 1"
    )
    scorecard_weights: dict[Literal["timeliness", "quality", "attainment"], Weight]
    scores: Scores = Scores()
    indices: dict[Code, IndexPolicy] = Field(
        default={}, description="what the plan's composite indices are made of, by index and dimension of plan.yaml"
    )
    resolutions: list[Resolution] = Field(default=[], description="what is done about the findings of the plan's lint")

    @model_validator(mode="after")
    def shares_rise(self) -> Self:
        if "end_loaded" in (self.trajectory, *self.trajectory_of.values()) and self.end_loaded_share is None:
            raise ValueError("a trajectory that is end_loaded needs end_loaded_share")
        if (shares := self.end_loaded_share) and (shares != sorted(shares) or shares[-1] != 1):
            raise ValueError("end_loaded_share never falls and ends in 1")
        if self.trajectory == "steps":
            raise ValueError("steps are a target's own: trajectory_of, never trajectory")
        stepwise = {target for target, shape in self.trajectory_of.items() if shape == "steps"}
        if stepwise != set(self.steps):
            raise ValueError(f"steps and trajectory_of disagree about {', '.join(sorted(stepwise ^ set(self.steps)))}")
        for target, steps in self.steps.items():
            if [s.share for s in sorted(steps, key=lambda s: s.by)] != sorted(s.share for s in steps):
                raise ValueError(f"steps of {target}: a later share is not lower than an earlier one")
        return self
