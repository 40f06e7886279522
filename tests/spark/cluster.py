"""A Spark cluster of this machine: a master, two workers and a Spark Connect server, on free loopback ports.

The distribution is that of deploy/spark/requirements.txt, in a venv of its own (bench/out/spark, made at first use).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers import free_port, listens

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "deploy" / "spark" / "requirements.txt"
VENV = ROOT / "bench" / "out" / "spark"
STARTS = 120  # seconds that a server may take


class NoCluster(Exception):
    """Why there can be none on this machine."""


def distribution() -> Path:
    """SPARK_HOME: the pyspark package of a venv of its own. Raises NoCluster."""
    if not shutil.which("java"):
        raise NoCluster("Spark needs Java, and there is no `java`")
    made = VENV / "requirements.txt"
    if not made.exists() or made.read_text("utf-8") != REQUIREMENTS.read_text("utf-8"):
        shutil.rmtree(VENV, ignore_errors=True)
        pip = [VENV / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        try:
            subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
            subprocess.run([*pip, "--require-hashes", "-r", REQUIREMENTS], check=True)
        except subprocess.CalledProcessError as e:
            raise NoCluster(f"the venv of Spark cannot be made: {e}") from e
        shutil.copy(REQUIREMENTS, made)
    [home] = VENV.glob("lib/python*/site-packages/pyspark")
    return home


@dataclass
class Cluster:
    """`url`: for WALLCHART_ENGINE. `master_ui`, `ui`: pages of the master, and of the application. An executor has
    `memory`, and one core; the server has `driver`."""

    home: Path
    folder: Path
    memory: str = "512m"
    driver: str = "1g"
    url: str = ""
    ui: str = ""
    master_ui: str = ""
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _master: str = ""
    _others: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        at, seen, asked, shown = (free_port() for _ in range(4))
        self._master, self.master_ui = f"spark://127.0.0.1:{at}", f"http://127.0.0.1:{seen}"
        master = ["spark-class", "org.apache.spark.deploy.master.Master", "--host", "127.0.0.1"]
        self._others.append(self._run("master", [*master, "--port", str(at), "--webui-port", str(seen)], at))
        for _ in range(2):
            self.start_worker()
        self.url, self.ui = f"sc://127.0.0.1:{asked}", f"http://127.0.0.1:{shown}"
        said = {
            "spark.connect.grpc.binding.address": "127.0.0.1",
            "spark.connect.grpc.binding.port": asked,
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.memory": self.driver,
            "spark.executor.memory": self.memory,
            "spark.sql.warehouse.dir": self.folder / "warehouse",
            "spark.sql.shuffle.partitions": 4,
            "spark.ui.port": shown,
            "spark.ui.showConsoleProgress": "false",
        }
        server = ["spark-submit", "--master", self._master]
        server += ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer"]
        for name, value in said.items():
            server += ["--conf", f"{name}={value}"]
        self._others.append(self._run("connect", server, asked))

    def start_worker(self) -> None:
        number, port = len(list(self.folder.glob("worker-*.log"))), free_port()
        worker = ["spark-class", "org.apache.spark.deploy.worker.Worker", "--host", "127.0.0.1", "--port", str(port)]
        worker += ["--webui-port", str(free_port()), "--cores", "1", "--memory", "2g"]
        worker += ["--work-dir", str(self.folder / "work"), self._master]
        self.workers.append(self._run(f"worker-{number}", worker, port))

    def kill_worker(self) -> None:
        """As a machine dies: a worker, its executor and the executor's Python are gone at once, with what they held."""
        worker = self.workers.pop(0)
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()

    @property
    def processes(self) -> list[subprocess.Popen[bytes]]:
        """Of the cluster, each with those that it began in a group of its own."""
        return [*self._others, *self.workers]

    def stop(self) -> None:
        for process in reversed(self.processes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _run(self, name: str, command: list[str], port: int) -> subprocess.Popen[bytes]:
        ours = {
            "SPARK_HOME": self.home,
            "SPARK_CONF_DIR": self.folder,
            "SPARK_LOCAL_DIRS": self.folder / "local",
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_DAEMON_MEMORY": "1g",  # at most; that of the server too
            "PYSPARK_PYTHON": sys.executable,  # the workers' Python: this project's
            "PYTHONPATH": ROOT,  # and what the tests hand to it
        }
        log = self.folder / f"{name}.log"
        with open(log, "wb") as told:
            process = subprocess.Popen(
                [self.home / "bin" / command[0], *command[1:]],
                cwd=self.folder, env=os.environ | {k: str(v) for k, v in ours.items()}, stdout=told, stderr=told,
                start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + STARTS
        while not listens(port):
            assert process.poll() is None, log.read_text()[-5000:]
            assert time.monotonic() < end, log.read_text()[-5000:]
            time.sleep(0.2)
        return process


@contextlib.contextmanager
def started(folder: Path, memory: str = "512m", driver: str = "1g") -> Iterator[Cluster]:
    cluster = Cluster(distribution(), folder, memory, driver)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
