"""The outliers of a case: one score of all sets, a threshold from its tail, and a kind for each."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.accumulators.sample import priorities
from streamclust.errors import SourceError
from streamclust.memory import MIB, Need
from streamclust.models.outlier_scores import far_out, over_sets, share_threshold
from streamclust.models.pixels import MEASURES
from streamclust.models.reasons import KINDS as PIXEL_KINDS
from streamclust.models.reasons import Reason, Yardstick
from streamclust.passes import Passes
from streamclust.sources.images import ImageStore
from streamclust.steps.job import Job
from streamclust.steps.paths import PATH, paths_of
from streamclust.steps.scan import (
    PIXELS,
    PROBLEM,
    PROBLEMS,
    Problem,
    images_mark,
    measure_rows,
    scan_need,
)
from streamclust.workspace import Workspace, fingerprint, stage_array, store_array

STEP = "suspects"
OUTLIERS = "outliers"
UNUSUAL, INVALID = "unusual content", "invalid descriptor"
# The codes of `outliers/kind`: pixels tell the first, then what nothing but the descriptor tells.
KINDS = ("", *PIXEL_KINDS, UNUSUAL, *PROBLEMS[1:], INVALID)
# A picture of another size is no bad picture: only together with the descriptors it is a suspect.
BAD_PICTURES = tuple(
    KINDS.index(kind) for kind in (*PIXEL_KINDS, *PROBLEMS[2:]) if kind != "odd size"
)

LEAST_SHOWN = 100
MOST_MEASURED = 5_000
ORDINARY = 2_000
BYTES_A_ROW = 24
_CHUNK = 65_536


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

    Raises
    ------
    MemoryBudgetError
        When it does not fit the budget.
    """
    workspace = job.workspace
    images = stored_images(job)
    scores = [f"descriptors/{name}/{OUTLIERS}" for name in sets]
    made_of = [workspace.fingerprint_of(path) for path in (*_inputs(sets), *scores)]
    scanned = workspace.fingerprint_of(PIXELS) if job.settings.scan_images else None
    of_images = images and [images_mark(images), scanned]
    mark = fingerprint(STEP, 2, made_of, job.settings.contamination, of_images)
    if workspace.restore(OUTLIERS, mark):
        job.skip(STEP, None)
        return
    n_rows = int(workspace.root[f"descriptors/{sets[0]}"].attrs["n_rows"])
    with job.step(STEP, None, suspect_needs(n_rows), n_rows) as passes:
        found = _flag(job, sets, n_rows)
        reasons, yardstick = _tell_kinds(job, passes, found, images)
        _store(job, found, sets, reasons, yardstick, mark)


def suspect_needs(n_rows: int) -> list[Need]:
    """Memory of whole columns, and of the images in work."""
    images = scan_need()
    held = n_rows * BYTES_A_ROW + images.fixed + 16 * MIB
    return [Need(STEP, fixed=held, per_block=images.per_block)]


def stored_outliers(workspace: Workspace) -> Any:
    """The group that `suspects` published; None without one, or where it is of other rows than
    those that the store holds now."""
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


def stored_images(job: Job) -> Path | None:
    """Where the images are; None where they are no more."""
    place = _images_of_ingest(job)
    return place if place is not None and place.exists() else None


def _images_of_ingest(job: Job) -> Path | None:
    paths = job.workspace.get(PATH)
    place = None if paths is None else paths.attrs.get("images")
    return place and Path(place)


def _flag(job: Job, sets: list[str], n_rows: int) -> Suspects:
    arrays = [job.workspace.root[f"descriptors/{name}/{OUTLIERS}/score"] for name in sets]
    score = np.empty(n_rows, np.float32)
    invalid = np.zeros(n_rows, bool)
    for start in range(0, n_rows, _CHUNK):
        part = slice(start, min(start + _CHUNK, n_rows))
        columns = [array[part] for array in arrays]
        score[part] = over_sets(columns)
        invalid[part] = np.any([np.isnan(column) for column in columns], axis=0)
    score[invalid] = np.inf
    threshold = _threshold(score, job.settings.contamination)
    kind = np.where(invalid, KINDS.index(INVALID), 0).astype(np.int8)
    return Suspects(score, threshold, score > threshold, kind)


def _threshold(score: np.ndarray, contamination: Any) -> float:
    if contamination == "auto":
        return far_out(score)
    return share_threshold(score, contamination)


def _finite(score: np.ndarray) -> np.ndarray:
    """Scores that sort: rows that are invalid come first, such without a score last."""
    largest = np.finfo(score.dtype).max
    return np.where(np.isnan(score), -1, np.minimum(score, largest))


def _tell_kinds(
    job: Job, passes: Passes, found: Suspects, images: Path | None
) -> tuple[list[tuple[int, Reason]], Yardstick | None]:
    """Set the kinds of suspects from their pixels; with a scan, those of all bad pictures."""
    if images is None:
        if place := _images_of_ingest(job):
            job.events.warn(f"{place} is gone: scores come without reasons from the images")
        return [], None
    if job.settings.scan_images:
        return _from_scan(job, found)
    shown = found.shown()
    shown = shown[found.kind[shown] == 0]
    if len(shown) > MOST_MEASURED:
        job.events.warn(
            f"{len(shown):,} rows are flagged: reasons are looked for in the images of the "
            f"{MOST_MEASURED:,} of highest score (--scan-images reads all)"
        )
        shown = shown[:MOST_MEASURED]
    ordinary = _sample(~found.flagged, ORDINARY, job.settings.random_state)
    try:
        store = ImageStore(images)
    except SourceError as error:
        job.events.warn(f"{error}; scores come without reasons")
        return [], None
    rows = np.concatenate([shown, ordinary])
    measures, problems = measure_rows(passes, store, paths_of(job.workspace, rows), rows)
    _tell_problems(job, images, problems, len(rows))
    yardstick = Yardstick.fit(measures[len(shown) :])
    codes = {problem.row: PROBLEMS.index(problem.kind) for problem in problems}
    problem = np.array([codes.get(row, 0) for row in shown.tolist()], np.int8)
    return _reasons(found, shown, measures[: len(shown)], problem, yardstick), yardstick


def _tell_problems(job: Job, images: Path, problems: list[Problem], n_read: int) -> None:
    if problems:
        counts = Counter(problem.kind for problem in problems)
        listed = ", ".join(f"{kind} {count:,}" for kind, count in sorted(counts.items()))
        job.events.warn(
            f"{images.name}: {listed} of {n_read:,} looked at, such as row {problems[0].row}: "
            f"{problems[0].message}"
        )


def _from_scan(job: Job, found: Suspects) -> tuple[list[tuple[int, Reason]], Yardstick]:
    """Kinds from the stored measures of all images; bad ones are flagged whatever their score."""
    pixels, problems = job.workspace.root[PIXELS], job.workspace.root[PROBLEM]
    ordinary = _sample(~found.flagged, ORDINARY, job.settings.random_state)
    yardstick = Yardstick.fit(_rows_of(pixels, np.sort(ordinary)))
    told: list[tuple[int, Reason]] = []
    for start in range(0, len(found.score), _CHUNK):
        part = slice(start, min(start + _CHUNK, len(found.score)))
        measures, problem = pixels[part], problems[part]
        kinds = _kinds(measures, problem, yardstick)
        suspect = found.flagged[part] | np.isin(kinds, BAD_PICTURES)
        rows = start + np.flatnonzero(suspect & (found.kind[part] == 0))
        here = rows - start
        told += _reasons(found, rows, measures[here], problem[here], yardstick)
    return told, yardstick


def _kinds(measures: np.ndarray, problem: np.ndarray, yardstick: Yardstick) -> np.ndarray:
    kinds = yardstick.first_kinds(measures).astype(np.int8) + 1
    offset = KINDS.index(PROBLEMS[1]) - 1
    return np.where(problem > 0, problem + offset, kinds).astype(np.int8)


def _reasons(
    found: Suspects,
    rows: np.ndarray,
    measures: np.ndarray,
    problem: np.ndarray,
    yardstick: Yardstick,
) -> list[tuple[int, Reason]]:
    """Set the kind of each of `rows`, flag bad pictures, and give the reasons with their values."""
    kinds = _kinds(measures, problem, yardstick)
    found.flagged[rows] |= np.isin(kinds, BAD_PICTURES)
    flagged = found.flagged[rows]
    kinds[~flagged] = 0
    found.kind[rows] = np.where(flagged & (kinds == 0), KINDS.index(UNUSUAL), kinds)
    told = np.flatnonzero((kinds > 0) & (problem == 0))
    return [
        (int(rows[place]), reason)
        for place in told
        for reason in yardstick.reasons(measures[place])
    ]


def _rows_of(array: Any, rows: np.ndarray) -> np.ndarray:
    """Sorted rows of a stored array, a chunk in memory at a time."""
    taken = [np.empty((0, *array.shape[1:]), array.dtype)]
    for start in range(0, array.shape[0], _CHUNK):
        here = rows[np.searchsorted(rows, start) : np.searchsorted(rows, start + _CHUNK)]
        if len(here):
            taken.append(array[start : start + _CHUNK][here - start])
    return np.concatenate(taken)


def _sample(among: np.ndarray, size: int, seed: int) -> np.ndarray:
    """A uniform sample of the rows that are True."""
    rows = np.flatnonzero(among)
    return rows[np.argsort(priorities(rows, seed), kind="stable")[:size]]


def _store(
    job: Job,
    found: Suspects,
    sets: list[str],
    reasons: list[tuple[int, Reason]],
    yardstick: Yardstick | None,
    mark: str,
) -> None:
    workspace = job.workspace
    with workspace.staging() as staged:
        made = staged.create_group(OUTLIERS)
        for name in ("score", "flagged", "kind"):
            column = getattr(found, name)
            out = stage_array(made, name, column.shape, column.dtype, _CHUNK)
            out[...] = column
        _store_reasons(made.create_group("reasons"), reasons)
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
    return [PATH, *(f"descriptors/{name}" for name in sets)]


def _store_reasons(group: Any, reasons: list[tuple[int, Reason]]) -> None:
    columns: dict[str, np.ndarray] = {
        "row": np.array([row for row, _ in reasons], np.int64),
        "kind": np.array([KINDS.index(reason.kind) for _, reason in reasons], np.int8),
        "measure": np.array([MEASURES.index(reason.measure) for _, reason in reasons], np.int8),
        "value": np.array([reason.value for _, reason in reasons], np.float32),
        "usual": np.array([reason.usual for _, reason in reasons], np.float32).reshape(-1, 2),
    }
    for name, values in columns.items():
        store_array(group, name, values)


def load_reasons(job: Job) -> Iterator[tuple[int, Reason]]:
    """The stored reasons, row by row as they were told."""
    group = job.workspace.root[f"{OUTLIERS}/reasons"]
    columns = [group[name][...].tolist() for name in ("row", "kind", "measure", "value", "usual")]
    for row, kind, measure, value, (low, high) in zip(*columns, strict=True):
        yield row, Reason(KINDS[kind], MEASURES[measure], value, (low, high))
