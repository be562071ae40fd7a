"""BIRCH against scikit-learn's in memory; a tree that stays bounded, and travels."""

import gc
import pickle
import weakref
from pathlib import Path

import numpy as np
import pytest
from sklearn.cluster import AgglomerativeClustering, Birch
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from streamclust.clustering import birch
from streamclust.clustering.birch import CFTree, find_threshold
from streamclust.passes.blocks import Rows
from streamclust.passes.passes import Passes
from streamclust.settings import Settings


@pytest.fixture(scope="module")
def cloud() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((6000, 5))


def grown(values: np.ndarray, threshold: float, most: int = 10**6, pickled: bool = False) -> CFTree:
    tree = CFTree(threshold, most, np.zeros(values.shape[1]))
    for start in range(0, len(values), 500):
        tree.partial_fit(values[start : start + 500])
        tree = pickle.loads(pickle.dumps(tree)) if pickled else tree
    return tree


@pytest.mark.parametrize("pickled", [False, True])
@pytest.mark.parametrize("threshold", [0.1, 0.8])
def test_subclusters_are_scikit_learns(cloud, threshold, pickled):
    centers, sizes = grown(cloud, threshold, pickled=pickled).subclusters()
    expected = Birch(threshold=threshold, n_clusters=None).fit(cloud).subcluster_centers_
    np.testing.assert_allclose(np.unique(centers, axis=0), np.unique(expected, axis=0))
    assert sizes.sum() == 6000


def test_separated_groups():
    values = make_blobs([3000, 1500, 500, 150], 8, random_state=2)[0].astype(np.float32)
    rows = Rows(values, rows_a_block=1024)
    fitted = birch.Birch().fit(rows, [3, 4], Settings(), Passes(), Path())
    own = birch.Birch().labeller(fitted)(values)
    expected = Birch(threshold=fitted[1].attributes["threshold"], n_clusters=4)
    assert adjusted_rand_score(expected.fit_predict(values), own[:, 1]) >= 0.98
    # Which groups merge next is told by their rows, where scikit-learn counts subclusters.
    of_all_rows = AgglomerativeClustering(3).fit_predict(values)
    assert adjusted_rand_score(of_all_rows, own[:, 0]) >= 0.98


def test_rows_do_not_outlive_their_batch():
    tree = CFTree(1e-9, 10**6, np.zeros(40))
    tree.partial_fit(np.random.default_rng(1).standard_normal((300, 40)))
    entries = [entry for leaf in tree._leaves() for entry in leaf.subclusters_]
    assert len(entries) == 300
    batches = [weakref.ref(e.linear_sum_.base) for e in entries if e.linear_sum_.base is not None]
    gc.collect()
    assert not any(batch() is not None for batch in batches)


@pytest.mark.parametrize("n_subclusters", [20, 300])
def test_the_threshold_makes_so_many_subclusters(cloud, n_subclusters):
    threshold = find_threshold(cloud, n_subclusters)
    found = len(grown(cloud, threshold).subclusters()[1])
    assert 0.75 * n_subclusters < found < 1.35 * n_subclusters


def test_a_tree_of_too_many_subclusters_is_made_coarser(cloud, monkeypatch):
    passes, told = Passes(), []
    passes.events.observers.append(told.append)
    monkeypatch.setattr(birch, "MOST_TIMES", 1)
    monkeypatch.setattr(birch, "SAMPLE_ROWS", 900)
    monkeypatch.setattr(birch, "SUBCLUSTERS", 150)
    (clustering,) = birch.Birch().fit(Rows(cloud), [4], Settings(), passes, Path())
    assert sum(getattr(event, "name", "") == "CF-tree" for event in told) > 1
    assert 20 < clustering.attributes["n_subclusters"] <= 150


def test_nearly_equal_rows_take_few_trees(monkeypatch):
    """A sample of them holds too few that differ to tell how many subclusters all make."""
    rng, values = np.random.default_rng(0), np.zeros((20_000, 4))
    values[rng.choice(len(values), 1000, replace=False)] = rng.standard_normal((1000, 4))
    passes, told = Passes(), []
    passes.events.observers.append(told.append)
    monkeypatch.setattr(birch, "SAMPLE_ROWS", 1024)
    monkeypatch.setattr(birch, "SUBCLUSTERS", 64)
    (clustering,) = birch.Birch().fit(Rows(values), [4], Settings(), passes, Path())
    assert 2 < sum(getattr(event, "name", "") == "CF-tree" for event in told) <= 16
    assert 64 <= clustering.attributes["n_subclusters"] <= 8 * 64


def test_the_number_of_trees_is_bounded(cloud):
    """Of rows that differ by fifteen orders of magnitude, and may make but one subcluster."""
    passes, told = Passes(), []
    passes.events.observers.append(told.append)
    far = cloud[:2000] * 10.0 ** np.linspace(-7, 8, 2000)[:, None]
    tree = birch._grown(CFTree(1e-9, 1, np.zeros(5)), 1, Rows(far), 0, passes)
    assert len(tree.subclusters()[1]) == 1
    assert sum(getattr(event, "name", "") == "CF-tree" for event in told) <= 16


def test_a_large_offset_costs_no_digits(cloud):
    near, far = (
        birch.Birch().fit(Rows(cloud + offset), [4], Settings(), Passes(), Path())[0]
        for offset in (0, 1e6)
    )
    assert far.attributes["n_subclusters"] == near.attributes["n_subclusters"]
