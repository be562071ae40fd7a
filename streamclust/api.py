"""What streamclust does, as functions: one for each command."""

import builtins
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamclust.errors import SettingsError
from streamclust.events import Observer
from streamclust.results import Case, PathLike
from streamclust.settings import AUTO, Settings
from streamclust.workspace import Workspace

if TYPE_CHECKING:
    from streamclust.steps.evaluate import Evaluation
    from streamclust.steps.job import Planned

CaseLike = PathLike | Sequence[PathLike]


def run(
    case: CaseLike,
    out: PathLike,
    settings: Settings | None = None,
    *observers: Observer,
    **changes: Any,
) -> Case:
    """Run everything on a case: from descriptor files to labels, tables and pictures.

    What is in `out` already is kept: finished steps are skipped, other settings add results.

    Parameters
    ----------
    case : path or sequence of paths
        A case folder in the reference layout, or descriptor files.
    out : path
        The results folder.
    settings : Settings, optional
    *observers : callable
        Told what happens, e.g. ``streamclust.progress.observer()``.
    **changes
        Settings by name, e.g. ``n_clusters="2:30"``, ``memory="640MiB"``.

    Returns
    -------
    Case

    Raises
    ------
    SourceError, SettingsError, MemoryBudgetError, WorkspaceError, ClusterError
        See `streamclust.errors`.
    """
    from streamclust import pipeline
    from streamclust.planning import open_inputs, plan_steps

    settings = _settings(settings, changes)
    inputs = open_inputs(case, settings)
    plan_steps(inputs, settings)
    pipeline.run_case(inputs, Workspace(out, create=True), settings, *observers)
    return Case(out)


def ingest(
    case: CaseLike,
    out: PathLike,
    settings: Settings | None = None,
    *observers: Observer,
    **changes: Any,
) -> Case:
    """Convert a case's descriptor files to Zarr and sum their moments and covariances.

    Parameters, errors and result as for `run`.
    """
    from streamclust import pipeline
    from streamclust.planning import open_inputs, plan_steps

    settings = _settings(settings, changes)
    inputs = open_inputs(case, settings)
    plan_steps(inputs, settings, ["ingest"])
    workspace = Workspace(out, create=True)
    with pipeline.working(workspace, settings, "ingest", *observers) as (job, _):
        pipeline.ingest_all(job, inputs)
    return Case(out)


def reduce(
    out: PathLike, settings: Settings | None = None, *observers: Observer, **changes: Any
) -> Case:
    """Reduce the ingested sets to their principal components."""
    from streamclust import pipeline

    return _each(pipeline.reduce_set, "reduce", out, settings, observers, changes)


def cluster(
    out: PathLike, settings: Settings | None = None, *observers: Observer, **changes: Any
) -> Case:
    """Cluster the reduced sets for every k of the sweep that is not there yet.

    An automatic sweep is measured on the way, to know where it ends.
    """
    from streamclust import clustering, pipeline

    chosen = _settings(settings, changes)
    step = clustering.cluster_sets if chosen.n_clusters == AUTO else clustering.cluster_only
    with pipeline.working(Workspace(out), chosen, "cluster", *observers) as (job, _):
        step(job, job.chosen())
    return Case(out)


def measure(
    out: PathLike, settings: Settings | None = None, *observers: Observer, **changes: Any
) -> Case:
    """Measure the clusterings that have not been measured, and refit halves for their stability."""
    from streamclust.clustering import measure_set

    return _each(measure_set, "measure", out, settings, observers, changes)


def outliers(
    out: PathLike, settings: Settings | None = None, *observers: Observer, **changes: Any
) -> Case:
    """Score every row, flag outliers with a kind and its reason, and list duplicates.

    Parameters
    ----------
    out : path
        A results folder with ingested sets.
    settings : Settings, optional
    *observers : callable
    **changes
        Settings by name, e.g. ``contamination=0.01``, ``scan_images=True``, ``group="none"``.

    Returns
    -------
    Case
        With ``outliers.csv``, ``outlier_reasons.csv``, ``outlier_groups.csv`` and
        ``duplicates.csv`` in its folder; see docs/outliers.md.
    """
    from streamclust import pipeline

    chosen = _settings(settings, changes)
    with pipeline.working(Workspace(out), chosen, "outliers", *observers) as (job, outputs):
        pipeline.find_outliers(job, outputs)
        pipeline.export(job, outputs)
    return Case(out)


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
    ``descriptors/<set>/layouts/<method>-<dimensions>``, see `streamclust.steps.layout`, and drawn.

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

    chosen = _settings(settings, changes)
    with pipeline.working(Workspace(out), chosen, "layout", *observers) as (job, outputs):
        pipeline.lay_out(job, outputs, method, dimensions, clustering)
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
    from streamclust.steps import evaluate as step

    chosen = _settings(settings, changes)
    with pipeline.working(Workspace(out), chosen, "evaluate", *observers) as (job, outputs):
        return step.evaluate(job, Path(truth), outputs)


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

    chosen = _settings(settings, changes)
    table = None if attributes is None else Path(attributes)
    wanted = columns.split(",") if isinstance(columns, str) else columns
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
    from streamclust.models.languages import LANGUAGES

    if language not in LANGUAGES:
        raise SettingsError(f"language={language!r} is none of {', '.join(LANGUAGES)}")
    chosen = _settings(settings, changes)
    table = None if attributes is None else Path(attributes)
    wanted = columns.split(",") if isinstance(columns, str) else columns
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
    from streamclust.models.languages import LANGUAGES
    from streamclust.report.report import report as step

    if language not in LANGUAGES:
        raise SettingsError(f"language={language!r} is none of {', '.join(LANGUAGES)}")
    chosen = _settings(settings, changes)
    with pipeline.working(Workspace(out), chosen, "report", *observers) as (job, outputs):
        step(job, outputs, None if to is None else Path(to), language, overwrite=overwrite)
    return Case(out)


def mix(
    out: PathLike,
    sets: Sequence[str],
    weights: str | Sequence[float] | None = None,
    settings: Settings | None = None,
    *observers: Observer,
    consensus: bool = False,
    name: str | None = None,
    **changes: Any,
) -> Case:
    """Mix descriptor sets into one, and reduce, cluster and measure it like any other.

    Parameters
    ----------
    out : path
        A results folder with these sets.
    sets : sequence of str
        Two or more; each once.
    weights : "auto", or sequence of float, optional
        Shares of the variance that the sets get, relative to each other; equal ones by default.
        auto searches those at which the set that is served worst is served best.
    consensus : bool
        Mix the labels of the sets' recommended clusterings in place of their descriptors.
    name : str, optional
        Of the set that is made: ``a+b``, or ``consensus-a+b``.

    Raises
    ------
    SettingsError
        When a set is not there or named twice, or a weight is not above 0.
    """
    from streamclust import pipeline
    from streamclust.steps.mix import MixedSet

    names = tuple(sets.split(",")) if isinstance(sets, str) else tuple(sets)
    mixture = MixedSet(names, weights, consensus, name)
    chosen = _settings(settings, changes)
    with pipeline.working(Workspace(out), chosen, "mix", *observers) as (job, outputs):
        pipeline.mix_sets(job, mixture, outputs)
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

    settings = _settings(settings, changes)
    if to is not None or folders is not None or form is not None:
        from streamclust.steps.take_away import TakeAway, take_away

        paths = (None if path is None else Path(path) for path in (to, folders))
        file, folder = paths
        wanted = TakeAway(file, form, folder, clustering, overwrite)
        with pipeline.working(Workspace(out), settings, "export", *observers) as (job, outputs):
            take_away(job, outputs, wanted)
        return Case(out)
    with pipeline.working(Workspace(out), settings, "export", *observers) as (job, outputs):
        pipeline.export(job, outputs)
        for descriptor in job.chosen():
            if job.workspace.get(f"descriptors/{descriptor}/reduced") is not None:
                pipeline.draw(job, descriptor, outputs)
    return Case(out)


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
    from streamclust.steps.named import write_template

    if (names is None) == (template is None):
        raise SettingsError("name a table of --names, or a --template to write")
    chosen = _settings(settings, changes)
    with pipeline.working(Workspace(out), chosen, "label", *observers) as (job, outputs):
        if names is not None:
            pipeline.name_clusters(job, outputs, Path(names))
        if template is not None:
            write_template(job, outputs, Path(template), overwrite=overwrite)
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
    from streamclust.steps.assign import Assignment
    from streamclust.steps.assign import assign as step

    chosen = _settings(settings, changes)
    wanted = Assignment(new, Path(to), clustering, outliers, overwrite)
    with pipeline.working(Workspace(out), chosen, "assign", *observers) as (job, outputs):
        step(job, outputs, wanted)
    return Case(out)


def info(out: PathLike) -> dict[str, Any]:
    """What a results folder holds, as plain numbers and names.

    Returns
    -------
    dict
        ``folder``, ``format``, ``bytes``, ``paths`` and, by name, ``descriptors``: rows, columns,
        type, invalid rows, components, clusterings with their scores, the recommended one.
    """
    from streamclust.inventory import inventory

    return inventory(Workspace(out))


def plan(case: CaseLike, settings: Settings | None = None, **changes: Any) -> "list[Planned]":
    """What a run would do and the memory each step would take; does nothing.

    Raises
    ------
    MemoryBudgetError
        When a step does not fit: the message tells the least that would do.
    """
    from streamclust.planning import open_inputs, plan_steps

    settings = _settings(settings, changes)
    return plan_steps(open_inputs(case, settings), settings)


def demo(
    folder: PathLike,
    settings: Settings | None = None,
    *observers: Observer,
    rows: int = 3000,
    images: bool = True,
    **changes: Any,
) -> Case:
    """Make a case out of nothing in ``folder/case`` and run it into ``folder/out``.

    Parameters
    ----------
    rows : int
        Images, or rows of descriptors.
    images : bool
        Draw vehicle images and extract descriptors from them; otherwise draw descriptors alone
        from the same generating model, for any number of rows.
    """
    from streamclust.demo import make_case
    from streamclust.events import Events

    settings = _settings(settings, changes)
    if rows < 10:
        raise SettingsError(f"rows={rows!r} must be 10 or more")
    events = Events(*observers)
    with events.passing("making the demo case", rows) as advance:
        done = 0

        def progress(now: int, total: int, what: str) -> None:
            nonlocal done
            advance(max(0, now - done))
            done = max(done, now)

        case = make_case(
            Path(folder) / "case",
            rows=rows,
            images=images,
            random_state=settings.random_state,
            progress=progress,
        )
    return run(case, Path(folder) / "out", settings, *observers)


def init(path: PathLike = "streamclust.toml") -> Path:
    """Write a TOML file with every setting, its default and what it means.

    Raises
    ------
    SettingsError
        When the file is there already.
    """
    from streamclust.template import settings_template

    target = Path(path)
    try:
        with builtins.open(target, "x", encoding="utf-8") as file:
            file.write(settings_template())
    except FileExistsError:
        raise SettingsError(f"{target} is there already: name another file, or edit it") from None
    return target


def open(out: PathLike) -> Case:
    """Open a results folder.

    Raises
    ------
    WorkspaceError
        When it holds no results, or such of another format.
    """
    return Case(out)


def _settings(settings: Settings | None, changes: dict[str, Any]) -> Settings:
    return (settings or Settings()).having(**changes)


def _each(
    step: Any,
    command: str,
    out: PathLike,
    settings: Settings | None,
    observers: Sequence[Observer],
    changes: dict[str, Any],
) -> Case:
    from streamclust import pipeline

    chosen = _settings(settings, changes)
    with pipeline.working(Workspace(out), chosen, command, *observers) as (job, _):
        pipeline.each_set(step, job)
    return Case(out)
