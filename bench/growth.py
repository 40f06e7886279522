"""`python -m bench.growth`: how a night grows with rows, departments, indicators, months of history and files; what one late
file costs beside a history; a night with nothing new; how long it takes to start.

Each night runs in a process of its own, from files to release, without Dagster unless said. One turn each: what counts is how
the seconds grow, not the seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from bench.city import City
from bench.nightly import nothing_new
from bench.ours import BY_COMMAND
from bench.outside import finished
from bench.report import HERE, OUT, SAID, add_record, child, listed, machine, remove
from bench.stages import environment, last_line

LATE = "synthetic-2022-06.csv"
GROUPS = ("rows", "departments", "indicators", "history", "files", "late", "Dagster", "start-up")
FILES = [500, 5_000]


def _python(module: str, root: Path, *arguments: object) -> dict[str, Any]:
    told = finished([sys.executable, "-m", f"bench.{module}", *arguments, root], root, PYTHONPATH=str(HERE.parent))
    said = told.pop("said")
    if module == "night":
        return told
    told["told"] = json.loads(last_line(said))
    if module == "ours":
        for clock in ("wall", "cpu"):
            told[clock] -= told["told"][clock].pop(BY_COMMAND)
    return told


def _root(name: str) -> Path:
    root = OUT / name
    remove(root)
    root.mkdir(parents=True)
    return root


def first_night(what: str, city: City) -> dict[str, Any]:
    """A city's first night, which judges all of its history."""
    root = _root("growth")
    rows = _python("city", root, city)["told"]["rows"]
    ran = _python("ours", root, "night", city)
    remove(root)
    return _case(what, rows, ran)


def _case(what: str, rows: int, ran: dict[str, Any]) -> dict[str, Any]:
    stages = ran.get("told", {}).get("wall", {})
    return {"what": what, "rows": rows, "stages": stages} | {k: ran[k] for k in ("wall", "cpu", "peak_mb")}


def late_file(city: City) -> list[dict[str, Any]]:
    """A department's file of one month comes late: to a history of the city's rows, and to none."""
    root = _root("growth-late")
    rows = _python("city", root, city)["told"]["rows"]
    for by_command in ("withdrawn", "certified"):  # an empty history has nothing to certify
        acts = root / f"{by_command}.csv"
        acts.write_text(acts.read_text("utf-8").splitlines()[0] + "\n", "utf-8")
    late = max((root / "dropbox").glob(f"*/{LATE}"), key=lambda file: (file.stat().st_size, file))
    lines = late.read_bytes().count(b"\n") - 1
    aside = root / LATE
    shutil.move(late, aside)
    _python("ours", root, "night", city)
    shutil.copy2(aside, late)
    cases = [_case(f"one late file, into a history of {rows:,} rows", lines, _python("ours", root, "night", city))]
    remove(root / "data")
    for file in (root / "dropbox").glob("*/*.csv"):
        if file != late:
            file.unlink()
    cases.append(_case("the same file, into an empty history", lines, _python("ours", root, "night", city)))
    remove(root)
    return cases


def by_dagster(city: City) -> list[dict[str, Any]]:
    """Nights as `wallchart run` makes them: the first judges every month in one run; the second finds nothing new."""
    root = _root("growth-night")
    rows = _python("city", root, city)["told"]["rows"]
    months = f"{city.months} months in one run"
    cases = [_case(f"by Dagster, receipts and pages too: {months}", rows, _python("night", root, city))]
    cases.append(_case("by Dagster: nothing new", rows, _python("night", root, city)))
    remove(root)
    return cases


def small_files(files: int) -> dict[str, Any]:
    """Landing and reading so many files of ten rows."""
    root = _root("growth-files")
    told = child("reading", "small", files, root)
    remove(root)
    stages = {stage: told["wall"][stage] for stage in ("land", "read", "nothing new")}
    both = [sum(told[clock][s] for s in ("land", "read")) for clock in ("wall", "cpu")]
    return {"what": f"{files:,} small files landed and read", "rows": 10 * files, "wall": both[0], "cpu": both[1],
            "peak_mb": told["peak_mb"], "stages": stages}  # fmt: skip


def start_up() -> list[dict[str, str]]:
    """Seconds until definitions are valid, until the UI answers and knows them, and of the first night with samples."""
    with tempfile.TemporaryDirectory(prefix="wallchart-bench-") as data:
        env = environment() | {"WALLCHART_DATA": data, "DAGSTER_HOME": data}
        shutil.copy(HERE.parent / "dagster.yaml", data)
        validate: list[str | Path] = [
            Path(sys.executable).parent / "dagster",
            "definitions",
            "validate",
            "-w",
            HERE.parent / "workspace.yaml",
        ]
        began = time.perf_counter()
        subprocess.run(validate, cwd=HERE.parent, env=env, check=True, capture_output=True)
        valid = time.perf_counter() - began
    answers, knows = _ui()
    first, after, spent = nothing_new()
    return [
        {"start-up": "`dagster definitions validate`", "seconds": f"{valid:.1f}"},
        {"start-up": "`wallchart ui` until it answers", "seconds": f"{answers:.1f}"},
        {"start-up": "`wallchart ui` until it shows the jobs", "seconds": f"{knows:.1f}"},
        {"start-up": "the first `wallchart run`, with samples", "seconds": f"{first:.1f}"},
        {"start-up": "a `wallchart run` with nothing new (median of 3)", "seconds": f"{after:.1f}, of which CPU {spent:.1f}"},
    ]  # fmt: skip


def _ui() -> tuple[float, float]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    jobs = json.dumps({"query": "{repositoriesOrError {... on RepositoryConnection {nodes {jobs {name}}}}}"}).encode()
    with tempfile.TemporaryDirectory(prefix="wallchart-bench-") as data:
        command: list[str | Path] = [Path(sys.executable).parent / "wallchart", "ui", "--port", str(port)]
        began = time.perf_counter()
        served = subprocess.Popen(
            command, env=environment() | {"WALLCHART_DATA": data}, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            answers = _until(f"http://127.0.0.1:{port}/server_info", None, "dagster")
            knows = _until(f"http://127.0.0.1:{port}/graphql", jobs, '"nightly"')
        finally:
            os.killpg(served.pid, signal.SIGINT)
            try:
                served.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(served.pid, signal.SIGKILL)
                served.wait()
        return answers - began, knows - began


def _until(url: str, body: bytes | None, word: str) -> float:
    """The moment at which what is asked for has the word in it."""
    until = time.perf_counter() + 180
    while time.perf_counter() < until:
        try:
            asked = urllib.request.Request(url, body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(asked, timeout=30) as answer:
                if word in answer.read().decode():
                    return time.perf_counter()
        except OSError:
            pass  # not there yet
        time.sleep(0.1)
    raise SystemExit(f"{url} has not said {word} in three minutes")


def _row(case: dict[str, Any], before: dict[str, Any] | None) -> dict[str, str]:
    return {
        "what": case["what"],
        "rows": f"{case['rows']:,}",
        "s": f"{case['wall']:.1f}",
        "x": f"{case['wall'] / before['wall']:.2f}" if before else "",
        "CPU s": f"{case['cpu']:.1f}",
        "peak MB": f"{case['peak_mb']:,.0f}",
        "of which": ", ".join(f"{s} {seconds:.1f}" for s, seconds in case["stages"].items() if seconds >= 0.1),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    arguments.add_argument("--rows", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    arguments.add_argument("--like", type=int, default=100_000, help="rows of the cities that differ in something else")
    arguments.add_argument(
        "--history", type=int, default=1_000_000, help="rows of the history into which a file comes late"
    )
    arguments.add_argument("--only", nargs="*", choices=GROUPS, default=GROUPS, help="what of all this is measured")
    arguments.add_argument("--note", default="", help="a remark to stand with the results")
    arguments.add_argument("--record", action="store_true", help="add the tables to bench/RESULTS.md")
    chosen = arguments.parse_args()
    head = machine(chosen.note)
    like = chosen.like
    groups = {
        "rows": [("a first night", City(rows)) for rows in chosen.rows],
        "departments": [(f"{n} departments", City(like, departments=n)) for n in (10, 40, 160)],
        "indicators": [(f"each indicator {n} times", City(like, copies=n)) for n in (1, 2, 4)],
        "history": [(f"{months} months", City(like * months // 12, months=months)) for months in (12, 24, 36, 60)],
    }
    results: dict[str, list[dict[str, Any]]] = {}
    for group, cities in ((group, cities) for group, cities in groups.items() if group in chosen.only):
        results[group] = []
        for what, city in cities:
            results[group].append(first_night(what, city))
            SAID.print(f"{group}: {what}: {results[group][-1]['wall']:.1f} s, {results[group][-1]['peak_mb']:,.0f} MB")
    if "files" in chosen.only:
        results["files"] = [small_files(files) for files in FILES]
    if "late" in chosen.only:
        results["late"] = late_file(City(chosen.history))
    if "Dagster" in chosen.only:
        results["Dagster"] = by_dagster(City(like * 3, months=36))
    rows = []
    for group, cases in results.items():
        for n, case in enumerate(cases):
            rows.append(_row(case, None if n == 0 and group != "late" else cases[-1] if group == "late" else cases[0]))
    lines = listed(
        "How a night grows (x: times the first of its kind; of the late file, times the empty history)", rows
    )
    if "start-up" in chosen.only:
        lines += ["", *listed("Start-up", start_up())]
    add_record("growth", "How a night grows", head, lines, results, record=chosen.record)


if __name__ == "__main__":
    main()
