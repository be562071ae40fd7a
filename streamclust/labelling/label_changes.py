"""label_changes.csv and cluster_changes.csv: what an update did to labels that were there."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from streamclust.choice.tables import choose
from streamclust.labelling.continued import CHANGES
from streamclust.labelling.drift import Drift, stability_terms
from streamclust.labelling.names import naming_of
from streamclust.store.job import Job
from streamclust.store.outputs import Outputs, safe_cell
from streamclust.store.workspace import Workspace

CHANGES_FILE, CLUSTERS_FILE = "label_changes.csv", "cluster_changes.csv"
_TOLD = ("rows_before", "rows_added", "changed", "share", "adjusted_rand", "largest_move")
LABEL_CHANGES = ("set", "clustering", "recommended", *_TOLD)
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
    workspace = job.workspace
    outputs.table(CHANGES_FILE, LABEL_CHANGES, _label_lines(workspace, sets))
    outputs.table(CLUSTERS_FILE, CLUSTER_CHANGES, _cluster_lines(workspace, sets))
    for descriptor in sets:
        name = choose(workspace, descriptor)[0]
        if name is not None and (told := _changes(workspace, descriptor, name)) is not None:
            _tell(job, descriptor, name, told)
            _tell_choice(job, descriptor, name)


def _changes(workspace: Workspace, descriptor: str, clustering: str) -> dict[str, Any] | None:
    path = f"descriptors/{descriptor}/clusterings/{clustering}"
    return workspace.root[path].attrs.get(CHANGES)


def _label_lines(workspace: Workspace, sets: list[str]) -> Iterator[dict[str, Any]]:
    for descriptor in sets:
        recommended = choose(workspace, descriptor)[0]
        for name in workspace.clusterings(descriptor):
            told = _changes(workspace, descriptor, name)
            if told is not None:
                own = {"set": safe_cell(descriptor), "clustering": name}
                cells = {column: _cell(told[column]) for column in _TOLD}
                yield {**own, "recommended": int(name == recommended), **cells}


def _cell(value: Any) -> Any:
    return f"{value:.6f}" if isinstance(value, float) else value


def _cluster_lines(workspace: Workspace, sets: list[str]) -> Iterator[dict[str, Any]]:
    for descriptor in sets:
        clustering = choose(workspace, descriptor)[0]
        told = None if clustering is None else _changes(workspace, descriptor, clustering)
        if clustering is None or told is None:
            continue
        terms = stability_terms(*_drifted(workspace, descriptor, told))
        applied = naming_of(workspace, descriptor, clustering)
        after = np.sum([told["before"], told["gained"], told["moved_in"]], axis=0)
        after = after - told["moved_out"]
        for cluster, counts in enumerate(zip(*(told[name] for name in _COUNTS), strict=True)):
            yield {
                "set": safe_cell(descriptor),
                "clustering": clustering,
                "cluster": cluster,
                "name": safe_cell(applied.naming.names[cluster]) if applied else "",
                **dict(zip(_COUNTS, counts, strict=True)),
                "after": int(after[cluster]),
                "psi": f"{terms[cluster]:.6f}",
            }


def _drifted(
    workspace: Workspace, descriptor: str, told: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Old and new rows of each cluster by the labels that they have now, and of noise at last."""
    attributes = workspace.root[f"descriptors/{descriptor}"].attrs
    last = attributes["added"][-1]
    old = np.add(told["before"], told["moved_in"]) - told["moved_out"]
    new = np.asarray(told["gained"])
    n_old = last["first_row"] - (attributes["n_invalid"] - last["n_invalid"])
    n_new = attributes["n_rows"] - last["first_row"] - last["n_invalid"]
    return np.append(old, n_old - old.sum()), np.append(new, n_new - new.sum())


def _tell(job: Job, descriptor: str, clustering: str, told: dict[str, Any]) -> None:
    about = f"{descriptor} {clustering}"
    words = f"{about}: {told['rows_added']:,} rows added; "
    if not told["changed"]:
        words += "no row that was there changed its label"
    else:
        n_before = sum(told["before"])
        words += (
            f"{told['changed']:,} of {n_before:,} rows that were there ({told['share']:.2%}) "
            f"changed their label (adjusted Rand index {told['adjusted_rand']:.3f})"
        )
    if told["largest_move"]:
        words += f"; a mean moved by {told['largest_move']:.1%} of the way to the next at most"
    job.events.note(f"{words}{_most(told)}")
    drift = Drift.of(*_drifted(job.workspace, descriptor, told))
    say = job.events.warn if drift.is_large else job.events.note
    say(f"{about}: new rows against old ones: {drift.in_words()}")


def _tell_choice(job: Job, descriptor: str, clustering: str) -> None:
    """Warn where another clustering is recommended than before: tables tell of another one."""
    added = job.workspace.root[f"descriptors/{descriptor}"].attrs["added"][-1]
    before = added.get("recommended")
    if before not in (None, clustering):
        job.events.warn(
            f"{descriptor}: {before} was recommended before, {clustering} is now: labels.csv and "
            f"other tables tell of it; streamclust export --clustering {before} gives the labels "
            "of that one"
        )


def _most(told: dict[str, Any]) -> str:
    """The clusters that grew most, in words."""
    gained = np.asarray(told["gained"])
    most = [j for j in np.argsort(-gained, kind="stable")[:_SHOWN].tolist() if gained[j]]
    listed = [f"{j} ({told['before'][j]:,} + {gained[j]:,})" for j in most]
    return f"; clusters that gained most: {', '.join(listed)}" if listed else ""
