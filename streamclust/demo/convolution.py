"""A convolution network with fixed random weights: what an untrained EfficientNet would see."""

from itertools import pairwise

import numpy as np
from scipy.ndimage import uniform_filter

CHANNELS = (3, 24, 48, 96)
HUE_WEIGHT = np.float32(0.3)
SEED = 7


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
        rng = np.random.default_rng(SEED)
        self._kernels = [_he(rng, 9 * before, after) for before, after in pairwise(CHANNELS)]
        self._pointwise = _he(rng, CHANNELS[-1], width // 20)

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """Describe a batch of (picture, 64, 64, tone and two hues); never negative."""
        first, *later = self._kernels
        maps = _pooled(np.abs(_patches(_pooled(_contrasts(pictures))) @ first))
        for kernel in later:
            maps = _pooled(_relu(_centred(_patches(maps) @ kernel)))
        maps = _softened(_centred(maps @ self._pointwise))
        rows = len(pictures)
        return np.concatenate([maps.reshape(rows, -1), _pooled(maps).reshape(rows, -1)], axis=1)


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


def _pooled(maps: np.ndarray) -> np.ndarray:
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
