"""Dagster's UI behind Debian's nginx, as docs/deploy.md has it: the units' commands, the recipe, a browser's requests."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import ssl
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.processes import ROOT, answers, environment, graphql, running
from tests.servers import free_port, listens, wait_until

DEPLOY = ROOT / "deploy"
NGINX = Path("/usr/sbin/nginx")
VIEWER, ENGINEER = ("viewer", "v-secret"), ("engineer", "e-secret")
LAUNCH = """mutation { launchRun(executionParams: {runConfigData: {}, selector: {
    repositoryLocationName: "wallchart", repositoryName: "__repository__", jobName: "answer"}}) { __typename } }"""
DELETE = 'mutation { deletePipelineRun(runId: "none") { __typename } }'
RELOAD = 'mutation { reloadRepositoryLocation(repositoryLocationName: "wallchart") { __typename } }'

pytestmark = pytest.mark.slow


def unit_command(unit: str) -> list[str]:
    """What a unit starts, with this checkout in the place of /opt/wallchart."""
    [command] = re.findall(r"^ExecStart=/opt/wallchart/\.venv/bin/(.*)$", (DEPLOY / "systemd" / unit).read_text(), re.M)
    return command.split()


@pytest.fixture(scope="module")
def uis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """Both UIs, each with the command of its unit but for the port; `ports` by unit, `folder` for what else is started."""
    folder = tmp_path_factory.mktemp("deployed")
    env = environment(folder / "data")
    home = folder / "data" / "dagster"
    home.mkdir(parents=True)
    (home / "dagster.yaml").symlink_to(ROOT / "dagster.yaml")
    ports = {}
    with ExitStack() as started:
        for unit in ("operate", "view"):
            command = unit_command(f"wallchart-{unit}.service")
            port = ports[unit] = free_port()
            command[command.index("-p") + 1] = str(port)
            url = f"http://127.0.0.1:{port}/{unit}/server_info"
            started.enter_context(running(command, env, folder / f"{unit}.log", lambda url=url: answers(url)))
        yield SimpleNamespace(folder=folder, ports=ports)


def nginx(uis: SimpleNamespace, sign_in: str, **changed: str) -> tuple[str, ExitStack]:
    """The recipe with this way to sign in, ports and files its own instead of a server's; its address."""
    folder = uis.folder / sign_in
    shutil.copytree(DEPLOY / "nginx" / sign_in, folder)
    shutil.copy(DEPLOY / "nginx" / "wallchart.conf", folder)
    for file, (user, password) in {"viewers": VIEWER, "engineers": ENGINEER}.items():
        hashed = subprocess.run(
            ["openssl", "passwd", "-6", password], capture_output=True, text=True, check=True
        ).stdout
        (folder / file).write_text(f"{user}:{hashed}")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-days", "2",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    port = free_port()
    ours = changed | {
        "/etc/ssl/wallchart/": f"{folder}/",
        "/etc/nginx/wallchart/": f"{folder}/",
        "listen 80;": f"listen 127.0.0.1:{free_port()};",
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "127.0.0.1:3000": f"127.0.0.1:{uis.ports['operate']}",
        "127.0.0.1:3001": f"127.0.0.1:{uis.ports['view']}",
    }
    confs = {conf: conf.read_text() for conf in folder.glob("*.conf")}
    for theirs in ours:
        assert any(theirs in text for text in confs.values()), theirs
    for conf, text in confs.items():
        conf.write_text(re.sub("|".join(map(re.escape, ours)), lambda found: ours[found[0]], text))
    temporary = "".join(f"{w}_temp_path {folder}/{w};\n" for w in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    main = folder / "main"
    main.write_text(
        f"{'user root;' if os.geteuid() == 0 else ''} daemon off; pid {folder}/pid; error_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{ access_log {folder}/access.log;\n{temporary}include {folder}/wallchart.conf; }}\n"
    )
    process = subprocess.Popen([NGINX, "-c", main, "-e", folder / "error.log"], start_new_session=True)
    with ExitStack() as started:
        started.callback(process.wait)
        started.callback(process.terminate)
        wait_until(lambda: listens(port) or process.poll() is not None, "nginx listens")
        assert process.poll() is None, (folder / "error.log").read_text()
        return f"https://127.0.0.1:{port}", started.pop_all()


@pytest.fixture(scope="module")
def site(uis: SimpleNamespace) -> Iterator[str]:
    url, started = nginx(uis, "passwords")
    with started:
        yield url


@pytest.fixture(scope="module")
def trusted(uis: SimpleNamespace, site: str) -> dict[str, ssl.SSLContext]:
    return {"verify": ssl.create_default_context(cafile=uis.folder / "passwords" / "fullchain.pem")}


def subscribed(site: str, path: str, context: ssl.SSLContext, **headers: str) -> str:
    """What the first message of a subscription is about."""
    query = 'subscription { pipelineRunLogs(runId: "none") { __typename } }'

    # one thread: two of them at one TLS connection, as in websockets.sync, now and then lose the request
    async def asked() -> str:
        async with connect(f"wss{site.removeprefix('https')}{path}", ssl=context, subprotocols=["graphql-ws"],
                           additional_headers=headers) as socket:  # fmt: skip
            await socket.send(json.dumps({"type": "connection_init"}))
            assert json.loads(await socket.recv())["type"] == "connection_ack"
            await socket.send(json.dumps({"id": "1", "type": "start", "payload": {"query": query}}))
            return json.loads(await socket.recv())["payload"]["data"]["pipelineRunLogs"]["__typename"]

    return asyncio.run(asyncio.wait_for(asked(), 60))


def basic(who: tuple[str, str]) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(":".join(who).encode()).decode()}


def test_nobody_sees_a_page_without_signing_in_and_viewers_do_not_operate(site, trusted):
    seen = {
        (path, who): httpx.get(f"{site}{path}", auth=who, **trusted).status_code
        for path in ("/view/", "/operate/", "/operate/graphql")
        for who in (None, VIEWER, ENGINEER, ("viewer", "wrong"))
    }
    assert seen.pop(("/view/", VIEWER)) == 200
    assert seen.pop(("/operate/", ENGINEER)) == 200
    assert seen.pop(("/operate/graphql", ENGINEER)) == 400  # let through: no query was asked
    assert set(seen.values()) == {401}
    assert httpx.get(site, **trusted).headers["location"].endswith("/view/")


def test_viewers_see_and_change_nothing(site, trusted):
    view = f"{site}/view"
    sees = graphql(
        view, "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }", auth=VIEWER, **trusted
    )
    assert sees["repositoriesOrError"]["nodes"] == [{"name": "__repository__"}]
    refused = {q: graphql(view, q, auth=VIEWER, **trusted) for q in (LAUNCH, DELETE, RELOAD)}
    assert {r["__typename"] for answer in refused.values() for r in answer.values()} == {"UnauthorizedError"}
    told = httpx.post(f"{view}/report_asset_materialization/plan", auth=VIEWER, **trusted)
    assert told.status_code == 401
    runs = graphql(view, "{ runsOrError { ... on Runs { count } } }", auth=VIEWER, **trusted)
    assert runs["runsOrError"]["count"] == 0


def test_an_engineer_launches(site, trusted):
    assert graphql(f"{site}/operate", LAUNCH, auth=ENGINEER, **trusted) == {
        "launchRun": {"__typename": "LaunchRunSuccess"}
    }


def test_subscriptions_pass_by_websocket_for_who_has_signed_in(site, trusted):
    context = trusted["verify"]
    for path, who in (("/view/graphql", VIEWER), ("/operate/graphql", ENGINEER)):
        assert subscribed(site, path, context, **basic(who)) == "PipelineRunLogsSubscriptionFailure"
        with pytest.raises(InvalidStatus, match="401"):
            subscribed(site, path, context)


def test_another_sites_page_can_make_a_signed_in_browser_do_nothing(site, trusted):
    asked = {"auth": ENGINEER, **trusted}
    foreign, own = {"Origin": "https://elsewhere.example"}, {"Origin": site}
    operate = f"{site}/operate/graphql"
    assert httpx.post(operate, json={"query": DELETE}, headers=own, **asked).status_code == 200
    assert httpx.post(operate, json={"query": DELETE}, headers=foreign, **asked).status_code == 403
    assert httpx.post(operate, params={"query": DELETE}, headers=foreign, **asked).status_code == 403
    for name in ("query", "%71uery"):  # a link or a picture carries no origin
        assert httpx.get(f"{operate}?{name}={DELETE}", **asked).status_code == 403
        assert httpx.get(f"{site}/operate/%67raphql?{name}={DELETE}", **asked).status_code == 403
    with pytest.raises(InvalidStatus, match="403"):
        subscribed(site, "/operate/graphql", trusted["verify"], **basic(ENGINEER), **foreign)


def test_a_central_sign_in_can_take_the_place_of_passwords(uis):
    class SignIn(BaseHTTPRequestHandler):
        """Knows a viewer by a cookie."""

        def log_message(self, *args: object) -> None: ...

        def do_GET(self) -> None:
            known = (
                self.headers.get("Cookie") == "session=viewer" and self.path == "/oauth2/auth?allowed_groups=viewers"
            )
            self.send_response(202 if known else 401)
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), SignIn)
    Thread(target=server.serve_forever, daemon=True).start()
    url, started = nginx(uis, "central", **{"127.0.0.1:4180": f"127.0.0.1:{server.server_port}"})
    with started:
        context = {"verify": ssl.create_default_context(cafile=uis.folder / "central" / "fullchain.pem")}
        session = {"Cookie": "session=viewer"}
        assert httpx.get(f"{url}/view/", headers=session, **context).status_code == 200
        away = httpx.get(f"{url}/view/", **context)
        assert (away.status_code, away.headers["location"]) == (302, f"{url}/oauth2/start?rd=/view/")
        assert httpx.get(f"{url}/operate/", headers=session, **context).status_code == 302
        assert httpx.get(f"{url}/sign-in/viewers", headers=session, **context).status_code == 404
        assert subscribed(url, "/view/graphql", context["verify"], **session) == "PipelineRunLogsSubscriptionFailure"
    server.shutdown()
    server.server_close()


def test_everything_listens_on_this_machine_only(uis):
    for port in uis.ports.values():
        found = subprocess.run(["ss", "-Hltn", f"sport = :{port}"], capture_output=True, text=True, check=True).stdout
        assert [line.split()[3] for line in found.splitlines()] == [f"127.0.0.1:{port}"]
