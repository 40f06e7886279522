"""Great Expectations, imported without what is not used of it. Imported before whatever is of great_expectations.

Spark's client, where it is installed, is for an engine that is not used here: half a second more, and a process that was begun
by `python -c` would end, for the client then looks for a whole Spark. Amazon's is for its own way to buckets: a tenth. SciPy's
statistics are for expectations that no rule is made of: half a second, spent when they are first asked for.
"""

import sys
from importlib import import_module
from importlib.util import LazyLoader, find_spec, module_from_spec

CLIENTS = ("pyspark", "boto3", "botocore")


def _when_used(package: str, name: str) -> None:
    """Imports a package's module with the first use of it."""
    spec = find_spec(f"{package}.{name}")
    if spec is None or spec.loader is None or spec.name in sys.modules:
        return
    spec.loader = loader = LazyLoader(spec.loader)
    sys.modules[spec.name] = module = module_from_spec(spec)
    loader.exec_module(module)
    setattr(import_module(package), name, module)  # else to ask the package for it is the first use


if not {"great_expectations", "pyspark"} & sys.modules.keys():
    _when_used("scipy", "stats")
    hidden = [name for name in CLIENTS if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type] # as if they were not installed
    try:
        import great_expectations  # noqa: F401
    finally:
        for name in hidden:
            del sys.modules[name]
