"""How rows are shown to a person in the Dagster UI: as a table, or as a picture where a person would rather look than read.

The UI draws an SVG in a data: address of a markdown image (tried in 1.13). Markdown of 1,000 characters and more it shows
only after a click: pictures are written to stay below.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import dagster as dg
import polars as pl

from warehouse.visible import visible

SHOWN = 20  # rows
TALL, WIDE = 14, 320  # pixels: a bar with its place, the widest bar
COLOURS = {  # of statuses: from blue (good) to red, told apart by every eye; greys are no verdict
    "achieved": "#26a", "ahead": "#6ac", "on_pace": "#bde", "behind": "#fca", "far_behind": "#e75", "missed": "#b12",
    "not_reported": "#999", "not_due": "#ddd", "not_assessable": "#eec",
}  # fmt: skip


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
        records=[dg.TableRecord({k: _plain(v) for k, v in row.items()}) for row in plain.to_dicts()],
        schema=dg.TableSchema([dg.TableColumn(name, kind) for name, kind in kinds.items()]),
    )


def _plain(value: Any) -> Any:
    return visible(value) if isinstance(value, str) else "" if value is None else value


def bars(rows: pl.DataFrame, label: str, colours: Mapping[str, str]) -> dg.MarkdownMetadataValue:
    """A bar a row: the columns named by `colours`, one behind the other; below it which colour is which column."""
    most = max([1.0, *rows.select(pl.sum_horizontal(*colours)).to_series().drop_nulls().to_list()])
    labels = [str(v) for v in rows[label]]
    left = 8 * max((len(name.encode("gbk", "replace")) for name in labels), default=0)
    paths = dict.fromkeys(colours, "")
    for n, row in enumerate(rows.select(*colours).to_dicts()):
        at = float(left)
        for column, value in row.items():
            if value:
                long = value / most * WIDE
                paths[column] += f"M{at:.0f} {n * TALL + 6}h{long:.0f}"
                at += round(long)
    words = "".join(f"<text y='{n * TALL + 10}'>{escape(name)}</text>" for n, name in enumerate(labels))
    drawn = "".join(f"<path stroke='{colours[c]}' d='{d}'/>" for c, d in paths.items() if d)
    key = "".join(f"<tspan fill='{colours[c]}'>■</tspan>{c} " for c, d in paths.items() if d)
    key = f"<text y='{rows.height * TALL + 12}'>{key}</text>" if len(colours) > 1 else ""
    return _picture(left + WIDE + 10, (rows.height + 1) * TALL + 4, f"<g stroke-width='10'>{drawn}</g>{words}{key}")


def columns(rows: pl.DataFrame, label: str, colours: Mapping[str, str]) -> dg.MarkdownMetadataValue:
    """A column a row, in order, the columns named by `colours` on top of each other: growth, or what a year looked like."""
    values = rows.select(*colours).fill_null(0).to_dicts()
    most, step, high = max([1, *(sum(row.values()) for row in values)]), 14, 90
    paths = dict.fromkeys(colours, "")
    for n, row in enumerate(values):
        top = high + 14
        for column, value in row.items():
            if value:
                up = max(1, round(value / most * high))
                paths[column] += f"M{n * step + 7} {top}v-{up}"
                top -= up
    drawn = "".join(f"<path stroke='{colours[c]}' d='{d}'/>" for c, d in paths.items() if d)
    labels = [str(v) for v in rows[label]]
    ends = escape(f"{labels[0]} … {labels[-1]}") if labels else ""
    totals = ", ".join(f"<tspan fill='{colours[c]}'>■</tspan>{c} {sum(row[c] for row in values):,}" for c in colours)
    words = f"<text y='{high + 27}'>{ends}, max {most:,}</text><text y='{high + 41}'>{totals}</text>"
    return _picture(max(len(values) * step + 14, 220), high + 48, f"<g stroke-width='10'>{drawn}</g>{words}")


def courses(rows: pl.DataFrame, label: str, at: str, value: str) -> dg.MarkdownMetadataValue:
    """A line for each label, from 0 to 1, over what `at` orders; the last figure behind it."""
    names = rows[label].unique(maintain_order=True).to_list()
    steps = {point: n for n, point in enumerate(rows[at].unique(maintain_order=True).to_list())}
    left, step, high = 8 * max((len(n.encode("gbk", "replace")) for n in names), default=0), 40, 16
    path, words = "", ""
    for n, name in enumerate(names):
        known = rows.filter((pl.col(label) == name) & pl.col(value).is_not_null())
        foot = (n + 1) * (high + 4)
        points = [(left + steps[p] * step, foot - round(v * high)) for p, v in known.select(at, value).iter_rows()]
        path += "M" + " ".join(f"{x} {y}" for x, y in points) if points else ""
        last = f"<tspan x='{left + len(steps) * step}'>{known[value][-1]:.2f}</tspan>" if points else ""
        words += f"<text y='{foot - 3}'>{escape(name)}{last}</text>"
    drawn = f"<path fill='none' stroke='#2166ac' stroke-width='2' d='{path}'/>"
    return _picture(left + len(steps) * step + 40, len(names) * (high + 4) + 6, drawn + words)


def _picture(width: int, height: int, inner: str) -> dg.MarkdownMetadataValue:
    svg = f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' font-size='11'>{inner}</svg>"
    for sign, written in (("%", "%25"), ("#", "%23"), ("<", "%3C"), (">", "%3E")):
        svg = svg.replace(sign, written)
    return dg.MetadataValue.md(f"![](<data:image/svg+xml,{svg}>)")
