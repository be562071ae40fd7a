"""Known attributes against every clustering: agreement, labelling yield, and consistency.

Which table of attributes a comparison uses: the one that is named, or that of the last time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.choice.agreement import agreement
from streamclust.comparison.labelling_yield import (
    BYTES_A_ROW,
    FIXED_BYTES,
    GroupConsistency,
    are_elsewhere,
    known_apart,
    labelling_yield,
)
from streamclust.errors import SettingsError
from streamclust.memory import MIB, Need
from streamclust.passes.accumulators.contingency import Contingency
from streamclust.passes.blocks import Columns, Rows
from streamclust.passes.verbs import Passes
from streamclust.sources.attributes import Truth, attributes_bytes, most_values, read_attributes
from streamclust.store.clusterings import StoredClustering
from streamclust.store.images import path_blocks
from streamclust.store.job import Job
from streamclust.store.workspace import stage_array

_FILE, _COLUMNS = "attributes", "attribute_columns"


@dataclass(frozen=True)
class AttributeTable:
    """A table of attributes; with `columns`, of these alone (`read_attributes`)."""

    file: Path
    columns: tuple[str, ...] | None = None


def named_or_last(
    job: Job, file: Path | None, columns: Sequence[str] | None
) -> AttributeTable | None:
    """The table that is named, or that which `remember` kept, with other columns where these are
    named; None where there is none.

    Raises
    ------
    SettingsError
        When columns are named, but no table is, nor has been.
    """
    wanted = None if columns is None else tuple(columns)
    if file is not None:
        return AttributeTable(file, wanted)
    kept = job.workspace.root.attrs
    last = kept.get(_FILE)
    if last is not None and Path(last).is_file():
        before = kept.get(_COLUMNS)
        if wanted is None and before is not None:
            wanted = tuple(before)
        of = "" if wanted is None else f": {', '.join(wanted)}"
        job.events.note(f"with the attributes of {last}, as before{of}")
        return AttributeTable(Path(last), wanted)
    if wanted is not None:
        raise SettingsError(
            f"columns {', '.join(wanted)} of no table{f': {last} is gone' if last else ''}: "
            "name it with --attributes"
        )
    if last is not None:
        job.events.warn(f"{last} is gone: what was told of its attributes is removed")
    return None


def remember(job: Job, table: AttributeTable) -> None:
    """Keep the name of a table, and its columns if they were chosen, for `named_or_last`."""
    kept = {_FILE: str(table.file.resolve()), _COLUMNS: table.columns}
    job.workspace.root.attrs.update(kept)


STEP = "attributes"
ATTRIBUTES = (
    *("set", "algorithm", "n_clusters", "attribute", "rows", "ami", "ari", "homogeneity"),
    *("completeness", "v_measure", "consistency", "consistency_by_chance"),
)
YIELD = (
    *("set", "algorithm", "n_clusters", "attribute", "names", "yield", "low", "high"),
    *("baseline", "rows_known", "known_apart"),
)
# Clusterings, and cells of their tables, that are counted in one pass: more clusterings would make
# its blocks short. One with more cells goes alone.
MOST_CLUSTERINGS = 128
MOST_CELLS = 2**20
_CHUNK = 65_536


@dataclass(frozen=True, eq=False)
class Known:
    """Attributes of the rows of a case.

    Attributes
    ----------
    codes : Zarr array of int32, shape (n_rows, n_attributes)
        Which of the values; -1 where it is not known.
    values : dict of str to list of str
        The values of each attribute.
    totals : dict of str to ndarray of int64
        Rows of each value.
    """

    codes: Any
    values: dict[str, list[str]]
    totals: dict[str, np.ndarray]


def stage_attributes(job: Job, named: AttributeTable, staged: Any) -> Known:
    """Read a table of attributes and keep its codes in a staged group.

    Raises
    ------
    SettingsError, SourceError
        As `read_attributes`.
    MemoryBudgetError
        When it does not fit the budget.
    """
    descriptor = job.workspace.root[f"descriptors/{job.workspace.descriptors[0]}"]
    n_rows = int(descriptor.attrs["n_rows"])
    taken = attributes_bytes(named.file, n_rows, named.columns)
    needs = [Need(STEP, fixed=64 * MIB + taken)]
    with job.step(STEP, None, needs, n_rows):
        table = read_attributes(named.file, n_rows, path_blocks(job.workspace), named.columns)
        _tell(job, named, table)
        return _stage(table, n_rows, staged)


def _tell(job: Job, named: AttributeTable, table: Truth) -> None:
    file = named.file
    if table.unmatched:
        job.events.warn(
            f"{file.name}: {table.unmatched:,} of its {table.unmatched + len(table.rows):,} lines "
            f"are not in this case, such as {', '.join(table.examples)}"
        )
    tell = job.events.note if named.columns is None else job.events.warn
    for name, cause in table.skipped.items():
        tell(f"{file.name}: {name} is left out: {cause}")
    if table.dominated:
        causes = ", ".join(f"{name} ({cause})" for name, cause in table.dominated.items())
        job.events.warn(
            f"{file.name}: left out, as they say nothing of clusters: {causes}; "
            f"--columns {next(iter(table.dominated))} takes one in all the same"
        )


def _stage(table: Truth, n_rows: int, staged: Any) -> Known:
    shape = (n_rows, len(table.attributes))
    codes = stage_array(staged, "codes", shape, np.int32, _CHUNK, fill_value=-1)
    for start in range(0, n_rows, _CHUNK):
        part = slice(*np.searchsorted(table.rows, [start, start + _CHUNK]))
        block = np.full((min(_CHUNK, n_rows - start), shape[1]), -1, np.int32)
        for column, attribute in enumerate(table.attributes.values()):
            block[table.rows[part] - start, column] = attribute.codes[part]
        codes[start : start + len(block)] = block
    values = {name: attribute.values for name, attribute in table.attributes.items()}
    totals = {
        name: np.bincount(own.codes[own.codes >= 0], minlength=len(own.values))
        for name, own in table.attributes.items()
    }
    return Known(codes, values, totals)


def count_values(
    passes: Passes, clusterings: Sequence[StoredClustering], known: Known
) -> Iterator[tuple[StoredClustering, dict[str, np.ndarray]]]:
    """Each clustering with its table (values, clusters) of every attribute, of all rows."""
    n_values = [len(values) for values in known.values.values()]
    for bunch in _bunches(clusterings, sum(n_values)):
        rows = Rows(Columns([own.labels for own in bunch]), extras=(known.codes,))
        counts = Contingency(*_codings(bunch, n_values))
        tables = iter(passes.reduce("attributes", rows, counts).result())
        for own in bunch:
            yield own, {name: next(tables) for name in known.values}


def _bunches(
    clusterings: Sequence[StoredClustering], n_values: int
) -> Iterator[list[StoredClustering]]:
    """Clusterings in their order, as many together as one pass counts."""
    bunch: list[StoredClustering] = []
    cells = 0
    for own in clusterings:
        if bunch and (
            len(bunch) == MOST_CLUSTERINGS or cells + own.n_clusters * n_values > MOST_CELLS
        ):
            yield bunch
            bunch, cells = [], 0
        bunch.append(own)
        cells += own.n_clusters * n_values
    if bunch:
        yield bunch


def _codings(
    bunch: Sequence[StoredClustering], n_values: list[int]
) -> tuple[list[int], list[tuple[int, int]]]:
    """The codings of a pass, clusterings before attributes, and its pairs, in their order."""
    first = len(bunch)
    pairs = [(first + value, own) for own in range(first) for value in range(len(n_values))]
    return [*(own.n_clusters for own in bunch), *n_values], pairs


def attribute_lines(
    own: StoredClustering, tables: dict[str, np.ndarray]
) -> Iterator[dict[str, Any]]:
    """Lines of attributes.csv of one clustering."""
    for name, table in tables.items():
        yield {**_own(own, name), "rows": int(table.sum()), **agreement(table)}


def yield_lines(
    own: StoredClustering, tables: dict[str, np.ndarray], known: Known, sizes: np.ndarray
) -> Iterator[dict[str, Any]]:
    """Lines of yield.csv of one clustering, with so many rows in its clusters."""
    for name, table in tables.items():
        told = labelling_yield(table, known.totals[name], known.codes.shape[0])
        yield {
            **_own(own, name),
            "names": int(np.count_nonzero(sizes)),
            "yield": told.share,
            "low": told.low,
            "high": told.high,
            "baseline": told.baseline,
            "rows_known": told.n_known,
            "known_apart": known_apart(table.sum(axis=0), sizes),
        }


def known_elsewhere(tables: dict[str, np.ndarray], sizes: np.ndarray) -> list[str]:
    """Attributes known of rows that lie in other clusters than all rows."""
    return [name for name, table in tables.items() if are_elsewhere(table.sum(axis=0), sizes)]


def consistency_lines(
    job: Job, group: str, groups: np.ndarray, clusterings: Sequence[StoredClustering]
) -> Iterator[dict[str, Any]]:
    """Lines of attributes.csv on how consistent each clustering is within groups of rows."""
    siblings = GroupConsistency(groups)
    for own in job.events.track(clusterings, f"within each {group}", len(clusterings), "k"):
        share, chance, n_rows = siblings.shares(own.labels[...], job.settings.random_state)
        told = {"rows": n_rows, "consistency": share, "consistency_by_chance": chance}
        yield {**_own(own, group), **told}


def _own(own: StoredClustering, attribute: str) -> dict[str, Any]:
    return {
        "set": own.set_name,
        "algorithm": own.algorithm,
        "n_clusters": own.n_clusters,
        "attribute": attribute,
    }


def attribute_needs(
    step: str, table: AttributeTable | None, n_rows: int, clusterings: Sequence[StoredClustering]
) -> list[Need]:
    """Memory of the groups of all rows, of blocks of labels, and of their tables.

    Raises
    ------
    SettingsError, SourceError
        When the table's header cannot be used.
    """
    needs = [Need(f"{step} of groups", fixed=n_rows * BYTES_A_ROW + FIXED_BYTES)]
    if table is not None:
        bunch = clusterings[:MOST_CLUSTERINGS]
        block = 3 * Rows(Columns([own.labels for own in bunch])).rows_a_block * 4 * len(bunch)
        values = most_values(table.file, table.columns)
        most = max(own.n_clusters for own in clusterings) * values
        tables = 8 * max(MOST_CELLS, most)
        needs.append(Need(f"{step} of labels", fixed=3 * tables, per_block=block + tables))
    return needs
