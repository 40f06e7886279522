"""One department's habits, and the files that it writes by them."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from expectations.model import Department, Indicator
from expectations.periods import Period, calendar_of, ending, year_from, year_of
from expectations.workdays import due, is_workday
from pipelines.samples.figures import Figures, factor, smaller
from pipelines.samples.files import MEASURES, Cell, File, Row
from pipelines.samples.mess import PLACES, leads

FORMS = ["xlsx", "csv", "wide", "gb18030"]  # habits go round by the department's place in the plan
HEADERS = [
    ("指标编码", "指标名称", "报告期", "地区", "数值", "单位", "口径", "说明"),
    ("指标编码*", "指标名称", " 报告期 ", "地区（区划代码或名称）", "数值（累计）", "单 位", "口径", "说明"),
    ("指标代码", "指标名称", "报告期\u3000", "地区", "数 值", "计量单位", "口径（默认）", "备注"),
]
SPELLINGS = {
    "month": ["{y}-{m:02}", "{y}年1-{m}月", "{y}年{m}月", "{y}{m:02}", "date"],
    "quarter": ["{y}Q{q}", "{y}年{c}季度", "{y}-Q{q}"],
    "year": ["{y}", "{y}年", "{y}年全年"],
}
DONE = 0.8  # of the dated tasks, in time


class Writer:
    """One department's habits, and the files that it writes by them."""

    def __init__(self, figures: Figures, department: Department) -> None:
        self.figures, self.plan, self.department = figures, figures.plan, department
        self.owed = [i for i in self.plan.indicators if leads(self.plan, i) == department.department]
        self.key = f"{figures.seed}:{department.department}"
        n, rng = self.plan.departments.index(department), random.Random(self.key)
        self.form, self.headers = FORMS[n % len(FORMS)], HEADERS[n % len(HEADERS)]
        self.spelling = {span: patterns[n % len(patterns)] for span, patterns in SPELLINGS.items()}
        self.banner, self.codes, self.names_city = rng.random() < 0.5, rng.random() < 0.75, rng.random() < 0.5
        self.smaller = rng.random() < 0.4

    def files(self) -> Iterator[tuple[Period, File]]:
        """Each file, with the period by which PLACES knows it."""
        head, first_month = self.plan.head, self.plan.head.starts.month
        for year in range(year_of(head.history_from, first_month), year_of(head.ends, first_month) + 1):
            own = year_from(year, first_month)
            periods = calendar_of(max(own.start, head.history_from), min(own.end, head.ends), first_month)
            periods = [p for p in periods if any(i.frequency == p.span for i in self.owed)]
            if year < head.starts.year and periods:
                sent = self.working_hour(own.end + dt.timedelta(days=14), f"{year}-history")
                yield periods[-1], self.file(f"{year}-history", "wide", year, sent, periods)
                continue
            for last in periods:
                monthly = any(p.span == "month" and p.end == last.end for p in periods)
                if last.span == "quarter" and monthly:
                    continue  # its figures go with the month's
                together = [p for p in periods if p.end == last.end and (p.span == "year") == (last.span == "year")]
                messy = any(m.where(self.plan) == (self.department.department, last) for m in PLACES)
                form = "xlsx" if messy and self.form == "wide" else self.form  # a mess is made of one period's rows
                if form == "wide":
                    together = [p for p in periods if p.end <= last.end and p.span in {t.span for t in together}]
                deadline = due(self.plan, last.span, last.end).last_day  # type: ignore[arg-type]
                sent = self.working_hour(deadline, last.label, not_before=last.end + dt.timedelta(days=1))
                yield last, self.file(last.label, form, year, sent, together)

    def tasks(self) -> Iterator[tuple[Period, File]]:
        """A file for each month in which dated tasks of the department fall due: done (1), or not (0)."""
        owed = {i.indicator: i for i in self.owed if i.frequency == "event"}
        dated = [t for t in self.plan.targets if t.kind == "milestone" and t.indicator in owed]
        for year, month in sorted({(t.due.year, t.due.month) for t in dated}):
            own = [t for t in dated if (t.due.year, t.due.month) == (year, month)]
            p = ending(year, month, "month")
            deadline = due(self.plan, "event", max(t.due for t in own)).last_day
            sent = self.working_hour(deadline, f"{p.label}-tasks", not_before=p.end + dt.timedelta(days=1))
            rows = tuple(
                self.row(owed[t.indicator], t.area or self.plan.city, p, "xlsx")._replace(
                    value=float(random.Random(f"{self.key}:{t.target}").random() < DONE), unit=owed[t.indicator].unit
                )
                for t in own
            )
            code, name = self.department.department, self.department.name_zh
            # PLACES knows no such file: no mess is made of it
            yield (
                p._replace(cumulative=True),
                File(
                    code,
                    name,
                    year_of(p.end, self.plan.head.starts.month),
                    f"{p.label}-tasks-synthetic",
                    "xlsx",
                    sent,
                    rows,
                    self.headers,
                    self.banner,
                ),
            )

    def file(self, label: str, form: str, year: int, sent: dt.datetime, periods: list[Period]) -> File:
        rows = tuple(
            self.row(i, area, p, form)
            for p in periods
            for i in self.owed
            if i.frequency == p.span
            for area in i.areas or [self.plan.city]
        )
        code, name = self.department.department, self.department.name_zh
        return File(code, name, year, f"{label}-synthetic", form, sent, rows, self.headers, self.banner)

    def working_hour(self, deadline: dt.date, label: str, not_before: dt.date = dt.date.min) -> dt.datetime:
        """A time on a working day, a few days before the deadline."""
        rng = random.Random(f"{self.key}:{label}")
        day = deadline - dt.timedelta(days=rng.randint(1, 4))
        while not is_workday(day, self.plan.policy.calendar):
            day -= dt.timedelta(days=1)
        day = max(day, not_before)
        time = dt.time(rng.choice([9, 10, 11, 14, 15, 16]), rng.randrange(60), rng.randrange(60))
        return dt.datetime.combine(day, time, ZoneInfo(self.plan.head.timezone))

    def row(self, i: Indicator, area: str, p: Period, form: str) -> Row:
        value, name = self.figures.value(i, area, p), i.unit
        if self.smaller and not i.whole_number and (less := smaller(name)):
            value, name = round(value * factor(name, less), 2), less
        named = self.names_city or area != self.plan.city
        place = next((a.name_zh for a in self.plan.head.areas if a.area == area), area) if named else ""
        code = i.indicator if self.codes else ""
        return Row(code, i.name_zh, self.spelt(i, p, form), place, value, name, MEASURES[i.measure])

    def spelt(self, i: Indicator, p: Period, form: str) -> Cell:
        pattern = self.spelling[p.span]
        if pattern == "date":
            return p.start
        since_january = i.measure == "ytd" and form != "wide" and self.plan.head.starts.month == 1
        if "1-" in pattern and not since_january:  # only a cumulative figure is
            pattern = "{y}年{m}月"
        quarter, year = (p.end.month + 2) // 3, p.start.year if p.span == "year" else p.end.year
        return pattern.format(y=year, m=p.end.month, q=quarter, c="一二三四"[quarter - 1])
