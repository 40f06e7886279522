"""Scores and indices: hand-worked through a night, and by general rules on the very text of the mart.

The night is the second plan's autumn (tests/plans/rivermouth-2024), under a policy that weighs. Every score is worked out
from the verdicts that test_second_plan works out by hand.
"""

from __future__ import annotations

import datetime as dt
import math
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expectations.load import PLANS, PlanError, load_plan
from expectations.model import Plan
from tests.expectations.test_plan import line_with
from tests.night import Night
from tests.warehouse.test_second_plan import AUTUMN, FOLDER, at
from warehouse import marts

INDEX = """
indices:
- index: river
  name_zh: River index
  name_en: River index
  clause: 'at least 1.2 million tram passengers'
  clause_offset: 63
  dimensions:
  - {dimension: moving, name_zh: Moving, name_en: Moving}
  - {dimension: paying, name_zh: Paying, name_en: Paying}
  - {dimension: caring, name_zh: Caring, name_en: Caring}
"""
WEIGHED = """
scores:
  capability: {normalise: attainment, aggregation: geometric, lowest: 0.1, weights: {T203: 2}}
indices:
  river:
    aggregation: geometric
    dimensions:
      moving:
        indicators:
        - {indicator: tram_passengers, weight: 2}
        - {indicator: cycle_lanes, normalise: min_max, worst: 0, best: 100}
        - {indicator: road_deaths, normalise: attainment}
      paying:
        weight: 2
        indicators:
        - {indicator: reserve, normalise: min_max, worst: -20, best: 20}
        - {indicator: exports}
        - {indicator: visitor_spending}
      caring:
        aggregation: geometric
        least_share: 0.8
        indicators:
        - {indicator: waiting, normalise: min_max, worst: 30, best: 20}
        - {indicator: vaccinated, normalise: min_max, worst: 80, best: 90, weight: 3}
        - {indicator: care_rank}
"""


@pytest.fixture(scope="module")
def weighed(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    folder = Path(shutil.copytree(FOLDER, tmp_path_factory.mktemp("plan") / "plan"))
    for name, more in (("plan.yaml", INDEX), ("policy.yaml", WEIGHED)):
        (folder / name).write_text((folder / name).read_text("utf-8") + more, "utf-8")
    return load_plan(folder)


@pytest.fixture(scope="module")
def autumn(night: Callable[..., Night], weighed: Plan) -> Night:
    return night(AUTUMN, dict.fromkeys(AUTUMN, at(2024, 10, 12)), at(2024, 11, 1), plan=weighed)


MOVING = (
    2 * 0.9 + 0.55 + 1
) / 4  # trams 540 of 600 asked, twice; 55 of 100 km; no more deaths than allowed counts as 1
PAYING = (20 / 40 + 80 / 90) / 2  # half way from -20 to 20; 80 of 90 asked; what visitors spend cannot be assessed
CARING = (0.4 * 0.8**3) ** (1 / 4)  # 26 days between 30 and 20; 88 % between 80 and 90, thrice; the rank is not due yet
BY_HAND = {
    ("dimension", "moving"): MOVING,
    ("dimension", "paying"): PAYING,
    ("dimension", "caring"): CARING,
    ("index", "river"): (MOVING * PAYING**2 * CARING) ** (1 / 4),
    # attainments 0.45, 0.25, 1.58 (counts as 1), 1
    ("capability", "movement"): (0.45 * 0.25) ** (1 / 4),
    # 0.5, 1.2 (counts as 1), and 80 of 300 twice
    ("capability", "means"): (0.5 * (80 / 300) ** 2) ** (1 / 4),
    # 0.4, 88 of 90, 0.25, 1, 0.5; a rank not due, a figure lost from the text
    ("capability", "health"): (0.4 * 88 / 90 * 0.25 * 0.5) ** (1 / 5),
    # behind, on pace, ahead, achieved
    ("attainment", "works"): 3.5 / 4,
    ("attainment", "treasury"): 2.5 / 3,
    # far behind twice, on pace twice, achieved
    ("attainment", "care"): 3 / 5,
}


@pytest.mark.parametrize("subject", BY_HAND)
def test_a_score_is_as_by_hand(autumn: Night, subject: tuple[str, str]) -> None:
    scores = autumn.ask(
        "select distinct score from score_part where subject_kind = ? and subject = ? and period = '2024Q3'", *subject
    )
    assert scores == [{"score": pytest.approx(BY_HAND[subject], abs=1e-11)}]


def test_the_released_tables_hold_the_same_scores(autumn: Night) -> None:
    index = autumn.one("from index_score where period = '2024Q3'")
    assert (index["score"], index["parts"], index["missing"]) == (pytest.approx(BY_HAND["index", "river"]), 3, 0)
    assert autumn.one("from index_score where period = '2024-09'")["score"] == index["score"]
    for capability in ("movement", "means", "health"):
        found = autumn.one("from capability_score where period = '2024Q3' and capability = ?", capability)
        assert found["score"] == pytest.approx(BY_HAND["capability", capability])
    works = autumn.one("from scorecard where quarter = '2024Q3' and department = 'works'")
    assert (works["attainment"], works["quality"], works["targets"]) == (3.5 / 4, 1, 4)
    # in time, on 12 October: September of trams and roads, the quarter of cycle lanes; the bridge of September is still owed
    assert (works["due"], works["on_time"]) == (8, 3)
    assert works["score"] == pytest.approx(0.4 * 3 / 8 + 0.3 + 0.3 * 3.5 / 4)


def test_what_is_not_known_says_why_and_takes_no_part(autumn: Night) -> None:
    missing = autumn.ask(
        "select component, left_out_because from score_part where subject_kind = 'dimension' and period = '2024Q3'"
        " and contribution is null order by all"
    )
    assert [tuple(m.values()) for m in missing] == [("care_rank", "not_due"), ("visitor_spending", "not_assessable")]
    first = autumn.ask(  # in June nothing of health had been reported: the quarterly figures came for the third quarter
        "select distinct score, left_out_because from score_part where subject = 'caring' and period = '2024-05'"
    )
    assert first == [{"score": None, "left_out_because": "not_due"}]


# --- never a score without its parts ---


def every_score_has_its_parts(night: Night) -> None:
    odd = night.ask(
        "select subject_kind, subject, period from score_part group by all having count(distinct score) > 1 or count(score) not in (0, count(*))"
        " or (max(score) is null and count(contribution) > 0) or (max(score) is not null and (count(contribution) = 0"
        "  or abs(sum(effective_weight) - 1) > 1e-9"
        "  or abs(case max(aggregation) when 'arithmetic' then sum(contribution) else product(contribution) end - max(score)) > 1e-9))"
    )
    assert odd == []
    assert night.ask("from score_part where (contribution is null) = (left_out_because is null)") == []
    shown = {
        "capability_score": ("capability", "capability", "period"),
        "scorecard": ("department", "department", "quarter"),
        "index_score": ("index", "index", "period"),
    }
    for table, (kind, subject, period) in shown.items():
        apart = night.ask(
            f"select * from (select {subject} as subject, {period} as period, score from {table} where score is not null) t"
            " full join (select distinct subject, period, score from score_part where subject_kind = ? and score is not null) s"
            " using (subject, period) where t.score is distinct from s.score",
            kind,
        )
        assert apart == [], table
    assert night.ask(
        "select department from scorecard c left join score_part s on s.subject_kind = 'attainment' and s.subject = c.department"
        " and s.period = c.quarter group by department, quarter having max(c.attainment) is distinct from max(s.score)"
    ) == []  # fmt: skip
    assert night.ask("select distinct subject from score_part where score is not null")


def test_every_score_has_its_parts(autumn: Night, night: Callable[..., Night], plan: Plan) -> None:
    every_score_has_its_parts(autumn)
    every_score_has_its_parts(night({"statistics/a.csv": "indicator,period,value\ngdp_growth,2022Q4,3.5\n"}, plan=plan))


def test_every_tested_target_stands_once_in_its_capability_and_once_in_its_department(autumn: Night) -> None:
    counted = autumn.ask(
        "select subject_kind, component, count(*) as n from score_part where component_kind = 'target' and period = '2024Q3' group by all"
    )
    tested = {t["target"] for t in autumn.ask("select target from target where tested")}
    for kind in ("capability", "attainment"):
        assert {c["component"]: c["n"] for c in counted if c["subject_kind"] == kind} == dict.fromkeys(tested, 1)


# --- the text of the marts, on parts of one's own ---


class Given(NamedTuple):
    """A target of a capability: its weight, its attainment (None: no ratio) and its status."""

    weight: float
    attainment: float | None
    status: str = "on_pace"


SCHEMA = """
create table period as select '2022-12' as period, 'month' as span, date '2022-12-31' as period_end, true as in_plan;
create table status_credit as select * from (values ('on_pace', 1.0::double), ('missed', 0.0::double)) t(status, credit);
create table reporting as select null::varchar as department, null::varchar as quarter, null::double as timeliness,
    null::double as quality, null::boolean as synthetic where false;
create table progress (target varchar, period varchar, period_end date, actual double, attainment double, pace double,
    status varchar, synthetic boolean);
create table score_rule (subject_kind varchar, subject varchar, ranked_among varchar, aggregation varchar, missing varchar,
    least_share double, lowest double, highest double, moved_by double);
create table score_weight (subject_kind varchar, subject varchar, component_kind varchar, component varchar, weight double,
    basis varchar, normalisation varchar, target varchar, worst double, best double, made_of_kind varchar, made_of varchar);
"""


def scored(
    subjects: dict[str, tuple[str, Sequence[Given]]], *, missing: str = "leave_out", least_share: float = 0,
    lowest: float = 0, order: random.Random | None = None, threads: int = 2,
) -> duckdb.DuckDBPyConnection:  # fmt: skip
    """score_part and sensitivity of capabilities, each an aggregation and its targets."""
    rules, weights, figures = [], [], []
    for subject, (aggregation, targets) in subjects.items():
        rules.append(("capability", subject, "capability", aggregation, missing, least_share, lowest, 1.0, 0.2))
        for n, t in enumerate(targets):
            code = f"{subject}{n}"
            weights.append(
                ("capability", subject, "target", code, t.weight, "policy", "attainment", code) + (None,) * 4
            )
            figures.append((code, "2022-12", dt.date(2022, 12, 31), None, t.attainment, None, t.status, False))
    con = duckdb.connect(config={"threads": threads})
    con.execute(SCHEMA)
    rows: list[tuple[str, list[Any]]] = [("score_rule", rules), ("score_weight", weights), ("progress", figures)]
    for table, content in rows:
        if order:
            order.shuffle(content)
        one = f"({', '.join('?' * len(content[0]))})"
        con.execute(
            f"insert into {table} values {', '.join([one] * len(content))}", [v for row in content for v in row]
        )
    for mart in ("score_part", "sensitivity"):
        con.execute(f"create table {mart} as {marts.sql(mart)}")
    return con


def scores(con: duckdb.DuckDBPyConnection) -> dict[str, float | None]:
    return dict(con.execute("select distinct subject, score from score_part").fetchall())


def digest(con: duckdb.DuckDBPyConnection) -> list[Any]:
    return [con.execute(f"select sum(hash(t)), count(*) from {m} t").fetchall() for m in ("score_part", "sensitivity")]


given_part = st.builds(
    Given,
    weight=st.floats(0.01, 100).map(lambda w: round(w, 3)),
    attainment=st.one_of(st.none(), st.floats(-0.5, 1.5).map(lambda a: round(a, 4))),
    status=st.sampled_from(["on_pace", "missed", "not_reported", "not_due", "not_assessable"]),
)


def counted(part: Given) -> float | None:
    """What a part counts as, worked out apart from the SQL."""
    if part.status.startswith("not_"):
        return None
    reached = {"on_pace": 1.0, "missed": 0.0}[part.status] if part.attainment is None else part.attainment
    return min(1.0, max(0.0, reached))


@settings(max_examples=25)
@given(parts=st.lists(given_part, min_size=1, max_size=6), seed=st.randoms(use_true_random=False))
def test_a_score_lies_between_its_parts_and_depends_on_no_order(parts: list[Given], seed: random.Random) -> None:
    con = scored({"a": ("arithmetic", parts), "g": ("geometric", parts)})
    known = [(p.weight, x) for p in parts if (x := counted(p)) is not None]
    found = scores(con)
    if not known:
        assert found == {"a": None, "g": None}
    else:
        total = math.fsum(w for w, _ in known)
        mean = math.fsum(w * x for w, x in known) / total
        assert found["a"] == pytest.approx(mean, abs=1e-9)
        assert found["g"] == pytest.approx(math.prod(x ** (w / total) for w, x in known), abs=1e-9)
        low, high = min(x for _, x in known), max(x for _, x in known)
        assert found["a"] is not None
        assert found["g"] is not None
        assert low - 1e-9 <= found["g"] <= found["a"] + 1e-9 <= high + 2e-9
        sums = con.execute("select sum(effective_weight) from score_part group by subject").fetchall()
        assert [s for (s,) in sums] == [pytest.approx(1, abs=1e-9)] * 2
    again = scored({"g": ("geometric", parts), "a": ("arithmetic", parts)}, order=seed, threads=1)
    assert digest(con) == digest(again)


HALVES = [Given(1, 0.5), Given(3, 1.0), Given(4, None, "not_reported"), Given(2, None, "not_due")]


@pytest.mark.parametrize(
    ("missing", "least_share", "score"),
    [
        ("leave_out", 0, 3.5 / 4),
        ("as_zero", 0, 3.5 / 8),  # what is owed and absent is a zero; what is not due never is
        ("leave_out", 0.4, 3.5 / 4),  # 4 of 10 are known
        ("leave_out", 0.41, None),
        ("as_zero", 0.41, 3.5 / 8),
    ],
)
def test_the_missing_are_treated_as_policy_says(missing: str, least_share: float, score: float | None) -> None:
    con = scored({"a": ("arithmetic", HALVES)}, missing=missing, least_share=least_share)
    assert scores(con) == {"a": pytest.approx(score)}
    reasons = con.execute("select component, left_out_because from score_part order by all").fetchall()
    known = None if score else "too_little_known"
    owed = None if missing == "as_zero" else "not_reported"
    assert reasons == [("a0", known), ("a1", known), ("a2", owed), ("a3", "not_due")]


def test_a_zero_decides_a_geometric_mean_unless_policy_lifts_it() -> None:
    parts = [Given(1, 0.0), Given(1, 0.81)]
    assert scores(scored({"g": ("geometric", parts)})) == {"g": 0}
    assert scores(scored({"g": ("geometric", parts)}, lowest=0.01)) == {"g": pytest.approx(0.09)}
    below = [Given(1, -3.0), Given(1, 0.81)]  # less than nothing of the way counts as none of it
    assert scores(scored({"g": ("geometric", below)})) == {"g": 0}


# --- sensitivity ---

THREE = {
    "a": ("arithmetic", [Given(1, 0.9), Given(1, 0.3), Given(2, 0.6)]),  # 0.6
    "b": ("arithmetic", [Given(3, 0.64), Given(1, 0.44)]),  # 0.59
    "c": ("geometric", [Given(1, 0.25), Given(1, 1.0)]),  # 0.5
}


def test_a_scenario_says_what_scoring_anew_says() -> None:
    con = scored(THREE)
    base = scores(con)
    rows = con.execute(
        "select subject, scenario, component, score, score_base, rank, rank_base, shift from sensitivity"
    ).fetchall()
    assert len(rows) == 3 * 2 + 7 * 3
    for subject, scenario, component, score, before, rank, rank_before, shift in rows:
        factor = {"weight_up": 1.2, "weight_down": 0.8, "left_out": 0.0}.get(scenario)
        changed = dict(THREE) if factor is None else {subject: THREE[subject]}
        for name, (aggregation, parts) in changed.items():
            other = {"arithmetic": "geometric", "geometric": "arithmetic"}[aggregation]
            moved = [p._replace(weight=1 if scenario == "equal_weights" else p.weight * (factor if component == f"{name}{n}" else 1))
                     for n, p in enumerate(parts)]  # fmt: skip
            changed[name] = (other if scenario == "other_aggregation" else aggregation, moved)
        anew = base | scores(scored(changed))
        assert (score, before) == (pytest.approx(anew[subject], abs=1e-9), base[subject])
        assert rank == 1 + sum(round(v, 9) > round(score, 9) for v in anew.values() if v is not None)
        assert rank_before == {"a": 1, "b": 2, "c": 3}[subject]
        assert shift == rank - rank_before
    shifted = {(r[0], r[1], r[2]) for r in rows if r[-1]}
    assert ("a", "left_out", "a0") in shifted  # 0.5 is below b's 0.59
    assert ("c", "left_out", "c0") in shifted


def test_departments_are_ranked_with_all_of_their_weights_moved_alike(autumn: Night) -> None:
    rows = autumn.ask(
        "select s.subject, s.rank, c.quality, c.attainment from sensitivity s"
        " join scorecard c on c.department = s.subject and c.quarter = s.period"
        " where s.subject_kind = 'department' and period = '2024Q3' and scenario = 'left_out' and component = 'timeliness'"
    )
    without = {r["subject"]: (r["quality"] + r["attainment"]) / 2 for r in rows}  # they weigh the same
    assert len(without) == 3
    assert {r["subject"]: r["rank"] for r in rows} == {
        d: 1 + sum(round(o, 9) > round(s, 9) for o in without.values()) for d, s in without.items()
    }


def test_no_rank_rests_on_the_geometric_mean_of_a_zero_that_policy_does_not_take() -> None:
    con = scored(
        {"a": ("arithmetic", [Given(1, 0.0), Given(1, 1.0)]), "b": ("geometric", [Given(1, 0.5), Given(1, 1.0)])}
    )
    other = con.execute(
        "select subject, score is null, rank from sensitivity where scenario = 'other_aggregation' order by 1"
    ).fetchall()
    assert other == [("a", True, None), ("b", False, 1)]


# --- what policy says, and how it is told that it cannot ---

FAULTS = {
    "- {indicator: gdp_growth}": [
        ("- {indicator: gdp_grow}", "gdp_grow is not an indicator"),
        ("- {indicator: fiscal_revenue_growth}", None),
        ("- {indicator: gdp}", "no target of the city's tests gdp"),
        ("- {indicator: gdp_growth, target: T102}", "T102 is not a target of gdp_growth for the city"),
        ("- {indicator: gdp_growth, normalise: min_max, worst: 0}", "worst and best go with min_max"),
        ("- {indicator: gdp_growth, weight: -1}", "greater than or equal to 0"),
        ("- {indicator: rural_income_growth}", "rural_income_growth has several targets, name one: T105, T0915"),
    ],
    "      economic_quality:": [("      economy:", "economy is not a dimension of metro_quality in plan.yaml")],
    "missing: leave_out, weights: {}": [
        ("missing: leave_out, weights: {T999: 2}", "T999 is not a target"),
        ("missing: leave_out, weights: {T1106: 2}", "T1106 takes no part in scores"),
        ("missing: leave_out, weights: {}, lowest: 1", "lowest is not below highest"),
    ],
    "  metro_quality:": [("  metro_index:", "metro_index is not an index of plan.yaml")],
}


@pytest.mark.parametrize(
    ("old", "new", "message"), [(old, new, said) for old, cases in FAULTS.items() for new, said in cases if said]
)
def test_a_policy_that_points_nowhere_is_named_by_file_and_line(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    folder = Path(shutil.copytree(PLANS / "shenyang-2022", tmp_path / "plan"))
    line = line_with(folder / "policy.yaml", old, new)
    with pytest.raises(PlanError) as fault:
        load_plan(folder)
    told = [f for f in str(fault.value).split("\n") if message in f]
    assert told
    assert f"policy.yaml:{line}: " in told[0]


def test_an_indicator_twice_in_a_dimension_is_named_where_it_stands_again(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(PLANS / "shenyang-2022", tmp_path / "plan"))
    line = line_with(folder / "policy.yaml", "- {indicator: gdp_growth}", "- {indicator: fiscal_revenue_growth}")
    with pytest.raises(PlanError, match=rf"policy\.yaml:{line + 1}: fiscal_revenue_growth is given twice"):
        load_plan(folder)


def test_a_dimension_of_the_plan_that_policy_forgets_is_named(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(PLANS / "shenyang-2022", tmp_path / "plan"))
    line_with(folder / "plan.yaml", "dimension: shared_ecology", "dimension: ecology")
    with pytest.raises(PlanError) as fault:
        load_plan(folder)
    assert "dimension ecology of plan.yaml is missing" in str(fault.value)
    assert "shared_ecology is not a dimension of metro_quality" in str(fault.value)


def test_every_line_of_policy_behind_a_score_is_in_the_tables(autumn: Night, plan: Plan) -> None:
    from expectations.compiled import compiled

    assert autumn.one("from score_weight where component = 'T203' and subject_kind = 'capability'")["basis"] == "policy.scores.capability.weights.T203"  # fmt: skip
    tables = compiled(plan)
    assert tables["index_dimension"]["name_zh"].to_list() == [
        "经济质效", "产业发展", "设施联通", "生态共保", "民生服务", "区域协调"
    ]  # fmt: skip
    assert all(basis.startswith("policy.") for basis in tables["score_weight"]["basis"])
