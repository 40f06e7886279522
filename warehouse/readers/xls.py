"""What calamine leaves untold of an old xls (BIFF5, BIFF8): percentages and merged cells. A formula there has its result.

Source: [MS-XLS], the records Format, XF, BoundSheet8, Number, RK, MulRk, Formula, MergeCells, SST, Dimensions.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence

import olefile

from warehouse.readers.faults import FileFault
from warehouse.readers.untold import MERGED_LIMIT, Untold, check_count
from warehouse.readers.xlsx import number_format_is_percent

BOF, EOF, FORMAT, XF, SHEET, STRINGS, DIMENSIONS = 0x0809, 0x0A, 0x041E, 0xE0, 0x85, 0xFC, 0x0200
MULTIPLE, MERGED = 0xBD, 0xE5
NUMBERS = {0x0203, 0x027E, 0x06}  # Number, RK, Formula
CELLS = NUMBERS | {0xFD, 0x0204, 0x0205, 0xD6}  # LabelSst, Label, BoolErr, RString
BIFF8 = 0x0600
MOST_ROWS, MOST_COLUMNS = 1 << 16, 1 << 8
BUILT_IN_PERCENT = {9, 10}


def untold(content: bytes) -> list[Untold]:
    """By sheet, in the workbook's order (chart sheets among them). Raises FileFault S01, S07, OSError, struct.error, IndexError."""
    _check_container(content)
    with olefile.OleFileIO(io.BytesIO(content)) as ole:  # type: ignore[no-untyped-call]
        name = next((n for n in ("Workbook", "Book") if ole.exists(n)), None)
        if name is None:  # calamine would look for it longer, and in circles
            raise FileFault("S01", found="no workbook in it", expected=".xls")
        entry = ole.direntries[ole._find(name)]
        starts = [ole.first_dir_sector, ole.first_mini_fat_sector, ole.root.isectStart]
        if not all(_ends(ole.fat, start) for start in [*starts, *([] if entry.is_minifat else [entry.isectStart])]):
            raise FileFault("S01", found="sectors in a circle", expected=".xls")
        if entry.is_minifat:
            ole.loadminifat()
            if not _ends(ole.minifat, entry.isectStart):
                raise FileFault("S01", found="sectors in a circle", expected=".xls")
        stream = ole.openstream(name).read() + bytes(6)  # so that more than a record's head can be looked at
    wide = struct.unpack_from("<H", stream, 4)[0] == BIFF8
    percent, styles, sheets = set(BUILT_IN_PERCENT), [], []
    for kind, at, size in _records(stream, 0):
        if kind == FORMAT:
            if number_format_is_percent(_format(stream[at : at + size], wide)):
                percent.add(struct.unpack_from("<H", stream, at)[0])
        elif kind == XF:
            styles.append(struct.unpack_from("<H", stream, at + 2)[0])
        elif kind == SHEET:
            sheets.append(struct.unpack_from("<I", stream, at)[0])
            check_count(len(sheets))
        elif kind == STRINGS and (said := struct.unpack_from("<I", stream, at + 4)[0]) > len(stream):
            raise FileFault("S01", found=f"{said:,} strings", expected=".xls")
    shown = {n for n, number_format in enumerate(styles) if number_format in percent}
    return [_sheet(stream, start, shown, wide) for start in sheets]


def _check_container(content: bytes) -> None:
    """Raises FileFault S01 where the container's head counts more sectors than the file can hold."""
    shift, counts = struct.unpack_from("<H", content, 30)[0], struct.unpack_from("<II16xI4xI", content, 40)
    if shift not in (9, 12) or any(count > len(content) >> 9 for count in counts):
        raise FileFault("S01", found=f"sectors: {', '.join(map(str, counts))}", expected=".xls")


def _ends(sectors: Sequence[int], start: int) -> bool:
    """Whether the chain that begins in `start` comes to an end."""
    for _ in range(len(sectors) + 1):
        if not 0 <= start < len(sectors):
            return True
        start = sectors[start]
    return False


def _records(stream: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """(kind, where its data starts, size) of a substream's own records; what is embedded in it is passed over."""
    depth, end = 0, len(stream) - 4
    header = struct.Struct("<HH").unpack_from
    while at <= end:
        kind, size = header(stream, at)
        at += 4
        if kind == BOF:
            depth += 1
        elif kind == EOF:
            depth -= 1
            if depth <= 0:
                return
        elif depth == 1:
            yield kind, at, size
        at += size


def _format(record: bytes, wide: bool) -> str:
    if not wide:
        return record[3:].decode("latin-1")
    return record[5:].decode("utf-16-le" if record[4] & 1 else "latin-1", "replace")


def _sheet(stream: bytes, start: int, shown: set[int], wide: bool) -> Untold:
    """Raises FileFault S01 where a record stands at, or speaks of, an impossible place: calamine makes room for it at once,
    and a process that asks for more memory than there is ends."""
    told = Untold()
    two, head = struct.Struct("<HH").unpack_from, struct.Struct("<HHHHH").unpack_from
    at, depth, end = start, 0, len(stream) - 10
    while at <= end:  # a loop of its own, not _records: this is run for every cell
        kind, size, row, column, style = head(stream, at)
        at += 4
        if kind in CELLS:
            if column >= MOST_COLUMNS:
                raise _impossible(row, column)
            if style in shown and kind in NUMBERS and depth == 1:
                told.percent.append((row, column))
        elif kind == BOF:
            depth += 1
        elif kind == EOF:
            depth -= 1
            if depth <= 0:
                break
        elif kind == MULTIPLE:
            cells = (size - 6) // 6
            if column + cells > MOST_COLUMNS:
                raise _impossible(row, column + cells)
            if shown and depth == 1:
                styles = (two(stream, place)[0] for place in range(at + 4, at + 4 + 6 * cells, 6))
                told.percent += [(row, column + n) for n, style in enumerate(styles) if style in shown]
        elif kind == DIMENSIONS:
            top, bottom, left, right = struct.unpack_from("<IIHH" if wide else "<HHHH", stream, at)
            if not top <= bottom <= MOST_ROWS or not left <= right <= MOST_COLUMNS:
                raise _impossible(bottom, right)
        elif kind == MERGED and len(told.merged) < MERGED_LIMIT:
            (count,) = struct.unpack_from("<H", stream, at)
            for n in range(min(count, (size - 2) // 8)):
                top, bottom, left, right = struct.unpack_from("<HHHH", stream, at + 2 + 8 * n)
                told.merged.append((top, left, bottom, right))
        at += size
    return told


def _impossible(row: int, column: int) -> FileFault:
    return FileFault("S01", found=f"row {row}, column {column}", expected=f"≤ {MOST_ROWS} × {MOST_COLUMNS}")
