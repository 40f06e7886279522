"""Real servers on 127.0.0.1, each started by the test that asks for it: OpenSSH, an S3 store, an exchange platform's API.

Each is a Place: drop boxes that a test fills as departments do, the source's URL and credentials, and how many files were
fetched from it.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import getpass
import hashlib
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from pydantic import SecretStr

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin:" + os.environ.get("PATH", ""))
SFTP_SERVER = "/usr/lib/openssh/sftp-server"


class Place(ABC):
    """Where departments leave files. `path` is `<department>/<name>`."""

    credentials: dict[str, SecretStr]

    @abstractmethod
    def url(self, **options: str) -> str: ...

    @abstractmethod
    def put(self, path: str, content: bytes, sent: dt.datetime | None = None) -> None:
        """Puts or replaces a file; `sent` where the place lets a sender set the time."""

    @abstractmethod
    def content(self, path: str) -> bytes | None: ...

    @abstractmethod
    def fetched(self) -> int:
        """How many files have been read from here so far."""

    @abstractmethod
    def stop(self) -> None: ...

    @abstractmethod
    def start(self) -> None: ...


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def wait_until(true: Callable[[], bool], what: str, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            raise TimeoutError(f"{what}: not after {seconds} s")
        time.sleep(0.02)


def listens(port: int) -> bool:
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Folder(Place):
    """Drop boxes in a folder, which is its own server."""

    root: Path
    credentials: dict[str, SecretStr] = field(default_factory=dict)

    def url(self, **options: str) -> str:
        return self.root.as_uri() + _query(options)

    def put(self, path: str, content: bytes, sent: dt.datetime | None = None) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        if sent:
            os.utime(file, (sent.timestamp(), sent.timestamp()))

    def content(self, path: str) -> bytes | None:
        file = self.root / path
        return file.read_bytes() if file.exists() else None

    def fetched(self) -> int:
        pytest.skip("a folder does not count who reads it")

    def stop(self) -> None:
        self.root.rename(self.root.with_suffix(".away"))

    def start(self) -> None:
        self.root.with_suffix(".away").rename(self.root)


class Sshd(Folder):
    """OpenSSH's server, as this user, with a host key and a user key of its own, and the folder as its drop boxes."""

    def __init__(self, home: Path) -> None:
        super().__init__(home / "dropbox")
        self.root.mkdir()
        self.home, self.port = home, free_port()
        for key in ("host", "user", "stranger"):
            self.new_key(key)
        self.known_hosts = home / "known_hosts"
        self.know("host")
        (home / "authorized_keys").write_text((home / "user.pub").read_text())
        (home / "authorized_keys").chmod(0o600)
        (home / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {home}/host\nAuthorizedKeysFile {home}/authorized_keys\n"
            f"PidFile {home}/sshd.pid\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nLogLevel INFO\n"
            f"Subsystem sftp internal-sftp\nForceCommand {SFTP_SERVER} -e -l INFO 2>>{home}/sftp.log\n"
        )
        self.credentials = {"FILES_KEY": SecretStr((home / "user").read_text())}
        self.log = home / "sshd.log"
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd parts from its privileges
        self.start()

    def new_key(self, name: str) -> None:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.home / name], check=True)

    def know(self, *names: str) -> None:
        keys = [" ".join((self.home / f"{n}.pub").read_text().split()[:2]) for n in names]
        self.known_hosts.write_text("".join(f"[127.0.0.1]:{self.port} {k}\n" for k in keys))

    def url(self, **options: str) -> str:
        settings = {"credential": "files", "known_hosts": str(self.known_hosts), **options}
        return f"sftp://{getpass.getuser()}@127.0.0.1:{self.port}{self.root}{_query(settings)}"

    def fetched(self) -> int:
        return (self.home / "sftp.log").read_text().count(" flags READ ")

    def start(self) -> None:
        assert SSHD
        log = self.log.open("a")
        self.process = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", self.home / "sshd_config"], stdout=log, stderr=log, start_new_session=True
        )
        wait_until(lambda: listens(self.port) or self.process.poll() is not None, "sshd listens")
        assert self.process.poll() is None, self.log.read_text()

    def stop(self) -> None:
        os.killpg(self.process.pid, 15)
        self.process.wait()


class Store(Place):
    """An S3 store in a process of its own, which checks who asks: only the key made here may do anything."""

    def __init__(self, home: Path) -> None:
        import boto3

        self.home, self.port = home, free_port()
        self.start()
        at = {"endpoint_url": f"http://127.0.0.1:{self.port}", "region_name": "us-east-1"}
        first = {"aws_access_key_id": "first", "aws_secret_access_key": "first"}
        iam = boto3.client("iam", **at, **first)
        iam.create_user(UserName="wallchart")
        may = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        iam.put_user_policy(UserName="wallchart", PolicyName="all", PolicyDocument=json.dumps(may))
        key = iam.create_access_key(UserName="wallchart")["AccessKey"]
        self.credentials = {
            "STORE_ACCESS_KEY_ID": SecretStr(key["AccessKeyId"]),
            "STORE_SECRET_ACCESS_KEY": SecretStr(key["SecretAccessKey"]),
        }
        self.client = boto3.client(
            "s3", **at, aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"]
        )
        self.new_bucket()

    def new_bucket(self) -> None:
        self.bucket = f"city-{time.monotonic_ns()}"
        self.client.create_bucket(Bucket=self.bucket)
        self._from = len(self.log.read_text())

    @property
    def log(self) -> Path:
        return self.home / "store.log"

    def url(self, **options: str) -> str:
        settings = {"credential": "store", "endpoint": f"http://127.0.0.1:{self.port}", **options}
        return f"s3://{self.bucket}/dropbox{_query(settings)}"

    def put(self, path: str, content: bytes, sent: dt.datetime | None = None) -> None:
        self.client.put_object(Bucket=self.bucket, Key=f"dropbox/{path}", Body=content)

    def content(self, path: str) -> bytes | None:
        try:
            return bytes(self.client.get_object(Bucket=self.bucket, Key=f"dropbox/{path}")["Body"].read())
        except self.client.exceptions.NoSuchKey:
            return None

    def fetched(self) -> int:
        said = self.log.read_text()[self._from :].splitlines()
        return sum(f"GET /{self.bucket}/dropbox/" in line for line in said)

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=self.log.open("a"),
            env={**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "3"},
        )
        wait_until(lambda: listens(self.port), "the store listens")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


@dataclass
class Sent:
    """A submission on the exchange platform."""

    department: str
    name: str
    content: bytes
    modified_at: str
    rows: list[dict[str, Any]] | None = None
    size: int | None = None  # where the platform lies about it

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.content).hexdigest()}"'


class Platform(Place):
    """An exchange platform's API: a feed of submissions a department, by that department's token.

    It can be told to misbehave: `answers` are codes (with headers) that it gives to the next requests for a file instead of
    the file, `breaks_off` the bytes after which it breaks a connection, `resets` whether it then resets it, `hangs` whether it
    falls silent instead.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.tokens = {"science": "tok-science-7d1f", "health": "tok-health-93ac"}
        self.credentials = {f"EXCHANGE_TOKEN_{d.upper()}": SecretStr(t) for d, t in self.tokens.items()}
        self.feed: list[Sent] = []
        self.receipts: dict[str, bytes] = {}
        self.page_size = 3
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.breaks_off: list[int] = []
        self.hangs = False
        self.resets = False
        self.gone_cursors = False
        self.bytes_a_second = 0
        self.released = threading.Event()
        self.start()

    def url(self, **options: str) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1{_query({'credential': 'exchange', **options})}"

    def put(self, path: str, content: bytes, sent: dt.datetime | None = None) -> None:
        department, _, name = path.partition("/")
        self.feed.append(Sent(department, name, content, (sent or dt.datetime.now(dt.UTC)).isoformat()))

    def put_rows(self, path: str, rows: list[dict[str, Any]], sent: dt.datetime) -> None:
        department, _, name = path.partition("/")
        self.feed.append(Sent(department, name, b"", sent.isoformat(), rows))

    def content(self, path: str) -> bytes | None:
        department, _, name = path.partition("/")
        if name.startswith("receipts/"):
            return self.receipts.get(path)
        return next((s.content for s in reversed(self.feed) if (s.department, s.name) == (department, name)), None)

    def fetched(self) -> int:
        return sum("/content/" in path for path, _ in self.requests)

    def stop(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def start(self) -> None:
        self.released.clear()
        place = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *args: Any) -> None: ...

            def do_GET(self) -> None:
                place.answer(self)

            def do_PUT(self) -> None:
                place.take(self)

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *args: Any) -> None: ...  # a client that went away

        self.server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def reply(self, h: BaseHTTPRequestHandler, code: int, body: bytes = b"", **headers: str) -> None:
        h.send_response(code)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            h.send_header(name.replace("_", "-"), value)
        h.end_headers()
        if code != 304:
            h.wfile.write(body)

    def who(self, h: BaseHTTPRequestHandler) -> str | None:
        token = h.headers.get("Authorization", "").removeprefix("Bearer ")
        return next((d for d, t in self.tokens.items() if t == token), None)

    def answer(self, h: BaseHTTPRequestHandler) -> None:
        self.requests.append((h.path, dict(h.headers)))
        url, asking = urlsplit(h.path), self.who(h)
        if asking is None:
            self.reply(h, 401, h.headers.get("Authorization", "").encode())  # a careless server that repeats the token
        elif url.path == "/api/v1/submissions":
            self.list(h, asking, parse_qs(url.query))
        elif url.path.startswith("/api/v1/content/"):
            self.send(h, self.feed[int(unquote(url.path).rpartition("/")[2])])
        else:
            self.reply(h, 404)

    def list(self, h: BaseHTTPRequestHandler, asking: str, query: dict[str, list[str]]) -> None:
        after = int(query.get("after", ["0"])[0])
        if after and self.gone_cursors:
            return self.reply(h, 410)
        mine = [(n, s) for n, s in enumerate(self.feed, 1) if s.department == asking and n > after]
        shown = mine[: self.page_size]
        items = [
            {"name": s.name, "modified_at": s.modified_at, "rows": s.rows}
            if s.rows is not None
            else {"name": s.name, "modified_at": s.modified_at, "etag": s.etag, "content": f"content/{n - 1}",
                  "size": s.size or len(s.content)}
            for n, s in shown
        ]  # fmt: skip
        cursor = str(shown[-1][0]) if shown else query.get("after", [None])[0]
        body = json.dumps({"submissions": items, "cursor": cursor, "more": len(mine) > len(shown)}).encode()
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        if h.headers.get("If-None-Match") == etag:
            return self.reply(h, 304, ETag=etag)
        return self.reply(h, 200, body, ETag=etag, Content_Type="application/json")

    def send(self, h: BaseHTTPRequestHandler, sent: Sent) -> None:
        if self.answers:
            code, headers = self.answers.pop(0)
            return self.reply(h, code, **headers)
        start = 0
        if h.headers.get("If-Range") == sent.etag:
            start = int(h.headers["Range"].removeprefix("bytes=").rstrip("-"))
        if start and start >= len(sent.content):
            return self.reply(h, 416)
        h.send_response(206 if start else 200)
        h.send_header("ETag", sent.etag)
        h.send_header("Content-Length", str(len(sent.content) - start))
        if start:
            h.send_header("Content-Range", f"bytes {start}-{len(sent.content) - 1}/{len(sent.content)}")
        h.end_headers()
        if self.hangs:
            self.released.wait(30)
            return None
        until = self.breaks_off.pop(0) if self.breaks_off else len(sent.content)
        step = self.bytes_a_second // 20 or len(sent.content) or 1
        for at in range(start, until, step):
            h.wfile.write(sent.content[at : min(at + step, until)])
            if self.bytes_a_second:
                self.released.wait(0.05)
        if until < len(sent.content):
            h.wfile.flush()
            if self.resets:
                h.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                os.close(h.connection.detach())  # at once, with what is still under way
            else:
                h.connection.shutdown(socket.SHUT_RDWR)
        return None

    def take(self, h: BaseHTTPRequestHandler) -> None:
        department, name = self.who(h), unquote(urlsplit(h.path).path).rpartition("/receipts/")[2]
        content = h.rfile.read(int(h.headers["Content-Length"]))
        if department is None:
            return self.reply(h, 401)
        self.receipts[f"{department}/receipts/{name}"] = content
        return self.reply(h, 204)


def http_date(moment: dt.datetime) -> str:
    return email.utils.format_datetime(moment, usegmt=True)


def _query(options: dict[str, str]) -> str:
    return "?" + "&".join(f"{k}={v}" for k, v in options.items()) if options else ""


@contextmanager
def _running(place: Any) -> Iterator[Any]:
    try:
        yield place
    finally:
        place.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "dropbox").mkdir()
    return Folder(tmp_path / "dropbox")


@pytest.fixture
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    if SSHD is None and not os.environ.get("CI"):  # CI installs it
        pytest.skip("there is no sshd here (Debian: apt-get install openssh-server)")
    with _running(Sshd(tmp_path_factory.mktemp("sshd"))) as place:
        yield place


@pytest.fixture(scope="session")
def _store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with _running(Store(tmp_path_factory.mktemp("store"))) as place:
        yield place


@pytest.fixture
def store(_store: Store) -> Store:
    """An S3 store with a new bucket."""
    _store.new_bucket()
    return _store


@pytest.fixture
def platform() -> Iterator[Platform]:
    with _running(Platform()) as place:
        yield place
