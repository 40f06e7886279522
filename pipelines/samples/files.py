"""A sample file: its rows, and its bytes in the form in which a department sends it."""

from __future__ import annotations

import csv
import datetime as dt
import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import xlsxwriter

LABEL = "合成样例数据，非真实数据 SYNTHETIC SAMPLE DATA"
CREATED = dt.datetime(2022, 1, 1)  # a workbook's own date; fixed, so that the bytes are
MEASURES = {"period": "当期", "ytd": "累计", "end": "期末", "yoy": "同比", "share": "占比", "rank": "位次"}
EXTENSIONS = {"wide": "xlsx", "gb18030": "csv", "semicolons": "csv"}  # of forms not named like theirs

Cell = float | str | dt.date


class Row(NamedTuple):
    indicator: str
    name: str
    period: Cell
    area: str
    value: Cell
    unit: str
    measure: str
    note: str = ""


@dataclass(frozen=True)
class File:
    """A file before it is bytes. `form`: one of FORMS or semicolons; an extension where `content` is given."""

    department: str
    speaker: str
    year: int
    stem: str
    form: str
    sent: dt.datetime
    rows: tuple[Row, ...]
    headers: tuple[str, ...]
    banner: bool
    content: bytes | None = None

    @property
    def path(self) -> Path:
        return Path(self.department, str(self.year), f"{self.stem}.{EXTENSIONS.get(self.form, self.form)}")

    def later(self, days: int) -> File:
        return replace(self, sent=self.sent + dt.timedelta(days=days))


def table(file: File) -> list[list[Cell]]:
    """Header and rows, long; or a row an indicator and a column a period."""
    if file.form != "wide":
        return [list(line) for line in (file.headers, *file.rows) if line]
    code, name, _, area, _, measured, measure, _ = file.headers
    periods = list(dict.fromkeys(row.period for row in file.rows))
    lines: dict[tuple[str, ...], dict[Cell, Cell]] = {}
    for r in file.rows:
        lines.setdefault((r.indicator, r.name, r.area, r.unit, r.measure), {})[r.period] = r.value
    body = [[*key, *(values.get(p, "") for p in periods)] for key, values in lines.items()]
    return [[code, name, area, measured, measure, *periods], *body]


def content_of(file: File) -> bytes:
    if file.content is not None:
        return file.content
    cells, above = table(file), [LABEL]
    if file.banner:
        above += [f"{file.year}年行动计划指标完成情况报送表", f"填报单位：{file.speaker}"]
    if file.form in ("xlsx", "wide"):
        return workbook(above, cells)
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";" if file.form == "semicolons" else ",", lineterminator="\r\n")
    writer.writerows([[line] for line in above] + [[text(c) for c in row] for row in cells])
    return out.getvalue().encode("gb18030" if file.form == "gb18030" else "utf-8-sig")


def workbook(above: list[str], cells: list[list[Cell]]) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        book.set_properties({"created": CREATED, "title": LABEL})
        sheet, month = book.add_worksheet("报送表"), book.add_format({"num_format": "yyyy-mm"})
        for n, line in enumerate(above):
            sheet.merge_range(n, 0, n, len(cells[0]) - 1, line)
        for n, row in enumerate(cells, len(above)):
            for column, cell in enumerate(row):
                if isinstance(cell, dt.date):
                    sheet.write_datetime(n, column, dt.datetime.combine(cell, dt.time()), month)
                elif cell == "#DIV/0!":
                    sheet.write_formula(n, column, "=1/0", None, cell)
                elif isinstance(cell, float):
                    sheet.write_number(n, column, cell)
                elif cell:
                    sheet.write_string(n, column, cell)
    return out.getvalue()


def text(cell: Cell) -> str:
    if isinstance(cell, dt.date):
        return f"{cell.year}/{cell.month}/{cell.day}"
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
