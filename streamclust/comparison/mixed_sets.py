"""Mixed sets: several sets, or the labels of their clusterings, as one set like any other."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from streamclust.choice.tables import choose
from streamclust.comparison.mixing_weights import find_weights
from streamclust.errors import SettingsError
from streamclust.memory import MIB, Budget, Need
from streamclust.passes.accumulators.moments import Moments
from streamclust.passes.blocks import Rows, Shape
from streamclust.passes.scaling import unit_rows
from streamclust.passes.side_by_side import Block, Indicators, Joined, weighted_block
from streamclust.passes.verbs import Passes
from streamclust.reduction.ingestion import BLOCKS_A_TASK
from streamclust.reduction.sums import PCASums, empty_sums, is_sketched, n_vectors, sums_bytes
from streamclust.settings import AUTO, Settings
from streamclust.store.descriptors import DESCRIPTORS, LABELS, LabelColumn, is_mixed
from streamclust.store.job import Job
from streamclust.store.sums import load_moments, save_sums
from streamclust.store.workspace import fingerprint, stage_array, store_array

STEP = "mix"
_LABEL_CHUNK = 65_536
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


def mix(job: Job, mixture: MixedSet) -> str:
    """Make a mixed set, unless it is there; gives the name of its set.

    Raises
    ------
    SettingsError
        When a set is not there, a mixed one itself, of equal rows or not clustered, or the name
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
        "sources": sources,
        "made_of": [job.workspace.fingerprint_of(source) for source in sources],
        "scaling": None if mixture.consensus else job.settings.scaling,
    }
    searched = _searched(job, mixture) if mixture.weights == AUTO else None
    mark = fingerprint(STEP, 2, told, mixture.weights, searched)
    if job.workspace.restore(path, mark):
        job.skip(STEP, name)
        return name
    if mixture.weights == AUTO:
        told["weights"], told["searched"] = find_weights(job, mixture.sets)
    else:
        told["weights"] = list(mixture.weights or (1.0,) * len(mixture.sets))
    rows = mixed_shape(job, mixture)
    n_rows = rows.n_rows
    needs = mix_needs(name, rows, job.settings)
    with job.step(STEP, name, needs, n_rows) as passes, job.workspace.staging() as staged:
        valid = _store_valid(job, staged, mixture.sets, n_rows)
        if mixture.consensus:
            blocks = _label_blocks(job, staged, sources, valid, told["weights"])
        else:
            blocks = _blocks(job, passes, mixture.sets, told["weights"])
        _store(job, passes, staged, blocks, valid)
        staged.attrs.update(source={"name": name, "mixture": told}, mixture=told)
        job.workspace.publish(staged, path, mark)
    return name


def mixed_shape(job: Job, mixture: MixedSet) -> Rows:
    """The rows that a mixture will have, before any is put together.

    Raises
    ------
    SettingsError
        As `mix`.
    """
    _check(job, mixture)
    n_columns = sum(_n_columns(job, _source(job, mixture, name)) for name in mixture.sets)
    n_rows = int(job.workspace.root[f"descriptors/{mixture.sets[0]}"].attrs["n_rows"])
    return Rows(Shape((n_rows, n_columns), Joined.dtype))


def mix_needs(name: str, rows: Rows, settings: Settings) -> list[Need]:
    """Memory of the scatter of all columns, and of a block that is put together."""
    n_columns = rows.n_columns
    sketched = is_sketched(n_columns, Budget(settings.memory_bytes))
    total = 8 * n_columns * (2 * n_vectors(settings, n_columns) if sketched else n_columns)
    block = rows.rows_a_block * n_columns * rows.array.dtype.itemsize
    sums = sums_bytes(rows, settings, sketched)
    return [Need(f"{STEP} of {name}", fixed=total + 32 * MIB, per_block=3 * block + sums)]


def _check(job: Job, mixture: MixedSet) -> None:
    workspace = job.workspace
    stored = workspace.descriptors
    missing = [name for name in mixture.sets if name not in stored]
    if missing:
        raise SettingsError(
            f"no descriptor set {', '.join(missing)} in {workspace.folder}: "
            f"there are {', '.join(stored) or 'none'}"
        )
    mixed = [name for name in mixture.sets if is_mixed(workspace, name)]
    if mixed and not mixture.consensus:
        raise SettingsError(f"{', '.join(mixed)} is a mixed set: name the sets that it mixes")
    name = mixture.own_name
    if name in stored and not is_mixed(workspace, name):
        raise SettingsError(f"{name} is a set of this case: give the mixed set another --name")


def _source(job: Job, mixture: MixedSet, name: str) -> str:
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


def _searched(job: Job, mixture: MixedSet) -> list[Any]:
    """What a search for weights reads beside the descriptors."""
    root = "descriptors/{}/reduced"
    reduced = [job.workspace.fingerprint_of(root.format(name)) for name in mixture.sets]
    chosen = [choose(job.workspace, name)[0] for name in mixture.sets]
    return [job.settings.random_state, reduced, chosen]


def _is_name(name: str) -> bool:
    folder = name.strip() == name != "" and name not in (".", "..")
    return (
        folder
        and name.isprintable()
        and not set(name) & set("/\\,")
        and (len(name.encode()) <= _LONGEST_NAME)
    )


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
    job: Job, staged: Any, sources: Sequence[str], valid: Any, weights: Sequence[float]
) -> list[Block]:
    """The labels of each clustering as columns of 0 and 1, kept with the mixture.

    k-means of such rows maximises the quadratic mutual information with the clusterings: Topchy,
    A., Jain, A. K. & Punch, W. (2005). Clustering ensembles: models of consensus and weak
    partitions. IEEE Transactions on Pattern Analysis and Machine Intelligence 27(12).
    """
    clusterings = [job.workspace.root[source] for source in sources]
    n_rows, chunk = valid.shape[0], valid.chunks[0]
    shape = (n_rows, len(sources))
    labels = stage_array(staged, "labels", shape, np.int32, chunk, fill_value=-1, compress=True)
    counts = [np.zeros(own["sizes"].shape) for own in clusterings]
    n_valid = 0
    for start in range(0, n_rows, chunk):
        part = slice(start, min(start + chunk, n_rows))
        labels[part] = held = np.stack([own["labels"][part] for own in clusterings], axis=1)
        told = held[valid[part]]
        n_valid += len(told)
        for count, column in zip(counts, told.T, strict=True):
            count += np.bincount(column[column >= 0], minlength=len(count))
    blocks = []
    for number, (count, weight) in enumerate(zip(counts, weights, strict=True)):
        shares = count / n_valid
        variance = float((shares * (1 - shares)).sum())
        if not variance > 0:
            raise SettingsError(f"{sources[number]} tells no rows apart: leave the set out")
        array = Indicators(LabelColumn(labels, number), len(shares))
        blocks.append(Block(array, shares, np.full(len(shares), np.sqrt(weight / variance))))
    return blocks


def _store_valid(job: Job, staged: Any, sets: Sequence[str], n_rows: int) -> Any:
    """Which rows are valid in all sets."""
    chunk = min(n_rows, _LABEL_CHUNK)
    valid = stage_array(staged, "valid", (n_rows,), bool, chunk, fill_value=True)
    masks = [mask for mask in (job.rows_of(name, "raw").valid for name in sets) if mask is not None]
    n_valid = 0
    for start in range(0, n_rows, chunk):
        part = slice(start, min(start + chunk, n_rows))
        both = np.logical_and.reduce([mask[part] for mask in masks]) if masks else valid[part]
        valid[part] = both
        n_valid += int(np.count_nonzero(both))
    if n_valid == 0:
        raise SettingsError(f"no row is valid in all of {', '.join(sets)}")
    staged.attrs["n_invalid"] = n_rows - n_valid
    return valid


def _store(job: Job, passes: Passes, staged: Any, blocks: Sequence[Block], valid: Any) -> None:
    """What ingest keeps of a set, its sums; in place of raw rows what makes them."""
    group = staged.create_group("blocks")
    for number, block in enumerate(blocks):
        own = group.create_group(str(number), attributes={"unit": block.unit})
        store_array(own, "center", block.center)
        store_array(own, "factor", block.factor)
    rows = Rows(Joined(blocks), valid=valid if staged.attrs["n_invalid"] else None)
    empty = empty_sums(job.settings, rows.n_columns)
    sums: PCASums = passes.reduce("summing", rows, empty, BLOCKS_A_TASK)
    save_sums(staged, sums.moments.result(), sums.scatter.result())
    staged.attrs.update(n_rows=rows.n_rows, n_columns=rows.n_columns, sketched=sums.sketched)
