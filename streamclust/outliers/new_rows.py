"""Outlier scores of rows that come later, by what is stored of those that a set was scored with.

Measures that are `Inductive` need little of the stored rows: those of the reference samples, the
covariance of the core and the components. The others, distances in the graph of neighbours, would
take a search among all stored rows for each new one; they have less than a tenth of the score's
weight, and are left out. So that like is compared with like, threshold and shares are taken of the
stored rows by the same measures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamclust.errors import SettingsError
from streamclust.memory import MIB, Need
from streamclust.outliers.measures import (
    FittedMeasure,
    Inductive,
    MeasureInputs,
    inductive_measures,
)
from streamclust.outliers.score_rows import SetScore, rows_of_columns
from streamclust.outliers.score_space import score_rows
from streamclust.outliers.scores import (
    RobustScale,
    fence_of_one,
    root_mean_square,
    threshold,
)
from streamclust.passes import Passes, Transform
from streamclust.passes.accumulators import Collected, Covariance
from streamclust.reduction import Projection, components_of
from streamclust.steps import CaseShapes, Job, SetStep
from streamclust.store import SetOutliers, fingerprint

BYTES_A_ROW = 64


def new_row_scorer(job: Job, descriptor: str) -> "NewRowScorer":
    """What scores new rows of a set; made from the stored ones where it is not there.

    Raises
    ------
    MemoryBudgetError
        When that does not fit the budget.
    SettingsError
        When the stored rows were scored without a measure that there is now.
    """
    stored = SetOutliers(job.workspace, descriptor)
    _check_measures(stored)
    job.run([FitScorer(descriptor)])
    principal = components_of(stored.space.components)
    fitted = FittedMeasure(stored.scorer.arrays, stored.scorer.attributes)
    return NewRowScorer(principal.projection(), principal.scale, fitted, _scales(stored))


@dataclass(frozen=True)
class FitScorer(SetStep):
    """Learn from the stored rows of a set what their measures take."""

    name = "scorer"
    set_name: str

    def needs(self, on: CaseShapes) -> list[Need]:
        """Whole columns of the stored rows, and blocks with their sums."""
        rows = score_rows(on, self.set_name)
        itemsize = np.dtype(rows.array.dtype).itemsize
        block = rows.rows_a_block * rows.n_columns * itemsize
        sums = Covariance.nbytes(rows.n_columns, rows.rows_a_block, itemsize)
        held = rows.n_rows * BYTES_A_ROW + 16 * MIB
        return [Need(fixed=held, per_block=2 * block + sums)]

    def fingerprint(self, job: Job) -> str:
        scores = SetOutliers(job.workspace, self.set_name).scores
        return fingerprint(self.name, 1, scores.fingerprint)

    def restore(self, job: Job, mark: str) -> bool:
        return SetOutliers(job.workspace, self.set_name).scorer.restore(mark)

    def work(self, job: Job, passes: Passes, mark: str) -> None:
        stored = SetOutliers(job.workspace, self.set_name)
        inputs = MeasureInputs(stored.rows, None, _columns(stored))
        arrays: dict[str, np.ndarray] = {}
        attributes: dict[str, Any] = {}
        for measure in inductive_measures().values():
            if isinstance(measure, Inductive):
                fitted = measure.fit(inputs, job.settings, passes)
                arrays |= fitted.arrays
                attributes |= fitted.attributes
        stored.scorer.save(arrays, attributes, mark)


def _check_measures(stored: SetOutliers) -> None:
    known = set(stored.scores.measures)
    lacking = [
        name
        for name, measure in inductive_measures().items()
        if not known.issuperset(column.name for column in measure.columns if column.is_kept)
    ]
    if lacking:
        raise SettingsError(
            f"{stored.set_name}: its rows were scored without {', '.join(lacking)}: run "
            f"streamclust outliers {stored.workspace.folder} again"
        )


def _columns(stored: SetOutliers) -> dict[str, Any]:
    return {**stored.scores.measures, "residual": stored.space.residual}


def _scales(stored: SetOutliers) -> dict[str, RobustScale]:
    return {name: RobustScale(**scale) for name, scale in stored.scores.scales.items()}


class NewRowScorer:
    """Scores new rows of a set as they come; can be pickled.

    Parameters
    ----------
    projection : Projection
        On the components that the scores see.
    scale : ndarray of shape (n_columns,)
        What the columns are divided by.
    fitted : FittedMeasure
        What all measures were fitted with.
    scales : dict of str to RobustScale
        What makes the measures comparable.
    """

    def __init__(
        self,
        projection: Projection,
        scale: np.ndarray,
        fitted: FittedMeasure,
        scales: dict[str, RobustScale],
    ) -> None:
        self.projection = projection
        self.scale = scale
        measures = inductive_measures()
        self.transforms: list[Transform] = []
        names = ["residual"]
        for measure in measures.values():
            if isinstance(measure, Inductive):
                self.transforms.append(measure.transform(fitted))
                names += [column.name for column in measure.columns]
        self.score = SetScore(measures, names, scales)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Scores (n_rows,), float32, of raw rows (n_rows, n_columns); NaN where they are not
        finite."""
        reduced, residual = self.projection.with_residual(values, self.scale)
        known = np.isfinite(reduced).all(axis=1)
        scores = np.full(len(values), np.nan, np.float32)
        if known.any():
            reduced = reduced[known]
            numbers = np.full(len(reduced), -1)
            columns = [residual[known].astype(np.float32)]
            for transform in self.transforms:
                columns += transform(reduced, numbers)
            (scores[known],) = self.score(reduced, *columns)
        return scores


@dataclass(frozen=True)
class Fence:
    """When rows are flagged, by the scores of several sets.

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
        score = root_mean_square(scores)
        score[np.any([np.isnan(column) for column in scores], axis=0)] = np.inf
        beyond = [column > most for column, most in zip(scores, self.alone, strict=True)]
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
    passes = Passes(job.executor, job.events)
    scores = [_stored_scores(job, passes, descriptor) for descriptor in descriptors]
    alone = tuple(fence_of_one(column, contamination) for column in scores)
    limit = threshold(root_mean_square(scores), contamination)
    _, flagged = Fence(limit, alone, 0.0).flagged(scores)
    return Fence(limit, alone, float(flagged.mean()))


def _stored_scores(job: Job, passes: Passes, descriptor: str) -> np.ndarray:
    """The scores of all stored rows of a set, by the measures that new rows have."""
    stored = SetOutliers(job.workspace, descriptor)
    measures, columns = inductive_measures(), _columns(stored)
    names = {name for measure in measures.values() for name in measure.reads}
    names |= {column.name for measure in measures.values() for column in measure.columns}
    columns = {name: columns[name] for name in columns if name in names}
    score = SetScore(measures, list(columns), _scales(stored))
    rows = rows_of_columns(columns)
    (scores,) = passes.reduce(f"{descriptor}: scores", rows, Collected(score)).result()
    return scores
