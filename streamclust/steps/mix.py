"""Mixtures: several sets, or the labels of their clusterings, as one set like any other."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from streamclust.accumulators.moments import Moments
from streamclust.errors import SettingsError
from streamclust.memory import MIB, Budget, Need
from streamclust.models.joined import Block, Indicators, Joined, weighted_block
from streamclust.models.scaling import unit_rows
from streamclust.models.sums import PCASums
from streamclust.passes import Passes, Rows
from streamclust.settings import AUTO, Settings
from streamclust.steps.ingest import BLOCKS_A_TASK
from streamclust.steps.job import Job
from streamclust.steps.mixing_weights import find_weights
from streamclust.steps.raw import DESCRIPTORS, LABELS, LabelColumn, is_mixture
from streamclust.steps.sums import (
    empty_sums,
    is_sketched,
    load_moments,
    n_vectors,
    store_sums,
    sums_bytes,
)
from streamclust.steps.tables import choose
from streamclust.workspace import fingerprint, stage_array, store_array

STEP = "mix"
_LABEL_CHUNK = 65_536


@dataclass(frozen=True)
class Mixture:
    """What to mix.

    Parameters
    ----------
    sets : sequence of str
        Two or more.
    weights : "auto", or sequence of float, optional
        Shares of the variance that the sets get, relative to each other; equal ones by default.
            auto searches them: `streamclust.steps.mixing_weights`.
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
        twice = sorted({name for name in self.sets if self.sets.count(name) > 1})
        if twice:
            raise SettingsError(f"{', '.join(twice)} is named twice: name each set once")
        if len(self.sets) < 2:
            raise SettingsError("a mixture takes two sets at least: --sets a,b")
        if self.name is not None and (not self.name or set(self.name) & set("/\\\0,")):
            raise SettingsError(f"name={self.name!r} must be a name without slashes and commas")
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
        return self.name or (f"consensus-{joined}" if self.consensus else joined)


def mix(job: Job, mixture: Mixture) -> str:
    """Make a mixture, unless it is there; gives the name of its set.

    Raises
    ------
    SettingsError
        When a set is not there, a mixture itself, of equal rows or not clustered, or the name
        is that of a set which is no mixture.
    MemoryBudgetError
        When it does not fit the budget.
    """
    _check(job, mixture)
    name = mixture.own_name
    path = f"descriptors/{name}"
    sources = [_source(job, mixture, one) for one in mixture.sets]
    told: dict[str, Any] = {
        "of": LABELS if mixture.consensus else DESCRIPTORS,
        "sets": list(mixture.sets),
        "made_of": [job.workspace.fingerprint_of(source) for source in sources],
        "scaling": None if mixture.consensus else job.settings.scaling,
    }
    seed = job.settings.random_state if mixture.weights == AUTO else None
    mark = fingerprint(STEP, 1, told, mixture.weights, seed)
    if job.workspace.restore(path, mark):
        job.skip(STEP, name)
        return name
    if mixture.weights == AUTO:
        told["weights"], told["searched"] = find_weights(job, mixture.sets)
    else:
        told["weights"] = list(mixture.weights or (1.0,) * len(mixture.sets))
    n_columns = sum(_n_columns(job, source) for source in sources)
    n_rows = int(job.workspace.root[f"descriptors/{mixture.sets[0]}"].attrs["n_rows"])
    rows = Rows(_Shape((n_rows, n_columns)))
    needs = mix_needs(name, rows, job.settings)
    with job.step(STEP, name, needs, n_rows) as passes, job.workspace.staging() as staged:
        if mixture.consensus:
            blocks = _label_blocks(job, passes, staged, sources, told["weights"])
        else:
            blocks = _blocks(job, passes, mixture.sets, told["weights"])
        _store(job, passes, staged, mixture.sets, blocks)
        staged.attrs.update(source={"name": name, "mixture": told}, mixture=told)
        job.workspace.publish(staged, path, mark)
    return name


def mix_needs(name: str, rows: Rows, settings: Settings) -> list[Need]:
    """Memory of the scatter of all columns, and of a block that is put together."""
    n_columns = rows.n_columns
    sketched = is_sketched(n_columns, Budget(settings.memory_bytes))
    total = 8 * n_columns * (2 * n_vectors(settings, n_columns) if sketched else n_columns)
    block = rows.rows_a_block * n_columns * rows.array.dtype.itemsize
    sums = sums_bytes(rows, settings, sketched)
    return [Need(f"{STEP} of {name}", fixed=total + 32 * MIB, per_block=3 * block + sums)]


@dataclass(frozen=True)
class _Shape:
    """The shape and type of rows that are yet to be put together."""

    shape: tuple[int, int]
    dtype: np.dtype = Joined.dtype


def _check(job: Job, mixture: Mixture) -> None:
    workspace = job.workspace
    stored = workspace.descriptors
    missing = [name for name in mixture.sets if name not in stored]
    if missing:
        raise SettingsError(
            f"no descriptor set {', '.join(missing)} in {workspace.folder}: "
            f"there are {', '.join(stored) or 'none'}"
        )
    mixed = [name for name in mixture.sets if is_mixture(workspace, name)]
    if mixed and not mixture.consensus:
        raise SettingsError(f"{', '.join(mixed)} is a mixture: name the sets that it mixes")
    name = mixture.own_name
    if name in stored and not is_mixture(workspace, name):
        raise SettingsError(f"{name} is a set of this case: give the mixture another --name")


def _source(job: Job, mixture: Mixture, name: str) -> str:
    """Where in the store that is which a set brings into the mixture."""
    if not mixture.consensus:
        return f"descriptors/{name}"
    clustering, _ = choose(job.workspace, name)
    if clustering is None:
        raise SettingsError(
            f"{name} has no recommended clustering to agree with: run streamclust cluster and "
            "measure, or leave it out"
        )
    return f"descriptors/{name}/clusterings/{clustering}"


def _n_columns(job: Job, source: str) -> int:
    attributes = job.workspace.root[source].attrs
    return int(attributes["n_clusters" if "n_clusters" in attributes else "n_columns"])


def _blocks(job: Job, passes: Passes, sets: Sequence[str], weights: Sequence[float]) -> list[Block]:
    """Each set, scaled as the settings say, with its weight as the sum of its variances."""
    blocks = []
    for name, weight in zip(sets, weights, strict=True):
        rows = job.rows_of(name, "raw")
        if job.settings.scaling == "l2":
            moments = passes.reduce(f"unit rows of {name}", rows, _UnitMoments()).moments.result()
        else:
            moments = load_moments(job.workspace.root[f"descriptors/{name}/moments"])
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


def _label_blocks(
    job: Job, passes: Passes, staged: Any, sources: Sequence[str], weights: Sequence[float]
) -> list[Block]:
    """The labels of each clustering as columns of 0 and 1, kept with the mixture.

    k-means of such rows maximises the quadratic mutual information with the clusterings: Topchy,
    A., Jain, A. K. & Punch, W. (2005). Clustering ensembles: models of consensus and weak
    partitions. IEEE Transactions on Pattern Analysis and Machine Intelligence 27(12).
    """
    clusterings = [job.workspace.root[source] for source in sources]
    n_rows = clusterings[0]["labels"].shape[0]
    shape = (n_rows, len(sources))
    labels = stage_array(
        staged, "labels", shape, np.int32, min(n_rows, _LABEL_CHUNK), fill_value=-1, compress=True
    )
    for start in range(0, n_rows, labels.chunks[0]):
        part = slice(start, min(start + labels.chunks[0], n_rows))
        labels[part] = np.stack([own["labels"][part] for own in clusterings], axis=1)
    blocks = []
    for number, (clustering, weight) in enumerate(zip(clusterings, weights, strict=True)):
        shares = clustering["sizes"][...] / n_rows
        factor = np.full(len(shares), np.sqrt(weight / max((shares * (1 - shares)).sum(), 1e-9)))
        array = Indicators(LabelColumn(labels, number), len(shares))
        blocks.append(Block(array, shares, factor))
    return blocks


def _store(
    job: Job, passes: Passes, staged: Any, sets: Sequence[str], blocks: Sequence[Block]
) -> None:
    """What ingest keeps of a set: valid rows and sums; in place of raw rows what makes them."""
    group = staged.create_group("blocks")
    for number, block in enumerate(blocks):
        own = group.create_group(str(number), attributes={"unit": block.unit})
        store_array(own, "center", block.center)
        store_array(own, "factor", block.factor)
    rows = Rows(Joined(blocks))
    chunk = min(rows.n_rows, _LABEL_CHUNK)
    valid = stage_array(staged, "valid", (rows.n_rows,), bool, chunk, fill_value=True)
    masks = [rows_of.valid for rows_of in (job.rows_of(n, "raw") for n in sets)]
    masks = [mask for mask in masks if mask is not None]
    n_invalid = 0
    for start in range(0, rows.n_rows if masks else 0, chunk):
        part = slice(start, min(start + chunk, rows.n_rows))
        valid[part] = both = np.logical_and.reduce([mask[part] for mask in masks])
        n_invalid += int(np.count_nonzero(~both))
    if n_invalid == rows.n_rows:
        raise SettingsError(f"no row is valid in all of {', '.join(sets)}")
    rows = rows.having(valid=valid if n_invalid else None)
    empty = empty_sums(job.settings, rows.n_columns)
    sums: PCASums = passes.reduce("summing", rows, empty, BLOCKS_A_TASK)
    store_sums(staged, sums)
    staged.attrs.update(
        n_rows=rows.n_rows, n_columns=rows.n_columns, n_invalid=n_invalid, sketched=sums.sketched
    )
