"""Pictures of layouts: outlines, panels and views."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from streamclust.figures.density import (
    MOST_PANELS,
    PANEL_BINS,
    VIEW_ANGLES,
    _coarse,
    cluster_panels,
    level_of,
    outline,
    projection,
    space_views,
    spread_labels,
)
from streamclust.passes.accumulators.counts import Density, DensityMap


def spots(n_clusters, bins=48, n_rows=400, spread=1.5):
    rng = np.random.default_rng(0)
    counts = np.zeros((n_clusters, bins, bins), np.int64)
    for layer, middle in zip(counts, rng.uniform(8, bins - 8, (n_clusters, 2)), strict=True):
        where = np.clip(np.rint(rng.normal(middle, spread, (n_rows, 2))), 0, bins - 1).astype(int)
        np.add.at(layer, tuple(where.T), 1)
    return counts


def test_half_of_the_rows_lie_within_the_level():
    density = np.random.default_rng(0).random((30, 30))
    level = level_of(density, 0.5)
    within = density[density >= level].sum() / density.sum()
    assert 0.5 <= within < 0.5 + density.max() / density.sum() + 1e-9
    assert level_of(np.zeros((3, 3)), 0.5) is None
    assert level_of(np.ones((3, 3)), 0.5) is None


def test_only_clusters_that_lie_apart_have_outlines():
    counts = spots(2)
    counts = np.concatenate([counts, counts[:1]])
    figure, axes = plt.subplots()
    drawn = []
    for layer in counts:
        before = len(axes.collections)
        outline(axes, layer, counts.sum(axis=0), (0, 48, 0, 48), (0, 0, 0))
        drawn.append(len(axes.collections) > before)
    plt.close(figure)
    assert drawn == [False, True, False]


def test_numbers_stand_beside_islands_where_there_is_room():
    occupied = np.zeros((100, 100), bool)
    occupied[45:55, 45:55] = True
    boxes = np.full((1, 2), 6.0)
    middle = np.array([[50.0, 50.0]])
    np.testing.assert_array_equal(spread_labels(middle, boxes, (100, 100)), middle)
    ((x, y),) = spread_labels(middle, boxes, (100, 100), occupied)
    assert max(abs(x - 50), abs(y - 50)) >= 8
    np.testing.assert_array_equal(
        spread_labels(middle, boxes, (100, 100), ~occupied | True), middle
    )


@pytest.mark.parametrize("n_clusters", [1, 7, MOST_PANELS + 9])
def test_a_panel_a_cluster(tmp_path, n_clusters):
    counts = spots(n_clusters)
    cluster_panels(tmp_path / "p.png", counts, counts.sum(axis=(1, 2)), "a $title$ " * 9)
    with Image.open(tmp_path / "p.png") as image:
        assert image.size[0] == 1650


def test_coarse_bins_keep_all_rows():
    layer = np.random.default_rng(0).integers(9, size=(321, 100))
    assert _coarse(layer).sum() == layer.sum()
    assert max(_coarse(layer).shape) <= PANEL_BINS


def test_projections_keep_lengths_and_turn_around_the_third_axis():
    for angle in VIEW_ANGLES:
        axes = projection(*angle)
        np.testing.assert_allclose(axes.T @ axes, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(projection(0, 90), np.eye(3)[:, :2], atol=1e-12)
    np.testing.assert_allclose(projection(0, 0), np.eye(3)[:, [0, 2]], atol=1e-12)


def test_views_from_all_sides(tmp_path):
    counts = spots(5)
    edges = np.linspace(-1, 1, 49)
    views = [DensityMap(projection(*angle), np.zeros(3), edges, edges) for angle in VIEW_ANGLES]
    seen = [Density(np.concatenate([counts, counts[:1]]), 3, 0) for _ in VIEW_ANGLES]
    space_views(tmp_path / "v.png", views, seen, counts.sum(axis=(1, 2)), "views", "UMAP")
    with Image.open(tmp_path / "v.png") as image:
        assert image.size == (1650, 1140)
