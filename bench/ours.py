"""Our own way, in a process of its own: `read` lands and reads the drop boxes, `refresh` judges, makes marts, releases."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.stages import Stages


def main(part: str, rows: int, root: Path) -> None:
    with Stages() as stage:
        with stage("imports"):
            from bench.city import AS_OF, plan_of
            from warehouse import judge, landing, marts, reading, release
            from warehouse.store import Store
        plan, store = plan_of(rows), Store(root / "data")
        if part == "read":
            with stage("land"):
                landing.land(store, [(root / "dropbox").as_uri()], plan, AS_OF)
            with stage("read"):
                reading.read_landed(store, plan)
            return
        with stage("import GX"):
            import warehouse.gx  # noqa: F401
        months = judge.stale_months(store, plan)
        with stage("validity"):
            judge.validity(store, plan, months)
        with stage("quality"):
            judge.quality(store, plan, months)
        with stage("marts"):
            marts.make(store, plan, AS_OF)
        with stage("release"):
            release.publish(store, plan)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
