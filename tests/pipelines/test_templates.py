"""Fill-in workbooks from the command line and from Dagster."""

from pathlib import Path
from types import SimpleNamespace

import dagster as dg
from click.testing import CliRunner

from pipelines.cli import main


def forms(city: SimpleNamespace, period: str) -> set[str]:
    return {Path(p).name for p in (city.data / "templates" / period).glob("*.xlsx")}


def test_a_range_of_months_is_one_run_and_each_month_says_how_many_workbooks_it_has(city):
    job = city.definitions.defs.resolve_implicit_global_asset_job_def()
    months = {"dagster/asset_partition_range_start": "2021-12", "dagster/asset_partition_range_end": "2022-01"}
    with dg.DagsterInstance.ephemeral() as instance:
        run = job.execute_in_process(instance=instance, asset_selection=[dg.AssetKey("templates")], tags=months)
        said = {
            event.partition: event.materialization.metadata["workbooks"].value
            for event in run.get_asset_materialization_events()
        }
    assert said == {"2021-12": 0, "2022-01": len(forms(city, "2022-01"))}
    assert "commerce-2022-01.xlsx" in forms(city, "2022-01")


def test_the_command_line_says_what_it_wrote_or_why_it_could_not(city):
    wrote = CliRunner().invoke(main, ["templates", "2022年上半年", "sasac", "commerce"])
    assert wrote.exit_code == 0, wrote.output
    assert forms(city, "2022H1") == {"sasac-2022H1.xlsx", "commerce-2022H1.xlsx"}
    assert "sasac-2022H1.xlsx" in wrote.output
    assert "the first due before 2022-04-26 24:00" in wrote.output
    for asked, answer in (["June"], "is no period"), (["2021-06"], "the plan runs from 2022-01-01"):
        refused = CliRunner().invoke(main, ["templates", *asked])
        assert refused.exit_code == 1
        assert answer in refused.output
