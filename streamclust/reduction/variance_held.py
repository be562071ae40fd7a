"""How much of the variance of rows some components hold, and how much the best ones would."""

import numpy as np
from scipy import linalg
from threadpoolctl import threadpool_limits

from streamclust.passes.accumulators.covariance import Scatter
from streamclust.passes.accumulators.moments import ColumnMoments
from streamclust.passes.accumulators.sketch import ScatterSketch


def held_shares(
    seen: Scatter | ScatterSketch, moments: ColumnMoments, components: np.ndarray, scale: np.ndarray
) -> tuple[float, float]:
    """Shares of the variance of the scaled columns, by given components and by as many new ones.

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
    held, best : float
        1 and 1 where the rows do not vary.
    """
    total = float((moments.m2 / scale**2).sum())
    if not total > 0:
        return 1.0, 1.0
    most = len(components)
    # One BLAS thread: rounding must not depend on the machine's cores.
    with threadpool_limits(limits=1):
        if isinstance(seen, ScatterSketch):
            factor = seen.factor() / scale[:, None]
            held = float(((components @ factor) ** 2).sum())
            best = float((linalg.svdvals(factor)[:most] ** 2).sum())
        else:
            scaled = seen.scatter
            scaled /= scale
            scaled /= scale[:, None]
            held = float(np.einsum("ij,ij->", components @ scaled, components))
            bounds = len(scaled) - most, len(scaled) - 1
            values = linalg.eigvalsh(
                scaled.T, subset_by_index=bounds, overwrite_a=True, check_finite=False
            )
            best = float(values.sum())
    return held / total, max(best, held) / total
