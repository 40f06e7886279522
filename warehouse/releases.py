"""The releases that there are: which, whether they are whole, which is current; going back to one, and letting old ones go."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import json
import os
import re
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warehouse import sums
from warehouse.store import Store, sync, write_whole
from warehouse.sums import sha256
from warehouse.trouble import StoreError

NAME = re.compile(r"\d{8}T\d{12}Z-[0-9a-f]{8}")


class ReleaseError(Exception):
    """A release that is not published, or not gone back to: why. What is current has not changed."""


@dataclass(frozen=True)
class Keep:
    """A release is let go where a newer one took its place more than `days` ago and `releases` newer ones are kept."""

    days: int = 7
    releases: int = 7


KEEP = Keep()


@dataclass(frozen=True)
class Listed:
    """A release in its folder. `manifest` is empty where it cannot be read."""

    release: str
    folder: Path
    manifest: dict[str, Any]
    current: bool
    rolled_back: bool

    @property
    def built_at(self) -> dt.datetime:
        return built_at(self.release)


def built_at(release: str) -> dt.datetime:
    return dt.datetime.strptime(release.partition("-")[0], "%Y%m%dT%H%M%S%fZ").replace(tzinfo=dt.UTC)


def named(as_of: dt.datetime, digest: str) -> str:
    """The name of the release of the marts as of `as_of`: names sort by time."""
    return f"{as_of.astimezone(dt.UTC):%Y%m%dT%H%M%S%fZ}-{digest[:8]}"


def current(store: Store) -> dict[str, Any] | None:
    """The manifest of the current release, or None where there is none yet, or none that can be read."""
    return _manifest(store.warehouse / "current") or None


def releases(store: Store) -> list[Listed]:
    """All releases, newest first."""
    link, back = store.warehouse / "current", rolled_back(store)
    now = os.readlink(link).rpartition("/")[2] if link.is_symlink() else None
    rest = store.warehouse / "releases"
    found = [p for p in rest.iterdir() if NAME.fullmatch(p.name)] if rest.is_dir() else []
    return [Listed(p.name, p, _manifest(p), p.name == now, p.name in back) for p in sorted(found, reverse=True)]


def _manifest(rest: Path) -> dict[str, Any]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, ValueError, TypeError):
        return dict(json.loads((rest / "manifest.json").read_text("utf-8")))
    return {}


def find(store: Store, release: str) -> Listed:
    """The release of that name, of which the beginning is enough. Raises ReleaseError where it is none, or several."""
    listed = releases(store)
    found = [r for r in listed if r.release == release] or [r for r in listed if r.release.startswith(release)]
    if len(found) != 1:
        there = "\n".join(r.release for r in listed) or "none"
        raise ReleaseError(
            f"{'several releases begin' if found else 'no release is called or begins'} with {release}. There are:\n{there}"
        )
    return found[0]


def damage(rest: Path, tables: Collection[str] | None = None) -> str | None:
    """What is wrong with a release's files (of all, or of the Parquet of `tables`) against its SHA256SUMS: the first
    file that is missing, changed or not the release's. None: nothing."""
    try:
        told = sums.told(rest)
    except (OSError, UnicodeDecodeError) as e:
        return f"SHA256SUMS cannot be read: {e}"
    there = {p.relative_to(rest).as_posix() for p in rest.rglob("*") if p.is_file()} - {"SHA256SUMS"}
    for path in sorted(told.keys() | there):
        if tables is not None and not (path.startswith("marts/") and path.split("/")[1] in tables):
            continue
        if path not in there:
            return f"{path} is missing"
        if path not in told:
            return f"{path} is not of the release"
        if sha256(rest / path) != told[path]:
            return f"{path} is not as it was released"
    return None


def given_up(store: Store, release: str) -> Path:
    """There once a check found the release damaged: while it is current, the next night publishes another in its place."""
    return store.warehouse / "releases" / f"{release}.damaged"


@dataclass(frozen=True)
class RolledBack:
    """`left` is None where the link pointed nowhere."""

    left: str | None
    now: str


def rollback(store: Store, release: str | None, at: dt.datetime) -> RolledBack:
    """Makes an existing release current: the one named (its beginning is enough), or the newest before the current that
    was made of other inputs and was not itself rolled back.

    What is left behind is not published again from the same inputs, until somebody goes back to it by name: see
    `rolled_back`. Raises ReleaseError: unknown, none to go back to, current already, damaged.
    """
    with store.writing("rollback"):
        chosen = find(store, release) if release else _before(store)
        left = next((r for r in releases(store) if r.current), None)
        if chosen.current:
            raise ReleaseError(f"{chosen.release} is the current release")
        if wrong := damage(chosen.folder):
            raise ReleaseError(f"{chosen.release} is damaged: {wrong}. Choose another: `wallchart releases` lists them")
        act = {
            "at": at.astimezone(dt.UTC).isoformat(),
            "left": left.release if left else None,
            "input_digest": left.manifest.get("input_digest") if left else None,
            "now": chosen.release,
        }
        write_whole(_acts(store), (json.dumps([*_acted(store), act], indent=1) + "\n").encode())
        point(store, chosen.release)
        return RolledBack(left.release if left else None, chosen.release)


def _before(store: Store) -> Listed:
    listed = releases(store)
    left = next((r for r in listed if r.current), None)
    bad = {*rolled_back(store).values(), left.manifest.get("input_digest") if left else None}
    for r in listed:
        if (left is None or r.release < left.release) and r.manifest.get("input_digest") not in bad:
            return r
    raise ReleaseError("there is no earlier release of other inputs to go back to")


def rolled_back(store: Store) -> dict[str, str]:
    """Releases that somebody went back from, and the digest of the inputs that each was made of."""
    back: dict[str, str] = {}
    for act in _acted(store):
        if act["left"] is not None and act["now"] < act["left"]:
            back[act["left"]] = act["input_digest"]
        back.pop(act["now"], None)
    return back


def standing_back(store: Store) -> RolledBack | None:
    """The rollback by which the current release is current; None where it was published since."""
    acts = _acted(store)
    link = store.warehouse / "current"
    if not acts or not link.is_symlink() or os.readlink(link).rpartition("/")[2] != acts[-1]["now"]:
        return None
    last = RolledBack(acts[-1]["left"], acts[-1]["now"])
    return last if last.left in rolled_back(store) else None


def _acts(store: Store) -> Path:
    return store.warehouse / "rollbacks.json"


def _acted(store: Store) -> list[dict[str, Any]]:
    if not _acts(store).exists():
        return []
    try:
        return list(json.loads(_acts(store).read_text("utf-8")))
    except ValueError as e:
        raise StoreError(
            f"{_acts(store)} cannot be read: {e}. It says which releases were rolled back: put it back from a backup, or remove"
            " it; what was rolled back may then be released again"
        ) from e


def point(store: Store, release: str) -> None:
    """Moves the link `current`: whoever opens it next sees `release`."""
    if seen_through(store, release).is_symlink():
        lead(seen_through(store, release), Path("..") / "releases" / release)
    lead(store.warehouse / "current", Path("releases") / release)


def seen_through(store: Store, release: str) -> Path:
    """The link through which a release's views read its Parquet: they hold it while the folder has not its name yet."""
    return store.warehouse.absolute() / "views" / release


def lead(link: Path, to: Path) -> None:
    """The link leads there from now on, at once for everybody."""
    beside = link.with_name(f".{link.name}-{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        beside.unlink()
    beside.symlink_to(to, target_is_directory=True)
    os.replace(beside, link)
    sync(link.parent)


def prune(store: Store, keep: Keep, now: dt.datetime) -> None:
    """Removes the releases that are not to be kept."""
    for old in outlived(store, keep, now):
        remove(old.folder)


def outlived(store: Store, keep: Keep, now: dt.datetime) -> list[Listed]:
    """The releases that are not to be kept, newest first; never the current one, nor the one that a rollback would go to,
    nor the one that was gone back from last while the other stands."""
    listed, back = releases(store), standing_back(store)
    spared = {back.left} if back else set()
    with contextlib.suppress(ReleaseError):  # none to go back to
        spared.add(_before(store).release)
    return [
        old
        for newer, old in list(itertools.pairwise(listed))[max(keep.releases, 1) - 1 :]
        if not old.current and old.release not in spared and now - newer.built_at > dt.timedelta(days=keep.days)
    ]


def remove(rest: Path) -> None:
    for path in [rest, *(p for p in rest.rglob("*") if p.is_dir())]:
        os.chmod(path, 0o755)
    shutil.rmtree(rest)
    rest.with_name(f"{rest.name}.damaged").unlink(missing_ok=True)
    (rest.parent.with_name("views") / rest.name).unlink(missing_ok=True)
