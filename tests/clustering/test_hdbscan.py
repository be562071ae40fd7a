"""HDBSCAN by landmarks against scikit-learn's of all rows."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import zarr
from sklearn.cluster import HDBSCAN
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from streamclust.clustering import hdbscan
from streamclust.clustering.base import Clustering
from streamclust.passes.blocks import Rows
from streamclust.passes.passes import Passes
from streamclust.settings import Settings
from streamclust.store.workspace import store_array

SHARE = 0.02


def fit(values: np.ndarray, passes: Passes | None = None, **changes: object) -> Clustering:
    settings = Settings(min_cluster_size=SHARE).having(**changes)
    rows = Rows(values, rows_a_block=4096)
    (found,) = hdbscan.HDBSCAN().fit(rows, [], settings, passes or Passes(), Path())
    return found


def label(found: Clustering, values: np.ndarray) -> np.ndarray:
    return hdbscan.HDBSCAN().labeller([found])(values)[:, 0]


def groups_with_noise(n_rows: int, n_columns: int = 3) -> np.ndarray:
    shares = np.array([0.35, 0.25, 0.15, 0.1, 0.05])
    sizes = (shares * n_rows).astype(int)
    groups = make_blobs(sizes, n_columns, cluster_std=0.5, random_state=4)[0]
    noise = np.random.default_rng(0).uniform(-15, 15, (n_rows - sizes.sum(), n_columns))
    values = np.concatenate([groups, noise])
    return values[np.random.default_rng(1).permutation(n_rows)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_few_rows_have_scikit_learns_labels(dtype):
    values = groups_with_noise(2000).astype(dtype)
    found = fit(values)
    expected = HDBSCAN(40, min_samples=hdbscan.MIN_SAMPLES, copy=True).fit(values).labels_
    own = label(found, values)
    assert adjusted_rand_score(expected, own) == 1
    np.testing.assert_array_equal(own < 0, expected < 0)
    assert found.n_clusters == 5 == expected.max() + 1
    assert found.attributes["noise_share"] == np.mean(expected < 0)


@pytest.mark.slow
def test_all_rows_through_a_sample(monkeypatch):
    monkeypatch.setattr(hdbscan, "MOST_LANDMARKS", 4096)
    values = groups_with_noise(20_000).astype(np.float32)
    samples = round(hdbscan.MIN_SAMPLES * 20_000 / 4096)
    expected = HDBSCAN(400, min_samples=samples, copy=True).fit(values).labels_
    found = fit(values)
    own = label(found, values)
    assert found.attributes["n_landmarks"] == 4096
    assert adjusted_rand_score(expected, own) >= 0.98
    assert np.mean((own < 0) == (expected < 0)) >= 0.98
    assert (np.diff(np.bincount(own[own >= 0])) <= 0).all()


def test_the_executor_and_the_store_change_nothing(executor):
    values = groups_with_noise(3000)
    alone, found = fit(values), fit(values, Passes(executor))
    group = zarr.group()
    for name, array in found.arrays.items():
        np.testing.assert_array_equal(array, alone.arrays[name])
        store_array(group, name, array)
    arrays = {name: group[name][...] for name in group}
    read = Clustering(found.n_clusters, arrays, found.attributes)
    labeller = pickle.loads(pickle.dumps(hdbscan.HDBSCAN().labeller([read, read])))
    own = labeller(values + 0.01)
    assert own.dtype == np.int32
    np.testing.assert_array_equal(own[:, 0], label(alone, values + 0.01))
    np.testing.assert_array_equal(own[:, 0], own[:, 1])


RANDOM = np.random.default_rng(0)
DEGENERATE = {
    "identical": (np.ones((500, 3)), {0, -1}),
    "two distinct": (np.repeat([[0.0, 1.0], [2.0, 1.0]], [400, 100], axis=0), {0, 1}),
    "one column": (np.concatenate([RANDOM.normal(m, 1, (400, 1)) for m in (0, 50)]), {0, 1, -1}),
    "huge outlier": (
        np.concatenate([RANDOM.normal(m, 1, (400, 2)) for m in (0, 50)] + [[[1e7, 0]]]),
        {0, 1, -1},
    ),
    "one cloud": (RANDOM.standard_normal((400, 30)), {-1}),
    "one row": (np.ones((1, 2)), {-1}),
    "nine rows": (RANDOM.standard_normal((9, 2)), {-1}),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", DEGENERATE)
def test_degenerate_rows(kind, dtype):
    values, allowed = DEGENERATE[kind]
    values = values.astype(dtype)
    found = fit(values, min_cluster_size=0.1)
    own = label(found, values)
    assert set(own) <= allowed
    assert found.n_clusters == own.max() + 1
    assert np.isfinite(found.arrays["core_distances"]).all()


def test_the_plan_does_not_grow_with_the_rows():
    def peak(n_rows: int) -> float:
        rows = Rows(np.broadcast_to(np.float32(0), (n_rows, 128)))
        needs = hdbscan.HDBSCAN().needs(rows, [], Settings())
        return max(need.smallest for need in needs)

    assert peak(400_000) == peak(40_000_000) < 500 * 2**20
