"""The hand-written script as models: a query a table, each with the models and the plan's tables that it reads.

For dbt and Dagster, which make a table from a query: what `create table` and `create view` of bench/script.sql and
bench/marts.sql say. Rows that the script inserts later make a version of the table: `broken`, `broken_2`, `broken_3`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import duckdb

from bench.script import text

MADE = re.compile(r'create (?:or replace )?(table|view) (?:w\.)?"?(\w+)"? as\s+(.*)', re.DOTALL)
EMPTY = re.compile(r"create table (?:w\.)?(\w+) \((.*)\)", re.DOTALL)
INSERTED = re.compile(r"insert into (?:w\.)?(\w+)\s+(.*)", re.DOTALL)
FROM_PLAN = re.compile(r"from '\$root/plan/(\w+)\.parquet'")
CTE = re.compile(r"(?:\bwith|,)\s+(\w+) as \(")
READ = re.compile(r"\b(from|join) (?:w\.)?(\w+)\b")


@dataclass(frozen=True)
class Model:
    """`query` names the models in `reads` and, as {plan:<file>}, the plan's tables."""

    name: str
    view: bool
    query: str
    reads: tuple[str, ...]


@dataclass(frozen=True)
class Script:
    macros: list[str]
    models: list[Model]
    stands_for: dict[str, str]  # of each table of the script, its last version

    def written(self, model: Model, plan: str, made: str) -> str:
        """The model's query with `plan` for the plan's tables and `made` for models; {} stands for the name."""
        query = re.sub(r"\{plan:(\w+)\}", lambda found: plan.format(found[1]), model.query)
        return re.sub(r"\{made:(\w+)\}", lambda found: made.format(found[1]), query)


def script(root: Path, as_of: str) -> Script:
    """The script as it runs on the files under `root`."""
    source = text()
    planned: dict[str, str] = {}  # of a table that only copies one of the plan's, which
    source = re.sub(r"(?m)^\s*--.*$", "", source).replace("getvariable('files')", "'$root/dropbox/*/*.csv'")
    figures = (Path(__file__).parent.parent / "expectations" / "figures.sql").read_text("utf-8")
    macros = [s.query.strip() for s in duckdb.extract_statements(figures)]
    latest: dict[str, str] = {}  # of a table of the script, the model that stands for it
    models: dict[str, Model] = {}
    columns: dict[str, str] = {}
    growing: dict[str, list[str]] = {}

    def placed(query: str) -> str:
        own = set(CTE.findall(query))

        def name(found: re.Match[str]) -> str:
            word, table = found[1], found[2]
            if table in own:
                return found[0]
            if table in latest:
                return f"{word} {{made:{latest[table]}}}"
            return f"{word} {{plan:{planned[table]}}}" if table in planned else found[0]

        return READ.sub(name, query)

    def add(name: str, view: bool, query: str) -> None:
        query = query.replace("$root", str(root)).replace("$as_of", as_of)
        reads = tuple(dict.fromkeys(re.findall(r"\{made:(\w+)\}", query)))
        models[name] = Model(name, view, query, reads)

    for each in duckdb.extract_statements(source.replace("attach '$out'", "attach 'out'")):
        said = each.query.strip().rstrip(";")
        if "macro" in said.split("(")[0]:
            macros.append(re.sub(r"^create (or replace )?", "create or replace ", said))
        elif found := MADE.fullmatch(said):
            kind, name, query = found.groups()
            if of_plan := FROM_PLAN.fullmatch(query):
                planned[name] = of_plan[1]
            elif not re.fullmatch(rf'from (w\.)?"?{name}"?', query):
                add(name, kind == "view", placed(query))
                latest[name] = name
        elif found := EMPTY.fullmatch(said):
            columns[found[1]] = found[2]
        elif found := INSERTED.fullmatch(said):
            name, query = found.groups()
            query = placed(query)
            stands = latest.get(name)
            if name not in growing or f"{{made:{stands}}}" in query or any(stands in m.reads for m in models.values()):
                growing[name] = [f"select * from {{made:{stands}}}"] if stands else []
                versions = sum(m == name or re.fullmatch(rf"{name}_\d+", m) is not None for m in models)
                latest[name] = f"{name}_{versions + 1}" if versions else name
            growing[name].append(_typed(query, columns.get(name)))
            add(latest[name], False, "\nunion all\n".join(growing[name]))
        elif not re.match(r"(set|drop|attach|checkpoint)\b", said):
            raise ValueError(f"neither a table nor rows: {said[:200]}")
    return Script(macros, list(models.values()), latest)


def _typed(query: str, columns: str | None) -> str:
    """A SELECT whose columns have the names and types of the table into which the script puts them."""
    if columns is None:
        return f"select * from ({query})"
    named = [c.split() for c in columns.split(", ")]
    cast = ", ".join(f"cast({name} as {kind}) as {name}" for name, kind in named)
    return f"select {cast} from ({query}) t({', '.join(name for name, _ in named)})"
