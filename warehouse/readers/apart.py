"""Reading apart: a file from outside is read in a process that can be killed (`warehouse.apart`). Where it ends two, it is returned."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from expectations.template import Mark
from warehouse.apart import Ended, Process, tried
from warehouse.readers import ACCEPTED, Reading, is_synthetic
from warehouse.readers.faults import FileFault
from warehouse.readers.placed import Place, may_be
from warehouse.readers.rows import PassedOver
from warehouse.visible import visible_name

log = logging.getLogger(__name__)


def read(path: Path, name: str, rows: Path, place: Place) -> tuple[Reading, dict[str, int]]:
    """What `readers.read` says of the bytes at `path`, in a process apart, and how many rows there are of each month. The
    rows themselves, `placed`, are in the Parquet file `rows`; there is none where the file has a fault.

    Raises OSError where the bytes are not there or the rows cannot be written.
    """

    def work(process: Process) -> tuple[Reading, dict[str, int]]:
        with open(path, "rb") as source, open(rows, "wb") as into:
            answer = process.ask({"read": name, "place": asdict(place)}, source, into)
        if "not written" in answer:
            raise OSError(f"{rows.parent}: {answer['not written']}")
        if "broke" in answer:
            log.error("the reader failed on %s:\n%s", visible_name(name), answer["broke"])
            said = answer["broke"].strip().rpartition("\n")[2]
            return Reading("unknown", fault=_unreadable(said), synthetic=is_synthetic(name)), {}
        if not may_be(
            answer["months"], place
        ):  # months become names of folders: what reads files from outside chooses none
            return Reading("unknown", fault=_unreadable("months of no plan"), synthetic=is_synthetic(name)), {}
        return _reading(answer), answer["months"]

    try:
        return tried(work, visible_name(name))
    except Ended as e:
        fault = _unreadable(e.found) if e.limit is None else FileFault("S07", found=e.found, expected=e.limit)
        return Reading("unknown", fault=fault, synthetic=is_synthetic(name), lasting=e.lasting), {}


def seen(reading: Reading) -> dict[str, str]:
    """What is kept of a reading beside its rows, as their file's metadata."""
    said = {"template": str(reading.template)} if reading.template else {}
    if reading.passed_over:
        said["passed_over"] = json.dumps([asdict(p) for p in reading.passed_over], ensure_ascii=False)
    return said


def _unreadable(why: str) -> FileFault:
    return FileFault("S01", found=f"读取失败 the reader failed: {why}", expected=ACCEPTED)


def _reading(answer: dict[str, Any]) -> Reading:
    fault, template = answer["fault"], answer["template"]
    return Reading(
        format=answer["format"],
        synthetic=answer["synthetic"],
        named_departments=tuple(answer["named_departments"]),
        reason=answer["reason"],
        passed_over=tuple(PassedOver(**p) for p in answer["passed_over"]),
        fault=fault and FileFault(**fault),
        template=template and Mark(**template),
    )
