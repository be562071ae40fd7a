"""What a sample tells of a sweep's clusterings beside their indices: for the choice of k."""

import warnings
from collections.abc import Sequence

import numpy as np

from streamclust.models.borders import Borders
from streamclust.models.choice import LEAST_SEPARATED
from streamclust.models.mixture_bic import MixtureBic
from streamclust.models.sample_kmeans import ignore_convergence
from streamclust.models.structureless import Gap
from streamclust.passes import Passes

SAMPLE_ROWS = 16_384
_GAPS = 4
# k-means needs more rows than clusters in each half of the sample.
_ROWS_A_CLUSTER = 4


def gather(
    sample: np.ndarray,
    clusters: Sequence[tuple[np.ndarray, np.ndarray]],
    seed: int,
    passes: Passes,
) -> list[dict[str, float]]:
    """The evidence of each clustering, as `choice.recommend` takes it.

    Borders are counted for every clustering. Only where they separate no three clusters of any,
    which is where groups overlap or there are none, the mixtures are fitted, and the gap is taken
    for four numbers of clusters.

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
        ``separated``, and where it was computed ``bic``, ``gap`` and ``gap_error``.
    """
    separated = passes.map("borders of clusters", Borders(sample), clusters, "k")
    evidence: list[dict[str, float]] = [{"separated": number} for number in separated]
    if max(separated, default=0) >= LEAST_SEPARATED or len(sample) < 2:
        return evidence
    several = [i for i, (means, _) in enumerate(clusters) if len(means) < len(sample)]
    judged = _judged([len(means) for means, _ in clusters], len(sample))
    with warnings.catch_warnings():
        ignore_convergence()
        bics = passes.map("mixtures", MixtureBic(sample), [clusters[i] for i in several], "k")
        ks = [len(clusters[i][0]) for i in judged]
        gaps = passes.map("structureless data", Gap(sample, seed), ks, "k")
    for i, bic in zip(several, bics, strict=True):
        evidence[i]["bic"] = bic
    for i, (gap, error) in zip(judged, gaps, strict=True):
        evidence[i].update(gap=gap, gap_error=error)
    return evidence


def _judged(ks: list[int], n_rows: int) -> list[int]:
    """Which clusterings get a gap: few, from the fewest clusters to the most, in equal ratios."""
    allowed = [i for i, k in enumerate(ks) if 2 <= k <= n_rows // _ROWS_A_CLUSTER]
    if not allowed:
        return []
    sizes = np.log([ks[i] for i in allowed])
    wanted = np.linspace(sizes.min(), sizes.max(), _GAPS)
    return sorted({allowed[int(np.abs(sizes - size).argmin())] for size in wanted})
