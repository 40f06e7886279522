"""Sources: where submissions come from, one module a protocol. What is here knows nothing of plans, rows or the ledger.

A protocol's libraries are imported when a source of it is opened, so that they cost nothing where there is none.
"""

from __future__ import annotations

from warehouse.sources.source import (
    Changed,
    Credentials,
    Entry,
    Passing,
    Source,
    SourceError,
    address,
    is_submission,
    shown,
    told,
)

__all__ = [
    "Changed", "Credentials", "Entry", "Passing", "Source", "SourceError", "deliver", "is_submission", "open_source", "shown",
    "told",
]  # fmt: skip


def open_source(url: str, credentials: Credentials) -> Source:
    """The source at a URL. Raises SourceError where the URL or a credential will not do. To be closed by the caller."""
    at = address(url)
    match at.scheme:
        case "file":
            from warehouse.sources.file import Files

            return Files(at)
        case "sftp":
            from warehouse.sources.sftp import Sftp

            return Sftp(at, credentials)
        case "s3":
            from warehouse.sources.s3 import Bucket

            return Bucket(at, credentials)
        case _:
            from warehouse.sources.api import Exchange

            return Exchange(at, credentials)


def deliver(source: Source, department: str, name: str, content: bytes) -> bool:
    """Puts a receipt into `receipts/` of the department's drop box; False where the source takes none.

    Whole or not at all, and again as often as wished: the same name replaces. Raises SourceError.
    """
    if not source.takes_receipts:
        return False
    for part in (department, name):
        if not part or part.startswith(".") or "/" in part or "\0" in part:
            raise ValueError(f"{part!r} is no name for a drop box or a receipt")
    source.put_receipt(department, name, content)
    return True
