"""Which rows of a case are outliers: one score of all sets, and a threshold from its tail."""

import numpy as np

from streamclust.images import Images, images_mark, scan_need, stored_images
from streamclust.memory import MIB, Need
from streamclust.outliers.explanation import (
    BLOCK_ROWS,
    INVALID,
    KINDS,
    UNUSUAL,
    FlaggedRows,
    tell_kinds,
)
from streamclust.outliers.image_faults import Reasons, Yardstick
from streamclust.outliers.scores import fence_of_one, root_mean_square, threshold
from streamclust.passes import Columns, Passes, Rows
from streamclust.passes.accumulators import Collected
from streamclust.store import (
    Job,
    SetOutliers,
    Workspace,
    case_outliers,
    fingerprint,
    image_places,
    stored_outliers,
    stored_scan,
)

STEP = "suspects"
FLAGGING_BYTES_A_ROW, BYTES_A_REASON = 24, 30
# A block's scores or measures with what is made of them.
_BLOCK_BYTES = 96 * BLOCK_ROWS


def flag_outliers(job: Job, sets: list[str]) -> None:
    """Combine the scores of `sets`, flag rows and tell their kinds, unless that is done.

    It is done anew when the scores or the images have changed. With a scan, whose result tells of
    the images, nothing is asked of them here. Without one, a change of any file of their folder
    counts: which of them are looked at follows from the scores, and is not known before.

    Raises
    ------
    MemoryBudgetError
        When it does not fit the budget.
    """
    stored = case_outliers(job.workspace)
    images = stored_images(job)
    made_of = list(stored.inputs(sets).values())
    settings = job.settings
    scanned = settings.scan_images
    scan = stored_scan(job.workspace)
    of_images = images and (scan.fingerprint if scanned else images_mark(images))
    mark = fingerprint(STEP, 5, made_of, settings.contamination, scanned, of_images)
    if stored.restore(mark):
        job.skip(STEP, None)
        return
    n_rows = job.set(sets[0]).n_rows
    needs = flagging_needs(n_rows, images=images is not None and not scanned)
    with job.step(STEP, None, needs, n_rows) as passes:
        outliers = _flag(job, passes, sets)
        reasons, yardstick = _tell_kinds(job, passes, outliers, images)
        stored.save(
            outliers.score,
            outliers.flagged,
            outliers.kind,
            vars(reasons),
            mark,
            sets=sets,
            kinds=KINDS,
            threshold=outliers.threshold,
            contamination=settings.contamination,
            yardstick=None if yardstick is None else yardstick.to_dict(),
        )


def flagging_needs(n_rows: int, images: bool = True) -> list[Need]:
    """Memory of whole columns, a reason a row, and of the images in work if any are read."""
    held = n_rows * (FLAGGING_BYTES_A_ROW + BYTES_A_REASON) + 16 * MIB
    if not images:
        return [Need(STEP, fixed=held, per_block=_BLOCK_BYTES)]
    scan = scan_need(n_rows)
    return [Need(STEP, fixed=held + scan.fixed, per_block=max(scan.per_block, _BLOCK_BYTES))]


def load_flagged(job: Job) -> FlaggedRows | None:
    """Read what `flag_outliers` stored; None when nothing is."""
    stored = stored_outliers(job.workspace)
    if stored is None:
        return None
    columns = (array[...] for array in (stored.score, stored.flagged, stored.kind))
    score, flagged, kind = columns
    return FlaggedRows(score, stored.threshold, flagged, kind)


def set_scores(workspace: Workspace, sets: list[str]) -> dict[str, np.ndarray]:
    """The stored scores of all rows, Zarr arrays of float32, (n_rows,), by set."""
    return {name: SetOutliers(workspace, name).scores.score for name in sets}


def _flag(job: Job, passes: Passes, sets: list[str]) -> FlaggedRows:
    contamination = job.settings.contamination
    arrays = list(set_scores(job.workspace, sets).values())
    fences = [fence_of_one(array[...], contamination) for array in arrays]
    rows = Rows(Columns(arrays), rows_a_block=BLOCK_ROWS)
    combined = Collected(_CombinedScores(fences))
    score, invalid, alone = passes.reduce("scores of all sets", rows, combined).result()
    limit = threshold(score, contamination)
    kind = np.where(invalid, KINDS.index(INVALID), 0).astype(np.int8)
    return FlaggedRows(score, limit, (score > limit) | alone, kind)


class _CombinedScores:
    """The score of all sets, which rows have none in one of them, and which are far enough out in
    one alone, as a transform of the scores of the sets."""

    def __init__(self, fences: list[float]) -> None:
        self.fences = np.array(fences, np.float32)

    def __call__(self, scores: np.ndarray) -> tuple[np.ndarray, ...]:
        score = root_mean_square(list(scores.T))
        invalid = np.isnan(scores).any(axis=1)
        score[invalid] = np.inf
        return score, invalid, np.any(scores > self.fences, axis=1)


def _tell_kinds(
    job: Job, passes: Passes, outliers: FlaggedRows, images: Images | None
) -> tuple[Reasons, Yardstick | None]:
    reasons: tuple[Reasons, Yardstick | None] = (Reasons.none(), None)
    if images is not None:
        reasons = tell_kinds(job, passes, outliers, images)
    elif gone := [place for place in image_places(job.workspace) if not place.exists()]:
        job.events.warn(
            f"{gone[0]} is gone: scores come without reasons from the images; put it back and run "
            "again"
        )
    else:
        job.events.note("the case has no images: scores come without reasons from them")
    # Of these nothing but the descriptors speaks.
    outliers.kind[outliers.flagged & (outliers.kind == 0)] = KINDS.index(UNUSUAL)
    return reasons
