"""The one adapter to Great Expectations: its SQL engine on a DuckDB connection that is already open, its stores on files.

GX closes its SQLAlchemy connection before it fetches; on DuckDB that empties the result. The connection handed to it
therefore never begins, ends or closes anything. The context itself is ephemeral: only suites, validation results and
their pages are kept.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import expectations.gx_alone  # noqa: F401

# isort: split
import duckdb
import duckdb_engine
import great_expectations as gx
import polars as pl
from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult
from great_expectations.data_context import EphemeralDataContext
from great_expectations.data_context.store.tuple_store_backend import TupleFilesystemStoreBackend
from great_expectations.data_context.types.base import DataContextConfig, ProgressBarsConfig
from great_expectations.exceptions import InvalidKeyError

from expectations.suites import PlanRule
from warehouse.validations import SUBMISSIONS


class SharedConnection(duckdb_engine.ConnectionWrapper):
    def begin(self) -> None: ...
    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def close(self) -> None: ...


def context_on(folder: Path | None, sites: dict[str, Any] | None = None) -> EphemeralDataContext:
    """A context whose suites and validation results rest in `folder`; nothing else of it outlives the process. None: nothing."""
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    return gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            stores={
                "suites": _kept("ExpectationsStore", folder and folder / "suites"),
                "validations": _kept("ValidationResultsStore", folder and folder / "validations", Results),
                "validation_definition_store": _forgotten("ValidationDefinitionStore"),
                "checkpoint_store": _forgotten("CheckpointStore"),
            },
            expectations_store_name="suites",
            validation_results_store_name="validations",
            checkpoint_store_name="checkpoint_store",
            data_docs_sites=sites or {},
            analytics_enabled=False,
            progress_bars=ProgressBarsConfig(globally=False, metric_calculations=False),
        ),
    )


def _kept(kind: str, folder: Path | None, by: type = TupleFilesystemStoreBackend) -> dict[str, Any]:
    return {"class_name": kind, "store_backend": files_in(folder, by)} if folder else _forgotten(kind)


def files_in(folder: Path, by: type = TupleFilesystemStoreBackend) -> dict[str, Any]:
    return {
        "class_name": by.__name__,
        "module_name": by.__module__,
        "base_directory": str(folder).replace("$", r"\$"),  # else it would be taken for a variable
        "suppress_store_backend_id": True,
    }


class Results(TupleFilesystemStoreBackend):
    """Validation results: a file each, or, of the submissions in a month, a row each of its file SUBMISSIONS."""

    def of_run(self, run: tuple[str, ...], wanted: Sequence[str]) -> dict[str, str]:
        """Of a run (batch, name, time) the results wanted, by batch identifier."""
        rows = self._rows(run).filter(pl.col("submission").is_in(list(wanted))).collect()
        found: dict[str, str] = dict(rows.iter_rows())
        return found | {one: self._get((*run, one)) for one in wanted if one not in found}

    def _get(self, key: tuple[str, ...]) -> str:  # type: ignore[override]
        if super()._has_key(key):  # type: ignore[no-untyped-call]
            return str(super()._get(key))  # type: ignore[no-untyped-call]
        found = self._rows(key[:-1]).filter(pl.col("submission") == key[-1]).collect()["result"]
        if found.is_empty():
            raise InvalidKeyError(f"{'/'.join(key)}: no such validation result below {self.full_base_directory}")
        return str(found.item())

    def _has_key(self, key: tuple[str, ...]) -> bool:
        return key in self.list_keys(key[:-1])

    def list_keys(self, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
        alone = super().list_keys(prefix)
        runs = dict.fromkeys(key[:-1] for key in alone)
        return [
            *alone,
            *((*run, s) for run in runs for s in self._rows(run).select("submission").collect()["submission"]),
        ]

    def _rows(self, run: tuple[str, ...]) -> pl.LazyFrame:
        file = Path(self.full_base_directory, *run, SUBMISSIONS)
        none = pl.LazyFrame(schema={"submission": pl.String, "result": pl.String})
        return pl.scan_parquet(file, glob=False) if file.exists() else none


def _forgotten(kind: str) -> dict[str, Any]:
    return {"class_name": kind, "store_backend": {"class_name": "InMemoryStoreBackend"}}


def validated(
    con: duckdb.DuckDBPyConnection,
    table: str,
    rules: Sequence[type[PlanRule]],
    meta: dict[str, Any],
    run: tuple[str, dt.datetime],
) -> tuple[ExpectationSuiteValidationResult, str, str]:
    """Runs the checkpoint `table`, the rules' suite over that table, as `run` (name and time). The result, and the suite and
    the result as texts, as Great Expectations stores them; nothing is stored."""
    context = context_on(None)
    shared: dict[str, Any] = {"kwargs": {"creator": lambda: SharedConnection(con)}}
    source = context.data_sources.add_sql("duckdb", connection_string="duckdb:///:memory:", **shared)
    batch = source.add_table_asset(table).add_batch_definition_whole_table("all")
    suite = context.suites.add(
        gx.ExpectationSuite(name=table, expectations=[rule.expect() for rule in rules], meta=meta)
    )
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=table, data=batch, suite=suite))
    checkpoint = context.checkpoints.add(
        gx.Checkpoint(name=table, validation_definitions=[definition], result_format="SUMMARY")
    )
    ran = checkpoint.run(run_id=gx.RunIdentifier(*run))
    [result] = ran.run_results.values()
    return result, _stored(context.expectations_store), _stored(context.validation_results_store)


def _stored(store: Any) -> str:
    [text] = (
        store.store_backend.get(key) for key in store.store_backend.list_keys() if key[0] != ".ge_store_backend_id"
    )
    return str(text)


def verdicts(result: ExpectationSuiteValidationResult) -> dict[str, tuple[int, str | None]]:
    """By rule code: how many rows break it, and why it could not be evaluated (None: it could)."""
    found: dict[str, tuple[int, str | None]] = {}
    for each in result.results:
        config: Any = each.expectation_config
        why = raised(each.exception_info)
        found[config.meta["rule"]] = (0 if why else int(each.result["observed_value"]), why)
    return found


def raised(info: dict) -> str | None:  # type: ignore[type-arg]
    """Why an expectation could not be evaluated. GX reports an exception flat, or by metric."""
    for entry in [info, *(v for v in info.values() if isinstance(v, dict))]:
        if entry.get("raised_exception"):
            return str(entry.get("exception_message"))
    return None
