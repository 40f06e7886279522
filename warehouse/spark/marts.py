"""The marts made by a cluster: the same files of SQL, run by Spark.

Spark reads the judged months itself; what DuckDB made on this machine (the plan's tables, the ledger's, the rules across
submissions) is handed over as Parquet in the folder for spilling. So is what several parts of one mart read: Spark would
make it anew for each of them. A mart comes back as a folder of parts. Whoever runs the cluster gives every worker the data
folder under the same path.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from warehouse.marts import Done, Maker, Progress, has, sql
from warehouse.marts.judged import MONTHS, of_months
from warehouse.spark import EngineError, session
from warehouse.store import Store, copy_to, discard

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.connect.session import SparkSession

READS = re.compile(r"\b(?:from|join) (\w+)\b")
NAMED = re.compile(r"\s*(?:--[^\n]*\n\s*)*(?:with|,)\s+(\w+) as \(")  # how a part of a mart begins
FOUND = ["found_across", "found_in_file", "validity", "quality"]  # findings, together stored_finding
SIGNS = re.compile(r"--[^\n]*|'[^']*'|[()]")
TYPES = {
    "VARCHAR": "string",
    "BOOLEAN": "boolean",
    "INTEGER": "int",
    "BIGINT": "bigint",
    "DOUBLE": "double",
    "DATE": "date",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
}


@contextlib.contextmanager
def making(
    url: str, con: duckdb.DuckDBPyConnection, store: Store, progress: Progress
) -> Iterator[tuple[Maker, dict[str, str]]]:
    """What makes a mart on the cluster at `url`, from the tables and views of `con`; and which application does it, where.

    Raises EngineError where the cluster cannot be used, or does not run a mart to its end.
    """
    from pyspark.errors import PySparkException

    spark = session(url)
    try:
        by = {"engine": f"Spark {spark.version}", "application": str(spark.conf.get("spark.app.id"))}
        by["pages"] = f"http://{spark.conf.get('spark.driver.host')}:{spark.conf.get('spark.ui.port', '4040')}"
        progress(f"{by['engine']}, application {by['application']}, {by['pages']}")
        making = _Making(spark, con, store)

        def maker(table: str) -> Done:
            making.stages.clear()
            try:
                making.make(table)
            except PySparkException as e:
                raise EngineError(f"Spark could not make {table}: {str(e)[:2000]}") from e
            stages = [told for told in making.stages.values() if told[0]]  # the others were not needed
            if not stages:  # the server tells every other second, and this one was quicker
                return {}
            done: Done = {
                "stages": len(stages),
                "tasks": sum(n for n, _ in stages),
                "bytes read": sum(n for _, n in stages),
            }
            progress(f"made {table}: {done['tasks']} tasks in {done['stages']} stages, {done['bytes read']} bytes read")
            return done

        yield maker, by
    finally:
        with contextlib.suppress(PySparkException):  # a server that is gone does nothing more
            spark.interruptAll()
            spark.stop()
        shutil.rmtree(store.spill / HANDED_OVER, ignore_errors=True)


HANDED_OVER = "handed_over"


class _Making:
    def __init__(self, spark: SparkSession, con: duckdb.DuckDBPyConnection, store: Store) -> None:
        self.spark, self.con, self.store = spark, con, store
        self.given: set[str] = set()  # names that Spark knows
        self.made: set[str] = set()
        self.stages: dict[
            int, tuple[int, int]
        ] = {}  # of the mart in the making, as reported every other second: tasks, bytes
        spark.registerProgressHandler(self._told)  # type: ignore[arg-type]

    def _told(self, stages: Iterable[Any] | None, **_: object) -> None:
        self.stages |= {s.stage_id: (s.num_completed_tasks, s.num_bytes_read) for s in stages or ()}

    def make(self, table: str) -> None:
        """Writes the mart, its parts in the order that its file asks for, with the columns and types that DuckDB gives it."""
        query = sql(table)
        for name in dict.fromkeys(READS.findall(query)):
            if name not in self.given and has(self.con, name):
                self._frame(name).createOrReplaceTempView(name)
                self.given.add(name)
        wanted = self.con.execute(f"describe {query}").fetchall()
        parts, last = _parts(query)
        shared = [n for n in parts if n not in self.given and _times_read(n, parts, last) > 1]
        alone = {n: part for n, part in parts.items() if n not in shared}
        written = {n: self.store.spill / HANDED_OVER / f"{table}.{n}.parquet" for n in shared}
        for name, file in written.items():
            self.spark.sql(_with(alone, parts[name])).write.parquet(f"file://{file}", compression="zstd")
            self._read([file]).createOrReplaceTempView(name)
        if strange := [f"{column} {kind}" for column, kind, *_ in wanted if kind not in TYPES]:
            raise EngineError(f"{table} has columns of a type that Spark has not: {', '.join(strange)}")
        rows = self.spark.sql(_with(alone, last)).selectExpr(
            *(f"cast(`{c}` as {TYPES[kind]}) as `{c}`" for c, kind, *_ in wanted)
        )
        made = self.store.marts / f"{table}.parquet"
        part = made.with_name(f".{made.name}.{os.getpid()}.tmp")
        part.parent.mkdir(parents=True, exist_ok=True)
        try:
            rows.write.parquet(f"file://{part}", compression="zstd")
            _tidy(part)
            discard(made)
            os.rename(part, made)
            self.made.add(table)
            for name, file in written.items():
                self.spark.catalog.dropTempView(name)
                discard(file)
        finally:
            discard(part)

    def _frame(self, name: str) -> DataFrame:
        """A table or view of the connection as Spark reads it."""
        if name in self.made:
            return self._read(self.store.mart(name))
        if name == "stored_finding":
            parts = [self._frame(t) for t in FOUND if has(self.con, t)]
            return reduce(lambda one, two: one.unionByName(two, allowMissingColumns=True), parts)
        if name in MONTHS and (files := of_months(self.store, name)):
            return self._read(files)
        file = self.store.spill / HANDED_OVER / f"{name}.parquet"
        copy_to(self.con, f'from "{name}"', file)
        return self._read([file])

    def _read(self, files: list[Path]) -> DataFrame:
        # what a folder's name holds is no pattern
        return self.spark.read.parquet(*("file://" + re.sub(r"[{}\[\]*?\\]", r"\\\g<0>", str(f)) for f in files))


def _parts(query: str) -> tuple[dict[str, str], str]:
    """The queries that a mart's file names with `with`, and the one that it ends with."""
    parts: dict[str, str] = {}
    rest = 0
    while begun := NAMED.match(query, rest):
        depth, end = 1, begun.end()
        for sign in SIGNS.finditer(query, begun.end()):
            depth += {"(": 1, ")": -1}.get(sign[0], 0)
            if depth == 0:
                end = sign.start()
                break
        parts[begun[1]], rest = query[begun.end() : end], end + 1
    return parts, query[rest:]


def _times_read(name: str, parts: dict[str, str], last: str) -> int:
    return sum(READS.findall(text).count(name) for text in (*parts.values(), last))


def _with(parts: dict[str, str], query: str) -> str:
    """The query, after those of the parts that it reads."""
    read, new = set[str](), {query}
    while new:
        new = {name for text in new for name in READS.findall(text)} & parts.keys() - read
        read |= new
        new = {parts[name] for name in new}
    named = ", ".join(f"{name} as ({part})" for name, part in parts.items() if name in read)
    return f"with {named} {query}" if named else query


def _tidy(folder: Path) -> None:
    """Leaves the parts alone, named in the order of their rows, without what Hadoop notes beside them."""
    for nth, part in enumerate(sorted(folder.glob("part-*.parquet"))):
        part.rename(folder / f"{nth:05}.parquet")
    for noted in [*folder.glob("_*"), *folder.glob(".*")]:
        noted.unlink()
