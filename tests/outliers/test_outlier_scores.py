"""The arithmetic of the outlier score, against scipy's and against what it promises."""

import numpy as np
import pytest
from scipy import stats

from streamclust.outliers.measures.mahalanobis import (
    CORE_FAR,
    CORE_GAP,
    CORE_LEAST,
    CORE_NEAR,
    core_rows,
)
from streamclust.outliers.measures.reference import MicroCluster, reference_gap
from streamclust.outliers.scores import (
    RobustScale,
    far_out,
    root_mean_square,
    share_threshold,
    threshold,
)

NAN = np.nan


@pytest.fixture
def distances():
    return np.random.default_rng(0).lognormal(1.0, 0.3, 5000).astype(np.float32)


def test_z_is_the_robust_deviate_of_the_logarithm(distances):
    logs = np.log(distances.astype(np.float64))
    expected = (logs - np.median(logs)) / stats.iqr(logs, scale="normal")
    z = RobustScale.of(distances).z(distances)
    np.testing.assert_allclose(z, expected, rtol=1e-4, atol=1e-5)
    assert z.dtype == np.float32
    np.testing.assert_allclose(z.std(), 1, rtol=0.05)


def test_z_knows_no_unit(distances):
    z = RobustScale.of(distances).z(distances)
    np.testing.assert_allclose(RobustScale.of(1000 * distances).z(1000 * distances), z, atol=1e-4)


def test_zero_and_unknown_distances(distances):
    values = np.concatenate([distances, [0, NAN, np.inf]])
    scale = RobustScale.of(values)
    assert scale.center == pytest.approx(np.median(np.log(values[np.isfinite(values)] + 1e-30)))
    zero, unknown, infinite = scale.z(values)[-3:]
    assert np.isfinite(zero)
    assert zero < -10
    assert np.isnan(unknown)
    assert infinite == np.inf


def test_a_few_rows_among_copies_of_one_are_unusual():
    values = np.array([3.0] * 8 + [9.0, NAN])
    deviations = np.abs(np.log(values[:9] / 3))
    z = RobustScale.of(values).z(values)
    assert not z[:8].any()
    assert z[8] == pytest.approx(deviations[8] / deviations.mean() * np.sqrt(2 / np.pi), rel=1e-3)


@pytest.mark.parametrize("values", [[3, 3, 3, 3, NAN], [0, 0, NAN], [NAN, NAN]], ids=str)
def test_without_spread_no_row_is_unusual(values):
    values = np.array(values)
    z = RobustScale.of(values).z(values)
    np.testing.assert_array_equal(np.isnan(z), np.isnan(values))
    assert not z[~np.isnan(z)].any()


def test_the_core_leaves_far_and_dense_groups_out():
    rng = np.random.default_rng(0)
    near = rng.lognormal(0, 0.2, 2000)
    far = 2 * near * rng.lognormal(0, 0.05, 2000)
    far[:40] *= 20  # a tight group: near each other, far from all else
    near[40:50] *= 30
    far[50:60] = NAN
    near[60:110] = far[60:110] / 10  # a tight group amid the others
    gap = reference_gap(near, far, RobustScale.of(near).floor)
    z = [RobustScale.of(values).z(values) for values in (near, far, gap)]
    core = core_rows(z[0], far, *z[1:])
    assert not core[:110].any()
    assert core.sum() >= CORE_LEAST * 1990
    # The farthest 3 % are never of it, and near_z <= 2 leaves out another 2 %.
    assert core[110:].mean() > 0.94


def test_the_core_is_most_of_the_rows_whatever_they_are():
    rng = np.random.default_rng(0)
    near_z, far_z, gap_z = rng.normal(0, 30, (3, 3000))
    far = np.ones(3000)
    far[:300] = NAN
    core = core_rows(near_z, far, far_z, gap_z)
    assert not core[:300].any()
    assert core.sum() == pytest.approx(CORE_LEAST * 2700, abs=1)
    out = np.max([near_z / CORE_NEAR, far_z / CORE_FAR, gap_z / CORE_GAP], axis=0)[300:]
    assert out[core[300:]].max() < out[~core[300:]].min()


@pytest.mark.parametrize("alike", [0, 0.05, 0.2, 0.5, 0.97, 1])
def test_rows_that_are_there_many_times_leave_a_core(alike):
    rng = np.random.default_rng(0)
    near = rng.lognormal(0, 0.2, 1000)
    far = 2 * near
    near[: int(1000 * alike)] = 0
    gap = reference_gap(near, far, RobustScale.of(near).floor)
    z = [RobustScale.of(values).z(values) for values in (near, far, gap)]
    assert core_rows(z[0], far, *z[1:]).sum() >= CORE_LEAST * 1000


def test_a_micro_cluster_is_both_far_and_in_company():
    near, far = np.exp([[6, 1, NAN], [9, 4, 9]])
    names = ("reference", "reference_far", "reference_gap")
    scales = dict.fromkeys(names, RobustScale(1e-9, 0.0, 1.0))
    z = MicroCluster().z({"reference": near, "reference_far": far}, scales)
    np.testing.assert_allclose(z, [3, 3, NAN], rtol=1e-6)
    far[1] = np.exp(2)
    np.testing.assert_allclose(MicroCluster().z({names[0]: near, names[1]: far}, scales)[1], 1)


def test_the_score_is_a_root_weighted_mean_square():
    z = [np.array([3, -5, NAN, NAN]), np.array([-1, 6, 6, NAN])]
    expected = [np.sqrt(9 / (1 + 1 / 9)), np.sqrt(36 / 9 / (1 + 1 / 9)), 6, NAN]
    np.testing.assert_allclose(root_mean_square(z, [1, 1 / 9]), expected, rtol=1e-6)


def test_what_one_set_sees_stays_visible():
    scores = [np.array([10, 1, NAN, NAN]), np.array([0, 1, 4, NAN])]
    np.testing.assert_allclose(root_mean_square(scores), [np.sqrt(50), 1, 4, NAN], rtol=1e-6)


def test_the_fence_is_tukeys(distances):
    scores = np.concatenate([distances, [NAN, np.inf]])
    expected = np.quantile(distances, 0.75) + 3 * stats.iqr(distances)
    assert far_out(scores) == pytest.approx(expected, rel=1e-6)
    # Of normal deviates, one in 850,000 lies beyond it on this side.
    deviates = stats.norm.ppf((np.arange(100_000) + 0.5) / 100_000)
    assert stats.norm.sf(far_out(deviates)) == pytest.approx(1.17e-6, rel=0.01)


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5])
def test_a_share_lies_above_its_threshold(distances, share):
    scores = np.concatenate([distances, [NAN]])
    assert threshold(scores, share) == share_threshold(scores, share)
    above = np.count_nonzero(scores > threshold(scores, share))
    assert above == pytest.approx(5000 * share, abs=1)


def test_without_scores_nothing_lies_above():
    nothing = np.full(3, NAN)
    assert far_out(nothing) == share_threshold(nothing, 0.1) == np.inf
