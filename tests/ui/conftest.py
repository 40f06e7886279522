"""The UI as an engineer has it: `wallchart ui` on a city of some departments, and Debian's chromium to click in it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from playwright.sync_api import Locator, Page, sync_playwright

from expectations.model import Plan
from pipelines.samples import write_samples
from tests.servers import free_port, listens, wait_until
from warehouse.store import Store

ROOT = Path(__file__).parent.parent.parent
SENDERS = {"commerce", "transport", "water"}
PATIENCE = 400  # seconds for a run to end: the daemon looks every thirty, and the machine may be busy


@dataclass
class Ui:
    """A running UI, its instance and its data; `page` stands where the last step left it."""

    url: str
    data: Path
    instance: dg.DagsterInstance
    page: Page

    @property
    def store(self) -> Store:
        return Store(self.data)

    def open(self, path: str) -> None:
        self.page.goto(self.url + path)

    def shot(self, name: str) -> None:
        """Into the folder WALLCHART_SHOTS, where one is named: the pictures of docs/backfills.md are taken so."""
        if folder := os.environ.get("WALLCHART_SHOTS"):
            self.page.screenshot(path=f"{folder}/{name}.png")

    def write(self, dialog: Locator, yaml: str) -> None:
        """Replaces what stands in the dialog's editor."""
        dialog.locator(".CodeMirror").click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.press("Delete")
        self.page.keyboard.insert_text(yaml)

    def materialize_with(self, asset: str, yaml: str, shot: str) -> dg.DagsterRun:
        """Asset's page, the arrow beside Materialize, Open launchpad, config, Materialize; waits for the run."""
        before = {r.run_id for r in self.instance.get_runs()}
        self.open(f"/assets/{asset}")
        self.page.get_by_role("button", name="Materialize").locator("xpath=following::button[1]").click()
        self.page.get_by_role("menuitem", name="Open launchpad").click()
        dialog = self.page.get_by_role("dialog")
        self.write(dialog, yaml)
        dialog.get_by_text("No errors").wait_for()
        self.shot(shot)
        dialog.get_by_role("button", name="Materialize").click()
        [run] = self.ended(before, 1)
        return run

    def backfill(self, months: str | None, yaml: str | None, shot: str) -> None:
        """Page of judged_rows, Materialize…, months (None: All), config, Launch backfill."""
        self.open("/assets/judged_rows?view=partitions")
        self.page.get_by_role("button", name="Materialize").first.click()
        dialog = self.page.get_by_role("dialog").filter(has_text="Launch runs to materialize")
        if months is None:
            dialog.get_by_text("All", exact=True).click()
        else:
            dialog.get_by_placeholder("ex: 2021-01").fill(months)
            dialog.get_by_placeholder("ex: 2021-01").press("Enter")
        if yaml is not None:
            dialog.get_by_text("Config", exact=True).click()
            dialog.get_by_role("button", name="Add config").click()
            editor = self.page.get_by_role("dialog").last
            self.write(editor, yaml)
            self.shot(f"{shot}-config")
            editor.get_by_role("button", name="Save config").click()
        assert "Backfills all partitions in a single run." in dialog.inner_text()
        self.shot(shot)
        dialog.get_by_role("button", name="Launch backfill").click()
        dialog.wait_for(state="hidden")

    def ended(self, before: set[str], count: int) -> list[dg.DagsterRun]:
        """The runs that were not there before, oldest first, once so many have ended and none goes on."""

        def new() -> list[dg.DagsterRun]:
            return [r for r in self.instance.get_runs() if r.run_id not in before]

        wait_until(lambda: len([r for r in new() if r.is_finished]) >= count, "the runs end", PATIENCE)
        wait_until(lambda: all(r.is_finished for r in new()), "the runs end", PATIENCE)
        return list(reversed(new()))

    def log(self, run: dg.DagsterRun) -> str:
        return "\n".join(e.user_message for e in self.instance.all_logs(run.run_id))


@pytest.fixture(scope="session")
def ui(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    chromium = shutil.which("chromium")
    assert chromium, "these tests click in the UI with Debian's chromium: apt-get install chromium"
    data = tmp_path_factory.mktemp("ui") / "data"
    write_samples(plan, data / "dropbox")
    for box in (data / "dropbox").iterdir():
        if box.name not in SENDERS:
            shutil.rmtree(box)
    unset = {k: v for k, v in os.environ.items() if not k.startswith("WALLCHART_") or k == "WALLCHART_SHOTS"}
    environment = unset | {"WALLCHART_DATA": str(data), "DAGSTER_HOME": str(data / "dagster")}
    command = [sys.executable, "-m", "pipelines.cli"]
    subprocess.run([*command, "run"], env=environment, cwd=ROOT, check=True, capture_output=True)
    port = free_port()
    with open(data / "ui.log", "w") as log:
        process = subprocess.Popen(
            [*command, "ui", "--port", str(port)],
            env=environment,
            cwd=ROOT,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_until(lambda: listens(port) or process.poll() is not None, "the UI listens", PATIENCE)
        assert process.poll() is None, (data / "ui.log").read_text()
        with (
            _instance(data / "dagster") as instance,
            sync_playwright() as playwright,
            playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]) as browser,
        ):
            page = browser.new_page(viewport={"width": 1200, "height": 800})
            page.set_default_timeout(90_000)
            yield Ui(f"http://127.0.0.1:{port}", data, instance, page)
    finally:
        _ended(process)


@contextmanager
def _instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """The UI's own: dagster.yaml takes its storage from DAGSTER_HOME."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DAGSTER_HOME", str(home))
        with dg.DagsterInstance.get() as instance:
            yield instance


def _ended(process: subprocess.Popen[bytes]) -> None:
    for how, seconds in ((signal.SIGTERM, 20), (signal.SIGKILL, 10)):
        try:
            os.killpg(process.pid, how)
            process.wait(seconds)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
