"""Every figure is a PNG of the expected size, the same each time, whatever the rows are."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streamclust.figures.curves import metric_curves, panels_of, variance_curve
from streamclust.figures.density import density_map

LONG = "a $very$ long_name " + "vit-large-patch16-224_" * 12 + " 漢字\n: 5 clusters"


def row(k: int, algorithm: str = "kmeans", **scores: float) -> dict[str, object]:
    made = {
        "calinski_harabasz": 1e6 / k,
        "davies_bouldin": 1.5 - 0.01 * k,
        "silhouette_simplified": 0.4,
        "inertia": 3e9 / k,
        "explained": 1 - 1 / k,
        "smallest_cluster": 0.5 / k,
    }
    return {"n_clusters": k, "algorithm": algorithm, **made, **scores}


def counts(n_clusters: int, rows: int = 3000) -> np.ndarray:
    rng = np.random.default_rng(0)
    made = np.zeros((n_clusters, 60, 40), np.int64)
    middles = rng.uniform(5, 35, (n_clusters, 2))
    for layer, middle in zip(made, middles, strict=True):
        where = np.rint(rng.normal(middle, 3, (rows // n_clusters, 2))).astype(int)
        np.add.at(layer, tuple(np.clip(where, 0, 39).T), 1)
    return made


def draw_density(path: Path, made: np.ndarray, title: str = "a", outside: int = 0) -> None:
    sizes = made.sum(axis=(1, 2))
    edges = np.linspace(-3, 3, 61), np.linspace(0, 9, 41)
    density_map(path, made, *edges, outside, sizes, title, ("axis 1", "axis_$2$"))


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return image.size


@pytest.mark.parametrize("n_clusters", [1, 2, 30, 75])
def test_density_maps(tmp_path: Path, n_clusters: int) -> None:
    draw_density(tmp_path / "map.png", counts(n_clusters), LONG, outside=7)
    assert size_of(tmp_path / "map.png") == (1650, 1140)


def test_density_maps_with_empty_clusters_and_without_rows(tmp_path: Path) -> None:
    made = counts(4)
    made[2] = 0
    draw_density(tmp_path / "gap.png", made)
    draw_density(tmp_path / "none.png", made * 0)
    assert size_of(tmp_path / "gap.png") == size_of(tmp_path / "none.png") == (1650, 1140)


@pytest.mark.parametrize(
    ("ratio", "kept", "wanted"),
    [
        (np.full(2048, 1 / 2048), 48, 0.9),
        (np.full(128, 0.83 / 128), 128, 0.9),
        (np.array([1.0]), 1, None),
        (np.array([1.0, 0.0, 0.0]), 1, 0.95),
        (np.zeros(3), 3, 0.9),
    ],
)
def test_variance_curves(
    tmp_path: Path, ratio: np.ndarray, kept: int, wanted: float | None
) -> None:
    variance_curve(tmp_path / "variance.png", ratio, kept, wanted, LONG)
    assert size_of(tmp_path / "variance.png") == (1560, 870)


ALGORITHMS = ("kmeans", "minibatch-kmeans", "bisecting-kmeans", "ward", "birch", "spectral", "x$y$")
ALL = {
    "silhouette": 0.3,
    "silhouette_low": 0.2,
    "silhouette_high": 0.4,
    "stability": 0.9,
    "bic": -9,
}
MANY = [row(k, name, **ALL) for name in ALGORITHMS for k in range(2, 31)]
SOME = [{**row(k), "gap": 0.1, "gap_error": 0.02} for k in (2, 8, 30)]


@pytest.mark.parametrize(
    ("table", "recommended", "n_panels"),
    [
        ([row(k) for k in range(2, 31)], ("kmeans", 7), 5),
        ([row(5)], ("kmeans", 5), 5),
        ([row(2, davies_bouldin=float("nan")), row(3, smallest_cluster=0.0)], None, 5),
        ([row(2, "kmeans"), row(9, "ward"), row(4, "mixture_$x$")], ("ward", 9), 5),
        ([{"n_clusters": 3, "algorithm": "kmeans"}], None, 3),
        ([row(1, calinski_harabasz=float("nan"), explained=0.0, inertia=0.0)], ("gone", 1), 5),
        ([*MANY, *SOME, row(212, "hdbscan", refused=True)], ("birch", 8), 9),
        ([], None, 3),
    ],
)
def test_metric_curves(
    tmp_path: Path,
    table: list[dict[str, object]],
    recommended: tuple[str, int] | None,
    n_panels: int,
) -> None:
    metric_curves(tmp_path / "metrics.png", table, recommended, LONG)
    assert len(panels_of(table)) == n_panels
    width, height = size_of(tmp_path / "metrics.png")
    assert width == 1710
    # A row of three panels is 2.69 inches tall.
    assert (height - 180) // round(2.69 * 150) == -(-n_panels // 3)


def test_the_same_figure_is_the_same_file(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        draw_density(tmp_path / name, counts(5))
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_the_colours_of_clusters_are_in_the_picture(tmp_path: Path) -> None:
    made = np.zeros((2, 60, 40), np.int64)
    made[0, :20], made[1, 40:] = 9, 9
    draw_density(tmp_path / "map.png", made)
    with Image.open(tmp_path / "map.png") as image:
        pixels = np.asarray(image.convert("RGB"), float)
    blue, white, orange = pixels[300, 300], pixels[300, 750], pixels[300, 1200]
    assert blue[2] > blue[0] + 50
    assert orange[0] > orange[2] + 50
    np.testing.assert_array_equal(white, 255)
