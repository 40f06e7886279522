"""Writes the dashboard of dashboard.yaml as the ZIP archive that Superset imports.

python bundle.py <path of warehouse.duckdb> <archive to write>

Column types are asked of the warehouse; the Chinese names and the explanations of its own tables, which are registered
too, come from its comments and its schema zh. Identifiers are made from names, so a new import replaces the last one.
"""

from __future__ import annotations

import re
import sys
import uuid
import zipfile
from pathlib import Path
from typing import Any

import duckdb
import yaml
from jinja2 import Environment

HERE = Path(__file__).parent
SPACE = uuid.UUID("5d2a2f0e-3b70-4f0c-9d1b-6c8a8f9f7a55")
DATABASE = "挂图作战数据仓库"
TEMPORAL = {"DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"}


def ident(kind: str, name: str) -> str:
    return str(uuid.uuid5(SPACE, f"{kind}/{name}"))


def bundle(warehouse: Path) -> dict[str, Any]:
    """Every file of the archive, by its name."""
    spec = yaml.safe_load((HERE / "dashboard.yaml").read_text("utf-8"))
    files: dict[str, Any] = {
        "metadata.yaml": {"version": "1.0.0", "type": "assets", "timestamp": "2022-01-01T00:00:00+00:00"},
        "databases/warehouse.yaml": database(warehouse),
    }
    with duckdb.connect(str(warehouse), read_only=True) as con:
        for key, title in spec["datasets"].items():
            sql = in_words((HERE / "datasets" / f"{key}.sql").read_text("utf-8"), spec["words"])
            files[f"datasets/{key}.yaml"] = dataset(title, columns(con, sql), sql=sql)
            con.execute(f'create temp view "{title}" as {plain(sql)}')
        defaults = {f["name"]: con.execute(f["default"]).fetchall()[0] for f in spec["filters"] if "default" in f}
        for table, about in own_tables(con).items():
            files[f"datasets/main_{table}.yaml"] = dataset(table, **about, schema="main")
    kinds = {c["column_name"]: c["type"] for key in spec["datasets"] for c in files[f"datasets/{key}.yaml"]["columns"]}
    charts = {key: chart(key, dict(said), spec, kinds) for key, said in spec["charts"].items()}
    files |= {f"charts/{ident('chart', key)}.yaml": told for key, told in charts.items()}
    files["dashboards/wallchart.yaml"] = dashboard(spec, charts, defaults)
    return files


def database(warehouse: Path) -> dict[str, Any]:
    """Read-only, and no pool: Superset opens a connection a query, so each query sees the newest release."""
    return {
        "database_name": DATABASE,
        "sqlalchemy_uri": f"duckdb:///{warehouse}",
        "expose_in_sqllab": True,
        "allow_run_async": False,
        "allow_ctas": False,
        "allow_cvas": False,
        "allow_dml": False,
        "allow_file_upload": False,
        "cache_timeout": -1,
        "extra": {
            "engine_params": {"connect_args": {"read_only": True}},
            "metadata_params": {},
            "schemas_allowed_for_file_upload": [],
        },
        "uuid": ident("database", DATABASE),
        "version": "1.0.0",
    }


def in_words(sql: str, words: dict[str, dict[str, str]]) -> str:
    """@status(p.status) and the like as CASE expressions."""

    def case(found: re.Match[str]) -> str:
        whens = " ".join(f"when '{code}' then '{word}'" for code, word in words[found[1]].items())
        return f"case {found[2]} {whens} else {found[2]} end"

    return re.sub(r"@(\w+)\(([\w.]+)\)", case, sql)


def columns(con: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    return [column(name, kind) for name, kind, *_ in con.execute(f"describe {plain(sql)}").fetchall()]


def plain(sql: str) -> str:
    """The query with every filter of its template left open."""
    environment = Environment()
    environment.filters["where_in"] = str
    return environment.from_string(sql).render(filter_values=lambda *_, **__: [])


def column(name: str, kind: str, zh: str | None = None, comment: str | None = None) -> dict[str, Any]:
    return {
        "column_name": name,
        "verbose_name": zh,
        "type": kind,
        "is_dttm": kind in TEMPORAL,
        "groupby": True,
        "filterable": True,
        "description": comment,
    }


def own_tables(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Any]]:
    """The warehouse's tables: a view of schema zh has its table's columns, in its order, under their Chinese names."""
    found = con.execute("""
        select t.table_name, any_value(t.comment), list([c.column_name, c.data_type, z.column_name, c.comment] order by c.column_index)
        from duckdb_tables() t join duckdb_columns() c on c.table_oid = t.table_oid and c.database_name = t.database_name
        join duckdb_views() v on v.schema_name = 'zh' and v.comment = t.comment
        join duckdb_columns() z on z.table_oid = v.view_oid and z.schema_name = 'zh' and z.column_index = c.column_index
        where t.schema_name = 'main' group by t.table_name order by t.table_name
    """).fetchall()
    return {
        table: {
            "description": comment,
            "columns": [column(n, k, zh, said.partition(" / ")[2]) for n, k, zh, said in told],
        }
        for table, comment, told in found
    }


def dataset(name: str, columns: list[dict[str, Any]], description: str | None = None, **where: Any) -> dict[str, Any]:
    return {
        "table_name": name,
        "description": description,
        "columns": columns,
        "metrics": [{"metric_name": "count", "verbose_name": "行数", "expression": "COUNT(*)", "metric_type": "count"}],
        **where,
        "uuid": ident("dataset", name),
        "database_uuid": ident("database", DATABASE),
        "version": "1.0.0",
    }


def metric(label: str, sql: str) -> dict[str, Any]:
    return {"expressionType": "SQL", "sqlExpression": sql, "label": label, "hasCustomLabel": True}


def chart(key: str, said: dict[str, Any], spec: dict[str, Any], kinds: dict[str, str]) -> dict[str, Any]:
    title, source = said.pop("name", key), said.pop("dataset")
    formats, bars = said.pop("formats", {}), said.pop("bars", [])
    said.pop("ignore_filters", None)
    where = said.pop("where", None)
    params: dict[str, Any] = {"color_scheme": "supersetColors", "adhoc_filters": [], "row_limit": 10000, **said}
    for several in {"metrics", "metrics_b"} & set(said):
        params[several] = [metric(*one) for one in said[several].items()]
    if "metric" in said:
        [params["metric"]] = [metric(*one) for one in said["metric"].items()]
    if "order_by_cols" in said:
        params["order_by_cols"] = [f'["{name}", {str(up).lower()}]' for name, up in said["order_by_cols"]]
    if where:
        params["adhoc_filters"] = [{"expressionType": "SQL", "clause": "WHERE", "sqlExpression": where}]
    if said["viz_type"] == "table":
        params["column_config"] = {
            name: {"d3NumberFormat": formats.get(name, ",d"), "showCellBars": name in bars}
            for name in said["all_columns"]
            if "INT" in kinds[name] or kinds[name] == "DOUBLE"
        }
        params["column_config"] |= {
            name: {"d3TimeFormat": "%Y-%m-%d"} for name in said["all_columns"] if kinds.get(name) == "DATE"
        }
        params["allow_render_html"] = False  # cells hold what departments wrote: shown as it is written
        params["table_timestamp_format"] = "%Y-%m-%d %H:%M"
        params["conditional_formatting"] = [
            {"column": "状态", "operator": "=", "targetValue": word, "colorScheme": spec["colors"][word]}
            for word in spec["words"]["status"].values()
            if "状态" in said["all_columns"]
        ]
    return {
        "slice_name": title,
        "viz_type": said["viz_type"],
        "params": params,
        "uuid": ident("chart", key),
        "dataset_uuid": ident("dataset", spec["datasets"][source]),
        "version": "1.0.0",
    }


def dashboard(
    spec: dict[str, Any], charts: dict[str, dict[str, Any]], defaults: dict[str, tuple[Any, ...]]
) -> dict[str, Any]:
    numbers = {key: number for number, key in enumerate(charts, 1)}
    position: dict[str, Any] = {
        "DASHBOARD_VERSION_KEY": "v2",
        "ROOT_ID": {"type": "ROOT", "id": "ROOT_ID", "children": ["TABS"]},
        "GRID_ID": {"type": "GRID", "id": "GRID_ID", "children": [], "parents": ["ROOT_ID"]},
        "HEADER_ID": {"type": "HEADER", "id": "HEADER_ID", "meta": {"text": spec["title"]}},
        "TABS": {"type": "TABS", "id": "TABS", "children": [], "parents": ["ROOT_ID"], "meta": {}},
    }

    def put(kind: str, parent: str, name: str, meta: dict[str, Any]) -> str:
        put_in = position[parent]
        place = f"{kind}-{name}"
        position[place] = {
            "type": kind,
            "id": place,
            "children": [],
            "parents": [*put_in["parents"], parent],
            "meta": meta,
        }
        put_in["children"].append(place)
        return place

    shown: dict[str, list[str]] = {}
    for number, (tab, rows) in enumerate(spec["tabs"].items()):
        at = put("TAB", "TABS", str(number), {"text": tab})
        shown[tab] = [key for row in rows for key, *_ in row if key in charts]
        for line, row in enumerate(rows):
            across = put("ROW", at, f"{number}-{line}", {"background": "BACKGROUND_TRANSPARENT"})
            for place, (key, width, height) in enumerate(row):
                size = {"width": width, "height": height}
                if key in charts:
                    told = {
                        "chartId": numbers[key],
                        "uuid": charts[key]["uuid"],
                        "sliceName": charts[key]["slice_name"],
                    }
                    put("CHART", across, f"{number}-{line}-{place}", size | told)
                else:
                    put("MARKDOWN", across, f"{number}-{line}-{place}", size | {"code": key})
    tabs = {tab: f"TAB-{number}" for number, tab in enumerate(spec["tabs"])}
    return {
        "dashboard_title": spec["title"],
        "slug": spec["slug"],
        "published": True,
        "position": position,
        "metadata": {
            "label_colors": spec["colors"],
            "color_scheme": "supersetColors",
            "refresh_frequency": 0,
            "cross_filters_enabled": True,
            "filter_bar_orientation": "HORIZONTAL",
            "native_filter_configuration": [
                native_filter(said, spec, numbers, shown, tabs, defaults.get(said["name"], ()))
                for said in spec["filters"]
            ],
        },
        "uuid": ident("dashboard", spec["slug"]),
        "version": "1.0.0",
    }


def native_filter(
    said: dict[str, Any],
    spec: dict[str, Any],
    numbers: dict[str, int],
    shown: dict[str, list[str]],
    tabs: dict[str, str],
    default: tuple[Any, ...],
) -> dict[str, Any]:
    scope = said.get("tabs", list(tabs))
    left_out = [
        numbers[key]
        for tab in scope
        for key in shown[tab]
        if said["name"] in spec["charts"][key].get("ignore_filters", [])
    ]
    return {
        "id": f"NATIVE_FILTER-{spec['filters'].index(said)}",
        "name": said["name"],
        "description": said.get("help", ""),
        "type": "NATIVE_FILTER",
        "filterType": "filter_select",
        "targets": [
            {"datasetUuid": ident("dataset", spec["datasets"][said["dataset"]]), "column": {"name": said["column"]}}
        ],
        "controlValues": {
            "multiSelect": said.get("multiple", True),
            "defaultToFirstItem": False,
            "enableEmptyFilter": False,
            "inverseSelection": False,
            "searchAllOptions": False,
            "sortAscending": not said.get("descending", False),
        },
        "defaultDataMask": {
            "extraFormData": {"filters": [{"col": said["column"], "op": "IN", "val": list(default)}]}
            if default
            else {},
            "filterState": {"value": list(default), "label": ", ".join(default)} if default else {},
            "ownState": {},
        },
        "cascadeParentIds": [],
        "scope": {"rootPath": [tabs[tab] for tab in scope], "excluded": left_out},
    }


def write(files: dict[str, Any], archive: Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, told in files.items():
            zipped.writestr(f"wallchart/{name}", yaml.safe_dump(told, allow_unicode=True, sort_keys=False))


if __name__ == "__main__":
    write(bundle(Path(sys.argv[1]).absolute()), Path(sys.argv[2]))
