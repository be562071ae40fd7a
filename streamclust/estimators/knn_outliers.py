"""Outliers by the distance to neighbours or to random references, with scikit-learn's face."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from streamclust.errors import SettingsError
from streamclust.estimators.checked_rows import CheckedRows
from streamclust.estimators.inputs import seed_of
from streamclust.estimators.lazy_results import map_chunks
from streamclust.estimators.spread import near_enough
from streamclust.neighbors import GraphSettings, NearestRows, Neighbors, as_members, neighbor_graph
from streamclust.outliers import threshold
from streamclust.outliers.measures import (
    N_SAMPLES,
    SAMPLE_SIZE,
    LocalOutlierFactor,
    NeighborDistances,
    ReachabilityDensity,
    ReferenceDistances,
    ReferenceSamples,
)
from streamclust.passes import LocalExecutor, Passes, Rows, Transform, unit_rows
from streamclust.passes.accumulators import Collected, Moments

_NEIGHBORS = 15
# New rows that are scored at once, and training rows that they are compared with at once.
_BLOCK_ROWS = 8192
# Rows whose mean is shorter than this part of their lengths were centred, but for rounding.
_CENTRED = 1e-3


class KNNOutlierDetector(OutlierMixin, BaseEstimator):
    """Outlier detection by nearest neighbours, for rows that do not fit in memory.

    `score_samples`, `decision_function`, `predict` and `offset_` follow scikit-learn: higher is
    more ordinary, outliers are -1. `decision_scores_` and `threshold_` follow PyOD: higher is
    more outlying, outliers lie above the threshold.

    A row is never its own neighbour. Nor is a new row's exact copy among the training rows, so
    that the training rows score the same in `fit` and in `score_samples`.

    Parameters
    ----------
    n_neighbors : int or None, default=None
        Which neighbour's distance is taken, or how many neighbours. None is 1 % of the rows of a
        reference sample for "reference" (5 of 500), 15 for the others. Groups of alike outliers
        with more members than this, of those in a sample for "reference", are missed.
    method : {"reference", "kth", "mean", "lof"}, default="reference"
        "reference" is the distance to a near row of a random sample of the training rows,
        averaged over samples [1]_: few of a group of alike outliers are in a sample, so they
        cannot hide behind each other. The others are taken from the graph of nearest neighbours
        among all rows: the distance to the last of `n_neighbors`, the mean distance to them [2]_,
        and the local outlier factor [3]_.
    scaling : {"none", "l2"}, default="none"
        Take the rows as they are, or make them of unit length first, as suits descriptors of images
        (docs/outliers.md), and as the command line does. Rows that were centred before are warned
        of: what tells them from each other is then mostly noise.
    contamination : "auto" or float in (0, 0.5], default="auto"
        Share of the training rows to call outliers; "auto" calls outliers what lies more than
        three quartile ranges above the third quartile of the scores, which may be none.
    n_references : int, default=500
        Rows of a reference sample. Of use to "reference" only, as `n_draws`.
    n_draws : int, default=10
        Number of reference samples.
    random_state : int, RandomState instance or None, default=0

    Attributes
    ----------
    decision_scores_ : ndarray of float64 of shape (n_samples,)
        Scores of the training rows, higher for outliers.
    threshold_ : float
        Scores above it are outliers'.
    offset_ : float
        Less the threshold: ``decision_function = score_samples - offset_``.
    labels_ : ndarray of int64 of shape (n_samples,)
        -1 for outliers among the training rows, 1 for the others (not PyOD's 1 and 0).
    n_neighbors_ : int
        The neighbours used: fewer than asked for where there are not as many other rows.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Where X has names.

    Notes
    -----
    `fit` holds a few blocks of 32 MiB for each processor and up to 24 bytes a row (40 for "lof").
    "reference" keeps its ``n_references * n_draws`` rows. The others write about twice the rows and
    ``24 * n_neighbors + 50`` bytes a row to a temporary folder while they fit, keep a reference to
    the training rows, which must not change, and read all of them to score each 8,192 new ones.
    Their graph is exact up to 8,192 rows and has about 95 % of the true neighbours or more above;
    new rows are compared with all.

    References
    ----------
    .. [1] Sugiyama, M. & Borgwardt, K. (2013). Rapid distance-based outlier detection via
       sampling. NeurIPS 26.
    .. [2] Ramaswamy, S., Rastogi, R. & Shim, K. (2000). Efficient algorithms for mining outliers
       from large data sets. SIGMOD. Angiulli, F. & Pizzuti, C. (2002). Fast outlier detection in
       high dimensional spaces. PKDD.
    .. [3] Breunig, M. M., Kriegel, H.-P., Ng, R. T. & Sander, J. (2000). LOF: identifying
       density-based local outliers. SIGMOD.

    Examples
    --------
    >>> import numpy as np
    >>> from streamclust import KNNOutlierDetector
    >>> X = np.random.default_rng(0).normal(10, 1, (1000, 8))
    >>> X[7] = -10
    >>> model = KNNOutlierDetector().fit(X)
    >>> int(model.decision_scores_.argmax()), int(model.predict(X)[7])
    (7, -1)
    """

    _parameter_constraints: ClassVar[dict] = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left"), None],
        "method": [StrOptions({"reference", "kth", "mean", "lof"})],
        "scaling": [StrOptions({"none", "l2"})],
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
        "n_references": [Interval(Integral, 2, None, closed="left")],
        "n_draws": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_neighbors: int | None = None,
        *,
        method: Literal["reference", "kth", "mean", "lof"] = "reference",
        scaling: Literal["none", "l2"] = "none",
        contamination: Literal["auto"] | float = "auto",
        n_references: int = SAMPLE_SIZE,
        n_draws: int = N_SAMPLES,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.method = method
        self.scaling = scaling
        self.contamination = contamination
        self.n_references = n_references
        self.n_draws = n_draws
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Score the rows of `X` among themselves and find the threshold.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask or Zarr array} of shape (n_samples, n_features)
            Also a frame of pandas or dask; read, converted and made dense block by block.
        y : ignored

        Raises
        ------
        InvalidParameterError
            A ValueError: a parameter is out of its range.
        ValueError
            For fewer than two rows, NaN or infinity in `X`, or with
            scaling "none" values so large that distances between them are infinite.
        """
        seed, passes = seed_of(self.random_state), Passes(LocalExecutor())
        checked = CheckedRows(self, X, reset=True)
        if checked.shape[0] < 2:
            raise SettingsError(
                f"n_samples={checked.shape[0]}: outliers are told among 2 rows or more"
            )
        if self.scaling == "l2":
            _warn_of_centred(Rows(checked), passes)
        self._dtype = checked.dtype
        rows = Rows(self._prepared(checked))
        fit_scores = self._fit_references if self.method == "reference" else self._fit_graph
        scores = fit_scores(rows, seed, passes)
        self.decision_scores_ = scores
        self.threshold_ = threshold(scores, self.contamination)
        self.offset_ = -self.threshold_
        self.labels_ = np.where(scores > self.threshold_, -1, 1)
        return self

    def fit_predict(self, X: Any, y: Any = None) -> np.ndarray:
        """Fit, and give `labels_`: -1 for outliers, 1 for the others."""
        return self.fit(X).labels_

    def score_samples(self, X: Any) -> np.ndarray:
        """Score rows, higher for ordinary ones, as if each was added to the training rows alone.

        Returns
        -------
        ndarray of float64 of shape (n_samples,), or a dask array of it where `X` is one
        """
        check_is_fitted(self)
        rows = CheckedRows(self, X, reset=False, dtype=self._dtype)
        if rows.dask_array is not None:
            return map_chunks(rows.dask_array, self._scored_chunk, rows.dtype, np.float64)
        return self._scored(self._prepared(rows))

    def decision_function(self, X: Any) -> np.ndarray:
        """Scores less `offset_`: below 0 for outliers; shape as `score_samples`."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """Tell outliers (-1) from the others (1); int64, shape as `score_samples`."""
        return np.where(self.decision_function(X) >= 0, 1, -1)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    @property
    def _prepare(self) -> Callable[[np.ndarray], np.ndarray]:
        return unit_rows if self.scaling == "l2" else near_enough

    def _prepared(self, rows: CheckedRows) -> CheckedRows:
        return rows.prepared(self._prepare)

    def _scored_chunk(self, values: np.ndarray) -> np.ndarray:
        return self._scored(self._prepare(values))

    def _scored(self, array: Any) -> np.ndarray:
        rows = Rows(array)
        rows = rows.having(rows_a_block=min(rows.rows_a_block, _BLOCK_ROWS))
        return -_scores(Passes(LocalExecutor()), "scoring rows", rows, self._score)

    def _fit_references(self, rows: Rows, seed: int, passes: Passes) -> np.ndarray:
        if (self.n_neighbors or 1) >= self.n_references:
            raise SettingsError(
                f"n_neighbors={self.n_neighbors} must be less than n_references="
                f"{self.n_references} with method='reference'"
            )
        rows = rows.having(numbered=True)
        samples = ReferenceSamples(self.n_references, self.n_draws, seed)
        drawn = passes.reduce("drawing references", rows, samples).result()
        distances = ReferenceDistances(drawn, self.n_neighbors)
        self.n_neighbors_ = distances.near
        self._score: Transform = _ReferenceScore(distances)
        return _scores(passes, "reference distances", rows, self._score)

    def _fit_graph(self, rows: Rows, seed: int, passes: Passes) -> np.ndarray:
        others = rows.n_rows - 1
        self.n_neighbors_ = min(self.n_neighbors or _NEIGHBORS, others)
        if (self.n_neighbors or 0) > others:
            warnings.warn(
                f"n_neighbors ({self.n_neighbors}) is greater than the total number of samples "
                f"({rows.n_rows}). n_neighbors will be set to (n_samples - 1) for estimation.",
                UserWarning,
                stacklevel=4,
            )
        with TemporaryDirectory(prefix="streamclust-") as folder:
            settings = GraphSettings(self.n_neighbors_, seed=seed)
            graph = _stored_graph(rows, settings, passes, Path(folder))
            measure = self._measure(graph, passes)
            self._score = _GraphScore(rows, self.n_neighbors_, measure)
            return _scores(passes, "scores", graph, measure)

    def _measure(self, graph: Rows, passes: Passes) -> Transform:
        if self.method != "lof":
            return _kth_distance if self.method == "kth" else _mean_distance
        kth = _scores(passes, "neighbour distances", graph, _kth_distance)
        return _Factor(kth, _scores(passes, "reachability", graph, ReachabilityDensity(kth)))


def _warn_of_centred(rows: Rows, passes: Passes) -> None:
    moments = passes.reduce("column means", rows, Moments()).result()
    with np.errstate(over="ignore"):  # rows of such lengths may well be of unit length
        squares = moments.mean @ moments.mean
        total = squares + moments.variance.sum()
    if squares < _CENTRED**2 * total < np.inf:
        warnings.warn(
            "scaling='l2' makes rows of unit length, but these are centred: directions from the "
            "mean hardly tell how far out a row lies. Give the rows as they were, or take "
            "scaling='none'.",
            UserWarning,
            stacklevel=4,
        )


def _scores(passes: Passes, name: str, rows: Rows, transform: Transform) -> np.ndarray:
    """What a transform makes of each row, (n_rows,) float64."""
    (scores,) = passes.reduce(name, rows, Collected(transform)).result()
    return scores.astype(np.float64)


class _Output:
    """An array that passes write, as they write Zarr arrays."""

    fill_value = np.nan

    def __init__(self, array: np.ndarray, rows_a_block: int) -> None:
        self.array = array
        self.shape = array.shape
        self.dtype = array.dtype
        self.chunks = (rows_a_block, *array.shape[1:])

    def __setitem__(self, part: slice, values: np.ndarray) -> None:
        self.array[part] = values


def _stored_graph(rows: Rows, settings: GraphSettings, passes: Passes, folder: Path) -> Rows:
    """Distances to the nearest neighbours as rows, with their numbers, in files of a folder."""
    shape = (rows.n_rows, settings.n_neighbors)
    indices = np.memmap(folder / "indices", np.int64, "w+", shape=shape)
    distances = np.memmap(folder / "distances", np.float32, "w+", shape=shape)
    outputs = [_Output(array, rows.rows_a_block) for array in (indices, distances)]
    neighbor_graph(rows, settings, passes, folder, outputs)
    return Rows(distances, extras=(indices,))


class _ReferenceScore:
    """Distances to reference samples as a transform, of numbered training rows or of new ones."""

    def __init__(self, distances: ReferenceDistances) -> None:
        self.distances = distances

    def __call__(self, values: np.ndarray, *extras: np.ndarray) -> tuple[np.ndarray, ...]:
        numbers = extras[-1] if extras else self._identical(values)
        return self.distances(values, numbers)[:1]

    def _identical(self, values: np.ndarray) -> np.ndarray:
        """Numbers of the references that rows are copies of, -1 for all others."""
        known = self.distances
        places = zip(known.order, known.numbers, strict=True)
        numbers = {hash(known.rows[place].tobytes()): number for place, number in places}
        keys = (hash((row - known.center).tobytes()) for row in values)
        return np.array([numbers.get(key, -1) for key in keys], np.int64)


class _GraphScore:
    """Scores of new rows by their neighbours among the training rows, as a transform."""

    def __init__(self, rows: Rows, n_neighbors: int, measure: Transform) -> None:
        self.rows = rows
        self.n_neighbors = n_neighbors
        self.measure = measure

    def __call__(self, values: np.ndarray) -> tuple[np.ndarray, ...]:
        found = _nearest(values, self.rows, self.n_neighbors)
        return self.measure(found.distances, found.indices)


def _kth_distance(distances: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, ...]:
    """Distance to the last of the neighbours, as a transform."""
    return NeighborDistances()(distances, indices)[:1]


def _mean_distance(distances: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, ...]:
    """Mean distance to the neighbours, as a transform."""
    return NeighborDistances()(distances, indices)[1:]


@dataclass(frozen=True)
class _Factor:
    """Local outlier factor as a transform, by what is known (n_rows,) of the training rows."""

    kth: np.ndarray
    density: np.ndarray

    def __call__(self, distances: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, ...]:
        (own,) = ReachabilityDensity(self.kth)(distances, indices)
        return LocalOutlierFactor(self.density)(distances, indices, own)


def _nearest(values: np.ndarray, rows: Rows, k: int) -> Neighbors:
    """The k nearest of all `rows` to each of some new ones, less one that is identical."""
    rows = rows.having(numbered=True, rows_a_block=min(rows.rows_a_block, _BLOCK_ROWS))
    shift = rows.array[: rows.rows_a_block].mean(axis=0)
    queries = as_members(values, np.full(len(values), -1), None, shift)
    nearest = NearestRows(queries, k + 1, shift)
    neighbors = Passes(LocalExecutor(1)).reduce("nearest rows", rows, nearest).result()
    places = np.arange(k) + (neighbors.distances[:, :1] == 0)
    return Neighbors(
        np.take_along_axis(neighbors.indices, places, axis=1),
        np.take_along_axis(neighbors.distances, places, axis=1),
    )
