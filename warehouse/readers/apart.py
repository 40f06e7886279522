"""Reading apart: a file from outside is read in a process that has little memory, little time and no network.

A process reads file after file, and some read beside one another; each is started when there is a file for it. Where a file
ends one, it is tried once more, alone, in a new one: what ended the first may have been an earlier file's doing, a neighbour's
or the machine's. Then it is returned, and the next file is read. The process's own side: `warehouse.worker`.
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
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

import polars as pl

from expectations.template import Mark
from warehouse.readers import ACCEPTED, Reading, is_synthetic
from warehouse.readers.faults import FileFault
from warehouse.readers.rows import NO_ROWS, PassedOver
from warehouse.visible import visible_name

SECONDS = (60, 2)  # of CPU time for a file, and for each MiB of it
PATIENCE = 4  # times that by the clock, on a machine that does other things besides
MEMORY = 8 << 30  # bytes
# files read beside one another; one more than cores, for this process takes over the rows of one while others are read
AT_ONCE = min((os.cpu_count() or 1) + 1, 4)
STARTED = 120  # seconds by the clock in which the process starts
FROM_OUTSIDE = (
    signal.SIGKILL,
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
)  # SIGKILL: most often memory that the machine has not
INHERITED = ("PATH", "LANG", "TZ", "TMPDIR")  # of the environment, besides PYTHON…, LC_… and LD_…: no secrets

log = logging.getLogger(__name__)


class Ended(Exception):
    """A reading did not come to its end: the fault to return the file with, and whether trying later may go better."""

    def __init__(self, fault: FileFault, *, lasting: bool = True) -> None:
        super().__init__(fault.found)
        self.fault, self.lasting = fault, lasting


def read(path: Path, name: str, beside: Path) -> Reading:
    """What `readers.read` says of the bytes at `path`, in a process apart. Rows are handed over through a file in `beside`.

    Raises OSError where the bytes are not there or the rows cannot be written.
    """
    for alone in (False, True):
        with _turn(alone):
            process = _idle_or_new()
            try:
                return process.read(path, name, beside)
            except Ended as e:
                ended = e
                log.warning("%s: %s; %s", visible_name(name), e, "returned" if alone else "tried once more, alone")
            finally:
                if process.is_idle:
                    _idle.append(process)
                else:
                    process.end(at_once=True)
    return Reading("unknown", fault=ended.fault, synthetic=is_synthetic(name), lasting=ended.lasting)


@contextmanager
def side_by_side() -> Iterator[ThreadPoolExecutor]:
    """Threads in which files are read beside one another. The processes end with them: one dies with the thread that began it."""
    threads = ThreadPoolExecutor(AT_ONCE, "reading")
    try:
        yield threads
    finally:
        threads.shutdown(cancel_futures=True)
        close()


def close() -> None:
    """Ends the processes that read nothing."""
    while _idle:
        process = _idle.pop()
        if process.is_ours:
            process.end()


@contextmanager
def _turn(alone: bool) -> Iterator[None]:
    """Beside others, or when no other reads and their processes are gone."""
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


def _idle_or_new() -> _Process:
    while _idle:
        process = _idle.pop()
        if process.is_ours and process.is_idle:
            return process
        if process.is_ours:
            process.end()
    return _Process()


def send(link: socket.socket, message: dict[str, Any], files: Sequence[int] = ()) -> None:
    body = json.dumps(message).encode()
    socket.send_fds(link, [len(body).to_bytes(4, "big")], files)
    link.sendall(body)


def receive(link: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """A message and the files handed over with it; None where the other side is gone."""
    head, files, _, _ = socket.recv_fds(link, 4, 2)
    size, body = int.from_bytes(head, "big"), bytearray()
    while len(body) < size and (more := link.recv(size - len(body))):
        body += more
    whole = len(head) == 4 and len(body) == size
    return (json.loads(body) if whole else None), list(files)


class _Process:
    def __init__(self) -> None:
        self.link, theirs = socket.socketpair()
        self.words = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process: what it says as it dies
        self.rows: tuple[Path, IO[bytes]] | None = None  # by which it hands over rows, and the folder of that file
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
            raise RuntimeError(f"the process that reads files does not start: {self._last_words()}")

    @property
    def is_ours(self) -> bool:
        """Not of the process that this one was forked from."""
        return self.started_by == os.getpid()

    @property
    def is_idle(self) -> bool:
        return not self.asked and self.process.poll() is None

    def read(self, path: Path, name: str, beside: Path) -> Reading:
        rows = self._rows_in(beside)
        with open(path, "rb") as source:
            seconds = SECONDS[0] + SECONDS[1] * os.fstat(source.fileno()).st_size // 2**20
            self.link.settimeout(seconds * PATIENCE)
            self.asked = True
            try:
                send(self.link, {"name": name, "seconds": seconds}, [source.fileno(), rows.fileno()])
                answer, _ = receive(self.link)
            except TimeoutError:
                raise self._ended(seconds, late=True) from None
            except ConnectionError:
                answer = None
            if answer is None:
                raise self._ended(seconds)
            if "no memory" in answer:
                raise Ended(_too_much_memory())
            self.asked = False
            if "not written" in answer:
                raise OSError(f"{beside}: {answer['not written']}")
            if "broke" in answer:
                log.error("the reader failed on %s:\n%s", visible_name(name), answer["broke"])
                said = answer["broke"].strip().rpartition("\n")[2]
                return Reading("unknown", fault=_unreadable(said), synthetic=is_synthetic(name))
            return _reading(answer, rows)

    def _rows_in(self, folder: Path) -> IO[bytes]:
        """The file for rows, emptied: a new one for each file of some hundred rows would cost as much as a third of them."""
        if self.rows is None or self.rows[0] != folder:
            if self.rows is not None:
                self.rows[1].close()
            self.rows = folder, tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - lives as long as the process
        rows = self.rows[1]
        rows.seek(0)
        rows.truncate()
        return rows

    def _ended(self, seconds: int, late: bool = False) -> Ended:
        """Why it ended, in words for whoever sent the file."""
        code = self.end(at_once=late)
        words = self._last_words()
        if late:
            clock = seconds * PATIENCE
            fault = FileFault(
                "S07", found=f"> {clock} s", expected=f"≤ {clock} s 读取时间（按钟表） of reading, by the clock"
            )
            return Ended(fault, lasting=False)
        if code == -signal.SIGXCPU:
            return Ended(FileFault("S07", found=f"> {seconds} s", expected=f"≤ {seconds} s 读取时间 of reading"))
        if "memory allocation of" in words:
            return Ended(_too_much_memory())
        if -code in FROM_OUTSIDE:
            name = signal.Signals(-code).name
            fault = FileFault(
                "S07",
                found=f"两次读取都被系统终止（{name}），可能是处理机内存不足 ended twice from outside, perhaps for want of memory",
                expected=f"≤ {MEMORY >> 20:,} MiB 内存 of memory",
            )
            return Ended(fault, lasting=False)
        how = signal.Signals(-code).name if code < 0 else f"exit {code}"
        return Ended(_unreadable(f"{how} {words.strip().rpartition(chr(10))[2]}".strip()))

    def _last_words(self) -> str:
        self.words.seek(0)
        return self.words.read()[-4000:].decode("utf-8", "replace")

    def end(self, at_once: bool = False) -> int:
        """Its exit code."""
        self.link.close()  # by which an idle one ends
        if self.rows is not None:
            self.rows[1].close()
        try:
            return self.process.wait(0 if at_once else 10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


_places, _alone = threading.Semaphore(AT_ONCE), threading.Lock()
_idle: list[_Process] = []
atexit.register(close)


def _environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k in INHERITED or k.startswith(("PYTHON", "LC_", "LD_"))}
    # as many threads on every machine: what a file may take does not hang on how many cores there are
    # and the engine that begins at once: most files are small
    polars = {"POLARS_MAX_THREADS": "2", "POLARS_ENGINE_AFFINITY": "in-memory"}
    return {**kept, "PYTHONPATH": str(Path(__file__).parents[2]), **polars}


def _too_much_memory() -> FileFault:
    return FileFault("S07", found=f"> {MEMORY >> 20:,} MiB", expected=f"≤ {MEMORY >> 20:,} MiB 内存 of memory")


def _unreadable(why: str) -> FileFault:
    return FileFault("S01", found=f"读取失败 the reader failed: {why}", expected=ACCEPTED)


def _reading(answer: dict[str, Any], rows: IO[bytes]) -> Reading:
    fault, template = answer["fault"], answer["template"]
    rows.seek(0)
    return Reading(
        format=answer["format"],
        synthetic=answer["synthetic"],
        named_departments=tuple(answer["named_departments"]),
        reason=answer["reason"],
        passed_over=tuple(PassedOver(**p) for p in answer["passed_over"]),
        # not mapped: the file is emptied for the next rows while these are in use
        rows=pl.read_ipc_stream(rows.read()) if answer["height"] else NO_ROWS,
        fault=fault and FileFault(**fault),
        template=template and Mark(**template),
    )
