"""Grids of text to rows: long form or wide, every figure with its sheet, row and column.

What stands in a sheet and is no row of figures (totals, notes, hidden sheets) is named with its place, never lost.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from expectations.template import Mark, mark_in
from warehouse.readers import units_stated
from warehouse.readers.faults import FileFault
from warehouse.readers.table import (
    FIELDS,
    Column,
    Sheet,
    column_of,
    header_at,
    header_cells,
    header_of,
    letters,
    normalised,
)
from warehouse.readers.untold import NO_RESULT

ROWS = {
    "sheet": pl.String,
    "row_number": pl.Int32,
    "column_letter": pl.String,  # of the value's cell; null in records, which have no columns
    "column_name": pl.String,  # header of the value's column, as written
    "form": pl.String,  # long, wide
    "indicator_text": pl.String,
    "name_text": pl.String,
    "period_text": pl.String,
    "area_text": pl.String,
    "value_text": pl.String,
    "unit_text": pl.String,  # the row's own; else what its name, its column's header or a banner above states
    "measure_text": pl.String,
    "note_text": pl.String,
    "self_text": pl.String,
    "surplus_text": pl.String,  # cells beyond the header: the row may have slipped
}
LABELS = ("indicator_text", "name_text")
SPEAKER = re.compile(
    r"(?:填报单位|填报部门|报送单位|报送部门|department)[::]\s*(([^\s,;,;(]+)[^,;,;(]*)", re.IGNORECASE
)
REASON = re.compile(r"(?:重报|更正|修改|修订)(?:原因|说明)[::]\s*(\S.*)|^\s*reason[::]\s*(\S.*)", re.IGNORECASE)
TOTAL = r"(?i)^[(（]?(?:本页|全部|全市)?(?:合计|总计|小计|共计|总合计)数?[)）]?[:：]?(?:[(（].*)?$|^(?:grand|sub)?-?total:?$"
NOTE = (
    r"(?i)^[(（\[【]?(?:注|备注|附注|说明|填报说明|填报|填表|报送|制表|审核|审批|复核|联系|负责|单位负责|分管领导|数据来源|资料来源|来源"
    r"|日期|电话|notes?|sources?|prepared by|reviewed by)[^:：]{0,8}[:：]|^[(（\[【]?注\s*\d*\s*[、.．]"
)
CODE = r"^[a-z][a-z0-9_]+$"  # an indicator's code, though nothing else of its row is given
OWN_UNIT = r"[^\d０-９.．,，十百千万亿零〇一二两三四五六七八九左右上下](?:左右|上下)?$"  # a unit stated with the figure
LONG_FRACTION = r"^-?\d+\.\d{10,}$"
SHOWN_DIGITS = 15  # of a number, as spreadsheets show it: 0.30000000000000004 is 0.3
LABEL_WORDS = ["指", "indicator", "name"]  # one is in each name of the columns that say which indicator
TEXT_LENGTH = 120  # characters of what was passed over
PASSED_LIMIT = 1000  # of what was passed over in a file

NO_ROWS = pl.DataFrame(schema=ROWS)

Why = Literal["total", "note", "hidden sheet", "no header"]


@dataclass(frozen=True)
class PassedOver:
    """What stands in a file and was not read as figures: where, why, and what it says."""

    sheet: str | None
    row_number: int | None
    why: Why
    text: str


@dataclass
class Table:
    rows: pl.DataFrame = field(default_factory=NO_ROWS.clone)
    has_figure: bool = False
    synthetic: bool = False
    named_departments: tuple[str, ...] = ()  # as they stand in a banner, a note or a column
    template: Mark | None = None
    reason: str | None = None  # why it was sent again, as a banner or a note says
    passed_over: list[PassedOver] = field(default_factory=list)


@dataclass(frozen=True)
class _Part:
    """A table on a sheet: its header, and its rows of the grid from `first` up to `last`."""

    header: Sequence[str | None]
    first: int
    last: int


def rows_of(sheets: Sequence[Sheet], name: str) -> Table:
    """The rows of all sheets that have a header. Raises FileFault S04 (with the columns missing) where none has."""
    table, frames, banners, spoken = Table(), [], [name], []
    nearest: tuple[int, str, str | None] = (-1, "", None)
    for sheet in sheets:
        if sheet.cells.width == 0:
            continue
        table.template = table.template or _mark(sheet)
        at, header, missing = header_of(sheet)
        if sheet.hidden:
            if header is not None:
                table.passed_over.append(PassedOver(sheet.name, None, "hidden sheet", ""))
                nearest = (1000, "隐藏的工作表不读 hidden sheet", sheet.name)
            continue
        banner = [
            (n, cell) for n, row in enumerate(sheet.cells.head(at if header else 20).rows()) for cell in row if cell
        ]
        banners += [cell for _, cell in banner]
        spoken += _speakers(cell for _, cell in banner)
        if header is None:
            table.passed_over.append(PassedOver(sheet.name, None, "no header", missing))
            if at > nearest[0]:
                nearest = (at, missing, sheet.name)
            continue
        units = [(n, said) for n, cell in banner if (said := units_stated.in_banner(cell))]
        for part in _parts(sheet, at, header):
            units += [
                (part.first - 1, said)
                for cell in part.header
                if cell and "单位:" in unicodedata.normalize("NFKC", cell) and (said := units_stated.in_brackets(cell))
            ]
            rows, passed, departments = _rows(sheet, part, units)
            frames.append(rows)
            table.passed_over += passed
            spoken += [*departments, *_speakers(p.text for p in passed)]
    if not frames:
        raise FileFault(
            "S04",
            found=nearest[1] or "no header",
            expected="指标编码 indicator / 指标名称 indicator_name, 报告期 period, 数值 value",
            sheet=nearest[2],
        )
    table.rows = pl.concat(frames)
    table.synthetic = any("synthetic" in b.casefold() or "合成" in b for b in banners)
    table.has_figure = table.rows["value_text"].null_count() < table.rows.height
    table.named_departments = tuple(dict.fromkeys(spoken))
    table.reason = _reason(iter([*banners[1:], *(p.text for p in table.passed_over)]))
    del table.passed_over[PASSED_LIMIT:]
    return table


def _speakers(cells: Iterator[str]) -> list[str]:
    """As named up to the cell's end, and the first word alone: a name may hold blanks, and a date may follow it."""
    found = [f for cell in cells if (f := SPEAKER.search(unicodedata.normalize("NFKC", cell)))]
    return [name for f in found for name in dict.fromkeys((f[1].strip(), f[2]))]


def _reason(cells: Iterator[str]) -> str | None:
    found = (f for cell in cells if (f := REASON.search(unicodedata.normalize("NFKC", cell))))
    return next(((f[1] or f[2]).strip()[:TEXT_LENGTH] for f in found), None)


def _mark(sheet: Sheet) -> Mark | None:
    """The mark of a template, in whichever cell."""
    if sheet.text is not None and "template:" not in sheet.text:
        return None
    text = [c for c, t in sheet.cells.schema.items() if t == pl.String]
    found = (
        sheet.cells.select(pl.col(text).filter(pl.col(text).str.contains("template:", literal=True)).first())
        if text
        else None
    )
    for cell in found.row(0) if found is not None and found.height else ():
        if cell and (mark := mark_in(cell)):
            return mark
    return None


def _parts(sheet: Sheet, at: int, header: Sequence[str | None]) -> Iterator[_Part]:
    """The tables of a sheet, one below the other: a header further down starts another, whose columns may lie elsewhere."""
    fields = header_cells(header)
    height = sheet.cells.height
    if sheet.header is not None or not _may_start_again(sheet, at):
        yield _Part(header, at, height)
        return
    label = [sheet.cells.columns[n] for f, n in fields.items() if f in ("indicator", "name")]
    like = (
        sheet.cells.lazy()
        .select(label)
        .with_row_index("row")
        .slice(at)
        .filter(pl.any_horizontal(pl.col(label).str.contains_any(LABEL_WORDS, ascii_case_insensitive=True)))
        .collect()
    )
    spellings = {
        c for column in label for c in like[column].unique() if c and FIELDS.get(normalised(c)) in ("indicator", "name")
    }
    start = at
    for row in like.filter(pl.any_horizontal(pl.col(label).is_in(spellings)))["row"] if spellings else ():
        below = sheet.cells.row(row + 1) if row + 1 < height else None
        if row >= start and (found := header_at(sheet, row, sheet.cells.row(row), below)):
            yield _Part(header, start, row)
            header, start = found[1], row + found[0]
    yield _Part(header, start, height)


def _may_start_again(sheet: Sheet, at: int) -> bool:
    """Whether a word by which a header is known stands anywhere below the first `at` rows, as far as a text's lines tell."""
    if sheet.text is None:
        return True
    *_, below = sheet.text.split("\n", at)
    return any(word in below.lower() for word in LABEL_WORDS)


def _rows(sheet: Sheet, part: _Part, units: list[tuple[int, str]]) -> tuple[pl.DataFrame, list[PassedOver], list[str]]:
    """A table's rows, what was passed over, and the departments that it names. Adds the units that its notes state."""
    fields = header_cells(part.header)
    grid = sheet.cells.slice(part.first, part.last - part.first)
    grid.columns = columns = [letters(n) for n in range(grid.width)]  # a record's fields may have any names
    used = [c for c in columns if grid[c].null_count() < grid.height]
    if not used:
        return NO_ROWS, [], []
    across = {
        columns[n]: column
        for n, cell in enumerate(part.header)
        if n not in fields.values() and (column := column_of(cell))
    }
    is_long = "period" in fields
    given = {f"{f}_text": columns[n] for f, n in fields.items() if f != "department" and (is_long or f != "value")}
    body = _body(grid, sheet, part, used, given, [] if is_long else [*across])

    passed: list[PassedOver] = []
    if body["_why"].null_count() < body.height:
        aside = body.filter(pl.col("_why").is_not_null())
        passed = _passed_over(sheet, aside, used)
        for row, text in aside.filter(pl.col("_first").str.contains("单位|(?i)unit")).select("row", "_first").rows():
            if said := units_stated.in_banner(text):
                units.append((row, said))
        body = body.filter(pl.col("_why").is_null())
    speakers = body[columns[fields["department"]]].drop_nulls().unique().to_list() if "department" in fields else []

    of_column: dict[str, str | None]  # the unit in the header's brackets
    if is_long:
        value = fields["value"]
        rows = body.lazy().with_columns(
            column=pl.lit(columns[value]), column_name=pl.lit(part.header[value], pl.String), form=pl.lit("long")
        )
        of_column = {columns[value]: units_stated.in_brackets(part.header[value] or "")}
    else:
        header = {c: part.header[columns.index(c)] or "" for c in across}
        rows = _unpivoted(body, across, header, [*given])
        of_column = {c: units_stated.in_brackets(h) for c, h in header.items()}
    if sheet.header is None and not sheet.separated:
        rows = rows.with_columns(value_text=_as_shown(pl.col("value_text")))
    rows = _with_units(rows, body["name_text"], of_column, units)
    there = {"column_name", "form", "surplus_text", "value_text", "unit_text", "period_text", *LABELS, *given}
    there |= {"measure_text"} if any(c.measure for c in across.values()) else set()
    told = {
        "sheet": pl.lit(sheet.name, pl.String),
        "row_number": pl.col("row").cast(pl.Int32) + sheet.first_row,
        "column_letter": pl.lit(None) if sheet.header is not None else pl.col("column"),
    }
    cells = [told[c] if c in told else pl.col(c) if c in there else pl.lit(None) for c in ROWS]
    rows = rows.select(cell.cast(kind).alias(c) for cell, (c, kind) in zip(cells, ROWS.items(), strict=True))
    return rows.collect(), passed, sorted(speakers)


def _body(
    grid: pl.DataFrame, sheet: Sheet, part: _Part, used: list[str], given: dict[str, str], across: list[str]
) -> pl.DataFrame:
    """The table's rows that are not blank, their fields by name; beside them `_why` where a row holds no figure."""
    plain = pl.col(used).str.strip_chars()
    body = (
        grid.lazy()
        .with_row_index("row", offset=part.first)
        .with_columns(pl.when(plain != "").then(plain))
        .with_columns(
            *(pl.col(source).alias(name) for name, source in given.items()),
            *(pl.lit(None, pl.String).alias(c) for c in (*LABELS, "unit_text") if c not in given),
            _stated=pl.sum_horizontal(pl.col(c).is_not_null().cast(pl.UInt32) for c in used),
            _first=pl.coalesce(used),
            surplus_text=_surplus(sheet, part, grid.columns),
        )
        .filter(pl.col("_stated") > 0)
    )
    body = _with_merged(body, sheet, {n: grid.columns.index(c) for n, c in given.items() if n != "value_text"})
    label = pl.coalesce(*LABELS)
    alone = pl.col("_stated") == 1
    if not across:
        alone &= pl.col("value_text").is_null() | label.is_null()
    else:
        alone &= ~label.str.contains(CODE).fill_null(False)
        if sheet.merged:
            alone &= pl.all_horizontal(pl.col(across).is_null()) | label.is_null()
    title = pl.coalesce(label, "_first").str.replace_all(r"\s", "")
    why = (
        pl.when(title.str.contains(TOTAL)).then(pl.lit("total"))
        .when(alone | pl.col("_first").str.contains(NOTE)).then(pl.lit("note"))
    )  # fmt: skip
    return body.with_columns(_why=why).collect()


def _unpivoted(body: pl.DataFrame, across: dict[str, Column], header: dict[str, str], given: list[str]) -> pl.LazyFrame:
    """A row a figure of a wide form."""
    index = ["row", "surplus_text", *dict.fromkeys([*given, *LABELS, "unit_text"])]
    figures = body.select(*index, *across)
    rows = figures.unpivot([*across], index=index, variable_name="column", value_name="value_text").lazy()
    measures = {c: a.measure for c, a in across.items()}
    if any(measures.values()):
        stated = pl.col("column").replace_strict(measures, return_dtype=pl.String)
        own = [pl.col("measure_text")] if "measure_text" in index else []
        rows = rows.with_columns(measure_text=pl.coalesce(*own, stated))
    return rows.with_columns(
        form=pl.lit("wide"),
        column_name=pl.col("column").replace_strict(header, return_dtype=pl.String),
        period_text=pl.col("column").replace_strict({c: a.period for c, a in across.items()}, return_dtype=pl.String),
    )


def _with_merged(body: pl.LazyFrame, sheet: Sheet, labels: dict[str, int]) -> pl.LazyFrame:
    """What a merged cell says holds for each of its rows; a figure stands once, in its first row."""
    for name, position in labels.items():
        height = sheet.cells.height  # a span may be said to reach further
        spans = sorted(
            {
                (t, min(bottom, height))
                for t, left, bottom, right in sheet.merged
                if left <= position <= right and t < bottom and t < height
            }
        )
        if not spans:
            continue
        schema = {"_top": pl.get_index_type(), "_bottom": pl.get_index_type()}
        merged = pl.LazyFrame(spans, schema=schema, orient="row").set_sorted("_top")
        said = body.select(_top="row", _said=name)
        body = body.join_asof(merged, left_on="row", right_on="_top", coalesce=False)
        body = body.join(said, on="_top", how="left", maintain_order="left")
        within = pl.when(pl.col("row") <= pl.col("_bottom")).then("_said")
        body = body.with_columns(pl.coalesce(name, within).alias(name)).drop("_top", "_bottom", "_said")
    return body


def _passed_over(sheet: Sheet, aside: pl.DataFrame, used: list[str]) -> list[PassedOver]:
    formulas = (pl.col("_stated") == 1) & pl.col("_first").str.starts_with(NO_RESULT)  # filled in down an empty form
    text = pl.concat_str(used, separator=" | ", ignore_nulls=True).str.slice(0, TEXT_LENGTH)
    return [
        PassedOver(sheet.name, row + sheet.first_row, why, said)
        for row, why, said in aside.filter(~formulas).head(PASSED_LIMIT).select("row", "_why", text).rows()
    ]


def _surplus(sheet: Sheet, part: _Part, columns: list[str]) -> pl.Expr:
    """Cells beyond the header, or one that begins with a quote that nothing closes: a separator was meant as text."""
    width = max(n for n, cell in enumerate(part.header) if cell) + 1
    surplus = pl.lit(None, pl.String)
    if sheet.separated and columns[width:]:
        beyond = pl.concat_str(columns[width:], separator=" ", ignore_nulls=True).str.strip_chars()
        surplus = pl.when(beyond != "").then(beyond)
    if sheet.loose_quotes:
        torn = [
            pl.when(pl.col(c).str.starts_with('"') & (pl.col(c).str.count_matches('"', literal=True) % 2 == 1)).then(
                pl.col(c)
            )
            for c in columns[:width]
        ]
        surplus = pl.coalesce(surplus, *torn)
    return surplus


def _as_shown(value: pl.Expr) -> pl.Expr:
    shown = value.cast(pl.Float64, strict=False).round_sig_figs(SHOWN_DIGITS).cast(pl.String)
    return (
        pl.when(value.str.contains(LONG_FRACTION))
        .then(pl.coalesce(shown.str.strip_suffix(".0"), value))
        .otherwise(value)
    )


def _with_units(
    rows: pl.LazyFrame, names: pl.Series, of_column: dict[str, str | None], units: list[tuple[int, str]]
) -> pl.LazyFrame:
    """The unit of a row that gives none, neither in its own cell nor with the figure."""
    stated: list[pl.Expr] = []
    remarks = names.filter(names.str.contains(r"[(（\[【]")).unique() if names.null_count() < names.len() else ()
    of_name = {n: said for n in remarks if (said := units_stated.in_brackets(n))}
    if of_name:
        stated.append(pl.col("name_text").replace_strict(of_name, default=None, return_dtype=pl.String))
    if any(of_column.values()):
        stated.append(pl.col("column").replace_strict(of_column, default=None, return_dtype=pl.String))
    if units:
        above = dict(sorted(units))
        lines = {"row": pl.Series([*above], dtype=pl.Int64), "_said": pl.Series([*above.values()], dtype=pl.String)}
        rows = rows.with_columns(pl.col("row").cast(pl.Int64)).with_row_index("_order").sort("row", maintain_order=True)
        rows = rows.join_asof(pl.LazyFrame(lines), on="row").sort("_order").drop("_order")
        stated.append(pl.col("_said"))
    if not stated:
        return rows
    needs = pl.col("unit_text").is_null() & ~pl.col("value_text").str.contains(OWN_UNIT).fill_null(True)
    return rows.with_columns(unit_text=pl.when(needs).then(pl.coalesce(stated)).otherwise(pl.col("unit_text")))
