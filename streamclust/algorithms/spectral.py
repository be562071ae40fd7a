"""Spectral clustering: k-means of the rows' places in a Nyström embedding through landmarks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamclust.accumulators.clusters import PIECE_ROWS, Assignment
from streamclust.accumulators.sample import UniformSample
from streamclust.algorithms.base import Clustering
from streamclust.memory import MIB, Need
from streamclust.models.nystrom import SpectralEmbedding, spectral_embedding, unit_prefix
from streamclust.passes import Passes, Rows
from streamclust.settings import Settings

SAMPLE_ROWS = 16_384
LANDMARKS = 512
_RESTARTS = 5


class SpectralClustering:
    """See `streamclust.models.nystrom`."""

    version = 1
    depends_on = ("random_state",)
    takes_k = True

    def needs(self, name: str, rows: Rows, ks: Sequence[int], settings: Settings) -> list[Need]:
        row_bytes = rows.n_columns * np.dtype(rows.array.dtype).itemsize
        sample = SAMPLE_ROWS * (row_bytes + 8 * max(ks))
        # Square matrices of all landmarks, and of rows and landmarks while the bandwidth is found.
        squares = 10 * 8 * LANDMARKS**2 + 5 * 8 * 2048 * LANDMARKS
        held = len(ks) * LANDMARKS * (rows.n_columns + max(ks)) * 8
        block = rows.rows_a_block * (2 * row_bytes + 8 * len(ks))
        products = PIECE_ROWS * (3 * LANDMARKS + 4 * max(ks) + 2 * rows.n_columns) * 8
        return [
            Need(name, fixed=2 * sample + squares, per_block=2 * sample + 8 * MIB),
            Need(name, fixed=held, per_block=block + products),
        ]

    def fit(
        self, rows: Rows, ks: Sequence[int], settings: Settings, passes: Passes, scratch: Path
    ) -> list[Clustering]:
        drawn = UniformSample(SAMPLE_ROWS, settings.random_state)
        sample = passes.reduce("sampling rows", rows.having(numbered=True), drawn).result()[0]
        embedding = passes.map("spectral embedding", _Embed(max(ks)), [sample], "set")[0]
        # A rounding in one must not tell which other k there are: each has its own product.
        embedded = embedding(sample)
        cluster = _Cluster(embedded, settings.random_state)
        found = passes.map("k-means of the embedding", cluster, ks[::-1], "k")[::-1]
        return [
            Clustering(
                k,
                {
                    "landmarks": embedding.landmarks,
                    "weights": embedding.weights[:, :k],
                    "centers": centers,
                },
                {"gamma": embedding.gamma, "n_landmarks": len(embedding.landmarks)},
            )
            for k, centers in zip(ks, found, strict=True)
        ]

    def labeller(self, clusterings: Sequence[Clustering]) -> "EmbeddedCenters":
        return EmbeddedCenters(clusterings)


@dataclass(frozen=True)
class _Embed:
    """The embedding that a sample gives."""

    n_vectors: int

    def __call__(self, sample: np.ndarray) -> SpectralEmbedding:
        return spectral_embedding(sample, LANDMARKS, self.n_vectors)


@dataclass(frozen=True)
class _Cluster:
    """Centres of k clusters of the embedded sample, the largest cluster first."""

    embedded: np.ndarray
    seed: int

    def __call__(self, k: int) -> np.ndarray:
        from sklearn.cluster import KMeans

        places = unit_prefix(self.embedded, k)
        model = KMeans(k, n_init=_RESTARTS, random_state=self.seed).fit(places)
        sizes = np.bincount(model.labels_, minlength=k)
        return model.cluster_centers_[np.argsort(-sizes, kind="stable")]


class EmbeddedCenters:
    """Labels rows by the nearest centre in the spectral embedding of each clustering.

    Parameters
    ----------
    clusterings : sequence of Clustering
        Those of one fit share landmarks, and the weights of each begin those of the widest: they
        are embedded together.
    """

    def __init__(self, clusterings: Sequence[Clustering]) -> None:
        self.n_vectors = [c.n_clusters for c in clusterings]
        self.assignments = [Assignment([c.arrays["centers"]]) for c in clusterings]
        self.embeddings: list[SpectralEmbedding] = []
        self.members: list[list[int]] = []
        for i in sorted(range(len(clusterings)), key=lambda i: -self.n_vectors[i]):
            self._join(i, clusterings[i])

    def _join(self, i: int, clustering: Clustering) -> None:
        arrays, gamma = clustering.arrays, clustering.attributes["gamma"]
        own = SpectralEmbedding(arrays["landmarks"], gamma, arrays["weights"])
        for embedding, members in zip(self.embeddings, self.members, strict=True):
            first = embedding.weights[:, : own.weights.shape[1]]
            same = np.array_equal(embedding.landmarks, own.landmarks)
            if same and embedding.gamma == own.gamma and np.array_equal(first, own.weights):
                members.append(i)
                return
        self.embeddings.append(own)
        self.members.append([i])

    def __call__(self, values: np.ndarray) -> np.ndarray:
        labels = np.empty((len(values), len(self.n_vectors)), np.int32)
        for start in range(0, len(values), PIECE_ROWS):
            piece = slice(start, start + PIECE_ROWS)
            for embedding, members in zip(self.embeddings, self.members, strict=True):
                embedded = embedding(values[piece])
                for i in members:
                    places = unit_prefix(embedded, self.n_vectors[i])
                    labels[piece, i] = self.assignments[i](places)[0][:, 0]
        return labels


ALGORITHM = SpectralClustering()
