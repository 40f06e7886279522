"""The process that opens what came from outside (`python -m warehouse.worker LINK PARENT MEMORY`), begun by `warehouse.apart`.

It gives up what it does not need (memory, network, rights), then takes the files that it is handed, one after the other: to
read them, or to lay them out in a receipt. Files come, and rows and receipts go, as open files: it needs to open none itself.
Polars is imported late, for it starts threads: only a process of one thread may leave its network.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import math
import os
import pickle
import resource
import signal
import socket
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict
from typing import IO, Any

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38  # linux/prctl.h
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000  # linux/sched.h


def main() -> None:
    link, parent, memory = map(int, sys.argv[1:])
    give_up(parent, memory)
    from warehouse.apart import receive, send

    with socket.socket(fileno=link) as asked:
        send(asked, {})
        while True:
            request, files = receive(asked)
            if request is None:
                return
            with contextlib.ExitStack() as opened:
                source, *into = [opened.enter_context(os.fdopen(f, "wb" if n else "rb")) for n, f in enumerate(files)]
                _until(request["seconds"])
                send(asked, answer(request, source, *into))


def give_up(parent: int, memory: int) -> None:
    """Dies with the process that began it, and first where the machine runs out of memory. Network: where the kernel lets."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:  # a container may forbid it
            score.write("1000")
        libc = ctypes.CDLL(None)
        if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET):
            libc.unshare(CLONE_NEWNET)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # after unshare, which clears it
    if os.getppid() != parent:
        sys.exit(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))


def _until(seconds: int) -> None:
    """The process ends (SIGXCPU) when it has worked for so many seconds more."""
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    limit = math.ceil(time.process_time()) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))


def answer(request: dict[str, Any], source: IO[bytes], *into: IO[bytes]) -> dict[str, Any]:
    """What is asked of the file `source`; `into` goes what is too long to say."""
    work = _read if "read" in request else _laid_out
    try:
        return work(request, source, *into)
    except MemoryError:
        return {"no memory": True}
    except (KeyboardInterrupt, SystemExit):
        raise
    except NotWritten as e:  # a full disk
        return {"not written": str(e)}
    except BaseException:  # noqa: BLE001 - a mistake of ours, or a panic of a library: told, and the next file is taken
        return {"broke": traceback.format_exc()[-4000:]}


class NotWritten(Exception):
    """What is handed over does not go into its file."""


@contextlib.contextmanager
def _writing(into: IO[bytes]) -> Iterator[None]:
    import polars as pl

    try:
        yield
        into.flush()
    except (OSError, pl.exceptions.PolarsError) as e:
        raise NotWritten(e) from e


def _read(request: dict[str, Any], source: IO[bytes], into: IO[bytes]) -> dict[str, Any]:
    """What a file is and says; its rows, with their months, go `into`."""
    from warehouse import readers
    from warehouse.readers.apart import seen
    from warehouse.readers.placed import Place, placed

    reading = readers.read(source.read(), request["read"])
    rows = placed(reading.rows, Place(**request["place"]))
    with _writing(into):
        rows.write_parquet(into, compression="zstd", statistics=False, metadata=seen(reading))
    fault = reading.fault
    return {
        "format": reading.format,
        "months": dict(rows["month"].value_counts().iter_rows()),
        "synthetic": reading.synthetic,
        "named_departments": reading.named_departments,
        "template": reading.template and asdict(reading.template),
        "reason": reading.reason,
        "passed_over": [asdict(p) for p in reading.passed_over],
        "fault": fault
        and {
            "rule": fault.rule,
            "found": fault.found,
            "expected": fault.expected,
            "sheet": fault.sheet,
            "row": fault.row,
        },
    }


def _laid_out(request: dict[str, Any], source: IO[bytes], book: IO[bytes], html: IO[bytes]) -> dict[str, Any]:
    """The receipt for a file: `book` and `html`."""
    from warehouse.receipts.grids import original
    from warehouse.receipts.page import page
    from warehouse.receipts.workbook import workbook

    said = pickle.loads(base64.b64decode(request["answer"]))  # noqa: S301 - of the process that began this one
    found = original(source.read(), said.format, said.listed, request["first_month"])
    for into, content in (book, workbook(said, found)), (html, page(said, found)):
        with _writing(into):
            into.write(content)
    return {}


if __name__ == "__main__":
    main()
