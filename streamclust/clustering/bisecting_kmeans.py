"""Bisecting k-means: one tree of exact 2-means, whose cuts are the clusterings of every k."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from streamclust.clustering.base import Clustering
from streamclust.clustering.kmeans import moved_centers, sweep_settings
from streamclust.clustering.kmeans_sweep import SweepSettings
from streamclust.memory import Need
from streamclust.passes import Passes, Rows
from streamclust.passes.accumulators import (
    SLICE_ROWS,
    Descent,
    Splits,
    SplitStep,
    SplitSums,
    UniformSample,
)
from streamclust.settings import Settings

SAMPLE_ROWS = 32_768
# A part of the scale of the rows' squares that is their rounding.
_NOTHING = 1e-12


@dataclass
class Node:
    """Rows of a slot, and the split that cuts them.

    Attributes
    ----------
    path : tuple of int
        Sides taken from the root.
    size : int
    inertia : float
        About the mean of its rows.
    mean, far_row : ndarray of shape (n_columns,)
        Of its rows, and one of them, far out.
    sampled : ndarray
        Its part of the sample.
    centers : ndarray of shape (2, n_columns)
        Of its split, none before it is seeded.
    split_inertia : float
        About `centers`.
    n_iter : int
        Exact passes of its split.
    converged : bool
    children : list of Node
        Once its split is done.
    """

    path: tuple[int, ...]
    size: int
    inertia: float
    mean: np.ndarray
    far_row: np.ndarray
    sampled: np.ndarray
    centers: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    split_inertia: float = np.inf
    n_iter: int = 0
    converged: bool = False
    children: list["Node"] = field(default_factory=list)


class Tree(NamedTuple):
    """A fitted tree.

    Attributes
    ----------
    splits : Splits
    shift : ndarray of shape (n_columns,)
        As for `Descent`.
    sizes : list of ndarray
        Rows of the slots after no split, after the first, and so on.
    n_iter : ndarray of int of shape (n_splits,)
        Exact passes of each split.
    converged : ndarray of bool of shape (n_splits,)
    """

    splits: Splits
    shift: np.ndarray
    sizes: list[np.ndarray]
    n_iter: np.ndarray
    converged: np.ndarray


def fit_tree(rows: Rows, n_clusters: int, settings: SweepSettings, passes: Passes) -> Tree:
    """Split rows by 2-means, the slot of most inertia first, until there are `n_clusters` slots.

    A slot's inertia is never less than its parts', so the splits taken are the nodes of most
    inertia of the tree. Every slot that may still be among them is split at once: its two centres
    start on the sample and are improved by exact passes, which all slots at work share.

    Parameters
    ----------
    rows : Rows
        Of shape (n_rows, n_columns), without extras.
    n_clusters : int
        There are fewer slots where fewer rows differ.
    settings : SweepSettings
        `batch_size` is not heeded.
    passes : Passes

    References
    ----------
    Steinbach, M., Karypis, G. & Kumar, V. (2000). A comparison of document clustering techniques.
    KDD workshop on text mining. The order of splits is "biggest_inertia" of
    `sklearn.cluster.BisectingKMeans`.
    """
    numbered = rows.having(numbered=True)
    drawn = passes.reduce("sampling rows", numbered, UniformSample(SAMPLE_ROWS, settings.seed))
    growth = _Growth(drawn.result()[0], n_clusters - 1, settings)
    number = 0
    while trials := [node for node in growth.foremost() if not node.children]:
        number += 1
        fresh = [node for node in trials if not len(node.centers)]
        starts = passes.map("seeding splits", _Start(settings), fresh, "split") if fresh else []
        for node, centers in zip(fresh, starts, strict=True):
            node.centers = centers
        name = f"bisecting pass {number} ({len(trials)} splits)"
        growth.judge(trials, passes.reduce(name, rows, growth.step(trials)).result())
    return growth.tree()


@dataclass(frozen=True)
class _Start:
    """Two centres of a node's part of the sample."""

    settings: SweepSettings

    def __call__(self, node: Node) -> np.ndarray:
        from sklearn.cluster import KMeans

        if (node.sampled == node.sampled[:1]).all():
            return np.stack([node.mean, node.far_row])
        # Of the path, so that a node's start does not depend on which others are split.
        seed = int(np.random.SeedSequence((self.settings.seed, 1, *node.path)).generate_state(1)[0])
        model = KMeans(2, n_init=self.settings.n_init, random_state=seed)
        return model.fit(node.sampled).cluster_centers_.astype(np.float64)


class _Growth:
    """The tree while it grows."""

    def __init__(self, sample: np.ndarray, n_splits: int, settings: SweepSettings) -> None:
        self.n_splits, self.settings = n_splits, settings
        self.shift = sample.mean(axis=0, dtype=np.float64)
        spread = sample.var(axis=0, dtype=np.float64)
        self.nothing = _NOTHING * float(spread.sum() + self.shift @ self.shift)
        self.tolerance = settings.tol * float(spread.mean())
        self.root = Node((), len(sample), np.inf, self.shift, sample[0], sample)

    def foremost(self) -> list[Node]:
        """Nodes of most inertia among those known, in the order in which they are split."""
        found: list[Node] = []
        leaves = [self.root]
        while leaves and len(found) < self.n_splits:
            node = max(leaves, key=lambda node: node.inertia)
            if node.inertia <= self.nothing * node.size:
                break
            leaves.remove(node)
            leaves += node.children
            found.append(node)
        return found

    def step(self, trials: list[Node]) -> SplitStep:
        """A pass that improves the centres of `trials`."""
        taken = [node for node in self.foremost() if node.children]
        slots = _slots(taken)
        return SplitStep(self._splits(taken, slots), self._splits(trials, slots), self.shift)

    def _splits(self, nodes: list[Node], slots: dict[tuple[int, ...], int]) -> Splits:
        numbers = np.array([slots[node.path] for node in nodes], np.int64)
        centers = np.array([node.centers for node in nodes]).reshape(-1, 2, len(self.shift))
        return Splits(numbers, centers)

    def judge(self, trials: list[Node], told: tuple[np.ndarray, ...]) -> None:
        """Take in what a pass told of `trials`."""
        for i, node in enumerate(trials):
            sizes, means, inertia, far_rows = (part[2 * i : 2 * i + 2] for part in told)
            node.n_iter += 1
            if not sizes.all():
                self._begin_anew(node, sizes, means, far_rows)
                continue
            moved = ((means - node.centers) ** 2).sum(axis=1)
            fallen = node.split_inertia - inertia.sum()
            node.split_inertia = float(inertia.sum())
            node.converged = bool(
                moved.sum() <= self.tolerance
                or fallen <= self.settings.least_fall * node.split_inertia
            )
            if node.converged or node.n_iter >= self.settings.max_iter:
                sides = _sides(node)
                node.children = [
                    Node((*node.path, side), int(size), float(own), mean, row, part)
                    for side, (size, own, mean, row, part) in enumerate(
                        zip(sizes, inertia - sizes * moved, means, far_rows, sides, strict=True)
                    )
                ]
                node.sampled = node.sampled[:0].copy()
            else:
                node.centers = means

    def _begin_anew(
        self, node: Node, sizes: np.ndarray, means: np.ndarray, far_rows: np.ndarray
    ) -> None:
        """Put the centre of an empty side on the row farthest from the other, which it then has."""
        held = int(sizes.argmax())
        centers = np.stack([means[held], far_rows[held]])
        if np.array_equal(centers, node.centers):
            node.inertia = 0.0  # rounding has them on one side: they cannot be told apart
        node.centers = centers

    def tree(self) -> Tree:
        nodes = self.foremost()
        slots = _slots(nodes)
        sizes = [np.array([self.root.size])]
        for node in nodes:
            first, second = (child.size for child in node.children)
            cut = sizes[-1].copy()
            cut[slots[node.path]] = first
            sizes.append(np.append(cut, second))
        return Tree(
            self._splits(nodes, slots),
            self.shift,
            sizes,
            np.array([node.n_iter for node in nodes], np.int64),
            np.array([node.converged for node in nodes], bool),
        )


def _slots(nodes: list[Node]) -> dict[tuple[int, ...], int]:
    """Slot of every path, after `nodes` are split in turn."""
    slots: dict[tuple[int, ...], int] = {(): 0}
    for i, node in enumerate(nodes):
        slots[(*node.path, 0)] = slots[node.path]
        slots[(*node.path, 1)] = i + 1
    return slots


def _sides(node: Node) -> list[np.ndarray]:
    """A node's part of the sample, cut in two."""
    # Without a product: this runs outside of tasks, where its rounding would be the threads'.
    first, second = (
        ((node.sampled - center.astype(node.sampled.dtype)) ** 2).sum(axis=1)
        for center in node.centers
    )
    return [node.sampled[first <= second], node.sampled[first > second]]


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
    """See `streamclust.clustering.bisecting_kmeans`."""

    version = 2
    depends_on = ("max_iter", "tol", "random_state")
    takes_k = True
    labeller = TreeLabels

    def needs(self, rows: Rows, ks: Sequence[int], settings: Settings) -> list[Need]:
        sample = min(SAMPLE_ROWS, rows.n_rows) * rows.row_bytes
        sides = rows.rows_a_block * (2 * max(ks) + 8 * 4)
        labelled = rows.rows_a_block * len(ks) * 8
        products = SLICE_ROWS * (rows.n_columns * 4 + max(ks) * 2) * 8
        sums = max(ks) * 2 * rows.n_columns * 8 * 6
        return [
            Need(fixed=2 * sample, per_block=2 * sample),
            Need(fixed=2 * sample, per_block=2 * rows.block_bytes + sides + products + sums),
            Need(per_block=2 * rows.block_bytes + sides + 2 * labelled + products),
        ]

    def fit(
        self, rows: Rows, ks: Sequence[int], settings: Settings, passes: Passes, scratch: Path
    ) -> list[Clustering]:
        chosen = sweep_settings(settings)
        tree = fit_tree(rows, max(ks), _few(chosen), passes)
        return [_clustering_of(tree, k) for k in ks]

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

    def partial_fit_needs(self, rows: Rows, ks: Sequence[int], settings: Settings) -> list[Need]:
        sides = rows.rows_a_block * (max(ks) * (2 + 4) + 4)
        products = SLICE_ROWS * (rows.n_columns * 4 + max(ks) * 4) * 8
        sums = max(ks) * 2 * rows.n_columns * 8 * 6
        return [Need(per_block=2 * rows.block_bytes + sides + products + sums)]


# Sizes and means of the sides of each split.
Sides = Sequence[tuple[np.ndarray, np.ndarray]]


def moved_splits(splits: Splits, shift: np.ndarray, sizes: np.ndarray, told: Sides) -> Splits:
    """Splits of a tree after further rows: the centres of each move by `moved_centers`, as those of
    a 2-means of the rows that come to it.

    Rows come to a split as they did before; where one high in the tree moves, it is the next
    descent that brings old rows to other splits below.

    Parameters
    ----------
    splits : Splits
    shift : ndarray of shape (n_columns,)
        Subtracted from centres while they move, so that a large common offset costs no digits.
    sizes : ndarray of int, shape (n_splits + 1,)
        Rows of each slot when all splits are taken, without the further ones.
    told : list of tuple of ndarray
        Of each split the sizes and means of its sides among the further rows, as
        `streamclust.passes.accumulators.SplitSums` tells them.
    """
    held, centers = sizes.copy(), splits.centers.astype(np.float64)
    # Backwards, so that a slot holds again what it held when it was cut.
    for i in reversed(range(len(splits))):
        cut = splits.slots[i]
        counts = held[[cut, i + 1]]
        further, means = told[i]
        centers[i] = moved_centers(centers[i] - shift, counts, further, means - shift) + shift
        held[cut] += held[i + 1]
    return Splits(splits.slots, centers.astype(splits.centers.dtype))


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
