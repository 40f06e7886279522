"""A plan that is revised within its year: what holds from when, what progress said then, and what changed."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from expectations.load import PLANS, PlanError, load_plan
from expectations.model import Plan
from expectations.revisions import diff
from tests.night import SHANGHAI, Night, long_csv

REVISED = "revisions: [{revision: 2, holds_from: 2022-07-01, why: a hard first half, by: city government}]\n"


def revised_folder(tmp_path: Path, *, overlap: bool = False) -> Path:
    """The plan, with the GDP target lowered from about 8 to about 5.5 % in the middle of the year."""
    folder = tmp_path / "revised"
    shutil.copytree(PLANS / "shenyang-2022", folder)
    head = folder / "plan.yaml"
    head.write_text(head.read_text("utf-8") + REVISED, "utf-8")
    targets = folder / "targets.yaml"
    text = targets.read_text("utf-8")
    [old] = re.findall(r"(?ms)^- \{?\s*target: T101\b.*?(?=^- |\Z)", text)
    closing = "}" if old.lstrip("- ").startswith("{") else ""
    body = old.rstrip()
    body = body.removesuffix("}")
    first = (
        body + (f", until: {2 if overlap else 1}" if closing else f"\n  until: {2 if overlap else 1}") + closing + "\n"
    )
    second = re.sub(r"value: 8\b", "value: 5.5", body) + (", since: 2" if closing else "\n  since: 2") + closing + "\n"
    targets.write_text(text.replace(old, first + second), "utf-8")
    return folder


@pytest.fixture(scope="module")
def revised(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return load_plan(revised_folder(tmp_path_factory.mktemp("plan")))


def test_progress_as_known_at_a_date_uses_the_plan_as_it_stood_then(revised: Plan, night: Callable[..., Night]) -> None:
    figures = long_csv(("gdp_growth", "", "2022Q1", "", 5.4, "%"))
    sent = {"statistics/q1.csv": dt.datetime(2022, 4, 20, 9, tzinfo=SHANGHAI)}
    known = night({"statistics/q1.csv": figures}, sent, plan=revised)

    def q1(at: dt.datetime) -> tuple[float, str]:
        found = known.one("from progress_as_known_at(?) where target = 'T101' and period = '2022Q1'", at)
        return found["target_value"], found["status"]

    assert q1(dt.datetime(2022, 6, 30, 23, 59, tzinfo=SHANGHAI)) == (8, "far_behind")
    assert q1(dt.datetime(2022, 7, 1, tzinfo=SHANGHAI)) == (5.5, "on_pace")
    now = known.one("from target where target = 'T101'")
    assert (now["value"], now["plan_revision"]) == (5.5, 2)
    assert known.one("select count(*) as n from target_version where target = 'T101'")["n"] == 2


def test_what_changed_between_two_revisions_reads_well(revised: Plan) -> None:
    assert diff(revised, 1, 2) == [
        "revision 2, from 2022-07-01, by city government: a hard first half",
        "T101 gdp_growth: value 8.0 → 5.5",
    ]
    assert diff(revised, 2, 2) == []


def test_two_versions_that_hold_at_once_are_refused_by_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"targets\.yaml:\d+: .*T101 is given twice in revision 2"):
        load_plan(revised_folder(tmp_path, overlap=True))


def test_a_target_of_a_later_year_is_followed_on_its_way(tmp_path: Path, night: Callable[..., Night]) -> None:
    folder = revised_folder(tmp_path)
    targets = folder / "targets.yaml"
    text = targets.read_text("utf-8")
    [old] = re.findall(r"(?ms)^- \{?\s*target: T103\b.*?(?=^- |\Z)", text)
    targets.write_text(text.replace(old, old.replace("due: 2022-12-31", "due: 2025-12-31")), "utf-8")
    file = {"statistics/a.csv": long_csv(("resident_population", "", "2022", "", 914.7, "万人"))}
    year = night(file, plan=load_plan(folder)).progress("T103", "2022")
    # a quarter of the way from 911.8 (2021) to 925 (2025) is 915.1
    assert year["expected"] == pytest.approx(911.8 + (925 - 911.8) / 4)
    assert year["pace"] == pytest.approx((914.7 - 911.8) / (915.1 - 911.8))
    assert year["status"] == "behind"
