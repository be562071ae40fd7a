"""The rows as the outlier scores see them: a preprocessing of their own, and what it leaves out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from streamclust.memory import MIB, Need
from streamclust.passes import Passes, Rows, single_threaded
from streamclust.passes.accumulators import compute_dtype, priorities
from streamclust.reduction import (
    SCORED_COMPONENTS,
    Projection,
    decompose,
    reduce_needs,
    reduced_chunk,
    reduced_like,
    stored_components,
)
from streamclust.settings import Settings
from streamclust.steps import CaseShapes, Job, SetStep
from streamclust.store import DescriptorSet, SetOutliers, fingerprint

# Unit rows' components are learned from about so many: their covariance is a product of its own,
# as dear as the one of all rows that ingest makes, and with a sample 25 times the columns, as
# 2560 have here, the leading 64 components are the same but for noise (docs/outliers.md).
SAMPLED_ROWS = 65_536


@dataclass(frozen=True)
class ReduceForScores(SetStep):
    """Reduce a set for its outlier scores, and keep the length of each row's residual."""

    name = "space"
    set_name: str

    def needs(self, on: CaseShapes) -> list[Need]:
        """A reduction's, and the squares of a block's piece."""
        raw, sketched = on.raw(self.set_name), on.is_sketched(self.set_name)
        settings = space_settings(on.settings, min(raw.n_columns, SCORED_COMPONENTS))
        needs = reduce_needs(raw, settings, sketched)
        return [replace(need, per_block=need.per_block + 8 * MIB) for need in needs]

    def fingerprint(self, job: Job) -> str:
        stored = job.set(self.set_name)
        made_of = stored.fingerprint, job.settings.outlier_scaling, SCORED_COMPONENTS
        return fingerprint(self.name, 3, *made_of, _seed(stored, job.settings))

    def restore(self, job: Job, mark: str) -> bool:
        return SetOutliers(job.workspace, self.set_name).space.restore(mark)

    def work(self, job: Job, passes: Passes, mark: str) -> None:
        stored = job.set(self.set_name)
        raw, n_valid, seed = stored.rows("raw"), stored.n_valid, _seed(stored, job.settings)
        learned = raw if seed is None else _sampled(raw, n_valid, seed)
        most = min(raw.n_columns, SCORED_COMPONENTS, n_valid)
        settings = space_settings(job.settings, most)
        with SetOutliers(job.workspace, self.set_name).space.written(mark) as writer:
            # One BLAS thread: the decomposition's rounding must not depend on the cores.
            with single_threaded():
                principal = decompose(stored, settings, passes, learned)
            writer.save_components(stored_components(principal, settings))
            chunk, dtype = reduced_chunk(raw, most), compute_dtype(raw.array.dtype)
            outputs = writer.outputs(raw.n_rows, principal.n_components, dtype, chunk)
            project = _Project(principal.projection(), principal.scale)
            passes.write("projecting for outliers", raw, project, outputs)


def _seed(stored: DescriptorSet, settings: Settings) -> int | None:
    """Of the sample that components are learned from; None where it is all rows."""
    # A sketch goes on from the one of all rows.
    is_sampled = stored.n_valid > SAMPLED_ROWS and not stored.is_sketched
    return settings.random_state if is_sampled else None


def graph_chunk(on: CaseShapes, sets: Sequence[str]) -> int:
    """Rows of a chunk of the neighbour graphs of sets, the most."""
    return max(score_rows(on, name).rows_a_block for name in sets)


def score_rows(on: CaseShapes, set_name: str) -> Rows:
    """The rows of a set as the outlier scores will see them."""
    raw = on.raw(set_name)
    return reduced_like(raw, min(raw.n_columns, SCORED_COMPONENTS))


def space_settings(settings: Settings, n_components: int) -> Settings:
    """The settings of the reduction that the scores see."""
    return settings.having(
        scaling=settings.outlier_scaling,
        n_components=n_components,
        whiten=False,
        normalize=False,
    )


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
