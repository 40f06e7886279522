"""Where a grid of text has its header, and what the header's cells say. The rows below it: `rows`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from expectations.compiled import MEASURES
from expectations.periods import period

NAMES = {  # a field's names, Chinese and English
    "indicator": (["指标编码", "指标代码"], ["indicator", "indicator_code"]),
    "name": (["指标名称", "指标"], ["indicator_name", "name"]),
    "period": (["报告期"], ["period"]),
    "area": (["地区"], ["area"]),
    "value": (["数值"], ["value"]),
    "unit": (["单位", "计量单位"], ["unit"]),
    "measure": (["口径"], ["measure"]),
    "note": (["说明", "备注"], ["note"]),
    "self": (["自评"], ["self_assessed"]),
    "department": (["填报部门", "部门"], ["department"]),
}
FIELDS = {  # a column's field by its names, normalised; both names in one cell are one of them
    spelling: field
    for field, (zh, en) in NAMES.items()
    for spelling in [
        *zh,
        *en,
        *(a + mark + b for z in zh for e in en for a, b in ((z, e), (e, z)) for mark in ("", "/")),
    ]
}
ZH = {"indicator": "指标编码", "name": "指标名称", "period": "报告期", "value": "数值"}
HEADER_WITHIN = 200  # rows
HEADER_LENGTH = 64  # characters of a cell that may be a header's
REMARK = re.compile(r"\(.*?\)|\[.*?\]|【.*?】|\{.*?\}")
PART_OF_A_YEAR = re.compile(r"[月季半年]")
MEASURED = re.compile(
    rf"(.+?)\s*({'|'.join(sorted((m for m in MEASURES if not m.isascii()), key=len, reverse=True))})[数值]?"
)


@dataclass(frozen=True)
class Sheet:
    """Cells as text, columns named by letters (A, B, …) in the file's order; `header` where it is not among the rows."""

    name: str | None
    cells: pl.DataFrame
    first_row: int = 1
    separated: bool = False  # by separators, so that a cell too many may have pushed the others aside
    loose_quotes: bool = False  # a quote may have been meant to hold a separator, and did not
    header: Sequence[str] | None = None
    hidden: bool = False
    merged: Sequence[tuple[int, int, int, int]] = ()  # first row, first column, last row, last column, from 0
    text: str | None = (
        None  # all that the cells say, where they were separated from one text that is not large: looked into first
    )


@dataclass(frozen=True)
class Column:
    """What a wide form's header cell says of the figures below it."""

    period: str
    measure: str | None


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
    return REMARK.sub("", text).strip("*:﹡★")


def header_cells(cells: Sequence[str | None]) -> dict[str, int]:
    """The fields that a row names, each with the position of its first cell."""
    found: dict[str, int] = {}
    for n, cell in enumerate(cells):
        name = FIELDS.get(normalised(cell)) if cell and len(cell) < HEADER_LENGTH else None
        if name is not None and name not in found:
            found[name] = n
    return found


def column_of(cell: str | None) -> Column | None:
    """The period that a header cell names, and the measure where it names one behind it (2022年3月累计)."""
    if not cell or len(cell) >= HEADER_LENGTH:
        return None
    text = REMARK.sub("", unicodedata.normalize("NFKC", cell)).strip()
    if period(text):
        return Column(text, None)
    found = MEASURED.fullmatch(text)
    return Column(found[1], found[2]) if found and period(found[1]) else None


def period_cells(cells: Sequence[str | None]) -> list[int]:
    return [n for n, cell in enumerate(cells) if column_of(cell)]


def header_of(sheet: Sheet) -> tuple[int, Sequence[str | None] | None, str]:
    """(rows above the data, header or None, what is missing); where there is none, the first number ranks near misses."""
    if sheet.header is not None:
        candidates: list[Sequence[str | None]] = [sheet.header]
    else:
        candidates = list(sheet.cells.head(HEADER_WITHIN + 1).rows())
    best = (0, "")
    for n, cells in enumerate(candidates[:HEADER_WITHIN]):
        if found := header_at(sheet, n, cells, candidates[n + 1] if n + 1 < len(candidates) else None):
            return (0 if sheet.header is not None else n + found[0]), found[1], ""
        fields = header_cells(cells)
        if len(fields) > best[0]:
            wanted = [] if {"indicator", "name"} & fields.keys() else ["indicator"]
            wanted += [f for f in ("period", "value") if f not in fields]
            best = (len(fields), "missing: " + ", ".join(f"{ZH[f]} {f}" for f in wanted))
    return best[0], None, best[1]


def header_at(
    sheet: Sheet, row: int, cells: Sequence[str | None], below: Sequence[str | None] | None
) -> tuple[int, Sequence[str | None]] | None:
    """(how many rows the header takes, its cells) where a header starts in `row`; of two rows the cells read as one."""
    fields = header_cells(cells)
    if not {"indicator", "name"} & fields.keys():
        return None
    if {"period", "value"} <= fields.keys():
        return 1, cells
    if "period" in fields:
        return None
    if below is not None and (both := _of_two_rows(sheet, row, cells, below, fields)):
        return 2, both
    return (1, cells) if period_cells(cells) else None


def _of_two_rows(
    sheet: Sheet, row: int, above: Sequence[str | None], below: Sequence[str | None], fields: dict[str, int]
) -> list[str | None] | None:
    """2022年 above 1月, 2月, 3月, or 2022年3月 above 当期, 累计; None where the row below is no part of the header."""
    labels = {n for f, n in fields.items() if f in ("indicator", "name")}
    if any((below[n] or "").strip() not in ("", (above[n] or "").strip()) for n in labels):
        return None
    reach = {
        column: left
        for top, left, bottom, right in sheet.merged
        if top <= row <= bottom
        for column in range(left, min(right + 1, len(above)))
    }
    read: list[str | None] = []
    over: str | None = None  # what stands above, as far to the right as it reaches
    seen = False
    for n, cell in enumerate(above):
        stated, part = (cell or "").strip(), (below[n] or "").strip()
        if stated:
            over = stated if column_of(stated) else None
        elif reach and n not in reach:
            over = None
        joined = f"{over} {part}" if over and part in MEASURES else f"{over}{part}"
        if over and part and (part in MEASURES or PART_OF_A_YEAR.search(part)) and column_of(joined):
            read.append(joined)
            seen = True
        elif over and part:  # something else than a figure of the period
            read.append(f"{over} {part}")
        else:
            read.append(cell or below[n])
    return read if seen else None
