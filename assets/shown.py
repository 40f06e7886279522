"""How rows are shown to a person in the Dagster UI."""

from __future__ import annotations

import dagster as dg
import polars as pl

SHOWN = 20  # rows


def table(rows: pl.DataFrame) -> dg.TableMetadataValue | dg.TextMetadataValue:
    """The first rows as a table of the UI, or a word where there are none."""
    if rows.is_empty():
        return dg.MetadataValue.text("none")
    kinds = {
        name: "int" if kind.is_integer() else "float" if kind.is_float() else "bool" if kind == pl.Boolean else "string"
        for name, kind in rows.schema.items()
    }
    plain = rows.head(SHOWN).with_columns(
        pl.col(n).cast(pl.String, strict=False) for n, k in kinds.items() if k == "string"
    )
    return dg.MetadataValue.table(
        records=[dg.TableRecord({k: "" if v is None else v for k, v in row.items()}) for row in plain.to_dicts()],
        schema=dg.TableSchema([dg.TableColumn(name, kind) for name, kind in kinds.items()]),
    )
