"""What the plan demands: its model, units, periods, rules, and their compilation. No Dagster, no storage, no clock."""

import gc

# imports make objects by the hundred thousand that live on: to look through them after every 700 new ones is a quarter of Great
# Expectations' import and a fifth of Dagster's
gc.set_threshold(50_000)
