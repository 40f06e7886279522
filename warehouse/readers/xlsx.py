"""What calamine leaves untold of an xlsx: percentages, formulas without a result, merged cells; and how far a sheet goes.

A sheet's XML is searched, not parsed, a few whole rows at a time: parsing it in Python costs several times what reading
the sheet does, and calamine parses it anyway.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import IO
from xml.etree import ElementTree as ET

from warehouse.readers.faults import FileFault
from warehouse.readers.untold import (
    FORMULA_LENGTH,
    GRID_LIMIT,
    MERGED_LIMIT,
    Untold,
    check_count,
    no_doctype,
    too_large,
    xml_parser,
)

BLOCK = 1 << 20
ROW = re.compile(rb'<(?:\w+:)?row\s[^>]*?r="(\d+)')
WIDE = re.compile(rb'r="[A-Z]{2}')
CELL = re.compile(
    rb'<(?:\w+:)?c(?=\s)(?:(?=[^>]*?\sr="([A-Z]{1,3})([1-9]\d{0,6})"))?(?:(?=[^>]*?\st="(\w+)"))?[^>]*?(/?)>'
)  # column, row, kind, whether it ends there
CLOSED = re.compile(rb"\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v></(?:\w+:)?v>)?\s*</(?:\w+:)?c>")  # a cell that holds nothing
FORMULA = re.compile(
    rb"<(?:\w+:)?f\b(?:[^>]*/>|[^>]*>([^<]*)</(?:\w+:)?f>)\s*(?:<(?:\w+:)?v\b[^>]*>([^<]*)</(?:\w+:)?v>)?"
)  # formula, result
MERGED = re.compile(rb'mergeCell\s[^>]*?ref="([A-Z]{1,3})([1-9]\d{0,6}):([A-Z]{1,3})([1-9]\d{0,6})"')
TEXT_KINDS = (b"str", b"s", b"inlineStr")
BUILT_IN_PERCENT = {"9", "10"}
QUOTED = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]')  # of a number format: what is shown as it stands, and colours


def untold(content: bytes) -> dict[str, Untold]:
    """By sheet name. Raises FileFault S01 (XML with a DOCTYPE; two sheets that are one part), S07 (a sheet too large, too many
    sheets); ExpatError, KeyError, BadZipFile."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = {n.casefold(): n for n in archive.namelist()}
        percent = _percent_styles(_part(archive, names, "xl/styles.xml"))
        book = _part(archive, names, "xl/workbook.xml")
        links = _part(archive, names, "xl/_rels/workbook.xml.rels")
        if book is None or links is None:
            return {}
        paths = {r.get("Id"): r.get("Target", "") for r in links}
        recalculated = any(e.get("fullCalcOnLoad") in ("1", "true") for e in book.iter() if _local(e.tag) == "calcPr")
        entries = [e for e in book.iter() if _local(e.tag) == "sheet"]
        check_count(len(entries))
        found: dict[str, Untold] = {}
        taken: set[str] = set()
        for entry in entries:
            link = next((v for k, v in entry.items() if _local(k) == "id"), None)
            path = posixpath.normpath(posixpath.join("/xl", paths.get(link, ""))).lstrip("/").casefold()
            name = entry.get("name", "")
            if path in names:
                if path in taken:
                    raise FileFault("S01", found=f"{path} twice", expected=".xlsx", sheet=name)
                taken.add(path)
                found[name] = _sheet(lambda p=names[path]: archive.open(p), name, percent, recalculated)  # type: ignore[misc]
        return found


def number_format_is_percent(code: str) -> bool:
    return "%" in QUOTED.sub("", code)


@lru_cache(maxsize=1 << 15)
def column_number(letters: bytes) -> int:
    """Spreadsheet letters to a column's number, from 0."""
    n = 0
    for c in letters:
        n = n * 26 + c - 64
    return n - 1


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _part(archive: zipfile.ZipFile, names: dict[str, str], name: str) -> ET.Element | None:
    if name not in names:
        return None
    text = archive.read(names[name])
    xml_parser().Parse(text, True)
    return ET.fromstring(text)


def _percent_styles(styles: ET.Element | None) -> list[str]:
    """The cell styles, by number as cells name them, that show a percentage."""
    if styles is None:
        return []
    percent = BUILT_IN_PERCENT | {
        f.get("numFmtId", "")
        for f in styles.iter()
        if _local(f.tag) == "numFmt" and number_format_is_percent(f.get("formatCode", ""))
    }
    formats = next((f for f in styles.iter() if _local(f.tag) == "cellXfs"), ())
    return [str(n) for n, x in enumerate(formats) if x.get("numFmtId") in percent]


def _sheet(opened: Callable[[], IO[bytes]], name: str, percent: list[str], recalculated: bool) -> Untold:
    styled = re.compile(b' s="(?:%s)"' % "|".join(percent).encode()) if percent else None
    told, wide, rows, prefixed = Untold(), False, 0, False
    with opened() as stream:
        for n, text in enumerate(_whole_rows(stream)):
            if n == 0:
                prefixed = b":sheetData" in text
                if b"<!DOCTYPE" in text:
                    no_doctype("")
            wide = wide or WIDE.search(text) is not None
            at = text.rfind(b"row ")  # rows ascend
            if at > 0 and (found := ROW.match(text, text.rfind(b"<", 0, at))):
                rows = max(rows, int(found[1]))
            for style in styled.finditer(text) if styled is not None else ():
                cell = CELL.match(text, text.rfind(b"<", 0, style.start()))
                if cell is not None and cell[3] in (None, b"n"):
                    told.percent.append(_place(cell, name))
            if (b":f" if prefixed else b"<f") in text:
                _look_at_formulas(told, text, recalculated, name)
            if b"mergeCell" in text and len(told.merged) < MERGED_LIMIT:
                for m in MERGED.finditer(text):
                    told.merged.append((int(m[2]) - 1, column_number(m[1]), int(m[4]) - 1, column_number(m[3])))
    if rows * (1 << 14 if wide else 26) > GRID_LIMIT:
        with opened() as stream:
            _measure(stream, name)
    return told


def _whole_rows(stream: IO[bytes]) -> Iterator[bytes]:
    """The XML in pieces that end where a row ends, so that no cell is torn; its attributes in double quotes."""
    held: list[bytes] = []
    while block := stream.read(BLOCK):
        if b"='" in block:
            block = block.replace(b"'", b'"')
        end = block.rfind(b"row>") + 4
        if end > 3:
            yield b"".join([*held, block[:end]])
            held = [block[end:]]
        else:
            held.append(block)
    yield b"".join(held)


def _place(cell: re.Match[bytes], sheet: str) -> tuple[int, int]:
    if cell[2] is None:
        raise FileFault("S01", found="<c> without r", expected='<c r="A1">', sheet=sheet)
    return int(cell[2]) - 1, column_number(cell[1])


def _look_at_formulas(told: Untold, text: bytes, recalculated: bool, sheet: str) -> None:
    """A result 0 counts as absent in a workbook that asks to be recalculated when it is opened: so write programs that
    cannot calculate."""
    for found in FORMULA.finditer(text):
        cell = CELL.match(text, text.rfind(b"<", 0, found.start()))
        formula, result = found.groups()
        value = (result or b"").strip()
        if cell is None or cell[3] in TEXT_KINDS or not (value == b"" or (recalculated and value == b"0")):
            continue
        shown = ET.fromstring(b"<f>%s</f>" % (formula or b"")).text or ""
        told.uncalculated[_place(cell, sheet)] = "=" + shown[:FORMULA_LENGTH]


def _measure(stream: IO[bytes], name: str) -> None:
    """Raises FileFault S07 where the cells that hold something span more than can be laid out."""
    rows = columns = 0
    for text in _whole_rows(stream):
        for cell in CELL.finditer(text):
            if cell[2] is not None and not cell[4] and not CLOSED.match(text, cell.end()):
                rows, columns = max(rows, int(cell[2])), max(columns, column_number(cell[1]) + 1)
    if rows * columns > GRID_LIMIT:
        raise too_large(name, rows, columns)
