"""A document as one HTML file that loads nothing: to be read on a screen or printed, the vintage on every page."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from warehouse.reports.documents.outline import Document, Heading, NewPage, Said, Table, Toned
from warehouse.reports.documents.plots import COLOURS, DARK, Picture

KINDS = {Heading: "heading", Said: "said", Table: "table", Picture: "picture", NewPage: "new page"}


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["drawing"] = lambda picture: Markup(picture.svg)  # made here, of numbers and codes
    environment.tests["toned"] = lambda cell: isinstance(cell, Toned)
    return environment.from_string((files("warehouse.reports.documents") / "document.html.j2").read_text("utf-8"))


def page(document: Document) -> bytes:
    """The page's bytes: the same for the same document."""
    blocks = [(KINDS[type(block)], block) for block in document.blocks]
    return _template().render(d=document, blocks=blocks, colours=COLOURS, dark=DARK).encode()
