"""UMAP of landmarks, and every other row placed among those that it is nearest to.

McInnes, Healy & Melville (2018), "UMAP: Uniform Manifold Approximation and Projection for Dimension
Reduction", arXiv:1802.03426. A row belongs to its nearest landmarks by degrees (smooth k-nearest
distances, algorithm 3). These need not lie together in the map, and the mean of two islands is
neither: a row is drawn to the landmark that the others support most, by the similarity that UMAP
gives to points of the map. Measured in docs/layouts.md against the plain mean and UMAP's transform.
"""

import warnings
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from streamclust.errors import SettingsError
from streamclust.layouts.base import FittedLayout, RowSums
from streamclust.memory import MIB, Need
from streamclust.neighbors import (
    HELD_A_NEIGHBOR,
    PRODUCT_BYTES,
    as_members,
    exact_neighbors,
    nearest_among,
)
from streamclust.passes import Passes, Rows
from streamclust.passes.accumulators import UniformSample
from streamclust.settings import Settings

N_NEIGHBORS = 15
PIECE_ROWS = 2048
_HALVINGS = 40
# As in umap-learn: a bandwidth is no smaller than this part of the mean distance.
_LEAST_WIDTH = 1e-3


class LandmarkMap:
    """Places rows by the positions of landmarks.

    A row that is identical to a landmark has its position. Each row's position follows from the
    row alone, whatever block it is in, unless three landmarks or more are exactly as far as the
    last that is wanted.

    Parameters
    ----------
    landmarks : ndarray of shape (n_landmarks, n_columns)
        All different.
    positions : ndarray of float32 of shape (n_landmarks, n_dimensions)
    a, b : float
        Of the similarity of points in the map, 1 / (1 + a d^2b).
    """

    def __init__(self, landmarks: np.ndarray, positions: np.ndarray, a: float, b: float) -> None:
        # The median: an outlier among the landmarks would cost the others' differences digits.
        self.shift = np.median(landmarks, axis=0)
        self.landmarks = as_members(landmarks, np.arange(len(landmarks)), None, self.shift)
        self.positions = positions
        self.a = a
        self.b = b

    @staticmethod
    def nbytes(n_columns: int) -> int:
        """Bytes held while a block is placed, the block and its positions not counted."""
        pairs = (N_NEIGHBORS + 1) * HELD_A_NEIGHBOR + 5 * 4 * N_NEIGHBORS**2 + 16 * n_columns
        return PRODUCT_BYTES + PIECE_ROWS * pairs

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Positions, float32 of shape (n_rows, n_dimensions), of rows (n_rows, n_columns)."""
        placed = np.empty((len(values), self.positions.shape[1]), np.float32)
        for start in range(0, len(values), PIECE_ROWS):
            piece = slice(start, start + PIECE_ROWS)
            placed[piece] = self._place(values[piece])
        return placed

    def _place(self, values: np.ndarray) -> np.ndarray:
        # Landmarks are numbered from 0: no row is taken for one of them.
        queries = as_members(values, np.full(len(values), -1), None, self.shift)
        # One more than are wanted: which of those that tie comes first is not up to the search.
        count = min(N_NEIGHBORS + 1, len(self.landmarks))
        nearest, _ = nearest_among(queries, self.landmarks, count)
        order = np.lexsort((nearest.indices, nearest.distances))[:, :N_NEIGHBORS]
        distances = np.take_along_axis(nearest.distances, order, axis=1)
        among = self.positions[np.take_along_axis(nearest.indices, order, axis=1)]
        placed = supported_mean(among, membership_weights(distances), self.a, self.b)
        return np.where(distances[:, :1] == 0, among[:, 0], placed)


def membership_weights(distances: np.ndarray) -> np.ndarray:
    """To what degree rows belong to their nearest landmarks.

    exp(−(d − ρ) / σ), with the distance ρ to the nearest landmark that is not identical, and such a
    σ that a row's degrees add up to log2 of their number.

    Parameters
    ----------
    distances : ndarray of shape (n_rows, n_neighbors)

    Returns
    -------
    ndarray of float64 of shape (n_rows, n_neighbors)
        In (0, 1].
    """
    distances = distances.astype(np.float64)
    nearest = np.where(distances > 0, distances, np.inf).min(axis=1, keepdims=True)
    beyond = np.maximum(distances - np.where(np.isinf(nearest), 0, nearest), 0)
    least = _LEAST_WIDTH * distances.mean(axis=1)
    width = np.maximum(_widths(beyond), np.maximum(least, np.finfo(np.float64).tiny))
    return np.exp(-beyond / width[:, None])


def _widths(beyond: np.ndarray) -> np.ndarray:
    """The σ (n_rows,) with which exp(−beyond / σ) adds up to log2 of the number of columns."""
    count = beyond.shape[1]
    target = np.log2(count)
    # exp(−x) ≥ 1 − x: the sum has reached the target there.
    high = beyond.sum(axis=1) / (count - target)
    low = np.zeros_like(high)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        positive = np.maximum(middle, np.finfo(np.float64).tiny)[:, None]
        above = np.exp(-beyond / positive).sum(axis=1) > target
        high, low = np.where(above, middle, high), np.where(above, low, middle)
    return high


def supported_mean(among: np.ndarray, weights: np.ndarray, a: float, b: float) -> np.ndarray:
    """Means of positions, of those that lie about the one that most others support.

    Parameters
    ----------
    among : ndarray of shape (n_rows, n_neighbors, n_dimensions)
    weights : ndarray of shape (n_rows, n_neighbors)
    a, b : float
        Of the similarity of positions, 1 / (1 + a d^2b).

    Returns
    -------
    ndarray of shape (n_rows, n_dimensions)
    """
    squares = np.zeros((*weights.shape, weights.shape[1]), np.float32)
    for places in np.moveaxis(among, 2, 0):
        squares += np.square(places[:, :, None] - places[:, None, :])
    similar = 1 / (1 + np.float32(a) * squares ** np.float32(b))
    support = np.einsum("ijl,il->ij", similar, weights)
    center = support.argmax(axis=1)[:, None, None]
    weights = weights * np.take_along_axis(similar, center, axis=1)[:, 0]
    total = weights.sum(axis=1, keepdims=True)
    return np.einsum("ij,ijd->id", weights, among) / total


LANDMARKS = 16_384
MIN_DIST = 0.1
# Measured: umap-learn, numba and what they compile.
COMPILED = 200 * MIB
# Measured, in bytes a landmark: the graph, its eigenvectors, and what is kept of both.
HELD_A_LANDMARK = 4096


class UMAP:
    """See `streamclust.layouts.umap`."""

    version = 1
    depends_on = ("random_state",)
    of_clusters = False
    axis_name = "UMAP"

    def check(self, n_rows: int) -> None:
        if find_spec("umap") is None:
            raise SettingsError(
                "a layout by umap needs umap-learn: pip install umap-learn, or take --method pca"
            )
        _check_landmarks(n_rows)

    def needs(self, rows: Rows, n_dimensions: int) -> list[Need]:
        count = min(LANDMARKS, rows.n_rows)
        sample = count * (rows.row_bytes + 16)
        block = rows.rows_a_block * (2 * rows.row_bytes + 2 * 4 * n_dimensions)
        fitting = 4 * count * rows.row_bytes + count * HELD_A_LANDMARK + 2 * PRODUCT_BYTES
        placing = LandmarkMap.nbytes(rows.n_columns)
        return [
            Need(fixed=2 * sample, per_block=block + 2 * sample),
            Need(fixed=COMPILED + fitting),
            Need(fixed=COMPILED + 4 * sample, per_block=block + placing),
        ]

    def fit(
        self, rows: Rows, sums: RowSums, n_dimensions: int, settings: Settings, passes: Passes
    ) -> FittedLayout:
        drawn = UniformSample(LANDMARKS, settings.random_state)
        values, numbers = passes.reduce("sampling rows", rows.having(numbered=True), drawn).result()
        landmarks = _distinct(values[np.argsort(numbers)])
        _check_landmarks(len(landmarks))
        task = _UMAPOfLandmarks(landmarks, n_dimensions)
        return passes.map("UMAP of a sample", task, [settings.random_state], "sample")[0]

    def placement(self, fitted: FittedLayout) -> LandmarkMap:
        landmarks, positions = (fitted.arrays[n] for n in ("landmarks", "landmark_positions"))
        return LandmarkMap(landmarks, positions, fitted.attributes["a"], fitted.attributes["b"])


def _check_landmarks(count: int) -> None:
    if count <= N_NEIGHBORS:
        raise SettingsError(
            f"{count} different rows are too few for a layout by umap "
            f"({N_NEIGHBORS + 1} at least): take pca"
        )


def _distinct(values: np.ndarray) -> np.ndarray:
    """Each row once, in order: copies of one would be neighbours of nothing else."""
    values = np.ascontiguousarray(values) + 0.0  # -0.0 equals 0.0
    _, first = np.unique(values, axis=0, return_index=True)
    return values[np.sort(first)]


@dataclass(frozen=True)
class _UMAPOfLandmarks:
    """UMAP of landmarks, from a seed."""

    landmarks: np.ndarray
    n_dimensions: int

    def __call__(self, seed: int) -> FittedLayout:
        indices, distances = _neighbors_with_self(self.landmarks)
        with warnings.catch_warnings():
            # Of TensorFlow, which is not needed, and of the neighbours' index, which is not given.
            warnings.simplefilter("ignore")
            import umap

            model = umap.UMAP(
                n_neighbors=N_NEIGHBORS,
                n_components=self.n_dimensions,
                min_dist=MIN_DIST,
                random_state=seed,
                n_jobs=1,
                # Few rows would else be compared anew.
                force_approximation_algorithm=True,
                precomputed_knn=(indices, distances),
            ).fit(self.landmarks)
        positions = np.asarray(model.embedding_, np.float32)
        arrays = {"landmarks": self.landmarks, "landmark_positions": positions}
        attributes = {
            "n_landmarks": len(self.landmarks),
            "n_neighbors": N_NEIGHBORS,
            "min_dist": MIN_DIST,
            "a": float(model._a),
            "b": float(model._b),
            "library": f"umap-learn {umap.__version__}",
        }
        return FittedLayout(arrays, attributes)


def _neighbors_with_self(landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each row and its nearest others, as UMAP counts neighbours: exact, and without compiling."""
    others, _ = exact_neighbors(landmarks, N_NEIGHBORS - 1)
    numbers = np.arange(len(landmarks))[:, None]
    indices = np.hstack([numbers, others.indices]).astype(np.int32)
    return indices, np.hstack([np.zeros(numbers.shape, np.float32), others.distances])
