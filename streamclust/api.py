"""What streamclust does, as functions: one for each command, and the results as an object."""

import builtins
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamclust.errors import SettingsError
from streamclust.events import Observer
from streamclust.settings import Settings
from streamclust.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd
    import zarr

    from streamclust.steps.evaluate import Evaluation
    from streamclust.steps.job import Planned

PathLike = str | Path
CaseLike = PathLike | Sequence[PathLike]


def run(
    case: CaseLike,
    out: PathLike,
    settings: Settings | None = None,
    *observers: Observer,
    **changes: Any,
) -> "Case":
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

    settings = _settings(settings, changes)
    inputs = pipeline.open_inputs(case, settings)
    pipeline.plan_steps(inputs, settings)
    pipeline.run_case(inputs, Workspace(out, create=True), settings, *observers)
    return Case(out)


def ingest(
    case: CaseLike,
    out: PathLike,
    settings: Settings | None = None,
    *observers: Observer,
    **changes: Any,
) -> "Case":
    """Convert a case's descriptor files to Zarr and sum their moments and covariances.

    Parameters, errors and result as for `run`.
    """
    from streamclust import pipeline

    settings = _settings(settings, changes)
    inputs = pipeline.open_inputs(case, settings)
    pipeline.plan_steps(inputs, settings, ["ingest"])
    workspace = Workspace(out, create=True)
    with pipeline.working(workspace, settings, "ingest", *observers) as (job, _):
        pipeline.ingest_all(job, inputs)
    return Case(out)


def reduce(
    out: PathLike, settings: Settings | None = None, *observers: Observer, **changes: Any
) -> "Case":
    """Reduce the ingested sets to their principal components."""
    from streamclust import pipeline

    return _each(pipeline.reduce, "reduce", out, settings, observers, changes)


def cluster(
    out: PathLike, settings: Settings | None = None, *observers: Observer, **changes: Any
) -> "Case":
    """Cluster the reduced sets for every k of the sweep that is not there yet."""
    from streamclust import pipeline

    return _each(pipeline.cluster, "cluster", out, settings, observers, changes)


def measure(
    out: PathLike, settings: Settings | None = None, *observers: Observer, **changes: Any
) -> "Case":
    """Measure the clusterings that have not been measured."""
    from streamclust import pipeline

    return _each(pipeline.measure, "measure", out, settings, observers, changes)


def outliers(
    out: PathLike, settings: Settings | None = None, *observers: Observer, **changes: Any
) -> "Case":
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


def export(
    out: PathLike, settings: Settings | None = None, *observers: Observer, **changes: Any
) -> "Case":
    """Write labels.csv, metrics.csv, clusters.csv and the figures from what is stored."""
    from streamclust import pipeline

    settings = _settings(settings, changes)
    with pipeline.working(Workspace(out), settings, "export", *observers) as (job, outputs):
        pipeline.export(job, outputs)
        for descriptor in job.chosen():
            if job.workspace.get(f"descriptors/{descriptor}/reduced") is not None:
                pipeline.draw(job, descriptor, outputs)
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
    from streamclust import pipeline

    settings = _settings(settings, changes)
    return pipeline.plan_steps(pipeline.open_inputs(case, settings), settings)


def demo(
    folder: PathLike,
    settings: Settings | None = None,
    *observers: Observer,
    rows: int = 3000,
    images: bool = True,
    **changes: Any,
) -> "Case":
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


def open(out: PathLike) -> "Case":
    """Open a results folder.

    Raises
    ------
    WorkspaceError
        When it holds no results, or such of another format.
    """
    return Case(out)


class Case:
    """The results of a case, and the steps that add to them.

    Parameters
    ----------
    out : path
        The results folder.

    Attributes
    ----------
    folder : Path
    store : zarr.Group
        All that was computed, as plain Zarr arrays.
    """

    def __init__(self, out: PathLike) -> None:
        self._workspace = Workspace(out)
        self.folder = self._workspace.folder

    @property
    def store(self) -> "zarr.Group":
        import zarr

        return zarr.open_group(self._workspace.store, mode="r")

    @property
    def descriptors(self) -> list[str]:
        """Names of the descriptor sets."""
        return self._workspace.descriptors

    @property
    def metrics(self) -> "pd.DataFrame":
        """One line a clustering, as metrics.csv."""
        from streamclust.steps.tables import METRICS, metrics_table

        return _frame(metrics_table(self._workspace, self.descriptors), METRICS)

    @property
    def clusters(self) -> "pd.DataFrame":
        """One line a cluster, as clusters.csv."""
        from streamclust.steps.tables import CLUSTERS, clusters_table

        return _frame(clusters_table(self._workspace, self.descriptors), CLUSTERS)

    def recommended(self, descriptor: str) -> str | None:
        """Name of a set's recommended clustering, such as ``"kmeans-12"``."""
        from streamclust.steps.tables import choose

        return choose(self._workspace, descriptor)[0]

    def labels(self, descriptor: str, clustering: str | int | None = None) -> "zarr.Array":
        """Labels of all rows, int32; those of the recommended clustering by default.

        Parameters
        ----------
        descriptor : str
        clustering : str or int, optional
            A name such as ``"kmeans-12"``, or its number of clusters.

        Raises
        ------
        SettingsError
            When there is no such set or clustering.
        """
        if descriptor not in self.descriptors:
            known = ", ".join(self.descriptors)
            raise SettingsError(f"no set {descriptor!r} in {self.folder}: there are {known}")
        names = self._workspace.clusterings(descriptor)
        name = clustering or self.recommended(descriptor)
        if isinstance(name, int):
            name = f"kmeans-{name}"
        if name not in names:
            raise SettingsError(
                f"{descriptor} has no clustering {name} in {self.folder}: "
                f"there are {', '.join(names) or 'none'}"
            )
        return self._workspace.get(f"descriptors/{descriptor}/clusterings/{name}/labels")

    def reduce(self, *observers: Observer, **changes: Any) -> "Case":
        """See `streamclust.api.reduce`."""
        return reduce(self.folder, None, *observers, **changes)

    def cluster(self, *observers: Observer, **changes: Any) -> "Case":
        """See `streamclust.api.cluster`."""
        return cluster(self.folder, None, *observers, **changes)

    def measure(self, *observers: Observer, **changes: Any) -> "Case":
        """See `streamclust.api.measure`."""
        return measure(self.folder, None, *observers, **changes)

    def outliers(self, *observers: Observer, **changes: Any) -> "Case":
        """See `streamclust.api.outliers`."""
        return outliers(self.folder, None, *observers, **changes)

    def evaluate(self, truth: PathLike, *observers: Observer, **changes: Any) -> "Evaluation":
        """See `streamclust.api.evaluate`."""
        return evaluate(self.folder, truth, None, *observers, **changes)

    def export(self, *observers: Observer, **changes: Any) -> "Case":
        """See `streamclust.api.export`."""
        return export(self.folder, None, *observers, **changes)

    def info(self) -> dict[str, Any]:
        """See `streamclust.api.info`."""
        return info(self.folder)

    def __repr__(self) -> str:
        return f"Case({str(self.folder)!r}: {', '.join(self.descriptors) or 'empty'})"


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


def _frame(lines: list[dict[str, Any]], columns: Sequence[str]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(lines, columns=list(columns))
