"""Judged months of about N observations, made set-based: a small city is judged in earnest, then each of its districts is
copied as often as it takes. Beyond 20 million the plan has a history of ten years instead of two: the first year, copied back.

What the marts read rests in the store as a night leaves it: months, ledger. Every rule fires; corrections, withdrawals,
certified quarters are there. A copy's figures are its model's times a factor of its own, so that no two districts are equal.
All figures are SYNTHETIC.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import sys
from pathlib import Path

import polars as pl

from bench.city import AS_OF, MONTHS, plan_of, write_years
from bench.ours import certify, withdraw
from bench.stages import Stages
from expectations.compiled import compiled
from expectations.model import Area, Plan
from warehouse import judge, landing, reading, sums
from warehouse.ledger import ledger
from warehouse.marts import TYPES
from warehouse.store import Store, connect, quoted

MODEL = 100_000  # rows of the city that is judged
STEP = 200  # between the codes of a district's copies; the model's codes lie closer together


def earlier_years(observations: int) -> int:
    return 8 if observations > 20_000_000 else 0


def copies(observations: int) -> int:
    """How often each district stands in the plan, the model included, for about so many observations."""
    once, twice = (sum(len(i.areas) for i in copied(plan_of(MODEL), n, 0).indicators) for n in (1, 2))
    months = MONTHS + 12 * earlier_years(observations)
    a_month = observations / months / 1.06  # what second departments, corrections and withdrawals add
    return max(1, round((a_month - once) / (twice - once)) + 1)


def copied(plan: Plan, times: int, earlier: int) -> Plan:
    """The plan with each district of the indicators that all areas report, `times` times, and `earlier` more years before."""
    wide = max(len(i.areas) for i in plan.indicators)
    codes = [plan.city, *(str(int(a.area) + STEP * n) for n in range(times) for a in plan.head.areas[1:])]
    areas = [
        *plan.head.areas,
        *(Area(area=c, name_zh=f"第{n}区", name_en=f"District {n}") for n, c in enumerate(codes) if n >= wide),
    ]
    indicators = [i if len(i.areas) < wide else i.model_copy(update={"areas": codes}) for i in plan.indicators]
    since = plan.head.history_from
    return plan.model_copy(
        update={
            "head": plan.head.model_copy(
                update={"areas": areas, "history_from": since.replace(year=since.year - earlier)}
            ),
            "indicators": indicators,
            "digest": hashlib.sha256(f"{times} {earlier} {plan.digest}".encode()).hexdigest(),
        }
    )


def plan_with(observations: int) -> Plan:
    return copied(plan_of(MODEL), copies(observations), earlier_years(observations))


FIGURE = "case when n = 0 then {0} else round({0} * (0.99 + 0.02 * (n * 7919 % 1009) / 1009), 4) end"
COPIED = """
select * replace ({changed}) from (
    select r.*, n from read_parquet('{file}') r cross join range({times}) t(n)
    where n = 0 or (coalesce(r.area, '') <> '{city}' and coalesce(r.indicator not in ({narrow}), true))
)
"""
AREA = f"case when n > 0 and area in (select area from model_area) then (area::integer + {STEP} * n)::varchar else area end as area"
CHANGED = {
    "row": [AREA, FIGURE.format("value") + " as value"],
    "observation": [AREA, FIGURE.format("value") + " as value", FIGURE.format("replaced_value") + " as replaced_value"],
    "validity": [AREA, "case when n = 0 then finding else substr(sha256(finding || n), 1, 16) end as finding"],
    "quality": [AREA, "case when n = 0 then finding else substr(sha256(finding || n), 1, 16) end as finding"],
}
ORDER = {
    "row": "submission, sheet, row_number, column_name, area",
    "observation": "indicator, area, period, measure, department, known_from",
    "validity": "all",
    "quality": "all",
}

BACK = {  # by column, what moves when a year is copied `back` years
    "period": "(substr({0}, 1, 4)::integer - {back}) || substr({0}, 5)",
    "month": "(substr({0}, 1, 4)::integer - {back}) || substr({0}, 5)",
    "period_start": "({0} - to_years({back}))::date",
    "period_end": "last_day({0} - to_years({back}))",
    "received_at": "{0} - to_years({back})",
    "known_from": "{0} - to_years({back})",
    "known_to": "{0} - to_years({back})",
    "submission": "substr(sha256({0} || {back}), 1, 16)",
    "finding": "substr(sha256({0} || {back}), 1, 16)",
}


def write_judged(root: Path, observations: int) -> int:
    """A store under `root`/data; the observations that it holds."""
    model, times, earlier = plan_of(MODEL), copies(observations), earlier_years(observations)
    write_years(model, root)
    store = Store(root / "data")
    landing.land(store, [(root / "dropbox").as_uri()], model, AS_OF)
    reading.read_landed(store, model)
    withdraw(store, root)
    months = judge.stale_months(store, model)
    judge.validity(store, model, months)
    judge.quality(store, model, months)
    certify(store, model, root)
    _submissions_before(store, model.head.history_from.year, earlier)
    _given(store, copied(model, times, earlier), root / "plan")
    wide = max(len(i.areas) for i in model.indicators)
    narrow = ", ".join(f"'{i.indicator}'" for i in model.indicators if len(i.areas) < wide)
    with connect(store.root, spill=store.spill) as con:
        codes = ", ".join(f"('{a.area}')" for a in model.head.areas)
        con.execute(f"create table model_area as select * from (values {codes}) v(area)")
        for name, changed in CHANGED.items():
            for file in sorted(store.months.glob(f"*/{name}.parquet")) if times > 1 else []:
                query = COPIED.format(
                    changed=", ".join(changed), file=quoted(file), times=times, city=model.city, narrow=narrow
                )
                beside = file.with_suffix(".tmp")
                con.execute(
                    f"copy (select * exclude (n) from ({query}) order by {ORDER[name]}) to '{quoted(beside)}' (format parquet, compression zstd)"
                )
                os.replace(beside, file)
        first = model.head.history_from.year
        for file in sorted(store.months.glob(f"{first}-*/*.parquet")) if earlier else []:
            columns = {c for c, *_ in con.execute(f"describe from '{quoted(file)}'").fetchall()}
            for back in range(1, earlier + 1):
                moved = ", ".join(f"{BACK[c].format(c, back=back)} as {c}" for c in BACK if c in columns)
                folder = store.months / file.parent.name.replace(str(first), str(first - back))
                folder.mkdir(exist_ok=True)
                con.execute(
                    f"copy (select * replace ({moved}) from '{quoted(file)}') to '{quoted(folder / file.name)}' (format parquet, compression zstd)"
                )
        for month in store.months.iterdir():
            sums.enter(month, [file.name for file in month.glob("*.parquet")])
        [(total,)] = con.execute(
            f"select count(*) from read_parquet('{quoted(store.months)}/*/observation.parquet')"
        ).fetchall()
    return int(total)


def _submissions_before(store: Store, first: int, earlier: int) -> None:
    """The submissions of the first year, and when they were withdrawn, once more for each of the earlier years."""
    with ledger(store) as db:
        for table, moment in (("submission", "received_at"), ("withdrawal", "withdrawn_at")):
            asked = db.execute(
                f"select * from {table} where submission in (select submission from submission_month where month like ?)",
                [f"{first}-%"],
            )
            columns = [name for name, *_ in asked.description]
            rows = [dict(zip(columns, row, strict=True)) for row in asked.fetchall()]
            moved = [
                row
                | {
                    "submission": hashlib.sha256(f"{row['submission']}{back}".encode()).hexdigest()[:16],
                    moment: _years_before(row[moment], back),
                }
                for back in range(1, earlier + 1)
                for row in rows
            ]
            db.executemany(f"insert into {table} values ({', '.join(f':{c}' for c in columns)})", moved)


EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def _years_before(instant: int, back: int) -> int:
    """Microseconds since 1970, on the same day of the year."""
    at = EPOCH + dt.timedelta(microseconds=instant)
    return (at.replace(year=at.year - back) - EPOCH) // dt.timedelta(microseconds=1)


def _given(store: Store, plan: Plan, folder: Path) -> None:
    """The plan's tables and what the ledger says, as Parquet for the script."""
    for name, table in compiled(plan).items():
        table.cast({pl.Enum: pl.String}).write_parquet(folder / f"{name}.parquet")
    with ledger(store) as db:
        for name, query in FROM_LEDGER.items():
            table = pl.read_database(query, db, infer_schema_length=None, schema_overrides=TYPES)
            table.write_parquet(folder / f"{name}.parquet")


FROM_LEDGER = {
    "received": "select submission, source, department, path, sha256, bytes, received_at, format, reason from submission",
    "withdrawal": "select submission, withdrawn_at, role, why from withdrawal",
    "certification": "select number, department, quarter, certified_at, role from certification",
}


if __name__ == "__main__":
    with Stages() as stage, stage("write"):
        write_judged(Path(sys.argv[1]), int(sys.argv[2]))
