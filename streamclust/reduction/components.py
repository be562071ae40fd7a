"""Principal components from sums that were already taken, and the projection of rows on them."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np
from scipy import linalg
from sklearn.utils.extmath import svd_flip

from streamclust.errors import SettingsError
from streamclust.passes import column_scale, single_threaded, unit_rows
from streamclust.passes.accumulators import (
    PIECE_ROWS,
    ColumnMoments,
    Scatter,
    ScatterSketch,
    compute_dtype,
)

PIECE_VALUES = 2**20  # values centred at once
_NOTHING = 1e-5  # of a row's square: what float32 products leave of zero

# Beyond these, squares of the values and their sums leave the range of float64.
SMALLEST_SPREAD, LARGEST_SQUARES = 1e-150, 1e290


@dataclass(frozen=True, eq=False)
class Projection:
    """Rows to reduced rows, (x − mean) @ matrix: small, picklable, called on blocks.

    Attributes
    ----------
    mean : ndarray of float64, shape (n_features,)
    matrix : ndarray of float64, shape (n_features, n_components)
        The components, with the scale of the columns and the whitening folded in.
    unit_input, unit_output : bool
        Whether rows are made of unit length before, and after.
    """

    mean: np.ndarray
    matrix: np.ndarray
    unit_input: bool = False
    unit_output: bool = False

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Project rows of shape (n_rows, n_features) to (n_rows, n_components).

        float32 (and what it holds exactly) is computed and returned in float32, all else in
        float64. Rows are centred before the product, a piece at a time: taking the product of
        the mean away afterwards would lose digits where means are large.
        """
        return self._project(values, None)

    def with_residual(self, values: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Project rows, and tell how far they lie from the components' subspace.

        Parameters
        ----------
        values : ndarray of shape (n_rows, n_features)
        scale : ndarray of shape (n_features,)
            What the columns are divided by. For projections on orthonormal components only,
            neither whitened nor of unit output.

        Returns
        -------
        reduced : ndarray of shape (n_rows, n_components)
        residual : ndarray of shape (n_rows,)
            Length of what the components leave of the scaled, centred row, by Pythagoras; 0 where
            that is within the rounding of the row's length.
        """
        squares = np.empty(len(values))
        reduced = self._project(values, _Squares(squares, scale))
        left = squares - np.einsum("ij,ij->i", reduced, reduced, dtype=np.float64)
        left[left < _NOTHING * squares] = 0
        return reduced, np.sqrt(left)

    def _project(self, values: np.ndarray, squares: "_Squares | None") -> np.ndarray:
        dtype = compute_dtype(values.dtype)
        if dtype == np.float32 and _leaves_range(self.matrix):
            # Columns that float32 holds, divided by a scale whose inverse it does not.
            return self._project(values.astype(np.float64), squares).astype(np.float32)
        mean, matrix = self.mean.astype(dtype), self.matrix.astype(dtype, copy=False)
        rest = ((self.mean - mean) @ self.matrix).astype(dtype)
        n_features, n_components = matrix.shape
        out = np.empty((len(values), n_components), dtype)
        step = min(max(PIECE_VALUES // n_features, 1), max(len(values), 1))
        centred = np.empty((step, n_features), dtype)
        for start in range(0, len(values), step):
            piece = values[start : start + step]
            work = centred[: len(piece)]
            if self.unit_input:
                piece = unit_rows(piece, out=work)
            np.subtract(piece, mean, out=work, casting="same_kind")
            if squares is not None:
                squares.see(start, work)
            reduced = np.matmul(work, matrix, out=out[start : start + step])
            reduced -= rest
            if self.unit_output:
                unit_rows(reduced, out=reduced)
        return out


def _leaves_range(numbers: np.ndarray) -> bool:
    """Whether float32 has no finite number for some of these."""
    return bool(np.abs(numbers).max(initial=0) > np.finfo(np.float32).max)


class _Squares:
    """Squared lengths of scaled rows, filled in piece by piece."""

    def __init__(self, out: np.ndarray, scale: np.ndarray) -> None:
        self.out = out
        self.weights = 1 / np.square(scale)

    def see(self, start: int, work: np.ndarray) -> None:
        if _leaves_range(self.weights):
            work = work.astype(np.float64)
        weights = self.weights.astype(work.dtype)
        self.out[start : start + len(work)] = np.einsum("ij,ij,j->i", work, work, weights)


@dataclass(frozen=True, eq=False)
class PrincipalComponents:
    """Principal components of scaled rows, largest variance first; all arrays are float64.

    Attributes
    ----------
    components : ndarray of shape (n_components, n_features)
        Orthonormal rows, in the space of the scaled columns; of each the largest entry in
        absolute value is positive, as in scikit-learn.
    explained_variance, explained_variance_ratio, singular_values : ndarray of shape (n_components,)
        Variances (ddof 1), their shares of the total variance of the scaled columns, and the
        singular values of the centred scaled rows.
    mean, scale : ndarray of shape (n_features,)
        A row is scaled as (x − mean) / scale.
    noise_variance : float
        Mean of the variances left out (Tipping & Bishop 1999), 0 if none is.
    n_samples : int
        Rows that it was learnt from.
    scaling : str
        The name of the scaling; for "l2" rows are made of unit length before all else.
    share_reached : bool
        False if a share of variance was asked for that the allowed number of components
        does not hold.
    rounding : float
        The largest variance that may be the rounding of none.
    """

    components: np.ndarray
    explained_variance: np.ndarray
    explained_variance_ratio: np.ndarray
    singular_values: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    noise_variance: float
    n_samples: int
    scaling: str
    share_reached: bool
    rounding: float = 0.0

    @property
    def n_components(self) -> int:
        """Number of components."""
        return len(self.components)

    def projection(self, *, whiten: bool = False, normalize: bool = False) -> Projection:
        """Fold scale and whitening into one matrix.

        Parameters
        ----------
        whiten : bool
            Divide the reduced columns by their standard deviations; those whose variance may be
            rounding, by the largest deviation that may be.
        normalize : bool
            Make the reduced rows of unit length; rows of zeros stay zero.
        """
        matrix = self.components.T / self.scale[:, None]
        if whiten:
            matrix /= self._deviations()
        matrix = np.ascontiguousarray(matrix)
        return Projection(self.mean, matrix, self.scaling == "l2", normalize)

    def restore(self, reduced: np.ndarray, *, whiten: bool = False) -> np.ndarray:
        """Give the rows, (n_rows, n_features), whose reduction is `reduced`.

        The length of rows that were made of unit length is not restored.
        """
        basis = self.components * self.scale
        if whiten:
            basis *= self._deviations()[:, None]
        return reduced @ basis + self.mean

    def _deviations(self) -> np.ndarray:
        # Divided by a deviation that is rounding, rounding would be the largest of all columns. Of
        # rows that do not vary at all the floor is scikit-learn's.
        floor = max(np.sqrt(self.rounding), np.finfo(np.float64).eps)
        return np.maximum(np.sqrt(self.explained_variance), floor)


def principal_components(
    seen: Scatter | ScatterSketch,
    moments: ColumnMoments,
    *,
    n_components: int | float | None = 0.9,
    scaling: str = "none",
    max_components: int | None = 128,
) -> PrincipalComponents:
    """Decompose an accumulated scatter matrix, or a sketch of it.

    Of the matrix this is exact to the rounding of its products, and one more of its size is held.
    By a sketch components are approximate, and variances never above the true ones, but for their
    total: with C ≈ F Fᵀ, columns scaled by S have S C S ≈ (S F)(S F)ᵀ. Any scaling but "l2" is
    served by the same sums; for "l2", and only for it, these must have been taken over unit rows.

    Parameters
    ----------
    seen : Scatter or ScatterSketch
        The result of `Covariance` or `CovarianceSketch`.
    moments : ColumnMoments
        The result of `Moments` on the same rows.
    n_components : int, float in (0, 1] or None
        That many; or the fewest that hold this share of the variance, but no more than
        `max_components`; or all, min(n_samples, n_features).
    scaling : {"none", "standard", "minmax", "l2"}
        See `column_scale`.
    max_components : int or None
        Limit for a share of variance; None for no limit.

    Raises
    ------
    SettingsError
        Fewer than two rows were seen, or fewer rows, columns or vectors of a sketch than
        components; or the values are too large or too small for their squares.
    """
    most = most_components(n_components, max_components, seen.count, len(seen.mean))
    if isinstance(seen, ScatterSketch):
        n_vectors = seen.product.shape[1]
        if most > n_vectors:
            raise SettingsError(
                f"a sketch of {n_vectors} vectors cannot give {most} components: "
                "set n_components, or max_components for a share of variance"
            )
        check_range(moments, float(np.abs(seen.product).max()))
        scale = column_scale(scaling, moments)
        factor = seen.factor() / scale[:, None]
        vectors, roots, _ = linalg.svd(
            factor, full_matrices=False, overwrite_a=True, check_finite=False
        )
        eigenvalues, axes = roots[:most] ** 2, vectors.T[:most]
        total = float(np.sum(moments.m2 / scale**2))
    else:
        check_range(moments, float(np.trace(seen.scatter)))
        scale = column_scale(scaling, moments)
        scaled = seen.scatter / scale[:, None]
        scaled /= scale
        total = float(np.trace(scaled))
        eigenvalues, axes = _leading(scaled, most)
    return _select(
        eigenvalues,
        axes,
        total,
        share=_share(n_components),
        scaling=scaling,
        mean=seen.mean,
        scale=scale,
        n_samples=seen.count,
        rounding=total * products_rounding(seen),
    )


def products_rounding(seen: Scatter | ScatterSketch) -> float:
    """What rounding adds to an eigenvalue of a scatter matrix, in parts of its trace.

    A sum of n products has an error of about √n epsilons in parts of the sum of their sizes
    (Higham, N. J. & Mary, T. (2019). A new approach to probabilistic rounding error analysis. SIAM
    Journal on Scientific Computing 41(5)). So the errors of XᵀX are at most √n ε |X|ᵀ|X|, whose
    norm is at most the trace of XᵀX, and no eigenvalue is wrong by more than their norm (Weyl).
    Products are summed in their own dtype over a piece of rows at most, and over the columns for
    sketches and decompositions.
    """
    n_terms = max(min(seen.count, PIECE_ROWS), len(seen.mean))
    return seen.precision * float(np.sqrt(n_terms))


def refined_test_matrix(sketch: ScatterSketch, scale: np.ndarray) -> np.ndarray:
    """Give the test matrix of a further pass: a step of subspace iteration on the scaled scatter.

    Halko, Martinsson & Tropp (2011), "Finding structure with randomness", algorithm 4.4.
    """
    columns = scale[:, None]
    return np.linalg.qr(sketch.product / columns).Q / columns


def most_components(
    n_components: int | float | None, max_components: int | None, n_samples: int, n_features: int
) -> int:
    """Tell how many components may be needed, or refuse what the data cannot give.

    Raises
    ------
    SettingsError
        Fewer than two rows were seen, or fewer rows or columns than components.
    """
    rank = min(n_samples, n_features)
    if n_samples < 2:
        raise SettingsError(f"principal components need 2 rows at least, got n_samples={n_samples}")
    if n_components is None:
        return rank
    if not isinstance(n_components, Integral):
        return rank if max_components is None else min(max_components, rank)
    if not 1 <= n_components <= rank:
        raise SettingsError(
            f"n_components={n_components!r} must be between 1 and "
            f"min(n_samples, n_features)={rank!r}"
        )
    return int(n_components)


def check_range(moments: ColumnMoments, scatter: float = 1.0) -> None:
    """Refuse sums of squares that were infinite, or lost in zero.

    Parameters
    ----------
    moments : ColumnMoments
    scatter : float
        Trace or largest entry of what was summed beside the moments: not zero where rows differ.

    Raises
    ------
    SettingsError
        The values are too large or too small.
    """
    if not (moments.m2.sum() < LARGEST_SQUARES and np.isfinite(scatter)):
        raise SettingsError("the values are too large for their squares: divide the columns first")
    spread = float(moments.range.max())
    if 0 < spread < SMALLEST_SPREAD or (spread > 0 and scatter <= 0):
        raise SettingsError(
            f"the columns vary by {spread:.1g} at most, too little for the squares: "
            "multiply them first"
        )


def _leading(scatter: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Largest eigenvalues, descending, and their vectors as rows; `scatter` is overwritten."""
    n_features = len(scatter)
    # LAPACK works in place on columns: the transpose of a symmetric C array is the same matrix.
    values, vectors = linalg.eigh(
        scatter.T,
        subset_by_index=(n_features - most, n_features - 1),
        overwrite_a=True,
        check_finite=False,
    )
    return values[::-1], vectors.T[::-1]


def _share(n_components: int | float | None) -> float | None:
    if n_components is None or isinstance(n_components, Integral):
        return None
    return float(n_components)


def _select(
    eigenvalues: np.ndarray,
    vectors: np.ndarray,
    total: float,
    *,
    share: float | None,
    scaling: str,
    mean: np.ndarray,
    scale: np.ndarray,
    n_samples: int,
    rounding: float,
) -> PrincipalComponents:
    """Keep as many components as the share needs; eigenvalues are of the scatter, descending."""
    eigenvalues = np.maximum(eigenvalues, 0.0)
    ratio = eigenvalues / total if total > 0 else np.zeros_like(eigenvalues)
    keep, reached = len(ratio), True
    if share is not None:
        keep, reached = _count_for_share(ratio, share if total > 0 else 0.0)
    components = np.ascontiguousarray(vectors[:keep])
    svd_flip(None, components, u_based_decision=False)
    left_out = min(n_samples, len(mean)) - keep
    noise = max(total - eigenvalues[:keep].sum(), 0.0) / left_out if left_out > 0 else 0.0
    return PrincipalComponents(
        components,
        eigenvalues[:keep] / (n_samples - 1),
        ratio[:keep],
        np.sqrt(eigenvalues[:keep]),
        np.array(mean),
        scale,
        float(noise / (n_samples - 1)),
        n_samples,
        scaling,
        reached,
        rounding / (n_samples - 1),
    )


def _count_for_share(ratio: np.ndarray, share: float) -> tuple[int, bool]:
    """Tell how many components hold the share, and whether these do."""
    enough = np.cumsum(ratio) >= share * (1 - 1e-12)  # all components hold all but rounding
    if enough.any():
        return int(np.argmax(enough)) + 1, True
    return len(ratio), False


def variance_kept(
    seen: Scatter | ScatterSketch, moments: ColumnMoments, components: np.ndarray, scale: np.ndarray
) -> tuple[float, float]:
    """Shares of the variance of the scaled columns that given components hold, and that as many
    new ones would.

    With C the scatter matrix of the scaled columns, orthonormal components V hold tr(V C Vᵀ) of
    tr C, and none of their number more than the sum of the largest eigenvalues of C (Fan, K.
    (1949). On a theorem of Weyl concerning eigenvalues of linear transformations. PNAS 35(11)).

    Parameters
    ----------
    seen : Scatter or ScatterSketch
        Of the rows; the array of a scatter matrix is overwritten. By a sketch both are told as
        low as it is coarse.
    moments : ColumnMoments
        Of the same rows.
    components : ndarray of shape (n_components, n_columns)
        Orthonormal rows.
    scale : ndarray of shape (n_columns,)
        What the columns are divided by.

    Returns
    -------
    kept, best : float
        1 and 1 where the rows do not vary.
    """
    total = float((moments.m2 / scale**2).sum())
    if not total > 0:
        return 1.0, 1.0
    most = len(components)
    # One BLAS thread: rounding must not depend on the machine's cores.
    with single_threaded():
        if isinstance(seen, ScatterSketch):
            factor = seen.factor() / scale[:, None]
            kept = float(((components @ factor) ** 2).sum())
            best = float((linalg.svdvals(factor)[:most] ** 2).sum())
        else:
            scaled = seen.scatter
            scaled /= scale
            scaled /= scale[:, None]
            kept = float(np.einsum("ij,ij->", components @ scaled, components))
            bounds = len(scaled) - most, len(scaled) - 1
            values = linalg.eigvalsh(
                scaled.T, subset_by_index=bounds, overwrite_a=True, check_finite=False
            )
            best = float(values.sum())
    return kept / total, max(best, kept) / total
