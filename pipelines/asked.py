"""The two questions that everybody asks, answered in words from the current release: why a row was returned, and where a
number comes from."""

from __future__ import annotations

from typing import Any

import click
import duckdb

from expectations.rules import RULES
from warehouse.store import Store, opened
from warehouse.visible import visible, visible_name

SHOWN = 40  # findings


class AskedError(Exception):
    """A question that cannot be answered: what is not there, and what is."""


def show_why(store: Store, zone: str, which: str, row: int | None) -> None:
    """Prints what was found in a submission, the serious first: place, rule, found, expected, basis, what to do.

    `which`: its id, or the end of its file's path. `row`: only of this row. Raises AskedError.
    """
    with _release(store) as con:
        sent = _rows(con, SENT, {"which": which, "zone": zone})
        if not sent:
            raise AskedError(
                f"the current release knows no submission {which!r}: give its id (on its receipt) or the end of its path,"
                " science/2022/x.csv. What landed since is in the next release: `make run`"
            )
        exact = [s for s in sent if which in (s["submission"], s["path"])] or sent
        if len(exact) > 1:
            named = "\n".join(f"{s['submission']}  {visible_name(s['path'])}" for s in exact[:SHOWN])
            raise AskedError(f"{len(exact)} submissions are called {which}; choose one by its id:\n{named}")
        [one] = exact
        found = _rows(con, FOUND, {"submission": one["submission"], "row": row})
    click.echo(f"{visible_name(one['path'])} ({one['submission']}), {one['department']}, received {one['received']}")
    click.echo(
        f"{one['status']}: {one['rows_read']} rows read, {one['rows_kept']} kept, {one['rows_returned']} returned"
    )
    if one["withdrawn_by"]:
        click.echo(f"withdrawn by {one['withdrawn_by']}: {visible(one['withdrawn_why'])}")
    if not found:
        click.echo(f"Nothing was found in {f'row {row}' if row else 'it'}: it was neither returned nor flagged.")
    for f in found[:SHOWN]:
        rule = RULES[f["rule"]]
        place = ", ".join(f"{k} {visible(str(f[c]))}" for k, c in PLACE.items() if f[c] is not None) or "the whole file"
        click.echo(f"\n{place}")
        said = f"{f['rule']}, {EFFECT[f['severity']]}{', explained' if f['confirmed'] else ''}"
        click.echo(f"  {said}: {rule.en} {rule.zh}")
        for label, column in (("found", "value_text"), ("expected", "expected_text"), ("because of", "basis")):
            if f[column] is not None:
                click.echo(f"  {label}: {visible(str(f[column]))}")
        click.echo(f"  to do: {rule.mend_en} {rule.mend_zh}")
    if len(found) > SHOWN:
        click.echo(f"\nand {len(found) - SHOWN} more: select * from finding where submission = '{one['submission']}'")


EFFECT = {"fatal": "the file was returned", "error": "returned", "warning": "kept and flagged"}
PLACE = {"sheet": "sheet", "row": "row_number", "column": "column_name"}


def show_where(store: Store, zone: str, target: str, period: str | None) -> None:
    """Prints a target's figure, the file, sheet and row that it was read from, the clause behind the target, and what its
    status rests on. `period`: by default the last one that has a figure. Raises AskedError."""
    with _release(store) as con:
        rows = _rows(con, FIGURE, {"target": target, "period": period})
        if not rows:
            periods = _rows(
                con, "select period from progress where target = $target order by period_end", {"target": target}
            )
            if not periods:
                raise AskedError(f"the plan has no target {target}: docs/plan/ and the wall chart list them")
            raise AskedError(f"{target} has no period {period}: {', '.join(p['period'] for p in periods)}")
        [f] = rows
        files = _rows(
            con, READ_FROM, {k: f[k] for k in ("submission", "indicator", "area", "period_end")} | {"zone": zone}
        )
    unit = f["unit"] or ""
    click.echo(f"{target} {f['name_zh']} {f['name_en']}, {f['period']}")
    click.echo(f"  figure: {_number(f['actual'])} {unit} ({f['actual_origin'] or 'nobody reported one'})")
    for o in files:
        at = f"sheet {visible(o['sheet'])}, " if o["sheet"] else ""
        click.echo(f"  read from: {visible_name(o['path'])}, {at}row {o['row_number']}, {_number(o['value'])} {unit}")
        click.echo(f"    of {o['period']}, by {o['department']} {o['name_zh']}, received {o['received']}")
        click.echo(f"    submission {o['submission']}; its bytes: {store.object(o['sha256'])}")
    if f["actual"] is not None and not files:
        click.echo("  read from: no submission; a published figure or a baseline (tables published and baseline)")
    click.echo(f"  promised: {visible(f['clause'])}")
    click.echo(f"    {f['section']}, character {f['clause_offset']} of the plan's text; revision {f['plan_revision']}")
    click.echo(f"  status: {f['status']}, because: {f['status_basis']}")


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:,.10g}"


def _release(store: Store) -> duckdb.DuckDBPyConnection:
    file = store.warehouse / "current" / "warehouse.duckdb"
    if not file.exists():
        raise AskedError("there is no release yet: `make run` first")
    return opened(file)


def _rows(con: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    asked = con.execute(query, parameters)
    names = [d[0] for d in asked.description]
    return [dict(zip(names, row, strict=True)) for row in asked.fetchall()]


# times as text in the plan's zone: who asks reads them, nothing reckons with them
LOCAL = "strftime(s.received_at at time zone $zone, '%Y-%m-%d %H:%M')"

SENT = f"""
select s.*, {LOCAL} as received from submission s
where s.submission = $which or s.path = $which or ends_with(s.path, '/' || $which) order by s.received_at, s.submission
"""

FOUND = """
select * from finding where submission = $submission and ($row is null or row_number is null or row_number = $row)
order by weight desc, rule, sheet nulls first, row_number nulls first, column_name nulls first, finding
"""

FIGURE = """
select p.*, i.name_zh, i.name_en, t.clause, t.section, t.clause_offset, t.plan_revision
from progress p join target t using (target) join indicator i on i.indicator = p.indicator
where p.target = $target and ($period is null or p.period = $period)
qualify row_number() over (order by p.actual is null, p.period_end desc) = 1
"""

READ_FROM = f"""
select o.*, s.path, s.sha256, d.name_zh, {LOCAL} as received
from observation o
join submission s using (submission)
left join department d on d.department = o.department
where o.submission = $submission and o.area = $area and o.period_end <= $period_end and o.known_to is null
qualify rank() over (order by o.indicator <> $indicator, o.period_end desc) = 1  -- of the levels where it was computed from them
order by o.measure, o.row_number
"""
