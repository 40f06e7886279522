"""Do both ways say the same? Figures of either DuckDB file, by name; a difference is printed loudly by the caller."""

from __future__ import annotations

from pathlib import Path

import duckdb

FIGURES = {
    "rows": "select 'read' as k, sum(rows_read)::bigint from submission union all select 'kept', sum(rows_kept)::bigint from"
    " submission union all select 'returned', sum(rows_returned)::bigint from submission",
    "submissions": "select status, count(*) from submission group by all",
    "submission digest": "select 'digest', sum(hash(department, path, received_at, rows_read, rows_kept, rows_returned, warnings, figures_new,"
    " figures_revised, figures_unchanged, withdrawn_at, withdrawn_by, withdrawn_why))::varchar from submission",
    "observations": "select 'rows', count(*)::varchar from observation union all select 'digest', sum(hash(indicator, area, period,"
    " measure, value, unit, department, row_number, known_from, known_to, approximate, printf('%.9g', rounding), replaced_value))::varchar from observation",
    "obligations": "select state, count(*) from obligation group by all",
    "findings": "select rule, count(*) from finding group by all",
    "finding digests": "select rule, sum(hash(rule, department, row_number, indicator, area, period, value_text, expected_text,"
    " round(difference, 6), message_zh, message_en, basis, confirmed))::varchar from finding group by all",
    "progress": "select status, count(*) from progress group by all",
    "progress digest": "select 'digest', sum(hash(target, period, actual, round(attainment, 9), status, first_met))::varchar from progress",
    "scorecard": "select department || quarter, round(score, 9) from scorecard",
    "capability": "select capability || period, round(score, 9) from capability_score",
    "filing": "select department || quarter, hash(due_at, certify_by, lock_at, figures, missing, unanswered, certified_at, certified_by, state, locked,"
    " reopened_until, certify_basis, lock_basis) from filing",
    "reminder": "select state, sum(hash(department, indicator, area, period, due_at, days::bigint, message_zh, message_en, remind_at))::varchar"
    " from reminder group by all",
    "rule": "select rule, evaluated || '/' || fired || '/' || confirmed || '/' || health from rule",
}  # fmt: skip


TABLES = ["submission", "observation", "obligation", "finding", "progress", "scorecard", "capability_score", "filing", "reminder",
          "rule"]  # fmt: skip


def facts(file: Path, stands_for: dict[str, str] | None = None) -> dict[str, dict[str, object]]:
    """By name, what a DuckDB file says, or Parquet files (`file` has {} for the table). `stands_for`: what tables are called there."""
    called = {table: (stands_for or {}).get(table, table) for table in TABLES}
    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        if file.suffix == ".duckdb":
            con.execute(f"attach '{file}' as other (read_only)")
        for table, name in called.items():
            there = f"other.{name}" if file.suffix == ".duckdb" else f"'{str(file).format(name)}'"
            con.execute(f"create view {table} as from {there}")
        return {name: dict(con.execute(query).fetchall()) for name, query in FIGURES.items()}


def differences(ours: dict[str, dict[str, object]], script: dict[str, dict[str, object]]) -> list[str]:
    return [
        f"{name}: {key}: ours {mine.get(key)}, script {theirs.get(key)}"
        for name in FIGURES
        for mine, theirs in [(ours[name], script[name])]
        for key in sorted(mine.keys() | theirs.keys(), key=str)
        if mine.get(key) != theirs.get(key)
    ]


def by_path(ours: Path, theirs: Path, rules: list[str]) -> list[str]:
    """Findings of these rules that only one side has: a rule, a file's path, a row. The other side names a submission by its path."""
    listed = ", ".join(f"'{rule}'" for rule in rules)
    found = []
    with duckdb.connect() as con:
        con.execute(f"attach '{ours}' as ours (read_only); attach '{theirs}' as theirs (read_only)")
        mine = f"select rule, path, row_number from ours.finding join ours.submission using (submission) where rule in ({listed})"
        other = f"select rule, path, row_number from theirs.finding where rule in ({listed})"
        for who, one, two in (("ours", mine, other), ("theirs", other, mine)):
            found += [
                f"{rule}: {rows:,} findings only {who} has"
                for rule, rows in con.execute(
                    f"select rule, count(*) from ({one} except all {two}) group by all order by all"
                ).fetchall()
            ]
    return found


def unlike(ours: Path, theirs: Path) -> tuple[dict[str, int], list[str]]:
    """Rows of each of our tables, and where the other file says otherwise: every table that both have, by row count and by a
    digest of the columns that both have (figures to six digits after the point)."""
    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'; set preserve_insertion_order = false")
        con.execute(f"attach '{ours}' as ours (read_only); attach '{theirs}' as theirs (read_only)")
        has: dict[str, dict[str, dict[str, str]]] = {"ours": {}, "theirs": {}}
        listed = "from duckdb_columns() where schema_name = 'main' and database_name in ('ours', 'theirs')"
        for file, table, column, kind in con.execute(
            f"select database_name, table_name, column_name, data_type {listed} order by all"
        ).fetchall():
            has[file].setdefault(table, {})[column] = kind
        apart, rows = [], {}
        for table, columns in has["ours"].items():
            both = [
                f'round("{c}", 6)' if kind == "DOUBLE" else f'"{c}"'
                for c, kind in columns.items()
                if c in has["theirs"].get(table, {}) and kind in (has["theirs"][table][c], "DOUBLE")
            ]
            digest = f"count(*), sum(hash({', '.join(both)})::hugeint)" if both else "count(*), null"
            mine = con.execute(f'select {digest} from ours."{table}"').fetchone()
            rows[table] = mine[0]
            if table in has["theirs"]:
                other = con.execute(f'select {digest} from theirs."{table}"').fetchone()
                if mine != other:
                    apart.append(f"{table}: ours {mine}, theirs {other}")
    return rows, apart
