"""The figures as SDMX, read back by two libraries: pysdmx, which wrote the structure, and sdmx1, which had no part in it."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sdmx
from pysdmx.io import get_datasets, read_sdmx

from expectations.load import load_plan
from tests.night import SHANGHAI, Night, long_csv
from tests.warehouse.test_second_plan import FOLDER, at, table
from warehouse.sdmx import DATA, STRUCTURES, Written, write

JANUARY, MARCH = (dt.datetime(2023, m, 10, 9, 0, 0, 123456, tzinfo=SHANGHAI) for m in (1, 3))
FILES = {
    "statistics/q4.csv": long_csv(
        ("gdp", "", "2022Q4", "", 7695.8, "亿元"),
        ("gdp_growth", "", "2022Q4", "", "4%左右"),
        ("resident_population", "", "2022", "", 914.7, "万人"),
        ("trade", "", "2022-12", "", 1445.5, "亿元"),
    ),
    "commerce/december.csv": long_csv(
        ("trade", "", "2022-12", "", 1445, "亿元"), ("fdi", "", "2022-12", "", "39.20", "亿美元")
    ),
    "statistics/again.csv": long_csv(("gdp_growth", "", "2022Q4", "", 3.5, "%", "", "最终核实")),
}
FIGURES = """
select indicator, area, measure, department, period, value, unit, approximate, rounding, known_from::timestamp as known_from,
    submission, synthetic
from observation where known_to is null
"""


@pytest.fixture(scope="module")
def year(night: Callable[..., Night]) -> Night:
    return night(FILES, dict.fromkeys(FILES, JANUARY) | {"statistics/again.csv": MARCH})


@pytest.fixture(scope="module")
def written(year: Night, tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write(year.folder / "warehouse.duckdb", tmp_path_factory.mktemp("sdmx"))


def structure(written: Written) -> Any:
    """As sdmx1 reads it. It does not know what the edition 3.0 says of the attributes (MeasureRelationship)."""
    return sdmx.read_sdmx(written.folder / STRUCTURES["2.1"])


def observations(written: Written) -> list[Any]:
    [flow] = structure(written).dataflow.values()
    [data] = sdmx.read_sdmx(written.folder / DATA, structure=flow).data
    return list(data.obs)


def test_another_library_reads_every_figure_that_stands_and_what_is_said_of_it(year: Night, written: Written) -> None:
    read = {}
    for o in observations(written):
        key = {d: o.dimension[d].value for d in ("INDICATOR", "REF_AREA", "MEASURE", "DEPARTMENT", "TIME_PERIOD")}
        said = {a: str(v.value) for a, v in o.attached_attribute.items()}
        read[tuple(key.values())] = (
            float(o.value), said["UNIT_MEASURE"], said["OBS_STATUS"] == "E", float(said["ROUNDING"]),
            dt.datetime.fromisoformat(said["KNOWN_FROM"]), said["SUBMISSION"], said["SYNTHETIC"] == "true",
        )  # fmt: skip
    figures = [tuple(f.values()) for f in year.ask(FIGURES)]
    assert read == {(*f[:4], f[4].replace("Q", "-Q")): f[5:] for f in figures}
    assert len(read) == written.rows == 6
    assert read["gdp_growth", "210100", "yoy", "statistics", "2022-Q4"][0] == 3.5  # the vintage that stands
    assert read["trade", "210100", "ytd", "statistics", "2022-12"][0] == 1445.5  # beside the commerce bureau's


def test_the_time_is_written_as_its_frequency_asks(written: Written) -> None:
    times = {(str(o.dimension["FREQ"].value), str(o.dimension["TIME_PERIOD"].value)) for o in observations(written)}
    assert times == {("M", "2022-12"), ("Q", "2022-Q4"), ("A", "2022")}


def test_every_code_of_the_data_is_in_the_plans_codelist_with_both_names(year: Night, written: Written) -> None:
    message = structure(written)
    for o in observations(written):
        for concept in ("FREQ", "INDICATOR", "REF_AREA", "MEASURE", "DEPARTMENT"):
            assert o.dimension[concept].value in message.codelist[f"CL_{concept}"]
        assert o.attached_attribute["OBS_STATUS"].value in message.codelist["CL_OBS_STATUS"]
    for concept, column, source in (
        ("INDICATOR", "indicator", "indicator"), ("REF_AREA", "area", "area"), ("DEPARTMENT", "department", "department"),
    ):  # fmt: skip
        assert {c.id: c.name.localizations for c in message.codelist[f"CL_{concept}"]} == {
            r["code"]: {"en": r["name_en"], "zh": r["name_zh"]}
            for r in year.ask(f"select {column} as code, name_en, name_zh from {source}")
        }


def test_the_structure_is_valid_in_both_editions_and_the_data_are_of_its_types(written: Written) -> None:
    for name in STRUCTURES.values():
        assert read_sdmx(written.folder / name, validate=True).structures  # against the standard's own schema
        [data] = get_datasets(written.folder / DATA, written.folder / name)
        kinds = {c: str(t) for c, t in data.data.dtypes.items()}
        assert kinds["OBS_VALUE"] == kinds["ROUNDING"] == "double[pyarrow]"
        assert kinds["KNOWN_FROM"].startswith("timestamp")
        assert kinds["SYNTHETIC"].startswith("bool")
        assert len(data.data) == written.rows


def test_the_dataflow_says_its_release_and_what_is_made_up(
    night: Callable[..., Night], year: Night, written: Written, tmp_path: Path
) -> None:
    [flow] = structure(written).dataflow.values()
    assert (flow.maintainer.id, flow.id, flow.version) == (
        "WALLCHART",
        "SHENYANG_2022",
        f"{year.plan.head.revision}.0.0",
    )
    assert [a.title for a in flow.annotations] == [year.release.release]
    assert (flow.name.localizations["zh"], structure(written).header.test) == (year.plan.head.name_zh, False)
    sample = night(
        {
            "commerce/december-synthetic.csv": FILES["commerce/december.csv"],
            "statistics/q4.csv": FILES["statistics/q4.csv"],
        }
    )
    made_up = write(sample.folder / "warehouse.duckdb", tmp_path)
    message = structure(made_up)
    assert message.header.test
    assert next(iter(message.dataflow.values())).name.localizations["zh"].endswith("（合成样例）")
    assert {
        str(o.attached_attribute["SYNTHETIC"].value)
        for o in observations(made_up)
        if o.dimension["DEPARTMENT"].value == "commerce"
    } == {"true"}
    assert made_up.synthetic


def test_a_plans_year_that_is_none_of_the_calendars_is_given_as_a_range(
    night: Callable[..., Night], tmp_path: Path
) -> None:
    files = {"care/rank.csv": table(("care_rank", "2023", "", 7), ("vaccinated", "2024Q3", "", "88%"))}
    sent = at(2024, 10, 14)
    told = night(files, dict.fromkeys(files, sent), at(2024, 11, 1), plan=load_plan(FOLDER))
    read = observations(write(told.folder / "warehouse.duckdb", tmp_path))
    assert {str(o.dimension["TIME_PERIOD"].value): float(o.value) for o in read} == {"2023-04-01/P1Y": 7, "2024-Q3": 88}


@pytest.mark.slow
def test_a_release_replaces_the_one_before_whole_or_not_at_all(
    night: Callable[..., Night], year: Night, tmp_path: Path
) -> None:
    folder = tmp_path / "sdmx"

    def current() -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in (folder / "current").iterdir()}

    write(year.folder / "warehouse.duckdb", folder)
    first = current()
    assert set(first) == {DATA, *STRUCTURES.values()}
    broken = tmp_path / "broken.duckdb"
    with duckdb.connect(broken) as con:
        con.execute("create table plan as select 'p' as plan; create table period as select '2022' as period")
        con.execute("create table release as select 'r' as release, 1 as plan_revision, now() as built_at")
    with pytest.raises(duckdb.CatalogException, match="observation"):
        write(broken, folder)
    assert current() == first
    releases = [year, *(night({"commerce/a.csv": long_csv(("fdi", "", "2022-12", "", fdi))}) for fdi in (1, 2))]
    for before, told in itertools.pairwise(releases):
        for _ in range(2):  # once more: the same release gives the same files
            write(told.folder / "warehouse.duckdb", folder)
            kept = {before.release.release, told.release.release}  # and nothing of the run that failed
            assert {p.name for p in folder.iterdir()} == {"current", *kept}
        assert current() != first
    write(year.folder / "warehouse.duckdb", folder)  # gone back to
    assert current() == first
