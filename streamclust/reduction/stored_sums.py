"""What PCA needs of the raw rows, as the store keeps it: moments, and scatter or its sketch."""

from typing import Any

from streamclust.memory import Budget
from streamclust.passes.accumulators.covariance import Covariance, Scatter, compute_dtype
from streamclust.passes.accumulators.moments import ColumnMoments, Moments
from streamclust.passes.accumulators.sketch import CovarianceSketch, ScatterSketch
from streamclust.passes.blocks import Rows
from streamclust.reduction.sums import PCASums, sketch_vectors
from streamclust.settings import Settings
from streamclust.store.workspace import store_array

# Components that the outlier scores see. Measured on labelled images (docs/outliers.md): fewer
# miss what is odd, more drown it in noise.
SCORED_COMPONENTS = 64


def is_sketched(n_columns: int, budget: Budget) -> bool:
    """Whether the covariance and its decomposition would take more than half the budget."""
    return 2 * 8 * n_columns**2 > budget.total // 2


def most_components(settings: Settings, n_columns: int) -> int:
    """How many components there may be."""
    wanted = settings.n_components
    return min(n_columns, settings.max_components if settings.share else int(wanted))


def n_vectors(settings: Settings, n_columns: int) -> int:
    """Vectors of the sketch that stands in for the scatter matrix: enough for clusterings and
    for outlier scores."""
    wanted = max(most_components(settings, n_columns), SCORED_COMPONENTS)
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


def store_sums(staged: Any, sums: PCASums) -> None:
    """Write sums into a staged descriptor group."""
    moments = sums.moments.result()
    group = staged.create_group("moments", attributes={"count": moments.count})
    for name in ("mean", "m2", "minimum", "maximum"):
        store_array(group, name, getattr(moments, name))
    seen = sums.scatter.result()
    if isinstance(seen, Scatter):
        store_array(group, "scatter", seen.scatter)
        return
    group.attrs["precision"] = seen.precision
    store_array(group, "test_matrix", seen.test_matrix)
    store_array(group, "product", seen.product)


def load_sums(group: Any) -> PCASums:
    """Sums that go on from those that `ingest` stored."""
    return PCASums.going_on(load_moments(group), load_scatter(group))


def empty_like(sums: PCASums) -> PCASums:
    """Sums that have seen nothing, and can be merged into others."""
    seen = sums.scatter.result()
    if isinstance(seen, Scatter):
        return PCASums(Covariance(), unit=sums.unit)
    sketch = CovarianceSketch(seen.test_matrix.shape[1], test_matrix=seen.test_matrix)
    return PCASums(sketch, unit=sums.unit)


def load_moments(group: Any) -> ColumnMoments:
    """Read the column moments that `ingest` stored."""
    names = ("mean", "m2", "minimum", "maximum")
    return ColumnMoments(group.attrs["count"], *(group[name][...] for name in names))


def load_scatter(group: Any) -> Scatter | ScatterSketch:
    """Read the scatter matrix that `ingest` stored, or its sketch."""
    count, mean = group.attrs["count"], group["mean"][...]
    if "scatter" in group:
        return Scatter(count, mean, group["scatter"][...])
    sketch = group["test_matrix"][...], group["product"][...]
    return ScatterSketch(count, mean, *sketch, group.attrs["precision"])
