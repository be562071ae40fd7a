"""Why an image is suspect: measures that lie far outside of those of ordinary images.

The yardstick is the case's own: from a sample of its rows, each measure's quartiles give fences
(Tukey 1977) that a few per cent of bad images among them do not move. Beside them stand bounds
that hold in any case: a near-black image is dark wherever many are, and no image is dark only
because all others are brighter.

No rule uses `saturated`, `brightness` and `entropy`: they are stored for the user, and follow
those that do (`white_disc`, `highlights`, `contrast`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from streamclust.images.pixels import MEASURES

# Quartile ranges beyond the nearer quartile. Tukey's "far out" is 3; half a one more, as a case
# has hundreds of thousands of images (of a normal distribution, 1 in 14 million lies beyond).
FENCE = 3.5


@dataclass(frozen=True)
class Rule:
    """When a measure is a reason.

    Parameters
    ----------
    kind : str
        What is wrong with the image.
    measure : str
        One of `streamclust.images.pixels.MEASURES`.
    below : bool
        Small values are a reason, otherwise large ones.
    bound : float, optional
        Values on the ordinary side of it are never a reason.
    always : float, optional
        Values beyond it are one whatever ordinary images show.
    is_log : bool
        Distances to ordinary images are taken between logarithms.
    least : float
        Least distance to their median.
    """

    kind: str
    measure: str
    below: bool
    bound: float | None = None
    always: float | None = None
    is_log: bool = False
    least: float = 0.0


def _odd(measure: str) -> tuple[Rule, Rule]:
    """Half or twice what is usual, at the least."""
    least = math.log(2)
    return (
        Rule("odd size", measure, below=True, is_log=True, least=least),
        Rule("odd size", measure, below=False, is_log=True, least=least),
    )


# Causes stand before their effects: see `_HIDES`.
RULES = (
    # Highlights below a tenth of full scale; below a twentieth nothing is to be seen.
    Rule("dark", "highlights", below=True, bound=25.5, always=12.75, is_log=True),
    # A white disc 0.44 sides across: what stands on a white background leaves no room for it.
    Rule("glare", "white_disc", below=False, bound=0.22),
    # A plain area, as placeholders are.
    Rule("blank", "contrast", below=True, bound=3.0, always=3.0),
    # A third of the next octave's energy.
    Rule("blur", "detail", below=True, bound=-0.45),
    *_odd("aspect"),
    *_odd("width"),
    *_odd("height"),
)
IMAGE_KINDS = tuple(dict.fromkeys(rule.kind for rule in RULES))
_COLUMNS = np.array([MEASURES.index(rule.measure) for rule in RULES], np.int8)
_KINDS_OF_RULES = np.array([IMAGE_KINDS.index(rule.kind) for rule in RULES], np.int8)
_RULES_OF_KINDS = [
    [number for number, rule in enumerate(RULES) if rule.kind == kind] for kind in IMAGE_KINDS
]
# An image without light, flooded by it, or plain has no detail to be judged by; nor has one of
# the first two contrast.
_HIDES = {"dark": ("blank", "blur"), "glare": ("blank", "blur"), "blank": ("blur",)}


@dataclass(frozen=True, eq=False)
class Reasons:
    """Reasons of many images, as columns of 22 bytes a reason.

    Attributes
    ----------
    row : ndarray of int64, shape (n_reasons,)
        Whose reason it is.
    kind : ndarray of int8, shape (n_reasons,)
        Index in `IMAGE_KINDS`.
    measure : ndarray of int8, shape (n_reasons,)
        Index in `streamclust.images.pixels.MEASURES`.
    value : ndarray of float32, shape (n_reasons,)
        The image's.
    usual : ndarray of float32, shape (n_reasons, 2)
        The 5th and 95th percentile of ordinary images.
    """

    row: np.ndarray
    kind: np.ndarray
    measure: np.ndarray
    value: np.ndarray
    usual: np.ndarray

    @classmethod
    def none(cls) -> Self:
        """No reason."""
        code, value = np.empty(0, np.int8), np.empty(0, np.float32)
        return cls(np.empty(0, np.int64), code, code, value, np.empty((0, 2), np.float32))

    @classmethod
    def joined(cls, parts: Iterable[Reasons]) -> Self:
        """All reasons, part by part."""
        columns = zip(*(vars(part).values() for part in (cls.none(), *parts)), strict=True)
        return cls(*map(np.concatenate, columns))


@dataclass(frozen=True, eq=False)
class Yardstick:
    """What ordinary images of a case show.

    Attributes
    ----------
    n_images : int
        How many were measured.
    percentiles : ndarray of shape (5, len(MEASURES)), float64
        The 5th, 25th, 50th, 75th and 95th percentile of each measure; NaN without images,
        when only what is a reason in any case is one.
    """

    n_images: int
    percentiles: np.ndarray

    @classmethod
    def fit(cls, measures: np.ndarray) -> Self:
        """Take a sample of ordinary images as the yardstick.

        Parameters
        ----------
        measures : ndarray of shape (n_images, len(MEASURES))
            As `measure_image` gives them; rows with NaN (no image) are left out.
        """
        known = measures[np.isfinite(measures).all(axis=1)].astype(np.float64)
        if not len(known):
            return cls(0, np.full((5, len(MEASURES)), np.nan))
        return cls(len(known), np.percentile(known, (5, 25, 50, 75, 95), axis=0))

    def to_dict(self) -> dict[str, Any]:
        """The yardstick in what JSON can write."""
        names = self.percentiles.T.tolist() if self.n_images else []
        return {"n_images": self.n_images, "percentiles": dict(zip(MEASURES, names, strict=False))}

    def reasons(self, measures: np.ndarray) -> Reasons:
        """Tell what is wrong with images: one reason a kind, in the order of `IMAGE_KINDS`.

        Parameters
        ----------
        measures : ndarray of shape (n_images, len(MEASURES))

        Returns
        -------
        Reasons
            Their `row` counts the images from 0.
        """
        image, rule = np.nonzero(_first_of_each_kind(self._broken(measures)).T)
        column = _COLUMNS[rule]
        return Reasons(
            row=image,
            kind=_KINDS_OF_RULES[rule],
            measure=column,
            value=measures[image, column].astype(np.float32),
            usual=self.percentiles[[0, 4]][:, column].T.astype(np.float32),
        )

    def first_kinds(self, measures: np.ndarray) -> np.ndarray:
        """The kind of each image's first reason.

        Parameters
        ----------
        measures : ndarray of shape (n_images, len(MEASURES))

        Returns
        -------
        ndarray of shape (n_images,), int8
            Index in `IMAGE_KINDS`, -1 without a reason.
        """
        broken = self._broken(measures)
        first = _KINDS_OF_RULES[broken.argmax(axis=0)]
        return np.where(broken.any(axis=0), first, np.int8(-1))

    def limit(self, rule: Rule) -> float:
        """The value beyond which a rule's measure is a reason."""
        farther, nearer = (min, max) if rule.below else (max, min)
        limit = -math.inf if rule.below else math.inf
        if self.n_images:
            limit = self._fence(rule)
            limit = limit if rule.bound is None else farther(limit, rule.bound)
        return limit if rule.always is None else nearer(limit, rule.always)

    def _fence(self, rule: Rule) -> float:
        quartiles = self.percentiles[1:4, MEASURES.index(rule.measure)]
        low, median, high = np.log(np.maximum(quartiles, 1e-3)) if rule.is_log else quartiles
        reach = FENCE * (high - low)
        if rule.below:
            fence = min(low - reach, median - rule.least)
        else:
            fence = max(high + reach, median + rule.least)
        return math.exp(fence) if rule.is_log else float(fence)

    def _broken(self, measures: np.ndarray) -> np.ndarray:
        """Which of the rules (rows) each image (columns) breaks."""
        broken = np.empty((len(RULES), len(measures)), bool)
        kinds = np.array([rule.kind for rule in RULES])
        for number, rule in enumerate(RULES):
            values, limit = measures[:, _COLUMNS[number]], self.limit(rule)
            broken[number] = values < limit if rule.below else values > limit
        for kind, hidden in _HIDES.items():
            broken[np.isin(kinds, hidden)] &= ~broken[kinds == kind].any(axis=0)
        return broken


def _first_of_each_kind(broken: np.ndarray) -> np.ndarray:
    first = broken.copy()
    for rules in _RULES_OF_KINDS:
        first[rules] &= broken[rules].cumsum(axis=0) == 1
    return first
