"""Reminders and the notifier that carries them: real receivers on 127.0.0.1, the real release of a night, a time given."""

from __future__ import annotations

import datetime as dt
import email
import email.policy
import json
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from aiosmtpd.controller import Controller
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from expectations import workdays
from expectations.model import Plan
from pipelines.notifier import LONGEST, Message, Notifier, fitting
from pipelines.reminders import messages, nothing_to_do, owed, remind, strangers
from pipelines.settings import Settings
from tests.night import NOW, SHANGHAI, Night, long_csv
from tests.pipelines.conftest import run_job
from warehouse.trouble import StoreError, sqlite_damage

ROOT = Path(__file__).parent.parent.parent

CANARY = "c4n4ry-0123456789abcdef"
MORNING = dt.datetime(2022, 4, 13, 9, tzinfo=SHANGHAI)  # March is due on 15 April: in two days
TOKEN = "t0ken0123456789"
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


class Receiver:
    """An HTTP server that keeps what is posted to it, and answers as it is told."""

    def __init__(self, port: int = 0) -> None:
        receiver = self
        self.status, self.answer = 200, b"{}"
        self.posted: list[tuple[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.posted.append((self.path, json.loads(body)))
                self.send_response(receiver.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(receiver.answer)))
                self.end_headers()
                self.wfile.write(receiver.answer)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}/hook/{CANARY}"

    @property
    def titles(self) -> list[str]:
        return [body["title"] for _, body in self.posted]

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.stop()


@contextmanager
def dark_port() -> Iterator[int]:
    """A port on which nothing listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def notifier(folder: Path, quiet: tuple[str, str] | None = None, **urls: str) -> Notifier:
    recipients = {"" if name == "office" else name: SecretStr(url) for name, url in urls.items()}
    return Notifier(folder, recipients, quiet, "Asia/Shanghai")


# --- the notifier ---


def test_a_message_is_said_once_however_often_it_is_given_and_whoever_delivers(tmp_path, receiver):
    for hours in range(3):
        notify = notifier(tmp_path, office=receiver.url)  # a new process each time
        notify.notify(Message("run/1", "1", "失败", "见运行记录"), MORNING + hours * HOUR)
        assert notify.deliver(MORNING + hours * HOUR).sent == (1 if hours == 0 else 0)
    [(path, said)] = receiver.posted
    assert path == f"/hook/{CANARY}"
    assert (said["title"], said["message"]) == ("失败", "见运行记录")


def test_a_newer_key_is_said_again_and_an_older_one_is_not(tmp_path, receiver):
    notify = notifier(tmp_path, office=receiver.url)
    for key, title in (("2", "second"), ("1", "first"), ("3", "third")):
        notify.notify(Message("topic", key, title, "body"), MORNING)
        notify.deliver(MORNING)
    assert receiver.titles == ["second", "third"]


def test_what_waits_gives_way_to_what_is_newer_and_is_taken_back_when_it_is_no_longer_true(tmp_path, receiver):
    notify = notifier(tmp_path, office=receiver.url)
    for topic, key in (("a/1", "1"), ("a/1", "2"), ("a/2", "1"), ("b", "1")):
        notify.notify(Message(topic, key, f"{topic} {key}", "body"), MORNING)
    notify.retract("a/", but=["a/1"])
    assert notify.deliver(MORNING).sent == 2
    assert sorted(receiver.titles) == ["a/1 2", "b 1"]


def test_in_quiet_hours_nothing_is_sent_and_afterwards_nothing_is_lost(tmp_path, receiver):
    notify = notifier(tmp_path, ("20:00", "08:00"), office=receiver.url)
    evening = dt.datetime(2022, 4, 12, 20, 0, tzinfo=SHANGHAI)
    notify.notify(Message("run/1", "1", "evening", "body"), evening)
    for time in (evening, evening + 5 * HOUR, evening + 12 * HOUR - dt.timedelta(seconds=1)):
        done = notify.deliver(time.astimezone(dt.UTC))
        assert (done.sent, done.waiting) == (0, 1)
        assert done.quiet_until == evening + 12 * HOUR
    assert receiver.posted == []
    assert notify.deliver(evening + 12 * HOUR).sent == 1
    assert receiver.titles == ["evening"]


@given(st.times(), st.times(), st.datetimes(dt.datetime(2022, 1, 1), dt.datetime(2023, 1, 1)))
def test_quiet_hours_end_at_their_end_and_within_a_day(begins, ends, now):
    begins, ends = begins.replace(second=0, microsecond=0), ends.replace(second=0, microsecond=0)
    if begins == ends:
        return
    notify = notifier(Path("unused"), (f"{begins:%H:%M}", f"{ends:%H:%M}"))
    now = now.replace(tzinfo=SHANGHAI)
    until = notify.quiet_until(now)
    since = dt.datetime.combine(now.date() - DAY * (now.time() < begins), begins, SHANGHAI)
    length = (dt.datetime.combine(now, ends) - dt.datetime.combine(now, begins)) % DAY
    assert until == (since + length if now < since + length else None)


def test_a_receiver_that_is_down_is_reported_and_gets_everything_when_it_is_up_again(tmp_path, receiver):
    said = []
    with dark_port() as port:
        notify = notifier(tmp_path, office=f"json://127.0.0.1:{port}/hook/{CANARY} {receiver.url}")
        for n in (1, 2):
            notify.notify(Message(f"run/{n}", "1", f"run {n}", "body"), MORNING)
        down = notify.deliver(MORNING, said.append)
    assert (down.sent, down.waiting) == (2, 2)  # the other address has had both
    assert receiver.titles == ["run 1", "run 2"]
    assert len(down.failed) == 1
    assert down.failed[0].startswith("WALLCHART_NOTIFY, address 1: ")
    assert said == list(down.failed)
    up = Receiver(port)
    try:
        up.status = 503
        assert "503" in notify.deliver(MORNING + HOUR).failed[0]
        up.status = 200
        assert notify.deliver(MORNING + 2 * HOUR).failed == ()
        assert up.titles == ["run 1", "run 1", "run 2"]  # the first was refused, and the second not tried, at 503
        assert notify.deliver(MORNING + 3 * HOUR).sent == 0
    finally:
        up.stop()
    assert len(receiver.posted) == 2


def test_a_message_that_nobody_takes_is_given_up_after_a_week(tmp_path, receiver):
    receiver.status = 500
    notify, message = notifier(tmp_path, office=receiver.url), Message("run/1", "1", "title", "body")
    for day in range(8):  # given again each day, it is still the one of the first
        notify.notify(message, MORNING + day * DAY)
        assert notify.deliver(MORNING + day * DAY).waiting == (day < 7)
    assert len(receiver.posted) == 7
    assert notify.unsaid([message], MORNING + 8 * DAY) == []
    assert notify.unsaid([Message("run/1", "2", "title", "body")], MORNING + 8 * DAY)


def test_two_who_deliver_at_once_say_it_once(tmp_path, receiver):
    def one() -> None:
        notify = notifier(tmp_path, office=receiver.url)
        for n in range(5):
            notify.notify(Message(f"run/{n}", "1", f"run {n}", "body"), MORNING)
        notify.deliver(MORNING)

    both = [threading.Thread(target=one) for _ in range(3)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert sorted(receiver.titles) == [f"run {n}" for n in range(5)]


ROBOTS = [  # scheme, where its plugin keeps the robot's address, how it takes and how it refuses a message
    (
        "dingtalk",
        "NotifyDingTalk",
        {"errcode": 0, "errmsg": "ok"},
        {"errcode": 310000, "errmsg": f"sign not match: {TOKEN}"},
    ),
    (
        "wecombot",
        "NotifyWeComBot",
        {"errcode": 0, "errmsg": "ok"},
        {"errcode": 93000, "errmsg": f"invalid webhook url {TOKEN}"},
    ),
    ("feishu", "NotifyFeishu", {"code": 0, "msg": "success"}, {"code": 19024, "msg": f"Key Words Not Found {TOKEN}"}),
]


@pytest.mark.parametrize(("scheme", "plugin", "takes", "refuses"), ROBOTS, ids=[r[0] for r in ROBOTS])
def test_a_robot_that_refuses_with_http_200_has_not_had_the_message(
    tmp_path, receiver, monkeypatch, scheme, plugin, takes, refuses
):
    """The plugins' own requests, sent to the local receiver instead of the vendor."""
    from apprise.manager_plugins import NotificationManager

    robot = NotificationManager()[scheme]
    assert robot.__name__ == plugin
    place = "{key}" if scheme == "wecombot" else "{token}"
    monkeypatch.setattr(robot, "notify_url", f"http://127.0.0.1:{receiver.port}/robot/{place}")
    monkeypatch.setattr(robot, "request_rate_per_sec", 0)
    notify = notifier(tmp_path, office=f"{scheme}://{TOKEN}")
    notify.notify(Message("run/1", "1", "报送提醒", "· 第一行\n· 第二行"), MORNING)
    receiver.answer = json.dumps(refuses).encode()
    [failure] = notify.deliver(MORNING).failed
    assert str(refuses.get("errcode") or refuses["code"]) in failure
    assert TOKEN not in failure
    receiver.answer = json.dumps(takes).encode()
    assert notify.deliver(MORNING + HOUR).sent == 1
    path, said = receiver.posted[-1]
    assert path == f"/robot/{TOKEN}"
    text = (said.get("text") or said["content"]).get("content") or said["content"]["text"]
    assert text.replace("\r\n", "\n") == "报送提醒\n· 第一行\n· 第二行"


def test_mail_arrives_with_its_chinese_title(tmp_path):
    letters: list[bytes] = []

    class Mailbox:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            letters.append(envelope.content)
            return "250 OK"

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(Mailbox(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        notify = notifier(
            tmp_path, finance=f"mailto://127.0.0.1:{port}?from=wallchart@example.org&to=finance@example.org"
        )
        notify.notify(Message("t", "1", "报送提醒：财政局", "· 一般公共预算收入 <上期>", "finance"), MORNING)
        assert notify.deliver(MORNING).failed == ()
    finally:
        controller.stop()
    letter = email.message_from_bytes(letters[0], policy=email.policy.default)
    assert letter["Subject"] == "报送提醒：财政局"
    assert letter["To"] == "finance@example.org"
    body = letter.get_body(("plain", "html"))
    assert body is not None
    assert "一般公共预算收入" in body.get_content()


@given(st.text(), st.text(), st.integers(0, 400))
def test_no_message_is_longer_than_the_smallest_robot_takes(title, body, times):
    fits, cut = fitting(title, body * times)
    assert len(f"{fits}\r\n{cut}".encode()) <= LONGEST
    assert cut == body * times or cut.endswith("\n…")


@pytest.mark.parametrize(
    "url", ["{0}", "json://127.0.0.1:1/{0}", "nosuch://{0}@example.org/{0}", "mailto://u:{0}@127.0.0.1:1"]
)
def test_no_part_of_an_address_reaches_a_log_an_error_or_a_file(tmp_path, caplog, capfd, url):
    said: list[str] = []
    with caplog.at_level(logging.DEBUG):
        notify = notifier(tmp_path, office=url.format(CANARY))
        notify.notify(Message("t", "1", "title", "body"), MORNING)
        done = notify.deliver(MORNING, said.append)
    assert len(done.failed) == 1
    out, err = capfd.readouterr()
    kept = b"".join(p.read_bytes() for p in tmp_path.iterdir()).decode(errors="replace")
    for text in (*done.failed, *said, caplog.text, out, err, kept, repr(notify)):
        assert CANARY not in text


@given(st.dates(dt.date(2015, 1, 1), dt.date(2026, 12, 1)), st.integers(1, 30), st.sampled_from(["china", "weekdays"]))
def test_working_days_counted_forward_and_back_lead_to_the_same_day(day, count, calendar):
    due = workdays.after(day, count, calendar)
    back = workdays.before(due, count, calendar)
    assert workdays.before(due, 0, calendar) == due
    assert workdays.is_workday(back, calendar)
    assert back == day or (back < day and not workdays.is_workday(day, calendar))
    assert workdays.after(back, count, calendar) == due


# --- what is owed, and to whom it is said ---


@pytest.fixture(scope="module")
def april(night: Callable[..., Night]) -> Night:
    """13 April 2022: the airport's January and February have come, nothing else."""
    march = dt.datetime(2022, 3, 10, 9, tzinfo=SHANGHAI)
    return night({"transport/a.csv": passengers(1, 2)}, {"transport/a.csv": march}, MORNING)


def passengers(*months: int) -> bytes:
    return long_csv(*(("airport_passengers", "", f"2022-{m:02}", "", 80 * m, "万人次") for m in months))


@pytest.fixture
def over(tmp_path: Path) -> Callable[..., Settings]:
    """over(night, recipient=url, …): settings that see the night's release, with a register of messages of their own."""

    def over(night: Night, **urls: str) -> Settings:
        data = tmp_path / "data"
        data.mkdir(exist_ok=True)
        (data / "warehouse").unlink(missing_ok=True)
        (data / "warehouse").symlink_to(night.store.warehouse)
        recipients = {"" if name == "office" else name: SecretStr(url) for name, url in urls.items()}
        return Settings(data, [], {}, recipients, Path(), Path())

    return over


def test_the_table_says_who_owes_what(april):
    states = april.ask(
        "select state, min(days) as least, max(days) as most from reminder group by state order by state"
    )
    assert states == [{"state": "due_soon", "least": 2, "most": 2}, {"state": "overdue", "least": 30, "most": 54}]
    obligations = "select department, indicator, area, period from obligation where state = 'missing'"
    assert april.ask(f"{obligations} order by all") == april.ask(
        "select department, indicator, area, period from reminder where state = 'overdue' order by all"
    )
    mine = april.ask("from reminder where indicator = 'airport_passengers'")
    assert [(r["period"], r["state"]) for r in mine] == [("2022-03", "due_soon")]
    assert mine[0]["message_zh"] == "机场旅客吞吐量 2022-03 应于 2022-04-15 24:00 前报送，尚未收到。"
    assert (
        april.one('select count(*) as n from zh."报送提醒"')["n"]
        == april.one("select count(*) as n from reminder")["n"]
    )


def test_a_release_is_due_when_a_deadline_comes_near(plan: Plan, april: Night):
    from warehouse.marts import input_digest

    digests = [input_digest(april.store, plan, MORNING + n * DAY) for n in (-2, -1, 0, 1)]
    assert digests[0] != digests[1] == digests[2] == digests[3]  # from 12 April on, three working days before the 15th


def test_a_department_is_told_of_its_own_and_the_office_of_all(plan, april, over, receiver):
    config = over(april, office=receiver.url, transport=receiver.url + "/transport")
    assert remind(config, plan, MORNING).sent == 2
    said = {path.removeprefix(f"/hook/{CANARY}"): body for path, body in receiver.posted}
    found = owed(config.store, plan, MORNING)
    assert found is not None
    assert said[""]["title"] == (
        f"报送提醒：{found.departments.height} 个部门，逾期 {found.departments['overdue'].sum()} 项，"
        f"即将到期 {found.departments['due_soon'].sum()} 项"
    )
    own = said["/transport"]["message"].splitlines()
    assert said["/transport"]["title"] == "报送提醒：市交通运输局"
    assert "逾期" not in own[0].partition("即将到期")[0]
    assert "· 机场旅客吞吐量" in own
    assert "2022-03（应于 2022-04-15 24:00 前，还有 2 天）" in "\n".join(own)
    assert "transport/" in own[-2]


def test_reminders_come_when_something_becomes_due_when_it_is_overdue_and_then_weekly(plan, april, over, receiver):
    config = over(april, transport=receiver.url)
    days = []
    for day in range(24):
        for hour in (0, 9):
            now = MORNING.replace(hour=hour) + day * DAY
            if remind(config, plan, now).sent:
                days.append((now.date().isoformat()[5:], hour))
    # told at once; overdue since the midnight that ends 15 April, said after the quiet hours; then each seven days
    assert days == [("04-13", 9), ("04-16", 9), ("04-23", 9), ("04-30", 9)]
    assert "逾期 1 天" in receiver.posted[1][1]["message"]


def test_who_has_reported_meanwhile_is_not_reminded(plan, april, over, receiver, night):
    with dark_port() as port:
        config = over(april, transport=f"json://127.0.0.1:{port}/", science=f"json://127.0.0.1:{port}/")
        waiting = {m.recipient for m in messages(config, plan, MORNING)} & {"transport", "science"}
        assert remind(config, plan, MORNING).waiting == len(waiting)
    all_three = night({"transport/b.csv": passengers(1, 2, 3)}, {"transport/b.csv": MORNING}, MORNING)
    config = over(all_three, transport=receiver.url, science=receiver.url)
    assert remind(config, plan, MORNING + HOUR).waiting == 0
    assert [t for t in receiver.titles if "交通" in t] == []


def test_messages_are_short_and_say_how_much_they_leave_out(plan, over, night):
    bare = night({}, now=dt.datetime(2023, 4, 10, 9, tzinfo=SHANGHAI))
    config = over(bare, **{d.department: "json://127.0.0.1:1/" for d in plan.departments})
    said = messages(config, plan, dt.datetime(2023, 4, 10, 9, tzinfo=SHANGHAI))
    found = owed(config.store, plan, MORNING)
    assert found is not None
    assert {m.recipient for m in said} == {"", *found.departments["department"]}
    for m in said:
        assert len(f"{m.title}\r\n{m.body}".encode()) <= LONGEST
        assert m.body.count("\n") < 25
    busiest = found.departments.sort("overdue", descending=True)["department"][0]
    [body] = [m.body for m in said if m.recipient == busiest]
    assert "……另有" in body
    assert body.index("2022-01") < body.index("……另有")  # the longest overdue come first


def test_without_an_address_or_in_quiet_hours_or_when_all_is_said_there_is_nothing_to_do(plan, april, over, receiver):
    assert "no address is set" in (nothing_to_do(over(april), plan, MORNING) or "")
    config = over(april, office=receiver.url)
    assert nothing_to_do(config, plan, MORNING.replace(hour=7, minute=59)) == "quiet hours until 2022-04-13 08:00"
    assert nothing_to_do(config, plan, MORNING) is None
    remind(config, plan, MORNING)
    assert nothing_to_do(config, plan, MORNING) == "everything that is owed has been spoken of"
    assert strangers(over(april, office=receiver.url, finnance=receiver.url), plan) == [
        "WALLCHART_NOTIFY_FINNANCE: the plan has no department finnance"
    ]


# --- in Dagster and on the command line ---


def test_the_job_sends_and_goes_red_without_a_secret_when_it_cannot(city, plan, april, over, receiver, monkeypatch):
    awake = plan.policy.reminders.model_copy(update={"quiet_hours": None})  # the job reads the clock
    awake = plan.model_copy(update={"policy": plan.policy.model_copy(update={"reminders": awake})})
    monkeypatch.setattr(city.definitions, "compiled_plan", awake)
    monkeypatch.setattr(city.definitions, "config", over(april))
    assert "no address is set" in tick(city).skip_message
    monkeypatch.setattr(city.definitions, "config", over(april, office=receiver.url))
    receiver.status = 401
    assert isinstance(tick(city), dg.RunRequest)
    red = run_job(city, "reminders")
    assert not red.success
    log = "\n".join(str(e) for e in city.instance.all_logs(red.run_id))
    assert "WALLCHART_NOTIFY, address 1" in log
    assert "401" in log
    assert CANARY not in log
    receiver.status = 200
    assert run_job(city, "reminders").success
    assert len(receiver.posted) == 2
    assert tick(city).skip_message == "everything that is owed has been spoken of"


def tick(city: SimpleNamespace) -> Any:
    return city.definitions.reminders_hourly(dg.build_schedule_context(instance=city.instance))


def test_the_command_line_prints_who_owes_what_and_a_dry_run_sends_nothing(april, over, receiver):
    data = over(april).data
    environment = os.environ | {"WALLCHART_DATA": str(data)}
    environment.pop("WALLCHART_NOTIFY", None)
    command = [sys.executable, "-m", "pipelines.cli", "reminders", "--dry-run"]

    def said(**addresses: str) -> str:
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment | addresses, cwd=ROOT, check=True
        )
        return done.stdout + done.stderr

    without = said()
    assert "transport 市交通运输局" in without
    assert "no address is set" in without
    mine = said(WALLCHART_NOTIFY_TRANSPORT=receiver.url)
    assert "报送提醒：市交通运输局" in mine
    assert CANARY not in mine
    assert receiver.posted == []


def test_a_register_of_messages_that_is_damaged_is_named_with_what_to_do(tmp_path):
    notifier = Notifier(tmp_path, {"": SecretStr("json://127.0.0.1:9/")}, None, "Asia/Shanghai")
    due = Message("due", "1", "title", "body")
    notifier.notify(due, NOW)
    register = tmp_path / "messages.sqlite"
    os.truncate(register, register.stat().st_size // 2)
    assert "is damaged" in str(sqlite_damage(register))
    with pytest.raises(StoreError, match=r"messages\.sqlite is damaged: .* move it away"):
        notifier.unsaid([due], NOW)
