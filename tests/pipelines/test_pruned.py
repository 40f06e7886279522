"""`wallchart prune` and the history of Dagster's runs: shown first, and what an asset still rests on stays."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from expectations.load import PLANS
from pipelines.pruned import show_pruned
from pipelines.settings import Settings

DAY = dt.timedelta(days=1)


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["2022-01", "2022-02"]))
def judged() -> None: ...


@dg.asset
def released() -> None: ...


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    (tmp_path / "dagster").mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    return Settings(tmp_path, [], {}, {}, PLANS / "shenyang-2022", tmp_path)


@pytest.fixture
def instance(config: Settings) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.get() as instance:
        yield instance


def test_runs_go_when_they_are_old_and_what_they_made_was_made_again_since(
    config: Settings, instance: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(asset: dg.AssetsDefinition, month: str | None = None) -> str:
        return dg.materialize([asset], instance=instance, partition_key=month).run_id

    first, january, february = run(judged, "2022-01"), run(judged, "2022-01"), run(judged, "2022-02")
    twice = [run(released), run(released)]
    now = dt.datetime.now(dt.UTC)

    show_pruned(config, now + 89 * DAY, delete=True)
    assert "nothing has outlived its use" in capsys.readouterr().out
    show_pruned(config, now + 91 * DAY, delete=False)
    said = capsys.readouterr().out
    for words in ("runs of Dagster", "WALLCHART_KEEP_RUNS_DAYS", "Nothing was deleted"):
        assert words in said
    assert len(instance.get_runs()) == 5

    before = sum(p.stat().st_size for p in (config.data / "dagster").rglob("*") if p.is_file())
    show_pruned(config, now + 91 * DAY, delete=True)
    assert {r.run_id for r in instance.get_runs()} == {january, february, twice[1]}
    assert instance.get_materialized_partitions(judged.key) == {"2022-01", "2022-02"}
    assert instance.get_latest_materialization_event(released.key) is not None
    after = sum(p.stat().st_size for p in (config.data / "dagster").rglob("*") if p.is_file())
    assert after < before
    assert not list((config.data / "dagster").rglob(f"{first}*"))
    assert not list((config.data / "dagster").rglob(f"{twice[0]}*"))
