"""scikit-learn's `MiniBatchKMeans` as a learner of a fold, for batches of any size."""

from typing import Any

import numpy as np


class MiniBatches:
    """Learns centres from batches of rows, however few are in each.

    `MiniBatchKMeans` refuses a first batch with fewer rows than clusters: rows wait here until
    there are enough.

    Parameters
    ----------
    seeds : ndarray of shape (n_clusters, n_columns)
        Where the centres start.
    random_state : int
    """

    def __init__(self, seeds: np.ndarray, random_state: int) -> None:
        self.seeds = seeds
        self.random_state = random_state
        self._waiting: list[np.ndarray] = []
        self._model: Any = None

    @property
    def centers(self) -> np.ndarray:
        """What was learned; the seeds, if fewer rows than clusters were seen."""
        return self.seeds if self._model is None else self._model.cluster_centers_

    def partial_fit(self, values: np.ndarray, *extras: np.ndarray) -> None:
        """Learn from a batch of shape (n_rows, n_columns)."""
        if self._model is None:
            self._waiting.append(values)
            if sum(map(len, self._waiting)) < len(self.seeds):
                return
            values = np.concatenate(self._waiting)
            self._waiting = []
            self._model = self._make()
        self._model.partial_fit(values)

    def _make(self) -> Any:
        from sklearn.cluster import MiniBatchKMeans

        # Reassignment would move the centres of small but real clusters: the restarts have
        # already chosen them, and empty ones are re-seeded in the exact passes.
        return MiniBatchKMeans(
            len(self.seeds),
            init=self.seeds,
            n_init=1,
            reassignment_ratio=0,
            compute_labels=False,
            random_state=self.random_state,
        )
