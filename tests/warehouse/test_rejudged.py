"""A rule or plan that changes never changes a verdict silently."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable

from expectations.model import Plan
from tests.night import NOW, Night, long_csv
from warehouse import judge, rejudged
from warehouse.ledger import ledger


def test_a_changed_plan_says_which_findings_appeared_and_why(night: Callable[..., Night], plan: Plan) -> None:
    kept = night({"ecology/a.csv": long_csv(("good_air_days", "", "2022-12", "", 87.7, "%"))})
    tighter = [
        i.model_copy(update={"possible_high": 80.0}) if i.indicator == "good_air_days" else i for i in plan.indicators
    ]
    stricter = plan.model_copy(update={"indicators": tighter, "digest": "another"})
    stale = judge.stale_months(kept.store, stricter)
    assert stale == ["2022-12"]

    rejudged.put_aside(kept.store, stale, NOW + dt.timedelta(days=1))
    judge.validity(kept.store, stricter, stale)
    judge.quality(kept.store, stricter, stale)
    changes = rejudged.changes(kept.store, stricter).to_dicts()

    [returned] = [c for c in changes if c["rule"] == "V08"]
    assert (returned["month"], returned["appeared"], returned["disappeared"]) == ("2022-12", 1, 0)
    assert returned["why"].startswith("plan: shenyang-2022 r1")
    assert "another" in returned["why"]
    assert "code" not in returned["why"]
    with ledger(kept.store) as db:
        recorded = db.execute("select month, why, appeared from judgement").fetchall()
    assert [(month, appeared) for month, _, appeared in recorded] == [("2022-12", sum(c["appeared"] for c in changes))]


def test_nothing_is_said_of_months_that_come_out_the_same(night: Callable[..., Night], plan: Plan) -> None:
    kept = night({"ecology/a.csv": long_csv(("good_air_days", "", "2022-12", "", "约87.7", "%"))})
    rejudged.put_aside(kept.store, ["2022-12"], NOW)
    judge.validity(kept.store, plan, ["2022-12"])
    judge.quality(kept.store, plan, ["2022-12"])
    assert rejudged.changes(kept.store, plan).is_empty()


def test_a_run_that_goes_on_for_a_killed_one_says_once_what_both_changed(
    night: Callable[..., Night], plan: Plan
) -> None:
    kept = night({"ecology/a.csv": long_csv(("good_air_days", "", "2022-12", "", 87.7, "%"))})
    tighter = [
        i.model_copy(update={"possible_high": 80.0}) if i.indicator == "good_air_days" else i for i in plan.indicators
    ]
    stricter = plan.model_copy(update={"indicators": tighter, "digest": "another"})
    first, second = (NOW + dt.timedelta(days=n) for n in (1, 2))

    rejudged.put_aside(kept.store, ["2022-12"], first)
    judge.validity(kept.store, stricter, ["2022-12"])  # and here it is killed
    rejudged.put_aside(kept.store, ["2022-12"], second)
    judge.validity(kept.store, stricter, ["2022-12"])
    judge.quality(kept.store, stricter, ["2022-12"])
    [returned] = [c for c in rejudged.changes(kept.store, stricter).to_dicts() if c["rule"] == "V08"]

    assert (returned["appeared"], returned["disappeared"]) == (1, 0)
    assert returned["why"].startswith("plan: shenyang-2022 r1")
    assert rejudged.changes(kept.store, stricter).is_empty()
    with ledger(kept.store) as db:
        [(appeared, at)] = db.execute("select appeared, judged_at from judgement").fetchall()
    assert (appeared, at) == (1, int(first.timestamp() * 1e6))


def test_months_judged_under_another_folder_name_are_taken_over(night: Callable[..., Night], plan: Plan) -> None:
    store = night({"ecology/a.csv": long_csv(("good_air_days", "", "2022-12", "", 87.7, "%"))}).store
    store.month("2022-12").rename(store.months / "2022-12")  # as it was called before it was a partition
    with store.writing("landing"):
        assert judge.stale_months(store, plan) == []
    assert [folder.name for folder in store.months.iterdir()] == ["month=2022-12"]
    shutil.copytree(store.month("2022-12"), store.months / "2022-12")  # the earlier version was at work once more
    with store.writing("landing"):
        assert judge.stale_months(store, plan) == []
    assert [folder.name for folder in store.months.iterdir()] == ["month=2022-12"]
