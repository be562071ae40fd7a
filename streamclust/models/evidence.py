"""What a sample tells of a sweep's clusterings beside their indices: for the choice of k."""

from collections.abc import Sequence

import numpy as np

from streamclust.models.borders import Borders
from streamclust.models.choice import clearest, is_degenerate
from streamclust.models.mixture_groups import MOST_COMPONENTS, MixtureGroups
from streamclust.passes import Passes

SAMPLE_ROWS = 16_384


def gather(
    sample: np.ndarray,
    clusters: Sequence[tuple[np.ndarray, np.ndarray]],
    passes: Passes,
) -> list[dict[str, float]]:
    """The evidence of each clustering of one algorithm, as `choice.recommend` takes it.

    Borders are counted for every clustering. Only where too few clusters are separated, which is
    where groups overlap or there are none, a mixture is fitted: once, from the most clusters of
    those that are not degenerate.

    Parameters
    ----------
    sample : ndarray of shape (n_rows, n_columns)
        A uniform sample of reduced rows in random order (`UniformSample`), 16,384 or fewer.
    clusters : sequence of (means, sizes)
        Label means (k, n_columns; NaN where a cluster has no rows) and sizes (k,), over all rows.
    passes : Passes

    Returns
    -------
    list of dict
        ``separated``, and for that of which a mixture was fitted, ``groups``.
    """
    separated = passes.map("borders of clusters", Borders(sample), clusters, "k")
    evidence: list[dict[str, float]] = [{"separated": number} for number in separated]
    scores = [
        {
            "n_clusters": len(sizes),
            "smallest_cluster": sizes.min(initial=0) / max(sizes.sum(), 1),
            "largest_cluster": sizes.max(initial=0) / max(sizes.sum(), 1),
            "sizes": sizes.tolist(),
            **own,
        }
        for (_, sizes), own in zip(clusters, evidence, strict=True)
    ]
    sound = [i for i, own in enumerate(scores) if not is_degenerate(own)]
    starts = [i for i in sound if len(clusters[i][1]) <= MOST_COMPONENTS]
    if starts and clearest([scores[i] for i in sound]) is None:
        most = max(starts, key=lambda i: len(clusters[i][1]))
        found = passes.map("mixture", MixtureGroups(sample), [clusters[most][0]], "k")
        evidence[most]["groups"] = found[0]
    return evidence
