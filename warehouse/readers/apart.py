"""Reading apart: a file from outside is read in a process that can be killed (`warehouse.apart`). Where it ends two, it is returned."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import IO, Any

import polars as pl

from expectations.template import Mark
from warehouse.apart import Ended, Process, tried
from warehouse.readers import ACCEPTED, Reading, is_synthetic
from warehouse.readers.faults import FileFault
from warehouse.readers.rows import NO_ROWS, PassedOver
from warehouse.visible import visible_name

log = logging.getLogger(__name__)


def read(path: Path, name: str, beside: Path) -> Reading:
    """What `readers.read` says of the bytes at `path`, in a process apart. Rows are handed over through a file in `beside`.

    Raises OSError where the bytes are not there or the rows cannot be written.
    """

    def work(process: Process) -> Reading:
        rows = process.emptied(beside)
        with open(path, "rb") as source:
            answer = process.ask({"read": name}, source, rows)
        if "not written" in answer:
            raise OSError(f"{beside}: {answer['not written']}")
        if "broke" in answer:
            log.error("the reader failed on %s:\n%s", visible_name(name), answer["broke"])
            said = answer["broke"].strip().rpartition("\n")[2]
            return Reading("unknown", fault=_unreadable(said), synthetic=is_synthetic(name))
        return _reading(answer, rows)

    try:
        return tried(work, visible_name(name))
    except Ended as e:
        fault = _unreadable(e.found) if e.limit is None else FileFault("S07", found=e.found, expected=e.limit)
        return Reading("unknown", fault=fault, synthetic=is_synthetic(name), lasting=e.lasting)


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
