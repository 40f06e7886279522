"""What a plan is made of: pydantic models of a plan's files, and nothing that reads or compiles them.

The plan's word (targets, indicators, clauses). The city's own assumptions are policy.py's.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from expectations.part import Code, Frequency, Part
from expectations.policy import Policy

AreaCode = Annotated[str, Field(pattern=r"^[0-9a-z-]+$", description="GB/T 2260 division code, or the plan's own code")]
Measure = Literal["period", "ytd", "end", "yoy", "share", "rank"]
Direction = Literal["up", "down"]
Kind = Literal[
    "level", "increment", "growth", "share", "rank", "multiple", "relative", "quota", "milestone", "index", "lost"
]
Comparator = Literal[">=", ">", "<=", "<", "=", "~", "between", "top", "multiple", "exceeds", "done"]


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
    aliases: list[str] = Field(default=[])
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
    adds_up: bool = Field(default=False, description="the figures of its other areas add up to the city's (M02)")
    numerator: Code | None = Field(default=None, description="of a share: the indicator of the part")
    denominator: Code | None = Field(default=None, description="of a share: the indicator of the whole")

    @model_validator(mode="after")
    def a_share_has_both(self) -> Self:
        if (self.numerator is None) != (self.denominator is None):
            raise ValueError("numerator and denominator go together")
        if self.adds_up and (len(self.areas) < 3 or self.accumulates == "rate"):
            raise ValueError("only amounts of the city and of two areas or more add up")
        return self

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
    baseline: float | None = Field(default=None, description="where the clause itself states one, as it writes it")
    baseline_period: str | None = None
    due: dt.date
    modality: Literal["state", "ensure", "strive", "seek", "reach", "expect"] = Field(
        description="state: a bare figure; ensure 确保; strive 力争; seek 争取; reach 达到/达; expect 预计"
    )
    section: str
    clause: Annotated[str, Field(min_length=1, max_length=40)]
    clause_offset: Annotated[int, Field(ge=0)]
    clause_length: Annotated[int, Field(gt=0, le=40)]
    note: str | None = None
    read_otherwise: str | None = Field(default=None, description="why the clause reader is not followed here")
    since: Annotated[int, Field(ge=1)] = Field(default=1, description="the first revision in which it holds so")
    until: int | None = Field(default=None, description="the last revision in which it holds so; none: it still does")

    @model_validator(mode="after")
    def figure_fits_kind(self) -> Self:
        if (self.value is None) != (self.kind in ("lost", "milestone", "relative")):
            raise ValueError("a target has a value, unless its kind is 'lost', 'milestone' or 'relative'")
        if (self.comparator == "between") != (self.value_high is not None):
            raise ValueError("value_high goes with comparator 'between', and only with it")
        if (self.kind == "milestone") != (self.comparator == "done"):
            raise ValueError("a milestone is 'done' or not, and nothing else is")
        if (self.baseline is None) != (self.baseline_period is None):
            raise ValueError("baseline and baseline_period go together")
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
    decimals: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="stated, where value does not show them"
    )
    publisher: str
    published_on: dt.date | None = None
    tier: Literal["A", "B"]
    preliminary: bool = False
    approximate: bool = False
    note: str | None = None


class Published(Baseline):
    """A figure that somebody else published about the plan's own year."""

    measure: Measure


class NoTarget(Part):
    """Numerals of the plan's text that are no target's figure, and why; so that every numeral is accounted for.

    `phrases` holds for every occurrence of a phrase, `at` for one place of the text.
    """

    reason: Literal["list number", "year or date", "name", "word", "parameter", "damaged text", "not the plan"]
    phrases: list[str] = Field(default=[])
    at: list[tuple[int, str]] = Field(default=[], description="(offset, the numeral as it stands there)")
    note: str | None = None


class Revision(Part):
    """A change of the plan within its year (编制—实施—评估—调整): when it holds from, why, and by which role."""

    revision: Annotated[int, Field(ge=2)]
    holds_from: dt.date
    why: str
    by: str = Field(description="a role or body, never a person's name")


class Dimension(Part):
    dimension: Code
    name_zh: str
    name_en: str


class Index(Part):
    """A composite index that the plan names, with the dimensions that it names. What they are made of is policy."""

    index: Code
    name_zh: str
    name_en: str
    dimensions: Annotated[list[Dimension], Field(min_length=1)]
    clause: Annotated[str, Field(min_length=1, max_length=40)]
    clause_offset: Annotated[int, Field(ge=0)]


class PlanHead(Part):
    plan: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    revisions: list[Revision] = Field(default=[], description="after the first, in order")
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
    indices: list[Index] = Field(default=[])

    @property
    def revision(self) -> int:
        return self.revisions[-1].revision if self.revisions else 1

    @model_validator(mode="after")
    def revisions_follow_each_other(self) -> Self:
        if [r.revision for r in self.revisions] != list(range(2, 2 + len(self.revisions))):
            raise ValueError("revisions are numbered 2, 3, … in order")
        if [r.holds_from for r in self.revisions] != sorted({r.holds_from for r in self.revisions}):
            raise ValueError("each revision holds from a later date than the one before")
        return self


class Plan(Part):
    head: PlanHead
    departments: list[Department]
    indicators: list[Indicator]
    targets: list[Target] = Field(description="as they hold now")
    superseded: list[Target] = Field(default=[], description="as they held in earlier revisions")
    baselines: list[Baseline]
    published: list[Published]
    policy: Policy
    numerals: list[NoTarget] = Field(description="what every other numeral of the text is")
    digest: str = Field(description="sha256 over the plan's files; what changes it changes every table made from it")

    @property
    def city(self) -> str:
        return self.head.city
