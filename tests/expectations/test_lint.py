"""Each check of a plan's lint finds its case in a plan that has it, and is silent in one that has not."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from expectations.lint import NAMES, idle_resolutions, lint
from expectations.load import PLANS, PlanError, load_plan
from expectations.model import Indicator, Plan, Target
from expectations.page import page
from expectations.policy import Resolution

ROOT = Path(__file__).parents[2]


def found(plan: Plan, code: str) -> list[tuple[str, ...]]:
    return [f.targets for f in lint(plan) if f.code == code and not f.information]


def target(plan: Plan, code: str, **changes: Any) -> Target:
    """The plan's target, changed; elsewhere in the text than the original where it is given another code."""
    own = next(t for t in plan.targets if t.target == code)
    moved = {"clause_offset": own.clause_offset + 5000} if "target" in changes else {}
    return own.model_copy(update=moved | changes)


def of(
    plan: Plan, *targets: str | Target, resolutions: tuple[Resolution, ...] = (), **indicators: dict[str, Any]
) -> Plan:
    """The plan with these targets alone, and with indicators changed (or made from another: `like`)."""
    by_code = {i.indicator: i for i in plan.indicators}
    for code, changes in indicators.items():
        like = by_code[changes.pop("like", code)]
        by_code[code] = like.model_copy(update={"indicator": code} | changes)
    return plan.model_copy(
        update={
            "targets": [target(plan, t) if isinstance(t, str) else t for t in targets],
            "indicators": list(by_code.values()),
            "policy": plan.policy.model_copy(
                update={
                    "resolutions": list(resolutions),
                    "lead_department": dict.fromkeys(by_code, "statistics") | plan.policy.lead_department,
                }
            ),
        }
    )


def test_a_plan_without_contradictions_has_no_finding(plan: Plan) -> None:
    assert lint(of(plan, "T101", "T103", "T301", "T504", "T505", "T701", "T802", "T806")) == []


def test_two_figures_for_one_indicator(plan: Plan) -> None:
    other = target(plan, "T805", target="T9001", value=40)
    [finding] = lint(of(plan, "T805", other))
    assert (finding.code, finding.targets, finding.state) == ("P01", ("T805", "T9001"), "open")
    assert [(p.offset, p.clause) for p in finding.places] == [(t.clause_offset, t.clause) for t in (target(plan, "T805"), other)]  # fmt: skip
    assert "40.85" in finding.en
    assert "40.85" in finding.zh


@pytest.mark.parametrize("changes", [{}, {"area": "210102"}, {"due": dt.date(2022, 6, 30)}])
def test_one_figure_said_again_or_of_another_area_or_date_is_no_second_figure(plan: Plan, changes: Any) -> None:
    value = 40 if changes else 40.85
    assert not found(of(plan, "T805", target(plan, "T805", target="T9001", value=value, **changes)), "P01")


def test_one_figure_in_another_unit_is_the_same_figure(plan: Plan) -> None:
    again = target(plan, "T502", target="T9001", value=20000, unit="亿元")
    assert not found(of(plan, "T502", again), "P01")
    assert found(of(plan, "T502", again.model_copy(update={"value": 2.0})), "P01")


def test_exceeding_another_indicator_is_a_figure_where_that_one_has_one(plan: Plan) -> None:
    more_than_gdp = target(
        plan, "T105", target="T9001", kind="relative", comparator="exceeds", value=None, unit=None, exceeds="gdp_growth"
    )
    assert found(of(plan, "T101", "T105", more_than_gdp), "P01") == [("T105", "T9001")]
    assert not found(of(plan, "T105", more_than_gdp), "P01")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("全市科技创新平台数", 1230, [("T404", "T9001")]),
        ("全市科技创新平台数", 1231, []),
        ("全市会展活动数", 1230, []),
    ],
)
def test_one_figure_for_two_scopes(plan: Plan, name: str, value: float, expected: list[tuple[str, str]]) -> None:
    wider = target(plan, "T404", target="T9001", indicator="platforms", value=value)
    assert (
        found(of(plan, "T404", wider, platforms={"like": "innovation_platforms", "name_zh": name}), "P02") == expected
    )


def test_policy_may_say_that_two_names_are_one_thing(plan: Plan) -> None:
    same = Resolution(finding="P02", targets=["T404", "T9001"], tested=["T404"], why="one thing under two names")
    other = target(plan, "T404", target="T9001", indicator="labs")
    named = of(plan, "T404", other, resolutions=(same,), labs={"like": "innovation_platforms", "name_zh": "实验室数"})
    [finding] = [f for f in lint(named) if f.code == "P02"]
    assert finding.resolution == same


def test_one_clause_for_two_indicators_is_not_one_figure_for_two_scopes(plan: Plan) -> None:
    assert not found(of(plan, "T104", "T105", "T502", "T503"), "P02")


@pytest.mark.parametrize(("second", "expected"), [(3000, []), (2900, [("T403", "T9001", "T9002")]), (3100, [("T403", "T9001", "T9002")])])  # fmt: skip
def test_parts_and_their_total(plan: Plan, second: float, expected: list[tuple[str, ...]]) -> None:
    parts = [
        target(plan, "T403", target="T9001", kind="quota", area="210102", value=2000),
        target(plan, "T403", target="T9002", kind="quota", area="210103", value=second),
    ]
    assert found(of(plan, "T403", *parts), "P03") == expected


@pytest.mark.parametrize(("amount", "expected"), [(520, [("T501", "T9001")]), (600, []), (626, []), (700, [("T501", "T9001")])])  # fmt: skip
def test_a_share_and_its_amount_must_make_a_possible_whole(plan: Plan, amount: float, expected: list[Any]) -> None:
    """8 % of a GDP between 7249.7 (2021) and 7829.7 (grown by 8 %) are 580 to 626."""
    value_added = target(plan, "T501", target="T9001", indicator="added", kind="level", value=amount, unit="亿元")
    declared = {
        "added": {"like": "gdp", "name_zh": "增加值"},
        "finance_share": {"numerator": "added", "denominator": "gdp"},
    }
    assert found(of(plan, "T101", "T501", value_added, **declared), "P04") == expected


def test_a_share_without_declared_parts_implies_nothing(plan: Plan) -> None:
    bare = of(plan, "T101", "T501", finance_share={"numerator": None, "denominator": None})
    assert not found(bare, "P04")


@pytest.mark.parametrize(
    ("code", "changes", "indicator"),
    [
        ("T504", {}, {"measure": "end"}),  # 新增上市公司 3 家, of a stock
        ("T504", {"kind": "level"}, {"measure": "end"}),
        ("T404", {}, {"measure": "ytd"}),  # 数量达到 1230 个, of a flow
        ("T101", {"kind": "level"}, {}),
        ("T101", {}, {"measure": "share"}),
        ("T501", {}, {"measure": "end"}),
    ],
)
def test_a_stock_taken_for_a_flow(plan: Plan, code: str, changes: Any, indicator: Any) -> None:
    assert not found(of(plan, code), "P05")
    assert found(of(plan, target(plan, code, **changes), **{target(plan, code).indicator: indicator}), "P05") == [
        (code,)
    ]


def test_one_figure_as_a_flow_and_as_a_stock(plan: Plan) -> None:
    created = target(plan, "T404", target="T9001", indicator="created", clause="建设平台 1230 个")
    flow = {"like": "innovation_platforms", "name_zh": "新建科技创新平台数", "measure": "ytd"}
    assert found(of(plan, "T404", created, created=flow), "P05") == [("T404", "T9001")]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({}, []), ({"unit": "亿元"}, [("T403",)]), ({"unit": "个"}, [("T403",)]), ({"unit_read_as": "户"}, [("T403",)])],
)
def test_a_unit_that_does_not_fit(plan: Plan, changes: Any, expected: list[Any]) -> None:
    assert found(of(plan, target(plan, "T403", **changes)), "P06") == expected


@pytest.mark.parametrize(
    ("code", "changes", "fits"),
    [
        ("T101", {}, True),  # at least 1.2 million tram passengers, in million people
        ("T101", {"unit": "thousand people"}, False),
        ("T101", {"unit": "people"}, False),
        ("T102", {}, True),  # from 40 to 100 km
        ("T102", {"unit": "m"}, False),
        ("T103", {}, True),  # no more than 12 deaths, in people
        ("T103", {"unit": "thousand people"}, False),
        ("T201", {}, True),  # 20 million USD
        ("T201", {"unit": "USD"}, False),
        ("T301", {}, True),  # 20 days until a first appointment
        ("T302", {}, True),  # 90 % of children vaccinated
        ("T305", {}, True),  # 4 to 6 street festivals, in items
        ("T305", {"unit": "thousand items"}, False),
    ],
)
def test_an_english_clause_names_its_unit_or_what_it_counts(code: str, changes: Any, fits: bool) -> None:
    rivermouth = load_plan(ROOT / "tests" / "plans" / "rivermouth-2024")
    own = next(t for t in rivermouth.targets if t.target == code).model_copy(update=changes)
    assert found(rivermouth.model_copy(update={"targets": [own]}), "P06") == ([] if fits else [(code,)])


def test_people_where_passages_are_meant(plan: Plan) -> None:
    [finding] = lint(of(plan, "T201"))
    assert finding.code == "P06"
    assert "万人次" in finding.zh


def test_a_target_that_nobody_reports(plan: Plan) -> None:
    nobody = of(plan, "T101", "T103")
    del nobody.policy.lead_department["gdp_growth"]
    assert found(nobody, "P07") == [("T101",)]
    district = target(plan, "T403", area="210102")
    assert found(of(plan, district), "P07") == [("T403",)]
    assert not found(of(plan, district, high_tech_firms={"areas": ["210100", "210102"]}), "P07")


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"due": dt.date(2022, 9, 30)}, False),
        ({"due": dt.date(2023, 3, 31)}, True),
        ({"due": dt.date(2021, 12, 31)}, True),
        ({"due": dt.date(2022, 8, 31)}, True),  # reported by quarter
        ({"due": dt.date(2022, 9, 15)}, True),
        ({"due": dt.date(2022, 9, 30), "clause": "8 月末前高新技术企业达到 5000 家"}, True),
        ({"due": dt.date(2022, 9, 30), "clause": "9 月底高新技术企业达到 5000 家"}, False),
    ],
)
def test_a_due_date_that_cannot_be(plan: Plan, changes: Any, wrong: bool) -> None:
    assert found(of(plan, target(plan, "T403", **changes)), "P08") == ([("T403",)] if wrong else [])


def test_a_multiple_of_an_unknown_baseline(plan: Plan) -> None:
    twice = {"kind": "multiple", "comparator": "multiple", "value": 2, "unit": None}
    assert found(of(plan, target(plan, "T201", **twice)), "P09") == [("T201",)]
    assert not found(of(plan, target(plan, "T201", baseline=1000, baseline_period="2021", **twice)), "P09")
    assert not found(of(plan, target(plan, "T103", **twice)), "P09")  # the population of 2021 is known


def test_stocks_without_a_baseline_are_one_finding_and_no_decision(plan: Plan) -> None:
    [finding] = lint(of(plan, "T103", "T403", "T404"))
    assert (finding.code, finding.targets, finding.state) == ("P09", ("T403", "T404"), "information")


def test_what_the_text_lost_is_told(plan: Plan) -> None:
    [finding] = lint(of(plan, "T101", "T202"))
    assert (finding.code, finding.targets, finding.state) == ("P10", ("T202",), "information")


def test_a_resolution_holds_for_exactly_the_targets_that_it_names(plan: Plan) -> None:
    stricter = Resolution(finding="P01", targets=["T9001", "T805"], tested=["T805"], why="the stricter")
    other = target(plan, "T805", target="T9001", value=40)
    [finding] = lint(of(plan, "T805", other, resolutions=(stricter,)))
    assert (finding.state, finding.resolution) == ("resolved", stricter)
    third = target(plan, "T805", target="T9002", value=39)
    several = of(plan, "T805", other, third, resolutions=(stricter,))
    assert [f.state for f in lint(several)] == ["open"]
    assert idle_resolutions(several) == [stricter]


def test_a_resolution_tests_only_what_it_names() -> None:
    with pytest.raises(ValueError, match="tested names targets that the finding does not"):
        Resolution(finding="P01", targets=["T805", "T1106"], tested=["T806"], why="no")


def test_a_resolution_of_an_unknown_target_is_named_by_file_and_line(tmp_path: Path) -> None:
    folder = tmp_path / "plan"
    folder.mkdir()
    for file in (PLANS / "shenyang-2022").iterdir():
        (folder / file.name).write_text(
            file.read_text("utf-8").replace("targets: [T805,", "targets: [T8050, T805,"), "utf-8"
        )
    with pytest.raises(PlanError, match=r"policy\.yaml:\d+: no target is called T8050"):
        load_plan(folder)


KNOWN = [
    ("P01", ("T805", "T1106")),  # green coverage 40.85 and 40
    ("P01", ("T0528", "T0917")),  # graduates 10 and 15 万人
    ("P02", ("T404", "T0505")),  # 1230 platforms, of provincial rank and of every rank
    ("P02", ("T603", "T0719")),  # 70 culture parks
    ("P04", ("T501", "T0601")),  # 520 亿元 and 8 % of GDP
    ("P05", ("T0330", "T0716")),  # 20 night-economy streets, created and in all
    ("P06", ("T201",)),  # 万人 where 万人次 is meant
    ("P09", ("T0324",)),  # doubled from what?
]


@pytest.mark.parametrize(("code", "targets"), KNOWN)
def test_the_plan_of_2022_is_known_to_contradict_itself(plan: Plan, code: str, targets: tuple[str, ...]) -> None:
    if not set(targets) <= {t.target for t in plan.targets}:
        pytest.skip("not registered")
    assert [f.state for f in lint(plan) if (f.code, f.targets) == (code, targets)] == ["resolved"]


def test_every_resolution_of_the_plan_of_2022_has_its_finding(plan: Plan) -> None:
    assert idle_resolutions(plan) == []


def test_the_quotas_of_the_plan_of_2022_add_up(plan: Plan) -> None:
    assert not found(plan, "P03")


def test_every_finding_has_a_name(plan: Plan) -> None:
    assert {f.code for f in lint(plan)} <= NAMES.keys()
    assert all(f.name_zh and f.name_en and f.zh and f.en and f.places for f in lint(plan))


@pytest.mark.parametrize("folder", sorted(p.parent for p in PLANS.glob("*/plan.yaml")), ids=lambda p: p.name)
def test_the_committed_page_is_up_to_date(folder: Path) -> None:
    committed = (ROOT / "docs" / "plan" / f"{folder.name}.md").read_text("utf-8")
    assert committed == page(load_plan(folder)), 'run "make docs"'


def test_a_page_quotes_clauses_and_no_more(plan: Plan) -> None:
    said = page(plan)
    assert all(t.clause.replace("~", "\\~") in said for t in plan.targets)
    assert all(f"| {t.target} | " in said for t in plan.targets)
    assert all(f"`{d.department}`" in said for d in plan.departments)
    assert said.count("**lost 原文缺失**") == sum(t.kind == "lost" for t in plan.targets)


def test_an_indicator_of_which_a_share_is_taken_goes_with_the_part(plan: Plan) -> None:
    share = next(i for i in plan.indicators if i.indicator == "digital_core_share").model_dump()
    with pytest.raises(ValueError, match="numerator and denominator go together"):
        Indicator.model_validate(share | {"denominator": "gdp"})
