"""Outlier measures of every row of a set, and the score that they come to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamclust.memory import MIB, Need
from streamclust.outliers.measures import Measure, MeasureInputs, load_measures, measures_mark
from streamclust.outliers.score_space import score_rows
from streamclust.outliers.scores import RobustScale, root_mean_square
from streamclust.passes import Passes, Rows
from streamclust.steps import CaseShapes, Job, SetStep
from streamclust.store import ScoreWriter, SetOutliers, fingerprint

VERSION = 3
# Fewer rows have no tail to speak of.
LEAST_SCORED_ROWS = 20
# Whole columns that are held: quantiles, and what neighbours are looked up in.
BYTES_A_ROW = 48


@dataclass(frozen=True)
class ScoreRows(SetStep):
    """Measure and score every row of one set.

    Published are an array for each measure, and the score. A measure is a distance or a ratio,
    larger for what is more unusual; NaN for rows that are not valid.
    """

    name = "outliers"
    set_name: str

    def needs(self, on: CaseShapes) -> list[Need]:
        """Whole columns, and the blocks with what is computed beside them."""
        rows, k = score_rows(on, self.set_name), on.settings.n_neighbors
        block = rows.rows_a_block * rows.n_columns * np.dtype(rows.array.dtype).itemsize
        work = max(measure.block_bytes(rows, k) for measure in load_measures().values())
        held = rows.n_rows * BYTES_A_ROW + 16 * MIB
        return [Need(fixed=held, per_block=2 * block + work)]

    def fingerprint(self, job: Job) -> str:
        stored, measures = SetOutliers(job.workspace, self.set_name), load_measures()
        made_of = [stored.space.fingerprint, stored.neighbors.fingerprint]
        names = sorted({name for measure in measures.values() for name in measure.depends_on})
        chosen = [getattr(job.settings, name) for name in names]
        return fingerprint(self.name, VERSION, made_of, *chosen, *measures_mark(measures))

    def restore(self, job: Job, mark: str) -> bool:
        return SetOutliers(job.workspace, self.set_name).scores.restore(mark)

    def work(self, job: Job, passes: Passes, mark: str) -> None:
        stored, measures = SetOutliers(job.workspace, self.set_name), load_measures()
        rows = stored.rows
        neighbors = stored.neighbors.distinct_rows.having(
            valid=rows.valid, rows_a_block=rows.rows_a_block
        )
        inputs = MeasureInputs(rows, neighbors, {"residual": stored.space.residual})
        with stored.scores.written(mark, rows.n_rows, rows.rows_a_block) as writer:
            for measure in measures.values():
                outputs = {
                    column.name: writer.column(column.name, column.dtype)
                    for column in measure.columns
                }
                measure.write(inputs, list(outputs.values()), job.settings, passes)
                for column in measure.columns:
                    if column.is_kept:
                        inputs.columns[column.name] = outputs[column.name]
                    else:
                        writer.drop(column.name)
            _score(measures, inputs, writer, passes)


def _score(
    measures: dict[str, Measure], inputs: MeasureInputs, writer: ScoreWriter, passes: Passes
) -> None:
    """Write the score of every row, and keep the scales that made the measures comparable."""
    scales: dict[str, RobustScale] = {}
    for measure in measures.values():
        scales |= measure.scales(inputs.columns)
    rows = rows_of_columns(inputs.columns).having(
        valid=inputs.rows.valid, rows_a_block=inputs.rows.rows_a_block
    )
    score = SetScore(measures, list(inputs.columns), scales)
    passes.write("scores", rows, score, [writer.score()])
    writer.tell({name: vars(scale) for name, scale in scales.items()})


def rows_of_columns(columns: Mapping[str, Any]) -> Rows:
    """Rows of which `SetScore` makes scores: the columns come along as extras."""
    arrays = tuple(columns.values())
    return Rows(_Empty(arrays[0].shape[0]), extras=arrays)


class _Empty:
    """Rows that hold nothing."""

    def __init__(self, n_rows: int) -> None:
        self.shape = (n_rows, 1)
        self.dtype = np.dtype(np.uint8)

    def __getitem__(self, part: slice) -> np.ndarray:
        return np.zeros((part.stop - part.start, 1), self.dtype)


class SetScore:
    """The columns of measures to the score of a set, as a transform.

    The score is the root of the weighted mean of the squares of the measures' positive comparable
    values; NaN where all are.

    Parameters
    ----------
    measures : dict of str to Measure
    names : list of str
        Of the columns that it is called with, in their order.
    scales : dict of str to RobustScale
        What makes the measures comparable.
    """

    def __init__(
        self, measures: dict[str, Measure], names: list[str], scales: dict[str, RobustScale]
    ) -> None:
        self.measures = list(measures.values())
        self.names = names
        self.scales = scales

    def __call__(self, values: np.ndarray, *columns: np.ndarray) -> tuple[np.ndarray, ...]:
        named = dict(zip(self.names, columns, strict=True))
        z = [measure.z(named, self.scales) for measure in self.measures]
        return (root_mean_square(z, [measure.weight for measure in self.measures]),)
