"""What every benchmark does besides measuring: a child process, a table for the terminal, a page for bench/RESULTS.md."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.stages import environment
from warehouse.store import discard

HERE = Path(__file__).parent
OUT = HERE / "out"
SAID = Console(highlight=False, width=None if sys.stdout.isatty() else 200)


def child(module: str, *arguments: object, python: Path | str = sys.executable) -> dict[str, Any]:
    """The module's last line, which is JSON."""
    command = [str(python), "-m", f"bench.{module}", *map(str, arguments)]
    done = subprocess.run(command, cwd=HERE.parent, env=environment(), stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def remove(folder: Path) -> None:
    """A folder or a file, and what is in it."""
    if folder.exists():
        subprocess.run(["chmod", "-R", "u+w", folder], check=True)  # releases are read-only
        discard(folder)


def total(run: dict[str, Any], stages: Sequence[str], clock: str = "wall") -> float:
    return float(sum(run[clock][s] for s in stages))


def machine(note: str = "") -> str:
    """Read before anything is measured: it holds the load average."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{p} {version(p)}" for p in ("duckdb", "polars", "great-expectations", "dagster"))
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GB, Python {platform.python_version()}, {packages}."
        f" Load average at the start {os.getloadavg()[0]:.1f}. {note}".rstrip()
    )


def shown(title: str, columns: list[dict[str, str]]) -> list[str]:
    """Prints a table with a column each, headed by its first entry, and returns it as Markdown; rows are the first column's."""
    if not columns:
        return []
    head = next(iter(columns[0]))
    table = Table(title=title)
    table.add_column("")
    for column in columns:
        table.add_column(column[head], justify="right", overflow="fold")
    names = [name for name in columns[0] if name != head]
    for name in names:
        table.add_row(name, *(c.get(name, "") for c in columns))
    SAID.print(table)
    return [
        f"| {head} | " + " | ".join(c[head] for c in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
        *(f"| {name} | " + " | ".join(c.get(name, "") for c in columns) + " |" for name in names),
    ]


def listed(title: str, rows: list[dict[str, str]]) -> list[str]:
    """Prints a table with a row each, and returns it as Markdown."""
    table = Table(title=title)
    for n, name in enumerate(rows[0]):
        table.add_column(name, justify="right" if n else "left")
    for row in rows:
        table.add_row(*row.values())
    SAID.print(table)
    return [
        "| " + " | ".join(rows[0]) + " |",
        "|---" * len(rows[0]) + "|",
        *("| " + " | ".join(row.values()) + " |" for row in rows),
    ]


def add_record(name: str, title: str, head: str, lines: list[str], results: object, *, record: bool) -> None:
    """Writes bench/out/<name>.md and .json, and adds the page to RESULTS.md where it is to be recorded."""
    OUT.mkdir(exist_ok=True)
    report = "\n".join([f"## {title}: {dt.date.today()}", "", head, "", *lines, ""])
    (OUT / f"{name}.md").write_text(report, "utf-8")
    (OUT / f"{name}.json").write_text(json.dumps(results, indent=1, ensure_ascii=False), "utf-8")
    if record:
        with open(HERE / "RESULTS.md", "a", encoding="utf-8") as stream:
            stream.write("\n" + report)
