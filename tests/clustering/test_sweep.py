"""Many numbers of clusters at once: each as if alone, with few rows, with rows that recur."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.datasets import make_blobs

from streamclust.clustering import kmeans_sweep as sweep
from streamclust.clustering import seeding
from streamclust.clustering.kmeans_sweep import MiniBatches, SweepSettings, fit_sweep
from streamclust.clustering.seeding import Sample
from streamclust.passes.accumulators.clusters import Assignment, LloydStep
from streamclust.passes.blocks import Rows
from streamclust.passes.passes import Passes


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_result_does_not_depend_on_the_other_ks(dtype):
    values = make_blobs(40_000, 8, centers=9, cluster_std=0.5, random_state=0)[0].astype(dtype)
    settings = SweepSettings(n_init=4)
    alone = fit_sweep(Rows(values), [9], settings, Passes())[9]
    beside = fit_sweep(Rows(values), [9, 100], settings, Passes())[9]
    assert beside.inertia == pytest.approx(alone.inertia, rel=1e-6)
    assert beside.n_iter == alone.n_iter
    labels = [Assignment([fit.centers])(values)[0] for fit in (alone, beside)]
    np.testing.assert_array_equal(*labels)


def test_each_k_has_its_own_sample_and_all_one_shift(monkeypatch):
    """What `[9]` and `[9, 100]` would hardly show: tolerances, new seeds, rounding."""
    monkeypatch.setattr(seeding, "SAMPLE_ROWS", 100)
    monkeypatch.setattr(seeding, "SAMPLE_ROWS_A_CLUSTER", 50)
    seen = {"shift": [], "rows": []}
    reseeded = sweep.reseeded

    def watched_step(centers, shift):
        seen["shift"].append(shift)
        return LloydStep(centers, shift)

    def watched_seeds(means, empty, sample):
        seen["rows"].append((len(means), len(sample)))
        return reseeded(means, empty, sample)

    monkeypatch.setattr(sweep, "LloydStep", watched_step)
    monkeypatch.setattr(sweep, "reseeded", watched_seeds)
    values = np.random.default_rng(0).standard_normal((2000, 4))
    for ks in ([4], [4, 20]):
        fit_sweep(Rows(values), ks, SweepSettings(n_init=1), Passes())
    assert set(seen["rows"]) == {(4, 200), (20, 1000)}
    assert len(np.unique(seen["shift"], axis=0)) == 1


@pytest.mark.parametrize("batch_size", [3, 10])
def test_batches_smaller_than_k(executor, batch_size):
    values = make_blobs(600, 5, centers=6, cluster_std=0.1, random_state=1)[0]
    settings = SweepSettings(n_init=4, batch_size=batch_size)
    fitted = fit_sweep(Rows(values), [2, 6, 15], settings, Passes(executor))
    assert [len(fit.centers) for fit in fitted.values()] == [2, 6, 15]
    np.testing.assert_array_equal(fitted[6].sizes, [100] * 6)


def test_few_valid_rows_in_the_first_window():
    values = np.random.default_rng(0).standard_normal((20_000, 4))
    for first in range(0, 20_000, 1024):  # whichever blocks the first window is drawn from
        valid = np.zeros(20_000, bool)
        valid[first + 3 : first + 8] = True
        valid[first - 40 : first - 30] = True
        if valid.sum() == 15:
            rows = Rows(values, valid, rows_a_block=1024)
            fitted = fit_sweep(rows, [8], SweepSettings(n_init=1), Passes())[8]
            assert fitted.sizes.sum() == 15


def test_mini_batches_wait_for_enough_rows():
    rows = np.random.default_rng(0).standard_normal((50, 3))
    seeds = rows[:8]
    learner = MiniBatches(seeds, 0)
    learner.partial_fit(rows[:5])
    learner = pickle.loads(pickle.dumps(learner))
    np.testing.assert_array_equal(learner.centers, seeds)
    learner.partial_fit(rows[5:9])
    at_once = MiniBatches(seeds, 0)
    at_once.partial_fit(rows[:9])
    assert (learner.centers != seeds).any()
    np.testing.assert_array_equal(learner.centers, at_once.centers)
    learner.partial_fit(rows[9:10])
    assert (learner.centers != at_once.centers).any()


@pytest.mark.parametrize("sampled", [False, True])
def test_weights_are_rows_that_recur(executor, monkeypatch, sampled):
    """By breathed restarts on all rows, and by a sample with mini-batches."""
    if sampled:
        monkeypatch.setattr(seeding, "SAMPLE_ROWS", 500)
        monkeypatch.setattr(seeding, "SAMPLE_ROWS_A_CLUSTER", 50)
    values = make_blobs(3000, 5, centers=6, cluster_std=0.5, random_state=1)[0]
    weights = np.random.default_rng(0).integers(1, 5, len(values))
    weights[values[:, 0] > 0] *= 3
    settings = SweepSettings(n_init=4, batch_size=100)
    weighted = Rows(values, extras=(weights.astype(float),))
    fit = fit_sweep(weighted, [6], settings, Passes(executor))[6]
    expected = fit_sweep(Rows(np.repeat(values, weights, axis=0)), [6], settings, Passes(executor))[
        6
    ]
    np.testing.assert_allclose(fit.centers, expected.centers, rtol=1e-9)
    np.testing.assert_array_equal(fit.sizes, expected.sizes)
    assert fit.inertia == pytest.approx(expected.inertia)


def test_variances_that_tell_when_centres_stand_still_heed_weights():
    rng = np.random.default_rng(0)
    values, weights = rng.normal(3, 2, (50, 4)), rng.integers(1, 5, 50)
    repeated = Sample(np.repeat(values, weights, axis=0))
    assert Sample(values, weights).variance == pytest.approx(repeated.variance)


def test_scikit_learns_warnings_of_few_distinct_rows_are_kept_back(executor):
    values = np.repeat(np.random.default_rng(0).standard_normal((5, 3)), 200, axis=0)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        fitted = fit_sweep(Rows(values), range(2, 9), SweepSettings(n_init=4), Passes(executor))
        assert warnings.filters == before
    assert not said
    assert fitted[8].inertia == pytest.approx(0, abs=1e-9)
