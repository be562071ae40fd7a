"""Spectral clustering: k-means of the rows' places in a Nyström embedding through landmarks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamclust.clustering.base import Clustering
from streamclust.memory import MIB, Need
from streamclust.passes import Passes, Rows
from streamclust.passes.accumulators import SLICE_ROWS, Assignment, UniformSample
from streamclust.settings import Settings

# The bandwidth is such that a row's affinities spread over about so many landmarks.
PERPLEXITY = 32
_HALVINGS = 50
_BANDWIDTH_ROWS = 2048
# Eigenvalues below this part of the largest are rounding.
_NOTHING = 1e-10


@dataclass(frozen=True)
class SpectralEmbedding:
    """Maps rows to the leading eigenvectors of the normalised affinity of all rows.

    The first k columns, made of unit length, are the embedding for k clusters.

    Attributes
    ----------
    landmarks : ndarray of shape (n_landmarks, n_columns)
    gamma : float
        Affinity is ``exp(-gamma * squared distance)``.
    weights : ndarray of shape (n_landmarks, n_vectors)

    References
    ----------
    Fowlkes, C., Belongie, S., Chung, F. & Malik, J. (2004). Spectral grouping using the Nyström
    method. IEEE Transactions on Pattern Analysis and Machine Intelligence 26(2).
    Ng, A., Jordan, M. & Weiss, Y. (2002). On spectral clustering. NIPS 14.
    """

    landmarks: np.ndarray
    gamma: float
    weights: np.ndarray

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Embed rows (n_rows, n_columns): float64 of shape (n_rows, n_vectors).

        A row's scale is arbitrary: the first k columns are still to be made of unit length.
        """
        embedded = np.empty((len(values), self.weights.shape[1]))
        for start in range(0, len(values), SLICE_ROWS):
            piece = slice(start, start + SLICE_ROWS)
            squared = squared_distances(values[piece], self.landmarks)
            embedded[piece] = affinities(squared, self.gamma) @ self.weights
        return embedded


def squared_distances(values: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Squared distances of rows to landmarks, float64 of shape (n_rows, n_landmarks)."""
    shift = landmarks.mean(axis=0, dtype=np.float64)
    rows, others = values - shift, landmarks - shift
    squared = rows @ (-2 * others.T)
    squared += np.einsum("ij,ij->i", others, others)
    squared += np.einsum("ij,ij->i", rows, rows)[:, None]
    return np.maximum(squared, 0, out=squared)


def affinities(squared: np.ndarray, gamma: float) -> np.ndarray:
    """Affinities to all landmarks, relative to the one to the nearest: far rows keep theirs."""
    nearest = squared.min(axis=1, keepdims=True)
    return np.exp(-gamma * (squared - nearest))


def bandwidth(squared: np.ndarray, perplexity: float) -> float:
    """The gamma at which rows' affinities spread, on the average, over `perplexity` landmarks.

    Parameters
    ----------
    squared : ndarray of shape (n_rows, n_landmarks)
        Squared distances.
    perplexity : float
        e to the entropy of a row's affinities, as in van der Maaten & Hinton (2008),
        "Visualizing data using t-SNE", Journal of Machine Learning Research 9.
    """
    typical = float(np.median(squared))
    if typical == 0:
        return 1.0
    low, high = 1e-6 / typical, 1e9 / typical
    for _ in range(_HALVINGS):
        gamma = float(np.sqrt(low * high))
        shares = affinities(squared, gamma)
        shares /= shares.sum(axis=1, keepdims=True)
        entropy = -(shares * np.log(np.maximum(shares, 1e-300))).sum(axis=1)
        low, high = (gamma, high) if np.exp(entropy.mean()) > perplexity else (low, gamma)
    return gamma


def spectral_embedding(
    sample: np.ndarray, n_landmarks: int, n_vectors: int, perplexity: float = PERPLEXITY
) -> SpectralEmbedding:
    """Learn an embedding from a uniform sample of rows, whose first ones are the landmarks.

    Parameters
    ----------
    sample : ndarray of shape (n_rows, n_columns)
    n_landmarks : int
    n_vectors : int
        Eigenvectors wanted; fewer are given where the affinity's rank is lower.
    perplexity : float
    """
    landmarks = np.unique(sample[:n_landmarks], axis=0).astype(np.float64)
    squared = squared_distances(sample[:_BANDWIDTH_ROWS], landmarks)
    gamma = bandwidth(squared, min(perplexity, max(1.5, len(landmarks) / 4)))
    root = _inverse_root(np.exp(-gamma * squared_distances(landmarks, landmarks)))
    pieces = [sample[start : start + SLICE_ROWS] for start in range(0, len(sample), SLICE_ROWS)]

    def mapped(piece: np.ndarray) -> np.ndarray:
        return np.exp(-gamma * squared_distances(piece, landmarks)) @ root

    total = np.sum([mapped(piece).sum(axis=0) for piece in pieces], axis=0)
    degrees = np.concatenate([mapped(piece) @ total for piece in pieces])
    least = _NOTHING * np.median(degrees)
    gram = np.zeros_like(root)
    for number, piece in enumerate(pieces):
        own = degrees[number * SLICE_ROWS :][: len(piece)]
        sound = own > least
        scaled = mapped(piece[sound]) / np.sqrt(own[sound])[:, None]
        gram += scaled.T @ scaled
    values, vectors = np.linalg.eigh(gram)
    values, vectors = values[::-1][:n_vectors], vectors[:, ::-1][:, :n_vectors]
    held = values > _NOTHING * values[0]
    return SpectralEmbedding(landmarks, gamma, root @ (vectors[:, held] / np.sqrt(values[held])))


def _inverse_root(matrix: np.ndarray) -> np.ndarray:
    """Inverse square root of a positive semidefinite matrix, on what is not rounding of it."""
    values, vectors = np.linalg.eigh(matrix)
    held = values > _NOTHING * values[-1]
    return vectors[:, held] / np.sqrt(values[held]) @ vectors[:, held].T


def unit_prefix(embedded: np.ndarray, k: int) -> np.ndarray:
    """The first k columns of embedded rows, made of unit length."""
    first = embedded[:, :k]
    lengths = np.linalg.norm(first, axis=1, keepdims=True)
    return np.divide(first, lengths, out=np.zeros_like(first), where=lengths > 0)


SAMPLE_ROWS = 16_384
LANDMARKS = 512
_RESTARTS = 5


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
        for start in range(0, len(values), SLICE_ROWS):
            piece = slice(start, start + SLICE_ROWS)
            for embedding, members in zip(self.embeddings, self.members, strict=True):
                embedded = embedding(values[piece])
                for i in members:
                    places = unit_prefix(embedded, self.n_vectors[i])
                    labels[piece, i] = self.assignments[i](places)[0][:, 0]
        return labels


class SpectralClustering:
    """See `streamclust.clustering.spectral`."""

    version = 1
    depends_on = ("random_state",)
    takes_k = True
    labeller = EmbeddedCenters

    def needs(self, rows: Rows, ks: Sequence[int], settings: Settings) -> list[Need]:
        sample = SAMPLE_ROWS * (rows.row_bytes + 8 * max(ks))
        # Square matrices of all landmarks, and of rows and landmarks while the bandwidth is found.
        squares = 10 * 8 * LANDMARKS**2 + 5 * 8 * 2048 * LANDMARKS
        held = len(ks) * LANDMARKS * (rows.n_columns + max(ks)) * 8
        block = rows.rows_a_block * (2 * rows.row_bytes + 8 * len(ks))
        products = SLICE_ROWS * (3 * LANDMARKS + 4 * max(ks) + 2 * rows.n_columns) * 8
        return [
            Need(fixed=2 * sample + squares, per_block=2 * sample + 8 * MIB),
            Need(fixed=held, per_block=block + products),
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
