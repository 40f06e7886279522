"""A whole night on a cluster, as somebody starts it: two variables, one command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from tests.spark.cluster import Cluster
from warehouse.store import Store, opened

pytestmark = pytest.mark.slow


def test_a_night_runs_on_the_cluster_releases_views_and_says_who_did_what(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    monkeypatch.setenv("WALLCHART_DATA", str(data))
    monkeypatch.setenv("WALLCHART_ENGINE", cluster.url)
    monkeypatch.setenv("WALLCHART_RELEASE", "views")
    command = [Path(sys.executable).with_name("wallchart"), "run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-5000:]
    store = Store(data)
    assert (store.marts / "progress.parquet").is_dir()
    with opened(store.warehouse / "current" / "warehouse.duckdb") as con:
        assert con.execute("select count(*) > 0 from progress").fetchall() == [(True,)]
    monkeypatch.setenv("DAGSTER_HOME", str(data / "dagster"))
    with dg.DagsterInstance.get() as instance:
        made = instance.get_latest_materialization_event(dg.AssetKey(["mart", "progress"]))
    assert made is not None
    assert made.asset_materialization is not None
    shown = made.asset_materialization.metadata
    assert str(shown["engine"].value).startswith("Spark 4.")
    assert str(shown["pages"].value) == cluster.ui
    assert shown["tasks"].value
    assert shown["dagster/row_count"].value
