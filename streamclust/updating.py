"""Rows added to results, whose clusterings go on learning: all sets at once, or none."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from streamclust.comparison.step import COMPARISON_FILE
from streamclust.errors import SettingsError, SourceError
from streamclust.figures.set_pictures import draw
from streamclust.labelling.added_paths import add_paths, check_paths, path_needs
from streamclust.labelling.added_rows import add_needs, add_rows
from streamclust.labelling.continued import (
    check_clusterings,
    continue_clusterings,
    continues,
    sweep_needs,
)
from streamclust.labelling.label_changes import CHANGES_FILE, CLUSTERS_FILE, write_changes
from streamclust.labelling.new_rows import NewCase, open_new
from streamclust.labelling.tables import export
from streamclust.outliers.suspects import OUTLIERS
from streamclust.passes.blocks import Shape
from streamclust.pipeline import find_outliers, measure_set, tell_choice
from streamclust.reduction.ingestion import source_attributes
from streamclust.reduction.step import reduced_mark, settings_of
from streamclust.store.descriptors import is_mixed, stale_words
from streamclust.store.groups import check_group
from streamclust.store.job import Job
from streamclust.store.outputs import Outputs
from streamclust.store.paths import PATH
from streamclust.store.record import settings_of_last
from streamclust.store.workspace import Workspace, fingerprint

STEP = "update"
# The settings that outliers were found with, which the last command that found them tells.
_OF_OUTLIERS = (
    *("n_neighbors", "neighbors", "group", "outlier_scaling", "contamination", "scan_images"),
    "random_state",
)
_FOUND_BY = ("run", "outliers", "demo")


def update_case(job: Job, outputs: Outputs, paths: str | Path | Sequence[str | Path]) -> None:
    """Add rows to all sets, let their clusterings go on, and measure, score and write anew.

    Raises
    ------
    SourceError
        When the new files cannot be used, do not belong to all sets, or are there in part.
    SettingsError
        When a set has no clusterings that could go on, or the new paths lack the column that rows
        were grouped by.
    MemoryBudgetError
        When a step does not fit the budget: one of adding, and nothing is changed; one of
        measuring, and the same command with more memory goes on from there.
    """
    if job.settings.descriptors is not None:
        raise SettingsError("an update adds rows to all sets: leave --descriptors out")
    sets = _unmixed(job.workspace)
    new = open_new(job, paths)
    _check_files(job.workspace, sets, new)
    if _is_there(job.workspace, sets, new):
        job.events.note(f"{new.case.root}: already in {job.workspace.folder}: nothing to add")
    else:
        _add(job, sets, new)
    _follow_up(job, outputs, sets)


def _unmixed(workspace: Workspace) -> list[str]:
    return [name for name in workspace.descriptors if not is_mixed(workspace, name)]


def _check_files(workspace: Workspace, sets: list[str], new: NewCase) -> None:
    missing = [name for name in sets if name not in new.sources]
    if missing:
        raise SourceError(
            f"{new.case.root} has no files of {', '.join(missing)}: an update takes new rows of "
            f"all sets of {workspace.folder}: {', '.join(sets)}"
        )


def _is_there(workspace: Workspace, sets: list[str], new: NewCase) -> bool:
    """Whether the files were added already, or are those of the first rows.

    Raises
    ------
    SourceError
        When some of them were, and others were not.
    """
    there = [name for name in sets if _content(new, name) in _contents(workspace, name)]
    if there and len(there) < len(sets):
        raise SourceError(
            f"{new.sources[there[0]].path} is in {workspace.folder} already, and the files of "
            f"{', '.join(name for name in sets if name not in there)} are not: name files of the "
            "same rows"
        )
    return bool(there)


def _content(new: NewCase, name: str) -> tuple[Any, Any]:
    return _of_content(source_attributes(new.sources[name]))


def _contents(workspace: Workspace, name: str) -> list[tuple[Any, Any]]:
    attributes = workspace.root[f"descriptors/{name}"].attrs
    added = [one["source"] for one in attributes.get("added", [])]
    return [_of_content(source) for source in (attributes["source"], *added)]


def _of_content(source: dict[str, Any]) -> tuple[Any, Any]:
    """What tells a file by what it holds, whenever it was copied."""
    return source["size"], source["blake2b"]


def _add(job: Job, sets: list[str], new: NewCase) -> None:
    workspace = job.workspace
    for name in sets:
        check_clusterings(job, name)
    _check_budget(job, sets, new)
    check_paths(job, new)
    _check_groups(job, new)
    _tell_what_stays(job, sets)
    with workspace.staging() as staged:
        results = []
        if workspace.get(PATH) is not None:
            paths, mark = add_paths(job, staged, new.case)
            results.append((paths, PATH, mark))
        for number, name in enumerate(sets):
            made = staged.create_group(f"set-{number}")
            results.append((made, f"descriptors/{name}", _set(job, made, name, new)))
        workspace.publish_together(results)


def _set(job: Job, made: Any, name: str, new: NewCase) -> str:
    """Write a set with all its rows and clusterings; its fingerprint."""
    path, source = f"descriptors/{name}", new.sources[name]
    old = job.workspace.root[path]
    mark = fingerprint(STEP, 1, job.workspace.fingerprint_of(path), source_attributes(source))
    add_rows(job, made, name, source)
    chosen = settings_of(old, job.settings)
    reduced = reduced_mark(mark, chosen)
    made["pca"].attrs["settings"] = chosen
    continue_clusterings(job, made, name, (old["reduced"].attrs["fingerprint"], reduced))
    for part in ("pca", "clusterings", "reduced"):
        made[part].attrs["fingerprint"] = reduced
    return mark


def _check_budget(job: Job, sets: list[str], new: NewCase) -> None:
    """Refuse a budget that any step of adding exceeds, before the first."""
    needs = path_needs(job.workspace, new.n_rows)
    for name in sets:
        old = job.workspace.root[f"descriptors/{name}"]
        needs += add_needs(name, old, new.sources[name], job.settings)
        before = old["reduced"]
        shape = before.shape[0] + new.n_rows, before.shape[1]
        needs += sweep_needs(job, name, Shape(shape, before.dtype))
    job.budget.check(needs)


def _check_groups(job: Job, new: NewCase) -> None:
    """Refuse a list of paths without the column that rows were grouped by for their outliers."""
    file = new.case.paths_file
    if file is not None and all(job.workspace.get(path) is not None for path in (PATH, OUTLIERS)):
        check_group(job.settings.having(**_settings_then(job.workspace)).group, [file])


def _tell_what_stays(job: Job, sets: list[str]) -> None:
    """Say which clusterings do not learn, and what is not made anew."""
    root, folder = job.workspace.root, job.workspace.folder
    groups = [root[f"descriptors/{name}"] for name in sets]
    clusterings = [own for group in groups for _, own in group["clusterings"].groups()]
    algorithms = {own.attrs["algorithm"] for own in clusterings}
    fixed = sorted(name for name in algorithms if not continues(name))
    if fixed:
        job.events.note(
            f"{', '.join(fixed)}: clusters stay as they are, and new rows get labels of them"
        )
    if any("layouts" in group for group in groups):
        job.events.note(f"layouts are of the old rows: run streamclust layout {folder} again")
    if any("description" in own for own in clusterings):
        job.events.note(
            f"descriptions are of the old rows: run streamclust describe {folder} again"
        )
    if (folder / COMPARISON_FILE).exists():
        job.events.note(f"comparisons are of the old rows: run streamclust compare {folder} again")


def _follow_up(job: Job, outputs: Outputs, sets: list[str]) -> None:
    """Measure, score and write what is not so yet."""
    workspace = job.workspace
    settings = job.settings.having(**_settings_then(workspace))
    own = replace(job, settings=settings.having(descriptors=tuple(sets)))
    for name in sets:
        measure_set(own, name)
    group = workspace.get(OUTLIERS)
    if group is not None:
        scored = tuple(name for name in group.attrs["sets"] if name in sets)
        find_outliers(replace(own, settings=settings.having(descriptors=scored or None)), outputs)
    export(own, outputs)
    for name in sets:
        draw(own, name, outputs)
        tell_choice(own, name)
    write_changes(own, outputs, sets)
    job.events.note(f"what changed: {CHANGES_FILE}, {CLUSTERS_FILE}")
    for name in workspace.descriptors:
        if words := stale_words(workspace, name):
            job.events.warn(words)


def _settings_then(workspace: Workspace) -> dict[str, Any]:
    """The settings that outliers were found with, as far as they are stored."""
    known = settings_of_last(workspace.folder, _FOUND_BY)
    then = {name: known[name] for name in _OF_OUTLIERS if name in known}
    group = workspace.get(OUTLIERS)
    if group is not None and "contamination" in group.attrs:
        then["contamination"] = group.attrs["contamination"]
    return then
