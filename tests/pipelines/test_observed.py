"""What a night leaves for machines to read: its log as JSON, and metrics, scraped by a real Prometheus on 127.0.0.1."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import yaml

from tests.night import long_csv, send
from tests.servers import free_port, wait_until

ROOT = Path(__file__).parent.parent.parent
DASHBOARD = ROOT / "deploy" / "grafana" / "wallchart.json"
RULES = ROOT / "deploy" / "prometheus" / "wallchart.rules.yml"
PAGE = ROOT / "docs" / "observing.md"
CANARY = "87654321.0625"  # a figure that is returned
JANUARY = ("airport_passengers", "", "2022-01", "", 80, "万人次")


def command(data: Path, *words: str, **more: str) -> list[Any]:
    environment = os.environ | {"WALLCHART_DATA": str(data), "WALLCHART_SOURCES": (data / "dropbox").as_uri(), **more}
    return [[sys.executable, "-m", "pipelines.cli", *words], environment]


def said(data: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    args, environment = command(data, *words, **more)
    return subprocess.run(args, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A night with rows that are returned and a file that is, logged as JSON: its data folder and what it said."""
    data = tmp_path_factory.mktemp("observed") / "data"
    returned = ("airport_passengers", "", "2022-02", "", f"-{CANARY}", "万人次")  # V08: a negative count
    whole = f"指标编码,报告期,金额\nairport_passengers,2022-03,{CANARY}\n"  # no column of values
    files = {"transport/a.csv": long_csv(JANUARY, returned), "transport/whole.csv": whole}
    send(data / "dropbox", files)
    more = {"WALLCHART_LOG": "json", "WALLCHART_METRICS_FILE": str(data / "metrics" / "wallchart.prom")}
    done = said(data, "run", **more)
    assert done.returncode == 0, done.stderr
    return SimpleNamespace(data=data, out=done.stdout, err=done.stderr)


@pytest.mark.slow
def test_a_night_logged_as_json_says_of_what_each_line_is(night):
    lines = [json.loads(line) for line in night.out.splitlines()]  # no line is anything else
    assert all({"event", "level", "logger", "timestamp"} <= line.keys() for line in lines)
    [landed] = [line for line in lines if line["event"].startswith("landed transport/a.csv")]
    assert (landed["job"], landed["step"], landed["file"], landed["department"]) == (
        "nightly", "landed_files", "transport/a.csv", "transport",
    )  # fmt: skip
    assert len(landed["run"]) == 36
    assert {line.get("step") for line in lines} >= {"landed_files", "read_rows", "judge", "make_marts", "release"}


@pytest.mark.slow
def test_no_log_of_a_night_holds_a_figure_that_was_returned(night):
    import duckdb

    release = str(night.data / "warehouse" / "current" / "warehouse.duckdb")
    with duckdb.connect(release, read_only=True) as con:
        found = con.execute("select count(*) from finding where contains(value_text, ?)", [CANARY]).fetchone()
        assert found is not None
        assert found[0] > 0  # it was returned, and whoever sent it is told
    assert CANARY not in night.out + night.err
    kept = [p for p in (night.data / "dagster").rglob("*") if p.is_file() and p.suffix in (".out", ".err", ".log")]
    assert all(CANARY.encode() not in path.read_bytes() for path in kept)
    again = said(night.data, "run")  # the same for people
    assert again.returncode == 0
    assert CANARY not in again.stdout + again.stderr


@pytest.mark.slow
def test_every_metric_has_a_value_after_a_night_and_the_file_for_node_exporter_is_whole(night):
    from pipelines.metrics import METRICS

    text = (night.data / "metrics" / "wallchart.prom").read_text("utf-8")
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    sampled = {line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")}
    assert sampled == set(METRICS)
    assert 'wallchart_rows{state="returned"} 1.0' in text
    assert 'wallchart_submissions{status="returned"} 1.0' in text
    assert CANARY not in text
    assert "transport" not in text


@pytest.fixture(scope="module")
def prometheus(night: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A Prometheus that scrapes `wallchart metrics --serve` and evaluates the rules."""
    assert shutil.which("prometheus"), "Debian's package prometheus is needed"
    home, port, served = tmp_path_factory.mktemp("prometheus"), free_port(), free_port()
    settings = {
        "global": {"scrape_interval": "10s", "scrape_timeout": "10s", "evaluation_interval": "2s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [{"job_name": "wallchart", "static_configs": [{"targets": [f"127.0.0.1:{served}"]}]}],
    }
    (home / "prometheus.yml").write_text(yaml.safe_dump(settings))
    watching = ["prometheus", f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/data"]
    args, environment = command(night.data, "metrics", "--serve", str(served))
    with (
        running(args, env=environment),
        running([*watching, f"--web.listen-address=127.0.0.1:{port}"]),
        httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", trust_env=False) as client,
    ):

        def scraped() -> bool:
            try:
                return bool(answer(client, "wallchart_release_age_seconds"))
            except httpx.HTTPError:  # not listening yet, or listening and not ready: 503
                time.sleep(0.5)
                return False

        wait_until(scraped, "Prometheus has scraped and evaluated", 120)
        yield client


@contextmanager
def running(args: list[str], **more: Any) -> Iterator[None]:
    process = subprocess.Popen(args, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def answer(client: httpx.Client, query: str) -> list[Any]:
    said = client.get("/query", params={"query": query}).raise_for_status().json()
    assert said["status"] == "success", (query, said)
    return list(said["data"]["result"])


@pytest.mark.slow
def test_every_panel_of_the_dashboard_shows_something(prometheus):
    panels = [p for p in json.loads(DASHBOARD.read_text("utf-8"))["panels"] if p["type"] != "row"]
    queries = {t["expr"].replace("$instance", ".*"): p["title"] for p in panels for t in p["targets"]}
    assert len(queries) >= len(panels) > 10
    assert [title for query, title in queries.items() if not answer(prometheus, query)] == []


@pytest.mark.slow
def test_every_rule_is_evaluated_and_none_alerts_after_a_good_night(prometheus):
    rules = [r for g in prometheus.get("/rules").json()["data"]["groups"] for r in g["rules"]]
    assert len(rules) == 10
    assert [(r["name"], r["lastError"]) for r in rules if r["health"] != "ok"] == []
    firing = [r["name"] for r in rules if r["type"] == "alerting" and r["state"] != "inactive"]
    assert [name for name in firing if name != "WallchartDiskNearlyFull"] == []  # this machine's disk is its own


def test_the_alert_rules_fire_when_they_should(tmp_path):
    """promtool plays the series to the rules."""
    series = [
        ("wallchart_last_good_night_timestamp_seconds", "0x3000"),
        ('wallchart_run_last_timestamp_seconds{job_name="refresh",outcome="failure"}', "200x3000"),
        ('wallchart_run_last_timestamp_seconds{job_name="refresh",outcome="success"}', "100x3000"),
        ('wallchart_run_last_timestamp_seconds{job_name="nightly",outcome="failure"}', "0x3000"),
        ('wallchart_run_last_timestamp_seconds{job_name="nightly",outcome="success"}', "100x3000"),
        ("wallchart_disk_free_bytes", "9x60 _x3000"),
        ("wallchart_disk_size_bytes", "100x3000"),
        ("wallchart_receipts_waiting", "2x3000"),
        ('wallchart_messages_waiting{to="operators"}', "1x3000"),
        ('wallchart_findings{rule="X01",severity="error"}', "1x3000"),
    ]
    fires = {  # how many of it, and when
        "WallchartNightOverdue": {"26h0m": 0, "26h1m": 1},
        "WallchartRunFailed": {"1m": 1},  # refresh's, and not nightly's
        "WallchartDiskNearlyFull": {"1m": 1},
        "WallchartReceiptsWaiting": {"25h": 0, "27h": 1},
        "WallchartMessagesWaiting": {"1h": 0, "3h": 1},
        "WallchartRuleCannotBeEvaluated": {"1m": 1},
        "WallchartUnseen": {"1h30m": 0, "3h": 1},
    }
    known = {r["alert"]: r for r in yaml.safe_load(RULES.read_text("utf-8"))["groups"][0]["rules"] if "alert" in r}
    assert fires.keys() == known.keys()
    queried = [
        {"expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) or vector(0)', "eval_time": at,
         "exp_samples": [{"labels": "{}", "value": count}]}
        for name, times in fires.items() for at, count in times.items()
    ]  # fmt: skip
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series],
        "promql_expr_test": queried,
    }
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}))
    tried = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, check=False)
    assert tried.returncode == 0, tried.stdout + tried.stderr


def test_the_page_lists_the_metrics_that_there_are():
    from pipelines.metrics import table

    assert table() in PAGE.read_text("utf-8")
