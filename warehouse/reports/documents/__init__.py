"""The documents by which a plan is held to account: a self-check each quarter, an assessment each year.

facts.py asks a release, outline.py says it in words, word.py and page.py write it down. Nothing here reads the store's
own tables or the clock: what a document says can be found in the release that it names.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from warehouse.reports.documents.facts import Facts, ReportError, facts
from warehouse.store import Store, write_whole

__all__ = ["Facts", "ReportError", "Written", "facts", "write"]

FOLDERS = {"self_check": "self-check", "assessment": "assessment"}


@dataclass(frozen=True)
class Written:
    docx: Path
    html: Path
    facts: Facts


def write(store: Store, period: str, known_at: dt.datetime | None = None, release: str | None = None) -> Written:
    """Writes the document of a quarter or a plan's year, as .docx and .html, under reports/ of the store.

    Of the current release or the one named, as known at `known_at` (without a zone: the plan's), or at the release's own
    time. The same release, period and time give the same bytes. Raises ReportError, and then nothing is written.
    """
    # drawing and Word cost a second to import: not where definitions load
    from warehouse.reports.documents.outline import outline
    from warehouse.reports.documents.page import page
    from warehouse.reports.documents.word import word

    found = facts(_file(store, release), period, known_at)
    document = outline(found)
    beside = store.reports / FOLDERS[found.kind] / found.period / _name(found)
    written = Written(beside.with_name(f"{beside.name}.docx"), beside.with_name(f"{beside.name}.html"), found)
    files = {written.docx: word(document, found.vintage.known_at), written.html: page(document)}
    for path, content in files.items():
        write_whole(path, content)
    return written


def _file(store: Store, release: str | None) -> Path:
    """The release's own file, not the link to it: what is open here stays what it is."""
    folder = store.warehouse / "current" if release is None else store.warehouse / "releases" / release
    file = folder / "warehouse.duckdb"
    if not file.is_file():
        kept = sorted(p.name for p in (store.warehouse / "releases").glob("*"))
        raise ReportError(
            f"there is no release {release}: kept are {', '.join(kept) or 'none'}"
            if release
            else "nothing has been released yet"
        )
    return file.resolve()


def _name(found: Facts) -> str:
    v = found.vintage
    known = "" if v.own else f"-known-{v.known_at.astimezone(dt.UTC):%Y%m%dT%H%M%SZ}"
    return f"{FOLDERS[found.kind]}-{found.period}{known}-release-{v.release}"
