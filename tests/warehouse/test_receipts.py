"""The answer to a submission: what it says, that it is safe to open whatever was sent, and when another one is made."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from expectations.load import load_plan
from expectations.model import Plan
from tests.night import IN_TIME, NOW, SHANGHAI, Night, long_csv
from tests.warehouse.test_revisions import revised_folder
from warehouse import filings, judge, marts, readers, receipts
from warehouse.receipts.answers import Answer, Wanted, answers, open_marts
from warehouse.receipts.grids import Original, original
from warehouse.receipts.page import page
from warehouse.receipts.words import basis
from warehouse.receipts.workbook import FORMULA, workbook
from warehouse.store import connect
from warehouse.trouble import StoreError
from warehouse.visible import visible

LATER = dt.datetime(2023, 1, 12, 9, tzinfo=SHANGHAI)
BOX = "financial_affairs"
RETURNED, FLAGGED = "FFF8C9C4", "FFFFE9A8"


def sheets_of(**rows: list[list[object]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, lines in rows.items():
        sheet = book.create_sheet(name)
        for line in lines:
            sheet.append(line)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def answered(night: Night) -> dict[str, dict[str, Any]]:
    """Every receipt in force, by the path of its submission, with its files."""
    paths = {r["submission"]: r["path"] for r in night.ask("from submission")}
    with receipts.register(night.store) as db:
        found = [dict(r) for r in db.execute("select * from receipt order by rowid")]
    by_path = {}
    for r in found:
        xlsx, html = receipts.files_of(night.store, r["department"], r["submission"], r["number"])
        by_path[paths[r["submission"]]] = r | {"xlsx": xlsx, "html": html}
    return by_path


def opened(receipt: dict[str, Any]) -> Any:
    return openpyxl.load_workbook(receipt["xlsx"])


def text_of(receipt: dict[str, Any]) -> str:
    return "\n".join(str(c.value) for sheet in opened(receipt) for line in sheet.iter_rows() for c in line if c.value)


SENT = {
    "报送表": [
        ["填报单位:市金融发展局"],
        ["指标编码", "报告期", "数值", "单位", "说明"],
        ["deposits", "2022-12", 20500, "亿元", None],
        ["loans", "2022-12", 19000, "万人", None],
        ["listings_new", "2022Q4", "约3", "家", None],
    ],
    "宽表": [["指标名称", "2022年10月", "2022年11月"], ["存款余额", 20000, "x"]],
}


@pytest.fixture(scope="module")
def sent(night: Callable[..., Night], plan: Plan) -> Night:
    """A workbook of two sheets with a returned unit, an approximate figure and a word for a figure; and a broken file."""
    files = {f"{BOX}/十二月.xlsx": sheets_of(**SENT), f"{BOX}/broken.xlsx": b"PK\x03\x04 broken"}
    done = night(files)
    receipts.make(done.store, plan)
    return done


def test_the_departments_own_sheet_comes_back_with_its_faults_marked_by_more_than_colour(sent: Night) -> None:
    book = opened(answered(sent)[f"{BOX}/十二月.xlsx"])
    assert book.sheetnames == ["回执", "问题", "报送表", "宽表", "待报"]
    own = book["报送表"]
    unit, about = own["D4"], own["C5"]
    assert (unit.value, unit.fill.fgColor.rgb, own["F4"].value) == ("万人", RETURNED, "退回 V07")
    assert "请换算为指标的单位" in unit.comment.text
    assert "亿元" in unit.comment.text
    assert (about.value, about.fill.fgColor.rgb, own["F5"].value) == ("约3", FLAGGED, "提示 Q05")
    assert "提示 Q05" in about.comment.text
    assert [own.cell(3, n).comment for n in range(1, 7)] == [None] * 6
    word = book["宽表"]["C2"]
    assert (word.value, word.fill.fgColor.rgb, book["宽表"]["D2"].value) == ("x", RETURNED, "退回 V05；提示 Q07")


def test_findings_say_where_what_why_and_how_to_mend_the_serious_first(sent: Night) -> None:
    rows = [
        [c.value for c in line] for line in opened(answered(sent)[f"{BOX}/十二月.xlsx"])["问题"].iter_rows(min_row=4)
    ]
    signs = [r[0] for r in rows]
    assert signs == sorted(signs, key=lambda s: s.startswith("提示"))
    assert {"退回 V05", "退回 V07", "提示 Q05"} <= set(signs)
    [unit] = [r for r in rows if r[0] == "退回 V07"]
    assert unit[1].startswith("工作表“报送表” D4 单元格")
    assert unit[2].startswith("贷款余额")
    assert (unit[4], unit[5]) == ("万人", "亿元")
    assert unit[6].startswith("计划的指标目录：贷款余额的单位；计划原文：“")
    assert unit[7].startswith("请换算为指标的单位")


def test_workbook_and_page_both_name_number_plan_status_counts_and_what_is_owed(sent: Night, plan: Plan) -> None:
    receipt = answered(sent)[f"{BOX}/十二月.xlsx"]
    assert receipt["number"].startswith(f"{receipt['submission']}-")
    html = receipt["html"].read_text("utf-8")
    for said in (
        receipt["number"], plan.head.name_zh, "第 1 版", "部分退回", "读入 5，接收 3，退回 2", "新增 3", "2023-01-10 09:00",
        "2023-04-10 09:00", "请换算为指标的单位", "已逾期", "约3",
    ):  # fmt: skip
        assert said in text_of(receipt), said
        assert said in html, said
    owed = [[c.value for c in line] for line in opened(receipt)["待报"].iter_rows(min_row=5)]
    assert ["已逾期", "贷款余额", "loans", None, "2022-12", "2023-01-17 00:00", "overdue"] in owed
    assert not any(line[2:5] == ["deposits", None, "2022-12"] for line in owed)


def test_a_receipt_sent_back_reads_as_the_file_that_it_answers(sent: Night) -> None:
    receipt = answered(sent)[f"{BOX}/十二月.xlsx"]
    back = readers.read(receipt["xlsx"].read_bytes(), "back.xlsx")
    first = readers.read((sent.box / f"{BOX}/十二月.xlsx").read_bytes(), "first.xlsx")
    assert back.fault is None
    assert back.rows.equals(first.rows)


def test_a_file_that_cannot_be_read_gets_a_receipt_too(sent: Night) -> None:
    receipt = answered(sent)[f"{BOX}/broken.xlsx"]
    assert receipt["status"] == "returned"
    assert opened(receipt).sheetnames == ["回执", "问题", "待报"]
    html = receipt["html"].read_text("utf-8")
    for said in ("退回 S01", "文件无法读取", "整份文件", "请用原软件打开确认文件完好", "未附原表"):
        assert said in text_of(receipt), said
        assert said in html, said


def test_the_same_judgement_makes_no_other_receipt_and_the_same_inputs_the_same_bytes(
    sent: Night, night: Callable[..., Night], plan: Plan
) -> None:
    before = answered(sent)
    again = receipts.make(sent.store, plan)
    assert (again.new.height, again.standing) == (0, 2)
    files = {p.relative_to(sent.box).as_posix(): p.read_bytes() for p in sent.box.rglob("*.xlsx")}
    elsewhere = night(files)
    receipts.make(elsewhere.store, plan)
    for path, receipt in answered(elsewhere).items():
        assert receipt["number"] == before[path]["number"]
        assert receipt["xlsx"].read_bytes() == before[path]["xlsx"].read_bytes()
        assert receipt["html"].read_bytes() == before[path]["html"].read_bytes()


def test_a_submission_whose_bytes_are_gone_costs_no_other_its_receipt(night: Callable[..., Night], plan: Plan) -> None:
    done = night({f"{BOX}/{n}.csv": long_csv(["deposits", "", f"2022-{n:02}", "", 20000 + n]) for n in (10, 11, 12)})
    gone = done.store.object(done.one("select sha256 from submission where path like '%11.csv'")["sha256"])
    kept = gone.rename(gone.with_suffix(".kept"))
    with pytest.raises(StoreError, match=rf"^no receipt for {BOX}/11.csv: .+ is missing. `wallchart check`"):
        receipts.make(done.store, plan)
    assert set(answered(done)) == {f"{BOX}/10.csv", f"{BOX}/12.csv"}
    kept.rename(gone)
    assert receipts.make(done.store, plan).new["path"].to_list() == [f"{BOX}/11.csv"]
    assert answered(done)[f"{BOX}/11.csv"]["html"].stat().st_size > 0


def test_a_receipt_says_which_figures_are_new_revised_or_unchanged_and_what_replaced_what(
    night: Callable[..., Night], plan: Plan
) -> None:
    first = long_csv(("deposits", "", "2022-12", "", 20400, "亿元"), ("loans", "", "2022-12", "", 19000, "亿元"))
    again = long_csv(("deposits", "", "2022-12", "", 20400, "亿元"))
    mended = long_csv(("deposits", "", "2022-12", "", "2.05万", "亿元"), ("loans", "", "2022-12", "", 19000, "亿元"))
    times = {f"{BOX}/a.csv": IN_TIME, f"{BOX}/b.csv": IN_TIME + dt.timedelta(hours=1), f"{BOX}/c.csv": LATER}
    done = night({f"{BOX}/a.csv": first, f"{BOX}/b.csv": again, f"{BOX}/c.csv": mended}, times)
    receipts.make(done.store, plan)
    a, b, c = (answered(done)[f"{BOX}/{name}.csv"] for name in "abc")
    assert "新增 2" in text_of(a)
    assert "本文件没有改变任何数据，与已接收的相同 1" in text_of(b)
    assert "更正 1，与已接收的相同 1" in text_of(c)
    [line] = [[x.value for x in r] for r in opened(c)["回执"].iter_rows() if r[1].value == "存款余额 2022-12"]
    assert line[2:] == ["20400 亿元", "20500 亿元", f"{BOX}/a.csv"]
    assert f"{BOX}/c.csv" in text_of(a)  # and since then it was itself revised
    assert "此后已被更正" in a["html"].read_text("utf-8")


@pytest.mark.slow
def test_an_explained_warning_disappears_from_a_new_receipt_that_says_why(
    night: Callable[..., Night], plan: Plan, tmp_path: Path
) -> None:
    row = ("deposits", "", "2022-12", "", 900, "亿元", "")
    first = night({f"{BOX}/a.csv": long_csv(row)}, {f"{BOX}/a.csv": IN_TIME}, root=tmp_path)
    receipts.make(first.store, plan)
    before = answered(first)[f"{BOX}/a.csv"]
    assert "提示 Q01" in text_of(before)
    explained = long_csv((*row, "口径调整"))
    later = night({f"{BOX}/b.csv": explained}, {f"{BOX}/b.csv": LATER}, root=tmp_path, now=NOW + dt.timedelta(days=1))
    made = receipts.make(later.store, plan)
    assert (made.new.height, made.anew) == (2, 1)
    after = answered(later)[f"{BOX}/a.csv"]
    assert after["number"] != before["number"]
    assert "提示 Q01" not in text_of(after)
    assert f"取代回执 {before['number']}" in text_of(after)
    assert "项提示已有说明" in text_of(after)
    assert before["xlsx"].exists()


def test_a_withdrawal_is_answered_by_a_receipt_of_its_own(
    night: Callable[..., Night], plan: Plan, tmp_path: Path
) -> None:
    sent = {
        f"{BOX}/{name}.csv": long_csv(("deposits", "", "2022-12", "", figure, "亿元"))
        for name, figure in (("a", 20400), ("b", 20500))
    }
    done = night(sent, {f"{BOX}/a.csv": IN_TIME, f"{BOX}/b.csv": LATER}, root=tmp_path)
    receipts.make(done.store, plan)
    before = answered(done)
    filings.withdraw(done.store, before[f"{BOX}/b.csv"]["submission"], "head of statistics", "sent too early", NOW)
    judge.validity(done.store, plan, done.months)
    judge.quality(done.store, plan, done.months)
    marts.make(done.store, plan, NOW + dt.timedelta(days=1))
    receipts.make(done.store, plan)
    after = answered(done)
    withdrawn = text_of(after[f"{BOX}/b.csv"])
    assert "已撤回" in withdrawn
    assert "head of statistics：sent too early" in withdrawn
    assert "本报送已撤回" in withdrawn
    assert "此后已被更正" not in withdrawn  # what it had replaced stands again: that revises nothing
    assert "Figures that this file revised" not in text_of(after[f"{BOX}/a.csv"])


@pytest.mark.slow
def test_a_revised_plan_makes_new_receipts_only_where_the_judgement_changed_and_they_say_so(
    night: Callable[..., Night], plan: Plan, tmp_path: Path
) -> None:
    folder = revised_folder(tmp_path)
    policy = folder / "policy.yaml"
    text = policy.read_text("utf-8")
    narrower = re.sub(r"(?m)^(\s*stock_low:).*$", r"\1 0.99", text)
    assert narrower != text
    policy.write_text(narrower, "utf-8")
    files = {
        f"{BOX}/flagged.csv": long_csv(("deposits", "", "2022-12", "", 15000, "亿元")),
        f"{BOX}/same.csv": long_csv(("no_such_indicator", "", "2022-12", "", 1)),
    }
    first = night(files, root=tmp_path / "night")
    receipts.make(first.store, plan)
    before = answered(first)
    revised = load_plan(folder)
    judge.validity(first.store, revised, first.months)
    judge.quality(first.store, revised, first.months)
    marts.make(first.store, revised, NOW + dt.timedelta(days=1))
    made = receipts.make(first.store, revised)
    after = answered(first)
    assert made.new["path"].to_list() == [f"{BOX}/flagged.csv"]
    assert after[f"{BOX}/same.csv"]["number"] == before[f"{BOX}/same.csv"]["number"]
    assert "计划由第 1 版修订为第 2 版" in text_of(after[f"{BOX}/flagged.csv"])
    assert json.loads(after[f"{BOX}/flagged.csv"]["because"])[1][1] == "the plan was revised from 1 to 2"


def test_of_a_large_file_the_rows_about_findings_are_shown_in_their_places(
    night: Callable[..., Night], plan: Plan
) -> None:
    rows: list[tuple[object, ...]] = [("deposits", "", "2022-12", "", 20400, "亿元")] * 3000
    rows[2500] = ("deposits", "", "2022-12", "", "x", "亿元")
    done = night({f"{BOX}/large.csv": long_csv(*rows)})
    receipts.make(done.store, plan)
    receipt = answered(done)[f"{BOX}/large.csv"]
    own = opened(receipt)["原表"]
    assert (own["E2502"].value, own["I2502"].value) == ("x", "退回 V05")
    filled = [line[0].row for line in own.iter_rows() if line[0].value]
    assert filled == [1, 2, 3, 4, 2500, 2501, 2502, 2503, 2504]
    assert "共 3,001 行，只列出" in text_of(receipt)
    assert "共 3,001 行，只列出" in receipt["html"].read_text("utf-8")


def test_many_warnings_of_one_kind_are_counted_and_do_not_bury_an_error(
    night: Callable[..., Night], plan: Plan
) -> None:
    rows = [("listings_new", "", "2022Q4", "", "约3", "家")] * 900 + [("deposits", "", "2022-12", "", "x", "亿元")]
    done = night({f"{BOX}/many.csv": long_csv(*rows)})
    receipts.make(done.store, plan)
    receipt = answered(done)[f"{BOX}/many.csv"]
    findings = [line[0].value for line in opened(receipt)["问题"].iter_rows(min_row=4)]
    assert findings[0] == "退回 V05"
    assert findings.count("提示 Q05") == 200
    assert "另有 700 项" in text_of(receipt)
    html = receipt["html"].read_text("utf-8")
    assert html.index("退回 V05") < html.index("提示 Q05")
    assert "900 项" in html


def test_receipts_go_into_the_drop_box_only_where_the_source_takes_them_and_are_never_read(
    night: Callable[..., Night], plan: Plan, tmp_path: Path
) -> None:
    files = {f"{BOX}/2022/十二月.csv": long_csv(("deposits", "", "2022-12", "", 20400, "亿元"))}
    done = night(files, root=tmp_path)
    receipts.make(done.store, plan)
    plain, taking = done.box.as_uri(), f"{done.box.as_uri()}?receipts=yes"
    assert receipts.deliver(done.store, [plain], {}, NOW).delivered == 0
    assert not (done.box / BOX / "receipts").exists()
    assert receipts.deliver(done.store, [taking], {}, NOW).delivered == 1
    number = answered(done)[f"{BOX}/2022/十二月.csv"]["number"]
    stem = f"receipt-202301100900-十二月.csv-{number}"
    assert sorted(p.name for p in (done.box / BOX / "receipts").iterdir()) == [f"{stem}.html", f"{stem}.xlsx"]
    assert receipts.deliver(done.store, [taking], {}, NOW).delivered == 0
    assert night({}, root=tmp_path).landed.new == []


def test_a_receipt_that_could_not_be_delivered_is_tried_again(
    night: Callable[..., Night], plan: Plan, tmp_path: Path
) -> None:
    done = night({f"{BOX}/a.csv": long_csv(("deposits", "", "2022-12", "", 20400, "亿元")),
                  "statistics/b.csv": long_csv(("gdp_growth", "", "2022Q4", "", 8, "%"))}, root=tmp_path)  # fmt: skip
    receipts.make(done.store, plan)
    taking = [f"{done.box.as_uri()}?receipts=yes"]
    in_the_way = done.box / BOX / "receipts"
    in_the_way.write_text("a file where the folder should be")
    first = receipts.deliver(done.store, taking, {}, NOW)
    assert (first.delivered, first.failed["receipts"].to_list(), receipts.undelivered(done.store)) == (1, [1], 1)
    in_the_way.unlink()
    second = receipts.deliver(done.store, taking, {}, NOW)
    assert (second.delivered, second.failed.height, receipts.undelivered(done.store)) == (1, 0, 0)
    gone = receipts.deliver(done.store, [(tmp_path / "no such box").as_uri() + "?receipts=yes"], {}, NOW)
    assert (gone.delivered, gone.failed.height) == (0, 0)  # nothing of ours came from there


@pytest.mark.parametrize(
    ("said", "plainly"),
    [
        ("policy.deadlines.month: 10 working days (china)", "政策“报送期限”（月报，10 个工作日）"),
        ("policy: lead_department.gdp", "政策“牵头部门”（地区生产总值）"),
        ("突破 7000 亿元 (policy.plausible.flow, policy.plausible.stock)", "计划原文“突破 7000 亿元”，政策“合理范围的推算”（累计数）、政策“合理范围的推算”（存量）"),
        ("plan: indicators.gdp.numerator, denominator", "计划的指标目录：地区生产总值的分子、分母"),
        ("published: 市统计局", "已公布的数据：市统计局"),
        ("something else", "something else"),
    ],
)  # fmt: skip
def test_a_basis_is_said_in_plain_words(said: str, plainly: str) -> None:
    assert basis(said, {"gdp": "地区生产总值"}) == plainly


# hostile texts

BIDI = "\u202egnp.exe\u2066\u200f"
HOSTILE = st.one_of(
    st.sampled_from(
        ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "=cmd|' /C calc'!A0", "＝1+1", BIDI, "\x00\x07\x1b[31m", "\ud800",
         "\ufffe\uffff", "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }}", "{% raw %}", "&lt;", "'",
         "_x0041_", "x" * 40_000, "]]>", "http://a.invalid/", "mailto:a", "\u2028", "😀" * 40]
    ),
    st.text(max_size=30),
)  # fmt: skip


@pytest.fixture(scope="module")
def plain_answer(sent: Night, plan: Plan) -> Answer:
    with connect(sent.store.root, in_order=True) as con:
        open_marts(con, sent.store)
        [(submission,)] = con.execute("select submission from submission where status = 'partly_returned'").fetchall()
        [answer] = answers(con, [Wanted(submission, f"{submission}-000000", [])], NOW)
    return answer


def speaking(answer: Answer, text: str) -> tuple[Answer, Original]:
    """The answer with a text from outside wherever such a text can stand, as the marts would hand it on."""
    safe = visible(text)
    groups = [
        dataclasses.replace(
            g,
            findings=[
                dataclasses.replace(f, sheet=None, row=2, found=safe, expected=safe, basis_zh=safe, basis_en=safe)
                for f in g.findings
            ],
        )
        for g in answer.groups
    ]
    spoken = dataclasses.replace(answer, path=safe, groups=groups, because=[(safe, safe)])
    text = text.encode("utf-8", "ignore").decode()  # a table of text holds no half of a pair
    content = json.dumps([{text or "x": text, "indicator": text, "period": text, "value": text}] * 3).encode()
    return spoken, original(content, "json", spoken.listed, 1)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, tuple[str, ...]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, tuple(name for name, _ in attrs)))


@given(text=HOSTILE)
def test_no_text_can_become_a_formula_a_link_or_hide_in_a_workbook(plain_answer: Answer, text: str) -> None:
    answer, shown = speaking(plain_answer, text)
    book = openpyxl.load_workbook(io.BytesIO(workbook(answer, shown)))
    for sheet in book:
        for line in sheet.iter_rows():
            for cell in line:
                assert cell.data_type in ("s", "n")
                assert cell.data_type == "s" or cell.value is None
                if isinstance(cell.value, str):
                    assert visible(cell.value) == cell.value
                    assert not cell.value.startswith(FORMULA) or cell.quotePrefix
                if cell.hyperlink is not None:
                    assert cell.hyperlink.target is None
                    assert cell.hyperlink.location.startswith("'")
    assert book.sheetnames == ["回执", "问题", "原表", "待报"]


@given(text=HOSTILE)
def test_no_text_can_add_to_the_page_or_hide_in_it(plain_answer: Answer, text: str) -> None:
    def tags(said: str) -> list[tuple[str, tuple[str, ...]]]:
        parser = Tags()
        html = page(*speaking(plain_answer, said)).decode()
        assert visible(html) == html
        parser.feed(html)
        return parser.seen

    assert set(tags(text)) <= set(tags("x")) | set(tags(""))
    assert {tag for tag, _ in tags(text)}.isdisjoint({"script", "img", "a", "iframe", "form", "link"})


@given(name=st.one_of(HOSTILE, st.sampled_from(["../../etc/passwd", "CON", "a/b\\c", "", ".", "..", "年" * 300])))
def test_a_receipts_name_is_safe_wherever_drop_boxes_lie(name: str) -> None:
    made = receipts.delivered_name(f"{BOX}/{name}", "2023-01-10 09:00", "0123456789abcdef-012345") + ".xlsx"
    assert re.fullmatch(r"receipt-202301100900-[^\\/:*?\"<>|\s\x00-\x1f]*-0123456789abcdef-012345\.xlsx", made)
    assert visible(made) == made
    assert len(made.encode()) <= 255


@given(names=st.lists(st.one_of(HOSTILE, st.sampled_from(["回执", "History", "a", "A", "''", "[1]"])), max_size=6))
def test_sheets_keep_names_that_a_workbook_can_hold(plain_answer: Answer, names: list[str]) -> None:
    answer, shown = speaking(plain_answer, "x")
    many = dataclasses.replace(
        shown, grids=[dataclasses.replace(shown.grids[0], name=name, marks={}) for name in names], places={
            id(f): dataclasses.replace(shown.places[id(f)], grid=None) for f in answer.listed
        }
    )  # fmt: skip
    book = openpyxl.load_workbook(io.BytesIO(workbook(answer, many)))
    assert len(book.sheetnames) == len(names) + 3
    assert all(len(n.encode("utf-16-le")) <= 62 for n in book.sheetnames)
