"""The figures of the results folder as data URIs, the most telling first, within a budget."""

import base64
from dataclasses import dataclass
from pathlib import Path

from streamclust.report.bounds import COMPARISON_FIGURES, FIGURE_BYTES
from streamclust.report.words import Words

_PNG = b"\x89PNG\r\n\x1a\n"
# Of a set, by how soon they are let go.
_OF_SET = (
    ("metrics", 0),
    ("map-discriminant", 2),
    ("map-pca", 3),
    ("dendrogram", 4),
    ("variance", 5),
)
_COMPARISON = ("agreement", "attributes", "yield")


@dataclass
class Figure:
    """A figure of the page.

    Attributes
    ----------
    file, caption : str
    urgency : int
        Figures of the least are embedded first.
    uri : str
        Empty where it found no room.
    """

    file: str
    caption: str
    urgency: int
    uri: str = ""


def figures_of_set(folder: Path, descriptor: str, layouts: list[str], words: Words) -> list[Figure]:
    """The figures that are there of a set and its layouts."""
    wanted = [(kind, words.told(kind), urgency) for kind, urgency in _OF_SET]
    for name in layouts:
        method = name.partition("-")[0]
        wanted.append((name, words.told("laid-out", method=method), 1))
        wanted.append((f"{name}-clusters", words.told("each-cluster", method=method), 3))
    wanted.sort(key=lambda one: one[2])
    files = [Figure(f"{descriptor}-{kind}.png", told, urgency) for kind, told, urgency in wanted]
    return _there(folder, files)


def figures_of_comparison(folder: Path, words: Words) -> list[Figure]:
    """The figures that compare the sets; of the flows between pairs the first few."""
    own = [Figure(f"comparison-{kind}.png", words.told(kind), 1) for kind in _COMPARISON]
    names = {figure.file for figure in own}
    others = sorted(path.name for path in folder.glob("figures/comparison-*.png"))
    flows = [name for name in others if name not in names and ".kept-" not in name]
    own += [Figure(name, words.told("flows"), 4) for name in flows]
    return _there(folder, own)[:COMPARISON_FIGURES]


def figures_of_outliers(folder: Path, words: Words) -> list[Figure]:
    """The histogram of the scores, where it is there."""
    return _there(folder, [Figure("outlier-scores.png", words.told("scores"), 1)])


def embed(folder: Path, figures: list[Figure], most_bytes: int = FIGURE_BYTES) -> None:
    """Read figures into their `uri`, until `most_bytes` characters are spent."""
    for figure in sorted(figures, key=lambda one: one.urgency):
        path = folder / "figures" / figure.file
        # The size is asked first: whatever stands there need not be one of our pictures.
        if 4 * path.stat().st_size > 3 * most_bytes:
            continue
        data = path.read_bytes()
        if data.startswith(_PNG):
            figure.uri = "data:image/png;base64," + base64.b64encode(data).decode()
            most_bytes -= len(figure.uri)


def _there(folder: Path, figures: list[Figure]) -> list[Figure]:
    return [figure for figure in figures if (folder / "figures" / figure.file).is_file()]
