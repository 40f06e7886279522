"""Workbooks (xlsx, xls, ods) to grids of text, by calamine (through fastexcel).

calamine gives values, not how they are shown; the one format that changes a value's meaning, the percentage, is looked
up in the xlsx or ods itself.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from xml.etree import ElementTree as ET

import fastexcel
import polars as pl

from warehouse.readers.faults import FileFault
from warehouse.readers.table import Sheet, letters

ERRORS = {"Div0": "#DIV/0!", "NA": "#N/A", "Name": "#NAME?", "Null": "#NULL!", "Num": "#NUM!", "Ref": "#REF!",
          "Value": "#VALUE!", "GettingData": "#GETTING_DATA"}  # fmt: skip
MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
REPEATED = 1 << 20  # cells that one cell of an ods may stand for
RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


def sheets(content: bytes, kind: str) -> list[Sheet]:
    """Every sheet with its cells as text, row 1 first. Raises FileFault S01 where the workbook cannot be read."""
    try:
        book = fastexcel.read_excel(content)
        grids = [_grid(book, n, name) for n, name in enumerate(book.sheet_names)]
        percent = PERCENT_CELLS[kind](content) if kind in PERCENT_CELLS else {}
    except (fastexcel.FastExcelError, zipfile.BadZipFile, ET.ParseError, KeyError, ValueError) as e:
        raise FileFault("S01", found=str(e).split("\n")[0], expected=f".{kind}") from e
    return [_with_percent(sheet, percent[sheet.name]) if sheet.name in percent else sheet for sheet in grids]


def _grid(book: fastexcel.ExcelReader, n: int, name: str) -> Sheet:
    loaded = book.load_sheet(n, header_row=None, skip_rows=0, dtypes="string")
    if loaded.height == 0 or loaded.width == 0:
        return Sheet(name, pl.DataFrame())
    batch, errors = loaded.to_arrow_with_errors()
    cells = pl.DataFrame(pl.from_arrow(batch))
    cells.columns = [letters(c.absolute_index) for c in loaded.available_columns()]
    faulty: dict[str, dict[int, str]] = {}
    for error in errors.errors if errors else []:
        row, n_column = error.position
        found = re.search(r"Error\((\w+)\)", error.detail)
        faulty.setdefault(cells.columns[n_column], {})[row] = ERRORS.get(found[1], "#ERROR") if found else "#ERROR"
    for column, rows in faulty.items():
        cells = cells.with_columns(cells[column].scatter(list(rows), list(rows.values())))
    return Sheet(name, cells)


def _with_percent(sheet: Sheet, at: list[tuple[str, int]]) -> Sheet:
    """Cells formatted as a percentage, as they are shown: 0.08 reads 8%."""
    cells = sheet.cells
    by_column: dict[str, list[int]] = {}
    for column, row in at:
        if column in cells.columns and row <= cells.height:
            by_column.setdefault(column, []).append(row - 1)
    for column, rows in by_column.items():
        shown = (cells[column].gather(rows).cast(pl.Float64, strict=False) * 100).round(10)
        text = shown.cast(pl.String).str.strip_suffix(".0") + "%"
        kept = pl.select(pl.coalesce(text, cells[column].gather(rows))).to_series()
        cells = cells.with_columns(cells[column].scatter(rows, kept))
    return Sheet(sheet.name, cells, sheet.first_row)


def _percent_cells_of_xlsx(content: bytes) -> dict[str, list[tuple[str, int]]]:
    """By sheet name, the (column, row) of number cells that are shown as a percentage."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = set(archive.namelist())
        if "xl/styles.xml" not in names:
            return {}
        styles = ET.fromstring(archive.read("xl/styles.xml"))
        percent = {"9", "10"} | {
            f.get("numFmtId", "") for f in styles.iter(f"{MAIN}numFmt") if "%" in f.get("formatCode", "")
        }
        formats = styles.find(f"{MAIN}cellXfs")
        shown_as = {
            str(n) for n, x in enumerate(formats if formats is not None else []) if x.get("numFmtId") in percent
        }
        if not shown_as:
            return {}
        links = ET.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
        paths = {r.get("Id"): r.get("Target", "") for r in links}
        found = {}
        for entry in ET.fromstring(archive.read("xl/workbook.xml")).iter(f"{MAIN}sheet"):
            path = posixpath.normpath(posixpath.join("/xl", paths.get(entry.get(RELATION), ""))).lstrip("/")
            if path in names:
                with archive.open(path) as stream:
                    found[entry.get("name", "")] = [
                        (address[1], int(address[2]))
                        for _, cell in ET.iterparse(stream)
                        if cell.tag == f"{MAIN}c"
                        and cell.get("s") in shown_as
                        and cell.get("t", "n") == "n"
                        and (address := re.fullmatch(r"([A-Z]+)(\d+)", cell.get("r", "")))
                    ]
        return found


def _percent_cells_of_ods(content: bytes) -> dict[str, list[tuple[str, int]]]:
    """The same of an ods, whose rows and cells say how often they are repeated."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        document = ET.fromstring(archive.read("content.xml"))
    found: dict[str, list[tuple[str, int]]] = {}
    for table in document.iter(f"{TABLE}table"):
        at, row = found.setdefault(table.get(f"{TABLE}name", ""), []), 0
        for line in table.iter(f"{TABLE}table-row"):
            down, column = int(line.get(f"{TABLE}number-rows-repeated", "1")), 0
            for cell in line:
                across = int(cell.get(f"{TABLE}number-columns-repeated", "1"))
                if cell.get(f"{OFFICE}value-type") == "percentage" and down * across <= REPEATED:
                    at += [(letters(column + c), row + r + 1) for r in range(down) for c in range(across)]
                column += across
            row += down
    return found


PERCENT_CELLS = {"xlsx": _percent_cells_of_xlsx, "ods": _percent_cells_of_ods}
