"""Groups of duplicates: against scipy's components where chains cannot form, and their limits."""

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.neighbors import NearestNeighbors

from streamclust.outliers import near_duplicates as duplicates
from streamclust.outliers.near_duplicates import (
    COLUMNS,
    NEAR,
    NEAR_IN_SEVERAL,
    PAIRS_A_ROW,
    ConnectedComponents,
    NearPairs,
    common_groups,
    duplicate_groups,
    scale_of,
)
from streamclust.outliers.neighbor_graphs import distance_scale
from streamclust.passes.blocks import Rows
from streamclust.passes.passes import Passes


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    """900 rows of 12 columns; the first 200 are there again, the first 20 a third time, nearly."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((900, 12))
    near = rows[:20] + 0.02 * rng.standard_normal((20, 12))
    return np.concatenate([rows, rows[:200], near]).astype(np.float32)


def graph(values: np.ndarray, k: int = 15) -> tuple[np.ndarray, np.ndarray]:
    distances, indices = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(values).kneighbors()
    return distances.astype(np.float32), indices


def groups_of(values: np.ndarray, share: float = NEAR):
    distances, indices = graph(values)
    pairs = NearPairs(distance_scale(distances[:, -1]), share)
    rows = Rows(distances, extras=(indices,), numbered=True, rows_a_block=128)
    return duplicate_groups(Passes().reduce("near", rows, pairs).result(), share)


def test_groups_are_the_components_of_the_near_graph(values):
    found = groups_of(values)
    distances, indices = graph(values)
    near = distances <= NEAR * distance_scale(distances[:, -1])
    row, column = np.nonzero(near)
    edges = coo_matrix((np.ones(len(row)), (row, indices[row, column])), (len(values),) * 2)
    _, labels = connected_components(edges, directed=False)
    sizes = np.bincount(labels)
    assert np.sort(found.row).tolist() == np.flatnonzero(sizes[labels] > 1).tolist()
    for number in range(found.group.max() + 1):
        members = found.row[found.group == number]
        assert np.flatnonzero(labels == labels[members[0]]).tolist() == members.tolist()
    assert np.bincount(found.group).tolist() == [3] * 20 + [2] * 180
    assert found.row[:6].tolist() == [0, 900, 1100, 1, 901, 1101]


def test_distances_are_to_the_nearest_duplicate_in_units_of_the_scale(values):
    found = groups_of(values)
    scale = distance_scale(graph(values)[0][:, -1])
    assert found.distance[:2].tolist() == [0, 0]
    apart = np.linalg.norm(values[0].astype(float) - values[1100])
    assert found.distance[2] == pytest.approx(apart / scale, rel=1e-4)


@pytest.mark.parametrize("factor", [1e-3, 1, 1e4])
def test_units_do_not_matter(values, factor):
    np.testing.assert_array_equal(groups_of(values * factor).row, groups_of(values).row)


def small_groups(n_columns: int, size: int, n_rows: int = 400) -> np.ndarray:
    """Rows in groups of `size`, as far from each other as the images of a vehicle."""
    rng = np.random.default_rng(0)
    places = 6 * rng.normal(size=(n_rows // size, n_columns))
    members = places[np.arange(n_rows) % len(places)]
    return (members + rng.normal(size=members.shape)).astype(np.float32)


def by_scale(values: np.ndarray, k: int = 15):
    """Duplicates as the step finds them, and their scale as a share of the distance to the last."""
    distances, indices = graph(values, k)
    usual = np.array([distance_scale(column) for column in distances.T])
    pairs = NearPairs(scale_of(usual, usual[-1]))
    pairs.update(distances, indices, np.arange(len(values)))
    return duplicate_groups(pairs.result()), pairs.scale / usual[-1]


@pytest.mark.parametrize("n_columns", [8, 64])
@pytest.mark.parametrize("size", [3, 5, 10, 14, 20])
def test_ordinary_members_of_small_groups_are_no_copies(n_columns, size):
    values = small_groups(n_columns, size)
    assert len(by_scale(values)[0].row) <= 0.05 * len(values)
    rng = np.random.default_rng(1)
    values[200:210] = values[:10]
    values[210:220] = values[10:20] + 0.02 * rng.normal(size=(10, n_columns))
    found = by_scale(values)[0]
    copies = [*range(20), *range(200, 220)]
    assert np.isin(copies, found.row).all()
    assert len(found.row) <= 40 + 0.05 * len(values)


@pytest.mark.parametrize("noise", [0, 1e-6, 0.01])
@pytest.mark.parametrize("times", [2, 4])
def test_where_every_row_is_there_more_than_once_all_are_copies(noise, times):
    rng = np.random.default_rng(0)
    rows = np.tile(rng.normal(size=(200, 12)), (times, 1))
    rows = (rows + noise * rng.normal(size=rows.shape)).astype(np.float32)
    found, share = by_scale(rows)
    assert share == 1
    assert len(found.row) == len(rows)
    assert np.bincount(found.group).tolist() == [times] * 200


@pytest.mark.parametrize("n_columns", [2, 3, 12, 64])
@pytest.mark.parametrize("spread", ["uniform", "normal"])
def test_the_scale_of_rows_without_groups_is_that_of_the_last_neighbour(n_columns, spread):
    rng = np.random.default_rng(0)
    values = (rng.random if spread == "uniform" else rng.standard_normal)((2000, n_columns))
    assert by_scale(values)[1] == 1


def line_pairs(steps: list[float]) -> np.ndarray:
    """Pairs of rows 0 - 1 - 2 …, each this far from the next."""
    made = NearPairs(1.0)
    for row, step in enumerate(steps):
        made.update(np.array([[step]], np.float32), np.array([[row + 1]]), np.array([row]))
    return made.result()


def test_a_chain_is_cut_and_copies_are_not():
    assert len(duplicate_groups(line_pairs([0.0] * 500)).row) == 501
    chained = duplicate_groups(line_pairs([0.2] * 500))
    assert np.bincount(chained.group).max() <= 6
    assert len(chained.row) > 400
    for number in range(chained.group.max() + 1):
        members = chained.row[chained.group == number]
        assert (members.max() - members.min()) * 0.2 <= 4 * NEAR


def joined_one_by_one(pairs: np.ndarray, longest: float):
    """The rule as the module tells it, on dicts: each row's group as a set, and its distance."""
    ways: dict[int, dict[int, float]] = {}  # by root: the way to each row
    of: dict[int, int] = {}
    nearest: dict[int, float] = {}
    for distance, *ends in pairs.tolist():
        for row in ends:
            ways.setdefault(of.setdefault(row, row), {row: 0.0})
        large, small = sorted(ends, key=lambda row: (-len(ways[of[row]]), of[row]))
        kept, lost = of[large], of[small]
        way = ways[kept][large] + distance + ways[lost][small]
        if kept != lost:
            if way + max(ways[lost].values()) > longest:
                continue
            ways[kept] |= {row: way + own for row, own in ways[lost].items()}
            of |= dict.fromkeys(ways.pop(lost), kept)
        for row in ends:
            nearest.setdefault(row, distance)
    return {row: frozenset(ways[of[row]]) for row in nearest}, nearest


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("block", [7, 10_000])
def test_groups_are_those_of_pairs_joined_one_by_one(seed, block, monkeypatch):
    """Of rows of which a third are there two or three times, so near that most pairs are cut."""
    monkeypatch.setattr(duplicates, "_BLOCK", block)
    rng = np.random.default_rng(seed)
    values = rng.uniform(0, 6, (250, 2))
    values = np.concatenate([values, values[:80], values[:40]]).astype(np.float32)
    distances, indices = graph(values[rng.permutation(len(values))], k=30)
    made = NearPairs(1.0, NEAR_IN_SEVERAL)
    monkeypatch.setattr(duplicates, "PAIRS_A_ROW", 12)
    made.update(distances, indices, np.arange(len(values)))
    pairs = made.result()
    expected, nearest = joined_one_by_one(pairs, 2 * NEAR_IN_SEVERAL)
    found = duplicate_groups(pairs, NEAR_IN_SEVERAL)
    members = [frozenset(found.row[found.group == number].tolist()) for number in found.group]
    assert dict(zip(found.row.tolist(), members, strict=True)) == expected
    assert dict(zip(found.row.tolist(), found.distance.tolist(), strict=True)) == nearest
    assert 10 < found.group.max() < 150
    assert max(map(len, members)) > 6


def test_components_of_edges_in_any_blocks(monkeypatch):
    monkeypatch.setattr(duplicates, "_BLOCK", 20)
    ends = np.random.default_rng(0).integers(0, 300, (2, 200))
    matrix = coo_matrix((np.ones(200), tuple(ends)), (300, 300))
    _, expected = connected_components(matrix, directed=False)
    for size in (1, 9, 200):
        whole, first, second = (ConnectedComponents(300) for _ in range(3))
        for start in range(0, 200, size):
            block = ends[:, start : start + size]
            whole.join(*block)
            (first if start < 100 else second).join(*block)
        first.merge(second)
        np.testing.assert_array_equal(first.result(), expected)
        found = whole.result()
        np.testing.assert_array_equal(found, expected)
        firsts = np.unique(found, return_index=True)[1]
        assert (np.diff(firsts) > 0).all()


def test_any_split_gives_the_same_pairs(values):
    distances, indices = graph(values)
    numbers = np.arange(len(values))
    whole, left, right = (NearPairs(distance_scale(distances[:, -1])) for _ in range(3))
    whole.update(distances, indices, numbers)
    right.update(distances[:500], indices[:500], numbers[:500])
    left.update(distances[500:], indices[500:], numbers[500:])
    left.merge(right)
    np.testing.assert_array_equal(left.result(), whole.result())
    assert len(whole.result()) <= PAIRS_A_ROW * len(values)


def test_missing_neighbours_and_rows_themselves_are_passed_over():
    pairs = NearPairs(1.0)
    distances = np.array([[0.0, 0.0, np.inf], [0.0, np.nan, np.inf]], np.float32)
    pairs.update(distances, np.array([[0, -1, -1], [1, -1, -1]]), np.arange(2))
    assert len(pairs.result()) == 0
    assert len(duplicate_groups(pairs.result()).row) == 0
    assert distance_scale(distances[:, -1]) == 0


def test_where_all_rows_are_equal_they_are_one_group():
    found = groups_of(np.ones((60, 3), np.float32))
    assert found.group.tolist() == [0] * 60
    assert not found.distance.any()


def test_common_groups_keep_what_all_sets_join():
    first = duplicate_groups(line_pairs([0, 0, 0, 9, 0]))  # 0 1 2 3 | 4 5
    second = duplicate_groups(line_pairs([0.1, 9, 0.2, 0, 0]))  # 0 1 | 2 3 4 5
    common = common_groups([first, second])
    assert common.row.tolist() == [0, 1, 2, 3, 4, 5]
    assert common.group.tolist() == [0, 0, 1, 1, 2, 2]
    assert common.distance == pytest.approx([0.1, 0.1, 0.2, 0, 0, 0])
    assert len(common_groups([first, duplicate_groups(line_pairs([9]))]).row) == 0


def test_lines_of_the_table():
    found = duplicate_groups(line_pairs([0.125, 9, 0]))
    lines = list(found.lines(["c", "d", "a", "b"]))
    assert [line["row"] for line in lines] == [0, 1, 2, 3]
    assert lines[0] == dict(zip(COLUMNS, (0, 0, "c", "0.125"), strict=True))
