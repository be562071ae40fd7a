"""How likely rows are by the probabilistic model of principal components."""

import math

import numpy as np

from streamclust.errors import SettingsError
from streamclust.passes import unit_rows
from streamclust.reduction.components import PIECE_VALUES, PrincipalComponents


def log_likelihood(model: PrincipalComponents, rows: np.ndarray) -> np.ndarray:
    """Log-density of rows: Gaussian with the variances of the components, and noise beside them.

    Scaled rows are taken for samples of a Gaussian whose variance is that of each component along
    it, and the mean of the variances left out in all other directions [1]_. Squares are summed
    along the components and in what they leave, so that no matrix of all columns is made.

    Parameters
    ----------
    model : PrincipalComponents
    rows : ndarray of shape (n_rows, n_features)

    Returns
    -------
    ndarray of float64 of shape (n_rows,)
        Of scaled rows, per unit of their scaled columns.

    Raises
    ------
    SettingsError
        The model leaves directions without variance, where a density is infinite or zero.

    References
    ----------
    .. [1] Tipping, M. E. & Bishop, C. M. (1999). Probabilistic principal component analysis.
       Journal of the Royal Statistical Society B 61(3).
    """
    n_features, noise = len(model.mean), model.noise_variance
    n_left = n_features - model.n_components
    variances = np.maximum(model.explained_variance, noise)
    if variances.min() <= 0 or (n_left and noise <= 0):
        raise SettingsError(
            f"n_components={model.n_components} leaves no noise, and there are {n_features} "
            "columns: rows have a density by fewer components, or by as many as columns that vary"
        )
    volume = np.log(variances).sum() + (n_left * math.log(noise) if n_left else 0)
    out = np.full(len(rows), -0.5 * (n_features * math.log(2 * math.pi) + volume))
    step = max(PIECE_VALUES // n_features, 1)
    for start in range(0, len(rows), step):
        piece = rows[start : start + step].astype(np.float64)
        if model.scaling == "l2":
            unit_rows(piece, out=piece)
        piece -= model.mean
        piece /= model.scale
        reduced = piece @ model.components.T
        squares = np.square(reduced) @ (1 / variances)
        if n_left:
            piece -= reduced @ model.components
            squares += np.einsum("ij,ij->i", piece, piece) / noise
        out[start : start + step] -= 0.5 * squares
    return out
