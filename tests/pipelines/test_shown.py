"""Pictures in the Dagster UI: drawn from the rows, and short enough that they show without a click."""

import re
from types import SimpleNamespace
from urllib.parse import unquote
from xml.etree import ElementTree

import dagster as dg
import polars as pl

from assets.shown import bars, columns, courses


def drawn(picture: dg.MarkdownMetadataValue) -> ElementTree.Element:
    [svg] = re.findall(r"^!\[\]\(<data:image/svg\+xml,(.*)>\)$", picture.md_str or "")
    return ElementTree.fromstring(unquote(svg))


def paths(picture: dg.MarkdownMetadataValue) -> list[str]:
    return [p.attrib["d"] for p in drawn(picture).iter("{http://www.w3.org/2000/svg}path")]


def test_bars_are_as_long_as_their_figures_and_any_name_can_stand_before_them():
    rows = pl.DataFrame({"name": ["a & <b>", "100 % #1"], "good": [30, 10], "bad": [10, None]})
    picture = bars(rows, "name", {"good": "#26a", "bad": "#b12"})
    assert paths(picture) == ["M64 6h240M64 20h80", "M304 6h80"]
    words = [t.text for t in drawn(picture).iter("{http://www.w3.org/2000/svg}text")]
    assert words[:2] == ["a & <b>", "100 % #1"]


def test_columns_stand_on_each_other_and_courses_leave_out_what_is_not_known():
    rows = pl.DataFrame({"month": ["2022-01", "2022-02"], "kept": [9, 0], "returned": [1, 5]})
    assert paths(columns(rows, "month", {"kept": "#6ac", "returned": "#b12"})) == ["M7 104v-81", "M7 23v-9M21 104v-45"]
    scores = pl.DataFrame({"name": ["a", "a", "b"], "at": ["Q1", "Q2", "Q1"], "score": [0.5, 1.0, None]})
    assert paths(courses(scores, "name", "at", "score")) == ["M8 12 48 4"]


def test_the_marts_show_pictures_that_need_no_click(released: SimpleNamespace):
    for key, name in (
        (["mart", "progress"], "status by capability"),
        (["mart", "observation"], "figures by month"),
        (["mart", "capability_score"], "scores at the ends of quarters"),
        (["mart", "scorecard"], "lowest scores"),
        (["judged_rows"], "rows by month"),
    ):
        event = released.instance.get_latest_materialization_event(dg.AssetKey(key))
        picture = event.asset_materialization.metadata[name]
        assert drawn(picture).tag.endswith("svg")
        assert len(picture.value) < 1000, name
