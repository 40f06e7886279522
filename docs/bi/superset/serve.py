"""Serves the warehouse in Superset on 127.0.0.1, with the ready dashboard. `make superset` runs it.

Run by the Python of the virtual environment made from requirements.txt. Its state (accounts, charts that people make,
the secret key made at the first start) is in <data>/superset. Each start brings the dashboard up to what is here.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bundle
import requests

HERE = Path(__file__).parent
BIN = Path(sys.prefix) / "bin"


def secret(path: Path) -> str:
    """What the file holds; made up where there is none yet, and readable to nobody else."""
    if not path.exists():
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(24))
    return path.read_text()


def set_up(home: Path, password: str, environment: dict[str, str]) -> None:
    """Creates or migrates Superset's own database and its account `admin`."""

    def superset(*words: str) -> None:
        log = home / "setup.log"
        with open(log, "a") as told:
            done = subprocess.run([BIN / "superset", *words], env=environment, stdout=told, stderr=told, check=False)
        if done.returncode:
            sys.exit(f"superset {words[0]} failed, see {log}")

    superset("db", "upgrade")
    superset("init")
    superset("fab", "create-admin", "--username", "admin", "--firstname", "Wallchart", "--lastname", "admin",
             "--email", "admin@localhost", "--password", password)  # fmt: skip


class Api:
    """A logged-in session of Superset's REST API."""

    def __init__(self, url: str, password: str, patience: float = 180) -> None:
        self.url, self.password, self.session = url, password, requests.Session()
        self.session.trust_env = False  # no proxy between a machine and itself
        end = time.monotonic() + patience
        while True:
            try:
                self.session.get(f"{url}/health", timeout=5).raise_for_status()
                break
            except requests.RequestException:
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)
        login = {"username": "admin", "password": password, "provider": "db", "refresh": False}
        token = self.call("POST", "security/login", json=login)["access_token"]
        self.session.headers["Authorization"] = f"Bearer {token}"
        self.session.headers["X-CSRFToken"] = self.call("GET", "security/csrf_token/")["result"]
        self.session.headers["Referer"] = url

    def call(self, method: str, path: str, **said: object) -> dict:
        answer = self.session.request(method, f"{self.url}/api/v1/{path}", timeout=180, **said)
        if not answer.ok:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text[:2000]}")
        return answer.json()

    def bring(self, warehouse: Path) -> None:
        """The database, its datasets, charts and the dashboard, replacing what an earlier start brought."""
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "wallchart.zip"
            bundle.write(bundle.bundle(warehouse), archive)
            with open(archive, "rb") as stream:
                self.call("POST", "assets/import/", files={"bundle": ("wallchart.zip", stream, "application/zip")})


def main() -> None:
    said = argparse.ArgumentParser(description=__doc__)
    said.add_argument("--port", type=int, default=8088)
    port = said.parse_args().port
    data = Path(os.environ.get("WALLCHART_DATA", "data")).absolute()
    warehouse, home = data / "warehouse" / "current" / "warehouse.duckdb", data / "superset"
    if not warehouse.exists():
        sys.exit(f"{warehouse} is not there yet: make run")
    home.mkdir(exist_ok=True)
    secret(home / "secret_key")
    password = secret(home / "admin_password")
    environment = {
        **os.environ,
        "WALLCHART_DATA": str(data),
        "SUPERSET_HOME": str(home),
        "SUPERSET_CONFIG_PATH": str(HERE / "superset_config.py"),
        "FLASK_APP": "superset.app:create_app()",
    }
    print(f"Setting up Superset in {home} (a minute or two at the first start)", flush=True)
    set_up(home, password, environment)
    served = subprocess.Popen(
        [BIN / "gunicorn", "--bind", f"127.0.0.1:{port}", "--preload", "--workers", "2", "--worker-class", "gthread", "--threads", "8",
         "--keep-alive", "75",  # longer than a browser or a proxy lets one rest: at 2 s, requests met connections being closed
         "--timeout", "120", "--graceful-timeout", "5", "--log-level", "warning", "superset.app:create_app()"],
        env=environment,
    )  # fmt: skip
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        Api(f"http://127.0.0.1:{port}", password).bring(warehouse)
        print(f"http://127.0.0.1:{port}/superset/dashboard/wallchart/", flush=True)
        print(f"Account admin, its password is in {home / 'admin_password'}. Ctrl+C stops it.", flush=True)
        served.wait()
    except KeyboardInterrupt:
        pass
    finally:
        served.terminate()
        served.wait()


if __name__ == "__main__":
    main()
