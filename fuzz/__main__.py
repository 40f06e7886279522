"""`python -m fuzz [SECONDS] [TARGET...]`: the targets by turns, each for its share of the seconds, one process at a time.

What was found before is where the search goes on (fuzz/out/<target>/corpus). Ends with 1 where anything was found.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fuzz.targets import LARGEST, TARGETS

OUT = Path(__file__).with_name("out")
SAID = Console(highlight=False)
SLOW, MEMORY = 20, 4096  # seconds and MB that an input may take
TURN = 120  # seconds of a target before the next has its turn


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    arguments.add_argument("seconds", nargs="?", type=int, default=600)
    arguments.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)} (default all)")
    chosen = arguments.parse_args()
    names = chosen.targets or [*TARGETS]
    os.nice(19)
    share = chosen.seconds / len(names)
    done: dict[str, dict[str, Any]] = {n: {"seconds": 0.0, "tried": 0, "cov": 0, "ft": 0} for n in names}
    for name in names:
        prepare(name)
    while left := [n for n in names if share - done[n]["seconds"] >= 1]:
        for name in left:
            turn(name, done[name], min(TURN, share - done[name]["seconds"]))
            (OUT / "done.json").write_text(json.dumps(done, indent=1), "utf-8")
    found = {name: sorted(p.name for p in folder(name).glob("*-*") if p.suffix != ".txt") for name in names}
    table = Table("target", "seconds", "tried", "a second", "edges", "features", "found")
    for name, run in done.items():
        rate = f"{run['tried'] / run['seconds']:,.0f}"
        table.add_row(
            name, f"{run['seconds']:,.0f}", f"{run['tried']:,}", rate, f"{run['cov']:,}", f"{run['ft']:,}", "\n".join(found[name])
        )  # fmt: skip
    SAID.print(table)
    raise SystemExit(1 if any(found.values()) else 0)


def folder(name: str) -> Path:
    return OUT / name.replace(" ", "-")


def prepare(name: str) -> None:
    """Seeds and words, written anew: readers and plans change."""
    corpus = folder(name) / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for n, seed in enumerate(TARGETS[name].seeds()):
        (corpus / f"seed-{n}").write_bytes(seed[:LARGEST])
    words = (folder(name) / "words").open("w", encoding="utf-8")
    with words:
        for word in dict.fromkeys(TARGETS[name].words):
            words.write('"' + "".join(f"\\x{b:02x}" for b in word.encode()) + '"\n')


def turn(name: str, run: dict[str, Any], seconds: float) -> None:
    """One process; where it ends early, its words say why, and it will have a turn again."""
    where = folder(name)
    command = [
        sys.executable, "-m", "fuzz.one", name, str(where), f"-max_total_time={max(1, round(seconds))}", f"-timeout={SLOW}",
        f"-rss_limit_mb={MEMORY}", f"-max_len={LARGEST}", f"-artifact_prefix={where}/", "-print_final_stats=1",
        "-detect_leaks=0", *([f"-dict={where / 'words'}"] if TARGETS[name].words else []), str(where / "corpus"),
    ]  # fmt: skip
    began = time.monotonic()
    with open(where / "log", "w+b") as log:
        subprocess.run(command, cwd=OUT.parents[1], stdout=log, stderr=log, check=False)
        log.seek(0)
        said = log.read().decode("utf-8", "replace")
    run["seconds"] += time.monotonic() - began
    executed = re.findall(r"^stat::number_of_executed_units:\s*(\d+)", said, re.MULTILINE) or re.findall(
        r"^#(\d+)", said, re.MULTILINE
    )
    if not executed:
        raise SystemExit(f"{name} does not run:\n{said[-4000:]}")
    run["tried"] += int(executed[-1])
    for what in ("cov", "ft"):
        run[what] = max([run[what], *map(int, re.findall(rf" {what}: (\d+)", said))])
    SAID.print(f"{name}: {run['seconds']:,.0f} s, {run['tried']:,} tried, {run['ft']:,} features")


if __name__ == "__main__":
    main()
