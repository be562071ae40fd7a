"""Known attributes against every clustering: agreement, labelling yield, and consistency."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

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
from streamclust.metrics import agreement
from streamclust.passes import Columns, Passes, Rows
from streamclust.passes.accumulators import Contingency
from streamclust.sources import Truth, attributes_bytes, most_values, read_attributes
from streamclust.steps import Job
from streamclust.store import (
    AttributeTable,
    StoredClustering,
    last_table,
    n_rows_of_case,
    path_blocks,
    stage_codes,
)

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


@dataclass(frozen=True, eq=False)
class KnownAttributes:
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


def named_or_last(
    job: Job, file: Path | None, columns: Sequence[str] | None
) -> AttributeTable | None:
    """The table that is named, or that which was used last, with other columns where these are
    named; None where there is none.

    Raises
    ------
    SettingsError
        When columns are named, but no table is, nor has been.
    """
    wanted = None if columns is None else tuple(columns)
    if file is not None:
        return AttributeTable(file, wanted)
    last = last_table(job.workspace)
    if last is not None and last.file.is_file():
        table = last if wanted is None else AttributeTable(last.file, wanted)
        of = "" if table.columns is None else f": {', '.join(table.columns)}"
        job.events.note(f"with the attributes of {table.file}, as before{of}")
        return table
    if wanted is not None:
        gone = "" if last is None else f": {last.file} is gone"
        raise SettingsError(
            f"columns {', '.join(wanted)} of no table{gone}: name it with --attributes"
        )
    if last is not None:
        job.events.warn(f"{last.file} is gone: what was told of its attributes is removed")
    return None


def stage_attributes(job: Job, named: AttributeTable, staged: Any) -> KnownAttributes:
    """Read a table of attributes and keep its codes in a staged group.

    Raises
    ------
    SettingsError, SourceError
        As `read_attributes`.
    """
    n_rows = n_rows_of_case(job.workspace)
    table = read_attributes(named.file, n_rows, path_blocks(job.workspace), named.columns)
    _warn_of(job, named, table)
    return _stage(table, n_rows, staged)


def _warn_of(job: Job, named: AttributeTable, table: Truth) -> None:
    file = named.file
    if table.unmatched:
        job.events.warn(
            f"{file.name}: {table.unmatched:,} of its {table.unmatched + table.matched:,} lines "
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


def _stage(table: Truth, n_rows: int, staged: Any) -> KnownAttributes:
    columns = {name: attribute.codes for name, attribute in table.attributes.items()}
    codes = stage_codes(staged, table.rows, columns, n_rows)
    values = {name: attribute.values for name, attribute in table.attributes.items()}
    totals = {
        name: np.bincount(column[column >= 0], minlength=len(values[name]))
        for name, column in columns.items()
    }
    return KnownAttributes(codes, values, totals)


def count_values(
    passes: Passes, clusterings: Sequence[StoredClustering], known: KnownAttributes
) -> Iterator[tuple[StoredClustering, dict[str, np.ndarray]]]:
    """Each clustering with its table (values, clusters) of every attribute, of all rows."""
    n_values = [len(values) for values in known.values.values()]
    for bunch in _bunches(clusterings, sum(n_values)):
        rows = Rows(Columns([one.labels for one in bunch]), extras=(known.codes,))
        counts = Contingency(*_codings(bunch, n_values))
        tables = iter(passes.reduce("attributes", rows, counts).result())
        for clustering in bunch:
            yield clustering, {name: next(tables) for name in known.values}


def _bunches(
    clusterings: Sequence[StoredClustering], n_values: int
) -> Iterator[list[StoredClustering]]:
    """Clusterings in their order, as many together as one pass counts."""
    bunch: list[StoredClustering] = []
    cells = 0
    for clustering in clusterings:
        more = clustering.n_clusters * n_values
        if bunch and (len(bunch) == MOST_CLUSTERINGS or cells + more > MOST_CELLS):
            yield bunch
            bunch, cells = [], 0
        bunch.append(clustering)
        cells += more
    if bunch:
        yield bunch


def _codings(
    bunch: Sequence[StoredClustering], n_values: list[int]
) -> tuple[list[int], list[tuple[int, int]]]:
    """The codings of a pass, clusterings before attributes, and its pairs, in their order."""
    first = len(bunch)
    values = range(first, first + len(n_values))
    pairs = [(value, clustering) for clustering in range(first) for value in values]
    return [*(one.n_clusters for one in bunch), *n_values], pairs


def attribute_lines(
    clustering: StoredClustering, tables: dict[str, np.ndarray]
) -> Iterator[dict[str, Any]]:
    """Lines of attributes.csv of one clustering."""
    for name, table in tables.items():
        yield {**_about(clustering, name), "rows": int(table.sum()), **agreement(table)}


def yield_lines(
    clustering: StoredClustering,
    tables: dict[str, np.ndarray],
    known: KnownAttributes,
    sizes: np.ndarray,
) -> Iterator[dict[str, Any]]:
    """Lines of yield.csv of one clustering, with so many rows in its clusters."""
    for name, table in tables.items():
        worth = labelling_yield(table, known.totals[name], known.codes.shape[0])
        yield {
            **_about(clustering, name),
            "names": int(np.count_nonzero(sizes)),
            "yield": worth.share,
            "low": worth.low,
            "high": worth.high,
            "baseline": worth.baseline,
            "rows_known": worth.n_known,
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
    for clustering in job.events.track(clusterings, f"within each {group}", len(clusterings), "k"):
        share, chance, n_rows = siblings.shares(clustering.labels[...], job.settings.random_state)
        measured = {"rows": n_rows, "consistency": share, "consistency_by_chance": chance}
        yield {**_about(clustering, group), **measured}


def _about(clustering: StoredClustering, attribute: str) -> dict[str, Any]:
    return {
        "set": clustering.set_name,
        "algorithm": clustering.algorithm,
        "n_clusters": clustering.n_clusters,
        "attribute": attribute,
    }


def attribute_needs(
    table: AttributeTable | None, n_rows: int, clusterings: Sequence[StoredClustering]
) -> list[Need]:
    """Memory of the table of attributes as it is read, of the groups of all rows, of blocks of
    labels, and of their tables.

    Raises
    ------
    SettingsError, SourceError
        When the table's header cannot be used.
    """
    needs = [Need(fixed=n_rows * BYTES_A_ROW + FIXED_BYTES)]
    if table is not None:
        needs.append(Need(fixed=64 * MIB + attributes_bytes(table.file, n_rows, table.columns)))
        bunch = clusterings[:MOST_CLUSTERINGS]
        block = 3 * Rows(Columns([one.labels for one in bunch])).rows_a_block * 4 * len(bunch)
        values = most_values(table.file, table.columns)
        most = max(one.n_clusters for one in clusterings) * values
        tables = 8 * max(MOST_CELLS, most)
        needs.append(Need(fixed=3 * tables, per_block=block + tables))
    return needs
