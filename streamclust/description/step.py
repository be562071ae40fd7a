"""Clusters described: rows to show, what sets each apart, how easily all are told apart.

Of the recommended clustering of each set, or of one that is named. Stored, without words, in
``description`` beside the labels of the clustering (`stored`); written in words by
`tables`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from streamclust.comparison.attributes import (
    AttributeTable,
    Known,
    attribute_needs,
    stage_attributes,
)
from streamclust.description.examples import witness_need, witnesses
from streamclust.description.facts import Counted, Seen, picture_need
from streamclust.description.stored import (
    Description,
    description_path,
    load_description,
    store_description,
)
from streamclust.errors import SettingsError
from streamclust.images.archive import Images, stored_images
from streamclust.images.features import features_mark, image_features
from streamclust.images.groups import groups
from streamclust.images.scan import images_mark, stored_pixels
from streamclust.memory import Need
from streamclust.sources.readers import fingerprint as file_fingerprint
from streamclust.store.clusterings import (
    StoredClustering,
    recommended_clusterings,
    stored_clusterings,
)
from streamclust.store.images import paths_fingerprint, stored_groups
from streamclust.store.job import Job, planned
from streamclust.store.outliers import stored_outliers
from streamclust.store.workspace import fingerprint

STEP = "describe"
VERSION = 2


def chosen_clusterings(
    job: Job, algorithm: str | None = None, n_clusters: int | None = None
) -> dict[str, StoredClustering]:
    """The clustering of each chosen set that is to be described: the recommended one, or that of
    an algorithm and a number of clusters.

    Raises
    ------
    SettingsError
        When no set has one.
    """
    names = [n for n in job.chosen() if job.workspace.get(f"descriptors/{n}/reduced") is not None]
    if algorithm is None and n_clusters is None:
        found = recommended_clusterings(job.workspace, names)
        wanted, advice = "a recommended clustering", "run streamclust cluster and measure first"
    else:
        found = {}
        for name in names:
            own = recommended_clusterings(job.workspace, [name]).get(name)
            wanted_algorithm = algorithm or (own.algorithm if own else "kmeans")
            for one in stored_clusterings(job.workspace, name):
                if one.algorithm == wanted_algorithm and n_clusters in (None, one.n_clusters):
                    found.setdefault(name, one)
        wanted = " ".join(
            ["a clustering", *([f"by {algorithm}"] if algorithm else []),
             *([f"with {n_clusters} clusters"] if n_clusters is not None else [])]
        )  # fmt: skip
        advice = "streamclust info and metrics.csv tell which there are"
    if not found:
        raise SettingsError(f"no chosen set of {job.workspace.folder} has {wanted}: {advice}")
    for name in names:
        if name not in found:
            job.events.warn(f"{name}: has not {wanted}, left out")
    return found


def describe_clusterings(
    job: Job, chosen: dict[str, StoredClustering], table: AttributeTable | None
) -> dict[str, Description]:
    """Describe clusterings, unless that is done.

    Parameters
    ----------
    job : Job
    chosen : dict of str to StoredClustering
        By set.
    table : AttributeTable, optional
        What is known of images.

    Raises
    ------
    SettingsError, SourceError
        When the table of attributes cannot be used; or a zip file of images changes.
    MemoryBudgetError
        When it does not fit the budget.
    """
    images, group = _images(job), _groups(job)
    mark = _mark(job, chosen, table, images, group)
    marks = {name: fingerprint(mark, own.path) for name, own in chosen.items()}
    if not all(job.workspace.restore(description_path(chosen[n]), marks[n]) for n in chosen):
        needs = describe_needs(job, chosen, table)
        planned(STEP, None, needs, job.budget, job.executor.threads_a_process)
        with job.workspace.staging() as staged:
            known = None if table is None else stage_attributes(job, table, staged)
            told = _described(job, chosen, known, images, group)
            for name, own in chosen.items():
                part = staged.create_group(f"description-{len(list(staged.group_keys()))}")
                store_description(part, told[name])
                job.workspace.publish(part, description_path(own), marks[name])
    else:
        job.skip(STEP, None)
    stored = {name: load_description(job.workspace, own) for name, own in chosen.items()}
    return {name: told for name, told in stored.items() if told is not None}


@dataclass(frozen=True, eq=False)
class _Images:
    """The images of a case: where they are, their state, and the measures of all, if scanned."""

    place: Images
    mark: str
    pixels: Any


def _images(job: Job) -> _Images | None:
    place = stored_images(job)
    if place is None:
        return None
    state = images_mark(place)
    return _Images(place, features_mark(job, state), stored_pixels(job, state))


def _groups(job: Job) -> str | None:
    """Where the groups of rows are in the store, of whatever size; None where there are none."""
    if job.settings.group == "none" or paths_fingerprint(job.workspace) is None:
        return None
    groups(job)
    return stored_groups(job.workspace).path


def describe_needs(
    job: Job, chosen: dict[str, StoredClustering], table: AttributeTable | None
) -> list[Need]:
    """Memory of the passes: rows to show, values of attributes, and groups of all rows.

    Raises
    ------
    SettingsError, SourceError
        When the table's header cannot be used.
    """
    clusterings = list(chosen.values())
    n_rows = clusterings[0].labels.shape[0]
    return [
        *(witness_need(STEP, job, own) for own in clusterings),
        *attribute_needs(STEP, table, n_rows, clusterings),
    ]


def _mark(
    job: Job,
    chosen: dict[str, StoredClustering],
    table: AttributeTable | None,
    images: _Images | None,
    group: str | None,
) -> str:
    """What descriptions are made of: each tells of all clusterings that it is described with."""
    workspace = job.workspace
    outliers = stored_outliers(workspace)
    return fingerprint(
        *(STEP, VERSION, job.settings.random_state),
        images and (images.mark, images.pixels is not None),
        [(own.path, workspace.fingerprint_of(own.path)) for own in chosen.values()],
        table and [file_fingerprint(table.file), table.columns],
        group and workspace.fingerprint_of(group),
        None if outliers is None else outliers.fingerprint,
    )


def _described(
    job: Job,
    chosen: dict[str, StoredClustering],
    known: Known | None,
    images: _Images | None,
    group: str | None,
) -> dict[str, Description]:
    clusterings = list(chosen.values())
    n_rows = clusterings[0].labels.shape[0]
    found = {}
    for name, own in chosen.items():
        needs = [witness_need(STEP, job, own)]
        with job.step(STEP, name, needs, n_rows) as passes:
            found[name] = witnesses(passes, job, own)
    seen, pixels = None, None
    needs = attribute_needs(STEP, None, n_rows, clusterings)
    if images is not None:
        rows = np.unique(np.concatenate([of.to_look_at()[0] for of in found.values()]))
        seen, pixels = (
            Seen(rows, *image_features(job, images.place, rows, images.mark)),
            images.pixels,
        )
    if pixels is not None:
        needs.append(picture_need(STEP, pixels, clusterings))
    with job.step(STEP, None, needs, n_rows) as passes:
        counted = Counted(passes, job, clusterings, known, seen, pixels, group)
        return {
            name: counted.description(own, found[name])
            for name, own in job.events.track(chosen.items(), "descriptions", len(chosen), "sets")
        }
