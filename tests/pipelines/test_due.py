"""Documents by the calendar: of what is due, once, and of a release that knows it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from expectations.model import Plan
from pipelines.due import document_schedules, with_freshness
from pipelines.settings import Settings, settings
from tests.night import SHANGHAI, Night, long_csv

MAY = dt.datetime(2022, 5, 10, 6, tzinfo=SHANGHAI)  # the first quarter's figures were due by the end of 26 April


def asked(config: Settings, plan: Plan, name: str, at: dt.datetime, instance: dg.DagsterInstance) -> list[str] | str:
    """The periods that the schedule asks for at a time, or why none."""
    _, schedules = document_schedules(config, plan)
    [schedule] = [s for s in schedules if s.name == f"{name}_when_due"]
    said = schedule(dg.build_schedule_context(instance=instance, scheduled_execution_time=at))
    return said.skip_message if isinstance(said, dg.SkipReason) else [str(r.partition_key) for r in said]


@pytest.mark.slow
def test_a_document_is_made_once_when_its_figures_are_due_and_a_release_knows_them(
    night: Callable[..., Night], plan: Plan, tmp_path: Path
) -> None:
    config = replace(settings(), data=tmp_path / "data")
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        assert "2022Q1 (due before 2022-04-27 00:00): waiting for a release" in asked(
            config, plan, "self_check", MAY, instance
        )
        files = {"science/a.csv": long_csv(("high_tech_firms", "", "2022Q1", "", 4100, "家"))}
        sent = dict.fromkeys(files, MAY - dt.timedelta(days=20))
        made = night(files, sent, MAY - dt.timedelta(days=20))
        early = replace(config, data=made.store.root)
        assert "waiting for a release" in asked(early, plan, "self_check", MAY, instance)
        night({}, {}, MAY - dt.timedelta(hours=3), root=made.root)
        assert "is due has been made" in asked(early, plan, "self_check", MAY - dt.timedelta(days=14), instance)
        assert asked(early, plan, "self_check", MAY, instance) == ["2022Q1"]
        assert "is due has been made" in asked(early, plan, "assessment", MAY, instance)
        instance.report_runless_asset_event(dg.AssetMaterialization("self_check", partition="2022Q1"))
        assert "is due has been made" in asked(early, plan, "self_check", MAY, instance)
        night({}, {}, dt.datetime(2023, 4, 10, 2, tzinfo=SHANGHAI), root=made.root)
        later = dt.datetime(2023, 4, 10, 6, tzinfo=SHANGHAI)  # mornings were missed: all that is due, once
        assert asked(early, plan, "self_check", later, instance) == ["2022Q2", "2022Q3", "2022Q4"]
        assert asked(early, plan, "assessment", later, instance) == ["2022"]


def test_a_night_that_did_not_come_is_late_in_the_plans_own_time_zone(plan: Plan) -> None:
    @dg.asset
    def landed_files() -> None: ...

    @dg.asset
    def preview() -> None: ...

    policies = {
        spec.key.to_user_string(): spec.freshness_policy
        for made in with_freshness([landed_files, preview], plan)
        for spec in made.specs
    }
    night = policies["landed_files"]
    assert (night.deadline_cron, night.timezone) == ("0 4 * * *", "Asia/Shanghai")
    assert night.lower_bound_delta == dt.timedelta(hours=2)  # since two in the morning
    assert policies["preview"] is None
