"""The answers of an audit held against the names that clusters have now."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import astuple
from itertools import combinations
from typing import Any

import numpy as np

from streamclust.labelling.stratified_accuracy import Accuracy, stratified_accuracy
from streamclust.store import Audit

RIGHT, WRONG = ("1", "yes", "true"), ("0", "no", "false")
# A second answer of so many of a cluster's, and so many times, is a group of its own.
_LEAST_SHARE, _LEAST_TIMES = 0.2, 3


class Judged:
    """The answers of an audit, held against the names that clusters have now.

    Parameters
    ----------
    audit : Audit
    names : tuple of str
        One a cluster.
    """

    def __init__(self, audit: Audit, names: tuple[str, ...]) -> None:
        self.audit = audit
        self.names = names
        asked = zip(audit.labels.tolist(), audit.names, audit.answers, strict=True)
        # However an answer is capitalised: a name is called as it is.
        called = {name.casefold(): name for name in (*audit.answers, *audit.names, *names)}
        told = [
            (label, *_told(called[answer.casefold()], then, names[label]))
            for label, then, answer in asked
        ]
        known = [one for one in told if one[1] is not None]
        n_clusters = len(names)
        labels = np.array([label for label, *_ in known], np.int64)
        self.asked = np.bincount(labels, minlength=n_clusters)
        right = np.array([is_right for _, is_right, _ in known], np.float64)
        self.right = np.bincount(labels, right, n_clusters).astype(np.int64)
        self.truths = [(label, truth) for label, _, truth in known if truth]

    @property
    def n_known(self) -> int:
        return int(self.asked.sum())

    def accuracy(self, clusters: np.ndarray) -> Accuracy:
        """Of the named ones of some clusters, (n_clusters,) bool."""
        part = clusters & (self.audit.sizes > 0)
        return stratified_accuracy(self.audit.sizes[part], self.asked[part], self.right[part])

    def lines(self) -> Iterator[dict[str, Any]]:
        """Of all, of each name, and of each cluster."""
        everything = np.ones(len(self.names), bool)
        yield {"of": "all", **self._line(everything)}
        named = np.array(self.names)
        for name in dict.fromkeys(name for name in self.names if name):
            yield {"of": "name", "name": name, **self._line(named == name)}
        for cluster in np.flatnonzero(self.audit.sizes).tolist():
            about = {"of": "cluster", "cluster": cluster, "name": self.names[cluster]}
            yield {**about, **self._line(np.arange(len(named)) == cluster)}

    def hints(self) -> Iterator[str]:
        """Which clusters and names hold several things, and which names are one."""
        for cluster in np.flatnonzero(self.audit.sizes).tolist():
            counts = self._counts(np.arange(len(self.names)) == cluster)
            n_told, others = sum(counts.values()), counts.most_common()[1:2]
            for other, times in others:
                if times >= _LEAST_TIMES and times >= _LEAST_SHARE * n_told:
                    first = counts.most_common(1)[0][0]
                    yield (
                        f"cluster {cluster} ({self.names[cluster]}) holds {first} and {other} "
                        f"({times} of {n_told} answers): a finer cut may part them"
                    )
        named = np.array(self.names)
        of_names = {name: self._counts(named == name) for name in dict.fromkeys(self.names) if name}
        for one, other in combinations(of_names, 2):
            if _is_often(of_names[one], other) and _is_often(of_names[other], one):
                yield f"{one} and {other} are taken for each other: one name for both may be truer"

    def _line(self, clusters: np.ndarray) -> dict[str, Any]:
        keys = ("rows", "asked", "right", "accuracy", "low", "high", "more")
        told = ", ".join(f"{truth} {n}" for truth, n in self._counts(clusters).most_common(5))
        return {**dict(zip(keys, astuple(self.accuracy(clusters)), strict=True)), "answers": told}

    def _counts(self, clusters: np.ndarray) -> Counter[str]:
        return Counter(truth for label, truth in self.truths if clusters[label])


def _is_often(counts: Counter[str], name: str) -> bool:
    return counts[name] >= max(_LEAST_TIMES, _LEAST_SHARE * sum(counts.values()))


def _told(answer: str, then: str, now: str) -> tuple[bool | None, str]:
    """Whether a row is what its name says now, None where that is not known; and what it is."""
    text = answer
    if not text:
        return None, ""
    if text != now:
        if text.casefold() in RIGHT:
            text = then
        elif text.casefold() in WRONG:
            # Of a name that was changed since, it tells nothing.
            return (False if then == now else None), ""
    return text == now, text
