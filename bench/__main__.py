"""`python -m bench [ROWS...]`: a whole night on the same files of two years, by us and by what one would pick instead.

Read, judge, observe, marts, release; by turns, each side in a process of its own whose start counts. What the sides say is
compared row for row. Ratios hold within one run on one machine; seconds on a shared machine are only as good as its quiet, so
CPU seconds stand beside wall seconds. RESULTS.md says what each side is and what it does not do.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import picture
from bench.against import apart
from bench.by_dbt import project
from bench.city import AS_OF
from bench.compare import by_path, differences, facts
from bench.models import Script, script
from bench.ours import BY_COMMAND
from bench.outside import KIT, measured, venv, versions
from bench.report import HERE, OUT, SAID, add_record, machine, remove, shown
from bench.stages import environment, last_line

PANDAS_RULES = [*(f"V{n:02}" for n in range(1, 13)), "Q01", "Q02", "Q05", "Q07", "Q08", "Q09", "Q10"]
JUDGING = {"ours": ["validity", "quality"], "script": ["parse, join", "rules V", "observe", "rules Q"]}
OURS, BY_HAND = "ours", "script"
QUICK, ENOUGH = (
    ("script", "dbt"),
    2_000_000,
)  # beside ours above so many rows: the others would take an hour, or all memory


@dataclass(frozen=True)
class Side:
    title: str
    leaves: list[str]  # under the root, from turn to turn
    run: Callable[[Path, int], dict[str, Any]]
    says: Callable[[Path, Path, Script], list[str]]  # the release, the root, the script: what differs from ours


def _ours(root: Path, rows: int) -> dict[str, Any]:
    told = measured([sys.executable, "-m", "bench.ours", "night", rows, root], root, PYTHONPATH=str(HERE.parent))
    if "failed" not in told:
        stages = json.loads(last_line(told["said"]))
        for clock in ("wall", "cpu"):
            told[clock] -= stages[clock][BY_COMMAND]
    return told


def _wallchart(root: Path, rows: int) -> dict[str, Any]:
    return measured([sys.executable, "-m", "bench.night", rows, root], root, PYTHONPATH=str(HERE.parent))


def _script(root: Path, rows: int) -> dict[str, Any]:
    return measured([sys.executable, "-m", "bench.script", root, AS_OF.isoformat()], root, PYTHONPATH=str(HERE.parent))


def _pandas(root: Path, rows: int) -> dict[str, Any]:
    return measured([venv("requirements"), KIT / "pandas_night.py", root, AS_OF.isoformat()], root)


def _dbt(root: Path, rows: int) -> dict[str, Any]:
    folder = root / "dbt"
    where = ["--project-dir", folder, "--profiles-dir", folder]
    return measured([venv("requirements").parent / "dbt", "build", *where], root)


def _dagster(manager: str) -> Callable[[Path, int], dict[str, Any]]:
    def run(root: Path, rows: int) -> dict[str, Any]:
        home = root / "dagster-home"
        home.mkdir()
        (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", "utf-8")
        night = [venv("dagster"), KIT / "dagster_night.py", root, manager]
        return measured(night, root, DAGSTER_HOME=str(home))

    return run


def _as_script(release: Path, root: Path, made: Script) -> list[str]:
    return differences(facts(release), facts(root / "script.duckdb"))


def _as_models(file: str) -> Callable[[Path, Path, Script], list[str]]:
    """Compares every table with the models that stand for it; `file` holds them, or {} in it stands for one's name."""

    def says(release: Path, root: Path, made: Script) -> list[str]:
        return differences(facts(release), facts(root / file, made.stands_for))

    return says


def _core(release: Path, root: Path, made: Script) -> list[str]:
    file = root / "pandas" / "night.duckdb"
    marts = apart(release, lambda mart: f"theirs.{mart}", f"attach '{file}' as theirs (read_only)", files=True)
    return marts + by_path(release, file, PANDAS_RULES)


SIDES = {
    OURS: Side("Wallchart", ["data"], _ours, lambda release, root, made: []),
    "run": Side("Wallchart by Dagster, receipts and pages too", ["night"], _wallchart, lambda release, root, made: []),
    BY_HAND: Side("one DuckDB script by hand", ["script.duckdb"], _script, _as_script),
    "dbt": Side("dbt-duckdb, dbt tests", ["dbt.duckdb"], _dbt, _as_models("dbt.duckdb")),
    "duckdb-io": Side("Dagster, DuckDB I/O manager", ["dagster", "dagster-home"], _dagster("duckdb"), _as_models("dagster/night.duckdb")),
    "polars-io": Side("Dagster, Polars Parquet I/O manager", ["dagster", "dagster-home"], _dagster("polars"), _as_models("dagster/{}.parquet")),
    "pandas": Side("pandas, Great Expectations", ["pandas"], _pandas, _core),
}  # fmt: skip


def _sides(size: int, chosen: list[str] | None) -> list[str]:
    wanted = chosen if chosen is not None else list(SIDES) if size <= ENOUGH else QUICK
    return [name for name in SIDES if name == OURS or name in wanted]


def night(size: int, names: list[str], turns: int) -> dict[str, Any]:
    """Each side `turns` times, by turns; what each says is compared after the first turn."""
    root = OUT / f"night-{size}"
    remove(root)
    root.mkdir(parents=True)
    SAID.print(f"{size:,} rows: writing two years")
    wrote = [sys.executable, "-m", "bench.city", size, root]
    city = json.loads(last_line(measured(wrote, root, PYTHONPATH=str(HERE.parent))["said"]))
    made = script(root, AS_OF.isoformat())
    project(root, made)
    models = [
        {"name": m.name, "query": made.written(m, f"'{root}/plan/{{}}.parquet'", "{}"), "reads": m.reads}
        for m in made.models
    ]
    (root / "models.json").write_text(json.dumps({"macros": made.macros, "models": models}), "utf-8")
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    apart: dict[str, list[str]] = {}
    release = root / "data" / "warehouse" / "current" / "warehouse.duckdb"
    for turn in range(1, turns + 1):
        for name in names:
            side = SIDES[name]
            if any("failed" in run for run in runs[name]):
                continue
            # removed only afterwards: where ext4 gave back thousands of files in the last half minute, a new one costs 0.5 ms
            behind = root / "left behind"
            behind.mkdir()
            for left in side.leaves:
                if (root / left).exists():
                    (root / left).rename(behind / left)
            run = side.run(root, size)
            remove(behind)
            runs[name].append({k: v for k, v in run.items() if k != "said"})
            if "failed" in run:
                SAID.print(f"  turn {turn}: {side.title}: failed: {run['failed']}")
                continue
            if name in JUDGING:
                runs[name][-1]["stages"] = json.loads(last_line(run["said"]))
            if turn == 1:
                apart[name] = side.says(release, root, made)
            ratio = run["wall"] / runs[OURS][-1]["wall"]
            SAID.print(
                f"  turn {turn}: {side.title}: {run['wall']:.1f} s, {run['peak_mb']:,.0f} MB, {ratio:.2f} of ours"
            )
    remove(root)
    return {"size": size, "rows": city["rows"], "areas": city["areas"], "runs": runs, "apart": apart}


def median(m: dict[str, Any], name: str, what: str) -> float:
    return statistics.median(float(run[what]) for run in m["runs"][name])


def ratio(m: dict[str, Any], name: str, what: str = "wall") -> float | None:
    """How many times ours: the median over the turns of each turn's ratio; None where it failed."""
    pairs = list(zip(m["runs"][name], m["runs"][OURS], strict=False))
    if any("failed" in run for run, _ in pairs):
        return None
    return statistics.median(float(run[what] / ours[what]) for run, ours in pairs)


def row(m: dict[str, Any]) -> dict[str, str]:
    said = {"rows": f"{m['rows']:,}"}
    for name in m["runs"]:
        title, times = SIDES[name].title, ratio(m, name)
        if times is None:
            said[title] = f"failed: {m['runs'][name][-1]['failed']}"
            continue
        more = "" if name == OURS else f" ({times:.2f} x)"
        memory = "" if name == OURS else f" ({ratio(m, name, 'peak_mb'):.2f} x)"
        said[title] = f"{median(m, name, 'wall'):.1f} s{more}, CPU {median(m, name, 'cpu'):.1f} s,"
        said[title] += f" {median(m, name, 'peak_mb'):,.0f} MB{memory}"
    judging = [
        statistics.median(sum(r["stages"]["wall"][s] for s in JUDGING[n]) for r in m["runs"][n])
        for n in (OURS, BY_HAND)
        if n in m["runs"] and not any("failed" in r for r in m["runs"][n])
    ]
    said["of which judging, ours / script"] = " / ".join(f"{seconds:.1f} s" for seconds in judging)
    stages = m["runs"][OURS][-1]["stages"]["wall"]
    said["our stages"] = ", ".join(f"{s} {seconds:.1f}" for s, seconds in stages.items() if s != BY_COMMAND)
    said["turns"] = str(len(m["runs"][OURS]))
    same = {
        SIDES[n].title: "yes" if not m["apart"][n] else f"NO, {len(m['apart'][n])}"
        for n in m["apart"]
        if n not in (OURS, "run")
    }
    said["the same rows"] = ", ".join(f"{title}: {word}" for title, word in same.items())
    return said


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    arguments.add_argument("sizes", nargs="*", type=int, default=[10_000, 1_000_000])
    arguments.add_argument(
        "--sides",
        nargs="*",
        choices=list(SIDES)[1:],
        help="beside ours (default all, script and dbt above 2 million rows)",
    )
    arguments.add_argument("--turns", type=int, help="how often each is run (default 3, 1 above 2 million rows)")
    arguments.add_argument(
        "--note", default="", help="a remark to stand with the results, such as what else was running"
    )
    arguments.add_argument(
        "--record", action="store_true", help="add the table to bench/RESULTS.md and draw docs/images/benchmark.svg"
    )
    chosen = arguments.parse_args()
    head = machine(chosen.note)
    sides = {size: _sides(size, chosen.sides) for size in chosen.sizes}
    for requirements, users in (("requirements", {"dbt", "pandas"}), ("dagster", {"duckdb-io", "polars-io"})):
        if users & {name for named in sides.values() for name in named}:
            venv(requirements)
    warm = (
        "import bench.ours, bench.script, warehouse.gx, expectations.suites, warehouse.release, pipelines.definitions"
    )
    subprocess.run([sys.executable, "-c", warm], cwd=HERE.parent, env=environment(), check=True)
    results = [night(size, named, chosen.turns or (3 if size <= ENOUGH else 1)) for size, named in sides.items()]
    lines = shown("A whole night; x: times ours", [row(m) for m in results])
    with_them = (
        versions("requirements", "dbt-core", "dbt-duckdb", "pandas", "great-expectations", "duckdb"),
        versions("dagster", "dagster", "dagster-duckdb-polars", "dagster-polars", "polars", "duckdb"),
    )
    lines.append(f"\ndbt and pandas: {with_them[0]}. Dagster's I/O managers: {with_them[1]}.")
    for m in results:
        for name, found in m["apart"].items():
            for difference in found:
                SAID.print(f"[bold red]DIFFERENT at {m['size']:,}: {SIDES[name].title}: {difference}[/]")
                lines.append(f"\nDIFFERENT at {m['size']:,}: {SIDES[name].title}: {difference}")
    add_record("night", "A whole night", head, lines, results, record=chosen.record)
    if chosen.record:
        measured_at = {n: [(m["rows"], ratio(m, n)) for m in results if n in m["runs"]] for n in SIDES if n != OURS}
        picture.draw({SIDES[n].title: at for n, at in measured_at.items() if at})


if __name__ == "__main__":
    main()
