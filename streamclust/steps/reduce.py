"""Principal components from the stored sums, and one pass that projects all rows on them."""

from typing import Any, Self

import numpy as np

from streamclust.accumulators.covariance import Covariance, Scatter
from streamclust.accumulators.sketch import CovarianceSketch, ScatterSketch
from streamclust.memory import Need
from streamclust.models.components import (
    PrincipalComponents,
    principal_components,
    refined_test_matrix,
)
from streamclust.models.projection import Projection
from streamclust.models.scaling import column_scale
from streamclust.models.sums import PCASums
from streamclust.passes import Passes, Rows
from streamclust.passes.blocks import REDUCED_BLOCK_BYTES, block_rows
from streamclust.settings import Settings
from streamclust.steps.ingest import BLOCKS_A_TASK, load_moments, load_scatter
from streamclust.steps.job import Job
from streamclust.workspace import fingerprint, stage_array, store_array

STEP = "reduce"
REFINEMENTS = 2


def reduce(job: Job, descriptor: str) -> None:
    """Reduce one descriptor set to its principal components, unless that is done.

    Results of other settings go to the archive, clusterings and all, and come back with them.

    Raises
    ------
    MemoryBudgetError
        When it does not fit the budget.
    """
    path = f"descriptors/{descriptor}"
    mark = _mark(job, path)
    parts = ("pca", "clusterings", "reduced")
    restored = [job.workspace.restore(f"{path}/{part}", mark) for part in parts]
    if all(restored):
        job.skip(STEP, descriptor)
        return
    raw = job.rows_of(descriptor, "raw")
    needs = reduce_needs(descriptor, raw, job.settings)
    with job.step(STEP, descriptor, needs, raw.n_rows) as passes, job.workspace.staging() as staged:
        principal = _decompose(job, passes, descriptor, raw)
        _store_components(staged, principal, job.settings)
        scatter = _project(passes, descriptor, raw, principal, staged, job.settings)
        store_array(staged["pca"], "reduced_mean", scatter.mean)
        store_array(staged["pca"], "reduced_scatter", scatter.scatter)
        staged.create_group("clusterings")
        for part in parts:
            job.workspace.publish(staged[part], f"{path}/{part}", mark)


def _mark(job: Job, path: str) -> str:
    names = ("n_components", "max_components", "scaling", "whiten", "normalize", "compress")
    chosen = {name: getattr(job.settings, name) for name in names}
    return fingerprint("reduce", 1, job.workspace.fingerprint_of(path), chosen)


def reduce_needs(descriptor: str, raw: Rows, settings: Settings) -> list[Need]:
    """Memory of the decomposition, and of the blocks and their projections."""
    n_columns, itemsize = raw.n_columns, np.dtype(raw.array.dtype).itemsize
    most = most_components(settings, n_columns)
    square = 8 * n_columns**2
    name = f"{STEP} of {descriptor}"
    decomposition = Need(name, fixed=3 * square + 3 * 8 * n_columns * most)
    block = raw.rows_a_block * n_columns * itemsize
    out = block_rows(most * itemsize, raw.n_rows, REDUCED_BLOCK_BYTES) * most * itemsize
    matrix = 4 * 8 * n_columns * most
    projection = Need(name, fixed=matrix, per_block=2 * block + 4 * out + 8 * 2**20)
    needs = [decomposition, projection]
    if settings.scaling == "l2" and 3 * square <= settings.memory_bytes // 2:
        sums = Covariance.nbytes(n_columns, raw.rows_a_block, max(4, itemsize))
        needs.append(Need(name, fixed=square, per_block=2 * block + sums))
    return needs


def most_components(settings: Settings, n_columns: int) -> int:
    """How many components there may be."""
    wanted = settings.n_components
    return min(n_columns, wanted if isinstance(wanted, int) else settings.max_components)


def _decompose(job: Job, passes: Passes, descriptor: str, raw: Rows) -> PrincipalComponents:
    settings = job.settings
    asked = {
        "n_components": settings.n_components,
        "scaling": settings.scaling,
        "max_components": settings.max_components,
    }
    group = job.workspace.root[f"descriptors/{descriptor}/moments"]
    if job.workspace.root[f"descriptors/{descriptor}"].attrs["sketched"]:
        return _sketch(passes, descriptor, raw, group, settings).decompose(**asked)  # type: ignore[arg-type]
    if settings.scaling == "l2":
        empty = PCASums(Covariance(), unit=True)
        sums = passes.reduce(f"{descriptor}: summing unit rows", raw, empty, BLOCKS_A_TASK)
        return sums.decompose(**asked)  # type: ignore[arg-type]
    scatter = load_scatter(group)
    assert isinstance(scatter, Scatter)
    return principal_components(scatter, load_moments(group), **asked)  # type: ignore[arg-type]


def _sketch(passes: Passes, descriptor: str, raw: Rows, group: Any, settings: Settings) -> PCASums:
    """Turn the ingest pass's sketch towards the leading components in further passes."""
    unit = settings.scaling == "l2"
    sketch = load_scatter(group)
    scale = column_scale(settings.scaling, load_moments(group))
    for number in range(1, REFINEMENTS + 1):
        assert isinstance(sketch, ScatterSketch)
        better = refined_test_matrix(sketch, scale)
        empty = PCASums(CovarianceSketch(better.shape[1], test_matrix=better), unit=unit)
        name = f"{descriptor}: refining the sketch, pass {number} of {REFINEMENTS}"
        sums = passes.reduce(name, raw, empty, BLOCKS_A_TASK)
        sketch = sums.scatter.result()
    return sums


def _store_components(staged: Any, principal: PrincipalComponents, settings: Settings) -> None:
    group = staged.create_group(
        "pca",
        attributes={
            "n_samples": principal.n_samples,
            "noise_variance": principal.noise_variance,
            "scaling": principal.scaling,
            "share_reached": principal.share_reached,
            "whiten": settings.whiten or settings.normalize,
            "normalize": settings.normalize,
        },
    )
    names = ("components", "explained_variance", "explained_variance_ratio", "singular_values")
    for name in (*names, "mean", "scale"):
        store_array(group, name, getattr(principal, name))


def load_components(group: Any) -> PrincipalComponents:
    """Read the principal components that `reduce` stored."""
    arrays = ("components", "explained_variance", "explained_variance_ratio", "singular_values")
    scalars = ("noise_variance", "n_samples", "scaling", "share_reached")
    return PrincipalComponents(
        **{name: group[name][...] for name in (*arrays, "mean", "scale")},
        **{name: group.attrs[name] for name in scalars},
    )


def _project(
    passes: Passes,
    descriptor: str,
    raw: Rows,
    principal: PrincipalComponents,
    staged: Any,
    settings: Settings,
) -> Scatter:
    # Whitening comes with unit rows: without it the first components alone set the direction.
    projection = principal.projection(
        whiten=settings.whiten or settings.normalize, normalize=settings.normalize
    )
    dtype = np.float64 if raw.array.dtype == np.float64 else np.float32
    row_bytes = principal.n_components * np.dtype(dtype).itemsize
    chunk = block_rows(row_bytes, raw.n_rows, REDUCED_BLOCK_BYTES)
    reduced = stage_array(
        staged,
        "reduced",
        (raw.n_rows, principal.n_components),
        dtype,
        max(chunk, raw.rows_a_block),
        fill_value=np.nan,
        compress=settings.compress,
    )
    seen = passes.write(
        f"{descriptor}: projecting", raw, _Project(projection), (reduced,), _ScatterOfResults()
    )
    assert seen is not None
    return seen.result()


class _Project:
    """A projection as a transform with one output."""

    def __init__(self, projection: Projection) -> None:
        self.projection = projection

    def __call__(self, values: np.ndarray, *extras: np.ndarray) -> tuple[np.ndarray, ...]:
        return (self.projection(values),)


class _ScatterOfResults:
    """The scatter matrix of what rows became."""

    def __init__(self) -> None:
        self.covariance = Covariance()

    def update(self, values: np.ndarray, *extras: np.ndarray) -> None:
        self.covariance.update(extras[0])

    def merge(self, other: Self) -> None:
        self.covariance.merge(other.covariance)

    def result(self) -> Scatter:
        return self.covariance.result()
