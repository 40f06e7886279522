"""Messages to people, through apprise: each once, none lost, none in quiet hours; what was sent when is kept.

A message has a topic and a key. Of a topic only what is newer (a later key) than the last message sent is said, and what
could not be sent yet gives way to what is newer. Addresses are URLs with secrets in them: they come by environment
variables and never reach a file, a log or an error; here they are known by their variable's name and their place in it.

Not here: what there is to say (`pipelines.reminders`, `pipelines.alerts`), and when (`pipelines.definitions`).
"""

from __future__ import annotations

import datetime as dt
import fcntl
import logging
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from pipelines.settings import NOTIFY
from warehouse.trouble import sqlite_whole

OFFICE = ""  # whom NOTIFY itself names: those who run the plan, not one department
OPERATORS = "operators"  # those who run the machine
LONGEST = 2000  # bytes of title and body together: WeCom's robots take no more than 2048
SECONDS = 60  # for one message to one address
GIVEN_UP_AFTER = dt.timedelta(days=7)

SCHEMA = """
create table if not exists message (
    topic text not null, key text not null, recipient text not null, place integer not null, title text not null,
    body text not null, queued_at text not null, tries integer not null default 0, failure text, sent_at text,
    primary key (topic, recipient, place, key)
)
"""
WAY_BACK = (
    "Put it back from a backup, or move it away: reminders and alerts that were sent are then sent once more"
    " (docs/faults.md)"
)
WAITING = "from message where sent_at is null and queued_at > ?"

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Message:
    topic: str
    key: str  # of two keys of a topic the one that sorts later is the newer
    title: str
    body: str
    recipient: str = OFFICE  # a department's code, or OFFICE


@dataclass(frozen=True)
class Delivered:
    """What became of the messages that waited. `failed`: an address and why, one each; `quiet_until`: nothing was tried."""

    sent: int = 0
    waiting: int = 0
    failed: tuple[str, ...] = ()
    quiet_until: dt.datetime | None = None


@dataclass(frozen=True)
class Notifier:
    """`folder` keeps what was sent and what waits; `quiet_hours` as in policy.reminders, in `zone`."""

    folder: Path
    recipients: Mapping[str, SecretStr]
    quiet_hours: tuple[str, str] | None
    zone: str

    def unsaid(self, messages: Iterable[Message], now: dt.datetime) -> list[Message]:
        """Those of the messages that have yet to be said at one of their addresses."""
        with self._register() as db:
            return [
                m
                for m in messages
                if any(self._settled(db, m, place, now) < m.key for place in range(len(self._urls(m.recipient))))
            ]

    def notify(self, message: Message, now: dt.datetime) -> None:
        """Queues the message for each address of its recipient that has not had it or a newer one; `deliver` sends it."""
        title, body = fitting(message.title, message.body)
        with self._register() as db:
            for place in range(len(self._urls(message.recipient))):
                at = (message.topic, message.recipient, place)
                db.execute(f"delete from message where {AT} and sent_at is null and key <> ?", (*at, message.key))
                if self._settled(db, message, place, now) < message.key:
                    db.execute(  # one that waits keeps its place, and the time from which on it is tried
                        "insert into message (topic, recipient, place, key, title, body, queued_at)"
                        " values (?, ?, ?, ?, ?, ?, ?)"
                        " on conflict do update set title = excluded.title, body = excluded.body",
                        (*at, message.key, title, body, _text(now)),
                    )

    def retract(self, topics: str, but: Iterable[str] = ()) -> None:
        """Unsent messages of the topics that begin with `topics` are no longer true, but for those of `but`."""
        with self._register() as db:
            waiting = db.execute("select distinct topic from message where sent_at is null").fetchall()
            gone = [(t,) for (t,) in waiting if t.startswith(topics) and t not in set(but)]
            db.executemany("delete from message where topic = ? and sent_at is null", gone)

    def newest(self, topics: str, recipient: str, now: dt.datetime) -> dict[str, tuple[str, bool]]:
        """Of each topic that begins with `topics`: the key of the last message that the recipient had or that waits, and
        whether any address has had it."""
        with self._register() as db:
            rows = db.execute(
                "select topic, key, max(sent_at is not null) from message where recipient = ?"
                " and substr(topic, 1, length(?)) = ? and (sent_at is not null or queued_at > ?)"
                " group by topic, key order by key",
                (recipient, topics, topics, _text(now - GIVEN_UP_AFTER)),
            ).fetchall()
        return {topic: (key, bool(had)) for topic, key, had in rows}

    def waiting(self, now: dt.datetime) -> int:
        with self._register() as db:
            [(count,)] = db.execute(f"select count(*) {WAITING}", (_text(now - GIVEN_UP_AFTER),)).fetchall()
        return int(count)

    def quiet_until(self, now: dt.datetime) -> dt.datetime | None:
        """When the quiet hours end that `now` falls into, or None."""
        if self.quiet_hours is None:
            return None
        local = now.astimezone(ZoneInfo(self.zone))
        begins, ends = (dt.time.fromisoformat(t) for t in self.quiet_hours)
        clock = local.time()
        quiet = begins <= clock < ends if begins < ends else clock >= begins or clock < ends
        if not quiet:
            return None
        day = local.date() + dt.timedelta(days=clock >= ends)
        return dt.datetime.combine(day, ends, ZoneInfo(self.zone))

    def deliver(self, now: dt.datetime, progress: Progress = lambda _: None) -> Delivered:
        """Sends what waits. An address that fails is left for this time and tried again the next; after GIVEN_UP_AFTER a
        message is given up, and stays in the register as never sent.

        A process killed between an answer and its entry says that one message twice.
        """
        if until := self.quiet_until(now):
            return Delivered(waiting=self.waiting(now), quiet_until=until)
        with self._one_at_a_time():
            with self._register() as db:
                rows = db.execute(
                    f"select * {WAITING} order by queued_at, rowid", (_text(now - GIVEN_UP_AFTER),)
                ).fetchall()
            sent, failed = 0, dict[str, str]()
            by_address: dict[tuple[str, int], list[sqlite3.Row]] = {}
            for row in rows:
                by_address.setdefault((row["recipient"], row["place"]), []).append(row)
            with _quietly():
                for (recipient, place), messages in by_address.items():
                    urls = self._urls(recipient)
                    name = f"{variable(recipient)}, address {place + 1}"
                    if place >= len(urls):
                        failure: str | None = "is not set any more"
                    else:
                        sent_here, failure = self._send(urls[place], messages, now)
                        sent += sent_here
                    if failure:
                        failed[name] = failure
                        progress(f"{name}: {failure}")
        return Delivered(sent, self.waiting(now), tuple(f"{name}: {why}" for name, why in failed.items()))

    def _send(self, url: str, messages: Sequence[sqlite3.Row], now: dt.datetime) -> tuple[int, str | None]:
        """How many were sent, and why the first failed that was not."""
        address = _address(url)
        for count, row in enumerate(messages):
            failure = "apprise knows no such address" if address is None else _failure(address, url, row)
            with self._register() as db:
                db.execute(
                    f"update message set tries = tries + 1, failure = ?, sent_at = ? where {AT} and key = ?",
                    (
                        failure,
                        None if failure else _text(now),
                        *(row[c] for c in ("topic", "recipient", "place", "key")),
                    ),
                )
            if failure:
                return count, failure
        return len(messages), None

    def _urls(self, recipient: str) -> list[str]:
        given = self.recipients.get(recipient)
        return given.get_secret_value().split() if given else []

    def _settled(self, db: sqlite3.Connection, message: Message, place: int, now: dt.datetime) -> str:
        """The newest key of the topic that the address has had, or that was given up."""
        [(key,)] = db.execute(
            f"select coalesce(max(key), '') from message where {AT} and (sent_at is not null or queued_at <= ?)",
            (message.topic, message.recipient, place, _text(now - GIVEN_UP_AFTER)),
        ).fetchall()
        return str(key)

    @contextmanager
    def _register(self) -> Iterator[sqlite3.Connection]:
        """The register of messages; what happens inside is one transaction."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "messages.sqlite"
        with sqlite_whole(file, WAY_BACK), closing(sqlite3.connect(file, timeout=60)) as db:
            db.row_factory = sqlite3.Row
            db.execute(SCHEMA)
            with db:
                yield db

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Two who deliver at once would say everything twice. Ends with the process, even a killed one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


AT = "topic = ? and recipient = ? and place = ?"


def variable(recipient: str) -> str:
    """The environment variable that holds a recipient's addresses."""
    return f"{NOTIFY}_{recipient.upper()}" if recipient else NOTIFY


def fitting(title: str, body: str) -> tuple[str, str]:
    """Both within LONGEST bytes, the body cut at the end of a line where that goes."""
    title = " ".join(title.split()).encode(errors="replace")[: LONGEST // 4].decode(errors="ignore")
    whole = body.encode(errors="replace")
    room = LONGEST - len(f"{title}\r\n".encode())
    if len(whole) <= room:
        return title, whole.decode()
    cut = whole[: room - len("\n…".encode())].decode(errors="ignore")
    return title, (cut.rpartition("\n")[0] or cut) + "\n…"


def _text(time: dt.datetime) -> str:
    return time.astimezone(dt.UTC).isoformat(timespec="microseconds")


def _address(url: str) -> Any:
    import apprise  # late: it costs more than all the rest

    asset = apprise.AppriseAsset(app_id="Wallchart", app_desc="Wallchart", app_url="", async_mode=False)
    plugin = apprise.Apprise.instantiate(url, asset=asset)
    if plugin is None:
        return None
    address = apprise.Apprise(asset=asset)
    address.add(plugin)
    return address


def _failure(address: Any, url: str, row: sqlite3.Row) -> str | None:
    """Sends a message; why the address did not take it, without any part of its URL, or None."""
    with _robots_heard() as refusals, address.notify(
        row["body"], title=row["title"], body_format="text", timeout=SECONDS, log_level=logging.WARNING
    ) as result:  # fmt: skip
        if result and not refusals:
            return None
        said = refusals or [entry.message for entry in result.logs()]
    return _masked("; ".join(said) or f"no answer within {SECONDS} seconds", url)


def _masked(text: str, url: str) -> str:
    """The text without whatever it repeats of the URL."""
    said = url.partition("://")[2]
    parts = {part for text in (said, unquote(said)) for part in re.split(r"[^\w.%+-]+", text)}
    for part in sorted((p for p in parts if len(p) > 3), key=len, reverse=True):
        text = text.replace(part, "***")
    return " ".join(text.split())[:300]


@contextmanager
def _robots_heard() -> Iterator[list[str]]:
    """The robots of DingTalk, WeCom and Feishu say in the body whether they took a message, and HTTP 200 in any case, which
    is all that apprise 2.2 looks at. Here their plugins' requests pass through a listener; what a robot refused is in the list.
    """
    import requests
    from apprise.plugins import dingtalk, feishu, lark, wecombot

    refusals: list[str] = []

    class Listener:
        def __getattr__(self, name: str) -> Any:
            return getattr(requests, name)

        def post(self, *args: Any, **kwargs: Any) -> requests.Response:
            answer = requests.post(*args, **kwargs)
            try:
                said = answer.json()
            except requests.JSONDecodeError:
                said = {}
            if isinstance(said, dict) and (code := said.get("errcode", said.get("code", 0))):
                refusals.append(f"refused, code {code}: {said.get('errmsg', said.get('msg', ''))}")
            return answer

    robots = [vars(module) for module in (dingtalk, feishu, lark, wecombot)]
    for robot in robots:
        robot["requests"] = Listener()
    try:
        yield refusals
    finally:
        for robot in robots:
            robot["requests"] = requests


@contextmanager
def _quietly() -> Iterator[None]:
    """What apprise and the libraries under it log, even at DEBUG, holds addresses: it goes nowhere. We say what failed."""
    silent = logging.NullHandler()
    loggers = [logging.getLogger(name) for name in ("apprise", "urllib3", "requests", "smtplib")]
    before = [log.propagate for log in loggers]
    for log in loggers:
        log.addHandler(silent)
        log.propagate = False
    try:
        yield
    finally:
        for log, propagates in zip(loggers, before, strict=True):
            log.removeHandler(silent)
            log.propagate = propagates
