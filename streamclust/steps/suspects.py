"""The outliers of a case: one score of all sets, a threshold from its tail, and their store."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamclust.memory import MIB, Need
from streamclust.models.outlier_scores import (
    FAR_OUT_ALONE,
    far_out,
    over_sets,
    share_threshold,
)
from streamclust.models.reasons import Reasons, Yardstick
from streamclust.passes import Passes
from streamclust.sources.images import Images
from streamclust.steps.job import Job
from streamclust.steps.kinds import INVALID, KINDS, UNUSUAL, store_reasons, tell_kinds
from streamclust.steps.paths import PATH, image_places, place_of_paths
from streamclust.steps.scan import CHUNK_ROWS, PIXELS, images_mark, scan_need
from streamclust.workspace import Workspace, fingerprint, stage_array

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
