"""Backfills as docs/backfills.md tells them: clicked in the real UI, and looked at there and in the instance."""

from __future__ import annotations

import duckdb
import pytest
from dagster import AssetCheckKey, AssetKey, DagsterRunStatus
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Stored
from playwright.sync_api import expect

from tests.ui.conftest import Ui

pytestmark = pytest.mark.slow

CHECKS = ("structure", "validity", "quality", "documented")
QUARTER = ["2022-01", "2022-02", "2022-03"]
PREVIEW = """ops:
  preview:
    config:
      months:
        - 2022-01...2022-03
"""
AGAIN = """ops:
  read_rows:
    config:
      read_again:
        - all
"""
WATER = """ops:
  judge:
    config:
      departments:
        - water
"""


def evaluated(ui: Ui, check: str, month: str) -> tuple[Stored, str]:
    """The latest evaluation of a check on a month's own partition: how it ended, and by which run."""
    key = AssetCheckKey(AssetKey("judged_rows"), check)
    [latest] = ui.instance.event_log_storage.get_asset_check_execution_history(
        key, limit=1, partition_filter=PartitionKeyFilter(key=month)
    )
    return latest.status, latest.run_id


def returned(ui: Ui, month: str) -> int:
    file = ui.store.month(month) / "validity.parquet"
    return int(duckdb.execute(f"select count(*) from read_parquet('{file}')").fetchall()[0][0])


def test_a_preview_from_the_launchpad_shows_what_would_change_and_changes_nothing(ui: Ui) -> None:
    before = {p: p.stat().st_mtime_ns for p in ui.store.months.rglob("*.parquet")}
    run = ui.materialize_with("preview", PREVIEW, "preview-config")
    assert run.status == DagsterRunStatus.SUCCESS, ui.log(run)
    assert "0 of 3 months are done" in ui.log(run)
    assert {p: p.stat().st_mtime_ns for p in ui.store.months.rglob("*.parquet")} == before
    ui.open("/assets/preview")
    for said in ("months: 2022-01...2022-03", "2022-01, 2022-02, 2022-03", "no: it would be made of the inputs of the"):
        expect(ui.page.get_by_text(said).first).to_be_visible()
    ui.shot("preview")


def test_months_chosen_on_the_assets_page_are_one_run_and_each_month_has_its_own_colours(ui: Ui) -> None:
    before = {r.run_id for r in ui.instance.get_runs()}
    ui.backfill("[2022-01...2022-03]", None, "backfill-months")
    ui.backfill(None, WATER, "backfill-department")
    runs = [r for r in ui.ended(before, 2) if "dagster/backfill" in r.tags]
    assert [r.status for r in runs] == [DagsterRunStatus.SUCCESS] * 2
    quarter, water = sorted(runs, key=lambda r: "ops" in r.run_config)
    assert "judging" in ui.log(quarter)
    assert "0 of 3 months are done" in ui.log(quarter)
    for month in QUARTER:
        at = {check: evaluated(ui, check, month) for check in CHECKS}
        assert at["structure"][0] == at["documented"][0] == Stored.SUCCEEDED
        assert (at["validity"][0] == Stored.SUCCEEDED) == (returned(ui, month) == 0)

    with duckdb.connect(str(ui.store.warehouse / "current" / "warehouse.duckdb"), read_only=True) as con:
        [(theirs,)] = con.execute(
            "select count(distinct strftime(period_end, '%Y-%m')) from observation where department = 'water'"
        ).fetchall()
    assert f"{theirs} of 24 months have rows of water" in ui.log(water)

    ui.open("/assets/judged_rows?view=partitions&partition=2022-02")
    expect(ui.page.get_by_text("rows returned").first).to_be_visible()
    ui.shot("backfill-month")
    ui.open("/assets/judged_rows?view=checks&checkDetail=validity")
    expect(ui.page.get_by_text("No row was returned to a department").first).to_be_visible()
    ui.shot("backfill-checks")


def test_everything_is_read_from_landing_again_and_comes_out_the_same(ui: Ui) -> None:
    rows = {p.name: p.read_bytes() for p in ui.store.rows.glob("*.parquet")}
    run = ui.materialize_with("read_rows", AGAIN, "read-again")
    assert run.status == DagsterRunStatus.SUCCESS, ui.log(run)
    assert f"{len(rows)} files are read again from landing" in ui.log(run)
    assert {p.name: p.read_bytes() for p in ui.store.rows.glob("*.parquet")} == rows


def test_marts_alone_make_a_release_that_stands_beside_what_was_previewed(ui: Ui) -> None:
    standing = (ui.store.warehouse / "current").resolve()
    before = {r.run_id for r in ui.instance.get_runs()}
    ui.open("/locations/wallchart/jobs/republish")
    ui.page.get_by_role("button", name="Materialize").first.click()
    [run] = [r for r in ui.ended(before, 1) if r.job_name == "republish"]
    assert run.status == DagsterRunStatus.SUCCESS, ui.log(run)
    assert (ui.store.warehouse / "current").resolve() != standing
    ui.open("/assets/release")
    expect(ui.page.get_by_text("what was previewed, and what came").first).to_be_visible()
    ui.shot("release-previewed")
