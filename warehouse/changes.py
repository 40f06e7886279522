"""What changed between two releases, and why: a row a figure, a state or a target's column that differs.

Both releases are read from the Parquet beside their files, whichever columns they have; what only one of them has is not
compared, nor are files that both have. A figure has changed where it differs by more than a billionth.
"""

from __future__ import annotations

import filecmp
from collections.abc import Collection, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from warehouse.store import connect, copy_to, files_sql

TEXT, FIGURE, TIME, TRUTH = "varchar", "double", "timestamptz", "boolean"
KEYS = {
    "observation": ["indicator", "area", "period", "measure", "department"],
    "target": ["target"],
    "obligation": ["department", "indicator", "area", "period"],
    "progress": ["target", "period"],
}
# what is compared; of a row that only one of the releases has, the first column is told
COMPARED = {
    "observation": {"value": FIGURE, "approximate": TRUTH},
    "target": {
        "clause": TEXT, "kind": TEXT, "comparator": TEXT, "value": FIGURE, "value_high": FIGURE, "unit": TEXT, "due": "date",
        "exceeds": TEXT, "baseline": FIGURE, "goal": FIGURE, "goal_high": FIGURE, "comparator_basis": TEXT, "tolerance": FIGURE,
        "trajectory": TEXT, "tested": TRUTH},
    "obligation": {"state": TEXT, "due_at": TIME},
    "progress": {
        "status": TEXT, "actual": FIGURE, "target_value": FIGURE, "expected": FIGURE, "attainment": FIGURE,
        "forecast": FIGURE, "will_meet": TRUTH},
}  # fmt: skip
# what reasons are found by
BESIDES = {
    "observation": {"submission": TEXT, "known_from": TIME},
    "target": {"indicator": TEXT, "area": TEXT, "exceeds": TEXT},
    "obligation": {"received_at": TIME, "due_at": TIME},
    "progress": {"indicator": TEXT, "area": TEXT},
    "submission": {"submission": TEXT, "department": TEXT, "received_at": TIME, "withdrawn_at": TIME, "synthetic": TRUTH, "path": TEXT},
    "indicator": {"indicator": TEXT, "level": TEXT, "lead_department": TEXT, "measure": TEXT},
    "target_version": {"target": TEXT, "valid_from": TIME, "valid_to": TIME},
}  # fmt: skip
READ = list(BESIDES)  # the tables that are looked at
PARTS = ["period", "department"]  # observations are compared in the parts that differ only
IN_ORDER = "table_name, target, indicator, area, period, measure, department, column_name"
NOTHING = (
    "select null::varchar as base, null::varchar as table_name, null::varchar as target, null::varchar as indicator,"
    " null::varchar as area, null::varchar as period, null::varchar as measure, null::varchar as department,"
    " null::varchar as column_name, null::varchar as before_text, null::varchar as after_text, null::double as before_value,"
    " null::double as after_value, null::varchar as reason, null::varchar as submission, null::varchar as via,"
    " null::boolean as synthetic where false"
)


class Side(NamedTuple):
    """A release: its folder, and what its manifest says (release, built_at, plan_revision, plan_digest, policy_digest,
    code_version)."""

    folder: Path
    facts: Mapping[str, Any]


def write(base: Side | None, release: Side, to: Path, spill: Path) -> list[dict[str, Any]]:
    """Writes table release_change as Parquet: what changed from `base` (None: nothing to compare with, no rows) to
    `release`. Returns how many rows it has: table, reason, rows."""
    with connect(to.parent, release.folder, *([base.folder] if base else []), spill=spill) as con:
        if base is None:
            con.execute(f"create view release_change as {NOTHING}")
        else:
            between(con, base, release)
        copy_to(con, f"from release_change order by {IN_ORDER}", to)
        return counted(con)


def counted(con: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """How many rows of release_change there are by table and reason."""
    found = con.execute(
        "from (select table_name, reason, count(*) from release_change group by all)"
        " order by list_position($tables, table_name), reason",
        {"tables": list(KEYS)},
    ).fetchall()
    return [{"table": table, "reason": reason, "rows": rows} for table, reason, rows in found]


def between(con: duckdb.DuckDBPyConnection, base: Side, release: Side) -> None:
    """Makes view release_change in `con`. Its columns and reasons: see dictionary.yaml."""
    con.execute(
        "create table facts as select $base as base, $was::timestamptz as was_at, $now::timestamptz as now_at,"
        " $by_plan as by_plan, $by_policy as by_policy, $by_all as by_all",
        {
            "base": base.facts["release"],
            "was": base.facts["built_at"],
            "now": release.facts["built_at"],
            **_causes(base.facts, release.facts),
        },
    )
    both = {table: _alike(base.folder, release.folder, table) for table in KEYS}
    has = [_views(con, side, made.folder, both) for side, made in (("old", base), ("new", release))]
    for table in KEYS:
        _told(con, table, has[0][table] & has[1][table])
    con.execute((files("warehouse") / "changes.sql").read_text("utf-8"))


def _causes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str]:
    """What else may be behind a change than what was sent and the time that passed: of the plan, of policy, or any."""
    differs = {fact for fact in old.keys() & new.keys() if old[fact] != new[fact]}
    plan = "plan_revision" if "plan_revision" in differs else "plan_edit" if "plan_digest" in differs else ""
    policy = "policy_change" if "policy_digest" in differs else ""
    code = "code_change" if "code_version" in differs else ""
    by_all = ", ".join(cause for cause in (plan, policy, code) if cause) or "not_explained"
    return {"by_plan": plan or by_all, "by_policy": policy or by_all, "by_all": by_all}


def _alike(old: Path, new: Path, table: str) -> set[str]:
    """The files of the table that hold the same in either release. A row that is told apart by its keys is in one of them."""
    names = {p.name for p in (new / "marts" / table).glob("*.parquet")}
    there = {n for n in names if (old / "marts" / table / n).exists()}
    pairs = {n: (old / "marts" / table / n, new / "marts" / table / n) for n in there}
    return {n for n, (a, b) in pairs.items() if a.samefile(b) or filecmp.cmp(a, b, shallow=False)}


def _views(
    con: duckdb.DuckDBPyConnection, side: str, folder: Path, alike: Mapping[str, Collection[str]]
) -> dict[str, set[str]]:
    """A view `<side>_<table>` of each table that is looked at, and `differing_<side>_<table>` of what is not in files `alike`;
    a column that the release has not is NULL. Returns the columns that each table has."""
    has: dict[str, set[str]] = {}
    for table, besides in BESIDES.items():
        wanted = dict.fromkeys(KEYS.get(table, []), TEXT) | COMPARED.get(table, {}) | besides
        rest = folder / "marts" / table
        if parts := sorted(rest.glob("**/*.parquet")):
            source = f"read_parquet({files_sql(parts)})"
            has[table] = {c for c, *_ in con.execute(f"describe from {source}").fetchall()}
        else:
            source, has[table] = "(select 1 where false)", set()
        chosen = ", ".join(f"cast({c if c in has[table] else 'null'} as {kind}) as {c}" for c, kind in wanted.items())
        current = "where known_to is null" if table == "observation" and has[table] else ""
        con.execute(f"create view {side}_{table} as select {chosen} from {source} {current}")
        if table in KEYS:
            left = [part for part in parts if part.name not in alike[table]]
            among = f"from read_parquet({files_sql(left)}) {current}" if left else f"from {source} where false"
            con.execute(f"create view differing_{side}_{table} as select {chosen} {among}")
    return has


def _told(con: duckdb.DuckDBPyConnection, table: str, both: set[str]) -> None:
    """View told_<table>: a row a column that differs: its values before and after, as figure or else as text, and beside
    them n_… and o_…, what reasons are found by, NULL where a release has no such row. `both`: the columns that both have.
    """
    keys, kinds = KEYS[table], COMPARED[table]
    compared = {c: kind for c, kind in kinds.items() if c in both}
    differ = [_differ(f"n.{c}", f"o.{c}", kind) for c, kind in compared.items()]
    within, alone = "", "false"
    if both.issuperset(keys):
        alone = f"n.{keys[0]} is null or o.{keys[0]} is null"
    if table == "observation":
        parts = ", ".join(PARTS)
        digests = f"select {parts}, sum(hash({', '.join([*keys, *compared])})) as digest"
        con.execute(
            f"create table touched as select {parts} from ({digests} from differing_new_observation group by all) n"
            f" full join ({digests} from differing_old_observation group by all) o using ({parts})"
            " where n.digest is distinct from o.digest"
        )
        within = f"semi join touched using ({parts})"
    sides = [f"{side}.{c} as {side}_{c}" for side in "no" for c in (kinds | BESIDES[table])]
    con.execute(
        f"create table changed_{table} as select {', '.join(f'coalesce(n.{k}, o.{k}) as {k}' for k in keys)},"
        f" {alone} as alone, {', '.join(sides)}"
        f" from (from differing_new_{table} {within}) n full join (from differing_old_{table} {within}) o"
        f" on {' and '.join(f'n.{k} = o.{k}' for k in keys)} where {' or '.join(['alone', *differ])}"
    )
    beside = ", ".join(f"{side}_{c}" for side in "no" for c in BESIDES[table])
    columns = [
        f"select {', '.join(keys)}, alone, {beside}, '{c}' as column_name,"
        f" {_as(TEXT, 'o', c, kind)} as before_text, {_as(TEXT, 'n', c, kind)} as after_text,"
        f" {_as(FIGURE, 'o', c, kind)} as before_value, {_as(FIGURE, 'n', c, kind)} as after_value from changed_{table}"
        f" where {'alone or' if nth == 0 else 'not alone and'} {_differ(f'n_{c}', f'o_{c}', kind) if c in both else 'false'}"
        for nth, (c, kind) in enumerate(kinds.items())
    ]
    con.execute(f"create view told_{table} as {' union all '.join(columns)}")


def _differ(new: str, old: str, kind: str) -> str:
    if kind != FIGURE:
        return f"({new} is distinct from {old})"
    far = f"abs({new} - {old}) > 1e-9 * greatest(abs({new}), abs({old}))"
    return f"(({new} is null) <> ({old} is null) or coalesce({far}, false))"


def _as(wanted: str, side: str, column: str, kind: str) -> str:
    return f"cast({f'{side}_{column}' if (wanted == FIGURE) == (kind == FIGURE) else 'null'} as {wanted})"
