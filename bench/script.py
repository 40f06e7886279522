"""The hand-written script (script.sql, marts.sql), in a process of its own: DuckDB and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.stages import Stages

HERE = Path(__file__).parent


NOT_MADE = {"reconciliation"}  # it rests on what the rules across submissions found, which the script does not keep


def marts() -> str:
    """marts.sql, with the project's own text of the marts that nobody would write otherwise, and the plan's tables."""
    from warehouse import marts as ours

    text = (HERE / "marts.sql").read_text("utf-8")
    own = [
        f"create table w.{table} as {ours.sql(table)};\ncreate or replace view {table} as from w.{table};"
        for table in ours.MADE
        if table not in NOT_MADE and f"create table w.{table} as" not in text
    ]
    plan = [f"create table w.{table} as from {table};" for table in ours.FROM_PLAN]
    return text.replace("$own", "\n".join(own)).replace("$plan_tables", "\n".join(plan))


def text() -> str:
    """The whole script: from the files to the tables of the marts."""
    return (HERE / "script.sql").read_text("utf-8").replace("$marts", marts())


def run(text: str, stage: Stages, **replaced: object) -> None:
    """Each stage of the text in one connection."""
    import duckdb

    for name, value in replaced.items():
        text = text.replace(f"${name}", str(value))
    with duckdb.connect() as con:
        con.execute((HERE.parent / "expectations" / "figures.sql").read_text("utf-8"))
        for part in text.split("-- stage: ")[1:]:
            name, _, sql = part.partition("\n")
            with stage(name):
                con.execute(sql)


def main(root: Path, as_of: str) -> None:
    with Stages() as stage:
        with stage("imports"):
            import duckdb  # noqa: F401
        run(text(), stage, root=root, out=root / "script.duckdb", as_of=as_of)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
