"""A release whose file holds views: the same to whoever asks it, and nothing is written twice."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from tests.night import Night, long_csv
from warehouse import dictionary, integrity, marts, releases
from warehouse.backup import back_up
from warehouse.release import ReleaseError, publish
from warehouse.store import Store, files_sql, opened

FILES = {
    "transport/a.csv": long_csv(
        *[("airport_passengers", "", f"2022-{m:02}", "", 20 + m, "万人次") for m in range(1, 13)]
    )
}


@pytest.fixture(scope="module")
def tables(night: Callable[..., Night]) -> Night:
    return night(FILES)


@pytest.fixture
def store(tables: Night, tmp_path: Path) -> Store:
    """The same store, and nothing of it was released."""
    root = tmp_path / "a folder [of] its own's"
    shutil.copytree(tables.store.root, root, symlinks=True, ignore=shutil.ignore_patterns("warehouse"))
    return Store(root)


def test_a_client_finds_the_same_tables_comments_views_and_macros(tables: Night, store: Store) -> None:
    published = publish(store, tables.plan, views=True)
    file = store.warehouse / "current" / "warehouse.duckdb"
    assert published.rows == tables.release.rows
    with duckdb.connect(file, read_only=True) as con:
        con.execute(f"set timezone = 'UTC'; attach '{tables.folder / 'warehouse.duckdb'}' as held (read_only)")
        for table in marts.TABLES:
            assert con.execute(f"describe {table}").fetchall() == con.execute(f"describe held.{table}").fetchall()
            both = f"(from {table} except all from held.{table}) union all (from held.{table} except all from {table})"
            assert con.execute(f"select count(*) from ({both})").fetchall() == [(0,)], table
        name = dictionary.tables()["progress"].zh
        rows = tables.release.rows["progress"]
        for asked in ("progress", f'zh."{name}"', "progress_as_known_at(now())"):
            assert con.execute(f"select count(*) from {asked}").fetchall() == [(rows,)], asked
        said = "select table_name, column_name, comment from duckdb_columns() where schema_name = 'main' and not internal and database_name"
        assert (
            con.execute(f"{said} = 'warehouse' order by all").fetchall()
            == con.execute(f"{said} = 'held' order by all").fetchall()
        )
    assert file.stat().st_size < (tables.folder / "warehouse.duckdb").stat().st_size


def test_our_own_readers_see_it_and_nothing_besides(tables: Night, store: Store) -> None:
    publish(store, tables.plan, views=True)
    with opened(store.warehouse / "current" / "warehouse.duckdb") as con:
        assert con.execute("select count(*) from observation").fetchall() == [(tables.release.rows["observation"],)]
        with pytest.raises(duckdb.PermissionException):
            con.execute(f"from read_parquet({files_sql(store.mart('progress'))})")


def test_a_release_whose_parquet_is_not_what_was_counted_is_not_published(
    tables: Night, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "warehouse.release._counted", lambda con, table, rows: {"table": table, "rows": 0, "digest": ""}
    )
    with pytest.raises(ReleaseError, match="does not hold"):
        publish(store, tables.plan, views=True)
    assert releases.current(store) is None
    monkeypatch.undo()
    assert (
        publish(store, tables.plan, views=True).rows == tables.release.rows
    )  # what was left behind is in nobody's way


def test_it_is_checked_backed_up_and_removed_with_its_link(tables: Night, store: Store, tmp_path: Path) -> None:
    release = publish(store, tables.plan, views=True).release
    assert integrity.check(store) == []
    back_up(store, tmp_path / "kept")
    shutil.rmtree(store.warehouse / "views")
    shutil.copytree(tmp_path / "kept" / "warehouse" / "views", store.warehouse / "views", symlinks=True)
    with opened(store.warehouse / "current" / "warehouse.duckdb") as con:
        con.execute("from progress limit 1")
    releases.remove(store.warehouse / "releases" / release)
    assert not list((store.warehouse / "views").iterdir())
