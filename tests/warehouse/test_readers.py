"""Files to rows: whatever the format, the same rows, each with its place; or a fatal code, and never an exception."""

from __future__ import annotations

import csv as pycsv
import datetime as dt
import io
import json
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from warehouse import readers
from warehouse.readers import FileFault, Reading, delimited, read

FIXTURES = Path(__file__).parents[3] / "shared" / "fixtures"
LONG = [
    ["指标编码", "报告期", "数值", "单位", "说明"],
    ["trade", "2022-03", "300.5", "亿元", "含,逗号"],
    ["trade", "2022-04", "402", "亿元", ""],
]


def csv(rows: list[list[str]] = LONG, separator: str = ",", end: str = "\n") -> str:
    return end.join(separator.join(f'"{c}"' if separator in c else c for c in row) for row in rows) + end


def book(fill: Callable[[Any, Any], None], name: str = "数据") -> bytes:
    """A workbook of one sheet, filled by `fill(workbook, sheet)`."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as workbook:
        fill(workbook, workbook.add_worksheet(name))
    return content.getvalue()


def grid(rows: list[list[Any]], top: int = 0, left: int = 0) -> bytes:
    def fill(_: Any, sheet: Any) -> None:
        for n, row in enumerate(rows):
            sheet.write_row(top + n, left, row)

    return book(fill)


def figures(reading: Reading) -> list[tuple[Any, ...]]:
    assert reading.fault is None, reading.fault
    return reading.rows.select("indicator_text", "period_text", "value_text", "unit_text").rows()


def refused(content: bytes | str, name: str) -> str:
    fault = read(content if isinstance(content, bytes) else content.encode(), name).fault
    assert fault is not None, "the file was read"
    assert fault.found
    assert fault.expected
    return fault.rule


SAME = [("trade", "2022-03", "300.5", "亿元"), ("trade", "2022-04", "402", "亿元")]
RECORDS = [dict(zip(LONG[0], row, strict=True)) for row in LONG[1:]]


@pytest.mark.parametrize(
    ("name", "content"),
    {
        "utf8.csv": csv().encode("utf-8"),
        "bom.csv": csv().encode("utf-8-sig"),
        "utf16.csv": csv().encode("utf-16"),
        "utf16le_without_bom.csv": csv().encode("utf-16-le"),
        "gb18030.csv": csv().encode("gb18030"),
        "semicolon.csv": csv(separator=";").encode(),
        "tab.csv": csv(separator="\t").encode(),
        "crlf.csv": csv(end="\r\n").encode(),
        "cr.csv": csv(end="\r").encode(),
        "gb18030_semicolon_crlf.csv": csv(separator=";", end="\r\n").encode("gb18030"),
        "really_csv.xls": csv().encode("gb18030"),
        "tabs.xls": csv(separator="\t").encode("utf-16"),
        "really_csv.xlsx": csv().encode(),
        "book.xlsx": grid(LONG),
        "really_xlsx.csv": grid(LONG),
        "list.json": json.dumps(RECORDS, ensure_ascii=False).encode(),
        "wrapped.json": json.dumps({"data": RECORDS}).encode(),
        "lines.jsonl": "\n".join(json.dumps(r) for r in RECORDS).encode(),
    }.items(),
)
def test_every_format_reads_to_the_same_rows(name: str, content: bytes) -> None:
    assert figures(read(content, name)) == SAME


def test_parquet_reads_to_the_same_rows() -> None:
    content = io.BytesIO()
    pl.DataFrame(RECORDS).with_columns(pl.col("数值").cast(pl.Float64)).write_parquet(content)
    assert figures(read(content.getvalue(), "a.parquet")) == [SAME[0], ("trade", "2022-04", "402.0", "亿元")]


def test_json_numbers_stay_as_they_are_written() -> None:
    content = '[{"indicator": "trade", "period": "2022-03", "value": 0.10, "unit": null}, {"indicator": "fdi", "period": 2022, "value": 520}]'
    assert figures(read(content.encode(), "a.json")) == [
        ("trade", "2022-03", "0.10", None),
        ("fdi", "2022", "520", None),
    ]


def test_long_and_wide_read_to_the_same_rows() -> None:
    wide = [["指标编码", "指标名称", "单位", "2022年3月", "2022年4月"], ["trade", "", "亿元", "300.5", "402"]]
    for reading in (read(grid(wide), "a.xlsx"), read(csv(wide).encode(), "a.csv")):
        assert [(i, p.replace("年", "-0").rstrip("月"), v, u) for i, p, v, u in figures(reading)] == SAME
        assert reading.rows["column_name"].to_list() == ["2022年3月", "2022年4月"]
        assert reading.rows["row_number"].to_list() == [2, 2]


def test_a_wide_table_may_have_dates_above_its_columns() -> None:
    def fill(workbook: Any, sheet: Any) -> None:
        sheet.write_row(0, 0, ["指标名称", "单位"])
        sheet.write_datetime(0, 2, dt.datetime(2022, 3, 1), workbook.add_format({"num_format": "yyyy年m月"}))
        sheet.write_row(1, 0, ["进出口总额", "亿元", 300.5])

    reading = read(book(fill), "a.xlsx")
    assert reading.fault is None
    assert reading.rows.select(pl.col("period_text").str.head(10), "value_text").rows() == [("2022-03-01", "300.5")]


def test_titles_and_merged_banners_above_the_header_are_passed_over() -> None:
    def fill(workbook: Any, sheet: Any) -> None:
        sheet.merge_range("A1:E1", "2022年主要指标报送表", workbook.add_format())
        sheet.merge_range("A2:C2", "填报单位：市商务局", workbook.add_format())
        for n, row in enumerate(LONG, 4):
            sheet.write_row(n, 0, row)

    reading = read(book(fill), "a.xlsx")
    assert figures(reading) == SAME
    assert reading.rows["row_number"].to_list() == [6, 7]
    assert reading.named_departments == ("市商务局",)


@pytest.mark.parametrize(
    "header",
    [
        ["指标编码", "报告期", "数值", "单位", "说明"],
        ["indicator", "period", "value", "unit", "note"],
        ["Indicator", "PERIOD", " Value ", "Unit", "Note"],
        [" 指 标 编 码 ", "报告期　", "数值（累计）", "单位(必填)", "说明【选填】"],
        ["指标编码*", "报告期\n(月)", "数值", "单位[亿元]", "说明"],
        ["ｉｎｄｉｃａｔｏｒ", "ｐｅｒｉｏｄ", "ｖａｌｕｅ", "ｕｎｉｔ", "ｎｏｔｅ"],
    ],
)
def test_a_header_is_recognised_by_either_name_and_without_its_remarks(header: list[str]) -> None:
    assert figures(read(grid([header, *LONG[1:]]), "a.xlsx")) == SAME


def test_a_table_that_starts_further_down_and_right_keeps_its_row_numbers() -> None:
    reading = read(grid(LONG, top=3, left=2), "a.xlsx")
    assert figures(reading) == SAME
    assert reading.rows["row_number"].to_list() == [5, 6]


@pytest.mark.parametrize("quoted", [False, True])
def test_blank_lines_keep_the_numbers_of_the_rows_below(quoted: bool) -> None:
    note = '"甲,乙"' if quoted else "甲"
    text = f"指标编码,报告期,数值,说明\n\n\ntrade,2022-03,300,{note}\n\ntrade,2022-04,402,\n"
    assert read(text.encode(), "a.csv").rows["row_number"].to_list() == [4, 6]


def test_a_quoted_cell_may_hold_a_newline_a_separator_and_quotes() -> None:
    text = '指标编码,报告期,数值,说明\ntrade,2022-03,"1,300","第一行\n第二行,""引"""\ntrade,2022-04,402,\n'
    rows = read(text.encode(), "a.csv").rows
    assert rows.select("value_text", "note_text").rows() == [("1,300", '第一行\n第二行,"引"'), ("402", None)]


def test_a_header_repeated_further_down_is_not_a_row() -> None:
    assert figures(read(csv([*LONG, LONG[0], *LONG[1:]]).encode(), "a.csv")) == SAME + SAME


def test_every_sheet_with_a_header_is_read_and_the_others_are_not() -> None:
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as workbook:
        workbook.add_worksheet("填报说明").write_row(0, 0, ["请勿改动表头", "谢谢"])
        for name in ("一季度", "二季度"):
            sheet = workbook.add_worksheet(name)
            for n, row in enumerate(LONG):
                sheet.write_row(n, 0, row)
    rows = read(content.getvalue(), "a.xlsx").rows
    assert rows["sheet"].to_list() == ["一季度", "一季度", "二季度", "二季度"]


def test_a_cell_that_shows_8_percent_means_8_percent() -> None:
    def fill(workbook: Any, sheet: Any) -> None:
        sheet.write_row(0, 0, ["指标编码", "报告期", "数值"])
        for n, (value, shown) in enumerate(
            [(0.08, "0%"), (0.877, "0.0%"), (-0.031, "0.00%;[Red]-0.00%"), (0.08, "0.00")], 1
        ):
            sheet.write_row(n, 0, ["good_air_days", "2022-12"])
            sheet.write_number(n, 2, value, workbook.add_format({"num_format": shown}))
        sheet.write_row(5, 0, ["good_air_days", "2022-12", "80%"])

    assert read(book(fill), "a.xlsx").rows["value_text"].to_list() == ["8%", "87.7%", "-3.1%", "0.08", "80%"]


def test_a_cell_of_an_ods_that_shows_8_percent_means_8_percent() -> None:
    def cell(kind: str, value: str, times: int = 1) -> str:
        stated = f'office:value="{value}"' if kind != "string" else ""
        repeated = f'table:number-columns-repeated="{times}"'
        return f'<table:table-cell {repeated} office:value-type="{kind}" {stated}><text:p>{value}</text:p></table:table-cell>'

    names = ("office", "table", "text")
    spaces = " ".join(f'xmlns:{n}="urn:oasis:names:tc:opendocument:xmlns:{n}:1.0"' for n in names)
    header = "".join(cell("string", c) for c in ("指标编码", "2022-10", "2022-11", "2022-12"))
    figures = cell("string", "good_air_days") + cell("percentage", "0.08", 2) + cell("float", "80")
    document = (
        f"<office:document-content {spaces}><office:body><office:spreadsheet><table:table table:name='表'>"
        '<table:table-row table:number-rows-repeated="2"><table:table-cell/></table:table-row>'
        f"<table:table-row>{header}</table:table-row><table:table-row>{figures}</table:table-row>"
        "</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", document)
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
    rows = read(content.getvalue(), "a.ods").rows
    assert rows.select("column_name", "value_text", "row_number").rows() == [
        ("2022-10", "8%", 4), ("2022-11", "8%", 4), ("2022-12", "80", 4),
    ]  # fmt: skip


def test_an_error_cell_stays_an_error() -> None:
    def fill(_: Any, sheet: Any) -> None:
        sheet.write_row(0, 0, ["指标编码", "报告期", "数值"])
        for n, error in enumerate(["#DIV/0!", "#N/A", "#REF!", "#VALUE!"], 1):
            sheet.write_row(n, 0, ["trade", "2022-03"])
            sheet.write_formula(n, 2, "=1/0", None, error)
        sheet.write_row(5, 0, ["trade", "2022-04", 402])

    values = read(book(fill), "a.xlsx").rows["value_text"].to_list()
    assert values == ["#DIV/0!", "#N/A", "#REF!", "#VALUE!", "402"]


def test_a_date_cell_is_a_period() -> None:
    from expectations.periods import period

    def fill(workbook: Any, sheet: Any) -> None:
        sheet.write_row(0, 0, ["指标编码", "报告期", "数值"])
        for n, shown in enumerate(["yyyy-mm-dd", 'yyyy"年"m"月"', "mmm-yy"], 1):
            sheet.write(n, 0, "trade")
            sheet.write_datetime(n, 1, dt.datetime(2022, 3, 1), workbook.add_format({"num_format": shown}))
            sheet.write(n, 2, 300)

    found = [period(text) for text in read(book(fill), "a.xlsx").rows["period_text"].to_list()]
    assert [p and p.label for p in found] == ["2022-03"] * 3


@pytest.mark.parametrize("quoted", ["", 'fdi,2022-04,"3"\n'])
def test_a_row_with_more_cells_than_the_header_is_told_and_not_shifted(quoted: str) -> None:
    text = f"指标编码,报告期,数值\ntrade,2022-03,1,300\ntrade,2022-04,402\n{quoted}"
    rows = read(text.encode(), "a.csv").rows
    assert rows.select("value_text", "surplus_text").rows()[:2] == [("1", "300"), ("402", None)]


def test_a_row_with_fewer_cells_than_the_header_has_blanks_at_its_end() -> None:
    rows = read("指标编码,报告期,数值,单位,说明\ntrade,2022-03,300\n".encode(), "a.csv").rows
    assert rows.select("value_text", "unit_text", "note_text").rows() == [("300", None, None)]


@pytest.mark.parametrize(
    "row", ['trade,2022-03, "1,300",', 'trade,2022-03,1,"全市,口径",300', '"trade",2022-03,"1,300",,"x"']
)
def test_a_quote_that_a_strict_reader_cannot_place_never_shifts_a_column_silently(row: str) -> None:
    reading = read(f"指标编码,报告期,数值,单位\n{row}\nfdi,2022-03,5,\n".encode(), "a.csv")
    assert reading.rows["surplus_text"].is_not_null().to_list() == [True, False]


CELLS = st.text(st.sampled_from('a1,;"\n \t\u4e2d'), max_size=4)


@given(
    st.lists(st.lists(CELLS, min_size=2, max_size=5), max_size=6),
    st.sampled_from(",;\t"),
    st.sampled_from(["\n", "\r\n"]),
)
def test_well_formed_text_reads_as_it_does_by_another_reader(body: list[list[str]], separator: str, end: str) -> None:
    written = io.StringIO(newline="")
    header = ["指标编码", "报告期", "数值", "单位", "说明"]
    pycsv.writer(written, delimiter=separator, lineterminator=end).writerows([header, *body])
    cells = delimited.sheet(written.getvalue().encode()).cells
    found = [[c or "" for c in row] for row in cells.rows()]
    assert found == [row + [""] * (cells.width - len(row)) for row in [header, *body]]


@given(st.text(st.sampled_from('a,;"\n\r\t'), max_size=40))
def test_any_text_reads_as_it_does_by_another_reader_or_is_refused(text: str) -> None:
    whole = f"指标编码,报告期,数值\n{text}"
    try:
        expected = list(pycsv.reader(io.StringIO(whole, newline=""), strict=True))
    except pycsv.Error:
        with pytest.raises(FileFault):
            delimited.sheet(whole.encode())
        return
    cells = delimited.sheet(whole.encode()).cells
    found = [[c or "" for c in row] for row in cells.rows()]
    padded = [row + [""] * (cells.width - len(row)) for row in expected]
    assert [row for row in found if any(row)] == [row for row in padded if any(row)]


@pytest.mark.parametrize(
    ("name", "content"),
    {
        "lines.json": "\n".join(json.dumps(r) for r in RECORDS),
        "list.jsonl": json.dumps(RECORDS),
        "indented.jsonl": json.dumps(RECORDS, indent=1),
        "wrapped.jsonl": json.dumps({"data": RECORDS}, indent=1),
        "list.csv": json.dumps(RECORDS),
        "lines.txt": "\n".join(json.dumps(r) for r in RECORDS),
        "table.json": csv(),
    }.items(),
)
def test_the_content_says_what_a_text_is(name: str, content: str) -> None:
    assert figures(read(content.encode(), name)) == SAME


def test_a_record_may_have_any_fields() -> None:
    records = [
        {
            "row": 1,
            "column": "x",
            "indicator": "trade",
            "period": "2022-03",
            "value": 5,
            "_why": {"a": [1]},
            "unit_text": True,
        }
    ]
    assert figures(read(json.dumps(records).encode(), "a.json")) == [("trade", "2022-03", "5", None)]


def test_s01_names_the_record_that_cannot_be_read() -> None:
    fault = read(b'{"indicator": "trade"}\n{"indicator": "fdi"}\n{oops\n', "a.jsonl").fault
    assert fault is not None
    assert (fault.rule, fault.row) == ("S01", 3)


def test_a_parquet_of_endless_rows_is_s07() -> None:
    content = io.BytesIO()
    pl.select(indicator=pl.repeat("trade", 30_000_000, dtype=pl.Categorical)).write_parquet(content)
    assert len(content.getvalue()) < 5_000_000
    assert refused(content.getvalue(), "a.parquet") == "S07"


# --- refused whole ---

CORRUPT = {
    "truncated.xlsx": grid(LONG)[:3000],
    "beheaded.xlsx": grid(LONG)[40:],
    "prose.xlsx": "这不是表格".encode(),
    "zeros.xls": b"\0" * 600,
    "broken.xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x11" * 600,
    "empty.csv": b"",
    "blank.csv": b" \n\n ",
    "bytes.csv": "指标编码,报告期,数值\n".encode() + b"\xff\xfe\xfd trade,2022-03,1\n",
    "unclosed.csv": '指标编码,报告期,数值\ntrade,2022-03,"300\n'.encode(),
    "broken.json": b'[{"indicator": "trade", ',
    "scalar.json": b"5",
    "broken.jsonl": b'{"indicator": "trade"}\n{oops\n',
    "broken.parquet": b"PAR1" + b"\x07" * 100 + b"PAR1",
    "not_a.parquet": "这不是表格\n".encode(),
}


@pytest.mark.parametrize("name", CORRUPT)
def test_what_cannot_be_read_is_s01(name: str) -> None:
    assert refused(CORRUPT[name], name) == "S01"


def test_s01_names_the_line_that_cannot_be_read() -> None:
    fault = read('指标编码,报告期,数值\ntrade,2022-03,300\n"trade"x,2022-04,1\n'.encode(), "a.csv").fault
    assert fault is not None
    assert (fault.rule, fault.row) == ("S01", 3)


FOREIGN = {
    "a.pdf": b"%PDF-1.7\n1 0 obj",
    "a.csv": b"%PDF-1.7\n1 0 obj",
    "a.doc": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600,
    "a.zip": b"PK\x05\x06" + b"\0" * 18,
    "a.jpg": b"\xff\xd8\xff\xe0" + b"\0" * 20,
    "page.xls": b"<html><table><tr><td>1</td></tr></table></html>",
    "marked.xls": b"\xef\xbb\xbf\r\n<meta charset=utf-8><table><tr><td>1</td></tr></table>",
    "wide_page.xls": "<html><table><tr><td>1</td></tr></table></html>".encode("utf-16"),
    "sheet.xls": b"<?xml version='1.0'?><Workbook/>",
    "a.docx": grid(LONG)[:30] + b"\0" * 100,
    "a.txt.gz": b"\x1f\x8b\x08\x00" + b"\0" * 20,
    "a.xml": b"<?xml version='1.0'?><a/>",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_format_that_is_not_accepted_is_s02(name: str) -> None:
    assert refused(FOREIGN[name], name) == "S02"


def test_a_password_protected_workbook_is_s03() -> None:
    directory = "EncryptedPackage".encode("utf-16-le").ljust(128, b"\0")
    locked = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 504 + directory + b"\0" * 512
    assert refused(locked, "a.xlsx") == "S03"


def test_a_password_protected_workbook_of_the_old_format_is_s03() -> None:
    old = FIXTURES / "fric" / "data__sheet2.xls"
    if not old.exists():
        pytest.skip(f"needs a workbook of the old format: {old}")
    content = bytearray(old.read_bytes())
    first = content.index(b"\x09\x08\x10\x00")  # the workbook's own BOF record
    second = first + 4 + struct.unpack_from("<H", content, first + 2)[0]
    struct.pack_into("<H", content, second, 0x2F)  # the record behind it becomes FILEPASS
    assert refused(bytes(content), "a.xls") == "S03"


HEADLESS = {
    "no_header.csv": "trade,2022-03,300\n",
    "no_value.csv": "指标编码,报告期,金额\ntrade,2022-03,300\n",
    "no_period.csv": "指标编码,数值\ntrade,300\n",
    "no_indicator.csv": "报告期,数值\n2022-03,300\n",
    "prose.csv": "各位领导:\n现将有关情况报告如下。\n",
    "other.json": '[{"a": 1}]',
}


@pytest.mark.parametrize("name", HEADLESS)
def test_a_file_without_its_columns_is_s04(name: str) -> None:
    assert refused(HEADLESS[name], name) == "S04"


def test_s04_names_the_columns_that_are_missing() -> None:
    fault = read("指标编码,报告期,金额\ntrade,2022-03,300\n".encode(), "a.csv").fault
    assert fault is not None
    assert "数值 value" in fault.found


@pytest.mark.parametrize(
    "content",
    [
        "指标编码,报告期,数值\n",
        "指标编码,报告期,数值\ntrade,2022-03,\nfdi,2022-03, \n",
        "指标编码,2022-03,2022-04\ntrade,,\n",
    ],
)
def test_a_file_that_holds_no_figure_is_s06(content: str) -> None:
    assert refused(content, "a.csv") == "S06"


def test_a_workbook_that_expands_beyond_the_limit_is_s07(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "EXPANDED_LIMIT", 1_000_000)
    rows = [["指标编码", "报告期", "数值"], *([["trade", "2022-03", 300]] * 20_000)]
    bomb = grid(rows)
    assert len(bomb) < 500_000
    assert refused(bomb, "a.xlsx") == "S07"


@given(
    content=st.binary(max_size=200),
    extension=st.sampled_from(["xlsx", "xls", "ods", "csv", "json", "jsonl", "parquet"]),
)
def test_no_bytes_make_a_reader_raise(content: bytes, extension: str) -> None:
    reading = read(content, f"a.{extension}")
    assert reading.fault is None or reading.fault.rule[0] == "S"


@given(at=st.floats(0, 1), byte=st.integers(0, 255), cut=st.booleans())
def test_no_damage_to_a_workbook_makes_a_reader_raise(at: float, byte: int, cut: bool) -> None:
    whole = grid(LONG)
    place = int(at * (len(whole) - 1))
    damaged = whole[:place] if cut else whole[:place] + bytes([byte]) + whole[place + 1 :]
    reading = read(damaged, "a.xlsx")
    assert reading.fault is None or reading.fault.rule[0] == "S"


READ_AS = Path(__file__).with_name("fixtures_read_as.csv")


def test_files_that_no_one_here_wrote_are_read_as_it_is_written_down() -> None:
    if not FIXTURES.exists():
        pytest.skip(f"fixtures are not part of the project; none at {FIXTURES}")
    for file, kind, rule, found in pycsv.reader(READ_AS.read_text("utf-8").splitlines()[1:]):
        content = (FIXTURES / file).read_bytes()
        began = time.monotonic()
        reading = read(content, file.rpartition("/")[2])
        assert time.monotonic() - began < 30, file
        assert (reading.format, reading.fault.rule if reading.fault else "") == (kind, rule), file
        if rule in ("S01", "S02"):
            assert reading.fault is not None
            assert reading.fault.found == found, file


def test_their_workbooks_are_laid_out_as_another_reader_lays_them_out() -> None:
    if not FIXTURES.exists():
        pytest.skip(f"fixtures are not part of the project; none at {FIXTURES}")
    compared = 0
    for file in sorted(FIXTURES.glob("fric/*.xlsx")):
        content = file.read_bytes()
        try:
            theirs = openpyxl.load_workbook(io.BytesIO(content), data_only=True)
        except KeyError:  # of a part that a file lacks
            continue
        for sheet in readers.sheets(content, "xlsx"):
            rows = sheet.cells.rows()
            for cell in (c for row in theirs[sheet.name].iter_rows() for c in row if isinstance(c.value, str)):
                assert (rows[cell.row - 1][cell.column - 1] or "").strip() == cell.value.strip(), (file.name, cell)
                compared += 1
    assert compared > 100
