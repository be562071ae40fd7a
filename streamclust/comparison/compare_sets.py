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
from functools import cached_property
from itertools import chain
from typing import Any

from streamclust.choice import measured
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
from streamclust.comparison.comparable_clusterings import Key, of_same_number, sound
from streamclust.comparison.mixing_gain import COLUMNS as MIXING
from streamclust.comparison.mixing_gain import gain_lines, gains_in_words
from streamclust.errors import SettingsError
from streamclust.images import files_mark, groups, is_grouped
from streamclust.memory import Need
from streamclust.passes import Passes
from streamclust.sources import fingerprint as file_fingerprint
from streamclust.steps import CaseShapes, Job, Step, StoredShapes
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
    step = Compare(job.workspace, chosen, unrefused, clusterings, attributes)
    if not step.restore(job, step.fingerprint(job)):
        job.check([step])
        groups(job)
    job.run([step])
    compared_tables(job.workspace).write(job.outputs)


def compared_tables(workspace: Workspace) -> StoredTables:
    """What the last comparison told."""
    return stored_tables(workspace, Compare.name)


@dataclass(frozen=True, eq=False)
class Compare(Step):
    """Make the tables of a comparison.

    Parameters
    ----------
    workspace : Workspace
    chosen : dict of str to StoredClustering
        The recommended clustering of each set that has one.
    unrefused : dict of str to set of (algorithm, n_clusters)
        By each set, what the rule does not refuse.
    clusterings : list of StoredClustering
        All of all sets.
    attributes : AttributeTable, optional
    """

    name = "compare"
    workspace: Workspace
    chosen: dict[str, StoredClustering]
    unrefused: dict[str, set[Key]]
    clusterings: list[StoredClustering]
    attributes: AttributeTable | None

    @cached_property
    def same(self) -> dict[str, StoredClustering]:
        """Clusterings of the sets into the same number of clusters."""
        return of_same_number(self.workspace, self.chosen, self.unrefused)

    def needs(self, on: CaseShapes) -> list[Need]:
        """Clusterings in all spaces, and all of them counted.

        Raises
        ------
        SettingsError, SourceError
            When the header of the table of attributes cannot be used.
        """
        scored = [*self.chosen.values(), *self.same.values()]
        spaces = {one.set_name: on.reduced(one.set_name) for one in scored}
        return [
            *crosswise_needs(spaces, scored),
            *footing_needs(spaces),
            *attribute_needs(self.attributes, on.n_rows, self.clusterings),
        ]

    def fingerprint(self, job: Job) -> str:
        chosen, settings = self.chosen.values(), job.settings
        by_column = settings.group not in ("none", "folder") and sources(job.workspace)
        table = self.attributes and [
            file_fingerprint(self.attributes.file),
            self.attributes.columns,
        ]
        paths = paths_fingerprint(job.workspace)
        return fingerprint(
            *(self.name, 6, [clustering.path for clustering in chosen]),
            [clustering.known("scores") for clustering in chosen],
            [description_fingerprint(clustering) for clustering in chosen],
            [(name, sorted(keys)) for name, keys in self.unrefused.items()],
            [(clustering.path, clustering.fingerprint) for clustering in self.clusterings],
            [settings.group, paths, by_column and files_mark(by_column)],
            *(settings.random_state, table),
        )

    def restore(self, job: Job, mark: str) -> bool:
        return compared_tables(job.workspace).restore(mark)

    def work(self, job: Job, passes: Passes, mark: str) -> None:
        attributes, group = self.attributes, job.settings.group
        with job.workspace.staging() as staged:
            known = None if attributes is None else stage_attributes(job, attributes, staged)
            tables, shared, footing = _compare_sets(
                passes, job, list(self.unrefused), self.chosen, self.same
            )
            lines = _attribute_lines(passes, self.clusterings, self.chosen, known)
        if is_grouped(StoredShapes(job)):
            codes = stored_groups(job.workspace).codes[...]
            lines.agreement += consistency_lines(job, str(group), codes, self.clusterings)
        named = attributes is not None and attributes.columns is not None
        gains = gain_lines(job.workspace, self.unrefused, lines.agreement, footing, named=named)
        tables[CONTINGENCY_FILE] = CONTINGENCY, chain(set_cells(self.chosen, shared), lines.cells)
        tables[ATTRIBUTES_FILE] = ATTRIBUTES, lines.agreement
        tables[MIXING_FILE] = MIXING, gains
        if known is not None:
            tables[YIELD_FILE] = YIELD, lines.yields
        if lines.elsewhere:
            which = " or ".join(dict.fromkeys(lines.elsewhere))
            job.events.warn(
                f"the rows whose {which} is known lie in other clusters than all rows (known_apart "
                f"in {YIELD_FILE}): the yield tells of rows like those"
            )
        for sentence in gains_in_words(gains):
            job.events.note(sentence)
        compared_tables(job.workspace).publish(tables, mark)


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
