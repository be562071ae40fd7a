"""Clusters described: rows to show, what sets each apart, how easily all are told apart.

Of the recommended clustering of each set, or of one that is named. Stored without words
(`streamclust.store.descriptions`); written in words by `tables`.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamclust.comparison import KnownAttributes, attribute_needs, stage_attributes
from streamclust.description.examples import Examples, examples_need, find_examples
from streamclust.description.facts import Counts, ImageMeasures, picture_need
from streamclust.errors import SettingsError
from streamclust.images import (
    Images,
    features_mark,
    groups,
    image_features,
    images_mark,
    stored_images,
    stored_pixels,
)
from streamclust.memory import Need
from streamclust.sources import fingerprint as file_fingerprint
from streamclust.steps import Job
from streamclust.store import (
    AttributeTable,
    Description,
    StoredClustering,
    StoredGroups,
    find_clustering,
    fingerprint,
    load_description,
    paths_fingerprint,
    publish_description,
    recommended_clusterings,
    restore_description,
    stored_groups,
    stored_outliers,
)

STEP = "describe"
VERSION = 2


def chosen_clusterings(job: Job, which: str | int | None = None) -> dict[str, StoredClustering]:
    """The clustering of each chosen set that is to be described: the recommended one, or that which
    is named, see `find_clustering`.

    Raises
    ------
    SettingsError
        When no set has one.
    """
    names = [name for name in job.chosen() if job.set(name).reduced is not None]
    clusterings = recommended_clusterings(job.workspace, names) if which is None else {}
    wanted, advice = "a recommended clustering", "run streamclust cluster and measure first"
    if which is not None:
        wanted, advice = (
            f"a clustering {which}",
            "streamclust info and metrics.csv tell which there are",
        )
        for name in names:
            with suppress(SettingsError):
                if (found := find_clustering(job.workspace, name, which)) is not None:
                    clusterings[name] = found
    if not clusterings:
        raise SettingsError(f"no chosen set of {job.workspace.folder} has {wanted}: {advice}")
    for name in names:
        if name not in clusterings:
            job.events.warn(f"{name}: has not {wanted}, left out")
    return clusterings


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
    images, groups_of_rows = _images(job), _groups(job)
    mark = _mark(job, chosen, table, images, groups_of_rows)
    marks = {name: fingerprint(mark, clustering.path) for name, clustering in chosen.items()}
    if all(restore_description(chosen[name], marks[name]) for name in chosen):
        job.skip(STEP, None)
    else:
        needs = describe_needs(job, chosen, table)
        job.budget.check({STEP: needs})
        with job.workspace.staging() as staged:
            known = None if table is None else stage_attributes(job, table, staged)
            descriptions = _described(job, chosen, known, images, groups_of_rows)
            for name, clustering in chosen.items():
                publish_description(staged, clustering, descriptions[name], marks[name])
    stored = {name: load_description(clustering) for name, clustering in chosen.items()}
    return {name: description for name, description in stored.items() if description is not None}


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


def _groups(job: Job) -> StoredGroups | None:
    """The groups of rows, of whatever size; None where there are none."""
    if job.settings.group == "none" or paths_fingerprint(job.workspace) is None:
        return None
    groups(job)
    return stored_groups(job.workspace)


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
        *(examples_need(job, clustering) for clustering in clusterings),
        *attribute_needs(table, n_rows, clusterings),
    ]


def _mark(
    job: Job,
    chosen: dict[str, StoredClustering],
    table: AttributeTable | None,
    images: _Images | None,
    groups_of_rows: StoredGroups | None,
) -> str:
    """What descriptions are made of: each tells of all clusterings that it is described with."""
    workspace = job.workspace
    outliers = stored_outliers(workspace)
    return fingerprint(
        *(STEP, VERSION, job.settings.random_state),
        images and (images.mark, images.pixels is not None),
        [(clustering.path, clustering.fingerprint) for clustering in chosen.values()],
        table and [file_fingerprint(table.file), table.columns],
        groups_of_rows and groups_of_rows.fingerprint,
        None if outliers is None else outliers.fingerprint,
    )


def _described(
    job: Job,
    chosen: dict[str, StoredClustering],
    known: KnownAttributes | None,
    images: _Images | None,
    groups_of_rows: StoredGroups | None,
) -> dict[str, Description]:
    clusterings = list(chosen.values())
    n_rows = clusterings[0].labels.shape[0]
    examples: dict[str, Examples] = {}
    for name, clustering in chosen.items():
        needs = [examples_need(job, clustering)]
        with job.step(STEP, name, needs, n_rows) as passes:
            examples[name] = find_examples(passes, job, clustering)
    measures, pixels = None, None
    needs = attribute_needs(None, n_rows, clusterings)
    if images is not None:
        rows = np.unique(np.concatenate([of_set.to_measure()[0] for of_set in examples.values()]))
        measures = ImageMeasures(rows, *image_features(job, images.place, rows, images.mark))
        pixels = images.pixels
    if pixels is not None:
        needs.append(picture_need(pixels, clusterings))
    with job.step(STEP, None, needs, n_rows) as passes:
        counts = Counts(passes, job, clusterings, known, measures, pixels, groups_of_rows)
        names = job.events.track(chosen, "descriptions", len(chosen), "sets")
        return {name: counts.description(chosen[name], examples[name]) for name in names}
