"""What estimators are given beside rows: seeds, and weights of rows."""

from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array


def seed_of(random_state: Any) -> int:
    """A seed of a random_state as scikit-learn has it.

    Raises
    ------
    ValueError
        When it is none.
    """
    return int(check_random_state(random_state).randint(2**31 - 1))


def weights_of(sample_weight: Any, n_rows: int) -> np.ndarray:
    """The weights of rows, (n_rows,) float64, that a user gave.

    Parameters
    ----------
    sample_weight : float or array-like of shape (n_rows,)
    n_rows : int

    Raises
    ------
    ValueError
        When there are not as many as rows, one is not finite or below 0, or all are 0.
    """
    if isinstance(sample_weight, Real):
        sample_weight = np.full(n_rows, sample_weight)
    weights = check_array(
        sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    if weights.shape != (n_rows,):
        raise ValueError(f"sample_weight has the shape {weights.shape}, not {(n_rows,)}")
    if weights.min() < 0:
        raise ValueError(f"sample_weight must not be negative, as {weights.min():g} is")
    if not weights.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weights
