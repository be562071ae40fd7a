"""Lines of ``contingency.csv``: rows that clusters share with other clusters, or with values."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from streamclust.steps.crosswise import Tables
from streamclust.steps.labelled import Labelled

CONTINGENCY = ("set", "algorithm", "n_clusters", "kind", "cluster", "with", "value", "rows")


def set_cells(chosen: dict[str, Labelled], tables: Tables) -> Iterator[dict[str, Any]]:
    """Lines of each clustering with those of other sets, of the rows that the two share."""
    for (name, other), table in tables.items():
        if name != other:
            yield from cells("set", chosen[name], other, table, range(table.shape[1]))


def cells(
    kind: str, own: Labelled, other: str, table: np.ndarray, values: Sequence[Any]
) -> Iterator[dict[str, Any]]:
    """Lines of contingency.csv: the cells of a table (clusters, values) that are not empty.

    `kind` is that of `other`: a ``set``, or an ``attribute``, which may have the name of one.
    """
    for cluster, value in np.argwhere(table).tolist():
        yield {
            "set": own.descriptor,
            "algorithm": own.algorithm,
            "n_clusters": own.n_clusters,
            "kind": kind,
            "cluster": cluster,
            "with": other,
            "value": values[value],
            "rows": table[cluster, value],
        }
