"""Nearest neighbours against scikit-learn's brute force, and against what they promise."""

import copy

import numpy as np
import pytest
import zarr
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.neighbors import NearestNeighbors

from streamclust.errors import SettingsError
from streamclust.events import Events, Message
from streamclust.neighbors import bundles, cells, search
from streamclust.neighbors import graph as graph_module
from streamclust.neighbors.candidates import Members, nearest_columns
from streamclust.neighbors.graph import GraphSettings, neighbor_graph, recall_of
from streamclust.neighbors.search import NearestRows, exact_neighbors
from streamclust.passes.blocks import Rows
from streamclust.passes.passes import Passes

K = 7
CHUNK = 512


def brute_force(values, k):
    model = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(values.astype(np.float64))
    distances, indices = model.kneighbors(values.astype(np.float64))
    own = indices == np.arange(len(values))[:, None]
    assert own.any(axis=1).all()
    return indices[~own].reshape(-1, k), distances[~own].reshape(-1, k)


def brute_force_of_groups(values, groups, k):
    """Row by row: the nearest of each group, nearest first."""
    indices, distances = brute_force(values, len(values) - 1)
    chosen = []
    for row, others in enumerate(groups[indices]):
        _, first = np.unique(others, return_index=True)
        first = np.sort(first)[:k]
        chosen.append((indices[row, first], distances[row, first]))
    return chosen


@pytest.fixture(scope="module")
def vehicles():
    """4,000 rows of 12 columns, about ten each of 400 groups that lie in 20 larger ones."""
    rng = np.random.default_rng(0)
    kinds = 3 * rng.standard_normal((20, 12))
    vehicles = kinds[rng.integers(0, 20, 400)] + rng.standard_normal((400, 12))
    groups = np.sort(rng.integers(0, 400, 4000))
    return (vehicles[groups] + 0.7 * rng.standard_normal((4000, 12))).astype(np.float32), groups


@pytest.fixture
def small_cells(monkeypatch):
    """Many cells and bundles of few rows."""
    monkeypatch.setattr(cells, "ALL_WITH_ALL", 100)
    monkeypatch.setattr(cells, "ROWS_A_CELL", 50)
    monkeypatch.setattr(bundles, "BUNDLE_ROWS", 300)


def graph(folder, values, *, groups=None, valid=None, passes=None, k=K, scratch=None, **settings):
    """The arrays of a graph, and its report."""
    stored = zarr.create_array(
        folder / "x.zarr",
        shape=values.shape,
        chunks=(CHUNK, values.shape[1]),
        dtype=values.dtype,
        overwrite=True,
    )
    stored[...] = values
    shape, chunks = (len(values), k), (CHUNK, k)
    outputs = [
        zarr.create_array(
            folder / f"{number}.zarr",
            shape=shape,
            chunks=chunks,
            dtype=dtype,
            fill_value=fill,
            overwrite=True,
        )
        for number, (dtype, fill) in enumerate([("i4", -5), ("f4", np.nan)] * 2)
    ]
    outputs = outputs if groups is not None else outputs[:2]
    report = neighbor_graph(
        Rows(stored, valid, rows_a_block=CHUNK),
        GraphSettings(k, **settings),
        passes or Passes(),
        scratch or folder / "scratch",
        outputs,
        groups,
    )
    return [output[...] for output in outputs], report


@pytest.mark.parametrize("offset", [0, 1000])
def test_exact_ones_are_those_of_brute_force(vehicles, offset):
    values = (vehicles[0] + offset).astype(np.float64)
    plain, _ = exact_neighbors(values, K)
    indices, distances = brute_force(values - offset, K)
    np.testing.assert_array_equal(plain.indices, indices)
    np.testing.assert_allclose(plain.distances, distances, rtol=1e-5)


def test_exact_ones_of_distinct_groups(vehicles):
    values, groups = (part[:1500] for part in vehicles)
    plain, of_groups = exact_neighbors(values, K, groups)
    np.testing.assert_array_equal(plain.indices, brute_force(values, K)[0])
    for row, (indices, distances) in enumerate(brute_force_of_groups(values, groups, K)):
        np.testing.assert_array_equal(of_groups.indices[row], indices)
        np.testing.assert_allclose(of_groups.distances[row], distances, rtol=1e-5)


@pytest.mark.parametrize("n_groups", [K - 2, K + 2])
def test_few_large_groups_are_searched_thoroughly(vehicles, n_groups):
    values = vehicles[0][:600]
    groups = np.arange(600) * n_groups // 600  # the nearest dozens are all of one group
    _, of_groups = exact_neighbors(values, K, groups)
    for row, (indices, _) in enumerate(brute_force_of_groups(values, groups, K)):
        np.testing.assert_array_equal(of_groups.indices[row, : len(indices)], indices)
        assert (of_groups.indices[row, len(indices) :] == -1).all()


def test_rows_without_a_group_are_each_their_own(vehicles):
    plain, of_groups = exact_neighbors(vehicles[0][:500], K, np.full(500, -1))
    np.testing.assert_array_equal(plain.indices, of_groups.indices)


def test_near_identical_rows_keep_their_digits():
    """Far from each other's origin, where a product of lengths leaves no digits."""
    rng = np.random.default_rng(0)
    places = 50 * rng.standard_normal((30, 8))
    values = (np.repeat(places, 40, axis=0) + 1e-3 * rng.standard_normal((1200, 8))).astype("f4")
    plain, _ = exact_neighbors(values, K)
    _, distances = brute_force(values, K)
    # Centred in float32: each coordinate of a difference is off by no more.
    atol = np.sqrt(8) * np.finfo(np.float32).eps * np.abs(values).max()
    np.testing.assert_allclose(plain.distances, distances, rtol=1e-5, atol=atol)


def crowds(noise: float, n_rows: int = 700) -> np.ndarray:
    """Two crowds of near-identical rows of unit length among others, 20 rows of one twice."""
    rng = np.random.default_rng(5)
    places = rng.normal(size=(602, 64))
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    members = [place + noise * rng.normal(size=(n_rows, 64)) / 8 for place in places[:2]]
    values = np.vstack([*members, places[2:]]).astype(np.float32)
    values[100:120] = values[:20]
    return values


def true_shares(values, indices):
    """Of the neighbours found of each row, which share lies as near as the true ones."""
    exact, k = values.astype(np.float64), indices.shape[1]
    shares = []
    for row, own in zip(exact, indices, strict=True):
        apart = np.linalg.norm(exact - row, axis=1)
        shares.append((apart[own] <= np.partition(apart, k)[k] * (1 + 1e-5)).mean())
    return np.array(shares)


@pytest.mark.parametrize("noise", [1e-2, 1e-3, 1e-4, 1e-6])
def test_crowds_within_the_rounding_of_products(noise):
    values = crowds(noise)
    values -= values.mean(axis=0)  # rows that are centred in float32 are others: not of concern
    plain, _ = exact_neighbors(values, K)
    assert true_shares(values, plain.indices).mean() > 0.99
    copies = [*range(20), *range(100, 120)]
    assert plain.indices[copies, 0].tolist() == [*range(100, 120), *range(20)]
    assert not plain.distances[copies, 0].any()


def test_crowds_of_few_groups():
    values, rng = crowds(1e-4)[:1400], np.random.default_rng(0)
    values -= values.mean(axis=0)
    groups = rng.integers(0, K + 1, len(values))
    _, of_groups = exact_neighbors(values, K, groups)
    for row, (_, distances) in enumerate(brute_force_of_groups(values, groups, K)):
        # Of scikit-learn's distances rounding leaves 1e-8.
        np.testing.assert_allclose(of_groups.distances[row], distances, rtol=1e-3, atol=3e-8)


@pytest.mark.parametrize("noise", [1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_recall_told_is_the_true_one_of_crowds(tmp_path, noise, dtype):
    """Also where a graph in float32 cannot find the neighbours: of float64 rows that differ less,
    and far from zero."""
    values = np.random.default_rng(0).normal(size=(1500, 8)) * noise
    values[:400] += 1
    values = values.astype(dtype)
    (indices, *_), report = graph(tmp_path, values)
    true = true_shares(values, indices).mean()
    assert report.recall.share == pytest.approx(true, abs=5 * report.recall.error + 1e-3)
    assert true > 0.99 or noise < 1e-3


@pytest.mark.parametrize("sizes", [[600], [1, 599], [0, 200, 400]], ids=str)
def test_distances_to_rows_by_number_in_any_split(vehicles, sizes):
    values, rng = vehicles[0][:600], np.random.default_rng(0)
    numbers = np.arange(600) * 3 + 5  # some are not there
    wanted = rng.integers(-1, 1900, (40, K))
    empty = search.DistancesTo(values[:40], wanted)
    merged = copy.deepcopy(empty)
    for end, size in zip(np.cumsum(sizes), sizes, strict=True):
        other = copy.deepcopy(empty)
        other.update(values[end - size : end], numbers[end - size : end])
        merged.merge(other)
    expected = np.full(wanted.shape, np.inf)
    for place, number in np.ndenumerate(wanted):
        if number in numbers:
            row = values[(number - 5) // 3].astype(float)
            expected[place] = np.linalg.norm(values[place[0]].astype(float) - row)
    np.testing.assert_allclose(merged.result(), np.sort(expected, axis=1), rtol=1e-12)


@pytest.mark.usefixtures("small_cells")
def test_the_graph_has_the_recall_it_reports(tmp_path, vehicles):
    values, groups = vehicles
    (indices, distances, of_groups, group_distances), report = graph(
        tmp_path, values, groups=groups, recall=0.9
    )
    true, _ = brute_force(values, K)
    found = (indices[:, :, None] == true[:, None, :]).any(axis=1).mean()
    assert report.recall.share >= 0.9
    assert report.recall.share == pytest.approx(found, abs=5 * report.recall.error + 1e-9)
    assert report.n_cells > 50
    assert report.n_bundles > 10
    measured = np.linalg.norm(values[:, None] - values[indices], axis=2)
    np.testing.assert_allclose(distances, measured, rtol=1e-5)
    assert (np.diff(distances) >= 0).all()
    assert (np.diff(np.sort(indices)) > 0).all()
    assert (indices != np.arange(len(values))[:, None]).all()
    assert (np.diff(np.sort(groups[of_groups])) > 0).all()
    assert (group_distances >= distances).all()
    expected = brute_force_of_groups(values, groups, K)
    shares = [np.isin(e, own).mean() for (e, _), own in zip(expected, of_groups, strict=True)]
    assert np.mean(shares) > 0.85


@pytest.mark.usefixtures("small_cells")
def test_the_exact_algorithm_finds_what_brute_force_does(tmp_path, vehicles):
    values, groups = (part[:1500] for part in vehicles)
    (indices, distances, of_groups, group_distances), report = graph(
        tmp_path, values, groups=groups, algorithm="exact"
    )
    true, true_distances = brute_force(values, K)
    np.testing.assert_array_equal(indices, true)
    np.testing.assert_allclose(distances, true_distances, rtol=1e-5)
    for row, (numbers, apart) in enumerate(brute_force_of_groups(values, groups, K)):
        np.testing.assert_array_equal(of_groups[row], numbers)
        np.testing.assert_allclose(group_distances[row], apart, rtol=1e-5)
    assert report.recall.share == 1
    assert report.n_bundles > 3


@pytest.mark.usefixtures("small_cells")
def test_more_cells_are_searched_until_the_recall_is_reached(tmp_path, vehicles, monkeypatch):
    """What fewer cells found is deleted, and is not looked for again after a kill."""
    efforts, scratch = [], tmp_path / "scratch"
    shuffled = graph_module.shuffle

    def observed(rows, cells, probes, folder, passes):
        efforts.append(probes)
        assert [path for path in scratch.iterdir() if path.is_dir()] == [folder]
        if len(efforts) == 3:
            raise KeyboardInterrupt
        return shuffled(rows, cells, probes, folder, passes)

    monkeypatch.setattr(graph_module, "shuffle", observed)
    with pytest.raises(KeyboardInterrupt):
        graph(tmp_path, vehicles[0], probes=1, recall=0.97)
    _, report = graph(tmp_path, vehicles[0], probes=1, recall=0.97)
    assert efforts[:4] == [1, 2, 3, 3]
    assert report.probes == efforts[-1] > 2
    assert report.recall.share >= 0.97


@pytest.mark.usefixtures("small_cells")
@pytest.mark.parametrize("recall", [0.3, 1])
def test_too_few_found_at_last_are_told(tmp_path, vehicles, monkeypatch, recall):
    monkeypatch.setattr(graph_module, "MOST_PROBES", 2)
    said = []
    passes = Passes(events=Events(said.append))
    _, report = graph(tmp_path, vehicles[0], passes=passes, probes=2, recall=recall)
    told = [event.text for event in said if isinstance(event, Message)]
    assert 0.3 < report.recall.share < 1
    share = f"recall {report.recall.share:.3f} with 2 cells searched for each row, below 1:"
    assert len(told) == (recall == 1)
    assert all(text.startswith(share) and "--neighbors exact" in text for text in told)


def test_of_few_rows_it_is_exact(tmp_path, vehicles):
    (indices, distances), report = graph(tmp_path, vehicles[0])
    true, true_distances = brute_force(vehicles[0], K)
    np.testing.assert_array_equal(indices, true)
    np.testing.assert_allclose(distances, true_distances, rtol=1e-5)
    assert report.recall.share == 1


def test_invalid_rows_are_nobodys_neighbours(tmp_path, vehicles):
    values = vehicles[0][:1500].copy()
    valid = np.arange(1500) % 3 > 0
    valid[:CHUNK] = False  # a block without any
    values[~valid] = np.nan
    (indices, distances), _ = graph(tmp_path, values, valid=valid)
    own, true = np.flatnonzero(valid), brute_force(values[valid], K)
    np.testing.assert_array_equal(indices[valid], own[true[0]])
    assert (indices[~valid] == -5).all()
    assert np.isnan(distances[~valid]).all()


@pytest.mark.parametrize("n_valid", [0, 1, K])
def test_too_few_rows_for_k(tmp_path, vehicles, n_valid):
    values, groups = (part[:20] for part in vehicles)
    valid = np.arange(20) < n_valid
    (indices, distances, *_), report = graph(tmp_path, values, valid=valid, groups=groups)
    assert ((indices[valid] >= 0).sum(axis=1) == max(n_valid - 1, 0)).all()
    assert np.array_equal(np.isinf(distances[valid]), indices[valid] == -1)
    assert report.recall.share == 1


@pytest.mark.usefixtures("small_cells")
@pytest.mark.parametrize("algorithm", ["auto", "exact"])
def test_identical_rows(tmp_path, vehicles, algorithm):
    """A cell that no centres can split: it is cut, and its rows find each other at distance 0,
    those of one part some of the first part, so that all hang together."""
    values = np.concatenate([vehicles[0][:1000], np.repeat(vehicles[0][:1], 1500, axis=0)])
    (indices, distances), report = graph(tmp_path, values, algorithm=algorithm)
    assert report.largest_cell > bundles.BUNDLE_ROWS
    own, few = np.repeat(np.arange(1000, 2500), 4), indices[1000:, :4].ravel()
    edges = coo_array((np.ones(6000), (own, few)), (2500, 2500))
    assert connected_components(edges, directed=False)[0] == 1000
    assert (distances[1000:] == 0).all()
    assert (indices[1000:] != np.arange(1000, 2500)[:, None]).all()
    assert (np.diff(np.sort(indices)) > 0).all()
    alike = np.ones((1200, 3), np.float32)
    (_, distances), _ = graph(tmp_path, alike, scratch=tmp_path / "alike", algorithm=algorithm)
    assert (distances == 0).all()


@pytest.mark.usefixtures("small_cells")
def test_nothing_depends_on_the_executor(tmp_path, vehicles, executor):
    values, groups = (part[:2000] for part in vehicles)
    expected, report = graph(tmp_path, values, groups=groups)
    found, again = graph(
        tmp_path, values, groups=groups, passes=Passes(executor), scratch=tmp_path / "other"
    )
    assert again == report
    for left, right in zip(expected, found, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.usefixtures("small_cells")
def test_a_kill_loses_no_finished_bundle(tmp_path, vehicles, monkeypatch):
    expected, _ = graph(tmp_path, vehicles[0], scratch=tmp_path / "whole")
    search = bundles.SearchBundle._search
    searched = []

    def killed_at_the_fifth(self, bundle):
        searched.append(bundle.number)
        if len(searched) == 5:
            raise KeyboardInterrupt
        return search(self, bundle)

    monkeypatch.setattr(bundles.SearchBundle, "_search", killed_at_the_fifth)
    with pytest.raises(KeyboardInterrupt):
        graph(tmp_path, vehicles[0])
    assert searched == [0, 1, 2, 3, 4]
    found, report = graph(tmp_path, vehicles[0])
    assert searched[5:] == list(range(4, report.n_bundles))
    for left, right in zip(expected, found, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("sizes", [[600], [1, 599], [0, 200, 400]], ids=str)
def test_true_distances_in_any_split_and_order(vehicles, sizes):
    values, numbers = vehicles[0][:600], np.arange(600)
    empty = NearestRows(Members(values[:50], numbers[:50]), K, np.zeros(12, np.float32))
    ends = np.cumsum(sizes)
    parts = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    one, merged = copy.deepcopy(empty), copy.deepcopy(empty)
    for part in parts:
        one.update(values[part], numbers[part])
    for part in parts[::-1]:
        other = copy.deepcopy(empty)
        other.update(values[part], numbers[part])
        merged.merge(other)
    for accumulator in (one, merged):
        true = brute_force(values, K)[1][:50]
        np.testing.assert_allclose(accumulator.result().distances, true, rtol=1e-5)


def test_a_neighbour_as_near_as_the_last_true_one_counts():
    true = np.array([[1, 2, 3], [1, 1, 1], [2, np.inf, np.inf]], np.float32)
    found = np.array([[1, 3, 4], [1, 1, 1], [np.inf] * 3], np.float32)
    assert recall_of(found, true).share == pytest.approx((2 / 3 + 1 + 0) / 3)


@pytest.mark.parametrize("n_columns", [5, 40, 3000])
def test_the_smallest_columns(n_columns):
    keys = np.random.default_rng(0).standard_normal((200, n_columns), dtype=np.float32)
    keys[::3] = np.round(keys[::3])  # ties
    found = nearest_columns(keys, 5)
    np.testing.assert_array_equal(np.take_along_axis(keys, found, 1), np.sort(keys, axis=1)[:, :5])
    assert (np.diff(np.sort(found)) > 0).all()


@pytest.mark.parametrize("wrong", [{"n_neighbors": 0}, {"probes": 0}, {"recall": 1.1}])
def test_settings_without_sense(wrong):
    with pytest.raises(SettingsError):
        GraphSettings(**wrong)


@pytest.mark.parametrize("n_columns", [3, 64, 256, 1000, 5000])
def test_rounding_of_products_stays_below_its_bound(n_columns):
    chance = np.random.default_rng(n_columns)
    rows, queries = (chance.gamma(2, 1, (400, n_columns)).astype(np.float32) for _ in range(2))
    factors = search._factors(rows)
    keys = np.concatenate([queries, np.ones((400, 1), np.float32)], axis=1) @ factors.T
    exact = (rows.astype(np.float64) ** 2).sum(axis=1) - 2.0 * queries.astype(np.float64) @ rows.T
    lengths = (queries.astype(np.float64) ** 2).sum(axis=1)
    bound = search.rounding(factors) * (lengths[:, None] + factors[:, -1].max())
    assert (np.abs(keys - exact) < bound).all()


def test_rounding_of_the_usual_widths_is_sixteen_epsilons():
    factors = np.zeros((1, 257), np.float32)
    assert search.rounding(factors) == 16 * np.finfo(np.float32).eps
    assert search.rounding(factors).dtype == np.float32
    assert search.rounding(np.zeros((1, 1025), np.float32)) == 32 * np.finfo(np.float32).eps
