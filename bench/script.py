"""The hand-written script (script.sql), in a process of its own: DuckDB and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.stages import Stages

HERE = Path(__file__).parent


def main(root: Path, as_of: str) -> None:
    with Stages() as stage:
        with stage("imports"):
            import duckdb
        text = (HERE / "script.sql").read_text("utf-8")
        for mart in ("progress", "capability_score", "scorecard"):  # plain SQL by hand already: the same text
            text = text.replace(f"${mart}", (HERE.parent / "warehouse" / "marts" / f"{mart}.sql").read_text("utf-8"))
        out = root / "script.duckdb"
        for name, value in {"root": root, "out": out, "as_of": as_of}.items():
            text = text.replace(f"${name}", str(value))
        with duckdb.connect() as con:
            con.execute((HERE.parent / "expectations" / "figures.sql").read_text("utf-8"))
            for part in text.split("-- stage: ")[1:]:
                name, _, sql = part.partition("\n")
                with stage(name):
                    con.execute(sql)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
