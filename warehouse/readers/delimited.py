"""Delimited text to a grid of text, strictly: what cannot be made sense of is a fault, never a shifted column."""

from __future__ import annotations

import csv
import io
from typing import Any

import polars as pl

from warehouse.readers.faults import FileFault
from warehouse.readers.table import Sheet, header_cells, letters

SEPARATORS = ",;\t"
CELL_LIMIT = 1 << 20  # characters in a cell
COLUMN_LIMIT = 4096


def sheet(content: bytes) -> Sheet:
    """The file's cells as text, row 1 first. Raises FileFault S01 with the line that cannot be read."""
    text = decoded(content)
    separator = separator_of(text)
    plain = '"' not in text and "\r" not in text.replace("\r\n", "\n")
    return Sheet(None, _plain(text, separator) if plain else _quoted(text, separator), separated=True)


def decoded(content: bytes) -> str:
    """UTF-8 or UTF-16 (with or without BOM), or GB18030; anything else is S01, not a guess."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif b"\0" in content[:4096]:
        head = content[:4096]  # a separator, digit or line end has its NUL behind it where the low byte comes first
        encodings = ["utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"]
    else:
        encodings = ["utf-8-sig", "gb18030"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError as e:
            where = content.count(b"\n", 0, e.start) + 1
            continue
        if "\0" in text:
            raise FileFault(
                "S01", found="NUL", expected="UTF-8, UTF-16, GB18030", row=text.count("\n", 0, text.index("\0")) + 1
            )
        return text
    raise FileFault("S01", found="undecodable bytes", expected="UTF-8, UTF-16, GB18030", row=where)


def separator_of(text: str) -> str:
    """The separator by which the first lines show the most header names; a comma where none does."""
    head = text[:65536].splitlines()[:200]
    return max(
        SEPARATORS, key=lambda s: max((len(header_cells(line.replace('"', "").split(s))) for line in head), default=0)
    )


def _plain(text: str, separator: str) -> pl.DataFrame:
    """Without quotes a line is a row whatever the reader, so the fast one is used; blank lines keep their row."""
    lines = pl.Series("line", text.replace("\r\n", "\n").removesuffix("\n").split("\n"))
    most: Any = lines.str.count_matches(separator, literal=True).max()
    width = (most or 0) + 1
    if width > COLUMN_LIMIT:
        raise FileFault("S01", found=f"{width} columns", expected=f"≤ {COLUMN_LIMIT}")
    cells = lines.str.split_exact(separator, width - 1).struct.unnest()
    cells.columns = [letters(n) for n in range(cells.width)]
    return cells


def _quoted(text: str, separator: str) -> pl.DataFrame:
    csv.field_size_limit(CELL_LIMIT)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[list[str]] = []
    try:
        rows.extend(reader)
    except csv.Error as e:
        raise FileFault("S01", found=str(e), expected="RFC 4180", row=reader.line_num) from e
    width = max((len(r) for r in rows), default=0)
    if width > COLUMN_LIMIT:
        raise FileFault("S01", found=f"{width} columns", expected=f"≤ {COLUMN_LIMIT}")
    padded = [r + [None] * (width - len(r)) for r in rows]
    return pl.DataFrame(padded, schema={letters(n): pl.String for n in range(width)}, orient="row")
