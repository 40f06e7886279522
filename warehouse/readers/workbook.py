"""Workbooks (xlsx, xls, ods) to grids of text, by calamine (through fastexcel), and what calamine leaves untold."""

from __future__ import annotations

import dataclasses
import lzma
import re
import struct
import zipfile
import zlib
from xml.etree import ElementTree as ET
from xml.parsers import expat

import fastexcel
import polars as pl

from warehouse.readers import ods, xls, xlsx
from warehouse.readers.faults import FileFault
from warehouse.readers.table import Sheet, letters
from warehouse.readers.untold import FILE_LIMIT, GRID_LIMIT, NO_RESULT, Cell, Untold

ERRORS = {"Div0": "#DIV/0!", "NA": "#N/A", "Name": "#NAME?", "Null": "#NULL!", "Num": "#NUM!", "Ref": "#REF!",
          "Value": "#VALUE!", "GettingData": "#GETTING_DATA"}  # fmt: skip
UNREADABLE = (
    fastexcel.FastExcelError, zipfile.BadZipFile, ET.ParseError, expat.ExpatError, LookupError, ArithmeticError, ValueError, OSError,
    EOFError, RuntimeError, zlib.error, lzma.LZMAError, struct.error,
)  # fmt: skip


def sheets(content: bytes, kind: str) -> list[Sheet]:
    """Every sheet with its cells as text, row 1 first; the hidden are marked so. Raises FileFault S01, S07."""
    try:
        told = _untold(content, kind)  # before calamine, which lays out a grid however large
        book = fastexcel.read_excel(content)
        found, cells = list[Sheet](), 0
        for n, name in enumerate(book.sheet_names):
            of_sheet = told.get(name) if isinstance(told, dict) else told[n] if n < len(told) else None
            found.append(_sheet(book, n, name, of_sheet or Untold()))
            cells += found[-1].cells.height * found[-1].cells.width
            if cells > FILE_LIMIT:
                raise FileFault("S07", found=f"{cells:,} cells", expected=f"≤ {FILE_LIMIT:,} cells")
    except UNREADABLE as e:
        raise FileFault("S01", found=str(e).split("\n")[0] or type(e).__name__, expected=f".{kind}") from e
    except BaseException as e:
        if type(e).__name__ != "PanicException":  # of calamine, on a broken file
            raise
        raise FileFault("S01", found=str(e).split("\n")[0], expected=f".{kind}") from e
    return found


def _untold(content: bytes, kind: str) -> dict[str, Untold] | list[Untold]:
    if kind == "xls":
        return xls.untold(content)
    return xlsx.untold(content) if kind == "xlsx" else ods.untold(content)


def _sheet(book: fastexcel.ExcelReader, n: int, name: str, told: Untold) -> Sheet:
    loaded = book.load_sheet(n, header_row=None, skip_rows=0, dtypes="string")
    hidden = loaded.visible != "visible"
    if loaded.height == 0 or loaded.width == 0:
        return Sheet(name, pl.DataFrame(), hidden=hidden)
    batch, errors = loaded.to_arrow_with_errors()
    cells = pl.DataFrame(pl.from_arrow(batch))
    left = loaded.available_columns()[0].absolute_index  # calamine's grid begins where the first value stands
    cells.columns = [letters(left + n) for n in range(cells.width)]
    cells = cells.select(*(pl.lit(None, pl.String).alias(letters(n)) for n in range(left)), pl.all())
    faulty: dict[Cell, str] = {}
    for error in errors.errors if errors else []:
        found = re.search(r"Error\((\w+)\)", error.detail)
        row, column = error.position
        faulty[row, left + column] = ERRORS.get(found[1], "#ERROR") if found else "#ERROR"
    sheet = Sheet(name, _with_text(cells, faulty), hidden=hidden, merged=told.merged)
    if told.percent:
        sheet = dataclasses.replace(sheet, cells=_with_percent(sheet.cells, told.percent))
    if told.uncalculated:
        shown = {place: NO_RESULT + formula for place, formula in told.uncalculated.items()}
        sheet = dataclasses.replace(sheet, cells=_with_text(_reaching(sheet.cells, shown), shown))
    return sheet


def _reaching(cells: pl.DataFrame, places: dict[Cell, str]) -> pl.DataFrame:
    """The grid, with blank rows and columns so far as the places lie: calamine's grid ends at the last value."""
    height, width = (max(p[n] for p in places) + 1 for n in (0, 1))
    if max(height, cells.height) * max(width, cells.width) > GRID_LIMIT:
        return cells
    blank = [pl.lit(None, pl.String).alias(letters(n)) for n in range(cells.width, width)]
    cells = cells.with_columns(blank)
    below = max(height - cells.height, 0)
    return pl.concat([cells, pl.DataFrame({c: [None] * below for c in cells.columns}, schema=cells.schema)])


def _by_column(cells: pl.DataFrame, places: list[Cell]) -> dict[str, list[int]]:
    found: dict[int, list[int]] = {}
    height, width, columns = cells.height, cells.width, cells.columns
    for row, column in places:
        if row < height and column < width:
            found.setdefault(column, []).append(row)
    return {columns[n]: rows for n, rows in found.items()}


def _with_text(cells: pl.DataFrame, texts: dict[Cell, str]) -> pl.DataFrame:
    position = {c: n for n, c in enumerate(cells.columns)}
    return cells.with_columns(
        cells[column].scatter(rows, [texts[row, position[column]] for row in rows])
        for column, rows in _by_column(cells, list(texts)).items()
    )


def _with_percent(cells: pl.DataFrame, places: list[Cell]) -> pl.DataFrame:
    """Cells formatted as a percentage, as they are shown: 0.08 reads 8%."""
    changed = []
    for column, rows in _by_column(cells, places).items():
        held = cells[column].gather(rows)
        shown = (held.cast(pl.Float64, strict=False) * 100).round(10)
        text = shown.cast(pl.String).str.strip_suffix(".0") + "%"
        changed.append(cells[column].scatter(rows, pl.select(pl.coalesce(text, held)).to_series()))
    return cells.with_columns(changed)
