"""The figures of a results folder: the names of their files, and in words what each shows."""

from streamclust.language import words
from streamclust.memory import MIB

FIGURES_FOLDER = "figures"
COMPARISON, OUTLIERS = "comparison", "outliers"
# What matplotlib holds while it draws one of the figures.
FIGURE_BYTES = 266 * MIB


def figure_file(about: str, kind: str) -> str:
    """The file of a figure in the results folder: of a set, or of `COMPARISON` or `OUTLIERS`."""
    return f"{FIGURES_FOLDER}/{about}-{kind}.png"


def caption(name: str, language: str = "en") -> str:
    """What the figure of this name, that of its file without ending, shows.

    >>> caption("osnet-umap-2")
    'all rows on the plane of a layout by umap, by cluster'
    """
    captions: dict[str, str] = words(language).FIGURES
    for ending in sorted(captions, key=len, reverse=True):
        if name.endswith(ending):
            method = name.removesuffix(ending).rpartition("-")[2]
            return captions[ending].format(method=method)
    for about in (OUTLIERS, COMPARISON):
        if name.startswith(f"{about}-"):
            kind = name.removeprefix(f"{about}-").replace("-", " ")
            return captions[f"{about}-"].format(kind=kind)
    return name
