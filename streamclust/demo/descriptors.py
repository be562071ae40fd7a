"""Four descriptors of a picture in the reference's names and widths: computed from its pixels, or
without pictures by a linear model of what networks make of the same fleet."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image
from scipy.ndimage import uniform_filter

from streamclust.demo.fleet import BUILD, COLOURS, OUTLIER_KINDS, TYPES, VIEWS, DrawnPictures
from streamclust.embedding import (
    SIDE,
    cells,
    colour_histogram,
    layout,
    opponent_colours,
    oriented_gradients,
)

WIDTHS = {"efficientnet-b7": 2560, "osnet": 512, "vdc_color": 128, "vdc_type": 512}
# Of the network with random weights.
CHANNELS = (3, 24, 48, 96)
HUE_WEIGHT = np.float32(0.3)
_WEIGHTS_SEED = 7

# Directions in which the rows of a set vary; what is beyond them is noise.
RANK = 96
DECAY = 0.6
NOISE = 0.2


class RandomNetwork:
    """Three layers of 3 × 3 convolution, ReLU and 2 × 2 pooling, and a wide pointwise layer.

    Random filters keep enough of a picture to tell shapes apart, and need no file of weights.
    Pictures are first set against their local surroundings: an untrained network would otherwise
    see little but their colour.

    Parameters
    ----------
    width : int
        Numbers that describe a picture: width / 20 features of the last layer, averaged over
        its 16 places one by one and over its four quarters.
    """

    def __init__(self, width: int) -> None:
        rng = np.random.default_rng(_WEIGHTS_SEED)
        self._kernels = [_he(rng, 9 * before, after) for before, after in pairwise(CHANNELS)]
        self._pointwise = _he(rng, CHANNELS[-1], width // 20)

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """Describe a batch of (picture, 64, 64, tone and two hues); never negative."""
        first, *later = self._kernels
        maps = _halved(np.abs(_patches(_halved(_contrasts(pictures))) @ first))
        for kernel in later:
            maps = _halved(_relu(_centred(_patches(maps) @ kernel)))
        maps = _softened(_centred(maps @ self._pointwise))
        rows = len(pictures)
        return np.concatenate([maps.reshape(rows, -1), _halved(maps).reshape(rows, -1)], axis=1)


def _contrasts(pictures: np.ndarray) -> np.ndarray:
    """How each place differs from its surroundings, in units of the picture's usual contrast."""
    contrasts = pictures - uniform_filter(pictures, (0, 15, 15, 0))
    contrasts[..., 1:] *= HUE_WEIGHT
    usual = contrasts[..., :1].std(axis=(1, 2), keepdims=True)
    return contrasts / (usual + np.float32(0.02))


def _he(rng: np.random.Generator, inputs: int, outputs: int) -> np.ndarray:
    """Weights that keep the variance through a ReLU (He et al. 2015)."""
    weights = rng.standard_normal((inputs, outputs), dtype=np.float32)
    return weights * np.float32(np.sqrt(2 / inputs))


def _patches(maps: np.ndarray) -> np.ndarray:
    """The 3 × 3 surroundings of every place, as the rows of one matrix product."""
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = maps.shape[1:3]
    shifts = [
        padded[:, down : down + height, across : across + width]
        for down in range(3)
        for across in range(3)
    ]
    return np.concatenate(shifts, axis=-1)


def _halved(maps: np.ndarray) -> np.ndarray:
    pictures, height, width, channels = maps.shape
    return maps.reshape(pictures, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4))


def _relu(maps: np.ndarray) -> np.ndarray:
    return np.maximum(maps, 0, out=maps)


def _centred(maps: np.ndarray) -> np.ndarray:
    """Centre the channels of each place, as batch normalisation would, lest all become alike."""
    return maps - maps.mean(axis=-1, keepdims=True)


def _softened(maps: np.ndarray) -> np.ndarray:
    """A smooth ReLU (squareplus), so that no column is zero throughout."""
    return (maps + np.sqrt(maps * maps + np.float32(0.1))) / 2


_NETWORK = RandomNetwork(WIDTHS["efficientnet-b7"])


def read_pixels(jpegs: Sequence[bytes]) -> np.ndarray:
    """Decode JPEG files to one array of (picture, row, column, RGB) between 0 and 1."""
    pixels = np.empty((len(jpegs), SIDE, SIDE, 3), dtype=np.float32)
    for target, jpeg in zip(pixels, jpegs, strict=True):
        with Image.open(io.BytesIO(jpeg)) as image:
            target[...] = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    pixels /= 255
    return pixels


def describe(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """All four descriptors of a batch of pictures, float32, by name.

    Parameters
    ----------
    pixels : ndarray of shape (n_pictures, SIDE, SIDE, 3)
        As `read_pixels` gives them.
    """
    opponent = opponent_colours(pixels)
    energy = oriented_gradients(opponent[..., 0])
    return {
        "efficientnet-b7": _NETWORK(opponent),
        "osnet": layout(opponent, energy),
        "vdc_color": colour_histogram(opponent),
        "vdc_type": cells(energy),
    }


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
