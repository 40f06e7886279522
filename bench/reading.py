"""`python -m bench.reading`: files to rows against the bare read of the library beneath; thousands of small files in one night.

The bare read lays the same file out as text and does nothing else: no header, no periods, no units, no place of a cell.
Both start from the file's bytes on disk. The ratio holds within one run on one machine. All figures are SYNTHETIC.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import fastexcel
import polars as pl

from bench.report import OUT, SAID, child, machine, remove
from bench.stages import Stages, cpu

HEADER = ["指标编码", "报告期", "地区", "数值", "单位", "口径", "说明"]
XLS_ROWS = 50_000  # of a sheet; the format ends at 65,536
SMALL = 10  # rows of a small file


def write_files(folder: Path, rows: int) -> None:
    """The same synthetic rows in every format."""
    import xlsxwriter
    import xlwt

    random.seed(2022)
    table = [
        [f"indicator_{n % 200}", f"2022-{n % 12 + 1:02}", f"{210100 + n % 13}", round(random.random() * 1e4, 2), "亿元", "", "合成" if n % 10 else "合成,样例"]
        for n in range(rows)
    ]  # fmt: skip
    frame = pl.DataFrame(table, schema=HEADER, orient="row")
    frame.with_columns(pl.col("说明").str.replace(",", ";")).write_csv(folder / "plain.csv")
    frame.write_csv(folder / "quoted.csv")
    frame.write_ndjson(folder / "records.jsonl")
    (folder / "records.json").write_text(json.dumps(frame.to_dicts(), ensure_ascii=False), "utf-8")
    frame.write_parquet(folder / "records.parquet")
    for name, shown in (("book.xlsx", "0.00"), ("percent.xlsx", "0.0%")):
        with xlsxwriter.Workbook(folder / name, {"constant_memory": True}) as book:
            sheet, style = book.add_worksheet(), book.add_format({"num_format": shown})
            for n, line in enumerate([HEADER, *table]):
                sheet.write_row(n, 0, line)
                if n:
                    sheet.write_number(n, 3, line[3], style)
    old = xlwt.Workbook()
    for start in range(0, rows, XLS_ROWS):
        sheet = old.add_sheet(f"{start // XLS_ROWS + 1}")
        for n, line in enumerate([HEADER, *table[start : start + XLS_ROWS]]):
            for column, cell in enumerate(line):
                sheet.write(n, column, cell)
    old.save(folder / "book.xls")


def workbook(file: Path) -> None:
    book = fastexcel.read_excel(file.read_bytes())
    for n in range(len(book.sheet_names)):
        book.load_sheet(n, header_row=None, skip_rows=0, dtypes="string").to_polars()


def by_duckdb(query: str) -> Callable[[Path], object]:
    def read(file: Path) -> object:
        with duckdb.connect() as con:
            return con.sql(query.format(file=file)).to_arrow_table()

    return read


CSV_POLARS = ("Polars", lambda file: pl.read_csv(file.read_bytes(), infer_schema=False, has_header=False))
CSV_DUCKDB = ("DuckDB", by_duckdb("from read_csv('{file}', all_varchar = true, header = false)"))
BARE: list[tuple[str, list[tuple[str, Callable[[Path], object]]]]] = [
    ("book.xlsx", [("calamine", workbook)]),
    ("percent.xlsx", [("calamine", workbook)]),
    ("book.xls", [("calamine", workbook)]),
    ("plain.csv", [CSV_POLARS, CSV_DUCKDB]),
    ("quoted.csv", [CSV_POLARS, CSV_DUCKDB]),
    ("records.jsonl", [("Polars", lambda f: pl.read_ndjson(f.read_bytes())), ("DuckDB", by_duckdb("from read_json('{file}')"))]),
    ("records.json", [("Polars", lambda f: pl.read_json(f.read_bytes())), ("DuckDB", by_duckdb("from read_json('{file}')"))]),
    ("records.parquet", [("Polars", lambda f: pl.read_parquet(f.read_bytes())), ("DuckDB", by_duckdb("from read_parquet('{file}')"))]),
]  # fmt: skip


def timed(read: Callable[[], object]) -> tuple[float, float]:
    began, spent = time.perf_counter(), cpu()
    read()
    return time.perf_counter() - began, cpu() - spent


def measured(folder: Path, rows: int, turns: int) -> list[dict[str, Any]]:
    """Ours and the bare reads by turns; medians, and the median of each turn's ratio."""
    from warehouse import readers

    found = []
    for name, bare in BARE:
        file = folder / name

        def ours(file: Path = file) -> None:
            reading = readers.read(file.read_bytes(), file.name)
            if reading.rows.height != rows:
                raise SystemExit(f"{file.name}: {reading.rows.height} of {rows} rows, {reading.fault}")

        ours()
        mine: list[tuple[float, float]] = []
        theirs: dict[str, list[tuple[float, float]]] = {library: [] for library, _ in bare}
        for _ in range(turns):
            mine.append(timed(ours))
            for library, read in bare:
                theirs[library].append(timed(partial(read, file)))
        for library, took in theirs.items():
            pairs = list(zip(mine, took, strict=True))
            found.append({
                "file": name, "bare": library,
                "ours_s": statistics.median(m[0] for m in mine), "bare_s": statistics.median(t[0] for t in took),
                "ratio": statistics.median(m[0] / t[0] for m, t in pairs),
                "cpu_ratio": statistics.median(m[1] / max(t[1], 0.01) for m, t in pairs),
                "rows_s": rows / statistics.median(m[0] for m in mine),
            })  # fmt: skip
            SAID.print(_line(found[-1]))
    return found


def _line(m: dict[str, Any]) -> str:
    return (
        f"| {m['file']} | {m['bare']} | {m['bare_s']:.3f} | {m['ours_s']:.3f} | {m['ratio']:.1f} | {m['cpu_ratio']:.1f}"
        f" | {m['rows_s']:,.0f} |"
    )


def small_files(files: int, root: Path) -> None:
    """Lands and reads so many small files, in a process of its own."""
    with Stages() as stage:
        with stage("imports"):
            from expectations.load import PLANS, load_plan
            from warehouse import apart, landing, reading
            from warehouse.store import Store
        plan = load_plan(PLANS / "shenyang-2022")
        departments = [d.department for d in plan.departments]
        for n in range(files):
            file = root / "dropbox" / departments[n % len(departments)] / f"synthetic-{n}.csv"
            file.parent.mkdir(parents=True, exist_ok=True)
            lines = [f"deposits,2022-{m + 1:02},{n}.{m},亿元" for m in range(SMALL)]
            file.write_text("\n".join(["指标编码,报告期,数值,单位", *lines]), "utf-8")
            os.utime(file, (1.67e9 + n, 1.67e9 + n))
        store, now = Store(root / "data"), dt.datetime(2023, 3, 15, tzinfo=dt.UTC)
        with stage("land"):
            landing.land(store, [(root / "dropbox").as_uri()], plan, now)
        with stage("read"):
            reading.read_landed(store, plan)
            apart.close()  # so that what it took is counted
        with stage("nothing new"):
            reading.read_landed(store, plan)


def main() -> None:
    if sys.argv[1:2] == ["small"]:
        small_files(int(sys.argv[2]), Path(sys.argv[3]))
        return
    arguments = argparse.ArgumentParser(prog="python -m bench.reading", description=__doc__)
    arguments.add_argument("--rows", type=int, default=100_000)
    arguments.add_argument("--turns", type=int, default=5)
    arguments.add_argument("--files", type=int, nargs="*", default=[500, 5000], help="small files in one night")
    arguments.add_argument("--note", default="", help="a remark to stand with the results")
    arguments.add_argument("--record", action="store_true", help="add the tables to bench/RESULTS.md")
    chosen = arguments.parse_args()
    folder = OUT / "reading"
    remove(folder)
    folder.mkdir(parents=True)
    load = os.getloadavg()[0]
    write_files(folder, chosen.rows)
    SAID.print(f"{chosen.rows:,} rows; bare s, ours s, ratio, CPU ratio, our rows a second")
    lines = ["| file | bare read | bare s | ours s | ratio | CPU ratio | rows/s |", "|---" * 7 + "|"]
    lines += [_line(m) for m in measured(folder, chosen.rows, chosen.turns)]
    for files in chosen.files:
        with contextlib.ExitStack() as after:
            root = folder / f"small-{files}"
            after.callback(remove, root)
            run = child("reading", "small", files, root)
        wall, spent = run["wall"]["read"], run["cpu"]["read"]
        said = (
            f"{files:,} files of {SMALL} rows: landed in {run['wall']['land']:.1f} s, read in {wall:.1f} s"
            f" ({files / wall:,.0f} files/s, {1000 * spent / files:.1f} ms CPU a file), nothing new"
            f" {run['wall']['nothing new']:.2f} s, peak {run['peak_mb']:,.0f} MB"
        )
        SAID.print(said)
        lines.append(f"\n{said}")
    remove(folder)
    head = f"## Reading, {dt.date.today()}\n\n{chosen.rows:,} rows. {machine()}. Load average at the start {load:.1f}. {chosen.note}\n"
    if chosen.record:
        with open(Path(__file__).parent / "RESULTS.md", "a", encoding="utf-8") as stream:
            stream.write("\n" + "\n".join([head, *lines, ""]))


if __name__ == "__main__":
    main()
