"""Sets against each other: how their labels agree, and each one's in the space of each other.

Lines of ``contingency.csv``: rows that clusters share with other clusters, or with values.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from streamclust.choice.agreement import adjusted_mutual_information, adjusted_rand, occupied
from streamclust.choice.indices import calinski_harabasz, davies_bouldin
from streamclust.memory import Need
from streamclust.passes.accumulators.clusters import PIECE_ROWS, ClusterSpread, ClusterSums
from streamclust.passes.accumulators.contingency import Contingency
from streamclust.passes.blocks import Columns, Rows
from streamclust.passes.verbs import Passes
from streamclust.store.clusterings import StoredClustering
from streamclust.store.job import Job

# Both clusterings of a pair of sets, by name, and their table, (clusters, clusters).
Tables = dict[tuple[str, str], np.ndarray]


def count_shared(passes: Passes, chosen: dict[str, StoredClustering]) -> Tables:
    """Rows that each cluster of one set shares with each of another, of each pair of sets, a set
    with itself too."""
    names = list(chosen)
    if not names:
        return {}
    pairs = list(combinations_with_replacement(range(len(names)), 2))
    rows = Rows(Columns([own.labels for own in chosen.values()]))
    counts = Contingency([own.n_clusters for own in chosen.values()], pairs)
    tables = passes.reduce("shared rows", rows, counts).result()
    return {(names[a], names[b]): table for (a, b), table in zip(pairs, tables, strict=True)}


def agreement_lines(
    kind: str,
    chosen: dict[str, StoredClustering],
    tables: Tables,
    judged: dict[tuple[str, str], dict[str, float]],
) -> Iterator[dict[str, Any]]:
    """Lines of agreement.csv: each set's labels with, and in the space of, each set.

    `judged` holds the indices by set of the labels and set of the space.
    """
    for own in chosen.values():
        for other in chosen.values():
            pair = (own.set_name, other.set_name)
            table = tables[pair if pair in tables else pair[::-1]]
            yield {
                "clusterings": kind,
                "labels": own.set_name,
                "space": other.set_name,
                "algorithm": own.algorithm,
                "n_clusters": own.n_clusters,
                **_agreement(table),
                **judged[pair],
            }


def _agreement(table: np.ndarray) -> dict[str, float]:
    table = occupied(table)
    if not table.size:
        return {"rows": 0}
    ami, ari = adjusted_mutual_information(table), adjusted_rand(table)
    return {"ami": ami, "ari": ari, "rows": int(table.sum())}


def judge_in_space(
    passes: Passes, job: Job, descriptor: str, clusterings: Sequence[StoredClustering]
) -> list[dict[str, float]]:
    """Exact internal indices of clusterings of any set on the reduced rows of one."""
    rows = job.rows_of(descriptor, "reduced")
    rows = rows.having(extras=(Columns([own.labels for own in clusterings]),))
    shift = job.workspace.root[f"descriptors/{descriptor}/pca/reduced_mean"][...]
    sums = ClusterSums([own.n_clusters for own in clusterings], shift)
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


def crosswise_needs(
    step: str, spaces: dict[str, Rows], clusterings: Sequence[StoredClustering]
) -> list[Need]:
    """Memory of a block of each space, its labels, and its distances to the means of all."""
    n_clusters = [own.n_clusters for own in clusterings]
    total, labels = sum(n_clusters), 4 * len(n_clusters)
    needs = []
    for descriptor, rows in spaces.items():
        row_bytes = rows.n_columns * np.dtype(rows.array.dtype).itemsize
        block = rows.rows_a_block * (2 * row_bytes + 2 * labels)
        products = 8 * PIECE_ROWS * (2 * total + 2 * rows.n_columns + 8 * len(n_clusters))
        sums = 16 * total * rows.n_columns
        name = f"{step} of labels in {descriptor}"
        needs.append(Need(name, fixed=2 * sums, per_block=block + products + sums))
    return needs


CONTINGENCY = ("set", "algorithm", "n_clusters", "kind", "cluster", "with", "value", "rows")


def set_cells(chosen: dict[str, StoredClustering], tables: Tables) -> Iterator[dict[str, Any]]:
    """Lines of each clustering with those of other sets, of the rows that the two share."""
    for (name, other), table in tables.items():
        if name != other:
            yield from cells("set", chosen[name], other, table, range(table.shape[1]))


def cells(
    kind: str, own: StoredClustering, other: str, table: np.ndarray, values: Sequence[Any]
) -> Iterator[dict[str, Any]]:
    """Lines of contingency.csv: the cells of a table (clusters, values) that are not empty.

    `kind` is that of `other`: a ``set``, or an ``attribute``, which may have the name of one.
    """
    for cluster, value in np.argwhere(table).tolist():
        yield {
            "set": own.set_name,
            "algorithm": own.algorithm,
            "n_clusters": own.n_clusters,
            "kind": kind,
            "cluster": cluster,
            "with": other,
            "value": values[value],
            "rows": table[cluster, value],
        }
