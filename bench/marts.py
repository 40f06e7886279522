"""`python -m bench.marts [OBSERVATIONS...]`: marts and their release alone, against one hand-written DuckDB script.

The judged months are made set-based (bench/judged.py). Each side runs in a fresh process, by turns; the script (marts.sql)
writes the same tables into a DuckDB file, and then, apart, the same Parquet files as a release has beside it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from bench.compare import unlike
from bench.report import OUT, SAID, add_record, child, machine, remove, shown, total
from bench.stages import Stages

OURS = ["import GX", "compile plan", "marts", "release"]
SCRIPT = ["marts"]


def ours(root: Path, observations: int) -> None:
    with Stages() as stage:
        with stage("imports"):
            from bench.city import AS_OF
            from bench.judged import plan_with
            from expectations.compiled import compiled
            from warehouse import marts, release
            from warehouse.store import Store
        plan, store = plan_with(observations), Store(root / "data")
        with stage("import GX"):
            import warehouse.gx  # noqa: F401
        with stage("compile plan"):
            compiled(plan)
        with stage("marts"):
            marts.make(store, plan, AS_OF)
        with stage("release"):
            release.publish(store, plan)


JUDGED = """-- stage: given
set timezone = 'UTC'; set temp_directory = '$root/.spill'; set python_enable_replacements = false;
$plan
alter view obligation rename to obligation_due; alter view rule rename to rule_registered;
create table params as select '$as_of'::timestamptz as as_of;
create view received as from '$root/plan/received.parquet';
create view withdrawal as from '$root/plan/withdrawal.parquet';
create view certification as from '$root/plan/certification.parquet';
create view verdict as from '$root/data/months/*/row.parquet';
create view vintage as from '$root/data/months/*/observation.parquet';
create view noted as from '$root/data/months/*/validity.parquet' union all by name from '$root/data/months/*/quality.parquet';
create table evaluated as select rule, sum(evaluated) as evaluated from
    (from '$root/data/months/*/validity_evaluated.parquet' union all from '$root/data/months/*/quality_evaluated.parquet') group by rule;
-- stage: marts
$marts
-- stage: parquet
$copies
"""


def script(root: Path) -> None:
    with Stages() as stage:
        from bench.city import AS_OF
        from bench.script import marts, run
        from warehouse.marts import TABLES

        plan = "\n".join(
            f"create view \"{file.stem}\" as from '{file}';"
            for file in sorted((root / "plan").glob("*.parquet"))
            if file.stem not in ("received", "withdrawal", "certification", "unit")
        )
        (root / "parquet").mkdir()
        text = JUDGED.replace("$plan", plan).replace("$marts", marts())
        made = [t for t in TABLES if f"create table w.{t} as" in text]
        copies = "\n".join(f"copy w.\"{t}\" to '{root}/parquet/{t}.parquet' (compression zstd);" for t in made)
        text = text.replace("$copies", copies)
        run(text, stage, root=root, out=root / "script.duckdb", as_of=AS_OF.isoformat())


def measured(size: int, turns: int) -> dict[str, Any]:
    root = OUT / f"marts-{size}"
    remove(root)
    root.mkdir(parents=True)
    SAID.print(f"{size:,} observations: judged months")
    child("judged", root, size)
    runs = []
    for turn in range(1, turns + 1):
        for made in ("data/marts", "data/warehouse", "parquet"):
            remove(root / made)
        (root / "script.duckdb").unlink(missing_ok=True)
        runs.append((child("marts", "ours", root, size), child("marts", "script", root)))
        mine, theirs = total(runs[-1][0], OURS), total(runs[-1][1], SCRIPT)
        SAID.print(f"  turn {turn}: marts and release {mine:.2f} s, script {theirs:.2f} s, ratio {mine / theirs:.2f}")
    runs.sort(key=lambda pair: total(pair[0], OURS) / total(pair[1], SCRIPT))
    file = root / "data" / "warehouse" / "current" / "warehouse.duckdb"
    rows, apart = unlike(file, root / "script.duckdb")
    sizes = {"file": file.stat().st_size, "script": (root / "script.duckdb").stat().st_size}
    remove(root)
    return {"size": size, "turns": turns, "ours": runs[turns // 2][0], "script": runs[turns // 2][1], "apart": apart,
            "rows": rows, "bytes": sizes}  # fmt: skip


def row(m: dict[str, Any]) -> dict[str, str]:
    ours, script = m["ours"], m["script"]
    mine, theirs, both = total(ours, OURS), total(script, SCRIPT), total(script, [*SCRIPT, "parquet"])
    my_cpu, their_cpu = total(ours, OURS, "cpu"), total(script, SCRIPT, "cpu")
    without_gx = mine - ours["wall"]["import GX"]
    return {
        "observations": f"{m['rows']['observation']:,}",
        "rows of all tables": f"{sum(m['rows'].values()):,}",
        "marts and release s": f"{mine:.2f}",
        "of which": ", ".join(f"{s} {ours['wall'][s]:.2f}" for s in OURS),
        "script s": f"{theirs:.2f}",
        "ratio": f"{mine / theirs:.2f}",
        "ratio without GX import": f"{without_gx / theirs:.2f}",
        "ratio to script with Parquet, without GX import": f"{without_gx / both:.2f}",
        "CPU s, ours / script / with Parquet": f"{my_cpu:.1f} / {their_cpu:.1f} / {total(script, [*SCRIPT, 'parquet'], 'cpu'):.1f}",
        "CPU ratio without GX import": f"{(my_cpu - ours['cpu']['import GX']) / their_cpu:.2f}",
        "peak MB": f"{ours['peak_mb']:,.0f}",
        "script peak MB": f"{script['peak_mb']:,.0f}",
        "file MB, ours / script": f"{m['bytes']['file'] / 1e6:,.0f} / {m['bytes']['script'] / 1e6:,.0f}",
        "turns": str(m["turns"]),
        "same tables": "yes" if not m["apart"] else f"NO, {len(m['apart'])} differences",
    }


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench.marts", description=__doc__)
    arguments.add_argument("sizes", nargs="*", type=int, default=[100_000, 1_000_000])
    arguments.add_argument("--turns", type=int, help="how often each is run (default 3, 1 above 2 million)")
    arguments.add_argument("--note", default="", help="a remark to stand with the results")
    arguments.add_argument("--record", action="store_true", help="add the table to bench/RESULTS.md")
    chosen = arguments.parse_args()
    head = machine(chosen.note)
    results = [measured(size, chosen.turns or (3 if size <= 2_000_000 else 1)) for size in chosen.sizes]
    lines = shown("Marts and release against a hand-written DuckDB script", [row(m) for m in results])
    for m in results:
        for difference in m["apart"]:
            SAID.print(f"[bold red]DIFFERENT at {m['size']:,}: {difference}[/]")
            lines.append(f"\nDIFFERENT at {m['size']:,}: {difference}")
    add_record("marts", "Marts and release", head, lines, results, record=chosen.record)


if __name__ == "__main__":
    if sys.argv[1:2] == ["ours"]:
        ours(Path(sys.argv[2]), int(sys.argv[3]))
    elif sys.argv[1:2] == ["script"]:
        script(Path(sys.argv[2]))
    else:
        main()
