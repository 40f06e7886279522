"""What a plan is made of: pydantic models of a plan's files, and nothing that reads or compiles them.

`Plan` is the plan's word (targets, indicators, clauses); `Policy` is the city's own assumptions (who reports, by when,
what "about" tolerates). They are kept apart so that an assumption is never shown as the plan's word.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", description="lower case, digits and underscores")]
AreaCode = Annotated[str, Field(pattern=r"^[0-9]{6}$", description="GB/T 2260 division code")]
Frequency = Literal["month", "quarter", "year", "event"]
Measure = Literal["period", "ytd", "end", "yoy", "share", "rank"]
Direction = Literal["up", "down"]
Kind = Literal[
    "level", "increment", "growth", "share", "rank", "multiple", "relative", "quota", "milestone", "index", "lost"
]
Comparator = Literal[">=", ">", "<=", "<", "=", "~", "between", "top", "multiple", "exceeds", "done"]
Shape = Literal["straight_line", "whole"]


class Part(BaseModel):
    """Every part of a plan: unknown fields are errors, so that a misspelt field is seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Capability(Part):
    capability: Code
    number: int
    name_zh: str
    name_en: str


class Area(Part):
    area: AreaCode
    name_zh: str
    name_en: str


class Department(Part):
    department: Code = Field(description="stable code; also the name of the department's drop box")
    name_zh: str
    name_en: str
    aliases: list[str] = []
    kind: Literal["bureau", "district", "agency"] = "bureau"


class Indicator(Part):
    indicator: Code
    name_zh: str
    name_en: str
    aliases: list[str] = Field(default=[], description="other names by which departments call it")
    unit: str = Field(description="the unit in which every figure of the warehouse stands")
    measure: Measure
    direction: Direction
    frequency: Frequency
    capability: Code
    chapter: str
    possible_low: float | None = None
    possible_high: float | None = None
    whole_number: bool = False
    areas: list[AreaCode] = Field(default=[], description="areas reported for; none: the plan's own city")
    level: Code | None = Field(default=None, description="of a growth rate: the indicator whose growth it is")
    growth_from_levels: bool = Field(
        default=False, description="the rate may be computed from reported levels where no rate is reported"
    )

    @property
    def accumulates(self) -> Literal["flow", "stock", "rate"]:
        return {"period": "flow", "ytd": "flow", "end": "stock"}.get(self.measure, "rate")  # type: ignore[return-value]


class Target(Part):
    target: Annotated[str, Field(pattern=r"^T[0-9]{3,4}[a-z]?$")]
    indicator: Code
    area: AreaCode | None = None
    kind: Kind
    comparator: Comparator | None = Field(
        default=None, description="none: the plan gives a bare figure and policy reads it in the indicator's direction"
    )
    value: float | None = Field(default=None, description="as the plan writes it")
    value_high: float | None = None
    unit: str | None = Field(default=None, description="as the plan writes it")
    unit_read_as: str | None = Field(default=None, description="where the plan's unit cannot be meant; say why in note")
    exceeds: Code | None = None
    due: dt.date
    modality: Literal["state", "ensure", "strive", "seek", "reach", "expect"] = Field(
        description="state: a bare figure; ensure 确保; strive 力争; seek 争取; reach 达到/达; expect 预计"
    )
    section: str
    clause: Annotated[str, Field(min_length=1, max_length=40)]
    clause_offset: Annotated[int, Field(ge=0)]
    clause_length: Annotated[int, Field(gt=0, le=40)]
    note: str | None = None

    @model_validator(mode="after")
    def figure_fits_kind(self) -> Self:
        if (self.kind == "lost") != (self.value is None and self.kind != "milestone"):
            raise ValueError("a target has a value, unless its kind is 'lost' or 'milestone'")
        if (self.comparator == "between") != (self.value_high is not None):
            raise ValueError("value_high goes with comparator 'between', and only with it")
        if (self.comparator == "exceeds") != (self.exceeds is not None):
            raise ValueError("exceeds names another indicator and goes with comparator 'exceeds', and only with it")
        if len(self.clause) != self.clause_length:
            raise ValueError(f"clause_length is {self.clause_length}, the clause has {len(self.clause)} characters")
        return self


class Baseline(Part):
    """A figure from before the plan, published and trusted."""

    indicator: Code
    area: AreaCode | None = None
    period: str
    value: float
    unit: str
    publisher: str
    published_on: dt.date | None = None
    tier: Literal["A", "B"]
    note: str | None = None


class Published(Baseline):
    """A figure that somebody else published about the plan's own year."""

    measure: Measure
    preliminary: bool = False
    approximate: bool = False


class PlanHead(Part):
    plan: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    revision: int = 1
    name_zh: str
    name_en: str
    text: str = Field(description="file name of the plan's text; the text itself is not part of the project")
    text_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    text_characters: int
    starts: dt.date
    ends: dt.date
    history_from: dt.date = Field(description="figures of earlier periods are outside the plan")
    timezone: str
    city: AreaCode
    capabilities: list[Capability]
    areas: list[Area]


class Deadline(Part):
    days: Annotated[int, Field(ge=0)] = Field(description="calendar days after the period's last day; due at midnight")


class Plausible(Part):
    """Rules of thumb behind Q01, by what the indicator is."""

    flow_low: float = Field(description="share of what a straight line asks by the period's end")
    flow_high: float
    stock_low: float = Field(description="share of the lower of baseline and target")
    stock_high: float = Field(description="share of the higher of baseline and target")
    growth_points: float = Field(description="points either side of the target")
    share_points: float
    rank_places: float


class Pace(Part):
    """Thresholds on pace, the figure against what the trajectory expects (1.0: exactly as expected)."""

    ahead: float
    on_pace: float
    behind: float


class Policy(Part):
    about_tolerance: Annotated[float, Field(ge=0, lt=1)] = Field(description="relative tolerance of 左右 (~)")
    bare_figure: Literal["at_least_in_direction"] = Field(description="how a figure without a comparator is read")
    lead_department: dict[str, Code]
    deadlines: dict[Frequency, Deadline]
    plausible: Plausible
    pace: Pace
    trajectory: Shape
    trajectory_of: dict[str, Shape] = Field(default={}, description="exceptions to trajectory, by target")
    status_credit: dict[Literal["achieved", "ahead", "on_pace", "behind", "far_behind", "missed"], float] = Field(
        description="what a target of this status adds to a capability's score, 0 to 1"
    )
    scorecard_weights: dict[Literal["timeliness", "quality", "attainment"], float]


class Plan(Part):
    head: PlanHead
    departments: list[Department]
    indicators: list[Indicator]
    targets: list[Target]
    baselines: list[Baseline]
    published: list[Published]
    policy: Policy
    digest: str = Field(description="sha256 over the plan's files; what changes it changes every table made from it")

    @property
    def city(self) -> str:
        return self.head.city
