"""Figures of the comparison: PNGs whatever the tables are, with nothing beyond their edges."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streamclust.figures.canvas import DPI, FONT, fitted, new_figure, text_width
from streamclust.figures.contingency import (
    MOST_CLUSTERS,
    _bars,
    _scale,
    column_order,
    contingency_flow,
    contingency_heatmap,
    seriated,
)
from streamclust.figures.curves import MOST_PANELS, yield_curves
from streamclust.figures.heatmap import (
    MOST_COLUMNS,
    agreement_heatmap,
    attribute_heatmap,
    ink_on,
    shade,
)
from streamclust.figures.panels import line_styles
from streamclust.images.colour import oklab

LONG = "a $very$ long_name " + "vit-large-patch16-224_" * 12 + " 漢字\n: 5 clusters"
NAMES = [f"{number} $x$ 漢字 vit-large-patch16-224 {LONG[:60]}" for number in range(12)]


def pixels_of(path: Path) -> np.ndarray:
    """The picture, (height, width, 3); its edges are white: nothing is cut off."""
    with Image.open(path) as image:
        assert image.format == "PNG"
        picture = np.asarray(image.convert("RGB"))
    for edge in (picture[:8], picture[-8:], picture[:, :8], picture[:, -8:]):
        np.testing.assert_array_equal(edge, 255)
    return picture


def holds(picture: np.ndarray, color: np.ndarray) -> bool:
    near = np.abs(picture - np.rint(255 * np.asarray(color))) <= 1
    return bool(near.all(axis=2).any())


def shared(n_left: int, n_right: int, seed: int = 0) -> np.ndarray:
    """Rows that clusters share, most of each with one."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(n_right, 0.1), n_left) * rng.dirichlet(np.ones(n_left))[:, None]
    return rng.multinomial(416_314, shares.ravel() / shares.sum()).reshape(n_left, n_right)


def line(name: str, k: int, attribute: str, share: float, **more: object) -> dict[str, object]:
    known = {"set": name, "algorithm": "kmeans", "attribute": attribute, "names": k}
    ends = {"low": share - 0.02, "high": share + 0.02, "baseline": 0.3}
    return {**known, "yield": share, **ends, **more}


@pytest.mark.parametrize("n_sets", [1, 2, 6, 12])
def test_agreement(tmp_path: Path, n_sets: int) -> None:
    values = np.random.default_rng(0).uniform(-0.1, 1, (n_sets, n_sets))
    values[-1] = np.nan
    path = tmp_path / "agreement.png"
    agreement_heatmap(path, NAMES[:n_sets], values, values.T, range(2, n_sets + 2), LONG)
    pixels_of(path)


def test_agreement_has_one_index_on_each_side_of_the_diagonal(tmp_path: Path) -> None:
    path = tmp_path / "agreement.png"
    agreement_heatmap(path, ["a", "b"], np.full((2, 2), 0.9), np.full((2, 2), 0.2), [2, 3], "")
    picture = pixels_of(path)
    (low, left), (high, right) = (
        np.argwhere((np.abs(picture - np.rint(255 * shade(v))) <= 1).all(axis=2)).mean(axis=0)
        for v in (0.9, 0.2)
    )
    assert low > high
    assert left < right


@pytest.mark.parametrize(("n_sets", "n_attributes"), [(1, 1), (2, 3), (12, 60), (3, 0)])
def test_attributes(tmp_path: Path, n_sets: int, n_attributes: int) -> None:
    values = np.random.default_rng(0).uniform(-0.01, 0.5, (n_sets, n_attributes))
    values[0, : n_attributes // 2] = np.nan
    attributes = [f"{number} {LONG}" for number in range(n_attributes)]
    path = tmp_path / "attributes.png"
    attribute_heatmap(path, NAMES[:n_sets], attributes, values, LONG)
    assert pixels_of(path).shape[1] < DPI * (0.55 * MOST_COLUMNS + 6)


def test_nothing_known_of_an_attribute(tmp_path: Path) -> None:
    attribute_heatmap(tmp_path / "a.png", ["a", "b"], ["c"], np.full((2, 1), np.nan), "t")
    pixels_of(tmp_path / "a.png")


def test_shades_grow_darker_and_can_be_written_on() -> None:
    colors = np.array([shade(share) for share in np.linspace(0, 1, 50)])
    assert np.all(np.diff(oklab(colors)[:, 0]) < 0)
    light = {"white": 1.0, "#22272e": 0.27}
    apart = [abs(oklab(color)[0] - light[ink_on(color)]) for color in colors]
    assert min(apart) > 0.34


@pytest.mark.parametrize(
    "table",
    [
        [line(name, k, a, 0.9 - 1 / k) for name in "abcd" for a in "xyz" for k in range(2, 31)],
        [line(NAMES[0], 2, LONG, 0.31)],
        [line(n, k, f"{a}{LONG}", 0.5) for n in NAMES for a in range(15) for k in (2, 900)],
        [line("a", k, "x", 0.4 + k / 99, algorithm=own) for own in ("kmeans", "w") for k in (4, 2)],
        [line("a", 2, "x", float("nan"))],
        [],
    ],
)
def test_yields(tmp_path: Path, table: list[dict[str, object]]) -> None:
    yield_curves(tmp_path / "yield.png", table, LONG)
    height, width, _ = pixels_of(tmp_path / "yield.png").shape
    assert width == 1710
    assert height < DPI * (6 + MOST_PANELS)


def test_lines_have_colours_and_markers_of_their_own() -> None:
    looks = line_styles(12)
    assert len({look.marker for look in looks}) == 12
    assert len({tuple(np.atleast_1d(look.color)) for look in looks}) == 12


SIZES = [(30, 30), (5, 30), (30, 2), (2, 2), (1, 1), (1, 3)]


@pytest.mark.parametrize("draw", [contingency_flow, contingency_heatmap])
@pytest.mark.parametrize("sizes", SIZES)
def test_contingency(tmp_path: Path, draw, sizes: tuple[int, int]) -> None:
    draw(tmp_path / "shared.png", shared(*sizes), (NAMES[0], LONG), LONG)
    pixels_of(tmp_path / "shared.png")


@pytest.mark.parametrize("draw", [contingency_flow, contingency_heatmap])
def test_contingency_of_empty_clusters(tmp_path: Path, draw) -> None:
    table = shared(6, 4)
    table[2], table[:, 1] = 0, 0
    for part in (table, 0 * table):
        draw(tmp_path / "shared.png", part, ("a", "b"), "t")
        pixels_of(tmp_path / "shared.png")


def test_a_table_of_very_many_clusters_is_cut(tmp_path: Path) -> None:
    contingency_heatmap(tmp_path / "large.png", shared(400, 90), ("a", "b"), "t")
    assert pixels_of(tmp_path / "large.png").shape[0] < DPI * (0.31 * MOST_CLUSTERS + 4)


def test_flows_have_the_colour_they_are_given(tmp_path: Path) -> None:
    colors = [(0.8, 0.1, 0.1), (0.1, 0.1, 0.8)]
    path = tmp_path / "flow.png"
    contingency_flow(path, np.array([[5, 1], [2, 9]]), ("a", "b"), "t", colors)
    picture = pixels_of(path)
    for color in colors:
        assert holds(picture, color)  # the bar
        assert holds(picture, 0.55 * np.array(color) + 0.45)  # a band


def crossings(table: np.ndarray) -> float:
    """Weighted crossings of the flows between two columns of bars in this order."""
    n, m = table.shape
    above = [
        (i, j, p, q) for i in range(n) for j in range(m) for p in range(i) for q in range(j + 1, m)
    ]
    return sum(table[i, j] * table[p, q] for i, j, p, q in above)


@pytest.mark.parametrize("seed", range(4))
def test_few_flows_cross(seed: int) -> None:
    table = shared(6, 6, seed).astype(float)
    rng = np.random.default_rng(seed)
    fewest = min(crossings(table[:, rng.permutation(6)]) for _ in range(500))
    assert crossings(table[:, column_order(table)]) <= 1.1 * fewest
    rows, columns = seriated(table)
    assert sorted(rows) == sorted(columns) == list(range(6))
    assert crossings(table[np.ix_(rows, columns)]) <= crossings(table[:, column_order(table)])


def test_blocks_come_to_the_diagonal_and_empty_clusters_to_the_end() -> None:
    rng = np.random.default_rng(0)
    table = np.kron(np.eye(4), np.full((3, 2), 90)) + rng.integers(0, 9, (12, 8))
    table = np.pad(table, 1)[:-1, :-1]  # the first of each is empty
    i, j = rng.permutation(13), rng.permutation(9)
    shuffled = table[np.ix_(i, j)]
    rows, columns = seriated(shuffled)
    blocks = shuffled[np.ix_(rows, columns)][:-1, :-1].reshape(4, 3, 4, 2).min(axis=(1, 3))
    np.testing.assert_array_equal(blocks >= 90, np.eye(4, dtype=bool))
    assert (i[rows[-1]], j[columns[-1]]) == (0, 0)
    for small in ((1, 1), (2, 1), (0, 0), (3, 3)):
        assert [len(order) for order in seriated(np.zeros(small))] == list(small)


def test_bars_are_in_scale_apart_and_inside() -> None:
    sides = [own / own.sum() for own in (np.geomspace(1, 1e-5, 30), np.ones(4))]
    least = 0.02
    scale = _scale(sides, least)
    for sizes in sides:
        order = np.arange(len(sizes))[::-1]
        bars = _bars(sizes, order, scale, least)
        np.testing.assert_allclose(np.diff(bars, axis=1)[:, 0], scale * sizes)
        in_order = bars[order]
        assert np.all(in_order[1:, 0] >= in_order[:-1, 1])
        assert np.all(np.diff(in_order.mean(axis=1)) >= least * (1 - 1e-9))
        assert in_order[0, 0] >= 0
        assert in_order[-1, 1] <= 1
    assert scale > 0.3


@pytest.mark.parametrize("weight", ["normal", "bold"])
@pytest.mark.parametrize(
    "text", ["efficientnet-b7+osnet", "iiiill....", "WWWMMM", "漢 $x$ – 0.1 %"]
)
def test_widths_are_those_of_drawn_text(text: str, weight: str) -> None:
    figure = new_figure(9, 3)
    for size in (8.5, 9.5, 13):
        style = {"fontsize": size, "weight": weight, "family": FONT, "parse_math": False}
        drawn = figure.text(0, 0, fitted(text, 99), **style)
        inches = drawn.get_window_extent(figure.canvas.get_renderer()).width / DPI
        assert text_width(fitted(text, 99), size, weight) == pytest.approx(inches, rel=0.09)


def test_text_that_is_fitted_keeps_both_ends() -> None:
    assert fitted("osnet", 1.0) == "osnet"
    short = fitted(LONG, 2.0)
    assert text_width(short) <= 2.0 < text_width(short) + 0.25
    assert short.startswith("a $very$ lo")
    assert short.endswith("clusters")
    assert fitted("osnet", 0.0) == "…"
