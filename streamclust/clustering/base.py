"""What a clustering algorithm is: it fits all k together, and labels blocks of rows afterwards; and
how sure it is that rows belong to their cluster.

To add one, write a module with a class that is an `Algorithm`, and enter it in
`streamclust.registries.ALGORITHMS`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from streamclust.memory import Need
from streamclust.passes import Passes, Rows
from streamclust.passes.accumulators import SLICE_ROWS
from streamclust.registries import ALGORITHMS, instance_of
from streamclust.settings import Settings


@dataclass(frozen=True, eq=False)
class Clustering:
    """A fitted clustering, as small as it is stored.

    Attributes
    ----------
    n_clusters : int
        Labels are 0 to ``n_clusters - 1``, the largest cluster first when it is fitted; clusters
        keep their numbers when they go on learning. -1 is noise.
    arrays : dict of str to ndarray
        All that is needed to label rows, by name, such as ``centers``.
    attributes : dict
        What else is known, as JSON can write it: ``n_iter``, ``converged``, ``bic``.
    """

    n_clusters: int
    arrays: dict[str, np.ndarray]
    attributes: dict[str, Any] = field(default_factory=dict)


class Labeller(Protocol):
    """Labels rows in several clusterings at once; it is sent to workers, so it can be pickled."""

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Labels, int32 of shape (n_rows, n_clusterings), of rows (n_rows, n_columns)."""


class Posterior(Protocol):
    """The probability of the clusters that rows are labelled with; can be pickled."""

    def __call__(self, values: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Of rows (n_rows, n_columns) and their labels, 0 and above: (n_rows,), from 0 to 1."""


@runtime_checkable
class Probabilistic(Protocol):
    """An algorithm whose clusters have posteriors; of others `Confidence` takes distances."""

    def posterior(self, clustering: Clustering) -> Posterior:
        """What tells the posteriors of rows by a clustering of this algorithm."""


@runtime_checkable
class Continuing(Protocol):
    """An algorithm whose clusterings go on learning from rows that come later; those of others
    label such rows as they are."""

    def partial_fit(
        self,
        clusterings: Sequence[Clustering],
        counts: Sequence[np.ndarray],
        rows: Rows,
        new: Rows,
        settings: Settings,
        passes: Passes,
    ) -> list[Clustering]:
        """Take further rows into clusterings of this algorithm; cluster numbers stay.

        Parameters
        ----------
        clusterings : sequence of Clustering
            Of one sweep.
        counts : sequence of ndarray of int, shape (n_clusters,)
            Rows of each cluster of each clustering, without the new ones.
        rows, new : Rows
            All rows, and the new ones among them.
        settings : Settings
            That the clusterings were made with.
        passes : Passes

        Returns
        -------
        list of Clustering
            In the order of `clusterings`.
        """

    def partial_fit_needs(self, rows: Rows, ks: Sequence[int], settings: Settings) -> list[Need]:
        """Memory of it, a `Need` for each stage."""


class Algorithm(Protocol):
    """One way to cluster.

    Attributes
    ----------
    version : int
        Raised when what it finds changes, so that stored results are made anew.
    depends_on : tuple of str
        The settings that its result follows from.
    takes_k : bool
        Whether it is told the number of clusters; one that is not makes a single clustering.
    """

    version: int
    depends_on: tuple[str, ...]
    takes_k: bool

    def needs(self, rows: Rows, ks: Sequence[int], settings: Settings) -> list[Need]:
        """Memory of fitting and labelling, a `Need` for each stage."""

    def fit(
        self, rows: Rows, ks: Sequence[int], settings: Settings, passes: Passes, scratch: Path
    ) -> list[Clustering]:
        """Fit a clustering for each of `ks`, in their order.

        Parameters
        ----------
        rows : Rows
            Of shape (n_rows, n_columns), without extras; more rows than the largest k.
        ks : sequence of int
            Ascending; not heeded where the algorithm finds their number.
        settings : Settings
        passes : Passes
        scratch : Path
            An empty folder for what does not fit in memory; it is swept afterwards.
        """

    def labeller(self, clusterings: Sequence[Clustering]) -> Labeller:
        """What labels rows by `clusterings` of this algorithm."""


def load_algorithm(name: str) -> Algorithm:
    """The algorithm of this name; its module, which may bring heavy libraries, is imported now."""
    algorithm: Algorithm = instance_of(ALGORITHMS[name])
    return algorithm


class Confidence:
    """Distance to the own cluster's mean, and a confidence from 0 to 1, as a transform.

    The confidence of an algorithm that is `Probabilistic` is its posterior. For all others it is
    1 − d / e, of the distances d to the own mean and e to the nearest other one: 0 on the border
    between the two (and beyond, where an algorithm's borders are not those of its means), 1 at the
    mean. It is what the simplified silhouette is made of [1]_, which is taken where d is less than
    e, as of k-means it is for all rows. It is no probability.

    Parameters
    ----------
    algorithm : str
        A name of `streamclust.registries.ALGORITHMS`.
    clustering : Clustering
        Of this algorithm.
    means : ndarray of shape (n_clusters, n_columns)
        Of the rows of each cluster; NaN for an empty one.

    References
    ----------
    .. [1] Hruschka, E. R., de Castro, L. N. & Campello, R. J. G. B. (2004). Evolutionary algorithms
       for clustering gene-expression data. ICDM.
    """

    def __init__(self, algorithm: str, clustering: Clustering, means: np.ndarray) -> None:
        of = load_algorithm(algorithm)
        self.posterior = of.posterior(clustering) if isinstance(of, Probabilistic) else None
        filled = ~np.isnan(means).any(axis=1)
        self.shift = means[filled].mean(axis=0) if filled.any() else np.zeros(means.shape[1])
        self.means = np.where(filled[:, None], means - self.shift, 0)
        # An empty cluster is near to no row.
        self.lengths = np.where(filled, np.einsum("ij,ij->i", self.means, self.means), np.inf)

    def __call__(self, values: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distances and confidences.

        Parameters
        ----------
        values : ndarray of shape (n_rows, n_columns)
        labels : ndarray of int, shape (n_rows,)

        Returns
        -------
        distance, confidence : ndarray of float32, shape (n_rows,)
            NaN for labels below 0, which are in no cluster.
        """
        distance, confidence = np.full((2, len(values)), np.nan, np.float32)
        inside = np.flatnonzero(labels >= 0)
        for start in range(0, len(inside), SLICE_ROWS):
            piece = inside[start : start + SLICE_ROWS]
            own, other = self._distances(values[piece], labels[piece])
            distance[piece] = own
            if self.posterior is None:
                farther = np.maximum(own, other)
                nothing = farther == 0  # two means in one place
                silhouette = 1 - own / np.where(nothing, 1, farther)
                confidence[piece] = np.where(nothing | ~(own < other), 0, silhouette)
        if self.posterior is not None:
            confidence[inside] = self.posterior(values[inside], labels[inside])
        return distance, confidence

    def _distances(self, values: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distances to the own mean and to the nearest other one, infinite where there is none."""
        rows = values - self.shift
        apart = rows - self.means[labels]
        own = np.sqrt(np.einsum("ij,ij->i", apart, apart))
        squared = rows @ (-2 * self.means).T
        squared += self.lengths
        squared[np.arange(len(rows)), labels] = np.inf
        other = squared.min(axis=1) + np.einsum("ij,ij->i", rows, rows)
        return own, np.sqrt(np.maximum(other, 0))
