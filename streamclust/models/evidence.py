"""What a sample tells of a sweep's clusterings beside their indices: for the choice of k."""

import warnings
from collections.abc import Sequence

import numpy as np

from streamclust.models.borders import Borders
from streamclust.models.choice import LEAST_SEPARATED
from streamclust.models.mixture_bic import MixtureBic
from streamclust.models.sample_kmeans import ignore_convergence
from streamclust.passes import Passes

SAMPLE_ROWS = 16_384


def gather(
    sample: np.ndarray,
    clusters: Sequence[tuple[np.ndarray, np.ndarray]],
    seed: int,
    passes: Passes,
) -> list[dict[str, float]]:
    """The evidence of each clustering, as `choice.recommend` takes it.

    Borders are counted for every clustering. Only where they separate no three clusters of any,
    which is where groups overlap or there are none, the mixtures are fitted.

    Parameters
    ----------
    sample : ndarray of shape (n_rows, n_columns)
        A uniform sample of reduced rows in random order (`UniformSample`), 16,384 or fewer.
    clusters : sequence of (means, sizes)
        Label means (k, n_columns; NaN where a cluster has no rows) and sizes (k,), over all rows.
    seed : int
    passes : Passes

    Returns
    -------
    list of dict
        ``separated``, and where it was computed ``bic``.
    """
    separated = passes.map("borders of clusters", Borders(sample), clusters, "k")
    evidence: list[dict[str, float]] = [{"separated": number} for number in separated]
    if max(separated, default=0) >= LEAST_SEPARATED or len(sample) < 2:
        return evidence
    several = [i for i, (means, _) in enumerate(clusters) if len(means) < len(sample)]
    with warnings.catch_warnings():
        ignore_convergence()
        bics = passes.map("mixtures", MixtureBic(sample), [clusters[i] for i in several], "k")
    for i, bic in zip(several, bics, strict=True):
        evidence[i]["bic"] = bic
    return evidence
