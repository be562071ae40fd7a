"""What the choice among clusterings takes beside indices: borders, groups, gaps, consensus."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from streamclust.choice.best_algorithm import Scores, algorithm_of
from streamclust.choice.borders import Borders
from streamclust.choice.gap_statistic import MOST_ROWS, NullReference, gap
from streamclust.choice.mixture_group_count import COLUMNS, MOST_COMPONENTS, MixtureGroups
from streamclust.choice.recommendation_rule import clearest, is_degenerate
from streamclust.choice.stored_recommendation import measured
from streamclust.clustering import ignore_convergence, sample_centers
from streamclust.memory import MIB, Need
from streamclust.metrics import adjusted_mutual_information, occupied
from streamclust.passes import Columns, Passes, Rows
from streamclust.passes.accumulators import Contingency, UniformSample
from streamclust.steps import CaseShapes, Job, SetStep
from streamclust.store import EVIDENCE, SCORES, DescriptorSet, StoredClustering, Workspace

VERSION = 5
SAMPLE_ROWS = 16_384
# Rows of the sample for each component that a mixture begins with.
_LEAST_ROWS = 8
# A mixture of which hardly any components were merged has too few to tell the number of groups.
_HARDLY_MERGED = 0.9

# Noise leaves the tight rows to the clusters: their gap would be no merit.
_MOST_NOISE = 0.001


@dataclass(frozen=True)
class GatherEvidence(SetStep):
    """Gather the evidence of the measured clusterings of one set that have none yet.

    Parameters
    ----------
    set_name : str
    n_clusters : sequence of int
        Of each clustering.
    """

    name = "evidence"
    set_name: str
    n_clusters: Sequence[int]

    @classmethod
    def remaining(cls, stored: DescriptorSet) -> Self:
        """Of what is stored, that which has none yet."""
        return cls(stored.name, [one.n_clusters for one in _unknown(stored)])

    def needs(self, on: CaseShapes) -> list[Need]:
        """The sample, and the rows that are drawn and clustered beside it."""
        rows = on.reduced(self.set_name)
        k = max([MOST_COMPONENTS, *self.n_clusters])
        row_bytes = rows.n_columns * 8
        sample = SAMPLE_ROWS * row_bytes
        block = rows.rows_a_block * row_bytes
        drawn = 3 * MOST_ROWS * row_bytes + 3 * MOST_ROWS * k * 8
        borders = SAMPLE_ROWS * (32 * 8 + 3 * k * 8)
        # A mixture's products of its columns, of all rows, and twice while they are made.
        products = 3 * SAMPLE_ROWS * 8 * COLUMNS * (COLUMNS + 1) // 2
        means = sum(self.n_clusters) * row_bytes
        work = max(drawn, borders + sample, products) + 8 * MIB
        return [
            Need(fixed=sample, per_block=2 * block),
            Need(fixed=sample + means, per_block=work),
            Need(fixed=sample + means + products, per_block=borders),
        ]

    def restore(self, job: Job, mark: str) -> bool:
        stored = job.set(self.set_name)
        return not _unknown(stored) and not _lacks_groups(job.workspace, stored)

    def work(self, job: Job, passes: Passes, mark: str) -> None:
        clusterings = _unknown(job.set(self.set_name))
        mixed = job.set(self.set_name).mixed_labels
        # Columns of 0 and 1 fall into few places: borders and gaps say nothing of them.
        if mixed is None:
            gaps = _gaps(job, self.set_name, passes, clusterings)
            counts = _separated_clusters(job, self.set_name, passes, clusterings)
            pairs = zip(gaps, counts, strict=True)
            gathered = [{**gap, "separated": count} for gap, count in pairs]
        else:
            gathered = _consensus(passes, clusterings, *mixed)
        for clustering, values in zip(clusterings, gathered, strict=True):
            clustering.annotate(**{EVIDENCE: {"version": VERSION, **values}})


def _unknown(stored: DescriptorSet) -> list[StoredClustering]:
    return [
        clustering
        for clustering in stored.clusterings
        if clustering.known(EVIDENCE, {}).get("version") != VERSION
    ]


def _lacks_groups(workspace: Workspace, stored: DescriptorSet) -> bool:
    """Whether groups were counted by a mixture, and went with reduced rows that were damaged."""
    if stored.mixed_labels is not None or stored.mixture_groups:
        return False
    lines = measured(workspace, stored.name)
    return bool(lines) and overlap(lines)


def _separated_clusters(
    job: Job, descriptor: str, passes: Passes, clusterings: list[StoredClustering]
) -> list[int]:
    """How many clusters of each clustering are separated; where groups overlap, how many of them a
    mixture finds in the set is stored, too."""
    rows, seed = job.rows_of(descriptor, "reduced"), job.settings.random_state
    drawn = UniformSample(SAMPLE_ROWS, seed)
    sample = passes.reduce("sampling rows", rows.having(numbered=True), drawn).result()[0]
    clusters = [(clustering.means[...], clustering.sizes[...]) for clustering in clusterings]
    counts = separated(sample, clusters, passes)
    by_name = {one.name: count for one, count in zip(clusterings, counts, strict=True)}
    lines = [
        {**line, "separated": by_name.get(line["name"], line["separated"])}
        for line in measured(job.workspace, descriptor)
    ]
    described = job.set(descriptor)
    made_of = {"version": VERSION, "seed": seed}
    if overlap(lines) and described.mixture_groups.get("made_of") != made_of:
        described.note_mixture_groups(groups(sample, passes, seed), made_of)
    return counts


def _consensus(
    passes: Passes, clusterings: list[StoredClustering], labels: Any, n_codes: list[int]
) -> list[dict[str, float]]:
    """How well each clustering agrees with the labels that a consensus mixes.

    The mean over them of the mutual information (Strehl, A. & Ghosh, J. (2002). Cluster ensembles:
    a knowledge reuse framework for combining multiple partitions. Journal of Machine Learning
    Research 3), here adjusted for chance, which grows with the number of clusters.
    """
    n_mixed = len(n_codes)
    n_clusters = [clustering.n_clusters for clustering in clusterings]
    pairs = [(n_mixed + i, j) for i in range(len(n_clusters)) for j in range(n_mixed)]
    rows = Rows(labels, extras=(Columns([clustering.labels for clustering in clusterings]),))
    counts = Contingency([*n_codes, *n_clusters], pairs)
    tables = passes.reduce("agreement", rows, counts).result()
    values = np.reshape([adjusted_mutual_information(occupied(t)) for t in tables], (-1, n_mixed))
    return [{"consensus": float(value)} for value in values.mean(axis=1)]


def _gaps(
    job: Job, descriptor: str, passes: Passes, clusterings: list[StoredClustering]
) -> list[dict[str, float]]:
    """The gap of each clustering without noise, where it is defined."""
    n_valid, scatter = job.n_valid(descriptor), job.set(descriptor).reduced_scatter.scatter
    scores = [clustering.known(SCORES) for clustering in clusterings]
    numbers = [
        len(of["sizes"])
        if 1 <= len(of["sizes"]) <= n_valid // 2 and of["noise"] <= _MOST_NOISE
        else None
        for of in scores
    ]
    ks = sorted({k for k in numbers if k is not None})
    reference = NullReference(np.atleast_2d(scatter) / n_valid, n_valid, job.settings.random_state)
    with warnings.catch_warnings():
        ignore_convergence()
        within = dict(zip(ks, reference(ks, passes), strict=True))
    gaps = []
    for of, k in zip(scores, numbers, strict=True):
        undefined = math.nan, math.nan
        value, error = undefined if k is None else gap(within[k], of["inertia"], sum(of["sizes"]))
        gaps.append({"gap": value, "gap_error": error} if value == value else {})
    return gaps


def separated(
    sample: np.ndarray, clusters: Sequence[tuple[np.ndarray, np.ndarray]], passes: Passes
) -> list[int]:
    """How many clusters of each clustering are set off from their neighbours by empty borders.

    Parameters
    ----------
    sample : ndarray of shape (n_rows, n_columns)
        A uniform sample of reduced rows in random order (`UniformSample`), 16,384 or fewer.
    clusters : sequence of (means, sizes)
        Label means (k, n_columns; NaN where a cluster has no rows) and sizes (k,), over all rows.
    passes : Passes
    """
    return passes.map("borders of clusters", Borders(sample), clusters, "k")


def overlap(clusterings: Sequence[Scores]) -> bool:
    """Whether an algorithm has clusterings, but none whose borders tell the number of groups.

    The scores are as `choice.recommend` takes them.
    """
    sound = [scores for scores in clusterings if not is_degenerate(scores)]
    algorithms = {algorithm_of(scores) for scores in sound}
    return any(clearest([s for s in sound if algorithm_of(s) == a]) is None for a in algorithms)


def groups(sample: np.ndarray, passes: Passes, seed: int) -> int | None:
    """Groups that a Gaussian mixture finds in a sample; None where it cannot tell.

    It begins with the clusters of a k-means of its own, as many whatever was clustered.
    """
    n_components = min(MOST_COMPONENTS, len(sample) // _LEAST_ROWS)
    with warnings.catch_warnings():
        ignore_convergence()
        return passes.map("mixture", _Groups(sample, seed), [n_components], "k")[0]


class _Groups:
    def __init__(self, sample: np.ndarray, seed: int) -> None:
        self.sample = sample
        self.seed = seed

    def __call__(self, n_components: int) -> int | None:
        if n_components < 2:
            return None
        # k-means may find fewer places than it is asked for centres.
        centers = np.unique(sample_centers(self.sample, [n_components], self.seed)[0], axis=0)
        n_groups = MixtureGroups(self.sample)(centers)
        return n_groups if n_groups <= _HARDLY_MERGED * len(centers) else None
