"""Draws of k-means++ that a sweep shares, and the best of runs that begin with them."""

import numpy as np
import pytest
from sklearn.cluster import KMeans, kmeans_plusplus
from sklearn.datasets import make_blobs

from streamclust.clustering.seeding import Sample, Seeding, sample_centers
from streamclust.passes import Passes

ROWS = make_blobs(3000, 5, centers=12, cluster_std=2.5, random_state=0)[0].astype(np.float32)


@pytest.mark.parametrize("weights", [None, np.arange(1, 3001.0)])
def test_the_first_of_a_long_draw_are_a_short_one(weights):
    sample = Sample(ROWS, weights)
    long = sample.first_centers(20, 7)
    assert long[:8].tolist() == sample.first_centers(8, 7).tolist()
    about_mean = ROWS - ROWS.mean(axis=0, dtype=np.float64)
    options = {"sample_weight": weights, "random_state": 7, "n_local_trials": 5}
    assert long.tolist() == kmeans_plusplus(about_mean, 20, **options)[1].tolist()


def test_the_best_run_of_several_draws():
    sample = Sample(ROWS)
    draws = [sample.first_centers(15, seed) for seed in range(6)]
    runs = [KMeans(12, init=ROWS[draw[:12]], n_init=1, max_iter=3).fit(ROWS) for draw in draws]
    found = sample.fit_from(12, draws, max_iter=3)
    assert found.inertia_ == pytest.approx(min(run.inertia_ for run in runs), rel=1e-5)
    assert len({run.inertia_ for run in runs}) > 1


def test_centres_of_a_sample_do_not_depend_on_the_other_ks():
    alone, beside = sample_centers(ROWS, [5], 3)[0], sample_centers(ROWS, [2, 5, 30], 3)[1]
    np.testing.assert_array_equal(alone, beside)


@pytest.mark.parametrize("n_init", [3, 24])
def test_seeds_are_as_good_as_many_restarts(n_init):
    seeds = Seeding(Sample(ROWS), "k-means++", n_init, 0).seeds([4, 12], Passes())
    for k, centers in seeds.items():
        best = KMeans(k, n_init=10, random_state=0).fit(ROWS).inertia_
        squares = ((ROWS[:, None].astype(float) - centers) ** 2).sum(axis=2)
        assert squares.min(axis=1).sum() < 1.005 * best


def test_starts_of_few_rows_see_them_all():
    few = Seeding(Sample(ROWS), "k-means++", 24, 0)
    assert {start[:2] for start in few.starts(12)} == {(0, 3000)}
    many = Seeding(Sample(np.zeros((16_384, 1))), "k-means++", 24, 0)
    assert len({start[:2] for start in many.starts(12)}) == 4
    # More centres than half of a quarter's rows.
    assert {start[:2] for start in many.starts(3000)} == {(0, 16_384)}
