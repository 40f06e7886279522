"""Seconds (wall and CPU) and peak memory of the stages of one process, printed as one line of JSON at its end."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

CACHES = Path(__file__).parent / "out" / "bytecode"


def environment() -> dict[str, str]:
    """The environment of what is measured: with bytecode caches, as an installed program has them."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE", "WALLCHART_SOURCES")}
    return {
        **kept,
        "PYTHONPYCACHEPREFIX": str(CACHES),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        "GX_ANALYTICS_ENABLED": "false",
    }


def peak_mb() -> float:
    """The most memory that this process has held (VmHWM: its own, not what it was forked from)."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def cpu() -> float:
    """CPU seconds of this process and of the children that it has waited for."""
    return sum(os.times()[:4])


class Stages:
    def __init__(self) -> None:
        self.wall: dict[str, float] = {}
        self.cpu: dict[str, float] = {}
        self.peak: dict[str, float] = {}  # MB held at most until the stage's end

    def __enter__(self) -> Stages:
        return self

    @contextlib.contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        began, spent = time.perf_counter(), cpu()
        yield
        self.wall[name] = self.wall.get(name, 0) + time.perf_counter() - began
        self.cpu[name] = self.cpu.get(name, 0) + cpu() - spent
        self.peak[name] = peak_mb()

    def __exit__(self, failed: object, *_: object) -> None:
        if failed is None:
            children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            print(
                json.dumps({"wall": self.wall, "cpu": self.cpu, "peak": self.peak, "peak_mb": max(peak_mb(), children)})
            )


def last_line(said: str) -> str:
    """Of what a process said, the line of JSON at its end."""
    return next(line for line in reversed(said.splitlines()) if line.startswith("{"))
