"""From descriptor files to labels, measures and outliers: a case run, or step by step."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamclust.api.common import CaseLike, chosen_settings
from streamclust.errors import SettingsError
from streamclust.events import Observer
from streamclust.results import Case, PathLike
from streamclust.settings import AUTO, Settings
from streamclust.store.workspace import Workspace

if TYPE_CHECKING:
    from streamclust.store.job import Planned


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

    settings = chosen_settings(settings, changes)
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

    settings = chosen_settings(settings, changes)
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
    from streamclust import pipeline
    from streamclust import pipeline as clustering

    chosen = chosen_settings(settings, changes)
    step = clustering.cluster_sets if chosen.n_clusters == AUTO else clustering.cluster_only
    with pipeline.working(Workspace(out), chosen, "cluster", *observers) as (job, _):
        step(job, job.chosen())
    return Case(out)


def measure(
    out: PathLike, settings: Settings | None = None, *observers: Observer, **changes: Any
) -> Case:
    """Measure the clusterings that have not been measured, and refit halves for their stability."""
    from streamclust.pipeline import measure_set

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

    chosen = chosen_settings(settings, changes)
    with pipeline.working(Workspace(out), chosen, "outliers", *observers) as (job, outputs):
        pipeline.find_outliers(job, outputs)
        pipeline.export(job, outputs)
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
    from streamclust.comparison.mixed_sets import MixedSet

    names = tuple(sets.split(",")) if isinstance(sets, str) else tuple(sets)
    mixture = MixedSet(names, weights, consensus, name)
    chosen = chosen_settings(settings, changes)
    with pipeline.working(Workspace(out), chosen, "mix", *observers) as (job, outputs):
        pipeline.mix_sets(job, mixture, outputs)
    return Case(out)


def plan(case: CaseLike, settings: Settings | None = None, **changes: Any) -> "list[Planned]":
    """What a run would do and the memory each step would take; does nothing.

    Raises
    ------
    MemoryBudgetError
        When a step does not fit: the message tells the least that would do.
    """
    from streamclust.planning import open_inputs, plan_steps

    settings = chosen_settings(settings, changes)
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
    from streamclust.demo.case import make_case
    from streamclust.events import Events

    settings = chosen_settings(settings, changes)
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


def _each(
    step: Any,
    command: str,
    out: PathLike,
    settings: Settings | None,
    observers: Sequence[Observer],
    changes: dict[str, Any],
) -> Case:
    from streamclust import pipeline

    chosen = chosen_settings(settings, changes)
    with pipeline.working(Workspace(out), chosen, command, *observers) as (job, _):
        pipeline.each_set(step, job)
    return Case(out)
