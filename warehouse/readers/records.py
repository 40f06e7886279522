"""Records (json, jsonl, parquet) to a grid of text; the field names are its header, a record's number is its row."""

from __future__ import annotations

import io
import json
from typing import Any

import polars as pl

from warehouse.readers.delimited import decoded
from warehouse.readers.faults import FileFault
from warehouse.readers.table import Sheet
from warehouse.readers.untold import GRID_LIMIT


def sheet(content: bytes, kind: str) -> Sheet:
    """The records' fields as text. Raises FileFault S01 (not a table of records), S07 (too many)."""
    if kind == "parquet":
        return _of_parquet(content)
    records = _parsed(content, kind)
    names = list(dict.fromkeys(name for record in records for name in record))
    if len(names) * len(records) > GRID_LIMIT:
        raise _too_many(len(records), len(names))
    try:
        return Sheet(None, _cells(records, names), header=names)
    except (UnicodeError, RecursionError) as e:  # half a character; something nested too deeply
        raise FileFault("S01", found=str(e), expected=kind) from e


def _cells(records: list[dict[str, Any]], names: list[str]) -> pl.DataFrame:
    schema = dict.fromkeys(names, pl.String)
    # shown as it is written; and not by Polars, which takes minutes to see how deeply something is nested
    nested = any(isinstance(value, dict | list) for record in records for value in record.values())
    if not nested:
        try:
            return pl.from_dicts(records, schema=schema) if records else pl.DataFrame(schema=schema)
        except pl.exceptions.ComputeError:  # of several kinds: the same
            pass
    return pl.DataFrame({name: [_text(record.get(name)) for record in records] for name in names}, schema=schema)


def kind_of(begins: str, extension: str) -> str:
    """json or jsonl: by the first character, and where that may begin either by the extension."""
    return "json" if begins.lstrip().startswith("[") or extension == "json" else "jsonl"


def _of_parquet(content: bytes) -> Sheet:
    try:
        lazy = pl.scan_parquet(io.BytesIO(content))
        fields = len(lazy.collect_schema())
        records = lazy.select(pl.len()).collect().item()  # from the footer: a few bytes may stand for endless rows
        if records * fields > GRID_LIMIT:
            raise _too_many(records, fields)
        cells = lazy.collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as e:
        raise FileFault("S01", found=str(e).split("\n")[0], expected="Parquet") from e
    nested = [c for c, t in cells.schema.items() if t.is_nested() or t == pl.Object]
    if nested:
        raise FileFault("S01", found=f"nested: {', '.join(nested)}", expected="text, numbers, dates")
    return Sheet(None, cells.select(pl.all().cast(pl.String, strict=False)), header=cells.columns)


def _too_many(records: int, fields: int) -> FileFault:
    return FileFault("S07", found=f"{records:,} × {fields:,}", expected=f"≤ {GRID_LIMIT:,}")


def _parsed(content: bytes, kind: str) -> list[dict[str, Any]]:
    """A record a line, or one list of records, or an object that holds one; whatever the file's name says of it."""
    text = decoded(content)
    in_lines = "\n{" in text.strip() and not text.lstrip().startswith("[")
    if in_lines and (records := _lines(text)) is not None:
        return records
    try:
        found = _exact(text)
    except (ValueError, RecursionError) as e:
        raise (_broken_line(text) if in_lines else None) or FileFault(
            "S01", found=str(e), expected=kind, row=getattr(e, "lineno", None)
        ) from e
    if isinstance(found, dict):
        lists = [v for v in found.values() if isinstance(v, list)]
        found = lists[0] if len(lists) == 1 else [found]
    if not isinstance(found, list) or not all(isinstance(record, dict) for record in found):
        raise FileFault("S01", found=type(found).__name__, expected="[{...}, ...]")
    return found


def _lines(text: str) -> list[dict[str, Any]] | None:
    lines = text.strip()
    if "\n\n" in lines or "\n\r" in lines:
        lines = "\n".join(line for line in lines.split("\n") if line.strip())
    try:  # all at once is three times as fast as line by line
        found = _exact("[" + lines.replace("\n", ",") + "]")
    except (ValueError, RecursionError):
        return None
    whole = len(found) == lines.count("\n") + 1 and all(isinstance(record, dict) for record in found)
    return found if whole else None


def _broken_line(text: str) -> FileFault | None:
    for n, line in enumerate(text.split("\n"), 1):
        try:
            if line.strip() and not isinstance(record := _exact(line), dict):
                return FileFault("S01", found=type(record).__name__, expected="{...}", row=n)
        except (ValueError, RecursionError) as e:
            return FileFault("S01", found=str(e), expected="jsonl", row=n)
    return None


def _exact(text: str) -> Any:
    """Numbers stay as written: 520 is not 520.0, and 0.1 is not 0.1000000000000000055."""
    return json.loads(text, parse_float=str, parse_int=str)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str | None) else json.dumps(value, ensure_ascii=False)
