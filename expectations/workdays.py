"""When a figure is due: so many days, or working days, after a period ends or a task is due.

Working days are those of the policy's calendar. `china` is the official one, with its shifted weekends (a Saturday that
is worked, a Friday that is not), as the State Council sets it year by year; `weekdays` is Monday to Friday. A year
that the calendar library does not know counts Monday to Friday, and the deadline's basis says so.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from chinese_calendar import is_workday as is_official_workday  # type: ignore[import-untyped]
from chinese_calendar.constants import holidays  # type: ignore[import-untyped]

from expectations.model import Plan
from expectations.part import Frequency
from expectations.periods import calendar_of
from expectations.policy import Calendar, Deadline, Extension, Half

DAY = dt.timedelta(days=1)
NOON: dict[Half, str] = {"morning": ", by noon", "afternoon": ""}


class Due(NamedTuple):
    at: dt.datetime  # in the plan's time zone, exclusive: what comes at this instant is late
    last_day: dt.date  # the day whose noon or end that is
    basis: str
    unknown: tuple[int, ...]  # years counted through whose official calendar is not known


def known(year: int, calendar: Calendar) -> bool:
    """Whether the working days of `year` are known; of China, a year without its National Day is not."""
    return calendar == "weekdays" or dt.date(year, 10, 1) in holidays


def is_workday(day: dt.date, calendar: Calendar) -> bool:
    if calendar == "china" and known(day.year, calendar):
        return bool(is_official_workday(day))
    return day.weekday() < 5


def after(day: dt.date, working_days: int, calendar: Calendar) -> dt.date:
    """The `working_days`-th working day after `day`; from 1 on."""
    if working_days < 1:
        raise ValueError(f"{working_days} working days after a day are not a day")
    while working_days:
        day += DAY
        working_days -= is_workday(day, calendar)
    return day


def before(day: dt.date, working_days: int, calendar: Calendar) -> dt.date:
    """The `working_days`-th working day before `day`; `day` itself where that is 0."""
    while working_days:
        day -= DAY
        working_days -= is_workday(day, calendar)
    return day


def closing(day: dt.date, half: Half, zone: str) -> dt.datetime:
    """The first instant that is too late: noon of `day`, or the midnight that ends it."""
    if half == "morning":
        return dt.datetime.combine(day, dt.time(12), ZoneInfo(zone))
    return dt.datetime.combine(day + DAY, dt.time(), ZoneInfo(zone))


def due(plan: Plan, frequency: Frequency, day: dt.date) -> Due:
    """By when a figure of `frequency` is owed: its period ends, or its task is due, on `day`."""
    line = f"policy.deadlines.{frequency}"
    return counted(plan.policy.deadlines[frequency], plan.policy.calendar, plan.head.timezone, line, day)


@lru_cache(maxsize=4096)
def counted(deadline: Deadline, calendar: Calendar, zone: str, line: str, day: dt.date) -> Due:
    """A deadline counted from `day`; `line` is the policy's, for the basis."""
    if deadline.working_days is None:
        last_day, how = day + DAY * (deadline.days or 0), f"{deadline.days} days"
        unknown: tuple[int, ...] = ()
    else:
        last_day = after(day, deadline.working_days, calendar)
        how = f"{deadline.working_days} working days ({calendar})"
        unknown = tuple(y for y in range((day + DAY).year, last_day.year + 1) if not known(y, calendar))
    basis = f"{line}: {how}{NOON[deadline.half]}"
    if unknown:
        years = ", ".join(map(str, unknown))
        basis += f". WARNING: the official calendar of {years} is not known, Monday to Friday assumed"
    return Due(closing(last_day, deadline.half, zone), last_day, basis, unknown)


def counted_from(plan: Plan) -> list[tuple[Frequency, dt.date]]:
    """Every day from which a deadline of the plan is counted: the ends of its periods, the due days of its tasks."""
    used = {i.indicator: i.frequency for i in plan.indicators}
    ends = {(p.span, p.end) for p in calendar_of(plan.head.starts, plan.head.ends)}
    days: set[tuple[Frequency, dt.date]] = {(f, end) for f in set(used.values()) for span, end in ends if span == f}
    days |= {("event", t.due) for t in plan.targets if used[t.indicator] == "event"}
    return sorted(days)


def unknown_years(plan: Plan) -> list[int]:
    """Years through which a deadline of the plan is counted and whose working days are not known; see Due.basis."""
    return sorted({year for frequency, day in counted_from(plan) for year in due(plan, frequency, day).unknown})


def extended(plan: Plan, extension: Extension) -> Due:
    """By when a figure is owed under `extension`."""
    basis = (
        f"policy.extensions: until {extension.due}{NOON[extension.half]}, granted on {extension.granted_on}"
        f" by {extension.by}: {extension.why}"
    )
    return Due(closing(extension.due, extension.half, plan.head.timezone), extension.due, basis, ())


def latest(plan: Plan) -> list[Extension]:
    """Extensions from the first granted to the last: where two are for the same figure, the later one holds."""
    return sorted(plan.policy.extensions, key=lambda e: e.granted_on)
