"""What PCA keeps of the rows it saw, and the decomposition made of it when asked."""

from collections.abc import Iterator
from typing import Self

import numpy as np

from streamclust.errors import SettingsError
from streamclust.memory import Budget
from streamclust.passes import Rows, column_scale, unit_rows
from streamclust.passes.accumulators import (
    PIECE_ROWS,
    ColumnMoments,
    Covariance,
    CovarianceSketch,
    Moments,
    Scatter,
    ScatterSketch,
    compute_dtype,
    pieces,
)
from streamclust.reduction.components import (
    PrincipalComponents,
    check_range,
    principal_components,
    refined_test_matrix,
)
from streamclust.settings import Settings

OVERSAMPLING = 32  # vectors of a sketch beyond the components wanted
EXTRA_PASSES = 2  # that bring a sketch near to exact
# Components that the outlier scores see. Measured on labelled images (docs/outliers.md): fewer
# miss what is odd, more drown it in noise.
SCORED_COMPONENTS = 64


def sketch_vectors(n_columns: int, n_components: int) -> int:
    """Vectors of the sketch that stands in for the covariance."""
    return min(n_components + OVERSAMPLING, n_columns)


class PCASums:
    """Moments and scatter of the same rows, made of unit length first if so wished.

    Parameters
    ----------
    scatter : Covariance or CovarianceSketch
        An empty one.
    unit : bool
        Whether rows are made of unit length before they are summed.
    """

    def __init__(self, scatter: Covariance | CovarianceSketch, *, unit: bool) -> None:
        self.moments = Moments()
        self.scatter = scatter
        self.unit = unit
        self._settings: tuple | None = None
        self._principal: PrincipalComponents | None = None

    @classmethod
    def going_on(cls, moments: ColumnMoments, scatter: Scatter | ScatterSketch) -> Self:
        """Sums that have seen what these tell of rows as they are; their arrays are taken over."""
        seen: Covariance | CovarianceSketch
        if isinstance(scatter, Scatter):
            seen = Covariance.going_on(scatter)
        else:
            seen = CovarianceSketch.going_on(scatter)
        sums = cls(seen, unit=False)
        sums.moments = Moments.going_on(moments)
        return sums

    @property
    def sketched(self) -> bool:
        """Whether the scatter is a sketch."""
        return isinstance(self.scatter, CovarianceSketch)

    def update(self, rows: np.ndarray) -> None:
        """See a block of shape (n_rows, n_features)."""
        self._settings = self._principal = None
        for prepared in self._prepared(rows):
            self.moments.update(prepared)
            self.scatter.update(prepared)

    def merge(self, other: Self) -> None:
        """Take in what another saw.

        Raises
        ------
        SettingsError
            The two did not see rows of one length, prepared and summed in one way.
        """
        if self.unit != other.unit or self.sketched != other.sketched:
            raise SettingsError("what is merged must have the same scaling and svd_solver")
        self._settings = self._principal = None
        self.scatter.merge(other.scatter)  # type: ignore[arg-type]
        self.moments.merge(other.moments)

    def _prepared(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        if not self.unit:
            yield rows
            return
        work = np.empty((min(len(rows), PIECE_ROWS), rows.shape[1]), compute_dtype(rows.dtype))
        for piece in pieces(rows, PIECE_ROWS):
            yield unit_rows(piece, out=work[: len(piece)])

    def decompose(
        self, n_components: int | float | None, scaling: str, max_components: int | None
    ) -> PrincipalComponents:
        """Give the principal components; the last ones made are kept until more rows are seen.

        Raises
        ------
        SettingsError
            As `principal_components`, or the scaling needs other sums than those taken.
        """
        settings = (n_components, scaling, max_components)
        if self._principal is None or self._settings != settings:
            if self.unit != (scaling == "l2"):
                raise SettingsError('changing to or from scaling="l2" needs the rows: fit again')
            self._principal = principal_components(
                self.scatter.result(),
                self.moments.result(),
                n_components=n_components,
                scaling=scaling,
                max_components=max_components,
            )
            self._settings = settings
        return self._principal


def refined_sums(sketch: ScatterSketch, moments: ColumnMoments, scaling: str) -> PCASums:
    """Empty sums for a further pass, whose sketch is turned towards the leading components.

    Parameters
    ----------
    sketch : ScatterSketch
        Of the pass before.
    moments : ColumnMoments
        Of the same rows.
    scaling : {"none", "standard", "minmax", "l2"}

    Raises
    ------
    SettingsError
        The values are too large or too small for their squares.
    """
    check_range(moments, float(np.abs(sketch.product).max()))
    better = refined_test_matrix(sketch, column_scale(scaling, moments))
    sketched = CovarianceSketch(better.shape[1], test_matrix=better)
    return PCASums(sketched, unit=scaling == "l2")


def is_sketched(n_columns: int, budget: Budget) -> bool:
    """Whether the covariance and its decomposition would take more than half the budget."""
    return 2 * 8 * n_columns**2 > budget.total // 2


def expected_components(settings: Settings, n_columns: int) -> int:
    """How many components there may be."""
    wanted = settings.n_components
    return min(n_columns, settings.max_components if settings.share else int(wanted))


def n_vectors(settings: Settings, n_columns: int) -> int:
    """Vectors of the sketch that stands in for the scatter matrix: enough for clusterings and
    for outlier scores."""
    wanted = max(expected_components(settings, n_columns), SCORED_COMPONENTS)
    return sketch_vectors(n_columns, wanted)


def empty_sums(settings: Settings, n_columns: int) -> PCASums:
    """Sums that have seen nothing: exact, or of a sketch where the budget asks for it."""
    scatter: Covariance | CovarianceSketch = Covariance()
    if is_sketched(n_columns, Budget(settings.memory_bytes)):
        vectors = n_vectors(settings, n_columns)
        scatter = CovarianceSketch(vectors, random_state=settings.random_state)
    return PCASums(scatter, unit=False)


def sums_bytes(rows: Rows, settings: Settings, sketched: bool) -> int:
    """Bytes that moments and covariance, or its sketch, hold at the peak of an update."""
    n_columns = rows.n_columns
    itemsize = compute_dtype(rows.array.dtype).itemsize
    moments = Moments.nbytes(n_columns)
    if not sketched:
        return moments + Covariance.nbytes(n_columns, rows.rows_a_block, itemsize)
    vectors = n_vectors(settings, n_columns)
    return moments + CovarianceSketch.nbytes(n_columns, rows.rows_a_block, vectors, itemsize)


def empty_like(sums: PCASums) -> PCASums:
    """Sums that have seen nothing, and can be merged into others."""
    seen = sums.scatter.result()
    if isinstance(seen, Scatter):
        return PCASums(Covariance(), unit=sums.unit)
    sketch = CovarianceSketch(seen.test_matrix.shape[1], test_matrix=seen.test_matrix)
    return PCASums(sketch, unit=sums.unit)
