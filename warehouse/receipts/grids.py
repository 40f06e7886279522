"""The department's own sheets, cell by cell as they were read, and where on them each finding stands.

Rows and columns keep their places. Of a large sheet only the rows about findings are shown.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

import polars as pl

from expectations.periods import period
from warehouse import readers
from warehouse.readers.faults import FileFault
from warehouse.readers.table import FIELDS, Sheet, header_cells, header_of, letters, normalised, period_cells
from warehouse.receipts.answers import Finding
from warehouse.visible import visible

ROWS = 2000  # rows of a sheet that are shown; of a longer one the head and the rows about findings
CELLS = 60_000  # cells of a file that are shown
SHEETS = 20
HEAD = 3  # rows shown below the header of a shortened sheet
AROUND = 2  # rows shown either side of a finding
CELL_LENGTH = 4000  # characters of a cell that are shown
RECORDS = ("json", "jsonl", "parquet")
UNREAD = {"S01", "S02", "S03", "S07"}  # what could not be read, or is too large, is not laid out again, and not here


@dataclass(frozen=True)
class Grid:
    """A sheet's cells that are shown. Rows and columns count from 0, as they lie on the sheet."""

    name: str | None
    width: int
    height: int
    rows: dict[int, list[str]]
    header: int | None
    a_figure_a_row: bool  # long form: a returned figure is a returned row
    marks: dict[tuple[int, int], list[Finding]] = field(default_factory=dict)

    @property
    def shortened(self) -> bool:
        return len(self.rows) < self.height

    def marked_rows(self) -> dict[int, list[Finding]]:
        found: dict[int, list[Finding]] = defaultdict(list)
        for (row, _), findings in sorted(self.marks.items()):
            found[row] += findings
        return found


@dataclass(frozen=True)
class Place:
    """Where a finding stands: on which sheet shown and cell, where it stands on one, and in words."""

    grid: int | None
    cell: str | None
    zh: str
    en: str


@dataclass(frozen=True)
class Original:
    grids: list[Grid]
    places: dict[int, Place]  # by id of the finding
    left_out: int  # sheets that are not shown


def original(content: bytes, kind: str, findings: Sequence[Finding], first_month: int) -> Original:
    """The file's sheets with the findings on them; none where the file cannot be read. `first_month`: of the plan's year."""
    try:
        sheets = readers.sheets(content, kind) if kind != "unknown" and not UNREAD & {f.rule for f in findings} else []
    except FileFault:  # said by the finding for which the file was returned
        sheets = []
    by_sheet: dict[str | None, list[Finding]] = defaultdict(list)
    for f in findings:
        by_sheet[f.sheet].append(f)
    shown = [s for s in sheets if s.cells.width and not s.hidden]
    # where there are too many sheets, those with findings come before those without; each keeps its order
    chosen = {id(s) for s in sorted(shown, key=lambda s: s.name not in by_sheet)[:SHEETS]}
    grids: list[Grid] = []
    places: dict[int, Place] = {}
    room = CELLS
    for sheet in shown:
        if id(sheet) not in chosen:
            continue
        grid = _grid(sheet, by_sheet.get(sheet.name, []), first_month, room)
        room -= len(grid.rows) * grid.width
        for (row, column), marked in grid.marks.items():
            for f in marked:
                places[id(f)] = _on(len(grids), grid, row, column, f, kind)
        grids.append(grid)
    for f in findings:
        if id(f) not in places:
            places[id(f)] = _off(f, kind)
    return Original(grids, places, len(shown) - len(chosen))


def _grid(sheet: Sheet, findings: Sequence[Finding], first_month: int, room: int) -> Grid:
    cells, names = sheet.cells, sheet.header
    at, header, _ = header_of(sheet)
    offset = 0 if names is None else 1  # records: their field names are shown as the first row
    header_row = 0 if names is not None else at - 1 if header is not None else None
    height = cells.height + offset
    first_row = 1 if names is not None else sheet.first_row
    wanted = [f.row - first_row + offset for f in findings if f.row is not None]
    limit = max(HEAD, min(ROWS, room // max(cells.width, 1)))
    if height <= limit:
        keep = list(range(height))
    else:
        top = list(range(min((header_row or 0) + 1 + HEAD, height)))
        near = (r + d for r in dict.fromkeys(wanted) for d in range(-AROUND, AROUND + 1) if 0 <= r + d < height)
        keep = sorted(islice(dict.fromkeys([*top, *near]), limit))
    taken = cells[[r - offset for r in keep if r >= offset]].select(pl.all().cast(pl.String))
    rows = {
        r: [_shown(c) for c in line] for r, line in zip([r for r in keep if r >= offset], taken.rows(), strict=True)
    }
    if names is not None and 0 in keep:
        rows[0] = [_shown(c) for c in names]
    marks: dict[tuple[int, int], list[Finding]] = defaultdict(list)
    for f, row in zip([f for f in findings if f.row is not None], wanted, strict=True):
        if row in rows:
            column = _column(f, list(header or []), first_month)
            if column is None:  # the row as a whole: its first cell that says something
                column = next((n for n, cell in enumerate(rows[row]) if cell), 0)
            marks[row, column].append(f)
    return Grid(
        sheet.name,
        cells.width,
        height,
        dict(sorted(rows.items())),
        header_row,
        "period" in header_cells(header or []),
        dict(marks),
    )


def _shown(cell: str | None) -> str:
    cell = cell or ""
    return visible(cell if len(cell) <= CELL_LENGTH else f"{cell[:CELL_LENGTH]}…（共 {len(cell)} 字）")


def _column(finding: Finding, header: list[str | None], first_month: int) -> int | None:
    """The column that a finding speaks of, by its header; where the sheet has no such column, the figure's."""
    if finding.column is None:
        return None
    if finding.column in header:
        return header.index(finding.column)
    fields = header_cells(header)
    spoken = next(
        (f for part in (finding.column, *finding.column.split()) if (f := FIELDS.get(normalised(part)))), None
    )
    if spoken in fields:
        return fields[spoken]
    if spoken == "indicator" and "name" in fields:
        return fields["name"]
    if finding.period and (meant := period(finding.period, first_month)):
        for n in period_cells(header):
            text = re.sub(r"[((].*?[))]", "", header[n] or "")
            if (stated := period(text, first_month)) and stated.end == meant.end:
                return n
    return fields.get("value")


def _on(index: int, grid: Grid, row: int, column: int, finding: Finding, kind: str) -> Place:
    cell = f"{letters(column)}{row + 1}"
    header = finding.column and visible(finding.column)
    zh, en = (f"（{header}）" if header else ""), (f" ({header})" if header else "")
    if kind in RECORDS:
        return Place(index, cell, f"第 {finding.row} 条记录{zh}", f"record {finding.row}{en}")
    sheet = visible(grid.name) if grid.name is not None else None
    return Place(
        index,
        cell,
        (f"工作表“{sheet}” " if sheet is not None else "") + f"{cell} 单元格{zh}",
        (f"sheet “{sheet}” " if sheet is not None else "") + f"cell {cell}{en}",
    )


def _off(finding: Finding, kind: str) -> Place:
    """In words alone: a file that cannot be shown, or a row beyond what is shown."""
    zh, en = [], []
    if finding.sheet is not None:
        zh.append(f"工作表“{visible(finding.sheet)}”")
        en.append(f"sheet “{visible(finding.sheet)}”")
    if finding.row is not None:
        zh.append(f"第 {finding.row} {'条记录' if kind in RECORDS else '行'}")
        en.append(f"{'record' if kind in RECORDS else 'row'} {finding.row}")
    if finding.column is not None:
        zh.append(f"（{visible(finding.column)}）")
        en.append(f"({visible(finding.column)})")
    return Place(None, None, " ".join(zh) or "整份文件", " ".join(en) or "the whole file")
