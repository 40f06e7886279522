"""Fill-in workbooks: what a department owes for a period, as a form whose labels, units and input checks are the plan's.

The form is the wide form that the readers read: a row an indicator and area, a column a period; a sheet a frequency, so
that every input cell is owed. What an input cell lets through is what rules V05 and V08 keep, as far as a spreadsheet can
say it: `input_check` says where it cannot.
"""

from __future__ import annotations

import datetime as dt
import io
import itertools
import math
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import xlsxwriter

from expectations.compiled import compiled
from expectations.model import Plan
from expectations.periods import Period, period
from expectations.template import Mark
from expectations.units import BASES, unit
from warehouse.ledger import ledger
from warehouse.store import Store, connect, files_sql, write_whole

NUMBER_LIMIT = 9.99999999999999e307  # the largest number of a spreadsheet
ROW_LIMIT = 1 << 20  # rows of a sheet
MEASURES = {
    "period": "当期 in the period alone",
    "ytd": "累计 since the year began",
    "end": "期末 at the period's end",
    "yoy": "同比 against a year before, %",
    "share": "占比 share",
    "rank": "位次 rank",
}
SHEETS = {"month": "按月 monthly", "quarter": "按季 quarterly", "year": "按年 yearly", "event": "事项 tasks"}
# the readers know a column by its name without what stands in brackets, and pass over the names that they do not know
LABELS = {
    "指标编码（indicator）": 20,
    "指标名称（indicator name）": 24,
    "英文名称（English name）": 26,
    "地区（area）": 8,
    "地区名称（area name）": 11,
    "填报口径（what is counted）": 15,
    "上次已接收（last accepted）": 15,
    "上次所属期（its period）": 12,
    "单位（unit）": 8,
}
UNIT = len(LABELS) - 1
NOTE = "说明（note）"
PAPER_A4 = 9


class TemplateError(ValueError):
    """No template can be written for what was asked; says why."""


@dataclass(frozen=True)
class Written:
    """A workbook: how many rows and input cells for figures it has, and when the first and the last of them are due."""

    department: str
    path: Path
    rows: int
    figures: int
    due_first: dt.datetime
    due_last: dt.datetime


def write_templates(
    store: Store,
    plan: Plan,
    period_text: str,
    made_on: dt.date,
    departments: Sequence[str] = (),
) -> list[Written]:
    """Writes templates/<period>/<department>-<period>.xlsx of every department that owes a figure for a period that ends
    in `period_text` (a month, quarter, half or year), or of those named. Same plan, store and day, same bytes.

    Raises TemplateError where the period cannot be read, or a named department is none of the plan's, or owes nothing.
    """
    asked = _asked(plan, period_text)
    lines = _lines(store, plan, asked)
    unknown = sorted(set(departments) - {d.department for d in plan.departments})
    if unknown:
        known = ", ".join(d.department for d in plan.departments)
        raise TemplateError(f"no department of the plan: {', '.join(unknown)}. Its departments: {known}")
    idle = sorted(set(departments) - set(lines["department"]))
    if idle:
        raise TemplateError(f"nothing is owed for {asked.label} by {', '.join(idle)}")
    written = []
    for [department], owed in lines.partition_by("department", as_dict=True, maintain_order=True).items():
        if departments and department not in departments:
            continue
        path = store.root / "templates" / asked.label / f"{department}-{asked.label}.xlsx"
        write_whole(path, _workbook(plan, str(department), asked, owed, made_on))
        path.chmod(0o644)  # to be handed out
        written.append(
            Written(
                str(department),
                path,
                owed.select("indicator", "area").n_unique(),
                owed.height,
                owed["due_at"][owed["due_at"].arg_min() or 0],
                owed["due_at"][owed["due_at"].arg_max() or 0],
            )
        )
    return written


def _asked(plan: Plan, text: str) -> Period:
    """The period named, taken alone: 2022年1-3月 is March."""
    found = period(text, plan.head.starts.month)
    alone = found and period(found.label, plan.head.starts.month)
    if alone is None:
        raise TemplateError(f"{text!r} is no period. Write a month 2022-06, a quarter 2022Q2 or a year 2022")
    return alone


def _lines(store: Store, plan: Plan, asked: Period) -> pl.DataFrame:
    """A row a figure owed: its obligation, its indicator and area, and last_value, last_period, last_synthetic: the
    latest figure accepted from the department for a period that ends no later than the one asked for."""
    tables = compiled(plan)
    owed = (
        tables["obligation"].filter(pl.col("period_end").is_between(asked.start, asked.end)).cast({pl.Enum: pl.String})
    )
    indicator = tables["indicator"].with_row_index("n_indicator")
    area = tables["area"].rename({"name_zh": "area_zh", "name_en": "area_en"}).with_row_index("n_area")
    return (
        owed.join(indicator, on="indicator", how="left")
        .join(area, on="area", how="left")
        .join(_last_accepted(store, asked), on=["department", "indicator", "area"], how="left")
        .sort("department", "n_indicator", "n_area", "period_end")
    )


def _last_accepted(store: Store, asked: Period) -> pl.DataFrame:
    judged = sorted(store.months.glob("*/observation.parquet"))
    if not judged:
        schema = dict.fromkeys(("department", "indicator", "area", "last_period"), pl.String)
        return pl.DataFrame(schema=schema | {"last_value": pl.Float64, "last_synthetic": pl.Boolean})
    with ledger(store) as db:
        synthetic = [s for (s,) in db.execute("select submission from submission where synthetic")]
    with connect(store.root) as con:
        accepted: pl.DataFrame = con.sql(
            f"""
            select department, indicator, area, max_by(value, period_end) as last_value,
                max_by(period, period_end) as last_period,
                max_by(submission, period_end) in (select unnest($synthetic::varchar[])) as last_synthetic
            from read_parquet({files_sql(judged)})
            where known_to is null and period_end <= $end
            group by all
            """,
            params={"synthetic": synthetic, "end": asked.end},
        ).pl()
        return accepted


def offered_units(plan: Plan) -> dict[str, list[str]]:
    """By indicator, the units of its drop-down list: its own, the plan's others that measure the same, and the smaller
    ones by which it is counted (亿元: 万元, 元).

    Only its own where another unit would make another check of the same figure: where a bound is neither zero nor none,
    or only whole numbers are possible.
    """
    written = [i.unit for i in plan.indicators]
    written += [u for t in plan.targets if (u := t.unit_read_as or t.unit)]
    written += [f.unit for f in [*plan.baselines, *plan.published]]
    first = {dimension: name for name, (dimension, factor) in reversed(BASES.items()) if factor == 1}
    offered = {}
    for i in plan.indicators:
        own = unit(i.unit)
        offered[i.indicator] = [i.unit]
        if own is None or i.whole_number or i.possible_low or i.possible_high:
            continue
        alike = {own.factor: i.unit}
        smaller = [f"{multiple}{base}" for multiple in ("亿", "万", "") if (base := first.get(own.dimension))]
        for text in [*written, *smaller]:
            other = unit(text)
            if other and other.dimension == own.dimension and (text in written or other.factor < own.factor):
                alike.setdefault(other.factor, text)
        offered[i.indicator] = [text for _, text in sorted(alike.items(), reverse=True)]
    return offered


def input_check(low: float | None, high: float | None, whole: bool) -> dict[str, Any]:
    """The data validation of an input cell: what rules V05 and V08 keep.

    What a spreadsheet cannot say: it refuses figures in words (1.3万, 约85) and words for no figure (无), which the judge
    reads: such a cell is left blank. Of whole numbers it has the exact notion, the judge one that forgives the rounding
    of a conversion. It sees neither what is pasted nor how a number is shown: 150% is 1.5 to it, a date a day's number.
    """
    check: dict[str, Any] = {"validate": "whole" if whole else "decimal"}
    if low is not None and high is None:
        return check | {"criteria": ">=", "value": low}
    if low is None and high is not None:
        return check | {"criteria": "<=", "value": high}
    if low is None or high is None:
        low, high = -NUMBER_LIMIT, NUMBER_LIMIT
    return check | {"criteria": "between", "minimum": low, "maximum": high}


def _workbook(plan: Plan, department: str, asked: Period, owed: pl.DataFrame, made_on: dt.date) -> bytes:
    mark = Mark(plan.head.plan, plan.head.revision, department, asked.label)
    content = io.BytesIO()
    with xlsxwriter.Workbook(
        content, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    ) as book:
        book.set_properties({"title": str(mark), "created": dt.datetime.combine(made_on, dt.time())})
        styles = _styles(book)
        cover = book.add_worksheet("填报说明 read me")
        sheets = [(name, part) for name, part in _sheets(owed)]
        _cover(cover, plan, department, mark, sheets, styles)
        units = offered_units(plan)
        for name, part in sheets:
            _form(book.add_worksheet(name), plan, department, mark, name, part, units, styles)
        cover.activate()
    return content.getvalue()


def _sheets(owed: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """(name, figures) of each sheet: a sheet a frequency, and of tasks a sheet a month, since each is due in its own."""
    for frequency, name in SHEETS.items():
        part = owed.filter(pl.col("frequency") == frequency)
        if frequency != "event":
            if part.height:
                yield name, part
            continue
        for label in part["period"].unique().sort():
            yield f"{name} {label}", part.filter(pl.col("period") == label)


def _styles(book: Any) -> dict[str, Any]:
    cell = {"font_name": "宋体", "font_size": 10, "valign": "vcenter", "text_wrap": True}
    boxed = cell | {"border": 1, "border_color": "#BFBFBF"}
    label = boxed | {"bg_color": "#F2F2F2", "quote_prefix": True}
    entry = boxed | {"bg_color": "#FFF9DB", "locked": False}
    return {
        name: book.add_format(style)
        for name, style in {
            "text": cell,
            "title": cell | {"bold": True, "font_size": 14, "text_wrap": False},
            "line": cell | {"text_wrap": False},
            "mark": cell | {"text_wrap": False, "font_color": "#7F7F7F", "font_size": 9},
            "strong": cell | {"bold": True, "text_wrap": False},
            "head": boxed | {"bold": True, "bg_color": "#DDE6F0", "align": "center"},
            "entry_head": boxed | {"bold": True, "bg_color": "#FFE699", "align": "center"},
            "label": label,
            "figure": label | {"align": "right"},
            "unit": label | {"align": "center"},
            "units": entry | {"align": "center"},
            "entry": entry | {"align": "right"},
            "note": entry,
        }.items()
    }


def _printed(sheet: Any, mark: Mark, last_row: int, last_column: int) -> None:
    """Protected without a password, A4 across, as wide as a page, the mark at the foot of each."""
    sheet.protect("", {"format_columns": True, "format_rows": True, "select_locked_cells": True})
    sheet.hide_gridlines(2)
    sheet.set_landscape()
    sheet.set_paper(PAPER_A4)
    sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
    sheet.fit_to_pages(1, 0)
    sheet.print_area(0, 0, last_row, last_column)
    sheet.set_footer(f"&L&8{mark}&R&8&P / &N")


def _cover(
    sheet: Any, plan: Plan, department: str, mark: Mark, sheets: list[tuple[str, pl.DataFrame]], styles: dict[str, Any]
) -> None:
    own = next(d for d in plan.departments if d.department == department)
    sheet.set_column(0, 0, 26)
    sheet.set_column(1, 1, 34)
    sheet.set_column(2, 2, 12)
    sheet.set_column(3, 3, 52)
    sheet.set_row(0, 24)
    sheet.write_string(0, 0, f"{plan.head.name_zh} {mark.period} 填报表", styles["title"])
    sheet.write_string(1, 0, f"{plan.head.name_en}: figures for {mark.period}", styles["line"])
    sheet.write_string(2, 0, f"填报部门：{own.name_zh}", styles["strong"])
    sheet.write_string(2, 1, own.name_en, styles["line"])
    sheet.write_string(3, 0, str(mark), styles["mark"])
    for column, head in enumerate(("工作表 sheet", "所填时期 for", "数据项 figures", "报送期限 due, before")):
        sheet.write_string(5, column, head, styles["head"])
    row = 6
    for name, part in sheets:
        for (label, due_at), count in _dues(part):
            sheet.write_string(row, 0, name, styles["label"])
            sheet.write_string(row, 1, label, styles["label"])
            sheet.write_number(row, 2, count, styles["unit"])
            sheet.write_string(row, 3, shown_due(due_at, plan), styles["label"])
            row += 1
    tasks = any(part["frequency"][0] == "event" for _, part in sheets)
    row += 1
    for n, (zh, en) in enumerate(_instructions(department, mark, tasks), 1):
        sheet.merge_range(row, 0, row, 1, "", styles["text"])
        sheet.write_string(row, 0, f"{n}. {zh}", styles["text"])
        sheet.merge_range(row, 2, row, 3, "", styles["text"])
        sheet.write_string(row, 2, en, styles["text"])
        sheet.set_row(row, 30)
        row += 1
    _printed(sheet, mark, row - 1, 3)


def _dues(part: pl.DataFrame) -> list[tuple[tuple[str, dt.datetime], int]]:
    """((period, due_at), how many figures) in order of time."""
    counted = part.group_by("period", "period_end", "due_at").len().sort("period_end", "due_at")
    return [((r["period"], r["due_at"]), r["len"]) for r in counted.iter_rows(named=True)]


def shown_due(due_at: dt.datetime, plan: Plan) -> str:
    """The instant before which a figure is owed, in the plan's time zone; midnight as the end of the day before."""
    local = due_at.astimezone(ZoneInfo(plan.head.timezone))
    if local.time() == dt.time():
        return f"{local.date() - dt.timedelta(days=1)} 24:00"
    return f"{local:%Y-%m-%d %H:%M}"


def _instructions(department: str, mark: Mark, tasks: bool) -> list[tuple[str, str]]:
    lines = [
        ("只填黄色格。灰色格由计划生成，已锁定。", "Fill in the yellow cells. The grey ones come from the plan and are locked."),
        (
            "数值填纯数字，单位见“单位”列；该列为黄色时可从下拉列表改选。百分数填 8，不填 8% 或 0.08。",
            "Plain numbers, in the unit of the row; where the unit is yellow, its list has others. For 8 % write 8, not 8% nor 0.08.",
        ),
        (
            "没有数据的留空，并可在“说明”列写明原因。写了说明，即视为确认本行的提示。",
            "Leave blank what there is no figure for, and say why in the note. A note also confirms the row's flags.",
        ),
        (
            "输入检查与审核规则出自同一计划。粘贴会绕过输入检查，但绕不过审核。",
            "The input checks and the judge's rules come from one plan. Pasting goes round the checks, not round the judge.",
        ),
        (
            f"另存为 xlsx、xls 或 ods，放入报送箱 {department}/。更正时改数重报即可。",
            f"Save as xlsx, xls or ods and put it into the drop box {department}/. To correct, change the figure and send it again.",
        ),
        (
            f"本表按计划第 {mark.revision} 次编定生成；计划修订后请换用新表，旧表整份退回（S05）。",
            f"Made from revision {mark.revision} of the plan. When the plan is revised, use a new form: an old one is returned whole (S05).",
        ),
    ]  # fmt: skip
    if tasks:
        lines.append(
            (
                "事项（单位“项”）：已完成填 1，未完成填 0。",
                "A dated task that is done or not: 1 where it is done, 0 where it is not.",
            )
        )
    return lines


def _form(
    sheet: Any,
    plan: Plan,
    department: str,
    mark: Mark,
    name: str,
    part: pl.DataFrame,
    units: dict[str, list[str]],
    styles: dict[str, Any],
) -> None:
    """A sheet of figures: title, mark and due dates above the header, then a row an indicator and area."""
    lines = part.unique(["indicator", "area"], keep="first", maintain_order=True)
    periods = part.select("period", "period_end").unique().sort("period_end", "period")["period"].to_list()
    own = next(d for d in plan.departments if d.department == department)
    head, note = 4, UNIT + 1 + len(periods)
    if head + lines.height >= ROW_LIMIT:
        raise TemplateError(f"{department} owes {lines.height:,} rows on one sheet: more than a workbook holds")
    for column, width in enumerate(LABELS.values()):
        sheet.set_column(column, column, width)
    sheet.set_column(UNIT + 1, note - 1, 14)
    sheet.set_column(note, note, 26)
    sheet.set_row(0, 22)
    sheet.write_string(0, 0, f"{own.name_zh} {name}", styles["title"])
    sheet.write_string(1, 0, f"{plan.head.name_zh} {plan.head.name_en}", styles["line"])
    first, last = part["due_at"].min(), part["due_at"].max()
    dues = list(dict.fromkeys(shown_due(at, plan) for at in (first, last) if isinstance(at, dt.datetime)))
    sheet.write_string(2, 0, f"报送期限 due, before: {' … '.join(dues)}", styles["strong"])
    sheet.write_string(3, 0, str(mark), styles["mark"])
    for column, label in enumerate(LABELS):
        sheet.write_string(head, column, label, styles["head"])
    for column, label in enumerate([*periods, NOTE], UNIT + 1):
        sheet.write_string(head, column, label, styles["entry_head"])
    rows = lines.rows(named=True)
    for at, row in enumerate(rows, head + 1):
        known = row["last_value"] is not None
        origin = " 合成样例 synthetic" if row["last_synthetic"] else ""
        labels = (
            row["indicator"],
            row["name_zh"],
            row["name_en"],
            row["area"],
            f"{row['area_zh']} {row['area_en']}",
            MEASURES[row["measure"]],
            f"{row['last_value']:,.15g} {row['unit']}" if known else "",
            f"{row['last_period']}{origin}" if known else "",
        )
        for column, text in enumerate(labels):
            style = styles["figure" if column == UNIT - 2 else "label"]
            if text:
                sheet.write_string(at, column, text, style)
            else:
                sheet.write_blank(at, column, None, style)
        sheet.write_string(at, UNIT, row["unit"], styles["units" if len(units[row["indicator"]]) > 1 else "unit"])
        for column in range(UNIT + 1, note):
            sheet.write_blank(at, column, None, styles["entry"])
        sheet.write_blank(at, note, None, styles["note"])
        sheet.set_row(at, _height(labels))
    _checks(sheet, rows, head + 1, note, units)
    sheet.set_row(head, _height(LABELS))
    sheet.freeze_panes(head + 1, 2)
    sheet.repeat_rows(head)
    _printed(sheet, mark, head + len(rows), note)


def _height(labels: Iterable[str]) -> float:
    """Of a row, in points: not every spreadsheet fits a row to its wrapped text. A Chinese character is two wide."""
    wide = [sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text) for text in labels]
    return 4 + 14 * max(math.ceil(w * 1.15 / room) for w, room in zip(wide, LABELS.values(), strict=False))


def _checks(sheet: Any, rows: list[dict[str, Any]], first: int, note: int, units: dict[str, list[str]]) -> None:
    """Data validation of the input cells; rows on end with the same check share one."""

    def check(at: int) -> tuple[Any, ...]:
        row = rows[at]
        return row["unit"], row["possible_low"], row["possible_high"], row["whole_number"], *units[row["indicator"]]

    for (own, low, high, whole, *offered), same in itertools.groupby(range(len(rows)), check):
        span = list(same)
        top, bottom = first + span[0], first + span[-1]
        possible = f"{'-∞' if low is None else f'{low:,.15g}'} … {'∞' if high is None else f'{high:,.15g}'}"
        zh, en = ("整数，", "a whole number, ") if whole else ("", "")
        said = f"{zh}可能范围 {possible} {own}\n{en}possible: {possible} {own}"
        sheet.data_validation(
            top, UNIT + 1, bottom, note - 1,
            input_check(low, high, whole)
            | {"input_title": "数值 figure", "input_message": said, "error_title": "不可能的数值 not possible",
               "error_message": f"请填数字；无数据留空。\nA number, or blank.\n{said}"},
        )  # fmt: skip
        if len(offered) > 1:
            sheet.data_validation(
                top, UNIT, bottom, UNIT,
                {"validate": "list", "source": offered, "error_title": "单位 unit",
                 "error_message": "请从列表中选择。\nChoose from the list."},
            )  # fmt: skip
