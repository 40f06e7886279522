"""The time that counts in a run: the clock's, where it can be believed."""

import datetime as dt

import dagster as dg

from warehouse.clock import believed
from warehouse.store import Store

CLOCK_IS_RIGHT = (
    "wallchart/clock_is_right"  # run tag: somebody looked at the clock; it is the current release that is not right
)


def now(context: dg.AssetExecutionContext, store: Store) -> dt.datetime:
    sure = CLOCK_IS_RIGHT in context.run.tags
    return believed(store, dt.datetime.now(dt.UTC), context.log.warning, sure=sure)
