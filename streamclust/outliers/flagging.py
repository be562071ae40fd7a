"""Which rows of a case are outliers: one score of all sets, and a threshold from its tail."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamclust.images import Images, Reasons, Yardstick, images_mark, scan_need, stored_images
from streamclust.memory import MIB, Need
from streamclust.outliers.explanation import (
    BLOCK_ROWS,
    INVALID,
    KINDS,
    UNUSUAL,
    FlaggedRows,
    tell_kinds,
)
from streamclust.outliers.scores import fence_of_one, root_mean_square, threshold
from streamclust.passes import Columns, Passes, Rows
from streamclust.passes.accumulators import Collected
from streamclust.steps import CaseShapes, Job, Step
from streamclust.store import (
    SetOutliers,
    Workspace,
    case_outliers,
    fingerprint,
    image_places,
    stored_outliers,
    stored_scan,
)

FLAGGING_BYTES_A_ROW, BYTES_A_REASON = 24, 30
# A block's scores or measures with what is made of them.
_BLOCK_BYTES = 96 * BLOCK_ROWS


@dataclass(frozen=True)
class FlagOutliers(Step):
    """Combine the scores of sets, flag rows and tell their kinds.

    It is done anew when the scores or the images have changed. With a scan, whose result tells of
    the images, nothing is asked of them here. Without one, a change of any file of their folder
    counts: which of them are looked at follows from the scores, and is not known before.
    """

    name = "suspects"
    sets: Sequence[str]

    def needs(self, on: CaseShapes) -> list[Need]:
        """Whole columns, a reason a row, and the images in work: a scan that fails has them read
        here."""
        held = on.n_rows * (FLAGGING_BYTES_A_ROW + BYTES_A_REASON) + 16 * MIB
        if not on.has_images:
            return [Need(fixed=held, per_block=_BLOCK_BYTES)]
        scan = scan_need(on.n_rows)
        work = max(scan.per_block, _BLOCK_BYTES)
        return [Need(fixed=held + scan.fixed, per_block=work)]

    def fingerprint(self, job: Job) -> str:
        made_of = list(case_outliers(job.workspace).inputs(self.sets).values())
        images, scanned = stored_images(job), job.settings.scan_images
        scan = stored_scan(job.workspace)
        of_images = images and (scan.fingerprint if scanned else images_mark(images))
        return fingerprint(self.name, 6, made_of, job.settings.contamination, scanned, of_images)

    def restore(self, job: Job, mark: str) -> bool:
        return case_outliers(job.workspace).restore(mark)

    def work(self, job: Job, passes: Passes, mark: str) -> None:
        outliers = _flag(job, passes, self.sets)
        reasons, yardstick = _tell_kinds(job, passes, outliers, stored_images(job))
        case_outliers(job.workspace).save(
            outliers.score,
            outliers.flagged,
            outliers.kind,
            vars(reasons),
            mark,
            sets=list(self.sets),
            kinds=KINDS,
            threshold=outliers.threshold,
            contamination=job.settings.contamination,
            yardstick=None if yardstick is None else yardstick.to_dict(),
        )


def load_flagged(job: Job) -> FlaggedRows | None:
    """Read what `FlagOutliers` stored; None when nothing is."""
    stored = stored_outliers(job.workspace)
    if stored is None:
        return None
    columns = (array[...] for array in (stored.score, stored.flagged, stored.kind))
    score, flagged, kind = columns
    return FlaggedRows(score, stored.threshold, flagged, kind)


def flagged_now(job: Job) -> FlaggedRows:
    """As `load_flagged`, where a step before has stored them."""
    flagged = load_flagged(job)
    assert flagged is not None
    return flagged


def set_scores(workspace: Workspace, sets: Sequence[str]) -> dict[str, np.ndarray]:
    """The stored scores of all rows, Zarr arrays of float32, (n_rows,), by set."""
    return {name: SetOutliers(workspace, name).scores.score for name in sets}


def _flag(job: Job, passes: Passes, sets: Sequence[str]) -> FlaggedRows:
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
