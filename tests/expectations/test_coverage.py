"""Every numeral of the plan's text is a target's or is listed; what breaks that is named by its place."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from expectations.coverage import Coverage, coverage, numerals
from expectations.load import PLANS, load_plan
from expectations.model import NoTarget, Target

SHENYANG = PLANS / "shenyang-2022"
TEXT = Path(__file__).parents[3] / "shared" / "plan" / "shenyang-2022.txt"

needs_text = pytest.mark.skipif(not TEXT.is_file(), reason=f"the plan's text is not part of the project; not at {TEXT}")


@pytest.fixture(scope="module")
def text() -> str:
    with TEXT.open(encoding="utf-8", newline="") as file:
        return file.read()


@pytest.fixture(scope="module")
def targets() -> list[Target]:
    return load_plan(SHENYANG).targets


@pytest.fixture(scope="module")
def no_targets() -> list[NoTarget]:
    return load_plan(SHENYANG).numerals


def target(clause: str, text: str, value: float | None, **more: object) -> Target:
    return Target.model_validate(
        {"target": "T101", "indicator": "x", "kind": "level", "value": value, "due": dt.date(2022, 12, 31),
         "modality": "state", "section": "1", "clause": clause, "clause_offset": text.index(clause),
         "clause_length": len(clause)} | more
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("没有数字", []),
        ("达到 27.4 件", ["27.4"]),
        ("1.城市,2.枢纽", ["1", "2"]),
        ("１２．５％", ["１２．５"]),
        ("12,345 个", ["12,345"]),
        ("前 20,30 强", ["20", "30"]),
        ("2022,3456", ["2022", "3456"]),
        ("1.3.5分钟", ["1.3.5"]),
        ("5-7 家", ["5", "7"]),
        ("1.3 万个 5G 基站", ["1.3", "万", "5"]),
        ("突破两万亿,翻一番,百种", ["两万亿", "一", "百"]),
        ("二〇二二年", ["二〇二二"]),
        ("1.2 million, the First three, half a dozen", ["1.2", "million", "First", "three", "half", "dozen"]),
        ("someone often weighs tenders, 5km", ["5"]),
    ],
)
def test_a_numeral_is_a_whole_run_of_digits_or_of_number_words(text: str, found: list[str]) -> None:
    assert [n.text for n in numerals(text)] == found
    assert all(text[n.offset : n.offset + n.length] == n.text for n in numerals(text))


@pytest.mark.parametrize(
    ("text", "figure"), [("１２．５", 12.5), ("12,345", 12345.0), ("1.3.5", None), ("两万亿", None)]
)
def test_a_run_of_digits_says_a_figure(text: str, figure: float | None) -> None:
    assert [n.figure for n in numerals(text)] == [figure]


def test_a_numeral_in_a_targets_place_is_covered() -> None:
    text = "新增 5 家,共 70 家"
    found = coverage([target("共 70 家", text, 70, unit="家")], [], text)
    assert (found.total, found.covered, found.complete) == (2, 1, False)
    assert found.uncovered == ["'5' at 3 is no target's and not listed: 新增 [5] 家,共 70 家"]


def test_a_clause_with_two_figures_does_not_hide_a_missing_target() -> None:
    text = "52 项任务、94 个项目"
    both = [target(text, text, value, unit="个") for value in (52, 94)]
    assert coverage(both, [], text).complete
    assert coverage(both[:1], [], text).uncovered == ["'94' at 7 is no target's and not listed: 52 项任务、[94] 个项目"]


def test_both_ends_of_a_range_and_a_baseline_are_the_targets_own() -> None:
    text = "引进 5-7 家,由 2021 年 31.9%提高至 37%"
    between = target("引进 5-7 家", text, 5, value_high=7, comparator="between", unit="家")
    raised = target("由 2021 年 31.9%提高至 37%", text, 37, unit="%", baseline=31.9, baseline_period="2021")
    assert coverage([between, raised], [], text).complete


def test_what_is_listed_is_covered() -> None:
    text = "1.进一步建设 5G,2022 年"
    listed = [
        NoTarget(reason="word", phrases=["进一步"]),
        NoTarget(reason="name", phrases=["5G"]),
        NoTarget(reason="year or date", phrases=["2022 年"]),
        NoTarget(reason="list number", at=[(0, "1")]),
    ]
    assert coverage([], listed, text) == Coverage(4, 4, [], [])
    assert coverage([], listed[:3], text).uncovered == [
        "'1' at 0 is no target's and not listed: [1].进一步建设 5G,2022 年"
    ]


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        (NoTarget(reason="name", phrases=["6G"]), "name: '6G' holds no numeral of the text"),
        (NoTarget(reason="word", phrases=["建设"]), "word: '建设' holds no numeral of the text"),
        (NoTarget(reason="list number", at=[(0, "2")]), "list number: at 0 the text has '1', not '2'"),
        (NoTarget(reason="list number", at=[(3, "1")]), "list number: at 3 the text has None, not '1'"),
    ],
)
def test_an_entry_that_accounts_for_nothing_is_stale(entry: NoTarget, named: str) -> None:
    assert coverage([], [entry], "1.建设 5G").stale == [named]


def test_a_clause_that_moved_is_stale_and_covers_nothing() -> None:
    moved = target("共 70 家", "共 70 家", 70, unit="家")
    found = coverage([moved], [], "一共 70 家")
    assert found.stale == ["T101: its clause '共 70 家' does not stand at 0"]
    assert found.covered == 0


def test_every_numeral_of_an_english_plan_is_accounted_for() -> None:
    folder = Path(__file__).parents[1] / "plans" / "rivermouth-2024"
    plan = load_plan(folder)
    english = (folder / plan.head.text).read_text("utf-8")
    assert coverage(plan.targets, plan.numerals, english).lines() == ["covered 22 of 22"]
    added = coverage(plan.targets, plan.numerals, english + "two new ferries")
    assert [line.split(" at ")[0] for line in added.uncovered] == ["'two'"]


@needs_text
def test_every_numeral_of_the_plan_is_accounted_for(
    targets: list[Target], no_targets: list[NoTarget], text: str
) -> None:
    found = coverage(targets, no_targets, text)
    assert found.lines() == [f"covered {len(numerals(text))} of {len(numerals(text))}"]


@needs_text
def test_a_removed_target_breaks_coverage_and_is_named(
    targets: list[Target], no_targets: list[NoTarget], text: str
) -> None:
    (gone,) = (t for t in targets if t.indicator == "metro_projects")
    found = coverage([t for t in targets if t != gone], no_targets, text)
    (line,) = found.uncovered
    assert line.startswith(f"'94' at {text.index('94 个重点项目')} is no target's and not listed: ")


@pytest.mark.slow
@needs_text
def test_a_figure_that_one_target_alone_holds_cannot_go_unnoticed(
    targets: list[Target], no_targets: list[NoTarget], text: str
) -> None:
    listed = coverage([], no_targets, text)
    assert not listed.complete
    figures = [t for t in targets if t.value is not None and f"{t.value:g}" in t.clause]
    for gone in figures:
        if [t.clause_offset for t in figures if t.value == gone.value].count(gone.clause_offset) > 1:
            continue  # a quota of several districts, or one clause for two subjects: the others still hold the figure
        assert not coverage([t for t in targets if t != gone], no_targets, text).complete, gone.target


@needs_text
def test_a_changed_figure_breaks_coverage_and_is_named(
    targets: list[Target], no_targets: list[NoTarget], text: str
) -> None:
    assert text.count("1.3 万个 5G") == 1
    changed = coverage(targets, no_targets, text.replace("1.3 万个 5G", "1.4 万个 5G"))
    assert any(line.startswith("'1.4' at ") for line in changed.uncovered)
    assert any("1.3 万个 5G" in line for line in changed.stale)


@needs_text
def test_an_added_figure_breaks_coverage_and_is_named(
    targets: list[Target], no_targets: list[NoTarget], text: str
) -> None:
    changed = coverage(targets, no_targets, text + "新增 17 家")
    assert changed.uncovered == [
        f"'17' at {len(text) + 3} is no target's and not listed: {text[-17:]}新增 [17] 家".replace("\n", " ")
    ]
