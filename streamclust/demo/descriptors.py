"""Descriptors without pictures: a linear model of what networks make of the same fleet."""

from dataclasses import dataclass

import numpy as np

from streamclust.demo.fleet import BUILD, COLOURS, OUTLIER_KINDS, TYPES, VIEWS, DrawnPictures

# Directions in which the rows of a set vary; what is beyond them is noise.
RANK = 96
DECAY = 0.6
NOISE = 0.2


@dataclass(frozen=True)
class Tastes:
    """How strongly a set tells things apart, against a picture's own variation of 1."""

    width: int
    kind: float
    colour: float
    view: float
    vehicle: float
    rectified: bool


SETS = {
    "efficientnet-b7": Tastes(2560, kind=1.5, colour=0.6, view=0.7, vehicle=0.8, rectified=True),
    "osnet": Tastes(512, kind=1.3, colour=1.5, view=1.1, vehicle=0.6, rectified=True),
    "vdc_color": Tastes(128, kind=0.3, colour=1.6, view=0.3, vehicle=0.6, rectified=False),
    "vdc_type": Tastes(512, kind=1.5, colour=0.3, view=1.0, vehicle=0.5, rectified=False),
}
# How much of its vehicle a spoiled picture still shows, and how far it is moved, by kind.
REMAINS = np.array([1.0, 0.5, 0.5, 0.15, 0.0], dtype=np.float32)
SHIFTS = np.array([0.0, 2.5, 2.0, 2.5, 2.5], dtype=np.float32)


class DescriptorModel:
    """One set: standard normal factors in, descriptors out.

    A row is a product of RANK factors with fixed directions, plus noise. The factors are the
    sum of what the type, the colour, the view, their meeting, the vehicle and the picture
    contribute; later factors are weaker, as in the descriptors of real networks.

    Parameters
    ----------
    name : str
        Which of SETS.
    rng : numpy.random.Generator
        Draws the directions: the same for all rows of a case.
    """

    def __init__(self, name: str, rng: np.random.Generator) -> None:
        self.tastes = tastes = SETS[name]
        strengths = np.arange(1, RANK + 1, dtype=np.float32) ** np.float32(-DECAY)
        directions = rng.standard_normal((RANK, tastes.width), dtype=np.float32)
        self._directions = (strengths / np.linalg.norm(strengths))[:, np.newaxis] * directions
        self._offsets = rng.normal(0.3, 0.6, tastes.width).astype(np.float32)
        self._scales = rng.lognormal(-0.8, 0.6, tastes.width).astype(np.float32)
        self._kinds = tastes.kind * _embedding(rng, len(TYPES))
        self._colours = tastes.colour * _embedding(rng, len(COLOURS))
        self._views = tastes.view * _embedding(rng, len(VIEWS))
        self._faces = 0.5 * tastes.kind * _embedding(rng, len(TYPES), len(VIEWS))
        self._shifts = SHIFTS[:, np.newaxis] * _embedding(rng, len(OUTLIER_KINDS))
        self._builds = tastes.vehicle / np.float32(np.sqrt(BUILD)) * _embedding(rng, BUILD)
        self._lights = 0.5 * _embedding(rng, 2)

    def describe(self, pictures: DrawnPictures, rng: np.random.Generator) -> np.ndarray:
        """Draw the descriptors of some rows, float32."""
        own = rng.standard_normal((len(pictures), RANK), dtype=np.float32)
        seen = (
            self._kinds[pictures.kind]
            + self._colours[pictures.colour]
            + self._views[pictures.view]
            + self._faces[pictures.kind, pictures.view]
            + pictures.build @ self._builds
            + pictures.light @ self._lights
        )
        remains = REMAINS[pictures.outlier][:, np.newaxis]
        factors = remains * seen + (0.4 + 0.6 * remains) * own + self._shifts[pictures.outlier]

        rows = rng.standard_normal((len(pictures), self.tastes.width), dtype=np.float32)
        rows *= np.float32(NOISE)
        rows += factors @ self._directions
        rows += self._offsets
        if self.tastes.rectified:
            _rectify(rows)
        rows *= self._scales
        return rows


def _embedding(rng: np.random.Generator, *things: int) -> np.ndarray:
    """A place among the factors for each thing."""
    return rng.standard_normal((*things, RANK), dtype=np.float32)


def _rectify(rows: np.ndarray) -> None:
    """A smooth ReLU (squareplus) in place: never negative, as averages of activations are."""
    root = rows * rows
    root += np.float32(0.25)
    np.sqrt(root, out=root)
    rows += root
    rows *= np.float32(0.5)
