"""The wall chart in a real browser: what it shows is what the release says, at every vintage, by mouse and by keyboard."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from expectations.model import Plan
from tests.night import SHANGHAI, Night, long_csv
from warehouse.reports import wallchart as chart
from warehouse.reports.wallchart import wallchart

NOW = dt.datetime(2022, 9, 5, 9, tzinfo=SHANGHAI)
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


def day(month: int, number: int, year: int = 2022) -> dt.datetime:
    return dt.datetime(year, month, number, 9, tzinfo=SHANGHAI)


def a_year_so_far() -> tuple[dict[str, bytes], dict[str, dt.datetime]]:
    """A cumulative flow with the year before and a revision, a stock, a rate, a dated task; what is owed beside is missing."""
    flow = [60, 110, 180, 260, 350, 420, 500, 590, 680, 780, 860, 930]
    sent = {
        "transport/2021.csv": (day(1, 12), [("airport_passengers", f"2021-{m:02}", v) for m, v in enumerate(flow, 1)]),
        "transport/revised.csv": (day(6, 20), [("airport_passengers", "2022-03", 205.25)]),
        "transport/task.csv": (day(7, 8), [("second_runway_approved", "2022-06", 1)]),
        "science/q1.csv": (day(4, 14), [("high_tech_firms", "2022Q1", 4300)]),
        "science/q2.csv": (day(7, 14), [("high_tech_firms", "2022Q2", 5100)]),
        "statistics/q1.csv": (day(4, 20), [("gdp_growth", "2022Q1", 4.4)]),
    } | {
        f"transport/2022-{m:02}.csv": (day(m + 1, 9), [("airport_passengers", f"2022-{m:02}", v * 1.1)])
        for m, v in enumerate(flow[:7], 1)
    }
    files = {
        name: long_csv(*((code, "", period, "", f"{value:g}") for code, period, value in rows))
        for name, (_, rows) in sent.items()
    }
    return files, {name: at for name, (at, _) in sent.items()}


@pytest.fixture(scope="module")
def shown(night: Callable[..., Night], plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A release of early September, and its page."""
    made = night(*a_year_so_far(), now=NOW)
    page = tmp_path_factory.mktemp("reports") / "wallchart.html"
    return SimpleNamespace(night=made, page=page, chart=wallchart(made.folder / "warehouse.duckdb", page))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium, "these tests look at the page in Debian's chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def opened(shown: SimpleNamespace, browser: Browser) -> Iterator[Callable[..., Page]]:
    """opened(hash, **context): the page in a browser without a net; it must ask for nothing and complain of nothing."""
    contexts, wrong = [], []

    def at(choice: str = "", **options: Any) -> Page:
        context = browser.new_context(**{"viewport": DESK, "offline": True, **options})
        contexts.append(context)
        page = context.new_page()
        address = f"{shown.page.as_uri()}{choice}"
        page.on("request", lambda r: None if r.url.split("#")[0] == shown.page.as_uri() else wrong.append(r.url))
        page.on("console", lambda said: wrong.append(said.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(address)
        return page

    yield at
    for context in contexts:
        context.close()
    assert wrong == []


# each cell's words, as a reader has them
CELLS = """() => Object.fromEntries([...document.querySelectorAll(".cell")].map((cell) => [cell.id, Object.fromEntries(
    ["status", "name", "period", "asked", "due", "whom"].map((part) => [part, cell.querySelector("." + part).textContent])
    .concat([["actual", cell.querySelector("b.actual").textContent], ["sign", cell.querySelector("use").getAttribute("href")]]))]))"""


def told(night: Night, at: dt.datetime) -> dict[str, dict[str, Any]]:
    """What the release knows of each target at `at`: the state of its last period that is over and was reported or owed,
    and its last figure by then."""
    rows = night.ask(
        "select p.*, t.due, t.kind, d.name_zh as department from progress_as_known_at(?) p join target t using (target)"
        " join indicator i on i.indicator = t.indicator join department d on d.department = i.lead_department"
        " order by p.target, p.period_end",
        at,
    )
    today = at.astimezone(SHANGHAI).date()
    by_target: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_target.setdefault(row["target"], []).append(row)
    said = {}
    for target, all_ in by_target.items():
        over = [r for r in all_ if r["period_end"] < today and (r["actual"] is not None or r["status"] != "not_due")]
        now = over[-1] if over else all_[0]
        figures = [r for r in all_ if r["period_end"] <= now["period_end"] and r["actual"] is not None]
        said[target] = {**now, "last": figures[-1] if figures else None}
    return said


def figure(text: str) -> float:
    return float(re.match(r"-?[\d,.]+", text)[0].replace(",", ""))


def slide(page: Page, to: str) -> None:
    """Moves the slider to the vintage of that day and waits until the page says so."""
    days = page.evaluate("JSON.parse(document.getElementById('data').textContent).vintage.day")
    page.evaluate(
        "to => { const it = document.getElementById('vintage'); it.value = to; it.dispatchEvent(new Event('input')); }",
        days.index(to),
    )
    expect(page.locator("#day")).to_contain_text(to)


@pytest.mark.parametrize("to", [None, "2022-01-31", "2022-05-31", "2022-06-30"])
def test_each_target_is_a_cell_that_says_what_was_known_at_the_vintage(shown, opened, to):
    page = opened()
    if to:
        slide(page, to)
    at = dt.datetime.combine(dt.date.fromisoformat(to) + dt.timedelta(days=1), dt.time(), SHANGHAI) if to else NOW
    cells, known = page.evaluate(CELLS), told(shown.night, at)
    assert len(cells) == shown.chart.targets == 254
    assert cells.keys() == known.keys()
    words = page.evaluate("JSON.parse(document.getElementById('data').textContent).words")
    for target, cell in cells.items():
        row, last = known[target], known[target]["last"]
        assert cell["status"] == words[f"status_{row['status']}"][0], target
        assert cell["sign"] == f"#s-{row['status']}"
        assert cell["due"] == f"{row['due']} 到期"
        assert cell["whom"] == row["department"]
        assert cell["period"] == (last["period"] if last else "")
        if last is None:
            assert cell["actual"] == "无数据"
        elif row["kind"] == "milestone":
            assert cell["actual"] == ("已完成" if last["actual"] >= 1 else "未完成")
        else:
            assert figure(cell["actual"]) == pytest.approx(last["actual"], abs=0.051)
            assert cell["actual"].endswith(row["unit"])
        if row["target_value"] is not None and row["kind"] not in ("milestone", "relative", "rank", "lost"):
            asked = figure(cell["asked"].removeprefix("目标 ").lstrip("约≥≤>< "))
            assert asked == pytest.approx(row["target_value"], rel=1e-4)
    tally = dict(
        page.evaluate(
            "[...document.querySelectorAll('.chip')].map(c => [c.dataset.status, +c.querySelector('b').textContent])"
        )
    )
    assert tally == {s: sum(r["status"] == s for r in known.values()) for s in chart.STATUSES}


def test_a_revision_shows_from_the_vintage_at_which_it_became_known(opened):
    page = opened()
    page.locator("#T201").click()
    rows = page.locator("#details tbody tr", has_text="2022-03")
    expect(rows.filter(has_text="revised.csv").first).to_contain_text("205.25")
    expect(rows.filter(has_text="2022-03.csv").first).to_contain_text("2022-06-20 09:00")  # when it was replaced
    page.keyboard.press("Escape")
    slide(page, "2022-05-31")
    page.locator("#T201").click()
    expect(page.locator("#details")).not_to_contain_text("205.25")
    expect(page.locator("#details tbody tr", has_text="2022-03.csv").last).to_contain_text(
        re.compile("198 万人次.*现行")
    )


def test_filters_leave_the_targets_of_the_department_the_status_and_the_words(shown, opened):
    page = opened()
    [(mine,)] = shown.night.reader.execute(
        "select list(target order by target) from target join indicator using (indicator) where lead_department = 'transport'"
    ).fetchall()
    visible = "[...document.querySelectorAll('.cells li:not([hidden]) .cell')].map(c => c.id).sort()"
    page.locator("#department").select_option("transport")
    expect(page.locator("#counted")).to_have_text(f"显示 {len(mine)} 项，共 254 项目标")
    assert page.evaluate(visible) == mine
    page.locator(".chip[data-status=not_due]").click()
    known = told(shown.night, NOW)
    assert page.evaluate(visible) == [t for t in mine if known[t]["status"] == "not_due"]
    page.locator("#clear").click()
    page.locator("#search").fill("高新技术企业达到")
    expect(page.locator("#counted")).to_contain_text("显示 1 项")
    assert page.evaluate(visible) == ["T403"]
    page.locator("#search").fill("no such words")
    expect(page.locator("#nothing")).to_be_visible()


def test_the_view_is_in_the_address(opened):
    page = opened("#at=2022-05-31&department=transport&q=T201&target=T201&lang=en")
    expect(page.locator("#details")).to_be_visible()
    expect(page.locator("#day")).to_have_text("2022-05-31, end of day")
    expect(page.locator("#counted")).to_have_text("1 of 254 targets shown")
    page.keyboard.press("Escape")
    expect(page).not_to_have_url(re.compile("target="))
    expect(page).to_have_url(re.compile("#lang=en&at=2022-05-31&department=transport&q=T201$"))


def test_the_keyboard_reaches_a_cell_moves_among_cells_and_opens_the_details(shown, opened):
    page = opened()
    page.locator("#jump button").last.focus()
    for _ in range(20):  # past the due dates, each of which opens
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.cell')"):
            break
    order = page.evaluate("[...document.querySelectorAll('.cell')].map(c => c.id)")
    here = "document.activeElement.id"
    assert page.evaluate(here) == order[0]
    page.keyboard.press("ArrowRight")
    assert page.evaluate(here) == order[1]
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    across = page.evaluate("getComputedStyle(document.querySelector('.cells')).gridTemplateColumns.split(' ').length")
    page.keyboard.press("ArrowDown")
    assert page.evaluate(here) == order[1 + across]
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("End")
    assert page.evaluate(here) == order[-1]
    page.keyboard.press("Home")
    page.locator("#T201").focus()
    page.keyboard.press("Enter")
    details = page.locator("#details")
    expect(details).to_be_visible()
    row = shown.night.one(
        "select t.clause, t.section, p.status_basis, s.path, o.row_number, o.value from target t"
        " join progress p on p.target = t.target and p.period = '2022-07' join submission s using (submission)"
        " join observation o on o.submission = s.submission and o.indicator = t.indicator where t.target = 'T201'"
    )
    assert len(row["clause"]) <= 40
    for said in (
        row["clause"],
        row["section"],
        row["status_basis"],
        row["path"],
        f"第 {row['row_number']} 行",
        "550 万人次",
    ):
        expect(details).to_contain_text(said)
    page.keyboard.press("Escape")
    expect(details).not_to_be_visible()
    assert page.evaluate(here) == "T201"


def test_a_forecast_is_said_and_drawn_as_the_release_has_it(shown, opened):
    page = opened()
    row = shown.night.progress("T201", "2022-07")
    assert row["forecast_low"] < row["forecast"] < row["forecast_high"]
    said = page.locator("#T201 .outlook").inner_text()
    assert figure(re.search(r"[\d,.]+", said)[0]) == pytest.approx(row["forecast"], abs=0.051)
    assert ("可达标" in said) == row["will_meet"]
    steps = shown.night.ask("from forecast where target = 'T201'")
    assert page.locator("#T201 path.band").get_attribute("d").count(",") == 2 * (len(steps) + 1)
    assert page.locator("#T403 .outlook").inner_text() == ""  # achieved


def test_what_is_due_next_is_what_the_release_says_is_owed(shown, opened):
    page = opened()
    first = shown.night.one(
        "select cast((due_at - interval 1 second) at time zone 'Asia/Shanghai' as date) as day, count(*) as owed,"
        " count(distinct department) as departments from obligation where due_at > ? and received_at is null"
        " group by all order by all limit 1",
        NOW,
    )
    item = page.locator("#next ol > li:not(.overdue)").first
    expect(item).to_contain_text(f"{first['day']}")
    expect(item).to_contain_text(f"{first['owed']} 项数据待报，{first['departments']} 个部门")
    overdue = shown.night.one("select count(*) as n from obligation where state = 'missing'")["n"]
    expect(page.locator("#next .overdue")).to_contain_text(f"{overdue} 项数据逾期未报")
    goal = shown.night.one(
        "select min(due) as day, count(*) filter (where due = (select min(due) from target where due >= '2022-09-05')) as n from target where due >= '2022-09-05'"
    )
    expect(page.locator("#next li", has_text=f"{goal['day']}").first).to_contain_text(f"{goal['n']} 项目标到期")
    slide(page, "2022-01-31")
    expect(page.locator("#next time").first).to_contain_text("2022-02")


def test_every_word_is_there_in_english(opened):
    page = opened()
    page.locator("#language").click()
    assert page.evaluate("document.documentElement.lang") == "en"
    expect(page.locator("h1")).to_contain_text("Wall chart")
    expect(page.locator("#T201 .name")).to_have_text("Airport passengers")
    expect(page.locator("#T403 .status")).to_have_text("Achieved")
    outside = page.evaluate(
        "[...document.querySelectorAll('h1, h2, .chip, label, option, .controls .plain:not(#language), #counted, .key, footer, .status, .due, .whom, #next, #imprint')].map(e => e.textContent).join(' ')"
    )
    assert not re.search(r"[\u4e00-\u9fff]", outside)
    page.locator("#T101").click()
    expect(page.locator("#details")).to_contain_text("Status rests on")


@pytest.mark.parametrize(
    ("scheme", "viewport", "choice"),
    [
        ("light", DESK, "#department=transport"),
        ("dark", PHONE, "#department=science&lang=en"),
        ("light", PHONE, "#department=transport&target=T201"),
        ("dark", DESK, "#department=transport&target=T201"),
    ],
)
def test_nothing_stands_in_the_way_of_anybody(opened, scheme, viewport, choice):
    page = opened(choice, viewport=viewport, color_scheme=scheme, reduced_motion="reduce")
    # contrast is measured of what is drawn, and lanes out of view are not
    page.add_style_tag(content=".lane { content-visibility: visible !important; }")
    found = Axe().run(page).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"]) for v in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


@pytest.mark.parametrize("choice", ["", "#lang=en&at=2022-05-31"])
def test_it_is_printed_on_one_a0_sheet_with_its_vintage(opened, choice):
    page = opened(choice)
    sheet = page.pdf(prefer_css_page_size=True, print_background=True)
    assert len(re.findall(rb"/Type /Page\b", sheet)) == 1
    [(wide, high)] = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", sheet)
    assert (round(float(wide) / 72 * 25.4), round(float(high) / 72 * 25.4)) == (1189, 841)
    page.emulate_media(media="print")
    expect(page.locator("#imprint")).to_be_visible()
    expect(page.locator("#imprint")).to_contain_text("20220905T010000")
    expect(page.locator(".vintage")).to_contain_text("2022-05-31" if choice else "2022-09-05")
    expect(page.locator(".controls")).not_to_be_visible()


def test_one_release_makes_one_page_byte_for_byte_and_a_small_one(shown, tmp_path):
    again = wallchart(shown.night.folder / "warehouse.duckdb", tmp_path / "again.html")
    content = again.path.read_bytes()
    assert content == shown.page.read_bytes()
    assert len(content) == shown.chart.bytes < 3_000_000
    assert b'class="synthetic"' not in content  # what these departments sent is not labelled as a sample


def test_the_library_in_the_page_is_the_one_that_was_recorded():
    vendor = Path(chart.__file__).parent / "vendor"
    for line in (vendor / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((vendor / name).read_bytes()).hexdigest() == digest
    assert (vendor.parent / chart.LIBRARY).exists()
