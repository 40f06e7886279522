"""The process that reads what came from outside (`python -m warehouse.worker LINK PARENT MEMORY`), begun by `readers.apart`.

It gives up what it does not need (memory, network, rights), then reads the files that it is handed, one after the other.
Files come and rows go as open files: it needs to open none itself. Not in `readers`, whose import starts the threads of
Polars: only a process of one thread may leave its network.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import resource
import signal
import socket
import sys
import time
import traceback
from dataclasses import asdict
from typing import Any

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38  # linux/prctl.h
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000  # linux/sched.h


def main() -> None:
    link, parent, memory = map(int, sys.argv[1:])
    give_up(parent, memory)
    from warehouse.readers.apart import receive, send

    with socket.socket(fileno=link) as asked:
        send(asked, {})
        while True:
            request, files = receive(asked)
            if request is None:
                return
            with os.fdopen(files[0], "rb") as source, os.fdopen(files[1], "wb") as rows:
                _until(request["seconds"])
                send(asked, answer(source, rows, request["name"]))


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


def answer(source: Any, rows: Any, name: str) -> dict[str, Any]:
    """What a file is and says, without its rows: those go to the file `rows`."""
    import polars as pl

    from warehouse import readers

    try:
        reading = readers.read(source.read(), name)
    except MemoryError:
        return {"no memory": True}
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # noqa: BLE001 - a mistake of ours, or a panic of a library: told, and the next file is read
        return {"broke": traceback.format_exc()[-4000:]}
    fault = reading.fault
    try:
        if reading.rows.height:
            reading.rows.write_ipc_stream(rows)
            rows.flush()
    except (OSError, pl.exceptions.PolarsError) as e:  # a full disk
        return {"not written": str(e)}
    return {
        "format": reading.format,
        "height": reading.rows.height,
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


if __name__ == "__main__":
    main()
