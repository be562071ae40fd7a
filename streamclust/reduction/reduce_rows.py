"""Principal components from the stored sums, and one pass that projects all rows on them."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from streamclust.errors import SettingsError
from streamclust.memory import MIB, Need
from streamclust.passes import REDUCED_BLOCK_BYTES, Passes, Rows, Shape, block_rows, single_threaded
from streamclust.passes.accumulators import Covariance, Scatter, ScatterSketch, compute_dtype
from streamclust.reduction.components import PrincipalComponents, Projection, principal_components
from streamclust.reduction.ingest_rows import BLOCKS_A_TASK
from streamclust.reduction.sums import (
    EXTRA_PASSES,
    PCASums,
    expected_components,
    n_vectors,
    refined_sums,
    sums_bytes,
)
from streamclust.settings import Settings
from streamclust.steps import CaseShapes, Job, SetStep
from streamclust.store import DescriptorSet, StagedSet, StoredComponents, fingerprint

# Version of whitened rows, which were divided by rounding before.
_WHITENED = 2


@dataclass(frozen=True)
class Reduce(SetStep):
    """Reduce one descriptor set to its principal components.

    Results of other settings go to the archive, clusterings and all, and come back with them.
    """

    name = "reduce"
    set_name: str

    def needs(self, on: CaseShapes) -> list[Need]:
        raw, sketched = on.raw(self.set_name), on.is_sketched(self.set_name)
        return reduce_needs(raw, on.settings, sketched)

    def fingerprint(self, job: Job) -> str:
        stored = job.set(self.set_name)
        return reduced_mark(stored.fingerprint, _chosen(_settings_of(stored, job.settings)))

    def restore(self, job: Job, mark: str) -> bool:
        return job.set(self.set_name).restore_reduction(mark)

    def work(self, job: Job, passes: Passes, mark: str) -> None:
        stored = job.set(self.set_name)
        raw, settings = stored.rows("raw"), _settings_of(stored, job.settings)
        with stored.writing() as staged:
            # One BLAS thread: the decomposition's rounding must not depend on the cores.
            with single_threaded():
                principal = decompose(stored, settings, passes, raw)
            if not principal.share_reached:
                kept = principal.explained_variance_ratio.sum()
                job.events.warn(
                    f"{self.set_name}: {principal.n_components} components hold {kept:.0%} of the "
                    f"variance, not {settings.share:.0%}: raise --max-components to hold more"
                )
            staged.save_components(stored_components(principal, settings))
            staged.save_reduced_scatter(_project(passes, raw, principal, staged, settings))
            stored.publish_reduction(staged, mark)


def _settings_of(stored: DescriptorSet, settings: Settings) -> Settings:
    # A mixed set's blocks are scaled as they are mixed: another scaling would undo their weights.
    return settings.having(scaling="none") if stored.is_mixed else settings


def reduced_mark(made_of: str | None, chosen: dict[str, Any]) -> str:
    """The fingerprint of the reduction of a set with the fingerprint `made_of`."""
    return fingerprint(Reduce.name, _WHITENED if chosen["whiten"] else 1, made_of, chosen)


def settings_of(stored: DescriptorSet, settings: Settings) -> dict[str, Any]:
    """The settings that made the reduced rows of a stored set, as `reduced_mark` takes them.

    Of a set that is older than their storing, they are those of `settings` that agree with it.
    """
    components = stored.components
    if components.settings is not None:
        return components.settings
    changes = {
        "scaling": components.values["scaling"],
        "whiten": components.whiten,
        "normalize": components.normalize,
        "n_components": components.share or int(stored.reduced.shape[1]),
        "compress": stored.is_compressed,
    }
    return _chosen(settings.having(**changes))


def _chosen(settings: Settings) -> dict[str, Any]:
    # Only what matters: settings that come to the same must find the same result.
    return {
        "n_components": settings.share or int(settings.n_components),
        "max_components": settings.max_components if settings.share else None,
        "scaling": settings.scaling,
        "whiten": settings.whiten or settings.normalize,
        "normalize": settings.normalize,
        "compress": settings.compress,
    }


def reduce_needs(raw: Rows, settings: Settings, sketched: bool) -> list[Need]:
    """Memory of the decomposition, and of the blocks and their projections."""
    n_columns = raw.n_columns
    most = expected_components(settings, n_columns)
    vectors = 8 * n_columns * (n_vectors(settings, n_columns) if sketched else most)
    square = 8 * n_columns**2
    decomposition = Need(fixed=8 * vectors if sketched else 2 * square + 4 * vectors)
    block = raw.rows_a_block * n_columns * np.dtype(raw.array.dtype).itemsize
    out = reduced_chunk(raw, most) * most * compute_dtype(raw.array.dtype).itemsize
    projection = Need(fixed=4 * vectors, per_block=2 * block + 4 * out + 8 * MIB)
    needs = [decomposition, projection]
    if sketched or settings.scaling == "l2":
        fixed = 4 * vectors if sketched else square
        sums = sums_bytes(raw, settings, sketched)
        needs.append(Need(fixed=fixed, per_block=2 * block + sums))
    return needs


def reduced_chunk(raw: Rows, n_components: int) -> int:
    """Rows of a chunk of the reduced array: a whole number of the raw array's."""
    row_bytes = n_components * compute_dtype(raw.array.dtype).itemsize
    return max(block_rows(row_bytes, raw.n_rows, REDUCED_BLOCK_BYTES), raw.rows_a_block)


def reduced_like(raw: Rows, n_components: int) -> Rows:
    """What raw rows will be reduced to."""
    shape = Shape((raw.n_rows, n_components), compute_dtype(raw.array.dtype))
    return Rows(shape, rows_a_block=reduced_chunk(raw, n_components))


def decompose(
    stored: DescriptorSet, settings: Settings, passes: Passes, raw: Rows
) -> PrincipalComponents:
    """Principal components of a set, by the scaling and number that the settings name.

    Raises
    ------
    SettingsError
        When they cannot be found so: it names the set.
    """
    try:
        return _decomposed(stored, settings, passes, raw)
    except SettingsError as error:
        raise SettingsError(f"{stored.name}: {error}") from error


def _decomposed(
    stored: DescriptorSet, settings: Settings, passes: Passes, raw: Rows
) -> PrincipalComponents:
    asked = {
        "n_components": settings.n_components,
        "scaling": settings.scaling,
        "max_components": settings.max_components,
    }
    if stored.is_sketched:
        return _sketch(passes, stored, raw, settings).decompose(**asked)  # type: ignore[arg-type]
    if settings.scaling == "l2":
        empty = PCASums(Covariance(), unit=True)
        sums = passes.reduce("summing unit rows", raw, empty, BLOCKS_A_TASK)
        return sums.decompose(**asked)  # type: ignore[arg-type]
    scatter = stored.scatter
    assert isinstance(scatter, Scatter)
    return principal_components(scatter, stored.column_moments, **asked)  # type: ignore[arg-type]


def _sketch(passes: Passes, stored: DescriptorSet, raw: Rows, settings: Settings) -> PCASums:
    """Turn the ingest pass's sketch towards the leading components in further passes."""
    sketch = stored.scatter
    for number in range(1, EXTRA_PASSES + 1):
        assert isinstance(sketch, ScatterSketch)
        empty = refined_sums(sketch, stored.column_moments, settings.scaling)
        name = f"refining the sketch, pass {number} of {EXTRA_PASSES}"
        sums = passes.reduce(name, raw, empty, BLOCKS_A_TASK)
        sketch = sums.scatter.result()
    return sums


def stored_components(principal: PrincipalComponents, settings: Settings) -> StoredComponents:
    """Principal components as the store takes them, with the settings that they were made by."""
    # Whitening comes with unit rows: without it the first components alone set the direction.
    whiten = settings.whiten or settings.normalize
    chosen = _chosen(settings)
    return StoredComponents(vars(principal), whiten, settings.normalize, settings.share, chosen)


def components_of(stored: StoredComponents) -> PrincipalComponents:
    """Principal components out of the store."""
    return PrincipalComponents(**stored.values)


def projection_of(stored: StoredComponents) -> Projection:
    """The projection that made a set's reduced rows."""
    return components_of(stored).projection(whiten=stored.whiten, normalize=stored.normalize)


def _project(
    passes: Passes,
    raw: Rows,
    principal: PrincipalComponents,
    staged: StagedSet,
    settings: Settings,
) -> Scatter:
    n_components = principal.n_components
    reduced = staged.create_reduced(
        (raw.n_rows, n_components),
        compute_dtype(raw.array.dtype),
        reduced_chunk(raw, n_components),
        settings.compress,
    )
    project = Project(projection_of(stored_components(principal, settings)))
    return passes.write("projecting", raw, project, (reduced,), _ScatterOfResults()).result()


class Project:
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
