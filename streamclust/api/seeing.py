"""What results look like and mean: layouts, comparison, descriptions, and the page of all."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamclust.api.common import check_language, chosen_settings, column_names
from streamclust.events import Observer
from streamclust.results import Case, PathLike
from streamclust.settings import Settings
from streamclust.store.workspace import Workspace

if TYPE_CHECKING:
    from streamclust.outliers.evaluation import Evaluation


def layout(
    out: PathLike,
    method: str = "umap",
    dimensions: int = 2,
    settings: Settings | None = None,
    *observers: Observer,
    clustering: str | None = None,
    **changes: Any,
) -> Case:
    """Place all rows of the chosen sets on a plane or in space.

    Positions and how well they keep neighbours are stored in
    ``descriptors/<set>/layouts/<method>-<dimensions>``, see `streamclust.store.layouts`, and drawn.

    Parameters
    ----------
    out : path
        A results folder with reduced sets.
    method : {"umap", "pca", "lda"}
        Of a neighbourhood graph of landmarks (McInnes et al. 2018; needs umap-learn), by principal
        components, or by the axes that tell a clustering's clusters apart.
    dimensions : {2, 3}
    clustering : str, optional
        Which one lda tells apart, such as ``"kmeans-12"``: the recommended one by default.

    Raises
    ------
    SettingsError
        When a set is not reduced, has no such clustering, or umap-learn is not installed.
    """
    from streamclust import pipeline

    chosen = chosen_settings(settings, changes)
    with pipeline.working(Workspace(out), chosen, "layout", *observers) as (job, outputs):
        pipeline.lay_out(job, outputs, method, dimensions, clustering)
    return Case(out)


def compare(
    out: PathLike,
    attributes: PathLike | None = None,
    settings: Settings | None = None,
    *observers: Observer,
    columns: Sequence[str] | None = None,
    **changes: Any,
) -> Case:
    """Compare the clustered sets with each other, and with what is known of the images.

    Parameters
    ----------
    out : path
        A results folder with clustered and measured sets.
    attributes : path, optional
        A CSV with a column ``row`` or ``path`` and others with attributes, or VERI-Wild's
        ``vehicle_info.txt``; its lines may be of some of the images. Without it, that which was
        named before, with the columns that were.
    columns : sequence of str, optional
        The attributes to use, also such as would be left out, where one value has nearly all rows.

    Returns
    -------
    Case
        With ``comparison.csv``, ``agreement.csv``, ``contingency.csv``, ``attributes.csv``,
        ``mixing.csv`` and ``yield.csv`` in its folder; see docs/comparison.md.

    Raises
    ------
    SourceError
        When the table cannot be used, or matches few of the images.
    SettingsError
        When no set is clustered and measured, or the table has no column of a name in `columns`.
    """
    from streamclust import pipeline

    chosen = chosen_settings(settings, changes)
    table = None if attributes is None else Path(attributes)
    wanted = column_names(columns)
    with pipeline.working(Workspace(out), chosen, "compare", *observers) as (job, outputs):
        pipeline.compare_sets(job, outputs, table, wanted)
    return Case(out)


def describe(
    out: PathLike,
    attributes: PathLike | None = None,
    settings: Settings | None = None,
    *observers: Observer,
    columns: Sequence[str] | None = None,
    algorithm: str | None = None,
    n_clusters: int | None = None,
    language: str = "en",
    **changes: Any,
) -> Case:
    """Describe clusters: rows to look at, what sets each apart, in sentences and numbers.

    Parameters
    ----------
    out : path
        A results folder with clustered and measured sets.
    attributes, columns
        As for `compare`.
    algorithm : str, optional
    n_clusters : int, optional
        Which clustering of each set; the recommended one by default.
    language : {"en", "ru"}
        Of the names and sentences of ``descriptions.csv``.

    Returns
    -------
    Case
        With ``descriptions.csv``, ``description_evidence.csv`` and ``readability.csv`` in its
        folder; see docs/descriptions.md.

    Raises
    ------
    SourceError
        When the table cannot be used, or a zip file of images is replaced while it is read.
    SettingsError
        When no set has such a clustering, or there are no words of the language.
    """
    from streamclust import pipeline

    check_language(language)
    chosen = chosen_settings(settings, changes)
    table = None if attributes is None else Path(attributes)
    wanted = column_names(columns)
    with pipeline.working(Workspace(out), chosen, "describe", *observers) as (job, outputs):
        pipeline.describe_sets(job, outputs, table, wanted, algorithm, n_clusters, language)
    return Case(out)


def report(
    out: PathLike,
    to: PathLike | None = None,
    settings: Settings | None = None,
    *observers: Observer,
    language: str = "en",
    overwrite: bool = False,
    **changes: Any,
) -> Case:
    """Write one HTML page to look at results, and to name clusters in.

    Parameters
    ----------
    out : path
        A results folder with reduced sets; what else it holds is shown.
    to : path, optional
        The file; ``report.html`` in the results folder by default.
    language : {"en", "ru"}
        Of the names and sentences of described clusters.
    overwrite : bool
        Write over a file `to` of another origin.

    Raises
    ------
    SettingsError
        When no set is reduced, there are no words of the language, or a file would be overwritten.
    """
    from streamclust import pipeline
    from streamclust.report.step import report as step

    check_language(language)
    chosen = chosen_settings(settings, changes)
    with pipeline.working(Workspace(out), chosen, "report", *observers) as (job, outputs):
        step(job, outputs, None if to is None else Path(to), language, overwrite=overwrite)
    return Case(out)


def evaluate(
    out: PathLike,
    truth: PathLike,
    settings: Settings | None = None,
    *observers: Observer,
    **changes: Any,
) -> "Evaluation":
    """Compare outliers and clusterings with a truth table; writes ``evaluation.csv``.

    Parameters
    ----------
    truth : path
        A CSV with a column ``row`` or ``path``, ``outlier_kind`` (empty: ordinary), and others
        with attributes; its rows may be some of the case's.

    Raises
    ------
    SourceError
        When the table cannot be used.
    SettingsError
        When there is nothing to compare.
    """
    from streamclust import pipeline
    from streamclust.outliers import evaluation as step

    chosen = chosen_settings(settings, changes)
    with pipeline.working(Workspace(out), chosen, "evaluate", *observers) as (job, outputs):
        return step.evaluate(job, Path(truth), outputs)
