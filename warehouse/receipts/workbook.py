"""A receipt as a workbook: what became of the file, the findings, the department's own sheets marked, what is owed.

Every cell is written as text, never as a formula, link or number: what begins like a formula is also marked as text for
whoever edits it. No sheet but the department's own has a header that the readers know, so that a receipt corrected and
sent again reads as what was sent.
"""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from warehouse.receipts.answers import Answer, Finding
from warehouse.receipts.facts import comment, facts, more, only_warnings, owed, signs, title
from warehouse.receipts.grids import Grid, Original
from warehouse.receipts.words import CONFIRMING, CORRECTING, SEVERITY

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "|", "%")
SIGNED = "回执标记 receipt"
LINE = 15  # points
COVER = (20, 62, 26, 26, 44)  # widths of columns, in characters
FINDINGS = (11, 28, 24, 34, 22, 22, 40, 40)
OWED = (14, 34, 30, 14, 12, 20, 34)
CELL = 32_000  # characters; Excel's limit is 32,767
WIDE = re.compile("[\u2e80-\U0010ffff]")  # characters of twice the width
OWN = ("回执", "问题", "待报")
FONT = {"font_name": "Microsoft YaHei", "font_size": 10, "valign": "top"}
STYLES: dict[str, dict[str, Any]] = {
    "plain": {},
    "wrap": {"text_wrap": True},
    "title": {"bold": True, "font_size": 16},
    "section": {"bold": True, "font_size": 12, "bottom": 2},
    "label": {"font_color": "#555555", "text_wrap": True},
    "bold": {"bold": True},
    "head": {"bold": True, "bg_color": "#E7ECF2", "border": 1, "text_wrap": True},
    "cell": {"border": 1, "border_color": "#BBBBBB", "text_wrap": True},
    "sheet_head": {"bold": True, "bg_color": "#F1F1F1"},
    "returned": {"bg_color": "#F8C9C4", "font_color": "#7A0C00", "bold": True, "border": 2, "border_color": "#A31500"},
    "returned_row": {"bg_color": "#FDECEA"},
    "flagged": {"bg_color": "#FFE9A8", "font_color": "#5C4300", "border": 3, "border_color": "#8A6500"},
    "ok": {"bg_color": "#DDF0E0", "font_color": "#0F4A1E", "bold": True, "text_wrap": True, "border": 1},
}
OF_STATUS = {
    "accepted": "ok", "accepted_with_warnings": "flagged", "partly_returned": "returned", "returned": "returned",
}  # fmt: skip


def workbook(answer: Answer, original: Original) -> bytes:
    """The receipt's xlsx: the same bytes for the same answer."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(
        content,
        {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False},
    ) as book:
        book.set_properties(
            {
                "title": f"报送回执 {answer.number}",
                "author": "Wallchart",
                "created": answer.judged_at.astimezone(dt.UTC).replace(tzinfo=None),
            }
        )
        book.set_size(1600, 1200)
        writer = _Writer(book)
        cover, findings = book.add_worksheet(OWN[0]), book.add_worksheet(OWN[1])
        names = _names([title(g) for g in original.grids])
        own = [book.add_worksheet(name) for name in names]
        owed = book.add_worksheet(OWN[2])
        _cover(writer, cover, answer, original)
        _findings(writer, findings, answer, original, names)
        for sheet, grid in zip(own, original.grids, strict=True):
            _own(writer, sheet, grid)
        _owed(writer, owed, answer)
        for sheet in book.worksheets():
            sheet.set_paper(9)  # A4
            sheet.set_landscape()
            sheet.fit_to_pages(1, 0)
            sheet.set_margins(left=0.5, right=0.5, top=0.6, bottom=0.6)
            sheet.set_footer(f"&L{answer.number}&R&P / &N")
            sheet.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})
    return content.getvalue()


class _Writer:
    """Writes text, with one format for each style in use."""

    def __init__(self, book: xlsxwriter.Workbook) -> None:
        self.book = book
        self.formats: dict[tuple[str, bool], Format] = {}

    def style(self, style: str, text: str = "") -> Format:
        key = style, text.startswith(FORMULA)
        if key not in self.formats:
            quoting = {"quote_prefix": True} if key[1] else {}
            self.formats[key] = self.book.add_format({**FONT, **STYLES[style], **quoting})
        return self.formats[key]

    def text(self, sheet: Worksheet, row: int, column: int, text: str, style: str = "plain") -> None:
        if text:
            sheet.write_string(row, column, text[:CELL], self.style(style, text))
        else:
            sheet.write_blank(row, column, None, self.style(style))

    def line(
        self, sheet: Worksheet, row: int, texts: Sequence[str], widths: Sequence[int], style: str = "cell"
    ) -> None:
        """A row of a table, as high as its wrapped texts need."""
        for column, text in enumerate(texts):
            self.text(sheet, row, column, text, style)
        sheet.set_row(row, LINE * max(_lines(text, width) for text, width in zip(texts, widths, strict=True)))


def _names(own: Sequence[str]) -> list[str]:
    """Names that a workbook may give its sheets, as near to the department's own as can be."""
    names: list[str] = []
    taken = {name.casefold() for name in (*OWN, "history")}
    for name in own:
        plain = re.sub(r"[\[\]:*?/\\\x00-\x1f\ufffe\uffff\ud800-\udfff]", "_", name).strip("'") or "原表"
        n, tail = 1, ""
        while (candidate := _cut(plain, 31 - len(tail)) + tail).casefold() in taken:
            n += 1
            tail = f" ({n})"
        taken.add(candidate.casefold())
        names.append(candidate)
    return names


def _cut(text: str, units: int) -> str:
    """At most so many UTF-16 units, as workbooks count."""
    return text.encode("utf-16-le")[: 2 * units].decode("utf-16-le", "ignore").rstrip("'")


def _columns(sheet: Worksheet, widths: Sequence[int]) -> None:
    for n, width in enumerate(widths):
        sheet.set_column(n, n, width)


def _cover(w: _Writer, sheet: Worksheet, a: Answer, original: Original) -> None:
    _columns(sheet, COVER)
    sheet.hide_gridlines(2)
    w.text(sheet, 0, 0, "报送回执 Receipt", "title")
    sheet.set_row(0, 26)
    w.text(sheet, 1, 0, a.number, "bold")
    row = 2
    for n, fact in enumerate(facts(a, original)):
        row += 1
        text = f"{fact.zh}\n{fact.en}".strip()
        w.text(sheet, row, 0, fact.label, "label")
        w.text(sheet, row, 1, text, "wrap" if n else OF_STATUS[a.status])
        sheet.set_row(row, LINE * _lines(text, COVER[1]))
    if a.groups:
        row = _section(w, sheet, row + 1, "问题汇总，先重后轻 Findings by rule, the serious first")
        w.line(sheet, row, ["规则 rule", "问题 problem", "处理 effect", "数目 count", "怎样改 to do"], COVER, "head")
        for g in a.groups:
            row += 1
            sign, zh, en = SEVERITY[g.severity]
            texts = [f"{sign} {g.rule}", f"{g.problem_zh}\n{g.problem_en}", f"{zh}\n{en}", str(g.count), f"{g.mend_zh}\n{g.mend_en}"]  # fmt: skip
            w.line(sheet, row, texts, COVER)
            w.text(sheet, row, 0, texts[0], "flagged" if g.severity == "warning" else "returned")
    for heading, changes in (
        ("本文件更正的数据 Figures that this file revised", a.replaced),
        ("此后已被更正的数据 Figures revised since by a later file", a.superseded),
    ):
        if changes:
            row = _section(w, sheet, row + 1, heading)
            w.line(
                sheet, row, ["", "数据 figure", "原为 before", "改为 after", "另一文件 the other file"], COVER, "head"
            )
            for c in changes:
                row += 1
                w.line(sheet, row, ["", c.figure, c.before, c.after, c.other], COVER)
    row = _section(w, sheet, row + 1, "图例 Legend") - 1
    for style, sign, text in (
        ("returned", "退回", "红底、粗框、有批注，行末注“退回”：该行未被接收。\nRed, a thick frame, a comment, 退回 at the row's end: the row was returned."),
        ("flagged", "提示", "黄底、虚框、有批注，行末注“提示”：该行已接收，请核对。\nYellow, a dashed frame, a comment, 提示 at the row's end: the row was kept, please check it."),
    ):  # fmt: skip
        row += 1
        w.text(sheet, row, 0, sign, style)
        w.text(sheet, row, 1, text, "wrap")
        sheet.set_row(row, LINE * _lines(text, COVER[1]))
    for text in (*CONFIRMING, *CORRECTING):
        row += 1
        w.text(sheet, row, 1, text)


def _section(w: _Writer, sheet: Worksheet, row: int, heading: str) -> int:
    """A heading after an empty row; the row below it."""
    for column in range(len(COVER)):
        w.text(sheet, row + 1, column, "" if column else heading, "section")
    sheet.set_row(row + 1, 20)
    return row + 2


def _findings(w: _Writer, sheet: Worksheet, a: Answer, original: Original, names: Sequence[str]) -> None:
    _columns(sheet, FINDINGS)
    w.text(sheet, 0, 0, "问题，先重后轻 Findings, the serious first", "title")
    sheet.set_row(0, 26)
    head = ["规则 rule", "在哪里 where", "涉及 concerns", "是什么问题 what", "填报内容 found", "应为 expected", "依据 why", "怎样改 to do"]  # fmt: skip
    w.line(sheet, 2, head, FINDINGS, "head")
    sheet.freeze_panes(3, 0)
    sheet.repeat_rows(2)
    row = 2
    for g in a.groups:
        for f in g.findings:
            row += 1
            place = original.places[id(f)]
            texts = [
                f"{f.sign} {f.rule}", f"{place.zh}\n{place.en}", " ".join(filter(None, [f.indicator, f.period])),
                f"{g.problem_zh}\n{g.problem_en}", f.found, f.expected, f"{f.basis_zh}\n{f.basis_en}",
                f"{g.mend_zh}\n{g.mend_en}",
            ]  # fmt: skip
            w.line(sheet, row, texts, FINDINGS)
            style = "flagged" if f.severity == "warning" else "returned"
            if place.grid is None:
                w.text(sheet, row, 0, texts[0], style)
            else:
                own = names[place.grid].replace("'", "''")
                sheet.write_url(row, 0, f"internal:'{own}'!{place.cell}", w.style(style), texts[0])
        if g.count > len(g.findings):
            row += 1
            w.text(sheet, row, 0, g.rule)
            w.text(sheet, row, 1, more(g.count - len(g.findings)))
    if not a.groups:
        w.text(sheet, row + 1, 0, "没有需要处理的问题。Nothing to mend.")


def _own(w: _Writer, sheet: Worksheet, grid: Grid) -> None:
    by_row = grid.marked_rows()
    widths = [6] * grid.width
    if grid.shortened:
        sheet.set_default_row(hide_unused_rows=True)
    for row, cells in grid.rows.items():
        severities = {f.severity for f in by_row.get(row, [])}
        default = (
            "sheet_head"
            if row == grid.header
            else "returned_row"
            if grid.a_figure_a_row and severities - {"warning"}
            else "plain"
        )
        for column, text in enumerate(cells):
            marked = grid.marks.get((row, column))
            if marked:
                w.text(sheet, row, column, text, _mark(marked))
                sheet.write_comment(
                    row, column, comment(marked)[:CELL], {"x_scale": 2.2, "y_scale": 0.7 + 0.6 * len(marked)}
                )
            elif text or default != "plain":
                w.text(sheet, row, column, text, default)
            widths[column] = min(40, max(widths[column], _width(text[:60])))
        if grid.shortened:
            sheet.set_row(row, 15)
        if row in by_row:
            w.text(sheet, row, grid.width, signs(by_row[row]), _mark(by_row[row]))
    if by_row and grid.header is not None:
        w.text(sheet, grid.header, grid.width, SIGNED, "sheet_head")
        sheet.repeat_rows(grid.header)
    for column, width in enumerate(widths):
        sheet.set_column(column, column, width + 2)
    sheet.set_column(grid.width, grid.width, 24)


def _mark(findings: list[Finding]) -> str:
    return "flagged" if only_warnings(findings) else "returned"


def _owed(w: _Writer, sheet: Worksheet, a: Answer) -> None:
    _columns(sheet, OWED)
    w.text(sheet, 0, 0, f"待报，截至 {a.judged} Still owed", "title")
    sheet.set_row(0, 26)
    w.text(sheet, 1, 0, f"{owed(a).zh} {owed(a).en}")
    head = [
        "状态 state",
        "应报指标 owed",
        "编码 code",
        "地区（空为全市） of",
        "应报期 for",
        "期限（此时之前） due before",
        "",
    ]
    w.line(sheet, 3, head, OWED, "head")
    sheet.freeze_panes(4, 0)
    sheet.repeat_rows(3)
    row = 3
    for d in a.owed.listed:
        row += 1
        w.line(sheet, row, [d.state_zh, d.indicator, d.code, d.area, d.period, d.due, d.state_en], OWED)
        if d.state == "missing":
            w.text(sheet, row, 0, d.state_zh, "returned")
    if a.owed.count > len(a.owed.listed):
        w.text(sheet, row + 1, 0, more(a.owed.count - len(a.owed.listed)))
    if not a.owed.count:
        w.text(sheet, row + 1, 0, "没有待报的数据。Nothing is owed.")


@lru_cache(4096)  # what is owed stands in every receipt of a department
def _lines(text: str, width: int) -> int:
    """Lines that a text takes in a column so many characters wide, on the safe side, and at most 20."""
    return min(20, sum(max(1, -(-_width(line) // max(1, width - 2))) for line in text.split("\n")))


def _width(text: str) -> int:
    return len(text) if text.isascii() else len(text) + len(WIDE.findall(text))
