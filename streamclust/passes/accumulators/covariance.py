"""The scatter matrix of all rows, exact from one matrix product a block, or a small sketch of it
for rows too wide for the matrix itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy import linalg

from streamclust.errors import SettingsError
from streamclust.passes.accumulators.moments import check_same_width

PIECE_ROWS = 2048  # rows centred at once
PANEL = 256  # columns of the product formed at once: the product of all would be d × d
STRIP = 32  # rows of the scatter corrected at once

# Sums of products of float32 values between these are neither infinite nor lost in zero.
SMALLEST, LARGEST = 1e-15, 1e17

PIECE_VALUES = 2**22  # values centred at once: 16 MiB in float32


@dataclass(frozen=True, eq=False)
class Scatter:
    """What `Covariance` knows.

    Attributes
    ----------
    count : int
        Rows seen.
    mean : ndarray of float64, shape (n_features,)
    scatter : ndarray of float64, shape (n_features, n_features)
        Sum over the rows of (x − mean)(x − mean)ᵀ.
    precision : float
        Machine epsilon of the coarsest dtype that products were taken in.
    """

    count: int
    mean: np.ndarray
    scatter: np.ndarray
    precision: float = float(np.finfo(np.float64).eps)


class Covariance:
    """Accumulate the mean and the centred scatter matrix of the rows.

    Rows of float16, float32 and integers of up to 16 bits are multiplied in float32 (unless the
    products would leave its range), all others in float64; sums between pieces are float64. A
    piece of rows is shifted by its own mean, and pieces are joined by the formula of Chan, Golub &
    LeVeque (1983): a large mean costs no digits.

    Only the upper triangle is kept up to date, panel by panel, so that neither the product of a
    block nor the corrections need a second square matrix.

    Examples
    --------
    >>> import numpy as np
    >>> covariance = Covariance()
    >>> covariance.update(np.array([[1.0, 2.0], [3.0, 6.0]]))
    >>> covariance.result().scatter
    array([[2., 4.],
           [4., 8.]])
    """

    def __init__(self) -> None:
        self.count = 0
        self._mean = np.empty(0)
        self._scatter = np.empty((0, 0))
        self._precision = float(np.finfo(np.float64).eps)
        self._scratch: _Scratch | None = None

    @classmethod
    def going_on(cls, known: Scatter) -> Self:
        """One that has seen what `known` tells of, whose arrays become its own."""
        covariance = cls()
        covariance.count, covariance._mean = known.count, known.mean
        covariance._scatter, covariance._precision = known.scatter, known.precision
        return covariance

    @staticmethod
    def nbytes(n_features: int, block_rows: int, itemsize: int = 4) -> int:
        """Bytes held at the peak of an update, the block itself not counted.

        Parameters
        ----------
        n_features, block_rows : int
            Shape of the blocks.
        itemsize : int
            Bytes of a value as multiplied: 4 for float32, 8 for float64.
        """
        rows = min(block_rows, PIECE_ROWS)
        panel = min(PANEL, n_features)
        scratch = itemsize * n_features * (rows + panel) + 8 * n_features * min(STRIP, n_features)
        return 8 * n_features**2 + scratch + 8 * 16 * n_features

    def update(self, values: np.ndarray, *extras: np.ndarray) -> None:
        """See a block of shape (n_rows, n_features); no rows change nothing.

        Raises
        ------
        SettingsError
            The block has another number of columns than those before.
        """
        for piece in pieces(values, PIECE_ROWS):
            self._update_piece(piece)

    @np.errstate(over="ignore", invalid="ignore")  # `check_range` refuses what is infinite
    def merge(self, other: Self) -> None:
        """Take in what `other` saw; `other` is left as it is.

        Raises
        ------
        SettingsError
            The two saw rows of different length.
        """
        self._scratch = None
        if not other.count:
            return
        self._precision = max(self._precision, other._precision)
        if not self.count:
            self.count, self._mean = other.count, other._mean.copy()
            self._scatter = other._scatter.copy()
            return
        check_same_width(self._mean, other._mean)
        for start, stop in _panels(len(self._mean)):
            self._scatter[start:stop, start:] += other._scatter[start:stop, start:]
        delta = self._join(other.count, other._mean)
        strip = np.empty((STRIP, len(delta)))
        _add_products(self._scatter, delta[:, None], delta[None], strip)

    def result(self) -> Scatter:
        """Tell the scatter as read-only views, which a later update or merge changes."""
        self._scratch = None
        _mirror(self._scatter)
        mean, scatter = _read_only(self._mean), _read_only(self._scatter)
        return Scatter(self.count, mean, scatter, self._precision)

    def __getstate__(self) -> dict[str, Any]:
        # Workers send it to each other: half of it says all.
        return self.__dict__ | {"_scratch": None, "_scatter": _upper(self._scatter)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._scatter = _square(self._scatter, len(self._mean))
        if not self._mean.flags.writeable:  # as joblib loads it when it maps the file
            self._mean = self._mean.copy()

    @np.errstate(over="ignore", invalid="ignore")
    def _update_piece(self, piece: np.ndarray) -> None:
        n_rows, n_features = piece.shape
        if not self.count:
            self._mean = np.zeros(n_features)
            self._scatter = np.zeros((n_features, n_features))
        check_same_width(self._mean, piece[0])
        scratch = self._scratch_for(piece)
        centred = scratch.centred[:n_rows]
        mean, rest = centre(piece, centred)
        if out_of_range(centred):
            del scratch, centred  # freed before the wider ones are made
            for part in widened(piece):
                self._update_piece(part)
            return
        self._precision = max(self._precision, float(np.finfo(centred.dtype).eps))
        for start, stop in _panels(n_features):
            product = scratch.product(stop - start, n_features - start)
            np.matmul(centred[:, start:stop].T, centred[:, start:], out=product)
            self._scatter[start:stop, start:] += product
        delta = self._join(n_rows, mean)
        left = np.stack([delta, -n_rows * rest], axis=1)
        _add_products(self._scatter, left, np.stack([delta, rest]), scratch.strip)

    def _join(self, count: int, mean: np.ndarray) -> np.ndarray:
        """Take in a count and a mean; return δ such that δδᵀ is what joining adds (Chan)."""
        total = self.count + count
        delta = mean - self._mean
        weight = self.count * count / total
        self._mean += delta * (count / total)
        self.count = total
        return delta * np.sqrt(weight)

    def _scratch_for(self, piece: np.ndarray) -> "_Scratch":
        dtype = compute_dtype(piece.dtype)
        if self._scratch is None or not self._scratch.serves(len(piece), dtype):
            self._scratch = None  # freed before the next is made
            self._scratch = _Scratch(len(piece), piece.shape[1], dtype)
        return self._scratch


class _Scratch:
    """Buffers of an update, kept from one block to the next."""

    def __init__(self, n_rows: int, n_features: int, dtype: np.dtype) -> None:
        self.centred = np.empty((n_rows, n_features), dtype)
        self.strip = np.empty((min(STRIP, n_features), n_features))
        self._product = np.empty(min(PANEL, n_features) * n_features, dtype)

    def serves(self, n_rows: int, dtype: np.dtype) -> bool:
        return len(self.centred) >= n_rows and self.centred.dtype == dtype

    def product(self, n_rows: int, n_columns: int) -> np.ndarray:
        return self._product[: n_rows * n_columns].reshape(n_rows, n_columns)


def compute_dtype(dtype: np.dtype) -> np.dtype:
    """Tell the dtype that products of such values are taken in: float32 where it holds them."""
    single = np.can_cast(dtype, np.float32, casting="safe")
    return np.dtype(np.float32 if single else np.float64)


def pieces(values: np.ndarray, rows: int) -> Iterator[np.ndarray]:
    """Cut a block into runs of at most `rows` rows, of nearly equal length."""
    n_pieces = -(-len(values) // rows)
    for i in range(n_pieces):
        yield values[len(values) * i // n_pieces : len(values) * (i + 1) // n_pieces]


def out_of_range(centred: np.ndarray) -> bool:
    """Tell whether products of these rows must be taken in float64, by any column's largest."""
    if centred.dtype == np.float64:
        return False
    largest = np.maximum(centred.max(axis=0), -centred.min(axis=0))
    # So written that NaN, from infinity less infinity, is out of range.
    return not ((largest == 0) | ((largest > SMALLEST) & (largest < LARGEST))).all()


def widened(piece: np.ndarray) -> Iterator[np.ndarray]:
    """Give the rows in float64, in parts that take no more memory than the piece in float32."""
    for part in pieces(piece, max(len(piece) // 4, 1)):
        yield part.astype(np.float64)


def centre(piece: np.ndarray, out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Write the rows, less their mean rounded to what is exact to take away, into `out`.

    Returns
    -------
    mean : ndarray of float64, shape (n_features,)
        The mean of the rows.
    rest : ndarray of float64, shape (n_features,)
        The mean that is left in `out`.
    """
    mean = piece.mean(axis=0, dtype=np.float64)
    # Whole numbers stay whole, and their products exact: few values that recur many times
    # would otherwise all be rounded alike.
    shift = (np.rint(mean) if piece.dtype.kind in "iub" else mean).astype(out.dtype)
    np.subtract(piece, shift, out=out, casting="same_kind")
    # In float64 the mean of `out` shows what summing the mean has lost.
    rest = out.mean(axis=0) if out.dtype == np.float64 else mean - shift
    return shift + rest, rest


def _add_products(
    scatter: np.ndarray, left: np.ndarray, right: np.ndarray, strip: np.ndarray
) -> None:
    """Add left·right, (d, r) by (r, d), to the upper triangle without a matrix of that size."""
    n_features = len(scatter)
    flat = strip.reshape(-1)
    for start in range(0, n_features, len(strip)):
        rows = left[start : start + len(strip)]
        product = flat[: len(rows) * (n_features - start)].reshape(len(rows), -1)
        scatter[start : start + len(rows), start:] += np.matmul(rows, right[:, start:], out=product)


def _mirror(scatter: np.ndarray) -> None:
    """Copy the upper triangle to the lower."""
    for start, stop in _panels(len(scatter)):
        scatter[stop:, start:stop] = scatter[start:stop, stop:].T
        corner = scatter[start:stop, start:stop]
        corner[...] = np.triu(corner) + np.triu(corner, 1).T


def _upper(scatter: np.ndarray) -> np.ndarray:
    """The upper triangle, and a little below it, strip after strip."""
    starts = range(0, len(scatter), STRIP)
    strips = [scatter[start : start + STRIP, start:].reshape(-1) for start in starts]
    return np.concatenate(strips) if strips else np.empty(0)


def _square(upper: np.ndarray, n_features: int) -> np.ndarray:
    """The matrix whose upper triangle `_upper` gave; zeros below it."""
    scatter, first = np.zeros((n_features, n_features)), 0
    for start in range(0, n_features, STRIP):
        strip = scatter[start : start + STRIP, start:]
        strip[...] = upper[first : first + strip.size].reshape(strip.shape)
        first += strip.size
    return scatter


def _panels(n_features: int) -> Iterator[tuple[int, int]]:
    for start in range(0, n_features, PANEL):
        yield start, min(start + PANEL, n_features)


def _read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view


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
