"""`python -m bench.forecasting`: how often forecasts hold, by the marts' own SQL.

Every case is two years of one series: the year before is known, of the year itself only the periods up to an origin, and
the figure at the year's end is forecast from each origin by `warehouse/marts/progress.sql` as it stands. Cases:

- **real**: public monthly and quarterly series (bench/rivals.py names them), every pair of successive years of the flows
  and rates, every third of the stocks; growth rates are made from the flows. Some of them are held out. `--rivals PYTHON`, the interpreter of the
  environment that bench/rivals-requirements.txt describes, is needed for them and for statsforecast.
- **simulated**: families with one trait each, seeded.
- **sample**: the project's synthetic figures, from a released warehouse (`--warehouse FILE`).
- **published**: a city's own published figures, `--actuals CSV` (columns indicator_zh, period, value, kind).

coverage: share of cases in which the figure lies in the interval (`policy.forecast.level` is what it should be). ratio: sum
of absolute errors over that of the naive forecast (of a flow: as fast as so far; else the last value) and of the seasonal
one (last year's change from here on); below 1 is better. bias: median error, in shares of the figure (flows), or of a
year's usual change (others).
"""

from __future__ import annotations

import argparse
import datetime as dt
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
from rich.console import Console

from expectations.compiled import compiled
from expectations.load import PLANS, load_plan
from expectations.model import Indicator, Plan, Target
from expectations.policy import Policy
from warehouse.marts import sql

SEED = 29
SAID = Console(highlight=False, width=180)
MEASURE = {"flow": "ytd", "stock": "end", "rate": "share", "growth": "yoy"}
FREQUENCY = {12: "month", 4: "quarter"}
AT_MOST = 1500  # indicators in one plan
Array = np.ndarray


@dataclass(frozen=True)
class Family:
    """Cases of a kind: a row of `before` and of `year` each, a column a period; flows are cumulative. nan: not known."""

    name: str
    kind: str
    before: Array
    year: Array
    whole: bool = False

    @property
    def a_year(self) -> int:
        return int(self.year.shape[1])


# --- cases ---


def simulated(cases: int) -> list[Family]:
    rng = np.random.default_rng(SEED)
    found = []

    def add(name: str, kind: str, both: Array, *, whole: bool = False) -> None:
        before, year = np.hsplit(both, 2)
        if kind == "flow":
            before, year = before.cumsum(1), year.cumsum(1)
        kept = (before[:, -1] > 0) & (year[:, -1] > 0) if kind == "flow" else slice(None)
        found.append(Family(name, kind, before[kept], year[kept], whole))

    for n in (12, 4):

        def some(*values: float) -> Array:
            return rng.choice(values, (cases, 1))

        size, place = np.exp(rng.normal(3, 1.5, (cases, 1))), np.arange(2 * n)
        season = np.tile(np.exp(rng.normal(0, 0.25, (cases, n))), 2)
        growth = np.where(place < n, 1, np.exp(rng.normal(0.05, 0.1, (cases, 1))))
        noise = np.exp(rng.normal(0, 1, (cases, 2 * n)) * some(0.02, 0.05, 0.1, 0.15))
        later = place >= rng.integers(n + 1, 2 * n, (cases, 1))
        add("seasonal, random growth", "flow", size * season * growth * noise)
        add("seasonal, drifting growth", "flow",
            size * season * noise * np.exp(np.cumsum(rng.normal(0, 0.1 / np.sqrt(n), (cases, 2 * n)), 1)))  # fmt: skip
        add("end-loaded, random growth", "flow", size * np.tile(np.linspace(0.5, 2, n) ** 2, 2) * growth * noise)
        add("level shift of 10 % within the year", "flow",
            size * season * growth * noise * np.where(later, np.exp(rng.normal(0, 0.1, (cases, 1))), 1))  # fmt: skip
        add("counts", "flow", rng.poisson(some(1, 3, 10, 30) * growth * 12 / n).astype(float), whole=True)
        trend = 100 + rng.normal(5, 8, (cases, 1)) * place / n
        walk = np.cumsum(rng.normal(0, 1, (cases, 2 * n)), 1) / np.sqrt(n)
        add("noisy trend", "stock", trend + rng.normal(0, 1, (cases, 2 * n)) * some(0.3, 1, 2))
        add("trend and random walk", "stock", trend + 3 * walk * some(0.5, 1, 2))
        add(
            "seasonal trend",
            "stock",
            trend + np.tile(rng.normal(0, 4, (cases, n)), 2) + rng.normal(0, 0.7, (cases, 2 * n)),
        )
        add("level shift within the year", "stock",
            trend + rng.normal(0, 1, (cases, 2 * n)) + np.where(later, rng.normal(0, 3, (cases, 1)), 0))  # fmt: skip
        add("random walk", "rate", 50 + walk * some(0.5, 1, 2))
        returning, unrest = [np.zeros((cases, 1))], rng.normal(0, 1, (cases, 2 * n))
        for step in range(2 * n):
            returning.append(0.7 * returning[-1] + unrest[:, [step]])
        add("returning to its mean", "rate", 50 + np.hstack(returning[1:]))
        add("noise about a mean", "rate", 50 + rng.normal(0, 1, (cases, 2 * n)))
    return found


def real(file: Path) -> list[Family]:
    """Windows of two whole years."""
    found: dict[tuple[str, str, int], list[tuple[Array, Array]]] = {}
    for kind, _, n, first, values, held_out in pl.read_parquet(file).iter_rows():
        start = -first % n
        years = np.array(values[start : start + (len(values) - start) // n * n], float).reshape(-1, n)
        name, number = "real, held out" if held_out else "real", (first + start) // n
        if kind == "flow":
            years = years.cumsum(1)
        for k in range(1, len(years)):
            if np.isfinite(years[k - 1 : k + 1]).all() and (kind != "stock" or n == 4 or (number + k) % 3 == 0):
                found.setdefault((name, kind, n), []).append((years[k - 1], years[k]))
            if kind == "flow" and k > 1 and (years[k - 2 : k] > 0).all():
                before, year = ((years[j] / years[j - 1] - 1) * 100 for j in (k - 1, k))
                found.setdefault((name, "growth", n), []).append((before, year))
    return [
        Family(name, kind, *(np.array(part) for part in zip(*cases, strict=True)))
        for (name, kind, _), cases in sorted(found.items())
    ]


def published(file: Path) -> list[Family]:
    """Monthly, from cumulative figures of parts of a year, of whole years, and of the end of a month."""
    rows = pl.read_csv(file).filter(pl.col("value").is_not_null())
    found: dict[str, list[tuple[Array, Array]]] = {}
    for (_, kind), group in rows.group_by("indicator_zh", "kind", maintain_order=True):
        figures, ytd = {}, False
        for text, value in group.select("period", "value").iter_rows():
            if named := re.fullmatch(r"(\d{4})(?:-(?:Q(\d)|(\d\d)))?( YTD)?", text):
                figures[int(named[1]), int(named[2]) * 3 if named[2] else int(named[3] or 12)] = value
                ytd = ytd or bool(named[4])
        what = {"growth": "growth", "level": "flow" if ytd else "stock"}.get(str(kind), "rate")
        years = {y: np.array([figures.get((y, m), np.nan) for m in range(1, 13)]) for y in (2020, 2021, 2022)}
        for y in (2021, 2022):
            known = np.isfinite(years[y])
            if known[:-1].any() and known[-1]:
                found.setdefault(what, []).append((years[y - 1], years[y]))
    return [
        Family("published", kind, *(np.array(p) for p in zip(*cases, strict=True)))
        for kind, cases in sorted(found.items())
    ]


# --- what the marts make of them ---


def forecasts(families: list[Family], *, before_known: bool = True) -> pl.DataFrame:
    """family (its number), case, place (periods known), forecast, forecast_low, forecast_high, forecast_method."""
    flat = [(f, c) for f, family in enumerate(families) for c in range(len(family.year))]
    parts = [_run(families, flat[k : k + AT_MOST], before_known) for k in range(0, len(flat), AT_MOST)]
    return pl.concat(parts)


def _run(families: list[Family], cases: list[tuple[int, int]], before_known: bool) -> pl.DataFrame:
    plan = _plan([families[f] for f, _ in cases])
    observed = {"indicator": [], "place": [], "value": [], "year": [], "a_year": []}
    for n, (f, c) in enumerate(cases):
        family = families[f]
        for year, values in ((2021, family.before[c]), (2022, family.year[c])):
            for place in np.flatnonzero(np.isfinite(values) & (before_known or year == 2022)).tolist():
                for name, value in zip(
                    observed, (f"i{n}", place + 1, float(values[place]), year, family.a_year), strict=True
                ):
                    observed[name].append(value)
    quarter = pl.format("{}Q{}", "year", "place")
    month = pl.format("{}-{}", "year", pl.col("place").cast(pl.String).str.zfill(2))
    measure = {f"i{n}": MEASURE[families[f].kind] for n, (f, _) in enumerate(cases)}
    table = pl.DataFrame(observed).select(
        "indicator", "value", period=pl.when(pl.col("a_year") == 4).then(quarter).otherwise(month),
        measure=pl.col("indicator").replace_strict(measure), area=pl.lit(plan.city), department=pl.lit("statistics"),
        submission=pl.lit("s"), self_assessed=pl.lit(None, pl.String), synthetic=pl.lit(True),
        known_from=dt.datetime(2023, 1, 1, tzinfo=dt.UTC), known_to=pl.lit(None, pl.Datetime("us", "UTC")),
    )  # fmt: skip
    with duckdb.connect() as con:
        for name, compiled_table in (compiled(plan) | {"observation": table}).items():
            con.register(name, compiled_table.to_arrow())
        con.execute("create table params as select timestamptz '2030-01-01 00:00:00+00' as as_of")
        rows = con.sql(
            f"select substr(indicator, 2)::int as n, month(period_end) as month, forecast, forecast_low, forecast_high,"
            f" forecast_method from ({sql('progress')}) where actual is not null order by all"
        ).pl()
    number = pl.DataFrame(
        [(n, f, c, families[f].a_year) for n, (f, c) in enumerate(cases)],
        schema={"n": pl.Int32, "family": pl.Int64, "case": pl.Int64, "a_year": pl.Int64},
        orient="row",
    )
    return (
        rows.join(number, on="n")
        .with_columns(place=pl.col("month") * pl.col("a_year") // 12)
        .filter(pl.col("place") < pl.col("a_year"))
        .drop("n", "month", "a_year")
    )


def _plan(families: list[Family]) -> Plan:
    """A plan of one indicator and one target a case."""
    whole = load_plan(PLANS / "shenyang-2022")
    about = {"capability": whole.head.capabilities[0].capability, "chapter": "1", "unit": "公里", "direction": "up"}
    indicators = [
        Indicator(
            indicator=f"i{n}", name_zh=f"i{n}", name_en=f"i{n}", measure=MEASURE[f.kind], frequency=FREQUENCY[f.a_year],
            whole_number=f.whole, level="amount" if f.kind == "growth" else None, **about,
        )
        for n, f in enumerate(families)
    ] + [Indicator(indicator="amount", name_zh="amount", name_en="amount", measure="ytd", frequency="month", **about)]  # fmt: skip
    targets = [
        Target(
            target=f"T{n % 9000 + 1000}", indicator=f"i{n}", kind="level", comparator=">=", value=1, unit="公里", due=dt.date(2022, 12, 31),
            modality="state", section="s", clause="c", clause_offset=0, clause_length=1,
        )
        for n in range(len(families))
    ]  # fmt: skip
    changed = {
        "lead_department": {i.indicator: "statistics" for i in indicators},
        "trajectory_of": {},
        "steps": {},
        "co_reporters": {},
        "resolutions": [],
    }
    policy = Policy.model_validate(whole.policy.model_dump() | changed)
    emptied = {"baselines": [], "published": [], "superseded": [], "numerals": []}
    return whole.model_copy(update={"indicators": indicators, "targets": targets, "policy": policy, **emptied})


# --- how good they are ---


def scored(families: list[Family], made: pl.DataFrame) -> pl.DataFrame:
    """made, with true (the figure), error, naive, seasonal (their errors), scale (what errors are shares of), ahead."""
    parts = []
    for (f,), rows in made.group_by("family", maintain_order=True):
        family = families[f]
        c, p, n = rows["case"].to_numpy(), rows["place"].to_numpy(), family.a_year
        true, now, then = family.year[c, -1], family.year[c, p - 1], family.before[c, p - 1]
        flow = family.kind == "flow"
        scale = np.abs(true) if flow else np.abs(np.diff(family.before, axis=1))[c].mean(1) * np.sqrt(n)
        parts.append(
            rows.with_columns(
                true=true, naive=(now * n / p if flow else now) - true, seasonal=now + family.before[c, -1] - then - true,
                scale=np.where(scale > 0, scale, np.nan), ahead=n - p, name=pl.lit(family.name),
                kind=pl.lit(family.kind), periods=pl.lit(n),
            )
        )  # fmt: skip
    return pl.concat(parts).with_columns(error=pl.col("forecast") - pl.col("true")).with_columns(
        error_scaled=pl.col("error") / pl.col("scale"),
        holds=pl.col("true").is_between(
            pl.col("forecast_low") - 1e-9 * pl.col("true").abs(), pl.col("forecast_high") + 1e-9 * pl.col("true").abs()
        ),
    )  # fmt: skip


def _ratio(other: str) -> pl.Expr:
    known = pl.col(other).is_finite() & pl.col("error").is_not_null() & pl.col("scale").is_finite()
    ours = (pl.col("error").abs() / pl.col("scale")).filter(known).sum()
    return ours / (pl.col(other).abs() / pl.col("scale")).filter(known).sum()


def summary(rows: pl.DataFrame) -> pl.DataFrame:
    """A row a family: coverage in all, and in the first, middle and last third of the year."""
    made, third = pl.col("forecast").is_not_null(), (pl.col("place") * 3 - 1) // pl.col("periods")
    percent = lambda which: (100 * pl.col("holds").filter(made & which).mean()).round(1)  # noqa: E731
    return (
        rows.group_by("name", "kind", "periods", maintain_order=True)
        .agg(
            cases=pl.col("case").n_unique(),
            forecasts=made.sum(),
            coverage=percent(made),
            early=percent(third == 0),
            middle=percent(third == 1),
            late=percent(third == 2),
            naive=_ratio("naive").round(2),
            seasonal=_ratio("seasonal").round(2),
            bias_early=(100 * pl.col("error_scaled").filter(third == 0).median()).round(1),
            bias_late=(100 * pl.col("error_scaled").filter(third == 2).median()).round(1),
            error=(100 * pl.col("error_scaled").abs().median()).round(1),
            width=(100 * ((pl.col("forecast_high") - pl.col("forecast_low")) / pl.col("scale")).median()).round(1),
        )
        .sort("kind", "periods", "name", descending=[False, True, False])
    )


def sample(file: Path) -> pl.DataFrame:
    """As a release says it: each row's forecast against the figure at the due period."""
    with duckdb.connect(str(file), read_only=True) as con:
        return con.sql("""
            with due as (select target, actual, year_before from progress p join target t using (target) join indicator i on i.indicator = p.indicator
                where p.actual is not null and p.period_end >= t.due
                qualify row_number() over (partition by target order by p.period_end) = 1)
            select i.measure, i.frequency, count(distinct target) as targets, count(*) as forecasts,
                round(100 * avg((d.actual between forecast_low - 1e-9 * abs(d.actual) and forecast_high + 1e-9 * abs(d.actual))::int), 1) as coverage,
                round(100 * median(abs(forecast / nullif(d.actual, 0) - 1)), 2) as error_percent,
                round(100 * median((forecast_high - forecast_low) / nullif(abs(d.actual), 0)), 1) as width_percent,
                round(100 * avg((will_meet = (select any_value(w.will_meet) from progress w where w.target = p.target and w.forecast is null and w.will_meet is not null and w.period_end >= p.period_end))::int), 1) as will_meet_right
            from progress p join due d using (target) join indicator i on i.indicator = p.indicator
            where p.forecast is not null and p.actual is not null group by all order by all
        """).pl()


def against_rivals(python: str, families: list[Family], rows: pl.DataFrame, at_most: int, folder: Path) -> pl.DataFrame:
    """The same cases by statsforecast: ratio of errors (ours over theirs), and the coverage of either."""
    rng = np.random.default_rng(SEED)
    asked = []
    for f in rows["family"].unique(maintain_order=True).to_list():
        family, n = families[f], families[f].a_year
        chosen = rng.permutation(len(family.year))[:at_most].tolist()
        for c in chosen:
            for place in (n // 4, n // 2, 3 * n // 4):
                past = [family.before[c], family.year[c, :place]]
                if family.kind == "flow":
                    past = [np.diff(p, prepend=0) for p in past]
                asked.append((f"{f}/{c}/{place}", n, n - place, family.kind == "flow", np.concatenate(past).tolist()))
    schema = {"case": pl.String, "a_year": pl.Int64, "ahead": pl.Int64, "sums": pl.Boolean, "past": pl.List(pl.Float64)}
    pl.DataFrame(asked, schema=schema, orient="row").write_parquet(folder / "asked.parquet")
    _rival(python, "forecasts", folder / "asked.parquet", folder / "told.parquet")
    told = pl.read_parquet(folder / "told.parquet").rename({"case": "asked", "forecast": "theirs"})
    both = rows.with_columns(asked=pl.format("{}/{}/{}", "family", "case", "place")).join(told, on="asked")
    both = both.filter(pl.col("forecast").is_not_null())
    already = [
        float(families[f].year[c, p - 1]) if families[f].kind == "flow" else 0.0
        for f, c, p in both.select("family", "case", "place").iter_rows()
    ]
    both = both.with_columns(theirs=pl.col("theirs") + pl.Series(already, dtype=pl.Float64) - pl.col("true"))
    return (
        both.group_by("name", "kind", "periods", "model", maintain_order=True)
        .agg(
            forecasts=pl.len(),
            ratio=_ratio("theirs").round(2),
            ours=(100 * pl.col("holds").mean()).round(1),
            covers=(100 * (pl.col("theirs").abs() <= pl.col("half")).mean()).round(1),
            covers_wide=(100 * (pl.col("theirs").abs() <= pl.col("half_wide")).mean()).round(1),
            width=((pl.col("forecast_high") - pl.col("forecast_low")) / (2 * pl.col("half"))).median().round(2),
        )
        .sort("kind", "periods", "name", "model", descending=[False, True, False, False])
    )


def _rival(python: str, *arguments: object) -> None:
    subprocess.run([python, str(Path(__file__).parent / "rivals.py"), *map(str, arguments)], check=True)


def _page(title: str, table: pl.DataFrame) -> str:
    def cell(value: object) -> str:
        return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)

    lines = [f"\n{title}\n", "| " + " | ".join(table.columns) + " |", "|---" * table.width + "|"]
    return "\n".join([*lines, *("| " + " | ".join(map(cell, row)) + " |" for row in table.iter_rows())])


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench.forecasting", description=__doc__.partition("\n")[0])
    arguments.add_argument("--rivals", help="python of the environment of bench/rivals-requirements.txt")
    arguments.add_argument("--actuals", type=Path, help="csv of published figures")
    arguments.add_argument("--warehouse", type=Path, help="a released warehouse.duckdb")
    arguments.add_argument("--cases", type=int, default=300, help="of each simulated family")
    arguments.add_argument(
        "--rival-cases", type=int, default=60, help="of each family that statsforecast forecasts too"
    )
    chosen = arguments.parse_args()
    said = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        families = simulated(chosen.cases)
        if chosen.rivals:
            _rival(chosen.rivals, "series", folder / "series.parquet")
            families = [*real(folder / "series.parquet"), *families]
        rows = scored(families, forecasts(families))
        said.append(_page("The year before known:", summary(rows)))
        unknown = [f for f in families if f.name.startswith("real")]
        if unknown:
            alone = scored(unknown, forecasts(unknown, before_known=False))
            said.append(_page("The same real cases, the year before not known:", summary(alone).drop("seasonal")))
            few = ("real", "seasonal, random growth", "seasonal trend", "random walk")
            numbers = [n for n, f in enumerate(families) if f.name in few]
            told = against_rivals(
                chosen.rivals, families, rows.filter(pl.col("family").is_in(numbers)), chosen.rival_cases, folder
            )
            said.append(_page("Against statsforecast, from a quarter, a half and three quarters of the year:", told))
    if chosen.actuals:
        cases = published(chosen.actuals)
        rows = scored(cases, forecasts(cases))
        last = rows.group_by("kind").agg(
            cases=pl.col("case").n_unique(), partial=pl.len(), forecasts=pl.col("forecast").is_not_null().sum(),
            last_value_off_by=pl.col("naive").abs().median().round(2),
        ).sort("kind")  # fmt: skip
        said.append(_page("Published figures of a part of a year and of its end:", last))
    if chosen.warehouse:
        said.append(_page("The project's synthetic sample:", sample(chosen.warehouse)))
    SAID.print("\n".join(said), soft_wrap=True)


if __name__ == "__main__":
    main()
