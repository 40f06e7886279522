"""A grid of text to rows: finds the header, long form or wide, and gives every figure its sheet, row and column."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import polars as pl

from expectations.periods import period
from warehouse.readers.faults import FileFault

ROWS = {
    "sheet": pl.String,
    "row_number": pl.Int32,
    "column_name": pl.String,  # header of the value's column, as written
    "form": pl.String,  # long, wide
    "indicator_text": pl.String,
    "name_text": pl.String,
    "period_text": pl.String,
    "area_text": pl.String,
    "value_text": pl.String,
    "unit_text": pl.String,
    "measure_text": pl.String,
    "note_text": pl.String,
    "self_text": pl.String,
    "surplus_text": pl.String,  # cells beyond the header: the row may have slipped
}

FIELDS = {  # a column's field by its names, normalised
    "指标编码": "indicator", "指标代码": "indicator", "indicator": "indicator", "indicator_code": "indicator",
    "指标名称": "name", "指标": "name", "indicator_name": "name", "name": "name",
    "报告期": "period", "period": "period",
    "地区": "area", "area": "area",
    "数值": "value", "value": "value",
    "单位": "unit", "计量单位": "unit", "unit": "unit",
    "口径": "measure", "measure": "measure",
    "说明": "note", "备注": "note", "note": "note",
    "自评": "self", "self_assessed": "self",
    "填报部门": "department", "部门": "department", "department": "department",
}  # fmt: skip
ZH = {"indicator": "指标编码", "name": "指标名称", "period": "报告期", "value": "数值"}
HEADER_WITHIN = 200  # rows
SPEAKER = re.compile(r"(?:填报单位|填报部门|报送单位|报送部门|department)[::]\s*([^\s,;,;(]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Sheet:
    """Cells as text, columns named by letters (A, B, …) in the file's order; `header` where it is not among the rows."""

    name: str | None
    cells: pl.DataFrame
    first_row: int = 1
    separated: bool = False  # by separators, so that a cell too many may have pushed the others aside
    header: Sequence[str] | None = None


@dataclass(frozen=True)
class Table:
    rows: pl.DataFrame
    has_figure: bool
    synthetic: bool
    named_departments: tuple[str, ...]  # as they stand in a banner or a column


def letters(n: int) -> str:
    """Column number (from 0) to spreadsheet letters."""
    name = ""
    n += 1
    while n:
        n, rest = divmod(n - 1, 26)
        name = chr(65 + rest) + name
    return name


def normalised(cell: str) -> str:
    """A header cell without white space, full-width forms, a bracketed remark, and marks at its ends."""
    text = "".join(unicodedata.normalize("NFKC", cell).split()).casefold()
    return re.sub(r"\(.*?\)|\[.*?\]|【.*?】|\{.*?\}", "", text).strip("*:﹡★")


def header_cells(cells: Sequence[str | None]) -> dict[str, int]:
    """The fields that a row names, each with the position of its first cell."""
    found: dict[str, int] = {}
    for n, cell in enumerate(cells):
        name = FIELDS.get(normalised(cell)) if cell and len(cell) < 64 else None
        if name is not None and name not in found:
            found[name] = n
    return found


def period_cells(cells: Sequence[str | None]) -> list[int]:
    return [n for n, cell in enumerate(cells) if cell and len(cell) < 64 and period(re.sub(r"[((].*?[))]", "", cell))]


def rows_of(sheets: Sequence[Sheet], name: str) -> Table:
    """The rows of all sheets that have a header. Raises FileFault S04 (with the columns missing) where none has."""
    frames, banners = [], [name]
    nearest: tuple[int, str, str | None] = (-1, "", None)
    spoken: list[str] = []
    for sheet in sheets:
        if sheet.cells.width == 0:
            continue
        at, header, missing = _header(sheet)
        top = sheet.cells.head(at if header else 20)
        banner = [cell for row in top.rows() for cell in row if cell]
        banners += banner
        spoken += [found[1] for cell in banner if (found := SPEAKER.search(unicodedata.normalize("NFKC", cell)))]
        if header is None:
            if at > nearest[0]:
                nearest = (at, missing, sheet.name)
            continue
        rows, departments = _rows(sheet, at, header)
        frames.append(rows)
        spoken += departments
    if not frames:
        raise FileFault(
            "S04",
            found=nearest[1] or "no header",
            expected="指标编码 indicator / 指标名称 indicator_name, 报告期 period, 数值 value",
            sheet=nearest[2],
        )
    rows = pl.concat(frames)
    synthetic = any("synthetic" in b.casefold() or "合成" in b for b in banners)
    blank = pl.col("value_text").fill_null("").str.strip_chars() == ""
    return Table(rows, rows.filter(~blank).height > 0, synthetic, tuple(dict.fromkeys(spoken)))


def _header(sheet: Sheet) -> tuple[int, Sequence[str | None] | None, str]:
    """(rows above the data, header or None, what is missing); where there is none, the first number ranks near misses."""
    if sheet.header is not None:
        candidates: list[Sequence[str | None]] = [sheet.header]
    else:
        candidates = list(sheet.cells.head(HEADER_WITHIN).rows())
    best = (0, "")
    for n, cells in enumerate(candidates):
        fields = header_cells(cells)
        named = {"indicator", "name"} & fields.keys()
        if named and ({"period", "value"} <= fields.keys() or ("period" not in fields and period_cells(cells))):
            return (0 if sheet.header is not None else n + 1), cells, ""
        if len(fields) > best[0]:
            wanted = [] if named else ["indicator"]
            wanted += [f for f in ("period", "value") if f not in fields]
            best = (len(fields), "missing: " + ", ".join(f"{ZH[f]} {f}" for f in wanted))
    return best[0], None, best[1]


def _rows(sheet: Sheet, at: int, header: Sequence[str | None]) -> tuple[pl.DataFrame, list[str]]:
    fields = header_cells(header)
    columns = sheet.cells.columns
    width = max(n for n, cell in enumerate(header) if cell) + 1
    offset = 1 if sheet.header is not None else sheet.first_row
    body = sheet.cells.with_row_index("row", offset=offset).slice(at)
    named = {columns[n]: f"{field}_text" for field, n in fields.items() if field != "department"}
    stated = reduce(
        lambda a, b: a + b, [(pl.col(c).fill_null("").str.strip_chars() != "").cast(pl.Int32) for c in columns]
    )
    body = body.filter(stated >= 2) if len(columns) > 1 else body
    beyond = columns[width:] if sheet.separated else []
    surplus = (
        pl.concat_str([pl.col(c) for c in beyond], separator=" ", ignore_nulls=True).str.strip_chars()
        if beyond
        else pl.lit(None, pl.String)
    )
    body = body.with_columns(surplus.replace("", None).alias("surplus_text"))
    if "period" in fields:
        rows = body.rename(named).with_columns(column_name=pl.lit(header[fields["value"]]), form=pl.lit("long"))
    else:
        across = {columns[n]: header[n] for n in period_cells(header) if n not in fields.values()}
        rows = (
            body.rename({c: n for c, n in named.items() if n != "value_text"})
            .unpivot(
                list(across),
                index=["row", "surplus_text", *(n for n in named.values() if n != "value_text")],
                variable_name="column",
                value_name="value_text",
            )
            .with_columns(
                column_name=pl.col("column").replace_strict(across, return_dtype=pl.String), form=pl.lit("wide")
            )
            .with_columns(period_text=pl.col("column_name").str.replace_all(r"[((].*?[))]", ""))
        )
    absent = [
        pl.lit(None, pl.String).alias(c) for c in ROWS if c not in rows.columns and c not in ("sheet", "row_number")
    ]
    rows = rows.with_columns(
        *absent, sheet=pl.lit(sheet.name, pl.String), row_number=pl.col("row").cast(pl.Int32)
    ).select(pl.col(c).cast(t) for c, t in ROWS.items())
    if "period" in fields:  # a header repeated further down is not a row
        rows = rows.filter(pl.col("value_text").fill_null("").str.strip_chars() != header[fields["value"]])
    speakers = body[columns[fields["department"]]].drop_nulls().unique().to_list() if "department" in fields else []
    return rows, sorted(s for s in speakers if s.strip())
