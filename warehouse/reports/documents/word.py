"""A document as .docx, for Word, WPS and LibreOffice: plain styles, real tables, no macro, no link, the vintage in the
footer of every page. The same document gives the same bytes."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from typing import Any

import docx
from docx.document import Document as Opened
from docx.enum.section import WD_ORIENT
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_BREAK
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.section import Section
from docx.shared import Cm, Pt, RGBColor
from docx.text.paragraph import Paragraph

from warehouse.reports.documents.outline import Block, Cell, Document, Heading, Said, Table, Toned
from warehouse.reports.documents.plots import COLOURS, DARK, Picture

BODY, TITLES, LATIN = "宋体", "黑体", "Arial"  # on every Chinese office machine; others put their own in their place
A4 = (Cm(21), Cm(29.7))
MARGIN = Cm(1.8)
GREY = RGBColor(0x55, 0x55, 0x55)
RED = RGBColor(0xB2, 0x18, 0x2B)


def word(document: Document, written_at: dt.datetime) -> bytes:
    """The file's bytes; `written_at` is what its properties say, for the clock is not read."""
    opened = docx.Document()
    _styles(opened)
    _properties(opened, document, written_at)
    _page(opened.sections[0], document, landscape=False)
    _run(opened.add_paragraph(), document.plan, size=11)
    opened.add_paragraph(document.title, style="Title")
    _run(opened.add_paragraph(), document.subtitle, size=9, colour=GREY)
    for line in document.vintage:
        _run(opened.add_paragraph(), line, size=8, colour=GREY)
    for block in document.blocks:
        _add(opened, document, block)
    content = io.BytesIO()
    opened.save(content)
    return _timeless(content.getvalue())


def _add(opened: Opened, document: Document, block: Block) -> None:
    if isinstance(block, Heading):
        heading = opened.add_paragraph(block.zh, style=f"Heading {block.level}")
        _run(heading, f"　{block.en}", size=9, colour=GREY)
    elif isinstance(block, Said):
        opened.add_paragraph(block.text)
    elif isinstance(block, Picture):
        shown = opened.add_picture(io.BytesIO(block.png), width=Cm(17))
        shown._inline.docPr.set("descr", block.alt)
    elif isinstance(block, Table):
        _table(opened, block)
    elif block.landscape:
        _page(opened.add_section(), document, landscape=True)
    else:
        opened.add_paragraph().add_run().add_break(WD_BREAK.PAGE)


def _styles(opened: Opened) -> None:
    for name, size, chinese in (
        ("Normal", 10, BODY), ("Title", 17, TITLES), ("Heading 1", 14, TITLES), ("Heading 2", 11.5, TITLES),
    ):  # fmt: skip
        style: Any = opened.styles[name]
        style.font.name, style.font.size = LATIN, Pt(size)
        style.font.color.rgb = RGBColor(0, 0, 0)
        fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
        for theme in ("asciiTheme", "hAnsiTheme", "eastAsiaTheme", "cstheme"):
            fonts.attrib.pop(qn(f"w:{theme}"), None)  # a theme's font would win over the one named
        fonts.set(qn("w:eastAsia"), chinese)
        space = style.paragraph_format
        space.space_before, space.space_after = Pt(8 if name.startswith("Heading") else 0), Pt(4)
        space.line_spacing = 1.1
    border = opened.styles["Title"].element.find(qn("w:pPr")).find(qn("w:pBdr"))
    if border is not None:
        border.getparent().remove(border)
    language = opened.styles.element.find(f".//{qn('w:lang')}")
    language.set(qn("w:eastAsia"), "zh-CN")


def _properties(opened: Opened, document: Document, written_at: dt.datetime) -> None:
    at = written_at.astimezone(dt.UTC).replace(tzinfo=None, microsecond=0)
    about = opened.core_properties
    about.title, about.subject = f"{document.plan} {document.title}", document.subtitle
    about.author, about.last_modified_by = "Wallchart", ""
    about.created = about.modified = at
    about.comments = document.label or ""
    about.keywords, about.language, about.revision = "; ".join(document.vintage), "zh-CN", 1


def _page(section: Section, document: Document, *, landscape: bool) -> None:
    short, long = A4
    section.orientation = WD_ORIENT.LANDSCAPE if landscape else WD_ORIENT.PORTRAIT
    section.page_width, section.page_height = (long, short) if landscape else (short, long)
    section.left_margin = section.right_margin = section.top_margin = section.bottom_margin = MARGIN
    section.header_distance = section.footer_distance = Cm(0.8)
    if landscape:
        return  # the header and footer of the section before go on
    if document.label:
        header = section.header.paragraphs[0]
        header.alignment = WD_ALIGN_PARAGRAPH.RIGHT
        _run(header, document.label, size=9, colour=RED, bold=True)
    for n, line in enumerate(document.vintage):
        footer = section.footer.paragraphs[0] if n == 0 else section.footer.add_paragraph()
        footer.alignment = WD_ALIGN_PARAGRAPH.CENTER
        footer.paragraph_format.space_after = Pt(0)
        _run(footer, line, size=7, colour=GREY)
    _run(footer, "　第 ", size=7, colour=GREY)
    _field(footer, "PAGE")
    _run(footer, " 页，共 ", size=7, colour=GREY)
    _field(footer, "NUMPAGES")
    _run(footer, " 页", size=7, colour=GREY)


def _run(paragraph: Paragraph, text: str, *, size: float, colour: RGBColor | None = None, bold: bool = False) -> None:
    run = paragraph.add_run(text)
    run.font.size, run.bold = Pt(size), bold or None
    if colour is not None:
        run.font.color.rgb = colour


def _field(paragraph: Paragraph, name: str) -> None:
    field = OxmlElement("w:fldSimple")
    field.set(qn("w:instr"), name)
    run = OxmlElement("w:r")
    properties = OxmlElement("w:rPr")
    size = OxmlElement("w:sz")
    size.set(qn("w:val"), "14")
    properties.append(size)
    text = OxmlElement("w:t")
    text.text = "1"
    run.extend([properties, text])
    field.append(run)
    paragraph._p.append(field)


def _table(opened: Opened, table: Table) -> None:
    made = opened.add_table(rows=1, cols=len(table.columns), style="Table Grid")
    made.alignment, made.autofit = WD_TABLE_ALIGNMENT.CENTER, False
    size = 8 if len(table.columns) < 10 else 7
    widths = [Cm(w) for w in table.widths]
    for column, width in zip(made.columns, widths, strict=True):
        column.width = width
    head = made.rows[0]
    _mark(head, "w:tblHeader")
    for cell, (zh, en), width in zip(head.cells, table.columns, widths, strict=True):
        cell.width = width
        _fill(cell, "EEEEEE")
        _cell(cell, zh, size, bold=True)
        _run(cell.paragraphs[0], f"\n{en}", size=size - 2, colour=GREY)
    for n, row in enumerate(table.rows):
        added = made.add_row()
        _mark(added, "w:cantSplit")
        last = table.total and n == len(table.rows) - 1
        for c, (cell, content) in enumerate(zip(added.cells, row, strict=True)):
            cell.width = widths[c]
            _cell(cell, content, size, right=c in table.right, bold=last, tied=bool(table.under))
        if table.under:
            below = made.add_row()
            _mark(below, "w:cantSplit")
            merged = below.cells[0].merge(below.cells[-1])
            _cell(merged, table.under[n], size - 0.5)
            _fill(merged, "F7F7F7")
    opened.add_paragraph().paragraph_format.space_after = Pt(2)


def _cell(
    cell: Any, content: Cell, size: float, *, right: bool = False, bold: bool = False, tied: bool = False
) -> None:
    paragraph = cell.paragraphs[0]
    paragraph.paragraph_format.space_after = Pt(0)
    paragraph.paragraph_format.line_spacing = 1.0
    paragraph.paragraph_format.keep_with_next = tied or None  # what stands below a row stays with it
    if right:
        paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    text = content.text if isinstance(content, Toned) else content
    light = isinstance(content, Toned) and content.status in DARK
    _run(paragraph, text, size=size, bold=bold, colour=RGBColor(0xFF, 0xFF, 0xFF) if light else None)
    if isinstance(content, Toned):
        _fill(cell, COLOURS[content.status].lstrip("#"))


def _fill(cell: Any, colour: str) -> None:
    shade = OxmlElement("w:shd")
    for name, value in (("val", "clear"), ("color", "auto"), ("fill", colour)):
        shade.set(qn(f"w:{name}"), value)
    cell._tc.get_or_add_tcPr().append(shade)


def _mark(row: Any, name: str) -> None:
    row._tr.get_or_add_trPr().append(OxmlElement(name))


def _timeless(content: bytes) -> bytes:
    """The same archive without the times at which its parts were written."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.infolist():
            named = zipfile.ZipInfo(part.filename, (1980, 1, 1, 0, 0, 0))
            named.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(named, old.read(part))
    return written.getvalue()
