"""A night by Dagster as its documentation shows it: an asset a table, each a Polars frame, kept and given to the next by a
stock I/O manager; an asset check a rule.

`python dagster_night.py ROOT duckdb|polars` reads ROOT/models.json (macros; name, query and reads of each asset) and leaves
ROOT/dagster/night.duckdb (DuckDBPolarsIOManager) or ROOT/dagster/<name>.parquet (PolarsParquetIOManager). What an
asset computes is the hand-written script's own SQL over the frames: what is measured beside it is Dagster, the I/O manager
and the frames. Runs in a venv of its own: nothing of this project is imported.
"""

import json
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import polars as pl
from dagster_duckdb_polars import DuckDBPolarsIOManager
from dagster_polars import PolarsParquetIOManager

RULES = [f"V{n:02}" for n in range(1, 13)] + [f"Q{n:02}" for n in range(1, 11)]
FOUND = "broken_3"  # what V and Q find


def asset_of(model: dict[str, Any], macros: list[str]) -> dg.AssetsDefinition:
    @dg.asset(name=model["name"], ins={name: dg.AssetIn(name) for name in model["reads"]})
    def made(**frames: pl.DataFrame) -> pl.DataFrame:
        with duckdb.connect() as con:
            con.execute("set timezone = 'UTC'")
            con.execute(";\n".join(macros))
            for name, frame in frames.items():
                con.register(name, frame.to_arrow())
            return con.sql(model["query"]).pl()

    return made


@dg.multi_asset_check(specs=[dg.AssetCheckSpec(rule, asset=FOUND) for rule in RULES], ins={"found": dg.AssetIn(FOUND)})
def rules(found: pl.DataFrame):
    fired = dict(found.group_by("rule").len().rows())
    for rule in RULES:
        yield dg.AssetCheckResult(
            check_name=rule,
            passed=not fired.get(rule),
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"rows": fired.get(rule, 0)},
        )


def main(root: Path, manager: str) -> None:
    said = json.loads((root / "models.json").read_text("utf-8"))
    out = root / "dagster"
    out.mkdir()
    io = (
        DuckDBPolarsIOManager(database=str(out / "night.duckdb"), schema="main")
        if manager == "duckdb"
        else PolarsParquetIOManager(base_dir=str(out))
    )
    assets = [asset_of(model, said["macros"]) for model in said["models"]]
    with dg.DagsterInstance.get() as instance:
        done = dg.materialize([*assets, rules], instance=instance, resources={"io_manager": io})
    sys.exit(0 if done.success else 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
