import numpy as np
import pytest

from streamclust.errors import SettingsError
from streamclust.estimators.spread import largest_spread, near_enough


def test_squares_of_the_largest_spread_can_be_summed() -> None:
    most = largest_spread(20)
    values = np.zeros((2, 20), np.float32)
    values[1] = 0.49 * most
    assert near_enough(values) is values
    sums = np.square(values).sum(dtype=np.float32) * np.float32(2**30)
    assert np.isfinite(sums)
    with pytest.raises(SettingsError, match="too large for squared distances"):
        near_enough(-values * 1.1)
    assert largest_spread(20, np.float64) > 1e100
