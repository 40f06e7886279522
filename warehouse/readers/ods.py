"""What calamine leaves untold of an ods: percentages, formulas without a result, merged cells; and how far a sheet goes.

In an ods a row or a cell says how often it is repeated.
"""

from __future__ import annotations

import io
import zipfile

from warehouse.readers.faults import FileFault
from warehouse.readers.untold import (
    FORMULA_LENGTH,
    GRID_LIMIT,
    MERGED_LIMIT,
    Untold,
    check_count,
    too_large,
    xml_parser,
)

CELLS = {"table:table-cell", "table:covered-table-cell"}
TIMES_ACROSS, TIMES_DOWN = "table:number-columns-repeated", "table:number-rows-repeated"
SPANS_ACROSS, SPANS_DOWN = "table:number-columns-spanned", "table:number-rows-spanned"
MOST = 1 << 24  # rows, or columns, that any program knows


def untold(content: bytes) -> dict[str, Untold]:
    """By sheet name. Raises FileFault S01 (XML with a DOCTYPE), S07 (too large); ExpatError, KeyError, BadZipFile."""
    found: dict[str, Untold] = {}
    parser = xml_parser()
    name, told = "", Untold()
    row, times, column = 0, 1, 0
    rows = columns = 0

    def counted(attributes: dict[str, str], what: str) -> int:
        count = int(attributes.get(what, "1"))
        if not 0 < count <= MOST:
            raise FileFault("S01", found=f"{what} {attributes[what][:20]}", expected=f"1 to {MOST:,}", sheet=name)
        return count

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal name, told, row, times, column, rows, columns
        if tag in CELLS:
            across = counted(attributes, TIMES_ACROSS)
            kind, formula = attributes.get("office:value-type"), attributes.get("table:formula")
            if kind is not None or formula is not None:
                rows, columns = max(rows, row + times), max(columns, column + across)
                if rows * columns > GRID_LIMIT:
                    raise too_large(name, rows, columns)
            places = [(row + r, column + c) for r in range(times) for c in range(across)] if formula or kind else []
            if kind == "percentage":
                told.percent += places
            elif formula is not None and kind is None:
                shown = formula.removeprefix("of:")[:FORMULA_LENGTH]
                told.uncalculated.update(dict.fromkeys(places, shown if shown.startswith("=") else f"={shown}"))
            down = counted(attributes, SPANS_DOWN)
            right = counted(attributes, SPANS_ACROSS)
            if (down > 1 or right > 1) and len(told.merged) < MERGED_LIMIT:
                told.merged.append((row, column, row + down - 1, column + right - 1))
            column += across
        elif tag == "table:table-row":
            times, column = counted(attributes, TIMES_DOWN), 0
        elif tag == "table:table":
            name = attributes.get("table:name", "")
            told = found.setdefault(name, Untold())
            check_count(len(found))
            row, rows, columns = 0, 0, 0

    def end(tag: str) -> None:
        nonlocal row
        if tag == "table:table-row":
            row += times

    parser.StartElementHandler, parser.EndElementHandler = start, end
    with zipfile.ZipFile(io.BytesIO(content)) as archive, archive.open("content.xml") as stream:
        parser.ParseFile(stream)
    return found
