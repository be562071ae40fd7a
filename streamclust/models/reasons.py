"""Why an image is suspect: measures that lie far outside of those of ordinary images.

The yardstick is the case's own: from a sample of its rows, each measure's quartiles give fences
(Tukey 1977) that a few per cent of bad images among them do not move. Beside them stand bounds
that hold in any case: a near-black image is dark wherever many are, and no image is dark only
because all others are brighter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np

from streamclust.models.pixels import MEASURES

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
        One of `streamclust.models.pixels.MEASURES`.
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
KINDS = tuple(dict.fromkeys(rule.kind for rule in RULES))
# An image without light, flooded by it, or plain has no detail to be judged by; nor has one of
# the first two contrast.
_HIDES = {"dark": ("blank", "blur"), "glare": ("blank", "blur"), "blank": ("blur",)}


class Reason(NamedTuple):
    """A measure outside of what is usual.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    measure : str
        One of `streamclust.models.pixels.MEASURES`.
    value : float
        The image's.
    usual : tuple of float
        The 5th and 95th percentile of ordinary images.
    """

    kind: str
    measure: str
    value: float
    usual: tuple[float, float]


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

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        """The yardstick that `to_dict` wrote."""
        columns = [stored["percentiles"].get(name, [np.nan] * 5) for name in MEASURES]
        return cls(stored["n_images"], np.array(columns).T)

    def reasons(self, measures: np.ndarray) -> list[Reason]:
        """Tell what is wrong with an image, one reason a kind, in the order of `KINDS`.

        Parameters
        ----------
        measures : ndarray of shape (len(MEASURES),)
        """
        found: dict[str, Reason] = {}
        for rule, broken in zip(RULES, self._broken(measures[np.newaxis])[:, 0], strict=True):
            if broken:
                column = MEASURES.index(rule.measure)
                low, high = self.percentiles[[0, 4], column].tolist()
                reason = Reason(rule.kind, rule.measure, float(measures[column]), (low, high))
                found.setdefault(rule.kind, reason)
        return list(found.values())

    def first_kinds(self, measures: np.ndarray) -> np.ndarray:
        """The kind of each image's first reason.

        Parameters
        ----------
        measures : ndarray of shape (n_images, len(MEASURES))

        Returns
        -------
        ndarray of shape (n_images,), int8
            Index in `KINDS`, -1 without a reason.
        """
        broken = self._broken(measures)
        kinds = np.array([KINDS.index(rule.kind) for rule in RULES], np.int8)
        return np.where(broken.any(axis=0), kinds[broken.argmax(axis=0)], np.int8(-1))

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
            values, limit = measures[:, MEASURES.index(rule.measure)], self.limit(rule)
            broken[number] = values < limit if rule.below else values > limit
        for kind, hidden in _HIDES.items():
            broken[np.isin(kinds, hidden)] &= ~broken[kinds == kind].any(axis=0)
        return broken
