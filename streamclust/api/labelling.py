"""Names for clusters, labels to take away, and rows that come later."""

from pathlib import Path
from typing import Any

from streamclust.api.common import CaseLike, chosen_settings
from streamclust.errors import SettingsError
from streamclust.events import Observer
from streamclust.results import Case, PathLike
from streamclust.settings import Settings
from streamclust.store.workspace import Workspace


def label(
    out: PathLike,
    names: PathLike | None = None,
    settings: Settings | None = None,
    *observers: Observer,
    template: PathLike | None = None,
    overwrite: bool = False,
    **changes: Any,
) -> Case:
    """Give names to clusters, and with them to all rows; or write the table to fill in.

    Parameters
    ----------
    out : path
        A results folder with clustered and measured sets.
    names : path, optional
        A CSV with the columns ``set,clustering,cluster,name,outlier,mark``, of which ``cluster``
        and ``name`` must be there; clusters of equal names are merged. See docs/labels.md.
    template : path, optional
        Where to write such a table of the recommended clusterings, to fill in.
    overwrite : bool
        Write the template over a file of another origin.

    Returns
    -------
    Case
        With ``named.csv`` in its folder, where names were given.

    Raises
    ------
    SourceError
        When the table cannot be read.
    SettingsError
        When it tells of what is not there, of another run, or of a cluster in two ways; nothing is
        stored then.
    """
    from streamclust import pipeline
    from streamclust.labelling.tables import write_template

    if (names is None) == (template is None):
        raise SettingsError("name a table of --names, or a --template to write")
    chosen = chosen_settings(settings, changes)
    with pipeline.working(Workspace(out), chosen, "label", *observers) as (job, outputs):
        if names is not None:
            pipeline.name_clusters(job, outputs, Path(names))
        if template is not None:
            write_template(job, outputs, Path(template), overwrite=overwrite)
    return Case(out)


def export(
    out: PathLike,
    settings: Settings | None = None,
    *observers: Observer,
    to: PathLike | None = None,
    form: str | None = None,
    folders: PathLike | None = None,
    clustering: str | None = None,
    overwrite: bool = False,
    **changes: Any,
) -> Case:
    """Write labels.csv, metrics.csv, clusters.csv and the clusterings' figures from what is stored.

    Tables and figures of the outliers and duplicates come with `outliers`. With `to` or `folders`
    only these are written: see docs/labels.md.

    Parameters
    ----------
    to : path, optional
        A file with a line a row, ``.csv``, ``.parquet``, ``.json`` or ``.jsonl``: label, name,
        distance, confidence, outlier score and reason.
    form : {"coco", "fiftyone"}, optional
        Image labels in the form of these tools, in a ``.json``.
    folders : path, optional
        A folder a name, of links to the images.
    clustering : str, optional
        Such as ``"kmeans-12"``, of all chosen sets; their recommended ones by default.
    overwrite : bool
        Write `to` over a file of another origin.

    Raises
    ------
    SettingsError
        When there is no such clustering, or a file that would be overwritten.
    """
    from streamclust import pipeline

    settings = chosen_settings(settings, changes)
    if to is not None or folders is not None or form is not None:
        from streamclust.labelling.export_rows import ExportOptions, export_rows

        paths = (None if path is None else Path(path) for path in (to, folders))
        file, folder = paths
        wanted = ExportOptions(file, form, folder, clustering, overwrite)
        with pipeline.working(Workspace(out), settings, "export", *observers) as (job, outputs):
            export_rows(job, outputs, wanted)
        return Case(out)
    with pipeline.working(Workspace(out), settings, "export", *observers) as (job, outputs):
        pipeline.export(job, outputs)
        for descriptor in job.chosen():
            if job.workspace.get(f"descriptors/{descriptor}/reduced") is not None:
                pipeline.draw(job, descriptor, outputs)
    return Case(out)


def assign(
    out: PathLike,
    new: CaseLike,
    to: PathLike,
    settings: Settings | None = None,
    *observers: Observer,
    clustering: str | None = None,
    outliers: bool = True,
    overwrite: bool = False,
    **changes: Any,
) -> Case:
    """Assign rows that come later to the stored clusters, and tell how they differ from the old.

    Parameters
    ----------
    out : path
        A results folder with clustered and measured sets.
    new : path or sequence of paths
        A case folder, or descriptor files that are called as the sets.
    to : path
        A file with a line a row, ``.csv``, ``.parquet``, ``.json`` or ``.jsonl``; ``drift.csv``
        is written beside it. See docs/assign.md.
    clustering : str, optional
        Such as ``"kmeans-12"``, of all sets; their recommended ones by default.
    outliers : bool
        Score the rows, which takes most of the time.
    overwrite : bool
        Write over files of another origin.

    Raises
    ------
    SourceError
        When a file cannot be read, or is of another width or type than its set.
    SettingsError
        When there is no such clustering, or a file that would be overwritten.
    """
    from streamclust import pipeline
    from streamclust.labelling.assign import AssignOptions
    from streamclust.labelling.assign import assign as step

    chosen = chosen_settings(settings, changes)
    wanted = AssignOptions(new, Path(to), clustering, outliers, overwrite)
    with pipeline.working(Workspace(out), chosen, "assign", *observers) as (job, outputs):
        step(job, outputs, wanted)
    return Case(out)


def update(
    out: PathLike,
    new: CaseLike,
    settings: Settings | None = None,
    *observers: Observer,
    **changes: Any,
) -> Case:
    """Add rows to results: their clusterings go on learning, and what changed is told.

    The projection stays, clusters keep their numbers, and all that was measured, scored and
    written is made anew with the settings that it was made with. Files that were added already
    are not added again. See docs/update.md.

    Parameters
    ----------
    out : path
        A results folder with clustered sets.
    new : path or sequence of paths
        A case folder, or descriptor files that are called as the sets: one for each set that is
        not mixed.

    Returns
    -------
    Case
        With ``label_changes.csv`` and ``cluster_changes.csv`` in its folder.

    Raises
    ------
    SourceError
        When files are missing, of another width or type than their set, without paths where there
        are some, or of rows that are there.
    SettingsError
        When a set has no clusterings that could go on.
    """
    from streamclust import pipeline
    from streamclust.labelling import update as adding

    chosen = chosen_settings(settings, changes)
    with pipeline.working(Workspace(out), chosen, "update", *observers) as (job, outputs):
        steps = adding.FollowUp(pipeline.measure_set, pipeline.find_outliers, pipeline.tell_choice)
        adding.update(job, outputs, new, steps)
    return Case(out)
