"""Whether the clock can be believed: a release is never made as of a time before the one that stands.

A clock that was moved back would call figures on time that were late, let an old figure count for newer than its
correction, and give everybody a release in which deadlines have not passed yet.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from warehouse.releases import current
from warehouse.store import Store

SLIP = dt.timedelta(hours=1)  # what a clock that is set right may lose; more is a fault


class ClockError(Exception):
    """The clock stands well before the time of the current release: nothing was landed, judged or released."""


def believed(store: Store, now: dt.datetime, say: Callable[[str], None], *, sure: bool = False) -> dt.datetime:
    """The time that counts: `now`, or the moment after the current release's where `now` is a little before it. Where it
    is more than SLIP before it: ClockError, unless somebody is `sure`."""
    released = current(store)
    made = dt.datetime.fromisoformat(released["built_at"]) if released else now
    if sure or made < now or not released:
        return now
    said = f"the clock says {now:%Y-%m-%d %H:%M:%S%z}, but release {released['release']} was made at {made:%Y-%m-%d %H:%M:%S%z}"
    if made - now > SLIP:
        raise ClockError(
            f"{said}. It stands, and nothing is landed or released. Set the clock right. If it is right, and was wrong when"
            " that release was made: `wallchart run --clock-is-right`, once"
        )
    say(f"{said}: the clock was moved back, and until it has caught up time counts from that release on")
    return made + dt.timedelta(microseconds=1)
