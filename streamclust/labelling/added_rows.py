"""Rows added to a stored set: raw rows, sums and projection go on where they ended."""

from typing import Any

import numpy as np

from streamclust.choice.tables import choose
from streamclust.errors import SourceError
from streamclust.memory import MIB, Need
from streamclust.passes.accumulators.covariance import Covariance, Scatter, compute_dtype
from streamclust.passes.blocks import Part, Rows, Shape, Stacked
from streamclust.passes.verbs import Passes
from streamclust.reduction.ingestion import (
    BLOCKS_A_TASK,
    finite_rows,
    invalid_message,
    source_attributes,
)
from streamclust.reduction.step import Project, load_components, load_projection, reduced_chunk
from streamclust.reduction.stored_sums import (
    empty_like,
    load_moments,
    load_scatter,
    load_sums,
    store_sums,
    sums_bytes,
)
from streamclust.reduction.variance_held import held_shares
from streamclust.settings import Settings
from streamclust.sources.readers import ArraySource
from streamclust.store.job import Job
from streamclust.store.links import extend_array, link_group
from streamclust.store.workspace import store_array

STEP = "add rows"
# Of the variance of all rows, held by the stored components less than by new ones: from so many
# on it is worth a run on all rows from scratch.
CLEARLY_LESS = 0.02


def add_rows(job: Job, made: Any, descriptor: str, source: ArraySource) -> None:
    """Write a stored set with further rows into a staged group; its projection stays.

    Parameters
    ----------
    job : Job
    made : Zarr group
        Staged, empty.
    descriptor : str
    source : ArraySource
        Of the set's width and type.

    Raises
    ------
    SourceError
        For rows with NaN or infinity, unless they are to be masked.
    MemoryBudgetError
        When it does not fit the budget.
    """
    old = job.workspace.root[f"descriptors/{descriptor}"]
    needs = add_needs(descriptor, old, source, job.settings)
    with job.step(STEP, descriptor, needs, len(source)) as passes:
        _add_raw(passes, made, old, source)
        n_invalid = _add_sums(passes, made, old)
        _check_invalid(job, made, old, source, n_invalid)
        _add_reduced(passes, made, old)
        _tell_held(job, descriptor, made)
    added = {"source": source_attributes(source), "first_row": old["raw"].shape[0]}
    added["n_invalid"] = n_invalid
    added["recommended"] = choose(job.workspace, descriptor)[0]
    kept = {name: old.attrs[name] for name in ("source", "n_columns", "sketched")}
    made.attrs.update(
        **kept,
        n_rows=made["raw"].shape[0],
        n_invalid=old.attrs["n_invalid"] + n_invalid,
        added=[*old.attrs.get("added", []), added],
    )


def add_needs(descriptor: str, old: Any, source: ArraySource, settings: Settings) -> list[Need]:
    """Memory of a block as it is read and written, of its statistics beside the stored ones, and
    of the decomposition that tells what the components hold."""
    rows = _all_rows(old, source)
    n_columns, itemsize = rows.n_columns, source.dtype.itemsize
    block = rows.rows_a_block * n_columns * itemsize
    sketched = bool(old.attrs["sketched"])
    shape = old["moments/product" if sketched else "moments/scatter"].shape
    total = 8 * n_columns * shape[1] * (2 if sketched else 1)
    most = old["reduced"].shape[1]
    out = reduced_chunk(rows, most) * most * compute_dtype(source.dtype).itemsize
    name = f"{STEP} of {source.path.name}"
    return [
        Need(name, fixed=2 * total, per_block=3 * block + sums_bytes(rows, settings, sketched)),
        Need(name, fixed=4 * 8 * n_columns * most, per_block=2 * block + 4 * out + 8 * MIB),
        Need(name, fixed=3 * total + 4 * 8 * n_columns * most),
    ]


def _all_rows(old: Any, source: ArraySource) -> Rows:
    return Rows(Shape((old["raw"].shape[0] + len(source), source.shape[1]), source.dtype))


def new_part(made: Any, name: str, first: int) -> Rows:
    """The rows of a staged set from `first` on, with the invalid ones masked."""
    return Rows(
        Part(made[name], first), Part(made["valid"], first), rows_a_block=made[name].chunks[0]
    )


def _add_raw(passes: Passes, made: Any, old: Any, source: ArraySource) -> None:
    rows = _all_rows(old, source)
    n_old, chunk = old["raw"].shape[0], rows.rows_a_block
    raw, first = extend_array(made, "raw", old["raw"], rows.n_rows, chunk)
    valid, _ = extend_array(made, "valid", old["valid"], rows.n_rows, chunk)
    joined = Rows(Stacked([Part(old["raw"], first, n_old), source]), rows_a_block=chunk)
    outputs = Part(raw, first), Part(valid, first)
    passes.write("reading new rows", joined, finite_rows, outputs, blocks_a_task=BLOCKS_A_TASK)


def _add_sums(passes: Passes, made: Any, old: Any) -> int:
    """Sums of all rows, of which the new ones alone are read; how many of these are invalid."""
    known = load_sums(old["moments"])
    new = new_part(made, "raw", old["raw"].shape[0])
    seen = passes.reduce("summing new rows", new, empty_like(known), BLOCKS_A_TASK)
    known.merge(seen)
    store_sums(made, known)
    return new.n_rows - seen.moments.count


def _check_invalid(job: Job, made: Any, old: Any, source: ArraySource, n_invalid: int) -> None:
    if not n_invalid:
        return
    new = new_part(made, "raw", old["raw"].shape[0])
    if n_invalid == new.n_rows:
        raise SourceError(f"{source.path}: every row holds NaN or infinity")
    if job.settings.invalid == "error":
        raise SourceError(invalid_message(source.path, new, new.valid, n_invalid))
    job.events.warn(f"{source.path.name}: {n_invalid} rows masked, with label -1")


def _add_reduced(passes: Passes, made: Any, old: Any) -> None:
    before, n_old = old["reduced"], old["reduced"].shape[0]
    raw = Rows(made["raw"], rows_a_block=made["raw"].chunks[0])
    chunk = reduced_chunk(raw, before.shape[1])
    reduced, first = extend_array(made, "reduced", before, raw.n_rows, chunk)
    projection = Project(load_projection(old["pca"]))
    with np.errstate(invalid="ignore", over="ignore"):
        rows = new_part(made, "raw", first)
        passes.write("projecting new rows", rows, projection, (Part(reduced, first),))
    # To the last bit as they were, in blocks of whatever size.
    reduced[first:n_old] = before[first:n_old]
    seen = passes.reduce("summing reduced rows", new_part(made, "reduced", n_old), Covariance())
    link_group(made, "pca", old["pca"], without=("reduced_mean", "reduced_scatter"))
    total = Covariance.going_on(_reduced_scatter(old))
    total.merge(seen)
    store_array(made["pca"], "reduced_mean", total.result().mean)
    store_array(made["pca"], "reduced_scatter", total.result().scatter)


def _reduced_scatter(group: Any) -> Scatter:
    count = int(group.attrs["n_rows"] - group.attrs["n_invalid"])
    return Scatter(count, group["pca/reduced_mean"][...], group["pca/reduced_scatter"][...])


def _tell_held(job: Job, descriptor: str, made: Any) -> None:
    """Say how much of the variance of all rows the stored components hold."""
    principal = load_components(made["pca"])
    if principal.scaling == "l2":
        return  # the sums are of the rows as they are, not of unit length
    held, best = held_shares(
        load_scatter(made["moments"]),
        load_moments(made["moments"]),
        principal.components,
        principal.scale,
    )
    made["pca"].attrs.update(held=held, best=best)
    words = (
        f"{descriptor}: its {principal.n_components} components hold {held:.1%} of the variance of "
        f"all rows, new ones would hold {best:.1%}"
    )
    if best - held >= CLEARLY_LESS:
        job.events.warn(f"{words}: a run on all rows from scratch would see more")
    else:
        job.events.note(words)
