"""Workbooks as departments really make them: what changes a figure's meaning and is not its cell's value."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

import openpyxl
import pytest
import xlsxwriter
import xlwt

from warehouse.readers import Reading, read

HEADER = ["指标编码", "指标名称", "报告期", "数值", "单位"]


def book(rows: Sequence[Sequence[Any]], change: Callable[[Any, Any], None] = lambda *_: None) -> bytes:
    """A workbook of one sheet as a program writes it that cannot calculate; `change(workbook, sheet)` comes last."""
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.title = "表"
    for row in rows:
        sheet.append(list(row))
    change(workbook, sheet)
    content = io.BytesIO()
    workbook.save(content)
    return content.getvalue()


def seen(reading: Reading, *columns: str) -> list[tuple[Any, ...]]:
    assert reading.fault is None, reading.fault
    return reading.rows.select(columns).rows()


def aside(reading: Reading) -> list[tuple[int | None, str]]:
    return [(p.row_number, p.why) for p in reading.passed_over]


# --- formulas ---


def test_a_formula_without_a_result_is_told_in_its_cell() -> None:
    reading = read(
        book([HEADER, ["trade", "", "2022-03", '=IF(A1<>"",1,2)', ""], ["trade", "", "2022-04", 5, ""]]), "a.xlsx"
    )
    (first, letter), second = seen(reading, "value_text", "column_letter")
    assert first == '公式没有结果 formula without a result: =IF(A1<>"",1,2)'
    assert letter == "D"
    assert second == ("5", "D")


def test_a_formula_is_its_result_where_it_has_one() -> None:
    content = io.BytesIO()
    with xlsxwriter.Workbook(content) as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, HEADER)
        for n, (formula, result) in enumerate([("=1+1", 2), ('="a"&"b"', "ab"), ("=1/0", "#DIV/0!"), ("=1-1", 0)], 1):
            sheet.write_row(n, 0, ["trade", "", "2022-03"])
            sheet.write_formula(n, 3, formula, None, result)
    values = [v for (v,) in seen(read(content.getvalue(), "a.xlsx"), "value_text")]
    assert values[:3] == ["2", "ab", "#DIV/0!"]
    assert values[3].endswith("=1-1")  # a result 0 of a program that asks Excel to calculate is none


def test_rows_that_hold_nothing_but_formulas_are_no_rows() -> None:
    filled_down = [["", "", "", "", "", '=IF(A3<>"",ROW(),"")']] * 50
    reading = read(book([HEADER, ["trade", "", "2022-03", 5, ""], *filled_down]), "a.xlsx")
    assert seen(reading, "row_number") == [(2,)]
    assert reading.passed_over == ()


# --- merged cells, headers of two rows, several tables ---


def test_what_a_merged_cell_says_holds_for_each_of_its_rows() -> None:
    rows = [
        HEADER,
        ["trade", "进出口", "2022-03", 1, "亿元"],
        ["", "", "2022-04", 2, ""],
        ["", "", "2022-05", 3, ""],
        ["fdi", "", "2022-03", 4, ""],
    ]

    def merge(_: Any, sheet: Any) -> None:
        for area in ("A2:A4", "B2:B4", "E2:E4"):
            sheet.merge_cells(area)

    assert seen(read(book(rows, merge), "a.xlsx"), "indicator_text", "name_text", "value_text", "unit_text") == [
        *[("trade", "进出口", str(n), "亿元") for n in (1, 2, 3)], ("fdi", None, "4", None)
    ]  # fmt: skip


def test_a_year_above_its_months_is_read_with_them() -> None:
    rows = [
        ["指标编码", "单位", "2022年", "", "", "2023年1月", ""],
        ["", "", "1月", "2月", "一季度", "当期", "累计"],
        ["trade", "亿元", 1, 2, 3, 4, 5],
    ]

    def merge(_: Any, sheet: Any) -> None:
        for area in ("A1:A2", "B1:B2", "C1:E1", "F1:G1"):
            sheet.merge_cells(area)

    for content, name in [
        (book(rows, merge), "a.xlsx"),
        ("\n".join(",".join(map(str, row)) for row in rows).encode(), "a.csv"),
    ]:
        assert seen(read(content, name), "period_text", "measure_text", "value_text", "row_number") == [
            ("2022年1月", None, "1", 3), ("2022年2月", None, "2", 3), ("2022年一季度", None, "3", 3),
            ("2023年1月", "当期", "4", 3), ("2023年1月", "累计", "5", 3),
        ]  # fmt: skip


def test_a_second_table_below_has_its_own_columns() -> None:
    rows = [
        HEADER,
        ["trade", "", "2022-03", 1, ""],
        [],
        ["下表为外资"],
        ["报告期", "指标编码", "数值"],
        ["2022-04", "fdi", 2],
    ]
    reading = read(book(rows), "a.xlsx")
    assert seen(reading, "indicator_text", "period_text", "value_text", "column_letter", "row_number") == [
        ("trade", "2022-03", "1", "D", 2), ("fdi", "2022-04", "2", "C", 6)
    ]  # fmt: skip


# --- units said once ---


@pytest.mark.parametrize(
    ("banner", "unit"),
    [
        ("单位:万元", "万元"),
        ("(单位:亿元)", "亿元"),
        ("2022年主要指标    计量单位: 万元", "万元"),
        ("unit: km", "km"),
        ("单位:福林", "福林"),  # unknown: returned as V06, never read in another unit
        ("单位:亿元、%", None),  # several: the indicator's own
        ("单位:沈阳市统计局", None),
        ("填报单位:市商务局", None),
        ("数值填纯数字，单位见“单位”列", None),
    ],
)
def test_a_unit_in_a_banner_holds_for_the_rows_that_give_none(banner: str, unit: str | None) -> None:
    rows = [
        [banner],
        HEADER,
        ["trade", "", "2022-03", 300, ""],
        ["trade", "", "2022-04", "3.1亿元", ""],
        ["trade", "", "2022-05", 4, "元"],
        ["trade", "", "2022-06", "约5万", ""],
    ]
    assert [u for (u,) in seen(read(book(rows), "a.xlsx"), "unit_text")] == [unit, None, "元", unit]


def test_the_unit_nearest_to_the_figure_counts() -> None:
    rows = [
        ["", "单位:元"],
        ["指标名称", "2022-03(万元)", "2022-04"],
        ["进出口总额", 1, 2],
        ["利用外资(亿美元)", 3, 4],
        ["单位:亿元", None, None],
        ["存款", 5, 6],
    ]
    found = seen(read(book(rows), "a.xlsx"), "name_text", "period_text", "unit_text")
    assert sorted(found) == sorted([
        ("进出口总额", "2022-03", "万元"), ("进出口总额", "2022-04", "元"),
        ("利用外资(亿美元)", "2022-03", "亿美元"), ("利用外资(亿美元)", "2022-04", "亿美元"),
        ("存款", "2022-03", "万元"), ("存款", "2022-04", "亿元"),
    ])  # fmt: skip


# --- what is no row of figures ---


def test_totals_and_notes_are_no_rows_and_are_not_lost() -> None:
    rows = [
        HEADER,
        ["trade", "", "2022-03", 300, ""],
        ["合 计", "", "", 300, ""],
        ["", "总计(亿元)", "2022-03", 300, ""],
        ["注：数据来自海关"],
        ["填报人：某", "", "联系电话：", 12345678],
        ["trade", "", "2022-04", 400, ""],
    ]
    reading = read(book(rows), "a.xlsx")
    assert seen(reading, "row_number", "value_text") == [(2, "300"), (7, "400")]
    assert aside(reading) == [(3, "total"), (4, "total"), (5, "note"), (6, "note")]
    assert reading.passed_over[0].sheet == "表"
    assert "300" in reading.passed_over[0].text


def test_a_total_of_the_areas_of_an_indicator_is_still_a_row() -> None:
    text = "指标编码,地区,报告期,数值\ntrade,210102,2022-03,1\ntrade,合计,2022-03,2\n"
    assert len(seen(read(text.encode(), "a.csv"), "area_text")) == 2


def test_hidden_sheets_are_not_read_and_hidden_rows_are() -> None:
    def hide(workbook: Any, sheet: Any) -> None:
        for name, state in (("去年", "hidden"), ("代码", "veryHidden")):
            other = workbook.create_sheet(name)
            other.append(HEADER)
            other.append(["fdi", "", "2021-03", 9, ""])
            other.sheet_state = state
        sheet.row_dimensions[3].hidden = True

    content = book([HEADER, ["trade", "", "2022-03", 1, ""], ["trade", "", "2022-04", 2, ""]], hide)
    reading = read(content, "a.xlsx")
    assert seen(reading, "sheet", "row_number") == [("表", 2), ("表", 3)]
    assert [(p.sheet, p.why) for p in reading.passed_over] == [("去年", "hidden sheet"), ("代码", "hidden sheet")]


def test_a_file_whose_only_table_is_hidden_is_s04_and_says_so() -> None:
    def hide(workbook: Any, sheet: Any) -> None:
        workbook.create_sheet("封面").append(["说明"])
        sheet.sheet_state = "hidden"

    fault = read(book([HEADER, ["trade", "", "2022-03", 1, ""]], hide), "a.xlsx").fault
    assert fault is not None
    assert (fault.rule, fault.sheet) == ("S04", "表")
    assert "hidden" in fault.found


def test_the_mark_of_a_template_is_found_on_any_sheet() -> None:
    def cover(workbook: Any, _: Any) -> None:
        sheet = workbook.create_sheet("封面", 0)
        sheet["C7"] = "template: shenyang-2022 r3 commerce 2022-06"
        sheet.sheet_state = "hidden"

    mark = read(book([HEADER, ["trade", "", "2022-03", 1, ""]], cover), "a.xlsx").template
    assert mark is not None
    assert (mark.plan, mark.revision, mark.department, mark.period) == ("shenyang-2022", 3, "commerce", "2022-06")
    assert read(book([HEADER, ["trade", "", "2022-03", 1, ""]]), "a.xlsx").template is None


# --- numbers as they are shown ---


def test_a_number_reads_as_it_is_shown_to_fifteen_digits() -> None:
    content = io.BytesIO()
    with xlsxwriter.Workbook(content) as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, HEADER)
        for n, value in enumerate([0.1 + 0.2, 1.1 * 3, 1234567.8900000001, 5.0], 1):
            sheet.write_row(n, 0, ["trade", "", "2022-03", value])
    assert [v for (v,) in seen(read(content.getvalue(), "a.xlsx"), "value_text")] == ["0.3", "3.3", "1234567.89", "5"]


def test_an_old_workbook_shows_its_percentages_dates_and_merged_cells() -> None:
    workbook = xlwt.Workbook()
    sheet = workbook.add_sheet("表")
    percent, date = xlwt.easyxf(num_format_str="0.0%"), xlwt.easyxf(num_format_str="yyyy-mm-dd")
    for column, cell in enumerate(HEADER):
        sheet.write(0, column, cell)
    sheet.write_merge(1, 3, 0, 0, "good_air_days")
    for n, value in enumerate([0.877, 1, 80.5], 1):
        sheet.write(n, 2, dt.date(2022, n, 1), date)
        sheet.write(n, 3, value, percent if n < 3 else xlwt.Style.default_style)
    hidden = workbook.add_sheet("旧")
    hidden.write(0, 0, "指标编码")
    hidden.visibility = 1
    content = io.BytesIO()
    workbook.save(content)
    assert seen(read(content.getvalue(), "a.xls"), "indicator_text", "period_text", "value_text") == [
        ("good_air_days", f"2022-0{n}-01 00:00:00", v) for n, v in enumerate(["87.7%", "100%", "80.5"], 1)
    ]


# --- bounds ---


def test_a_sheet_that_is_declared_and_formatted_to_its_last_cell_costs_nothing() -> None:
    def far(_: Any, sheet: Any) -> None:
        sheet["XFD1048576"].number_format = "0%"

    assert seen(read(book([HEADER, ["trade", "", "2022-03", 1, ""]], far), "a.xlsx"), "value_text") == [("1",)]


def test_a_sheet_with_a_value_in_its_last_cell_is_s07_and_not_laid_out() -> None:
    def far(_: Any, sheet: Any) -> None:
        sheet["XFD1048576"] = "x"

    fault = read(book([HEADER, ["trade", "", "2022-03", 1, ""]], far), "a.xlsx").fault
    assert fault is not None
    assert (fault.rule, fault.sheet, fault.found) == ("S07", "表", "1,048,576 × 16,384")


def replaced(content: bytes, part: str, old: bytes, new: bytes) -> bytes:
    """The zipped file with `old` of one part replaced."""
    into = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as whole, zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as changed:
        for name in whole.namelist():
            text = whole.read(name)
            assert name != part or old in text
            changed.writestr(name, text.replace(old, new) if name == part else text)
    return into.getvalue()


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><worksheet '


@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        ("xl/worksheets/sheet1.xml", b"<worksheet ", BOMB),
        ("xl/workbook.xml", b"<workbook ", BOMB.replace(b"<worksheet ", b"<workbook ")),
        ("xl/styles.xml", b"<styleSheet ", BOMB.replace(b"<worksheet ", b"<styleSheet ")),
    ],
)
def test_a_workbook_with_entities_is_refused(part: str, old: bytes, new: bytes) -> None:
    fault = read(replaced(book([HEADER, ["trade", "", "2022-03", 1, ""]]), part, old, new), "a.xlsx").fault
    assert fault is not None
    assert fault.rule == "S01"
    assert "DOCTYPE" in fault.found


def test_a_cell_of_an_ods_that_is_repeated_a_thousand_million_times_is_s07() -> None:
    names = ("office", "table", "text")
    spaces = " ".join(f'xmlns:{n}="urn:oasis:names:tc:opendocument:xmlns:{n}:1.0"' for n in names)
    document = (
        f'<office:document-content {spaces}><office:body><office:spreadsheet><table:table table:name="表">'
        '<table:table-row table:number-rows-repeated="1048576"><table:table-cell office:value-type="string"'
        ' table:number-columns-repeated="1024"><text:p>x</text:p></table:table-cell></table:table-row>'
        "</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", document)
    fault = read(content.getvalue(), "a.ods").fault
    assert fault is not None
    assert (fault.rule, fault.sheet) == ("S07", "表")


def test_an_old_workbook_that_counts_more_than_it_holds_is_s01() -> None:
    workbook = xlwt.Workbook()
    workbook.add_sheet("表").write(1, 3, 7.5)
    content = io.BytesIO()
    workbook.save(content)
    whole = bytearray(content.getvalue())
    cell = whole.index(b"\x7e\x02\x0a\x00\x01\x00\x03\x00")  # RK, row 1, column 3
    whole[cell + 6 : cell + 8] = b"\xff\xff"
    fault = read(bytes(whole), "a.xls").fault
    assert fault is not None
    assert (fault.rule, fault.found) == ("S01", "row 1, column 65535")
