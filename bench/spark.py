"""`python -m bench.spark [ROWS...]`: what a row costs each engine. Judging everything and making the marts, by DuckDB and by a
Spark cluster of this machine (tests/spark/cluster.py), on the same files; CPU seconds of the cluster's processes counted.

Each engine once cold and once warm. Between two sizes the difference is what rows cost, the rest is what a night costs
whatever its size. On two shared cores wall seconds say little; CPU seconds are the cluster's bill.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from bench.city import AS_OF, City
from bench.ours import certify
from bench.report import OUT, SAID, add_record, child, listed, machine, remove
from bench.stages import cpu
from tests.spark.cluster import Cluster, started
from warehouse import judge, marts
from warehouse.spark import DUCKDB
from warehouse.spark.judging import hands
from warehouse.store import Store

STAGES = ("judge", "marts")


class Bill:
    """CPU seconds of a cluster's processes, looked at every second: what one has spent is not lost when it ends, or moves to
    another parent, as executors' Pythons do."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.spent, self.over = cluster, dict[tuple[int, float], float](), threading.Event()
        self.watching = threading.Thread(target=self._watch, daemon=True)
        self.watching.start()

    def _watch(self) -> None:
        while not self.over.wait(1):
            self.total()

    def total(self) -> float:
        for began in self.cluster.processes:
            top = psutil.Process(began.pid)
            for process in (top, *top.children(recursive=True)):
                with contextlib.suppress(psutil.Error):  # it has just ended
                    self.spent[process.pid, process.create_time()] = sum(process.cpu_times()[:2])
        return sum(self.spent.values())

    def close(self) -> None:
        self.over.set()
        self.watching.join()


def night(store: Store, city: City, engine: str, bill: Bill) -> dict[str, dict[str, float]]:
    """Wall and CPU seconds of judging every month, and of the marts; of DuckDB without what an idle cluster takes."""
    plan, took = city.plan(), {}

    def spent() -> float:
        return cpu() + (0 if engine == DUCKDB else bill.total())

    @contextlib.contextmanager
    def stage(name: str) -> Iterator[None]:
        wall, before = time.perf_counter(), spent()
        yield
        took[name] = {"wall": time.perf_counter() - wall, "cpu": spent() - before}

    months = judge.months_with_rows(store)
    with stage("judge"), hands(engine) as by:
        judge.validity(store, plan, months, hands=by)
        judge.quality(store, plan, months, hands=by)
    certify(store, plan, store.root.parent)
    with stage("marts"):
        marts.make(store, plan, AS_OF, engine=engine)
    return took


def compared(rows: int, cluster: Cluster) -> dict[str, Any]:
    root = OUT / "spark-city"
    remove(root)
    root.mkdir(parents=True)
    SAID.print(f"{rows:,} rows: writing two years")
    made = child("city", rows, root)
    child("ours", "read", rows, root)
    runs: dict[str, list[dict[str, Any]]] = {"DuckDB": [], "Spark": []}
    with contextlib.closing(Bill(cluster)) as bill:
        for turn in ("cold", "warm"):
            for name, engine in (("DuckDB", DUCKDB), ("Spark", cluster.url)):
                runs[name].append(night(Store(root / "data"), City(rows), engine, bill))
                SAID.print(f"  {turn}: {name}: {runs[name][-1]}")
    remove(root)
    return {"rows": made["rows"], "runs": runs}


def _rows(m: dict[str, Any]) -> list[dict[str, str]]:
    return [
        {"rows": f"{m['rows']:,}", "engine": f"{engine}, {turn}"}
        | {f"{s}: CPU s (wall)": f"{run[s]['cpu']:.1f} ({run[s]['wall']:.1f})" for s in STAGES}
        for engine, turns in m["runs"].items()
        for turn, run in zip(("cold", "warm"), turns, strict=True)
    ]


def _slope(small: dict[str, Any], large: dict[str, Any]) -> list[dict[str, str]]:
    """CPU microseconds a row between two sizes, and seconds of a night without rows, warm."""
    said = []
    for engine in small["runs"]:
        line = {"warm": engine}
        for stage in STAGES:
            few, many = (m["runs"][engine][-1][stage]["cpu"] for m in (small, large))
            a_row = (many - few) / (large["rows"] - small["rows"])
            line[f"{stage}: µs a row"] = f"{1e6 * a_row:.1f}"
            line[f"{stage}: s a night"] = f"{few - a_row * small['rows']:.1f}"
        said.append(line)
    return said


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench.spark", description=__doc__)
    arguments.add_argument("rows", nargs="*", type=int, default=[300_000, 1_000_000])
    arguments.add_argument("--memory", default="2g", help="of an executor, and of the server")
    arguments.add_argument("--note", default="", help="a remark to stand with the results")
    arguments.add_argument("--record", action="store_true", help="add the tables to bench/RESULTS.md")
    chosen = arguments.parse_args()
    head = machine(chosen.note)
    with (
        tempfile.TemporaryDirectory(prefix="wallchart-spark-") as folder,
        started(Path(folder), chosen.memory, chosen.memory) as cluster,
    ):
        results = [compared(rows, cluster) for rows in chosen.rows]
    lines = listed("By engine", [row for m in results for row in _rows(m)])
    if len(results) > 1:
        lines += ["", *listed("What a row costs", _slope(results[0], results[-1]))]
    add_record("spark", "By DuckDB and by Spark", head, lines, results, record=chosen.record)


if __name__ == "__main__":
    main()
