"""Superset itself, from its own virtual environment: the ready dashboard answers, and no release in the making is seen.

The environment is the one that `make superset` uses, made where there is none yet. It takes some minutes.
"""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from expectations.model import Plan
from tests.publishing import BEGAN, STAMPED, stamp
from tests.servers import free_port
from warehouse.release import publish
from warehouse.store import Store

ROOT = Path(__file__).parents[2]
RELEASES = int(os.environ.get("RELEASES", "20"))
READERS = 4

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def door(city: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """Superset as `make superset` serves it, over a copy of the city that may be published into."""
    subprocess.run(["make", ".venv-superset/.ready"], cwd=ROOT, check=True)
    data = tmp_path_factory.mktemp("superset") / "data"
    shutil.copytree(city / "data", data, symlinks=True)
    log = data / "serve.log"
    port = free_port()
    with open(log, "wb") as told:
        served = subprocess.Popen(
            [ROOT / ".venv-superset" / "bin" / "python", "docs/bi/superset/serve.py", "--port", str(port)],
            cwd=ROOT, env={**os.environ, "WALLCHART_DATA": str(data)}, stdout=told, stderr=told, start_new_session=True,
        )  # fmt: skip
    try:
        end = time.monotonic() + 600
        while b"/superset/dashboard/wallchart/" not in log.read_bytes():
            assert served.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.5)
        sys.path.insert(0, str(ROOT / "docs" / "bi" / "superset"))
        serve = importlib.import_module("serve")
        password = (data / "superset" / "admin_password").read_text()
        yield SimpleNamespace(data=data, api=lambda: serve.Api(f"http://127.0.0.1:{port}", password), serve=serve)
    finally:
        served.send_signal(signal.SIGINT)  # as Ctrl+C would
        served.wait(60)


def ask(api: Any, dataset: int, **query: Any) -> list[dict[str, Any]]:
    """The rows of one chart query."""
    asked = {"datasource": {"id": dataset, "type": "table"}, "queries": [{"row_limit": 1000, **query}], "force": True}
    [answer] = api.call("POST", "chart/data", json=asked)["result"]
    return list(answer["data"])


def test_every_chart_of_the_dashboard_answers_now_and_as_known_in_the_past(door: SimpleNamespace) -> None:
    api = door.api()
    files = door.serve.bundle.bundle(door.data / "warehouse" / "current" / "warehouse.duckdb")
    datasets = {d["uuid"]: d["id"] for d in api.call("GET", "dataset/?q=(page_size:100)")["result"]}
    charts = [said for name, said in files.items() if name.startswith("charts/")]
    shown = sorted(c["slice_name"] for c in api.call("GET", "dashboard/wallchart/charts")["result"])
    assert shown == sorted(c["slice_name"] for c in charts)
    dashboard = files["dashboards/wallchart.yaml"]["metadata"]
    past = {"col": "截至", "op": "IN", "val": ["2022-08-31"]}
    empty: Counter[str] = Counter()
    for chart in charts:
        said = chart["params"]
        groups = said.get("groupby", []) if isinstance(said.get("groupby", []), list) else [said["groupby"]]
        columns = said.get("all_columns") or [
            *([said["x_axis"]] if "x_axis" in said else []), *groups, *said.get("groupbyRows", []), *said.get("groupbyColumns", [])
        ]  # fmt: skip
        metrics = said.get("metrics") or ([said["metric"]] if "metric" in said else [])
        for filters in ([], [past]):
            rows = ask(api, datasets[chart["dataset_uuid"]], columns=columns, metrics=metrics, filters=filters)
            if not rows:
                empty[chart["slice_name"]] += 1
    assert not empty
    for one in dashboard["native_filter_configuration"]:
        [target] = one["targets"]
        offered = ask(api, datasets[target["datasetUuid"]], columns=[target["column"]["name"]], metrics=[])
        chosen = one["defaultDataMask"]["filterState"].get("value", [])
        assert set(chosen) <= {row[target["column"]["name"]] for row in offered}, one["name"]
        assert offered, one["name"]


def test_the_wall_chart_is_shown_to_who_is_logged_in_and_to_nobody_else(door: SimpleNamespace) -> None:
    api = door.api()
    page = door.data / "reports" / "wallchart.html"
    page.parent.mkdir(exist_ok=True)
    page.write_text("<!doctype html><p>挂图", "utf-8")
    session = door.serve.requests.Session()
    session.trust_env = False
    assert session.get(f"{api.url}/wallchart.html", allow_redirects=False, timeout=60).status_code == 302
    token = api.call("GET", "security/csrf_token/")["result"]
    session.cookies.update(api.session.cookies)
    who = {"username": "admin", "password": api.password, "csrf_token": token}
    session.post(f"{api.url}/login/", data=who, headers={"Referer": api.url}, timeout=60).raise_for_status()
    known = session.get(f"{api.url}/wallchart.html", timeout=60)
    assert known.text == page.read_text("utf-8")
    assert "nonce" not in known.headers["Content-Security-Policy"]  # with one, the page's own script would not run


# the stamp of every table, and how far the release's time says that it should be
WHOLE = f"""
select r.release, round((epoch(r.built_at) - {BEGAN.timestamp()}) / 60) as number, {
    ", ".join(
        f"(select string_agg(distinct cast({column} as double)::varchar) from {table}) as {table}"
        for table, column in STAMPED.items()
    )
} from release r
"""


def whole(row: dict[str, Any]) -> bool:
    return {float(row[table]) for table in STAMPED} == {row["number"]}


def test_no_chart_query_fails_or_sees_half_a_release_while_releases_are_published(
    door: SimpleNamespace, plan: Plan
) -> None:
    store, plain = Store(door.data), door.data / "plain"
    shutil.copytree(store.marts, plain)
    stamp(plain, store.marts, 1)
    publish(store, plan)
    api = door.api()
    warehouse = store.warehouse / "current" / "warehouse.duckdb"
    database = api.call("POST", "database/", json={
        "database_name": "registered by hand", "sqlalchemy_uri": f"duckdb:///{warehouse}",
        "extra": '{"engine_params": {"connect_args": {"read_only": true}}}',
    })["id"]  # fmt: skip
    dataset = api.call("POST", "dataset/", json={"database": database, "table_name": "whole", "sql": WHOLE})["id"]
    query = {"columns": ["release", "number", *STAMPED], "metrics": []}
    seen: Counter[str] = Counter()
    failed: list[Exception] = []
    torn: list[dict[str, Any]] = []
    stop = threading.Event()

    def read() -> None:
        mine = door.api()
        while not stop.is_set():
            try:
                [row] = ask(mine, dataset, **query)
            except Exception as why:  # noqa: BLE001  counted, and shown by the assertion
                failed.append(why)
                continue
            seen[row["release"]] += 1
            if not whole(row):
                torn.append(row)

    readers = [threading.Thread(target=read) for _ in range(READERS)]
    for reader in readers:
        reader.start()
    stale = []
    try:
        for number in range(2, RELEASES + 2):
            stamp(plain, store.marts, number)
            name = publish(store, plan).release
            [row] = ask(api, dataset, **query)
            if row["release"] != name:
                stale.append((name, row["release"]))
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    print(
        f"{RELEASES} releases, {READERS} readers: {seen.total()} answers of {len(seen)} releases,"
        f" {len(failed)} failed, {len(torn)} torn, {len(stale)} stale"
    )
    assert not failed, failed[0]
    assert not torn
    assert not stale
    assert len(seen) > RELEASES // 2
