"""What is fuzzed: by name, a function of bytes that raises where something is wrong, its seeds, and its words.

Compressed parts would be all noise to a mutation: of a workbook the bytes say which part, and what stands in it.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from expectations.clauses import read_clause
from expectations.load import PLANS, load_plan
from expectations.model import Plan
from expectations.periods import CHINESE, period
from expectations.rules import RULES
from expectations.units import BASES, MULTIPLES, SPELLINGS, unit
from warehouse import readers
from warehouse.readers.rows import ROWS
from warehouse.readers.table import FIELDS

CASES = Path(__file__).with_name("cases")
LARGEST = 1 << 16  # bytes of a seed
HEADER = ["指标编码", "指标名称", "报告期", "地区", "数值", "单位", "口径", "说明"]
BODY = [
    ["trade", "进出口总额", "2022-03", "", "300.5", "亿元", "", "合成,样例"],
    ["", "新增就业(万人)", "2022年1-3月", "沈河区", "约1.3万", "人", "累计", '引"号'],
    ["合计", "", "2022Q1", "", "12%", "", "同比", "=1/0"],
]
FIGURES = [
    "1,234.5",
    "１２．５",
    "12%",
    "1.3万",
    "2万亿",
    "两万亿",
    "下降3%",
    "减少3",
    "增长5%",
    "持平",
    "约85",
    "85左右",
    "-",
    "—",
    "/",
    "无",
    "暂无",
    "N/A",
    "#DIV/0!",
    "三千二百",
    "1e3",
    "-0.5",
    "亿",
    "十二",
    "同比增长约3.2%",
    "+5",
    "1.3.4",
    "12,34",
    ".5",
    "5.",
    "一百零五万",
    "比上年回落0.3个百分点",
    "1e999",
    "9999999999999999999999",
    "零",
    "百",
    "‰5",
    "5‰",
]
PERIODS = [
    "2022-03",
    "202203",
    "2022/3",
    "2022.3",
    "2022年3月",
    "2022年03月",
    "2022-03-31",
    "00:00:00",
    "2022Q1",
    "2022-Q1",
    "2022年一季度",
    "2022年第1季度",
    "2022H1",
    "2022年上半年",
    "2022",
    "2022年",
    "2022年全年",
    "2022年1-3月",
    "2022年前三季度",
    "２０２２年３月",
    "9999",
    "1899",
    "2022年十二月",
    "2022-13",
    "2022年1月至12月",
    "0000",
]


@dataclass(frozen=True)
class Target:
    run: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]
    words: tuple[str, ...] = ()


def reads(name: str, content: bytes) -> None:
    """Whatever the bytes, a reading: rows as they are laid out, or a fault by its code."""
    reading = readers.read(content, name)
    if reading.fault is not None:
        assert RULES[reading.fault.rule].severity == "fatal"
        assert reading.fault.found
        assert reading.rows.is_empty()
    else:
        assert reading.rows.height > 0
    assert reading.rows.schema == ROWS
    for text in (reading.reason, *reading.named_departments, *(p.text for p in reading.passed_over)):
        assert text is None or text.encode() is not None


def reads_part(kind: str, content: bytes) -> None:
    """A workbook of which one part, by the first byte, is made of the other bytes."""
    parts = dict(_workbook(kind))
    parts[sorted(parts)[content[0] % len(parts) if content else 0]] = content[1:]
    reads(f"a.{kind}", _zipped(parts))


def reads_clause(content: bytes) -> None:
    """Every reading stands where it says, in a year that the text may speak of."""
    text = content[1:].decode("utf-8", "ignore")
    for reading in read_clause(text, 2022, content[0] % 12 + 1 if content else 1):
        assert 0 <= reading.start <= reading.figure_start <= reading.figure_end <= len(text)
        assert 0 < reading.length <= len(text) - reading.start
        assert reading.value is None or math.isfinite(reading.value)


def reads_period(content: bytes) -> None:
    """A period begins before it ends, and its label names it again."""
    text = content[1:].decode("utf-8", "ignore")
    first_month = content[0] % 12 + 1 if content else 1
    found = period(text, first_month)
    if found is not None:
        assert found.start < found.end
        again = period(found.label, first_month)
        assert again is not None
        assert again.end == found.end


def reads_unit(content: bytes) -> None:
    """A unit has a size, converts into itself, and its own name reads to it again."""
    found = unit(content.decode("utf-8", "ignore"))
    if found is not None:
        assert math.isfinite(found.factor)
        assert found.factor > 0
        assert found.converts_to(found)
        assert unit(found.name) == found


def reads_figures(content: bytes) -> None:
    """A line a cell, and all that each begins with: a finite figure with its rounding, none, or an error.

    Many at once: planning the query takes longer than a thousand cells.
    """
    lines = content.decode("utf-8", "ignore").split("\n")[:50]
    cells = list(dict.fromkeys(line[:n] for line in lines for n in range(min(len(line), 200) + 1)))[:2000]
    found = _duckdb().execute("select t, figure(t) from (select unnest(?::varchar[]) as t)", [cells]).fetchall()
    assert len(found) == len(cells)
    for text, figure in found:
        if figure["state"] == "figure":
            assert math.isfinite(figure["value"]), text
            assert figure["rounding"] >= 0, text
            assert figure["suffix"] is not None, text
            assert figure["approximate"] is not None, text
        else:
            assert figure["state"] in ("none", "error"), text
            assert figure["value"] is None, text


def _zipped(parts: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return content.getvalue()


@cache
def _plan() -> Plan:
    return load_plan(PLANS / "shenyang-2022")


@cache
def _duckdb() -> Any:
    from importlib.resources import files

    from warehouse.store import connect

    con = connect()
    con.execute((files("expectations") / "figures.sql").read_text("utf-8"))
    return con


@cache
def _workbook(kind: str) -> tuple[tuple[str, bytes], ...]:
    """The parts of a small workbook: formulas, percentages, merged cells, a hidden sheet."""
    return tuple((_ods() if kind == "ods" else _parts_of(_xlsx())).items())


def _parts_of(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _xlsx() -> bytes:
    import xlsxwriter

    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        percent, sheet = book.add_format({"num_format": "0.0%"}), book.add_worksheet("数据")
        sheet.merge_range("A1:E1", "2022年报送表 单位:万元", book.add_format())
        for n, row in enumerate([HEADER, *BODY], 2):
            sheet.write_row(n, 0, row)
        sheet.write_number(6, 4, 0.08, percent)
        sheet.write_formula(7, 4, "=SUM(E1:E3)", None, "")
        sheet.merge_range("A9:A11", "trade", book.add_format())
        book.add_worksheet("旧").hide()
    return content.getvalue()


def _ods() -> dict[str, bytes]:
    spaces = " ".join(f'xmlns:{n}="urn:oasis:names:tc:opendocument:xmlns:{n}:1.0"' for n in ("office", "table", "text"))
    rows = "".join(
        "<table:table-row>"
        + "".join(
            f'<table:table-cell office:value-type="string"><text:p>{cell.replace("<", "")}</text:p></table:table-cell>'
            for cell in row
        )
        + "</table:table-row>"
        for row in [HEADER, *BODY]
    )
    more = (
        '<table:table-row table:number-rows-repeated="2"><table:table-cell table:number-rows-spanned="2"'
        ' office:value-type="percentage" office:value="0.08" table:number-columns-repeated="3"/>'
        '<table:covered-table-cell table:formula="of:=[.A1]"/></table:table-row>'
    )
    document = (
        f"<office:document-content {spaces}><office:body><office:spreadsheet>"
        f'<table:table table:name="数据">{rows}{more}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    kind = b"application/vnd.oasis.opendocument.spreadsheet"
    return {"mimetype": kind, "META-INF/manifest.xml": b"<manifest/>", "content.xml": document.encode()}


@cache
def _sent() -> tuple[tuple[str, bytes], ...]:
    """What the sample departments send (synthetic), mistakes included, and the rulebook's files: name and content."""
    import base64
    import tempfile

    import yaml

    from pipelines.samples import write_samples
    from warehouse.rulebook import FOLDER

    with tempfile.TemporaryDirectory() as folder:
        found = [(p.name, p.read_bytes()) for p in write_samples(_plan(), Path(folder) / "box")]
    for case in yaml.safe_load((FOLDER / "cases.yaml").read_text("utf-8")).values():
        for side in ("breaks", "keeps"):
            for name, said in case[side].items():
                text = said["text"] if isinstance(said, dict) else said
                told = text.startswith("base64:")
                found.append((name, base64.b64decode(text.removeprefix("base64:")) if told else text.encode()))
    return tuple(found)


def _files(extension: str) -> Iterator[bytes]:
    """Up to 60 of the files sent that end so, spread over all of them."""
    fitting = [content for name, content in _sent() if name.endswith(extension) and len(content) <= LARGEST]
    yield from fitting[:: len(fitting) // 60 + 1]


def _texts() -> Iterator[bytes]:
    text = "\n".join(",".join(f'"{c}"' if "," in c else c.replace('"', '""') for c in row) for row in [HEADER, *BODY])
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "gb18030"):
        yield text.encode(encoding)
    yield text.replace(",", ";").encode()
    yield text.replace("\n", "\r").encode()
    yield from _files(".csv")


def _records() -> Iterator[bytes]:
    import json

    records = [dict(zip(HEADER, row, strict=True)) for row in BODY]
    yield json.dumps(records, ensure_ascii=False).encode()
    yield json.dumps({"data": records}, indent=1).encode()
    yield "\n".join(json.dumps(r, ensure_ascii=False) for r in records).encode()
    yield b'[{"indicator": "trade", "period": 2022, "value": {"a": [1, null, true, 1e400, NaN]}, "\\ud800": "\\udc00"}]'
    yield from _files(".json")
    yield from _files(".jsonl")


def _parquets() -> Iterator[bytes]:
    import datetime as dt

    import polars as pl

    frame = pl.DataFrame(BODY, schema=HEADER, orient="row")
    more = frame.with_columns(value=pl.lit(1.5), period=pl.lit(dt.date(2022, 3, 31)), n=pl.lit([1, 2]))
    for made, compression in ((frame, "zstd"), (more, "uncompressed"), (more, "snappy"), (frame, "gzip")):
        content = io.BytesIO()
        made.write_parquet(content, compression=compression)  # type: ignore[arg-type]
        yield content.getvalue()
    yield from _files(".parquet")


def _olds() -> Iterator[bytes]:
    import xlwt

    book = xlwt.Workbook()
    sheet, percent = book.add_sheet("数据"), xlwt.easyxf(num_format_str="0.0%")
    for n, row in enumerate([HEADER, *BODY]):
        for column, cell in enumerate(row):
            sheet.write(n, column, cell)
    sheet.write(5, 4, 0.08, percent)
    sheet.write_merge(7, 9, 0, 0, "trade")
    content = io.BytesIO()
    book.save(content)
    yield content.getvalue()
    yield from _files(".xls")


def _of_parts(kind: str) -> Iterator[bytes]:
    parts = dict(_workbook(kind))
    for n, name in enumerate(sorted(parts)):
        yield bytes([n]) + parts[name]


def _lines(lines: list[str], first: bytes = b"") -> Iterator[bytes]:
    yield from (first + line.encode() for line in lines)


def _clauses() -> Iterator[bytes]:
    for target in _plan().targets:
        yield b"\0" + target.clause.encode()


def _figures() -> Iterator[bytes]:
    yield "\n".join(FIGURES).encode()
    yield from ("\n".join(FIGURES[n::7]).encode() for n in range(7))


UNITS = (*BASES, *MULTIPLES, *SPELLINGS)
WORDS = (
    *FIELDS,
    "合计",
    "注:",
    "单位:",
    "填报单位:",
    "template: shenyang-2022 r1 science 2022-06",
    "更正原因:",
    *PERIODS[:14],
)
XML = (
    'r="A1"', 'r="XFD1048576"', 't="s"', 's="1"', "<f>", "<v>", "<c ", "<row ", '<mergeCell ref="A1:B2"/>', "<!DOCTYPE",
    'table:number-rows-repeated="', 'table:number-columns-repeated="', "office:value-type", "-1", "99999999999999999999",
)  # fmt: skip

TARGETS = {
    "csv": Target(partial(reads, "a.csv"), _texts, WORDS),
    "json": Target(partial(reads, "a.json"), _records, (*WORDS, "null", "NaN", "1e999", "\\ud800", "[[[[", '{"')),
    "parquet": Target(partial(reads, "a.parquet"), _parquets),
    "xls": Target(partial(reads, "a.xls"), _olds),
    "xlsx": Target(partial(reads, "a.xlsx"), partial(_files, ".xlsx")),
    "xlsx parts": Target(partial(reads_part, "xlsx"), partial(_of_parts, "xlsx"), (*XML, *WORDS)),
    "ods parts": Target(partial(reads_part, "ods"), partial(_of_parts, "ods"), (*XML, *WORDS)),
    "clauses": Target(reads_clause, _clauses, ("达到", "超过", "以上", "左右", "力争", "增长", "年均", "月底前", *UNITS)),
    "figures": Target(reads_figures, _figures, (*"零一二两三十百千万亿", "约", "左右", "下降", "同比", "持平", "1e", *FIGURES)),
    "periods": Target(reads_period, partial(_lines, PERIODS, b"\0"), (*CHINESE, *"年月季度第前至半", "上半年", *PERIODS)),
    "units": Target(reads_unit, partial(_lines, [*UNITS, "单位:(万元)", "件/万人", "10 thousand", "亿", "个/次"]), UNITS),
}  # fmt: skip
