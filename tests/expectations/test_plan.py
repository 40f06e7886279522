"""The plan as data: it loads, it stands in its text, and what is wrong with a plan is named by file and line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from ruamel.yaml import YAML

from expectations.load import FILES, PLANS, PlanError, load_plan, misplaced_clauses, schemas
from expectations.model import Plan
from expectations.units import unit

SHENYANG = PLANS / "shenyang-2022"
TEXT = Path(__file__).parents[3] / "shared" / "plan" / "shenyang-2022.txt"

needs_text = pytest.mark.skipif(not TEXT.is_file(), reason=f"the plan's text is not part of the project; not at {TEXT}")


@pytest.fixture(scope="module")
def plan() -> Plan:
    return load_plan(SHENYANG)


@pytest.fixture(scope="module")
def text() -> str:
    with TEXT.open(encoding="utf-8", newline="") as file:
        return file.read()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHENYANG, tmp_path / "plan"))


def line_with(path: Path, old: str, new: str) -> int:
    """Replaces the first `old` in the file by `new`; the line (from 1) on which it stood."""
    content = path.read_text(encoding="utf-8")
    assert old in content
    path.write_text(content.replace(old, new, 1), encoding="utf-8")
    return content[: content.index(old)].count("\n") + 1


def test_the_plan_loads(plan: Plan) -> None:
    assert plan.head.plan == "shenyang-2022"
    assert plan.city == "210100"
    assert len(plan.targets) == 254


def test_every_headline_capability_has_targets(plan: Plan) -> None:
    capability = {i.indicator: i.capability for i in plan.indicators}
    targeted = [capability[t.indicator] for t in plan.targets if len(t.target) == 4]  # T101: headline; T0301: chapter
    assert list(dict.fromkeys(targeted)) == [c.capability for c in plan.head.capabilities]


def test_a_target_is_numbered_by_its_capability(plan: Plan) -> None:
    number = {c.capability: c.number for c in plan.head.capabilities}
    capability = {i.indicator: i.capability for i in plan.indicators}
    headline = [t for t in plan.targets if len(t.target) == 4]
    assert {t.target: t.target[1] for t in headline} == {
        t.target: str(number[capability[t.indicator]]) for t in headline
    }


@needs_text
def test_a_clause_stands_where_the_plan_says_it_does(plan: Plan, text: str) -> None:
    assert misplaced_clauses(plan, text) == []
    assert len(text) == plan.head.text_characters


@needs_text
def test_targets_stand_in_the_order_of_the_text(plan: Plan) -> None:
    offsets = [t.clause_offset for t in plan.targets]
    assert offsets == sorted(offsets)


@needs_text
def test_a_text_that_moved_is_noticed(plan: Plan, text: str) -> None:
    faults = misplaced_clauses(plan, "\n" + text)
    assert "sha256" in faults[0]
    assert len(faults) == 1 + len(plan.targets) + len(plan.head.indices)


def test_a_figure_that_the_text_lost_is_not_made_up(plan: Plan) -> None:
    lost = [t for t in plan.targets if t.kind == "lost"]
    assert len(lost) == 15
    assert {(t.value, t.comparator) for t in lost} == {(None, None)}
    assert "intl_routes_new" in {t.indicator for t in lost}


def test_a_name_leads_to_one_indicator_and_one_department(plan: Plan) -> None:
    for names in (
        [name for i in plan.indicators for name in (i.name_zh, *i.aliases)],
        [name for d in plan.departments for name in (d.name_zh, *d.aliases)],
    ):
        assert len(names) == len(set(names))


def test_a_published_figure_fits_its_indicator(plan: Plan) -> None:
    indicators = {i.indicator: i for i in plan.indicators}
    form = {"month": "-", "quarter": "Q"}
    for f in (*plan.baselines, *plan.published):
        own = indicators[f.indicator]
        given, wanted = unit(f.unit), unit(own.unit)
        assert given is not None, f
        assert wanted is not None, f
        assert given.converts_to(wanted), f
        assert f.period[4:5] == form.get(own.frequency, ""), f
    assert all(f.measure == indicators[f.indicator].measure for f in plan.published)


def test_growth_of_gdp_is_never_computed_from_its_levels(plan: Plan) -> None:
    gdp_growth = next(i for i in plan.indicators if i.indicator == "gdp_growth")
    assert gdp_growth.level == "gdp"
    assert not gdp_growth.growth_from_levels


def test_an_unknown_field_is_named_by_file_and_line(copy: Path) -> None:
    line = line_with(copy / "targets.yaml", "kind: growth", "kind: growth, colour: red")
    with pytest.raises(PlanError, match=rf"targets\.yaml:{line}: 0\.colour: "):
        load_plan(copy)


def test_a_unit_that_measures_something_else_is_named_by_file_and_line(copy: Path) -> None:
    line = line_with(copy / "targets.yaml", "value: 5000, unit: 家", "value: 5000, unit: 亿元")
    with pytest.raises(PlanError, match=rf"targets\.yaml:{line}: unit 亿元 measures something else than 家"):
        load_plan(copy)


def test_a_doubled_code_is_named_by_file_and_line(copy: Path) -> None:
    line = line_with(copy / "targets.yaml", "target: T102", "target: T101")
    with pytest.raises(PlanError, match=rf"targets\.yaml:{line}: target T101 is given twice"):
        load_plan(copy)


def test_all_faults_of_a_plan_are_named_at_once(copy: Path) -> None:
    lines = {
        "departments.yaml": line_with(copy / "departments.yaml", "department: finance,", "department: statistics,"),
        "indicators.yaml": line_with(copy / "indicators.yaml", "unit: 亿元", "unit: 亿贯"),
    }
    with pytest.raises(PlanError) as fault:
        load_plan(copy)
    assert all(f"{name}:{line}: " in str(fault.value) for name, line in lines.items())


def test_a_missing_file_is_named(copy: Path) -> None:
    (copy / "policy.yaml").unlink()
    with pytest.raises(PlanError, match=r"policy\.yaml: missing"):
        load_plan(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_file_names_the_schema_that_an_editor_checks_it_by(name: str) -> None:
    first, schema = (SHENYANG / name).read_text(encoding="utf-8").split("\n", 1)[0].split("$schema=")
    assert first == "# yaml-language-server: "
    assert (SHENYANG / schema).is_file()


def test_the_committed_schemas_are_those_of_the_model() -> None:
    assert {p.name: p.read_text(encoding="utf-8") for p in (PLANS / "schema").iterdir()} == schemas()


@pytest.mark.parametrize("folder", [PLANS / "shenyang-2022", Path(__file__).parents[1] / "plans" / "rivermouth-2024"])
def test_the_quick_parser_and_the_one_that_knows_lines_read_the_same(folder: Path) -> None:
    for name in FILES:
        text = (folder / name).read_text("utf-8")
        assert yaml.load(text, Loader=yaml.CSafeLoader) == YAML(typ="rt").load(text), name
