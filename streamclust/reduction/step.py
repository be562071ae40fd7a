"""Principal components from the stored sums, and one pass that projects all rows on them."""

from dataclasses import replace
from typing import Any, Self

import numpy as np
from threadpoolctl import threadpool_limits

from streamclust.memory import MIB, Need
from streamclust.passes.accumulators.covariance import Covariance, Scatter, compute_dtype
from streamclust.passes.accumulators.sketch import ScatterSketch
from streamclust.passes.blocks import REDUCED_BLOCK_BYTES, Rows, block_rows
from streamclust.passes.verbs import Passes
from streamclust.reduction.components import PrincipalComponents, principal_components
from streamclust.reduction.ingestion import BLOCKS_A_TASK
from streamclust.reduction.projection import Projection
from streamclust.reduction.stored_sums import (
    load_moments,
    load_scatter,
    most_components,
    n_vectors,
    sums_bytes,
)
from streamclust.reduction.sums import EXTRA_PASSES, PCASums, refined_sums
from streamclust.settings import Settings
from streamclust.store.descriptors import is_mixed
from streamclust.store.job import Job
from streamclust.store.workspace import fingerprint, stage_array, store_array

STEP = "reduce"


def reduce(job: Job, descriptor: str) -> None:
    """Reduce one descriptor set to its principal components, unless that is done.

    Results of other settings go to the archive, clusterings and all, and come back with them.

    Raises
    ------
    MemoryBudgetError
        When it does not fit the budget.
    """
    path = f"descriptors/{descriptor}"
    if is_mixed(job.workspace, descriptor):
        # Its blocks are scaled as they are mixed: another scaling would undo their weights.
        job = replace(job, settings=job.settings.having(scaling="none"))
    settings = job.settings
    mark = _mark(job, path)
    parts = ("pca", "clusterings", "reduced")
    restored = [job.workspace.restore(f"{path}/{part}", mark) for part in parts]
    if all(restored):
        job.skip(STEP, descriptor)
        return
    raw = job.rows_of(descriptor, "raw")
    sketched = job.workspace.root[path].attrs["sketched"]
    needs = reduce_needs(descriptor, raw, settings, sketched)
    with job.step(STEP, descriptor, needs, raw.n_rows) as passes, job.workspace.staging() as staged:
        # One BLAS thread: the decomposition's rounding must not depend on the machine's cores.
        with threadpool_limits(limits=1):
            principal = decompose(job, passes, descriptor, raw)
        if not principal.share_reached:
            held = principal.explained_variance_ratio.sum()
            job.events.warn(
                f"{descriptor}: {principal.n_components} components hold {held:.0%} of the "
                f"variance, not {settings.share:.0%}: raise --max-components to hold more"
            )
        store_components(staged, principal, settings)
        scatter = _project(passes, descriptor, raw, principal, staged, settings)
        store_array(staged["pca"], "reduced_mean", scatter.mean)
        store_array(staged["pca"], "reduced_scatter", scatter.scatter)
        staged.create_group("clusterings")
        for part in parts:
            job.workspace.publish(staged[part], f"{path}/{part}", mark)


def _mark(job: Job, path: str) -> str:
    return reduced_mark(job.workspace.fingerprint_of(path), _chosen(job.settings))


def reduced_mark(made_of: str | None, chosen: dict[str, Any]) -> str:
    """The fingerprint of the reduction of a set with the fingerprint `made_of`."""
    return fingerprint(STEP, 1, made_of, chosen)


def settings_of(group: Any, settings: Settings) -> dict[str, Any]:
    """The settings that made the reduced rows of a stored set, as `reduced_mark` takes them.

    Of a set that is older than their storing, they are those of `settings` that agree with it.
    """
    stored = group["pca"].attrs
    if "settings" in stored:
        return stored["settings"]
    own = {name: stored[name] for name in ("scaling", "whiten", "normalize")}
    own["n_components"] = stored["share"] or int(group["reduced"].shape[1])
    own["compress"] = bool(group["raw"].compressors)
    return _chosen(settings.having(**own))


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


def reduce_needs(descriptor: str, raw: Rows, settings: Settings, sketched: bool) -> list[Need]:
    """Memory of the decomposition, and of the blocks and their projections."""
    n_columns = raw.n_columns
    most = most_components(settings, n_columns)
    name = f"{STEP} of {descriptor}"
    vectors = 8 * n_columns * (n_vectors(settings, n_columns) if sketched else most)
    square = 8 * n_columns**2
    decomposition = Need(name, fixed=8 * vectors if sketched else 2 * square + 4 * vectors)
    block = raw.rows_a_block * n_columns * np.dtype(raw.array.dtype).itemsize
    out = reduced_chunk(raw, most) * most * compute_dtype(raw.array.dtype).itemsize
    projection = Need(name, fixed=4 * vectors, per_block=2 * block + 4 * out + 8 * MIB)
    needs = [decomposition, projection]
    if sketched or settings.scaling == "l2":
        held = 4 * vectors if sketched else square
        sums = sums_bytes(raw, settings, sketched)
        needs.append(Need(name, fixed=held, per_block=2 * block + sums))
    return needs


def reduced_chunk(raw: Rows, n_components: int) -> int:
    """Rows of a chunk of the reduced array: a whole number of the raw array's."""
    row_bytes = n_components * compute_dtype(raw.array.dtype).itemsize
    return max(block_rows(row_bytes, raw.n_rows, REDUCED_BLOCK_BYTES), raw.rows_a_block)


def decompose(job: Job, passes: Passes, descriptor: str, raw: Rows) -> PrincipalComponents:
    """Principal components of a set, by the scaling and number that the job's settings name."""
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
        sums = passes.reduce("summing unit rows", raw, empty, BLOCKS_A_TASK)
        return sums.decompose(**asked)  # type: ignore[arg-type]
    scatter = load_scatter(group)
    assert isinstance(scatter, Scatter)
    return principal_components(scatter, load_moments(group), **asked)  # type: ignore[arg-type]


def _sketch(passes: Passes, descriptor: str, raw: Rows, group: Any, settings: Settings) -> PCASums:
    """Turn the ingest pass's sketch towards the leading components in further passes."""
    sketch = load_scatter(group)
    for number in range(1, EXTRA_PASSES + 1):
        assert isinstance(sketch, ScatterSketch)
        empty = refined_sums(sketch, load_moments(group), settings.scaling)
        name = f"refining the sketch, pass {number} of {EXTRA_PASSES}"
        sums = passes.reduce(name, raw, empty, BLOCKS_A_TASK)
        sketch = sums.scatter.result()
    return sums


def store_components(staged: Any, principal: PrincipalComponents, settings: Settings) -> None:
    """Write principal components into a staged group, as ``pca``."""
    group = staged.create_group(
        "pca",
        attributes={
            "n_samples": principal.n_samples,
            "noise_variance": principal.noise_variance,
            "scaling": principal.scaling,
            "share": settings.share,
            "share_reached": principal.share_reached,
            "whiten": settings.whiten or settings.normalize,
            "normalize": settings.normalize,
            "settings": _chosen(settings),
        },
    )
    names = ("components", "explained_variance", "explained_variance_ratio", "singular_values")
    for name in (*names, "mean", "scale"):
        store_array(group, name, getattr(principal, name))


def load_components(group: Any) -> PrincipalComponents:
    """Read what `store_components` wrote."""
    names = ("components", "explained_variance", "explained_variance_ratio", "singular_values")
    arrays = {name: group[name][...] for name in (*names, "mean", "scale")}
    told = ("noise_variance", "n_samples", "scaling", "share_reached")
    return PrincipalComponents(**arrays, **{name: group.attrs[name] for name in told})


def load_projection(group: Any) -> Projection:
    """The projection that made a set's reduced rows, out of what `store_components` wrote."""
    whiten, normalize = bool(group.attrs["whiten"]), bool(group.attrs["normalize"])
    return load_components(group).projection(whiten=whiten, normalize=normalize)


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
    reduced = stage_array(
        staged,
        "reduced",
        (raw.n_rows, principal.n_components),
        compute_dtype(raw.array.dtype),
        reduced_chunk(raw, principal.n_components),
        fill_value=np.nan,
        compress=settings.compress,
    )
    seen = passes.write("projecting", raw, Project(projection), (reduced,), _ScatterOfResults())
    return seen.result()


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
