"""What `wallchart plan` prints, and when it says that plan and text disagree."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from expectations.load import load_plan
from expectations.model import NoTarget, Plan
from pipelines.planned import show_plan


@pytest.fixture
def small(plan: Plan) -> Plan:
    """A plan of one target, whose text is its clause."""
    own = next(t for t in plan.targets if t.target == "T201").model_copy(update={"clause_offset": 0})
    digest = hashlib.sha256(own.clause.encode()).hexdigest()
    return plan.model_copy(
        update={
            "targets": [own],
            "head": plan.head.model_copy(update={"text_sha256": digest, "indices": []}),
            "policy": plan.policy.model_copy(update={"resolutions": []}),
            "numerals": [],
        }
    )


@pytest.fixture
def text(small: Plan, tmp_path: Path) -> Path:
    (tmp_path / "text.txt").write_text(small.targets[0].clause, "utf-8")
    return tmp_path / "text.txt"


def test_a_plan_is_printed_with_its_coverage_and_its_findings(
    small: Plan, text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show_plan(small, text)
    said = capsys.readouterr().out
    assert "covered 2 of 2" in said
    assert "Clauses at their place in the text: 1 of 1" in said
    assert "P06" in said
    assert "1 finding: 1 open, 0 resolved, 0 information" in said


def test_a_plan_with_no_finding_has_no_table_of_findings(
    small: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = small.targets[0].model_copy(
        update={"unit": "万人次", "unit_read_as": None, "clause": "客流", "clause_length": 2}
    )
    assert show_plan(small.model_copy(update={"targets": [plain]}), tmp_path / "absent.txt")
    said = capsys.readouterr().out
    assert "Lint: no finding" in said
    assert "resolution" not in said


def test_a_plan_in_another_language_is_covered_and_not_held_against_the_reader(
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = Path(__file__).parents[1] / "plans" / "rivermouth-2024"
    rivermouth = load_plan(folder)
    assert show_plan(rivermouth, folder / rivermouth.head.text)
    said = capsys.readouterr().out
    assert "covered 22 of 22" in said
    assert "none of the clauses is held against it" in said
    assert "P06" not in said
    assert "the figures of 1 target:" in said


def test_a_numeral_that_is_no_target_is_named_by_its_place(
    small: Plan, text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unlisted = small.model_copy(update={"numerals": [NoTarget(reason="word", phrases=["一批"])]})
    assert not show_plan(unlisted, text)
    assert "holds no numeral" in capsys.readouterr().out
    longer = text.read_text("utf-8") + ",共 7 项"
    text.write_text(longer, "utf-8")
    digest = hashlib.sha256(longer.encode()).hexdigest()
    assert not show_plan(small.model_copy(update={"head": small.head.model_copy(update={"text_sha256": digest})}), text)
    assert "'7' at 19" in capsys.readouterr().out


def test_a_misplaced_clause_is_named(small: Plan, text: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text.write_text("\n" + text.read_text("utf-8"), "utf-8")
    assert not show_plan(small, text)
    assert "T201: at 0" in capsys.readouterr().out


def test_without_the_text_nothing_is_checked_and_nothing_fails(
    small: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show_plan(small, tmp_path / "absent.txt")
    assert "not checked" in capsys.readouterr().out
