"""Synthetic submissions: what the departments of a plan would send, mistakes included, so that everything can be tried.

All of it is compiled from the plan: who owes what and by when, units, targets, baselines. The same plan and seed give
the same bytes and the same modification times (a file's time is when the department sent it). Random numbers belong to
an indicator or a department, so that a department appended to a plan leaves the others' files as they were. Every file
is labelled synthetic by its name and, where it has lines, by its first. Of indicators of frequency
event the dated tasks are sampled: most are done when they are due.

A department sends a file a reporting period (quarterly figures go with the month's), one for the year's figures, and
one with all figures of each year before the plan. `MESSES` says what can go wrong and which rule that meets, `PLACES`
where it does; everything else is as it should be, in every department's own form, spelling and units.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import xlsxwriter

from expectations.model import Department, Indicator, Plan, Target
from expectations.periods import Period, calendar_of, ending
from expectations.units import unit
from expectations.workdays import due, is_workday

LABEL = "合成样例数据，非真实数据 SYNTHETIC SAMPLE DATA"
CREATED = dt.datetime(2022, 1, 1)  # a workbook's own date; fixed, so that the bytes are
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
MEASURES = {"period": "当期", "ytd": "累计", "end": "期末", "yoy": "同比", "share": "占比", "rank": "位次"}
EXTENSIONS = {"wide": "xlsx", "gb18030": "csv", "semicolons": "csv"}  # of forms not named like theirs
DONE = 0.8  # of the dated tasks, in time
REACHED, NEARLY, SHORT = (1.0, 1.06), (0.93, 0.99), (0.6, 0.84)  # the last figure as a share of the target

Cell = float | str | dt.date


class Row(NamedTuple):
    indicator: str
    name: str
    period: Cell
    area: str
    value: Cell
    unit: str
    measure: str
    note: str = ""


@dataclass(frozen=True)
class File:
    """A file before it is bytes. `form`: one of FORMS or semicolons; an extension where `content` is given."""

    department: str
    speaker: str
    year: int
    stem: str
    form: str
    sent: dt.datetime
    rows: tuple[Row, ...]
    headers: tuple[str, ...]
    banner: bool
    content: bytes | None = None

    @property
    def path(self) -> Path:
        return Path(self.department, str(self.year), f"{self.stem}.{EXTENSIONS.get(self.form, self.form)}")

    def later(self, days: int) -> File:
        return replace(self, sent=self.sent + dt.timedelta(days=days))


# --- figures ---


class Figures:
    """Every indicator's series, from the plan's targets and baselines; at an invented scale where it has neither."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self.plan, self.seed, self.base_year = plan, seed, plan.head.starts.year - 1
        self.indicators = {i.indicator: i for i in plan.indicators}
        self.growth_of = {i.level: i for i in plan.indicators if i.level}

    def value(self, i: Indicator, area: str, p: Period) -> float:
        """The figure as reported. A rate that follows from levels is computed from the levels as reported."""
        if i.growth_from_levels and i.level and p.end.year > self.plan.head.history_from.year:
            level, before = self.indicators[i.level], p._replace(start=year_before(p.start), end=year_before(p.end))
            if past := self.value(level, area, before):
                return rounded(i, 100 * (self.value(level, area, p) / past - 1))
        value = self.at(i, area, p.end.year, p.end.month)
        if i.measure == "period" and p.start.month > 1:
            value -= self.at(i, area, p.end.year, p.start.month - 1)
        low = -math.inf if i.possible_low is None else i.possible_low
        return rounded(i, min(max(value, low), math.inf if i.possible_high is None else i.possible_high))

    def at(self, i: Indicator, area: str, year: int, month: int) -> float:
        """The figure at a month's end, as yet unrounded; a flow's is since January."""
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
        known = [
            b.value * factor(b.unit, i.unit)
            for b in self.plan.baselines
            if (b.indicator, b.area or self.plan.city, b.period[:4]) == (i.indicator, area, str(self.base_year))
        ]
        if target is None:
            base = known[-1] if known else scale
            return base, base * rng.uniform(1.0, 1.1), self.plan.head.ends.year
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
            return base, base + (goal - base) * part, target.due.year
        return base, goal * part if i.direction == "up" else goal / part, target.due.year

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
    return float(10 ** (rng.uniform(0.8, 1.5) if "美元" in i.unit else rng.uniform(1.8, 2.8)))


def rounded(i: Indicator, value: float) -> float:
    return round(value, 0 if i.whole_number else 1 if i.measure == "yoy" else 2)


def factor(written: str, own: str) -> float:
    a, b = unit(written), unit(own)
    return a.factor / b.factor if a and b and a.converts_to(b) else 1.0


def smaller(name: str) -> str | None:
    """The next smaller unit that a department might use: 万元 for 亿元, 人 for 万人."""
    for prefix, less in (("万亿", "亿"), ("亿", "万"), ("万", "")):
        if name.startswith(prefix):
            return less + name.removeprefix(prefix)
    return None


def year_before(day: dt.date) -> dt.date:
    return day.replace(year=day.year - 1, day=28 if (day.month, day.day) == (2, 29) else day.day)


# --- files as they should be ---


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
        head = self.plan.head
        for year in range(head.history_from.year, head.ends.year + 1):
            periods = calendar_of(max(dt.date(year, 1, 1), head.history_from), min(dt.date(year, 12, 31), head.ends))
            periods = [p for p in periods if any(i.frequency == p.span for i in self.owed)]
            if year < head.starts.year and periods:
                sent = self.working_hour(dt.date(year + 1, 1, 14), f"{year}-history")
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
                File(code, name, year, f"{p.label}-tasks-synthetic", "xlsx", sent, rows, self.headers, self.banner),
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
        if "1-" in pattern and (i.measure != "ytd" or form == "wide"):  # only a cumulative figure is "since January"
            pattern = "{y}年{m}月"
        quarter = (p.end.month + 2) // 3
        return pattern.format(y=p.end.year, m=p.end.month, q=quarter, c="一二三四"[quarter - 1])


def leads(plan: Plan, i: Indicator) -> str:
    return plan.policy.lead_department[i.indicator]


def table(file: File) -> list[list[Cell]]:
    """Header and rows, long; or a row an indicator and a column a period."""
    if file.form != "wide":
        return [list(line) for line in (file.headers, *file.rows) if line]
    code, name, _, area, _, measured, measure, _ = file.headers
    periods = list(dict.fromkeys(row.period for row in file.rows))
    lines: dict[tuple[str, ...], dict[Cell, Cell]] = {}
    for r in file.rows:
        lines.setdefault((r.indicator, r.name, r.area, r.unit, r.measure), {})[r.period] = r.value
    body = [[*key, *(values.get(p, "") for p in periods)] for key, values in lines.items()]
    return [[code, name, area, measured, measure, *periods], *body]


def content_of(file: File) -> bytes:
    if file.content is not None:
        return file.content
    cells, above = table(file), [LABEL]
    if file.banner:
        above += [f"{file.year}年行动计划指标完成情况报送表", f"填报单位：{file.speaker}"]
    if file.form in ("xlsx", "wide"):
        return workbook(above, cells)
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";" if file.form == "semicolons" else ",", lineterminator="\r\n")
    writer.writerows([[line] for line in above] + [[text(c) for c in row] for row in cells])
    return out.getvalue().encode("gb18030" if file.form == "gb18030" else "utf-8-sig")


def workbook(above: list[str], cells: list[list[Cell]]) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        book.set_properties({"created": CREATED, "title": LABEL})
        sheet, month = book.add_worksheet("报送表"), book.add_format({"num_format": "yyyy-mm"})
        for n, line in enumerate(above):
            sheet.merge_range(n, 0, n, len(cells[0]) - 1, line)
        for n, row in enumerate(cells, len(above)):
            for column, cell in enumerate(row):
                if isinstance(cell, dt.date):
                    sheet.write_datetime(n, column, dt.datetime.combine(cell, dt.time()), month)
                elif cell == "#DIV/0!":
                    sheet.write_formula(n, column, "=1/0", None, cell)
                elif isinstance(cell, float):
                    sheet.write_number(n, column, cell)
                elif cell:
                    sheet.write_string(n, column, cell)
    return out.getvalue()


def text(cell: Cell) -> str:
    if isinstance(cell, dt.date):
        return f"{cell.year}/{cell.month}/{cell.day}"
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


# --- files as they are sent ---

Maker = Callable[[File, int, Plan], list[File]]  # the file as it should be, the row in question -> what is sent instead


def put(form: str | None = None, /, **fields: Callable[[Row], Cell] | str | float) -> Maker:
    """Sends the file with these cells of the row in question changed (and in this form)."""

    def make(f: File, at: int, plan: Plan) -> list[File]:
        row = f.rows[at]
        changes: dict[str, Any] = {name: new(row) if callable(new) else new for name, new in fields.items()}
        rows = (*f.rows[:at], row._replace(**changes), *f.rows[at + 1 :])
        return [replace(f, rows=rows, form=form or f.form)]

    return make


def times(row: Row, by: float) -> Cell:
    value = row.value
    return round(value * by, 0 if value.is_integer() else 2) if isinstance(value, float) else value


def correction(f: File, at: int, plan: Plan) -> list[File]:
    right = replace(f, stem=f"{f.stem}-更正", rows=(f.rows[at]._replace(note="更正前次报送数"),))
    return [*put(value=lambda row: times(row, 1.02))(f, at, plan), right.later(20)]


def stray(f: File, at: int, plan: Plan) -> list[File]:
    """One row more: another department's indicator, by its own code and unit."""
    span = next(i.frequency for i in plan.indicators if i.name_zh == f.rows[at].name)
    others = [i for i in plan.indicators if leads(plan, i) != f.department and i.frequency == span] or plan.indicators
    i = others[0]
    row = f.rows[at]._replace(
        indicator=i.indicator, name=i.name_zh, value=12.0, unit=i.unit, measure=MEASURES[i.measure]
    )
    return [replace(f, rows=(*f.rows, row))]


def temporary(f: File, at: int, plan: Plan) -> list[File]:
    lock = replace(f, stem=f"~${f.stem}", form="xlsx", content=b"\x0esynthetic".ljust(165))
    return [f, lock, replace(f, form="xlsx.part", content=content_of(f)[:200])]


def returned(wrong: Callable[[File, Plan], File]) -> Maker:
    """A file that will come back, and the right one a day later."""
    return lambda f, at, plan: [wrong(f, plan), replace(f, stem=f"{f.stem}-重报").later(1)]


def truncated(f: File, plan: Plan) -> File:
    whole = content_of(replace(f, form="xlsx"))
    return replace(f, form="xlsx", content=whole[: len(whole) * 2 // 3])


def other_speaker(f: File, plan: Plan) -> File:
    return replace(f, speaker=next(d.name_zh for d in plan.departments if d.department != f.department), banner=True)


FULL_WIDTH = {ord(c): chr(ord(c) + 0xFEE0) for c in "0123456789."}
STRANGER = {"indicator": "no_such_indicator", "name": "不在计划内的指标"}
MESSES: dict[str, Maker] = {
    "late": lambda f, at, plan: [f.later(14)],  # Q07; more than any holidays
    "missing": lambda f, at, plan: [],  # M01
    "correction": correction,  # Q09
    "unknown_indicator": lambda f, at, plan: [replace(f, rows=(*f.rows, f.rows[at]._replace(**STRANGER)))],  # V01
    "foreign_indicator": stray,  # V02
    "unreadable_period": lambda f, at, plan: put(period=f"{f.year}年13月")(f, at, plan),  # V03
    "undecided": put(value="待定"),  # V05
    "ref_text": put("csv", value="#REF!"),  # V05
    "formula_error": put("xlsx", value="#DIV/0!"),  # V05
    "unknown_unit": put(unit="箩筐"),  # V06
    "other_unit": put(unit=lambda row: "人" if "公里" in row.unit else "公里"),  # V07
    "above_100": put(value=108.0),  # V08
    "twice": lambda f, at, plan: [replace(f, rows=(*f.rows, f.rows[at]._replace(value=times(f.rows[at], 1.03))))],  # V09
    "fall": put(value=lambda row: times(row, 0.7)),  # Q02
    "fall_explained": put(value=lambda row: times(row, 0.7), note="核减重复统计，已与统计部门核对"),  # Q02, confirmed
    "approximate": put(value=lambda row: f"约{text(row.value)}"),  # Q05
    "other_counter": put(unit=lambda row: "家" if row.unit == "个" else "个"),  # Q08
    "slip": put(unit=lambda row: smaller(row.unit) or row.unit),  # Q10: the figure stays in the larger unit
    "no_figure": put(value="暂无", note="数据尚未核定"),  # not available
    "full_width": put(value=lambda row: text(row.value).translate(FULL_WIDTH)),  # from here: to be read as it is meant
    "thousands": put("csv", value=lambda row: f"{row.value:,.2f}" if isinstance(row.value, float) else row.value),
    "semicolons": lambda f, at, plan: [replace(f, form="semicolons")],
    "banner": lambda f, at, plan: [replace(f, form="xlsx", banner=True)],
    "blank_row": lambda f, at, plan: [replace(f, rows=(*f.rows[:at], Row(*[""] * 7), *f.rows[at:]))],
    "same_bytes": lambda f, at, plan: [f, replace(f, stem=f"{f.stem}(1)").later(1)],  # one submission
    "temporary": temporary,  # two files to be ignored
    "truncated": returned(truncated),  # S01
    "foreign_format": returned(lambda f, plan: replace(f, form="pdf", content=b"%PDF-1.4\n% synthetic sample data\n")),  # S02
    "no_header": returned(lambda f, plan: replace(f, headers=())),  # S04
    "no_value": returned(lambda f, plan: replace(f, rows=tuple(r._replace(value="") for r in f.rows))),  # S06
    "other_speaker": returned(other_speaker),  # S08
}  # fmt: skip


class Place(NamedTuple):
    """Where a mess is: the report of a month or quarter of the plan's first year by the `nth` department (from 0, in
    the plan's order, round) that owes an indicator of this frequency and kind; the row is that indicator's."""

    mess: str
    frequency: str
    number: int
    nth: int
    kind: str = "any"  # a measure, "counter" (its unit counts), "large" (its unit has a smaller one)

    def fits(self, i: Indicator) -> bool:
        own = unit(i.unit)
        kinds = {"any", i.measure}
        kinds |= {"counter" if own and own.is_counter and "/" not in i.unit else "", "large" if smaller(i.unit) else ""}
        return i.frequency == self.frequency and self.kind in kinds

    def where(self, plan: Plan) -> tuple[str, Period] | None:
        """The department, and the period by which its report is known; none where the plan has no such report."""
        owing = {leads(plan, i) for i in plan.indicators if self.fits(i)}
        departments = [d.department for d in plan.departments if d.department in owing]
        if not departments:
            return None
        department = departments[self.nth % len(departments)]
        monthly = any(i.frequency == "month" and leads(plan, i) == department for i in plan.indicators)
        month, span = self.number * (3 if self.frequency == "quarter" else 1), "month" if monthly else self.frequency
        periods = calendar_of(plan.head.starts, plan.head.ends)
        return next(((department, p) for p in periods if (p.end.month, p.span) == (month, span)), None)


PLACES = [
    *(Place(mess, "month", month, 0) for month, mess in {
        2: "late", 3: "unknown_indicator", 5: "truncated", 8: "no_header", 10: "blank_row"}.items()),
    *(Place(mess, "month", month, 1) for month, mess in {
        2: "full_width", 4: "missing", 7: "foreign_format", 9: "late", 11: "same_bytes"}.items()),
    *(Place(mess, "month", month, 2) for month, mess in {
        2: "foreign_indicator", 4: "unreadable_period", 6: "approximate", 7: "semicolons", 8: "formula_error",
        10: "temporary"}.items()),
    *(Place(mess, "month", month, 3) for month, mess in {
        1: "late", 3: "other_unit", 5: "undecided", 7: "other_speaker", 11: "no_value"}.items()),
    *(Place(mess, "month", month, 4) for month, mess in {
        2: "twice", 4: "no_figure", 8: "ref_text", 10: "missing"}.items()),
    *(Place(mess, "month", month, 5) for month, mess in {7: "banner", 9: "unknown_unit"}.items()),
    Place("correction", "month", 6, 0, "ytd"),
    Place("fall_explained", "month", 9, 0, "ytd"),
    Place("fall", "month", 5, 1, "ytd"),
    Place("correction", "month", 12, 3, "ytd"),
    Place("slip", "month", 6, 4, "large"),
    Place("thousands", "month", 8, 0, "end"),
    Place("above_100", "month", 4, 0, "share"),
    Place("late", "quarter", 3, 0),
    Place("missing", "quarter", 2, 1),
    Place("other_counter", "quarter", 3, 2, "counter"),
]  # fmt: skip


def sent_instead(file: File, last: Period, plan: Plan) -> list[File]:
    """The file as it should be, or what the mess makes of it; where two meet, the second takes what the first made."""
    files = [file]
    for place in PLACES:
        if place.where(plan) == (file.department, last):
            names = {i.name_zh for i in plan.indicators if place.fits(i)}
            before, files = files, []
            for f in before:
                at = max((n for n, row in enumerate(f.rows) if row.name in names), default=None)
                files += [f] if at is None or f.content is not None else MESSES[place.mess](f, at, plan)
    return files


def write_samples(plan: Plan, root: Path, seed: int = 2022) -> list[Path]:
    """Writes `<root>/<department>/<year>/<file>` for every department, each dated by when it was sent."""
    figures, paths = Figures(plan, seed), []
    for department in plan.departments:
        writer = Writer(figures, department)
        for last, ordinary in chain(writer.files(), writer.tasks()):
            for file in sent_instead(ordinary, last, plan):
                path = root / file.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content_of(file))
                os.utime(path, (file.sent.timestamp(),) * 2)
                paths.append(path)
    return paths
