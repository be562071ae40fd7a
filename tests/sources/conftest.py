"""The real case that tests may look at, and small arrays."""

import os
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def real_case() -> Path:
    folder = os.environ.get("STREAMCLUST_CASE")
    if not folder:
        pytest.skip("STREAMCLUST_CASE does not name the folder of a real case")
    return Path(folder)


@pytest.fixture
def table() -> np.ndarray:
    """300 x 7 float32 whose bytes take all values."""
    return np.random.default_rng(0).normal(size=(300, 7)).astype(np.float32)
