"""What calamine leaves untold of a workbook's cells: the shape of the answer, the same for each format.

calamine gives values, not how they are shown. Here is what changes a value's meaning: that a cell is shown as a
percentage, that a formula has no result, that cells are merged. Looked up by `xlsx`, `xls` and `ods`, which also refuse
a sheet that is too large to be laid out as a grid.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from warehouse.readers.faults import FileFault

GRID_LIMIT = 20_000_000  # cells of the rectangle from the first to the last cell of a sheet that holds anything
FILE_LIMIT = 5 * GRID_LIMIT  # cells of all rectangles of a file
SHEETS_LIMIT = 1_000
MERGED_LIMIT = 100_000  # merged areas of a sheet that are looked at
FORMULA_LENGTH = 120  # characters of a formula that are shown
NO_RESULT = "公式没有结果 formula without a result: "  # how such a cell reads, before its formula

Cell = tuple[int, int]  # row, column, from 0


@dataclass
class Untold:
    """Of one sheet, by place (row, column, from 0)."""

    percent: list[Cell] = field(default_factory=list)  # number cells that are shown as a percentage
    uncalculated: dict[Cell, str] = field(default_factory=dict)  # formulas without a result
    merged: list[tuple[int, int, int, int]] = field(
        default_factory=list
    )  # first row, first column, last row, last column


def too_large(sheet: str, rows: int, columns: int) -> FileFault:
    return FileFault(
        "S07",
        found=f"{rows:,} × {columns:,}",
        expected=f"≤ {GRID_LIMIT:,} cells",
        sheet=sheet,
        row=min(rows, 2**31 - 1),
    )


def check_count(sheets: int) -> None:
    """Raises FileFault S07 for sheets without end: each may be the same one, read anew."""
    if sheets > SHEETS_LIMIT:
        raise FileFault("S07", found=f"{sheets:,} sheets", expected=f"≤ {SHEETS_LIMIT:,}")


def xml_parser() -> Any:
    """An XML parser that refuses what no spreadsheet needs: a document type, and with it entities."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = no_doctype
    return parser


def no_doctype(name: str, *_: object) -> None:
    raise FileFault("S01", found=f"<!DOCTYPE {name}", expected="XML without DOCTYPE")
