"""What the plan demands: its model, units, periods, rules, and their compilation. No Dagster, no storage, no clock."""
