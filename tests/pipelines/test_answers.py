"""Receipts as a product of the night: made with the marts, delivered where a drop box can be reached, tried again where not."""

from types import SimpleNamespace

import dagster as dg
import duckdb

from assets.receipts import receipts as asset
from tests.pipelines.conftest import look, warehouse
from warehouse import receipts


def delivering(city: SimpleNamespace) -> tuple[bool, dg.AssetCheckEvaluation]:
    """The asset materialized with sources that take receipts: whether the run succeeded, and its check."""
    resources = {
        "store": city.store,
        "compiled_plan": city.definitions.compiled_plan,
        "sources": [f"{city.box.as_uri()}?receipts=yes"],
        "credentials": {},
    }
    run = dg.materialize([asset], resources=resources, instance=city.instance, raise_on_error=False)
    [check] = run.get_asset_check_evaluations()
    return run.success, check


def test_every_submission_of_the_night_has_a_receipt_and_one_drop_box_that_fails_stops_nothing(released):
    with duckdb.connect(warehouse(released.data), read_only=True) as con:
        [(submissions,)] = con.execute("select count(*) from submission").fetchall()
    with receipts.register(released.store) as db:
        [(count,)] = db.execute("select count(distinct submission) from receipt where delivered_at is null").fetchall()
    assert count == submissions > 200
    assert not list(released.box.glob("*/receipts"))  # not configured to take any
    in_the_way = released.box / "finance" / "receipts"
    in_the_way.write_text("a file where the folder should be")
    succeeded, check = delivering(released)
    assert succeeded
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    waiting = check.metadata["waiting for another try"].value
    own = len([path for path in released.box.glob("finance/**/*") if path.is_file()])
    assert 0 < waiting == receipts.undelivered(released.store) <= own  # of the one drop box only
    assert len(list(released.box.glob("*/receipts/*.xlsx"))) == count - waiting
    assert look(released).job_name == "answer"
    in_the_way.unlink()
    succeeded, check = delivering(released)
    assert succeeded
    assert check.passed
    assert len(list(released.box.glob("*/receipts/*.xlsx"))) == count
    assert "nothing new" in look(released)
