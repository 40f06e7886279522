"""The night and the engineer: what the jobs, the sensor and the checks do on a real instance."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import duckdb
import pytest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionResolvedStatus as Resolved

from tests.pipelines.conftest import look, run_job, warehouse
from warehouse.store import month_of

ROOT = Path(__file__).parent.parent.parent


def rows(data: Path, query: str) -> list[tuple]:
    with duckdb.connect(str(warehouse(data)), read_only=True) as con:
        return con.execute(query).fetchall()


def months_by_status(city: SimpleNamespace, check: str) -> dict[Resolved, set[str]]:
    """What the UI's colours are made of."""
    key = dg.AssetCheckKey(dg.AssetKey("judged_rows"), check)
    partitions = city.definitions.months
    state = city.instance.event_log_storage.get_asset_check_state([(key, partitions)])[key]
    return {
        status: set(subset.subset_value.get_partition_keys())
        for status, subset in state.subsets.items()
        if not subset.is_empty
    }


def test_after_a_landing_the_sensor_asks_for_the_months_touched_in_one_run(landed):
    request = landed.asked
    assert request.job_name == "refresh"
    assert request.tags["dagster/asset_partition_range_start"] == "2021-01"
    assert request.tags["dagster/asset_partition_range_end"] == "2022-12"
    # once a landing: a refresh that fails for good is not asked for every half minute
    assert "nothing has been landed or judged since" in landed.asked_again


def test_a_run_over_many_months_puts_each_checks_verdict_on_its_own_month(released):
    returned = {
        month
        for (month,) in duckdb.execute(
            f"select distinct month from read_parquet('{released.store.months}/*/validity.parquet')"
        ).fetchall()
    }
    assert 0 < len(returned) < 24
    every = set(released.definitions.months.get_partition_keys())
    assert len(every) == 24
    assert months_by_status(released, "validity") == {Resolved.FAILED: returned, Resolved.SUCCEEDED: every - returned}
    assert months_by_status(released, "structure") == {Resolved.SUCCEEDED: every}


def test_a_departments_bad_rows_never_hold_the_release_back(released):
    [(rows_returned,)] = rows(released.data, "select sum(rows_returned) from submission")
    assert rows_returned > 0
    assert rows(released.data, "select count(*) from target") == rows(
        released.data, "select count(distinct target) from progress"
    )


def test_with_nothing_new_the_sensor_asks_for_nothing(released):
    assert "nothing new" in look(released)


@pytest.mark.slow
def test_one_late_file_refreshes_its_own_months_and_leaves_the_others(released, tmp_path):
    before = {p: p.stat().st_mtime_ns for p in released.store.months.glob("*/row.parquet")}
    late = released.box / "statistics" / "2022" / "gdp-late.csv"
    late.write_text("指标编码,报告期,数值,单位\ngdp,2022Q2,3600,亿元\n", "utf-8")
    run_job(released, "nightly")
    request = look(released)
    assert (request.job_name, request.tags["dagster/asset_partition_range_start"]) == ("refresh", "2022-06")
    assert request.tags["dagster/asset_partition_range_end"] == "2022-06"
    assert run_job(released, request.job_name, request.tags).success
    after = {p: p.stat().st_mtime_ns for p in released.store.months.glob("*/row.parquet")}
    assert {month_of(p.parent) for p in after if after[p] != before[p]} == {"2022-06"}
    assert rows(
        released.data,
        "select value, known_to is null from observation where indicator = 'gdp' and period = '2022Q2' order by known_from",
    )[-1] == (3600.0, True)


def test_after_months_were_judged_by_hand_a_release_is_asked_for_only_where_something_changed(released):
    job = released.definitions.defs.resolve_implicit_global_asset_job_def()
    done = job.execute_in_process(
        instance=released.instance, partition_key="2022-03", asset_selection=[dg.AssetKey("judged_rows")]
    )
    assert done.success
    assert "nothing new" in look(released)


@pytest.mark.slow
def test_a_rule_that_crashes_fails_the_run_and_leaves_the_last_release_standing(released, monkeypatch):
    from expectations import suites

    standing = rows(released.data, "select release from release")
    monkeypatch.setattr(suites.ExpectFigure, "broken", "no_such_column > 1")
    tags = {"dagster/asset_partition_range_start": "2022-03", "dagster/asset_partition_range_end": "2022-04"}
    run = run_job(released, "refresh", tags)
    assert not run.success
    assert not run.asset_materializations_for_node("release")
    failed = months_by_status(released, "structure")[Resolved.FAILED]
    assert {"2022-03", "2022-04"} <= failed
    assert rows(released.data, "select release from release") == standing
    monkeypatch.undo()
    assert run_job(released, "refresh", tags).success
    assert Resolved.FAILED not in months_by_status(released, "structure")


def test_loading_the_definitions_does_not_import_great_expectations(city):
    said = subprocess.run(
        [sys.executable, "-c", "import pipelines.definitions, sys; print('great_expectations' in sys.modules)"],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    assert said.stdout.strip() == "False"


@pytest.mark.slow
def test_the_command_line_runs_the_night_once_and_then_finds_nothing_new(tmp_path):
    environment = os.environ | {"WALLCHART_DATA": str(tmp_path / "data")}
    command = [sys.executable, "-m", "pipelines.cli", "run"]
    first = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
    assert first.returncode == 0, first.stderr
    assert "SYNTHETIC" in first.stdout
    assert "Progress by capability" in first.stdout
    assert str(warehouse(tmp_path / "data")) in first.stdout
    standing = rows(tmp_path / "data", "select release from release")
    second = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=True)
    assert "Nothing new" in second.stdout
    assert rows(tmp_path / "data", "select release from release") == standing


@pytest.mark.slow
def test_a_missing_source_is_named_and_the_run_says_what_to_do(tmp_path):
    environment = os.environ | {"WALLCHART_DATA": str(tmp_path / "data"), "WALLCHART_SOURCES": "file:///no/such/folder"}
    command = [sys.executable, "-m", "pipelines.cli", "run"]
    said = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
    assert "/no/such/folder is not a folder" in said.stdout + said.stderr
