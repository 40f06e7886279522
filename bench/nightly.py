"""The fixed overhead of a night: wall time of `wallchart run` when nothing is new."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def nothing_new(times: int = 3) -> tuple[float, float]:
    """(seconds of the first night, which lands the samples; median seconds of `times` nights after it)."""
    wallchart = Path(sys.executable).parent / "wallchart"
    with tempfile.TemporaryDirectory(prefix="wallchart-bench-") as data:
        environment = {**os.environ, "WALLCHART_DATA": data, "DAGSTER_DISABLE_TELEMETRY": "yes"}
        environment.pop("WALLCHART_SOURCES", None)
        seconds = []
        for _ in range(times + 1):
            began = time.perf_counter()
            done = subprocess.run([wallchart, "run"], env=environment, capture_output=True, text=True, check=False)
            seconds.append(time.perf_counter() - began)
            if done.returncode:
                raise RuntimeError(f"wallchart run failed:\n{done.stdout}\n{done.stderr}")
        subprocess.run(["chmod", "-R", "u+w", data], check=True)  # releases are read-only
    return seconds[0], statistics.median(seconds[1:])
