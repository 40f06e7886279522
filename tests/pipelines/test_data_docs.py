"""Data Docs and the engineer: linked from each month, and when they cannot be built it is seen and nothing else is lost."""

import re
from types import SimpleNamespace
from typing import Any

import pytest

from tests.pipelines.conftest import run_job
from warehouse import validations

MONTHS = ("2022-03", "2022-04")
RANGE = {"dagster/asset_partition_range_start": MONTHS[0], "dagster/asset_partition_range_end": MONTHS[1]}


def documented(run: Any) -> list[bool]:
    """Of the two months, and of the rules across submissions."""
    said = {e.partition: e.passed for e in run.get_asset_check_evaluations() if e.check_name == "documented"}
    return [said[part] for part in (*MONTHS, None)]


def test_a_month_leads_to_its_pages(released: SimpleNamespace):
    run = run_job(released, "refresh", RANGE)
    assert documented(run) == [True, True, True]
    shown = {m.partition: m.metadata for m in run.asset_materializations_for_node("judge")}
    for month in MONTHS:
        for batch, why in (("judged", "returned"), ("kept", "flagged")):
            path = shown[month][f"Data Docs, why rows were {why}"].path
            assert f"/{batch}/{month}/" in path
            with open(path, encoding="utf-8") as page:
                assert month in page.read()
    assert not validations.pending(released.store)
    for page in (released.store.gx / "site").rglob("*.html"):
        for link in re.findall(r'href="([^"#]+)', page.read_text("utf-8")):
            assert (page.parent / link).exists()


@pytest.mark.slow
def test_pages_that_cannot_be_built_fail_their_check_and_nothing_else(released: SimpleNamespace):
    site = released.store.gx / "site"
    aside = site.rename(site.with_name("aside"))
    site.write_text("a file where the folder should be")
    run = run_job(released, "refresh", RANGE)
    assert run.success
    assert documented(run) == [False, False, False]
    assert run.asset_materializations_for_node("release")
    site.unlink()
    aside.rename(site)
    assert documented(run_job(released, "refresh", RANGE)) == [True, True, True]
