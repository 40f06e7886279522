"""The data products, as Dagster assets: key, partitions, dependencies, checks, metadata. The work is one call below."""
