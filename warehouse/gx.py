"""The one adapter to Great Expectations: its SQL engine on a DuckDB connection that is already open.

GX closes its SQLAlchemy connection before it fetches; on DuckDB that empties the result. The connection handed to it
therefore never begins, ends or closes anything.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import duckdb
import duckdb_engine
import great_expectations as gx
from great_expectations.data_context.types.base import ProgressBarsConfig

from expectations.suites import PlanRule


class SharedConnection(duckdb_engine.ConnectionWrapper):
    def begin(self) -> None: ...
    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def close(self) -> None: ...


def verdicts_of(
    con: duckdb.DuckDBPyConnection, table: str, rules: Sequence[type[PlanRule]]
) -> dict[str, tuple[int, str | None]]:
    """By rule code: how many rows break it, and why it could not be evaluated (None: it could)."""
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    shared: dict[str, Any] = {"kwargs": {"creator": lambda: SharedConnection(con)}}
    source = context.data_sources.add_sql("duckdb", connection_string="duckdb:///:memory:", **shared)
    batch = source.add_table_asset(table).add_batch_definition_whole_table("all").get_batch()
    suite = gx.ExpectationSuite(name=table, expectations=[rule.expect() for rule in rules])
    results = batch.validate(suite, result_format="SUMMARY").results
    verdicts: dict[str, tuple[int, str | None]] = {}
    for rule, result in zip(rules, sorted(results, key=_place(rules)), strict=True):
        raised = _raised(result.exception_info)
        verdicts[rule.rule] = (0 if raised else int(result.result["observed_value"]), raised)
    return verdicts


def _place(rules: Sequence[type[PlanRule]]):  # type: ignore[no-untyped-def]
    order = {rule.rule: n for n, rule in enumerate(rules)}
    return lambda result: order[result.expectation_config.description[:3]]


def _raised(info: dict) -> str | None:  # type: ignore[type-arg]
    """GX reports an exception flat, or by metric."""
    for entry in [info, *(v for v in info.values() if isinstance(v, dict))]:
        if entry.get("raised_exception"):
            return str(entry.get("exception_message"))
    return None
