"""Alerts: real runs on a real instance, a real mail server on 127.0.0.1, the real disk; and a night that really fails."""

from __future__ import annotations

import datetime as dt
import email
import email.policy
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from aiosmtpd.controller import Controller
from pydantic import SecretStr

from pipelines import alerts
from pipelines.settings import Settings
from tests.night import long_csv, send
from tests.pipelines.conftest import run_job
from tests.servers import free_port

ROOT = Path(__file__).parent.parent.parent
NOW = dt.datetime.now(dt.UTC)
MINUTE, HOUR = dt.timedelta(minutes=1), dt.timedelta(hours=1)
CANARY = "98765432.125"  # a figure of a department


class Mailbox:
    def __init__(self) -> None:
        self.letters: list[tuple[str, str]] = []
        self.port = free_port()
        self.url = f"mailto://127.0.0.1:{self.port}?from=wallchart@example.org&to=operators@example.org"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        body = letter.get_body(("plain", "html"))
        assert body is not None
        self.letters.append((str(letter["Subject"]), body.get_content()))
        return "250 OK"

    @property
    def titles(self) -> list[str]:
        return [title for title, _ in self.letters]


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=box.port)
    controller.start()
    yield box
    controller.stop()


@pytest.fixture
def config(tmp_path: Path, mailbox: Mailbox) -> Settings:
    recipients = {"operators": SecretStr(mailbox.url)}
    return Settings(tmp_path / "data", [], {}, recipients, Path(), Path(), disk_free_percent=0)


class Works(SimpleNamespace):
    """Jobs of the real names whose steps do what the test wants at the time, on an instance of their own."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        super().__init__(instance=instance, does={}, passes={})

        @dg.asset(check_specs=[dg.AssetCheckSpec("sources_answered", asset="landed_files")])
        def landed_files() -> dg.MaterializeResult:
            self.does.get("nightly", lambda: None)()
            return dg.MaterializeResult(
                check_results=[
                    dg.AssetCheckResult(
                        check_name="sources_answered",
                        passed=self.passes.get("sources_answered", True),
                        metadata={"sftp://files.example": "no answer"},
                    )
                ]
            )

        specs = [
            dg.AssetCheckSpec("structure", asset="judged_rows", blocking=True),
            dg.AssetCheckSpec("every_rule_still_works", asset="judged_rows"),
            dg.AssetCheckSpec("validity", asset="judged_rows"),
        ]

        @dg.asset(check_specs=specs)
        def judged_rows() -> dg.MaterializeResult:
            self.does.get("refresh", lambda: None)()
            return dg.MaterializeResult(
                check_results=[
                    dg.AssetCheckResult(
                        check_name=spec.name,
                        passed=self.passes.get(spec.name, True),
                        severity=dg.AssetCheckSeverity.WARN if spec.name == "validity" else dg.AssetCheckSeverity.ERROR,
                        metadata={"found": CANARY},
                    )
                    for spec in specs
                ]
            )

        @dg.asset(deps=[judged_rows])
        def released() -> None: ...

        self.defs = dg.Definitions(
            assets=[landed_files, judged_rows, released],
            jobs=[
                dg.define_asset_job("nightly", selection=[landed_files]),
                dg.define_asset_job("refresh", selection=[judged_rows, released]),
            ],
            executor=dg.in_process_executor,
        )

    def run(self, job: str, tags: dict[str, str] | None = None) -> dg.ExecuteInProcessResult:
        return self.defs.resolve_job_def(job).execute_in_process(
            instance=self.instance, raise_on_error=False, tags=tags or {}
        )


@pytest.fixture
def works(tmp_path: Path) -> Iterator[Works]:
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        yield Works(instance)


@pytest.fixture
def look(works: Works, config: Settings, plan: Any) -> Callable[..., list[str]]:
    """look(now): what is wrong then, by topic, after whoever runs the machine has been told."""

    def look(now: dt.datetime = NOW, config: Settings = config) -> list[str]:
        troubles = alerts.watched(works.instance, works.defs, config, plan, now)
        assert alerts.tell(config, plan, troubles, now).failed == ()
        assert alerts.nothing_to_tell(config, plan, troubles, now) is not None
        return [t.topic.removeprefix(alerts.TOPIC) for t in troubles]

    return look


def fails(error: Exception) -> Callable[[], None]:
    def step() -> None:
        raise error

    return step


def test_a_failed_run_is_told_once_with_a_link_and_once_more_when_it_is_well_again(works, look, mailbox):
    assert look() == []
    works.does["nightly"] = fails(OSError(28, "No space left on device"))
    run = works.run("nightly")
    for minute in range(3):
        assert look(NOW + minute * MINUTE) == ["run/nightly"]
    works.run("nightly")  # the same again is no news
    look(NOW + HOUR)
    [(title, body)] = mailbox.letters
    assert title == "Wallchart：运行失败 a run failed：nightly"
    assert "No space left on device" in body
    assert f"http://127.0.0.1:3000/runs/{run.run_id}" in body
    works.does.clear()
    works.run("nightly")
    for minute in range(2):
        assert look(NOW + 2 * HOUR + minute * MINUTE) == []
    assert mailbox.titles[1:] == ["Wallchart：已恢复 well again：运行 runs of nightly"]
    works.does["nightly"] = fails(OSError(28, "No space left on device"))
    works.run("nightly")
    look(NOW + 3 * HOUR)
    assert len(mailbox.letters) == 3


def test_a_run_that_is_begun_again_by_itself_is_told_of_only_if_that_fails_too(works, look, mailbox):
    works.does["nightly"] = fails(OSError())
    works.run("nightly", {"dagster/will_retry": "true"})
    assert look() == []
    works.run("nightly")
    assert look() == ["run/nightly"]


def test_a_check_that_blocks_holds_the_release_back_and_is_named(works, look, mailbox):
    works.passes["structure"] = False
    assert not works.run("refresh").success
    assert look() == ["release"]
    [(title, body)] = mailbox.letters
    assert title == "Wallchart：发布被拦下 the release is held back"
    assert "judged_rows, structure" in body
    assert CANARY not in body


def test_words_of_a_foreign_error_stay_in_the_runs_log(works, look, mailbox):
    works.does["refresh"] = fails(ValueError(f"could not convert string to float: '{CANARY}'"))
    works.run("refresh")
    look()
    [(_, body)] = mailbox.letters
    assert "judged_rows: ValueError" in body
    assert CANARY not in body


def test_a_failing_check_is_told_where_it_is_ours_to_mend_and_not_where_it_is_a_departments(works, look, mailbox):
    works.passes.update(validity=False, every_rule_still_works=False)
    assert works.run("refresh").success
    assert look() == ["check/judged_rows/every_rule_still_works"]
    assert CANARY not in mailbox.letters[0][1]
    works.passes["every_rule_still_works"] = True
    works.run("refresh")
    assert look(NOW + HOUR) == []
    assert len(mailbox.letters) == 2


def test_a_source_is_told_of_when_it_has_been_silent_for_a_day(works, look, mailbox):
    works.passes["sources_answered"] = False
    works.run("nightly")
    assert look(NOW + 23 * HOUR) == []
    assert look(NOW + 25 * HOUR) == ["check/landed_files/sources_answered"]
    assert "sftp://files.example" in mailbox.letters[0][1]


def test_a_disk_is_told_of_before_it_is_full(look, config, mailbox):
    full = replace(config, disk_free_percent=100)
    assert look(config=full) == look(NOW + MINUTE, full) == ["disk"]
    assert look(NOW + HOUR) == []
    assert [t.partition("：")[2] for t in mailbox.titles] == [
        "磁盘将满 the disk is nearly full",
        "已恢复 well again：磁盘 the disk",
    ]


@pytest.mark.slow
def test_nights_that_stop_are_told_of_and_silence_is_heard_outside(works, look, config, plan, night, tmp_path, mailbox):
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200 if self.path.endswith("/good") else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    at = f"http://127.0.0.1:{server.server_address[1]}/s3cr3t-0123456789"
    heard, wrong = (replace(config, heartbeat=SecretStr(at + end)) for end in ("/good", "/bad"))
    try:
        works.run("nightly")
        alerts.note_night(works.instance, heard, plan)
        assert alerts.last_good_night(config.store) is None  # it has landed, and nothing is released
        assert alerts.beat(heard) is None
        assert asked == []
        assert night({}, now=dt.datetime.now(dt.UTC), root=tmp_path).store == config.store
        alerts.note_night(works.instance, heard, plan)
        good = alerts.last_good_night(config.store)
        assert good is not None
        failure = alerts.beat(wrong)
        assert failure == "WALLCHART_HEARTBEAT: HTTP 404"
        for _ in range(3):
            alerts.note_night(works.instance, heard, plan)
            assert alerts.beat(heard) is None
        assert [path.rpartition("/")[2] for path in asked] == ["bad", "good"]
        assert look(good + 26 * HOUR) == []
        assert look(good + 27 * HOUR) == look(good + 50 * HOUR) == ["night/overdue"]
        assert mailbox.titles == ["Wallchart：27 小时没有完成夜间作业 no night has finished for 27 hours"]
    finally:
        server.shutdown()
        server.server_close()


def test_the_sensor_asks_once_and_the_job_tells(city, config, mailbox, monkeypatch):
    full = replace(config, data=city.data, disk_free_percent=100)
    monkeypatch.setattr(city.definitions, "config", replace(full, recipients={}))
    assert "no address is set" in tick(city).skip_message
    monkeypatch.setattr(city.definitions, "config", full)
    first, second = tick(city), tick(city)
    assert first.run_key == second.run_key  # Dagster runs a key once
    assert run_job(city, "alerts").success
    assert mailbox.titles == ["Wallchart：磁盘将满 the disk is nearly full"]
    assert tick(city).skip_message == "1 troubles, all of them told"


def tick(city: SimpleNamespace) -> Any:
    return city.definitions.alerts_when_due(dg.build_sensor_context(instance=city.instance))


@pytest.mark.slow
def test_cron_users_are_told_of_a_night_that_fails_of_one_that_cannot_begin_and_that_it_is_well_again(
    tmp_path, mailbox
):
    data = tmp_path / "data"
    send(data / "dropbox", {"transport/a.csv": long_csv(("airport_passengers", "", "2022-01", "", 80, "万人次"))})
    environment = os.environ | {
        "WALLCHART_DATA": str(data),
        "WALLCHART_SOURCES": (data / "dropbox").as_uri(),
        "WALLCHART_NOTIFY_OPERATORS": mailbox.url,
        "WALLCHART_DISK_FREE_PERCENT": "0",
        "WALLCHART_UI": "https://wallchart.example/",
    }

    def night(**more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pipelines.cli", "run"]
        return subprocess.run(command, capture_output=True, text=True, env=environment | more, cwd=ROOT, check=False)

    plan = tmp_path / "plan"
    plan.mkdir()
    assert night(WALLCHART_PLAN=str(plan)).returncode == 1
    assert mailbox.titles == ["Wallchart：夜间作业未能运行 the night could not run"]
    (data / "months").write_text("in the way")
    failed = night()
    assert failed.returncode == 1, failed.stdout
    assert mailbox.titles[1:] == ["Wallchart：发布被拦下 the release is held back"]
    assert "https://wallchart.example/runs/" in mailbox.letters[1][1]
    assert night().returncode == 1
    assert len(mailbox.letters) == 2
    (data / "months").unlink()
    assert night().returncode == 0
    assert sorted(mailbox.titles[2:]) == [
        "Wallchart：已恢复 well again：发布 the release",
        "Wallchart：已恢复 well again：夜间作业 the night",
    ]
