"""What somebody can do who got into a drop box, or onto a source: names, links, and SQL in every text. See docs/security.md."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from expectations import suites
from expectations.load import PLANS, load_plan
from expectations.model import Plan
from tests.night import NOW, Night, long_csv, run_night
from tests.servers import Folder, Place, Platform, Sshd, Store, free_port
from tests.warehouse.test_sources import Keeper
from warehouse import judge, marts, receipts
from warehouse.landing import land
from warehouse.sources import Changed, deliver, open_source
from warehouse.sources.source import spelled
from warehouse.store import Store as Rest
from warehouse.store import connect, opened

ROOT = Path(__file__).parents[2]
ROW = long_csv(("high_tech_firms", "", "2022Q4", "", 4200, "家"))
FLOORS = ("expectations", "warehouse", "assets", "pipelines")


@pytest.fixture
def keeper(tmp_path: Path, plan: Plan) -> Keeper:
    return Keeper(tmp_path, plan)


# --- a drop box speaks for its department, whatever its files are called ---

NAMES = [
    "a\nb.csv", "⟨U+000A⟩.csv", "\n.csv", "tab\there.csv", "\x1b[31mred\x07.csv", "\u202egnp.csv", "zero\u200bwidth.csv",
    "'; drop table submission; --.csv", '"; $(touch pwned) `id` | x & y.csv', "*.csv", "[a-z]?.csv", "{x} {batch} :x %s.csv",
    "%2e%2e%2fhealth%2fa.csv", "x..%2f..\\health\\a.csv", "C:\\x.csv", "=1+1.csv", "-rf.csv", "<img src=x onerror=1>.csv",
    "Health.csv", "health.csv", "e\u0301.csv", "\u00e9.csv", "Ａ.csv", "A.csv", "a.csv", "n" * 240 + ".csv", "health/a.csv",
]  # fmt: skip
OUTSIDE = ["../health/a.csv", "x/../../health/a.csv", "/../health/a.csv"]  # where a name may hold them
SLOW = [pytest.param(p, marks=pytest.mark.slow) for p in ("sshd", "store")]


@pytest.mark.parametrize("kind", ["folder", "platform", *SLOW])
def test_a_files_name_is_a_label_in_its_own_box_and_nothing_more(
    kind: str, keeper: Keeper, request: pytest.FixtureRequest
) -> None:
    place: Place = request.getfixturevalue(kind)
    names = list(NAMES)
    if isinstance(place, Platform):
        names += ["/etc/passwd.csv", "nul\0.csv"]
        for name in OUTSIDE:
            place.put(f"science/{name}", b"another's")
    if isinstance(place, Store):
        names = [name for name in names if "\n" not in name]  # the store of the tests takes none
    for n, name in enumerate(names):
        place.put(f"science/{name}", ROW + b"%d" % n)
    landed = keeper.land(place)
    assert (landed.failed_sources, len(landed.new)) == ({}, len(names))
    paths = [path for (path,) in keeper.ask("select path from submission where department = 'science'")]
    assert sorted(paths) == sorted(f"science/{spelled(name)}" for name in names)
    assert len(set(paths)) == len(names)
    for path in paths:
        assert not re.search(r"[\x00-\x1f\x7f\u200b\u202e]", path)
        assert spelled(path.replace("⟨", "")) == path.replace("⟨", "")
    again = keeper.land(place)
    assert (again.new, again.again, again.failed_sources) == ([], [], {})


def test_two_names_that_look_the_same_are_two_files(folder: Folder, keeper: Keeper) -> None:
    folder.put("science/报表.csv", ROW)
    with open(os.fsencode(folder.root) + b"/science/" + "报表.csv".encode("gb18030"), "wb") as file:
        file.write(ROW + b"2")
    keeper.land(folder)
    [marked, plain] = sorted(path for (path,) in keeper.ask("select path from submission"))
    assert plain == "science/报表.csv"
    assert re.fullmatch(r"science/⟨[0-9a-f]{6}⟩报表\.csv", marked)
    second = keeper.land(folder)
    assert (second.new, second.again) == ([], [])


def test_a_box_named_almost_like_a_departments_is_nobodys(folder: Folder, keeper: Keeper) -> None:
    for box in ("Science", "science ", "ｓcience", "scie\u200bnce", "science\n", "science.", "..science"):
        folder.put(f"{box}/a.csv", ROW)
    folder.put("health/a.csv", ROW)
    landed = keeper.land(folder)
    assert keeper.ask("select path from submission") == [("health/a.csv",)]
    assert len(landed.unknown_boxes) == 6  # one begins like a hidden file


def test_folders_deeper_than_any_recursion_stop_no_other_box(folder: Folder, keeper: Keeper) -> None:
    folder.put("health/a.csv", ROW)
    folder.put("science/top.csv", ROW)
    deep = [folder.root / "science"]
    for _ in range(1050):
        deep.append(deep[-1] / "d")
        os.mkdir(deep[-1])
    try:
        (deep[-1] / "a.csv").write_bytes(ROW + b"deep")
        landed = keeper.land(folder)
        assert (landed.failed_sources, len(landed.new)) == ({}, 3)
    finally:
        (deep[-1] / "a.csv").unlink()
        for made in reversed(deep[1:]):
            made.rmdir()


def test_a_hard_link_speaks_only_as_the_box_that_it_lies_in(folder: Folder, night: Callable[..., Night]) -> None:
    folder.put("statistics/gdp.csv", long_csv(("gdp", "", "2022Q4", "", 7000, "亿元"), banner=["填报部门：市统计局"]))
    folder.put("statistics/bare.csv", long_csv(("gdp", "", "2022Q4", "", 7001, "亿元")))
    (folder.root / "science").mkdir()
    for name in ("gdp.csv", "bare.csv"):
        os.link(folder.root / "statistics" / name, folder.root / "science" / name)
    made = night({}, root=folder.root.parent)
    assert {(r["path"], r["rule"]) for r in made.ask(
        "select path, rule from finding join submission using (submission) where path like 'science/%'"
    )} == {("science/gdp.csv", "S08"), ("science/bare.csv", "V02")}  # fmt: skip
    assert made.ask("select distinct department from observation") == [{"department": "statistics"}]


def swap_file(file: Path, elsewhere: Path) -> None:
    file.unlink()
    file.symlink_to(elsewhere / "a.csv")


def swap_folder(file: Path, elsewhere: Path) -> None:
    file.parent.rename(file.parent.with_name("was"))
    file.parent.symlink_to(elsewhere)


def swap_pipe(file: Path, elsewhere: Path) -> None:
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize("swap", [swap_file, swap_folder, swap_pipe])
def test_what_is_swapped_for_a_link_between_two_looks_opens_nothing(
    folder: Folder, tmp_path: Path, swap: Callable[[Path, Path], None]
) -> None:
    sent = dt.datetime(2023, 1, 10, tzinfo=dt.UTC)
    folder.put("science/sub/a.csv", b"x" * 100, sent)
    secret = Folder(tmp_path / "elsewhere")
    secret.put("a.csv", b"s" * 100, sent)  # as long and as old: nothing but the link tells them apart
    source = open_source(folder.url(), {})
    [entry] = source.page("science", None).entries
    swap(folder.root / "science/sub/a.csv", secret.root)
    with pytest.raises(Changed, match="replaced"):
        list(source.blocks(entry, 0))
    source.close()


def test_a_receipt_is_written_through_no_link_that_waits_for_it(sshd: Sshd, tmp_path: Path) -> None:
    sshd.put("science/a.csv", ROW)
    precious = tmp_path / "precious"
    precious.write_text("kept")
    for name in ("a.html", ".a.html.tmp"):
        (sshd.root / "science/receipts").mkdir(exist_ok=True)
        (sshd.root / "science/receipts" / name).symlink_to(precious)
    source = open_source(sshd.url(receipts="yes"), sshd.credentials)
    assert deliver(source, "science", "a.html", b"<p>")
    source.close()
    assert precious.read_text() == "kept"
    assert sshd.content("science/receipts/a.html") == b"<p>"
    assert not (sshd.root / "science/receipts/a.html").is_symlink()


class Liar(ThreadingHTTPServer):
    """A store that lists, in the drop box of science, a key that lies in that of health."""

    daemon_threads = True

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: Any) -> None: ...

        def do_GET(self) -> None:
            asked = parse_qs(urlsplit(self.path).query)
            within = asked.get("prefix", [""])[0]
            self.server.asked.append(self.path)  # type: ignore[attr-defined]
            if "science" in within:
                listed = "".join(
                    f"<Contents><Key>{key}</Key><LastModified>2023-01-10T00:00:00.000Z</LastModified><ETag>&quot;1&quot;</ETag>"
                    "<Size>3</Size><StorageClass>STANDARD</StorageClass></Contents>"
                    for key in ("dropbox/health/a.csv", "dropbox/sciencefiction/a.csv")
                )
            else:
                listed = "<CommonPrefixes><Prefix>dropbox/science/</Prefix></CommonPrefixes>"
            body = (
                '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>'
                f"<Prefix>{within}</Prefix><KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>{listed}"
                "</ListBucketResult>"
            ).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)


@pytest.fixture
def liar() -> Iterator[Liar]:
    server = Liar(("127.0.0.1", free_port()), Liar.Handler)
    server.asked = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_store_that_lists_anothers_file_in_a_box_lands_nothing(liar: Liar, keeper: Keeper) -> None:
    url = f"s3://b/dropbox?endpoint=http://127.0.0.1:{liar.server_address[1]}&credential=x"
    keys = {"X_ACCESS_KEY_ID": SecretStr("id"), "X_SECRET_ACCESS_KEY": SecretStr("key")}
    landed = keeper.land_urls([url], keys)
    [said] = landed.failed_sources.values()
    assert "lists b/dropbox/health/a.csv in the drop box of science" in said
    assert keeper.ask("select * from submission") == []


# --- secrets ---


def test_a_platform_that_repeats_the_token_tells_it_to_nobody(
    platform: Platform, night: Callable[..., Night], plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = platform.credentials["EXCHANGE_TOKEN_SCIENCE"].get_secret_value()
    platform.put("science/a.csv", ROW, NOW - dt.timedelta(days=1))
    store = Rest(tmp_path / "data")
    land(store, [platform.url()], plan, NOW, credentials=platform.credentials)
    (tmp_path / "dropbox").mkdir()
    run_night(tmp_path, {}, plan=plan)
    receipts.make(store, plan)
    monkeypatch.setattr(platform, "take", lambda h: (h.rfile.read(int(h.headers["Content-Length"])),
                                                     h.send_response(400, f"no {token}"), h.end_headers()))  # fmt: skip
    said: list[str] = []
    done = receipts.deliver(store, [platform.url(receipts="yes")], platform.credentials, NOW, said.append)
    assert "400 no •••" in done.failed["failure"][0]
    written = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert token.encode() not in written
    assert token not in "".join(said)


# --- DuckDB: what touches texts from outside reaches its own folder and nothing else ---

REACHING = [
    "from read_text('{out}/secret.txt')", "from read_text('{within}/../out/secret.txt')", "from read_text('{within}/link.txt')",
    "from read_csv('{out}/secret.txt')", "from '{out}/secret.txt'", "from glob('{out}/*')", "from read_blob('/etc/hostname')",
    "from read_parquet('http://127.0.0.1:9/x.parquet')", "from read_text('/proc/self/environ')",
    "copy (select 1) to '{out}/written.csv'", "copy (select 1) to '{within}/../out/written.csv'",
    "copy (select 1) to '{out}/written.parquet' (format parquet)", "attach '{out}/written.duckdb' as other",
    "export database '{out}/written'", "import database '{out}'", "install httpfs", "load httpfs", "load '{out}/x.duckdb_extension'",
    "install '{out}/x.duckdb_extension'", "set enable_external_access = true", "reset enable_external_access",
    "set allowed_directories = ['/']", "set allowed_paths = ['{out}/secret.txt']", "set temp_directory = '{out}/spill'",
    "set autoload_known_extensions = true", "set allow_unsigned_extensions = true", "set lock_configuration = false",
    "set log_query_path = '{out}/log'", "pragma enable_profiling", "set profiling_output = '{out}/profile'",
    "set python_enable_replacements = true", "set memory_limit = '1TB'", "set extension_directory = '{out}'",
    "create secret x in local_file (type http, bearer_token 'x')",
]  # fmt: skip


@pytest.fixture
def fenced(tmp_path: Path) -> dict[str, Path]:
    within, out = tmp_path / "within", tmp_path / "out"
    within.mkdir()
    out.mkdir()
    (out / "secret.txt").write_text("secret")
    (within / "link.txt").symlink_to(out / "secret.txt")
    return {"within": within, "out": out}


@pytest.mark.parametrize("spilling", [False, True])
def test_no_sql_leads_out_of_the_folders_of_a_connection(fenced: dict[str, Path], *, spilling: bool) -> None:
    within, out = fenced["within"], fenced["out"]
    with connect(within, spill=within / ".spill" if spilling else None) as con:
        con.execute(f"copy (select 42 as a) to '{within}/a.parquet' (format parquet)")
        assert con.execute(f"from read_parquet('{within}/*.parquet')").fetchall() == [(42,)]
        for sql in REACHING:
            with pytest.raises(duckdb.Error):
                con.execute(sql.format(**fenced)).fetchall()
        assert [p.name for p in out.iterdir()] == ["secret.txt"]
    with connect() as con, pytest.raises(duckdb.PermissionException):
        con.execute(f"from read_parquet('{within}/a.parquet')")


def test_only_the_store_opens_duckdb() -> None:
    """All that reads outside texts goes through `connect` and `opened`."""
    opening = [
        path.relative_to(ROOT).as_posix()
        for floor in FLOORS
        for path in (ROOT / floor).rglob("*.py")
        if re.search(r"duckdb\.(connect|sql|execute|query|read_\w+)\(", path.read_text("utf-8"))
    ]
    # a release is checked in a process of its own, which knows nothing of ours
    assert opening == ["warehouse/store.py", "warehouse/release.py"] or sorted(opening) == [
        "warehouse/release.py",
        "warehouse/store.py",
    ]


@pytest.fixture(scope="module")
def judged(night: Callable[..., Night]) -> Night:
    return night(
        {"science/a.csv": ROW, "statistics/gdp.csv": long_csv(("gdp", "", "2022Q4", "", 7000, "亿元", "", "属实"))}
    )


def test_sql_slipped_into_a_rule_reads_no_file(judged: Night, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = "exists (from read_text('/etc/hostname'))"
    monkeypatch.setattr(suites.ExpectFigure, "broken", reading)
    done = judge.validity(judged.store, plan, judged.months)
    assert [(v.rule, "Permission" in (v.crashed or "")) for v in done.crashed] == [("V05", True)]
    monkeypatch.undo()
    judge.validity(judged.store, plan, judged.months)
    judge.quality(judged.store, plan, judged.months)


def test_sql_slipped_into_a_mart_reads_and_writes_no_file(
    judged: Night, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marts, "MISSING", "select count(*) as missing from read_text('/etc/hostname')")
    with pytest.raises(duckdb.PermissionException):
        marts.make(judged.store, plan, NOW)
    monkeypatch.undo()
    marts.make(judged.store, plan, NOW)


READS_FILES = re.compile(
    r"\b(read_\w+|glob|parquet_\w+|sniff_csv|scan_\w+|getenv|query|arrow_scan|load_aws\w*)\s*\(|https?://|'/"
)


def test_nothing_in_a_released_file_reads_another_file(judged: Night) -> None:
    with opened(judged.folder / "warehouse.duckdb") as con:
        texts = con.execute(
            "select sql from duckdb_views() where not internal union all"
            " select macro_definition from duckdb_functions() where not internal"
        ).fetchall()
        assert len(texts) > 30
        assert [t for (t,) in texts if READS_FILES.search(t or "")] == []
        views = con.execute("select schema_name, view_name from duckdb_views() where not internal").fetchall()
        for schema, view in views:
            con.execute(f'select count(*) from "{schema}"."{view}"')
        for macro in ("observation_as_known_at", "progress_as_known_at"):
            assert con.execute(f"select count(*) from {macro}(now())").fetchall()[0][0] > 0
        for sql in (
            "from read_text('/etc/hostname')",
            "attach '/tmp/x.duckdb' as x",
            "copy (select 1) to '/tmp/x.csv'",
        ):
            with pytest.raises(duckdb.Error):
                con.execute(sql)


# --- SQL, shell and template words in every text, and in the folder's own name ---

WORDS = st.lists(
    st.sampled_from([
        "'", '"', "''", ";", "--", "/*", "*/", "$", "$1", "$$", "?", ":x", ":", "%", "%s", "{", "}", "{batch}", "{{", "}}",
        "{0}", "\\", "`", "$(id)", "|", "&", "*", "[", "]", "[!a]", "(", ")", ",", "#", "@", "~", "=", "-", "x", "0", " ", "\t",
        "drop table finding", "' or 1=1 --", "union select", "read_text('/etc/passwd')", "\u3000", "’", "‘", "；", "－", "\u2028", "\x00",
    ]), min_size=1, max_size=8,
).map("".join)  # fmt: skip
FOLDERS = st.lists(
    st.sampled_from([*"'\";-$%{}*?[]:,#=&!~() \u3000x", "a=b", "$x", ":x", "{batch}"]), min_size=3, max_size=12
).map("".join)


@pytest.mark.slow
@settings(  # a night an example: no time to look for the smallest
    max_examples=int(os.environ.get("WORDS", "2")), suppress_health_check=list(HealthCheck), phases=[Phase.generate]
)
@given(data=st.data())
def test_texts_are_texts_however_much_they_look_like_sql(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    plan = load_plan(PLANS / "shenyang-2022")
    root = tmp_path_factory.mktemp("night") / f"x{data.draw(FOLDERS)}x"
    words = data.draw(st.lists(WORDS, min_size=40, max_size=40, unique_by=lambda w: "".join(w.split())))
    sent = {}
    for n, text in enumerate(words):
        rows = [
            ("high_tech_firms", "", "2022Q4", "", 4000 + n, "家", "", text),  # a note
            (f"i{text}", "", "2022Q4", "", 1, "家"),
            ("high_tech_firms", f"i{text}", "2022Q4", "", 1, "家"),
            ("high_tech_firms", "", f"p{text}", "", 1, "家"),
            ("high_tech_firms", "", "2022Q4", f"a{text}", 1, "家"),
            ("high_tech_firms", "", "2022Q4", "", f"v{text}", "家"),
            ("high_tech_firms", "", "2022Q4", "", 1, f"u{text}"),
            ("high_tech_firms", "", "2022Q4", "", 1, "家", f"m{text}"),
        ]
        keys = ("indicator", "indicator_name", "period", "area", "value", "unit", "measure", "note")
        name = f"science/{n}{text.replace('/', '')}.json".replace("\0", "")
        sent[name] = json.dumps([dict(zip(keys, row, strict=False)) for row in rows]).encode()
    made = run_night(root, sent, plan=plan)
    store = made.store
    receipts.make(store, plan)
    assert {s["path"] for s in made.ask("select path from submission")} == {spelled(name) for name in sent}
    by_rule = {
        r["rule"]: r["n"] for r in made.ask("select rule, count(*) as n from finding where rule like 'V%' group by all")
    }
    assert by_rule["V03"] == by_rule["V05"] == by_rule["V06"] == by_rule["V10"] == by_rule["V11"] == len(words)
    assert by_rule["V01"] == 2 * len(words)
    found = {r["value_text"] for r in made.ask("select value_text from finding where rule = 'V05'")}
    assert {f.strip() for f in found} == {f"v{text}".strip() for text in words}
    notes = {r["note"] for r in made.ask("select note from explanation where note is not null")}
    assert notes == {text.strip() for text in words if text.strip()}
    for side in ("receipts.sqlite",):
        assert (store.receipts / side).exists()


# --- who may read what is kept ---


def test_what_is_kept_is_as_private_as_the_umask_says(folder: Folder, keeper: Keeper) -> None:
    before = os.umask(0o027)
    try:
        folder.put("science/a.csv", ROW)
        keeper.land(folder)
    finally:
        os.umask(before)
    kept = [p for p in keeper.root.rglob("*") if p.is_file()]
    assert len(kept) >= 2
    assert [p for p in kept if p.stat().st_mode & 0o007] == []
    [landed] = [p for p in kept if "objects" in p.parts]
    assert landed.stat().st_mode & 0o777 == 0o440


def test_nothing_that_is_kept_can_be_written_by_everyone(judged: Night) -> None:
    assert [p for p in judged.store.root.rglob("*") if not p.is_symlink() and p.stat().st_mode & 0o002] == []
