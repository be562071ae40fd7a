"""The outliers for the page: how many of each kind, and the worst with their reasons."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from streamclust.report.bounds import WORST, WORST_OF_KIND
from streamclust.report.words import counted
from streamclust.steps.job import Job
from streamclust.steps.kinds import KINDS, load_reasons
from streamclust.steps.paths import paths_of
from streamclust.steps.suspects import load_suspects

_MEANING = {
    "unusual content": "nothing but the descriptors tells: no other image is like these",
    "missing": "the image is not where its path says",
    "damaged": "the image file cannot be read",
    "too large": "the image has more pixels than are read",
    "invalid descriptor": "the descriptor holds values that are no numbers",
}


@dataclass(frozen=True, eq=False)
class OutlierSheet:
    """Outliers of one kind, or the worst of all.

    Attributes
    ----------
    title, subtitle : str
    tiles : list of dict
        ``row``, ``path``, ``score``, ``reason``.
    """

    title: str
    subtitle: str
    tiles: list[dict[str, Any]]


def outlier_sheets(job: Job) -> tuple[str, list[OutlierSheet]]:
    """How many are flagged, in words, and sheets: of the worst, then one a kind, the commonest
    first; none where outliers were not looked for."""
    found = load_suspects(job)
    if found is None:
        return "", []
    shown = found.shown()
    shown = shown[found.flagged[shown]]
    sheets = [("The worst", shown, WORST, "")]
    counts = np.bincount(found.kind[shown], minlength=len(KINDS))
    for code in np.argsort(-counts, kind="stable").tolist():
        if code and counts[code]:
            rows = shown[found.kind[shown] == code]
            sheets.append((KINDS[code], rows, WORST_OF_KIND, _MEANING.get(KINDS[code], "")))
    tiles = _tiles(job, found, np.unique(np.concatenate([r[:n] for _, r, n, _ in sheets])))
    made = [
        OutlierSheet(
            f"{title}: {counted(len(rows), 'image')}",
            "; ".join(filter(None, [meaning, _which(len(rows), most)])),
            [tiles[row] for row in rows[:most].tolist()],
        )
        for title, rows, most, meaning in sheets
        if len(rows)
    ]
    return found.in_words().removeprefix("outliers: "), made


def rows_of_sheets(sheets: list[OutlierSheet]) -> list[int]:
    """Rows on the sheets."""
    return [tile["row"] for sheet in sheets for tile in sheet.tiles]


def _which(n_rows: int, most: int) -> str:
    return f"the {most} of highest score" if n_rows > most else ""


def _tiles(job: Job, found: Any, rows: np.ndarray) -> dict[int, dict[str, Any]]:
    reasons: dict[int, list[str]] = {}
    for row, told in load_reasons(job, rows):
        low, high = told.usual
        words = f"{told.measure} {told.value:.3g}, usual {low:.3g} to {high:.3g}"
        reasons.setdefault(row, []).append(f"{told.kind}: {words}")
    paths = dict(zip(rows.tolist(), paths_of(job.workspace, rows), strict=True))
    return {
        row: {
            "row": row,
            "path": paths[row] or f"row {row}",
            "score": "no score" if not np.isfinite(found.score[row]) else f"{found.score[row]:.2f}",
            "reason": "; ".join(reasons.get(row, [KINDS[found.kind[row]]])),
        }
        for row in rows.tolist()
    }
