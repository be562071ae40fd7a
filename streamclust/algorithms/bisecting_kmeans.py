"""Bisecting k-means: the cuts of one tree of exact 2-means."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from streamclust.accumulators.bisection import Descent, Splits, SplitSums
from streamclust.accumulators.clusters import PIECE_ROWS
from streamclust.algorithms.base import Clustering
from streamclust.algorithms.centers import sweep_settings
from streamclust.memory import Need
from streamclust.models.bisection import SAMPLE_ROWS, Tree, fit_tree
from streamclust.models.continuing import moved_splits
from streamclust.models.sweep import SweepSettings
from streamclust.passes import Passes, Rows
from streamclust.settings import Settings

# Two centres seldom end in more than two ways.
_RESTARTS = 3


class TreeLabels:
    """Labels rows by the slot of a tree that they come to, of one or several trees.

    Parameters
    ----------
    clusterings : sequence of Clustering
        As `BisectingKMeans.fit` makes them.
    """

    def __init__(self, clusterings: Sequence[Clustering]) -> None:
        self.labels = [c.arrays["slot_labels"].astype(np.int32) for c in clusterings]
        self.descents: list[Descent] = []
        self.members: list[list[int]] = []
        by_splits = sorted(range(len(clusterings)), key=lambda i: -len(self.labels[i]))
        for i in by_splits:
            self._join(i, clusterings[i].arrays)

    def _join(self, i: int, arrays: dict[str, np.ndarray]) -> None:
        """Let a clustering share the descent of a longer one that begins as its own does."""
        splits = Splits(arrays["split_slots"], arrays["split_centers"])
        for descent, members in zip(self.descents, self.members, strict=True):
            longer = [part[: len(splits)] for part in descent.splits]
            if all(map(np.array_equal, longer, splits)):
                members.append(i)
                return
        self.descents.append(Descent(splits, arrays["shift"]))
        self.members.append([i])

    def __call__(self, values: np.ndarray) -> np.ndarray:
        found = np.empty((len(values), len(self.labels)), np.int32)
        for descent, members in zip(self.descents, self.members, strict=True):
            for n_splits, slots in enumerate(descent.slots(values)):
                for i in members:
                    if len(self.labels[i]) == n_splits + 1:
                        found[:, i] = self.labels[i][slots]
        return found


class BisectingKMeans:
    """See `streamclust.models.bisection`."""

    version = 2
    depends_on = ("max_iter", "tol", "random_state")
    takes_k = True

    def needs(self, name: str, rows: Rows, ks: Sequence[int], settings: Settings) -> list[Need]:
        row_bytes = rows.n_columns * np.dtype(rows.array.dtype).itemsize
        sample = min(SAMPLE_ROWS, rows.n_rows) * row_bytes
        block = rows.rows_a_block * row_bytes
        sides = rows.rows_a_block * (2 * max(ks) + 8 * 4)
        labelled = rows.rows_a_block * len(ks) * 8
        products = PIECE_ROWS * (rows.n_columns * 4 + max(ks) * 2) * 8
        sums = max(ks) * 2 * rows.n_columns * 8 * 6
        return [
            Need(name, fixed=2 * sample, per_block=2 * sample),
            Need(name, fixed=2 * sample, per_block=2 * block + sides + products + sums),
            Need(name, per_block=2 * block + sides + 2 * labelled + products),
        ]

    def fit(
        self, rows: Rows, ks: Sequence[int], settings: Settings, passes: Passes, scratch: Path
    ) -> list[Clustering]:
        chosen = sweep_settings(settings)
        tree = fit_tree(rows, max(ks), _few(chosen), passes)
        return [_clustering_of(tree, k) for k in ks]

    def labeller(self, clusterings: Sequence[Clustering]) -> TreeLabels:
        return TreeLabels(clusterings)

    def partial_fit(
        self,
        clusterings: Sequence[Clustering],
        counts: Sequence[np.ndarray],
        rows: Rows,
        new: Rows,
        settings: Settings,
        passes: Passes,
    ) -> list[Clustering]:
        found = list(clusterings)
        trees = TreeLabels(clusterings)
        for descent, members in zip(trees.descents, trees.members, strict=True):
            # Rows that are all alike are not cut.
            if not len(descent.splits):
                continue
            # The first member has all splits, the others begin as it does.
            longest = clusterings[members[0]].arrays["slot_labels"]
            sizes = np.asarray(counts[members[0]])[longest]
            told = passes.reduce("moving splits", new, SplitSums(descent)).result()
            moved = moved_splits(descent.splits, descent.shift, sizes, told)
            for i in members:
                arrays = clusterings[i].arrays
                own = moved.centers[: len(arrays["split_slots"])]
                found[i] = replace(clusterings[i], arrays={**arrays, "split_centers": own})
        return found

    def partial_fit_needs(
        self, name: str, rows: Rows, ks: Sequence[int], settings: Settings
    ) -> list[Need]:
        row_bytes = rows.n_columns * np.dtype(rows.array.dtype).itemsize
        block = rows.rows_a_block * row_bytes
        sides = rows.rows_a_block * (max(ks) * (2 + 4) + 4)
        products = PIECE_ROWS * (rows.n_columns * 4 + max(ks) * 4) * 8
        sums = max(ks) * 2 * rows.n_columns * 8 * 6
        return [Need(name, per_block=2 * block + sides + products + sums)]


def _few(chosen: SweepSettings) -> SweepSettings:
    return SweepSettings(
        n_init=_RESTARTS, max_iter=chosen.max_iter, tol=chosen.tol, seed=chosen.seed
    )


def _clustering_of(tree: Tree, k: int) -> Clustering:
    """The first k - 1 splits of a tree as they are stored; fewer where fewer rows differ."""
    n_splits = min(k - 1, len(tree.splits))
    order = np.argsort(-tree.sizes[n_splits], kind="stable")
    return Clustering(
        k,
        {
            "split_slots": tree.splits.slots[:n_splits],
            "split_centers": tree.splits.centers[:n_splits],
            "slot_labels": np.argsort(order, kind="stable"),
            "shift": tree.shift,
        },
        {
            "n_iter": int(tree.n_iter[:n_splits].sum()),
            "converged": bool(tree.converged[:n_splits].all()),
        },
    )


ALGORITHM = BisectingKMeans()
