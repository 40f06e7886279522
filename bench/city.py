"""Two years of about N rows: a plan with many areas, and the files that its departments send. Seeded: same bytes.

The year before the plan's is history: nothing is owed for it. Growth rates follow from levels, a share from its parts; the
areas of some amounts add up to the city's; a second department reports some figures, and of some the city's is published.
About 5 % of the values are written the ways people write them, 2 % break a rule V, 1 % are not reported at all, 1 % slip
by a power of ten, 2 % are corrected a month later (after the lock, at a quarter's end), one file in twenty is late, one
correction in ten is withdrawn. All figures are SYNTHETIC.
"""

from __future__ import annotations

import calendar
import csv
import datetime as dt
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from expectations.compiled import compiled
from expectations.load import PLANS, load_plan
from expectations.model import Area, Department, Plan, Published
from expectations.policy import Deadline, Filing, Reopening
from expectations.units import BASES, MULTIPLES, SPELLINGS, unit

SEED = 2022
MONTHS = 24  # the year before the plan, and its own, where nothing else is asked for
ADDING = 3  # areas of an amount that add up: the city and two more
AS_OF = dt.datetime(2023, 3, 15, tzinfo=dt.UTC)
FIELDS = ["indicator", "period", "area", "value", "unit", "measure", "note"]
HEADER = ["指标编码", "报告期", "地区", "数值", "单位", "口径", "说明"]
FULL_WIDTH = str.maketrans("0123456789.-", "０１２３４５６７８９．－")
WRITTEN = ["{y}-{m:02}", "{y}{m:02}", "{y}/{m}", "{y}.{m}", "{y}年{m}月", "{y}年{m:02}月"]
OTHERS = {"亿元": ("万元", 1e4), "万人次": ("人次", 1e4), "万人": ("人", 1e4), "亿美元": ("万美元", 1e4)}
COUNTERS = {"个": "家", "家": "户", "条": "项", "次": "场"}


@dataclass(frozen=True)
class City:
    """About so many rows in so many months; `departments` that report (0: the plan's), `copies` of each indicator."""

    rows: int
    months: int = MONTHS
    departments: int = 0
    copies: int = 1

    @classmethod
    def said(cls, text: str) -> City:
        """`1000000`, `1000000:months=36`."""
        rows, *more = text.split(":")
        return cls(int(rows), **{name: int(number) for name, _, number in (m.partition("=") for m in more)})

    def __str__(self) -> str:
        return f"{self.rows}:months={self.months}:departments={self.departments}:copies={self.copies}"

    def plan(self) -> Plan:
        """The real plan with these departments and copies, and as many areas as it takes."""
        plan = load_plan(PLANS / "shenyang-2022")
        lead = plan.policy.lead_department
        indicators = [
            i if n == 1 else i.model_copy(update={
                "indicator": f"{i.indicator}_{n}", "name_zh": f"{i.name_zh}{n}", "name_en": f"{i.name_en} {n}", "aliases": [],
                "level": None, "growth_from_levels": False, "numerator": None, "denominator": None,
            })
            for n in range(1, self.copies + 1)
            for i in plan.indicators
        ]  # fmt: skip
        leads = [lead[i.indicator] for i in plan.indicators] * self.copies
        departments = plan.departments
        if self.departments:
            named = [d.department for d in departments][: self.departments]
            more = [f"office_{n}" for n in range(len(named), self.departments)]
            departments = [*departments, *(Department(department=d, name_zh=f"第{d}局", name_en=d) for d in more)]
            leads = [[*named, *more][n % self.departments] for n in range(len(leads))]
        led = {i.indicator: d for i, d in zip(indicators, leads, strict=True)}
        plan = plan.model_copy(
            update={
                "head": plan.head.model_copy(update={"history_from": dt.date(2023 - self.months // 12, 1, 1)}),
                "departments": departments,
                "indicators": indicators,
                "policy": plan.policy.model_copy(update={"lead_department": led}),
                "digest": hashlib.sha256(f"{self} {plan.digest}".encode()).hexdigest(),
            }
        )
        return _wide(plan, self.rows, self.months)


def plan_of(rows: int) -> Plan:
    return City(rows).plan()


def _wide(plan: Plan, rows: int, months: int) -> Plan:
    """The plan, every indicator monthly and reported for as many areas as make `rows` rows in so many months, locked a
    month after each quarter, with more co-reporters, sums of areas and published figures than the plan has."""
    parts = {c for i in plan.indicators for c in (i.level, i.numerator, i.denominator) if c}
    adding = {
        i.indicator
        for i in plan.indicators
        if i.adds_up or (i.accumulates != "rate" and not i.whole_number and i.indicator not in parts)
    }
    lead = plan.policy.lead_department
    seconds = {i.indicator: ["statistics"] for i in plan.indicators[::12] if lead[i.indicator] != "statistics"}
    seconds |= {
        c: more for c, others in plan.policy.co_reporters.items() if (more := [d for d in others if d != lead[c]])
    }
    wide = [i.indicator for i in plan.indicators if i.indicator not in adding]
    series = len(wide) + sum(c in seconds for c in wide)
    fixed = ADDING * (len(adding) + sum(c in seconds for c in adding))
    wanted = max(ADDING, round((rows / months - fixed) / series))
    codes = [plan.city, *[c for n in range(wanted) if (c := f"{100001 + 7 * n:06}") != plan.city][: wanted - 1]]
    areas = [Area(area=c, name_zh=f"第{n}区", name_en=f"District {n}") for n, c in enumerate(codes)]
    indicators = [
        i.model_copy(
            update={
                "frequency": "month",
                "adds_up": i.indicator in adding,
                "areas": codes[:ADDING] if i.indicator in adding else codes,
            }
        )
        for i in plan.indicators
    ]
    policy = plan.policy.model_copy(
        update={
            "co_reporters": seconds,
            "filing": Filing(
                certify=Deadline(working_days=20),
                lock=Deadline(days=32),
                reopened=[
                    Reopening(department=d, quarter="2022Q2", opens=dt.date(2022, 7, 1), until=dt.date(2022, 12, 31), by="考核办", why="合成")
                    for d in sorted(set(lead.values()))[::3]
                ],
            ),
        }
    )  # fmt: skip
    city = plan.model_copy(
        update={
            "head": plan.head.model_copy(update={"areas": areas}),
            "indicators": indicators,
            "policy": policy,
            "digest": hashlib.sha256(f"bench {rows} {plan.digest}".encode()).hexdigest(),
        }
    )
    figures = Figures(city)
    published = [
        Published(
            indicator=i.indicator, period=f"2022-{month:02}", unit=i.unit, measure=i.measure, publisher="合成公报", tier="B",
            value=float(np.round(figures.of(n, months - 13 + month)[0] * (1.1 if n % 2 else 1), 1)), approximate=n % 5 == 0,
        )
        for n, i in enumerate(indicators)
        if n % 8 == 0
        for month in (3, 9)
    ]  # fmt: skip
    return city.model_copy(update={"published": [*plan.published, *published]})


class Figures:
    """The true figures of the city and its areas, by indicator (its place in the plan) and month (0: the first of its history)."""

    def __init__(self, plan: Plan) -> None:
        tables = compiled(
            plan.model_copy(update={"indicators": [i.model_copy(update={"areas": []}) for i in plan.indicators]})
        )
        goal = dict(tables["target"].filter(pl.col("goal") > 0).select("indicator", "goal").rows())
        base = dict(tables["baseline"].select("indicator", "value").rows())
        self.indicators = plan.indicators
        self.place = {i.indicator: n for n, i in enumerate(plan.indicators)}
        self.goals = [  # a likely year's end: the target, the baseline, or a hundred
            goal.get(i.indicator) or base.get(i.indicator) or (5.0 if i.unit == "%" else 100.0) for i in plan.indicators
        ]  # fmt: skip
        self.unit_factor = dict(tables["indicator"].select("indicator", "unit_factor").rows())
        self.kept: dict[tuple[int, int], np.ndarray] = {}

    def of(self, n: int, t: int) -> np.ndarray:
        """The figures of all areas that report it, the city first."""
        if (n, t) not in self.kept:
            self.kept[n, t] = self._of(n, t)
        return self.kept[n, t]

    def _of(self, n: int, t: int) -> np.ndarray:
        i = self.indicators[n]
        steady = np.random.default_rng([SEED, n]).random(len(i.areas))  # of an area, both years
        wobble = np.random.default_rng([SEED, n, t]).random(len(i.areas))
        if i.level and i.growth_from_levels and t >= 12:
            now, before = (self.of(self.place[i.level], m) for m in (t, t - 12))
            return np.round((now / np.where(before > 0, before, 1) - 1) * 100, 1)
        if i.numerator and i.denominator:
            part, whole = (self.of(self.place[c], t) * self.unit_factor[c] for c in (i.numerator, i.denominator))
            return np.round(np.minimum(part / np.where(whole > 0, whole, 1) * 100, 100), 1)
        if i.accumulates == "flow":
            value = self.goals[n] / 12 * (0.8 + 0.4 * steady) * (1 + 0.1 * wobble) * 1.06 ** (t // 12)
            if t % 12 and i.measure == "ytd":
                value = value + self.of(n, t - 1)
        elif i.accumulates == "stock":
            value = self.goals[n] * (0.9 + 0.15 * steady + 0.002 * t + 0.01 * wobble)
        else:
            value = np.abs(self.goals[n] - 3 * steady + wobble)
            value = np.minimum(value, i.possible_high if i.possible_high is not None else np.inf)
        value = np.round(value, 0 if i.whole_number else 4)
        if i.measure == "rank":
            return np.maximum(value, 1)
        if i.adds_up:
            value[0] = np.round(value[1:].sum(), 4)
        return value


def write_years(plan: Plan, root: Path) -> int:
    """The files of the plan's year and its history in drop boxes under `root/dropbox`; `root/received.csv` (path, department, received_at),
    `root/withdrawn.csv` (path, withdrawn_at, role, why) and `root/certified.csv` (department, quarter, certified_at, role);
    and the plan's tables as Parquet under `root/plan` for the script. Returns the rows written."""
    (root / "plan").mkdir(parents=True)
    for name, table in compiled(plan).items():
        table.cast({pl.Enum: pl.String}).write_parquet(root / "plan" / f"{name}.parquet")
    _units().write_parquet(root / "plan" / "unit.parquet")
    zone = ZoneInfo(plan.head.timezone)
    sent: dict[str, list[int]] = {}
    for n, i in enumerate(plan.indicators):
        for department in [plan.policy.lead_department[i.indicator], *plan.policy.co_reporters.get(i.indicator, [])]:
            sent.setdefault(department, []).append(n)
    figures = Figures(plan)
    received, withdrawn, total = [], [], 0
    first = plan.head.history_from.year
    months = 12 * (plan.head.ends.year - first + 1)
    for d, (department, indicators) in enumerate(sorted(sent.items())):
        box = root / "dropbox" / department
        box.mkdir(parents=True)
        last: pl.DataFrame | None = None
        for t in range(months + 1):
            year, m = first + t // 12, t % 12 + 1
            days = calendar.monthrange(year, m)[1]
            arrived = dt.datetime(year, m, days, 9, tzinfo=zone) + dt.timedelta(days=6, hours=d)
            if (d + 3 * t) % 20 == 0:
                arrived += dt.timedelta(days=20)
            if last is not None:  # what is corrected of the month before
                file = box / f"synthetic-correction-{(t - 1) // 12 + first}-{(t - 1) % 12 + 1:02}.csv"
                some = last.filter(pl.col("u").is_between(0.40, 0.42))
                some = some.with_columns(value=pl.col("again"), note=pl.lit("更正"))
                at = arrived - dt.timedelta(hours=1)
                if some.height:
                    total += _write(some, file, at)
                    received.append((file, department, at))
                    if (d + t) % 10 == 0:
                        withdrawn.append((file, at + dt.timedelta(days=9)))
            if t == months:
                continue
            last = _month(plan, figures, indicators, department, d, t)
            file = box / f"synthetic-{year}-{m:02}.csv"
            total += _write(last, file, arrived)
            received.append((file, department, arrived))
    _list(
        root,
        "received",
        ["file", "path", "department", "received_at"],
        [(f, _path(root, f), d, at) for f, d, at in received],
    )
    _list(
        root,
        "withdrawn",
        ["path", "withdrawn_at", "role", "why"],
        [(_path(root, f), at, "统计负责人", "合成") for f, at in withdrawn],
    )
    certified = [
        (department, quarter, dt.datetime(2022 + month // 12, month % 12 + 1, 5, 12, tzinfo=zone), "统计负责人")
        for d, department in enumerate(sorted(sent))
        for quarter, month in (("2022Q1", 5), ("2022Q2", 7), ("2022Q3", 14))
        if d % 4
    ]
    _list(root, "certified", ["department", "quarter", "certified_at", "role"], certified)
    return total


def _path(root: Path, file: Path) -> str:
    return file.relative_to(root / "dropbox").as_posix()


def _list(root: Path, name: str, header: list[str], lines: Sequence[Sequence[object]]) -> None:
    with open(root / f"{name}.csv", "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        for line in lines:
            writer.writerow([_instant(x) if isinstance(x, dt.datetime) else x for x in line])


def _instant(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%S+00")


def _month(plan: Plan, figures: Figures, indicators: list[int], department: str, d: int, t: int) -> pl.DataFrame:
    """The rows of a department's file for a month; u (what became of the row) and again (its correction) beside."""
    rng = np.random.default_rng([SEED, d, t])
    codes = [a.area for a in plan.head.areas]
    names = [a.name_zh for a in plan.head.areas]
    period = WRITTEN[(t + d) % len(WRITTEN)].format(y=plan.head.history_from.year + t // 12, m=t % 12 + 1)
    rows: dict[str, list] = {c: [] for c in [*FIELDS, "again", "u"]}
    twice: list[int] = []
    for n in indicators:
        i, value = plan.indicators[n], figures.of(n, t)
        u = rng.random(value.size)
        columns: dict[str, list] = {
            "indicator": [i.indicator] * value.size,
            "period": [period] * value.size,
            "area": (codes if t % 3 else names)[: value.size],
            "value": _texts(value),
            "unit": [None if t % 2 else i.unit] * value.size,
            "measure": [None] * value.size,
            "note": [None] * value.size,
        }
        twice += [len(rows["u"]) + k for k in _rough(plan, n, value, u, columns, t, department)]
        again = _texts(np.round(value * 1.01, 0 if i.whole_number else 4))
        for name, column in (columns | {"again": again, "u": u.tolist()}).items():
            rows[name] += column
    all_rows = pl.DataFrame(rows, schema=dict.fromkeys([*FIELDS, "again"], pl.String) | {"u": pl.Float64})
    doubled = all_rows[twice].with_columns(value=pl.col("again"), u=pl.lit(0.0))
    return pl.concat([all_rows.filter(pl.col("u") < 0.99), doubled])


def _texts(value: np.ndarray) -> list[str]:
    return [f"{v:.4f}".rstrip("0").rstrip(".") for v in value.tolist()]


def _rough(
    plan: Plan, n: int, value: np.ndarray, u: np.ndarray, columns: dict[str, list], t: int, department: str
) -> list[int]:
    """Writes the rows with u < 0.1 the way that people do; returns those given twice. u >= 0.99 is never reported."""
    i = plan.indicators[n]
    doubled = []
    year_of = plan.head.history_from.year + t // 12
    text = columns["value"]
    other = next(
        x.indicator
        for x in plan.indicators
        if department not in (plan.policy.lead_department[x.indicator], *plan.policy.co_reporters.get(x.indicator, []))
    )  # fmt: skip
    for k in np.flatnonzero(u < 0.1).tolist():
        at, v = int(u[k] * 1000), float(value[k])
        if at < 10:
            text[k] = f"{v:,.4f}".rstrip("0").rstrip(".")
        elif at < 17:
            text[k] = text[k].translate(FULL_WIDTH)
        elif at < 24:
            if i.unit == "%":
                text[k] = f"增长{text[k]}%" if v >= 0 else f"下降{text[k][1:]}%"
            elif v >= 1:
                text[k] = f"{v / 1e4!r}万"
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
            columns["period"][k] = (
                "2022-12" if year_of < plan.head.ends.year or t % 12 < 10 else f"{plan.head.history_from.year - 2}-05"
            )
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
        elif 78 <= at < 88:
            text[k] = f"{v * (1e4 if at < 82 else 100):.4f}".rstrip("0").rstrip(".")
        elif 88 <= at < 90 and not i.whole_number:
            text[k] = f"{v / 100:.6f}".rstrip("0").rstrip(".")
        elif 90 <= at < 96 and i.accumulates == "rate":
            text[k] = f"{v + 4:.1f}"
    return [k for k in doubled if not i.whole_number or value[k] > 100]


def _write(rows: pl.DataFrame, file: Path, at: dt.datetime) -> int:
    rows = rows.select(FIELDS)
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


if __name__ == "__main__":
    asked = City.said(sys.argv[1]).plan()
    print(json.dumps({"rows": write_years(asked, Path(sys.argv[2])), "areas": len(asked.head.areas)}))
