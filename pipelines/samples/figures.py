"""Every indicator's series, from the plan's targets and baselines: what a department would have to report."""

from __future__ import annotations

import datetime as dt
import math
import random

from expectations.model import Indicator, Plan, Target
from expectations.periods import Period, period, year_of
from expectations.units import unit

REACHED, NEARLY, SHORT = (1.0, 1.06), (0.93, 0.99), (0.6, 0.84)  # the last figure as a share of the target


class Figures:
    """Every indicator's series, from the plan's targets and baselines; at an invented scale where it has neither.

    A year is the plan's: it starts in the month in which the plan does, and so does what accumulates in it.
    """

    def __init__(self, plan: Plan, seed: int) -> None:
        self.plan, self.seed, self.base_year = plan, seed, plan.head.starts.year - 1
        self.first_month = plan.head.starts.month
        self.indicators = {i.indicator: i for i in plan.indicators}
        self.growth_of = {i.level: i for i in plan.indicators if i.level}
        self.share_of = {i.numerator: i for i in plan.indicators if i.numerator and i.unit == "%"}

    def value(self, i: Indicator, area: str, p: Period) -> float:
        """The figure as reported. A rate that follows from levels is computed from the levels as reported,
        and the part of a share from the share and the whole."""
        year, gone = self.year(p.end), self.gone(p.end)
        if (share := self.share_of.get(i.indicator)) and share.denominator:
            whole = self.indicators[share.denominator]
            part = self.value(share, area, p) / 100 * self.value(whole, area, p)
            return rounded(i, part * factor(whole.unit, i.unit))
        if i.growth_from_levels and i.level and year > self.year(self.plan.head.history_from):
            level, before = self.indicators[i.level], p._replace(start=year_before(p.start), end=year_before(p.end))
            if past := self.value(level, area, before):
                return rounded(i, 100 * (self.value(level, area, p) / past - 1))
        value = self.at(i, area, year, gone)
        if i.measure == "period" and (before_it := self.gone(p.start) - 1):
            value -= self.at(i, area, year, before_it)
        low = -math.inf if i.possible_low is None else i.possible_low
        return rounded(i, min(max(value, low), math.inf if i.possible_high is None else i.possible_high))

    def year(self, day: dt.date) -> int:
        return year_of(day, self.first_month)

    def gone(self, day: dt.date) -> int:
        """Months of the plan's year, from the first to this day's."""
        return (day.month - self.first_month) % 12 + 1

    def at(self, i: Indicator, area: str, year: int, month: int) -> float:
        """The figure at the end of the year's so many-th month, as yet unrounded; a flow's is since the year began."""
        growth = self.growth_of.get(i.indicator)
        if growth and year > self.base_year and not self.target(i, area):
            prices = 0.0 if growth.growth_from_levels else 1.5  # else the rate is at constant prices, the level is not
            return self.at(i, area, year - 1, month) * (1 + (self.at(growth, area, year, month) + prices) / 100)
        start, end = self.last(i, area, year - 1), self.last(i, area, year)
        rng = random.Random(f"{self.seed}:{i.indicator}:{year}")
        if i.accumulates == "flow":
            months = [1 + 0.12 * math.sin(m / 2) + rng.uniform(-0.05, 0.05) for m in range(12)]
            return end * sum(months[:month]) / sum(months)
        unrest = abs(end - start) * 0.1 if i.accumulates == "stock" else abs(end) * 0.05
        noise = [rng.uniform(-unrest, unrest) for _ in range(11)] + [0.0]
        return start + (end - start) * month / 12 + noise[month - 1]

    def last(self, i: Indicator, area: str, year: int) -> float:
        """A year's last figure: on the line from the year before the plan to the target's outcome."""
        base, outcome, due = self.line(i, area)
        if year < self.base_year:
            return base * 0.93 ** (self.base_year - year)
        if year > self.base_year and i.measure == "yoy":
            return outcome  # a rate of growth is no way to go
        return base + (outcome - base) * (year - self.base_year) / (due - self.base_year)

    def line(self, i: Indicator, area: str) -> tuple[float, float, int]:
        """(last figure before the plan, outcome, the outcome's year); outcomes are a mix of REACHED, NEARLY, SHORT."""
        rng = random.Random(f"{self.seed}:{i.indicator}")
        way, scale, target = rng.uniform(0.86, 0.98), invented(i, rng), self.target(i, area)
        before = [
            (told.end, b.value * factor(b.unit, i.unit))
            for b in self.plan.baselines
            if (b.indicator, b.area or self.plan.city) == (i.indicator, area)
            and (told := period(b.period, self.first_month))
            and self.year(told.end) == self.base_year
        ]
        known = [value for _, value in sorted(before, key=lambda b: b[0])]
        if target is None:
            base = known[-1] if known else scale
            return base, base * rng.uniform(1.0, 1.1), self.year(self.plan.head.ends)
        goal = goal_of(target, i, known[-1] if known else scale)
        if goal_of(target, i, 1.0) != goal_of(target, i, 2.0):  # the target is told from where things stood
            way = scale / goal if goal else 1.0
        elif area != (target.area or self.plan.city) and i.accumulates != "rate" and "/" not in i.unit:
            goal /= max(len({*i.areas} - {self.plan.city}), 1)  # the city's target, in equal parts
        base = known[-1] if known else goal * way if i.direction == "up" else goal / way
        # the golden section spreads outcomes evenly over a plan's targets, however few
        turn = (self.plan.targets.index(target) * 0.618 + random.Random(f"{self.seed}").random()) % 1
        part = rng.uniform(*(REACHED if turn < 0.6 else NEARLY if turn < 0.85 else SHORT))
        if i.accumulates == "stock":
            return base, base + (goal - base) * part, self.year(target.due)
        return base, goal * part if i.direction == "up" else goal / part, self.year(target.due)

    def target(self, i: Indicator, area: str) -> Target | None:
        """The area's own target, or else the city's; the last due."""
        city = self.plan.city
        own = [t for t in self.plan.targets if t.indicator == i.indicator and t.value is not None]
        own = [t for t in own if (t.area or city) in (area, city)]
        return max(own, key=lambda t: ((t.area or city) == area, t.due), default=None)


def goal_of(target: Target, i: Indicator, base: float) -> float:
    """What the target asks of the indicator, in the indicator's unit."""
    value = target.value or 0.0
    if target.kind == "multiple":
        return base * value
    if target.kind == "growth" and i.measure != "yoy":
        return base * (1 + value / 100)
    value *= factor(target.unit_read_as or target.unit or i.unit, i.unit)
    return base + value if target.kind == "increment" and i.accumulates == "stock" else value


def invented(i: Indicator, rng: random.Random) -> float:
    if i.measure in ("yoy", "rank") or i.whole_number:
        return float(rng.randint(3, 12))
    if i.unit == "%":
        return rng.uniform(5, 40)
    return float(10 ** (rng.uniform(0.8, 1.5) if dimension(i.unit) == "美元" else rng.uniform(1.8, 2.8)))


def rounded(i: Indicator, value: float) -> float:
    return round(value, 0 if i.whole_number else 1 if i.measure == "yoy" else 2)


def factor(written: str, own: str) -> float:
    a, b = unit(written), unit(own)
    return a.factor / b.factor if a and b and a.converts_to(b) else 1.0


def dimension(name: str) -> str | None:
    """What the unit measures; a counter counts its own."""
    known = unit(name)
    return known.dimension if known else None


def smaller(name: str) -> str | None:
    """The next smaller unit that a department might use: 万元 for 亿元, 人 for 万人."""
    for prefix, less in (("万亿", "亿"), ("亿", "万"), ("万", "")):
        if name.startswith(prefix):
            return less + name.removeprefix(prefix)
    return None


def year_before(day: dt.date) -> dt.date:
    return day.replace(year=day.year - 1, day=28 if (day.month, day.day) == (2, 29) else day.day)
