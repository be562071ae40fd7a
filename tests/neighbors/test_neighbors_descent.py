"""NN-descent in overlapping shards: pynndescent itself, compiled once for all of these tests."""

import numpy as np
import pytest
import zarr

from streamclust.errors import SettingsError
from streamclust.events import Events, Message
from streamclust.neighbors import shards
from streamclust.neighbors import shards as descent_module
from streamclust.neighbors.candidates import as_members
from streamclust.neighbors.graph import GraphSettings, neighbor_graph
from streamclust.neighbors.search import exact_neighbors
from streamclust.neighbors.shards import candidates_a_row, descend
from streamclust.passes.blocks import Rows
from streamclust.passes.executors import LocalExecutor
from streamclust.passes.passes import Passes

pytestmark = pytest.mark.slow

K = 7
CHUNK = 1024


@pytest.fixture(scope="module")
def vehicles():
    """6,000 rows of 12 columns, about four each of 1,500 groups that lie in 20 larger ones."""
    rng = np.random.default_rng(0)
    kinds = rng.standard_normal((20, 12))
    vehicles = kinds[rng.integers(0, 20, 1500)] + rng.standard_normal((1500, 12))
    groups = np.sort(rng.integers(0, 1500, 6000))
    return (vehicles[groups] + 0.7 * rng.standard_normal((6000, 12))).astype(np.float32), groups


@pytest.fixture
def small_shards(monkeypatch):
    """Several shards, of which the largest are descended in."""
    monkeypatch.setattr(shards, "_OWN_ROWS", 1000)
    monkeypatch.setattr(shards, "SMALL_SHARD", 1000)


def graph(folder, values, *, groups=None, passes=None, **settings):
    """The arrays of a graph, and its report."""
    chunks = (CHUNK, values.shape[1])
    stored = zarr.create_array(folder / "x.zarr", data=values, chunks=chunks, overwrite=True)
    outputs = [
        zarr.create_array(
            folder / f"{number}.zarr",
            shape=(len(values), K),
            chunks=(CHUNK, K),
            dtype=dtype,
            overwrite=True,
        )
        for number, dtype in enumerate(["i4", "f4"] * (1 if groups is None else 2))
    ]
    report = neighbor_graph(
        Rows(stored, rows_a_block=CHUNK),
        GraphSettings(K, algorithm="nn_descent", **settings),
        passes or Passes(),
        folder / "scratch",
        outputs,
        groups,
    )
    return [output[...] for output in outputs], report


def shares(found, true):
    """Of the true neighbours, those that were found."""
    return (found[:, :, None] == true[:, None, :]).any(axis=1).mean(axis=1)


@pytest.mark.usefixtures("small_shards")
def test_shards_together_have_the_recall_they_report(tmp_path, vehicles):
    values, groups = vehicles
    (indices, distances, of_groups, group_distances), report = graph(
        tmp_path, values, groups=groups, recall=0.9
    )
    plain, true_of_groups = exact_neighbors(values, K, groups)
    found = shares(indices, plain.indices)
    assert found.mean() >= 0.9
    assert report.recall.share == pytest.approx(found.mean(), abs=5 * report.recall.error + 1e-3)
    assert shares(of_groups, true_of_groups.indices).mean() > 0.85
    assert report.n_cells > 4
    measured = np.linalg.norm(values[:, None] - values[indices], axis=2)
    np.testing.assert_allclose(distances, measured, rtol=1e-5)
    assert (np.diff(distances) >= 0).all()
    assert (np.diff(group_distances) >= 0).all()
    assert (indices != np.arange(len(values))[:, None]).all()
    assert (np.diff(np.sort(indices)) > 0).all()
    assert (np.diff(np.sort(groups[of_groups])) > 0).all()


@pytest.mark.usefixtures("small_shards")
def test_shards_overlap_more_until_the_recall_is_reached(tmp_path, vehicles):
    told = []
    passes = Passes(events=Events(told.append))
    _, report = graph(tmp_path, vehicles[0], passes=passes, overlap=1, recall=0.9)
    assert report.probes > 1
    warnings = [event.text for event in told if isinstance(event, Message)]
    assert any("1 shards searched for each row" in text for text in warnings)
    assert any("compiling" in text for text in warnings)


@pytest.mark.usefixtures("small_shards")
def test_nothing_depends_on_the_threads(tmp_path, vehicles):
    values, groups = vehicles[0][::2], vehicles[1][::2]
    results = []
    for n_threads in (1, 2):
        folder = tmp_path / str(n_threads)
        folder.mkdir()
        results.append(
            graph(folder, values, groups=groups, passes=Passes(LocalExecutor(n_threads)))
        )
    (expected, report), (found, again) = results
    assert again == report
    for left, right in zip(expected, found, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.usefixtures("small_shards")
def test_a_kill_loses_no_finished_shard(tmp_path, vehicles, monkeypatch):
    values = vehicles[0]
    (tmp_path / "whole").mkdir()
    expected, whole = graph(tmp_path / "whole", values)
    search, searched = shards.SearchShard._search, []

    def killed_at_the_third(self, bundle):
        searched.append(bundle.number)
        if len(searched) == 3:
            raise KeyboardInterrupt
        return search(self, bundle)

    monkeypatch.setattr(shards.SearchShard, "_search", killed_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        graph(tmp_path, values)
    found, _ = graph(tmp_path, values)
    assert searched == [0, 1, 2, *range(2, whole.n_bundles)]
    for left, right in zip(expected, found, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.usefixtures("small_shards")
def test_a_thousand_identical_rows_find_each_other(tmp_path, vehicles):
    values = np.concatenate([vehicles[0][:3000], np.repeat(vehicles[0][:1], 3000, axis=0)])
    (indices, distances), _ = graph(tmp_path, values)
    assert (distances[3000:] == 0).all()
    assert (indices != np.arange(6000)[:, None]).all()
    assert (np.diff(np.sort(indices)) > 0).all()


def test_in_one_shard_it_finds_nearly_all(vehicles):
    values, groups = vehicles
    members = as_members(values, 10 * np.arange(len(values)), groups, values.mean(axis=0))
    found, of_groups = descend(members, K, 0)
    plain, true_of_groups = exact_neighbors(values, K, groups)
    assert shares(found.indices, 10 * plain.indices).mean() > 0.99
    assert shares(of_groups.indices, 10 * true_of_groups.indices).mean() > 0.97


def test_gaps_are_filled_by_exact_neighbours(vehicles, monkeypatch):
    """Of rows whose candidates are too few, repeat, or are all of one group."""
    values, groups = (part[:2000] for part in vehicles)
    candidates = np.full((2000, candidates_a_row(K, grouped=True)), -1)
    candidates[::2, :5] = [3, 3, 4, 4, 5]
    monkeypatch.setattr(descent_module, "_candidates", lambda *_: candidates)
    members = as_members(values, np.arange(2000), groups, values.mean(axis=0))
    for found, true in zip(descend(members, K, 0), exact_neighbors(values, K, groups), strict=True):
        np.testing.assert_array_equal(found.indices, true.indices)


@pytest.mark.parametrize("wrong", [{"overlap": 0}, {"overlap": 5}, {"algorithm": "annoy"}])
def test_settings_without_sense(wrong):
    with pytest.raises(SettingsError):
        GraphSettings(**wrong)
