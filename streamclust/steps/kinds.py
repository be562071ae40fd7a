"""Why rows are suspect, from their images: a kind for each, and the measures that tell it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from streamclust.accumulators.sample import UniformSample
from streamclust.errors import MISSING, SourceError
from streamclust.models.pixels import MEASURES
from streamclust.models.reasons import KINDS as PIXEL_KINDS
from streamclust.models.reasons import Reasons, Yardstick
from streamclust.passes import Passes
from streamclust.sources.images import Images, ImageStore
from streamclust.steps.job import Job
from streamclust.steps.paths import paths_of
from streamclust.steps.scan import CHUNK_ROWS, PIXELS, PROBLEM, PROBLEMS, Problem, measure_rows
from streamclust.workspace import stage_array

if TYPE_CHECKING:
    from streamclust.steps.suspects import Suspects

UNUSUAL, INVALID = "unusual content", "invalid descriptor"
# The codes of `outliers/kind`: pixels tell the first, then what nothing but the descriptor tells.
KINDS = ("", *PIXEL_KINDS, UNUSUAL, *PROBLEMS[1:], INVALID)
# A picture of another size is no bad picture: only together with the descriptors it is a suspect.
BAD_PICTURES = tuple(
    KINDS.index(kind) for kind in (*PIXEL_KINDS, *PROBLEMS[2:]) if kind != "odd size"
)
# Where the reasons stand in the store, a row of the columns of `Reasons` each, but with the
# codes of these `KINDS`.
REASONS = "outliers/reasons"

MOST_MEASURED = 5_000
ORDINARY = 2_000
_LINES = 4_096


class Reason(NamedTuple):
    """A measure of an image outside of what is usual.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    measure : str
        One of `streamclust.models.pixels.MEASURES`.
    value : float
        The image's.
    usual : tuple of float
        The 5th and 95th percentile of ordinary images.
    """

    kind: str
    measure: str
    value: float
    usual: tuple[float, float]


def tell_kinds(
    job: Job, passes: Passes, found: "Suspects", images: Images
) -> tuple[list[Reasons], Yardstick | None]:
    """Set the kinds of suspects from their pixels, and flag those whose picture is bad.

    With ``scan_images`` the stored measures of all rows tell, otherwise the images of the
    `MOST_MEASURED` suspects of highest score and of `ORDINARY` others are read.

    Parameters
    ----------
    job : Job
    passes : Passes
    found : Suspects
        Its `flagged` and `kind` are changed in place.
    images : Images

    Returns
    -------
    reasons : list of Reasons
        By rows of the case, with the codes of `KINDS`.
    yardstick : Yardstick or None
        What they were held against; None where no image could be read.
    """
    ordinary = _sample(~found.flagged, ORDINARY, job.settings.random_state)
    if job.settings.scan_images:
        return _from_scan(job, found, np.sort(ordinary))
    try:
        store = ImageStore(images)
    except SourceError as error:
        job.events.warn(f"{error}; scores come without reasons")
        return [], None
    shown = _looked_at(job, found)
    rows = np.concatenate([shown, ordinary])
    measures, problems = measure_rows(passes, store, paths_of(job.workspace, rows), rows)
    n_images = len(np.unique(rows))
    missing = {problem.row for problem in problems if problem.kind == MISSING}
    if len(missing) == n_images:
        job.events.warn(
            f"{images}: holds none of the {n_images:,} images looked for: check that images and "
            "list belong together; scores come without reasons"
        )
        return [], None
    _tell_problems(job, images, problems, n_images)
    yardstick = Yardstick.fit(measures[len(shown) :])
    codes = {problem.row: PROBLEMS.index(problem.kind) for problem in problems}
    problem = np.array([codes.get(row, 0) for row in shown.tolist()], np.int8)
    return [_tell(found, shown, measures[: len(shown)], problem, yardstick)], yardstick


def _sample(among: np.ndarray, size: int, seed: int) -> np.ndarray:
    """A uniform sample of the rows that are True."""
    sample = UniformSample(size, seed)
    for start in range(0, len(among), CHUNK_ROWS):
        rows = start + np.flatnonzero(among[start : start + CHUNK_ROWS])
        sample.update(rows, rows)
    return sample.result()[0] if sample.columns else np.empty(0, np.int64)


def _looked_at(job: Job, found: "Suspects") -> np.ndarray:
    shown = found.shown()
    shown = shown[found.kind[shown] == 0]
    if len(shown) > MOST_MEASURED:
        job.events.warn(
            f"{len(shown):,} rows are flagged: reasons are looked for in the images of the "
            f"{MOST_MEASURED:,} of highest score (--scan-images reads all)"
        )
    return shown[:MOST_MEASURED]


def _tell_problems(job: Job, images: Images, problems: list[Problem], n_read: int) -> None:
    if problems:
        counts = Counter({problem.row: problem.kind for problem in problems}.values())
        listed = ", ".join(f"{kind} {count:,}" for kind, count in sorted(counts.items()))
        job.events.warn(
            f"{images.name}: {listed} of {n_read:,} looked at, such as row {problems[0].row}: "
            f"{problems[0].message}"
        )


def _from_scan(
    job: Job, found: "Suspects", ordinary: np.ndarray
) -> tuple[list[Reasons], Yardstick]:
    """Kinds from the stored measures of all images; bad ones are flagged whatever their score."""
    pixels, problems = job.workspace.root[PIXELS], job.workspace.root[PROBLEM]
    yardstick = Yardstick.fit(_rows_of(pixels, ordinary))
    told = []
    for start in range(0, len(found.score), CHUNK_ROWS):
        part = slice(start, min(start + CHUNK_ROWS, len(found.score)))
        measures, problem = pixels[part], problems[part]
        kinds = _kinds(measures, problem, yardstick)
        suspect = found.flagged[part] | np.isin(kinds, BAD_PICTURES)
        here = np.flatnonzero(suspect & (found.kind[part] == 0))
        told.append(_tell(found, start + here, measures[here], problem[here], yardstick))
    return told, yardstick


def _rows_of(array: Any, rows: np.ndarray) -> np.ndarray:
    """Sorted rows of a stored array, a chunk in memory at a time."""
    taken = [np.empty((0, *array.shape[1:]), array.dtype)]
    for start in range(0, array.shape[0], CHUNK_ROWS):
        here = rows[np.searchsorted(rows, start) : np.searchsorted(rows, start + CHUNK_ROWS)]
        if len(here):
            taken.append(array[start : start + CHUNK_ROWS][here - start])
    return np.concatenate(taken)


def _kinds(measures: np.ndarray, problem: np.ndarray, yardstick: Yardstick) -> np.ndarray:
    kinds = yardstick.first_kinds(measures) + 1
    offset = KINDS.index(PROBLEMS[1]) - 1
    return np.where(problem > 0, problem + offset, kinds).astype(np.int8)


def _tell(
    found: "Suspects",
    rows: np.ndarray,
    measures: np.ndarray,
    problem: np.ndarray,
    yardstick: Yardstick,
) -> Reasons:
    """Set the kind of each of `rows`, flag bad pictures, and give the reasons with their values."""
    kinds = _kinds(measures, problem, yardstick)
    found.flagged[rows] |= np.isin(kinds, BAD_PICTURES)
    flagged = found.flagged[rows]
    kinds[~flagged] = 0
    found.kind[rows] = np.where(flagged & (kinds == 0), KINDS.index(UNUSUAL), kinds)
    told = np.flatnonzero((kinds > 0) & (problem == 0))
    reasons = yardstick.reasons(measures[told])
    kind = (reasons.kind + KINDS.index(PIXEL_KINDS[0])).astype(np.int8)
    return replace(reasons, row=rows[told[reasons.row]], kind=kind)


def store_reasons(group: Any, told: list[Reasons]) -> None:
    """Write reasons into a staged group, an array a column."""
    for column in fields(Reasons):
        parts = [getattr(reasons, column.name) for reasons in (Reasons.none(), *told)]
        values = np.concatenate(parts)
        stored = stage_array(group, column.name, values.shape, values.dtype, CHUNK_ROWS)
        stored[...] = values


def load_reasons(job: Job, rows: np.ndarray | None = None) -> Iterator[tuple[int, Reason]]:
    """The stored reasons, row by row as they were told, a chunk in memory at a time.

    Parameters
    ----------
    job : Job
    rows : ndarray of int, optional
        Those of these rows only.
    """
    group = job.workspace.root[REASONS]
    for start in range(0, group["row"].shape[0], CHUNK_ROWS):
        part = slice(start, start + CHUNK_ROWS)
        numbers = group["row"][part]
        wanted = np.arange(len(numbers)) if rows is None else np.isin(numbers, rows).nonzero()[0]
        if len(wanted):
            yield from _reasons([group[column.name][part][wanted] for column in fields(Reasons)])


def _reasons(columns: list[np.ndarray]) -> Iterator[tuple[int, Reason]]:
    for start in range(0, len(columns[0]), _LINES):
        lines = (values[start : start + _LINES].tolist() for values in columns)
        for row, kind, measure, value, (low, high) in zip(*lines, strict=True):
            yield row, Reason(KINDS[kind], MEASURES[measure], value, (low, high))
