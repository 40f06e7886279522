"""Fill-in workbooks: what they let through is what the judge keeps, and what is filled in arrives where it belongs."""

from __future__ import annotations

import datetime as dt
import io
import operator
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from openpyxl.worksheet.datavalidation import DataValidation

from expectations.compiled import compiled
from expectations.load import load_plan
from expectations.model import Plan
from expectations.template import Mark, mark_in
from expectations.units import unit
from tests.night import IN_TIME, NOW, SHANGHAI, Night, long_csv, send
from warehouse import judge, landing, reading
from warehouse.readers import read
from warehouse.store import Store
from warehouse.templates import LABELS, UNIT, TemplateError, offered_units, write_templates

RIVERMOUTH = Path(__file__).parents[1] / "plans" / "rivermouth-2024"
MADE = dt.date(2022, 12, 1)
CODE, *_ = LABELS
COMPARED = {
    "greaterThanOrEqual": operator.ge,
    "lessThanOrEqual": operator.le,
}


@dataclass(frozen=True)
class Cell:
    """An input cell for a figure: where it stands, what it is for, and the check and the units that the form gives it."""

    sheet: str
    row: int
    column: int
    indicator: str
    area: str
    period: str
    check: DataValidation
    units: list[str]


def cells(book: openpyxl.Workbook) -> Iterator[Cell]:
    for sheet in book.worksheets[1:]:
        header = next(r for r in range(1, 20) if sheet.cell(r, 1).value == CODE)
        for row in range(header + 1, sheet.max_row + 1):
            for column in range(UNIT + 2, sheet.max_column):
                yield Cell(
                    sheet.title, row, column, sheet.cell(row, 1).value, sheet.cell(row, 4).value,
                    sheet.cell(header, column).value, check_of(sheet, row, column), units_of(sheet, row),
                )  # fmt: skip


def check_of(sheet: Any, row: int, column: int) -> DataValidation:
    [check] = [v for v in sheet.data_validations.dataValidation if sheet.cell(row, column).coordinate in v]
    assert check.showErrorMessage
    assert check.errorStyle in (None, "stop")
    return check


def units_of(sheet: Any, row: int) -> list[str]:
    lists = [v for v in sheet.data_validations.dataValidation if sheet.cell(row, UNIT + 1).coordinate in v]
    if not lists:
        assert sheet.cell(row, UNIT + 1).protection.locked
        return [sheet.cell(row, UNIT + 1).value]
    assert lists[0].type == "list"
    return lists[0].formula1.strip('"').split(",")


def lets_through(check: DataValidation, typed: float | str) -> bool:
    """What a spreadsheet program does with what is typed into a cell with this check."""
    if isinstance(typed, str):
        return False  # whole and decimal take numbers only
    if check.type == "whole" and typed != int(typed):
        return False
    assert check.type in ("whole", "decimal")
    if check.operator in (None, "between"):
        return float(check.formula1) <= typed <= float(check.formula2)
    return bool(COMPARED[check.operator](typed, float(check.formula1)))


def filled(
    form: Path, figure: Callable[[Cell], Any], unit_of: Callable[[Cell], str] | None = None, asked: Iterable[Cell] = ()
) -> bytes:
    """The workbook with figures in its input cells, or those asked for; None leaves one blank."""
    book = openpyxl.load_workbook(form)
    for cell in list(asked or cells(book)):
        book[cell.sheet].cell(cell.row, cell.column, figure(cell))
        if unit_of:
            book[cell.sheet].cell(cell.row, UNIT + 1, unit_of(cell))
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def form_of(root: Path, plan: Plan, period: str, department: str) -> Path:
    [written] = write_templates(Store(root / "data"), plan, period, MADE, [department])
    return written.path


# ---- the form and the judge are one rule

ODD = [(None, None, False), (None, None, True), (-3.5, None, False), (None, 0.25, False), (-2.0, 7.0, True),
       (0.1, 0.3, False), (None, -1.0, True)]  # fmt: skip


class House:
    """All of a plan's indicators in one department's hands, and the form of the month in which most is due."""

    def __init__(self, plan: Plan, form: Path) -> None:  # no dataclass: Hypothesis would print all of the plan
        self.plan, self.form = plan, form
        self.cells = list(cells(openpyxl.load_workbook(form)))


@pytest.fixture(scope="module")
def house(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> House:
    """Some of the indicators have bounds such as no plan has."""
    odd = iter(ODD)
    indicators = [
        i.model_copy(update=dict(zip(("possible_low", "possible_high", "whole_number"), next(odd, ()), strict=False)))
        if i.frequency == "quarter"
        else i
        for i in plan.indicators
    ]
    leads = dict.fromkeys(plan.policy.lead_department, "statistics")
    policy = plan.policy.model_copy(update={"lead_department": leads, "co_reporters": {}})
    all_in_one = plan.model_copy(update={"indicators": indicators, "policy": policy})
    form = form_of(tmp_path_factory.mktemp("form"), all_in_one, "2022-12", "statistics")
    return House(all_in_one, form)


def judged(root: Path, plan: Plan, content: bytes) -> dict[tuple[str, str, str], tuple[bool, set[str]]]:
    """By indicator, area and period of a form's cells: whether the row was kept, and by which rules it was returned."""
    box, store = root / "dropbox", Store(root / "data")
    send(box, {"statistics/form.xlsx": content}, {"statistics/form.xlsx": IN_TIME})
    landing.land(store, [box.as_uri()], plan, NOW)
    judge.validity(store, plan, reading.read_landed(store, plan))
    rows = pl.read_parquet(store.month("2022-12") / "row.parquet")
    found = pl.read_parquet(store.month("2022-12") / "validity.parquet")
    rules: dict[tuple[str, int, str], set[str]] = {}
    for sheet, row, indicator, rule in found.select("sheet", "row_number", "indicator", "rule").rows():
        rules.setdefault((sheet, row, indicator), set()).add(rule)
    return {
        (r["indicator"], r["area"], r["period"]): (
            r["kept"],
            rules.get((r["sheet"], r["row_number"], r["indicator"]), set()),
        )
        for r in rows.iter_rows(named=True)
    }


free = st.one_of(
    st.integers(-(10**6), 10**12),
    st.decimals(-1000, 1000, places=3).map(float),
    st.floats(-1e15, 1e15, allow_nan=False).map(lambda x: float(f"{round(x, 9):.15g}")),
)
makers = st.one_of(
    st.tuples(st.just("free"), free),
    st.tuples(st.sampled_from(["low", "high"]), st.sampled_from([-1, -0.5, -1e-3, -1e-9, 0, 1e-9, 1e-3, 0.5, 1])),
    st.tuples(st.just("words"), st.sampled_from(["较多", "待定", "1.2.3"])),
)


def made(maker: tuple[str, Any], low: float | None, high: float | None) -> Any:
    kind, number = maker
    bound = {"low": low, "high": high}.get(kind)
    return number if bound is None else float(f"{bound + number:.15g}")


@settings(max_examples=4, phases=[Phase.explicit, Phase.generate])  # an example is a night: shrinking takes minutes
@given(st.lists(makers, min_size=47, max_size=47), st.integers(0, 3))
def test_a_form_lets_through_what_the_judge_keeps_and_nothing_else(house, tmp_path_factory, drawn, turn):
    bounds = {i.indicator: (i.possible_low, i.possible_high) for i in house.plan.indicators}
    whole = {i.indicator for i in house.plan.indicators if i.whole_number}
    asked = house.cells
    typed = {
        (c.indicator, c.area, c.period): made(drawn[n % len(drawn)], *bounds[c.indicator]) for n, c in enumerate(asked)
    }
    content = filled(
        house.form,
        lambda c: typed[c.indicator, c.area, c.period],
        lambda c: c.units[turn % len(c.units)],
        asked,
    )
    answer = judged(tmp_path_factory.mktemp("judged"), house.plan, content)
    assert answer.keys() == typed.keys()
    for c in asked:
        key = (c.indicator, c.area, c.period)
        value, through, (kept, rules) = typed[key], lets_through(c.check, typed[key]), answer[key]
        if (
            c.indicator in whole
            and not isinstance(value, str)
            and 0 < abs(value - round(value)) <= 1e-6 * max(1, abs(value))
        ):
            assert not through  # the judge forgives the rounding of a conversion, the form takes no fraction
            continue
        assert through == kept, (c.indicator, value, c.check.type, c.check.formula1, c.check.formula2, rules)
        assert rules <= {"V05", "V08"}


def test_the_units_that_a_form_offers_are_units_that_the_judge_keeps_under_the_same_check(plan):
    offered = offered_units(plan)
    assert offered["deposits"] == ["万亿元", "亿元", "万元", "元"]
    assert offered["fdi"] == ["亿美元", "万美元", "美元"]  # never yuan
    assert offered["high_tech_firms"] == ["家"]  # whole numbers are whole in one unit only
    for i in plan.indicators:
        own = unit(i.unit)
        others = [unit(text) for text in offered[i.indicator] if text != i.unit]
        assert i.unit in offered[i.indicator]
        assert all(o and own and o.dimension == own.dimension for o in others)
        assert not others or (not i.whole_number and not i.possible_low and not i.possible_high)


def test_a_form_is_stricter_than_the_judge_only_where_a_spreadsheet_cannot_tell(house, tmp_path):
    only_judge = {"deposits": "1.3万", "loans": "约85", "trade": "无", "high_tech_firms": 4200.000001}
    typed = filled(house.form, lambda c: only_judge.get(c.indicator))
    answer = judged(tmp_path, house.plan, typed)
    for c in house.cells:
        if c.indicator in only_judge:
            assert not lets_through(c.check, only_judge[c.indicator])
            assert answer[c.indicator, c.area, c.period] == (True, set())


# ---- there and back


def usual(plan: Plan) -> dict[tuple[str, str], float]:
    """By indicator and period, a plausible figure; of counts a whole one."""
    table = compiled(plan)["plausible"].join(compiled(plan)["indicator"], on="indicator")
    return {
        (r["indicator"], r["period"]): float(round(v) if r["whole_number"] else round(v, 2))
        for r in table.iter_rows(named=True)
        for v in [(r["plausible_low"] + r["plausible_high"]) / 2]
    }


def test_a_filled_form_is_an_accepted_night_each_figure_with_its_row(plan, night: Callable[..., Night], tmp_path):
    form = form_of(tmp_path, plan, "2022-12", "financial_affairs")
    figures, typed = usual(plan), {}
    for c in cells(openpyxl.load_workbook(form)):
        if c.indicator != "loans":  # one is left blank
            typed[c.sheet, c.row, c.indicator, c.period] = figures.get((c.indicator, c.period), 1.0)
    after = night(
        {"financial_affairs/报表.xlsx": filled(form, lambda c: typed.get((c.sheet, c.row, c.indicator, c.period)))}
    )
    submission = after.one("from submission")
    assert submission["status"].startswith("accepted")
    assert (submission["rows_read"], submission["rows_kept"]) == (len(typed) + 1, len(typed) + 1)
    kept = pl.read_parquet(after.store.months / "*" / "observation.parquet")
    assert {
        (r["sheet"], r["row_number"], r["indicator"], r["period"]): r["value"] for r in kept.iter_rows(named=True)
    } == typed
    states = after.ask(
        "select indicator, state from obligation where department = 'financial_affairs' and period in ('2022-12', '2022Q4', '2022')"
    )
    assert {r["indicator"] for r in states if r["state"] == "not_available"} == {"loans"}
    assert {r["state"] for r in states} == {"on_time", "not_available"}


def test_blank_cells_of_periods_still_to_end_are_no_rows(plan, night: Callable[..., Night], tmp_path):
    sent = dt.datetime(2022, 12, 10, 9, tzinfo=SHANGHAI)
    form = form_of(tmp_path, plan, "2022Q4", "financial_affairs")
    figures = usual(plan)
    content = filled(
        form, lambda c: figures.get((c.indicator, c.period), 1.0) if c.period in ("2022-10", "2022-11") else None
    )
    after = night({"financial_affairs/q4.xlsx": content}, {"financial_affairs/q4.xlsx": sent}, sent)
    monthly = [
        i
        for i in plan.indicators
        if i.frequency == "month" and plan.policy.lead_department[i.indicator] == "financial_affairs"
    ]
    assert after.one("from submission")["rows_read"] == 2 * len(monthly) > 0
    assert {r["period"] for r in after.ask("from observation")} == {"2022-10", "2022-11"}


@pytest.mark.slow
def test_a_year_of_a_plan_that_starts_in_april_goes_by_its_own_areas_and_units(night: Callable[..., Night], tmp_path):
    plan = load_plan(RIVERMOUTH)
    store = Store(tmp_path / "data")
    written = write_templates(store, plan, "2024", MADE)
    owed = compiled(plan)["obligation"]
    assert sum(w.figures for w in written) == owed.height
    asked = [c for w in written for c in cells(openpyxl.load_workbook(w.path))]
    assert {(c.indicator, c.area, c.period) for c in asked} == set(owed.select("indicator", "area", "period").rows())
    now = dt.datetime(2025, 12, 1, tzinfo=SHANGHAI)
    files = {f"{w.department}/form.xlsx": filled(w.path, lambda c: 1) for w in written}
    after = night(files, dict.fromkeys(files, now), now, plan=plan)
    assert after.ask("select distinct rows_returned from submission") == [{"rows_returned": 0}]
    assert after.one("select count(*) as n from observation")["n"] == owed.height


def test_the_last_accepted_figures_stand_beside_with_their_period_and_synthetic_ones_say_so(
    plan, night: Callable[..., Night], tmp_path
):
    files = {
        "financial_affairs/october.csv": long_csv(("deposits", "", "2022-10", "", 19230.62, "亿元")),
        "financial_affairs/november-synthetic.csv": long_csv(("loans", "", "2022-11", "", 18602.42, "亿元")),
        "financial_affairs/corrected.csv": long_csv(("deposits", "", "2022-10", "", 19231.5, "亿元")),
    }
    later = dt.datetime(2023, 1, 11, 9, tzinfo=SHANGHAI)
    after = night(files, {"financial_affairs/corrected.csv": later})
    [written] = write_templates(after.store, plan, "2022-12", MADE, ["financial_affairs"])
    sheet = openpyxl.load_workbook(written.path)["按月 monthly"]
    beside = {row[0]: row[UNIT - 2 : UNIT] for row in sheet.iter_rows(values_only=True)}
    assert beside["deposits"] == ("19,231.5 亿元", "2022-10")
    assert beside["loans"] == ("18,602.42 亿元", "2022-11 合成样例 synthetic")
    assert beside["loans_growth"] == (None, None)
    assert not read(filled(written.path, lambda c: 1), "报表.xlsx").synthetic  # what is filled in is the department's
    [earlier] = write_templates(after.store, plan, "2022-09", MADE, ["financial_affairs"])
    assert "19,231.5" not in str(list(openpyxl.load_workbook(earlier.path)["按月 monthly"].values))


# ---- the workbook itself


def test_every_department_that_owes_gets_a_form_of_all_that_it_owes(plan, tmp_path):
    written = write_templates(Store(tmp_path), plan, "2022年6月", MADE)
    owed = compiled(plan)["obligation"].filter(pl.col("period_end") == dt.date(2022, 6, 30))
    assert {w.department: w.figures for w in written} == dict(owed.group_by("department").len().rows())
    for w in written:
        book = openpyxl.load_workbook(w.path)
        mine = owed.filter(pl.col("department") == w.department)
        assert {(c.indicator, c.area, c.period) for c in cells(book)} == set(
            mine.select("indicator", "area", "period").rows()
        )
        marks = [
            {mark_in(str(v)) for row in s.iter_rows(values_only=True) for v in row if v} - {None}
            for s in book.worksheets
        ]
        assert marks == [{Mark("shenyang-2022", plan.head.revision, w.department, "2022-06")}] * len(book.worksheets)
        said = {v for row in book.worksheets[0].iter_rows(values_only=True) for v in row if v}
        zone = mine["due_at"].dt.convert_time_zone("Asia/Shanghai") - dt.timedelta(microseconds=1)
        assert {f"{day} 24:00" for day in zone.dt.date()} <= said
        assert read(filled(w.path, lambda c: 1), "form.xlsx").fault is None


def test_only_figures_notes_and_units_with_a_choice_can_be_typed_into(plan, tmp_path):
    book = openpyxl.load_workbook(form_of(tmp_path, plan, "2022Q4", "commerce"))
    assert all(sheet.protection.sheet for sheet in book)
    open_cells = {
        (s.title, c.row, c.column) for s in book for row in s.iter_rows() for c in row if not c.protection.locked
    }
    asked = list(cells(book))
    assert open_cells == (
        {(c.sheet, c.row, c.column) for c in asked}
        | {(c.sheet, c.row, book[c.sheet].max_column) for c in asked}
        | {(c.sheet, c.row, UNIT + 1) for c in asked if len(c.units) > 1}
    )


def test_the_same_plan_figures_and_day_give_the_same_bytes(plan, tmp_path):
    forms = [form_of(tmp_path / name, plan, "2022-06", "industry_it").read_bytes() for name in ("one", "two")]
    assert forms[0] == forms[1]


@pytest.mark.parametrize("sign", "=+-@")
def test_no_text_of_a_plan_becomes_a_formula(plan, tmp_path, sign):
    text = f"{sign}HYPERLINK(A1)"
    departments = [d.model_copy(update={"name_zh": text, "name_en": text}) for d in plan.departments]
    indicators = [i.model_copy(update={"name_zh": text + i.name_zh, "name_en": text}) for i in plan.indicators]
    areas = [a.model_copy(update={"name_zh": text, "name_en": text}) for a in plan.head.areas]
    head = plan.head.model_copy(update={"name_zh": text, "name_en": text, "areas": areas})
    worded = plan.model_copy(update={"departments": departments, "indicators": indicators, "head": head})
    form = form_of(tmp_path, worded, "2022-12", "commerce")
    with zipfile.ZipFile(form) as archive:
        sheets = [archive.read(name) for name in archive.namelist() if name.startswith("xl/worksheets/sheet")]
    assert len(sheets) > 2
    assert not any(re.search(rb"<f[ >]|<hyperlink", sheet) for sheet in sheets)
    names = [c.value for c in openpyxl.load_workbook(form).worksheets[1]["B"][5:]]
    assert all(name.startswith(text) for name in names)
    assert names


def test_what_cannot_be_written_is_said(plan, tmp_path):
    store = Store(tmp_path)
    with pytest.raises(TemplateError, match=r"'June' is no period\. Write a month 2022-06"):
        write_templates(store, plan, "June", MADE)
    with pytest.raises(TemplateError, match=r"no department of the plan: nobody\. Its departments: statistics,"):
        write_templates(store, plan, "2022-06", MADE, ["nobody"])
    with pytest.raises(TemplateError, match="nothing is owed for 2022-05 by sasac"):
        write_templates(store, plan, "2022-05", MADE, ["sasac"])
    assert write_templates(store, plan, "2021-05", MADE) == []
    assert not (tmp_path / "templates").exists()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
@pytest.mark.parametrize("kind", ["xls", "ods", "xlsx"])
def test_a_form_saved_by_another_office_program_reads_the_same(plan, tmp_path, kind):
    form = form_of(tmp_path, plan, "2022Q4", "commerce")
    figures = usual(plan)
    sent = tmp_path / "form.xlsx"
    sent.write_bytes(filled(form, lambda c: figures.get((c.indicator, c.period))))
    subprocess.run(
        ["soffice", f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}", "--headless", "--convert-to", kind,
         "--outdir", str(tmp_path / "saved"), str(sent)],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    before, after = (read(p.read_bytes(), p.name) for p in (sent, tmp_path / "saved" / f"form.{kind}"))
    assert after.fault is None
    assert after.format == kind
    columns = ["sheet", "row_number", "column_name", "indicator_text", "period_text", "area_text", "unit_text"]
    same = pl.col("value_text").cast(pl.Float64)
    assert after.rows.select(*columns, same).equals(before.rows.select(*columns, same))
