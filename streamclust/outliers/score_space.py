"""The rows as the outlier scores see them: a preprocessing of their own, and what it leaves out."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from threadpoolctl import threadpool_limits

from streamclust.memory import MIB, Need
from streamclust.passes import Rows
from streamclust.passes.accumulators import compute_dtype, priorities
from streamclust.reduction import (
    SCORED_COMPONENTS,
    Projection,
    decompose,
    reduce_needs,
    reduced_chunk,
    stored_components,
)
from streamclust.settings import Settings
from streamclust.store import Job, SetOutliers, fingerprint

STEP = "space"

# Unit rows' components are learned from about so many: their covariance is a product of its own,
# as dear as the one of all rows that ingest makes, and with a sample 25 times the columns, as
# 2560 have here, the leading 64 components are the same but for noise (docs/outliers.md).
SAMPLED_ROWS = 65_536


def space(job: Job, descriptor: str) -> None:
    """Reduce a set for its outlier scores, and keep the length of each row's residual.

    Raises
    ------
    MemoryBudgetError
        When it does not fit the budget.
    """
    descriptor_set, stored = job.set(descriptor), SetOutliers(job.workspace, descriptor).space
    raw, n_valid = descriptor_set.rows("raw"), descriptor_set.n_valid
    # A sketch goes on from the one of all rows.
    is_sampled = n_valid > SAMPLED_ROWS and not descriptor_set.is_sketched
    seed = job.settings.random_state if is_sampled else None
    scaling = job.settings.outlier_scaling
    mark = fingerprint(STEP, 3, descriptor_set.fingerprint, scaling, SCORED_COMPONENTS, seed)
    if stored.restore(mark):
        job.skip(STEP, descriptor)
        return
    learned = raw if seed is None else _sampled(raw, n_valid, seed)
    most = min(raw.n_columns, SCORED_COMPONENTS, n_valid)
    settings = space_settings(job.settings, most)
    needs = space_needs(descriptor, raw, job.settings, descriptor_set.is_sketched)
    with job.step(STEP, descriptor, needs, raw.n_rows) as passes, stored.written(mark) as writer:
        # One BLAS thread: the decomposition's rounding must not depend on the machine's cores.
        with threadpool_limits(limits=1):
            principal = decompose(replace(job, settings=settings), passes, descriptor, learned)
        writer.save_components(stored_components(principal, settings))
        chunk, dtype = reduced_chunk(raw, most), compute_dtype(raw.array.dtype)
        outputs = writer.outputs(raw.n_rows, principal.n_components, dtype, chunk)
        project = _Project(principal.projection(), principal.scale)
        passes.write("projecting for outliers", raw, project, outputs)


def space_settings(settings: Settings, n_components: int) -> Settings:
    """The settings of the reduction that the scores see."""
    return settings.having(
        scaling=settings.outlier_scaling,
        n_components=n_components,
        whiten=False,
        normalize=False,
    )


def space_needs(descriptor: str, raw: Rows, settings: Settings, sketched: bool) -> list[Need]:
    """Memory of a reduction, and of the squares of a block's piece."""
    most = min(raw.n_columns, SCORED_COMPONENTS)
    needs = reduce_needs(descriptor, raw, space_settings(settings, most), sketched)
    return [
        replace(need, step=f"{STEP} of {descriptor}", per_block=need.per_block + 8 * MIB)
        for need in needs
    ]


def _sampled(raw: Rows, n_valid: int, seed: int) -> Rows:
    """Rows of which a uniform sample is valid: each with the same chance, whatever the others."""
    most = np.uint64(SAMPLED_ROWS / n_valid * 2.0**64)
    starts = [*range(0, raw.n_rows, SAMPLED_ROWS), raw.n_rows]
    parts = [priorities(np.arange(*part), seed) < most for part in pairwise(starts)]
    drawn = np.concatenate(parts)
    return raw.having(valid=drawn if raw.valid is None else drawn & raw.valid[...])


class _Project:
    """Reduced rows and the lengths of their residuals as a transform."""

    def __init__(self, projection: Projection, scale: np.ndarray) -> None:
        self.projection = projection
        self.scale = scale

    def __call__(self, values: np.ndarray, *extras: np.ndarray) -> tuple[np.ndarray, ...]:
        return self.projection.with_residual(values, self.scale)
