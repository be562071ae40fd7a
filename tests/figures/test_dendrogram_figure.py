"""The drawn tree: a PNG whatever the tree is, its leaves and clusters those of the merges."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.cluster.hierarchy import linkage

from streamclust.clustering.landmarks import largest_first
from streamclust.clustering.ward import cut
from streamclust.figures.tree import dendrogram, tree_top

LONG = "a $very$ long_name " + "vit-large-patch16-224_" * 12 + " 漢字\n: 5 clusters"


def tree(n_points: int, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    points = rng.standard_normal((n_points, 3)) * spread
    return linkage(points, "ward"), rng.integers(1, 200_000, n_points)


@pytest.mark.parametrize(("n_points", "n_clusters"), [(400, 7), (400, 90), (9, 9), (40, 1), (2, 2)])
def test_dendrograms(tmp_path: Path, n_points: int, n_clusters: int) -> None:
    dendrogram(tmp_path / "tree.png", *tree(n_points), n_clusters, LONG)
    with Image.open(tmp_path / "tree.png") as image:
        assert (image.format, image.size) == ("PNG", (1710, 960))


def test_trees_without_height_or_merges(tmp_path: Path) -> None:
    dendrogram(tmp_path / "flat.png", *tree(60, spread=0.0), 5, "identical rows")
    dendrogram(tmp_path / "one.png", np.empty((0, 4)), np.array([7]), 1, "one row")
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("n_clusters", [1, 2, 7, 31])
def test_the_top_holds_all_rows_in_their_clusters(n_clusters: int) -> None:
    merges, sizes = tree(300)
    top = tree_top(merges, sizes, n_clusters, leaves=35)
    assert len(top.nodes) == 35
    assert top.rows[top.nodes].sum() == sizes.sum()
    expected = largest_first(cut(merges, n_clusters), sizes)
    np.testing.assert_array_equal(top.clusters[:300], expected)
    shown = top.clusters[top.nodes]
    assert len(set(shown)) == 1 + np.count_nonzero(np.diff(shown)) == n_clusters
