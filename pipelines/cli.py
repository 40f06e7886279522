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
def plan(schemas: bool) -> None:
    """Compile the plan: print what it holds, or every fault with file and line."""
    from expectations.compiled import compiled
    from expectations.load import PLANS, misplaced_clauses
    from expectations.load import schemas as schema_texts

    config = settings()
    if schemas:
        for name, schema in schema_texts().items():
            (PLANS / "schema" / name).write_text(schema, "utf-8")
        return
    loaded = config.plan()
    tables = compiled(loaded)
    click.echo(f"{loaded.head.name_zh} ({loaded.head.plan}, revision {loaded.head.revision})")
    for name in ("target", "indicator", "department", "obligation", "published", "rule"):
        click.echo(f"  {name:<12}{tables[name].height:>6}")
    text = config.plan_text(loaded)
    if not text.is_file():
        click.echo(f"  the plan's text is not at hand ({text}): clauses not checked")
    elif faults := misplaced_clauses(loaded, text.read_text("utf-8")):
        click.echo("\n".join(faults), err=True)
        sys.exit(1)
    else:
        click.echo("  every clause stands at its place in the text")


@main.command()
def docs() -> None:
    """Write the generated pages of docs/."""
    from warehouse.dictionary import markdown

    (ROOT / "docs" / "dictionary.md").write_text(markdown(), "utf-8")


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
