"""A receipt as one HTML page that needs nothing else: readable on a phone and on paper, and by a screen reader."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template

from warehouse.readers.table import letters
from warehouse.receipts.answers import Answer, Due, Finding
from warehouse.receipts.facts import facts, more, only_warnings, owed, signs, title
from warehouse.receipts.grids import Grid, Original
from warehouse.receipts.words import CONFIRMING, CORRECTING, SEVERITY, STATUS

A_RULE = 50  # findings of one rule that the page lists; the workbook lists more
MARKED_ROWS = 50  # rows of a sheet
COLUMNS = 60


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string((files("warehouse.receipts") / "receipt.html.j2").read_text("utf-8"))


def page(answer: Answer, original: Original) -> bytes:
    """The receipt's HTML: the same bytes for the same answer."""
    text = _template().render(
        a=answer, facts=facts(answer, original), owed=owed(answer), status=STATUS[answer.status], severity=SEVERITY,
        notes=(CONFIRMING, CORRECTING), dues=_dues(answer.owed.listed),
        places=original.places, tables=[t for g in original.grids if (t := _excerpt(g))], more=more, a_rule=A_RULE,
        key=id,
    )  # fmt: skip
    return text.encode()


def _dues(owed: list[Due]) -> list[tuple[Due, str]]:
    """What is due for one period at one time, with the indicators in one line."""
    together: dict[tuple[str, str, str], list[Due]] = {}
    for d in owed:
        together.setdefault((d.state, d.due, d.period), []).append(d)
    return [
        (same[0], "、".join(d.indicator + (f"（{d.area}）" if d.area else "") for d in same))
        for same in together.values()
    ]


def _mark(findings: list[Finding] | None) -> str:
    return "" if not findings else "warn" if only_warnings(findings) else "bad"


def _excerpt(grid: Grid) -> dict[str, object] | None:
    """The header and the marked rows of a sheet, as the page's table shows them."""
    marked = grid.marked_rows()
    if not marked:
        return None
    width = min(grid.width, COLUMNS)
    rows = [
        {
            "number": row + 1,
            "cells": [(text, _mark(grid.marks.get((row, n)))) for n, text in enumerate(grid.rows[row][:width])],
            "signs": signs(findings),
            "mark": _mark(findings),
        }
        for row, findings in list(marked.items())[:MARKED_ROWS]
    ]
    header = grid.rows.get(grid.header) if grid.header is not None else None
    names = [f"{letters(n)} {(header or [''] * width)[n]}".strip() for n in range(width)]
    return {"title": title(grid), "names": names, "rows": rows, "left": max(0, len(marked) - MARKED_ROWS)}
