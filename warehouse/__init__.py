"""Where data rests and is made: landing, readers, judge, marts, release. No Dagster, no clock, no environment."""
