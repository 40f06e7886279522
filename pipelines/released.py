"""The releases for a person at the command line: which there are, and what changed from one to another."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from expectations.model import Plan
from warehouse import changes
from warehouse.releases import Listed, ReleaseError, damage, find, releases
from warehouse.store import Store, connect

SHOWN = 40  # changes


def show_releases(store: Store, plan: Plan) -> None:
    listed = releases(store)
    zone = ZoneInfo(plan.head.timezone)
    shown = Table(title="Releases, newest first", title_justify="left")
    for header in ("release", "as of", "plan revision", "changes against the one before", "state"):
        shown.add_column(header, no_wrap=header == "release")
    for r in listed:
        changed = sum(c["rows"] for c in r.manifest.get("changed", []))
        shown.add_row(
            r.release,
            f"{r.built_at.astimezone(zone):%Y-%m-%d %H:%M}",
            str(r.manifest.get("plan_revision", "?")),
            f"{changed}" if r.manifest.get("base") else "",
            ", ".join(
                word
                for word, so in (
                    ("current", r.current),
                    ("rolled back", r.rolled_back),
                    ("manifest.json cannot be read", not r.manifest),
                )
                if so
            ),
        )
    _console().print(shown)


def show_diff(store: Store, before: str | None, after: str | None, *, everything: bool) -> None:
    """Prints what changed from release `before` (default: the one that was current before `after`) to `after` (default:
    the current one). Raises ReleaseError."""
    listed = releases(store)
    new = find(store, after) if after else next((r for r in listed if r.current), None)
    if new is None:
        raise ReleaseError("there is no release yet: `make run` first")
    old = find(store, before) if before else _before(listed, new)
    for r in (old, new):
        if wrong := damage(r.folder, changes.READ):
            raise ReleaseError(f"{r.release} is damaged: {wrong}")
    console = _console()
    with connect(old.folder, new.folder) as con:
        changes.between(con, changes.Side(old.folder, old.manifest), changes.Side(new.folder, new.manifest))
        console.print(f"from {old.release}\nto   {new.release}")
        counted = changes.counted(con)
        if not counted:
            console.print("nothing changed: no current figure, obligation, target or progress differs")
            return
        sums = Table(title="What changed, and why", title_justify="left")
        for header in ("table", "reason", "changes"):
            sums.add_column(header, justify="right" if header == "changes" else "left")
        for c in counted:
            sums.add_row(c["table"], c["reason"], str(c["rows"]))
        console.print(sums)
        rows = con.execute(DIFFERENCES, {"tables": list(changes.KEYS)}).fetchall()
        told = rows if everything else rows[:SHOWN]
        lines = Table()
        for header in ("table", "of", "column", "before", "after", "reason"):
            lines.add_column(header, overflow="fold")
        for row in told:
            lines.add_row(*map(escape, row))  # [ ] in a file's name or a clause is no markup
        console.print(lines)
        if len(told) < len(rows):
            console.print(f"and {len(rows) - len(told)} more: --all prints them")


def _console() -> Console:
    return Console(width=None if Console().is_terminal else 160)


def _before(listed: list[Listed], new: Listed) -> Listed:
    """What was current before `new`; where that is gone, the newest older one."""
    older = [r for r in listed if r.release < new.release]
    named = [r for r in listed if r.release == new.manifest.get("base")]
    if not named and not older:
        raise ReleaseError(f"{new.release} is the only release: there is nothing to compare it with")
    return (named or older)[0]


DIFFERENCES = """
select c.table_name, concat_ws(' ', c.target, c.indicator, c.area, c.period, c.measure, c.department) as key, c.column_name,
    coalesce(c.before_text, ''), coalesce(c.after_text, ''),
    c.reason || coalesce(', by way of ' || c.via, '') || coalesce(': ' || s.path, '')
from release_change c
left join sent s on s.submission = c.submission
order by list_position($tables, c.table_name), key, c.column_name
"""
