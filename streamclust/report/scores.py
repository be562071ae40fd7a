"""The indices of a set's clusterings as numbers, for the curves of the page."""

from typing import Any

from streamclust.steps.tables import measured
from streamclust.workspace import Workspace

# Those that curves are drawn of, the first known one first.
INDICES = (
    "silhouette",
    "silhouette_simplified",
    "davies_bouldin",
    "calinski_harabasz",
    "stability",
    "gap",
    "separated",
    "consensus",
)
_DIGITS = 5


def scores_of_set(workspace: Workspace, descriptor: str) -> dict[str, dict[str, list[float]]]:
    """By clustering and index the value, with the ends of its interval where that is known.

    The interval of the silhouette is that of its sample; that of the gap one standard error to
    each side.
    """
    return {line["name"]: _scores(line) for line in measured(workspace, descriptor)}


def _scores(line: dict[str, Any]) -> dict[str, list[float]]:
    told = {}
    for index in INDICES:
        values = [line.get(index), *_interval(line, index)]
        known = [float(value) for value in values if value is not None and value == value]
        if len(known) == len(values):
            told[index] = [float(f"{value:.{_DIGITS}g}") for value in known]
        elif known and values[0] == known[0]:
            told[index] = [float(f"{known[0]:.{_DIGITS}g}")]
    return told


def _interval(line: dict[str, Any], index: str) -> list[Any]:
    if index == "silhouette":
        return [line.get("silhouette_low"), line.get("silhouette_high")]
    if index == "gap" and line.get("gap_error") is not None:
        return [line["gap"] - line["gap_error"], line["gap"] + line["gap_error"]]
    return []
