"""Gaussian components, however many threads BLAS has."""

import numpy as np
from threadpoolctl import threadpool_limits

from streamclust.passes.accumulators.gaussians import FullGaussians


def test_whitening_does_not_depend_on_the_threads_of_blas():
    rows = np.random.default_rng(0).standard_normal((2, 500, 200))
    covariances = np.stack([np.cov(own, rowvar=False) for own in rows])
    made = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads):
            full = FullGaussians(np.zeros(2), rows.mean(axis=1), covariances, np.array([0, 2]))
        made.append(full)
    np.testing.assert_array_equal(made[0].whitenings, made[1].whitenings)
    np.testing.assert_array_equal(made[0].constants, made[1].constants)
    np.testing.assert_allclose(
        made[0].whitenings[1] @ made[0].whitenings[1].T, np.linalg.inv(covariances[1]), rtol=1e-6
    )
