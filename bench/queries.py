"""`python -m bench.queries [OBSERVATIONS]`: what an analyst waits for, on a release of so many observations.

Twenty queries as BI tools send them, each through a fresh read-only connection of its own and through one connection; how
long publishing takes; and a night on which one department has corrected one month, against judging everything anew (two
years of `--rows` rows in drop boxes, as `python -m bench` makes them).
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from bench.city import plan_of, write_years
from bench.marts import OURS
from bench.report import OUT, SAID, add_record, child, machine, remove, shown, total

REFRESH = ["validity", "quality", "marts", "release"]
TIMES = 5
QUERIES = {
    "targets by status now": "select status, count(*) from (select target, status from progress qualify row_number() over (partition by"
    " target order by period_end desc) = 1) group by all order by all",
    "the wall chart: each target's latest figure": "select p.target, t.clause, p.actual, p.target_value, p.status, i.name_zh from progress p"
    " join target t using (target) join indicator i on i.indicator = p.indicator where p.period = '2022-12' order by p.target",
    "one target's line against its trajectory": "select period, actual, expected, forecast, forecast_low, forecast_high from progress"
    " where target = $target order by period_end",
    "capability scores by quarter": "select c.name_zh, s.period, s.score from capability_score s join capability c using (capability)"
    " where s.period like '____Q_' order by all",
    "department ranking": "select d.name_zh, s.score, rank() over (order by s.score desc nulls last) from scorecard s"
    " join department d using (department) where quarter = '2022Q4' order by all",
    "who is late: obligations by department and state": "select department, state, count(*) from obligation group by all order by all",
    "missing figures, latest first": "select department, indicator, area, period, due_at from obligation where state = 'missing'"
    " order by due_at desc, department, indicator, area, period limit 100",
    "timeliness by month": "select period, count(*) filter (where state = 'on_time') / count(*) from obligation group by all order by all",
    "findings by rule and severity": "select rule, severity, count(*) from finding group by all order by all",
    "unanswered warnings of one department": "select rule, message_zh from finding where department = $department and severity = 'warning'"
    " and not confirmed order by weight desc, finding limit 100",
    "search in messages": "select rule, message_zh from finding where message_zh like '%更正%' limit 50",
    "submissions received by week": "select date_trunc('week', received_at), status, count(*) from submission group by all order by all",
    "one indicator over time, all districts": "select period, sum(value), avg(value) from observation where indicator = $indicator"
    " and known_to is null group by all order by all",
    "one indicator, one district": "select period, value, unit from observation where indicator = $indicator and area = $area"
    " and known_to is null order by period_end",
    "districts ranked in one month": "select a.name_zh, o.value from observation o join area a using (area) where o.indicator = $indicator"
    " and o.period = '2022-11' and o.known_to is null order by o.value desc limit 20",
    "one month, average of every indicator": "select indicator, avg(value) from observation where period = '2022-11' and known_to is null"
    " group by all order by all",
    "figures revised, by department": "select department, count(*) from observation where replaced_value is not null group by all order by all",
    "how many figures there are": "select count(*), count(distinct indicator), count(distinct area) from observation",
    "as known in the middle of the year": "select count(*), sum(value) from observation_as_known_at(timestamptz '2022-07-15 00:00:00+08')"
    " where indicator = $indicator",
    "progress as known in the middle of the year": "select status, count(*) from progress_as_known_at(timestamptz '2022-07-15 00:00:00+08')"
    " group by all order by all",
}  # fmt: skip


def asked(file: Path) -> dict[str, Any]:
    """In a process of its own: the median milliseconds of each query, through a connection each and through one."""
    with duckdb.connect(str(file), read_only=True) as con:
        [(target,)] = con.execute(
            "select target from progress where actual is not null order by target limit 1"
        ).fetchall()
        [(wide,)] = con.execute(
            "select indicator from observation group by 1 order by count(*) desc, 1 limit 1 offset 20"
        ).fetchall()
        [(area,)] = con.execute("select max(area) from area").fetchall()
        [(department,)] = con.execute(
            "select department from finding group by 1 order by count(*) desc, 1 limit 1"
        ).fetchall()
    values = {"target": target, "indicator": wide, "area": area, "department": department}

    @contextmanager
    def fresh() -> Iterator[duckdb.DuckDBPyConnection]:
        with duckdb.connect(str(file), read_only=True) as con:
            yield con

    def median(connected: Any, query: str) -> float:
        taken = []
        chosen = {k: v for k, v in values.items() if f"${k}" in query}
        for _ in range(TIMES):
            began = time.perf_counter()
            with connected() as con:
                con.execute(query, chosen).fetchall()
            taken.append(1000 * (time.perf_counter() - began))
        return statistics.median(taken)

    each = {name: median(fresh, query) for name, query in QUERIES.items()}
    with duckdb.connect(str(file), read_only=True) as held:

        @contextmanager
        def same() -> Iterator[duckdb.DuckDBPyConnection]:
            yield held

        one = {name: median(same, query) for name, query in QUERIES.items()}
    return {"fresh": each, "one": one}


def released(size: int) -> dict[str, Any]:
    root = OUT / f"queries-{size}"
    remove(root)
    root.mkdir(parents=True)
    SAID.print(f"{size:,} observations: judged months, marts, release")
    child("judged", root, size)
    ours = child("marts", "ours", root, size)
    file = root / "data" / "warehouse" / "current" / "warehouse.duckdb"
    found = child("queries", "asked", file)
    with duckdb.connect(str(file), read_only=True) as con:
        [(rows,)] = con.execute("select count(*) from observation").fetchall()
    found |= {
        "rows": rows,
        "publish": ours["wall"]["release"],
        "marts": total(ours, OURS),
        "mb": file.stat().st_size / 1e6,
    }
    remove(root)
    return found


def touched(rows: int) -> dict[str, Any]:
    """Seconds of a refresh of everything, and of one after a department has corrected one month."""
    root = OUT / f"touched-{rows}"
    remove(root)
    root.mkdir(parents=True)
    SAID.print(f"{rows:,} rows: two years, judged whole; then one department corrects November")
    write_years(plan_of(rows), root)
    child("ours", "read", rows, root)
    whole = child("ours", "refresh", rows, root)
    sent = next(iter(sorted((root / "dropbox").glob("*/synthetic-2022-11.csv"))))
    with open(sent, newline="", encoding="utf-8") as stream:
        header, *lines = csv.reader(stream)
    value, note = header.index("数值"), header.index("说明")
    for line in lines[:100]:
        line[value], line[note] = "1", "更正"
    again = sent.with_name("synthetic-again-2022-11.csv")
    with open(again, "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *lines[:100]])
    at = dt.datetime(2023, 1, 20, tzinfo=dt.UTC).timestamp()
    os.utime(again, (at, at))
    child("ours", "read", rows, root)
    part = child("ours", "refresh", rows, root)
    remove(root)
    return {"rows": rows, "whole": whole, "part": part}


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench.queries", description=__doc__)
    arguments.add_argument("size", nargs="?", type=int, default=1_000_000, help="observations of the release")
    arguments.add_argument(
        "--rows", type=int, default=1_000_000, help="rows of the two years of which a month is touched"
    )
    arguments.add_argument("--note", default="", help="a remark to stand with the results")
    arguments.add_argument("--record", action="store_true", help="add the table to bench/RESULTS.md")
    chosen = arguments.parse_args()
    head = machine(chosen.note)
    found = released(chosen.size)
    columns = [
        {"query": how, **{name: f"{found[key][name]:,.0f} ms" for name in QUERIES},
         "median": f"{statistics.median(found[key].values()):,.0f} ms", "worst": f"{max(found[key].values()):,.0f} ms"}
        for how, key in (("a connection each", "fresh"), ("one connection", "one"))
    ]  # fmt: skip
    lines = shown(f"Twenty queries on {found['rows']:,} observations", columns)
    night = touched(chosen.rows)
    whole, part = (total(night[which], REFRESH) for which in ("whole", "part"))
    stages = {w: ", ".join(f"{s} {night[w]['wall'][s]:.1f}" for s in REFRESH) for w in ("whole", "part")}
    said = [
        f"{found['rows']:,} observations, a file of {found['mb']:,.0f} MB; publishing it took {found['publish']:.1f} s.",
        f"A night on which one department corrected one month of {night['rows']:,} rows: {part:.1f} s ({stages['part']});"
        f" judging everything anew {whole:.1f} s ({stages['whole']}); {part / whole:.2f} of it.",
    ]
    for line in said:
        SAID.print(line)
        lines += ["", line]
    add_record(
        "queries",
        "Queries, publishing, a touched month",
        head,
        lines,
        {"queries": found, "night": night},
        record=chosen.record,
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["asked"]:
        print(json.dumps(asked(Path(sys.argv[2]))))
    else:
        main()
