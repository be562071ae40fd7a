"""What a clustering algorithm is: it fits all k together, and labels blocks of rows afterwards.

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
    """An algorithm whose clusters have posteriors; of others `streamclust.clustering.confidence`
    takes distances."""

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

    def partial_fit_needs(
        self, name: str, rows: Rows, ks: Sequence[int], settings: Settings
    ) -> list[Need]:
        """Memory of it, a `Need` called `name` for each stage."""


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

    def needs(self, name: str, rows: Rows, ks: Sequence[int], settings: Settings) -> list[Need]:
        """Memory of fitting and labelling, a `Need` called `name` for each stage."""

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
