"""One warehouse for the tests of floors 3 and 4: sample submissions, a real Dagster instance, both in a folder of their own."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

from pipelines.samples import write_samples
from tests.servers import platform  # noqa: F401


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """data, box (drop boxes), instance, definitions: as `make run` has them, nothing landed yet; receipts are not taken."""
    data = tmp_path_factory.mktemp("city") / "data"
    os.environ["WALLCHART_DATA"] = str(data)
    os.environ["WALLCHART_SOURCES"] = (data / "dropbox").as_uri()
    assert "pipelines.definitions" not in sys.modules  # it reads the environment when it is imported
    from pipelines import definitions

    box = data / "dropbox"
    write_samples(definitions.compiled_plan, box)
    (data / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(data / "dagster")) as instance:
        yield SimpleNamespace(
            data=data, box=box, instance=instance, definitions=definitions, store=definitions.config.store
        )


@pytest.fixture(scope="session")
def landed(city: SimpleNamespace) -> SimpleNamespace:
    """The city after the nightly job has landed and read its files; `asked`: what the sensor then said,
    `asked_again`: and the next time."""
    run_job(city, "nightly")
    city.asked = look(city)
    city.asked_again = look(city, city.asked.run_key)
    return city


@pytest.fixture(scope="session")
def released(landed: SimpleNamespace) -> SimpleNamespace:
    """The city after what the sensor asks for: every month judged in one run, and released."""
    run_job(landed, landed.asked.job_name, landed.asked.tags)
    return landed


def run_job(city: SimpleNamespace, name: str, tags: dict[str, str] | None = None) -> dg.ExecuteInProcessResult:
    job = city.definitions.defs.resolve_job_def(name)
    return job.execute_in_process(instance=city.instance, tags=tags or {}, raise_on_error=False)


def look(city: SimpleNamespace, cursor: str | None = None) -> dg.RunRequest | str:
    """What the sensor says: the run that it asks for, or why it asks for none."""
    context = dg.build_sensor_context(instance=city.instance, cursor=cursor, definitions=city.definitions.defs)
    said = city.definitions.refresh_when_touched(context)
    if isinstance(said, dg.SkipReason):
        return said.skip_message
    if said.run_requests:
        return said.run_requests[0]
    return said.skip_reason.skip_message


def warehouse(data: Path) -> Path:
    return data / "warehouse" / "current" / "warehouse.duckdb"
