"""Choosing the engine: one variable, refused in words where it cannot be meant, and without Spark nothing of Spark."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pipelines.settings import SettingsError, settings
from tests.servers import free_port
from warehouse.spark import EngineError, session


@pytest.mark.parametrize(
    "said", ["spark", "DuckDB", "sc://", "spark://host:7077", "http://host:15002", "sc://user:secret@host:15002", "sc://host:port"]
)  # fmt: skip
def test_what_is_no_engine_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("WALLCHART_ENGINE", said)
    with pytest.raises(
        SettingsError, match=r"write duckdb, or the address of Spark Connect, sc://host:15002"
    ) as refused:
        settings()
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "said", ["", "duckdb", "sc://host", "sc://10.0.0.1:15002", "sc://host:443/;use_ssl=true;token=secret"]
)
def test_an_engine_is_taken_as_it_is_said_and_its_token_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("WALLCHART_ENGINE", said)
    assert settings().engine == (said or "duckdb")
    assert "secret" not in repr(settings())


def test_where_nothing_answers_it_is_said_where_and_what_to_do() -> None:
    port = free_port()
    with pytest.raises(
        EngineError, match=rf"^sc://127.0.0.1:{port} does not answer: .*docs/spark.md.*WALLCHART_ENGINE$"
    ):
        session(f"sc://127.0.0.1:{port}/;token=secret")


def test_the_embedded_engine_imports_nothing_of_spark() -> None:
    """Great Expectations would, where the client is installed."""
    code = "import pipelines.definitions, warehouse.gx, warehouse.data_docs, sys; print('pyspark' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "False"
