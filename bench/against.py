"""`python -m bench.against [OBSERVATIONS...]`: the core marts by what a user would pick instead, on the same judged months.

dbt-duckdb with dbt tests (bench/alternatives/dbt; its models are the project's own SQL without the ORDER BY), and plain pandas
(bench/alternatives/pandas_marts.py), in a venv of its own (made from bench/alternatives/requirements.txt at first use). Ours is the whole of marts and release: all tables, the rules across submissions, Parquet, digests, verification.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from bench.city import AS_OF
from bench.marts import OURS
from bench.outside import KIT, finished, venv, versions
from bench.report import OUT, SAID, add_record, child, machine, remove, shown, total
from warehouse import marts

CORE = {  # the marts that are compared, and what is compared of them
    "observation": "indicator, area, period, measure, department, value, unit, submission, row_number, known_from",
    "obligation": "department, indicator, area, period, due_at, received_at, state",
    "progress": "target, indicator, area, period, actual, target_value, expected, attainment, pace, status, previous, year_before,"
    " first_met",
    "scorecard": "department, quarter, due, on_time, late, missing, rows_read, rows_returned, targets, achieved, on_pace, behind,"
    " timeliness, quality, attainment, score",
    "capability_score": "capability, period, targets, achieved, on_pace, behind, not_reported, score",
}
FIGURES = {"value", "actual", "target_value", "expected", "attainment", "pace", "previous", "year_before", "timeliness", "quality",
           "score"}  # fmt: skip
JUDGED = {"judged_row", "stored_observation", "stored_finding"}


def project(root: Path) -> Path:
    """The dbt project under `root`: the committed one, with the models and sources that the core marts need."""
    folder = root / "dbt"
    shutil.copytree(KIT / "dbt", folder)
    tables = [f.stem for f in sorted((root / "plan").glob("*.parquet"))]
    with open(folder / "models" / "sources.yml", "a", encoding="utf-8") as sources:
        sources.writelines(f"      - name: {table}\n" for table in tables)
    done, left = {"params", "landed"}, list(CORE)

    def placed(found: re.Match[str]) -> str:
        name = found[2]
        if name == "obligation_due":
            return f"{found[1]} {{{{ source('plan', 'obligation') }}}}"
        if name in marts.MADE or name in done:
            left.append(name)
            return f"{found[1]} {{{{ ref('{name}') }}}}"
        if name in JUDGED or name in tables:
            return f"{found[1]} {{{{ source('{'judged' if name in JUDGED else 'plan'}', '{name}') }}}}"
        return found[0]

    while left:
        if (model := left.pop()) in done:
            continue
        done.add(model)
        query, _, _ = marts.sql(model).rpartition("order by")
        (folder / "models" / f"{model}.sql").write_text(re.sub(r"\b(from|join) (\w+)\b", placed, query), "utf-8")
    return folder


def apart(release: Path, other: Callable[[str], str], attach: str = "", *, files: bool = False) -> list[str]:
    """Rows of the core marts that only one side has; figures to nine digits after the point. `files`: the other side names a
    submission by its file's path."""
    found = []
    with duckdb.connect() as con:
        con.execute(f"set timezone = 'UTC'; attach '{release}' as ours (read_only); {attach}")
        for mart, listed in CORE.items():
            columns = ", ".join(
                f"round({c}, 9) as {c}" if c in FIGURES or (mart == "scorecard" and c == "attainment") else c
                for c in listed.split(", ")
            )
            own = f"ours.{mart}"
            if mart == "observation":
                named = "o.* replace (s.path as submission) from ours.observation o join ours.submission s using (submission)"
                own = f"(select {named if files else '* from ours.observation'}) where known_to is null"
            mine = f"select {columns} from {own}"
            theirs = f"select {columns} from {other(mart)}"
            for name, one, two in (("ours", mine, theirs), ("theirs", theirs, mine)):
                [(rows,)] = con.execute(f"select count(*) from ({one} except all {two})").fetchall()
                if rows:
                    found.append(f"{mart}: {rows:,} rows only {name} has")
    return found


def compared(size: int) -> dict[str, Any]:
    root = OUT / f"against-{size}"
    remove(root)
    root.mkdir(parents=True)
    SAID.print(f"{size:,} observations: judged months")
    child("judged", root, size)
    ours = child("marts", "ours", root, size)
    SAID.print(f"  ours {total(ours, OURS):.1f} s")
    python = venv("requirements")
    folder, dbt = project(root), python.parent / "dbt"
    shared = [
        "--project-dir",
        folder,
        "--profiles-dir",
        folder,
        "--quiet",
        "--vars",
        json.dumps({"as_of": AS_OF.isoformat()}),
    ]
    ran = {part: finished([dbt, part, *shared], root) for part in ("run", "test")}
    SAID.print(f"  dbt run {ran['run']['wall']:.1f} s, dbt test {ran['test']['wall']:.1f} s")
    pandas = finished([python, KIT / "pandas_marts.py", root, AS_OF.isoformat()], root)
    SAID.print(f"  pandas {pandas['wall']:.1f} s")
    release = root / "data" / "warehouse" / "current" / "warehouse.duckdb"
    differences = {
        "dbt": apart(
            release,
            lambda m: f"dbt.{'observation_current' if m == 'observation' else m}",
            f"attach '{root / 'dbt.duckdb'}' as dbt (read_only)",
        ),
        "pandas": apart(release, lambda m: f"'{root / 'pandas' / m}.parquet'"),
    }
    with duckdb.connect(str(release), read_only=True) as con:
        [(rows,)] = con.execute("select count(*) from observation").fetchall()
    remove(root)
    return {"size": size, "rows": rows, "ours": ours, "dbt": ran, "pandas": pandas, "apart": differences}


def row(m: dict[str, Any]) -> dict[str, str]:
    ours, run, test, pandas = m["ours"], m["dbt"]["run"], m["dbt"]["test"], m["pandas"]
    mine = total(ours, OURS)
    return {
        "observations": f"{m['rows']:,}",
        "ours s (all marts, release)": f"{mine:.1f}",
        "of which": ", ".join(f"{s} {ours['wall'][s]:.1f}" for s in OURS),
        "dbt s (core marts)": f"{run['wall'] + test['wall']:.1f}, of which tests {test['wall']:.1f}",
        "pandas s (core marts)": f"{pandas['wall']:.1f}",
        "CPU s, ours / dbt / pandas": f"{total(ours, OURS, 'cpu'):.1f} / {run['cpu'] + test['cpu']:.1f} / {pandas['cpu']:.1f}",
        "peak MB, ours / dbt / pandas": f"{ours['peak_mb']:,.0f} / {max(run['peak_mb'], test['peak_mb']):,.0f} / {pandas['peak_mb']:,.0f}",
        "same rows, dbt / pandas": " / ".join("yes" if not m["apart"][who] else "NO" for who in ("dbt", "pandas")),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench.against", description=__doc__)
    arguments.add_argument("sizes", nargs="*", type=int, default=[100_000, 1_000_000])
    arguments.add_argument("--note", default="", help="a remark to stand with the results")
    arguments.add_argument("--record", action="store_true", help="add the table to bench/RESULTS.md")
    chosen = arguments.parse_args()
    head = machine(chosen.note)
    results = [compared(size) for size in chosen.sizes]
    lines = shown("Core marts against dbt-duckdb and pandas", [row(m) for m in results])
    lines.append(f"\n{versions('requirements', 'dbt-core', 'dbt-duckdb', 'pandas')}")
    for m in results:
        for who, differences in m["apart"].items():
            for difference in differences:
                SAID.print(f"[bold red]DIFFERENT at {m['size']:,}: {who}: {difference}[/]")
                lines.append(f"\nDIFFERENT at {m['size']:,}: {who}: {difference}")
    add_record("against", "Marts against what one would pick instead", head, lines, results, record=chosen.record)


if __name__ == "__main__":
    main()
