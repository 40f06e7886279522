"""What has been made and may go: which of it has outlived its use, by which rule.

Never among it: what landed, the ledger and the registers, the current release and those that somebody may go back to, the
last receipt of each submission, documents that somebody asked for. Not here: Dagster's runs (`pipelines.pruned`).
"""

from __future__ import annotations

import datetime as dt
import itertools
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from warehouse import releases
from warehouse.receipts import files_of, register
from warehouse.releases import Keep
from warehouse.store import Store
from warehouse.validations import LATEST, PERIOD

PAPERS = 400  # days: a year's assessment is over, and its questions with it
LEFT_OVER = dt.timedelta(days=1)  # no run lasts so long


@dataclass(frozen=True)
class Outlived:
    """Something that may go. `since`: from when its age counts; `bytes`: what it frees, without what is linked elsewhere."""

    what: str
    rule: str
    since: dt.datetime
    paths: tuple[Path, ...]
    bytes: int


def outlived(store: Store, keep: Keep, papers: int, now: dt.datetime) -> list[Outlived]:
    """All that may go, kind by kind. `papers`: days that receipts which were replaced, Data Docs and templates are kept."""
    before = now - dt.timedelta(days=papers)
    rule = f"older than {papers} days (WALLCHART_KEEP_PAPERS_DAYS)"
    return [
        *_releases(store, keep, now),
        *(_one("receipts that a later one replaced", rule, since, files) for since, files in _receipts(store, before)),
        *(_one("Data Docs of a month", rule, since, folders) for since, folders in _data_docs(store, before)),
        *(_one("templates of a period", rule, since, (folder,)) for since, folder in _templates(store, before)),
        *_left_over(store, now),
    ]


def prune(store: Store, keep: Keep, papers: int, now: dt.datetime) -> list[Outlived]:
    """Removes what may go, and returns it; waits for whoever writes, and looks again when its turn has come."""
    with store.writing("prune"):
        found = outlived(store, keep, papers, now)
        for thing in found:
            for path in thing.paths:
                if path.is_dir() and not path.is_symlink():
                    releases.remove(path)
                else:
                    path.unlink(missing_ok=True)
        return found


def _releases(store: Store, keep: Keep, now: dt.datetime) -> Iterator[Outlived]:
    listed = releases.releases(store)
    current = next((r for r in listed if r.current), None)
    if current is None or releases.damage(current.folder):
        return  # nobody knows which of the others is the last good one
    after = {old.release: newer.built_at for newer, old in itertools.pairwise(listed)}
    rule = (
        f"replaced more than {keep.days} days ago (WALLCHART_KEEP_DAYS), not of the last {keep.releases}"
        " (WALLCHART_KEEP_RELEASES)"
    )
    for old in releases.outlived(store, keep, now):
        yield _one("releases", rule, after[old.release], (old.folder,))


def _receipts(store: Store, before: dt.datetime) -> Iterator[tuple[dt.datetime, tuple[Path, ...]]]:
    """The files; the register remembers the receipts for ever."""
    if not (store.receipts / "receipts.sqlite").exists():
        return
    with register(store) as db:
        replaced = db.execute(REPLACED).fetchall()
    for receipt in replaced:
        since = dt.datetime.fromisoformat(receipt["replaced_at"])
        files = files_of(store, receipt["department"], receipt["submission"], receipt["number"])
        if since < before and (there := tuple(f for f in files if f.exists())):
            yield since, there


REPLACED = """
select * from (
    select number, submission, department, lead(made_at) over (partition by submission order by rowid) as replaced_at
    from receipt
) where replaced_at is not null order by replaced_at, number
"""


def _data_docs(store: Store, before: dt.datetime) -> Iterator[tuple[dt.datetime, tuple[Path, ...]]]:
    """A month's results of one suite, and their pages, which judging the month makes again."""
    for month in sorted((store.gx / "validations").glob("*/*")):
        judged = [_time(p) for p in month.glob(f"*/{PERIOD}.json")]
        if month.name == LATEST or not judged or max(judged) >= before:
            continue
        pages = store.gx / "site" / month.relative_to(store.gx)
        yield max(judged), tuple(p for p in (month, pages) if p.exists())


def _templates(store: Store, before: dt.datetime) -> Iterator[tuple[dt.datetime, Path]]:
    """A period's workbooks, which `wallchart templates` makes again."""
    for folder in sorted((store.root / "templates").glob("*")):
        made = [_time(p) for p in folder.rglob("*")]
        if made and max(made) < before:
            yield max(made), folder


def _left_over(store: Store, now: dt.datetime) -> Iterator[Outlived]:
    """What killed runs left: nothing that is whole ends in .tmp, and a folder to work in is empty between runs."""
    work = [store.spill, store.root / ".preview", *(store.warehouse / ".staging").glob("*")]
    made = [
        store.rows,
        store.months,
        store.marts,
        store.receipts,
        store.reports,
        store.warehouse,
        store.root / "templates",
    ]
    parts = (Path(at, name) for top in made for at, _, names in os.walk(top) for name in names if name.endswith(".tmp"))
    for path in [*(p for p in work if p.exists()), *sorted(parts)]:
        since = max([_time(path), *(_time(p) for p in path.rglob("*"))])
        if now - since > LEFT_OVER:
            yield _one("left over by killed runs", "older than a day", since, (path,))


def _one(what: str, rule: str, since: dt.datetime, paths: tuple[Path, ...]) -> Outlived:
    files = (p for path in paths for p in ([path] if path.is_file() else path.rglob("*")))
    return Outlived(what, rule, since, paths, sum(_frees(p) for p in files))


def _frees(path: Path) -> int:
    seen = path.lstat()
    return seen.st_size if path.is_file() and seen.st_nlink == 1 else 0


def _time(path: Path) -> dt.datetime:
    with suppress(FileNotFoundError):  # a run that is under way has just put it in its place
        return dt.datetime.fromtimestamp(path.lstat().st_mtime, dt.UTC)
    return dt.datetime.max.replace(tzinfo=dt.UTC)
