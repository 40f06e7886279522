"""Delimited text to a grid of text, strictly: what cannot be made sense of is a fault, never a shifted column.

Text whose quotes are all where RFC 4180 puts them goes through Polars; any other through Python's strict reader, which
says in which line it gave up.
"""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import polars as pl

from warehouse.readers.faults import FileFault
from warehouse.readers.table import Sheet, header_cells, letters
from warehouse.readers.untold import FILE_LIMIT

SEPARATORS = ",;\t"
ENCODINGS = "UTF-8, UTF-16, GB18030"
CELL_LIMIT = 1 << 20  # bytes in a cell, of whatever file
COLUMN_LIMIT = 4096
ROW_LIMIT = 5_000_000
HEAD = 1 << 16  # characters by which a file's separator is told
HELD = 1 << 20  # characters of a text that is held beside its cells
BOM = "\ufeff"
# every quote opens a cell, closes it, or is doubled within
WELL_QUOTED = {
    s: re.compile(rf'[^"]*+(?:(?<![^{s}\n])"(?:[^"]++|"")*+"(?=[{s}\n]|\r\n|\Z)[^"]*+)*+\Z') for s in SEPARATORS
}


def sheet(content: bytes) -> Sheet:
    """The file's cells as text, row 1 first. Raises FileFault S01 with the line that cannot be read, S07."""
    text = decoded(content)
    if (lines := text.count("\n") or text.count("\r")) > ROW_LIMIT:
        raise FileFault("S07", found=f"{lines:,} rows", expected=f"≤ {ROW_LIMIT:,}")
    separator = separator_of(text)
    one_line_end = "\r" not in text or text.count("\r") == text.count("\r\n")
    if one_line_end and ('"' not in text or WELL_QUOTED[separator].match(text)):
        held = text if len(text) <= HELD else None
        return Sheet(None, _well_formed(text, separator), separated=True, text=held)
    return Sheet(None, _strict(text, separator), separated=True, loose_quotes=True)


def beginning(content: bytes) -> str:
    """The first characters of a text, whatever its encoding; what does not decode is left out."""
    head = content[:512]
    return head.decode(_encodings(content)[0], "ignore").removeprefix(BOM)


def decoded(content: bytes) -> str:
    """UTF-8 or UTF-16 (with or without BOM), or GB18030; anything else is S01, not a guess."""
    for encoding in _encodings(content):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError as e:
            where = content.count(b"\n", 0, e.start) + 1
            continue
        if "\0" in text:
            raise FileFault("S01", found="NUL", expected=ENCODINGS, row=text.count("\n", 0, text.index("\0")) + 1)
        return text.removeprefix(BOM)
    raise FileFault("S01", found="undecodable bytes", expected=ENCODINGS, row=where)


def _encodings(content: bytes) -> list[str]:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ["utf-16"]
    if b"\0" in (
        head := content[:4096]
    ):  # a separator, digit or line end has its NUL behind it where the low byte comes first
        return ["utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"]
    return ["utf-8-sig", "gb18030"]


def separator_of(text: str) -> str:
    """The separator of the first line that is a header, else that by which one shows the most names; a comma where none does."""
    most, best = 0, SEPARATORS[0]
    for line in text[:HEAD].splitlines()[:200]:
        for separator in SEPARATORS:
            named = header_cells(line.replace('"', "").split(separator))
            if len(named) > most:
                most, best = len(named), separator
            if {"period", "value"} <= named.keys() and not named.keys().isdisjoint({"indicator", "name"}):
                return separator
    return best


def _well_formed(text: str, separator: str) -> pl.DataFrame:
    """A line is a row, or a quoted cell's part; blank lines keep their row."""
    head = text[:HEAD].split("\n")[:200]
    width = max(line.count(separator) for line in head) + 1
    try:
        return _read(text, separator, width)
    except pl.exceptions.ComputeError:  # a row further down has more cells
        lines = pl.Series(text.split("\n"))
        most: Any = lines.str.count_matches(separator, literal=True).max()
        try:
            return _read(text, separator, most + 1)
        except pl.exceptions.ComputeError:
            return _strict(text, separator)


def _read(text: str, separator: str, width: int) -> pl.DataFrame:
    if width > COLUMN_LIMIT:
        width = max(width, *(line.count(separator) + 1 for line in text.split("\n", 200)[:200]))  # of whole lines
    _check_extent(text.count("\n"), width)
    header = separator.join(letters(n) for n in range(width))
    return pl.read_csv(
        f"{header}\n{text}".encode(),
        separator=separator,
        quote_char='"' if '"' in text else None,
        infer_schema=False,
        truncate_ragged_lines=False,
    )


def _check_extent(lines: int, width: int) -> None:
    if width > COLUMN_LIMIT:
        raise FileFault("S07", found=f"{width:,} columns", expected=f"≤ {COLUMN_LIMIT:,}")
    if lines * width > FILE_LIMIT:
        raise FileFault("S07", found=f"{lines:,} × {width:,}", expected=f"≤ {FILE_LIMIT:,} cells")


def _strict(text: str, separator: str) -> pl.DataFrame:
    csv.field_size_limit(CELL_LIMIT)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[list[str]] = []
    try:
        rows.extend(reader)
    except csv.Error as e:
        if str(e).startswith("field larger"):
            expected = f"≤ {CELL_LIMIT:,} bytes"
            raise FileFault("S07", found="a longer cell", expected=expected, row=reader.line_num) from e
        raise FileFault("S01", found=str(e), expected="RFC 4180", row=reader.line_num) from e
    width = max((len(r) for r in rows), default=0)
    _check_extent(len(rows), width)
    padded = [r + [None] * (width - len(r)) for r in rows]
    return pl.DataFrame(padded, schema={letters(n): pl.String for n in range(width)}, orient="row")
