"""Agreement of clusterings of two halves."""

import numpy as np
from sklearn.datasets import make_blobs

from streamclust.models.stability import Stability


def test_separated_groups_are_stable_and_noise_is_not():
    rows = make_blobs(2000, 4, centers=5, cluster_std=0.3, random_state=0)[0]
    assert Stability(rows, 0)(5) == 1.0
    noise = np.random.default_rng(0).standard_normal((2000, 20))
    assert -0.1 < Stability(noise, 0)(12) < 0.4
    assert Stability(noise, 0)(12) == Stability(noise, 0)(12)
