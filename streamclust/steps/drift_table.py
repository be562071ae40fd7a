"""drift.csv: the shares of the clusters and of outliers, of the stored rows and of new ones."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from streamclust.models.drift import Drift, stability_terms
from streamclust.outputs import safe_cell
from streamclust.steps.placing import Chosen
from streamclust.steps.scorer import Fence

DRIFT = ("set", "clustering", "what", "cluster", "name", "rows", "before", "now", "psi")
CLUSTER, NOISE, ALL, OUTLIERS = "cluster", "noise", "all clusters", "outliers"
_SHOWN = 3


class SetDrift:
    """Counts the new rows in each cluster of a clustering, noise last.

    Parameters
    ----------
    chosen : Chosen
    n_valid : int
        Stored rows that are valid.
    """

    def __init__(self, chosen: Chosen, n_valid: int) -> None:
        self.chosen = chosen
        sizes = np.asarray(chosen.group["sizes"][...], np.int64)
        self.before = np.append(sizes, n_valid - sizes.sum())
        self.now = np.zeros_like(self.before)

    @property
    def about(self) -> str:
        return f"{self.chosen.descriptor} {self.chosen.name}"

    def see(self, labels: np.ndarray) -> None:
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
        told = [f"{self._called(j)} {before[j]:.1%} → {now[j]:.1%}" for j in most if terms[j] > 0]
        return f"; mostly {', '.join(told)}" if told else ""

    def _called(self, cluster: int) -> str:
        names = self.chosen.naming.names
        if cluster == len(names):
            return NOISE
        return f"{cluster} ({names[cluster]})" if names[cluster] else str(cluster)

    def lines(self) -> Iterator[dict[str, Any]]:
        """The lines of drift.csv, of each cluster and of all."""
        own = {"set": safe_cell(self.chosen.descriptor), "clustering": self.chosen.name}
        terms = stability_terms(self.before, self.now)
        before, now = _shares(self.before), _shares(self.now)
        names = (*map(safe_cell, self.chosen.naming.names), "")
        for j, name in enumerate(names):
            is_noise = j == len(names) - 1
            if is_noise and not (self.before[j] or self.now[j]):
                continue
            yield {
                **own,
                "what": NOISE if is_noise else CLUSTER,
                "cluster": "" if is_noise else j,
                "name": name,
                "rows": int(self.now[j]),
                "before": f"{before[j]:.6f}",
                "now": f"{now[j]:.6f}",
                "psi": f"{terms[j]:.6f}",
            }
        index = f"{self.drift().index:.6f}"
        yield {**own, "what": ALL, "rows": int(self.now.sum()), "psi": index}


def write_drift(
    path: Path, sets: Sequence[SetDrift], n_flagged: int, n_rows: int, held: Fence | None
) -> None:
    """Write the table.

    Parameters
    ----------
    path : Path
    sets : sequence of SetDrift
    n_flagged, n_rows : int
        New rows that are flagged as outliers, and all.
    held : Fence, optional
        What flagged them; without it there is no line of outliers.
    """
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, DRIFT, restval="")
        writer.writeheader()
        for own in sets:
            writer.writerows(own.lines())
        if held is not None:
            now = f"{n_flagged / n_rows:.6f}"
            before = f"{held.share:.6f}"
            writer.writerow({"what": OUTLIERS, "rows": n_flagged, "before": before, "now": now})


def _shares(counts: np.ndarray) -> np.ndarray:
    return counts / max(1, counts.sum())
