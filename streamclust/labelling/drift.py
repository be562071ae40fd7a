"""Whether new rows fall into the clusters as the old ones did.

drift.csv: the shares of the clusters and of outliers, of the stored rows and of new ones.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.labelling.stored_labels import NamedClustering
from streamclust.outliers import Fence
from streamclust.store import write_table

# Siddiqi, N. (2006). Credit Risk Scorecards. Wiley: below the first, no change worth acting on;
# from the second on, another population.
SLIGHT, LARGE = 0.1, 0.25
# Beyond this quantile of what chance alone makes of the index, chance is not the reason.
_CERTAIN = 0.95
# Added to each count: an empty bin has a logarithm, too.
_HALF = 0.5


def stability_terms(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """The terms of the population stability index, one a bin: their sum is the index.

    (p − q) ln(p / q) of the shares q of the rows before and p of those now, which sum to the
    symmetric divergence of Kullback and Leibler [1]_ that credit scoring calls so [2]_. Half a
    row is added to each count.

    Parameters
    ----------
    before, now : ndarray of int, shape (n_bins,)
        Rows in each bin.

    Returns
    -------
    ndarray of float64, shape (n_bins,)
        0 and above; all 0 where there are no rows in one of the two.

    References
    ----------
    .. [1] Kullback, S. & Leibler, R. A. (1951). On information and sufficiency. The Annals of
       Mathematical Statistics 22(1).
    .. [2] Lewis, E. M. (1994). An Introduction to Credit Scoring. Athena Press.
    """
    if not (before.sum() and now.sum()):
        return np.zeros(len(before))
    old, new = before + _HALF, now + _HALF
    old, new = old / old.sum(), new / new.sum()
    return (new - old) * np.log(new / old)


def by_chance(n_before: int, n_now: int, n_bins: int) -> float:
    """The index that chance alone exceeds once in twenty, where nothing has changed.

    (1 / n + 1 / m) times the quantile of chi² with one degree of freedom less than bins: Yurdakul,
    B. & Naranjo, J. (2020). Statistical properties of the population stability index. Journal of
    Risk Model Validation 14(4).
    """
    from scipy.special import chdtri

    if n_bins < 2 or not (n_before and n_now):
        return 0.0
    return float((1 / n_before + 1 / n_now) * chdtri(n_bins - 1, 1 - _CERTAIN))


@dataclass(frozen=True)
class Drift:
    """What the index says.

    Attributes
    ----------
    index : float
    chance : float
        As `by_chance` gives it.
    """

    index: float
    chance: float

    @classmethod
    def of(cls, before: np.ndarray, now: np.ndarray) -> "Drift":
        """Of rows in bins, as for `stability_terms`; bins that are empty in both do not count."""
        n_bins = int(np.count_nonzero((before > 0) | (now > 0)))
        index = float(stability_terms(before, now).sum())
        return cls(index, by_chance(int(before.sum()), int(now.sum()), n_bins))

    @property
    def is_large(self) -> bool:
        """Whether the clusters are of another population."""
        return self.index >= max(LARGE, self.chance)

    def in_words(self) -> str:
        """The verdict, with the index."""
        index = f"population stability index {self.index:.3f}"
        if not math.isfinite(self.index) or self.index <= self.chance:
            return f"no drift that chance does not explain ({index}, {self.chance:.3f} by chance)"
        if self.index < SLIGHT:
            return f"hardly any drift ({index}, below {SLIGHT})"
        if self.index < LARGE:
            return f"some drift ({index}, from {SLIGHT} on)"
        return f"large drift ({index}, from {LARGE} on): cluster the new rows, too"


DRIFT = ("set", "clustering", "what", "cluster", "name", "rows", "before", "now", "psi")
CLUSTER, NOISE, ALL, OUTLIERS = "cluster", "noise", "all clusters", "outliers"
_SHOWN = 3


class SetDrift:
    """Counts the new rows in each cluster of a clustering, noise last.

    Parameters
    ----------
    clustering : NamedClustering
    n_valid : int
        Stored rows that are valid.
    """

    def __init__(self, clustering: NamedClustering, n_valid: int) -> None:
        self.clustering = clustering
        sizes = np.asarray(clustering.stored.sizes[...], np.int64)
        self.before = np.append(sizes, n_valid - sizes.sum())
        self.now = np.zeros_like(self.before)

    @property
    def about(self) -> str:
        return f"{self.clustering.set_name} {self.clustering.name}"

    def add(self, labels: np.ndarray) -> None:
        """Count labels (n_rows,) of rows that are valid."""
        n_bins = len(self.now)
        self.now += np.bincount(np.where(labels < 0, n_bins - 1, labels), minlength=n_bins)

    def drift(self) -> Drift:
        """The population stability index of the clusters' shares."""
        return Drift.of(self.before, self.now)

    def moved(self) -> str:
        """The clusters that make most of a drift that is more than chance, in words."""
        drift = self.drift()
        if drift.index <= drift.chance:
            return ""
        terms = stability_terms(self.before, self.now)
        most = np.argsort(-terms, kind="stable")[:_SHOWN]
        before, now = _shares(self.before), _shares(self.now)
        moved = [f"{self._called(j)} {before[j]:.1%} → {now[j]:.1%}" for j in most if terms[j] > 0]
        return f"; mostly {', '.join(moved)}" if moved else ""

    def _called(self, cluster: int) -> str:
        names = self.clustering.naming.names
        if cluster == len(names):
            return NOISE
        return f"{cluster} ({names[cluster]})" if names[cluster] else str(cluster)

    def lines(self) -> Iterator[dict[str, Any]]:
        """The lines of drift.csv, of each cluster and of all."""
        about = {"set": self.clustering.set_name, "clustering": self.clustering.name}
        terms = stability_terms(self.before, self.now)
        before, now = _shares(self.before), _shares(self.now)
        names = (*self.clustering.naming.names, "")
        for j, name in enumerate(names):
            is_noise = j == len(names) - 1
            if is_noise and not (self.before[j] or self.now[j]):
                continue
            yield {
                **about,
                "what": NOISE if is_noise else CLUSTER,
                "cluster": "" if is_noise else j,
                "name": name,
                "rows": int(self.now[j]),
                "before": f"{before[j]:.6f}",
                "now": f"{now[j]:.6f}",
                "psi": f"{terms[j]:.6f}",
            }
        index = f"{self.drift().index:.6f}"
        yield {**about, "what": ALL, "rows": int(self.now.sum()), "psi": index}


def write_drift(
    path: Path, sets: Sequence[SetDrift], n_flagged: int, n_rows: int, limits: Fence | None
) -> None:
    """Write the table.

    Parameters
    ----------
    path : Path
    sets : sequence of SetDrift
    n_flagged, n_rows : int
        New rows that are flagged as outliers, and all.
    limits : Fence, optional
        What flagged them; without it there is no line of outliers.
    """
    lines = [line for count in sets for line in count.lines()]
    if limits is not None:
        now = f"{n_flagged / n_rows:.6f}"
        before = f"{limits.share:.6f}"
        lines.append({"what": OUTLIERS, "rows": n_flagged, "before": before, "now": now})
    write_table(path, DRIFT, lines)


def _shares(counts: np.ndarray) -> np.ndarray:
    return counts / max(1, counts.sum())
