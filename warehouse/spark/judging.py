"""Judging on a cluster: a task judges some months on the shared data folder, by the very functions of `warehouse.judge`.

Here: which months go together, what a task is given, what it answers. Not here: any rule, and any file of a month. Spark hands
the work out, does it again where a worker is lost, and brings back the verdicts. A task opens neither the ledger nor the
writer's lock: it writes only while the lock is still that of the run that asked (`Store.helping`), and what it writes is whole
or not at all, so that months judged twice are as if judged once.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import socket
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expectations.model import Plan
from warehouse.findings import JudgeError, Verdict
from warehouse.judge import Brief, Hands, Part, Progress, Work, flagged, here, in_parts
from warehouse.spark import DUCKDB, EngineError, session
from warehouse.store import Share, Store, connect
from warehouse.trouble import StoreError
from warehouse.validations import Latest
from warehouse.version import JUDGING, code_version

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyspark.sql.connect.session import SparkSession

TASKS_A_CORE = 3  # so that no core waits long for another
ANSWER = "task long, attempt int, host string, process long, seconds double, said array<string>, answer string"
UNITS = {"": 1e-9, "k": 1e-6, "m": 1e-3, "g": 1.0, "t": 1e3}  # of Spark's sizes, in GB


@dataclass(frozen=True)
class Order:
    """What every task is given."""

    work: Work
    store: Store
    plan: bytes
    brief: Brief
    shares: list[list[str]]  # the months of each task
    code: str
    share: Share


@contextmanager
def hands(engine: str) -> Iterator[Hands]:
    """Who judges, as `judge.validity` and `judge.quality` take it: this process (DUCKDB), or the cluster behind the Spark
    Connect server at that address, in one session for both, whose Pythons import much.

    They then raise EngineError where it cannot be used, and what a task raised with its months and its host.
    """
    if engine == DUCKDB:
        yield here
        return
    from pyspark.errors import PySparkException

    spark = session(engine)
    try:
        yield partial(_spread, spark)
    finally:
        with suppress(PySparkException):  # a server that is gone does nothing more
            spark.interruptAll()
            spark.stop()


def _spread(
    spark: SparkSession, work: Work, store: Store, plan: Plan, brief: Brief, months: Sequence[str], progress: Progress
) -> list[Part]:
    from pyspark.errors import PySparkException

    try:
        cores = _cores(spark)
        # flagging reads the months before its own: the fewer tasks, the less is read more than once
        tasks = cores if work is flagged else cores * TASKS_A_CORE
        shares = in_parts(brief.rows, months, sum(brief.rows[m] for m in months) / tasks)
        shares.sort(key=lambda share: -sum(brief.rows[m] for m in share))  # nobody waits for the longest at the end
        order = Order(work, store, pickle.dumps(plan), brief, shares, code_version(JUDGING), _share(spark))
        pages = f"http://{spark.conf.get('spark.driver.host')}:{spark.conf.get('spark.ui.port', '4040')}"
        progress(
            f"{len(shares)} tasks for {cores} cores, Spark's application {spark.conf.get('spark.app.id')}, {pages}"
        )
        told = _told(progress, len(shares))
        spark.registerProgressHandler(told)  # type: ignore[arg-type]
        try:
            numbers = spark.range(0, len(shares), 1, len(shares))
            answers = numbers.mapInArrow(partial(_task, order=order), ANSWER).toArrow().to_pylist()
        finally:
            spark.removeProgressHandler(told)  # type: ignore[arg-type]
    except PySparkException as e:
        raise EngineError(f"Spark could not judge {months[0]} … {months[-1]}: {_first_line(e)}") from e
    answers.sort(key=lambda a: shares[a["task"]])
    return [part for answer in answers for part in _parts(answer, order, progress)]


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _cores(spark: SparkSession) -> int:
    """Tasks that the cluster does at once: as many partitions as it gives to a range by itself."""
    from pyspark.sql import functions

    parts = spark.range(1 << 20).select(functions.spark_partition_id().alias("part")).distinct().count()
    return max(int(parts), 1)


def _share(spark: SparkSession) -> Share:
    """Of an executor, a task's cores, and its part of as much memory as its Java has: DuckDB's memory is beside Java's."""

    def said(name: str, otherwise: str) -> str:
        return spark.conf.get(name, otherwise) or otherwise

    cpus = int(said("spark.task.cpus", "1"))
    at_once = max(int(said("spark.executor.cores", "1")) // cpus, 1)
    return Share(cpus, gigabytes(said("spark.executor.memory", "1g")) / at_once)


def gigabytes(size: str) -> float:
    """Spark's `512m`, in GB (1e9 bytes)."""
    number, unit = re.fullmatch(r"(\d+)([kmgt]?)b?", size.strip().lower()).groups()  # type: ignore[union-attr]
    return int(number) * UNITS[unit]


def _told(progress: Progress, tasks: int) -> Callable[..., None]:
    said = 0

    def handler(stages: Iterable[Any] | None, inflight_tasks: int, operation_id: str | None, done: bool) -> None:
        nonlocal said
        ended = sum(stage.num_completed_tasks for stage in stages or ())
        if ended > said:
            said = ended
            progress(f"{ended} of {tasks} tasks are done, {inflight_tasks} under way")

    return handler


def _parts(answer: dict[str, Any], order: Order, progress: Progress) -> list[Part]:
    """What a task answered; its last part says who did it. Raises what the task met."""
    months, host = order.shares[answer["task"]], answer["host"]
    those = months[0] if len(months) == 1 else f"{months[0]} … {months[-1]}"
    for line in answer["said"]:
        progress(f"{host}, process {answer['process']}: {line}")
    said = json.loads(answer["answer"])
    if why := said.get("failed"):
        kind = {"JudgeError": JudgeError, "StoreError": StoreError}.get(why["kind"], EngineError)
        raise kind(f"{those} on {host}: {why['text']}")
    if answer["attempt"]:
        progress(f"{those} judged again by {host}, attempt {answer['attempt'] + 1}: the worker that had them was lost")
    parts = [
        Part(part["months"], [Verdict(**v) for v in part["verdicts"]], Latest(**part["latest"]))
        for part in said["parts"]
    ]
    rows = sum(order.brief.rows[m] for m in months)
    by = {"step": order.work.__name__, "from": months[0], "to": months[-1], "rows read": rows}
    by |= {k: answer[k] for k in ("host", "process", "attempt", "seconds")}
    return [*parts[:-1], replace(parts[-1], by=by)]


def _task(batches: Iterator[pa.RecordBatch], order: Order) -> Iterator[pa.RecordBatch]:
    """On an executor. What it meets is its answer: Spark would try it three times more, to the same end."""
    import pyarrow as pa
    from pyspark import TaskContext

    answered = pa.schema(
        [("task", pa.int64()), ("attempt", pa.int32()), ("host", pa.string()), ("process", pa.int64()),
         ("seconds", pa.float64()), ("said", pa.list_(pa.string())), ("answer", pa.string())]
    )  # fmt: skip
    attempt = TaskContext.get().attemptNumber()  # type: ignore[union-attr]
    for task in (n for batch in batches for n in batch.column(0).to_pylist()):
        begun, said = time.monotonic(), list[str]()
        try:
            answer: dict[str, Any] = {"parts": [asdict(part) for part in _done(order, order.shares[task], said.append)]}
        except (JudgeError, StoreError, EngineError) as e:
            answer = {"failed": {"kind": type(e).__name__, "text": str(e)}}
        except Exception as e:  # noqa: BLE001 - all of it is told, and raised where the run is
            text = f"{type(e).__name__}: {e}\n{traceback.format_exc()[-4000:]}"
            answer = {"failed": {"kind": type(e).__name__, "text": text}}
        told = {
            "task": task,
            "attempt": attempt,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "seconds": round(time.monotonic() - begun, 3),
            "said": said,
            "answer": json.dumps(answer),
        }
        yield pa.RecordBatch.from_pylist([told], schema=answered)


def _done(order: Order, months: list[str], progress: Progress) -> list[Part]:
    code = code_version(JUDGING)
    if code != order.code:
        raise EngineError(f"another code is installed there, {code} and not {order.code}: install the same everywhere")
    near = (os.environ.get("SPARK_LOCAL_DIRS") or tempfile.gettempdir()).split(",")[0]  # a disk of that machine
    with (
        order.store.room(),
        tempfile.TemporaryDirectory(prefix="wallchart-", dir=near) as spill,
        connect(order.store.root, spill=Path(spill) / "duckdb", share=order.share) as con,
    ):
        return order.work(con, order.store, _plan(order.plan), order.brief, months, progress)


@lru_cache(maxsize=1)  # an executor's Python does one task after the other, and the plan is compiled once
def _plan(pickled: bytes) -> Plan:
    plan: Plan = pickle.loads(pickled)  # noqa: S301 - by the run that asked, as the function itself
    return plan
