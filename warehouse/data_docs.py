"""Data Docs: Great Expectations' suites and validation results as pages that open from a folder, without the net.

Its own pages load their styles and scripts from the net and know neither the rules' names nor a finding's place. So its
site builder is kept and what it draws is one template of ours. Importing this imports Great Expectations: import it late.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any

import expectations.gx_alone  # noqa: F401

# isort: split
import jinja2
from great_expectations.data_context.store.html_site_store import SiteSectionIdentifier
from great_expectations.data_context.types.resource_identifiers import (
    ExpectationSuiteIdentifier,
    ValidationResultIdentifier,
)
from great_expectations.render.renderer.site_builder import SiteBuilder

from expectations.rules import RULES
from expectations.suites import ACROSS, QUALITY, VALIDITY
from warehouse.gx import context_on, files_in, raised
from warehouse.store import Store
from warehouse.validations import CLAUSE, LATEST, PERIOD, READ, heads, pending
from warehouse.visible import visible

TITLES = {"judged": "有效性 validity (V)", "kept": "质量 quality (Q)", "across": "跨报送 across submissions (M)"}
SUITES = {"judged": VALIDITY, "kept": QUALITY, "across": ACROSS}
COLUMNS = {  # of a suite's table of indicators: Chinese name, and the rules that read it
    "indicator": ("指标编码", "V01"), "name_zh": ("指标名称", "V01"), "name_en": ("英文名称", "V01"),
    "department": ("牵头部门", "V02, policy: lead_department"), "unit": ("单位", "V06 V07 Q08"), "measure": ("口径", "V10"),
    "frequency": ("频度", "V04"), "possible": ("可能范围", "V08, plan: indicators.⟨indicator⟩.possible"),
    "area": ("地区", ""), "period": ("截至", ""), "plausible": ("合理范围", "Q01, at the end of that period"),
    "plausible_basis": ("合理范围的政策依据", "Q01"), "clause": ("计划原文", "Q01 Q10"), "due_basis": ("期限的政策依据", "Q07 M01"),
    "identity_basis": ("恒等关系", "Q04 Q06, plan: indicators.⟨indicator⟩"), "adds_up": ("区县合计为全市", "M02"),
}  # fmt: skip


def brief(basis: str | None) -> str:
    """A finding's basis with no more of the clause than is shown: `<clause> (policy…)`."""
    quoted = re.fullmatch(rf"(.{{{CLAUSE}}}).+?( \(policy.*\))", basis or "", re.DOTALL)
    return f"{quoted[1]}…{quoted[2]}" if quoted else basis or ""


def build(store: Store) -> int:
    """Builds the pages that are missing or older than their results, and the index; says how many.

    A submission has a page where a rule was broken; its result is stored either way. Raises what fails: a page that
    cannot be drawn is never left out in silence.
    """
    wanted = list(_wanted(store))
    site = {
        "module_name": __name__,
        "class_name": "Site",
        "show_how_to_buttons": False,
        "site_section_builders": dict.fromkeys(("expectations", "validations", "profiling"), "None"),
        "store_backend": files_in(store.gx / "site"),
    }
    context: Any = context_on(store.gx, {"site": site})
    context.build_data_docs(resource_identifiers=wanted)
    return len(wanted)


def _wanted(store: Store) -> Iterator[ExpectationSuiteIdentifier | ValidationResultIdentifier]:
    for suite in sorted((store.gx / "suites").glob("*.json")):
        yield ExpectationSuiteIdentifier(suite.stem)
    for result in pending(store):
        key = result.relative_to(store.gx / "validations").with_suffix("").parts
        if key[-1] == PERIOD:
            for submission in json.loads(result.read_text("utf-8"))["meta"]["submissions"]:
                if submission["broken"]:
                    yield _key((*key[:-1], submission["submission"]))
        yield _key(key)  # after the pages that it links to: it marks them as built


def _key(parts: tuple[str, ...]) -> ValidationResultIdentifier:
    return ValidationResultIdentifier.from_tuple(parts)  # type: ignore[no-any-return, no-untyped-call]


class Site(SiteBuilder):
    """Great Expectations' site, drawn by one template. The stock builders log a page that fails, and go on."""

    def build(self, resource_identifiers: Any = None, build_index: bool = True) -> tuple[str | None, None]:
        engine = jinja2.Environment(
            autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
        )
        engine.filters["brief"] = brief
        engine.filters["visible"] = lambda text: visible(text or "")
        template = engine.from_string((files("warehouse") / "data_docs.j2").read_text("utf-8"))
        context: Any = self.data_context
        site: Any = self.target_store
        # the files themselves: to make objects of them costs more than the pages
        results = context.validation_results_store.store_backend
        suites = {key.name: context.expectations_store.get(key) for key in context.expectations_store.list_keys()}
        metas = {name: suite["meta"] for name, suite in suites.items()}
        names = {n["indicator"]: n["name_zh"] for meta in metas.values() for n in meta["indicators"]}
        names |= {code: name for meta in metas.values() for code, name in meta["departments"].items()}
        for run, of_it in groupby(resource_identifiers, lambda key: key.to_tuple()[:-1]):
            keys = list(of_it)
            of_run = results.of_run(run, [key.batch_identifier for key in keys]) if run else {}  # a suite is of no run
            for key in keys:
                if run:
                    drawn = _result_page(key, json.loads(of_run[key.batch_identifier]))
                else:
                    drawn = _suite_page(suites[key.name])
                section = SiteSectionIdentifier("validations" if run else "expectations", key)
                site.set(section, template.render(drawn, names=names))
        if build_index:
            site.write_index_page(template.render(_index(Path(results.full_base_directory), metas), names=names))
        return self.get_resource_url(only_if_exists=False), None


def _index(results: Path, metas: dict[str, dict[str, Any]]) -> dict[str, Any]:
    months: dict[str, dict[str, Any]] = {}
    latest: dict[str, dict[str, str]] = {}
    total = {rule.rule: [0, 0, 0] for rules in SUITES.values() for rule in rules}
    for path in heads(results):
        page = path.relative_to(results).with_suffix("")
        key = _key(page.parts)
        batch, run = key.expectation_suite_identifier.name, key.run_id
        link = f"validations/{page.as_posix()}.html"
        if run.run_name == LATEST:
            latest[batch] = {"latest": link, "ran": f"{run.run_time:%Y-%m-%d %H:%M} UTC"}
            continue
        result = json.loads(path.read_text("utf-8"))
        counts = {
            r["expectation_config"]["meta"]["rule"]: [
                r["result"][c] for c in ("element_count", "observed_value", "confirmed")
            ]
            for r in result["results"]
        }
        for rule, counted in counts.items():
            total[rule] = [a + b for a, b in zip(total.get(rule, (0, 0, 0)), counted, strict=True)]
        months.setdefault(run.run_name, {"month": run.run_name})[batch] = {
            "link": link,
            "rows": result["meta"]["rows"],
            "broken": sum(broken for _, broken, _ in counts.values()),
            "confirmed": sum(confirmed for _, _, confirmed in counts.values()),
        }
    plan = next(iter(metas.values()), {"plan_name": "", "plan_revision": ""})
    return {
        "kind": "index",
        "title": "数据校验 Data Docs",
        "subtitle": f"{plan['plan_name']}, 修订 revision {plan['plan_revision']}",
        "links": [],
        "suites": [
            {"name": s, "title": TITLES[s], "rules": len(rules), "severity": RULES[rules[0].rule].severity}
            | latest.get(s, {"latest": None, "ran": None})
            for s, rules in SUITES.items()
            if s in metas
        ],
        "months": sorted(months.values(), key=lambda m: str(m["month"]), reverse=True),
        "rules": [
            {"rule": RULES[r.rule], "batch": s, "basis": r.basis_in_words()}
            | dict(zip(("asked", "broken", "confirmed"), total[r.rule], strict=True))
            for s, rules in SUITES.items()
            if s in metas
            for r in rules
        ],
    }


def _suite_page(suite: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": "suite",
        "title": TITLES[suite["name"]],
        "subtitle": f"{suite['meta']['plan_name']}, 修订 revision {suite['meta']['plan_revision']}",
        "links": [],
        "meta": suite["meta"],
        "rules": [
            {"rule": RULES[e["meta"]["rule"]], "basis": e["meta"]["basis"], "query": e["kwargs"]["unexpected_rows_query"].split(" where ", 1)[1]}
            for e in suite["expectations"]
        ],
        "columns": [
            {"name": name, "zh": COLUMNS[name][0], "rules": COLUMNS[name][1]}
            for name in READ[suite["name"]]
        ],
    }  # fmt: skip


def _result_page(key: ValidationResultIdentifier, result: dict[str, Any]) -> dict[str, Any]:
    batch, run = key.expectation_suite_identifier.name, key.run_id
    meta = {"batch": batch, "submission": None, "submissions": [], **result["meta"]}
    whose = "" if meta["submission"] is None else meta["path"]
    return {
        "kind": "result",
        "title": " ".join(filter(None, [TITLES[batch], "最近一次执行 latest run" if run.run_name == LATEST else run.run_name, whose])),
        "subtitle": f"截至 figures received until {run.run_time:%Y-%m-%d %H:%M} UTC" + ("" if "rows" not in meta else f", {meta['rows']:,} 行 rows"),
        "links": [(TITLES[batch], f"../../../../expectations/{batch}.html"), *([(f"{run.run_name} {PERIOD}", f"{PERIOD}.html")] if meta["submission"] else [])],
        "meta": meta,
        "rules": [
            {
                "rule": RULES[rule],
                "basis": each["expectation_config"]["meta"]["basis"],
                "raised": raised(each["exception_info"]),
                "asked": each["result"].get("element_count"),
                "broken": each["result"].get("observed_value", 0),
                "confirmed": each["result"].get("confirmed"),
                "places": each["result"].get("places", []),
            }
            for each in sorted(result["results"], key=lambda r: str(r["expectation_config"]["meta"]["rule"]))
            for rule in [each["expectation_config"]["meta"]["rule"]]
        ],
    }  # fmt: skip
