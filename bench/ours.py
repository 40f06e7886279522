"""Our own way, in a process of its own: `read` lands and reads the drop boxes, `refresh` judges, makes marts, releases; `night` is both."""

from __future__ import annotations

import csv
import datetime as dt
import sys
from pathlib import Path

from bench.stages import Stages
from expectations.model import Plan
from pipelines.ended import at_once
from warehouse.store import Store

BY_COMMAND = "by command"  # withdrawals and certifications: people make them by day, no night pays for them


def main(part: str, city: str, root: Path) -> None:
    with Stages() as stage:
        with stage("imports"):
            from bench.city import AS_OF, City
            from warehouse import apart, judge, landing, marts, reading, release
        plan, store = City.said(city).plan(), Store(root / "data")
        if part != "refresh":
            with stage("land"):
                landing.land(store, [(root / "dropbox").as_uri()], plan, AS_OF)
            with stage("read"):
                reading.read_landed(store, plan)
                apart.close()  # so that what it took is counted
            with stage(BY_COMMAND):
                withdraw(store, root)
        if part == "read":
            return
        with stage("import GX"):
            import warehouse.gx  # noqa: F401
        months = judge.stale_months(store, plan)
        with stage("validity"):
            judge.validity(store, plan, months)
        with stage("quality"):
            judge.quality(store, plan, months)
        with stage(BY_COMMAND):
            certify(store, plan, root)
        with stage("marts"):
            marts.make(store, plan, AS_OF)
        with stage("release"):
            release.publish(store, plan)


def withdraw(store: Store, root: Path) -> None:
    from warehouse import filings
    from warehouse.ledger import ledger

    with ledger(store) as db:
        submission = dict(db.execute("select path, submission from submission").fetchall())
        [withdrawn] = db.execute("select count(*) from withdrawal").fetchone()
    for path, at, role, why in [] if withdrawn else _lines(root / "withdrawn.csv"):
        if path in submission:
            filings.withdraw(store, submission[path], role, why, dt.datetime.fromisoformat(at))


def certify(store: Store, plan: Plan, root: Path) -> None:
    from warehouse import filings
    from warehouse.ledger import ledger

    with ledger(store) as db:
        certified = db.execute("select count(*) from certification").fetchone()[0]
    for department, quarter, at, role in [] if certified else _lines(root / "certified.csv"):
        filings.certify(store, plan, department, quarter, role, dt.datetime.fromisoformat(at))


def _lines(file: Path) -> list[list[str]]:
    with open(file, newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream))[1:]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    at_once(0)  # as `wallchart` does
