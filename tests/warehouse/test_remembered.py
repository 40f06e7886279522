"""What is worked out once, kept between nights."""

from __future__ import annotations

from pathlib import Path

from assets.plan import read_otherwise
from expectations.agreement import disagreements
from expectations.load import PLANS, load_plan
from tests.expectations.test_agreement import TEXT, needs_text
from warehouse.store import Store


@needs_text
def test_what_was_read_otherwise_is_said_every_night_and_of_the_text_as_it_is_now(tmp_path: Path) -> None:
    store, plan, text = Store(tmp_path), load_plan(PLANS / "shenyang-2022"), TEXT.read_text("utf-8")
    slipped = text.replace("925 万人", "926 万人")
    assert len(disagreements(plan, slipped)) == 1
    for now in (text, text, slipped, slipped, text):
        assert read_otherwise(store, plan, now) == disagreements(plan, now)
    [kept] = (tmp_path / "remembered").iterdir()
    kept.write_bytes(kept.read_bytes()[:-9])  # the disk lost its end
    assert read_otherwise(store, plan, slipped) == disagreements(plan, slipped)
