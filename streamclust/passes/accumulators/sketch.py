"""A small sketch of the scatter matrix, for rows too wide for the matrix itself."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy import linalg

from streamclust.errors import SettingsError
from streamclust.passes.accumulators.covariance import (
    centre,
    compute_dtype,
    out_of_range,
    pieces,
    widened,
)
from streamclust.passes.accumulators.moments import check_same_width

PIECE_VALUES = 2**22  # values centred at once: 16 MiB in float32
PIECE_ROWS = 2048


@dataclass(frozen=True, eq=False)
class ScatterSketch:
    """What `CovarianceSketch` knows of the scatter matrix C of the rows.

    Attributes
    ----------
    count : int
        Rows seen.
    mean : ndarray of float64, shape (n_features,)
    test_matrix : ndarray of float64, shape (n_features, n_vectors)
        Ω.
    product : ndarray of float64, shape (n_features, n_vectors)
        C Ω.
    precision : float
        Machine epsilon of the coarsest dtype that products were taken in.
    """

    count: int
    mean: np.ndarray
    test_matrix: np.ndarray
    product: np.ndarray
    precision: float

    def factor(self) -> np.ndarray:
        """Give F of shape (n_features, n_vectors) with C ≈ F Fᵀ, the Nyström approximation.

        F Fᵀ = (C Ω)(Ωᵀ C Ω)⁺(C Ω)ᵀ never exceeds C. Directions of Ωᵀ C Ω that rounding hides
        are left out (as columns of zeros), where Tropp et al. shift them by as much.
        """
        core = self.test_matrix.T @ self.product
        values, vectors = linalg.eigh((core + core.T) / 2)
        floor = np.sqrt(len(self.mean)) * self.precision * values[-1]
        known = values > max(floor, 0.0)
        inverse_root = np.where(known, values, 1.0) ** -0.5 * known
        return self.product @ (vectors * inverse_root)


class CovarianceSketch:
    """Accumulate C Ω, the scatter matrix times a thin random matrix, in one pass over the rows.

    Tropp, Yurtsever, Udell & Cevher (2017), "Fixed-rank approximation of a positive-semidefinite
    matrix from streaming data". The sketch is linear in C, so sketches with the same test matrix
    merge; rows are centred exactly, as in `Covariance`. The result is approximate: good where the
    variances decay within `n_vectors`; a further pass that starts from
    ``numpy.linalg.qr(result.product).Q`` as its `test_matrix` is a step of subspace iteration.

    Parameters
    ----------
    n_vectors : int
        Columns of Ω: the components wanted and some 32 more. At most n_features are used.
    random_state : int, default 0
        Seed of Ω; the same number wherever sketches are to be merged.
    test_matrix : ndarray of shape (n_features, n_vectors), optional
        Ω, in place of a random one.
    """

    def __init__(
        self, n_vectors: int, *, random_state: int = 0, test_matrix: np.ndarray | None = None
    ) -> None:
        self.n_vectors = n_vectors
        self.random_state = random_state
        self.count = 0
        self._test_matrix = test_matrix
        self._mean = np.empty(0)
        self._product = np.empty((0, 0))
        self._precision = 0.0
        self._scratch: np.ndarray | None = None

    @classmethod
    def going_on(cls, known: ScatterSketch) -> Self:
        """One that has seen what `known` tells of, whose arrays become its own."""
        sketch = cls(known.test_matrix.shape[1], test_matrix=known.test_matrix)
        sketch.count, sketch._mean = known.count, known.mean
        sketch._product, sketch._precision = known.product, known.precision
        return sketch

    @staticmethod
    def nbytes(n_features: int, block_rows: int, n_vectors: int, itemsize: int = 4) -> int:
        """Bytes held at the peak of an update, the block itself not counted."""
        rows = min(block_rows, _piece_rows(n_features))
        columns = min(n_vectors, n_features)
        kept = 8 * 2 * n_features * columns
        products = itemsize * (2 * n_features * columns + rows * columns)
        making = 8 * 2 * n_features * columns  # Ω and its QR, or the outer product of a correction
        return kept + max(products, making) + itemsize * rows * n_features + 8 * 16 * n_features

    def update(self, values: np.ndarray, *extras: np.ndarray) -> None:
        """See a block of shape (n_rows, n_features); no rows change nothing.

        Raises
        ------
        SettingsError
            The block has another number of columns than those before, or than the test matrix.
        """
        for piece in pieces(values, _piece_rows(values.shape[1])):
            self._update_piece(piece)

    @np.errstate(over="ignore", invalid="ignore")  # `check_range` refuses what is infinite
    def merge(self, other: Self) -> None:
        """Take in what `other` saw; `other` is left as it is.

        Raises
        ------
        SettingsError
            The two saw rows of different length, or have different test matrices.
        """
        self._scratch = None
        if not other.count or other._test_matrix is None:
            return
        if not self.count:
            self._start(len(other._mean))
        check_same_width(self._mean, other._mean)
        if self._test_matrix is None or not np.allclose(
            self._test_matrix, other._test_matrix, rtol=0, atol=1e-10
        ):
            raise SettingsError("sketches with different test matrices cannot be merged")
        self._product += other._product
        self._precision = max(self._precision, other._precision)
        self._join(other.count, other._mean)

    def result(self) -> ScatterSketch:
        """Tell the sketch; its arrays are the accumulator's own, changed by a later update."""
        self._scratch = None
        test_matrix = np.empty((0, 0)) if self._test_matrix is None else self._test_matrix
        return ScatterSketch(self.count, self._mean, test_matrix, self._product, self._precision)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_scratch": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if not self._product.flags.writeable:  # as joblib loads it when it maps the file
            self._product = self._product.copy()

    def _start(self, n_features: int) -> None:
        if self._test_matrix is None:
            rng = np.random.default_rng(self.random_state)
            n_vectors = min(self.n_vectors, n_features)
            self._test_matrix = np.linalg.qr(rng.standard_normal((n_features, n_vectors))).Q
        self._mean = np.zeros(n_features)
        check_same_width(self._test_matrix[:, 0], self._mean)
        self._product = np.zeros(self._test_matrix.shape)

    @np.errstate(over="ignore", invalid="ignore")
    def _update_piece(self, piece: np.ndarray) -> None:
        n_rows, n_features = piece.shape
        if not self.count:
            self._start(n_features)
        assert self._test_matrix is not None
        check_same_width(self._mean, piece[0])
        dtype = compute_dtype(piece.dtype)
        centred = self._centred(n_rows, n_features, dtype)
        mean, rest = centre(piece, centred)
        if out_of_range(centred):
            del centred  # freed before the wider one is made
            for part in widened(piece):
                self._update_piece(part)
            return
        images = centred @ self._test_matrix.astype(dtype, copy=False)
        self._product += centred.T @ images
        self._product -= np.outer(n_rows * rest, rest @ self._test_matrix)
        self._precision = max(self._precision, float(np.finfo(dtype).eps))
        self._join(n_rows, mean)

    def _join(self, count: int, mean: np.ndarray) -> None:
        """Take in a count and a mean, and what the distance of the means adds (Chan)."""
        assert self._test_matrix is not None
        total = self.count + count
        delta = mean - self._mean
        weight = self.count * count / total
        if weight:
            self._product += np.outer(weight * delta, delta @ self._test_matrix)
        self._mean = self._mean + delta * (count / total)
        self.count = total

    def _centred(self, n_rows: int, n_features: int, dtype: np.dtype) -> np.ndarray:
        scratch = self._scratch
        if scratch is None or len(scratch) < n_rows or scratch.dtype != dtype:
            self._scratch = None  # freed before the next is made
            self._scratch = scratch = np.empty((n_rows, n_features), dtype)
        return scratch[:n_rows]


def _piece_rows(n_features: int) -> int:
    return min(max(PIECE_VALUES // max(n_features, 1), 256), PIECE_ROWS)
