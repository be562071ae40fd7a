"""Sets on equal footing: the same rows, as many columns, as many clusters, and chance taken off."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from streamclust.choice.gap import Structureless, gap
from streamclust.clustering.kmeans_sweep import sample_centers, squared_distances, state
from streamclust.comparison.crosswise import indices
from streamclust.memory import MIB, Need
from streamclust.passes.accumulators.clusters import ClusterSpread, ClusterSums
from streamclust.passes.accumulators.sample import UniformSample
from streamclust.passes.blocks import Rows
from streamclust.passes.verbs import Passes
from streamclust.store.clusterings import StoredClustering
from streamclust.store.descriptors import mixed_labels
from streamclust.store.job import Job

SAMPLE_ROWS = 16_384
COLUMNS = (
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


def equal_footing(
    passes: Passes, job: Job, same: dict[str, StoredClustering]
) -> dict[str, dict[str, Any]]:
    """Internal indices that can be compared across sets: `COLUMNS` of each.

    The labels of clusterings with one number of clusters are judged on one uniform sample of the
    rows that are valid and labelled in all sets, in as many leading components as the smallest
    set has. The gap is not of these labels but of a k-means of this sample:
    `streamclust.choice.gap`. NaN, of sets that mix labels, are the gap and silhouette.
    """
    if not same:
        return {}
    n_columns = min(job.rows_of(name, "reduced").n_columns for name in same)
    samples = {name: _sample(passes, job, own, same, n_columns) for name, own in same.items()}
    labelled = np.all([labels >= 0 for _, labels in samples.values()], axis=0)
    if labelled.sum() <= max(own.n_clusters for own in same.values()):
        return {}
    kept = {
        name: (values[labelled], labels[labelled]) for name, (values, labels) in samples.items()
    }
    k, seed = next(iter(same.values())).n_clusters, job.settings.random_state
    told = [name for name in same if mixed_labels(job.workspace, name) is None]
    spaces = [kept[name][0] for name in told]
    found = passes.map("structureless data", _Gap(k, seed), spaces, "set")
    gaps = dict(zip(told, found, strict=True))
    # Outside of tasks: the rounding must not depend on the machine's cores.
    with threadpool_limits(limits=1):
        return {
            name: _judged(*kept[name], own) | gaps.get(name, _MEANINGLESS)
            for name, own in same.items()
        }


def footing_needs(step: str, spaces: dict[str, Rows]) -> list[Need]:
    """Memory of the sample of every set, and of one set's structureless rows."""
    # In float64 of the columns that all have; three sets of them are made in a task.
    columns = [rows.n_columns for rows in spaces.values()]
    held = 8 * SAMPLE_ROWS * (2 * len(columns) + 4) * min(columns)
    blocks = [3 * rows.rows_a_block * rows.n_columns * 4 for rows in spaces.values()]
    joined = 4 * 4 * SAMPLE_ROWS * max(columns)
    task = 8 * 6 * SAMPLE_ROWS * min(columns)
    a_block = max(*blocks, task) + joined
    return [Need(f"{step} of samples", fixed=held + joined + 64 * MIB, per_block=a_block)]


def _sample(
    passes: Passes,
    job: Job,
    own: StoredClustering,
    same: dict[str, StoredClustering],
    n_columns: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Leading components (n_rows, n_columns) float64 of the same rows in every set, and labels."""
    rows = job.rows_of(own.set_name, "reduced")
    masks = [job.rows_of(name, "reduced").valid for name in same]
    masks = [mask for mask in masks if mask is not None]
    rows = rows.having(
        valid=_AllValid(masks) if masks else None, extras=(own.labels,), numbered=True
    )
    drawn = UniformSample(SAMPLE_ROWS, job.settings.random_state)
    values, labels, _ = passes.reduce(f"sample of {own.set_name}", rows, drawn).result()
    return values[:, :n_columns].astype(np.float64), labels


class _AllValid:
    """Several masks as one: True where all are."""

    def __init__(self, masks: list[Any]) -> None:
        self.masks = masks

    def __getitem__(self, part: slice) -> np.ndarray:
        return np.all([mask[part] for mask in self.masks], axis=0)


def _judged(values: np.ndarray, labels: np.ndarray, own: StoredClustering) -> dict[str, Any]:
    shift, column = values.mean(axis=0), labels[:, None]
    sums = ClusterSums([own.n_clusters], shift)
    sums.update(values, column)
    ((sizes, means),) = sums.result()
    spread = ClusterSpread([means], shift)
    spread.update(values, column)
    ((squares, distances, silhouettes),) = spread.result()
    told = indices(sizes, means, squares, distances, silhouettes)
    return {
        "same_rows": len(values),
        "same_columns": values.shape[1],
        "same_algorithm": own.algorithm,
        "same_n_clusters": own.n_clusters,
        **{f"same_{name}": value for name, value in told.items()},
    }


@dataclass(frozen=True)
class _Gap:
    """The gap of a k-means of a sample, and its error; nothing where there are too few rows."""

    k: int
    seed: int

    def __call__(self, values: np.ndarray) -> dict[str, float]:
        if len(values) <= 2 * self.k:
            return {}
        centers = sample_centers(values, self.k, state(self.seed, self.k))
        inertia = float(squared_distances(values, centers).min(axis=1).sum())
        covariance = np.atleast_2d(np.cov(values, rowvar=False))
        reference = Structureless(covariance, len(values), self.seed)
        value, error = gap(reference(self.k), inertia, len(values))
        return {"same_gap": value, "same_gap_error": error}
