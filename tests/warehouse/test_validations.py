"""Great Expectations' own record: what it keeps of a night by month and submission, and the pages that show it."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pytest

from expectations.compiled import compiled
from expectations.model import Plan
from expectations.rules import RULES
from tests.night import IN_TIME, SHANGHAI, Night, long_csv
from warehouse import validations

HOSTILE = "<script>alert(1)</script>"
FILES = {
    "science/q3.csv": long_csv(
        ("high_tech_firms", "", "2022Q3", "", 4000, "家"),
        ("innovation_platforms", "", "2022Q3", "", HOSTILE, "个"),
        ("deposits", "", "2022-09", "", 20000, "亿元"),
    ),
    "science/q4.csv": long_csv(
        ("high_tech_firms", "", "2022Q4", "", -4200, "家"),
        ("innovation_platforms", "", "2022Q4", "", "约1200", "个"),
    ),
    "science/both.csv": long_csv(
        ("innovation_platforms", "", "2022Q3", "", 1100, "件"), ("high_tech_firms", "", "2022Q4", "", "4200千米", "")
    ),
    "statistics/gdp.csv": long_csv(("gdp", "", "2022Q4", "", 7900, "亿元")),
}
MONTHS = {"2022-09", "2022-12"}


@pytest.fixture(scope="module")
def kept(night: Callable[..., Night]) -> Night:
    from warehouse import data_docs

    made = night(FILES)
    data_docs.build(made.store)
    return made


def results(made: Night, batch: str, month: str) -> dict[str, Any]:
    """By submission (or `period`), read back by Great Expectations' own store."""
    from warehouse.gx import context_on

    store: Any = context_on(made.store.gx).validation_results_store
    return {
        key.batch_identifier: store.get(key)
        for key in store.list_keys()
        if (key.expectation_suite_identifier.name, key.run_id.run_name) == (batch, month)
    }


def counts(result: Any, of: str = "observed_value") -> Counter[str]:
    return Counter({r.expectation_config.meta["rule"]: r.result[of] for r in result.results})


@pytest.mark.parametrize(("batch", "family"), [("judged", "validity"), ("kept", "quality")])
def test_each_submission_and_month_has_the_counts_of_its_own_findings(kept: Night, batch: str, family: str):
    whole: Counter[str] = Counter()
    for month in MONTHS:
        stored = results(kept, batch, month)
        period = stored.pop(validations.PERIOD)
        findings = duckdb.execute(
            f"select submission, rule, count(*) from read_parquet('{kept.store.month(month)}/{family}.parquet') group by all"
        ).fetchall()
        assert {(s, r, n) for s, result in stored.items() for r, n in counts(result).items() if n} == set(findings)
        assert counts(period) == sum((counts(r) for r in stored.values()), Counter())
        assert counts(period, "element_count") == sum((counts(r, "element_count") for r in stored.values()), Counter())
        assert period.success == (not findings)
        whole += counts(period)
    [latest] = results(kept, batch, validations.LATEST).values()
    assert whole == +counts(latest)
    assert whole


def test_a_submission_without_fault_has_a_result_that_says_so(kept: Night):
    of = {s["path"]: s["submission"] for s in kept.ask("from submission")}
    clean = results(kept, "judged", "2022-12")[of["statistics/gdp.csv"]]
    assert clean.success
    assert counts(clean, "element_count")["V08"] == 1
    assert not +counts(clean)


def test_great_expectations_store_says_what_it_has_and_has_not(kept: Night):
    from great_expectations.data_context.types.resource_identifiers import ValidationResultIdentifier
    from great_expectations.exceptions import InvalidKeyError

    from warehouse.gx import context_on

    store: Any = context_on(kept.store.gx).validation_results_store
    keys = [key for key in store.list_keys() if key.run_id.run_name == "2022-12"]
    assert {validations.PERIOD} < {key.batch_identifier for key in keys}
    assert all(store.has_key(key) for key in keys)
    nobodys = ValidationResultIdentifier.from_tuple((*keys[0].to_tuple()[:-1], "nobody's"))
    assert not store.has_key(nobodys)
    with pytest.raises(InvalidKeyError, match="nobody's"):
        store.get(nobodys)


def test_a_broken_rule_says_where(kept: Night):
    of = {s["path"]: s["submission"] for s in kept.ask("from submission")}
    returned = results(kept, "judged", "2022-09")[of["science/q3.csv"]]
    places = {
        r.expectation_config.meta["rule"]: [(p["row_number"], p["indicator"]) for p in r.result["places"]]
        for r in returned.results
        if r.result["places"]
    }
    assert places == {"V02": [(4, "deposits")], "V05": [(3, "innovation_platforms")]}


def test_rules_across_submissions_are_kept_by_period(kept: Night):
    missing = kept.ask("select strftime(o.period_end, '%Y-%m') as month, count(*) as n from finding f"
                       " join obligation o using (department, indicator, area, period) where f.rule = 'M01' group by all")  # fmt: skip
    assert missing
    for row in missing:
        [period] = results(kept, "across", row["month"]).values()
        assert counts(period)["M01"] == row["n"]


@pytest.mark.slow
def test_judging_a_month_again_replaces_its_results_and_pages_and_no_other_months(
    night: Callable[..., Night], tmp_path: Path
):
    from warehouse import data_docs

    first = night(FILES, root=tmp_path)
    data_docs.build(first.store)
    before = {p: p.stat().st_mtime_ns for p in first.store.gx.rglob("*/2022-09/*/*.*") if "across" not in p.parts}
    assert before
    later = IN_TIME + dt.timedelta(hours=3)
    mended = {"science/q4.csv": long_csv(("high_tech_firms", "", "2022Q4", "", 4200, "家"))}
    second = night(mended, {"science/q4.csv": later}, root=tmp_path)
    assert second.months == ["2022-12"]
    assert not validations.page(second.store, "judged", "2022-12")
    data_docs.build(second.store)
    assert {p: p.stat().st_mtime_ns for p in before if "judged" in p.parts} == {
        p: t for p, t in before.items() if "judged" in p.parts
    }
    for kind in ("validations", "site/validations"):
        [run] = (second.store.gx / kind / "judged" / "2022-12").iterdir()
        assert run.name == f"{later.astimezone(dt.UTC):%Y%m%dT%H%M%S.%fZ}"
    of = {s["path"] + s["sha256"]: s["submission"] for s in second.ask("from submission")}
    assert len([s for s in of if s.startswith("science/q4.csv")]) == 2
    [latest] = results(second, "judged", validations.LATEST).values()
    assert counts(latest) == counts(results(second, "judged", "2022-12")[validations.PERIOD])


class Page(HTMLParser):
    """What a page asks a browser to load, where it leads, and what it says."""

    def __init__(self, path: Path):
        super().__init__()
        self.tags: list[str] = []
        self.leads: list[str] = []
        self.text = ""
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        assert not given.get("src")
        if tag == "a" and given.get("href"):
            self.leads.append(str(given["href"]))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_pages_load_nothing_and_every_link_of_theirs_leads_to_a_page(kept: Night):
    site = kept.store.gx / "site"
    pages = {p: Page(p) for p in site.rglob("*.html")}
    assert {p for p in site.rglob("*") if p.is_file()} == set(pages)
    ids = {p: set(re.findall(r'id="([^"]+)"', p.read_text("utf-8"))) for p in pages}
    reached = {site / "index.html"}
    for path, page in pages.items():
        assert not {"script", "link", "img", "iframe"} & set(page.tags)
        assert "url(" not in path.read_text("utf-8")
        for lead in page.leads:
            file, _, anchor = lead.partition("#")
            target = (path.parent / file).resolve()
            assert target in pages
            assert not anchor or anchor in ids[target]
            reached.add(target)
    assert reached == set(pages)


def test_a_submissions_page_says_in_words_what_was_returned_and_why(kept: Night):
    [sent] = kept.ask("from submission where path = 'science/q3.csv'")
    [path] = (kept.store.gx / "site").glob(f"validations/judged/2022-09/*/{sent['submission']}.html")
    said = Page(path).text
    for text in (
        RULES["V05"].zh,
        RULES["V05"].en,
        RULES["V02"].mend_zh,
        "创新平台",
        HOSTILE,
        "policy: lead_department.deposits",
    ):
        assert text in said
    assert "<script>" not in path.read_text("utf-8")


def test_a_suites_page_gives_each_rule_its_line_of_plan_or_policy_and_each_indicator_its_ranges(
    kept: Night, plan: Plan
):
    site = kept.store.gx / "site" / "expectations"
    for batch, column in (("judged", "possible"), ("kept", "plausible")):
        suite = json.loads((kept.store.gx / "suites" / f"{batch}.json").read_text("utf-8"))
        said = Page(site / f"{batch}.html").text
        assert {i.indicator for i in plan.indicators} == {row["indicator"] for row in suite["meta"]["indicators"]}
        for each in suite["expectations"]:
            rule = RULES[each["meta"]["rule"]]
            for text in (rule.code, rule.zh, rule.en, each["meta"]["basis"]):
                assert text in said
        for row in suite["meta"]["indicators"]:
            assert row[column] is None or row[column] in said
    ranges = {
        (r["indicator"], r["area"]): r for r in suite["meta"]["indicators"] if r["plausible"] is not None
    }  # of `kept`
    assert len(ranges) == compiled(plan)["plausible"].select("indicator", "area").n_unique()
    assert all(r["plausible_basis"].startswith("policy.plausible.") and r["clause"] for r in ranges.values())


def test_every_rules_basis_reads_as_words():
    from expectations.suites import ACROSS, QUALITY, VALIDITY

    for rule in [*VALIDITY, *QUALITY, *ACROSS]:
        said = rule.basis_in_words()
        assert re.fullmatch(
            r"(?!.*(\|\||'|\bcase\b|\bwhen\b|\bcoalesce\b|\bend\b)).*(plan|policy|contract|published|⟨)[^|']*", said
        ), said


def test_no_more_of_a_clause_is_shown_than_its_start():
    from warehouse.data_docs import brief

    clause = "条" * 60
    assert brief(f"{clause} (policy.plausible.flow)") == f"{clause[: validations.CLAUSE]}… (policy.plausible.flow)"
    assert (
        brief("policy.deadlines.quarter: 18 working days (china)")
        == "policy.deadlines.quarter: 18 working days (china)"
    )


def test_a_rule_that_crashes_is_shown_as_such_and_what_was_recorded_stands(
    night: Callable[..., Night], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from expectations import suites
    from warehouse import data_docs

    made = night(FILES, root=tmp_path)
    before = {p: p.read_bytes() for p in made.store.gx.rglob("*/2022-*/*/*.json")}
    monkeypatch.setattr(suites.ExpectFigure, "broken", "no_such_column > 1")
    night(FILES | {"statistics/gdp.csv": long_csv(("gdp", "", "2022Q4", "", 7901, "亿元"))},
          {"statistics/gdp.csv": dt.datetime(2023, 1, 11, 9, tzinfo=SHANGHAI)}, root=tmp_path)  # fmt: skip
    assert {p: p.read_bytes() for p in before if "judged" in p.parts} == {
        p: b for p, b in before.items() if "judged" in p.parts
    }
    data_docs.build(made.store)
    latest = validations.page(made.store, "judged", validations.LATEST)
    assert latest is not None
    said = Page(latest).text
    assert "未能执行" in said
    assert "no_such_column" in said


def test_pages_that_cannot_be_written_are_an_error_and_due_the_next_time(night: Callable[..., Night], tmp_path: Path):
    from warehouse import data_docs

    made = night(FILES, root=tmp_path)
    site = made.store.gx / "site"
    site.write_text("a file where the folder should be")
    with pytest.raises(OSError, match="site"):
        data_docs.build(made.store)
    site.unlink()
    assert data_docs.build(made.store) > len(MONTHS)
    assert not validations.pending(made.store)
    assert validations.page(made.store, "judged", "2022-12")
