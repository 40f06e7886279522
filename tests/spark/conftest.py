from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.spark.cluster import Cluster, NoCluster, started


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A master, two workers and a Spark Connect server: `url`, `kill_worker()`, `start_worker()`, `master_ui`."""
    try:
        with started(tmp_path_factory.mktemp("spark")) as running:
            yield running
    except NoCluster as e:
        pytest.skip(str(e))
