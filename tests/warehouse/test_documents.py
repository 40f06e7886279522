"""The documents: every figure in them is the mart's, each vintage says what was known then, the worst comes first."""

from __future__ import annotations

import datetime as dt
import io
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import docx
import pytest

from assets.documents import documenting
from expectations.model import Plan
from tests.night import SHANGHAI, Night, long_csv
from warehouse.reports.documents import ReportError, Written, facts, write

SECOND = dt.datetime(2022, 7, 8, 9, tzinfo=SHANGHAI)  # the second quarter's figures are sent
CORRECTED = dt.datetime(2022, 7, 20, 9, tzinfo=SHANGHAI)
YEAR_END = dt.datetime(2023, 1, 10, 9, tzinfo=SHANGHAI)
FINANCE = "financial_affairs"
FILES = {
    f"{FINANCE}/q2.csv": long_csv(
        ("deposits", "", "2022-06", "", 19000, "亿元"),
        ("loans", "", "2022-06", "", 18000, "亿元"),
        ("finance_share", "", "2022Q2", "", 5, "%", "", "统计口径调整，下半年补齐"),
        ("listings_new", "", "2022Q2", "", 1, "家"),
    ),
    f"{FINANCE}/q2-again.csv": long_csv(("listings_new", "", "2022Q2", "", 4, "家", "", "更正前次报送数")),
    f"{FINANCE}/q4.csv": long_csv(
        ("deposits", "", "2022-12", "", 20500, "亿元"),
        ("loans", "", "2022-12", "", "19,500.5", "亿元", "", "到期贷款集中核销"),
        ("finance_share", "", "2022Q4", "", 7.25, "%"),
        ("listings_new", "", "2022Q4", "", 5, "家"),
    ),
    "commerce/q4.csv": long_csv(("fdi_growth", "", "2022-12", "", 2, "%", "", "=HYPERLINK(\x01)")),
    "transport/q2.csv": long_csv(("airport_passengers", "", "2022-06", "", "不详", "万人次")),
}
RECEIVED = {
    f"{FINANCE}/q2.csv": SECOND,
    f"{FINANCE}/q2-again.csv": CORRECTED,
    "transport/q2.csv": SECOND,
    f"{FINANCE}/q4.csv": YEAR_END,
    "commerce/q4.csv": YEAR_END,
}


@pytest.fixture(scope="module")
def made(night: Callable[..., Night]) -> Night:
    return night(FILES, RECEIVED)


@pytest.fixture(scope="module")
def self_check(made: Night) -> Written:
    return write(made.store, "2022Q2")


@pytest.fixture(scope="module")
def assessment(made: Night) -> Written:
    return write(made.store, "2022")


def lines(written: Written, first: str) -> Iterator[list[str]]:
    """Rows of every table whose first column is headed `first`, without the lines below rows."""
    for table in docx.Document(str(written.docx)).tables:
        head = table.rows[0].cells
        if head[0].text.startswith(first):
            for row in table.rows[1:]:
                cells = [c.text for c in row.cells]
                if len(set(cells)) > 1:
                    yield [head[n].text.split("\n")[1] + "=" + text for n, text in enumerate(cells)]


def rows(written: Written, first: str, *columns: str) -> list[dict[str, str]]:
    found = [dict(cell.split("=", 1) for cell in row) for row in lines(written, first)]
    return [row for row in found if set(columns) <= set(row)]


def text(written: Written) -> str:
    opened = docx.Document(str(written.docx))
    return "\n".join(p.text for p in opened.paragraphs)


def number(cell: str) -> Decimal:
    return Decimal(re.sub(r"[^0-9.\-]", "", cell.split(" ")[0]))


def same(cell: str, value: float) -> bool:
    return abs(float(number(cell)) - value) <= 1e-9 * max(1.0, abs(value))


@pytest.mark.parametrize(("period", "until"), [("2022Q2", "2022-06-30"), ("2022", "2022-12-31")])
def test_every_figure_of_the_annex_is_the_marts_and_leads_back_to_its_file(
    made: Night, request: pytest.FixtureRequest, period: str, until: str
) -> None:
    written = request.getfixturevalue("self_check" if period == "2022Q2" else "assessment")
    known = made.ask(
        "from progress where period_end <= ?::date qualify row_number() over (partition by target order by period_end desc) = 1",
        until,
    )
    reported = {r["target"]: r for r in known if r["actual"] is not None}
    annex = {r["Target"]: r for r in rows(written, "目标", "first 12")}
    assert annex.keys() == reported.keys()
    files = {s["submission"]: s for s in made.ask("from submission")}
    for target, line in annex.items():
        progress = reported[target]
        assert line["Period"] == progress["period"]
        assert same(line["Figure"], progress["actual"])
        assert line["Figure"].endswith(progress["unit"])
        assert line["Basis of status"] == progress["status_basis"]
        if progress["submission"]:
            sent = files[progress["submission"]]
            assert line["File, sheet, row"].startswith(sent["path"])
            assert line["first 12"] == sent["sha256"][:12]
    assert annex["T504"]["File, sheet, row"] == (
        f"{FINANCE}/q2-again.csv，第 2 行" if period == "2022Q2" else f"{FINANCE}/q4.csv，第 5 行"
    )


def test_the_counts_of_the_summary_are_the_marts(made: Night, assessment: Written) -> None:
    scores = {
        f"{r['number']} {r['name_zh']}": r
        for r in made.ask("from capability_score join capability using (capability) where period = '2022'")
    }
    table = {r["Capability"]: r for r in rows(assessment, "领域", "missed")}
    assert table.keys() == {*scores, "合计"}
    for name, r in scores.items():
        said = {k: 0 if v == "·" else int(v) for k, v in table[name].items() if k not in ("Capability", "Score")}
        assert said["Targets"] == r["targets"]
        assert said["achieved"] == r["achieved"]
        assert said["ahead"] + said["on pace"] == r["on_pace"]
        assert said["behind"] + said["far behind"] + said["missed"] == r["behind"]
        assert said["not reported"] == r["not_reported"]
        assert said["Targets"] == sum(v for k, v in said.items() if k != "Targets")
        assert table[name]["Score"] == ("—" if r["score"] is None else f"{r['score']:.3f}")
    [tested] = made.ask("select count(*) as n from target where tested")
    assert table["合计"]["Targets"] == str(tested["n"])
    reported = made.one(
        "select count(*) filter (where state <> 'not_due') as due, count(*) filter (where state = 'missing') as missing from obligation where period_end between '2022-01-01' and '2022-12-31'"
    )
    assert f"应报数据 {reported['due']} 项" in text(assessment)
    assert f"缺报 {reported['missing']}，" in text(assessment)


def test_departments_stand_as_in_their_scorecards(made: Night, self_check: Written) -> None:
    cards = made.ask(
        "select s.*, d.name_zh from scorecard s join department d using (department) where quarter = '2022Q2'"
    )
    said = {r["Department"]: r for r in rows(self_check, "部门", "On time", "Missed")}
    assert {c["name_zh"] for c in cards if c["due"] or c["targets"]} == said.keys()
    for card in cards:
        if line := said.get(card["name_zh"]):
            assert [
                line[k] for k in ("Due", "On time", "Late", "Missing", "Targets", "Achieved", "On pace", "Returned")
            ] == [
                str(card[k])
                for k in ("due", "on_time", "late", "missing", "targets", "achieved", "on_pace", "rows_returned")
            ]
            assert int(line["Behind"]) + int(line["Missed"]) == card["behind"]


def test_the_worst_comes_first_with_department_gap_reason_source_and_clause(made: Night, assessment: Written) -> None:
    troubled = rows(assessment, "编码", "Gap")
    missed = {
        r["target"]
        for r in made.ask(
            "from progress join target using (target) where status = 'missed' and tested and period_end >= due"
        )
    }
    assert {r["Code"] for r in troubled} == missed
    assert {"T501", "T503"} <= missed
    statuses = [r["Status"] for r in rows(assessment, "编码", "Attained")]
    first = [s for s in statuses if "未完成" in s]
    assert first
    for chapter in docx.Document(str(assessment.docx)).tables:
        if chapter.rows[0].cells[-2].text.startswith("完成率"):
            said = [row.cells[-1].text == "× 未完成" for row in chapter.rows[1:]]
            assert said == sorted(said, reverse=True)
    loans = next(r for r in troubled if r["Code"] == "T503")
    assert loans["Department"] == "市金融发展局"
    assert same(loans["Gap"], -499.5)
    below = next(
        row.cells[0].text
        for table in docx.Document(str(assessment.docx)).tables
        for row in table.rows
        if "存贷款余额均突破两万亿" in row.cells[0].text and "核销" in row.cells[0].text
    )
    assert f"原因：“到期贷款集中核销”（{FINANCE}/q4.csv，第 3 行）" in below
    assert f"来源：{FINANCE}/q4.csv，第 3 行" in below


def test_what_a_department_wrote_cannot_break_or_hide_anything(assessment: Written) -> None:
    said = [row.cells[0].text for table in docx.Document(str(assessment.docx)).tables for row in table.rows]
    assert any("“=HYPERLINK(⟨U+0001⟩)”" in cell for cell in said)
    page = assessment.html.read_text("utf-8")
    assert "⟨U+0001⟩" in page
    assert not re.search(r"<script|https?://(?!www\.w3\.org)|\ssrc=", page)


def test_a_document_as_known_earlier_says_what_was_known_then(made: Night, self_check: Written) -> None:
    earlier = write(made.store, "2022Q2", CORRECTED - dt.timedelta(minutes=1))
    before = {r["Target"]: r for r in rows(earlier, "目标", "first 12")}
    after = {r["Target"]: r for r in rows(self_check, "目标", "first 12")}
    assert (before["T504"]["Figure"], after["T504"]["Figure"]) == ("1 家", "4 家")
    assert before["T501"] == after["T501"]
    assert "截至 2022-07-20 08:59 所知" in text(earlier)
    assert "-known-20220720T005900Z-release-" in earlier.docx.name
    assert earlier.docx.parent == self_check.docx.parent
    assert earlier.docx.name != self_check.docx.name
    # the macro is the release's own word on what was known
    known = made.ask(
        "from progress_as_known_at(?) where period_end = '2022-06-30' and actual is not null",
        CORRECTED - dt.timedelta(minutes=1),
    )
    assert {r["target"]: r["actual"] for r in known}.items() <= {
        t: float(number(r["Figure"])) for t, r in before.items()
    }.items()


def test_at_the_releases_own_time_it_does_not_matter_which_way_it_is_asked(made: Night, self_check: Written) -> None:
    [built] = made.ask("select built_at from release")
    content = self_check.docx.read_bytes(), self_check.html.read_bytes()
    again = write(made.store, "2022年二季度", built["built_at"], made.release.release)
    assert again.docx == self_check.docx
    assert (again.docx.read_bytes(), again.html.read_bytes()) == content


def test_scores_and_obligations_made_for_an_earlier_time_are_the_marts_at_the_releases(made: Night) -> None:
    """A moment before the release nothing else was known: what is made anew for it must be what the marts hold."""
    [built] = made.ask("select built_at from release")
    file = made.folder / "warehouse.duckdb"
    own = facts(file, "2022", None)
    earlier = facts(file, "2022", built["built_at"] - dt.timedelta(microseconds=1))
    assert own.vintage.own
    assert not earlier.vintage.own
    assert earlier.capabilities.equals(own.capabilities)
    assert earlier.scores.equals(own.scores)
    assert earlier.indices.equals(own.indices)
    assert earlier.departments.equals(own.departments)
    assert earlier.owed.equals(own.owed)


def test_the_vintage_stands_in_the_footer_of_every_section_and_on_every_printed_page(
    made: Night, self_check: Written
) -> None:
    opened = docx.Document(str(self_check.docx))
    assert len(opened.sections) == 2
    for section in opened.sections:
        foot = "\n".join(p.text for p in section.footer.paragraphs)
        assert f"release {made.release.release}" in foot
        assert "as known at" in foot
        assert "plan revision 1" in foot
    page = self_check.html.read_text("utf-8")
    [foot] = re.findall(r'<footer class="vintage">(.*?)</footer>', page, re.DOTALL)
    assert made.release.release in foot
    assert "table-footer-group" in page


@pytest.mark.slow
def test_synthetic_data_are_labelled_on_every_page_and_real_ones_are_not(
    night: Callable[..., Night], self_check: Written
) -> None:
    assert "SYNTHETIC" not in self_check.html.read_text("utf-8")
    sample = night(
        {
            f"{FINANCE}/2022-06-synthetic.csv": long_csv(
                ("deposits", "", "2022-06", "", 19000, "亿元"), banner=["合成样例数据 SYNTHETIC"]
            )
        },
        {f"{FINANCE}/2022-06-synthetic.csv": SECOND},
    )
    written = write(sample.store, "2022Q2")
    for section in docx.Document(str(written.docx)).sections:
        assert "SYNTHETIC" in section.header.paragraphs[0].text
    assert re.search(r'<footer class="vintage">.*SYNTHETIC', written.html.read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize(
    ("period", "known_at", "release", "why"),
    [
        ("2022-06", None, None, "ask for 2022Q1, 2022Q2, 2022Q3, 2022Q4, 2022"),
        ("2021Q4", None, None, "is neither a quarter nor a year of the plan"),
        ("2022Q4", dt.datetime(2022, 12, 31, 23, 59), None, "had not ended"),
        ("2022Q4", dt.datetime(2030, 1, 1), None, "knows nothing of 2030"),
        ("2022Q4", None, "none-such", "there is no release none-such: kept are 20"),
    ],
)
def test_what_cannot_be_said_is_refused_with_what_can_be(
    made: Night, period: str, known_at: dt.datetime | None, release: str | None, why: str
) -> None:
    with pytest.raises(ReportError, match=re.escape(why)):
        write(made.store, period, known_at, release)


def test_the_assets_write_the_documents_of_their_partitions(made: Night, plan: Plan) -> None:
    assets = documenting(plan.head)
    release = dg.AssetSpec("release")
    with dg.DagsterInstance.ephemeral() as instance:
        asked: dict[str, Any] = {"ops": {"self_check": {"config": {"as_known_at": "2022-07-20T09:00"}}}}
        run = dg.materialize(
            [*assets, release],
            instance=instance,
            selection=["self_check"],
            partition_key="2022Q2",
            resources={"store": made.store},
            run_config=asked,
        )
        [event] = run.get_asset_materialization_events()
        refused = dg.materialize(
            [*assets, release],
            instance=instance,
            selection=["self_check"],
            partition_key="2022Q4",
            resources={"store": made.store},
            run_config=asked,
            raise_on_error=False,
        )
    assert event.partition == "2022Q2"
    said = event.materialization.metadata
    assert said["as known at"].value == "2022-07-20 09:00"
    written = Path(str(said["document"].value))
    assert written.is_file()
    assert "known-20220720T010000Z" in written.name
    assert not refused.success
    [failed] = refused.get_step_failure_events()
    assert "had not ended" in str(failed.event_specific_data)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
def test_libreoffice_opens_it_and_the_summary_is_one_page(
    tmp_path: Path, assessment: Written, self_check: Written
) -> None:
    pypdf = pytest.importorskip("pypdf")
    for written in (assessment, self_check):
        subprocess.run(
            ["soffice", "--headless", f"-env:UserInstallation=file://{tmp_path}/office", "--convert-to", "pdf", "--outdir", tmp_path, written.docx],
            check=True, capture_output=True,
        )  # fmt: skip
        pages = [
            p.extract_text()
            for p in pypdf.PdfReader(io.BytesIO((tmp_path / f"{written.docx.stem}.pdf").read_bytes())).pages
        ]
        assert "一、概要" in pages[0]
        assert "二、未完成和有风险的目标" in pages[1]
        for page in pages:
            assert written.facts.vintage.release in page
