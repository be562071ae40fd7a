"""label_changes.csv and cluster_changes.csv: what an update did to labels that were there."""

from collections.abc import Iterator, Sequence
from itertools import chain, starmap
from typing import Any

import numpy as np

from streamclust.labelling.drift import Drift, stability_terms
from streamclust.labelling.names import cluster_names
from streamclust.store.clusterings import StoredClustering, find_clustering
from streamclust.store.descriptors import DescriptorSet
from streamclust.store.job import Job
from streamclust.store.outputs import Outputs, safe_cell
from streamclust.store.staged_clusterings import LabelChanges, label_changes

CHANGES_FILE, CLUSTERS_FILE = "label_changes.csv", "cluster_changes.csv"
_OF_ALL = ("rows_before", "rows_added", "changed", "share", "adjusted_rand", "largest_move")
LABEL_CHANGES = ("set", "clustering", "recommended", *_OF_ALL)
_COUNTS = ("before", "gained", "moved_in", "moved_out")
CLUSTER_CHANGES = ("set", "clustering", "cluster", "name", *_COUNTS, "after", "psi")
_SHOWN = 3


def write_changes(job: Job, outputs: Outputs, sets: list[str]) -> None:
    """Write the tables of the last update of some sets, and say what they come to.

    Every clustering has a line of label_changes.csv; cluster_changes.csv is of the recommended
    ones. ``largest_move`` is that of a cluster's mean, in parts of its distance to the nearest
    other one; ``psi`` is the cluster's term of the population stability index of new rows against
    old ones, both by the labels that they have now.
    """
    updated = list(map(job.set, sets))
    outputs.table(CHANGES_FILE, LABEL_CHANGES, _label_lines(updated))
    recommended = [(stored, find_clustering(job.workspace, stored.name)) for stored in updated]
    changed = [
        (stored, clustering, changes)
        for stored, clustering in recommended
        if clustering is not None and (changes := label_changes(clustering)) is not None
    ]
    lines = chain.from_iterable(starmap(_cluster_lines, changed))
    outputs.table(CLUSTERS_FILE, CLUSTER_CHANGES, lines)
    for stored, clustering, changes in changed:
        _tell(job, stored, clustering, changes)
        _tell_choice(job, stored, clustering)


def _label_lines(sets: Sequence[DescriptorSet]) -> Iterator[dict[str, Any]]:
    for stored in sets:
        recommended = find_clustering(stored.workspace, stored.name)
        for clustering in stored.clusterings:
            changes = label_changes(clustering)
            if changes is not None:
                about = {"set": safe_cell(stored.name), "clustering": clustering.name}
                cells = {column: _cell(getattr(changes, column)) for column in _OF_ALL}
                yield {**about, "recommended": int(clustering == recommended), **cells}


def _cell(value: Any) -> Any:
    return f"{value:.6f}" if isinstance(value, float) else value


def _cluster_lines(
    stored: DescriptorSet, clustering: StoredClustering, changes: LabelChanges
) -> Iterator[dict[str, Any]]:
    terms = stability_terms(*_old_and_new(stored, changes))
    names = cluster_names(clustering).names
    for cluster, name in enumerate(names):
        counts = {column: getattr(changes, column)[cluster] for column in _COUNTS}
        after = counts["before"] + counts["gained"] + counts["moved_in"] - counts["moved_out"]
        yield {
            "set": safe_cell(stored.name),
            "clustering": clustering.name,
            "cluster": cluster,
            "name": safe_cell(name),
            **counts,
            "after": after,
            "psi": f"{terms[cluster]:.6f}",
        }


def _old_and_new(stored: DescriptorSet, changes: LabelChanges) -> tuple[np.ndarray, np.ndarray]:
    """Old and new rows of each cluster by the labels that they have now, and of noise at last."""
    last = stored.added[-1]
    old = np.add(changes.before, changes.moved_in) - changes.moved_out
    new = np.asarray(changes.gained)
    n_old = last.first_row - (stored.n_invalid - last.n_invalid)
    n_new = stored.n_rows - last.first_row - last.n_invalid
    return np.append(old, n_old - old.sum()), np.append(new, n_new - new.sum())


def _tell(
    job: Job, stored: DescriptorSet, clustering: StoredClustering, changes: LabelChanges
) -> None:
    about = f"{stored.name} {clustering.name}"
    words = f"{about}: {changes.rows_added:,} rows added; "
    if not changes.changed:
        words += "no row that was there changed its label"
    else:
        n_before = sum(changes.before)
        words += (
            f"{changes.changed:,} of {n_before:,} rows that were there ({changes.share:.2%}) "
            f"changed their label (adjusted Rand index {changes.adjusted_rand:.3f})"
        )
    if changes.largest_move:
        words += f"; a mean moved by {changes.largest_move:.1%} of the way to the next at most"
    job.events.note(f"{words}{_most(changes)}")
    drift = Drift.of(*_old_and_new(stored, changes))
    say = job.events.warn if drift.is_large else job.events.note
    say(f"{about}: new rows against old ones: {drift.in_words()}")


def _tell_choice(job: Job, stored: DescriptorSet, clustering: StoredClustering) -> None:
    """Warn where another clustering is recommended than before: tables tell of another one."""
    before = stored.added[-1].recommended
    if before not in (None, clustering.name):
        job.events.warn(
            f"{stored.name}: {before} was recommended before, {clustering.name} is now: labels.csv "
            f"and other tables tell of it; streamclust export --clustering {before} gives the "
            "labels of that one"
        )


def _most(changes: LabelChanges) -> str:
    """The clusters that grew most, in words."""
    gained = np.asarray(changes.gained)
    most = [j for j in np.argsort(-gained, kind="stable")[:_SHOWN].tolist() if gained[j]]
    listed = [f"{j} ({changes.before[j]:,} + {gained[j]:,})" for j in most]
    return f"; clusters that gained most: {', '.join(listed)}" if listed else ""
