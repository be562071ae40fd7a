"""Sets against each other: how their labels agree, how good each one's are in the space of each
other, and on equal footing: the same rows, as many columns, as many clusters, chance taken off."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from streamclust.choice import NullReference, gap
from streamclust.clustering import sample_centers, squared_distances, state
from streamclust.memory import MIB, Need
from streamclust.metrics import (
    adjusted_mutual_information,
    adjusted_rand,
    calinski_harabasz,
    davies_bouldin,
    occupied,
)
from streamclust.passes import Columns, LocalExecutor, Passes, Rows, single_threaded
from streamclust.passes.accumulators import (
    SLICE_ROWS,
    ClusterSpread,
    ClusterSums,
    Contingency,
    UniformSample,
)
from streamclust.steps import Job
from streamclust.store import StoredClustering

CONTINGENCY = ("set", "algorithm", "n_clusters", "kind", "cluster", "with", "value", "rows")
SAMPLE_ROWS = 16_384
FOOTING = (
    "same_rows",
    "same_columns",
    "same_algorithm",
    "same_n_clusters",
    "same_calinski_harabasz",
    "same_davies_bouldin",
    "same_silhouette_simplified",
    "same_gap",
    "same_gap_error",
)
# Of mixed labels: columns of 0 and 1 fall into few places, and are tight whatever they mean.
_MEANINGLESS = dict.fromkeys(("same_silhouette_simplified", "same_gap", "same_gap_error"), math.nan)
# Both clusterings of a pair of sets, by name, and their table, (clusters, clusters).
Tables = dict[tuple[str, str], np.ndarray]


def count_shared(passes: Passes, chosen: dict[str, StoredClustering]) -> Tables:
    """Rows that each cluster of one set shares with each of another, of each pair of sets, a set
    with itself too."""
    names = list(chosen)
    if not names:
        return {}
    pairs = list(combinations_with_replacement(range(len(names)), 2))
    rows = Rows(Columns([one.labels for one in chosen.values()]))
    counts = Contingency([one.n_clusters for one in chosen.values()], pairs)
    tables = passes.reduce("shared rows", rows, counts).result()
    return {(names[a], names[b]): table for (a, b), table in zip(pairs, tables, strict=True)}


def agreement_lines(
    kind: str,
    chosen: dict[str, StoredClustering],
    tables: Tables,
    scores: dict[tuple[str, str], dict[str, float]],
) -> Iterator[dict[str, Any]]:
    """Lines of agreement.csv: each set's labels with, and in the space of, each set.

    `scores` holds the indices by set of the labels and set of the space.
    """
    for labelled in chosen.values():
        for space in chosen.values():
            pair = (labelled.set_name, space.set_name)
            table = tables[pair if pair in tables else pair[::-1]]
            yield {
                "clusterings": kind,
                "labels": labelled.set_name,
                "space": space.set_name,
                "algorithm": labelled.algorithm,
                "n_clusters": labelled.n_clusters,
                **_agreement(table),
                **scores[pair],
            }


def _agreement(table: np.ndarray) -> dict[str, float]:
    table = occupied(table)
    if not table.size:
        return {"rows": 0}
    ami, ari = adjusted_mutual_information(table), adjusted_rand(table)
    return {"ami": ami, "ari": ari, "rows": int(table.sum())}


def indices_in_space(
    passes: Passes, job: Job, descriptor: str, clusterings: Sequence[StoredClustering]
) -> list[dict[str, float]]:
    """Exact internal indices of clusterings of any set on the reduced rows of one."""
    space = job.set(descriptor)
    rows = space.rows().having(extras=(Columns([one.labels for one in clusterings]),))
    shift = space.reduced_mean
    sums = ClusterSums([one.n_clusters for one in clusterings], shift)
    means = passes.reduce(f"labels in {descriptor}: means", rows, sums).result()
    spread = ClusterSpread([mean for _, mean in means], shift)
    spreads = passes.reduce(f"labels in {descriptor}: spread", rows, spread).result()
    return [
        indices(sizes, mean, *parts) for (sizes, mean), parts in zip(means, spreads, strict=True)
    ]


def indices(
    sizes: np.ndarray,
    means: np.ndarray,
    squares: np.ndarray,
    distances: np.ndarray,
    silhouettes: float,
) -> dict[str, float]:
    """Internal indices of one clustering from the results of `ClusterSums` and `ClusterSpread`."""
    several = np.count_nonzero(sizes) > 1
    return {
        "calinski_harabasz": calinski_harabasz(sizes, means, float(squares.sum())),
        "davies_bouldin": davies_bouldin(sizes, means, distances),
        "silhouette_simplified": float(silhouettes / sizes.sum()) if several else math.nan,
    }


def crosswise_needs(spaces: dict[str, Rows], clusterings: Sequence[StoredClustering]) -> list[Need]:
    """Memory of a block of each space, its labels, and its distances to the means of all."""
    n_clusters = [one.n_clusters for one in clusterings]
    total, labels = sum(n_clusters), 4 * len(n_clusters)
    needs = []
    for rows in spaces.values():
        row_bytes = rows.n_columns * np.dtype(rows.array.dtype).itemsize
        block = rows.rows_a_block * (2 * row_bytes + 2 * labels)
        products = 8 * SLICE_ROWS * (2 * total + 2 * rows.n_columns + 8 * len(n_clusters))
        sums = 16 * total * rows.n_columns
        needs.append(Need(fixed=2 * sums, per_block=block + products + sums))
    return needs


def set_cells(chosen: dict[str, StoredClustering], tables: Tables) -> Iterator[dict[str, Any]]:
    """Lines of each clustering with those of other sets, of the rows that the two share."""
    for (name, other), table in tables.items():
        if name != other:
            clusters = [*map(str, range(table.shape[1]))]
            yield from cells("set", chosen[name], other, table, clusters)


def cells(
    kind: str, clustering: StoredClustering, other: str, table: np.ndarray, values: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Lines of contingency.csv: the cells of a table (clusters, values) that are not empty.

    `kind` is that of `other`: a ``set``, or an ``attribute``, which may have the name of one.
    """
    for cluster, value in np.argwhere(table).tolist():
        yield {
            "set": clustering.set_name,
            "algorithm": clustering.algorithm,
            "n_clusters": clustering.n_clusters,
            "kind": kind,
            "cluster": cluster,
            "with": other,
            "value": values[value],
            "rows": table[cluster, value],
        }


def equal_footing(
    passes: Passes, job: Job, same: dict[str, StoredClustering]
) -> dict[str, dict[str, Any]]:
    """Internal indices that can be compared across sets: `FOOTING` of each.

    The labels of clusterings with one number of clusters are judged on one uniform sample of the
    rows that are valid and labelled in all sets, in as many leading components as the smallest
    set has. The gap is not of these labels but of a k-means of this sample:
    `streamclust.choice.gap_statistic`. NaN, of sets that mix labels, are the gap and silhouette.
    """
    if not same:
        return {}
    n_columns = min(job.set(name).rows().n_columns for name in same)
    samples = {name: _sample(passes, job, same[name], same, n_columns) for name in same}
    labelled = np.all([labels >= 0 for _, labels in samples.values()], axis=0)
    if labelled.sum() <= max(one.n_clusters for one in same.values()):
        return {}
    kept = {
        name: (values[labelled], labels[labelled]) for name, (values, labels) in samples.items()
    }
    k, seed = next(iter(same.values())).n_clusters, job.settings.random_state
    with_gap = [name for name in same if job.set(name).mixed_labels is None]
    spaces = [kept[name][0] for name in with_gap]
    measured = passes.map("structureless data", _Gap(k, seed), spaces, "set")
    gaps = dict(zip(with_gap, measured, strict=True))
    # Outside of tasks: the rounding must not depend on the machine's cores.
    with single_threaded():
        return {
            name: _indices_of_sample(*kept[name], clustering) | gaps.get(name, _MEANINGLESS)
            for name, clustering in same.items()
        }


def footing_needs(spaces: dict[str, Rows]) -> list[Need]:
    """Memory of the sample of every set, and of one set's structureless rows."""
    # In float64 of the columns that all have; three sets of them are made in a task.
    columns = [rows.n_columns for rows in spaces.values()]
    held = 8 * SAMPLE_ROWS * (2 * len(columns) + 4) * min(columns)
    blocks = [3 * rows.rows_a_block * rows.n_columns * 4 for rows in spaces.values()]
    joined = 4 * 4 * SAMPLE_ROWS * max(columns)
    task = 8 * 6 * SAMPLE_ROWS * min(columns)
    a_block = max(*blocks, task) + joined
    return [Need(fixed=held + joined + 64 * MIB, per_block=a_block)]


def _sample(
    passes: Passes,
    job: Job,
    clustering: StoredClustering,
    same: dict[str, StoredClustering],
    n_columns: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Leading components (n_rows, n_columns) float64 of the same rows in every set, and labels."""
    rows = job.set(clustering.set_name).rows()
    masks = [job.set(name).rows().valid for name in same]
    masks = [mask for mask in masks if mask is not None]
    rows = rows.having(
        valid=_AllValid(masks) if masks else None, extras=(clustering.labels,), numbered=True
    )
    drawn = UniformSample(SAMPLE_ROWS, job.settings.random_state)
    values, labels, _ = passes.reduce(f"sample of {clustering.set_name}", rows, drawn).result()
    return values[:, :n_columns].astype(np.float64), labels


class _AllValid:
    """Several masks as one: True where all are."""

    def __init__(self, masks: list[Any]) -> None:
        self.masks = masks

    def __getitem__(self, part: slice) -> np.ndarray:
        return np.all([mask[part] for mask in self.masks], axis=0)


def _indices_of_sample(
    values: np.ndarray, labels: np.ndarray, clustering: StoredClustering
) -> dict[str, Any]:
    shift, column = values.mean(axis=0), labels[:, None]
    sums = ClusterSums([clustering.n_clusters], shift)
    sums.update(values, column)
    ((sizes, means),) = sums.result()
    spread = ClusterSpread([means], shift)
    spread.update(values, column)
    ((squares, distances, silhouettes),) = spread.result()
    scores = indices(sizes, means, squares, distances, silhouettes)
    return {
        "same_rows": len(values),
        "same_columns": values.shape[1],
        "same_algorithm": clustering.algorithm,
        "same_n_clusters": clustering.n_clusters,
        **{f"same_{name}": value for name, value in scores.items()},
    }


@dataclass(frozen=True)
class _Gap:
    """The gap of a k-means of a sample, and its error; nothing where there are too few rows."""

    k: int
    seed: int

    def __call__(self, values: np.ndarray) -> dict[str, float]:
        if len(values) <= 2 * self.k:
            return {}
        (centers,) = sample_centers(values, [self.k], state(self.seed, self.k))
        inertia = float(squared_distances(values, centers).min(axis=1).sum())
        covariance = np.atleast_2d(np.cov(values, rowvar=False))
        reference = NullReference(covariance, len(values), self.seed)
        value, error = gap(reference([self.k], Passes(LocalExecutor(1)))[0], inertia, len(values))
        return {"same_gap": value, "same_gap_error": error}
