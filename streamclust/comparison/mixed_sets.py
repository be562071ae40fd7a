"""Mixed sets: several sets, or the labels of their clusterings, as one set like any other."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from streamclust.comparison.mixing_weights import find_weights
from streamclust.errors import SettingsError
from streamclust.memory import MIB, Budget, Need
from streamclust.passes import (
    Columns,
    Indicators,
    Joined,
    Passes,
    Rows,
    ScaledBlock,
    Shape,
    unit_rows,
    weighted_block,
)
from streamclust.passes.accumulators import Moments
from streamclust.reduction import (
    BLOCKS_A_TASK,
    PCASums,
    empty_sums,
    is_sketched,
    n_vectors,
    sums_bytes,
)
from streamclust.settings import AUTO
from streamclust.steps import CaseShapes, Job, SetStep
from streamclust.store import (
    DESCRIPTORS,
    LABELS,
    DescriptorSet,
    LabelColumn,
    StagedSet,
    StoredClustering,
    fingerprint,
    recommended_clustering,
)

_CHUNK = 65_536
_LONGEST_NAME = 200


@dataclass(frozen=True)
class MixedSet:
    """What to mix.

    Parameters
    ----------
    sets : sequence of str
        Two or more.
    weights : "auto", or sequence of float, optional
        Shares of the variance that the sets get, relative to each other; equal ones by default.
            auto searches them: `streamclust.comparison.mixing_weights`.
    consensus : bool
        Mix the labels of the sets' recommended clusterings in place of their descriptors.
    name : str, optional
        Of the set that is made: ``a+b``, or ``consensus-a+b``.
    """

    sets: tuple[str, ...]
    weights: Any = None
    consensus: bool = False
    name: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "sets", tuple(name.strip() for name in self.sets))
        twice = sorted({name for name in self.sets if self.sets.count(name) > 1})
        if twice:
            raise SettingsError(f"{', '.join(twice)} is named twice: name each set once")
        if len(self.sets) < 2:
            raise SettingsError("a mixed set takes two sets at least: --sets a,b")
        if not _is_name(self.own_name):
            raise SettingsError(
                f"name={self.own_name!r} must be a name for a folder: up to {_LONGEST_NAME} bytes, "
                "without slashes and commas"
            )
        if self.consensus and self.weights == AUTO:
            raise SettingsError(
                "the search for weights is for descriptors: name those of a consensus, or none"
            )
        if self.weights is not None and self.weights != AUTO:
            object.__setattr__(self, "weights", self._numbers(self.weights))

    def _numbers(self, weights: Any) -> tuple[float, ...]:
        parts = weights.split(",") if isinstance(weights, str) else weights
        try:
            numbers = tuple(float(part) for part in parts)
        except (TypeError, ValueError):
            raise SettingsError(
                f"weights {weights!r} are not understood: write auto, or one number a set, 1,0.5"
            ) from None
        if any(not 0 < number < math.inf for number in numbers):
            raise SettingsError(
                f"weights {weights!r} must all be above 0: leave a set out to give it none"
            )
        if len(numbers) != len(self.sets):
            raise SettingsError(
                f"{len(numbers)} weights for the {len(self.sets)} sets {', '.join(self.sets)}: "
                "name one for each"
            )
        return numbers

    @property
    def own_name(self) -> str:
        """The name of the set."""
        joined = "+".join(self.sets)
        if self.name is not None:
            return self.name
        return f"consensus-{joined}" if self.consensus else joined


def mix(job: Job, mixture: MixedSet, rows: Rows) -> str:
    """Make a mixed set of the `rows` that `mixed_shape` gives, unless it is there; its name.

    Raises
    ------
    SettingsError
        When a set is not there, a mixed one itself, of equal rows or not clustered, or the name
        is that of a set which is no mixture.
    MemoryBudgetError
        When it does not fit the budget.
    """
    step = Mix(mixture, rows)
    if mixture.weights == AUTO and not step.restore(job, step.fingerprint(job)):
        step.found = find_weights(job, mixture.sets)
    job.run([step])
    return step.set_name


class Mix(SetStep):
    """Put a mixed set together.

    Parameters
    ----------
    mixture : MixedSet
    rows : Rows
        What it will have, see `mixed_shape`.

    Attributes
    ----------
    found : tuple of (list of float, dict), optional
        The weights that a search found, and what is told of it.
    """

    name = "mix"
    found: tuple[list[float], dict[str, Any]] | None = None

    def __init__(self, mixture: MixedSet, rows: Rows) -> None:
        self.set_name: str = mixture.own_name
        self.mixture = mixture
        self.rows = rows

    def needs(self, on: CaseShapes) -> list[Need]:
        """The scatter of all columns, and a block that is put together."""
        n_columns, settings = self.rows.n_columns, on.settings
        sketched = is_sketched(n_columns, Budget(settings.memory_bytes))
        total = 8 * n_columns * (2 * n_vectors(settings, n_columns) if sketched else n_columns)
        block = self.rows.rows_a_block * n_columns * self.rows.array.dtype.itemsize
        sums = sums_bytes(self.rows, settings, sketched)
        return [Need(fixed=total + 32 * MIB, per_block=3 * block + sums)]

    def fingerprint(self, job: Job) -> str:
        mixture = self.mixture
        searched = _searched(job, mixture) if mixture.weights == AUTO else None
        return fingerprint(self.name, 2, _made_of(job, mixture), mixture.weights, searched)

    def restore(self, job: Job, mark: str) -> bool:
        return job.set(self.set_name).restore(mark)

    def work(self, job: Job, passes: Passes, mark: str) -> None:
        mixture, n_rows = self.mixture, self.rows.n_rows
        parts, about = _parts(job, mixture), _made_of(job, mixture)
        if self.found is None:
            assert mixture.weights != AUTO, "a search goes before: see mix"
            weights = list(mixture.weights or (1.0,) * len(mixture.sets))
        else:
            weights, about["searched"] = self.found
        about["weights"] = weights
        mixed = job.set(self.set_name)
        with mixed.writing() as staged:
            n_valid = _write_valid(job, passes, staged, mixture.sets, n_rows)
            valid = staged.valid if n_valid < n_rows else None
            if mixture.consensus:
                clusterings = [part for part in parts if isinstance(part, StoredClustering)]
                counts = _write_labels(passes, staged, clusterings, valid)
                blocks = _label_blocks(staged, clusterings, counts, n_valid, weights)
            else:
                blocks = _blocks(job, passes, mixture.sets, weights)
            staged.save_blocks(blocks)
            rows = Rows(Joined(blocks), valid=valid)
            empty = empty_sums(job.settings, rows.n_columns)
            sums: PCASums = passes.reduce("summing", rows, empty, BLOCKS_A_TASK)
            staged.save_sums(sums.moments.result(), sums.scatter.result())
            staged.save_facts(
                source={"name": self.set_name, "mixture": about},
                n_rows=n_rows,
                n_columns=rows.n_columns,
                n_invalid=n_rows - n_valid,
                sketched=sums.sketched,
            )
            staged.save_mixture(about)
            mixed.publish(staged, mark)


def _parts(job: Job, mixture: MixedSet) -> list[DescriptorSet | StoredClustering]:
    return [_part(job, mixture, name) for name in mixture.sets]


def _made_of(job: Job, mixture: MixedSet) -> dict[str, Any]:
    parts = _parts(job, mixture)
    return {
        "of": LABELS if mixture.consensus else DESCRIPTORS,
        "sets": list(mixture.sets),
        "sources": [part.path for part in parts],
        "made_of": [part.fingerprint for part in parts],
        "scaling": None if mixture.consensus else job.settings.scaling,
    }


def mixed_shape(job: Job, mixture: MixedSet) -> Rows:
    """The rows that a mixture will have, before any is put together.

    Raises
    ------
    SettingsError
        As `mix`.
    """
    _check(job, mixture)
    return _shape(_parts(job, mixture), job.set(mixture.sets[0]).n_rows)


def _shape(parts: Sequence[DescriptorSet | StoredClustering], n_rows: int) -> Rows:
    n_columns = sum(
        part.n_clusters if isinstance(part, StoredClustering) else part.n_columns for part in parts
    )
    return Rows(Shape((n_rows, n_columns), Joined.dtype))


def _check(job: Job, mixture: MixedSet) -> None:
    workspace = job.workspace
    stored = workspace.descriptors
    missing = [name for name in mixture.sets if name not in stored]
    if missing:
        raise SettingsError(
            f"no descriptor set {', '.join(missing)} in {workspace.folder}: "
            f"there are {', '.join(stored) or 'none'}"
        )
    mixed = [name for name in mixture.sets if job.set(name).is_mixed]
    if mixed and not mixture.consensus:
        raise SettingsError(f"{', '.join(mixed)} is a mixed set: name the sets that it mixes")
    name = mixture.own_name
    if name in stored and not job.set(name).is_mixed:
        raise SettingsError(f"{name} is a set of this case: give the mixed set another --name")


def _part(job: Job, mixture: MixedSet, name: str) -> DescriptorSet | StoredClustering:
    """What a set brings into the mixture: its rows, or the labels of its recommended clustering."""
    if not mixture.consensus:
        return job.set(name)
    clustering = recommended_clustering(job.workspace, name)
    if clustering is None:
        raise SettingsError(
            f"{name} has no recommended clustering to agree with: run streamclust cluster and "
            "measure, or leave it out"
        )
    return clustering


def _searched(job: Job, mixture: MixedSet) -> list[Any]:
    """What a search for weights reads beside the descriptors."""
    reduced = [job.set(name).reduced_fingerprint for name in mixture.sets]
    chosen = [recommended_clustering(job.workspace, name) for name in mixture.sets]
    return [job.settings.random_state, reduced, [one and one.name for one in chosen]]


def _is_name(name: str) -> bool:
    folder = name.strip() == name != "" and name not in (".", "..")
    return (
        folder
        and name.isprintable()
        and not set(name) & set("/\\,")
        and (len(name.encode()) <= _LONGEST_NAME)
    )


def _write_valid(
    job: Job, passes: Passes, staged: StagedSet, sets: Sequence[str], n_rows: int
) -> int:
    """Write which rows are valid in all sets; gives their number."""
    valid = staged.create_valid(n_rows, min(n_rows, _CHUNK))
    masks = [
        mask for mask in (job.set(name).rows("raw").valid for name in sets) if mask is not None
    ]
    if not masks:
        return n_rows
    rows = Rows(Columns(masks))
    n_valid = passes.write("valid rows", rows, _valid_in_all, [valid], _ValidCount()).count
    if n_valid == 0:
        raise SettingsError(f"no row is valid in all of {', '.join(sets)}")
    return int(n_valid)


def _valid_in_all(masks: np.ndarray) -> tuple[np.ndarray]:
    return (np.logical_and.reduce(masks, axis=1),)


class _ValidCount:
    """How many rows are valid."""

    def __init__(self) -> None:
        self.count = 0

    def update(self, masks: np.ndarray, valid: np.ndarray) -> None:
        self.count += int(np.count_nonzero(valid))

    def merge(self, other: Self) -> None:
        self.count += other.count


def _blocks(
    job: Job, passes: Passes, sets: Sequence[str], weights: Sequence[float]
) -> list[ScaledBlock]:
    """Each set, scaled as the settings say, with its weight as the sum of its variances."""
    blocks = []
    for name, weight in zip(sets, weights, strict=True):
        rows = job.set(name).rows("raw")
        if job.settings.scaling == "l2":
            moments = passes.reduce(f"unit rows of {name}", rows, _UnitMoments()).moments.result()
        else:
            moments = job.set(name).column_moments
        try:
            blocks.append(weighted_block(rows.array, moments, job.settings.scaling, weight))
        except SettingsError as error:
            raise SettingsError(f"{name}: {error}") from error
    return blocks


class _UnitMoments:
    """Moments of rows made of unit length."""

    def __init__(self) -> None:
        self.moments = Moments()

    def update(self, values: np.ndarray) -> None:
        self.moments.update(unit_rows(values))

    def merge(self, other: Self) -> None:
        self.moments.merge(other.moments)


def _write_labels(
    passes: Passes, staged: StagedSet, clusterings: Sequence[StoredClustering], valid: Any
) -> list[np.ndarray]:
    """Keep the labels of clusterings with the mixture; gives the valid rows of each cluster."""
    rows = Rows(Columns([clustering.labels for clustering in clusterings]))
    labels = staged.create_labels(len(clusterings), staged.valid.chunks[0])
    passes.write("labels", rows, _unchanged, [labels])
    counts = _LabelCounts([clustering.n_clusters for clustering in clusterings])
    return passes.reduce("labels of valid rows", rows.having(valid=valid), counts).counts


def _unchanged(values: np.ndarray) -> tuple[np.ndarray]:
    return (values,)


class _LabelCounts:
    """Rows of each cluster, of several clusterings."""

    def __init__(self, n_clusters: Sequence[int]) -> None:
        self.counts = [np.zeros(k, np.int64) for k in n_clusters]

    def update(self, labels: np.ndarray) -> None:
        for count, column in zip(self.counts, labels.T, strict=True):
            count += np.bincount(column[column >= 0], minlength=len(count))

    def merge(self, other: Self) -> None:
        for count, theirs in zip(self.counts, other.counts, strict=True):
            count += theirs


def _label_blocks(
    staged: StagedSet,
    clusterings: Sequence[StoredClustering],
    counts: Sequence[np.ndarray],
    n_valid: int,
    weights: Sequence[float],
) -> list[ScaledBlock]:
    """The labels of each clustering as columns of 0 and 1.

    k-means of such rows maximises the quadratic mutual information with the clusterings: Topchy,
    A., Jain, A. K. & Punch, W. (2005). Clustering ensembles: models of consensus and weak
    partitions. IEEE Transactions on Pattern Analysis and Machine Intelligence 27(12).
    """
    blocks = []
    parts = zip(clusterings, counts, weights, strict=True)
    for number, (clustering, count, weight) in enumerate(parts):
        shares = count / n_valid
        variance = float((shares * (1 - shares)).sum())
        if not variance > 0:
            raise SettingsError(f"{clustering.path} tells no rows apart: leave the set out")
        array = Indicators(LabelColumn(staged.labels, number), len(shares))
        blocks.append(ScaledBlock(array, shares, np.full(len(shares), np.sqrt(weight / variance))))
    return blocks
