"""Clusters described: rows to show, what sets each apart, how easily all are told apart.

Of the recommended clustering of each set, or of one that is named. Stored without words
(`streamclust.store.descriptions`); written in words by `sentences`.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamclust.comparison import attribute_needs, stage_attributes
from streamclust.description.examples import examples_need, find_examples
from streamclust.description.facts import Counts, ImageMeasures, picture_need
from streamclust.errors import SettingsError
from streamclust.images import (
    Images,
    features_mark,
    groups,
    image_features,
    images_mark,
    is_grouped,
    scan_need,
    stored_images,
    stored_pixels,
)
from streamclust.memory import Need
from streamclust.passes import Passes
from streamclust.sources import fingerprint as file_fingerprint
from streamclust.steps import CaseShapes, Job, Step, StoredShapes
from streamclust.store import (
    AttributeTable,
    Description,
    StoredClustering,
    StoredGroups,
    find_clustering,
    fingerprint,
    load_description,
    publish_description,
    recommended_clusterings,
    restore_description,
    stored_groups,
    stored_outliers,
)

VERSION = 3


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
        When the table of attributes cannot be used; or an archive of images changes.
    MemoryBudgetError
        When it does not fit the budget.
    """
    step = Describe(chosen, table)
    job.check([step])
    groups(job)
    job.run([step])
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
    return stored_groups(job.workspace) if is_grouped(StoredShapes(job)) else None


@dataclass(frozen=True, eq=False)
class Describe(Step):
    """Describe clusterings, one of each set; each is told of with what it shares with the others.

    Parameters
    ----------
    chosen : dict of str to StoredClustering
        By set.
    table : AttributeTable, optional
        What is known of images.
    """

    name = "describe"
    chosen: dict[str, StoredClustering]
    table: AttributeTable | None

    def needs(self, on: CaseShapes) -> list[Need]:
        """Rows to show, images, values of attributes, and groups of all rows.

        Raises
        ------
        SettingsError, SourceError
            When the table's header cannot be used.
        """
        clusterings = list(self.chosen.values())
        pictures = [scan_need(on.n_rows), picture_need(on.n_rows, len(clusterings))]
        return [
            *(examples_need(on.reduced(one.set_name), one.n_clusters) for one in clusterings),
            *(pictures if on.has_images else []),
            *attribute_needs(self.table, on.n_rows, clusterings),
        ]

    def fingerprint(self, job: Job) -> str:
        images, of_groups = _images(job), _groups(job)
        outliers = stored_outliers(job.workspace)
        return fingerprint(
            *(self.name, VERSION, job.settings.random_state),
            images and (images.mark, images.pixels is not None),
            [(clustering.path, clustering.fingerprint) for clustering in self.chosen.values()],
            self.table and [file_fingerprint(self.table.file), self.table.columns],
            of_groups and of_groups.fingerprint,
            None if outliers is None else outliers.fingerprint,
        )

    def restore(self, job: Job, mark: str) -> bool:
        restored = [
            restore_description(clustering, of_one)
            for clustering, of_one in self._marks(mark).items()
        ]
        return all(restored)

    def work(self, job: Job, passes: Passes, mark: str) -> None:
        clusterings, table = list(self.chosen.values()), self.table
        with job.workspace.staging() as staged:
            known = None if table is None else stage_attributes(job, table, staged)
            examples = [find_examples(passes, job, clustering) for clustering in clusterings]
            measures, pixels, images = None, None, _images(job)
            if images is not None:
                rows = np.unique(np.concatenate([one.to_measure()[0] for one in examples]))
                features = image_features(job, passes, images.place, rows, images.mark)
                measures, pixels = ImageMeasures(rows, *features), images.pixels
            counts = Counts(passes, job, clusterings, known, measures, pixels, _groups(job))
            pairs = list(zip(clusterings, examples, strict=True))
            tracked = job.events.track(pairs, "descriptions", len(pairs), "sets")
            descriptions = [counts.description(*pair) for pair in tracked]
            marks = self._marks(mark).items()
            for (clustering, of_one), description in zip(marks, descriptions, strict=True):
                publish_description(staged, clustering, description, of_one)

    def _marks(self, mark: str) -> dict[StoredClustering, str]:
        """The fingerprint of each description: each tells of all clusterings."""
        return {one: fingerprint(mark, one.path) for one in self.chosen.values()}
