"""The wall chart as a product of every release."""

from types import SimpleNamespace

import dagster as dg
import duckdb

from tests.pipelines.conftest import warehouse


def test_a_release_renews_the_wall_chart_and_samples_are_said_to_be_samples(released: SimpleNamespace) -> None:
    page = (released.data / "reports" / "wallchart.html").read_text("utf-8")
    with duckdb.connect(str(warehouse(released.data)), read_only=True) as con:
        [(release,)] = con.execute("select release from release").fetchall()
    assert f'"release":"{release}"' in page
    assert '<p class="synthetic"><strong data-word="synthetic">' in page
    event = released.instance.get_latest_materialization_event(dg.AssetKey("wallchart"))
    said = event.asset_materialization.metadata
    assert said["targets"].value == 254
    assert said["bytes"].value == len(page.encode()) < 3_000_000
    assert len(said["status by capability"].value.records) == 8
