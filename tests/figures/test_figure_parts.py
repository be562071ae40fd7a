"""What the figures draw and write, without drawing them."""

import numpy as np
import pytest

from streamclust.figures import colors as shading
from streamclust.figures.canvas import TITLE_COLUMNS, percent, printable, title_lines
from streamclust.figures.colors import (
    DEUTERANOPIA,
    FULL_DEPTH,
    PROTANOPIA,
    cluster_colors,
    density_image,
    dot_radius,
    dotted,
)
from streamclust.figures.curves import series, variance_in_words
from streamclust.figures.density import (
    density_middles,
    legend_entry,
    outside_in_words,
    spread_labels,
)
from streamclust.figures.files import caption, figure_file
from streamclust.images.colour import oklab
from streamclust.language import LANGUAGES, words

COLORS = cluster_colors(5)


def hue(rgb: np.ndarray) -> np.ndarray:
    lab = oklab(rgb)
    return np.rad2deg(np.arctan2(lab[..., 2], lab[..., 1]))


def filled(per_cluster: list[int]) -> np.ndarray:
    """Counts in which every bin but a white border holds this many rows of each cluster."""
    counts = np.zeros((len(per_cluster), 12, 10), np.int64)
    counts[:, 1:-1, 1:-1] = np.array(per_cluster)[:, None, None]
    return counts


@pytest.fixture
def without_specks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few full bins are drawn as bins, as they are where rows fill more of the plane."""
    monkeypatch.setattr(shading, "SMALL", 0.0)


@pytest.mark.usefixtures("without_specks")
@pytest.mark.parametrize("j", range(5))
def test_bins_of_one_cluster_have_its_hue_and_empty_ones_are_white(j: int) -> None:
    counts = np.zeros((5, 12, 10), np.int64)
    counts[j, 2:9, 3] = [4, 9, 16, 40, 80, 100, 200]
    image = density_image(counts, COLORS)
    assert image.shape == (10, 12, 3)
    drawn = image[3, 2:9]
    turn = (hue(drawn) - hue(COLORS[j]) + 180) % 360 - 180
    np.testing.assert_allclose(turn, 0, atol=3)
    assert np.all(np.diff(oklab(drawn)[:, 0]) <= 1e-12)  # more rows, deeper colour
    image[3, 2:9] = 1
    np.testing.assert_array_equal(image, 1)


def test_full_bins_have_the_colour_itself() -> None:
    assert FULL_DEPTH < 1
    image = density_image(filled([0, 50, 0, 0, 0]), COLORS)
    np.testing.assert_allclose(image[5, 5], COLORS[1], atol=1e-6)


def test_mixed_bins_lie_between_and_nearer_the_larger() -> None:
    mixed = oklab(density_image(filled([30, 20, 0, 0, 0]), COLORS)[5, 5])
    to_first, to_second = np.linalg.norm(mixed - oklab(COLORS[:2]), axis=1)
    apart = np.linalg.norm(np.subtract(*oklab(COLORS[:2])))
    assert to_first < to_second
    assert to_first + to_second == pytest.approx(apart, rel=1e-3)


@pytest.mark.usefixtures("without_specks")
def test_image_rows_are_y_from_below() -> None:
    counts = np.zeros((1, 12, 10), np.int64)
    counts[0, 11, 2] = 500
    image = density_image(counts, COLORS[:1])
    assert np.argwhere((image != 1).any(axis=2)).tolist() == [[2, 11]]


def test_few_rows_are_dots_and_many_are_not() -> None:
    rng = np.random.default_rng(0)
    sparse = np.bincount(rng.integers(0, 90_000, 2000), minlength=90_000).reshape(1, 300, 300)
    assert dot_radius(sparse) > 0
    many = rng.integers(50, 90, (1, 300, 300))
    assert dot_radius(many) == 0
    assert dot_radius(sparse * 0) == 0
    # Islands so small that they would be specks, however many rows they hold, are dots again.
    assert dot_radius(sparse * 100) > 0


def test_dots_keep_counts_at_their_middle_and_are_round() -> None:
    layer = np.zeros((11, 9), np.int64)
    layer[5, 4] = 3
    dot = dotted(layer, 1.0)
    assert dot[5, 4] == 3
    assert 0 < dot[5, 5] < 3
    np.testing.assert_allclose(dot, dot[::-1])
    np.testing.assert_allclose(dot, dot[:, ::-1])
    np.testing.assert_array_equal(dotted(layer, 0), layer)


def test_colours_do_not_depend_on_how_many_there_are() -> None:
    np.testing.assert_array_equal(cluster_colors(30)[:7], cluster_colors(7))
    assert cluster_colors(0).shape == (0, 3)
    many = cluster_colors(5000)
    assert many.shape == (5000, 3)
    assert many.min() >= 0
    assert many.max() <= 1


@pytest.mark.parametrize(("n_colors", "apart"), [(8, 0.1), (12, 0.08), (30, 0.035)])
def test_colours_are_apart_for_all_eyes(n_colors: int, apart: float) -> None:
    colors = cluster_colors(n_colors)
    linear = np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)
    for sight in (np.eye(3), PROTANOPIA, DEUTERANOPIA):
        seen = np.clip(linear @ sight.T, 0, 1)
        seen = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
        lab = np.vstack([oklab(seen), [1, 0, 0]])  # and apart from white
        distances = np.linalg.norm(lab[:, None] - lab, axis=2)
        assert distances[~np.eye(len(lab), dtype=bool)].min() > apart


def test_middles_are_where_clusters_are_densest() -> None:
    rng = np.random.default_rng(0)
    counts = np.zeros((4, 100, 80), np.int64)
    around = [
        np.clip(rng.normal(m, 3, (n, 2)), 0, 79) for m, n in (([70, 20], 900), ([10, 60], 99))
    ]
    for values in around:  # a cluster in two parts: its mean is in neither
        np.add.at(counts[0], tuple(values.astype(int).T), 1)
    counts[1, 0, 79] = 1
    counts[3, [40, 42], [8, 12]] = 1
    middles = density_middles(counts)
    np.testing.assert_allclose(middles[0], [70, 20], atol=1.5)
    np.testing.assert_allclose(middles[1], [0.5, 79.5])
    assert np.isnan(middles[2]).all()
    assert np.all((middles[3] >= [40, 8]) & (middles[3] <= [43, 13]))


@pytest.mark.parametrize("spread", [0.0, 20.0, 100.0])
def test_labels_do_not_overlap_and_stay_inside(spread: float) -> None:
    rng = np.random.default_rng(0)
    points = np.clip(rng.normal([560, 380], spread, (30, 2)), 0, [580, 400])
    boxes = np.tile([18.0, 12.0], (30, 1))
    placed = spread_labels(points, boxes, (580, 400))
    apart = np.abs(placed[:, None] - placed)
    overlap = ((boxes - apart) > 1e-6).all(axis=2)
    assert not overlap[~np.eye(30, dtype=bool)].any()
    assert np.all(placed >= boxes / 2)
    assert np.all(placed <= [580, 400] - boxes / 2)


def test_labels_with_room_stay_where_they_are() -> None:
    points = np.array([[50.0, 50.0], [100.0, 50.0], [50.0, 90.0]])
    placed = spread_labels(points, np.full((3, 2), 20.0), (200, 200))
    np.testing.assert_allclose(placed, points)


def test_series_are_ordered_and_gaps_are_nan() -> None:
    table = [
        {"n_clusters": 9, "algorithm": "a", "explained": 0.9},
        {"n_clusters": 2, "algorithm": "a", "explained": None},
        {"n_clusters": 4, "algorithm": "a"},
        {"n_clusters": 3, "algorithm": "b", "explained": 0.1},
    ]
    numbers, scores = series(table, "a", "explained")
    assert numbers.tolist() == [2, 4, 9]
    np.testing.assert_array_equal(scores, [np.nan, np.nan, 0.9])


@pytest.mark.parametrize(
    ("ratio", "kept", "wanted", "words"),
    [
        ([0.5, 0.4, 0.1], 2, 0.9, "2 components hold 90 % of the variance; 90 % was asked for"),
        ([0.5, 0.4, 0.1], 1, None, "1 component holds 50 % of the variance"),
        (
            [0.5, 0.33],
            2,
            0.9,
            "2 components hold 83 % of the variance; 90 % was asked for, which is not reached",
        ),
    ],
)
def test_variance_in_words(ratio: list[float], kept: int, wanted: float | None, words: str) -> None:
    assert variance_in_words(np.array(ratio), kept, wanted) == words


def test_other_words() -> None:
    assert outside_in_words(0, 2000) == "All 2,000 rows are shown."
    assert outside_in_words(1, 2000) == "1 of 2,000 rows lies outside the axes (< 0.1 %)."
    assert outside_in_words(1025, 416314) == (
        "1,025 of 416,314 rows lie outside the axes (0.246 %)."
    )
    assert legend_entry(0, 10) == "empty"
    assert legend_entry(1, 8) == "12.5 %"
    shares = [percent(share) for share in (0, 0.0005, 0.0333, 0.9996, 1)]
    assert shares == ["0 %", "< 0.1 %", "3.33 %", "> 99.9 %", "100 %"]


def test_titles_fit_on_two_lines_and_keep_both_ends() -> None:
    assert title_lines("short") == ["short"]
    lines = title_lines("begin " + "middle_" * 60 + ": end")
    assert len(lines) == 2
    assert max(map(len, lines)) <= TITLE_COLUMNS
    assert lines[0].startswith("begin")
    assert lines[1].endswith(": end")
    assert " … " in " ".join(lines)


def test_only_what_the_font_has_is_written() -> None:
    assert printable("é→$x$\n漢") == "é→$x$ □"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_figure_has_a_caption_in_every_language(language):
    assert set(words(language).FIGURES) == set(words("en").FIGURES)
    for name in ("a-metrics", "a-map-pca", "comparison-yield", "comparison-a-b", "outliers-top"):
        assert caption(name, language) != name
    assert "umap" in caption("a-umap-2-clusters", language)
    assert "odd size" in caption("outliers-odd-size", language)
    assert caption("something") == "something"


def test_files_of_figures():
    assert figure_file("a", "lda-3") == "figures/a-lda-3.png"
