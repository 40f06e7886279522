"""The command line: the same jobs that the schedule and the sensor start, run here and now, with a table at the end."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from expectations.load import PlanError
from pipelines.ended import at_once
from pipelines.settings import ROOT, Settings, SettingsError, own_source, settings
from warehouse.store import holder, locked
from warehouse.trouble import StoreError, of_disk


def dagster_home(config: Settings) -> Path:
    """DAGSTER_HOME under the data folder, with the repository's dagster.yaml in force."""
    home = config.data / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    yaml = home / "dagster.yaml"
    if not yaml.exists():  # nor where the data folder was moved, and the link leads nowhere
        yaml.unlink(missing_ok=True)
        yaml.symlink_to(os.path.relpath(ROOT / "dagster.yaml", home))
    os.environ["DAGSTER_HOME"] = str(home)
    return home


class Commands(click.Group):
    """A faulty plan or setting is the user's to mend: said in its own words, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PlanError as e:
            raise click.ClickException(f"the plan cannot be compiled:\n{e}") from e
        except (SettingsError, StoreError) as e:
            raise click.ClickException(str(e)) from e
        except Exception as e:
            config = settings()
            if said := of_disk(e, config.data, config.store.wanted):  # Dagster's own files lie on that disk too
                raise click.ClickException(said) from e
            raise


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Wallchart: from a city's plan and its departments' submissions to a warehouse of progress against plan."""


@main.command()
@click.option("--clock-is-right", is_flag=True, help="Run though the current release is of a later time: once.")
def run(clock_is_right: bool) -> None:
    """Run the nightly job: land, refresh, release. Writes sample submissions first if there are none."""
    config = settings()
    from pipelines.alerts import after_crash, after_night
    from pipelines.console import log_format, voice

    say = voice()
    try:
        _samples_if_none(config, say)
        dagster_home(config)
        from pipelines.definitions import compiled_plan, defs
        from pipelines.nightly import run_night

        night = run_night(config, say, clock_is_right=clock_is_right)
    except Exception as e:
        after_crash(config, e, say)
        raise
    after_night(defs, config, compiled_plan, say)
    if config.metrics_file:
        from pipelines.metrics import write

        write(config, compiled_plan)
    if not night.succeeded:
        click.secho(f"the run failed: {night.why}", fg="red", err=True)
        click.echo("The last release still stands. `make ui`, then Runs, shows the log.", err=True)
        sys.exit(1)
    if log_format() == "json":
        for warning in night.warnings:
            say(warning)
        say(f"{'released' if night.released else 'nothing new'}; {night.landed} new files, {night.seconds:.1f} s")
        return
    from pipelines.summary import show

    show(config, night)


@main.command()
@click.option("--dry-run", is_flag=True, help="Print what is wrong and the messages, and send none.")
def alerts(dry_run: bool) -> None:
    """Print what is wrong, and tell whoever runs the machine, once (see docs/observing.md). For cron, where no daemon runs."""
    import dagster as dg

    from pipelines.alerts import beat, news, note_night, nothing_to_tell, tell, watched

    config = settings()
    dagster_home(config)
    from pipelines.definitions import compiled_plan, defs

    now = dt.datetime.now(dt.UTC)
    with dg.DagsterInstance.get() as instance:
        note_night(instance, config, compiled_plan)
        troubles = watched(instance, defs, config, compiled_plan, now)
    for t in troubles:
        click.echo("\n".join(["", t.title, *t.what, t.link]).rstrip())
    if dry_run:
        for m in news(config, compiled_plan, troubles, now):
            click.echo(f"\nto {m.recipient or 'the office'}\n{m.title}\n{m.body}")
    nothing = nothing_to_tell(config, compiled_plan, troubles, now)
    if nothing or dry_run:
        click.echo(nothing or "dry run: nothing was sent")
        failed = []
    else:
        done = tell(config, compiled_plan, troubles, now)
        click.echo(f"{done.sent} messages sent, {done.waiting} waiting")
        failed = list(done.failed)
    if not dry_run and (unheard := beat(config)):
        failed.append(unheard)
    for failure in failed:
        click.secho(f"{failure}; tried again the next time", fg="red", err=True)
    if failed:
        sys.exit(1)


@main.command()
@click.option(
    "--textfile", type=click.Path(dir_okay=False, path_type=Path), help="Write them there, whole or not at all."
)
@click.option("--serve", type=int, metavar="PORT", help="Serve them on 127.0.0.1, as of each scrape.")
def metrics(textfile: Path | None, serve: int | None) -> None:
    """Print metrics in the Prometheus format (see docs/observing.md)."""
    from pipelines.metrics import exposition, serving, write

    config = settings()
    dagster_home(config)
    loaded = config.plan()
    if textfile:
        write(config, loaded, textfile)
    if serve:
        click.echo(f"http://127.0.0.1:{serve}/metrics  (Ctrl-C ends it)", err=True)
        serving(config, loaded, serve)
    if not textfile and not serve:
        click.echo(exposition(config, loaded), nl=False)


@main.command()
@click.option("--seed", default=2022, show_default=True)
def samples(seed: int) -> None:
    """Write synthetic sample submissions into the drop boxes (data/dropbox)."""
    from pipelines.samples import write_samples

    config = settings()
    written = write_samples(config.plan(), config.data / "dropbox", seed)
    click.echo(f"{len(written)} synthetic files in {config.data / 'dropbox'}")


@main.command()
@click.argument("period")
@click.argument("departments", nargs=-1)
def templates(period: str, departments: tuple[str, ...]) -> None:
    """Write the fill-in workbooks of PERIOD (2022-06, 2022Q2, 2022), of all DEPARTMENTS or those named."""
    from warehouse.templates import TemplateError, shown_due, write_templates

    config = settings()
    loaded = config.plan()
    today = dt.datetime.now(ZoneInfo(loaded.head.timezone)).date()
    try:
        written = write_templates(config.store, loaded, period, today, departments)
    except TemplateError as e:
        raise click.ClickException(str(e)) from e
    if not written:
        raise click.ClickException(
            f"nothing is owed for {period}: the plan runs from {loaded.head.starts} to {loaded.head.ends}"
        )
    for w in written:
        click.echo(f"{w.path.name:<44}{w.figures:>5} figures, the first due before {shown_due(w.due_first, loaded)}")
    click.echo(f"{len(written)} workbooks in {written[0].path.parent}")


@main.command()
@click.option("--schemas", is_flag=True, help="Write the JSON Schemas that let an editor complete a plan's files.")
@click.option(
    "--draft",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Print a draft of targets.yaml, as the clause reader reads this text.",
)
@click.option("--year", type=int, help="The year of the draft's plan: the one in which it starts.")
@click.option(
    "--first-month", type=click.IntRange(1, 12), default=1, show_default=True, help="In which month that year starts."
)
@click.option("--diff", nargs=2, type=int, help="Say what changed from one revision of the plan to another.")
def plan(schemas: bool, draft: Path | None, year: int | None, first_month: int, diff: tuple[int, int] | None) -> None:
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
        click.echo(drafted(draft.read_bytes().decode("utf-8"), year, first_month), nl=False)
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
@click.argument("period")
@click.option("--as-known-at", help="As known at this time, 2022-07-20T09:00 (without a zone: the plan's).")
@click.option("--release", help="Of this release, by its name, instead of the current one.")
def report(period: str, as_known_at: str | None, release: str | None) -> None:
    """Write the self-check of a quarter (2022Q2) or the assessment of a year (2022), for Word and as a page."""
    from warehouse.reports.documents import ReportError, write

    try:
        known_at = None if as_known_at is None else dt.datetime.fromisoformat(as_known_at)
        written = write(settings().store, period, known_at, release)
    except (ReportError, ValueError) as e:
        raise click.ClickException(str(e)) from e
    said = written.facts.summary
    click.echo(f"{period}: {said['tested']} targets, {said['missed']} missed, {said['at_risk']} at risk")
    click.echo(f"{written.docx}\n{written.html}")


@main.command()
@click.argument("department")
@click.argument("quarter")
@click.option("--role", required=True, help="Who certifies, by role: head of statistics. Never a name.")
def certify(department: str, quarter: str, role: str) -> None:
    """Certify the figures of DEPARTMENT for QUARTER (2022Q1) as they stand; prints the receipt number."""
    from warehouse.filings import FilingError
    from warehouse.filings import certify as certified

    config = settings()
    try:
        done = certified(config.store, config.plan(), department, quarter, role, dt.datetime.now(dt.UTC))
    except FilingError as e:
        raise click.ClickException(str(e)) from e
    click.echo(f"{done.number}: {done.figures} figures of {department} for {quarter}, certified by {role}")


@main.command()
@click.argument("submission")
@click.option("--role", required=True, help="Who withdraws it, by role. Never a name.")
@click.option("--why", required=True, help="Why it is withdrawn.")
def withdraw(submission: str, role: str, why: str) -> None:
    """Withdraw SUBMISSION: what its figures replaced stands again from now on, at the next refresh."""
    from warehouse.filings import FilingError
    from warehouse.filings import withdraw as withdrawn

    try:
        path = withdrawn(settings().store, submission, role, why, dt.datetime.now(dt.UTC))
    except FilingError as e:
        raise click.ClickException(str(e)) from e
    click.echo(f"{path} ({submission}) is withdrawn; the next refresh makes it so: `wallchart run`")


@main.command()
@click.option("--dry-run", is_flag=True, help="Print the messages instead of sending them.")
def reminders(dry_run: bool) -> None:
    """Print who owes what, and remind departments and the office of it, each once (see docs/reminders.md)."""
    from pipelines.reminders import messages, nothing_to_do, notifier, owed, remind, show, strangers

    config = settings()
    loaded = config.plan()
    now = dt.datetime.now(dt.UTC)
    found = owed(config.store, loaded, now)
    if found is None:
        raise click.ClickException("no release says what is owed yet: `make run` first")
    show(loaded, found)
    for fault in strangers(config, loaded):
        click.secho(fault, fg="yellow", err=True)
    nothing = nothing_to_do(config, loaded, now)
    if dry_run:
        for m in notifier(config, loaded).unsaid(messages(config, loaded, now), now):
            click.echo(f"\nto {m.recipient or 'the office'}\n{m.title}\n{m.body}")
    if nothing or dry_run:
        click.echo(nothing or "dry run: nothing was sent")
        return
    done = remind(config, loaded, now)
    click.echo(f"{done.sent} messages sent, {done.waiting} waiting")
    for failure in done.failed:
        click.secho(f"{failure}; tried again the next time", fg="red", err=True)
    if done.failed:
        sys.exit(1)


@main.command(name="releases")
def list_releases() -> None:
    """List the releases: which is current, which was rolled back."""
    from pipelines.released import show_releases

    config = settings()
    show_releases(config.store, config.plan())


@main.command()
@click.argument("release", required=False)
def rollback(release: str | None) -> None:
    """Make RELEASE current again: by default the newest before the current that was made of other inputs. The wall chart
    and SDMX follow."""
    import duckdb

    from pipelines.released import show_releases
    from warehouse.releases import ReleaseError
    from warehouse.releases import rollback as rolled
    from warehouse.reports.wallchart import wallchart
    from warehouse.sdmx import write

    config = settings()
    try:
        done = rolled(config.store, release, dt.datetime.now(dt.UTC))
    except ReleaseError as e:
        raise click.ClickException(str(e)) from e
    file = config.store.warehouse / "current" / "warehouse.duckdb"
    try:
        wallchart(file, config.store.reports / "wallchart.html")
        write(file, config.store.sdmx)
    except duckdb.Error as e:
        click.secho(
            f"{done.now} is from before the wall chart or SDMX, which still show another: {e}", fg="red", err=True
        )
    show_releases(config.store, config.plan())
    click.echo(f"current was {done.left or 'nothing'}, is now {done.now}: whoever opens the warehouse now sees it")
    if done.left and done.now < done.left:
        click.echo(f"Of the inputs of {done.left} nothing is released any more. What is sent, mended or falls due")
        click.echo("releases anew, from then on without this rollback (docs/operations.md, Roll back).")


@main.command()
@click.argument("before", required=False)
@click.argument("after", required=False)
@click.option("--all", "everything", is_flag=True, help="Print every change, not the first forty.")
def diff(before: str | None, after: str | None, everything: bool) -> None:
    """Say what changed, and why, from release BEFORE (by default the one before) to AFTER (by default the current one)."""
    from pipelines.released import show_diff
    from warehouse.releases import ReleaseError

    try:
        show_diff(settings().store, before, after, everything=everything)
    except ReleaseError as e:
        raise click.ClickException(str(e)) from e


@main.command()
@click.option("--restore-ledger", is_flag=True, help="First put the ledger's copy in the place of the damaged ledger.")
def check(restore_ledger: bool) -> None:
    """Verify everything that was landed, read, judged, made and released; what can be made again is marked for the next run
    (docs/faults.md)."""
    from warehouse import integrity, ledger

    config = settings()
    if restore_ledger:
        with config.store.writing("restoring the ledger"):
            if not ledger.damage(config.store):
                raise click.ClickException(f"{config.store.ledger} is whole: nothing was restored")
            aside = ledger.restore(config.store)
        click.echo(f"the ledger is the copy that the last landing left; what stood there, if anything, is {aside}")
    found = integrity.check(config.store, click.echo)
    for f in found:
        click.secho(f.wrong, fg="red", err=True)
        click.echo(f"    {f.to_do}", err=True)
    click.echo(f"{len(found)} damaged" if found else "everything is as it was written")
    if found:
        sys.exit(1)


@main.command()
@click.option("--delete", is_flag=True, help="Delete what is listed.")
def prune(delete: bool) -> None:
    """List what has outlived its use, by which rule, and how much it frees; delete it only with --delete."""
    from pipelines.pruned import show_pruned

    config = settings()
    dagster_home(config)
    show_pruned(config, dt.datetime.now(dt.UTC), delete=delete)


@main.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def backup(folder: Path) -> None:
    """Copy into FOLDER what cannot be made again and is not there yet, also while a run is under way. FOLDER is a data
    folder itself: to restore is to copy it back."""
    from warehouse.backup import BackupError, back_up

    try:
        done = back_up(settings().store, folder, click.echo)
    except BackupError as e:
        raise click.ClickException(str(e)) from e
    current = f"current release {done.release}" if done.release else "no release yet"
    click.echo(
        f"{folder}: {done.submissions:,} submissions, {current}; {done.files:,} files were new ({done.bytes:,} bytes)"
    )


@main.command()
@click.argument("submission")
@click.argument("row", type=int, required=False)
def why(submission: str, row: int | None) -> None:
    """Say why rows of SUBMISSION were returned or flagged: its id, or (the end of) its file's path. Of one ROW, or of all."""
    from pipelines.asked import AskedError, show_why

    config = settings()
    try:
        show_why(config.store, config.plan().head.timezone, submission, row)
    except AskedError as e:
        raise click.ClickException(str(e)) from e


@main.command()
@click.argument("target")
@click.argument("period", required=False)
def where(target: str, period: str | None) -> None:
    """Say where the figure of TARGET comes from, and what promised it: of PERIOD (2022Q4), or the last one with a figure."""
    from pipelines.asked import AskedError, show_where

    config = settings()
    try:
        show_where(config.store, config.plan().head.timezone, target, period)
    except AskedError as e:
        raise click.ClickException(str(e)) from e


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
    from pipelines.console import log_format

    home = dagster_home(settings())
    lock = open(home / ".ui.lock", "a+")  # noqa: SIM115 - held by the process that this one becomes, until it ends
    if not locked(lock, "wallchart ui"):
        raise click.ClickException(f"one UI with its daemon is enough: {holder(home / '.ui.lock')}. End that one first")
    os.set_inheritable(lock.fileno(), True)
    os.chdir(home)
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
        "--log-format",
        "json" if log_format() == "json" else "colored",
    ]
    os.execv(sys.executable, command)


def _samples_if_none(config: Settings, say: Callable[[str], None]) -> None:
    box = config.data / "dropbox"
    if config.store.ledger.exists():
        return  # a city's own figures have landed here: empty drop boxes are no invitation
    if config.sources == [own_source(config.data)] and not (box.is_dir() and any(box.iterdir())):
        from pipelines.samples import write_samples

        written = write_samples(config.plan(), box)
        say(f"no submissions yet: wrote {len(written)} SYNTHETIC sample files to {box}")


def program() -> None:
    """`wallchart`: the command line in a process of its own."""
    try:
        main()
    except SystemExit as end:  # click ends with a number, always
        at_once(int(end.code or 0))
        raise


if __name__ == "__main__":
    program()
