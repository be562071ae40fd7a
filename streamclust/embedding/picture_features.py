"""What is told of a small picture without a network: its colours, edges, and what is where."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

# Of the pictures, in pixels.
SIDE = 64


def colour_histogram(opponent: np.ndarray) -> np.ndarray:
    """How much of the middle of a picture has which colour: 8 tones × 4 × 4 hues, soft bins."""
    share = np.ones(opponent.shape[:3], dtype=np.float32)
    place = np.linspace(-1, 1, SIDE, dtype=np.float32)
    share *= np.exp(-((place / 0.5) ** 2)) * np.exp(-(((place - 0.2) / 0.45) ** 2))[:, np.newaxis]
    bins = np.zeros((len(opponent), 8 * 4 * 4), dtype=np.float32)
    flat = np.arange(len(opponent))[:, np.newaxis] * bins.shape[1]
    tone, tone_part = _soft(opponent[..., 0], 0.0, 1.0, 8)
    warm, warm_part = _soft(opponent[..., 1], -0.35, 0.5, 4)
    gold, gold_part = _soft(opponent[..., 2], -0.45, 0.45, 4)
    for i, j, k in np.ndindex(2, 2, 2):
        cell = ((tone + i) * 4 + warm + j) * 4 + gold + k
        weight = share * _part(tone_part, i) * _part(warm_part, j) * _part(gold_part, k)
        where = (flat + cell.reshape(len(opponent), -1)).ravel()
        counts = np.bincount(where, weight.ravel(), minlength=bins.size)
        bins += counts.reshape(bins.shape).astype(np.float32)
    return np.sqrt(bins / bins.sum(axis=1, keepdims=True))


def oriented_gradients(tone: np.ndarray) -> np.ndarray:
    """Edge energy by direction, 8 directions, averaged in 8 × 8 cells: (picture, 8, 8, 8)."""
    smooth = gaussian_filter1d(gaussian_filter1d(tone, 0.8, axis=1), 0.8, axis=2)
    down = np.gradient(smooth, axis=1)
    across = np.gradient(smooth, axis=2)
    strength = np.sqrt(np.hypot(down, across))
    turn = np.mod(np.arctan2(down, across), np.pi) * (8 / np.pi)
    lower = np.minimum(turn.astype(np.int8), 7)
    part = turn - lower
    energy = np.empty((len(tone), 8, 8, 8), dtype=np.float32)
    for direction in range(8):
        share = np.where(lower == direction, 1 - part, 0)
        share += np.where(lower == (direction - 1) % 8, part, 0)
        energy[..., direction] = _pooled(share * strength, 8)
    return energy


def cells(energy: np.ndarray) -> np.ndarray:
    """The shape of a picture: its edge energy, relative to the picture's whole."""
    flat = energy.reshape(len(energy), -1)
    norm = np.linalg.norm(flat, axis=1, keepdims=True) + np.float32(1e-3)
    return flat / norm


def layout(opponent: np.ndarray, energy: np.ndarray) -> np.ndarray:
    """Which colour and which edges are where: 8 × 8 places × 3 colours, 4 × 4 × 20 statistics."""
    fine, coarse = _pooled(opponent, 8), _pooled(opponent, 4)
    spread = np.sqrt(np.maximum(_pooled(opponent**2, 4) - coarse**2, 0))
    saturation = np.hypot(coarse[..., 1:2], coarse[..., 2:3])
    edges = energy.reshape(len(energy), 4, 2, 4, 2, 8)
    statistics = [edges.mean(axis=(2, 4)), edges.max(axis=(2, 4)), spread, saturation]
    places = np.concatenate(statistics, axis=-1)
    flat = [fine.reshape(len(fine), -1), places.reshape(len(places), -1)]
    return np.concatenate(flat, axis=1)


def opponent_colours(pixels: np.ndarray) -> np.ndarray:
    """Tone, red against green and yellow against blue, as the eye sorts colours."""
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    tone = np.float32(0.3) * red + np.float32(0.59) * green + np.float32(0.11) * blue
    return np.stack([tone, red - green, (red + green) / 2 - blue], axis=-1)


def _soft(values: np.ndarray, low: float, high: float, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """The lower of the two bins that a value falls between, and its part in the upper one."""
    scaled = np.clip((values - low) / (high - low), 0, 1) * np.float32(bins - 1)
    lower = np.minimum(scaled.astype(np.int64), bins - 2)
    return lower, scaled - lower.astype(np.float32)


def _part(upper: np.ndarray, which: int) -> np.ndarray:
    return upper if which else 1 - upper


def _pooled(values: np.ndarray, places: int) -> np.ndarray:
    """Averages of (picture, row, column, …) values in a grid of places × places."""
    step, rest = SIDE // places, values.shape[3:]
    return values.reshape(len(values), places, step, places, step, *rest).mean(axis=(2, 4))
