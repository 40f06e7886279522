"""Great Expectations, imported without Spark's client. Imported before whatever is of great_expectations.

Where the client is installed, Great Expectations imports it for an engine of its own that is not used here: half a second more,
and a process that was begun by `python -c` would end, for the client then looks for a whole Spark.
"""

import sys

if not {"great_expectations", "pyspark"} & sys.modules.keys():
    sys.modules["pyspark"] = None  # type: ignore[assignment]  # as if it were not installed
    try:
        import great_expectations  # noqa: F401
    finally:
        del sys.modules["pyspark"]
