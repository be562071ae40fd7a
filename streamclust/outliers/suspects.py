"""The outliers of a case: one score of all sets, a threshold from its tail, and their store.

Why rows are suspect, from their images: a kind for each, and the measures that tell it.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np

from streamclust.errors import MISSING, SourceError
from streamclust.images.archive import Images, ImageStore
from streamclust.images.pixels import MEASURES
from streamclust.images.scan import (
    CHUNK_ROWS,
    PIXELS,
    PROBLEM,
    PROBLEMS,
    Problem,
    images_mark,
    measure_rows,
    scan_need,
)
from streamclust.memory import MIB, Need
from streamclust.outliers.reasons import KINDS as PIXEL_KINDS
from streamclust.outliers.reasons import Reasons, Yardstick
from streamclust.outliers.scores import FAR_OUT_ALONE, far_out, over_sets, share_threshold
from streamclust.passes.accumulators.sample import UniformSample
from streamclust.passes.verbs import Passes
from streamclust.store.job import Job
from streamclust.store.paths import PATH, image_places, paths_of, place_of_paths
from streamclust.store.workspace import Workspace, fingerprint, stage_array

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
        One of `streamclust.images.pixels.MEASURES`.
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


STEP = "suspects"
OUTLIERS = "outliers"
LEAST_SHOWN = 100
BYTES_A_ROW, BYTES_A_REASON = 24, 30


@dataclass(frozen=True, eq=False)
class Suspects:
    """What is decided of all rows.

    Attributes
    ----------
    score : ndarray of float32, shape (n_rows,)
        Of all sets; infinite for rows that are invalid in one of them.
    threshold : float
    flagged : ndarray of bool, shape (n_rows,)
    kind : ndarray of int8, shape (n_rows,)
        Index in `KINDS`; 0 for rows that are not flagged, or of which nothing is known.
    """

    score: np.ndarray
    threshold: float
    flagged: np.ndarray
    kind: np.ndarray

    def in_words(self) -> str:
        """How many rows are flagged, by kind."""
        counts = np.bincount(self.kind[self.flagged], minlength=len(KINDS)).tolist()
        kinds = [f"{kind} {n:,}" for kind, n in zip(KINDS, counts, strict=True) if kind and n]
        n_flagged, n_rows = int(self.flagged.sum()), len(self.flagged)
        words = f"{n_flagged:,} of {n_rows:,} rows ({n_flagged / n_rows:.2%}) are flagged"
        return f"outliers: {words}" + (f": {', '.join(kinds)}" if kinds else "")

    def shown(self) -> np.ndarray:
        """Numbers of the flagged rows and of at least the top 100, by score."""
        by_score = np.argsort(-_finite(self.score), kind="stable")
        shown = self.flagged.copy()
        shown[by_score[:LEAST_SHOWN]] = True
        return by_score[shown[by_score]]


def suspects(job: Job, sets: list[str]) -> None:
    """Combine the scores of `sets`, flag rows and tell their kinds, unless that is done.

    It is done anew when the scores or the images have changed. With a scan, whose result tells of
    the images, nothing is asked of them here. Without one, a change of any file of their folder
    counts: which of them are looked at follows from the scores, and is not known before.

    Raises
    ------
    MemoryBudgetError
        When it does not fit the budget.
    """
    workspace = job.workspace
    images = stored_images(job)
    made_of = [workspace.fingerprint_of(path) for path in _inputs(sets)]
    scanned = job.settings.scan_images
    of_images = images and (workspace.fingerprint_of(PIXELS) if scanned else images_mark(images))
    mark = fingerprint(STEP, 5, made_of, job.settings.contamination, scanned, of_images)
    if workspace.restore(OUTLIERS, mark):
        job.skip(STEP, None)
        return
    n_rows = int(workspace.root[f"descriptors/{sets[0]}"].attrs["n_rows"])
    needs = suspect_needs(n_rows, images=images is not None and not scanned)
    with job.step(STEP, None, needs, n_rows) as passes:
        found = _flag(job, sets, n_rows)
        reasons, yardstick = _told(job, passes, found, images)
        _store(job, found, sets, reasons, yardstick, mark)


def suspect_needs(n_rows: int, images: bool = True) -> list[Need]:
    """Memory of whole columns, a reason a row, and of the images in work if any are read."""
    held = n_rows * (BYTES_A_ROW + BYTES_A_REASON) + 16 * MIB
    if not images:
        return [Need(STEP, fixed=held)]
    scan = scan_need(n_rows)
    return [Need(STEP, fixed=held + scan.fixed, per_block=scan.per_block)]


def stored_outliers(workspace: Workspace) -> Any:
    """The group that `suspects` published; None without one, or where it is of other rows or
    scores than the store holds now."""
    group = workspace.get(OUTLIERS)
    made_of = {} if group is None else group.attrs.get("made_of", {})
    stale = any(workspace.fingerprint_of(path) != mark for path, mark in made_of.items())
    return None if stale else group


def flagged_rows(workspace: Workspace) -> dict[str, Any] | None:
    """How many rows are flagged, of which sets, from which score on; None without outliers."""
    group = stored_outliers(workspace)
    if group is None:
        return None
    names = ("sets", "n_flagged", "threshold", "contamination")
    return {name: group.attrs.get(name) for name in names}


def load_suspects(job: Job) -> Suspects | None:
    """Read what `suspects` stored; None when nothing is."""
    group = stored_outliers(job.workspace)
    if group is None:
        return None
    columns = (group[name][...] for name in ("score", "flagged", "kind"))
    score, flagged, kind = columns
    return Suspects(score, float(group.attrs["threshold"]), flagged, kind)


def set_scores(job: Job, sets: list[str]) -> Iterator[tuple[str, np.ndarray]]:
    """The scores of all rows, set by set."""
    for name in sets:
        yield name, job.workspace.root[f"descriptors/{name}/{OUTLIERS}/score"][...]


def stored_images(job: Job) -> Images | None:
    """Where the images are; None where any of them are no more."""
    places = image_places(job.workspace)
    there = bool(places) and all(place.exists() for place in places)
    return Images(tuple(places), place_of_paths(job.workspace)) if there else None


def _flag(job: Job, sets: list[str], n_rows: int) -> Suspects:
    arrays = [job.workspace.root[f"descriptors/{name}/{OUTLIERS}/score"] for name in sets]
    is_auto = job.settings.contamination == "auto"
    fences = [FAR_OUT_ALONE * far_out(array[...]) if is_auto else np.inf for array in arrays]
    score = np.empty(n_rows, np.float32)
    invalid, alone = np.zeros((2, n_rows), bool)
    for start in range(0, n_rows, CHUNK_ROWS):
        part = slice(start, min(start + CHUNK_ROWS, n_rows))
        columns = [array[part] for array in arrays]
        score[part] = over_sets(columns)
        invalid[part] = np.any([np.isnan(column) for column in columns], axis=0)
        beyond = [column > fence for column, fence in zip(columns, fences, strict=True)]
        alone[part] = np.any(beyond, axis=0)
    score[invalid] = np.inf
    threshold = _threshold(score, job.settings.contamination)
    kind = np.where(invalid, KINDS.index(INVALID), 0).astype(np.int8)
    return Suspects(score, threshold, (score > threshold) | alone, kind)


def _told(
    job: Job, passes: Passes, found: Suspects, images: Images | None
) -> tuple[list[Reasons], Yardstick | None]:
    told: tuple[list[Reasons], Yardstick | None] = ([], None)
    if images is not None:
        told = tell_kinds(job, passes, found, images)
    elif gone := [place for place in image_places(job.workspace) if not place.exists()]:
        job.events.warn(
            f"{gone[0]} is gone: scores come without reasons from the images; put it back and run "
            "again"
        )
    else:
        job.events.note("the case has no images: scores come without reasons from them")
    # Of these nothing but the descriptors speaks.
    found.kind[found.flagged & (found.kind == 0)] = KINDS.index(UNUSUAL)
    return told


def _threshold(score: np.ndarray, contamination: Any) -> float:
    if contamination == "auto":
        return far_out(score)
    return share_threshold(score, contamination)


def _finite(score: np.ndarray) -> np.ndarray:
    """Scores that sort: rows that are invalid come first, such without a score last."""
    largest = np.finfo(score.dtype).max
    return np.where(np.isnan(score), -1, np.minimum(score, largest))


def _store(
    job: Job,
    found: Suspects,
    sets: list[str],
    reasons: list[Reasons],
    yardstick: Yardstick | None,
    mark: str,
) -> None:
    workspace = job.workspace
    with workspace.staging() as staged:
        made = staged.create_group(OUTLIERS)
        for name in ("score", "flagged", "kind"):
            column = getattr(found, name)
            out = stage_array(made, name, column.shape, column.dtype, CHUNK_ROWS)
            out[...] = column
        store_reasons(made.create_group("reasons"), reasons)
        made.attrs.update(
            threshold=found.threshold,
            contamination=job.settings.contamination,
            n_flagged=int(found.flagged.sum()),
            kinds=list(KINDS),
            sets=sets,
            made_of={path: workspace.fingerprint_of(path) for path in _inputs(sets)},
            yardstick=yardstick and yardstick.to_dict(),
        )
        workspace.publish(made, OUTLIERS, mark)


def _inputs(sets: list[str]) -> list[str]:
    of_sets = (f"descriptors/{name}" for name in sets)
    return [PATH, *(path for name in of_sets for path in (name, f"{name}/{OUTLIERS}"))]
