"""What there is before there are results: a case run, planned or made, a folder opened."""

import builtins
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from streamclust.case import Case, Observers
from streamclust.errors import SettingsError
from streamclust.held_paths import HeldPaths, list_file
from streamclust.last_settings import settings_of
from streamclust.settings.keywords import EmbedKeywords, IngestKeywords, RunKeywords, with_settings
from streamclust.store import Workspace

if TYPE_CHECKING:
    from streamclust.settings import Settings
    from streamclust.sources import CaseInputs
    from streamclust.steps import Planned

PathLike = str | Path
# Or an array, or arrays by the names of their sets.
CaseLike = PathLike | Sequence[PathLike] | Mapping[str, Any] | Any


@with_settings
def run(
    case: CaseLike,
    out: PathLike,
    *,
    paths: HeldPaths | None = None,
    images: PathLike | None = None,
    observers: Observers = (),
    **settings: Unpack[RunKeywords],
) -> Case:
    """Run everything on a case: from descriptor files to labels, tables and pictures.

    What is in `out` already is kept: finished steps are skipped, other settings add results.

    Parameters
    ----------
    case : path, sequence of paths, array-like, or mapping of str to array-like
        A case folder in the reference layout, or descriptor files; or what a program holds: a numpy
        array or memory map, a torch tensor, a data frame, a Zarr, HDF5 or dask array of shape
        (n_rows, n_columns), or several by the names of their sets.
    out : path
        The results folder.
    paths : path or sequence of str, optional
        The list of the images' paths, a file or as it is: by default ``images_paths.csv`` beside
        the descriptors, or the paths that rows come with. Paths that a program holds are kept as
        ``images_paths.csv`` in `out`.
    images : path, optional
        The folder, zip or tar file of the images, or a folder of such files: by default that of the
        case.
    observers : iterable of callable
        Told what happens, e.g. ``[streamclust.progress.observer()]``.
    **settings
        E.g. ``n_clusters="2:30"``, ``memory="640MiB"``; ``config`` is a settings file.

    Raises
    ------
    SourceError, SettingsError, MemoryBudgetError, WorkspaceError, ClusterError
        See `streamclust.errors`.
    """
    chosen, _ = settings_of("run", settings)
    if isinstance(case, str | Path) and (seen := _first_look(case, out, observers, chosen)):
        case = seen
    observers = tuple(observers)
    return _run(_inputs(case, paths, images, out, observers), out, observers, chosen)


def _first_look(
    given: PathLike, out: PathLike, observers: Observers, settings: "Settings"
) -> Path | None:
    """A case made of images alone, by the simple model; None where there are descriptors."""
    from streamclust.embedding import SIMPLE, holds_images_alone
    from streamclust.events import Events

    if not holds_images_alone(Path(given)):
        return None
    _check_is_no_input(given, out)
    Events(*observers).note(
        f"{given}: images without descriptors: a first look, by colour, layout and shape alone; "
        "streamclust embed describes them by a network"
    )
    case, memory, workers = Path(out) / "case", settings.memory, settings.workers
    return embed(given, case, models=[SIMPLE], observers=observers, memory=memory, workers=workers)


def _inputs(
    case: CaseLike,
    paths: HeldPaths | None,
    images: PathLike | None,
    out: PathLike,
    observers: Observers,
) -> "CaseInputs":
    """What is given, with a list of paths as a file: in `out`, where it is none yet."""
    from streamclust.events import Events
    from streamclust.sources import CaseInputs
    from streamclust.store import Outputs

    _check_is_no_input(case, out)
    if paths is None or isinstance(paths, str | Path):
        return CaseInputs(case, paths, images)
    workspace = Workspace(out, create=True)
    outputs = Outputs(workspace.folder, Events(*observers).warn)
    with workspace.lock(), list_file(paths, outputs) as listed:
        return CaseInputs(case, listed, images)


def _check_is_no_input(case: Any, out: PathLike) -> None:
    """Refuse to write results among what they are made of, which a later command would read."""
    is_folder = isinstance(case, str | Path) and Path(case).is_dir()
    if is_folder and Path(case).resolve() == Path(out).resolve():
        raise SettingsError(f"{out} is the folder that is read: name another --out")


def _run(
    case: "CaseLike | CaseInputs", out: PathLike, observers: Observers, settings: "Settings"
) -> Case:
    from streamclust import pipeline
    from streamclust.planning import open_inputs, plan_steps, run_steps

    inputs = open_inputs(case, settings)
    plan_steps(inputs, settings, run_steps(inputs, settings))
    pipeline.run_case(inputs, Workspace(out, create=True), settings, *observers)
    return Case(out)


@with_settings
def ingest(
    case: CaseLike,
    out: PathLike,
    *,
    paths: HeldPaths | None = None,
    images: PathLike | None = None,
    observers: Observers = (),
    **settings: Unpack[IngestKeywords],
) -> Case:
    """Convert a case's descriptor files to Zarr and sum their moments and covariances.

    Parameters and errors as for `run`.
    """
    from streamclust import pipeline
    from streamclust.planning import ingesting_steps, open_inputs, plan_steps

    chosen, _ = settings_of("ingest", settings)
    observers = tuple(observers)
    inputs = open_inputs(_inputs(case, paths, images, out, observers), chosen)
    plan_steps(inputs, chosen, ingesting_steps(inputs))
    workspace = Workspace(out, create=True)
    with pipeline.working(workspace, chosen, "ingest", *observers) as job:
        pipeline.ingest_all(job, inputs)
    return Case(out)


@with_settings
def plan(
    case: CaseLike,
    *,
    paths: HeldPaths | None = None,
    images: PathLike | None = None,
    **settings: Unpack[RunKeywords],
) -> "list[Planned]":
    """What a run would do and the memory each step would take; does nothing.

    Raises
    ------
    MemoryBudgetError
        When a step does not fit: the message tells the least that would do.
    """
    from streamclust.planning import open_inputs, plan_steps, run_steps
    from streamclust.sources import CaseInputs

    chosen, _ = settings_of("plan", settings)
    with list_file(paths) as listed:
        inputs = open_inputs(CaseInputs(case, listed, images), chosen)
    return plan_steps(inputs, chosen, run_steps(inputs, chosen))


@with_settings
def demo(
    folder: PathLike,
    *,
    rows: int = 3000,
    images: bool = True,
    observers: Observers = (),
    **settings: Unpack[RunKeywords],
) -> Case:
    """Make a case out of nothing in ``folder/case`` and run it into ``folder/out``.

    Parameters
    ----------
    folder : path
    rows : int
        Images, or rows of descriptors.
    images : bool
        Draw vehicle images and extract descriptors from them; otherwise draw descriptors alone
        from the same generating model, for any number of rows.
    observers, **settings
        As for `run`.
    """
    from streamclust.demo import make_case
    from streamclust.events import Events

    chosen, _ = settings_of("demo", settings)
    if rows < 10:
        raise SettingsError(f"rows={rows!r} must be 10 or more")
    observers = tuple(observers)
    with Events(*observers).passing("making the demo case", rows) as advance:
        done = 0

        def progress(now: int, total: int, what: str) -> None:
            nonlocal done
            advance(max(0, now - done))
            done = max(done, now)

        case = make_case(
            Path(folder) / "case",
            rows=rows,
            images=images,
            random_state=chosen.random_state,
            progress=progress,
        )
    return _run(case, Path(folder) / "out", observers, chosen)


def open(out: PathLike) -> Case:
    """Open a results folder.

    Raises
    ------
    WorkspaceError
        When it holds no results, or such of another format.
    """
    return Case(out)


def init(path: PathLike = "streamclust.toml") -> Path:
    """Write a TOML file with every setting, its default and what it means.

    Raises
    ------
    SettingsError
        When the file is there already.
    """
    from streamclust.settings import settings_template

    target = Path(path)
    try:
        with builtins.open(target, "x", encoding="utf-8") as file:
            file.write(settings_template())
    except FileExistsError:
        raise SettingsError(f"{target} is there already: name another file, or edit it") from None
    return target


def convert(
    source: PathLike | Any,
    to: PathLike,
    *,
    paths: PathLike | None = None,
    overwrite: bool = False,
    observers: Observers = (),
) -> Path:
    """Write descriptors as ``.npy``, ``.zarr`` or ``.parquet``, by the ending of `to`.

    They are read and written block by block, a few MiB at a time. Values stay as they are.

    Parameters
    ----------
    source : path or array-like
        A file of any format that is read, ``FILE/NAME`` for an array in a file of several, a
        pattern of files, a folder; or an array that the program holds.
    to : path
    paths : path, optional
        A list of the rows' paths, to go with them; by default those that they come with. Beside a
        ``.npy`` file they are written to ``NAME.paths.csv``.
    overwrite : bool
        Write over what is there.
    observers : iterable of callable
        Told what happens.

    Returns
    -------
    Path
        `to`.

    Raises
    ------
    SourceError
        When the source cannot be read.
    SettingsError
        For another ending, or a file that is there.
    """
    from streamclust import sources
    from streamclust.events import Events

    held = sources.held_sets(source)
    if held is not None and len(held) != 1:
        raise SettingsError(f"{', '.join(held) or 'nothing'}: one set is converted at a time")
    opened = sources.open_source(source) if held is None else next(iter(held.values()))
    listed = None if paths is None else sources.iter_paths(paths)
    events = Events(*observers)
    sources.convert(opened, Path(to), events, paths=listed, overwrite=overwrite)
    return Path(to)


@with_settings
def embed(
    images: PathLike,
    out: PathLike,
    *,
    models: PathLike | Sequence[PathLike] | Mapping[str, PathLike] = "simple",
    paths: PathLike | None = None,
    preset: str | None = None,
    size: int | str | Sequence[int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    crop: float | None = None,
    layout: str | None = None,
    output: str | None = None,
    observers: Observers = (),
    **settings: Unpack[EmbedKeywords],
) -> Path:
    """Make a case of images that have no descriptors, by networks in ONNX or the simple model.

    Images that cannot be read are left out and listed in ``bad_images.csv``. A command that was
    stopped goes on at the batch. See docs/embedding.md.

    Parameters
    ----------
    images : path
        A folder, a zip or tar file, or a list of paths, whole ones or from the list's folder.
    out : path
        The case folder.
    models : path, sequence of paths, or mapping of str to path
        ONNX files, each of which makes a set of its name, or of that which the mapping, or
        ``"NAME=FILE"``, gives it; or ``"simple"``, which takes none.
    paths : path, optional
        A list of those images in the folder or archive that count.
    preset : {"none", "raw", "imagenet", "clip"}, optional
        How pictures are cut, scaled and normalised, in place of what the network's file tells.
    size : int, "HxW" or (int, int), optional
        Pixels of the sides, or height and width, where the network leaves them open.
    mean, std : sequence of float, optional
        Of red, green and blue, in place of the preset's.
    crop : float, optional
        Share of the image that is kept, in the middle; 0 for the whole image, out of proportion.
    layout : {"nchw", "nhwc"}, optional
        Order of the network's input, where it cannot be told.
    output : str, optional
        An output or inner value of the network; its first output by default.
    observers : iterable of callable
        Told what happens.
    **settings
        ``memory``, ``workers``, and ``config``, a settings file.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    SourceError
        When there are no images, or a file is no network that takes pictures.
    SettingsError
        When options do not fit the network, or the folder holds something else.
    MemoryBudgetError
        When an image might not fit.
    WorkspaceError
        When another command makes the same case.
    """
    from streamclust.embedding import ONNXOptions, chosen_models, embed_images, find_images
    from streamclust.events import Events

    chosen, _ = settings_of("embed", settings)
    statistics = _three("mean", mean), _three("std", std)
    options = ONNXOptions(preset, _sides(size), *statistics, crop, layout, output)
    found = find_images(Path(images), None if paths is None else Path(paths))
    made = chosen_models(models, options)
    events = Events(*observers)
    embed_images(found, made, Path(out), events, chosen.memory_bytes, chosen.workers)
    return Path(out)


def _three(name: str, values: Sequence[float] | None) -> tuple[float, float, float] | None:
    if values is None:
        return None
    try:
        red, green, blue = map(float, values)
    except (TypeError, ValueError):
        red = green = blue = math.nan
    if not all(map(math.isfinite, (red, green, blue))):
        raise SettingsError(f"{name}={values!r}: give three numbers, of red, green, blue")
    return red, green, blue


def _sides(size: int | str | Sequence[int] | None) -> tuple[int, int] | None:
    """Height and width, of a square or not."""
    if size is None:
        return None
    parts = size.lower().split("x") if isinstance(size, str) else size
    try:
        sides = [int(one) for one in (parts if isinstance(parts, Sequence) else [parts])]
    except (TypeError, ValueError):
        sides = []
    if not 1 <= len(sides) <= 2:
        raise SettingsError(f"size={size!r}: write 224, or height and width: 256x128")
    return sides[0], sides[-1]
