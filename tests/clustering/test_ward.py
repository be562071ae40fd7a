"""Ward on micro-clusters against scikit-learn's on all rows."""

from pathlib import Path

import numpy as np
from sklearn.cluster import AgglomerativeClustering
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from streamclust.clustering.landmarks import micro_clusters
from streamclust.clustering.ward import Ward
from streamclust.passes.blocks import Rows
from streamclust.passes.passes import Passes
from streamclust.settings import Settings


def labelled(rows: Rows, ks: list[int]) -> np.ndarray:
    fitted = Ward().fit(rows, ks, Settings(), Passes(), Path())
    return Ward().labeller(fitted)(rows.array)


def test_few_rows_are_clustered_exactly():
    values = np.random.default_rng(0).standard_normal((1500, 4))
    ks = [2, 3, 7, 30]
    for k, own in zip(ks, labelled(Rows(values), ks).T, strict=True):
        expected = AgglomerativeClustering(k, linkage="ward").fit_predict(values)
        assert adjusted_rand_score(expected, own) == 1


def test_separated_groups_of_very_different_sizes():
    sizes = [2500, 1500, 600, 300, 100, 30]
    values = make_blobs(sizes, 8, cluster_std=0.6, random_state=0)[0].astype(np.float32)
    expected = AgglomerativeClustering(6, linkage="ward").fit_predict(values)
    own = labelled(Rows(values, rows_a_block=2048), [6])[:, 0]
    assert adjusted_rand_score(expected, own) >= 0.98
    np.testing.assert_array_equal(np.bincount(own), sizes)


def test_micro_clusters_hold_all_rows():
    values = make_blobs(9000, 5, centers=20, random_state=1)[0] + 1000
    micro = micro_clusters(Rows(values, rows_a_block=1024), 300, 0, Passes())
    assert 200 < len(micro.means) <= 330
    assert micro.sizes.sum() == 9000
    assert micro.sizes.min() > 0
    np.testing.assert_allclose(micro.sizes @ micro.means / 9000, values.mean(axis=0))
    few = micro_clusters(Rows(values[:300]), 300, 0, Passes())
    np.testing.assert_array_equal(few.means, values[:300])


def test_the_tree_is_published_with_its_landmarks():
    rows = Rows(np.random.default_rng(2).standard_normal((80, 3)))
    (clustering,) = Ward().fit(rows, [4], Settings(), Passes(), Path())
    shapes = {name: array.shape for name, array in clustering.arrays.items()}
    assert shapes == {
        "landmarks": (80, 3),
        "weights": (80,),
        "merges": (79, 4),
        "landmark_labels": (80,),
    }
