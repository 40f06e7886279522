"""Benchmarks: how long a refresh takes against a hand-written DuckDB script. Not tests; ratios within one run."""
