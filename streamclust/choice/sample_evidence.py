"""What a sample tells of a set's clusterings beside their indices: for the choice of k."""

import warnings
from collections.abc import Sequence

import numpy as np

from streamclust.choice.borders import Borders
from streamclust.choice.group_count import MOST_COMPONENTS, MixtureGroups
from streamclust.choice.indices import Scores, algorithm_of
from streamclust.choice.rule import clearest, is_degenerate
from streamclust.clustering.kmeans_sweep import ignore_convergence, sample_centers
from streamclust.passes.verbs import Passes

SAMPLE_ROWS = 16_384
# Rows of the sample for each component that a mixture begins with.
_LEAST_ROWS = 8
# A mixture of which hardly any components were merged has too few to tell the number of groups.
_HARDLY_MERGED = 0.9


def separated(
    sample: np.ndarray, clusters: Sequence[tuple[np.ndarray, np.ndarray]], passes: Passes
) -> list[int]:
    """How many clusters of each clustering are set off from their neighbours by empty borders.

    Parameters
    ----------
    sample : ndarray of shape (n_rows, n_columns)
        A uniform sample of reduced rows in random order (`UniformSample`), 16,384 or fewer.
    clusters : sequence of (means, sizes)
        Label means (k, n_columns; NaN where a cluster has no rows) and sizes (k,), over all rows.
    passes : Passes
    """
    return passes.map("borders of clusters", Borders(sample), clusters, "k")


def overlap(clusterings: Sequence[Scores]) -> bool:
    """Whether an algorithm has clusterings, but none whose borders tell the number of groups.

    The scores are as `choice.recommend` takes them.
    """
    sound = [scores for scores in clusterings if not is_degenerate(scores)]
    algorithms = {algorithm_of(scores) for scores in sound}
    return any(clearest([s for s in sound if algorithm_of(s) == a]) is None for a in algorithms)


def groups(sample: np.ndarray, passes: Passes, seed: int) -> int | None:
    """Groups that a Gaussian mixture finds in a sample; None where it cannot tell.

    It begins with the clusters of a k-means of its own, as many whatever was clustered.
    """
    n_components = min(MOST_COMPONENTS, len(sample) // _LEAST_ROWS)
    with warnings.catch_warnings():
        ignore_convergence()
        return passes.map("mixture", _Groups(sample, seed), [n_components], "k")[0]


class _Groups:
    def __init__(self, sample: np.ndarray, seed: int) -> None:
        self.sample = sample
        self.seed = seed

    def __call__(self, n_components: int) -> int | None:
        if n_components < 2:
            return None
        # k-means may find fewer places than it is asked for centres.
        centers = np.unique(sample_centers(self.sample, n_components, self.seed), axis=0)
        found = MixtureGroups(self.sample)(centers)
        return found if found <= _HARDLY_MERGED * len(centers) else None
