"""Rows added to results, whose clusterings go on learning: all sets at once, or none; and what that
did to labels that were there."""

from collections.abc import Iterator, Sequence
from itertools import chain, starmap
from typing import Any

import numpy as np

from streamclust.comparison import compared_tables
from streamclust.errors import SettingsError, SourceError
from streamclust.images import PATHS_BYTES, check_group
from streamclust.labelling.append_rows import (
    ADD_ROWS,
    add_needs,
    add_rows,
    check_clusterings,
    continue_clusterings,
    continue_needs,
    continues,
)
from streamclust.labelling.assignment import NewCase, open_new
from streamclust.labelling.drift import Drift, stability_terms
from streamclust.labelling.names import cluster_names
from streamclust.memory import MIB, Need
from streamclust.passes import Shape
from streamclust.reduction import reduced_mark, settings_of, source_attributes
from streamclust.sources import (
    DIGEST_BYTES,
    ArraySource,
    CaseInputs,
    CaseLike,
    iter_paths,
    path_digests,
)
from streamclust.steps import Job
from streamclust.store import (
    PATH,
    DescriptorSet,
    LabelChanges,
    StagedSet,
    StoredClustering,
    Workspace,
    case_outliers,
    descriptor_sets,
    extend_paths,
    find_clustering,
    fingerprint,
    label_changes,
    path_blocks,
    settings_of_last,
    stored_paths,
)

STEP, ADD_PATHS = "update", "add paths"
# The settings that outliers were found with, which the last command that found them tells.
_OF_OUTLIERS = (
    *("n_neighbors", "neighbors", "group", "outlier_scaling", "contamination", "scan_images"),
    "random_state",
)
_FOUND_BY = ("run", "outliers", "demo")
_SHOWN = 3
CHANGES_FILE, CLUSTERS_FILE = "label_changes.csv", "cluster_changes.csv"
_OF_ALL = ("rows_before", "rows_added", "changed", "share", "adjusted_rand", "largest_move")
LABEL_CHANGES = ("set", "clustering", "recommended", *_OF_ALL)
_COUNTS = ("before", "gained", "moved_in", "moved_out")
CLUSTER_CHANGES = ("set", "clustering", "cluster", "name", *_COUNTS, "after", "psi")


def add_new_rows(job: Job, given: CaseLike | CaseInputs) -> tuple[list[str], bool]:
    """Add rows to all sets, and let their clusterings go on; gives the names of the sets, and
    whether there were any to add.

    Raises
    ------
    SourceError
        When the new files cannot be used, do not belong to all sets, or are there in part.
    SettingsError
        When a set has no clusterings that could go on, or the new paths lack the column that rows
        were grouped by.
    MemoryBudgetError
        When a step of adding does not fit the budget: nothing is changed then.
    """
    if job.settings.descriptors is not None:
        raise SettingsError("an update adds rows to all sets: leave --descriptors out")
    sets = [stored for stored in descriptor_sets(job.workspace) if not stored.is_mixed]
    new = open_new(job, given)
    _check_files(job.workspace, sets, new)
    is_new = not _is_there(job.workspace, sets, new)
    if is_new:
        _add(job, sets, new)
    else:
        job.events.note(f"{new.case.root}: already in {job.workspace.folder}: nothing to add")
    return [stored.name for stored in sets], is_new


def _check_files(workspace: Workspace, sets: Sequence[DescriptorSet], new: NewCase) -> None:
    missing = [stored.name for stored in sets if stored.name not in new.sources]
    if missing:
        raise SourceError(
            f"{new.case.root} has no files of {', '.join(missing)}: an update takes new rows of "
            f"all sets of {workspace.folder}: {', '.join(stored.name for stored in sets)}"
        )


def _is_there(workspace: Workspace, sets: Sequence[DescriptorSet], new: NewCase) -> bool:
    """Whether the files were added already, or are those of the first rows.

    Raises
    ------
    SourceError
        When some of them were, and others were not.
    """
    there = [stored.name for stored in sets if _has_content(stored, new.sources[stored.name])]
    absent = [stored.name for stored in sets if stored.name not in there]
    if there and absent:
        raise SourceError(
            f"{new.sources[there[0]].path} is in {workspace.folder} already, and the files of "
            f"{', '.join(absent)} are not: name files of the same rows"
        )
    return bool(there)


def _has_content(stored: DescriptorSet, source: ArraySource) -> bool:
    """Whether a set holds what a file does, whenever that was copied."""
    known = [stored.source, *(added.source for added in stored.added)]
    content = [(one["size"], one["blake2b"]) for one in (source_attributes(source), *known)]
    return content[0] in content[1:]


def _add(job: Job, sets: Sequence[DescriptorSet], new: NewCase) -> None:
    workspace = job.workspace
    for stored in sets:
        check_clusterings(stored)
    _check_budget(job, sets, new)
    _check_paths(job, new)
    _check_groups(job, new)
    _tell_what_stays(job, sets)
    with workspace.staging() as staged:
        results = []
        if stored_paths(workspace) is not None:
            paths, mark = extend_paths(workspace, staged, new.case)
            results.append((paths, PATH, mark))
        for number, stored in enumerate(sets):
            made = StagedSet(staged.create_group(f"set-{number}"))
            mark = _add_to_set(job, made, stored, new.sources[stored.name])
            results.append((made.group, stored.path, mark))
        workspace.publish_together(results)


def _add_to_set(job: Job, made: StagedSet, old: DescriptorSet, source: ArraySource) -> str:
    """Write a set with all its rows and clusterings; its fingerprint."""
    mark = fingerprint(STEP, 1, old.fingerprint, source_attributes(source))
    add_rows(job, made, old, source)
    chosen = settings_of(old, job.settings)
    reduced = reduced_mark(mark, chosen)
    continue_clusterings(job, made, old, reduced)
    made.mark_reduction(reduced, chosen)
    return mark


def _check_budget(job: Job, sets: Sequence[DescriptorSet], new: NewCase) -> None:
    """Refuse a budget that any step of adding exceeds, before the first."""
    needs = {ADD_PATHS: _path_needs(job.workspace, new.n_rows)}
    for stored in sets:
        source = new.sources[stored.name]
        needs[f"{ADD_ROWS} of {source.path.name}"] = add_needs(stored, source, job.settings)
        n_rows, n_components = stored.reduced.shape
        shape = Shape((n_rows + new.n_rows, n_components), stored.reduced.dtype)
        needs |= continue_needs(job, stored, shape)
    job.budget.check(needs)


def _path_needs(workspace: Workspace, n_new: int) -> list[Need]:
    """Memory of a chunk of paths, and of a digest of each stored and each new one."""
    paths = stored_paths(workspace)
    n_old = 0 if paths is None else int(paths.shape[0])
    return [Need(fixed=PATHS_BYTES + 4 * DIGEST_BYTES * (n_old + n_new) + MIB)]


def _check_paths(job: Job, new: NewCase) -> None:
    """Refuse new rows without paths where the stored ones have some, and paths that are stored.

    Raises
    ------
    SourceError
        For them.
    """
    file = new.case.paths_file
    if stored_paths(job.workspace) is None:
        if file is not None:
            job.events.note(f"{file}: not used: the rows of {job.workspace.folder} have no paths")
        return
    if file is None:
        raise SourceError(
            f"{new.case.root} has no list of paths, and the rows of {job.workspace.folder} have "
            "paths: put images_paths.csv beside the descriptors"
        )
    with job.step(ADD_PATHS, None, _path_needs(job.workspace, new.n_rows), new.n_rows):
        stored = np.sort(path_digests(chain.from_iterable(path_blocks(job.workspace) or ())))
        known = _known(stored, path_digests(iter_paths(file)))
    if len(known):
        wanted = set(known[:_SHOWN].tolist())
        shown = [path for row, path in enumerate(iter_paths(file)) if row in wanted]
        raise SourceError(
            f"{file}: {len(known):,} of its {new.n_rows:,} paths are in {job.workspace.folder} "
            f"already: {', '.join(shown)}{', …' * (len(known) > _SHOWN)}: leave out the rows that "
            "are there"
        )


def _known(stored: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Which of the new digests are among the sorted stored ones."""
    places = np.minimum(np.searchsorted(stored, new), len(stored) - 1)
    return np.flatnonzero(stored[places] == new)


def _check_groups(job: Job, new: NewCase) -> None:
    """Refuse a list of paths without the column that rows were grouped by for their outliers."""
    file = new.case.paths_file
    if (
        file is not None
        and stored_paths(job.workspace) is not None
        and case_outliers(job.workspace).exists
    ):
        check_group(job.settings.having(**settings_of_outliers(job.workspace)).group, [file])


def _tell_what_stays(job: Job, sets: Sequence[DescriptorSet]) -> None:
    """Say which clusterings do not learn, and what is not made anew."""
    folder = job.workspace.folder
    clusterings = [clustering for stored in sets for clustering in stored.clusterings]
    algorithms = {clustering.algorithm for clustering in clusterings}
    fixed = sorted(name for name in algorithms if not continues(name))
    if fixed:
        job.events.note(
            f"{', '.join(fixed)}: clusters stay as they are, and new rows get labels of them"
        )
    if any(stored.has_layouts for stored in sets):
        job.events.note(f"layouts are of the old rows: run streamclust layout {folder} again")
    if any(clustering.is_described for clustering in clusterings):
        job.events.note(
            f"descriptions are of the old rows: run streamclust describe {folder} again"
        )
    if compared_tables(job.workspace).exists:
        job.events.note(f"comparisons are of the old rows: run streamclust compare {folder} again")


def settings_of_outliers(workspace: Workspace) -> dict[str, Any]:
    """The settings that outliers were found with, as far as they are stored."""
    known = settings_of_last(workspace.folder, _FOUND_BY, "outliers")
    then = {name: known[name] for name in _OF_OUTLIERS if name in known}
    outliers = case_outliers(workspace)
    if outliers.exists and outliers.contamination is not None:
        then["contamination"] = outliers.contamination
    return then


def tell_changes(job: Job, sets: list[str], *, is_new: bool) -> None:
    """Write the tables of the last update of some sets; where it `is_new`, say what they come to.

    Every clustering has a line of label_changes.csv; cluster_changes.csv is of the recommended
    ones. ``largest_move`` is that of a cluster's mean, in parts of its distance to the nearest
    other one; ``psi`` is the cluster's term of the population stability index of new rows against
    old ones, both by the labels that they have now.
    """
    updated = list(map(job.set, sets))
    job.outputs.table(CHANGES_FILE, LABEL_CHANGES, _label_lines(updated))
    recommended = [(stored, find_clustering(job.workspace, stored.name)) for stored in updated]
    changed = [
        (stored, clustering, changes)
        for stored, clustering in recommended
        if clustering is not None and (changes := label_changes(clustering)) is not None
    ]
    lines = chain.from_iterable(starmap(_cluster_lines, changed))
    job.outputs.table(CLUSTERS_FILE, CLUSTER_CHANGES, lines)
    if not is_new:
        if changed:
            job.events.note(f"what the last update changed: {CHANGES_FILE}, {CLUSTERS_FILE}")
        return
    for stored, clustering, changes in changed:
        _tell(job, stored, clustering, changes)
        _tell_choice(job, stored, clustering)
    job.events.note(f"what changed: {CHANGES_FILE}, {CLUSTERS_FILE}")


def _label_lines(sets: Sequence[DescriptorSet]) -> Iterator[dict[str, Any]]:
    for stored in sets:
        recommended = find_clustering(stored.workspace, stored.name)
        for clustering in stored.clusterings:
            changes = label_changes(clustering)
            if changes is not None:
                about = {"set": stored.name, "clustering": clustering.name}
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
            "set": stored.name,
            "clustering": clustering.name,
            "cluster": cluster,
            "name": name,
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
