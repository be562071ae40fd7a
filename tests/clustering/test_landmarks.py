"""What Ward and BIRCH share: all rows labelled through landmarks, whatever the rows are."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import zarr
from sklearn.datasets import make_blobs

from streamclust.clustering.base import Clustering, load_algorithm
from streamclust.clustering.landmarks import NearestLandmark, largest_first
from streamclust.passes.blocks import Rows
from streamclust.passes.passes import Passes
from streamclust.settings import Settings
from streamclust.store.workspace import store_array

NAMES = ["ward", "birch"]
SETTINGS = Settings()


def fit(name: str, rows: Rows, ks: list[int], passes: Passes | None = None) -> list[Clustering]:
    return load_algorithm(name).fit(rows, ks, SETTINGS, passes or Passes(), Path())


@pytest.fixture(scope="module")
def many() -> np.ndarray:
    values = make_blobs(5000, 6, centers=9, cluster_std=1.0, random_state=4)[0]
    return values.astype(np.float32)


@pytest.mark.parametrize("name", NAMES)
def test_the_executor_changes_nothing(name, many, executor):
    rows = Rows(many, rows_a_block=1024)
    alone = fit(name, rows, [3, 9])
    for one, other in zip(alone, fit(name, rows, [3, 9], Passes(executor)), strict=True):
        for array in one.arrays:
            np.testing.assert_array_equal(other.arrays[array], one.arrays[array])


@pytest.mark.parametrize("name", NAMES)
def test_a_result_does_not_depend_on_the_other_ks(name, many):
    (alone,), (_, beside) = fit(name, Rows(many), [9]), fit(name, Rows(many), [4, 9])
    for array in alone.arrays:
        np.testing.assert_array_equal(beside.arrays[array], alone.arrays[array])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_from_the_store_the_labels_are_the_same(name, many, dtype):
    rows = Rows(many.astype(dtype) + 100)
    algorithm, fitted = load_algorithm(name), fit(name, rows, [2, 9])
    group = zarr.group()
    read = []
    for clustering in fitted:
        own = group.create_group(str(clustering.n_clusters))
        for array, values in clustering.arrays.items():
            assert array != "landmarks" or values.dtype == dtype
            store_array(own, array, values)
        own.attrs.update(clustering.attributes)
        arrays = {array: own[array][...] for array in own}
        read.append(Clustering(clustering.n_clusters, arrays, dict(own.attrs)))
    labels = algorithm.labeller(fitted)(rows.array)
    again = pickle.loads(pickle.dumps(algorithm.labeller(read)))(rows.array[:999])
    assert (labels.dtype, labels.shape) == (np.int32, (5000, 2))
    np.testing.assert_array_equal(again, labels[:999])
    for column in labels.T:
        sizes = np.bincount(column)
        assert sizes[0] > 0.95 * sizes.max()


DEGENERATE = {
    "identical": np.ones((5000, 3)),
    "two distinct": np.repeat([[0.0, 1.0], [2.0, 1.0]], [4000, 1000], axis=0),
    "seven distinct": np.repeat(np.random.default_rng(0).standard_normal((7, 4)), 700, axis=0),
    "one column": np.random.default_rng(1).standard_normal((5000, 1)),
    "huge outlier": np.concatenate(
        [np.random.default_rng(2).standard_normal((5000, 3)), [[1e7, 0, 0]]]
    ),
    "few rows": np.random.default_rng(3).standard_normal((12, 30)),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", DEGENERATE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_degenerate_rows(name, kind, dtype):
    rows = Rows(DEGENERATE[kind].astype(dtype), rows_a_block=1024)
    fitted = fit(name, rows, [2, 5, 10])
    labels = load_algorithm(name).labeller(fitted)(rows.array)
    n_distinct = len(np.unique(rows.array, axis=0))
    for clustering, column in zip(fitted, labels.T, strict=True):
        assert (column >= 0).all()
        assert len(np.unique(column)) == min(clustering.n_clusters, n_distinct)
    if kind == "huge outlier":
        np.testing.assert_array_equal(labels[:, 0], [0] * 5000 + [1])


@pytest.mark.parametrize("name", NAMES)
def test_rows_that_are_not_valid_are_passed_over(name, many):
    valid = np.arange(len(many)) % 3 != 0
    spoiled = np.where(valid[:, None], many, np.nan)
    masked = fit(name, Rows(spoiled, valid), [9])[0]
    assert np.isfinite(masked.arrays["landmarks"]).all()
    assert masked.arrays["weights"].sum() == valid.sum()


@pytest.mark.parametrize("name", NAMES)
def test_more_clusters_than_the_usual_landmarks_tell_apart(name):
    values = np.random.default_rng(5).standard_normal((8000, 2))
    (clustering,) = fit(name, Rows(values), [700])
    assert len(np.unique(clustering.arrays["landmark_labels"])) == 700
    assert len(clustering.arrays["landmarks"]) >= 2000


def test_clusterings_of_different_landmarks_are_labelled_together():
    values = np.random.default_rng(6).standard_normal((300, 2))
    made = [
        Clustering(2, {"landmarks": values[:5], "landmark_labels": np.array([0, 1, 0, 0, 1])}),
        Clustering(1, {"landmarks": values[:5].copy(), "landmark_labels": np.zeros(5, int)}),
        Clustering(2, {"landmarks": values[5:7], "landmark_labels": np.array([1, 0])}),
    ]
    together = NearestLandmark(made)(values)
    for column, clustering in zip(together.T, made, strict=True):
        np.testing.assert_array_equal(column, NearestLandmark([clustering])(values)[:, 0])
    np.testing.assert_array_equal(together[:5, 0], [0, 1, 0, 0, 1])


def test_clusters_are_numbered_by_weight_and_noise_stays_noise():
    labels, weights = np.array([2, 0, -1, 1, 2]), np.array([1.0, 5, 99, 7, 3])
    np.testing.assert_array_equal(largest_first(labels, weights), [2, 1, -1, 0, 2])
    np.testing.assert_array_equal(largest_first(np.full(3, -1), np.ones(3)), [-1] * 3)


def test_the_plan_does_not_grow_with_the_rows():
    few, many_rows = (Rows(np.broadcast_to(np.float32(0), (n, 128))) for n in (400_000, 40_000_000))
    for name in NAMES:
        needs = [
            load_algorithm(name).needs(rows, range(2, 31), SETTINGS) for rows in (few, many_rows)
        ]
        assert [n.peak(3) for n in needs[0]] == [n.peak(3) for n in needs[1]]
        assert max(need.smallest for need in needs[0]) < 600 * 2**20
