"""Records (json, jsonl, parquet) to a grid of text; the field names are its header, a record's number is its row."""

from __future__ import annotations

import io
import json
from typing import Any

import polars as pl

from warehouse.readers.faults import FileFault
from warehouse.readers.table import Sheet


def sheet(content: bytes, kind: str) -> Sheet:
    """The records' fields as text. Raises FileFault S01 (not a table of records), S04 (no record)."""
    if kind == "parquet":
        try:
            cells = pl.read_parquet(io.BytesIO(content))
        except (pl.exceptions.PolarsError, OSError) as e:
            raise FileFault("S01", found=str(e).split("\n")[0], expected="Parquet") from e
        nested = [c for c, t in cells.schema.items() if t.is_nested() or t == pl.Object]
        if nested:
            raise FileFault("S01", found=f"nested: {', '.join(nested)}", expected="text, numbers, dates")
        return Sheet(None, cells.select(pl.all().cast(pl.String, strict=False)), header=cells.columns)
    records = _parsed(content, kind)
    names = list(dict.fromkeys(name for record in records for name in record))
    columns = {name: [_text(record.get(name)) for record in records] for name in names}
    return Sheet(None, pl.DataFrame(columns, schema=dict.fromkeys(names, pl.String)), header=names)


def _parsed(content: bytes, kind: str) -> list[dict[str, Any]]:
    try:
        text = content.decode("utf-8-sig")
        # numbers stay as written: 520 is not 520.0, and 0.1 is not 0.1000000000000000055
        if kind == "jsonl":
            found = [json.loads(line, parse_float=str, parse_int=str) for line in text.splitlines() if line.strip()]
        else:
            found = json.loads(text, parse_float=str, parse_int=str)
    except (ValueError, RecursionError) as e:
        raise FileFault("S01", found=str(e), expected=kind) from e
    if isinstance(found, dict):
        lists = [v for v in found.values() if isinstance(v, list)]
        found = lists[0] if len(lists) == 1 else [found]
    if not isinstance(found, list) or not all(isinstance(record, dict) for record in found):
        raise FileFault("S01", found=type(found).__name__, expected="[{...}, ...]")
    return found


def _text(value: Any) -> str | None:
    return value if isinstance(value, str | None) else json.dumps(value, ensure_ascii=False)
