"""What an outlier measure is: it writes columns of values, one of each row, which then are made
comparable and count for the score of the set.

To add one, write a module with a class that is a `Measure`, and enter it in
`streamclust.registries.OUTLIER_MEASURES`; docs/outliers.md tells the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from streamclust.outliers.scores import RobustScale
from streamclust.passes import Passes, Rows, Transform
from streamclust.registries import OUTLIER_MEASURES, instance_of
from streamclust.settings import Settings

# The measures that the scores were made of when they were first stored: they have no mark then.
_FIRST = dict.fromkeys(
    ("reference", "mahalanobis", "residual", "neighbor_distance", "lof", "micro_cluster"), 1
)


class MeasureColumn(NamedTuple):
    """A column that a measure writes: a value of each row, NaN for rows that are not valid.

    Attributes
    ----------
    name : str
        What it is called in the store.
    dtype : dtype
    is_kept : bool
        Whether it is stored; others are there while the measure writes.
    """

    name: str
    dtype: Any = np.float32
    is_kept: bool = True


@dataclass(frozen=True, eq=False)
class MeasureInputs:
    """What measures are taken from.

    Attributes
    ----------
    rows : Rows
        Of a set, as the scores see them: (n_rows, n_components), without extras.
    neighbors : Rows, optional
        Distances to the nearest neighbours (n_rows, k), with their row numbers as the only extra;
        None where rows are measured by themselves.
    columns : dict of str to array of shape (n_rows,)
        What measures before this one wrote; and ``residual``, the length of what the components
        leave of a row.
    """

    rows: Rows
    neighbors: Rows | None
    columns: dict[str, Any]


@dataclass(frozen=True, eq=False)
class FittedMeasure:
    """All that is needed to measure further rows, as small as it is stored.

    Attributes
    ----------
    arrays : dict of str to ndarray
        By names that no other measure uses.
    attributes : dict
        What else is known, as JSON can write it.
    """

    arrays: dict[str, np.ndarray]
    attributes: dict[str, Any] = field(default_factory=dict)


class Measure(Protocol):
    """One way to tell how unusual a row is.

    Attributes
    ----------
    version : int
        Raised when its values change, so that stored results are made anew.
    depends_on : tuple of str
        The settings that its values follow from.
    reads : tuple of str
        The columns of earlier measures that it is made of, or ``residual``.
    columns : tuple of MeasureColumn
        What it writes; none where it is made of what it reads alone.
    weight : float
        How much it counts for the score of a set.
    """

    version: int
    depends_on: tuple[str, ...]
    reads: tuple[str, ...]
    columns: tuple[MeasureColumn, ...]
    weight: float

    def block_bytes(self, rows: Rows, n_neighbors: int) -> int:
        """Memory held beside a block of rows, or of neighbours, at the peak of `write`.

        Beside that it may hold 48 bytes a row of whole columns.
        """

    def write(
        self, inputs: MeasureInputs, outputs: Sequence[Any], settings: Settings, passes: Passes
    ) -> None:
        """Write its columns, arrays of shape (n_rows,) in the order of `columns`."""

    def scales(self, columns: Mapping[str, Any]) -> dict[str, RobustScale]:
        """What makes its values comparable, by name, from the columns of all rows."""

    def z(self, columns: Mapping[str, np.ndarray], scales: Mapping[str, RobustScale]) -> np.ndarray:
        """Its comparable values, (n_rows,): about 0 for what is usual in the set, about 1 for a
        standard deviation more; NaN where there is none.

        Parameters
        ----------
        columns : dict of str to ndarray of shape (n_rows,)
            Those of some rows.
        scales : dict of str to RobustScale
            Those of all measures, as `scales` gave them.
        """


@runtime_checkable
class Inductive(Protocol):
    """A measure that tells rows which come later by themselves; others that write columns would
    take a search among all stored rows, and are left out of the score of such rows."""

    def fit(self, inputs: MeasureInputs, settings: Settings, passes: Passes) -> FittedMeasure:
        """Learn what it takes to measure rows, from all of them."""

    def transform(self, fitted: FittedMeasure) -> Transform:
        """What makes the columns of rows (n_rows, n_components), given with their numbers, which
        are -1 for rows that come later; can be pickled."""


class ScaledColumns:
    """A measure whose first column counts, by the robust z of its logarithm.

    It fits columns of distances and ratios: 0 and above, larger for what is more unusual. Where a
    measure writes none, it is the first column that it reads.
    """

    reads: tuple[str, ...] = ()
    columns: tuple[MeasureColumn, ...] = ()
    depends_on: tuple[str, ...] = ()

    def block_bytes(self, rows: Rows, n_neighbors: int) -> int:
        return 0

    def write(
        self, inputs: MeasureInputs, outputs: Sequence[Any], settings: Settings, passes: Passes
    ) -> None:
        """Write nothing, as a measure of what it reads does."""

    def scales(self, columns: Mapping[str, Any]) -> dict[str, RobustScale]:
        return {name: RobustScale.of(columns[name][...]) for name in self._names}

    def z(self, columns: Mapping[str, np.ndarray], scales: Mapping[str, RobustScale]) -> np.ndarray:
        name = self._names[0]
        return scales[name].z(columns[name])

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.is_kept) or self.reads


class InductiveColumns(ScaledColumns):
    """An `Inductive` measure with `ScaledColumns`, which are written as it tells those of rows that
    come later.

    Attributes
    ----------
    title : str
        What the pass is called that writes them.
    """

    title: str

    def write(
        self, inputs: MeasureInputs, outputs: Sequence[Any], settings: Settings, passes: Passes
    ) -> None:
        transform = self.transform(self.fit(inputs, settings, passes))
        passes.write(self.title, inputs.rows.having(numbered=True), transform, outputs)

    def fit(self, inputs: MeasureInputs, settings: Settings, passes: Passes) -> FittedMeasure:
        raise NotImplementedError

    def transform(self, fitted: FittedMeasure) -> Transform:
        raise NotImplementedError


def load_measures() -> dict[str, Measure]:
    """All measures by name, in their order."""
    return {name: instance_of(place) for name, place in OUTLIER_MEASURES.items()}


def inductive_measures() -> dict[str, Measure]:
    """The measures that rows which come later have, too: such as tell rows by themselves, and such
    as are made of the columns of these alone."""
    chosen: dict[str, Measure] = {}
    known = {"residual"}
    for name, measure in load_measures().items():
        if (isinstance(measure, Inductive) or not measure.columns) and known.issuperset(
            measure.reads
        ):
            chosen[name] = measure
            known |= {column.name for column in measure.columns if column.is_kept}
    return chosen


def measures_mark(measures: dict[str, Measure]) -> list[dict[str, int]]:
    """What scores of these measures are made of beside the rows; empty for the first measures."""
    versions = {name: measure.version for name, measure in measures.items()}
    return [] if versions == _FIRST else [versions]
