"""What is not ours runs in venvs of its own, and every side in a process of its own, measured from outside."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.report import HERE, OUT, SAID
from bench.stages import environment

KIT = HERE / "alternatives"
MOST = int(
    0.95 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
)  # bytes: who wants more fails, not the machine
QUIET = {"DO_NOT_TRACK": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DBT_VERSION_CHECK": "false"}


def venv(requirements: str) -> Path:
    """The Python of a venv that holds what bench/alternatives/<requirements>.txt locks; made at first use."""
    folder, locked = OUT / f"venv-{requirements}", KIT / f"{requirements}.txt"
    made = folder / "requirements.txt"
    if not made.exists() or made.read_bytes() != locked.read_bytes():
        SAID.print(f"a venv for what {locked.name} locks, once")
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip: list[str | Path] = [
            folder / "bin" / "python",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]
        subprocess.run([*pip, "--no-deps", "--require-hashes", "-r", locked], check=True)
        shutil.copy(locked, made)
    return folder / "bin" / "python"


def versions(requirements: str, *packages: str) -> str:
    locked = dict(re.findall(r"(?m)^([\w.-]+)==([\w.]+)", (KIT / f"{requirements}.txt").read_text("utf-8")))
    return ", ".join(f"{p} {locked[p]}" for p in packages)


def measured(command: Sequence[object], folder: Path, **env: str) -> dict[str, Any]:
    """Wall and CPU seconds of a process and its children, from start to end; the most memory that one of them held; what
    it `said`; where it failed, its last words as `failed`. Its own start counts: a night is a process. The bench's own
    process must stay small: a child counts from what it was forked from."""
    began = time.perf_counter()
    with open(folder / "said.txt", "w+", encoding="utf-8") as said:
        process = subprocess.Popen(
            [str(c) for c in command],
            cwd=folder,
            env=environment() | QUIET | env,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        resource.prlimit(process.pid, resource.RLIMIT_DATA, (MOST, MOST))
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        said.seek(0)
        text = said.read()
    told: dict[str, Any] = {
        "wall": wall,
        "cpu": used.ru_utime + used.ru_stime,
        "peak_mb": used.ru_maxrss / 1024,
        "said": text,
    }
    if os.waitstatus_to_exitcode(status):
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        told["failed"] = lines[-1][:200] if lines else f"status {status}"
    return told


def finished(command: Sequence[object], folder: Path, **env: str) -> dict[str, Any]:
    """The same of a process that must not fail."""
    told = measured(command, folder, **env)
    if "failed" in told:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{told['said'][-5000:]}")
    return told
