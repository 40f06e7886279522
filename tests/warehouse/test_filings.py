"""The life of a filing: certified, withdrawn, corrected after its quarter was locked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest

from expectations.load import load_plan
from expectations.model import Plan
from tests.night import SHANGHAI, Night, long_csv
from warehouse import judge, rulebook
from warehouse.filings import FilingError, certify, withdraw
from warehouse.store import Store


def at(day: str) -> dt.datetime:
    return dt.datetime.combine(dt.date.fromisoformat(day), dt.time(9), SHANGHAI)


@pytest.fixture(scope="module")
def book() -> Plan:
    return load_plan(rulebook.FOLDER)


NOW = at("2025-04-10")


@pytest.fixture
def night(night: Callable[..., Night]) -> Callable[..., Night]:
    """A night of the rulebook's own time."""
    return lambda files, received=None, now=NOW, **where: night(files, received, now, **where)


def visits(*rows: tuple[str, object]) -> bytes:
    return long_csv(*[("visits", "", period, "", value, "万人次") for period, value in rows])


def test_a_withdrawn_figure_leaves_the_earlier_one_standing(night: Callable[..., Night], book: Plan) -> None:
    sent = {"works/a.csv": at("2024-04-10"), "works/b.csv": at("2024-04-12")}
    files = {"works/a.csv": visits(("2024-03", 30)), "works/b.csv": visits(("2024-03", 33), ("2024-02", 20))}
    first = night(files, sent, plan=book)
    code = first.one("select submission from submission where path = 'works/b.csv'")["submission"]
    assert judge.stale_months(first.store, book) == []
    assert withdraw(first.store, code, "head of statistics", "counted twice", at("2024-05-02")) == "works/b.csv"
    stale = judge.stale_months(first.store, book)
    assert stale == ["2024-02", "2024-03"]

    judge.validity(first.store, book, stale)
    judge.quality(first.store, book, stale)
    again = night(
        {"works/c.csv": visits(("2024-01", 9))}, {"works/c.csv": at("2024-05-03")}, root=first.root, plan=book
    )
    vintages = again.ask(
        "select value, known_from::date::varchar as since, known_to::date::varchar as until from observation"
        " where period = '2024-03' order by known_from"
    )
    assert [tuple(v.values()) for v in vintages] == [
        (30.0, "2024-04-10", "2024-04-12"), (33.0, "2024-04-12", "2024-05-02"), (30.0, "2024-05-02", None),
    ]  # fmt: skip
    assert not again.ask("from observation where period = '2024-02' and known_to is null")
    owed = again.one("select state from obligation where indicator = 'visits' and period = '2024-02'")
    assert owed["state"] == "missing"
    told = again.one("from submission where path = 'works/b.csv'")
    assert (told["withdrawn_by"], told["withdrawn_why"]) == ("head of statistics", "counted twice")
    known = again.one("select value from observation_as_known_at('2024-04-20'::timestamptz) where period = '2024-03'")
    assert known["value"] == 33.0


@pytest.mark.slow
@pytest.mark.parametrize("another", [False, True])
def test_what_was_withdrawn_and_is_sent_again_counts_again(
    night: Callable[..., Night], book: Plan, tmp_path: Path, another: bool
) -> None:
    def send(value: int, day: str) -> Night:
        return night({"works/a.csv": visits(("2024-03", value))}, {"works/a.csv": at(day)}, root=tmp_path, plan=book)

    first = send(30, "2024-04-10")
    code = first.one("select submission from submission")["submission"]
    withdraw(first.store, code, "head of statistics", "wrong file", at("2024-04-11"))
    if another:
        send(31, "2024-04-12")
    again = send(30, "2024-04-13")
    for month in judge.stale_months(again.store, book):
        judge.validity(again.store, book, [month])
    current = night({}, root=tmp_path, plan=book).ask("from observation where known_to is null")
    assert [o["value"] for o in current] == [30.0]


@pytest.mark.slow
def test_a_certified_quarter_says_when_its_figures_changed_since(night: Callable[..., Night], book: Plan) -> None:
    first = night({"works/a.csv": visits(("2024-03", 30))}, {"works/a.csv": at("2024-04-10")}, plan=book)
    done = certify(first.store, book, "works", "2024Q1", "head of statistics", at("2024-04-20"))
    assert (done.figures, done.number.startswith("2024Q1-")) == (1, True)
    row = "from filing where department = 'works' and quarter = '2024Q1'"
    made = night({}, now=at("2024-05-01"), root=first.root, plan=book).one(row)
    assert (made["state"], made["certified_by"], made["certification"]) == (
        "certified", "head of statistics", done.number,
    )  # fmt: skip
    later = {"works/b.csv": at("2024-05-10")}  # before the lock
    changed = night({"works/b.csv": visits(("2024-03", 31))}, later, root=first.root, plan=book)
    assert changed.one(row)["state"] == "changed_since_certified"
    silent = changed.one("from filing where department = 'silent' and quarter = '2024Q4'")
    assert (silent["state"], silent["certification"], silent["missing"]) == ("overdue", None, 1)


def test_a_locked_figure_stands_and_a_first_one_is_still_taken(night: Callable[..., Night], book: Plan) -> None:
    sent = {"works/a.csv": at("2024-04-10"), "works/b.csv": at("2024-06-20")}  # locked from 31 May on
    files = {"works/a.csv": visits(("2024-03", 30)), "works/b.csv": visits(("2024-03", 31), ("2024-02", 20))}
    made = night(files, sent, plan=book)
    [locked] = [f for f in made.findings("works/b.csv") if f["rule"] == "V12"]
    assert (locked["row_number"], locked["severity"], locked["expected_text"]) == (2, "error", "30.0 万人次")
    assert "policy.filing.lock" in locked["basis"]
    current = {o["period"]: o["value"] for o in made.ask("from observation where known_to is null")}
    assert current == {"2024-03": 30.0, "2024-02": 20.0}


def test_a_reopened_quarter_takes_a_correction_that_shows_as_a_revision(
    night: Callable[..., Night], book: Plan
) -> None:
    files = {f"works/{n}.csv": long_csv(("opened", "", "2024Q2", "", v, "个")) for n, v in (("a", 10), ("b", 11))}
    sent = {"works/a.csv": at("2024-07-05"), "works/b.csv": at("2024-09-11")}  # reopened from 10 to 12 September
    made = night(files, sent, now=at("2024-09-11"), plan=book)
    assert {f["rule"] for f in made.findings("works/b.csv")} == {"Q07", "Q09"}
    assert made.one("select replaced_value from observation where known_to is null")["replaced_value"] == 10.0
    row = made.one("from filing where department = 'works' and quarter = '2024Q2'")
    assert (row["locked"], "a station was counted twice" in row["lock_basis"]) == (False, True)


@pytest.mark.parametrize(
    ("department", "quarter", "role", "says"),
    [
        ("nobody", "2024Q1", "head", "nobody is not a department"),
        ("works", "2031Q1", "head", "is not a quarter of"),
        ("works", "2024Q3", "head", "ends on 2024-09-30"),
        ("silent", "2024Q1", "head", "has no accepted figure"),
        ("works", "2024Q1", " ", "in which role"),
    ],
)
def test_a_certification_that_cannot_be_taken_says_why(
    tmp_path: Path, book: Plan, department: str, quarter: str, role: str, says: str
) -> None:
    with pytest.raises(FilingError, match=says):
        certify(Store(tmp_path), book, department, quarter, role, at("2024-05-01"))


def test_a_withdrawal_needs_a_submission_and_a_reason(tmp_path: Path) -> None:
    with pytest.raises(FilingError, match="no submission is called"):
        withdraw(Store(tmp_path), "0123", "head", "twice", NOW)
    with pytest.raises(FilingError, match="needs its reason"):
        withdraw(Store(tmp_path), "0123", "head", " ", NOW)


def test_a_resubmission_may_say_why_and_that_answers_for_what_it_revises(
    night: Callable[..., Night], book: Plan
) -> None:
    sent = {"works/a.csv": at("2024-04-10"), "works/b.csv": at("2024-04-12")}
    again = long_csv(("visits", "", "2024-03", "", "约31", "万人次"), banner=["重报原因:一个景区重复计算"])
    made = night({"works/a.csv": visits(("2024-03", 30)), "works/b.csv": again}, sent, plan=book)
    assert {f["rule"]: f["confirmed"] for f in made.findings("works/b.csv")} == {"Q09": True, "Q05": False}
    assert made.one("select reason from submission where path = 'works/b.csv'")["reason"] == "一个景区重复计算"


def test_a_file_that_changes_no_figure_is_known_as_such(night: Callable[..., Night], book: Plan) -> None:
    sent = {"works/a.csv": at("2024-04-10"), "works/b.csv": at("2024-04-12"), "works/c.csv": at("2024-04-13")}
    files = {
        "works/a.csv": visits(("2024-03", 30)),
        "works/b.csv": visits(("2024-03", "30.0")),
        "works/c.csv": visits(("2024-03", 31), ("2024-02", 20)),
    }
    told = night(files, sent, plan=book).ask("from submission")
    assert {s["path"]: (s["figures_new"], s["figures_revised"], s["figures_unchanged"]) for s in told} == {
        "works/a.csv": (1, 0, 0), "works/b.csv": (0, 0, 1), "works/c.csv": (1, 1, 0),
    }  # fmt: skip
