"""Every rule, broken and kept, in one night: what comes back to the sender, and what stays out of harm's way."""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from expectations.model import Plan
from expectations.rules import RULES
from tests.night import IN_TIME, NOW, SHANGHAI, Night, long_csv, send
from warehouse.store import Store

AFTER = dt.datetime(2023, 3, 20, 9, tzinfo=SHANGHAI)  # after every deadline of 2022
EARLY = dt.datetime(2022, 10, 20, 9, tzinfo=SHANGHAI)  # the third quarter is due on the 25th, the year has not ended


@dataclass(frozen=True)
class Case:
    """A file of one department. `bad`: the rule, row, column and found text of each finding that it must bring."""

    department: str
    rows: list[tuple[object, ...]]
    bad: list[tuple[str, int, str, str]] = field(default_factory=list)
    sent: dt.datetime = IN_TIME
    content: bytes | None = None
    extension: str = "csv"

    def file(self) -> bytes:
        return self.content if self.content is not None else long_csv(*self.rows)


FIRMS = ("high_tech_firms", "", "2022Q4", "", 4200, "家")  # a good neighbour of the science bureau, always in row 2
CODE, PERIOD, VALUE, UNIT, MEASURE, AREA = (
    "指标编码 indicator", "报告期 period", "数值", "单位 unit", "口径 measure", "地区 area",
)  # fmt: skip


def science(*rows: tuple[object, ...], bad: list[tuple[str, int, str, str]], sent: dt.datetime = IN_TIME) -> Case:
    return Case("science", [FIRMS, *rows], bad, sent)


def only(rule: str, column: str, found: str, row: int = 3) -> list[tuple[str, int, str, str]]:
    return [(rule, row, column, found)]


PLATFORMS = "innovation_platforms"
BROKEN = {
    "V01 unknown code": science(("no_such_thing", "", "2022Q4", "", 1), bad=only("V01", CODE, "no_such_thing")),
    "V01 unknown name": science(("", "没有的指标", "2022Q4", "", 1), bad=only("V01", CODE, "没有的指标")),
    "V01 code and name disagree": science(
        (PLATFORMS, "高新技术企业", "2022Q4", "", 1200, "个"), bad=only("V01", CODE, "innovation_platforms 高新技术企业")
    ),
    "V01 neither": science(("", "", "2022Q4", "", 5), bad=only("V01", CODE, "")),
    "V02": science(("deposits", "", "2022-12", "", 20000, "亿元"), bad=only("V02", CODE, "deposits")),
    "V03": science((PLATFORMS, "", "去年底", "", 1200, "个"), bad=only("V03", PERIOD, "去年底")),
    "V04 before the plan": science((PLATFORMS, "", "2019Q4", "", 1200, "个"), bad=only("V04", PERIOD, "2019Q4")),
    "V04 after the plan": science((PLATFORMS, "", "2023Q1", "", 1200, "个"), bad=only("V04", PERIOD, "2023Q1")),
    "V04 not yet ended": Case(
        "science",
        [("high_tech_firms", "", "2022Q3", "", 4000, "家"), (PLATFORMS, "", "2022Q4", "", 1200, "个")],
        only("V04", PERIOD, "2022Q4"),
        EARLY,
    ),
    "V04 not of its frequency": science((PLATFORMS, "", "2022-02", "", 1200, "个"), bad=only("V04", PERIOD, "2022-02")),
    "V04 a month of a yearly figure": Case(
        "statistics",
        [("gdp_growth", "", "2022Q4", "", 3.5, "%"), ("resident_population", "", "2022-06", "", 914, "万人")],
        only("V04", PERIOD, "2022-06"),
    ),
    "V05 words": science((PLATFORMS, "", "2022Q4", "", "较多", "个"), bad=only("V05", VALUE, "较多")),
    "V05 an error of Excel": science((PLATFORMS, "", "2022Q4", "", "#DIV/0!", "个"), bad=only("V05", VALUE, "#DIV/0!")),
    "V05 a row that slipped": science(
        (PLATFORMS, "", "2022Q4", "", 1, "200", "个", "", "多出"), bad=[("V05", 3, VALUE, "1 | 多出"), ("V06", 3, UNIT, "200"),
                                                                    ("V10", 3, MEASURE, "个")]
    ),
    "V06": science((PLATFORMS, "", "2022Q4", "", 1200, "斤两"), bad=only("V06", UNIT, "斤两")),
    "V07 yuan for dollars": Case(
        "commerce",
        [("trade", "", "2022-12", "", 1445, "亿元"), ("fdi", "", "2022-12", "", 39.2, "亿元")],
        only("V07", UNIT, "亿元"),
    ),
    "V07 points for per cent": Case(
        "financial_affairs",
        [("loans", "", "2022-12", "", 19000, "亿元"), ("finance_share", "", "2022Q4", "", "7.5个百分点")],
        only("V07", UNIT, "个百分点"),
    ),
    "V07 people for passages": Case(
        "transport",
        [("airport_passengers", "", "2022-12", "", 950, "万人次"), ("airport_passengers", "", "2022-11", "", 900, "万人")],
        only("V07", UNIT, "万人"),
    ),
    "V08 a share above 100": Case(
        "ecology",
        [("good_air_days", "", "2022-12", "", 87.7, "%"), ("good_air_days", "", "2022-11", "", 187.7, "%")],
        only("V08", VALUE, "187.7"),
    ),
    "V08 a negative count": science((PLATFORMS, "", "2022Q4", "", -5, "个"), bad=only("V08", VALUE, "-5")),
    "V08 a fractional count": science((PLATFORMS, "", "2022Q4", "", 1200.5, "个"), bad=only("V08", VALUE, "1200.5")),
    "V08 a fractional rank": Case(
        "financial_affairs",
        [("loans", "", "2022-12", "", 19000, "亿元"), ("finance_centre_rank", "", "2022", "", 20.5, "位")],
        only("V08", VALUE, "20.5"),
    ),
    "V08 rank zero": Case(
        "financial_affairs",
        [("loans", "", "2022-12", "", 19000, "亿元"), ("finance_centre_rank", "", "2022", "", 0, "位")],
        only("V08", VALUE, "0"),
    ),
    "V09": science(
        (PLATFORMS, "", "2022Q4", "", 1200, "个"),
        (PLATFORMS, "", "2022年四季度", "沈阳市", 1201, "个"),
        bad=[("V09", 3, VALUE, "1200"), ("V09", 4, VALUE, "1201")],
    ),
    "V10 not the indicator's": Case(
        "transport",
        [("airport_passengers", "", "2022-12", "", 950, "万人次", "累计"), ("airport_passengers", "", "2022-12", "", 90, "万人次", "当期")],
        only("V10", MEASURE, "当期"),
    ),
    "V10 unknown": science((PLATFORMS, "", "2022Q4", "", 1200, "个", "大概"), bad=only("V10", MEASURE, "大概")),
    "V11 unknown": science((PLATFORMS, "", "2022Q4", "北京市", 1200, "个"), bad=only("V11", AREA, "北京市")),
    "V11 not reported for": science((PLATFORMS, "", "2022Q4", "和平区", 200, "个"), bad=only("V11", AREA, "和平区")),
}  # fmt: skip

FLAGGED = {
    "Q01": Case(
        "commerce",
        [("fdi_growth", "", "2022-12", "", 375.3, "%"), ("trade_growth", "", "2022-12", "", 2, "%")],
        [("Q01", 2, VALUE, "375.3")],
    ),
    "Q02": Case(
        "commerce",
        [("trade", "", "2022-03", "", 300, "亿元"), ("trade", "", "2022-04", "", 290, "亿元"), ("trade", "", "2022-05", "", 400, "亿元")],
        [("Q02", 3, VALUE, "290")],
        dt.datetime(2022, 6, 10, 9, tzinfo=SHANGHAI),
    ),
    "Q05": Case(
        "industry_it",
        [("industrial_value_added_growth", "", "2022-12", "", "4%左右"), ("high_end_equipment_share", "", "2022Q4", "", 34, "%")],
        [("Q05", 2, VALUE, "4%左右")],
    ),
    "Q07": Case("health", [("doctors_per_1000", "", "2022", "", 3.5, "人/千人")], [("Q07", 2, PERIOD, "2023-03-20 09:00")], AFTER),
    "Q08": science((PLATFORMS, "", "2022Q4", "", 1200, "家"), bad=only("Q08", UNIT, "家")),
}  # fmt: skip
FLAGGED["Q02"].bad.extend(("Q07", row, PERIOD, "2022-06-10 09:00") for row in (2, 3))

EXPLAINED = Case(
    "commerce",
    [
        ("fdi_growth", "", "2022-11", "", 360, "%", "", "一次性大项目到资,去年基数低"),
        ("trade_growth", "", "2022-11", "", 80, "%"),
    ],
    [("Q01", 2, VALUE, "360"), ("Q01", 3, VALUE, "80")],
    dt.datetime(2022, 12, 10, 9, tzinfo=SHANGHAI),
)


def workbook(*rows: tuple[object, ...]) -> bytes:
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        sheet = book.add_worksheet("年报")
        for n, row in enumerate(rows):
            sheet.write_row(n, 0, row)
    return content.getvalue()


LOCKED = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 504 + "EncryptedPackage".encode("utf-16-le") + b"\0" * 512
RETURNED = {
    "S01": Case("education", [], content=workbook(("指标编码", "报告期", "数值"))[:2000], extension="xlsx"),
    "S02": Case("education", [], content=b"%PDF-1.7 1 0 obj", extension="pdf"),
    "S03": Case("education", [], content=LOCKED, extension="xlsx"),
    "S04": Case("education", [], content="指标编码,报告期,金额\nschooling_years,2022,12\n".encode()),
    "S06": Case("education", [], content="指标编码,报告期,数值\nschooling_years,2022,\n".encode()),
    "S07": Case("education", [], content=b"indicator,period,value\n" + b"schooling_years,2022,12\n" * 5000),
    "S08": Case("education", [], content=long_csv(("schooling_years", "", "2022", "", 12.1, "年"), banner=["填报单位：市教育局", ""])
                .replace("市教育局".encode(), "市卫生健康委员会".encode())),
}  # fmt: skip

GOOD = {
    "plain": Case("education", [("schooling_years", "", "2022", "", 12.1, "年")]),
    "by name": Case("construction", [("", "路网密度", "2022年", "沈阳市", "７.9", "公里/平方公里", "期末")]),
    "the same figure twice": science((PLATFORMS, "", "2022Q4", "", 1200, "个"), (PLATFORMS, "", "2022-Q4", "210100", "1,200", "个"), bad=[]),
    "no figure": Case("urban_management", [("green_coverage", "", "2022", "", "暂无"), ("green_coverage", "", "2022", "", "—")]),
    "a smaller unit": Case("statistics", [("resident_population", "", "2022", "", 9147000, "人")]),
    "since january": Case("finance", [("fiscal_revenue", "", "2022年1-12月", "", "713.7亿元")]),
    "its own department named": Case("market_regulation", [], content=long_csv(
        ("patents_per_10k", "", "2022年四季度", "", 27, "件/万人"), banner=["填报单位：市市场监管局"])),
}  # fmt: skip

SPEAKING = ("填报部门", "指标编码", "报告期", "数值")
NAMED = {
    "mixed column": Case("education", [], content=long_csv(
        ("市教育局", "schooling_years", "2022", 12.1), ("市卫健委", "schooling_years", "2022", 12.1), header=SPEAKING)),
    "mixed column of the other": Case("health", [], content=long_csv(
        ("市教育局", "doctors_per_1000", "2022", 3.5), ("市卫健委", "doctors_per_1000", "2022", 3.5), header=SPEAKING)),
    "own column": Case("education", [], content=long_csv(("教育局", "schooling_years", "2022", 12.1), header=SPEAKING)),
    "sealed banner": Case("education", [], content=long_csv(
        ("schooling_years", "", "2022", "", 12.1), banner=["填报单位：市卫健委（盖章）"])),
}  # fmt: skip
SINGLE = {
    "explained": EXPLAINED,
    "sheet": Case(
        "education", [], extension="xlsx", content=workbook(SPEAKING[1:], ("schooling_years", "2022", "多年"))
    ),
    "an error explained": Case("education", [("schooling_years", "", "2022", "", "十余", "年", "", "已核实")]),
}

CASES = {**BROKEN, **FLAGGED, **RETURNED, **GOOD, **NAMED, **SINGLE}


def path(name: str) -> str:
    return f"{CASES[name].department}/{name}.{CASES[name].extension}"


@pytest.fixture(scope="module")
def judged(night: Callable[..., Night]) -> Night:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warehouse.reading.SIZE_LIMIT", 100_000)
        return night({path(n): c.file() for n, c in CASES.items()}, {path(n): c.sent for n, c in CASES.items()}, NOW)


def place(finding: dict[str, Any]) -> tuple[str, int, str, str]:
    return finding["rule"], finding["row_number"], finding["column_name"], (finding["value_text"] or "").strip()


@pytest.mark.parametrize("name", [*BROKEN, *FLAGGED, "explained"])
def test_a_broken_rule_is_found_in_its_place_and_no_other_is(judged: Night, name: str) -> None:
    assert sorted(place(f) for f in judged.findings(path(name))) == sorted(CASES[name].bad)


@pytest.mark.parametrize("name", BROKEN)
def test_a_returned_row_never_takes_its_good_neighbours_down(judged: Night, name: str) -> None:
    case, got = BROKEN[name], judged.one("from submission where path = ?", path(name))
    returned = len({row for _, row, _, _ in case.bad})
    assert (got["status"], got["rows_read"], got["rows_returned"]) == ("partly_returned", len(case.rows), returned)
    assert got["rows_kept"] == len(case.rows) - returned


@pytest.mark.parametrize("name", [*FLAGGED, "explained"])
def test_a_flagged_row_is_kept(judged: Night, name: str) -> None:
    got = judged.one("from submission where path = ?", path(name))
    assert (got["status"], got["rows_returned"], got["warnings"]) == (
        "accepted_with_warnings", 0, len(CASES[name].bad),
    )  # fmt: skip


@pytest.mark.parametrize("rule", RETURNED)
def test_a_file_that_cannot_be_used_is_returned_whole(judged: Night, rule: str) -> None:
    got = judged.one("from submission where path = ?", path(rule))
    assert (got["status"], got["rows_kept"]) == ("returned", 0)
    [finding] = judged.findings(path(rule))
    assert (finding["rule"], finding["severity"]) == (rule, "fatal")


@pytest.mark.parametrize("name", GOOD)
def test_a_good_file_is_accepted_without_a_word(judged: Night, name: str) -> None:
    assert judged.findings(path(name)) == []
    assert judged.one("from submission where path = ?", path(name))["status"] == "accepted"


def test_every_finding_says_where_what_and_what_to_do_in_both_languages(judged: Night) -> None:
    findings = judged.ask("select f.*, s.path from finding f left join submission s using (submission)")
    assert {f["rule"] for f in findings} >= {c for c in RULES if c[0] in "SV"} - {"S05", "V12"} | {
        "Q01",
        "Q05",
        "Q07",
        "M01",
    }
    for f in findings:
        rule = RULES[f["rule"]]
        place = f["path"] or f"{f['department']} {f['indicator']} {f['area']} {f['period']}"
        for message, said, mend in ((f["message_zh"], rule.zh, rule.mend_zh), (f["message_en"], rule.en, rule.mend_en)):
            assert message.startswith(place), f
            assert said in message
            assert mend in message
            assert (f["value_text"] or "") in message
            assert f["expected_text"] in message
            if f["row_number"] is not None:
                assert re.search(rf"第{f['row_number']}行|row {f['row_number']}\b", message), f
            if f["column_name"] is not None:
                assert f["column_name"] in message
        assert f["severity"] == rule.severity
        assert f["basis"]


def test_a_finding_names_its_sheet(judged: Night) -> None:
    [finding] = judged.findings(path("sheet"))
    assert (finding["sheet"], finding["row_number"], finding["column_name"]) == ("年报", 2, "数值")
    assert "工作表「年报」 第2行 数值" in finding["message_zh"]
    assert "sheet 年报, row 2, 数值" in finding["message_en"]
    assert judged.one("from submission where path = ?", path("sheet"))["status"] == "returned"  # its only row


def test_findings_of_one_file_have_identifiers_of_their_own(judged: Night) -> None:
    assert judged.one("select count(*) = count(distinct finding) as unique_ids from finding")["unique_ids"]


def test_a_finding_leads_to_the_plan_or_the_policy(judged: Night) -> None:
    basis = {f["rule"]: f["basis"] for f in judged.ask("from finding")}
    assert basis["Q01"] in {
        "进出口总额增长 15% (policy.plausible.growth_points)", "实际利用外资增长 10% (policy.plausible.growth_points)",
    }  # fmt: skip
    assert basis["V08"].startswith("plan: indicators.")
    assert basis["Q07"].startswith("policy")


def test_a_note_confirms_a_warning(judged: Night) -> None:
    assert [(f["row_number"], f["confirmed"]) for f in judged.ask(
        "select f.* from finding f join submission s using (submission) where s.path = ? order by row_number", path("explained")
    )] == [(2, True), (3, False)]  # fmt: skip


def test_a_note_confirms_no_error(judged: Night) -> None:
    assert [(f["rule"], f["confirmed"]) for f in judged.findings(path("an error explained"))] == [("V05", False)]


def test_a_figure_that_is_not_available_is_kept_and_is_not_on_time(judged: Night) -> None:
    got = judged.one("from submission where path = ?", path("no figure"))
    assert (got["rows_read"], got["rows_kept"]) == (2, 2)
    assert judged.ask("from observation where indicator = 'green_coverage'") == []
    assert judged.one("from obligation where indicator = 'green_coverage'")["state"] == "not_available"


def test_an_obligation_is_on_time_late_or_missing(judged: Night) -> None:
    state = {(o["indicator"], o["period"]): o["state"] for o in judged.ask("from obligation")}
    assert state["high_tech_firms", "2022Q4"] == "on_time"
    assert state["doctors_per_1000", "2022"] == "late"
    assert state["culture_share", "2022"] == "missing"
    missing = {(f["indicator"], f["period"]) for f in judged.ask("from finding where rule = 'M01'")}
    assert missing == {key for key, value in state.items() if value == "missing"}


def test_the_good_figures_are_in_the_indicators_own_unit(judged: Night) -> None:
    got = {
        o["indicator"]: (o["value"], o["unit"], o["period"], o["measure"])
        for o in judged.ask("from observation where known_to is null and period in ('2022', '2022-12') ")
    }
    assert got["resident_population"] == (914.7, "万人", "2022", "end")
    assert got["fiscal_revenue"] == (713.7, "亿元", "2022-12", "ytd")
    assert got["road_density"] == (7.9, "公里/平方公里", "2022", "end")


def test_great_expectations_counts_what_the_findings_count(judged: Night) -> None:
    fired = {v.rule: v.fired for v in [*judged.valid.verdicts, *judged.flagged.verdicts, *judged.made.verdicts]}
    found = {
        f["rule"]: f["n"]
        for f in judged.ask("select rule, count(*) as n from finding where rule[1] <> 'S' group by all")
    }
    assert {rule: n for rule, n in fired.items() if n} == found
    assert set(fired) == {c for c in RULES if c[0] in "VQM"}
    assert not [v for v in judged.valid.verdicts + judged.flagged.verdicts + judged.made.verdicts if v.crashed]


def test_the_rule_table_tells_how_often_each_rule_fired_and_was_explained(judged: Night) -> None:
    told = {r["rule"]: r for r in judged.ask("from rule")}
    assert set(told) == set(RULES)
    for f in judged.ask(
        "select rule, count(*) as n, count(*) filter (confirmed) as explained from finding group by all"
    ):
        assert (told[f["rule"]]["fired"], told[f["rule"]]["confirmed"]) == (f["n"], f["explained"])
        assert told[f["rule"]]["evaluated"] > 0
    assert {r["rule"] for r in told.values() if r["health"] == "fired"} == {
        r["rule"] for r in judged.ask("select distinct rule from finding")
    }
    assert {r["rule"] for r in told.values() if r["evaluated"] == 0} == {
        r["rule"] for r in told.values() if r["health"] == "never_evaluated"
    }


@pytest.mark.parametrize("crashing", ["ExpectPossibleValue", "ExpectExactFigure"])
def test_a_rule_that_crashes_over_rows_is_never_a_pass(plan: Plan, tmp_path: Path, crashing: str) -> None:
    from expectations import suites
    from warehouse import judge, landing, reading

    rule, store = getattr(suites, crashing), Store(tmp_path / "data")
    send(tmp_path / "box", {"ecology/a.csv": long_csv(("good_air_days", "", "2022-12", "", "87.7左右", "%"))})
    landing.land(store, [(tmp_path / "box").as_uri()], plan, NOW)
    months = reading.read_landed(store, plan)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rule, "broken", "no_such_column > 1")
        judged = judge.validity(store, plan, months)
        if not judged.crashed:
            judged = judge.quality(store, plan, months)
    [verdict] = judged.crashed
    assert (verdict.rule, verdict.fired) == (rule.rule, 0)
    assert "no_such_column" in (verdict.crashed or "")
    assert judge.stale_months(store, plan) == months == ["2022-12"]  # to be judged again
    judge.validity(store, plan, months)
    judge.quality(store, plan, months)
    assert judge.stale_months(store, plan) == []


def test_a_rule_that_crashes_across_files_is_a_finding_of_its_own(
    night: Callable[..., Night], monkeypatch: pytest.MonkeyPatch
) -> None:
    from expectations import suites

    monkeypatch.setattr(suites.ExpectObligationMet, "broken", "no_such_column > 1")
    one = night({"ecology/a.csv": long_csv(("good_air_days", "", "2022-12", "", "87.7", "%"))})
    assert [(v.rule, v.fired) for v in one.made.verdicts if v.crashed] == [("M01", 0)]
    crashed = one.ask("from finding")
    assert crashed
    assert {(f["rule"], f["severity"]) for f in crashed} == {("X01", "error")}
    for f in crashed:
        assert "M01" in f["message_zh"]
        assert "M01" in f["message_en"]
        assert "no_such_column" in f["message_en"]
    assert len({f["finding"] for f in crashed}) == len(crashed)


def test_a_department_named_in_the_file_must_be_the_drop_boxs(judged: Night) -> None:
    status = {name: judged.one("from submission where path = ?", path(name))["status"] for name in NAMED}
    assert status == {name: "accepted" if name == "own column" else "returned" for name in NAMED}
    assert {f["rule"] for name in NAMED for f in judged.findings(path(name))} == {"S08"}


def test_a_figure_sent_again_is_not_late_again(night: Callable[..., Night]) -> None:
    row = ("trade", "", "2022-03", "", 300, "亿元")
    sent = {
        "commerce/a.csv": dt.datetime(2022, 4, 8, 9, tzinfo=SHANGHAI),
        "commerce/b.csv": dt.datetime(2022, 5, 8, 9, tzinfo=SHANGHAI),
    }
    again = night(
        {"commerce/a.csv": long_csv(row), "commerce/b.csv": long_csv(row, ("trade", "", "2022-04", "", 400, "亿元"))},
        sent,
    )
    assert not [f for f in again.findings("commerce/b.csv") if f["rule"] == "Q07"]


def test_an_explanation_sent_later_confirms_the_figure(night: Callable[..., Night]) -> None:
    doubtful = ("trade", "", "2022-03", "", "约300", "亿元", "")
    sent = {
        "commerce/a.csv": dt.datetime(2022, 4, 8, 9, tzinfo=SHANGHAI),
        "commerce/b.csv": dt.datetime(2022, 4, 9, 9, tzinfo=SHANGHAI),
    }
    explained = night(
        {"commerce/a.csv": long_csv(doubtful), "commerce/b.csv": long_csv((*doubtful, "海关快报数"))}, sent
    )
    assert {f["confirmed"] for p in sent for f in explained.findings(p) if f["rule"] == "Q05"} == {True}
