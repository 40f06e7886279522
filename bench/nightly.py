"""The fixed overhead of a night: wall time of `wallchart run` when nothing is new."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.stages import cpu, environment


def nothing_new(times: int = 3) -> tuple[float, float, float]:
    """(seconds of the first night, which lands the samples; median seconds, and CPU seconds, of `times` nights after it).

    The first night also fills the bytecode caches where they are empty.
    """
    wallchart = Path(sys.executable).parent / "wallchart"
    with tempfile.TemporaryDirectory(prefix="wallchart-bench-") as data:
        env = {**environment(), "WALLCHART_DATA": data}
        seconds, spent = [], []
        for _ in range(times + 1):
            began, used = time.perf_counter(), cpu()
            done = subprocess.run([wallchart, "run"], env=env, capture_output=True, text=True, check=False)
            seconds.append(time.perf_counter() - began)
            spent.append(cpu() - used)
            if done.returncode:
                raise RuntimeError(f"wallchart run failed:\n{done.stdout}\n{done.stderr}")
        subprocess.run(["chmod", "-R", "u+w", data], check=True)  # releases are read-only
    return seconds[0], statistics.median(seconds[1:]), statistics.median(spent[1:])
