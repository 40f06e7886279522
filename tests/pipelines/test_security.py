"""One night whose departments send scripts, formulas and worse in every field, from sources with secrets that fail.

Then all that it wrote is opened as people open it: pages and the UI in a browser, workbooks and documents in an office suite;
and searched for the secrets. See docs/security.md.
"""

from __future__ import annotations

import base64
import csv
import datetime as dt
import io
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docx
import openpyxl
import polars as pl
import pytest
import xlsxwriter
from playwright.sync_api import Browser, Page, expect, sync_playwright

from pipelines.reminders import remind
from pipelines.settings import settings
from tests.night import SHANGHAI, long_csv, send
from tests.processes import ROOT, answers, environment, running
from tests.servers import Platform, Sshd, _running, free_port

pytestmark = pytest.mark.slow

SECRET = "kanari4f9cX7"  # of letters and digits: the same in a URL, in JSON, in a shell
IMG = "<img src=x onerror=pwned=1>"
LONG = f"""{IMG}'"><script>pwned=1</script></script><!--<b>[x](javascript:pwned=1) | `a` ![y](http://127.0.0.1:9/y) {{{{7*7}}}}"""
FORMULAS = ['=HYPERLINK("http://127.0.0.1:9/","a")', "+1+1", "-1+cmd|' /C calc'!A0", "@SUM(1)", "\t=1+1", "＝1+1"]
BIDI = "\u202egnp"
HEADER = ["指标编码", "指标名称", "报告期", "地区", f"数值（{IMG}）", "单位", "口径", "说明", "自评"]
SENT = dt.datetime(2023, 4, 10, 9, tzinfo=SHANGHAI)


def rows(text: str) -> list[list[Any]]:
    """A kept figure with the text in what is kept of it, and a row returned for each place in which it can stand."""
    return [
        ["gdp_growth", "", "2022", "", 3.5, "%", "", text, text],  # missed by far: the report says why
        [text, "", "2022", "", 1, "", "", text],
        ["gdp_growth", text, "2022", "", 1, "%", "", text],
        ["gdp_growth", "", text, "", 1, "%", "", text],
        ["gdp_growth", "", "2022", text, 1, "%", "", text],
        ["gdp_growth", "", "2022", "", text, "%", "", text],
        ["gdp_growth", "", "2022", "", 1, text, "", text],
        ["gdp_growth", "", "2022", "", 1, "%", text, text],
    ]


def workbook(text: str) -> bytes:
    content = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(content, options) as book:
        sheet = book.add_worksheet(IMG)
        sheet.write_string(0, 0, f"{text} 报表")
        for n, row in enumerate([HEADER, *rows(text), [f"合计 {text}"]]):
            sheet.write_row(n + 1, 0, row)
    return content.getvalue()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """The night, run as an engineer runs it: data, what it printed, what must not be found."""
    data = tmp_path_factory.mktemp("city") / "data"
    box = data / "dropbox"
    texts = [LONG, *FORMULAS, BIDI]
    files = {f"statistics/{n}{IMG}.csv": long_csv(*rows(text), header=HEADER) for n, text in enumerate(texts)}
    files |= {
        f"statistics/{IMG}\n\x1b[31m{BIDI}.xlsx": workbook(LONG),
        f"statistics/[red]x[/]{IMG}.csv": b"\x00\x01" + LONG.encode(),
        f"statistics/=1+1{IMG}.csv": long_csv(["a"], header=[LONG]),
        f"{IMG}/a.csv": b"",
    }
    send(box, files, dict.fromkeys(files, SENT))
    with _running(Platform()) as platform, _running(Sshd(tmp_path_factory.mktemp("sshd"))) as sshd:
        stranger = (sshd.home / "stranger").read_text()
        sources = {
            box.as_uri() + "?receipts=yes": {},
            platform.url(credential="wrong"): {"WRONG_TOKEN_SCIENCE": SECRET},  # refused, and repeated by the server
            sshd.url(credential="stranger"): {"STRANGER_KEY": stranger},
            f"sftp://someone:{SECRET}@127.0.0.1/x": {},  # misconfigured
            f"s3://bucket/x?credential=store&endpoint=http://127.0.0.1:{free_port()}": {
                "STORE_ACCESS_KEY_ID": f"id{SECRET}", "STORE_SECRET_ACCESS_KEY": SECRET},
            "https://nowhere.invalid/api?credential=wrong": {},
        }  # fmt: skip
        env = environment(
            data,
            WALLCHART_SOURCES=" ".join(sources),
            WALLCHART_NOTIFY=f"json://someone:{SECRET}@127.0.0.1:{free_port()}/{SECRET}?token={SECRET} nonsense://{SECRET}",
            WALLCHART_NOTIFY_STATISTICS=f"mailto://someone:{SECRET}@127.0.0.1:{free_port()}?to=a@b.invalid",
            **{f"WALLCHART_CREDENTIAL_{k}": v for given in sources.values() for k, v in given.items()},
        )
        out = ""
        for words in (
            ["run"],
            ["reminders", "--dry-run"],
            ["report", "2022"],
        ):
            done = subprocess.run([sys.executable, "-m", "pipelines.cli", *words], env=env, cwd=ROOT, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)  # fmt: skip
            assert done.returncode == 0, done.stdout
            out += done.stdout
        lines = [line for line in stranger.splitlines() if not line.startswith("-----")]
        yield SimpleNamespace(data=data, box=box, env=env, out=out, secrets=[SECRET, *lines], texts=texts)


# --- secrets ---


def everything(data: Path) -> Iterator[tuple[str, bytes]]:
    """Every file, and what Dagster's SQLite holds compressed."""
    for path in sorted(p for p in data.rglob("*") if p.is_file()):
        content = path.read_bytes()
        yield str(path), content
        if content.startswith(b"SQLite format 3"):
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
                for (table,) in db.execute("select name from sqlite_master where type = 'table'").fetchall():
                    for row in db.execute(f'select * from "{table}"'):
                        for value in row:
                            if isinstance(value, bytes) and value[:1] == b"\x78":
                                yield f"{path} {table}", zlib.decompress(value)
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as parts:
                for name in parts.namelist():
                    yield f"{path} {name}", parts.read(name)


def test_no_secret_is_in_anything_that_a_night_with_failing_sources_and_addresses_leaves(hostile, monkeypatch):
    for name in [n for n in os.environ if n.startswith(("WALLCHART_", "DAGSTER_"))]:
        monkeypatch.delenv(name)
    for name, value in hostile.env.items():
        if name.startswith(("WALLCHART_", "DAGSTER_")):
            monkeypatch.setenv(name, value)
    config, said = settings(), [hostile.out]
    noon = dt.datetime.now(SHANGHAI).replace(hour=12)  # no quiet hours
    done = remind(config, config.plan(), noon, said.append)
    assert len(done.failed) == 3
    said.append(repr(done))
    for failing in ("127.0.0.1", "nowhere.invalid", "does not accept", "must not hold a password"):
        assert failing in hostile.out
    forms = {form for secret in hostile.secrets for form in (
        secret.encode(), secret.encode("utf-16-le"), *(base64.b64encode(b"x" * n + secret.encode())[4:-4] for n in range(3))
    )}  # fmt: skip
    found = {
        where
        for where, content in [*everything(hostile.data), ("output", "\n".join(said).encode())]
        for form in forms
        if form in content
    }
    assert found == set()


# --- what a terminal obeys ---


def test_a_terminal_is_told_nothing_but_text(hostile):
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e]", hostile.out)
    assert f"{IMG}⟨U+000A⟩⟨U+001B⟩[31m⟨U+202E⟩gnp.xlsx" in hostile.out
    assert f"[red]x[/]{IMG}.csv" in hostile.out


# --- pages ---


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        yield started
        started.close()


class Watched:
    """A page in a browser: what it asked for, and whether a script of a department's ran."""

    def __init__(self, browser: Browser, allowed: str) -> None:
        self.context = browser.new_context(viewport={"width": 1400, "height": 1000})
        self.page: Page = self.context.new_page()
        self.asked: list[str] = []
        self.dialogs: list[str] = []
        self.page.on("request", lambda r: None if r.url.startswith(allowed) else self.asked.append(r.url))
        self.page.on("dialog", lambda d: (self.dialogs.append(d.message), d.dismiss()))

    def harmless(self) -> None:
        self.page.wait_for_timeout(100)
        assert self.page.evaluate("typeof window.pwned") == "undefined"
        assert self.page.locator("img[src=x], img[onerror], a[href^='javascript']").count() == 0
        assert (
            self.page.evaluate(
                "[...document.scripts].filter(s => s.textContent.includes('pwned=1') && s.type !== 'application/json').length"
            )
            == 0
        )
        assert (self.asked, self.dialogs) == ([], [])


@pytest.fixture
def at(browser: Browser) -> Iterator[Any]:
    """at(file): the file in a browser. It may ask for nothing but itself."""
    opened: list[Watched] = []

    def watched(file: Path) -> Page:
        opened.append(Watched(browser, file.as_uri()))
        opened[-1].page.goto(file.as_uri())
        return opened[-1].page

    yield watched
    for each in opened:
        each.harmless()
        each.context.close()


def test_a_receipt_shows_every_text_and_runs_none(hostile, at):
    pages = sorted((hostile.box / "statistics" / "receipts").glob("*.html"))
    assert len(pages) == len(hostile.texts) + 3
    shown = [at(page).locator("body").inner_text() for page in pages]
    assert sum(LONG in text for text in shown) == 2  # as a file of its own and in a workbook
    for formula in FORMULAS:
        assert any(formula.strip() in text for text in shown)
    assert any("⟨U+202E⟩gnp" in text for text in shown)


def test_data_docs_show_every_text_and_run_none(hostile, at):
    site = hostile.data / "gx" / "site"
    pages = [site / "index.html", *site.glob("expectations/*.html"), *site.glob("validations/*/*/*/*.html")]
    assert len(pages) > 10
    shown = [at(page).locator("body").inner_text() for page in pages]
    assert sum(LONG in text for text in shown) >= 2
    assert sum("⟨U+202E⟩gnp" in text for text in shown) >= 2
    assert not any("\u202e" in text for text in shown)


def test_the_wall_chart_shows_what_a_department_said_and_runs_none_of_it(hostile, at):
    page = at(hostile.data / "reports" / "wallchart.html")
    page.wait_for_selector(".cell")
    [target] = page.evaluate(
        "[...document.querySelectorAll('.cell')].filter(c => c.textContent.includes('地区生产总值') && c.textContent.includes('3.5')).map(c => c.id)"
    )[:1]
    page.locator(f"#{target}").click()
    details = page.locator("#details")
    expect(details).to_contain_text("3.5")
    text = details.inner_text()
    assert any(said in text for said in (LONG, *(f.strip() for f in FORMULAS), BIDI))
    assert IMG in text


def test_the_report_shows_what_a_department_said_and_runs_none_of_it(hostile, at):
    pages = list((hostile.data / "reports").rglob("*.html"))
    assert len(pages) == 2
    for page in pages:
        at(page)
    assert any(IMG in page.read_text("utf-8").replace("&lt;", "<").replace("&gt;", ">") for page in pages)


def test_the_dagster_ui_shows_every_text_and_runs_none(hostile, browser, tmp_path):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = ["dagster-webserver", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)]
    with running(command, hostile.env, tmp_path / "log", lambda: answers(url)):
        watched = Watched(browser, f"{url}/")
        page = watched.page
        for asset, words in {
            "landed_files": IMG, "read_rows": IMG, "judged_rows?partition=2022-12": IMG, "receipts": IMG,
        }.items():  # fmt: skip
            page.goto(f"{url}/assets/{asset}")
            page.get_by_text("Metadata").first.wait_for(timeout=60_000)
            seen = page.locator("body").inner_text()
            for show in page.get_by_text("Show table").all():
                show.click()
                page.wait_for_timeout(300)
                seen += page.locator("body").inner_text()
                page.keyboard.press("Escape")
                page.wait_for_timeout(300)
            assert words in seen, asset
            watched.harmless()
        watched.context.close()


# --- what an office suite opens ---


def converted(files: list[Path], kind: str, to: Path) -> dict[str, str]:
    """What LibreOffice makes of the files, by name."""
    to.mkdir()
    command = [
        "soffice",
        "--headless",
        f"-env:UserInstallation={(to / 'profile').as_uri()}",
        "--convert-to",
        kind,
        "--outdir",
        to,
        *files,
    ]
    subprocess.run(list(map(str, command)), check=True, capture_output=True, timeout=120)
    return {p.stem: p.read_text("utf-8-sig") for p in to.glob(f"*.{kind.partition(':')[0]}")}


def test_no_workbook_that_we_write_holds_a_formula_or_a_link_that_leaves_it(hostile):
    made = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", "templates", "2022"], env=hostile.env, cwd=ROOT, check=False
    )
    assert made.returncode == 0
    books = sorted([*hostile.data.glob("receipts/*/*/*.xlsx"), *hostile.data.glob("templates/*/statistics*.xlsx")])
    assert len(books) == len(hostile.texts) + 4
    texts = set()
    for book in books:
        for sheet in openpyxl.load_workbook(book):
            for cell in (c for line in sheet.iter_rows() for c in line):
                assert cell.data_type != "f", (book, cell)
                assert cell.hyperlink is None or cell.hyperlink.target is None
                if isinstance(cell.value, str):
                    texts.add(cell.value)
                    assert not cell.value.startswith(("=", "+", "-", "@", "\t", "\r")) or cell.quotePrefix, cell.value
    assert {f for f in FORMULAS if f in texts} == set(FORMULAS)


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
def test_an_office_suite_sees_text_where_a_department_sent_a_formula(hostile, tmp_path):
    receipts = sorted(hostile.data.glob("receipts/*/*/*.xlsx"))
    flat = converted(receipts, "fods", tmp_path / "fods")
    assert len(flat) == len(receipts)
    for content in flat.values():
        assert "table:formula" not in content
        assert 'xlink:href="http' not in content
    assert any(
        "=HYPERLINK(&quot;http://127.0.0.1:9/&quot;,&quot;a&quot;)" in c or '=HYPERLINK("http://127.0.0.1:9/","a")' in c
        for c in flat.values()
    )


def test_a_document_holds_no_field_and_no_link(hostile):
    [report] = hostile.data.glob("reports/**/*.docx")
    with zipfile.ZipFile(report) as parts:
        body = parts.read("word/document.xml").decode()
        outside = [n for n in parts.namelist() if n.endswith(".rels") and b'TargetMode="External"' in parts.read(n)]
    assert outside == []
    assert set(re.findall(r"<w:instrText[^>]*>([^<]*)<", body)) <= {"PAGE", "NUMPAGES"}
    assert "w:fldSimple" not in body
    said = "\n".join(c.text for t in docx.Document(str(report)).tables for row in t.rows for c in row.cells)
    assert IMG in said


def test_sdmx_csv_holds_no_text_of_a_department(hostile):
    """So nothing in it needs an apostrophe, which a machine would read as part of the text."""
    with (hostile.data / "sdmx" / "current" / "observation.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    assert len(read) >= 1
    for row in read:
        for column, value in row.items():
            assert not value.startswith(("=", "+", "@", "\t", "\r")), column
            assert not value.startswith("-") or column == "OBS_VALUE"
            assert IMG not in value


def test_the_warehouse_keeps_every_text_as_it_was_sent(hostile):
    """What is spelled out for people to see is not what is kept."""
    marts = hostile.data / "warehouse" / "current" / "marts"
    notes = pl.read_parquet(marts / "explanation" / "explanation.parquet")["note"].to_list()
    assert {text.strip() for text in hostile.texts} <= set(notes)
