"""The command line: the same jobs that the schedule and the sensor start, run here and now, with a table at the end."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from expectations.load import PlanError
from pipelines.settings import ROOT, Settings, settings


def dagster_home(config: Settings) -> Path:
    """DAGSTER_HOME under the data folder, with the repository's dagster.yaml in force."""
    home = config.data / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    yaml = home / "dagster.yaml"
    if not yaml.is_symlink():
        yaml.symlink_to(os.path.relpath(ROOT / "dagster.yaml", home))
    os.environ["DAGSTER_HOME"] = str(home)
    return home


class Commands(click.Group):
    """A faulty plan is the user's to mend: said in its own words, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PlanError as e:
            raise click.ClickException(f"the plan cannot be compiled:\n{e}") from e


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Wallchart: from a city's plan and its departments' submissions to a warehouse of progress against plan."""


@main.command()
def run() -> None:
    """Run the nightly job: land, refresh, release. Writes sample submissions first if there are none."""
    config = settings()
    _samples_if_none(config)
    dagster_home(config)
    from pipelines.nightly import run_night

    night = run_night(config, click.echo)
    if not night.succeeded:
        click.secho(f"the run failed: {night.why}", fg="red", err=True)
        click.echo("The last release still stands. `make ui`, then Runs, shows the log.", err=True)
        sys.exit(1)
    from pipelines.summary import show

    show(config, night)


@main.command()
@click.option("--seed", default=2022, show_default=True)
def samples(seed: int) -> None:
    """Write synthetic sample submissions into the drop boxes (data/dropbox)."""
    from pipelines.samples import write_samples

    config = settings()
    written = write_samples(config.plan(), config.data / "dropbox", seed)
    click.echo(f"{len(written)} synthetic files in {config.data / 'dropbox'}")


@main.command()
@click.option("--schemas", is_flag=True, help="Write the JSON Schemas that let an editor complete a plan's files.")
@click.option(
    "--draft",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Print a draft of targets.yaml, as the clause reader reads this text.",
)
@click.option("--year", type=int, help="The year of the draft's plan.")
@click.option("--diff", nargs=2, type=int, help="Say what changed from one revision of the plan to another.")
def plan(schemas: bool, draft: Path | None, year: int | None, diff: tuple[int, int] | None) -> None:
    """Compile the plan: print what it holds and what is wrong with it, or every fault with file and line."""
    from expectations.load import PLANS
    from expectations.load import schemas as schema_texts

    if schemas:
        for name, schema in schema_texts().items():
            (PLANS / "schema" / name).write_text(schema, "utf-8")
        return
    if draft is not None:
        from expectations.clauses import draft as drafted

        if year is None:
            raise click.UsageError("--draft needs --year: dates such as 7月底 are of that year")
        click.echo(drafted(draft.read_bytes().decode("utf-8"), year), nl=False)
        return
    config = settings()
    loaded = config.plan()
    if diff is not None:
        from expectations.revisions import diff as difference

        click.echo("\n".join(difference(loaded, *diff)) or "nothing changed")
        return
    from pipelines.planned import show_plan

    if not show_plan(loaded, config.plan_text(loaded)):
        sys.exit(1)


@main.command()
def docs() -> None:
    """Write the generated pages of docs/."""
    from expectations.load import PLANS, load_plan
    from expectations.page import page
    from warehouse.dictionary import markdown

    (ROOT / "docs" / "dictionary.md").write_text(markdown(), "utf-8")
    (ROOT / "docs" / "plan").mkdir(exist_ok=True)
    for folder in sorted(path.parent for path in PLANS.glob("*/plan.yaml")):
        (ROOT / "docs" / "plan" / f"{folder.name}.md").write_text(page(load_plan(folder)), "utf-8")


@main.command()
@click.option("--port", default=3000, show_default=True)
def ui(port: int) -> None:
    """Start the Dagster UI and daemon on 127.0.0.1, state under the data folder."""
    os.chdir(dagster_home(settings()))
    click.echo(f"http://127.0.0.1:{port}  (Ctrl-C ends it)")
    command = [
        sys.executable,
        "-m",
        "dagster",
        "dev",
        "-w",
        str(ROOT / "workspace.yaml"),
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    os.execv(sys.executable, command)


def _samples_if_none(config: Settings) -> None:
    box = config.data / "dropbox"
    if config.sources == [box.as_uri()] and not (box.is_dir() and any(box.iterdir())):
        from pipelines.samples import write_samples

        written = write_samples(config.plan(), box)
        click.echo(f"no submissions yet: wrote {len(written)} SYNTHETIC sample files to {box}")


if __name__ == "__main__":
    main()
