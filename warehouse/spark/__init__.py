"""Apache Spark as the second engine: marts and judging on a cluster, reached by Spark Connect (docs/spark.md).

Here: the session. Not here: what is done in it (`warehouse.spark.marts`). Nothing else imports pyspark, and this only when it is
asked for: the embedded engine does without.
"""

from __future__ import annotations

import contextlib
import os
import socket
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession

DUCKDB = "duckdb"  # the engine that is no cluster: in the run's own process
PORT = 15002  # of Spark Connect, where the address names none
ANSWERS = 10.0  # seconds
OURS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",  # a cast that cannot be, an overflow: an error, as in DuckDB
    "spark.sql.files.ignoreCorruptFiles": "false",  # whatever the cluster does for others: no row is left out
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",  # of instants, as everybody reads them
    "spark.sql.parquet.compression.codec": "zstd",
}


class EngineError(Exception):
    """The cluster cannot be used, or what it did cannot: which, and what to do."""


def session(url: str) -> SparkSession:
    """A session of its own on the Spark Connect server at `url` (sc://host:port), set as the marts need it: UTC, ANSI.

    The caller stops it. Raises EngineError where nothing answers there, and where the client is not installed.
    """
    address = urlsplit(url)
    place = f"sc://{address.hostname}:{address.port or PORT}"  # without what follows it, which may hold a token
    try:
        with _imported():
            from pyspark.errors import PySparkException
            from pyspark.sql.connect.session import SparkSession
    except ImportError as e:
        raise EngineError(
            f"the client of Spark Connect cannot be imported ({e}): pip install 'wallchart[spark]'"
        ) from e
    to_do = "Start it (docs/spark.md), or do without: unset WALLCHART_ENGINE"
    try:  # the client itself would try for ten minutes
        socket.create_connection((address.hostname or "", address.port or PORT), ANSWERS).close()
    except OSError as e:
        raise EngineError(f"{place} does not answer: {e}. {to_do}") from e
    try:
        with _imported():
            made = SparkSession.builder.remote(url).create()
        for name, value in OURS.items():
            made.conf.set(name, value)
    except PySparkException as e:
        raise EngineError(
            f"{place} is no Spark Connect server that can be used: {str(e).partition(chr(10))[0]}. {to_do}"
        ) from e
    return made


@contextlib.contextmanager
def _imported() -> Iterator[None]:
    """The client warns of a pandas that it does not know yet, and that is not used: rows go as Arrow. In a process whose main
    module is no file (`python -c`) it takes itself for its own tests, looks for a whole Spark, and ends the process."""
    whole = os.environ.get("SPARK_HOME")
    os.environ["SPARK_HOME"] = whole or ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        if whole is None:
            del os.environ["SPARK_HOME"]
