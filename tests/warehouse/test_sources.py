"""Sources on real servers: what each protocol lands, what is not fetched again, and what happens when things break."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from expectations.model import Plan
from tests.night import IN_TIME, long_csv
from tests.servers import Folder, Place, Platform, Sent, Sshd, Store, free_port, http_date, wait_until
from warehouse import landing
from warehouse.landing import Landed, land
from warehouse.ledger import ledger
from warehouse.sources import SourceError, deliver, open_source, shown
from warehouse.store import Store as Rest

ROW = long_csv(("high_tech_firms", "", "2022Q4", "", 4200, "家"))
OTHER = long_csv(("high_tech_firms", "", "2022Q4", "", 4201, "家"))
BIG = os.urandom(1 << 20) * 40
EVERY = ["folder", "sshd", "store", "platform"]
FAR = ["sshd", "store", "platform"]


class Keeper:
    """A store that lands from places, and remembers what was said and how long it was told to wait."""

    def __init__(self, root: Path, plan: Plan) -> None:
        self.root, self.rest, self.plan = root / "data", Rest(root / "data"), plan
        self.said: list[str] = []
        self.waits: list[float] = []

    def land(self, *places: Place, now: dt.datetime | None = None, **options: str) -> Landed:
        secrets = {k: v for p in places for k, v in p.credentials.items()}
        return self.land_urls([p.url(**options) for p in places], secrets, now)

    def land_urls(self, urls: list[str], secrets: dict[str, SecretStr], now: dt.datetime | None = None) -> Landed:
        now = now or dt.datetime.now(dt.UTC)
        return land(self.rest, urls, self.plan, now, self.said.append, secrets, self.waits.append)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with ledger(self.rest) as db:
            return list(db.execute(query))

    def bytes_of(self, path: str) -> list[bytes]:
        """What is kept under a path, the earliest first."""
        found = self.ask(f"select sha256 from submission where path = '{path}' order by received_at")
        return [self.rest.object(sha256).read_bytes() for (sha256,) in found]

    def everything_written(self) -> bytes:
        return b"".join(p.read_bytes() for p in self.root.rglob("*") if p.is_file())


@pytest.fixture
def keeper(tmp_path: Path, plan: Plan) -> Keeper:
    return Keeper(tmp_path, plan)


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(request.param)
    return found


# --- what every protocol does ---


@pytest.mark.parametrize("place", EVERY, indirect=True)
def test_every_source_lands_what_departments_leave_and_nothing_twice(place: Place, keeper: Keeper) -> None:
    files = {
        "science/a.csv": ROW,
        "science/2022/高新 技术 (12月)%20#.csv": OTHER,
        "health/空.csv": b"",
        "health/a.csv": ROW,
    }
    for path, content in files.items():
        place.put(path, content)
    first, second = keeper.land(place), keeper.land(place)
    assert (first.failed_sources, first.unknown_boxes, len(first.new), first.looked_at) == ({}, [], 4, 4)
    assert {path: keeper.bytes_of(path) for path in files} == {path: [content] for path, content in files.items()}
    assert (second.failed_sources, second.new) == ({}, [])
    assert {s for (s,) in keeper.ask("select distinct source from submission")} == {shown(place.url())}


@pytest.mark.parametrize("place", FAR, indirect=True)
def test_what_is_known_by_size_and_time_or_etag_is_not_fetched(place: Place, keeper: Keeper) -> None:
    for n in range(7):
        place.put(f"science/{n}.csv", ROW + b"%d" % n)
    keeper.land(place)
    assert place.fetched() == 7
    keeper.land(place)
    assert place.fetched() == 7
    place.put("science/new.csv", OTHER)
    assert len(keeper.land(place).new) == 1
    assert place.fetched() == 8


@pytest.mark.parametrize("place", EVERY, indirect=True)
def test_a_replaced_file_is_a_new_submission_received_after_the_one_it_replaces(place: Place, keeper: Keeper) -> None:
    now = dt.datetime.now(dt.UTC)
    place.put("science/a.csv", ROW, now - dt.timedelta(minutes=5))
    keeper.land(place)
    place.put("science/a.csv", OTHER + b"\n", now - dt.timedelta(days=30))  # its clock went back
    assert len(keeper.land(place).new) == 1
    assert keeper.bytes_of("science/a.csv") == [ROW, OTHER + b"\n"]


@pytest.mark.parametrize("place", EVERY, indirect=True)
def test_what_is_not_yet_a_submission_is_left_alone(place: Place, keeper: Keeper) -> None:
    ignored = [
        "~$a.xlsx",
        ".a.csv",
        "a.csv.part",
        "b.tmp",
        "C.TMP",
        "receipts/a.csv",
        ".hidden/a.csv",
        "x/receipts/a.csv",
    ]
    for n, name in enumerate(ignored):
        place.put(f"science/{name}", b"%d" % n)
    place.put("science/a.csv", ROW)
    assert len(keeper.land(place).new) == 1
    assert keeper.ask("select path from submission") == [("science/a.csv",)]


@pytest.mark.parametrize("place", EVERY, indirect=True)
def test_receipts_are_delivered_where_the_source_takes_them_and_never_read(place: Place, keeper: Keeper) -> None:
    place.put("science/a.csv", ROW)
    with_receipts, without = place.url(receipts="yes"), place.url()
    for url, taken in ((without, False), (with_receipts, True)):
        source = open_source(url, place.credentials)
        assert deliver(source, "science", "回执 a.html", b"<p>first") is taken
        assert (place.content("science/receipts/回执 a.html") is not None) is taken
        assert deliver(source, "science", "回执 a.html", b"<p>second") is taken
        source.close()
    assert place.content("science/receipts/回执 a.html") == b"<p>second"
    keeper.land(place)
    assert keeper.ask("select path from submission") == [("science/a.csv",)]
    assert shown(with_receipts) == shown(without)  # the option does not make it another source


@pytest.mark.parametrize("name", ["../a", "a/b", ".a", ""])
def test_a_receipt_cannot_be_named_out_of_its_folder(folder: Folder, name: str) -> None:
    source = open_source(folder.url(receipts="yes"), {})
    with pytest.raises(ValueError, match="is no name"):
        deliver(source, "science", name, b"x")


@pytest.mark.parametrize("place", ["folder", "sshd"], indirect=True)
def test_a_receipt_comes_whole_and_through_no_link(place: Folder, tmp_path: Path) -> None:
    place.put("science/a.csv", ROW)
    source = open_source(place.url(receipts="yes"), place.credentials)
    deliver(source, "science", "a.html", b"x" * 100)
    assert [p.name for p in (place.root / "science/receipts").iterdir()] == ["a.html"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    place.put("health/a.csv", ROW)
    (place.root / "health/receipts").symlink_to(elsewhere)
    with pytest.raises(SourceError, match="link"):
        deliver(source, "health", "a.html", b"x")
    with pytest.raises(SourceError, match="not there"):
        deliver(source, "no_such_box", "a.html", b"x")
    assert list(elsewhere.iterdir()) == []
    source.close()


@pytest.mark.parametrize("place", ["folder", "sshd"], indirect=True)
def test_a_link_in_a_drop_box_speaks_for_no_one(place: Folder, keeper: Keeper) -> None:
    place.put("health/a.csv", ROW)
    place.put("science/b.csv", OTHER)
    (place.root / "science/a.csv").symlink_to(place.root / "health/a.csv")
    (place.root / "science/all").symlink_to(place.root / "health")
    keeper.land(place)
    assert sorted(keeper.ask("select path from submission")) == [("health/a.csv",), ("science/b.csv",)]


@pytest.mark.parametrize("place", ["folder", "sshd"], indirect=True)
def test_a_name_that_is_not_utf_8_is_read_as_gb_18030(place: Folder, keeper: Keeper) -> None:
    (place.root / "science").mkdir()
    with open(os.fsencode(place.root) + b"/science/" + "报表.csv".encode("gb18030"), "wb") as file:
        file.write(ROW)
    assert keeper.land(place).failed_sources == {}
    assert keeper.ask("select path from submission") == [("science/报表.csv",)]


@pytest.mark.parametrize("place", ["sshd", "platform"], indirect=True)
def test_a_source_that_is_down_is_retried_reported_and_stops_no_other(
    place: Place,
    folder: Folder,
    keeper: Keeper,
) -> None:
    place.put("science/far.csv", OTHER)
    folder.put("science/near.csv", ROW)
    place.stop()
    landed = keeper.land(place, folder)
    assert list(landed.failed_sources) == [shown(place.url())]
    assert len(landed.new) == 1
    assert keeper.waits[:3] == [1, 2, 4]
    assert any("trying again in 4 s" in line for line in keeper.said)
    place.start()
    landed = keeper.land(place, folder)
    assert (landed.failed_sources, len(landed.new)) == ({}, 1)


def test_a_store_that_is_down_is_reported_and_stops_no_other(store: Store, folder: Folder, keeper: Keeper) -> None:
    folder.put("science/near.csv", ROW)
    down = store.url(endpoint=f"http://127.0.0.1:{free_port()}")
    landed = keeper.land_urls([down, folder.url()], store.credentials)
    assert list(landed.failed_sources) == [shown(down)]
    assert len(landed.new) == 1


@pytest.mark.parametrize("place", ["sshd", "platform"], indirect=True)
def test_a_pull_that_is_killed_goes_on_where_it_stopped(place: Place, keeper: Keeper) -> None:
    place.put("science/big.csv", BIG)
    if isinstance(place, Platform):
        place.bytes_a_second = 40 << 20
    code = (
        "import datetime as dt, json, sys; from pathlib import Path; from pydantic import SecretStr;"
        "from expectations.load import PLANS, load_plan; from warehouse.landing import land; from warehouse.store import Store;"
        "root, url, secrets = json.load(sys.stdin);"
        "land(Store(Path(root)), [url], load_plan(PLANS / 'shenyang-2022'), dt.datetime.now(dt.UTC),"
        " credentials={k: SecretStr(v) for k, v in secrets.items()})"
    )
    secrets = {k: v.get_secret_value() for k, v in place.credentials.items()}
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, text=True)
    assert child.stdin
    with child.stdin as said:
        json.dump([str(keeper.root), place.url(), secrets], said)

    def part() -> int:
        return sum(p.stat().st_size for p in keeper.root.glob("landing/parts/*/*"))

    wait_until(lambda: part() >= 1 << 20 or child.poll() is not None, "a part has come")
    child.send_signal(signal.SIGKILL)
    child.wait()
    came = part()
    assert 0 < came < len(BIG)
    assert keeper.ask("select * from submission") == []
    landed = keeper.land(place)
    assert (landed.failed_sources, len(landed.new)) == ({}, 1)
    assert keeper.bytes_of("science/big.csv") == [BIG]
    assert part() == 0
    if isinstance(place, Platform):
        assert [h["Range"] for _, h in place.requests if "Range" in h] == [f"bytes={came}-"]


def test_landing_killed_before_its_ledger_was_written_ends_in_the_same_ledger(folder: Folder, keeper: Keeper) -> None:
    for n in range(3):
        folder.put(f"science/{n}.csv", ROW + b"%d" % n, IN_TIME + dt.timedelta(minutes=n))

    class Killed(BaseException): ...

    def killed(line: str) -> None:
        raise Killed

    now = dt.datetime.now(dt.UTC)
    with pytest.raises(Killed):
        land(keeper.rest, [folder.url(), "gopher://x"], keeper.plan, now, killed)
    keeper.land(folder, now=now)
    never_killed = Keeper(keeper.root.parent / "other", keeper.plan)
    never_killed.land(folder, now=now)
    all_of_it = "select submission, path, received_at from submission order by submission"
    assert keeper.ask(all_of_it) == never_killed.ask(all_of_it) != []


@pytest.mark.parametrize("place", ["folder", "sshd", "store"], indirect=True)
def test_a_file_that_is_replaced_while_it_is_read_is_left_for_the_next_landing(
    place: Place, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.put("science/a.csv", BIG)
    other = BIG[::-1] + b"longer"
    monkeypatch.setattr(landing, "TOLD", 8 << 20)
    told = keeper.said.append

    def replacing(line: str) -> None:
        told(line)
        if line.startswith("pulling") and place.content("science/a.csv") == BIG:
            place.put("science/a.csv", other)

    monkeypatch.setattr(keeper, "said", type("Said", (), {"append": staticmethod(replacing)}))
    first = keeper.land(place)
    assert (first.new, first.growing, first.failed_sources) == ([], ["science/a.csv"], {})
    keeper.land(place)
    assert keeper.bytes_of("science/a.csv") == [other]


@pytest.mark.parametrize("place", EVERY, indirect=True)
def test_a_file_beyond_the_limit_is_recorded_and_returned_but_not_pulled(
    place: Place, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    from warehouse import reading

    for module in (landing, reading):
        monkeypatch.setattr(module, "SIZE_LIMIT", 1000)
    place.put("science/big.csv", b"x" * 1001)
    place.put("science/a.csv", ROW)
    assert len(keeper.land(place).new) == 2
    reading.read_landed(keeper.rest, keeper.plan)
    assert keeper.ask("select path, fault_rule, sha256 <> '' from submission order by path") == [
        ("science/a.csv", None, 1),
        ("science/big.csv", "S07", 0),
    ]
    assert keeper.land(place).new == []


@pytest.mark.parametrize("place", EVERY, indirect=True)
def test_no_secret_reaches_ledger_log_or_message(
    place: Place, keeper: Keeper, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    place.put("science/a.csv", ROW)
    secrets = [s.get_secret_value() for s in place.credentials.values()]
    landed = [keeper.land(place)]
    place.put("science/b.csv", OTHER)
    wrong = {
        k: SecretStr("canary-4f9c") if k.endswith(("SECRET_ACCESS_KEY", "SCIENCE")) else v
        for k, v in place.credentials.items()
    }
    landed.append(keeper.land_urls([place.url()], wrong))
    if isinstance(place, Store | Platform):
        assert list(landed[1].failed_sources) == [shown(place.url())]
    inside = (
        place.url().replace("://", "://user:canary-4f9c@", 1)
        if "@" not in place.url()
        else place.url().replace("@", ":canary-4f9c@", 1)
    )
    landed.append(
        keeper.land_urls([inside, inside.replace("4f9c", "4f9c/#?"), place.url(token="canary-4f9c")], place.credentials)
    )
    assert len(landed[2].failed_sources) >= 2
    told = repr((landed, keeper.said)).encode() + keeper.everything_written() + repr(place.credentials).encode()
    ours = "\n".join(r.getMessage() for r in caplog.records if r.name.startswith(("warehouse", "httpx", "asyncssh")))
    for secret in ["canary-4f9c", *secrets]:
        assert secret.encode() not in told
        assert secret not in ours


# --- SFTP: the host is checked, and so are we ---


def test_a_host_whose_key_is_another_is_refused(sshd: Sshd, keeper: Keeper) -> None:
    sshd.put("science/a.csv", ROW)
    sshd.know("stranger")
    landed = keeper.land(sshd)
    assert "is not the one in" in landed.failed_sources[shown(sshd.url())]
    assert landed.new == []
    assert "Accepted" not in sshd.log.read_text()


def test_a_host_that_is_not_known_is_refused(sshd: Sshd, keeper: Keeper) -> None:
    sshd.known_hosts.write_text("")
    assert "none is there" in keeper.land(sshd).failed_sources[shown(sshd.url())]
    sshd.known_hosts.unlink()
    assert "ssh-keyscan" in keeper.land(sshd).failed_sources[shown(sshd.url())]
    assert "Accepted" not in sshd.log.read_text()


def test_a_key_that_the_host_does_not_know_is_refused(sshd: Sshd, keeper: Keeper) -> None:
    stranger = SecretStr((sshd.home / "stranger").read_text())
    landed = keeper.land_urls([sshd.url()], {"FILES_KEY": stranger})
    assert "does not accept the key" in landed.failed_sources[shown(sshd.url())]
    assert keeper.waits == []  # no use in trying again


def test_a_key_with_a_passphrase_needs_it(sshd: Sshd, keeper: Keeper) -> None:
    sshd.put("science/a.csv", ROW)
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "open sesame", "-f", sshd.home / "user"], check=True)
    key = {"FILES_KEY": SecretStr((sshd.home / "user").read_text())}
    assert "passphrase" in keeper.land_urls([sshd.url()], key).failed_sources[shown(sshd.url())]
    assert len(keeper.land_urls([sshd.url()], {**key, "FILES_PASSPHRASE": SecretStr("open sesame")}).new) == 1


def test_a_connection_that_breaks_is_made_anew_and_the_file_goes_on(
    sshd: Sshd,
    keeper: Keeper,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sshd.put("science/a.csv", BIG)
    monkeypatch.setattr(landing, "TOLD", 8 << 20)
    cut: list[str] = []

    def cutting(line: str) -> None:
        if line.startswith("pulling") and not cut:
            cut.append(line)
            sshd.stop()
            sshd.start()

    landed = land(
        keeper.rest, [sshd.url()], keeper.plan, dt.datetime.now(dt.UTC), cutting, sshd.credentials, lambda _: None
    )
    assert cut
    assert (landed.failed_sources, len(landed.new)) == ({}, 1)
    assert keeper.bytes_of("science/a.csv") == [BIG]


def test_a_box_that_may_not_be_read_stops_no_other_box(folder: Folder, keeper: Keeper) -> None:
    folder.put("science/a.csv", ROW)
    folder.put("health/a.csv", ROW)
    (folder.root / "health/a.csv").unlink()
    (folder.root / "health").rmdir()
    (folder.root / "health").symlink_to(folder.root / "nowhere")  # a mount that is not there
    assert len(keeper.land(folder).new) == 1


# --- an exchange platform's API ---


def test_a_token_speaks_for_its_own_department_only(platform: Platform, keeper: Keeper) -> None:
    platform.put("health/a.csv", ROW)
    secrets = {"EXCHANGE_TOKEN_SCIENCE": SecretStr(platform.tokens["health"])}  # bound to science by configuration
    keeper.land_urls([platform.url()], secrets)
    assert keeper.ask("select department, path from submission") == [("science", "science/a.csv")]


def test_the_listing_goes_on_at_its_cursor_and_asks_whether_anything_changed(
    platform: Platform, keeper: Keeper
) -> None:
    for n in range(7):
        platform.put(f"science/{n}.csv", ROW + b"%d" % n)

    def listed() -> list[str]:
        return [p.partition("?")[2] for p, _ in platform.requests if "submissions?" in p and "science" in p]

    keeper.land(platform)
    assert listed() == ["department=science", *(f"department=science&after={n}" for n in (3, 6))]
    platform.requests.clear()
    keeper.land(platform)
    assert listed() == ["department=science&after=7"]
    platform.requests.clear()
    keeper.land(platform)
    [asked] = [h for p, h in platform.requests if "science" in p]
    assert asked["If-None-Match"]
    platform.put("science/7.csv", OTHER)
    assert len(keeper.land(platform).new) == 1


def test_the_cursor_stays_before_a_file_that_did_not_come(platform: Platform, keeper: Keeper) -> None:
    for n in range(5):
        platform.put(f"science/{n}.csv", ROW + b"%d" % n)
    platform.answers = [(404, {})]
    landed = keeper.land(platform)
    assert (len(landed.new), len(landed.failed_sources)) == (4, 1)
    assert keeper.ask("select * from cursor where department = 'science'") == []
    landed = keeper.land(platform)
    assert (len(landed.new), len(landed.failed_sources)) == (1, 0)


def test_a_cursor_that_the_platform_forgot_starts_from_the_beginning(platform: Platform, keeper: Keeper) -> None:
    platform.put("science/a.csv", ROW)
    keeper.land(platform)
    platform.put("science/b.csv", OTHER)
    platform.gone_cursors, platform.page_size = True, 10
    landed = keeper.land(platform)
    assert (landed.failed_sources, len(landed.new)) == ({}, 1)
    assert platform.fetched() == 2


def test_too_many_requests_are_waited_out_as_the_platform_asks(platform: Platform, keeper: Keeper) -> None:
    platform.put("science/a.csv", ROW, IN_TIME)
    in_a_while = http_date(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=30))
    platform.answers = [(429, {"Retry-After": "17"}), (503, {}), (503, {"Retry-After": in_a_while})]
    landed = keeper.land(platform)
    assert (landed.failed_sources, len(landed.new)) == ({}, 1)
    assert keeper.waits[:2] == [17, 2]
    assert 25 < keeper.waits[2] <= 30


def test_a_platform_that_asks_for_an_hour_is_left_for_the_next_landing(platform: Platform, keeper: Keeper) -> None:
    platform.put("science/a.csv", ROW, IN_TIME)
    platform.answers = [(503, {"Retry-After": "3600"})]
    landed = keeper.land(platform)
    assert "503" in landed.failed_sources[shown(platform.url())]
    assert keeper.waits == []


def test_a_body_that_breaks_off_goes_on_by_range(platform: Platform, keeper: Keeper) -> None:
    platform.put("science/a.csv", BIG, IN_TIME)
    platform.breaks_off = [10 << 20, 30 << 20]
    landed = keeper.land(platform)
    assert (landed.failed_sources, len(landed.new)) == ({}, 1)
    ranges = [int(h["Range"][6:-1]) for _, h in platform.requests if "Range" in h]
    assert len(ranges) == 2
    assert 0 < ranges[0] <= 10 << 20 < ranges[1] <= 30 << 20
    assert keeper.bytes_of("science/a.csv") == [BIG]


def test_a_platform_that_hangs_is_given_up_in_time(platform: Platform, folder: Folder, keeper: Keeper) -> None:
    platform.put("science/a.csv", ROW, IN_TIME)
    folder.put("science/b.csv", OTHER)
    platform.hangs = True
    urls = [platform.url(timeout="1"), folder.url()]
    landed = keeper.land_urls(urls, platform.credentials)
    assert "ReadTimeout" in landed.failed_sources[shown(platform.url())]
    assert len(landed.new) == 1


@pytest.mark.parametrize(("lie", "word"), [(-10, "longer than"), (+10, "416")])
def test_a_length_that_is_a_lie_lands_nothing_and_is_reported(
    platform: Platform,
    keeper: Keeper,
    lie: int,
    word: str,
) -> None:
    platform.put("science/a.csv", ROW, IN_TIME)
    platform.put("science/b.csv", OTHER, IN_TIME)
    platform.feed[0].size = len(ROW) + lie
    landed = keeper.land(platform)
    assert word in landed.failed_sources[shown(platform.url())]
    assert keeper.ask("select path from submission") == [("science/b.csv",)]


def test_a_file_replaced_between_its_listing_and_its_bytes_is_left_for_the_next_landing(
    platform: Platform,
    keeper: Keeper,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    platform.put("science/a.csv", BIG, IN_TIME)
    platform.breaks_off = [10 << 20]
    listed = platform.feed[0]
    keeper.waits = type("Waits", (list,), {"append": lambda self, s: platform.feed.__setitem__(
        0, Sent("science", "a.csv", OTHER, listed.modified_at))})()  # fmt: skip
    landed = keeper.land(platform)
    assert (landed.new, landed.growing, landed.failed_sources) == ([], ["science/a.csv"], {})
    keeper.land(platform)
    assert keeper.bytes_of("science/a.csv") == [OTHER]


def test_rows_in_the_listing_land_as_a_file_of_their_own(platform: Platform, keeper: Keeper) -> None:
    from warehouse.reading import read_landed

    rows = [{"indicator": "high_tech_firms", "period": "2022Q4", "value": 4200, "unit": "家"}]
    platform.put_rows("science/十二月.json", rows, IN_TIME)
    assert len(keeper.land(platform).new) == 1
    assert read_landed(keeper.rest, keeper.plan) == ["2022-12"]
    assert keeper.ask("select rows, fault_rule, received_at from submission") == [(1, None, IN_TIME.timestamp() * 1e6)]


def test_no_token_is_sent_to_another_host(platform: Platform, keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    thief = Platform()
    try:
        platform.put("science/a.csv", ROW)
        monkeypatch.setattr(
            platform, "list", lambda h, *_: platform.reply(h, 200, json.dumps({"submissions": [
                {"name": "a.csv", "modified_at": IN_TIME.isoformat(), "size": 1, "content": f"http://127.0.0.1:{thief.port}/x"}
            ]}).encode()))  # fmt: skip
        landed = keeper.land(platform)
        assert "another host" in landed.failed_sources[shown(platform.url())]
        monkeypatch.setattr(
            platform, "list", lambda h, *_: platform.reply(h, 302, Location=f"http://127.0.0.1:{thief.port}/x")
        )
        assert "302" in keeper.land(platform).failed_sources[shown(platform.url())]
        assert thief.requests == []
    finally:
        thief.stop()


# --- S3 ---


def test_a_wrong_s3_key_is_refused_at_once(store: Store, keeper: Keeper) -> None:
    store.put("science/a.csv", ROW)
    wrong = {**store.credentials, "STORE_SECRET_ACCESS_KEY": SecretStr("wrong")}
    landed = keeper.land_urls([store.url()], wrong)
    assert "may not be read" in landed.failed_sources[shown(store.url())]
    assert keeper.waits == []


@pytest.mark.slow
def test_a_listing_longer_than_a_page_of_the_store_is_read_whole(store: Store, keeper: Keeper) -> None:
    for n in range(1003):
        store.put(f"science/{n % 7}/{n}.csv", b"")
    store.put("science/folder/", b"")  # what consoles make for a folder
    landed = keeper.land(store)
    assert (landed.looked_at, len(landed.new), landed.failed_sources) == (1003, 1, {})  # empty bytes are one submission


# --- configuration ---


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sftp://u@h/x", "WALLCHART_CREDENTIAL_<NAME>_KEY"),
        ("sftp://h/x?credential=nope", "USER@"),
        ("sftp://u@h/x?credential=nope", "WALLCHART_CREDENTIAL_<NAME>_KEY"),
        ("s3://b/x?credential=nope", "ACCESS_KEY_ID"),
        ("https://h/x?credential=nope", "TOKEN_<DEPARTMENT>"),
        ("sftp://u:p@h/x", "must not hold a password"),
        ("sftp://h:port/x", "cannot be read"),
        ("file:///x?recepts=yes", "has no option recepts"),
        ("file:///x?receipts=maybe", "yes or no"),
        ("ftp://h/x", "not a source"),
    ],
)  # fmt: skip
def test_a_source_that_is_ill_configured_is_said_with_what_to_do(keeper: Keeper, url: str, words: str) -> None:
    [(name, said)] = keeper.land_urls([url], {}).failed_sources.items()
    assert words in said
    assert "?" not in name


def test_the_libraries_of_a_protocol_are_loaded_only_where_it_is_used() -> None:
    code = "import pipelines.definitions, sys; print([m for m in ('s3fs', 'asyncssh', 'httpx', 'fsspec') if m in sys.modules])"
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert asked.stdout.strip().splitlines()[-1] == "[]"


# --- the ledger ---


def test_bytes_that_come_back_under_their_name_speak_again(folder: Folder, keeper: Keeper) -> None:
    times = [IN_TIME + dt.timedelta(hours=n) for n in range(4)]
    for content, sent in zip([ROW, OTHER, ROW, OTHER], times, strict=True):
        folder.put("science/a.csv", content, sent)
        keeper.land(folder)
    at = [int(t.timestamp() * 1e6) for t in times]
    first, second = (
        hashlib.sha256(b"science\0" + hashlib.sha256(c).hexdigest().encode()).hexdigest()[:16] for c in (ROW, OTHER)
    )
    assert keeper.ask("select submission, received_at from submission order by received_at") == [
        (first, at[0]),
        (second, at[1]),
    ]
    assert keeper.ask("select * from sent_again order by received_at") == [
        (first, at[2], "science/a.csv"),
        (second, at[3], "science/a.csv"),
    ]
    folder.put("science/a.csv", OTHER, times[3] + dt.timedelta(hours=1))  # touched, not sent again
    folder.put("science/copy.csv", ROW, times[3])  # a copy beside it says nothing new
    assert keeper.land(folder).again == []


def test_a_ledger_of_an_earlier_version_is_carried_on(folder: Folder, keeper: Keeper) -> None:
    folder.put("science/a.csv", ROW, IN_TIME)
    keeper.land(folder)
    with ledger(keeper.rest) as db:
        db.execute("alter table seen drop column etag")
        db.execute("drop table sent_again")
        db.execute("drop table cursor")
    assert keeper.land(folder).new == []
    assert keeper.ask("select etag from seen") == [("",)]
