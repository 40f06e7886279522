"""The dictionary says everything that the contract promises, and says it in a file that is up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

from warehouse import dictionary, marts

CONTRACT = {  # section 3 of the contract, typed here on purpose
    "indicator": "indicator name_zh name_en unit measure direction frequency capability chapter lead_department",
    "target": "target indicator area plan plan_revision kind comparator value value_high unit baseline baseline_period due"
    " modality clause clause_offset clause_length section",
    "department": "department name_zh kind",
    "obligation": "department indicator area period due_at received_at state",
    "submission": "submission department source path sha256 bytes received_at format status rows_read rows_kept"
    " rows_returned warnings",
    "finding": "finding submission department rule severity sheet row_number column_name indicator area period value_text"
    " expected_text difference message_zh message_en basis confirmed",
    "observation": "indicator area period period_start period_end measure value unit department submission row_number"
    " known_from known_to approximate",
    "progress": "target indicator area period period_end actual actual_measure target_value expected attainment gap status"
    " needed forecast forecast_low forecast_high will_meet first_met previous year_before self_assessed submission",
    "scorecard": "department quarter due on_time late missing rows_read rows_returned warnings targets achieved on_pace"
    " behind timeliness quality attainment score",
    "capability_score": "capability period targets achieved on_pace behind not_reported score",
    "published": "indicator area period measure value unit publisher published_on preliminary",
    "rule": "rule severity weight needs message_zh message_en basis active_from active_to evaluated fired confirmed",
    "release": "release built_at plan_revision code_version input_digest tables",
}


def test_the_page_is_up_to_date() -> None:
    page = Path(__file__).parents[2] / "docs" / "dictionary.md"
    assert page.read_text("utf-8") == dictionary.markdown(), 'run "make docs"'


def test_every_table_is_described() -> None:
    assert set(dictionary.tables()) == {*marts.TABLES, "release", "release_change"}


def test_chinese_names_are_unique() -> None:
    names = [t.zh for t in dictionary.tables().values()]
    assert len(set(names)) == len(names)
    for name, table in dictionary.tables().items():
        columns = [c.zh for c in table.columns.values()]
        assert len(set(columns)) == len(columns), name


def test_every_comment_is_in_both_languages() -> None:
    for name, table in dictionary.tables().items():
        for what, comment in [(name, table.comment), *((f"{name}.{c}", k.comment) for c, k in table.columns.items())]:
            english, slash, chinese = comment.partition(" / ")
            assert slash, what
            assert english[0].isascii(), what
            assert not chinese.isascii(), what
            assert ";" not in comment, what


@pytest.mark.parametrize("table", CONTRACT)
def test_the_contracts_columns_are_described(table: str) -> None:
    assert set(CONTRACT[table].split()) <= set(dictionary.tables()[table].columns)
