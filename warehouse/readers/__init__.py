"""Bytes to rows: what a department sent, cell by cell, as text, each with its sheet, row and column.

Here: which reader a file gets (by content), and what a reading is. Not here: whether a figure is right (judge).
"""

from __future__ import annotations

import io
import lzma
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass, field, replace

import polars as pl

from expectations.template import Mark as Mark
from warehouse.readers import delimited, records, workbook
from warehouse.readers.delimited import CELL_LIMIT
from warehouse.readers.faults import FileFault as FileFault
from warehouse.readers.rows import NO_ROWS as NO_ROWS
from warehouse.readers.rows import PassedOver as PassedOver
from warehouse.readers.rows import rows_of
from warehouse.readers.table import Sheet

READER_VERSION = 7  # raise when a reader would read some file differently: files are then read again

OLE, ZIP, PARQUET = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PK\x03\x04", b"PAR1"
FOREIGN = {b"%PDF": "pdf", b"\x1f\x8b": "gzip", b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg", b"Rar!": "rar",
           b"7z\xbc\xaf": "7z", b"{\\rtf": "rtf"}  # fmt: skip
EXPANDED_LIMIT = 2 << 30  # bytes of a zipped file's parts, and of the rows that any file reads to (S07)
MARKUP = re.compile(r"\s*<(\?xml|!doctype|!--|html|head|body|meta|style|table|div|svg|workbook)\b", re.IGNORECASE)
RECORD = re.compile(r'\s*(?:\[\s*)?\{\s*["}]')  # how json and jsonl begin
BINARY = ("xlsx", "xls", "ods", "parquet")
TEXTS = ("csv", "json", "jsonl")
ACCEPTED = ".xlsx .xls .ods .csv .json .jsonl .parquet"


@dataclass(frozen=True)
class Reading:
    """A file as read: `rows` (columns as in `rows.ROWS`), or the fault for which all of it is returned."""

    format: str
    rows: pl.DataFrame = field(default_factory=NO_ROWS.clone)
    fault: FileFault | None = None
    synthetic: bool = False
    named_departments: tuple[str, ...] = ()
    template: Mark | None = None  # which fill-in workbook it was
    reason: str | None = None  # why it was sent again, as the file says
    passed_over: tuple[PassedOver, ...] = ()  # what stands in the file and is no row of figures
    lasting: bool = True  # False where the machine, not the file, kept it from being read: worth another try


def read(content: bytes, name: str) -> Reading:
    """Every row of every sheet of a file named `name`. Never raises for what a department can send."""
    kind = "unknown"
    try:
        kind = format_of(content, name)
        # of a text no cell is longer than twice its bytes, whatever its encoding
        longest = min(2 * len(content), CELL_LIMIT) if kind in TEXTS else CELL_LIMIT
        found = sheets(content, kind)
        table = rows_of(found if longest < CELL_LIMIT else _bounded(found), name)
        _check_extent(table.rows, longest)
    except FileFault as broken:
        claimed = name.rpartition(".")[2].casefold()
        if broken.rule == "S04" and kind == "csv" and claimed in (*BINARY, "json", "jsonl"):  # text, and no table
            broken = FileFault("S01", found=f"not a .{claimed}", expected=ACCEPTED)
        return Reading(kind, fault=broken, synthetic=is_synthetic(name))
    seen = Reading(
        kind,
        synthetic=table.synthetic,
        named_departments=table.named_departments,
        template=table.template,
        reason=table.reason,
        passed_over=tuple(table.passed_over),
    )
    if not table.has_figure:
        return replace(seen, fault=FileFault("S06", found="0", expected="≥ 1"))
    return replace(seen, rows=table.rows)


def is_synthetic(text: str) -> bool:
    return "synthetic" in text.casefold() or "合成" in text


def _bounded(found: list[Sheet]) -> list[Sheet]:
    """The sheets. Raises FileFault S07 where a cell holds more than any form asks for: it would be carried everywhere."""
    for sheet in found:
        lengths = sheet.cells.lazy().select(pl.col(pl.String).str.len_bytes())
        longest_of = lengths.select(pl.all().max()).collect()
        for column, longest in zip(longest_of.columns, *longest_of.rows(), strict=True) if longest_of.width else ():
            if longest is not None and longest > CELL_LIMIT:
                row = (lengths.select(pl.col(column).arg_max()).collect().item() or 0) + sheet.first_row
                expected = f"≤ {CELL_LIMIT:,} bytes"
                raise FileFault(
                    "S07", found=f"{longest:,} bytes in a cell", expected=expected, sheet=sheet.name, row=row
                )
    return found


def _check_extent(rows: pl.DataFrame, longest: int) -> None:
    """Raises FileFault S07: a text that stands for many rows (merged, repeated, before many periods) is read once a row.

    No cell has more than `longest` bytes: of few rows nothing need be counted.
    """
    if rows.height * rows.width * longest <= EXPANDED_LIMIT:
        return
    extent = sum(rows.select(pl.col(pl.String).str.len_bytes().sum()).row(0))
    if extent > EXPANDED_LIMIT:
        raise FileFault("S07", found=f"rows of {extent:,} bytes", expected=f"≤ {EXPANDED_LIMIT:,} bytes")


def sheets(content: bytes, kind: str) -> list[Sheet]:
    if kind in ("xlsx", "xls", "ods"):
        return workbook.sheets(content, kind)
    if kind == "csv":
        return [delimited.sheet(content)]
    return [records.sheet(content, kind)]


def format_of(content: bytes, name: str) -> str:
    """What a file is, by its content; its extension counts where that tells nothing. Raises FileFault S01, S02, S03, S07."""
    extension = name.rpartition(".")[2].casefold() if "." in name else ""
    if not content.strip():
        raise FileFault("S01", found="0 bytes", expected=ACCEPTED)
    if content.startswith(ZIP):
        return _zipped(content, extension)
    if content.startswith(OLE):
        if "EncryptedPackage".encode("utf-16-le") in content:
            raise FileFault("S03", found="EncryptedPackage", expected=ACCEPTED)
        if _locked(content):
            raise FileFault("S03", found="FILEPASS", expected=ACCEPTED)
        if extension in ("xls", "xlsx", "ods", "et") or "Workbook".encode("utf-16-le") in content:
            return "xls"
        raise FileFault("S02", found=f".{extension} (OLE)", expected=ACCEPTED)
    if content.startswith(PARQUET):
        return "parquet"
    for magic, foreign in FOREIGN.items():
        if content[:64].lstrip().lower().startswith(magic.lower()):
            raise FileFault("S02", found=foreign, expected=ACCEPTED)
    if extension in BINARY and b"\0" in content[:4096] and content[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        raise FileFault("S01", found=f"not a .{extension}", expected=ACCEPTED)
    begins = delimited.beginning(content)
    if MARKUP.match(begins):
        raise FileFault("S02", found=begins.strip()[:20], expected=ACCEPTED)
    if RECORD.match(begins) or (extension in ("json", "jsonl") and begins.lstrip()[:1] in ("[", "{")):
        return records.kind_of(begins, extension)
    if extension not in ("csv", "txt", "tsv", "json", "jsonl", "", *BINARY):
        raise FileFault("S02", found=f".{extension}", expected=ACCEPTED)
    return "csv"


def _locked(content: bytes) -> bool:
    """Whether an old workbook's (BIFF8) first records ask for a password."""
    at = content.find(b"\x09\x08\x10\x00\x00\x06\x05\x00")
    for _ in range(3):
        if at < 0 or at + 4 > len(content):
            return False
        record, size = struct.unpack_from("<HH", content, at)
        if record == 0x2F:
            return True
        at += 4 + size
    return False


def _zipped(content: bytes, extension: str) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = set(archive.namelist())
            expanded = sum(i.file_size for i in archive.infolist())
            if expanded > EXPANDED_LIMIT:
                raise FileFault("S07", found=f"{expanded:,} bytes", expected=f"≤ {EXPANDED_LIMIT:,} bytes")
            if any(i.flag_bits & 1 for i in archive.infolist()):
                raise FileFault("S03", found="encrypted zip", expected=ACCEPTED)
            if "xl/workbook.bin" in names:
                raise FileFault("S02", found="xlsb", expected=ACCEPTED)
            if "xl/workbook.xml" in names:
                return "xlsx"
            if "content.xml" in names:
                manifest = archive.read("META-INF/manifest.xml") if "META-INF/manifest.xml" in names else b""
                if b"encryption-data" in manifest:
                    raise FileFault("S03", found="encryption-data", expected=ACCEPTED)
                return "ods"
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, RuntimeError, ValueError) as e:
        if extension in ("xlsx", "ods"):
            raise FileFault("S01", found=str(e), expected=f".{extension}") from e
        raise FileFault("S02", found="zip", expected=ACCEPTED) from e
    if extension in ("xlsx", "ods"):
        raise FileFault("S01", found=f"not a .{extension}", expected=f".{extension}")
    raise FileFault("S02", found=f".{extension} (zip)", expected=ACCEPTED)
