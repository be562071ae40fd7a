"""What several tests need: small cases on disk, executors, and the real case."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cases import write_case
from dots import dots_for_figures
from sklearn.datasets import make_blobs

from streamclust.passes.executors import LocalExecutor

# Before anything imports numba: what it compiles for a few hundred rows takes longer to optimise
# than to run. Processes that tests start do as these.
os.environ.setdefault("NUMBA_OPT", "0")

TESTS = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files beside this one first, which run the whole job: they take longest.

    With the short ones of folders at the end, no process waits long for the other's last file.
    """
    items.sort(key=lambda item: item.path.parent != TESTS)


@pytest.fixture(scope="session")
def real_case() -> Path:
    """The folder of a real case, which the environment names."""
    folder = os.environ.get("STREAMCLUST_CASE")
    if not folder:
        pytest.skip("STREAMCLUST_CASE names no case folder")
    return Path(folder)


@pytest.fixture(scope="session")
def blobs() -> tuple[np.ndarray, np.ndarray]:
    """3,000 rows of 24 columns in 5 groups (float32), and the groups."""
    values, groups = make_blobs(3000, 24, centers=5, cluster_std=2.0, random_state=3)
    return values.astype(np.float32), groups


@pytest.fixture(scope="session")
def case_folder(tmp_path_factory: pytest.TempPathFactory, blobs) -> Path:
    """A case of two descriptor sets."""
    values, _ = blobs
    return write_case(tmp_path_factory.mktemp("case") / "case", a=values, b=values[:, :9] ** 2)


# What a cluster does of itself, many times a second: while it waits for the tests that use it, a
# tenth of a processor.
HOUSEKEEPING = {
    "distributed.worker.memory.monitor-interval": "1 minute",
    "distributed.admin.system-monitor.interval": "1 minute",
    "distributed.admin.tick.interval": "5 s",
    "distributed.admin.tick.limit": "30 s",
    "distributed.worker.profile.enabled": False,
}


@pytest.fixture(scope="session")
def dask_address():
    """A real scheduler with two worker processes."""
    import dask
    from distributed import LocalCluster

    with (
        dask.config.set(HOUSEKEEPING),
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
    ):
        yield cluster.scheduler_address


@pytest.fixture(params=["one thread", "two threads", "dask"])
def executor(request: pytest.FixtureRequest):
    """Each way to run passes."""
    if request.param == "dask":
        from streamclust.passes.dask_executor import DaskExecutor

        made = DaskExecutor(request.getfixturevalue("dask_address"))
    else:
        made = LocalExecutor(1 if request.param == "one thread" else 2)
    yield made
    made.close()


@pytest.fixture
def unrendered() -> Iterator[None]:
    """For a test of a run that looks at no figure."""
    with dots_for_figures():
        yield


@pytest.fixture(scope="module")
def all_unrendered() -> Iterator[None]:
    """For a module whose tests and fixtures look at no figure."""
    with dots_for_figures():
        yield
