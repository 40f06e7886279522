"""Dagster's own processes as an engineer starts them, asked over HTTP as a browser does."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.servers import wait_until

ROOT = Path(__file__).parent.parent
BIN = ROOT / ".venv" / "bin"


def environment(data: Path, **more: str) -> dict[str, str]:
    """What the shell has, without what other tests set in it."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("WALLCHART_", "DAGSTER_"))}
    home = str(data / "dagster")
    return kept | {"WALLCHART_DATA": str(data), "DAGSTER_HOME": home, "DAGSTER_DISABLE_TELEMETRY": "yes", **more}


def said(words: Sequence[str | Path], env: dict[str, str]) -> str:
    """What a command of the environment's bin/ prints, on both streams; it must succeed."""
    command = [str(BIN / words[0]), *map(str, words[1:])]
    done = subprocess.run(command, env=env, cwd=ROOT, text=True, stdout=-1, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


@contextmanager
def running(
    words: Sequence[str], env: dict[str, str], log: Path, ready: Callable[[], bool] = lambda: True
) -> Iterator[subprocess.Popen[bytes]]:
    """A command of the environment's bin/ that goes on until the end of the block."""
    command = [str(BIN / words[0]), *words[1:]]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, env=env, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        wait_until(lambda: ready() or process.poll() is not None, f"{words[0]} is ready", 120)
        assert process.poll() is None, log.read_text()
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def answers(url: str, **asked: Any) -> bool:
    try:
        return httpx.get(url, **asked).status_code < 500
    except httpx.TransportError:
        return False


def graphql(url: str, query: str, variables: dict[str, Any] | None = None, **asked: Any) -> Any:
    """The data that a GraphQL query or mutation answers with."""
    answer = httpx.post(f"{url}/graphql", json={"query": query, "variables": variables or {}}, timeout=60, **asked)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]
