"""Outlier scores of rows that come later, by what is stored of those that a set was scored with.

Four of a set's six measures need nothing but the rows of the reference samples, the covariance of
the core and the components. The other two, distances in the graph of neighbours, would take a
search among all stored rows for each new one; they have less than a tenth of the score's weight,
and are left out. So that like is compared with like, threshold and shares are taken of the stored
rows by the same four.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamclust.memory import MIB, Need
from streamclust.outliers import scores as rules
from streamclust.outliers.graph import space_rows
from streamclust.outliers.references import ReferenceDistances, ReferenceSamples
from streamclust.outliers.scores import RobustScale
from streamclust.outliers.step import STEP as OUTLIERS
from streamclust.outliers.step import MahalanobisDistance, SetScore
from streamclust.passes.accumulators.covariance import Covariance
from streamclust.passes.blocks import Rows
from streamclust.reduction.projection import Projection
from streamclust.reduction.step import load_components
from streamclust.store.job import Job
from streamclust.store.workspace import fingerprint, store_array

STEP = "scorer"
MEASURES = ("reference", "reference_far", "mahalanobis", "residual")
BYTES_A_ROW = 64
_CHUNK = 65_536


def scorer(job: Job, descriptor: str) -> "SetScorer":
    """What scores new rows of a set; made from the stored ones where it is not there.

    Raises
    ------
    MemoryBudgetError
        When that does not fit the budget.
    """
    workspace, path = job.workspace, f"descriptors/{descriptor}"
    mark = fingerprint(STEP, 1, workspace.fingerprint_of(f"{path}/{OUTLIERS}"))
    if workspace.restore(f"{path}/{STEP}", mark):
        job.skip(STEP, descriptor)
    else:
        _make(job, descriptor, mark)
    root = workspace.root[path]
    group = root[STEP]
    rows, numbers = group["references"][...], group["numbers"][...]
    size = int(group.attrs["size"])
    parts = [slice(start, start + size) for start in range(0, len(rows), size)]
    principal = load_components(root["space/pca"])
    return SetScorer(
        principal.projection(),
        principal.scale,
        ReferenceDistances([(rows[part], numbers[part]) for part in parts]),
        Projection(group["mean"][...], group["matrix"][...]),
        _scales(root[OUTLIERS]),
    )


def scorer_needs(descriptor: str, rows: Rows) -> list[Need]:
    """Memory of whole columns of the stored rows, and of blocks with their sums."""
    itemsize = np.dtype(rows.array.dtype).itemsize
    block = rows.rows_a_block * rows.n_columns * itemsize
    sums = Covariance.nbytes(rows.n_columns, rows.rows_a_block, itemsize)
    held = rows.n_rows * BYTES_A_ROW + 16 * MIB
    return [Need(f"{STEP} of {descriptor}", fixed=held, per_block=2 * block + sums)]


def _make(job: Job, descriptor: str, mark: str) -> None:
    path = f"descriptors/{descriptor}"
    rows, made_of = space_rows(job, descriptor), job.workspace.root[f"{path}/{OUTLIERS}"]
    needs = scorer_needs(descriptor, rows)
    with (
        job.step(STEP, descriptor, needs, rows.n_rows) as passes,
        job.workspace.staging() as staged,
    ):
        made = staged.create_group(STEP)
        numbered = rows.having(numbered=True)
        samples = ReferenceSamples(seed=job.settings.random_state)
        drawn = passes.reduce("drawing references", numbered, samples).result()
        store_array(made, "references", np.concatenate([values for values, _ in drawn]))
        store_array(made, "numbers", np.concatenate([numbers for _, numbers in drawn]))
        made.attrs["size"] = len(drawn[0][0])
        core = rows.having(valid=_core(made_of))
        scatter = passes.reduce("covariance of the core", core, Covariance()).result()
        distance = MahalanobisDistance(scatter)
        store_array(made, "mean", distance.projection.mean)
        store_array(made, "matrix", distance.projection.matrix)
        job.workspace.publish(made, f"{path}/{STEP}", mark)


def _core(measures: Any) -> np.ndarray:
    near, far = measures["reference"][...], measures["reference_far"][...]
    scales = _scales(measures)
    gap = rules.reference_gap(near, far, scales["reference"].floor)
    columns = {"reference": near, "reference_far": far, "reference_gap": gap}
    z = {name: scales[name].z(column) for name, column in columns.items()}
    return rules.core_rows(z["reference"], far, z["reference_far"], z["reference_gap"])


def _scales(measures: Any) -> dict[str, RobustScale]:
    return {name: RobustScale(**scale) for name, scale in measures.attrs["scales"].items()}


class SetScorer:
    """Scores new rows of a set as they come; can be pickled.

    Parameters
    ----------
    projection : Projection
        On the components that the scores see.
    scale : ndarray of shape (n_columns,)
        What the columns are divided by.
    references : ReferenceDistances
    mahalanobis : Projection
        That makes the core white.
    scales : dict of str to RobustScale
        What makes the measures comparable.
    """

    def __init__(
        self,
        projection: Projection,
        scale: np.ndarray,
        references: ReferenceDistances,
        mahalanobis: Projection,
        scales: dict[str, RobustScale],
    ) -> None:
        self.projection = projection
        self.scale = scale
        self.references = references
        self.mahalanobis = mahalanobis
        self.score = SetScore(list(MEASURES), scales)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Scores (n_rows,), float32, of raw rows (n_rows, n_columns); NaN where they are not
        finite."""
        reduced, residual = self.projection.with_residual(values, self.scale)
        known = np.isfinite(reduced).all(axis=1)
        found = np.full(len(values), np.nan, np.float32)
        if known.any():
            reduced, residual = reduced[known], residual[known].astype(np.float32)
            near, far = self.references(reduced, np.full(len(reduced), -1))
            white = self.mahalanobis(reduced)
            out = np.sqrt(np.einsum("ij,ij->i", white, white)).astype(np.float32)
            (found[known],) = self.score(reduced, near, far, out, residual)
        return found


@dataclass(frozen=True)
class Fence:
    """When rows are flagged, by the scores of several sets; held by stored rows.

    Attributes
    ----------
    threshold : float
        Of the score of all sets.
    alone : tuple of float
        What is enough in one set.
    share : float
        Of the stored rows that are flagged by it.
    """

    threshold: float
    alone: tuple[float, ...]
    share: float

    def flagged(self, scores: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Score of all sets, and which rows are flagged, (n_rows,) each.

        Rows without a score in a set have an infinite one.
        """
        score = rules.over_sets(list(scores))
        score[np.any([np.isnan(own) for own in scores], axis=0)] = np.inf
        beyond = [own > most for own, most in zip(scores, self.alone, strict=True)]
        return score, (score > self.threshold) | np.any(beyond, axis=0)


def fence(job: Job, descriptors: Sequence[str], contamination: Any) -> Fence:
    """The fence of the stored rows of some sets, by the measures that new rows have.

    Parameters
    ----------
    job : Job
    descriptors : sequence of str
    contamination : "auto" or float
        As the stored rows were flagged by.
    """
    scores = [_stored_scores(job, descriptor) for descriptor in descriptors]
    is_auto = contamination == "auto"
    alone = [rules.FAR_OUT_ALONE * rules.far_out(own) if is_auto else np.inf for own in scores]
    score = rules.over_sets(scores)
    threshold = rules.far_out(score) if is_auto else rules.share_threshold(score, contamination)
    held = Fence(threshold, tuple(alone), 0.0)
    _, flagged = held.flagged(scores)
    return Fence(threshold, tuple(alone), float(flagged.mean()))


def _stored_scores(job: Job, descriptor: str) -> np.ndarray:
    root = job.workspace.root[f"descriptors/{descriptor}"]
    measures = root[OUTLIERS]
    columns = [root["space/residual"] if n == "residual" else measures[n] for n in MEASURES]
    score = SetScore(list(MEASURES), _scales(measures))
    found = np.empty(columns[0].shape, np.float32)
    for start in range(0, len(found), _CHUNK):
        part = slice(start, min(start + _CHUNK, len(found)))
        (found[part],) = score(found[part], *(column[part] for column in columns))
    return found
