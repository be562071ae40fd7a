"""UMAP of landmarks, and every other row placed among those that it is nearest to."""

import warnings
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from streamclust.accumulators.sample import UniformSample
from streamclust.errors import SettingsError
from streamclust.layouts.base import Fitted, Known
from streamclust.memory import MIB, Need
from streamclust.models.landmark_map import N_NEIGHBORS, LandmarkMap
from streamclust.models.neighbors import exact_neighbors
from streamclust.models.neighbors.search import PRODUCT_BYTES
from streamclust.passes import Passes, Rows
from streamclust.settings import Settings

LANDMARKS = 16_384
MIN_DIST = 0.1
# Measured: umap-learn, numba and what they compile.
COMPILED = 200 * MIB
# Measured, in bytes a landmark: the graph, its eigenvectors, and what is kept of both.
HELD_A_LANDMARK = 4096


class UMAP:
    """See `streamclust.models.landmark_map`."""

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

    def needs(self, name: str, rows: Rows, n_dimensions: int) -> list[Need]:
        row_bytes = rows.n_columns * np.dtype(rows.array.dtype).itemsize
        count = min(LANDMARKS, rows.n_rows)
        sample = count * (row_bytes + 16)
        block = rows.rows_a_block * (2 * row_bytes + 2 * 4 * n_dimensions)
        fitting = 4 * count * row_bytes + count * HELD_A_LANDMARK + 2 * PRODUCT_BYTES
        placing = LandmarkMap.nbytes(rows.n_columns)
        return [
            Need(name, fixed=2 * sample, per_block=block + 2 * sample),
            Need(name, fixed=COMPILED + fitting),
            Need(name, fixed=COMPILED + 4 * sample, per_block=block + placing),
        ]

    def fit(
        self, rows: Rows, known: Known, n_dimensions: int, settings: Settings, passes: Passes
    ) -> Fitted:
        drawn = UniformSample(LANDMARKS, settings.random_state)
        values, numbers = passes.reduce("sampling rows", rows.having(numbered=True), drawn).result()
        landmarks = _distinct(values[np.argsort(numbers)])
        _check_landmarks(len(landmarks))
        task = _Fit(landmarks, n_dimensions)
        return passes.map("UMAP of a sample", task, [settings.random_state], "sample")[0]

    def placement(self, fitted: Fitted) -> LandmarkMap:
        arrays, own = fitted.arrays, fitted.attributes
        return LandmarkMap(arrays["landmarks"], arrays["landmark_positions"], own["a"], own["b"])


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
class _Fit:
    """UMAP of landmarks, from a seed."""

    landmarks: np.ndarray
    n_dimensions: int

    def __call__(self, seed: int) -> Fitted:
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
        return Fitted(arrays, attributes)


def _neighbors_with_self(landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each row and its nearest others, as UMAP counts neighbours: exact, and without compiling."""
    others, _ = exact_neighbors(landmarks, N_NEIGHBORS - 1)
    own = np.arange(len(landmarks))[:, None]
    indices = np.hstack([own, others.indices]).astype(np.int32)
    return indices, np.hstack([np.zeros(own.shape, np.float32), others.distances])


LAYOUT = UMAP()
