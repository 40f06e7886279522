"""Work on what came from outside, apart: in processes that have little memory, little time, no secrets and no network.

A process does one piece of work after the other, and some work beside one another; each is started when there is work for it.
Where a piece of work ends one, it is tried once more, alone, in a new one: what ended the first may have been earlier work's
doing, a neighbour's or the machine's. The process's own side: `warehouse.worker`.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any, TypeVar

SECONDS = (60, 2)  # of CPU time for a file, and for each MiB of it
PATIENCE = 4  # times that by the clock, on a machine that does other things besides
MEMORY = 8 << 30  # bytes
AT_ONCE = min(os.cpu_count() or 1, 4)  # at work beside one another
STARTED = 120  # seconds by the clock in which the process starts
FROM_OUTSIDE = (
    signal.SIGKILL,
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
)  # SIGKILL: most often memory that the machine has not
INHERITED = ("PATH", "LANG", "TZ", "TMPDIR")  # of the environment, besides PYTHON…, LC_… and LD_…: no secrets

log = logging.getLogger(__name__)

T = TypeVar("T")


class Ended(Exception):
    """The work did not come to its end: what was met, the limit (None: it crashed), and whether it would be so another time."""

    def __init__(self, found: str, limit: str | None = None, *, lasting: bool = True) -> None:
        super().__init__(found)
        self.found, self.limit, self.lasting = found, limit, lasting


def tried(work: Callable[[Process], T], name: str) -> T:
    """What `work` asks of a process that is its own for so long. Raises Ended where it ends two of them. `name`: for the log."""
    for alone in (False, True):
        with _turn(alone):
            process = _idle_or_new()
            try:
                return work(process)
            except Ended as e:
                ended = e
                log.warning("%s: %s%s", name, e, "" if alone else "; tried once more, alone")
            finally:
                if process.is_idle:
                    _idle.append(process)
                else:
                    process.end(at_once=True)
    raise ended


@contextmanager
def side_by_side() -> Iterator[ThreadPoolExecutor]:
    """Threads for pieces of work beside one another. The processes end with them: one dies with the thread that began it."""
    threads = ThreadPoolExecutor(AT_ONCE, "apart")
    try:
        yield threads
    finally:
        threads.shutdown(cancel_futures=True)
        close()


def close() -> None:
    """Ends the processes that are not at work."""
    while _idle:
        process = _idle.pop()
        if process.is_ours:
            process.end()


@contextmanager
def _turn(alone: bool) -> Iterator[None]:
    """Beside others, or when no other works and their processes are gone."""
    places = AT_ONCE if alone else 1
    with _alone if alone else nullcontext():
        for _ in range(places):
            _places.acquire()
    try:
        if alone:
            close()
        yield
    finally:
        _places.release(places)


def _idle_or_new() -> Process:
    while _idle:
        process = _idle.pop()
        if process.is_ours and process.is_idle:
            return process
        if process.is_ours:
            process.end()
    return Process()


def send(link: socket.socket, message: dict[str, Any], files: Sequence[int] = ()) -> None:
    body = json.dumps(message).encode()
    socket.send_fds(link, [len(body).to_bytes(4, "big")], files)
    link.sendall(body)


def receive(link: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """A message and the files handed over with it; None where the other side is gone."""
    head, files, _, _ = socket.recv_fds(link, 4, 3)
    size, body = int.from_bytes(head, "big"), bytearray()
    while len(body) < size and (more := link.recv(size - len(body))):
        body += more
    whole = len(head) == 4 and len(body) == size
    return (json.loads(body) if whole else None), list(files)


class Process:
    def __init__(self) -> None:
        self.link, theirs = socket.socketpair()
        self.words = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process: what it says as it dies
        self.asked = False
        self.started_by = os.getpid()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "warehouse.worker", *map(str, (theirs.fileno(), os.getpid(), MEMORY))],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self.words,
                pass_fds=[theirs.fileno()],
                env=_environment(),
            )
        self.link.settimeout(STARTED)
        try:
            ready, _ = receive(self.link)
        except TimeoutError:
            ready = None
        if ready is None:
            self.end()
            raise RuntimeError(f"the process for files from outside does not start: {self._last_words()}")

    @property
    def is_ours(self) -> bool:
        """Not of the process that this one was forked from."""
        return self.started_by == os.getpid()

    @property
    def is_idle(self) -> bool:
        return not self.asked and self.process.poll() is None

    def ask(self, request: dict[str, Any], source: IO[bytes], *into: IO[bytes]) -> dict[str, Any]:
        """Its answer to a request about `source`; what is long it writes `into` open files. Raises Ended."""
        seconds = SECONDS[0] + SECONDS[1] * os.fstat(source.fileno()).st_size // 2**20
        self.link.settimeout(seconds * PATIENCE)
        self.asked = True
        try:
            send(self.link, {**request, "seconds": seconds}, [file.fileno() for file in (source, *into)])
            answer, _ = receive(self.link)
        except TimeoutError:
            raise self._ended(seconds, late=True) from None
        except ConnectionError:
            answer = None
        if answer is None:
            raise self._ended(seconds)
        if "no memory" in answer:
            raise _too_much_memory()
        self.asked = False
        return answer

    def _ended(self, seconds: int, late: bool = False) -> Ended:
        """Why it ended, in words for whoever sent the file."""
        code = self.end(at_once=late)
        words = self._last_words()
        if late:
            clock = seconds * PATIENCE
            return Ended(f"> {clock} s", f"≤ {clock} s 读取时间（按钟表） of reading, by the clock", lasting=False)
        if code == -signal.SIGXCPU:
            return Ended(f"> {seconds} s", f"≤ {seconds} s 读取时间 of reading")
        if "memory allocation of" in words:
            return _too_much_memory()
        if -code in FROM_OUTSIDE:
            name = signal.Signals(-code).name
            return Ended(
                f"两次读取都被系统终止（{name}），可能是处理机内存不足 ended twice from outside, perhaps for want of memory",
                f"≤ {MEMORY >> 20:,} MiB 内存 of memory",
                lasting=False,
            )
        how = signal.Signals(-code).name if code < 0 else f"exit {code}"
        return Ended(f"{how} {words.strip().rpartition(chr(10))[2]}".strip())

    def _last_words(self) -> str:
        self.words.seek(0)
        return self.words.read()[-4000:].decode("utf-8", "replace")

    def end(self, at_once: bool = False) -> int:
        """Its exit code."""
        self.link.close()  # by which an idle one ends
        try:
            return self.process.wait(0 if at_once else 10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


_places, _alone = threading.Semaphore(AT_ONCE), threading.Lock()
_idle: list[Process] = []
atexit.register(close)


def _environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k in INHERITED or k.startswith(("PYTHON", "LC_", "LD_"))}
    # one thread, and the engine that begins at once: most files are small, and several processes are at work. To hand a small
    # table from thread to thread costs more than what is done to it; and what a file may take hangs not on how many cores there are
    polars = {"POLARS_MAX_THREADS": "1", "POLARS_ENGINE_AFFINITY": "in-memory"}
    return {**kept, "PYTHONPATH": str(Path(__file__).parents[1]), **polars}


def _too_much_memory() -> Ended:
    return Ended(f"> {MEMORY >> 20:,} MiB", f"≤ {MEMORY >> 20:,} MiB 内存 of memory")
