"""Where to write the numbers of clusters so that they can be read."""

import numpy as np

# A spiral of evenly spread places: their number, and their distance in heights of a label.
PLACES, STEP = 4000, 0.3
GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))
# Share of the bins over which a cluster's counts are summed to find where it is densest.
NEIGHBOURHOOD = 0.05


def density_middles(counts: np.ndarray) -> np.ndarray:
    """Middle of the densest part of each cluster, in bins.

    The densest part, not the mean: that of a bent or split cluster may lie outside it.

    Parameters
    ----------
    counts : ndarray of shape (n_clusters, n_bins_x, n_bins_y)

    Returns
    -------
    ndarray of shape (n_clusters, 2)
        NaN for clusters without a row in the bins.
    """
    middles = np.full((len(counts), 2), np.nan)
    reach = [max(1, round(NEIGHBOURHOOD * n)) for n in counts.shape[1:]]
    for j, layer in enumerate(counts):
        if not layer.any():
            continue
        summed = _box_sums(_box_sums(layer, reach), reach)
        column, row = np.unravel_index(summed.argmax(), summed.shape)
        x = np.arange(max(0, column - reach[0]), min(len(layer), column + reach[0] + 1))
        y = np.arange(max(0, row - reach[1]), min(layer.shape[1], row + reach[1] + 1))
        part = layer[x[0] : x[-1] + 1, y[0] : y[-1] + 1]
        if part.any():
            middles[j] = part.sum(axis=1) @ x / part.sum(), part.sum(axis=0) @ y / part.sum()
        else:
            middles[j] = column, row
    return middles + 0.5


def spread_labels(
    points: np.ndarray,
    boxes: np.ndarray,
    size: tuple[float, float],
    occupied: np.ndarray | None = None,
) -> np.ndarray:
    """Put boxes as near to points as others and a frame allow.

    Boxes are placed one after the other, each at the nearest free place of a spiral around its
    point: unlike with boxes that push each other, none moves that does not have to.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
    boxes : ndarray of shape (n, 2)
        Width and height of each box.
    size : (float, float)
        Width and height of the frame, whose lower left corner is (0, 0).
    occupied : ndarray of bool of shape (n_bins_x, n_bins_y), optional
        Bins of the frame that boxes should not cover, where there is room beside them.

    Returns
    -------
    ndarray of shape (n, 2)
        Centres, without overlap as far as the spirals reach free places.
    """
    placed = np.empty_like(points, dtype=np.float64)
    turn = np.arange(PLACES)
    angle = GOLDEN_ANGLE * turn
    spiral = np.sqrt(turn)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    covered = None if occupied is None else _Covered(occupied, size)
    for i, (point, box) in enumerate(zip(points, boxes, strict=True)):
        places = np.clip(point + STEP * box.min() * spiral, box / 2, np.array(size) - box / 2)
        apart = np.abs(places[:, None] - placed[:i])
        taken = (apart < (box + boxes[:i]) / 2).all(axis=2).any(axis=1)
        best = taken.argmin()
        if covered is not None and not (blocked := taken | covered(places, box)).all():
            best = blocked.argmin()
        placed[i] = places[best]
    return placed


class _Covered:
    """Whether boxes cover bins that are occupied, by sums over rectangles."""

    def __init__(self, occupied: np.ndarray, size: tuple[float, float]) -> None:
        self.sums = np.pad(
            occupied.astype(np.int64).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0))
        )
        self.bins_a_unit = np.array(occupied.shape) / size

    def __call__(self, places: np.ndarray, box: np.ndarray) -> np.ndarray:
        limit = np.array(self.sums.shape) - 1
        low = np.clip(np.floor((places - box / 2) * self.bins_a_unit), 0, limit).astype(int)
        high = np.clip(np.ceil((places + box / 2) * self.bins_a_unit), 0, limit).astype(int)
        (x0, y0), (x1, y1) = low.T, high.T
        sums = self.sums
        return sums[x1, y1] - sums[x0, y1] - sums[x1, y0] + sums[x0, y0] > 0


def _box_sums(layer: np.ndarray, reach: list[int]) -> np.ndarray:
    """Sum over the neighbours within `reach` bins."""
    for axis, far in enumerate(reach):
        edges = [(0, 0), (0, 0)]
        edges[axis] = (far + 1, far)
        summed = np.cumsum(np.pad(layer, edges), axis=axis)
        n = layer.shape[axis]
        first, last = np.arange(n), np.arange(n) + 2 * far + 1
        layer = np.take(summed, last, axis) - np.take(summed, first, axis)
    return layer
