"""Descriptor sets compared: their clusterings, on equal footing, with each other, with attributes.

Stored, and written for people, are:

- ``comparison.csv``: a line a set, its recommended clustering with the indices of `measure`, its
  readability where it was described, and on equal footing (`equal_footing`).
- ``agreement.csv``: a line for the labels of each set in the space of each set, itself too, of the
  recommended clusterings and of those with one number of clusters (``same``): adjusted mutual
  information and Rand index of both sets' labels, and the internal indices in that space.
- ``contingency.csv``: rows that each cluster of a recommended clustering shares with those of
  other sets, and with the values of attributes; cells that are not empty.
- ``attributes.csv``: agreement of every clustering with every attribute, and its consistency
  within groups of rows, such as folders.
- ``mixing.csv``: each mixed set against the best of its sets.
- ``yield.csv``: what naming the clusters of every clustering gives.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from streamclust.choice import measured, of_same_number, sound
from streamclust.comparison.attributes import (
    ATTRIBUTES,
    YIELD,
    KnownAttributes,
    attribute_lines,
    attribute_needs,
    consistency_lines,
    count_values,
    known_elsewhere,
    stage_attributes,
    yield_lines,
)
from streamclust.comparison.between_sets import (
    CONTINGENCY,
    FOOTING,
    Tables,
    agreement_lines,
    cells,
    count_shared,
    crosswise_needs,
    equal_footing,
    footing_needs,
    indices_in_space,
    set_cells,
)
from streamclust.comparison.mixing_gain import COLUMNS as MIXING
from streamclust.comparison.mixing_gain import gain_lines, gains_in_words
from streamclust.errors import SettingsError
from streamclust.images import files_mark, groups
from streamclust.memory import Need
from streamclust.passes import Passes
from streamclust.sources import fingerprint as file_fingerprint
from streamclust.steps import Job
from streamclust.store import (
    AttributeTable,
    StoredClustering,
    StoredTables,
    Workspace,
    description_fingerprint,
    fingerprint,
    load_description,
    paths_fingerprint,
    recommended_clusterings,
    sources,
    stored_clusterings,
    stored_groups,
    stored_tables,
)

STEP = "compare"
COMPARISON_FILE, AGREEMENT_FILE = "comparison.csv", "agreement.csv"
CONTINGENCY_FILE, ATTRIBUTES_FILE, YIELD_FILE = "contingency.csv", "attributes.csv", "yield.csv"
MIXING_FILE = "mixing.csv"
MEASURED = (
    *("algorithm", "n_clusters", "calinski_harabasz", "davies_bouldin", "silhouette_simplified"),
    *("silhouette", "explained", "smallest_cluster", "largest_cluster"),
)
COMPARISON = (
    *("set", "rows", "columns", "components", "variance", *MEASURED, "readability"),
    *FOOTING,
)
AGREEMENT = (
    *("clusterings", "labels", "space", "algorithm", "n_clusters", "rows", "ami", "ari"),
    *("calinski_harabasz", "davies_bouldin", "silhouette_simplified"),
)
# Columns and lines.
Table = tuple[Sequence[str], Iterable[dict[str, Any]]]


def compare(job: Job, attributes: AttributeTable | None = None) -> None:
    """Compare the chosen descriptor sets and write the tables, unless that is done.

    Parameters
    ----------
    job : Job
    attributes : AttributeTable, optional
        What is known of images: `streamclust.sources.attributes.read_attributes`. Without it
        ``yield.csv`` is removed, and ``attributes.csv`` tells of groups of rows alone.

    Raises
    ------
    SettingsError
        When no set has a recommended clustering, or the table has no such column.
    SourceError
        When the table of attributes cannot be used. Both before any pass.
    MemoryBudgetError
        When it does not fit the budget.
    """
    asked = job.chosen()
    names = [name for name in asked if job.set(name).reduced is not None]
    if len(names) < len(asked):
        left = ", ".join(sorted(set(asked) - set(names)))
        job.events.warn(f"{left}: not reduced yet, left out (streamclust reduce, cluster, measure)")
    chosen = recommended_clusterings(job.workspace, names)
    if not chosen:
        raise SettingsError(
            f"no set of {job.workspace.folder} has a recommended clustering: run streamclust "
            "cluster and measure first"
        )
    clusterings = [one for name in names for one in stored_clusterings(job.workspace, name)]
    if attributes is None:
        job.outputs.remove(YIELD_FILE)
    unrefused = {name: sound(job.workspace, name) for name in names}
    stored = compared_tables(job.workspace)
    mark = _mark(job, unrefused, chosen, clusterings, attributes)
    if stored.restore(mark):
        job.skip(STEP, None)
    else:
        tables = _tables(job, names, chosen, unrefused, clusterings, attributes)
        stored.publish(tables, mark)
    stored.write(job.outputs)


def compared_tables(workspace: Workspace) -> StoredTables:
    """What the last comparison told."""
    return stored_tables(workspace, STEP)


def _tables(
    job: Job,
    names: list[str],
    chosen: dict[str, StoredClustering],
    unrefused: dict[str, set[tuple[str, int]]],
    clusterings: list[StoredClustering],
    attributes: AttributeTable | None,
) -> dict[str, Table]:
    """Compare: columns and lines of each file."""
    group = None if paths_fingerprint(job.workspace) is None else job.settings.group
    same = of_same_number(job.workspace, chosen, unrefused)
    scored = [*chosen.values(), *same.values()]
    needs = compare_needs(job, scored, clusterings, attributes)
    job.budget.check({STEP: needs})
    with job.workspace.staging() as staged:
        known = None if attributes is None else stage_attributes(job, attributes, staged)
        stored = None if group in (None, "none") else _groups(job)
        with job.step(STEP, None, needs, clusterings[0].labels.shape[0]) as passes:
            tables, shared, footing = _compare_sets(passes, job, names, chosen, same)
            lines = _attribute_lines(passes, clusterings, chosen, known)
            if stored is not None:
                lines.agreement += consistency_lines(job, str(group), stored[...], clusterings)
            named = attributes is not None and attributes.columns is not None
            gains = gain_lines(job.workspace, unrefused, lines.agreement, footing, named=named)
    tables[CONTINGENCY_FILE] = CONTINGENCY, chain(set_cells(chosen, shared), lines.cells)
    tables[ATTRIBUTES_FILE] = ATTRIBUTES, lines.agreement
    tables[MIXING_FILE] = MIXING, gains
    if known is not None:
        tables[YIELD_FILE] = YIELD, lines.yields
    if lines.elsewhere:
        which = " or ".join(dict.fromkeys(lines.elsewhere))
        job.events.warn(
            f"the rows whose {which} is known lie in other clusters than all rows (known_apart in "
            f"{YIELD_FILE}): the yield tells of rows like those"
        )
    for sentence in gains_in_words(gains):
        job.events.note(sentence)
    return tables


def _groups(job: Job) -> Any:
    """The stored groups of all rows, of whatever size."""
    groups(job)
    return stored_groups(job.workspace).codes


def _mark(
    job: Job,
    unrefused: dict[str, set[tuple[str, int]]],
    chosen: dict[str, StoredClustering],
    clusterings: list[StoredClustering],
    attributes: AttributeTable | None,
) -> str:
    """What the tables are made of."""
    workspace, settings = job.workspace, job.settings
    scores = [clustering.known("scores") for clustering in chosen.values()]
    by_column = settings.group not in ("none", "folder") and sources(workspace)
    table = attributes and [file_fingerprint(attributes.file), attributes.columns]
    return fingerprint(
        *(STEP, 5, [clustering.path for clustering in chosen.values()], scores),
        [description_fingerprint(clustering) for clustering in chosen.values()],
        [(name, sorted(keys)) for name, keys in unrefused.items()],
        [(clustering.path, clustering.fingerprint) for clustering in clusterings],
        [settings.group, paths_fingerprint(workspace), by_column and files_mark(by_column)],
        *(settings.random_state, table),
    )


def compare_needs(
    job: Job,
    scored: list[StoredClustering],
    clusterings: list[StoredClustering],
    attributes: AttributeTable | None,
) -> list[Need]:
    """Memory of each part: clusterings `scored` in all spaces, and all `clusterings` counted.

    Raises
    ------
    SettingsError, SourceError
        When the header of the table of attributes cannot be used.
    """
    spaces = {one.set_name: job.set(one.set_name).rows() for one in scored}
    return [
        *crosswise_needs(spaces, scored),
        *footing_needs(spaces),
        *attribute_needs(attributes, clusterings[0].labels.shape[0], clusterings),
    ]


def _compare_sets(
    passes: Passes,
    job: Job,
    names: list[str],
    chosen: dict[str, StoredClustering],
    same: dict[str, StoredClustering],
) -> tuple[dict[str, Table], Tables, dict[str, dict[str, Any]]]:
    """The tables of sets alone, the rows that recommended clusterings share, and the indices on
    equal footing."""
    if not same:
        job.events.warn(
            "the sets have no number of clusters in common: none is compared on equal footing"
        )
    footing = equal_footing(passes, job, same)
    lines = [_comparison(job, name, chosen.get(name), footing.get(name, {})) for name in names]
    kinds = {"recommended": chosen, "same": same}
    tables = {kind: count_shared(passes, clusterings) for kind, clusterings in kinds.items()}
    both = [(kind, one) for kind, clusterings in kinds.items() for one in clusterings.values()]
    scores: dict[str, dict[tuple[str, str], dict[str, float]]] = {kind: {} for kind in kinds}
    for space in chosen:
        in_space = indices_in_space(passes, job, space, [one for _, one in both])
        for (kind, one), indices in zip(both, in_space, strict=True):
            scores[kind][one.set_name, space] = indices
    agreed = [
        line
        for kind, clusterings in kinds.items()
        for line in agreement_lines(kind, clusterings, tables[kind], scores[kind])
    ]
    told: dict[str, Table] = {
        COMPARISON_FILE: (COMPARISON, lines),
        AGREEMENT_FILE: (AGREEMENT, agreed),
    }
    return told, tables["recommended"], footing


def _comparison(
    job: Job, name: str, clustering: StoredClustering | None, footing: dict[str, Any]
) -> dict[str, Any]:
    """The line of a set."""
    described = job.set(name)
    line = {
        "set": name,
        "rows": described.n_valid,
        "columns": described.n_columns,
        "components": described.reduced.shape[1],
        "variance": float(described.explained_variance_ratio.sum()),
    }
    if clustering is None:
        return line
    scores = next(one for one in measured(job.workspace, name) if one["name"] == clustering.name)
    description = load_description(clustering)
    if description is not None:
        line["readability"] = description.readability["readability"]
    return line | {column: scores[column] for column in MEASURED} | footing


@dataclass
class _AttributeLines:
    """Lines about attributes and groups, for three tables."""

    agreement: list[dict[str, Any]] = field(default_factory=list)
    yields: list[dict[str, Any]] = field(default_factory=list)
    cells: list[dict[str, Any]] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)


def _attribute_lines(
    passes: Passes,
    clusterings: list[StoredClustering],
    chosen: dict[str, StoredClustering],
    known: KnownAttributes | None,
) -> _AttributeLines:
    lines = _AttributeLines()
    if known is not None:
        recommended = {clustering.path for clustering in chosen.values()}
        for clustering, tables in count_values(passes, clusterings, known):
            lines.agreement += attribute_lines(clustering, tables)
            sizes = clustering.sizes[...]
            lines.yields += yield_lines(clustering, tables, known, sizes)
            if clustering.path in recommended:
                lines.elsewhere += known_elsewhere(tables, sizes)
                for name, table in tables.items():
                    values = known.values[name]
                    lines.cells += cells("attribute", clustering, name, table.T, values)
    return lines
