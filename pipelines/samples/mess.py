"""What can go wrong, which rule that meets, and where it does; everything else is as it should be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from expectations.model import Indicator, Plan
from expectations.periods import Period, calendar_of
from expectations.units import unit
from pipelines.samples.figures import dimension, smaller
from pipelines.samples.files import MEASURES, Cell, File, Row, content_of, text

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
    others = [i for i in plan.indicators if leads(plan, i) != f.department]
    i = min(others, key=lambda i: i.frequency != span)
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
    "other_unit": put(unit=lambda row: next(u for u in ("公里", "人") if dimension(u) != dimension(row.unit))),  # V07
    "above_100": put(value=108.0),  # V08
    "twice": lambda f, at, plan: [replace(f, rows=(*f.rows, f.rows[at]._replace(value=times(f.rows[at], 1.03))))],  # V09
    "fall": put(value=lambda row: times(row, 0.7)),  # Q02
    "fall_explained": put(value=lambda row: times(row, 0.7), note="核减重复统计，已与统计部门核对"),  # Q02, confirmed
    "approximate": put(value=lambda row: f"约{text(row.value)}"),  # Q05
    "other_counter": put(unit=lambda row: "家" if dimension(row.unit) == dimension("个") else "个"),  # Q08
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


def leads(plan: Plan, i: Indicator) -> str:
    return plan.policy.lead_department[i.indicator]


OF_ANOTHER = {"foreign_indicator", "other_speaker"}  # what needs another department


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
        alone = len({leads(plan, i) for i in plan.indicators}) == 1
        if not departments or (alone and self.mess in OF_ANOTHER):
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
