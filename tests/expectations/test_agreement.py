"""The registry and the clause reader are held against each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from expectations.agreement import disagreements
from expectations.load import PLANS, load_plan

TEXT = Path(__file__).parents[3] / "shared" / "plan" / "shenyang-2022.txt"
needs_text = pytest.mark.skipif(not TEXT.is_file(), reason=f"the plan's text is not part of the project; not at {TEXT}")


@needs_text
def test_the_reader_reads_every_target_as_the_registry_has_it_or_the_target_says_why_not() -> None:
    assert disagreements(load_plan(PLANS / "shenyang-2022"), TEXT.read_text("utf-8")) == []


@needs_text
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"comparator": ">"}, "comparator >, read >="),
        ({"unit": "万人次"}, "unit 万人次, read 万人"),
        ({"value": 926}, "no such target"),
    ],
)
def test_a_slip_of_the_hand_is_named(change: dict[str, object], said: str) -> None:
    plan = load_plan(PLANS / "shenyang-2022")
    slipped = [t.model_copy(update=change) if t.target == "T103" else t for t in plan.targets]
    [line] = disagreements(plan.model_copy(update={"targets": slipped}), TEXT.read_text("utf-8"))
    assert line.startswith("T103 at ")
    assert said in line


@needs_text
def test_a_lost_figure_is_held_too() -> None:
    plan, text = load_plan(PLANS / "shenyang-2022"), TEXT.read_text("utf-8")
    guessed = {"kind": "increment", "value": 3, "unit": "条"}
    filled = [t.model_copy(update=guessed) if t.target == "T202" else t for t in plan.targets]
    [line] = disagreements(plan.model_copy(update={"targets": filled}), text)
    assert line.startswith("T202 at ")
    legible = {"kind": "lost", "value": None, "unit": None, "comparator": None}
    gone = [t.model_copy(update=legible) if t.target == "T103" else t for t in plan.targets]
    [line] = disagreements(plan.model_copy(update={"targets": gone}), text)
    assert line.startswith("T103 at ")


def test_a_plan_in_another_language_is_not_held_against_a_reader_of_chinese() -> None:
    folder = Path(__file__).parents[1] / "plans" / "rivermouth-2024"
    rivermouth = load_plan(folder)
    assert disagreements(rivermouth, (folder / rivermouth.head.text).read_text("utf-8")) == []
