"""Bisecting k-means against scikit-learn's, on odd rows, and as it is stored."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.cluster import BisectingKMeans
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from streamclust.clustering.base import Clustering, load_algorithm
from streamclust.clustering.bisecting_kmeans import fit_tree
from streamclust.clustering.kmeans_sweep import SweepSettings
from streamclust.passes.accumulators.bisection import Descent, Splits, SplitStep
from streamclust.passes.blocks import Rows
from streamclust.passes.executors import LocalExecutor
from streamclust.passes.passes import Passes
from streamclust.settings import Settings

ALGORITHM = load_algorithm("bisecting-kmeans")


def fitted(values, ks, workers=1, block=4096, **settings):
    rows = Rows(values, rows_a_block=block)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        passes = Passes(LocalExecutor(workers))
        return ALGORITHM.fit(rows, ks, Settings(**settings), passes, Path())


def labels_of(clusterings, values):
    return ALGORITHM.labeller(clusterings)(values)


def nested(dtype=np.float32, n_rows=6000):
    """Groups of groups: each split has one answer, and the order of splits too."""
    centers = [[100 * a, 24 * b + a, 6 * c + b] for a in range(2) for b in range(2) for c in (0, 1)]
    spread = np.linspace(0.3, 1.1, 8)
    made = make_blobs(n_rows, 3, centers=np.array(centers), cluster_std=spread, random_state=0)
    return made[0].astype(dtype)


def inertia_of(values, labels):
    values = values.astype(np.float64)
    return sum(
        ((values[labels == j] - values[labels == j].mean(axis=0)) ** 2).sum()
        for j in np.unique(labels)
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0, 1000])
def test_the_tree_is_scikit_learns(dtype, offset):
    values = (nested(np.float64) + offset).astype(dtype)
    ks = (2, 3, 5, 8)
    ours = fitted(values, ks)
    for k, labels in zip(ks, labels_of(ours, values).T, strict=True):
        theirs = BisectingKMeans(k, n_init=3, random_state=0).fit(values)
        assert adjusted_rand_score(theirs.labels_, labels) > 0.98
        expected = inertia_of(values, theirs.labels_)
        assert inertia_of(values, labels) == pytest.approx(expected, rel=0.01)


def test_no_worse_than_scikit_learn_where_no_split_is_clear():
    values = make_blobs(20_000, 10, centers=15, cluster_std=3.0, random_state=1)[0]
    (ours,) = fitted(values, (12,))
    theirs = BisectingKMeans(12, n_init=3, random_state=0).fit(values)
    expected = inertia_of(values, theirs.labels_)
    assert inertia_of(values, labels_of([ours], values)[:, 0]) < 1.03 * expected


def test_every_split_cuts_the_slot_of_most_inertia():
    values = make_blobs(5000, 4, centers=9, cluster_std=2.0, random_state=2)[0]
    tree = fit_tree(Rows(values, rows_a_block=1024), 12, SweepSettings(n_init=3), Passes())
    slots = Descent(tree.splits, tree.shift).slots(values)
    for cut, sizes in zip(tree.splits.slots, tree.sizes, strict=False):
        own = next(slots)
        np.testing.assert_array_equal(np.bincount(own, minlength=len(sizes)), sizes)
        inertias = [inertia_of(values[own == j], own[own == j]) for j in range(len(sizes))]
        assert cut == np.argmax(inertias)


def test_a_pass_is_lloyds_iteration_of_every_slot():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((3000, 3)) + 5
    taken = Splits(np.array([0]), np.array([[[4.0, 5, 5], [6, 5, 5]]]))
    slots = (values[:, 0] > 5).astype(int)
    trials = Splits(np.array([1, 0]), np.stack([values[slots == 1][:2], values[slots == 0][:2]]))
    step = SplitStep(taken, trials, np.full(3, 5.0))
    for block in np.array_split(values, 4):
        step.update(block)
    sizes, means, inertia, far_rows = step.result()
    for i, (slot, centers) in enumerate(zip(*trials, strict=True)):
        own = values[slots == slot]
        squared = ((own[:, None] - centers) ** 2).sum(axis=2)
        side = squared.argmin(axis=1)
        for j in (0, 1):
            here = 2 * i + j
            assert sizes[here] == (side == j).sum()
            np.testing.assert_allclose(means[here], own[side == j].mean(axis=0))
            assert inertia[here] == pytest.approx(squared[side == j, j].sum())
            farthest = own[side == j][squared[side == j, j].argmax()]
            np.testing.assert_array_equal(far_rows[here], farthest)


def test_threads_blocks_and_other_ks_change_no_label():
    values = nested()
    one = labels_of(fitted(values, (3, 6), 1, 1024), values)
    np.testing.assert_array_equal(one, labels_of(fitted(values, (3, 6), 2, 1024), values))
    np.testing.assert_array_equal(one, labels_of(fitted(values, (3, 6), 1, 2048), values))
    np.testing.assert_array_equal(one[:, :1], labels_of(fitted(values, (3,), 1, 1024), values))


def test_every_executor_finds_the_same(executor):
    values = nested(n_rows=3000)
    rows = Rows(values, rows_a_block=1024)
    (ours,) = ALGORITHM.fit(rows, (6,), Settings(), Passes(executor), Path())
    (expected,) = fitted(values, (6,), 1, 1024)
    for name, array in expected.arrays.items():
        np.testing.assert_array_equal(ours.arrays[name], array)


def test_what_is_stored_labels_as_what_was_fitted():
    values = nested()
    ours = fitted(values, (2, 5, 7))
    labels = labels_of(ours, values)
    stored = [
        Clustering(c.n_clusters, {n: np.array(a.tolist(), a.dtype) for n, a in c.arrays.items()})
        for c in ours
    ]
    np.testing.assert_array_equal(labels_of(stored[::-1], values), labels[:, ::-1])
    np.testing.assert_array_equal(labels_of(stored[1:2], values), labels[:, 1:2])
    other = fitted(values, (4,), random_state=5)
    np.testing.assert_array_equal(
        labels_of([*other, *stored], values), np.hstack([labels_of(other, values), labels])
    )
    for column in labels.T:
        assert (np.diff(np.bincount(column)) <= 0).all()


def identical(rng):
    return np.full((500, 3), 2.7)


def two_distinct(rng):
    return np.repeat([[0.1, 1, 2], [5, 6, 7]], 250, axis=0)


def fewer_distinct_than_k(rng):
    return np.repeat(rng.standard_normal((4, 3)), 100, axis=0)


def one_huge_outlier(rng):
    values = rng.standard_normal((2000, 3))
    values[77] = 1e6
    return values


def one_column(rng):
    return make_blobs(900, 1, centers=[[0], [9], [20]], random_state=0)[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "make", [identical, two_distinct, fewer_distinct_than_k, one_huge_outlier, one_column]
)
def test_odd_rows(dtype, make):
    values = make(np.random.default_rng(0)).astype(dtype)
    ks = (1, 2, 3, 6)
    n_distinct = len(np.unique(values, axis=0))
    ours = fitted(values, ks)
    for k, clustering, labels in zip(ks, ours, labels_of(ours, values).T, strict=True):
        assert clustering.n_clusters == k
        assert len(np.unique(labels)) == min(k, n_distinct)
        assert labels.max() < k


def test_rows_that_the_sample_lacks_are_split_all_the_same(monkeypatch):
    monkeypatch.setattr("streamclust.clustering.bisecting_kmeans.SAMPLE_ROWS", 1)
    values = nested(n_rows=800)
    (ours,) = fitted(values, (4,))
    theirs = BisectingKMeans(4, n_init=3, random_state=0).fit(values)
    assert adjusted_rand_score(theirs.labels_, labels_of([ours], values)[:, 0]) > 0.98


def continued(old, new, ks):
    """Clusterings of some rows, before and after further ones."""
    before = fitted(old, ks)
    labels = labels_of(before, old)
    counts = [np.bincount(labels[:, i], minlength=k) for i, k in enumerate(ks)]
    rows = Rows(np.concatenate([old, new]))
    return before, ALGORITHM.partial_fit(before, counts, rows, Rows(new), Settings(), Passes())


def test_splits_move_as_a_two_means_of_the_rows_that_come_to_them():
    values = make_blobs(900, 4, centers=6, cluster_std=2.5, random_state=3)[0] + 50
    old, new = values[:600], values[600:]
    before, after = continued(old, new, (2, 6))
    arrays = before[1].arrays

    def cut(rows):
        """Of each split the rows on its two sides, by distances."""
        slots, sides = np.zeros(len(rows), int), []
        for i, slot in enumerate(arrays["split_slots"]):
            apart = ((rows[:, None] - arrays["split_centers"][i]) ** 2).sum(axis=2)
            second = apart[:, 1] < apart[:, 0]
            sides.append([rows[(slots == slot) & (second == side)] for side in (False, True)])
            slots[(slots == slot) & second] = i + 1
        return sides

    for i, (own, further) in enumerate(zip(cut(old), cut(new), strict=True)):
        for side in range(2):
            n_old, center = len(own[side]), arrays["split_centers"][i, side]
            total = n_old * center + further[side].sum(axis=0)
            expected = total / (n_old + len(further[side]))
            moved = after[1].arrays["split_centers"][i, side]
            np.testing.assert_allclose(moved, expected, rtol=1e-9)
    # The cuts of one tree remain those of one.
    np.testing.assert_array_equal(
        after[0].arrays["split_centers"], after[1].arrays["split_centers"][:1]
    )
    np.testing.assert_array_equal(after[1].arrays["slot_labels"], arrays["slot_labels"])


def test_rows_that_are_all_alike_have_no_split_to_move():
    alike = np.ones((50, 3), np.float32)
    before, after = continued(alike, alike[:9] + 1, (2, 3))
    assert [len(c.arrays["split_slots"]) for c in after] == [0, 0]
    assert after == before
