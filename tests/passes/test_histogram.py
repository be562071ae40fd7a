"""Density maps: numpy's histograms by cluster, the laws of accumulators, and the edges."""

import pickle

import numpy as np
import pytest

from streamclust.passes.accumulators.counts import Density, DensityMap, DensityMaps, map_edges

N_ROWS, N_CLUSTERS = 5000, 4


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    values = (rng.standard_normal((N_ROWS, 6)) + 1000).astype(np.float32)
    return values, rng.integers(-1, N_CLUSTERS, N_ROWS, dtype=np.int32)


@pytest.fixture(scope="module")
def maps() -> list[DensityMap]:
    rng = np.random.default_rng(1)
    return [
        DensityMap(
            rng.standard_normal((6, 2)),
            np.full(6, mean),
            np.linspace(-3, 4, 11),
            np.linspace(-2, 2.5, 8),
        )
        for mean in (1000.0, 999.5, 1001.0)
    ]


def seen(maps: list[DensityMap], *blocks: tuple[np.ndarray, np.ndarray]) -> DensityMaps:
    density = DensityMaps(maps, N_CLUSTERS)
    for values, labels in blocks:
        density.update(values, labels)
    return density


def cut(rows: tuple[np.ndarray, np.ndarray], *ends: int) -> list[tuple[np.ndarray, np.ndarray]]:
    values, labels = rows
    pairs = zip(np.split(values, ends), np.split(labels, ends), strict=True)
    return list(pairs)


def assert_same(left: DensityMaps, right: DensityMaps) -> None:
    for ours, theirs in zip(left.result(), right.result(), strict=True):
        np.testing.assert_array_equal(ours.counts, theirs.counts)
        assert (ours.outside, ours.unlabelled) == (theirs.outside, theirs.unlabelled)


def by_brute_force(one: DensityMap, values: np.ndarray, labels: np.ndarray) -> Density:
    x, y = ((values - one.offset) @ one.axes).T
    counts = [
        np.histogram2d(x[labels == j], y[labels == j], [one.edges_x, one.edges_y])[0]
        for j in range(N_CLUSTERS)
    ]
    n_labelled = int((labels >= 0).sum())
    outside = n_labelled - int(np.sum(counts))
    return Density(np.array(counts), outside, len(labels) - n_labelled)


def test_counts_are_numpys_by_cluster(
    rows: tuple[np.ndarray, np.ndarray], maps: list[DensityMap]
) -> None:
    for one, ours in zip(maps, seen(maps, rows).result(), strict=True):
        expected = by_brute_force(one, *rows)
        np.testing.assert_array_equal(ours.counts, expected.counts)
        assert ours.counts.dtype == np.int64
        assert (ours.outside, ours.unlabelled) == (expected.outside, expected.unlabelled)
        assert ours.outside > 0
        assert ours.unlabelled > 0


@pytest.mark.parametrize("ends", [(1,), (2500,), (10, 10, 4999), (500, 1000, 4097)])
def test_any_split_and_any_merging_tells_the_same(
    rows: tuple[np.ndarray, np.ndarray], maps: list[DensityMap], ends: tuple[int, ...]
) -> None:
    whole, blocks = seen(maps, rows), cut(rows, *ends)
    assert_same(seen(maps, *blocks), whole)
    for order in (blocks, blocks[::-1]):
        merged = seen(maps)
        for block in order:
            merged.merge(seen(maps, block))
        assert_same(merged, whole)


def test_an_empty_one_is_the_identity(
    rows: tuple[np.ndarray, np.ndarray], maps: list[DensityMap]
) -> None:
    left, right, whole = seen(maps), seen(maps, rows), seen(maps, rows)
    left.merge(whole)
    right.merge(seen(maps))
    assert_same(left, whole)
    assert_same(right, whole)


def test_merging_is_associative_and_leaves_the_other_as_it_was(
    rows: tuple[np.ndarray, np.ndarray], maps: list[DensityMap]
) -> None:
    first, second, third = cut(rows, 1000, 3500)
    left, right, tail = (seen(maps, block) for block in (first, first, second))
    left.merge(seen(maps, second))
    left.merge(seen(maps, third))
    tail.merge(seen(maps, third))
    right.merge(tail)
    assert_same(left, right)
    right.update(*first)
    assert_same(tail, seen(maps, second, third))


def test_it_survives_pickling(rows: tuple[np.ndarray, np.ndarray], maps: list[DensityMap]) -> None:
    first, second = cut(rows, 2000)
    half = pickle.loads(pickle.dumps(seen(maps, first)))
    half.update(*second)
    assert_same(half, seen(maps, rows))


def test_the_last_bins_hold_their_upper_edge_and_nan_is_outside() -> None:
    one = DensityMap(np.eye(2), np.zeros(2), np.arange(5.0), np.arange(3.0))
    values = np.array([[0, 0], [4, 2], [1, 1], [-1, 0], [0, 2.5], [np.nan, 1], [1, np.inf]])
    maps = DensityMaps([one], 1)
    maps.update(values, np.zeros(len(values), int))
    (density,) = maps.result()
    assert list(zip(*np.nonzero(density.counts[0]), strict=True)) == [(0, 0), (1, 1), (3, 1)]
    assert density.outside == 4


def test_edges_clip_what_is_far_away() -> None:
    sample = np.random.default_rng(0).standard_normal((10_000, 2))
    sample[:10, 0] = 1e6
    sample[10] = np.nan
    x, y = map_edges(sample, (100, 50))
    assert (len(x), len(y)) == (101, 51)
    assert -4 < x[0] < -2.5
    assert 2.5 < x[-1] < 5
    np.testing.assert_allclose(np.diff(x), (x[-1] - x[0]) / 100)


def test_edges_hold_all_rows_where_that_is_hardly_more() -> None:
    sample = np.random.default_rng(0).random((10_000, 2)) * [3, 500]
    for edges, values in zip(map_edges(sample, 20), sample.T, strict=True):
        span = np.ptp(values)
        assert values.min() - 0.05 * span < edges[0] <= values.min()
        assert values.max() <= edges[-1] < values.max() + 0.05 * span


@pytest.mark.parametrize("value", [0.0, 1e20, -3.5])
def test_edges_of_a_single_value_enclose_it(value: float) -> None:
    for edges in map_edges(np.full((10, 2), value), 4):
        assert np.all(np.diff(edges) > 0)
        assert edges[0] < value < edges[-1]


def test_edges_without_rows_are_still_edges() -> None:
    for edges in map_edges(np.full((3, 2), np.nan), 4):
        np.testing.assert_array_equal(edges, np.linspace(0, 1, 5))
