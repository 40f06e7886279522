"""Where Dagster keeps its record of runs, checks and schedules: SQLite under the data folder, or PostgreSQL.

`dagster.yaml` knows no conditions, so it names the class below, and the environment chooses. The URL is read here and goes
no further: what Dagster hands to the processes that it starts, and shows under Deployment, is the class's name.

Not here: the warehouse. Months, marts and releases are files in either case.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClass, ConfigurableClassData

POSTGRES = "WALLCHART_POSTGRES_URL"


class StorageByEnvironment(DagsterStorage, ConfigurableClass):
    """PostgreSQL where WALLCHART_POSTGRES_URL is set, else SQLite in DAGSTER_HOME (<data>/dagster where that is not set).

    Raises SettingsError where the URL cannot be used, never with a part of it that may be secret.
    """

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config_value(  # type: ignore[override]
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> DagsterStorage[Any]:
        if url := os.environ.get(POSTGRES):
            return _postgres(url, inst_data)
        home = os.environ.get("DAGSTER_HOME") or _home()
        with _alone(home):
            return DagsterSqliteStorage.from_local(home, inst_data)


@contextmanager
def _alone(home: str) -> Iterator[None]:
    """Two processes that make the databases at once would both note their version, and neither could open them again."""
    os.makedirs(home, exist_ok=True)
    folder = os.open(home, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _postgres(url: str, inst_data: ConfigurableClassData) -> DagsterStorage[Any]:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    from pipelines.settings import SettingsError  # late, as it imports the plan's model: Dagster starts many processes

    try:
        place = make_url(url).set(password=None, query={})
    except (ArgumentError, ValueError):
        place = None
    if place is None or place.drivername != "postgresql" or not place.database:
        raise SettingsError(f"{POSTGRES} is not of the form postgresql://user:password@host:5432/database")
    try:
        from dagster_postgres import DagsterPostgresStorage
        from dagster_postgres.utils import DagsterPostgresException
    except ModuleNotFoundError as e:
        raise SettingsError(
            f"{POSTGRES} is set, and {e.name} is not installed: pip install 'wallchart[postgres]'"
        ) from e
    try:
        return DagsterPostgresStorage.from_config_value(inst_data, {"postgres_url": url})
    except DagsterPostgresException as e:
        cause = " ".join(str(e.__cause__).splitlines()[:1])
        raise SettingsError(f"{place} does not answer: {cause}\nTo do without it for now, unset {POSTGRES}.") from e


def _home() -> str:
    from pipelines.settings import settings

    home: Path = settings().data / "dagster"
    return str(home)
