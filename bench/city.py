"""A year of about N rows: a plan with many areas, and the files that its departments send. Seeded: same bytes.

About 5 % of the values are written the ways people write them, 2 % break a rule V, 1 % are not reported at all, 2 % are
corrected a month later, one file in twenty is late. All figures are SYNTHETIC.
"""

from __future__ import annotations

import calendar
import csv
import datetime as dt
import hashlib
import os
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from expectations.compiled import compiled
from expectations.load import PLANS, load_plan
from expectations.model import Area, Plan
from expectations.units import BASES, MULTIPLES, SPELLINGS, unit

SEED = 2022
AS_OF = dt.datetime(2023, 3, 15, tzinfo=dt.UTC)
HEADER = ["指标编码", "报告期", "地区", "数值", "单位", "口径", "说明"]
FULL_WIDTH = str.maketrans("0123456789.-", "０１２３４５６７８９．－")
WRITTEN = ["{y}-{m:02}", "{y}{m:02}", "{y}/{m}", "{y}.{m}", "{y}年{m}月", "{y}年{m:02}月"]
OTHERS = {"亿元": ("万元", 1e4), "万人次": ("人次", 1e4), "万人": ("人", 1e4), "亿美元": ("万美元", 1e4)}
COUNTERS = {"个": "家", "家": "户", "条": "项", "次": "场"}


def plan_of(rows: int) -> Plan:
    """The real plan, every indicator monthly and reported for as many areas as make `rows` rows a year."""
    plan = load_plan(PLANS / "shenyang-2022")
    wanted = max(2, round(rows / 12 / len(plan.indicators)))
    codes = [plan.city, *[c for n in range(wanted) if (c := f"{100001 + 7 * n:06}") != plan.city][: wanted - 1]]
    areas = [Area(area=c, name_zh=f"第{n}区", name_en=f"District {n}") for n, c in enumerate(codes)]
    return plan.model_copy(
        update={
            "head": plan.head.model_copy(update={"areas": areas}),
            "indicators": [i.model_copy(update={"frequency": "month", "areas": codes}) for i in plan.indicators],
            "digest": hashlib.sha256(f"bench {rows} {plan.digest}".encode()).hexdigest(),
        }
    )


def write_year(plan: Plan, root: Path) -> int:
    """The files of the year in drop boxes under `root/dropbox`, `root/received.csv` (path, department, received_at), and
    the plan's tables as Parquet under `root/plan` for the script. Returns the rows written."""
    tables = compiled(plan)
    (root / "plan").mkdir(parents=True)
    for name, table in tables.items():
        table.write_parquet(root / "plan" / f"{name}.parquet")
    _units().write_parquet(root / "plan" / "unit.parquet")
    zone = ZoneInfo(plan.head.timezone)
    owed: dict[str, list[int]] = {}
    for n, i in enumerate(plan.indicators):
        owed.setdefault(plan.policy.lead_department[i.indicator], []).append(n)
    codes = np.array([a.area for a in plan.head.areas])
    names = np.array([a.name_zh for a in plan.head.areas])
    goals = _goals(plan, tables)
    received, total = [], 0
    for d, (department, indicators) in enumerate(sorted(owed.items())):
        box = root / "dropbox" / department
        box.mkdir(parents=True)
        last: pl.DataFrame | None = None
        for month in range(1, 14):
            year, m = (2022, month) if month < 13 else (2023, 1)
            days = calendar.monthrange(year, m)[1]
            arrived = dt.datetime(year, m, days, 9, tzinfo=zone) + dt.timedelta(days=6, hours=d)
            if (d + 3 * month) % 20 == 0:
                arrived += dt.timedelta(days=20)
            if last is not None:  # what is corrected of the month before
                file = box / f"synthetic-correction-{month - 1:02}.csv"
                some = last.filter(pl.col("u").is_between(0.40, 0.42))
                some = some.with_columns(value=pl.col("again"), note=pl.lit("更正"))
                if some.height:
                    total += _write(some, file, arrived - dt.timedelta(hours=1))
                    received.append((file, department, arrived - dt.timedelta(hours=1)))
            if month == 13:
                continue
            rng = np.random.default_rng([SEED, d, month])
            last = _month(plan, indicators, goals, codes, names, month, rng, d)
            file = box / f"synthetic-2022-{month:02}.csv"
            total += _write(last, file, arrived)
            received.append((file, department, arrived))
    with open(root / "received.csv", "w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "path", "department", "received_at"])
        for file, department, at in received:
            path = file.relative_to(root / "dropbox").as_posix()
            writer.writerow([file, path, department, at.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%S+00")])
    return total


def _goals(plan: Plan, tables: dict[str, pl.DataFrame]) -> list[float]:
    """A likely year's end of each indicator: its target, its baseline, or a hundred."""
    goal = dict(tables["target"].filter(pl.col("goal") > 0).select("indicator", "goal").rows())
    base = dict(tables["baseline"].select("indicator", "value").rows())
    return [
        goal.get(i.indicator) or base.get(i.indicator) or (5.0 if i.unit == "%" else 100.0) for i in plan.indicators
    ]


def _month(
    plan: Plan, indicators: list[int], goals: list[float], codes: np.ndarray, names: np.ndarray, month: int,
    rng: np.random.Generator, d: int,
) -> pl.DataFrame:  # fmt: skip
    """The rows of a department's file for a month; u (what became of the row) and again (its correction) beside."""
    parts = []
    for n in indicators:
        i = plan.indicators[n]
        steady = np.random.default_rng([SEED, n]).random(codes.size)  # of an area, the year round
        wobble = rng.random(codes.size)
        if i.accumulates == "flow":
            value = goals[n] * month / 12 * (0.8 + 0.4 * steady)
        elif i.accumulates == "stock":
            value = goals[n] * (0.9 + 0.15 * steady + 0.01 * wobble)
        else:
            value = np.abs(goals[n] - 3 * steady + wobble)
            value = np.minimum(value, i.possible_high if i.possible_high is not None else np.inf)
        value = np.round(value, 0 if i.whole_number else 4)
        if i.measure == "rank":
            value = np.maximum(value, 1)
        u = rng.random(codes.size)
        text = pl.Series(value).cast(pl.String).str.strip_suffix(".0").to_list()
        again = pl.Series(np.round(value * 1.01, 0 if i.whole_number else 4)).cast(pl.String).str.strip_suffix(".0")
        columns: dict[str, list] = {
            "indicator": [i.indicator] * codes.size,
            "period": [_period(month, month + d)] * codes.size,
            "area": (codes if month % 3 else names).tolist(),
            "value": text,
            "unit": [i.unit if month % 2 else None] * codes.size,
            "measure": [None] * codes.size,
            "note": [None] * codes.size,
        }
        doubled = _rough(plan, n, value, u, columns, month)
        part = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)).with_columns(u=pl.Series(u), again=again)
        parts += [part.filter(pl.col("u") < 0.99), part[doubled].with_columns(value=pl.col("again"))]
    return pl.concat(parts)


def _period(month: int, n: int) -> str:
    return WRITTEN[n % len(WRITTEN)].format(y=2022, m=month)


def _rough(plan: Plan, n: int, value: np.ndarray, u: np.ndarray, columns: dict[str, list], month: int) -> list[int]:
    """Writes the rows with u < 0.1 the way that people do; returns those given twice. u >= 0.99 is never reported."""
    i = plan.indicators[n]
    doubled = []
    text = columns["value"]
    other = next(
        x.indicator for x in plan.indicators if plan.policy.lead_department[x.indicator] != plan.policy.lead_department[i.indicator]
    )  # fmt: skip
    for k in np.flatnonzero(u < 0.1).tolist():
        at, v = int(u[k] * 1000), float(value[k])
        if at < 10:
            text[k] = f"{v:,.4f}".rstrip("0").rstrip(".")
        elif at < 17:
            text[k] = text[k].translate(FULL_WIDTH)
        elif at < 24:
            text[k] = f"{v / 1e4!r}万" if v >= 1 and i.unit != "%" else f"增长{text[k]}%" if i.unit == "%" else text[k]
        elif at < 29:
            text[k] = f"约{text[k]}" if at < 27 else f"{text[k]}左右"
        elif at < 36:
            text[k] = f"{text[k]}{i.unit}" if "/" not in i.unit else text[k]
        elif at < 46 and i.unit in OTHERS:
            columns["unit"][k], factor = OTHERS[i.unit]
            text[k] = f"{v * factor:.2f}".rstrip("0").rstrip(".")
        elif at < 51:
            text[k] = "—" if at < 49 else "暂无"
        elif at < 53:
            columns["indicator"][k] = f"x_{i.indicator}"
        elif at < 54:
            columns["indicator"][k] = other
        elif at < 56:
            columns["period"][k] = "三月份"
        elif at < 57:
            columns["period"][k] = "2022-12" if month < 11 else "2019-05"
        elif at < 59:
            text[k] = "#DIV/0!" if k % 2 else "见附件"
        elif at < 61:
            columns["unit"][k] = "福林"
        elif at < 63:
            columns["unit"][k] = "人" if i.unit != "万人" else "元"
        elif at < 65:
            text[k] = "-12345.5"
        elif at < 66:
            doubled.append(k)
        elif at < 67:
            columns["measure"][k] = "位次" if i.measure != "rank" else "累计"
        elif at < 68:
            columns["area"][k] = "999999"
        elif at < 71:
            text[k] = f"{v * 10:.4f}".rstrip("0").rstrip(".")
            columns["note"][k] = "情况属实" if at == 70 else None
        elif at < 73 and i.measure == "ytd":
            text[k] = f"{v * 0.5:.0f}"
        elif at < 78 and i.unit in COUNTERS:
            columns["unit"][k] = COUNTERS[i.unit]
    return [k for k in doubled if not i.whole_number or value[k] > 100]


def _write(rows: pl.DataFrame, file: Path, at: dt.datetime) -> int:
    rows = rows.select("indicator", "period", "area", "value", "unit", "measure", "note")
    rows.columns = HEADER
    rows.write_csv(file)
    os.utime(file, (at.timestamp(), at.timestamp()))
    return rows.height


def _units() -> pl.DataFrame:
    """Every unit that departments write, as the project reads it: name, dimension, factor, is_counter."""
    simple = [*BASES, *SPELLINGS, *(m + b for m in MULTIPLES for b in BASES)]
    names = [*simple, "件/万人", "人/千人", "公里/平方公里"]
    found = [(n, *u[1:], u.is_counter) for n in dict.fromkeys(names) if (u := unit(n))]
    schema = {"name": pl.String, "dimension": pl.String, "factor": pl.Float64, "is_counter": pl.Boolean}
    return pl.DataFrame(found, schema=schema, orient="row")
